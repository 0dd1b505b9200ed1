#include "tests/support/nfs_client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "proto/rpc/record.h"
#include "tests/support/wire.h"

static struct nfs_session session_ready(void)
{
    static const struct nfs_identity identity = {0, 0, "tester"};
    struct nfs_session session;
    nfs_session_init(&session, &identity, 100);
    session.slot_count = 4;
    session.seqids[2] = 9;
    memcpy(session.id.data, "0123456789abcdef", sizeof(session.id.data));
    return session;
}

static void a_request_decodes_as_the_server_does_it(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct nfs_session session = session_ready();
    struct nfs_compound_builder builder;
    nfs_session_start(&session, &builder, &arena, 4096, 2, true);
    nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
    nfs_add_create(&builder, NF4DIR, slice_text("d"));
    struct nfs_request request = nfs_compound_finish(&builder);

    struct record_reader reader;
    record_reader_init(&reader);
    struct slice piece = slice_make(request.record.data, request.record.size_bytes);
    struct slice record;
    assert_int_equal(record_reader_feed(&reader, &piece, NULL, &record), RECORD_COMPLETE);
    struct xdr x = xdr_decoder(record, &arena);
    struct rpc_call call;
    assert_int_equal(rpc_call_decode(&x, &call), RPC_CALL_OK);
    assert_true(call.xid == 100 && call.proc == NFSPROC4_COMPOUND);
    struct nfs4_compound_args head;
    assert_true(xdr_nfs4_compound_args(&x, &head));
    assert_true(head.minorversion == 1 && head.operation_count == 3);
    enum opnum4 op;
    union nfs4_args args;
    assert_true(xdr_enum(&x, &op) && nfs4_args_codec(&x, op, &args));
    assert_true(op == OP_SEQUENCE && args.opsequence.sa_slotid == 2 && args.opsequence.sa_sequenceid == 9 &&
                args.opsequence.sa_highest_slotid == 3 && args.opsequence.sa_cachethis);
    assert_true(xdr_enum(&x, &op) && nfs4_args_codec(&x, op, &args));
    assert_true(xdr_enum(&x, &op) && nfs4_args_codec(&x, op, &args));
    assert_true(op == OP_CREATE && slice_equal(args.opcreate.objname, slice_text("d")));
    assert_int_equal(xdr_remaining(&x), 0);
    arena_fini(&arena);
}

static void a_retransmission_may_change_two_words(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct nfs_session session = session_ready();
    struct nfs_compound_builder builder;
    nfs_session_start(&session, &builder, &arena, 4096, 0, false);
    struct nfs_request request = nfs_compound_finish(&builder);
    struct slice before = arena_copy(&arena, slice_make(request.record.data, request.record.size_bytes));
    nfs_request_set_xid(&request, 0xaabbccdd);
    nfs_request_set_highest_slot(&request, 0x77);
    size_t changed = 0;
    for (size_t i = 0; i < before.size_bytes; i++)
        changed += before.data[i] != request.record.data[i];
    assert_int_equal(changed, 5);
    assert_int_equal(request.record.data[request.record.size_bytes - 5], 0x77);
    arena_fini(&arena);
}

static void a_reply_is_walked(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct slice record = wire_bytes(&arena, "00000064 00000001 00000000 00000000 00000000 00000000"
                                             "00000002 00000000 00000003"
                                             "00000018 00000000 0000000a 00000000 00000004 66682d31 0000000f 00000002");
    struct nfs_reply reply;
    union nfs4_result result;
    enum opnum4 op;
    assert_true(nfs_reply_open(&reply, record, &arena));
    assert_true(nfs_reply_next(&reply, &op, &result) && op == OP_PUTROOTFH);
    assert_true(nfs_reply_find(&reply, OP_LOOKUP, &result));
    assert_int_equal(result.status.status, NFS4ERR_NOENT);
    assert_false(nfs_reply_next(&reply, &op, &result));
    assert_int_equal(nfs_reply_status(record, &arena), NFS4ERR_NOENT);
    assert_int_equal(nfs_reply_status(slice_make(record.data, 20), &arena), NFS4ERR_BADXDR);
    arena_fini(&arena);
}

static void a_session_is_set_up(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct nfs_session session = session_ready();
    struct slice exchanged =
        wire_bytes(&arena, "00000064 00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000001"
                           "0000002a 00000000 1122334455667788 00000005 80010000 00000000"
                           "0000000000000003 00000004 61646472 00000008 636c7573 74657221 00000000");
    assert_int_equal(nfs_session_exchanged(&session, exchanged, &arena), NFS4_OK);
    assert_true(session.clientid == 0x1122334455667788 && session.create_sequence == 5);
    struct slice created =
        wire_bytes(&arena, "00000064 00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000001"
                           "0000002b 00000000 000102030405060708090a0b0c0d0e0f 00000005 00000001"
                           "00000000 00101000 00102000 00001000 00000008 00000010 00000000"
                           "00000000 00101000 00102000 00001000 00000008 00000001 00000000");
    assert_int_equal(nfs_session_created(&session, created, &arena), NFS4_OK);
    assert_true(session.slot_count == 16 && session.seqids[2] == 1 && session.create_sequence == 6);
    nfs_session_done(&session, 2);
    assert_int_equal(session.seqids[2], 2);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_decodes_as_the_server_does_it),
        cmocka_unit_test(a_retransmission_may_change_two_words),
        cmocka_unit_test(a_reply_is_walked),
        cmocka_unit_test(a_session_is_set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
