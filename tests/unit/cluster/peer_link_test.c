/* Links, two at a time, with the bytes carried by hand: greeting, order, bounds, time-outs, and whom a link refuses. */
#include "cluster/peer_link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "cluster/join.h"

struct fixture {
    struct peer_link_options caller_options;
    struct peer_link_options callee_options;
    struct peer_link caller;
    struct peer_link callee;
    struct arena arena;
    struct peer_event event;
    bool begun;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct peer_hello one = {true, "0123456789abcdef", 1, 11, 4, 7, PEER_CHANNEL_RAFT, "", 0};
    struct peer_hello two = {true, "0123456789abcdef", 2, 22, 4, 0, 0, "", 0};
    fixture->caller_options = (struct peer_link_options){true, one, 3, 2};
    fixture->callee_options = (struct peer_link_options){false, two, 3, 0};
    arena_init(&fixture->arena);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->begun) {
        peer_link_fini(&fixture->caller);
        peer_link_fini(&fixture->callee);
    }
    arena_fini(&fixture->arena);
    free(fixture);
    return 0;
}

static void begin(struct fixture *fixture)
{
    peer_link_init(&fixture->caller, &fixture->caller_options, 1000);
    peer_link_init(&fixture->callee, &fixture->callee_options, 1000);
    fixture->begun = true;
}

/* Carries everything that waits, in pieces. */
static void carry(struct peer_link *from, struct peer_link *to, size_t piece_bytes, uint64_t now_ms)
{
    for (struct slice bytes = peer_link_output(from); bytes.size_bytes > 0; bytes = peer_link_output(from)) {
        if (bytes.size_bytes > piece_bytes)
            bytes.size_bytes = piece_bytes;
        peer_link_receive(to, bytes, now_ms);
        peer_link_sent(from, bytes.size_bytes, now_ms);
    }
}

static bool next(struct fixture *fixture, struct peer_link *link)
{
    return peer_link_next(link, &fixture->arena, 1000, &fixture->event);
}

static void gives(struct fixture *fixture, struct peer_link *link, enum peer_event_kind kind)
{
    assert_true(next(fixture, link));
    assert_int_equal(fixture->event.kind, kind);
}

static void open_both(struct fixture *fixture)
{
    begin(fixture);
    carry(&fixture->caller, &fixture->callee, 1, 1000);
    gives(fixture, &fixture->callee, PEER_EVENT_GREETED);
    peer_link_accept(&fixture->callee, 1000);
    carry(&fixture->callee, &fixture->caller, 1, 1000);
    gives(fixture, &fixture->caller, PEER_EVENT_GREETED);
    assert_int_equal(fixture->caller.state, PEER_LINK_OPEN);
    assert_int_equal(fixture->callee.state, PEER_LINK_OPEN);
}

static enum status send_notice(struct peer_link *link, uint64_t index, uint64_t now_ms)
{
    Qnfs__ReadQuestion notice = QNFS__READ_QUESTION__INIT;
    Qnfs__Peer message = QNFS__PEER__INIT;
    notice.number = index;
    message.body_case = QNFS__PEER__BODY_READ_QUESTION;
    message.read_question = &notice;
    return peer_link_send(link, &message, NULL, 0, now_ms);
}

static enum status send_command(struct peer_link *link, size_t size_bytes)
{
    static const uint8_t zeros[COMMAND_MAX_BYTES];
    Qnfs__ForwardedCommand command = QNFS__FORWARDED_COMMAND__INIT;
    Qnfs__ForwardedCommand *commands[] = {&command};
    Qnfs__ForwardedCommands forwarded = QNFS__FORWARDED_COMMANDS__INIT;
    Qnfs__Peer message = QNFS__PEER__INIT;
    struct slice data = slice_make(zeros, size_bytes);
    command.command_bytes = (uint32_t)size_bytes;
    forwarded.commands = commands;
    forwarded.n_commands = 1;
    message.body_case = QNFS__PEER__BODY_FORWARDED_COMMANDS;
    message.forwarded_commands = &forwarded;
    return peer_link_send(link, &message, &data, 1, 1000);
}

static void frames_arrive_in_order_in_any_pieces(void **state)
{
    struct fixture *fixture = *state;
    open_both(fixture);
    assert_int_equal(fixture->callee.other.node, 1);
    assert_int_equal(fixture->callee.other.incarnation, 11);
    assert_int_equal(fixture->callee.other.session_epoch, 7);
    assert_int_equal(fixture->caller.other.node, 2);
    static const size_t pieces[] = {1, 2, 3, 7, 8, 9, 21, 1000, SIZE_MAX};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        assert_int_equal(send_notice(&fixture->caller, 1, 1000), STATUS_OK);
        assert_int_equal(send_command(&fixture->caller, 5000), STATUS_OK);
        assert_int_equal(send_notice(&fixture->caller, 2, 1000), STATUS_OK);
        carry(&fixture->caller, &fixture->callee, pieces[i], 1000);
        gives(fixture, &fixture->callee, PEER_EVENT_FRAME);
        assert_int_equal(fixture->event.frame.message->read_question->number, 1);
        gives(fixture, &fixture->callee, PEER_EVENT_FRAME);
        assert_int_equal(fixture->event.frame.data.size_bytes, 5000);
        gives(fixture, &fixture->callee, PEER_EVENT_FRAME);
        assert_int_equal(fixture->event.frame.message->read_question->number, 2);
        assert_false(next(fixture, &fixture->callee));
    }
    assert_int_equal(fixture->caller.output_bytes, 0);
}

/* The buffer of a large frame is given back. */
static void large_frames_leave_no_large_buffer(void **state)
{
    struct fixture *fixture = *state;
    open_both(fixture);
    assert_int_equal(send_command(&fixture->caller, COMMAND_MAX_BYTES), STATUS_OK);
    carry(&fixture->caller, &fixture->callee, 65536, 1000);
    gives(fixture, &fixture->callee, PEER_EVENT_FRAME);
    assert_int_equal(fixture->event.frame.data.size_bytes, COMMAND_MAX_BYTES);
    assert_true(fixture->callee.input->capacity_bytes < COMMAND_MAX_BYTES + 131072u);
    assert_int_equal(send_notice(&fixture->caller, 1, 1000), STATUS_OK);
    carry(&fixture->caller, &fixture->callee, SIZE_MAX, 1000);
    gives(fixture, &fixture->callee, PEER_EVENT_FRAME);
    assert_true(fixture->callee.input->capacity_bytes <= PEER_INPUT_KEEP_BYTES);
}

static void a_slow_peer_costs_a_bounded_queue(void **state)
{
    struct fixture *fixture = *state;
    open_both(fixture);
    unsigned taken = 0;
    while (send_command(&fixture->caller, 1u << 20) == STATUS_OK)
        taken++;
    assert_int_equal(taken, 15);
    assert_true(fixture->caller.output_bytes <= PEER_OUTPUT_MAX_BYTES);
    assert_int_equal(fixture->caller.dropped, 1);
    /* Small frames still find room, but not without end. */
    assert_int_equal(send_notice(&fixture->caller, 1, 1000), STATUS_OK);
    for (unsigned i = 0; i < 2000000 && send_notice(&fixture->caller, 1, 1000) == STATUS_OK; i++)
        ;
    assert_int_equal(send_notice(&fixture->caller, 1, 1000), STATUS_FULL);
    assert_true(fixture->caller.output_bytes <= PEER_OUTPUT_MAX_BYTES + PEER_OUTPUT_RESERVE_BYTES);
    /* Some bytes go: no time-out. None: the end, and the half-sent frame stays whole for the reason behind it. */
    peer_link_sent(&fixture->caller, 100, 5000);
    peer_link_tick(&fixture->caller, 5000 + PEER_SEND_TIMEOUT_MS - 1);
    assert_int_equal(fixture->caller.state, PEER_LINK_OPEN);
    peer_link_tick(&fixture->caller, 5000 + PEER_SEND_TIMEOUT_MS);
    gives(fixture, &fixture->caller, PEER_EVENT_ENDED);
    assert_int_equal(fixture->caller.reason, PEER_REASON_SLOW);
    assert_true(fixture->caller.output_bytes < (1u << 20) + 200);
    assert_int_equal(send_notice(&fixture->caller, 1, 1000), STATUS_CLOSED);
}

static void signs_of_life_and_silence(void **state)
{
    struct fixture *fixture = *state;
    open_both(fixture);
    peer_link_tick(&fixture->caller, 1000 + PEER_ALIVE_MS - 1);
    assert_int_equal(fixture->caller.output_bytes, 0);
    for (uint64_t now_ms = 1000 + PEER_ALIVE_MS; now_ms < 1000 + 5 * PEER_SILENCE_TIMEOUT_MS; now_ms += PEER_ALIVE_MS) {
        peer_link_tick(&fixture->caller, now_ms);
        assert_true(fixture->caller.output_bytes > 0);
        carry(&fixture->caller, &fixture->callee, SIZE_MAX, now_ms);
        peer_link_tick(&fixture->callee, now_ms);
        assert_false(next(fixture, &fixture->callee));
    }
    uint64_t heard_ms = fixture->callee.heard_ms;
    peer_link_tick(&fixture->callee, heard_ms + PEER_SILENCE_TIMEOUT_MS - 1);
    assert_false(next(fixture, &fixture->callee));
    peer_link_tick(&fixture->callee, heard_ms + PEER_SILENCE_TIMEOUT_MS);
    gives(fixture, &fixture->callee, PEER_EVENT_ENDED);
    assert_int_equal(fixture->callee.reason, PEER_REASON_SILENT);
    /* The caller is told. */
    carry(&fixture->callee, &fixture->caller, SIZE_MAX, heard_ms);
    gives(fixture, &fixture->caller, PEER_EVENT_ENDED);
    assert_int_equal(fixture->caller.reason, PEER_REASON_SILENT);
    assert_true(fixture->caller.told);
    assert_false(next(fixture, &fixture->caller));
}

static void a_greeting_takes_no_longer_than_it_may(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    assert_int_equal(send_notice(&fixture->caller, 1, 1000), STATUS_REFUSED);
    peer_link_tick(&fixture->caller, 1000 + PEER_GREETING_TIMEOUT_MS);
    peer_link_tick(&fixture->callee, 1000 + PEER_GREETING_TIMEOUT_MS);
    gives(fixture, &fixture->caller, PEER_EVENT_ENDED);
    assert_int_equal(fixture->caller.reason, PEER_REASON_SILENT);
    gives(fixture, &fixture->callee, PEER_EVENT_ENDED);
}

/* The callee's owner refuses: the caller hears why, and hears nothing else. */
static void the_owner_may_refuse(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture);
    carry(&fixture->caller, &fixture->callee, SIZE_MAX, 1000);
    gives(fixture, &fixture->callee, PEER_EVENT_GREETED);
    peer_link_end(&fixture->callee, PEER_REASON_UNKNOWN_NODE, 1000);
    gives(fixture, &fixture->callee, PEER_EVENT_ENDED);
    assert_false(fixture->callee.told);
    carry(&fixture->callee, &fixture->caller, 3, 1000);
    gives(fixture, &fixture->caller, PEER_EVENT_ENDED);
    assert_true(fixture->caller.told);
    assert_int_equal(fixture->caller.reason, PEER_REASON_UNKNOWN_NODE);
    peer_link_end(&fixture->callee, PEER_REASON_LEAVING, 1000);
    assert_int_equal(fixture->callee.reason, PEER_REASON_UNKNOWN_NODE);
    assert_int_equal(fixture->callee.output_bytes, 0);
}

/* The callee judges the caller's hello, as it stands in the fixture. */
static void callee_finds(struct fixture *fixture, enum peer_reason reason)
{
    begin(fixture);
    carry(&fixture->caller, &fixture->callee, SIZE_MAX, 1000);
    gives(fixture, &fixture->callee, reason == PEER_REASON_NONE ? PEER_EVENT_GREETED : PEER_EVENT_ENDED);
    assert_int_equal(fixture->callee.reason, reason);
    peer_link_fini(&fixture->caller);
    peer_link_fini(&fixture->callee);
    fixture->begun = false;
}

static void hellos_are_judged(void **state)
{
    struct fixture *fixture = *state;
    struct peer_hello *caller = &fixture->caller_options.self;
    struct peer_hello *callee = &fixture->callee_options.self;
    const struct peer_hello good_caller = *caller;
    const struct peer_hello good_callee = *callee;
    const struct peer_hello none = {.incarnation = 5, .feature_level = 4};
    fixture->caller_options.expected_node = 0;
    callee_finds(fixture, PEER_REASON_NONE);
    caller->cluster[15]++;
    callee_finds(fixture, PEER_REASON_OTHER_CLUSTER);
    *caller = good_caller;
    caller->node = callee->node;
    callee_finds(fixture, PEER_REASON_SAME_NODE);
    *caller = good_caller;
    caller->feature_level = 2;
    callee_finds(fixture, PEER_REASON_FEATURE_LEVEL);
    *caller = good_caller;
    caller->channel = PEER_CHANNEL_COUNT;
    callee_finds(fixture, PEER_REASON_CHANNEL);
    *caller = none;
    callee_finds(fixture, PEER_REASON_NO_CLUSTER);
    *callee = none;
    callee_finds(fixture, PEER_REASON_NONE); /* two empty nodes */
    *caller = good_caller;
    callee_finds(fixture, PEER_REASON_WE_HAVE_NONE);
    *callee = good_callee;

    /* The caller judges the answer. */
    fixture->caller_options.expected_node = 3;
    begin(fixture);
    carry(&fixture->caller, &fixture->callee, SIZE_MAX, 1000);
    gives(fixture, &fixture->callee, PEER_EVENT_GREETED);
    peer_link_accept(&fixture->callee, 1000);
    carry(&fixture->callee, &fixture->caller, SIZE_MAX, 1000);
    gives(fixture, &fixture->caller, PEER_EVENT_ENDED);
    assert_int_equal(fixture->caller.reason, PEER_REASON_WRONG_NODE);
    carry(&fixture->caller, &fixture->callee, SIZE_MAX, 1000);
    gives(fixture, &fixture->callee, PEER_EVENT_ENDED);
    assert_int_equal(fixture->callee.reason, PEER_REASON_WRONG_NODE);
    assert_true(fixture->callee.told);
}

static void what_is_out_of_place_ends_it(void **state)
{
    struct fixture *fixture = *state;
    /* Not a hello first. */
    begin(fixture);
    fixture->caller.state = PEER_LINK_OPEN;
    peer_link_sent(&fixture->caller, peer_link_output(&fixture->caller).size_bytes, 1000);
    assert_int_equal(send_notice(&fixture->caller, 1, 1000), STATUS_OK);
    carry(&fixture->caller, &fixture->callee, SIZE_MAX, 1000);
    gives(fixture, &fixture->callee, PEER_EVENT_ENDED);
    assert_int_equal(fixture->callee.reason, PEER_REASON_PROTOCOL);
    peer_link_fini(&fixture->caller);
    peer_link_fini(&fixture->callee);

    /* A second hello. */
    open_both(fixture);
    struct peer_link again;
    peer_link_init(&again, &fixture->caller_options, 1000);
    carry(&again, &fixture->callee, SIZE_MAX, 1000);
    peer_link_fini(&again);
    gives(fixture, &fixture->callee, PEER_EVENT_ENDED);
    assert_int_equal(fixture->callee.reason, PEER_REASON_PROTOCOL);
    peer_link_fini(&fixture->caller);
    peer_link_fini(&fixture->callee);

    /* A frame before it was accepted. */
    begin(fixture);
    fixture->caller.state = PEER_LINK_OPEN;
    assert_int_equal(send_notice(&fixture->caller, 1, 1000), STATUS_OK);
    carry(&fixture->caller, &fixture->callee, SIZE_MAX, 1000);
    gives(fixture, &fixture->callee, PEER_EVENT_GREETED);
    gives(fixture, &fixture->callee, PEER_EVENT_ENDED);
    peer_link_accept(&fixture->callee, 1000); /* too late, and harmless */
    assert_int_equal(fixture->callee.state, PEER_LINK_ENDED);
    peer_link_fini(&fixture->caller);
    peer_link_fini(&fixture->callee);

    /* Bytes that are none, also an endless frame. */
    static const char *const garbage[] = {"GET / HTTP/1.0\r\n\r\n", "\xff\xff\xff\xff\xff\xff\xff\xff",
                                          "\0\0\0\1\0\0\0\0"};
    for (size_t i = 0; i < 3; i++) {
        open_both(fixture);
        peer_link_receive(&fixture->callee, slice_make(garbage[i], 8), 1000);
        gives(fixture, &fixture->callee, PEER_EVENT_ENDED);
        assert_int_equal(fixture->callee.reason, PEER_REASON_PROTOCOL);
        peer_link_fini(&fixture->caller);
        peer_link_fini(&fixture->callee);
    }

    /* After a loss nothing is heard, and nobody told. */
    open_both(fixture);
    assert_int_equal(send_notice(&fixture->caller, 1, 1000), STATUS_OK);
    carry(&fixture->caller, &fixture->callee, SIZE_MAX, 1000);
    peer_link_lost(&fixture->callee);
    gives(fixture, &fixture->callee, PEER_EVENT_ENDED);
    assert_false(next(fixture, &fixture->callee));
    assert_int_equal(fixture->callee.output_bytes, 0);
}

static void only_the_latest_connection_counts(void **state)
{
    (void)state;
    struct peer_session latest = {0, 0};
    struct peer_hello hello = {.incarnation = 5, .session_epoch = 1};
    assert_int_equal(peer_session_admit(&latest, &hello), PEER_REASON_NONE);
    assert_int_equal(peer_session_admit(&latest, &hello), PEER_REASON_OLD_CONNECTION);
    hello.session_epoch = 9;
    assert_int_equal(peer_session_admit(&latest, &hello), PEER_REASON_NONE);
    hello.session_epoch = 8;
    assert_int_equal(peer_session_admit(&latest, &hello), PEER_REASON_OLD_CONNECTION);
    hello = (struct peer_hello){.incarnation = 6, .session_epoch = 1};
    assert_int_equal(peer_session_admit(&latest, &hello), PEER_REASON_NONE);
    hello = (struct peer_hello){.incarnation = 5, .session_epoch = 100};
    assert_int_equal(peer_session_admit(&latest, &hello), PEER_REASON_OLD_PROCESS);
    for (unsigned reason = 0; reason <= PEER_REASON_COUNT; reason++)
        assert_true(strlen(peer_reason_text((enum peer_reason)reason)) > 0);
}

/* Who wants to join is answered with one frame, its last; nobody else takes such an answer. */
static void who_wants_to_join_is_answered(void **state)
{
    struct fixture *fixture = *state;
    struct peer_hello *self = &fixture->caller_options.self;
    struct join_answer answer = {.outcome = PEER_JOIN_DONE, .node = 3, .cluster = "0123456789abcde"};
    struct join_answer read;
    *self = (struct peer_hello){.incarnation = 5, .feature_level = 4, .session_epoch = 1, .join = 77};
    snprintf(self->advertise, sizeof(self->advertise), "c:7049");
    fixture->caller_options.expected_node = 0;
    answer.members = (struct endpoint_list){2, {{2, "b", 7049}, {3, "c", 7049}}};
    begin(fixture);
    carry(&fixture->caller, &fixture->callee, 1, 1000);
    gives(fixture, &fixture->callee, PEER_EVENT_GREETED);
    assert_int_equal(fixture->callee.other.join, 77);
    assert_string_equal(fixture->callee.other.advertise, "c:7049");
    peer_link_answer(&fixture->callee, join_answer_encode(&answer, &fixture->arena), 1000);
    assert_int_equal(fixture->callee.state, PEER_LINK_ENDED);
    carry(&fixture->callee, &fixture->caller, 1, 1000);
    gives(fixture, &fixture->caller, PEER_EVENT_FRAME);
    assert_int_equal(fixture->event.frame.message->body_case, QNFS__PEER__BODY_JOIN_ANSWER);
    assert_int_equal(join_answer_decode(fixture->event.frame.message->join_answer, &read), STATUS_OK);
    assert_int_equal(read.node, 3);
    assert_memory_equal(read.cluster, answer.cluster, 16);
    assert_true(endpoint_list_equal(&read.members, &answer.members));
    assert_int_equal(read.members.items[1].node, 3);
}

static void who_does_not_join_is_not_answered(void **state)
{
    struct fixture *fixture = *state;
    struct join_answer answer = {.outcome = PEER_JOIN_LATER, .text = "later"};
    Qnfs__Peer message = *join_answer_encode(&answer, &fixture->arena);
    begin(fixture);
    uint8_t bytes[256];
    size_t size_bytes = peer_frame_bytes(&message, NULL, 0);
    assert_true(size_bytes <= sizeof(bytes));
    peer_frame_pack(&message, NULL, 0, (struct span){bytes, size_bytes});
    peer_link_receive(&fixture->caller, slice_make(bytes, size_bytes), 1000);
    gives(fixture, &fixture->caller, PEER_EVENT_ENDED);
    assert_int_equal(fixture->caller.reason, PEER_REASON_PROTOCOL);
}

/* A new node must be among the members that it is told, or it would not know its own place. */
static void an_answer_without_oneself_makes_no_sense(void **state)
{
    struct fixture *fixture = *state;
    struct join_answer answer = {.outcome = PEER_JOIN_DONE, .node = 4, .members = {1, {{2, "b", 7049}}}};
    struct join_answer read;
    begin(fixture);
    assert_int_equal(join_answer_decode(join_answer_encode(&answer, &fixture->arena)->join_answer, &read),
                     STATUS_BAD_DATA);
    answer = (struct join_answer){.outcome = PEER_JOIN_REFUSED, .text = "no"};
    assert_int_equal(join_answer_decode(join_answer_encode(&answer, &fixture->arena)->join_answer, &read), STATUS_OK);
    assert_int_equal(read.outcome, PEER_JOIN_REFUSED);
    assert_string_equal(read.text, "no");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_wants_to_join_is_answered),
        TEST(who_does_not_join_is_not_answered),
        TEST(an_answer_without_oneself_makes_no_sense),
        TEST(frames_arrive_in_order_in_any_pieces),
        TEST(large_frames_leave_no_large_buffer),
        TEST(a_slow_peer_costs_a_bounded_queue),
        TEST(signs_of_life_and_silence),
        TEST(a_greeting_takes_no_longer_than_it_may),
        TEST(the_owner_may_refuse),
        TEST(hellos_are_judged),
        TEST(what_is_out_of_place_ends_it),
        TEST(only_the_latest_connection_counts),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
