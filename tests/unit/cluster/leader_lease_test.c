/* How long a leader may take itself for the only one: what majorities have promised and confirmed. */
#include "cluster/leader_lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct leader_lease lease;
    struct configuration configuration;
    struct replica_view view;
    struct raft_loop_actions actions;
    uint64_t now_ms;
};

/* Node 1 leads voters 1 .. `voters` and the standbys behind them. */
static void begin(struct fixture *fixture, uint32_t voters, uint32_t standbys)
{
    *fixture = (struct fixture){.now_ms = 10000};
    for (uint32_t i = 0; i < voters + standbys; i++)
        fixture->configuration.members[fixture->configuration.count++] =
            (struct member){i + 1, i < voters ? MEMBER_VOTER : MEMBER_STANDBY};
    fixture->view = (struct replica_view){
        .leads = true, .term = 5, .leader = 1, .configuration_index = 1, .configuration = &fixture->configuration};
    raft_loop_actions_init(&fixture->actions);
    leader_lease_init(&fixture->lease, 1);
    leader_lease_follow(&fixture->lease, &fixture->view);
}

/* The number of the round that was sent; 0: none. */
static uint64_t advance(struct fixture *fixture)
{
    raft_loop_actions_reset(&fixture->actions);
    leader_lease_advance(&fixture->lease, fixture->now_ms, &fixture->actions);
    uint32_t count = 0;
    uint64_t number = 0;
    for (const struct raft_loop_action *action = fixture->actions.first; action != NULL; action = action->next) {
        assert_int_equal(action->kind, RAFT_LOOP_DO_SEND);
        assert_int_equal(action->message->ping->term, fixture->view.term);
        assert_int_equal(action->message->ping->sent_ms, fixture->now_ms);
        assert_int_equal(action->message->ping->promise_ms, LEADER_PROMISE_MS);
        number = action->message->ping->number;
        count++;
    }
    assert_true(count == 0 || count + 1 == fixture->configuration.count);
    return number;
}

static void pong(struct fixture *fixture, uint64_t node, uint64_t number, uint64_t sent_ms, uint32_t promise_ms)
{
    Qnfs__Pong message = QNFS__PONG__INIT;
    message.term = 5;
    message.number = number;
    message.sent_ms = sent_ms;
    message.promise_ms = promise_ms;
    leader_lease_pong(&fixture->lease, node, &message, fixture->now_ms);
}

static void majority_counts_from_when_it_was_asked(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, 5, 1);
    uint64_t sent_ms = fixture.now_ms;
    uint64_t first = advance(&fixture);
    assert_int_equal(leader_lease_until(&fixture.lease), 0);
    fixture.now_ms += 30;
    pong(&fixture, 6, first, sent_ms, LEADER_PROMISE_MS); /* a standby does not count */
    pong(&fixture, 2, first, sent_ms, LEADER_PROMISE_MS);
    pong(&fixture, 2, first, sent_ms, LEADER_PROMISE_MS); /* nor does one twice */
    assert_int_equal(leader_lease_until(&fixture.lease), 0);
    assert_int_equal(leader_lease_confirmed(&fixture.lease), 0);
    pong(&fixture, 4, first, sent_ms, LEADER_PROMISE_MS);
    assert_int_equal(leader_lease_until(&fixture.lease), sent_ms + LEADER_PROMISE_MS - LEADER_DRIFT_MS);
    assert_int_equal(leader_lease_confirmed(&fixture.lease), first);
    /* One newer promise moves nothing, the second does; an old answer takes nothing away. */
    fixture.now_ms = sent_ms + LEASE_PING_MS;
    uint64_t second = advance(&fixture);
    assert_int_equal(second, first + 1);
    pong(&fixture, 2, second, fixture.now_ms, LEADER_PROMISE_MS);
    assert_int_equal(leader_lease_confirmed(&fixture.lease), first);
    pong(&fixture, 3, second, fixture.now_ms, LEADER_PROMISE_MS);
    pong(&fixture, 3, first, sent_ms, LEADER_PROMISE_MS);
    assert_int_equal(leader_lease_until(&fixture.lease), fixture.now_ms + LEADER_PROMISE_MS - LEADER_DRIFT_MS);
    assert_int_equal(leader_lease_confirmed(&fixture.lease), second);
    raft_loop_actions_fini(&fixture.actions);
}

static void what_is_no_answer_does_not_count(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, 3, 0);
    uint64_t number = advance(&fixture);
    pong(&fixture, 2, number + 1, fixture.now_ms, LEADER_PROMISE_MS); /* was never sent */
    pong(&fixture, 2, number, fixture.now_ms + 1, LEADER_PROMISE_MS); /* of another boot */
    pong(&fixture, 9, number, fixture.now_ms, LEADER_PROMISE_MS);     /* a stranger */
    Qnfs__Pong other = QNFS__PONG__INIT;
    other.term = 4;
    other.number = number;
    other.sent_ms = fixture.now_ms;
    other.promise_ms = LEADER_PROMISE_MS;
    leader_lease_pong(&fixture.lease, 2, &other, fixture.now_ms);
    assert_int_equal(leader_lease_confirmed(&fixture.lease), 0);
    pong(&fixture, 2, number, fixture.now_ms, 0); /* it promises nothing, but says that we lead */
    assert_int_equal(leader_lease_confirmed(&fixture.lease), number);
    assert_int_equal(leader_lease_until(&fixture.lease), 0);
    raft_loop_actions_fini(&fixture.actions);
}

static void rounds_are_sent_when_wanted(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, 3, 0);
    uint64_t number = advance(&fixture);
    assert_int_equal(advance(&fixture), 0);
    assert_int_equal(leader_lease_deadline(&fixture.lease), fixture.now_ms + LEASE_PING_MS);
    uint64_t wanted = leader_lease_round(&fixture.lease);
    leader_lease_want(&fixture.lease, wanted);
    assert_int_equal(advance(&fixture), 0); /* one is under way: what waits goes together */
    pong(&fixture, 3, number, fixture.now_ms, LEADER_PROMISE_MS);
    assert_int_equal(advance(&fixture), wanted);
    leader_lease_want(&fixture.lease, leader_lease_round(&fixture.lease));
    fixture.now_ms += LEASE_PING_MS; /* no answer: the timer helps */
    assert_int_equal(advance(&fixture), wanted + 1);
    raft_loop_actions_fini(&fixture.actions);
}

static void term_and_membership_void_it(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, 3, 0);
    uint64_t sent_ms = fixture.now_ms;
    uint64_t number = advance(&fixture);
    pong(&fixture, 2, number, sent_ms, LEADER_PROMISE_MS);
    assert_true(leader_lease_until(&fixture.lease) > 0);
    fixture.configuration.members[fixture.configuration.count++] = (struct member){4, MEMBER_VOTER};
    fixture.view.configuration_index = 30;
    leader_lease_follow(&fixture.lease, &fixture.view);
    assert_int_equal(leader_lease_until(&fixture.lease), 0);
    pong(&fixture, 2, number, sent_ms, LEADER_PROMISE_MS); /* late, of before */
    pong(&fixture, 3, number, sent_ms, LEADER_PROMISE_MS);
    assert_int_equal(leader_lease_until(&fixture.lease), 0);
    number = advance(&fixture); /* at once */
    pong(&fixture, 2, number, fixture.now_ms, LEADER_PROMISE_MS);
    assert_int_equal(leader_lease_until(&fixture.lease), 0); /* three of four */
    pong(&fixture, 4, number, fixture.now_ms, LEADER_PROMISE_MS);
    assert_true(leader_lease_until(&fixture.lease) > 0);
    fixture.view.leads = false;
    leader_lease_follow(&fixture.lease, &fixture.view);
    assert_int_equal(leader_lease_until(&fixture.lease), 0);
    assert_int_equal(leader_lease_deadline(&fixture.lease), UINT64_MAX);
    pong(&fixture, 2, number, fixture.now_ms, LEADER_PROMISE_MS);
    assert_int_equal(leader_lease_until(&fixture.lease), 0);
    fixture.view.leads = true;
    fixture.view.term = 6;
    leader_lease_follow(&fixture.lease, &fixture.view);
    assert_int_equal(leader_lease_confirmed(&fixture.lease), 0);
    assert_int_equal(advance(&fixture), number + 1); /* numbers go on */
    raft_loop_actions_fini(&fixture.actions);
}

/* A leader that is no voter itself (it is being removed) needs a majority of the others. */
static void leader_without_a_vote(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, 3, 0);
    fixture.configuration.members[0].role = MEMBER_STANDBY;
    fixture.view.configuration_index = 30;
    leader_lease_follow(&fixture.lease, &fixture.view);
    uint64_t number = advance(&fixture);
    pong(&fixture, 2, number, fixture.now_ms, LEADER_PROMISE_MS);
    assert_int_equal(leader_lease_until(&fixture.lease), 0);
    pong(&fixture, 3, number, fixture.now_ms, LEADER_PROMISE_MS);
    assert_true(leader_lease_until(&fixture.lease) > 0);
    raft_loop_actions_fini(&fixture.actions);
}

static void only_voter_needs_nobody(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, 1, 1);
    assert_true(leader_lease_until(&fixture.lease) == UINT64_MAX);
    assert_true(leader_lease_confirmed(&fixture.lease) == UINT64_MAX);
    assert_true(advance(&fixture) > 0); /* the standby hears of it */
    raft_loop_actions_fini(&fixture.actions);
    begin(&fixture, 1, 0);
    assert_int_equal(advance(&fixture), 0);
    assert_true(leader_lease_deadline(&fixture.lease) == UINT64_MAX);
    raft_loop_actions_fini(&fixture.actions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(majority_counts_from_when_it_was_asked),
        cmocka_unit_test(what_is_no_answer_does_not_count),
        cmocka_unit_test(rounds_are_sent_when_wanted),
        cmocka_unit_test(term_and_membership_void_it),
        cmocka_unit_test(leader_without_a_vote),
        cmocka_unit_test(only_voter_needs_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
