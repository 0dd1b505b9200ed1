/* What becomes of proposals when leaders change. */
#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/heap.h"
#include "cluster/log_writer.h"
#include "cluster/peer_message.h"
#include "cluster/replica.h"

struct fixture {
    struct replica *replica;
    struct replica_actions actions;
    uint64_t now_ms;
    enum replica_role role;
    uint64_t handed_index;
    uint64_t last_index; /* appended */
    struct proposal *forwarded[8];
    size_t forwarded_count;
};

static void step(struct fixture *fixture, struct replica_message *message)
{
    if (message->kind != REPLICA_PROPOSE)
        list_init(&message->proposals);
    replica_step(fixture->replica, message, fixture->now_ms, 0, &fixture->actions);
    for (const struct replica_action *action = fixture->actions.first; action != NULL; action = action->next) {
        switch (action->kind) {
        case REPLICA_ACTION_LOG:
            if (action->request->kind == LOG_REQUEST_APPEND)
                fixture->last_index = action->request->entries[action->request->count - 1].index;
            log_request_free(action->request);
            break;
        case REPLICA_ACTION_APPLY:
            fixture->handed_index = action->entry.index;
            buffer_put(action->entry.bytes);
            break;
        case REPLICA_ACTION_ROLE: fixture->role = action->role; break;
        case REPLICA_ACTION_SEND: peer_message_free(action->peer); break;
        case REPLICA_ACTION_FORWARD: fixture->forwarded[fixture->forwarded_count++] = action->proposal; break;
        case REPLICA_ACTION_INSTALL:
        case REPLICA_ACTION_CHANGED:
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
}

/* As of the log writer after so many truncations. */
static void persisted(struct fixture *fixture, uint64_t index, uint64_t epoch)
{
    struct replica_message message = {.kind = REPLICA_PERSISTED, .index = index, .epoch = epoch};
    step(fixture, &message);
}

static void propose(struct fixture *fixture, struct proposal *proposal)
{
    struct replica_message message = {.kind = REPLICA_PROPOSE};
    list_init(&message.proposals);
    if (!proposal->copied)
        proposal->command = slice_text("command");
    list_append(&message.proposals, &proposal->link);
    step(fixture, &message);
}

/* Node 1 of three, with 5 entries of term 1, all applied. */
static void setup(struct fixture *fixture)
{
    *fixture = (struct fixture){.now_ms = 1000, .handed_index = 5, .last_index = 5};
    struct configuration three = {3, {{1, MEMBER_VOTER}, {2, MEMBER_VOTER}, {3, MEMBER_VOTER}}};
    struct log_recovered_entry entries[5] = {{.term = 1, .kind = REPLICA_ENTRY_CONFIGURATION, .configuration = &three},
                                             {.term = 1},
                                             {.term = 1},
                                             {.term = 1},
                                             {.term = 1}};
    struct log_recovered recovered = {.term = 1, .first_index = 1, .entry_count = 5, .entries = entries};
    struct replica_options options = {.id = 1, .seed = 7, .election_ms = 300, .heartbeat_ms = 50, .applied_index = 5};
    fixture->replica = replica_create(&options, &recovered);
    replica_actions_init(&fixture->actions);
    feed(fixture, REPLICA_START, 0);
}

static void teardown(struct fixture *fixture)
{
    replica_destroy(fixture->replica);
    replica_actions_fini(&fixture->actions);
}

static struct peer_message *vote_result(uint64_t term, bool pre_vote)
{
    struct peer_message *message = peer_message_create(PEER_MESSAGE_VOTE_RESULT, 2);
    message->term = term;
    message->granted = true;
    message->pre_vote = pre_vote;
    return message;
}

/* To leader of term 2: the core adds entry 6, a barrier; everybody has it, and it is applied. */
static void elect(struct fixture *fixture)
{
    for (unsigned i = 0; i < 3 && fixture->role != REPLICA_CANDIDATE; i++) {
        fixture->now_ms += 700;
        feed(fixture, REPLICA_TICK, 0);
    }
    receive(fixture, vote_result(2, true));
    feed(fixture, REPLICA_VOTE_SAVED, 0);
    receive(fixture, vote_result(2, false));
    assert_int_equal(fixture->role, REPLICA_LEADER);
    assert_int_equal(fixture->last_index, 6);
    feed(fixture, REPLICA_PERSISTED, 6);
    for (uint64_t peer = 2; peer <= 3; peer++) {
        struct peer_message *result = peer_message_create(PEER_MESSAGE_APPEND_RESULT, peer);
        result->term = 2;
        result->last_index = 6;
        receive(fixture, result);
    }
    assert_int_equal(fixture->handed_index, 6);
    feed(fixture, REPLICA_APPLIED, 6);
}

/* An append of `leader` with entries of these terms behind `previous`; what is of term 2 has commands. */
static void append(struct fixture *fixture, uint64_t leader, uint64_t term, uint64_t previous, uint64_t previous_term,
                   uint64_t commit, const uint64_t *terms, uint32_t count)
{
    struct peer_message *message = peer_message_create(PEER_MESSAGE_APPEND, leader);
    message->term = term;
    message->previous_index = previous;
    message->previous_term = previous_term;
    message->commit_index = commit;
    message->entry_count = count;
    message->entries = heap_alloc((count + 1) * sizeof(struct replica_entry));
    for (uint32_t i = 0; i < count; i++) {
        bool commands = terms[i] == 2;
        message->entries[i] = (struct replica_entry){previous + 1 + i, terms[i],
                                                     commands ? REPLICA_ENTRY_COMMANDS : REPLICA_ENTRY_BARRIER, NULL};
        message->entries[i].bytes = buffer_create(commands ? 8 : 0);
        message->entries[i].bytes->size_bytes = commands ? 8 : 0;
        if (commands)
            memset(message->entries[i].bytes->data, 0, 8);
    }
    receive(fixture, message);
}

/* Node 1 has packed a proposal in entry 7 of term 2 when node 2 begins to lead in term 3. */
static void depose(struct fixture *fixture, struct proposal *proposal)
{
    setup(fixture);
    elect(fixture);
    propose(fixture, proposal);
    assert_int_equal(fixture->last_index, 7);
    feed(fixture, REPLICA_PERSISTED, 7);
    append(fixture, 2, 3, 6, 2, 6, (uint64_t[]){3}, 1);
    feed(fixture, REPLICA_VOTE_SAVED, 0);
    assert_int_equal(fixture->role, REPLICA_FOLLOWER);
    assert_int_equal(fixture->last_index, 7);
    assert_int_equal(fixture->forwarded_count, 0); /* that it was truncated proves nothing */
    persisted(fixture, 7, 1);
}

/* The entry of the other leader is committed in its place. */
static void test_lost(void **state)
{
    (void)state;
    struct fixture fixture;
    struct proposal proposal = {0};
    depose(&fixture, &proposal);
    append(&fixture, 2, 3, 7, 3, 7, NULL, 0);
    assert_int_equal(fixture.handed_index, 7);
    assert_int_equal(fixture.forwarded_count, 1);
    assert_ptr_equal(fixture.forwarded[0], &proposal);
    teardown(&fixture);
}

/* A third leader has the truncated entry, and it is committed after all: its sender has its result. */
static void test_brought_back(void **state)
{
    (void)state;
    struct fixture fixture;
    struct proposal proposal = {0};
    depose(&fixture, &proposal);
    append(&fixture, 3, 4, 6, 2, 6, (uint64_t[]){2, 4}, 2);
    feed(&fixture, REPLICA_VOTE_SAVED, 0);
    assert_int_equal(fixture.last_index, 8);
    persisted(&fixture, 8, 2);
    append(&fixture, 3, 4, 8, 4, 8, NULL, 0);
    assert_int_equal(fixture.handed_index, 8);
    assert_int_equal(fixture.forwarded_count, 0);
    memset(&proposal, 0xff, sizeof proposal); /* nobody knows it any more */
    teardown(&fixture);
}

/* The state jumps over the entry: nobody knows. */
static void test_jumped(void **state)
{
    (void)state;
    struct fixture fixture;
    struct proposal proposal = {0};
    depose(&fixture, &proposal);
    struct log_snapshot snapshot = {40, 3, 40, 1, {3, {{1, MEMBER_VOTER}, {2, MEMBER_VOTER}, {3, MEMBER_VOTER}}}};
    struct peer_message *message = peer_message_create(PEER_MESSAGE_SNAPSHOT, 2);
    message->term = 3;
    message->snapshot = HEAP_NEW(struct log_snapshot);
    *message->snapshot = snapshot;
    receive(&fixture, message);
    assert_int_equal(fixture.forwarded_count, 0);
    struct replica_message installed = {.kind = REPLICA_INSTALLED, .snapshot = &snapshot};
    step(&fixture, &installed);
    assert_int_equal(fixture.forwarded_count, 1);
    teardown(&fixture);
}

/* Proposals of another node: it is told where they are, and the replica forgets them; or they are dropped. */
static void test_batch(void **state)
{
    (void)state;
    struct fixture fixture;
    struct proposal own = {0};
    struct proposal more = {0};
    struct proposal_batch batch = {.left = 2};
    struct proposal foreign[2] = {{.batch = &batch}, {.batch = &batch}};
    setup(&fixture);
    elect(&fixture);
    propose(&fixture, &foreign[0]);
    assert_int_equal(batch.left, 1);
    assert_int_equal(batch.index, 7);
    propose(&fixture, &own);
    propose(&fixture, &foreign[1]); /* two appends are not synced: it waits */
    assert_int_equal(batch.left, 1);
    feed(&fixture, REPLICA_PERSISTED, 8);
    assert_int_equal(batch.left, 0);
    assert_int_equal(batch.index, 9);
    assert_int_equal(batch.term, 2);
    assert_false(batch.dropped);
    memset(foreign, 0xff, sizeof foreign);

    struct proposal_batch late = {.left = 1};
    struct proposal waits = {.batch = &late};
    propose(&fixture, &more);
    propose(&fixture, &waits);
    assert_int_equal(late.left, 1);
    append(&fixture, 2, 3, 6, 2, 6, (uint64_t[]){3}, 1);
    feed(&fixture, REPLICA_VOTE_SAVED, 0);
    assert_int_equal(late.left, 0);
    assert_true(late.dropped);
    /* And at once where nobody leads. */
    struct proposal_batch never = {.left = 1};
    waits = (struct proposal){.batch = &never};
    propose(&fixture, &waits);
    assert_int_equal(never.left, 0);
    assert_true(never.dropped);
    assert_int_equal(fixture.forwarded_count, 0);
    teardown(&fixture);
}

/* Copies are freed when their entry is handed out, or with the replica. */
static void test_copies(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture);
    elect(&fixture);
    propose(&fixture, proposal_copy(slice_text("one"), slice_text("data")));
    assert_int_equal(fixture.last_index, 7);
    feed(&fixture, REPLICA_PERSISTED, 7);
    struct peer_message *result = peer_message_create(PEER_MESSAGE_APPEND_RESULT, 3);
    result->term = 2;
    result->last_index = 7;
    receive(&fixture, result);
    assert_int_equal(fixture.handed_index, 7);
    propose(&fixture, proposal_copy(slice_text("two"), SLICE_EMPTY));   /* packed */
    propose(&fixture, proposal_copy(slice_text("three"), SLICE_EMPTY)); /* packed */
    propose(&fixture, proposal_copy(slice_text("four"), SLICE_EMPTY));  /* waits */
    teardown(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lost),  cmocka_unit_test(test_brought_back), cmocka_unit_test(test_jumped),
        cmocka_unit_test(test_batch), cmocka_unit_test(test_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
