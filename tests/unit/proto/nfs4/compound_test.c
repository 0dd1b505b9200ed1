#include "proto/nfs4/compound.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/wire.h"
#include "proto/xdr/xdr.h"

static void every_operation_has_its_row(void **state)
{
    (void)state;
    for (uint32_t op = 0; op < OPNUM4_TABLE_SIZE; op++) {
        const struct nfs4_operation *row = nfs4_operation_find(op);
        if (op < OP_ACCESS) {
            assert_null(row);
            continue;
        }
        assert_non_null(row);
        assert_string_equal(row->name, opnum4_name((enum opnum4)op));
        assert_non_null(row->result_codec);
        assert_true(row->first_minor_version == (op < 40 ? 0 : op < 59 ? 1 : 2));
        assert_true(row->last_minor_version >= row->first_minor_version);
        assert_true(row->served || row->args_codec == NULL);
    }
    assert_null(nfs4_operation_find(OPNUM4_TABLE_SIZE));
    assert_null(nfs4_operation_find(UINT32_MAX));
    assert_non_null(nfs4_operation_find(OP_ILLEGAL));
    assert_int_equal(nfs4_operation_find(OP_SETCLIENTID)->last_minor_version, 0);
    assert_int_equal(nfs4_operation_find(OP_PUTPUBFH)->last_minor_version, 2);
}

static void what_is_not_served_has_only_a_status(void **state)
{
    (void)state;
    union nfs4_result result = {.status = {NFS4ERR_NOTSUPP}};
    wire_check_result(OP_LAYOUTGET, &result, "00002714");
    result.status.status = NFS4ERR_OP_ILLEGAL;
    wire_check_result(OP_ILLEGAL, &result, "0000273c");
    wire_refuse_args(OP_LAYOUTGET, "00000000 00000000");
    wire_refuse_args(OP_ILLEGAL, "");
}

static void status_is_first_in_every_result(void **state)
{
    (void)state;
    union nfs4_result result;
    memset(&result, 0, sizeof(result));
    result.opexchange_id.eir_status = NFS4ERR_DELAY;
    assert_int_equal(result.status.status, NFS4ERR_DELAY);
    result.opsequence.sr_status = NFS4ERR_BADSLOT;
    assert_int_equal(result.status.status, NFS4ERR_BADSLOT);
    result.optest_stateid.tsr_status = NFS4ERR_INVAL;
    assert_int_equal(result.status.status, NFS4ERR_INVAL);
    result.opcreate_session.csr_status = NFS4ERR_PERM;
    assert_int_equal(result.status.status, NFS4ERR_PERM);
    result.opbind_conn_to_session.bctsr_status = NFS4ERR_NOENT;
    assert_int_equal(result.status.status, NFS4ERR_NOENT);
    result.oplock.status = NFS4ERR_DENIED;
    assert_int_equal(result.status.status, NFS4ERR_DENIED);
}

/* A compound as a server sees it: tag "t", minor version 1, PUTROOTFH and LOOKUP "data". */
static const char request_hex[] = "00000001 74000000 00000001 00000002"
                                  "00000018"
                                  "0000000f 00000004 64617461";
static const char reply_hex[] = "00000002 00000001 74000000 00000002"
                                "00000018 00000000"
                                "0000000f 00000002";

static void a_compound_is_taken_apart_and_answered(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct xdr in = xdr_decoder(wire_bytes(&arena, request_hex), &arena);
    struct nfs4_compound_args head;
    assert_true(xdr_nfs4_compound_args(&in, &head));
    assert_true(slice_equal(head.tag, slice_text("t")));
    assert_true(head.minorversion == 1 && head.operation_count == 2);

    uint8_t room[64];
    struct xdr out = xdr_encoder((struct span){room, sizeof(room)});
    struct nfs4_compound_frame frame;
    assert_true(nfs4_compound_begin(&out, head.tag, &frame));
    union nfs4_result result = {0};
    for (uint32_t i = 0; i < head.operation_count; i++) {
        enum opnum4 op;
        union nfs4_args args;
        assert_true(xdr_enum(&in, &op) && nfs4_args_codec(&in, op, &args));
        if (op == OP_LOOKUP) {
            assert_true(slice_equal(args.oplookup.objname, slice_text("data")));
            result.status.status = NFS4ERR_NOENT;
        }
        assert_true(xdr_enum(&out, &op) && nfs4_result_codec(&out, op, &result));
    }
    nfs4_compound_end(&out, &frame, result.status.status, 2);
    assert_int_equal(xdr_remaining(&in), 0);
    assert_true(slice_equal(xdr_encoded(&out), wire_bytes(&arena, reply_hex)));
    arena_fini(&arena);
}

static void a_frame_needs_room(void **state)
{
    (void)state;
    uint8_t room[16];
    struct nfs4_compound_frame frame;
    for (size_t room_bytes = 0; room_bytes < 16; room_bytes++) {
        struct xdr x = xdr_encoder((struct span){room, room_bytes});
        assert_false(nfs4_compound_begin(&x, slice_text("t"), &frame));
    }
    struct xdr x = xdr_encoder((struct span){room, 16});
    assert_true(nfs4_compound_begin(&x, slice_text("t"), &frame));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_has_its_row),
        cmocka_unit_test(what_is_not_served_has_only_a_status),
        cmocka_unit_test(status_is_first_in_every_result),
        cmocka_unit_test(a_compound_is_taken_apart_and_answered),
        cmocka_unit_test(a_frame_needs_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
