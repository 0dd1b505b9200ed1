#include "proto/nfs4/io.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/wire.h"
#include "proto/xdr/xdr.h"

static const struct stateid4 stateid = {7, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
#define STATEID "00000007 0102030405060708090a0b0c"

static void read_bytes(void **state)
{
    (void)state;
    union nfs4_args args = {.opread = {stateid, 0x100000000, 4096}};
    wire_check_args(OP_READ, &args, STATEID "0000000100000000 00001000");
    union nfs4_result result = {.opread = {NFS4_OK, {true, slice_text("hello")}}};
    wire_check_result(OP_READ, &result, "00000000 00000001 00000005 68656c6c 6f000000");
}

static void read_data_can_be_placed_directly(void **state)
{
    (void)state;
    uint8_t room[64];
    struct xdr x = xdr_encoder((struct span){room, sizeof(room)});
    uint8_t *frame = xdr_reserve(&x, READ4_FRAME_BYTES - 4);
    assert_non_null(frame);
    struct span place;
    assert_true(xdr_reserve_opaque(&x, 32, &place));
    memcpy(place.data, "hello", 5);
    xdr_commit_opaque(&x, place, 5);
    xdr_patch_uint32(&x, 0, NFS4_OK);
    xdr_patch_uint32(&x, 4, 1);
    struct arena arena;
    arena_init(&arena);
    assert_true(slice_equal(xdr_encoded(&x), wire_bytes(&arena, "00000000 00000001 00000005 68656c6c 6f000000")));
    arena_fini(&arena);
}

static void write_bytes(void **state)
{
    (void)state;
    union nfs4_args args = {.opwrite = {stateid, 12, FILE_SYNC4, slice_text("data!")}};
    wire_check_args(OP_WRITE, &args, STATEID "000000000000000c 00000002 00000005 64617461 21000000");
    wire_refuse_args(OP_WRITE, STATEID "000000000000000c 00000003 00000000");
    union nfs4_result result = {.opwrite = {NFS4_OK, {5, FILE_SYNC4, {{8, 7, 6, 5, 4, 3, 2, 1}}}}};
    wire_check_result(OP_WRITE, &result, "00000000 00000005 00000002 0807060504030201");
}

static void commit_bytes(void **state)
{
    (void)state;
    union nfs4_args args = {.opcommit = {4096, 10}};
    wire_check_args(OP_COMMIT, &args, "0000000000001000 0000000a");
    union nfs4_result result = {.opcommit = {NFS4_OK, {{{8, 7, 6, 5, 4, 3, 2, 1}}}}};
    wire_check_result(OP_COMMIT, &result, "00000000 0807060504030201");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_bytes),
        cmocka_unit_test(read_data_can_be_placed_directly),
        cmocka_unit_test(write_bytes),
        cmocka_unit_test(commit_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
