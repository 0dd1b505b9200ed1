#include "proto/nfs4/file.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/wire.h"

static void access_bytes(void **state)
{
    (void)state;
    union nfs4_args args = {.opaccess = {.access = ACCESS4_READ | ACCESS4_EXECUTE}};
    wire_check_args(OP_ACCESS, &args, "00000021");
    union nfs4_result result = {.opaccess = {NFS4_OK, {0x3f, 0x21}}};
    wire_check_result(OP_ACCESS, &result, "00000000 0000003f 00000021");
    result.opaccess.status = NFS4ERR_STALE;
    wire_check_result(OP_ACCESS, &result, "00000046");
}

static void handles_are_bounded(void **state)
{
    (void)state;
    union nfs4_args args = {.opputfh = {slice_text("fh-12")}};
    wire_check_args(OP_PUTFH, &args, "00000005 66682d31 32000000");
    wire_refuse_args(OP_PUTFH, "00000081");
    union nfs4_result result = {.opgetfh = {NFS4_OK, {slice_text("fh-1")}}};
    wire_check_result(OP_GETFH, &result, "00000000 00000004 66682d31");
}

static void readlink_bytes(void **state)
{
    (void)state;
    union nfs4_result result = {.opreadlink = {NFS4_OK, {slice_text("../x")}}};
    wire_check_result(OP_READLINK, &result, "00000000 00000004 2e2e2f78");
}

static void operations_without_arguments(void **state)
{
    (void)state;
    const enum opnum4 ops[] = {OP_GETFH, OP_SAVEFH, OP_RESTOREFH, OP_PUTROOTFH, OP_PUTPUBFH, OP_LOOKUPP, OP_READLINK};
    union nfs4_args args;
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        wire_check_args(ops[i], &args, "");
    union nfs4_result result = {.status = {NFS4ERR_NOFILEHANDLE}};
    wire_check_result(OP_SAVEFH, &result, "00002724");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(access_bytes),
        cmocka_unit_test(handles_are_bounded),
        cmocka_unit_test(readlink_bytes),
        cmocka_unit_test(operations_without_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
