#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/nfs4/opnum.h"
#include "proto/nfs4/status.h"

static void status_names(void **state)
{
    (void)state;
    assert_string_equal(nfsstat4_name(NFS4_OK), "NFS4_OK");
    assert_string_equal(nfsstat4_name(NFS4ERR_XATTR2BIG), "NFS4ERR_XATTR2BIG");
    assert_string_equal(nfsstat4_name((enum nfsstat4)12345), "nfsstat4(?)");
    /* Numbers that people compare with packet traces. */
    assert_int_equal(NFS4ERR_BADXDR, 10036);
    assert_int_equal(NFS4ERR_BADSESSION, 10052);
    assert_int_equal(NFS4ERR_SEQ_FALSE_RETRY, 10076);
    assert_int_equal(NFS4ERR_WRONG_TYPE, 10083);
    assert_int_equal(NFS4ERR_OFFLOAD_NO_REQS, 10094);
}

static void operation_names(void **state)
{
    (void)state;
    assert_string_equal(opnum4_name(OP_LOOKUP), "LOOKUP");
    assert_string_equal(opnum4_name(OP_REMOVEXATTR), "REMOVEXATTR");
    assert_string_equal(opnum4_name(OP_ILLEGAL), "ILLEGAL");
    assert_string_equal(opnum4_name((enum opnum4)2), "ILLEGAL");
    assert_int_equal(OP_SEQUENCE, 53);
    assert_int_equal(OP_CLONE, 71);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_names),
        cmocka_unit_test(operation_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
