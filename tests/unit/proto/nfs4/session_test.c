#include "proto/nfs4/session.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/wire.h"

static const struct sessionid4 session = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
#define SESSION "000102030405060708090a0b0c0d0e0f"
static const struct channel_attrs4 fore = {0, 0x101000, 0x102000, 0x1000, 8, 64, false, 0};
#define FORE "00000000 00101000 00102000 00001000 00000008 00000040 00000000"
static const struct channel_attrs4 back = {0, 4096, 4096, 0, 2, 1, true, 9};
#define BACK "00000000 00001000 00001000 00000000 00000002 00000001 00000001 00000009"

static void sequence_bytes(void **state)
{
    (void)state;
    union nfs4_args args = {.opsequence = {session, 5, 3, 7, true}};
    wire_check_args(OP_SEQUENCE, &args, SESSION "00000005 00000003 00000007 00000001");
    union nfs4_result result = {.opsequence = {NFS4_OK, {session, 5, 3, 63, 62, SEQ4_STATUS_CB_PATH_DOWN}}};
    wire_check_result(OP_SEQUENCE, &result, "00000000" SESSION "00000005 00000003 0000003f 0000003e 00000001");
    result.opsequence.sr_status = NFS4ERR_BADSESSION;
    wire_check_result(OP_SEQUENCE, &result, "00002744");
}

static void create_session_has_all_flavors(void **state)
{
    (void)state;
    struct callback_sec_parms4 parms[3] = {
        {.cb_secflavor = AUTH_NONE},
        {.cb_secflavor = AUTH_SYS,
         .u = {.cbsp_sys_cred =
                   {.stamp = 1, .machinename = slice_text("host"), .uid = 2, .gid = 3, .gids_count = 1, .gids = {4}}}},
        {.cb_secflavor = RPCSEC_GSS,
         .u = {.cbsp_gss_handles = {RPC_GSS_SVC_INTEGRITY, slice_text("srv"), slice_text("clnt")}}},
    };
    union nfs4_args args = {
        .opcreate_session = {.csa_clientid = 0x42,
                             .csa_sequence = 1,
                             .csa_flags = CREATE_SESSION4_FLAG_PERSIST | CREATE_SESSION4_FLAG_CONN_BACK_CHAN,
                             .csa_fore_chan_attrs = fore,
                             .csa_back_chan_attrs = back,
                             .csa_cb_program = 0x40000000,
                             .csa_sec_parms = parms,
                             .csa_sec_parms_count = 3}};
    wire_check_args(OP_CREATE_SESSION, &args,
                    "0000000000000042 00000001 00000003" FORE BACK "40000000 00000003"
                    "00000000"
                    "00000001 00000001 00000004 686f7374 00000002 00000003 00000001 00000004"
                    "00000006 00000002 00000003 73727600 00000004 636c6e74");
    /* A flavor without a known body cannot be skipped. */
    wire_refuse_args(OP_CREATE_SESSION,
                     "0000000000000042 00000001 00000003" FORE BACK "40000000 00000001 00000003 00000000");
    /* More than NFS4_CALLBACK_SEC_PARMS_MAX, and more than there are bytes. */
    wire_refuse_args(OP_CREATE_SESSION, "0000000000000042 00000001 00000003" FORE BACK "40000000 00000041 00000000");
    wire_refuse_args(OP_CREATE_SESSION, "0000000000000042 00000001 00000003" FORE BACK "40000000 ffffffff 00000000");

    union nfs4_result result = {.opcreate_session = {NFS4_OK, {session, 1, CREATE_SESSION4_FLAG_PERSIST, fore, back}}};
    wire_check_result(OP_CREATE_SESSION, &result, "00000000" SESSION "00000001 00000001" FORE BACK);
}

static void bind_and_destroy_bytes(void **state)
{
    (void)state;
    union nfs4_args args = {.opbind_conn_to_session = {session, CDFC4_BACK_OR_BOTH, false}};
    wire_check_args(OP_BIND_CONN_TO_SESSION, &args, SESSION "00000007 00000000");
    union nfs4_result result = {.opbind_conn_to_session = {NFS4_OK, {session, CDFS4_BOTH, false}}};
    wire_check_result(OP_BIND_CONN_TO_SESSION, &result, "00000000" SESSION "00000003 00000000");
    union nfs4_args destroy = {.opdestroy_session = {session}};
    wire_check_args(OP_DESTROY_SESSION, &destroy, SESSION);
}

static void backchannel_ctl_bytes(void **state)
{
    (void)state;
    struct callback_sec_parms4 parms[1] = {{.cb_secflavor = AUTH_NONE}};
    union nfs4_args args = {.opbackchannel_ctl = {0x40000001, parms, 1}};
    wire_check_args(OP_BACKCHANNEL_CTL, &args, "40000001 00000001 00000000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequence_bytes),
        cmocka_unit_test(create_session_has_all_flavors),
        cmocka_unit_test(bind_and_destroy_bytes),
        cmocka_unit_test(backchannel_ctl_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
