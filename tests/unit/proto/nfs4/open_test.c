#include "proto/nfs4/open.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/wire.h"

static const struct stateid4 stateid = {7, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
#define STATEID "00000007 0102030405060708090a0b0c"
/* seqid 1, access BOTH, deny NONE, client 0x42, owner "own1" */
#define HEAD "00000001 00000003 00000000 0000000000000042 00000004 6f776e31"
#define NO_CREATE "00000000"

static union nfs4_args open_args(void)
{
    return (union nfs4_args){.opopen = {.seqid = 1,
                                        .share_access = OPEN4_SHARE_ACCESS_BOTH,
                                        .share_deny = OPEN4_SHARE_DENY_NONE,
                                        .owner = {0x42, slice_text("own1")}}};
}

static void every_claim_decodes(void **state)
{
    (void)state;
    union nfs4_args args = open_args();
    args.opopen.claim = (struct open_claim4){CLAIM_NULL, {.file = slice_text("f")}};
    wire_check_args(OP_OPEN, &args, HEAD NO_CREATE "00000000 00000001 66000000");
    args.opopen.claim = (struct open_claim4){CLAIM_PREVIOUS, {.delegate_type = OPEN_DELEGATE_WRITE}};
    wire_check_args(OP_OPEN, &args, HEAD NO_CREATE "00000001 00000002");
    args.opopen.claim = (struct open_claim4){CLAIM_DELEGATE_CUR, {.delegate_cur_info = {stateid, slice_text("f")}}};
    wire_check_args(OP_OPEN, &args, HEAD NO_CREATE "00000002" STATEID "00000001 66000000");
    args.opopen.claim = (struct open_claim4){CLAIM_DELEGATE_PREV, {.file_delegate_prev = slice_text("f")}};
    wire_check_args(OP_OPEN, &args, HEAD NO_CREATE "00000003 00000001 66000000");
    args.opopen.claim = (struct open_claim4){.claim = CLAIM_FH};
    wire_check_args(OP_OPEN, &args, HEAD NO_CREATE "00000004");
    args.opopen.claim = (struct open_claim4){CLAIM_DELEG_CUR_FH, {.oc_delegate_stateid = stateid}};
    wire_check_args(OP_OPEN, &args, HEAD NO_CREATE "00000005" STATEID);
    args.opopen.claim = (struct open_claim4){.claim = CLAIM_DELEG_PREV_FH};
    wire_check_args(OP_OPEN, &args, HEAD NO_CREATE "00000006");
    wire_refuse_args(OP_OPEN, HEAD NO_CREATE "00000007");
}

static void every_createmode_decodes(void **state)
{
    (void)state;
    const struct fattr4 mode_0640 = {{{0, 2, 0}, false}, slice_make("\0\0\1\240", 4), NULL};
    union nfs4_args args = open_args();
    args.opopen.openhow.opentype = OPEN4_CREATE;
    args.opopen.claim = (struct open_claim4){CLAIM_NULL, {.file = slice_text("f")}};
#define CLAIM "00000000 00000001 66000000"
#define MODE_0640 "00000002 00000000 00000002 00000004 000001a0"

    args.opopen.openhow.how = (struct createhow4){UNCHECKED4, {.createattrs = mode_0640}};
    wire_check_args(OP_OPEN, &args, HEAD "00000001 00000000" MODE_0640 CLAIM);
    args.opopen.openhow.how = (struct createhow4){GUARDED4, {.createattrs = mode_0640}};
    wire_check_args(OP_OPEN, &args, HEAD "00000001 00000001" MODE_0640 CLAIM);
    args.opopen.openhow.how = (struct createhow4){EXCLUSIVE4, {.createverf = {{1, 2, 3, 4, 5, 6, 7, 8}}}};
    wire_check_args(OP_OPEN, &args, HEAD "00000001 00000002 0102030405060708" CLAIM);
    args.opopen.openhow.how =
        (struct createhow4){EXCLUSIVE4_1, {.ch_createboth = {{{1, 2, 3, 4, 5, 6, 7, 8}}, mode_0640}}};
    wire_check_args(OP_OPEN, &args, HEAD "00000001 00000003 0102030405060708" MODE_0640 CLAIM);
    wire_refuse_args(OP_OPEN, HEAD "00000001 00000004 0102030405060708" CLAIM);
    wire_refuse_args(OP_OPEN, HEAD "00000002" CLAIM);
}

static void owners_are_bounded(void **state)
{
    (void)state;
    wire_refuse_args(OP_OPEN, "00000001 00000003 00000000 0000000000000042 00000401");
}

/* stateid, cinfo, rflags LOCKTYPE_POSIX, empty attrset */
#define RESOK "00000000" STATEID "00000001 0000000000000001 0000000000000002 00000004 00000000"

static union nfs4_result open_result(struct open_delegation4 delegation)
{
    return (union nfs4_result){
        .opopen = {NFS4_OK, {stateid, {true, 1, 2}, OPEN4_RESULT_LOCKTYPE_POSIX, {{0}, false}, delegation}}};
}

static void every_delegation_encodes(void **state)
{
    (void)state;
    const struct nfsace4 ace = {0, 0, 0x1f, slice_text("me")};
#define ACE "00000000 00000000 0000001f 00000002 6d650000"
    union nfs4_result result = open_result((struct open_delegation4){.delegation_type = OPEN_DELEGATE_NONE});
    wire_check_result(OP_OPEN, &result, RESOK "00000000");
    result = open_result((struct open_delegation4){OPEN_DELEGATE_READ, {.read = {stateid, true, ace}}});
    wire_check_result(OP_OPEN, &result, RESOK "00000001" STATEID "00000001" ACE);
    result = open_result((struct open_delegation4){
        OPEN_DELEGATE_WRITE, {.write = {stateid, false, {NFS_LIMIT_SIZE, {.filesize = 0x100}}, ace}}});
    wire_check_result(OP_OPEN, &result, RESOK "00000002" STATEID "00000000 00000001 0000000000000100" ACE);
    result = open_result((struct open_delegation4){
        OPEN_DELEGATE_WRITE, {.write = {stateid, false, {NFS_LIMIT_BLOCKS, {.mod_blocks = {3, 512}}}, ace}}});
    wire_check_result(OP_OPEN, &result, RESOK "00000002" STATEID "00000000 00000002 00000003 00000200" ACE);
    result =
        open_result((struct open_delegation4){OPEN_DELEGATE_NONE_EXT, {.od_whynone = {.ond_why = WND4_NOT_WANTED}}});
    wire_check_result(OP_OPEN, &result, RESOK "00000003 00000000");
    result = open_result((struct open_delegation4){
        OPEN_DELEGATE_NONE_EXT, {.od_whynone = {.ond_why = WND4_CONTENTION, .ond_server_will_push_deleg = true}}});
    wire_check_result(OP_OPEN, &result, RESOK "00000003 00000001 00000001");
    result = open_result((struct open_delegation4){
        OPEN_DELEGATE_NONE_EXT, {.od_whynone = {.ond_why = WND4_RESOURCE, .ond_server_will_signal_avail = true}}});
    wire_check_result(OP_OPEN, &result, RESOK "00000003 00000002 00000001");
    result.opopen.status = NFS4ERR_SHARE_DENIED;
    wire_check_result(OP_OPEN, &result, "0000271f");
}

static void downgrade_and_close_bytes(void **state)
{
    (void)state;
    union nfs4_args downgrade = {.opopen_downgrade = {stateid, 2, OPEN4_SHARE_ACCESS_READ, OPEN4_SHARE_DENY_NONE}};
    wire_check_args(OP_OPEN_DOWNGRADE, &downgrade, STATEID "00000002 00000001 00000000");
    union nfs4_result downgraded = {.opopen_downgrade = {NFS4_OK, {stateid}}};
    wire_check_result(OP_OPEN_DOWNGRADE, &downgraded, "00000000" STATEID);
    union nfs4_args close = {.opclose = {3, stateid}};
    wire_check_args(OP_CLOSE, &close, "00000003" STATEID);
    union nfs4_result closed = {.opclose = {NFS4_OK, stateid}};
    wire_check_result(OP_CLOSE, &closed, "00000000" STATEID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_claim_decodes),       cmocka_unit_test(every_createmode_decodes),
        cmocka_unit_test(owners_are_bounded),        cmocka_unit_test(every_delegation_encodes),
        cmocka_unit_test(downgrade_and_close_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
