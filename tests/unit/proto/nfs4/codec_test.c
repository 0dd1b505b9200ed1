#include "proto/nfs4/codec.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/wire.h"

static void bitmaps_drop_empty_words(void **state)
{
    (void)state;
    uint8_t room[32];
    struct bitmap4 bitmap = {0};
    struct xdr x = xdr_encoder((struct span){room, sizeof(room)});
    assert_true(xdr_bitmap4(&x, &bitmap));
    assert_int_equal(xdr_position(&x), 4);
    bitmap4_add(&bitmap, 33);
    assert_true(bitmap4_has(&bitmap, 33) && !bitmap4_has(&bitmap, 32) && !bitmap4_has(&bitmap, 1000));
    xdr_rewind(&x, 0);
    assert_true(xdr_bitmap4(&x, &bitmap));
    assert_int_equal(xdr_position(&x), 12);
    assert_false(bitmap4_empty(&bitmap));
    bitmap4_remove(&bitmap, 33);
    assert_true(bitmap4_empty(&bitmap));
}

static bool bitmap_decode(const char *hex, struct bitmap4 *bitmap)
{
    struct arena arena;
    arena_init(&arena);
    struct xdr x = xdr_decoder(wire_bytes(&arena, hex), &arena);
    bool decodes = xdr_bitmap4(&x, bitmap);
    arena_fini(&arena);
    return decodes;
}

static void long_bitmaps_are_remembered(void **state)
{
    (void)state;
    struct bitmap4 bitmap;
    assert_true(bitmap_decode("00000004 00000001 00000002 00000004 00000000", &bitmap));
    assert_false(bitmap.unknown);
    assert_true(bitmap4_has(&bitmap, 0) && bitmap4_has(&bitmap, 33) && bitmap4_has(&bitmap, 66));
    assert_true(bitmap_decode("00000004 00000001 00000002 00000004 00000001", &bitmap));
    assert_true(bitmap.unknown);
    assert_true(
        bitmap_decode("00000008 00000000 00000000 00000000 00000000 00000000 00000000 00000000 80000000", &bitmap));
    assert_true(bitmap.unknown && !bitmap4_empty(&bitmap));
    assert_false(bitmap4_within(&bitmap, &bitmap));
    assert_false(bitmap_decode("00000009 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000"
                               "00000000",
                               &bitmap));
    assert_false(bitmap_decode("00000002 00000001", &bitmap));
    bitmap4_add(&bitmap, 96);
    assert_true(bitmap.unknown);
}

static void times_may_be_before_1970(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct xdr x = xdr_decoder(wire_bytes(&arena, "fffffffffffffffe 3b9ac9ff"), &arena);
    struct nfstime4 time = {0};
    assert_true(xdr_nfstime4(&x, &time));
    assert_true(time.seconds == -2 && time.nseconds == 999999999);
    struct settime4 set = {0};
    struct xdr y = xdr_decoder(wire_bytes(&arena, "00000000"), &arena);
    assert_true(xdr_settime4(&y, &set));
    struct xdr z = xdr_decoder(wire_bytes(&arena, "00000002 fffffffffffffffe 3b9ac9ff"), &arena);
    assert_false(xdr_settime4(&z, &set));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bitmaps_drop_empty_words),
        cmocka_unit_test(long_bitmaps_are_remembered),
        cmocka_unit_test(times_may_be_before_1970),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
