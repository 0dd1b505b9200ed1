/* What the raft loop's other actors ask the replica: the view, and the promise of G14. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/limits.h"
#include "cluster/log_writer.h"
#include "cluster/peer_message.h"

struct fixture {
    struct replica *replica;
    struct replica_actions actions;
    struct replica_view view;
    uint64_t now_ms;
    uint64_t vote_term; /* of a vote that is being saved in the last step; 0: none */
    bool granted;       /* a vote, in the last step */
};

static void step(struct fixture *fixture, enum replica_message_kind kind, uint64_t index, struct peer_message *peer)
{
    struct replica_message message = {.kind = kind, .index = index, .peer = peer};
    list_init(&message.proposals);
    replica_step(fixture->replica, &message, fixture->now_ms, 0, &fixture->actions);
    fixture->vote_term = 0;
    fixture->granted = false;
    for (const struct replica_action *action = fixture->actions.first; action != NULL; action = action->next) {
        if (action->kind == REPLICA_ACTION_LOG) {
            if (action->request->kind == LOG_REQUEST_VOTE)
                fixture->vote_term = action->request->term;
            log_request_free(action->request);
        } else if (action->kind == REPLICA_ACTION_APPLY) {
            buffer_put(action->entry.bytes);
        } else if (action->kind == REPLICA_ACTION_SEND) {
            fixture->granted |= action->peer->kind == PEER_MESSAGE_VOTE_RESULT && action->peer->granted;
            peer_message_free(action->peer);
        }
    }
    replica_view(fixture->replica, &fixture->view);
}

/* Node 1 of three, with 3 entries of term 1, all applied; what an earlier life has promised is over. */
static void setup(struct fixture *fixture)
{
    *fixture = (struct fixture){.now_ms = 1000};
    struct configuration three = {3, {{1, MEMBER_VOTER}, {2, MEMBER_VOTER}, {3, MEMBER_VOTER}}};
    struct log_recovered_entry entries[3] = {
        {.term = 1, .kind = REPLICA_ENTRY_CONFIGURATION, .configuration = &three}, {.term = 1}, {.term = 1}};
    struct log_recovered recovered = {.term = 1, .first_index = 1, .entry_count = 3, .entries = entries};
    struct replica_options options = {
        .id = 1, .seed = 1, .election_ms = 300, .heartbeat_ms = 50, .applied_index = 3, .feature_level = 1};
    fixture->replica = replica_create(&options, &recovered);
    replica_actions_init(&fixture->actions);
    replica_view(fixture->replica, &fixture->view);
    assert_false(replica_promise(fixture->replica, 1, fixture->now_ms, 100)); /* it has not started */
    step(fixture, REPLICA_START, 0, NULL);
    fixture->now_ms += 400;
}

static void teardown(struct fixture *fixture)
{
    replica_destroy(fixture->replica);
    replica_actions_fini(&fixture->actions);
}

static struct peer_message *message_make(enum peer_message_kind kind, uint64_t peer, uint64_t term)
{
    struct peer_message *message = peer_message_create(kind, peer);
    message->term = term;
    return message;
}

static void follow(struct fixture *fixture, uint64_t leader, uint64_t term)
{
    struct peer_message *append = message_make(PEER_MESSAGE_APPEND, leader, term);
    append->previous_index = 3;
    append->previous_term = 1;
    append->commit_index = 3;
    step(fixture, REPLICA_RECEIVE, 0, append);
    if (fixture->vote_term != 0)
        step(fixture, REPLICA_VOTE_SAVED, 0, NULL);
}

static struct peer_message *vote_make(uint64_t peer, uint64_t term)
{
    struct peer_message *vote = message_make(PEER_MESSAGE_VOTE, peer, term);
    vote->last_index = 9;
    vote->last_term = term - 1;
    return vote;
}

static void follower_promises_in_its_term(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture);
    follow(&fixture, 2, 5);
    assert_false(fixture.view.leads || fixture.view.may_lease || fixture.view.committed || fixture.view.applied);
    assert_int_equal(fixture.view.term, 5);
    assert_int_equal(fixture.view.leader, 2);
    assert_int_equal(fixture.view.commit_index, 3);
    assert_int_equal(fixture.view.configuration->count, 3);
    assert_int_equal(fixture.view.configuration_index, 1);
    assert_false(replica_promise(fixture.replica, 4, fixture.now_ms, 1000));
    assert_false(replica_promise(fixture.replica, 6, fixture.now_ms, 1000));
    /* Long silence: the core would vote, but for the promise. */
    fixture.now_ms += 200;
    assert_true(replica_promise(fixture.replica, 5, fixture.now_ms, 1000));
    fixture.now_ms += 999;
    step(&fixture, REPLICA_TICK, 0, NULL);
    assert_int_equal(fixture.view.leader, 2); /* nor does it stand itself */
    step(&fixture, REPLICA_RECEIVE, 0, vote_make(3, 6));
    assert_int_equal(fixture.vote_term, 0);
    struct peer_message *asked = vote_make(3, 6); /* by the leader, who knows what it does */
    asked->disrupt_leader = true;
    step(&fixture, REPLICA_RECEIVE, 0, asked);
    assert_int_equal(fixture.vote_term, 6);
    assert_int_equal(fixture.view.term, 6); /* at once, though it is not safe yet */
    assert_false(replica_promise(fixture.replica, 5, fixture.now_ms, 1000));
    step(&fixture, REPLICA_VOTE_SAVED, 0, NULL);
    assert_true(fixture.granted);
    teardown(&fixture);
}

/* It may have been given pre-votes of this term, and begin an election as the next one comes. */
static void candidate_promises_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture);
    follow(&fixture, 2, 5);
    fixture.now_ms += 1000;
    step(&fixture, REPLICA_TICK, 0, NULL);
    assert_int_equal(fixture.view.term, 5); /* pre-votes raise no term */
    assert_int_equal(fixture.view.leader, 0);
    assert_false(replica_promise(fixture.replica, 5, fixture.now_ms, 1000));
    follow(&fixture, 2, 5);
    assert_true(replica_promise(fixture.replica, 5, fixture.now_ms, 1000));
    teardown(&fixture);
}

static void leader_begins_with_an_entry_of_its_term(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture);
    fixture.now_ms += 1000;
    step(&fixture, REPLICA_TICK, 0, NULL);
    struct peer_message *granted = message_make(PEER_MESSAGE_VOTE_RESULT, 3, 2);
    granted->pre_vote = granted->granted = true;
    step(&fixture, REPLICA_RECEIVE, 0, granted);
    step(&fixture, REPLICA_VOTE_SAVED, 0, NULL);
    granted = message_make(PEER_MESSAGE_VOTE_RESULT, 3, 2);
    granted->granted = true;
    step(&fixture, REPLICA_RECEIVE, 0, granted);
    assert_true(fixture.view.leads && fixture.view.may_lease);
    assert_false(fixture.view.committed || fixture.view.applied);
    assert_int_equal(fixture.view.leader, 1);
    assert_false(replica_promise(fixture.replica, 2, fixture.now_ms, 1000));
    struct replica_status status;
    replica_status(fixture.replica, &status);
    assert_int_equal(status.last_index, 4); /* also when everything before was committed */
    step(&fixture, REPLICA_PERSISTED, 4, NULL);
    struct peer_message *result = message_make(PEER_MESSAGE_APPEND_RESULT, 3, 2);
    result->last_index = 4;
    step(&fixture, REPLICA_RECEIVE, 0, result);
    assert_true(fixture.view.committed);
    assert_false(fixture.view.applied);
    assert_int_equal(replica_match_index(fixture.replica, 3), 4);
    assert_int_equal(replica_match_index(fixture.replica, 9), 0);
    step(&fixture, REPLICA_APPLIED, 4, NULL);
    assert_true(fixture.view.applied);
    /* Handing over takes the lease for the rest of the term. */
    step(&fixture, REPLICA_TRANSFER, 3, NULL);
    assert_true(fixture.view.leads);
    assert_false(fixture.view.may_lease);
    teardown(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follower_promises_in_its_term),
        cmocka_unit_test(candidate_promises_nothing),
        cmocka_unit_test(leader_begins_with_an_entry_of_its_term),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
