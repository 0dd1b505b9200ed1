#include "proto/nfs4/stateid.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/wire.h"

static struct stateid4 stateids[2] = {{7, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}, {0, {0}}};
#define STATEIDS "00000007 0102030405060708090a0b0c 00000000 000000000000000000000000"

static void test_stateid_bytes(void **state)
{
    (void)state;
    union nfs4_args args = {.optest_stateid = {stateids, 2}};
    wire_check_args(OP_TEST_STATEID, &args, "00000002" STATEIDS);
    wire_refuse_args(OP_TEST_STATEID, "00000003" STATEIDS);
    enum nfsstat4 codes[2] = {NFS4_OK, NFS4ERR_BAD_STATEID};
    union nfs4_result result = {.optest_stateid = {NFS4_OK, {codes, 2}}};
    wire_check_result(OP_TEST_STATEID, &result, "00000000 00000002 00000000 00002729");
}

static void free_stateid_bytes(void **state)
{
    (void)state;
    union nfs4_args args = {.opfree_stateid = {stateids[0]}};
    wire_check_args(OP_FREE_STATEID, &args, "00000007 0102030405060708090a0b0c");
    union nfs4_result result = {.status = {NFS4ERR_LOCKS_HELD}};
    wire_check_result(OP_FREE_STATEID, &result, "00002735");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stateid_bytes),
        cmocka_unit_test(free_stateid_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
