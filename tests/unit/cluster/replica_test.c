/* The replica's step by itself: what it packs, what it holds back, and what it asks for. The log writer is played by
 * the test. */
#include "cluster/replica.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "cluster/log_writer.h"
#include "proto/log_entry.h"

struct fixture {
    struct replica *replica;
    struct replica_actions actions;
    uint64_t now_ms;
    struct log_request *requests[64]; /* of all steps, in order */
    size_t request_count;
    struct replica_entry applied[64];
    size_t applied_count;
    uint64_t commit_index;
    enum replica_role role;
    uint64_t term;
    unsigned refused;
    enum log_space space;
};

static struct replica_message message_make(enum replica_message_kind kind, uint64_t index)
{
    struct replica_message message = {.kind = kind, .index = index};
    return message;
}

static void step(struct fixture *fixture, struct replica_message *message)
{
    if (message->kind != REPLICA_PROPOSE)
        list_init(&message->proposals);
    replica_step(fixture->replica, message, fixture->now_ms, -5, &fixture->actions);
    for (const struct replica_action *action = fixture->actions.first; action != NULL; action = action->next) {
        switch (action->kind) {
        case REPLICA_ACTION_LOG: fixture->requests[fixture->request_count++] = action->request; break;
        case REPLICA_ACTION_COMMIT: fixture->commit_index = action->index; break;
        case REPLICA_ACTION_APPLY:
            assert_true(action->entry.index <= fixture->commit_index);
            fixture->applied[fixture->applied_count++] = action->entry;
            break;
        case REPLICA_ACTION_ROLE:
            fixture->role = action->role;
            fixture->term = action->term;
            break;
        case REPLICA_ACTION_REFUSED: fixture->refused++; break;
        case REPLICA_ACTION_SPACE: fixture->space = action->space; break;
        case REPLICA_ACTION_SEND:
        case REPLICA_ACTION_FORWARD:
        case REPLICA_ACTION_INSTALL:
        case REPLICA_ACTION_CHANGED: fail(); break; /* a node alone has nobody to talk to */
        }
    }
}

static void feed(struct fixture *fixture, enum replica_message_kind kind, uint64_t index)
{
    struct replica_message message = message_make(kind, index);
    step(fixture, &message);
}

static void propose(struct fixture *fixture, struct proposal *proposals, size_t count)
{
    struct replica_message message = message_make(REPLICA_PROPOSE, 0);
    list_init(&message.proposals);
    for (size_t i = 0; i < count; i++)
        list_append(&message.proposals, &proposals[i].link);
    step(fixture, &message);
    assert_true(list_empty(&message.proposals));
}

/* A recovered log of entries 1 (configuration) to last_index, with the state at applied_index. */
static void setup(struct fixture *fixture, uint64_t last_index, uint64_t applied_index)
{
    *fixture = (struct fixture){.now_ms = 1000, .role = REPLICA_FOLLOWER};
    struct log_recovered recovered = {.term = 4, .first_index = 1, .entry_count = last_index};
    recovered.entries = calloc(last_index, sizeof *recovered.entries);
    assert_non_null(recovered.entries);
    struct configuration *configuration = calloc(1, sizeof *configuration);
    assert_non_null(configuration);
    *configuration = (struct configuration){1, {{1, MEMBER_VOTER}}};
    for (uint64_t i = 0; i < last_index; i++)
        recovered.entries[i] = (struct log_recovered_entry){1 + i / 3, REPLICA_ENTRY_COMMANDS, NULL, 0};
    recovered.entries[0] = (struct log_recovered_entry){1, REPLICA_ENTRY_CONFIGURATION, configuration, 0};
    struct replica_options options = {
        .id = 1,
        .seed = 1,
        .election_ms = 300,
        .heartbeat_ms = 50,
        .applied_index = applied_index,
        .uptime_ms = 70000,
        .feature_level = 3,
    };
    fixture->replica = replica_create(&options, &recovered);
    free(configuration);
    free(recovered.entries);
    replica_actions_init(&fixture->actions);
}

static void start(struct fixture *fixture)
{
    feed(fixture, REPLICA_START, 0);
    feed(fixture, REPLICA_VOTE_SAVED, 0);
    assert_int_equal(fixture->role, REPLICA_LEADER);
}

static void teardown(struct fixture *fixture)
{
    replica_destroy(fixture->replica);
    for (size_t i = 0; i < fixture->request_count; i++)
        log_request_free(fixture->requests[i]);
    for (size_t i = 0; i < fixture->applied_count; i++)
        buffer_put(fixture->applied[i].bytes);
    replica_actions_fini(&fixture->actions);
}

static struct proposal proposal_make(const char *command, struct slice content)
{
    return (struct proposal){.command = slice_text(command), .content = content};
}

/* G5: a sole voter saves a new term before it leads, and nothing goes out before that is safe. */
static void test_start_saves_a_new_term(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 1, 1);
    feed(&fixture, REPLICA_START, 0);
    assert_int_equal(fixture.request_count, 1);
    assert_int_equal(fixture.requests[0]->kind, LOG_REQUEST_VOTE);
    assert_int_equal(fixture.requests[0]->term, 5);
    assert_int_equal(fixture.requests[0]->vote, 1);
    struct proposal proposal = proposal_make("x", SLICE_EMPTY);
    propose(&fixture, &proposal, 1);
    fixture.now_ms += 100000;
    feed(&fixture, REPLICA_TICK, 0);
    assert_int_equal(fixture.request_count, 1);
    assert_int_equal(fixture.actions.deadline_ms, UINT64_MAX);
    feed(&fixture, REPLICA_VOTE_SAVED, 0);
    assert_int_equal(fixture.role, REPLICA_LEADER);
    assert_int_equal(fixture.term, 5);
    assert_int_equal(fixture.request_count, 2); /* and now the proposal */
    assert_int_equal(fixture.requests[1]->kind, LOG_REQUEST_APPEND);
    assert_int_equal(fixture.requests[1]->entries[0].term, 5);
    assert_true(fixture.actions.deadline_ms > fixture.now_ms);
    teardown(&fixture);
}

/* An entry's life: packed, appended, persisted, committed, handed out; its header is stamped. */
static void test_one_entry(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 1, 1);
    start(&fixture);
    assert_int_equal(fixture.commit_index, 1);
    fixture.now_ms += 250;
    struct proposal proposals[2] = {proposal_make("one", SLICE_EMPTY), proposal_make("tw", slice_text("data"))};
    propose(&fixture, proposals, 2);
    const struct log_request *request = fixture.requests[1];
    assert_int_equal(request->count, 1);
    assert_int_equal(request->entries[0].index, 2);
    struct log_entry entry;
    struct slice command;
    struct slice content;
    assert_int_equal(log_entry_open(&entry, buffer_slice(request->entries[0].bytes)), STATUS_OK);
    assert_int_equal(entry.count, 2);
    assert_int_equal(entry.header.feature_level, 3);
    assert_int_equal(entry.header.uptime_ms, 70250);
    assert_int_equal(entry.header.wall_ns, -5);
    assert_true(log_entry_next(&entry, &command, &content) && slice_equal(command, slice_text("one")));
    assert_true(log_entry_next(&entry, &command, &content) && slice_equal(content, slice_text("data")));
    assert_int_equal(fixture.applied_count, 0);
    feed(&fixture, REPLICA_PERSISTED, 2);
    assert_int_equal(fixture.commit_index, 2);
    assert_int_equal(fixture.applied_count, 1);
    assert_ptr_equal(fixture.applied[0].bytes, request->entries[0].bytes);
    feed(&fixture, REPLICA_APPLIED, 2);
    struct replica_status status;
    replica_status(fixture.replica, &status);
    assert_int_equal(status.applied_index, 2);
    assert_int_equal(status.durable_index, 2);
    assert_int_equal(status.waiting, 0);
    teardown(&fixture);
}

/* While REPLICA_APPENDS_MAX appends are at the writer, what comes is kept and packed together. */
static void test_group(void **state)
{
    (void)state;
    struct fixture fixture;
    struct proposal proposals[10];
    setup(&fixture, 1, 1);
    start(&fixture);
    for (unsigned i = 0; i < 10; i++) {
        proposals[i] = proposal_make("x", SLICE_EMPTY);
        propose(&fixture, &proposals[i], 1);
    }
    assert_int_equal(fixture.request_count, 1 + REPLICA_APPENDS_MAX);
    feed(&fixture, REPLICA_PERSISTED, 2);
    assert_int_equal(fixture.request_count, 2 + REPLICA_APPENDS_MAX);
    struct log_entry entry;
    assert_int_equal(log_entry_open(&entry, buffer_slice(fixture.requests[3]->entries[0].bytes)), STATUS_OK);
    assert_int_equal(entry.count, 10 - REPLICA_APPENDS_MAX);
    teardown(&fixture);
}

/* A full entry does not wait for the disk; a command that is larger than a pack goes alone. */
static void test_pack_bounds(void **state)
{
    (void)state;
    struct fixture fixture;
    struct proposal proposals[7];
    uint8_t *content = calloc(1, COMMAND_MAX_BYTES);
    assert_non_null(content);
    setup(&fixture, 1, 1);
    start(&fixture);
    proposals[0] = proposal_make("x", slice_make(content, COMMAND_MAX_BYTES - 1));
    for (unsigned i = 1; i < 7; i++)
        proposals[i] = proposal_make("x", slice_make(content, ENTRY_PACK_BYTES / 2 - 100));
    propose(&fixture, proposals, 7);
    assert_int_equal(fixture.request_count, 1 + 3);
    assert_true(fixture.requests[1]->entries[0].bytes->size_bytes > COMMAND_MAX_BYTES);
    assert_true(fixture.requests[2]->entries[0].bytes->size_bytes <= ENTRY_PACK_BYTES);
    assert_int_equal(fixture.requests[3]->entries[0].index, 4);
    teardown(&fixture);
    free(content);
}

static void test_full_disk_stops_packing(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 1, 1);
    start(&fixture);
    struct replica_message message = message_make(REPLICA_SPACE, 0);
    message.space = LOG_SPACE_FULL;
    step(&fixture, &message);
    assert_int_equal(fixture.space, LOG_SPACE_FULL);
    struct proposal proposal = proposal_make("x", SLICE_EMPTY);
    propose(&fixture, &proposal, 1);
    assert_int_equal(fixture.request_count, 1);
    message.space = LOG_SPACE_LOW;
    step(&fixture, &message);
    assert_int_equal(fixture.request_count, 2);
    teardown(&fixture);
}

/* Entries above the applied one come back from the log, in order, and new ones only behind them. */
static void test_replay(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 9, 5);
    feed(&fixture, REPLICA_START, 0);
    feed(&fixture, REPLICA_VOTE_SAVED, 0);
    assert_int_equal(fixture.commit_index, 9);
    assert_int_equal(fixture.request_count, 2);
    assert_int_equal(fixture.requests[1]->kind, LOG_REQUEST_READ);
    assert_int_equal(fixture.requests[1]->index, 6);
    assert_int_equal(fixture.requests[1]->count, 4);
    struct proposal proposal = proposal_make("x", SLICE_EMPTY);
    propose(&fixture, &proposal, 1);
    feed(&fixture, REPLICA_PERSISTED, 10);
    assert_int_equal(fixture.applied_count, 0);
    /* The writer answers with a part. */
    for (uint64_t first = 6; first <= 9; first += 2) {
        struct replica_message *message = calloc(1, sizeof *message);
        assert_non_null(message);
        *message = message_make(REPLICA_ENTRIES, first);
        message->entry_count = 2;
        message->entries = calloc(2, sizeof *message->entries);
        assert_non_null(message->entries);
        for (uint64_t i = 0; i < 2; i++)
            message->entries[i] =
                (struct replica_entry){first + i, 1 + (first + i - 1) / 3, REPLICA_ENTRY_COMMANDS, buffer_create(4)};
        step(&fixture, message);
        replica_message_free(message);
    }
    assert_int_equal(fixture.applied_count, 5);
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(fixture.applied[i].index, 6 + i);
    /* uptime goes on from what earlier leaders stamped. */
    struct replica_message applied = message_make(REPLICA_APPLIED, 9);
    applied.uptime_ms = 90000;
    step(&fixture, &applied);
    fixture.now_ms += 10;
    propose(&fixture, &proposal, 1);
    struct log_entry entry;
    const struct log_request *last = fixture.requests[fixture.request_count - 1];
    assert_int_equal(last->kind, LOG_REQUEST_APPEND);
    assert_int_equal(log_entry_open(&entry, buffer_slice(last->entries[0].bytes)), STATUS_OK);
    assert_int_equal(entry.header.uptime_ms, 90010);
    teardown(&fixture);
}

/* Cutting: the record first, then the core, then the segments. */
static void test_flush_cuts(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 9, 9);
    start(&fixture);
    feed(&fixture, REPLICA_FLUSHED, 7);
    assert_int_equal(fixture.request_count, 2);
    const struct log_request *request = fixture.requests[1];
    assert_int_equal(request->kind, LOG_REQUEST_SNAPSHOT);
    assert_int_equal(request->snapshot.index, 7);
    assert_int_equal(request->snapshot.cut_index, 7);
    assert_int_equal(request->snapshot.term, 3);
    assert_int_equal(request->snapshot.configuration_index, 1);
    assert_int_equal(request->snapshot.configuration.count, 1);
    feed(&fixture, REPLICA_FLUSHED, 9); /* waits for the first one */
    assert_int_equal(fixture.request_count, 2);
    feed(&fixture, REPLICA_SNAPSHOT_SAVED, 7);
    assert_int_equal(fixture.requests[2]->kind, LOG_REQUEST_CUT);
    assert_int_equal(fixture.requests[3]->kind, LOG_REQUEST_SNAPSHOT);
    assert_int_equal(fixture.requests[3]->snapshot.index, 9);
    feed(&fixture, REPLICA_SNAPSHOT_SAVED, 9);
    assert_int_equal(fixture.requests[4]->kind, LOG_REQUEST_CUT);
    struct replica_status status;
    replica_status(fixture.replica, &status);
    assert_int_equal(status.snapshot_index, 9);
    assert_int_equal(status.configuration.count, 1);
    struct proposal proposal = proposal_make("x", SLICE_EMPTY);
    propose(&fixture, &proposal, 1);
    feed(&fixture, REPLICA_PERSISTED, 10);
    assert_int_equal(fixture.applied_count, 1);
    teardown(&fixture);
}

/* Entries that are not yet applied are bounded: proposals wait, and go on when the machine has caught up. */
static void test_window(void **state)
{
    (void)state;
    struct fixture fixture;
    struct proposal proposals[20];
    uint8_t *content = calloc(1, COMMAND_MAX_BYTES);
    assert_non_null(content);
    setup(&fixture, 1, 1);
    start(&fixture);
    for (unsigned i = 0; i < 20; i++)
        proposals[i] = proposal_make("x", slice_make(content, COMMAND_MAX_BYTES - 1));
    propose(&fixture, proposals, 20);
    size_t first = fixture.request_count - 1;
    assert_in_range(first, REPLICA_WINDOW_BYTES / COMMAND_MAX_BYTES, REPLICA_WINDOW_BYTES / COMMAND_MAX_BYTES + 1);
    feed(&fixture, REPLICA_PERSISTED, 1 + first);
    assert_int_equal(fixture.request_count, 1 + first); /* durable, but not applied */
    feed(&fixture, REPLICA_APPLIED, 3);
    assert_int_equal(fixture.request_count, 1 + first + 2);
    teardown(&fixture);
    free(content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_saves_a_new_term),
        cmocka_unit_test(test_one_entry),
        cmocka_unit_test(test_group),
        cmocka_unit_test(test_pack_bounds),
        cmocka_unit_test(test_full_disk_stops_packing),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_flush_cuts),
        cmocka_unit_test(test_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
