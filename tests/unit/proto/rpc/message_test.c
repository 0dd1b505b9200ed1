#include "proto/rpc/message.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "proto/xdr/xdr.h"
#include "tests/support/wire.h"

/* NULL call of NFSv4 with AUTH_SYS: xid 0x11223344; stamp 1, machine "abc", uid 1000, gid 100, one group 27. */
static const char call_hex[] = "11223344 00000000 00000002 000186a3 00000004 00000000 "
                               "00000001 0000001c 00000001 00000003 61626300 000003e8 00000064 00000001 0000001b "
                               "00000000 00000000";

static void a_call_goes_both_ways(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct slice bytes = wire_bytes(&arena, call_hex);
    struct xdr x = xdr_decoder(bytes, &arena);
    struct rpc_call call;
    assert_int_equal(rpc_call_decode(&x, &call), RPC_CALL_OK);
    assert_int_equal(xdr_remaining(&x), 0);
    assert_true(call.xid == 0x11223344 && call.prog == 100003 && call.vers == 4 && call.proc == 0);
    assert_int_equal(call.cred.flavor, AUTH_SYS);

    struct xdr body = xdr_decoder(call.cred.body, &arena);
    struct authsys_parms parms;
    assert_true(xdr_authsys_parms(&body, &parms));
    assert_int_equal(xdr_remaining(&body), 0);
    assert_true(slice_equal(parms.machinename, slice_text("abc")));
    assert_true(parms.uid == 1000 && parms.gid == 100 && parms.gids_count == 1 && parms.gids[0] == 27);

    uint8_t room[128];
    struct xdr y = xdr_encoder((struct span){room, sizeof(room)});
    assert_true(rpc_call_encode(&y, &call));
    assert_true(slice_equal(xdr_encoded(&y), bytes));
    arena_fini(&arena);
}

static void a_short_call_is_dropped_or_rejected(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct slice bytes = wire_bytes(&arena, call_hex);
    for (size_t size_bytes = 0; size_bytes < bytes.size_bytes; size_bytes++) {
        struct xdr x = xdr_decoder(slice_make(bytes.data, size_bytes), &arena);
        struct rpc_call call;
        enum rpc_call_verdict expected = size_bytes < 24 ? RPC_CALL_DROP : RPC_CALL_BADCRED;
        if (size_bytes >= 60)
            expected = RPC_CALL_BADVERF;
        assert_int_equal(rpc_call_decode(&x, &call), expected);
    }
    arena_fini(&arena);
}

static enum rpc_call_verdict verdict_of(const char *hex)
{
    struct arena arena;
    arena_init(&arena);
    struct xdr x = xdr_decoder(wire_bytes(&arena, hex), &arena);
    struct rpc_call call;
    enum rpc_call_verdict verdict = rpc_call_decode(&x, &call);
    arena_fini(&arena);
    return verdict;
}

static void wrong_calls_have_their_verdict(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("00000001 00000001 00000000 00000000"), RPC_CALL_DROP);
    assert_int_equal(verdict_of("00000001 00000000 00000003"), RPC_CALL_MISMATCH);
    /* A credential of 404 bytes: over RFC 5531's 400. */
    assert_int_equal(verdict_of("00000001 00000000 00000002 000186a3 00000004 00000000 00000001 00000194"),
                     RPC_CALL_BADCRED);
}

static void auth_sys_keeps_its_bounds(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct authsys_parms parms;
    /* 17 groups are said, and are there. */
    uint8_t bytes[4 * 22] = {0};
    bytes[19] = 17;
    struct xdr x = xdr_decoder(slice_make(bytes, sizeof(bytes)), &arena);
    assert_false(xdr_authsys_parms(&x, &parms));
    bytes[19] = 16;
    struct xdr y = xdr_decoder(slice_make(bytes, sizeof(bytes)), &arena);
    assert_true(xdr_authsys_parms(&y, &parms));
    /* A machine name of 256 bytes. */
    uint8_t name[300] = {0};
    name[6] = 1;
    struct xdr z = xdr_decoder(slice_make(name, sizeof(name)), &arena);
    assert_false(xdr_authsys_parms(&z, &parms));
    arena_fini(&arena);
}

static void check_reply(struct rpc_reply reply, const char *hex)
{
    struct arena arena;
    arena_init(&arena);
    struct slice expected = wire_bytes(&arena, hex);
    uint8_t room[64];
    struct xdr x = xdr_encoder((struct span){room, sizeof(room)});
    assert_true(xdr_rpc_reply(&x, &reply));
    assert_true(slice_equal(xdr_encoded(&x), expected));
    struct rpc_reply decoded = {0};
    struct xdr y = xdr_decoder(expected, &arena);
    assert_true(xdr_rpc_reply(&y, &decoded));
    assert_int_equal(xdr_remaining(&y), 0);
    assert_true(decoded.xid == reply.xid && decoded.denied == reply.denied &&
                decoded.accept_stat == reply.accept_stat && decoded.reject_stat == reply.reject_stat &&
                decoded.auth_stat == reply.auth_stat && decoded.low == reply.low && decoded.high == reply.high);
    for (size_t size_bytes = 0; size_bytes < expected.size_bytes; size_bytes++) {
        struct xdr cut = xdr_decoder(slice_make(expected.data, size_bytes), &arena);
        assert_false(xdr_rpc_reply(&cut, &decoded));
    }
    arena_fini(&arena);
}

static void replies_are_as_in_the_rfc(void **state)
{
    (void)state;
    check_reply(rpc_reply_accepted(7, RPC_SUCCESS), "00000007 00000001 00000000 00000000 00000000 00000000");
    check_reply(rpc_reply_accepted(7, RPC_PROG_UNAVAIL), "00000007 00000001 00000000 00000000 00000000 00000001");
    check_reply(rpc_reply_program_mismatch(7, 4, 4),
                "00000007 00000001 00000000 00000000 00000000 00000002 00000004 00000004");
    check_reply(rpc_reply_accepted(7, RPC_PROC_UNAVAIL), "00000007 00000001 00000000 00000000 00000000 00000003");
    check_reply(rpc_reply_accepted(7, RPC_GARBAGE_ARGS), "00000007 00000001 00000000 00000000 00000000 00000004");
    check_reply(rpc_reply_accepted(7, RPC_SYSTEM_ERR), "00000007 00000001 00000000 00000000 00000000 00000005");
    check_reply(rpc_reply_version_mismatch(7), "00000007 00000001 00000001 00000000 00000002 00000002");
    check_reply(rpc_reply_auth_error(7, RPC_AUTH_TOOWEAK), "00000007 00000001 00000001 00000001 00000005");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_goes_both_ways),          cmocka_unit_test(a_short_call_is_dropped_or_rejected),
        cmocka_unit_test(wrong_calls_have_their_verdict), cmocka_unit_test(auth_sys_keeps_its_bounds),
        cmocka_unit_test(replies_are_as_in_the_rfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
