/* Connections as pure state: bytes in, calls out, replies in, bytes out, and every bound. */
#include "gateway/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "proto/rpc/record.h"
#include "proto/xdr/xdr.h"

enum { PROGRAM = 100003, VERSION = 4, COMPOUND = 1, XID = 7 };

static const struct gateway_program programs[] = {{PROGRAM, 4, 4, 2}, {100005, 1, 3, 6}};

struct fixture {
    struct gateway *gateway;
    struct arena arena;
    struct gateway_actions actions;
    struct gateway_action *next; /* not looked at yet */
    uint64_t now_ms;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->gateway = gateway_create(3, programs, 2);
    arena_init(&fixture->arena);
    gateway_actions_init(&fixture->actions, &fixture->arena);
    fixture->now_ms = 1000;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    gateway_destroy(fixture->gateway);
    arena_fini(&fixture->arena);
    free(fixture);
    return 0;
}

/* --- driving --- */

static struct connection_id opened(struct fixture *fixture)
{
    struct connection_id id;
    const uint8_t address[4] = {192, 0, 2, 1};
    assert_true(gateway_opened(fixture->gateway, slice_make(address, 4), fixture->now_ms, &id));
    return id;
}

/* Whatever may be looked at. */
static void next_calls(struct fixture *fixture)
{
    while (gateway_next(fixture->gateway, fixture->now_ms, &fixture->actions))
        continue;
}

static void received(struct fixture *fixture, struct connection_id id, struct slice bytes)
{
    struct buffer *buffer = buffer_create(bytes.size_bytes);
    memcpy(buffer->data, bytes.data, bytes.size_bytes);
    buffer->size_bytes = bytes.size_bytes;
    gateway_received(fixture->gateway, id, buffer, buffer_slice(buffer), fixture->now_ms, &fixture->actions);
    next_calls(fixture);
    buffer_put(buffer);
}

/* The actions since the last begin, one after the other; their bytes are given back by release(). */
static struct gateway_action *take(struct fixture *fixture)
{
    struct gateway_action *action = fixture->next != NULL ? fixture->next->next : fixture->actions.first;
    if (action != NULL)
        fixture->next = action;
    return action;
}

static struct gateway_action *take_kind(struct fixture *fixture, enum gateway_action_kind kind, struct connection_id id)
{
    struct gateway_action *action = take(fixture);
    assert_non_null(action);
    assert_int_equal(action->kind, kind);
    assert_true(action->connection.value == id.value);
    return action;
}

static void take_nothing(struct fixture *fixture)
{
    assert_null(take(fixture));
}

/* A call to answer. */
static struct gateway_call *take_call(struct fixture *fixture, struct connection_id id)
{
    struct gateway_action *action = take_kind(fixture, GATEWAY_CALL, id);
    buffer_put(action->bytes);
    return action->call;
}

/* The gateway's own reply. */
static struct rpc_reply take_reply(struct fixture *fixture, struct connection_id id)
{
    struct gateway_action *action = take_kind(fixture, GATEWAY_SEND, id);
    struct slice bytes = buffer_slice(action->bytes);
    assert_true(bytes.size_bytes > RPC_MARK_BYTES);
    assert_int_equal(bytes.data[0], 0x80);
    assert_int_equal(bytes.data[3], bytes.size_bytes - RPC_MARK_BYTES);
    struct rpc_reply reply = {0};
    struct xdr x = xdr_decoder(slice_from(bytes, RPC_MARK_BYTES), &fixture->arena);
    assert_true(xdr_rpc_reply(&x, &reply));
    assert_int_equal(xdr_remaining(&x), 0);
    assert_int_equal(reply.xid, XID);
    gateway_sent(fixture->gateway, id, bytes.size_bytes, fixture->now_ms, &fixture->actions);
    buffer_put(action->bytes);
    return reply;
}

static void answered(struct fixture *fixture, struct connection_id id, size_t size_bytes)
{
    struct buffer *reply = buffer_create(size_bytes);
    memset(reply->data, 0, size_bytes);
    reply->size_bytes = size_bytes;
    gateway_answered(fixture->gateway, id, reply, &fixture->actions);
}

static struct gateway_counters counters(struct fixture *fixture)
{
    struct gateway_counters numbers;
    gateway_counters(fixture->gateway, &numbers);
    return numbers;
}

/* --- messages --- */

static struct rpc_call plain_call(void)
{
    return (struct rpc_call){.xid = XID, .rpcvers = RPC_VERSION, .prog = PROGRAM, .vers = VERSION, .proc = COMPOUND};
}

/* The call and `body_bytes` of arguments as one record, its mark included. */
static struct slice record_of(struct fixture *fixture, struct rpc_call call, size_t body_bytes)
{
    size_t room_bytes = 1024 + body_bytes;
    uint8_t *data = arena_alloc_zeroed(&fixture->arena, room_bytes);
    struct xdr x = xdr_encoder((struct span){data + RPC_MARK_BYTES, room_bytes - RPC_MARK_BYTES});
    assert_true(rpc_call_encode(&x, &call));
    size_t size_bytes = xdr_position(&x) + body_bytes;
    for (size_t i = 0; i < body_bytes; i++)
        data[RPC_MARK_BYTES + xdr_position(&x) + i] = (uint8_t)(i * 7);
    record_mark_write(data, size_bytes);
    return slice_make(data, RPC_MARK_BYTES + size_bytes);
}

static void check_body(struct slice body, size_t body_bytes)
{
    assert_int_equal(body.size_bytes, body_bytes);
    for (size_t i = 0; i < body_bytes; i++)
        assert_int_equal(body.data[i], (uint8_t)(i * 7));
}

static struct opaque_auth unix_auth(struct fixture *fixture, struct authsys_parms parms)
{
    uint8_t *data = arena_alloc(&fixture->arena, 400);
    struct xdr x = xdr_encoder((struct span){data, 400});
    assert_true(xdr_authsys_parms(&x, &parms));
    return (struct opaque_auth){AUTH_SYS, xdr_encoded(&x)};
}

/* --- calls --- */

static void a_call_comes_whole(void **state)
{
    struct fixture *fixture = *state;
    struct connection_id id = opened(fixture);
    assert_int_equal(connection_id_loop(id), 3);
    struct rpc_call call = plain_call();
    call.cred = unix_auth(
        fixture, (struct authsys_parms){
                     .machinename = slice_text("host"), .uid = 1000, .gid = 100, .gids_count = 2, .gids = {5, 6}});
    received(fixture, id, record_of(fixture, call, 40));
    struct gateway_action *action = take_kind(fixture, GATEWAY_CALL, id);
    const struct gateway_call *got = action->call;
    assert_int_equal(got->header.xid, XID);
    assert_int_equal(got->header.proc, COMPOUND);
    assert_int_equal(got->unix_credential.uid, 1000);
    assert_int_equal(got->unix_credential.gids[1], 6);
    assert_int_equal(got->address.size_bytes, 4);
    assert_int_equal(got->address.data[3], 1);
    check_body(got->body, 40);
    take_nothing(fixture);
    assert_int_equal(counters(fixture).calls, 1);
    assert_true(counters(fixture).bytes_in > 40);
    buffer_put(action->bytes);

    answered(fixture, id, 100);
    action = take_kind(fixture, GATEWAY_SEND, id);
    assert_int_equal(action->bytes->size_bytes, 100);
    buffer_put(action->bytes);
    gateway_sent(fixture->gateway, id, 100, fixture->now_ms, &fixture->actions);
    take_nothing(fixture);
    assert_int_equal(counters(fixture).bytes_out, 100);
}

/* Small records are copied out of the read buffer, large ones keep it, records in pieces are put together: the bytes
 * are the same, and stay while the call lives. */
static void a_call_comes_in_pieces(void **state)
{
    struct fixture *fixture = *state;
    static const size_t bodies[] = {0, 1, 100, GATEWAY_RECORD_COPY_BYTES - 44, 100000};
    static const size_t pieces[] = {1, 3, 4, 5, 1000, 1u << 20};
    for (size_t b = 0; b < sizeof(bodies) / sizeof(bodies[0]); b++) {
        struct slice record = record_of(fixture, plain_call(), bodies[b]);
        for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
            struct connection_id id = opened(fixture);
            for (size_t offset = 0; offset < record.size_bytes; offset += pieces[p]) {
                size_t left = record.size_bytes - offset;
                take_nothing(fixture);
                received(fixture, id, slice_make(record.data + offset, left < pieces[p] ? left : pieces[p]));
            }
            struct gateway_action *action = take_kind(fixture, GATEWAY_CALL, id);
            check_body(action->call->body, bodies[b]);
            gateway_answered(fixture->gateway, id, NULL, &fixture->actions);
            take_nothing(fixture);
            gateway_closed(fixture->gateway, id);
            check_body(action->call->body, bodies[b]); /* the owner keeps them */
            buffer_put(action->bytes);
        }
    }
}

static void several_records_in_one_piece(void **state)
{
    struct fixture *fixture = *state;
    struct connection_id id = opened(fixture);
    struct slice record = record_of(fixture, plain_call(), 60);
    uint8_t *bytes = arena_alloc(&fixture->arena, record.size_bytes * 4);
    for (size_t i = 0; i < 4; i++)
        memcpy(bytes + i * record.size_bytes, record.data, record.size_bytes);
    /* Three and a half, then the rest. */
    size_t cut = record.size_bytes * 3 + record.size_bytes / 2;
    received(fixture, id, slice_make(bytes, cut));
    for (size_t i = 0; i < 3; i++) {
        struct gateway_action *action = take_kind(fixture, GATEWAY_CALL, id);
        check_body(action->call->body, 60);
        buffer_put(action->bytes);
    }
    take_nothing(fixture);
    received(fixture, id, slice_make(bytes + cut, record.size_bytes * 4 - cut));
    struct gateway_action *action = take_kind(fixture, GATEWAY_CALL, id);
    check_body(action->call->body, 60);
    buffer_put(action->bytes);
    take_nothing(fixture);
}

/* A record of several fragments is the same call. */
static void a_call_in_fragments(void **state)
{
    struct fixture *fixture = *state;
    struct connection_id id = opened(fixture);
    struct slice record = slice_from(record_of(fixture, plain_call(), 500), RPC_MARK_BYTES);
    uint8_t *bytes = arena_alloc(&fixture->arena, record.size_bytes + 64);
    size_t used = 0;
    static const size_t lengths[] = {0, 1, 99, 0, 200};
    for (size_t i = 0; i < 6; i++) {
        size_t length = i < 5 ? lengths[i] : record.size_bytes;
        record_mark_write(bytes + used, length);
        if (i < 5)
            bytes[used] &= 0x7f;
        memcpy(bytes + used + RPC_MARK_BYTES, record.data, length);
        used += RPC_MARK_BYTES + length;
        record = slice_from(record, length);
    }
    received(fixture, id, slice_make(bytes, used));
    struct gateway_action *action = take_kind(fixture, GATEWAY_CALL, id);
    check_body(action->call->body, 500);
    buffer_put(action->bytes);
}

/* --- answers of the gateway itself --- */

static struct rpc_reply reply_to(struct fixture *fixture, struct connection_id id, struct rpc_call call)
{
    received(fixture, id, record_of(fixture, call, 0));
    struct rpc_reply reply = take_reply(fixture, id);
    take_nothing(fixture);
    return reply;
}

static void unknown_programs_are_answered(void **state)
{
    struct fixture *fixture = *state;
    struct connection_id id = opened(fixture);
    struct rpc_call call = plain_call();
    call.prog = 12345;
    assert_int_equal(reply_to(fixture, id, call).accept_stat, RPC_PROG_UNAVAIL);

    static const uint32_t versions[] = {0, 3, 5, UINT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        call = plain_call();
        call.vers = versions[i];
        struct rpc_reply reply = reply_to(fixture, id, call);
        assert_int_equal(reply.accept_stat, RPC_PROG_MISMATCH);
        assert_int_equal(reply.low, 4);
        assert_int_equal(reply.high, 4);
    }
    call = plain_call();
    call.prog = 100005;
    call.vers = 9;
    assert_int_equal(reply_to(fixture, id, call).high, 3);

    call = plain_call();
    call.proc = 2;
    assert_int_equal(reply_to(fixture, id, call).accept_stat, RPC_PROC_UNAVAIL);

    call = plain_call();
    call.rpcvers = 3;
    struct rpc_reply reply = reply_to(fixture, id, call);
    assert_true(reply.denied);
    assert_int_equal(reply.reject_stat, RPC_MISMATCH);
    assert_int_equal(reply.low, 2);

    /* NULL answers whoever asks. */
    call = plain_call();
    call.proc = 0;
    call.cred.flavor = 77;
    reply = reply_to(fixture, id, call);
    assert_false(reply.denied);
    assert_int_equal(reply.accept_stat, RPC_SUCCESS);
    assert_int_equal(counters(fixture).calls, 0);
    assert_int_equal(counters(fixture).bad_records, 0);
}

static void bad_credentials_are_denied(void **state)
{
    struct fixture *fixture = *state;
    struct connection_id id = opened(fixture);
    struct rpc_call call = plain_call();
    call.cred = (struct opaque_auth){AUTH_SYS, slice_text("short")};
    struct rpc_reply reply = reply_to(fixture, id, call);
    assert_true(reply.denied);
    assert_int_equal(reply.reject_stat, RPC_AUTH_ERROR);
    assert_int_equal(reply.auth_stat, RPC_AUTH_BADCRED);

    /* Bytes behind the credential. */
    struct opaque_auth good = unix_auth(fixture, (struct authsys_parms){.machinename = slice_text("host")});
    uint8_t *longer = arena_alloc_zeroed(&fixture->arena, good.body.size_bytes + 4);
    memcpy(longer, good.body.data, good.body.size_bytes);
    call.cred = (struct opaque_auth){AUTH_SYS, slice_make(longer, good.body.size_bytes + 4)};
    assert_int_equal(reply_to(fixture, id, call).auth_stat, RPC_AUTH_BADCRED);

    call.cred = (struct opaque_auth){AUTH_DH, SLICE_EMPTY};
    assert_int_equal(reply_to(fixture, id, call).auth_stat, RPC_AUTH_BADCRED);
    call.cred = (struct opaque_auth){RPCSEC_GSS, SLICE_EMPTY};
    assert_int_equal(reply_to(fixture, id, call).auth_stat, RPC_AUTH_REJECTEDCRED);

    /* A credential and a verifier over 400 bytes: patched in, since nobody encodes them. */
    struct slice record = record_of(fixture, plain_call(), 0);
    uint8_t *bytes = arena_alloc(&fixture->arena, record.size_bytes);
    memcpy(bytes, record.data, record.size_bytes);
    bytes[RPC_MARK_BYTES + 6 * 4 + 4 + 2] = 0x02; /* length 512 of the credential */
    received(fixture, id, slice_make(bytes, record.size_bytes));
    assert_int_equal(take_reply(fixture, id).auth_stat, RPC_AUTH_BADCRED);
    memcpy(bytes, record.data, record.size_bytes);
    bytes[RPC_MARK_BYTES + 8 * 4 + 4 + 2] = 0x02; /* of the verifier */
    received(fixture, id, slice_make(bytes, record.size_bytes));
    assert_int_equal(take_reply(fixture, id).auth_stat, RPC_AUTH_BADVERF);
    take_nothing(fixture);
    assert_int_equal(counters(fixture).calls, 0);
}

/* --- closing --- */

static void close_for(struct fixture *fixture, const void *bytes, size_t size_bytes)
{
    struct connection_id id = opened(fixture);
    uint64_t before = counters(fixture).bad_records;
    received(fixture, id, slice_make(bytes, size_bytes));
    struct gateway_action *action = take_kind(fixture, GATEWAY_CLOSE, id);
    assert_non_null(action->reason);
    assert_int_equal(counters(fixture).bad_records, before + 1);
    /* What still comes is not looked at, and it is not closed twice. */
    received(fixture, id, record_of(fixture, plain_call(), 0));
    fixture->now_ms += GATEWAY_IDLE_TIMEOUT_MS * 2;
    gateway_tick(fixture->gateway, fixture->now_ms, &fixture->actions);
    take_nothing(fixture);
    gateway_closed(fixture->gateway, id);
}

static void what_is_no_call_closes_the_connection(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t empty[] = {0x80, 0, 0, 0};
    close_for(fixture, empty, sizeof(empty));
    static const uint8_t too_short[] = {0x80, 0, 0, 4, 0, 0, 0, 7};
    close_for(fixture, too_short, sizeof(too_short));
    static const uint8_t reply[] = {0x80, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2};
    close_for(fixture, reply, sizeof(reply));
    static const uint8_t too_large[] = {0xff, 0xff, 0xff, 0xff};
    close_for(fixture, too_large, sizeof(too_large));
    uint8_t fragments[(RPC_FRAGMENTS_MAX + 1) * 4] = {0}; /* of no bytes each, none the last */
    close_for(fixture, fragments, sizeof(fragments));
}

/* A call before the damage is served; its reply is swallowed. */
static void a_reply_to_a_closing_connection_is_dropped(void **state)
{
    struct fixture *fixture = *state;
    struct connection_id id = opened(fixture);
    received(fixture, id, record_of(fixture, plain_call(), 8));
    take_call(fixture, id);
    static const uint8_t empty[] = {0x80, 0, 0, 0};
    received(fixture, id, slice_make(empty, 4));
    take_kind(fixture, GATEWAY_CLOSE, id);
    answered(fixture, id, 100);
    take_nothing(fixture);

    gateway_closed(fixture->gateway, id);
    answered(fixture, id, 100); /* and to one that is gone */
    gateway_answered(fixture->gateway, id, NULL, &fixture->actions);
    gateway_sent(fixture->gateway, id, 5, fixture->now_ms, &fixture->actions);
    gateway_abort(fixture->gateway, id, &fixture->actions);
    gateway_closed(fixture->gateway, id);
    received(fixture, id, record_of(fixture, plain_call(), 8));
    take_nothing(fixture);
    assert_int_equal(gateway_address(fixture->gateway, id).size_bytes, 0);
    assert_int_equal(counters(fixture).connections, 0);
}

static void a_place_is_used_again_under_another_name(void **state)
{
    struct fixture *fixture = *state;
    struct connection_id first = opened(fixture);
    gateway_closed(fixture->gateway, first);
    struct connection_id second = opened(fixture);
    assert_true(first.value != second.value);
    answered(fixture, first, 10); /* late, for the first */
    take_nothing(fixture);
    assert_int_equal(gateway_address(fixture->gateway, second).size_bytes, 4);
    /* Another loop's connection is none of ours. */
    struct connection_id other = {second.value ^ (uint64_t)1 << 48};
    assert_int_equal(gateway_address(fixture->gateway, other).size_bytes, 0);
}

static void an_abort_ends_it(void **state)
{
    struct fixture *fixture = *state;
    struct connection_id id = opened(fixture);
    received(fixture, id, record_of(fixture, plain_call(), 8));
    take_call(fixture, id);
    gateway_abort(fixture->gateway, id, &fixture->actions);
    take_kind(fixture, GATEWAY_ABORT, id);
    answered(fixture, id, 100);
    received(fixture, id, record_of(fixture, plain_call(), 8));
    take_nothing(fixture);
    gateway_closed(fixture->gateway, id);
}

static void the_number_of_connections_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct connection_id id = {0};
    for (uint32_t i = 0; i < GATEWAY_CONNECTIONS_MAX; i++)
        id = opened(fixture);
    struct connection_id refused;
    const uint8_t address[16] = {0x20, 1};
    assert_false(gateway_opened(fixture->gateway, slice_make(address, 16), 0, &refused));
    assert_int_equal(counters(fixture).refused, 1);
    assert_int_equal(counters(fixture).connections, GATEWAY_CONNECTIONS_MAX);
    gateway_closed(fixture->gateway, id);
    assert_true(gateway_opened(fixture->gateway, slice_make(address, 16), 0, &id));
    assert_int_equal(gateway_address(fixture->gateway, id).size_bytes, 16);
}

/* --- flow control --- */

static void too_many_requests_stop_the_reading(void **state)
{
    struct fixture *fixture = *state;
    struct connection_id id = opened(fixture);
    struct slice record = record_of(fixture, plain_call(), 8);
    for (uint32_t i = 0; i < GATEWAY_CONNECTION_REQUESTS_MAX; i++) {
        received(fixture, id, record);
        take_call(fixture, id);
        if (i + 1 < GATEWAY_CONNECTION_REQUESTS_MAX)
            take_nothing(fixture);
    }
    take_kind(fixture, GATEWAY_READ_STOP, id);
    /* What was read before it stopped waits, and comes first. */
    received(fixture, id, record);
    received(fixture, id, record);
    take_nothing(fixture);
    gateway_answered(fixture->gateway, id, NULL, &fixture->actions);
    next_calls(fixture);
    take_call(fixture, id);
    take_nothing(fixture);
    gateway_answered(fixture->gateway, id, NULL, &fixture->actions);
    next_calls(fixture);
    take_call(fixture, id);
    take_nothing(fixture);
    gateway_answered(fixture->gateway, id, NULL, &fixture->actions);
    take_kind(fixture, GATEWAY_READ_START, id);
    take_nothing(fixture);
}

/* The weight of a reply is known before the next call of the same piece begins. */
static void one_piece_of_calls_is_bounded_by_its_replies(void **state)
{
    struct fixture *fixture = *state;
    enum { CALLS = 1000, REPLY_BYTES = 1 << 20 };
    struct slice record = record_of(fixture, plain_call(), 8);
    uint8_t *piece = arena_alloc(&fixture->arena, CALLS * record.size_bytes);
    for (size_t i = 0; i < CALLS; i++)
        memcpy(piece + i * record.size_bytes, record.data, record.size_bytes);
    struct connection_id id = opened(fixture);
    struct buffer *buffer = buffer_create(CALLS * record.size_bytes);
    buffer->size_bytes = CALLS * record.size_bytes;
    memcpy(buffer->data, piece, buffer->size_bytes);
    gateway_received(fixture->gateway, id, buffer, buffer_slice(buffer), fixture->now_ms, &fixture->actions);
    buffer_put(buffer);
    size_t begun = 0;
    size_t unsent = 0;
    for (size_t sent = 0; sent < CALLS; sent++) {
        while (gateway_next(fixture->gateway, fixture->now_ms, &fixture->actions)) {
            for (struct gateway_action *action; (action = take(fixture)) != NULL;) {
                if (action->kind == GATEWAY_CALL || action->kind == GATEWAY_SEND)
                    buffer_put(action->bytes);
                if (action->kind != GATEWAY_CALL)
                    continue;
                answered(fixture, id, REPLY_BYTES);
                begun++;
                unsent += REPLY_BYTES;
            }
        }
        assert_true(unsent > 0 && unsent <= GATEWAY_CONNECTION_OUTPUT_MAX_BYTES);
        gateway_sent(fixture->gateway, id, REPLY_BYTES, fixture->now_ms, &fixture->actions);
        unsent -= REPLY_BYTES;
    }
    assert_int_equal(begun, CALLS);
}

/* Slow readers: first whoever has unsent replies waits, then everybody, and the slow ones go soon. */
static void unsent_replies_of_all_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    enum { REPLY_BYTES = 1 << 20 };
    uint32_t unread = (uint32_t)(2 * GATEWAY_OUTPUT_MAX_BYTES / REPLY_BYTES);
    struct slice record = record_of(fixture, plain_call(), 8);
    struct connection_id reader = opened(fixture);
    struct connection_id slow[1024];
    assert_true(unread <= 1024);
    for (uint32_t i = 0; i < unread; i++) {
        slow[i] = opened(fixture);
        received(fixture, slow[i], record);
        take_call(fixture, slow[i]);
        answered(fixture, slow[i], REPLY_BYTES);
        while (i + 1 < unread && fixture->actions.last != &fixture->next->next)
            (void)take(fixture);
    }
    /* At twice the bound nobody may ask; the bytes wait. */
    received(fixture, reader, record);
    for (struct gateway_action *action; (action = take(fixture)) != NULL;)
        assert_true(action->kind == GATEWAY_READ_STOP || action->kind == GATEWAY_SEND);
    gateway_tick(fixture->gateway, fixture->now_ms, &fixture->actions);
    fixture->now_ms += GATEWAY_SEND_PRESSED_TIMEOUT_MS + 1;
    gateway_tick(fixture->gateway, fixture->now_ms, &fixture->actions);
    uint32_t aborted = 0;
    for (struct gateway_action *action; (action = take(fixture)) != NULL;) {
        assert_int_equal(action->kind, GATEWAY_ABORT);
        assert_non_null(action->reason);
        aborted++;
    }
    assert_int_equal(aborted, unread);
    for (uint32_t i = 0; i < unread; i++)
        gateway_closed(fixture->gateway, slow[i]);
    gateway_tick(fixture->gateway, fixture->now_ms, &fixture->actions);
    next_calls(fixture);
    take_call(fixture, reader);
    take_kind(fixture, GATEWAY_READ_START, reader);
    for (struct gateway_action *action = fixture->actions.first; action != NULL; action = action->next) {
        if (action->kind == GATEWAY_SEND)
            buffer_put(action->bytes);
    }
}

/* A connection that is to move calms down with its next answer, and what it has received behind goes along. */
static void a_calming_connection_becomes_quiet(void **state)
{
    struct fixture *fixture = *state;
    struct slice record = record_of(fixture, plain_call(), 8);
    struct connection_id id = opened(fixture);
    uint8_t piece[1024];
    for (size_t i = 0; i < 3; i++)
        memcpy(piece + i * record.size_bytes, record.data, record.size_bytes);
    struct buffer *buffer = buffer_create(sizeof(piece));
    buffer->size_bytes = 3 * record.size_bytes;
    memcpy(buffer->data, piece, buffer->size_bytes);
    gateway_received(fixture->gateway, id, buffer, buffer_slice(buffer), fixture->now_ms, &fixture->actions);
    buffer_put(buffer);
    assert_true(gateway_next(fixture->gateway, fixture->now_ms, &fixture->actions));
    take_call(fixture, id);
    answered(fixture, id, 100);
    buffer_put(take_kind(fixture, GATEWAY_SEND, id)->bytes);
    assert_true(gateway_next(fixture->gateway, fixture->now_ms, &fixture->actions));
    take_call(fixture, id);
    assert_false(gateway_quiet(fixture->gateway, id));
    gateway_calm(fixture->gateway, id);
    next_calls(fixture);
    take_kind(fixture, GATEWAY_READ_STOP, id);
    gateway_answered(fixture->gateway, id, NULL, &fixture->actions);
    next_calls(fixture);
    take_nothing(fixture);
    gateway_sent(fixture->gateway, id, 100, fixture->now_ms, &fixture->actions);
    received(fixture, id, slice_make(record.data, record.size_bytes));
    take_call(fixture, id);
    assert_true(gateway_quiet(fixture->gateway, id) == false); /* two more may begin again */
    take_call(fixture, id);
    take_kind(fixture, GATEWAY_READ_START, id);
    gateway_answered(fixture->gateway, id, NULL, &fixture->actions);
    assert_true(gateway_quiet(fixture->gateway, id));
    assert_null(gateway_take_rest(fixture->gateway, id));
}

static void unsent_replies_stop_the_reading(void **state)
{
    struct fixture *fixture = *state;
    struct connection_id id = opened(fixture);
    enum { REPLY_BYTES = 1 << 20 };
    uint32_t replies = 0;
    for (size_t waiting = 0; waiting < GATEWAY_CONNECTION_OUTPUT_MAX_BYTES; waiting += REPLY_BYTES, replies++) {
        received(fixture, id, record_of(fixture, plain_call(), 8));
        take_call(fixture, id);
        take_nothing(fixture);
        answered(fixture, id, REPLY_BYTES);
        buffer_put(take_kind(fixture, GATEWAY_SEND, id)->bytes);
    }
    take_kind(fixture, GATEWAY_READ_STOP, id);
    gateway_sent(fixture->gateway, id, 1, fixture->now_ms, &fixture->actions);
    take_kind(fixture, GATEWAY_READ_START, id);
    gateway_sent(fixture->gateway, id, (size_t)replies * REPLY_BYTES - 1, fixture->now_ms, &fixture->actions);
    take_nothing(fixture);
}

static void a_held_loop_reads_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct connection_id first = opened(fixture);
    struct connection_id second = opened(fixture);
    gateway_hold(fixture->gateway, true, &fixture->actions);
    take_kind(fixture, GATEWAY_READ_STOP, first);
    take_kind(fixture, GATEWAY_READ_STOP, second);
    gateway_hold(fixture->gateway, true, &fixture->actions);
    take_nothing(fixture);
    /* One that comes meanwhile is stopped with its first piece, which waits. */
    struct connection_id third = opened(fixture);
    received(fixture, third, record_of(fixture, plain_call(), 8));
    take_kind(fixture, GATEWAY_READ_STOP, third);
    take_nothing(fixture);
    gateway_hold(fixture->gateway, false, &fixture->actions);
    next_calls(fixture);
    take_kind(fixture, GATEWAY_READ_START, first);
    take_kind(fixture, GATEWAY_READ_START, second);
    take_call(fixture, third);
    take_kind(fixture, GATEWAY_READ_START, third);
    take_nothing(fixture);
    /* A connection's own bound outlasts the loop's. */
    struct slice record = record_of(fixture, plain_call(), 8);
    for (uint32_t i = 0; i < GATEWAY_CONNECTION_REQUESTS_MAX; i++) {
        received(fixture, first, record);
        take_call(fixture, first);
    }
    take_kind(fixture, GATEWAY_READ_STOP, first);
    gateway_hold(fixture->gateway, true, &fixture->actions);
    take_kind(fixture, GATEWAY_READ_STOP, second);
    take_kind(fixture, GATEWAY_READ_STOP, third);
    gateway_hold(fixture->gateway, false, &fixture->actions);
    take_kind(fixture, GATEWAY_READ_START, second);
    take_kind(fixture, GATEWAY_READ_START, third);
    take_nothing(fixture);
}

/* Records that have begun on all connections together take a bounded memory. */
static void unfinished_records_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    enum { BODY = 1000000 };
    struct slice record = record_of(fixture, plain_call(), BODY);
    size_t held_each = record.size_bytes - RPC_MARK_BYTES - 1;
    size_t most = GATEWAY_ASSEMBLY_MAX_BYTES / held_each;
    struct connection_id first = opened(fixture);
    received(fixture, first, slice_make(record.data, record.size_bytes - 1));
    for (size_t i = 1; i < most; i++) {
        received(fixture, opened(fixture), slice_make(record.data, record.size_bytes - 1));
        take_nothing(fixture);
    }
    struct connection_id greedy = opened(fixture);
    received(fixture, greedy, slice_make(record.data, record.size_bytes - 1));
    assert_non_null(take_kind(fixture, GATEWAY_CLOSE, greedy)->reason);
    gateway_closed(fixture->gateway, greedy);
    /* One that ends makes room for the next. */
    received(fixture, first, slice_make(record.data + record.size_bytes - 1, 1));
    check_body(take_kind(fixture, GATEWAY_CALL, first)->call->body, BODY);
    buffer_put(fixture->next->bytes);
    received(fixture, opened(fixture), slice_make(record.data, record.size_bytes - 1));
    take_nothing(fixture);
}

/* --- time-outs --- */

static void tick(struct fixture *fixture, uint64_t later_ms)
{
    fixture->now_ms += later_ms;
    gateway_tick(fixture->gateway, fixture->now_ms, &fixture->actions);
}

static void a_record_must_end(void **state)
{
    struct fixture *fixture = *state;
    struct connection_id id = opened(fixture);
    struct slice record = record_of(fixture, plain_call(), 100);
    received(fixture, id, slice_make(record.data, 50));
    tick(fixture, GATEWAY_RECORD_TIMEOUT_MS);
    received(fixture, id, slice_make(record.data + 50, 1)); /* a byte now and then does not help */
    take_nothing(fixture);
    tick(fixture, 1);
    assert_non_null(take_kind(fixture, GATEWAY_CLOSE, id)->reason);
    tick(fixture, 1);
    take_nothing(fixture);
}

/* Time in which the loop does not read is not the client's. */
static void a_held_record_has_time(void **state)
{
    struct fixture *fixture = *state;
    struct connection_id id = opened(fixture);
    struct slice record = record_of(fixture, plain_call(), 100);
    received(fixture, id, slice_make(record.data, 50));
    gateway_hold(fixture->gateway, true, &fixture->actions);
    take_kind(fixture, GATEWAY_READ_STOP, id);
    for (unsigned i = 0; i < 100; i++)
        tick(fixture, GATEWAY_TICK_MS);
    gateway_hold(fixture->gateway, false, &fixture->actions);
    take_kind(fixture, GATEWAY_READ_START, id);
    tick(fixture, GATEWAY_TICK_MS);
    received(fixture, id, slice_from(record, 50));
    take_call(fixture, id);
    take_nothing(fixture);
}

static void a_client_must_read_its_replies(void **state)
{
    struct fixture *fixture = *state;
    struct connection_id id = opened(fixture);
    tick(fixture, 1000);
    received(fixture, id, record_of(fixture, plain_call(), 8));
    take_call(fixture, id);
    answered(fixture, id, 1000);
    buffer_put(take_kind(fixture, GATEWAY_SEND, id)->bytes);
    tick(fixture, GATEWAY_SEND_TIMEOUT_MS);
    gateway_sent(fixture->gateway, id, 1, fixture->now_ms, &fixture->actions); /* slow, but it reads */
    tick(fixture, GATEWAY_SEND_TIMEOUT_MS);
    take_nothing(fixture);
    tick(fixture, 1);
    assert_non_null(take_kind(fixture, GATEWAY_ABORT, id)->reason); /* a close would wait for it to read */
    gateway_closed(fixture->gateway, id);

    /* The same for one that is being closed. */
    id = opened(fixture);
    received(fixture, id, record_of(fixture, plain_call(), 8));
    take_call(fixture, id);
    answered(fixture, id, 1000);
    buffer_put(take_kind(fixture, GATEWAY_SEND, id)->bytes);
    static const uint8_t empty[] = {0x80, 0, 0, 0};
    received(fixture, id, slice_make(empty, 4));
    take_kind(fixture, GATEWAY_CLOSE, id);
    tick(fixture, GATEWAY_SEND_TIMEOUT_MS);
    take_nothing(fixture);
    tick(fixture, 1);
    take_kind(fixture, GATEWAY_ABORT, id);
}

static void an_idle_connection_is_closed_without_blame(void **state)
{
    struct fixture *fixture = *state;
    struct connection_id idle = opened(fixture);
    struct connection_id busy = opened(fixture);
    received(fixture, busy, record_of(fixture, plain_call(), 8)); /* parked, for however long */
    take_call(fixture, busy);
    tick(fixture, GATEWAY_IDLE_TIMEOUT_MS);
    take_nothing(fixture);
    tick(fixture, 1);
    assert_null(take_kind(fixture, GATEWAY_CLOSE, idle)->reason);
    take_nothing(fixture);
    assert_int_equal(counters(fixture).bad_records, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_call_comes_whole),
        TEST(a_call_comes_in_pieces),
        TEST(several_records_in_one_piece),
        TEST(a_call_in_fragments),
        TEST(unknown_programs_are_answered),
        TEST(bad_credentials_are_denied),
        TEST(what_is_no_call_closes_the_connection),
        TEST(a_reply_to_a_closing_connection_is_dropped),
        TEST(a_place_is_used_again_under_another_name),
        TEST(an_abort_ends_it),
        TEST(the_number_of_connections_is_bounded),
        TEST(too_many_requests_stop_the_reading),
        TEST(unsent_replies_stop_the_reading),
        TEST(one_piece_of_calls_is_bounded_by_its_replies),
        TEST(unsent_replies_of_all_are_bounded),
        TEST(a_calming_connection_becomes_quiet),
        TEST(a_held_loop_reads_nothing),
        TEST(unfinished_records_are_bounded),
        TEST(a_record_must_end),
        TEST(a_held_record_has_time),
        TEST(a_client_must_read_its_replies),
        TEST(an_idle_connection_is_closed_without_blame),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
