/* Barriers for reads: when a leader may answer, and what a node that does not lead asks. */
#include "cluster/read_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct read_index reads;
    struct read_index_now now;
    struct raft_loop_actions actions;
    uint64_t now_ms;
    bool wanted;             /* a round of pings */
    uint64_t barriers[8];    /* that came in the newest advance, by reader; 0: none */
    uint64_t question;       /* that was sent; 0: none */
    uint64_t asked;          /* whom */
    uint32_t answers;        /* to members */
    Qnfs__ReadAnswer answer; /* the last of them */
    uint64_t answered;       /* whom */
};

static void begin(struct fixture *fixture, bool leads)
{
    *fixture = (struct fixture){.now_ms = 1000};
    fixture->now = (struct read_index_now){
        .view = {.leads = leads, .committed = leads, .term = 5, .leader = leads ? 1 : 2, .commit_index = 70},
        .confirmed = 10,
        .next_round = 11,
        .leader_open = !leads,
    };
    raft_loop_actions_init(&fixture->actions);
    read_index_init(&fixture->reads, UINT64_MAX - 1);
}

static void collect(struct fixture *fixture)
{
    for (const struct raft_loop_action *action = fixture->actions.first; action != NULL; action = action->next) {
        if (action->kind == RAFT_LOOP_DO_BARRIER) {
            assert_int_equal(fixture->barriers[action->reader], 0);
            fixture->barriers[action->reader] = action->index;
            continue;
        }
        assert_int_equal(action->kind, RAFT_LOOP_DO_SEND);
        if (action->message->body_case == QNFS__PEER__BODY_READ_ANSWER) {
            fixture->answer = *action->message->read_answer;
            fixture->answered = action->node;
            fixture->answers++;
        } else {
            assert_int_equal(action->message->body_case, QNFS__PEER__BODY_READ_QUESTION);
            assert_int_equal(fixture->question, 0);
            fixture->question = action->message->read_question->number;
            fixture->asked = action->node;
        }
    }
}

static void advance(struct fixture *fixture)
{
    raft_loop_actions_reset(&fixture->actions);
    memset(fixture->barriers, 0, sizeof fixture->barriers);
    fixture->question = fixture->asked = fixture->answered = 0;
    fixture->answers = 0;
    fixture->wanted = read_index_advance(&fixture->reads, &fixture->now, fixture->now_ms, &fixture->actions);
    collect(fixture);
}

static void answer_in(struct fixture *fixture, uint64_t node, uint64_t number, enum peer_outcome outcome,
                      uint64_t index)
{
    Qnfs__ReadAnswer answer = QNFS__READ_ANSWER__INIT;
    answer.number = number;
    answer.outcome = (uint32_t)outcome;
    answer.term = 5;
    answer.index = index;
    raft_loop_actions_reset(&fixture->actions);
    memset(fixture->barriers, 0, sizeof fixture->barriers);
    read_index_answer(&fixture->reads, node, &answer, fixture->now_ms, &fixture->actions);
    collect(fixture);
}

static void end(struct fixture *fixture)
{
    raft_loop_actions_fini(&fixture->actions);
}

static void lease_answers_at_once(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, true);
    fixture.now.lease_until_ms = fixture.now_ms + 1;
    read_index_read(&fixture.reads, 0, 1);
    read_index_question(&fixture.reads, 3, 9);
    advance(&fixture);
    assert_int_equal(fixture.barriers[0], 70);
    assert_int_equal(fixture.answered, 3);
    assert_int_equal(fixture.answer.number, 9);
    assert_int_equal(fixture.answer.outcome, PEER_OUTCOME_DONE);
    assert_int_equal(fixture.answer.index, 70);
    assert_false(fixture.wanted);
    /* Not with one that ends now. */
    fixture.now_ms++;
    read_index_read(&fixture.reads, 0, 2);
    advance(&fixture);
    assert_int_equal(fixture.barriers[0], 0);
    assert_true(fixture.wanted);
    end(&fixture);
}

static void round_after_the_question_confirms(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, true);
    read_index_read(&fixture.reads, 0, 1);
    advance(&fixture);
    assert_true(fixture.wanted);
    fixture.now.next_round = 12; /* it was sent */
    fixture.now.view.commit_index = 80;
    read_index_read(&fixture.reads, 1, 1);
    advance(&fixture);
    assert_true(fixture.wanted); /* for the second one */
    fixture.now.next_round = 13;
    fixture.now.confirmed = 11;
    advance(&fixture);
    assert_int_equal(fixture.barriers[0], 70); /* as of when it came */
    assert_int_equal(fixture.barriers[1], 0);
    assert_false(fixture.wanted);
    fixture.now.confirmed = 13; /* a later one confirms as well */
    advance(&fixture);
    assert_int_equal(fixture.barriers[1], 80);
    end(&fixture);
}

static void new_leader_waits_for_its_first_entry(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, true);
    fixture.now.view.committed = false;
    fixture.now.lease_until_ms = fixture.now_ms + 100;
    read_index_read(&fixture.reads, 0, 1);
    advance(&fixture);
    fixture.now.next_round = 12;
    fixture.now.confirmed = 11;
    advance(&fixture);
    assert_int_equal(fixture.barriers[0], 0);
    fixture.now.view.committed = true;
    fixture.now.view.commit_index = 75;
    fixture.now.lease_until_ms = 0;
    advance(&fixture);
    assert_int_equal(fixture.barriers[0], 75);
    end(&fixture);
}

/* It may not have led when the question came: all it knew then counts for nothing. */
static void other_term_begins_anew(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, true);
    read_index_read(&fixture.reads, 0, 1);
    advance(&fixture);
    fixture.now.view.term = 8;
    fixture.now.view.commit_index = 90;
    fixture.now.next_round = 14;
    fixture.now.confirmed = 11;
    advance(&fixture);
    assert_int_equal(fixture.barriers[0], 0);
    fixture.now.confirmed = 14;
    fixture.now.next_round = 15;
    advance(&fixture);
    assert_int_equal(fixture.barriers[0], 90);
    end(&fixture);
}

static void leader_that_steps_down_says_so(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, true);
    read_index_question(&fixture.reads, 3, 9);
    read_index_question(&fixture.reads, 3, 10); /* it has given up the first one */
    read_index_question(&fixture.reads, 4, 1);
    read_index_reset(&fixture.reads, 4); /* who asked is gone */
    read_index_read(&fixture.reads, 2, 1);
    advance(&fixture);
    fixture.now.view.leads = false;
    fixture.now.view.leader = 4;
    fixture.now.leader_open = true;
    advance(&fixture);
    assert_int_equal(fixture.answers, 1);
    assert_int_equal(fixture.answered, 3);
    assert_int_equal(fixture.answer.number, 10);
    assert_int_equal(fixture.answer.outcome, PEER_OUTCOME_NOT_LEADER);
    assert_int_equal(fixture.asked, 4); /* and asks itself */
    answer_in(&fixture, 4, fixture.question, PEER_OUTCOME_DONE, 95);
    assert_int_equal(fixture.barriers[2], 95);
    end(&fixture);
}

static void question_is_joined_only_before_it_is_sent(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, false);
    read_index_read(&fixture.reads, 0, 1);
    read_index_read(&fixture.reads, 1, 1);
    advance(&fixture);
    uint64_t first = fixture.question;
    assert_int_equal(fixture.asked, 2);
    assert_int_not_equal(first, 0);
    read_index_read(&fixture.reads, 2, 1);
    advance(&fixture);
    assert_int_equal(fixture.question, 0); /* one at a time */
    answer_in(&fixture, 2, first, PEER_OUTCOME_DONE, 50);
    assert_int_equal(fixture.barriers[0], 50);
    assert_int_equal(fixture.barriers[1], 50);
    assert_int_equal(fixture.barriers[2], 0);
    answer_in(&fixture, 2, first, PEER_OUTCOME_DONE, 50); /* doubled */
    advance(&fixture);
    uint64_t second = fixture.question;
    assert_true(second != 0 && second != first);
    answer_in(&fixture, 2, first, PEER_OUTCOME_DONE, 51); /* the earlier one's */
    assert_int_equal(fixture.barriers[2], 0);
    answer_in(&fixture, 3, second, PEER_OUTCOME_DONE, 51); /* was not asked */
    assert_int_equal(fixture.barriers[2], 0);
    answer_in(&fixture, 2, second, PEER_OUTCOME_DONE, 52);
    assert_int_equal(fixture.barriers[2], 52);
    assert_true(read_index_deadline(&fixture.reads, fixture.now_ms) == UINT64_MAX);
    end(&fixture);
}

static void question_is_asked_again(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, false);
    fixture.now.view.leader = 0;
    fixture.now.leader_open = false;
    read_index_read(&fixture.reads, 0, 1);
    advance(&fixture);
    assert_int_equal(fixture.question, 0); /* nobody leads: held */
    assert_true(read_index_deadline(&fixture.reads, fixture.now_ms) == UINT64_MAX);
    fixture.now.view.leader = 2;
    fixture.now.leader_open = true;
    advance(&fixture);
    uint64_t first = fixture.question;
    assert_int_not_equal(first, 0);

    /* refused: after a pause */
    answer_in(&fixture, 2, first, PEER_OUTCOME_NOT_LEADER, 0);
    advance(&fixture);
    assert_int_equal(fixture.question, 0);
    assert_int_equal(read_index_deadline(&fixture.reads, fixture.now_ms), fixture.now_ms + READ_RETRY_MS);
    fixture.now_ms += READ_RETRY_MS;
    advance(&fixture);
    uint64_t second = fixture.question;
    assert_true(second != 0 && second != first);

    /* no answer */
    assert_int_equal(read_index_deadline(&fixture.reads, fixture.now_ms), fixture.now_ms + READ_ANSWER_TIMEOUT_MS);
    fixture.now_ms += READ_ANSWER_TIMEOUT_MS;
    advance(&fixture);
    assert_true(fixture.question != 0 && fixture.question != second);

    /* the connection closes, and opens again before anything else happens */
    uint64_t third = fixture.question;
    read_index_reset(&fixture.reads, 2);
    advance(&fixture);
    assert_true(fixture.question != 0 && fixture.question != third);

    /* another leader */
    fixture.now.view.leader = 3;
    fixture.now.view.term = 6;
    advance(&fixture);
    assert_int_equal(fixture.asked, 3);
    answer_in(&fixture, 3, fixture.question, PEER_OUTCOME_DONE, 60);
    assert_int_equal(fixture.barriers[0], 60);
    end(&fixture);
}

/* A question that is under way when this node becomes leader: it answers itself. */
static void asker_becomes_leader(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, false);
    read_index_read(&fixture.reads, 0, 1);
    advance(&fixture);
    uint64_t question = fixture.question;
    fixture.now.view =
        (struct replica_view){.leads = true, .committed = true, .term = 6, .leader = 1, .commit_index = 99};
    fixture.now.leader_open = false;
    advance(&fixture);
    assert_true(fixture.wanted);
    answer_in(&fixture, 2, question, PEER_OUTCOME_DONE, 50);
    assert_int_equal(fixture.barriers[0], 0);
    fixture.now.confirmed = 11;
    advance(&fixture);
    assert_int_equal(fixture.barriers[0], 99);
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lease_answers_at_once),
        cmocka_unit_test(round_after_the_question_confirms),
        cmocka_unit_test(new_leader_waits_for_its_first_entry),
        cmocka_unit_test(other_term_begins_anew),
        cmocka_unit_test(leader_that_steps_down_says_so),
        cmocka_unit_test(question_is_joined_only_before_it_is_sent),
        cmocka_unit_test(question_is_asked_again),
        cmocka_unit_test(asker_becomes_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
