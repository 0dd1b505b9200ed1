/* A replica among others, the others played by the test: what it sends, what it hands on, what it holds back. What only
 * shows in runs of several replicas is tests/sim_raft's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/heap.h"
#include "base/limits.h"
#include "cluster/log_writer.h"
#include "cluster/peer_message.h"

struct fixture {
    struct replica *replica;
    struct replica_actions actions;
    uint64_t now_ms;
    struct peer_message *sent[64]; /* of the last step */
    size_t sent_count;
    size_t order_of_vote; /* position of the vote's request among the actions; 0: none */
    size_t order_of_send; /* of the first message */
    uint64_t forwarded_to;
    size_t forwarded;
    enum replica_role role;
    uint64_t leader;
    struct log_snapshot asked;
    struct log_snapshot saved; /* that the log was asked to save */
    enum status changed;
};

static void sent_drop(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->sent_count; i++)
        peer_message_free(fixture->sent[i]);
    fixture->sent_count = 0;
}

static void step(struct fixture *fixture, struct replica_message *message)
{
    if (message->kind != REPLICA_PROPOSE)
        list_init(&message->proposals);
    replica_step(fixture->replica, message, fixture->now_ms, 0, &fixture->actions);
    sent_drop(fixture);
    fixture->order_of_vote = fixture->order_of_send = 0;
    size_t order = 0;
    for (const struct replica_action *action = fixture->actions.first; action != NULL; action = action->next) {
        order++;
        switch (action->kind) {
        case REPLICA_ACTION_LOG:
            if (action->request->kind == LOG_REQUEST_VOTE)
                fixture->order_of_vote = order;
            if (action->request->kind == LOG_REQUEST_SNAPSHOT)
                fixture->saved = action->request->snapshot;
            log_request_free(action->request);
            break;
        case REPLICA_ACTION_APPLY: buffer_put(action->entry.bytes); break;
        case REPLICA_ACTION_ROLE:
            fixture->role = action->role;
            fixture->leader = action->leader;
            break;
        case REPLICA_ACTION_SEND:
            if (fixture->order_of_send == 0)
                fixture->order_of_send = order;
            fixture->sent[fixture->sent_count++] = action->peer;
            break;
        case REPLICA_ACTION_FORWARD:
            fixture->forwarded++;
            fixture->forwarded_to = action->leader;
            break;
        case REPLICA_ACTION_INSTALL: fixture->asked = *action->snapshot; break;
        case REPLICA_ACTION_CHANGED: fixture->changed = action->status; break;
        case REPLICA_ACTION_COMMIT:
        case REPLICA_ACTION_REFUSED:
        case REPLICA_ACTION_SPACE: break;
        }
    }
}

static void feed(struct fixture *fixture, enum replica_message_kind kind, uint64_t index)
{
    struct replica_message message = {.kind = kind, .index = index};
    step(fixture, &message);
}

static void receive(struct fixture *fixture, struct peer_message *peer)
{
    struct replica_message message = {.kind = REPLICA_RECEIVE, .peer = peer};
    step(fixture, &message);
    assert_null(message.peer);
}

static void propose(struct fixture *fixture, struct proposal *proposal)
{
    struct replica_message message = {.kind = REPLICA_PROPOSE};
    list_init(&message.proposals);
    proposal->command = slice_make((const uint8_t *)"command", 7);
    list_append(&message.proposals, &proposal->link);
    step(fixture, &message);
}

#define ENTRIES_MAX (REPLICA_BEHIND_ENTRIES + 4)

/* Node 1 of three, with so many entries of term 1, of 100 bytes each, of which 3 are applied. */
static void setup_entries(struct fixture *fixture, size_t count, uint64_t trailing_bytes)
{
    *fixture = (struct fixture){.now_ms = 1000, .changed = STATUS_COUNT};
    struct configuration three = {3, {{1, MEMBER_VOTER}, {2, MEMBER_VOTER}, {3, MEMBER_VOTER}}};
    struct log_recovered_entry entries[ENTRIES_MAX];
    assert_true(count <= ENTRIES_MAX);
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct log_recovered_entry){.term = 1, .size_bytes = 100};
    entries[0].kind = REPLICA_ENTRY_CONFIGURATION;
    entries[0].configuration = &three;
    struct log_recovered recovered = {.term = 1, .first_index = 1, .entry_count = count, .entries = entries};
    struct replica_options options = {.id = 1,
                                      .seed = 1,
                                      .election_ms = 300,
                                      .heartbeat_ms = 50,
                                      .applied_index = 3,
                                      .feature_level = 1,
                                      .trailing_bytes = trailing_bytes};
    fixture->replica = replica_create(&options, &recovered);
    replica_actions_init(&fixture->actions);
    feed(fixture, REPLICA_START, 0);
}

static void setup_trailing(struct fixture *fixture, uint64_t trailing_bytes)
{
    setup_entries(fixture, 5, trailing_bytes);
}

static void setup(struct fixture *fixture)
{
    setup_trailing(fixture, 0);
}

static void teardown(struct fixture *fixture)
{
    sent_drop(fixture);
    replica_destroy(fixture->replica);
    replica_actions_fini(&fixture->actions);
}

static struct peer_message *heartbeat(uint64_t term, uint64_t previous_index)
{
    struct peer_message *message = peer_message_create(PEER_MESSAGE_APPEND, 2);
    message->term = term;
    message->previous_index = previous_index;
    message->previous_term = 1;
    message->commit_index = 3;
    return message;
}

static struct peer_message *vote_result(uint64_t peer, uint64_t term, bool pre_vote)
{
    struct peer_message *message = peer_message_create(PEER_MESSAGE_VOTE_RESULT, peer);
    message->term = term;
    message->pre_vote = pre_vote;
    message->granted = true;
    message->features = 1;
    return message;
}

static void elect(struct fixture *fixture)
{
    fixture->now_ms += 1000;
    feed(fixture, REPLICA_TICK, 0);
    assert_int_equal(fixture->role, REPLICA_CANDIDATE);
    assert_int_equal(fixture->sent_count, 2);
    assert_true(fixture->sent[0]->pre_vote);
    receive(fixture, vote_result(3, 2, true));
    assert_int_equal(fixture->sent_count, 0); /* its own vote is not safe yet */
    assert_int_not_equal(fixture->order_of_vote, 0);
    feed(fixture, REPLICA_VOTE_SAVED, 0);
    assert_int_equal(fixture->sent_count, 2);
    assert_int_equal(fixture->sent[0]->kind, PEER_MESSAGE_VOTE);
    receive(fixture, vote_result(3, 2, false));
    assert_int_equal(fixture->role, REPLICA_LEADER);
}

/* A proposal waits while nobody leads, and goes to whoever leads then. */
static void test_forward(void **state)
{
    (void)state;
    struct fixture fixture;
    struct proposal proposals[2] = {0};
    setup(&fixture);
    propose(&fixture, &proposals[0]);
    assert_int_equal(fixture.forwarded, 0);
    receive(&fixture, heartbeat(2, 5));
    assert_int_equal(fixture.forwarded, 0); /* the new term is not safe yet */
    feed(&fixture, REPLICA_VOTE_SAVED, 0);
    assert_int_equal(fixture.leader, 2);
    assert_int_equal(fixture.forwarded, 1);
    assert_int_equal(fixture.forwarded_to, 2);
    propose(&fixture, &proposals[1]);
    assert_int_equal(fixture.forwarded, 2);
    teardown(&fixture);
}

/* Whatever an update says, a new term or vote is safe before anything leaves; what comes meanwhile waits. */
static void test_nothing_leaves_before_the_vote(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture);
    fixture.now_ms += 400; /* the promise of an earlier life has run out */
    struct peer_message *vote = peer_message_create(PEER_MESSAGE_VOTE, 3);
    vote->term = 4;
    vote->last_index = 9;
    vote->last_term = 3;
    receive(&fixture, vote);
    assert_int_not_equal(fixture.order_of_vote, 0);
    assert_int_equal(fixture.sent_count, 0);
    receive(&fixture, heartbeat(4, 5));
    assert_int_equal(fixture.sent_count, 0);
    assert_int_equal(fixture.actions.deadline_ms, UINT64_MAX);
    feed(&fixture, REPLICA_VOTE_SAVED, 0);
    assert_int_equal(fixture.sent_count, 2);
    assert_int_equal(fixture.sent[0]->kind, PEER_MESSAGE_VOTE_RESULT);
    assert_true(fixture.sent[0]->granted);
    assert_int_equal(fixture.sent[1]->kind, PEER_MESSAGE_APPEND_RESULT);
    teardown(&fixture);
}

/* What waits for a vote to be saved is bounded: the rest is dropped, and comes again. */
static void test_what_waits_for_a_vote_is_bounded(void **state)
{
    (void)state;
    struct fixture fixture;
    const uint64_t entry_bytes = 1u << 20;
    const uint64_t most = REPLICA_RECEIVED_MAX_BYTES / entry_bytes;
    setup(&fixture);
    for (uint64_t i = 0; i < most + 6; i++) {
        struct peer_message *message = heartbeat(2, 5 + i);
        message->previous_term = i == 0 ? 1 : 2;
        message->entry_count = 1;
        message->entries = (struct replica_entry *)heap_alloc(sizeof(struct replica_entry));
        message->entries[0] = (struct replica_entry){6 + i, 2, REPLICA_ENTRY_COMMANDS, buffer_create(entry_bytes)};
        message->entries[0].bytes->size_bytes = entry_bytes;
        receive(&fixture, message);
    }
    feed(&fixture, REPLICA_VOTE_SAVED, 0);
    struct replica_status status;
    replica_status(fixture.replica, &status);
    /* The first one was with the core already when it asked for the vote, or begins what waits. */
    assert_in_range(status.last_index, 5 + most, 5 + most + 1);
    teardown(&fixture);
}

/* G14: a started node votes only when what it may have promised has run out. */
static void test_started_node_does_not_vote(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture);
    struct peer_message *vote = peer_message_create(PEER_MESSAGE_VOTE, 3);
    vote->term = 4;
    vote->last_index = 9;
    vote->last_term = 3;
    receive(&fixture, vote);
    assert_int_equal(fixture.order_of_vote, 0);
    assert_int_equal(fixture.sent_count, 0);
    teardown(&fixture);
}

/* The leader sends a new entry at once, and what is committed as soon as it is, by an empty append at what the member
 * has acknowledged. */
/* Whoever is far behind with applying leaves the election to the others for a while, and then stands all the same. */
static void test_node_that_is_behind_stands_later(void **state)
{
    (void)state;
    struct fixture good;
    struct fixture behind;
    setup_entries(&good, 3 + REPLICA_BEHIND_ENTRIES, 0);
    setup_entries(&behind, 3 + REPLICA_BEHIND_ENTRIES + 1, 0);
    uint64_t at_ms = good.actions.deadline_ms;
    assert_int_equal(behind.actions.deadline_ms, at_ms + REPLICA_BEHIND_MS);
    good.now_ms = behind.now_ms = at_ms;
    feed(&good, REPLICA_TICK, 0);
    assert_int_equal(good.sent_count, 2);
    assert_int_equal(good.sent[0]->kind, PEER_MESSAGE_VOTE);
    feed(&behind, REPLICA_TICK, 0);
    assert_int_equal(behind.sent_count, 0);
    assert_int_equal(behind.actions.deadline_ms, at_ms + REPLICA_BEHIND_MS);
    behind.now_ms = at_ms + REPLICA_BEHIND_MS;
    feed(&behind, REPLICA_TICK, 0);
    assert_int_equal(behind.sent_count, 2);
    teardown(&good);
    teardown(&behind);
}

static void test_leader(void **state)
{
    (void)state;
    struct fixture fixture;
    struct proposal proposal = {0};
    setup(&fixture);
    elect(&fixture);
    fixture.now_ms += 100;
    for (uint64_t peer = 2; peer <= 3; peer++) {
        struct peer_message *result = peer_message_create(PEER_MESSAGE_APPEND_RESULT, peer);
        result->term = 2;
        result->last_index = 5;
        result->features = 1;
        receive(&fixture, result);
    }
    /* The core has added a barrier of its term as entry 6. */
    propose(&fixture, &proposal);
    struct replica_status status;
    replica_status(fixture.replica, &status);
    assert_int_equal(status.last_index, 7);
    assert_int_equal(fixture.sent_count, 2);
    assert_int_equal(fixture.sent[0]->entries[fixture.sent[0]->entry_count - 1].index, 7);
    feed(&fixture, REPLICA_PERSISTED, 7);
    struct peer_message *result = peer_message_create(PEER_MESSAGE_APPEND_RESULT, 3);
    result->term = 2;
    result->last_index = 7;
    receive(&fixture, result);
    bool noticed = false;
    for (size_t i = 0; i < fixture.sent_count; i++) {
        const struct peer_message *sent = fixture.sent[i];
        noticed |= sent->kind == PEER_MESSAGE_APPEND && sent->peer == 3 && sent->entry_count == 0 &&
                   sent->commit_index == 7 && sent->previous_index == 7;
    }
    assert_true(noticed);
    replica_status(fixture.replica, &status);
    assert_int_equal(status.commit_index, 7);
    teardown(&fixture);
}

/* Changes of what is not there, or by who does not lead, are refused with an answer. */
static void test_change(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture);
    struct replica_message change = {.kind = REPLICA_CHANGE, .change = {REPLICA_CHANGE_ADD, 4}};
    step(&fixture, &change);
    assert_int_equal(fixture.changed, STATUS_REFUSED);
    elect(&fixture);
    fixture.changed = STATUS_COUNT;
    change.change = (struct replica_member_change){REPLICA_CHANGE_PROMOTE, 4};
    step(&fixture, &change);
    assert_int_equal(fixture.changed, STATUS_REFUSED);
    fixture.changed = STATUS_COUNT;
    change.change = (struct replica_member_change){REPLICA_CHANGE_ADD, 4};
    step(&fixture, &change);
    assert_int_equal(fixture.changed, STATUS_COUNT); /* it waits for an entry of its term to be committed (G4) */
    step(&fixture, &change);
    assert_int_equal(fixture.changed, STATUS_FULL);
    teardown(&fixture);
}

/* A member has the log up to index; everything that it is sent by then is committed. */
static void acknowledge(struct fixture *fixture, uint64_t peer, uint64_t index)
{
    feed(fixture, REPLICA_PERSISTED, index);
    struct peer_message *result = peer_message_create(PEER_MESSAGE_APPEND_RESULT, peer);
    result->term = 2;
    result->last_index = index;
    result->features = 1;
    receive(fixture, result);
}

/* Asks for a change; where the log ends then. */
static uint64_t change(struct fixture *fixture, enum replica_change_kind kind, uint64_t id)
{
    struct replica_message message = {.kind = REPLICA_CHANGE, .change = {kind, id}};
    struct replica_status status;
    fixture->changed = STATUS_COUNT;
    step(fixture, &message);
    replica_status(fixture->replica, &status);
    return status.last_index;
}

/* G8B: node 2 is dead, and this leader knows nothing of its log. It may go, and standbys may come and go; who votes otherwise
 * changes only when every voter that stays has the configuration in force. */
static void test_change_beside_a_dead_voter(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture);
    elect(&fixture);
    acknowledge(&fixture, 3, 6);
    assert_int_equal(change(&fixture, REPLICA_CHANGE_ADD, 4), 7); /* the same voters */
    acknowledge(&fixture, 3, 7);
    acknowledge(&fixture, 4, 7);
    assert_int_equal(change(&fixture, REPLICA_CHANGE_PROMOTE, 4), 7); /* it waits for node 2 */
    assert_int_equal(fixture.changed, STATUS_COUNT);
    assert_int_equal(change(&fixture, REPLICA_CHANGE_REMOVE, 3), 7); /* so does this, in its place */
    assert_int_equal(fixture.changed, STATUS_FULL);
    assert_int_equal(change(&fixture, REPLICA_CHANGE_REMOVE, 2), 8);
    acknowledge(&fixture, 3, 8);
    acknowledge(&fixture, 4, 8);
    assert_int_equal(change(&fixture, REPLICA_CHANGE_PROMOTE, 4), 9);
    teardown(&fixture);
}

/* A copy of the state is out: who has it then needs the log behind it. */
static void test_pin(void **state)
{
    (void)state;
    static const struct {
        uint64_t pinned;
        uint64_t cut;
    } cases[] = {{0, 2}, {1, 1}, {2, 2}, {3, 2}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture fixture;
        setup_trailing(&fixture, 160);
        feed(&fixture, REPLICA_PIN, 1);
        feed(&fixture, REPLICA_PIN, cases[i].pinned);
        receive(&fixture, heartbeat(1, 5));
        feed(&fixture, REPLICA_FLUSHED, 3);
        assert_int_equal(fixture.saved.index, 3);
        assert_int_equal(fixture.saved.cut_index, cases[i].cut);
        teardown(&fixture);
    }
}

/* A snapshot is asked for once, and the core hears of it only when the state is there. */
static void test_install(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture);
    receive(&fixture, heartbeat(2, 5));
    feed(&fixture, REPLICA_VOTE_SAVED, 0);
    struct log_snapshot snapshot = {40, 2, 40, 1, {3, {{1, MEMBER_VOTER}, {2, MEMBER_VOTER}, {3, MEMBER_VOTER}}}};
    for (unsigned i = 0; i < 2; i++) {
        struct peer_message *message = peer_message_create(PEER_MESSAGE_SNAPSHOT, 2);
        message->term = 2;
        message->snapshot = HEAP_NEW(struct log_snapshot);
        *message->snapshot = snapshot;
        fixture.asked.index = 0;
        receive(&fixture, message);
        assert_int_equal(fixture.asked.index, i == 0 ? 40 : 0);
    }
    struct replica_status status;
    replica_status(fixture.replica, &status);
    assert_int_equal(status.last_index, 5);
    snapshot.index = snapshot.cut_index = 44; /* the other node has gone on meanwhile */
    struct replica_message installed = {.kind = REPLICA_INSTALLED, .snapshot = &snapshot};
    step(&fixture, &installed);
    replica_status(fixture.replica, &status);
    assert_int_equal(status.last_index, 44);
    assert_int_equal(status.applied_index, 44);
    feed(&fixture, REPLICA_INSTALL_SAVED, 44);
    assert_int_equal(fixture.sent_count, 1);
    assert_int_equal(fixture.sent[0]->kind, PEER_MESSAGE_APPEND_RESULT);
    assert_int_equal(fixture.sent[0]->last_index, 44);
    teardown(&fixture);
}

/* The state that comes may be of a newer term than the message that announced it. The core hears of it only in that term:
 * else the snapshot's record would be ahead of the vote's, and the node would refuse to start. */
static void test_install_of_a_newer_term(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture);
    receive(&fixture, heartbeat(2, 5));
    feed(&fixture, REPLICA_VOTE_SAVED, 0);
    struct log_snapshot snapshot = {40, 2, 40, 1, {3, {{1, MEMBER_VOTER}, {2, MEMBER_VOTER}, {3, MEMBER_VOTER}}}};
    struct peer_message *message = peer_message_create(PEER_MESSAGE_SNAPSHOT, 2);
    message->term = 2;
    message->snapshot = HEAP_NEW(struct log_snapshot);
    *message->snapshot = snapshot;
    receive(&fixture, message);
    assert_int_equal(fixture.asked.index, 40);
    snapshot.index = snapshot.cut_index = 44;
    snapshot.term = 7;
    struct replica_message installed = {.kind = REPLICA_INSTALLED, .snapshot = &snapshot};
    step(&fixture, &installed);
    struct replica_status status;
    replica_status(fixture.replica, &status);
    assert_int_equal(status.last_index, 5);
    receive(&fixture, heartbeat(7, 5));
    feed(&fixture, REPLICA_VOTE_SAVED, 0);
    replica_status(fixture.replica, &status);
    assert_int_equal(status.last_index, 44);
    assert_int_equal(status.term, 7);
    teardown(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_nothing_leaves_before_the_vote),
        cmocka_unit_test(test_what_waits_for_a_vote_is_bounded),
        cmocka_unit_test(test_started_node_does_not_vote),
        cmocka_unit_test(test_node_that_is_behind_stands_later),
        cmocka_unit_test(test_leader),
        cmocka_unit_test(test_change),
        cmocka_unit_test(test_change_beside_a_dead_voter),
        cmocka_unit_test(test_pin),
        cmocka_unit_test(test_install),
        cmocka_unit_test(test_install_of_a_newer_term),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
