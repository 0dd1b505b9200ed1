/* Messages of raft through a frame and back: every kind, and what does not fit. */
#include "cluster/peer_convert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/heap.h"
#include "cluster/log_writer.h"

#define ROOM_BYTES (1u << 20)

struct fixture {
    struct arena arena;
    uint8_t *room;
    struct slice frame; /* of the newest message */
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    arena_init(&fixture->arena);
    fixture->room = malloc(ROOM_BYTES);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    arena_fini(&fixture->arena);
    free(fixture->room);
    free(fixture);
    return 0;
}

/* The message is freed before what comes out is looked at: nothing of it may be in there. */
static struct peer_message *through(struct fixture *fixture, struct peer_message *message)
{
    struct peer_converted converted;
    struct peer_frame frame;
    peer_convert_out(message, &fixture->arena, &converted);
    fixture->frame = peer_frame_pack(converted.message, converted.data, converted.data_count,
                                     (struct span){fixture->room, ROOM_BYTES});
    peer_message_free(message);
    assert_int_equal(peer_frame_open(fixture->frame, &fixture->arena, &frame), STATUS_OK);
    struct peer_message *back = peer_convert_in(&frame, 9);
    memset(fixture->room, 0xff, fixture->frame.size_bytes);
    return back;
}

static struct peer_message *message_make(enum peer_message_kind kind, uint64_t term)
{
    struct peer_message *message = peer_message_create(kind, 2);
    message->term = term;
    return message;
}

static void entry_set(struct replica_entry *entry, uint64_t index, uint64_t term, enum replica_entry_kind kind,
                      struct slice bytes)
{
    *entry = (struct replica_entry){index, term, kind, buffer_create(bytes.size_bytes)};
    if (bytes.size_bytes > 0)
        memcpy(entry->bytes->data, bytes.data, bytes.size_bytes);
    entry->bytes->size_bytes = bytes.size_bytes;
}

static struct peer_message *append_make(void)
{
    static const struct configuration two = {2, {{1, MEMBER_VOTER}, {7, MEMBER_STANDBY}}};
    uint8_t encoded[CONFIGURATION_MAX_BYTES];
    size_t encoded_bytes = configuration_encode(&two, (struct span){encoded, sizeof encoded});
    struct peer_message *message = message_make(PEER_MESSAGE_APPEND, 7);
    message->previous_index = 40;
    message->previous_term = 5;
    message->commit_index = 39;
    message->entry_count = 3;
    message->entries = heap_alloc(3 * sizeof(struct replica_entry));
    entry_set(&message->entries[0], 41, 5, REPLICA_ENTRY_COMMANDS, slice_text("commands"));
    entry_set(&message->entries[1], 42, 6, REPLICA_ENTRY_CONFIGURATION, slice_make(encoded, encoded_bytes));
    entry_set(&message->entries[2], 43, 7, REPLICA_ENTRY_BARRIER, SLICE_EMPTY);
    return message;
}

static void appends_return(void **state)
{
    struct peer_message *back = through(*state, append_make());
    assert_non_null(back);
    assert_int_equal(back->kind, PEER_MESSAGE_APPEND);
    assert_int_equal(back->peer, 9); /* as the connection says */
    assert_true(back->current_connection);
    assert_int_equal(back->term, 7);
    assert_int_equal(back->previous_index, 40);
    assert_int_equal(back->previous_term, 5);
    assert_int_equal(back->commit_index, 39);
    assert_int_equal(back->entry_count, 3);
    assert_int_equal(back->entries[0].index, 41);
    assert_int_equal(back->entries[0].kind, REPLICA_ENTRY_COMMANDS);
    assert_true(slice_equal(buffer_slice(back->entries[0].bytes), slice_text("commands")));
    assert_int_equal(back->entries[1].kind, REPLICA_ENTRY_CONFIGURATION);
    struct configuration configuration;
    assert_int_equal(configuration_decode(buffer_slice(back->entries[1].bytes), &configuration), STATUS_OK);
    assert_int_equal(configuration.members[1].id, 7);
    assert_int_equal(back->entries[2].index, 43);
    assert_int_equal(back->entries[2].term, 7);
    assert_int_equal(back->entries[2].bytes->size_bytes, 0);
    peer_message_free(back);

    back = through(*state, message_make(PEER_MESSAGE_APPEND, 3)); /* a heartbeat */
    assert_int_equal(back->entry_count, 0);
    peer_message_free(back);
}

static void results_return(void **state)
{
    struct peer_message *message = message_make(PEER_MESSAGE_APPEND_RESULT, 8);
    message->rejected = 4;
    message->last_index = 5;
    message->features = 65535;
    message->capacity = 6;
    struct peer_message *back = through(*state, message);
    assert_int_equal(back->kind, PEER_MESSAGE_APPEND_RESULT);
    assert_int_equal(back->term, 8);
    assert_int_equal(back->rejected, 4);
    assert_int_equal(back->last_index, 5);
    assert_int_equal(back->features, 65535);
    assert_int_equal(back->capacity, 6);
    peer_message_free(back);

    message = message_make(PEER_MESSAGE_VOTE_RESULT, 8);
    message->pre_vote = message->granted = true;
    message->features = 1;
    message->capacity = 2;
    back = through(*state, message);
    assert_int_equal(back->kind, PEER_MESSAGE_VOTE_RESULT);
    assert_true(back->pre_vote && back->granted);
    assert_int_equal(back->features, 1);
    assert_int_equal(back->capacity, 2);
    peer_message_free(back);
}

static void elections_return(void **state)
{
    struct peer_message *message = message_make(PEER_MESSAGE_VOTE, 8);
    message->last_index = 100;
    message->last_term = 7;
    message->disrupt_leader = true;
    struct peer_message *back = through(*state, message);
    assert_int_equal(back->kind, PEER_MESSAGE_VOTE);
    assert_int_equal(back->last_index, 100);
    assert_int_equal(back->last_term, 7);
    assert_true(back->disrupt_leader && !back->pre_vote);
    peer_message_free(back);

    message = message_make(PEER_MESSAGE_TIMEOUT_NOW, 8);
    message->last_index = 100;
    message->last_term = 7;
    back = through(*state, message);
    assert_int_equal(back->kind, PEER_MESSAGE_TIMEOUT_NOW);
    assert_int_equal(back->last_index, 100);
    assert_int_equal(back->last_term, 7);
    peer_message_free(back);
}

static struct peer_message *snapshot_make(uint64_t index)
{
    struct peer_message *message = message_make(PEER_MESSAGE_SNAPSHOT, 8);
    message->snapshot = HEAP_NEW(struct log_snapshot);
    *message->snapshot = (struct log_snapshot){
        .index = index, .term = 6, .configuration_index = 42, .configuration = {1, {{3, MEMBER_VOTER}}}};
    return message;
}

static void snapshots_return(void **state)
{
    struct peer_message *back = through(*state, snapshot_make(90));
    assert_int_equal(back->kind, PEER_MESSAGE_SNAPSHOT);
    assert_int_equal(back->snapshot->index, 90);
    assert_int_equal(back->snapshot->term, 6);
    assert_int_equal(back->snapshot->configuration_index, 42);
    assert_int_equal(back->snapshot->configuration.count, 1);
    assert_int_equal(back->snapshot->configuration.members[0].id, 3);
    peer_message_free(back);
}

/* The codec lets these through: each value is in its range, but they do not go together. */
static void unsound_ones_are_dropped(void **state)
{
    struct peer_message *message = append_make();
    message->entries[0].term = 4; /* before the one that it follows */
    assert_null(through(*state, message));
    message = append_make();
    message->entries[2].term = 8; /* after the leader's */
    assert_null(through(*state, message));
    message = append_make();
    message->entries[1].bytes->size_bytes = 3; /* no configuration */
    assert_null(through(*state, message));
    assert_null(through(*state, snapshot_make(41))); /* ends before its configuration */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(appends_return, setup, teardown),
        cmocka_unit_test_setup_teardown(results_return, setup, teardown),
        cmocka_unit_test_setup_teardown(elections_return, setup, teardown),
        cmocka_unit_test_setup_teardown(snapshots_return, setup, teardown),
        cmocka_unit_test_setup_teardown(unsound_ones_are_dropped, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
