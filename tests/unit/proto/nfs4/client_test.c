#include "proto/nfs4/client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/wire.h"

#define OWNER "0102030405060708 00000005 6f776e65 72000000 00000101"

static union nfs4_args exchange_args(void)
{
    return (union nfs4_args){
        .opexchange_id = {.eia_clientowner = {{{1, 2, 3, 4, 5, 6, 7, 8}}, slice_text("owner")},
                          .eia_flags = EXCHGID4_FLAG_SUPP_MOVED_REFER | EXCHGID4_FLAG_BIND_PRINC_STATEID}};
}

static void every_state_protection_decodes(void **state)
{
    (void)state;
    union nfs4_args args = exchange_args();
    args.opexchange_id.eia_state_protect.spa_how = SP4_NONE;
    wire_check_args(OP_EXCHANGE_ID, &args, OWNER "00000000 00000000");

    /* As Linux sends it: EXCHANGE_ID .. DESTROY_CLIENTID enforced. */
    const struct state_protect_ops4 ops = {{{0, 0x02001c00, 0}, false}, {{0x10, 0, 0}, false}};
#define OPS "00000002 00000000 02001c00 00000001 00000010"
    args.opexchange_id.eia_state_protect = (struct state_protect4_a){SP4_MACH_CRED, {.spa_mach_ops = ops}};
    wire_check_args(OP_EXCHANGE_ID, &args, OWNER "00000001" OPS "00000000");

    struct slice hashes[2] = {slice_make("\1\2\3\4\5", 5), slice_make("\6", 1)};
    struct slice ciphers[1] = {slice_make("\7\7\7\7", 4)};
    args.opexchange_id.eia_state_protect =
        (struct state_protect4_a){SP4_SSV, {.spa_ssv_parms = {ops, hashes, 2, ciphers, 1, 4, 8}}};
    wire_check_args(OP_EXCHANGE_ID, &args,
                    OWNER "00000002" OPS "00000002 00000005 01020304 05000000 00000001 06000000"
                          "00000001 00000004 07070707 00000004 00000008 00000000");
    wire_refuse_args(OP_EXCHANGE_ID, OWNER "00000003 00000000");
}

static void an_implementation_may_say_its_name(void **state)
{
    (void)state;
    union nfs4_args args = exchange_args();
    args.opexchange_id.eia_client_impl_id_present = true;
    args.opexchange_id.eia_client_impl_id =
        (struct nfs_impl_id4){slice_text("kernel.org"), slice_text("Linux"), {5, 6}};
    wire_check_args(OP_EXCHANGE_ID, &args,
                    OWNER "00000000 00000001 0000000a 6b65726e 656c2e6f 72670000 00000005 4c696e75 78000000"
                          "0000000000000005 00000006");
    /* nfs_impl_id4<1>: two of them are one too many. */
    wire_refuse_args(OP_EXCHANGE_ID, OWNER "00000000 00000002");
}

static void bounds_are_kept(void **state)
{
    (void)state;
    wire_refuse_args(OP_EXCHANGE_ID, "0102030405060708 00000401");
    /* An operation bitmap of nine words. */
    wire_refuse_args(OP_EXCHANGE_ID, OWNER "00000001 00000009");
}

static void exchange_id_answers(void **state)
{
    (void)state;
    union nfs4_result result = {.opexchange_id = {NFS4_OK,
                                                  {.eir_clientid = 0x1122334455667788,
                                                   .eir_sequenceid = 1,
                                                   .eir_flags = EXCHGID4_FLAG_USE_NON_PNFS | EXCHGID4_FLAG_CONFIRMED_R,
                                                   .eir_server_owner = {3, slice_text("addr")},
                                                   .eir_server_scope = slice_text("cluster!")}}};
    wire_check_result(OP_EXCHANGE_ID, &result,
                      "00000000 1122334455667788 00000001 80010000 00000000"
                      "0000000000000003 00000004 61646472 00000008 636c7573 74657221 00000000");
    struct slice handles[1] = {slice_text("hndl")};
    result.opexchange_id.eir_resok4.eir_state_protect =
        (struct state_protect4_r){SP4_SSV,
                                  {.spr_ssv_info = {.ssi_hash_alg = 1,
                                                    .ssi_encr_alg = 2,
                                                    .ssi_ssv_len = 3,
                                                    .ssi_window = 4,
                                                    .ssi_handles = handles,
                                                    .ssi_handles_count = 1}}};
    wire_check_result(OP_EXCHANGE_ID, &result,
                      "00000000 1122334455667788 00000001 80010000"
                      "00000002 00000000 00000000 00000001 00000002 00000003 00000004 00000001 00000004 686e646c"
                      "0000000000000003 00000004 61646472 00000008 636c7573 74657221 00000000");
    result.opexchange_id.eir_status = NFS4ERR_CLID_INUSE;
    wire_check_result(OP_EXCHANGE_ID, &result, "00002721");
}

static void small_operations(void **state)
{
    (void)state;
    union nfs4_args destroy = {.opdestroy_clientid = {0x1122334455667788}};
    wire_check_args(OP_DESTROY_CLIENTID, &destroy, "1122334455667788");
    union nfs4_args complete = {.opreclaim_complete = {true}};
    wire_check_args(OP_RECLAIM_COMPLETE, &complete, "00000001");
    wire_refuse_args(OP_RECLAIM_COMPLETE, "00000002");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_protection_decodes),
        cmocka_unit_test(an_implementation_may_say_its_name),
        cmocka_unit_test(bounds_are_kept),
        cmocka_unit_test(exchange_id_answers),
        cmocka_unit_test(small_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
