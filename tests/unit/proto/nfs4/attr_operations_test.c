#include "proto/nfs4/attr_operations.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/wire.h"
#include "proto/nfs4/attr.h"

static void getattr_bytes(void **state)
{
    (void)state;
    union nfs4_args args = {.opgetattr = {{{0x18, 0, 1u << 18}, false}}};
    wire_check_args(OP_GETATTR, &args, "00000003 00000018 00000000 00040000");
    struct nfs4_attributes attributes = {.supported_attrs = nfs4_attributes_supported(1), .change = 5, .size = 6};
    union nfs4_result result = {
        .opgetattr = {NFS4_OK, {{.attrmask = {{0x18, 0, 1u << 18}, false}, .attributes = &attributes}}}};
    wire_check_result(OP_GETATTR, &result, "00000000 00000001 00000018 00000010 0000000000000005 0000000000000006");
}

static void setattr_bytes(void **state)
{
    (void)state;
    union nfs4_args args = {.opsetattr = {{7, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
                                          {{{0x10, 0, 0}, false}, slice_make("\0\0\0\0\0\0\0\0", 8), NULL}}};
    wire_check_args(OP_SETATTR, &args, "00000007 0102030405060708090a0b0c 00000001 00000010 00000008 0000000000000000");
    /* attrsset comes with every status. */
    union nfs4_result result = {.opsetattr = {NFS4ERR_PERM, {{0x10, 0, 0}, false}}};
    wire_check_result(OP_SETATTR, &result, "00000001 00000001 00000010");
}

static void verify_bytes(void **state)
{
    (void)state;
    union nfs4_args args = {.opverify = {{{{0x02, 0, 0}, false}, slice_make("\0\0\0\1", 4), NULL}}};
    wire_check_args(OP_VERIFY, &args, "00000001 00000002 00000004 00000001");
    wire_check_args(OP_NVERIFY, &args, "00000001 00000002 00000004 00000001");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(getattr_bytes),
        cmocka_unit_test(setattr_bytes),
        cmocka_unit_test(verify_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
