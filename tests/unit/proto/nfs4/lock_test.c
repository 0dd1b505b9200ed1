#include "proto/nfs4/lock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/wire.h"

static const struct stateid4 stateid = {7, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
#define STATEID "00000007 0102030405060708090a0b0c"

static void both_lockers_decode(void **state)
{
    (void)state;
    union nfs4_args args = {
        .oplock = {WRITE_LT, false, 16, 32, {true, {.open_owner = {1, stateid, 2, {0x42, slice_text("lock")}}}}}};
    wire_check_args(OP_LOCK, &args,
                    "00000002 00000000 0000000000000010 0000000000000020"
                    "00000001 00000001" STATEID "00000002 0000000000000042 00000004 6c6f636b");
    args.oplock.locker = (struct locker4){false, {.lock_owner = {stateid, 5}}};
    args.oplock.reclaim = true;
    wire_check_args(OP_LOCK, &args, "00000002 00000001 0000000000000010 0000000000000020 00000000" STATEID "00000005");
}

static void types_are_checked(void **state)
{
    (void)state;
    wire_refuse_args(OP_LOCK, "00000000 00000000 0000000000000010 0000000000000020 00000000" STATEID "00000005");
    wire_refuse_args(OP_LOCKT, "00000005 0000000000000010 0000000000000020 0000000000000042 00000000");
}

#define DENIED "0000271a 0000000000000001 0000000000000002 00000001 0000000000000042 00000001 78000000"

static void results_say_who_holds_it(void **state)
{
    (void)state;
    const struct LOCK4denied denied = {1, 2, READ_LT, {0x42, slice_text("x")}};
    union nfs4_result result = {.oplock = {NFS4ERR_DENIED, {.denied = denied}}};
    wire_check_result(OP_LOCK, &result, DENIED);
    result = (union nfs4_result){.oplockt = {NFS4ERR_DENIED, denied}};
    wire_check_result(OP_LOCKT, &result, DENIED);
    result = (union nfs4_result){.oplock = {NFS4_OK, {.resok4 = {stateid}}}};
    wire_check_result(OP_LOCK, &result, "00000000" STATEID);
    result = (union nfs4_result){.oplockt = {.status = NFS4_OK}};
    wire_check_result(OP_LOCKT, &result, "00000000");
    result = (union nfs4_result){.oplocku = {NFS4_OK, stateid}};
    wire_check_result(OP_LOCKU, &result, "00000000" STATEID);
}

static void test_and_unlock_bytes(void **state)
{
    (void)state;
    union nfs4_args test = {.oplockt = {READW_LT, 1, UINT64_MAX, {0x42, slice_text("x")}}};
    wire_check_args(OP_LOCKT, &test, "00000003 0000000000000001 ffffffffffffffff 0000000000000042 00000001 78000000");
    union nfs4_args unlock = {.oplocku = {WRITE_LT, 3, stateid, 1, 2}};
    wire_check_args(OP_LOCKU, &unlock, "00000002 00000003" STATEID "0000000000000001 0000000000000002");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_lockers_decode),
        cmocka_unit_test(types_are_checked),
        cmocka_unit_test(results_say_who_holds_it),
        cmocka_unit_test(test_and_unlock_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
