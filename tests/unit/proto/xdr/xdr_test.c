#include "proto/xdr/xdr.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void numbers_are_big_endian(void **state)
{
    (void)state;
    uint8_t bytes[24];
    struct xdr x = xdr_encoder((struct span){bytes, sizeof(bytes)});
    uint32_t small = 0x01020304;
    uint64_t large = 0x0102030405060708;
    int64_t negative = -2;
    bool yes = true;
    assert_true(xdr_uint32(&x, &small) && xdr_uint64(&x, &large) && xdr_int64(&x, &negative) && xdr_bool(&x, &yes));
    const uint8_t expected[24] = {1,    2,    3,    4,    1,    2,    3,    4,    5, 6, 7, 8,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 1};
    assert_memory_equal(bytes, expected, sizeof(expected));

    struct xdr y = xdr_decoder(slice_make(bytes, sizeof(bytes)), NULL);
    small = 0, large = 0, negative = 0, yes = false;
    assert_true(xdr_uint32(&y, &small) && xdr_uint64(&y, &large) && xdr_int64(&y, &negative) && xdr_bool(&y, &yes));
    assert_true(small == 0x01020304 && large == 0x0102030405060708 && negative == -2 && yes);
    assert_int_equal(xdr_remaining(&y), 0);
}

static void booleans_are_zero_or_one(void **state)
{
    (void)state;
    const uint8_t two[4] = {0, 0, 0, 2};
    struct xdr x = xdr_decoder(slice_make(two, 4), NULL);
    bool value = false;
    assert_false(xdr_bool(&x, &value));
    assert_true(x.failed);
}

static void failure_sticks(void **state)
{
    (void)state;
    const uint8_t bytes[8] = {0, 0, 0, 2, 0, 0, 0, 7};
    struct xdr x = xdr_decoder(slice_make(bytes, 8), NULL);
    bool flag = false;
    uint32_t number = 99;
    assert_false(xdr_bool(&x, &flag));
    assert_false(xdr_uint32(&x, &number));
    assert_int_equal(number, 99);
    xdr_rewind(&x, 0);
    assert_true(xdr_uint32(&x, &number));
    assert_int_equal(number, 2);
}

static void opaque_points_into_the_input(void **state)
{
    (void)state;
    const uint8_t bytes[12] = {0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o', 0, 0, 0};
    struct xdr x = xdr_decoder(slice_make(bytes, 12), NULL);
    struct slice value = SLICE_EMPTY;
    assert_true(xdr_opaque(&x, &value, 5));
    assert_ptr_equal(value.data, bytes + 4);
    assert_int_equal(value.size_bytes, 5);
    assert_int_equal(xdr_remaining(&x), 0);

    struct xdr bounded = xdr_decoder(slice_make(bytes, 12), NULL);
    assert_false(xdr_opaque(&bounded, &value, 4));
}

static void padding_must_be_there_and_zero(void **state)
{
    (void)state;
    uint8_t bytes[12] = {0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o', 0, 0, 0};
    struct slice value = SLICE_EMPTY;
    for (size_t i = 9; i < 12; i++) {
        bytes[i] = 1;
        struct xdr x = xdr_decoder(slice_make(bytes, 12), NULL);
        assert_false(xdr_opaque(&x, &value, 100));
        bytes[i] = 0;
        struct xdr cut = xdr_decoder(slice_make(bytes, i), NULL);
        assert_false(xdr_opaque(&cut, &value, 100));
    }
}

static void lying_lengths_allocate_nothing(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    const uint8_t bytes[8] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0};
    struct slice value = SLICE_EMPTY;
    struct xdr x = xdr_decoder(slice_make(bytes, 8), &arena);
    assert_false(xdr_opaque(&x, &value, XDR_UNBOUNDED));

    struct xdr y = xdr_decoder(slice_make(bytes, 8), &arena);
    uint32_t count = 0;
    assert_false(xdr_count(&y, &count, UINT32_MAX, 4));

    const uint8_t two[8] = {0, 0, 0, 2, 0, 0, 0, 0};
    struct xdr z = xdr_decoder(slice_make(two, 8), &arena);
    assert_false(xdr_count(&z, &count, UINT32_MAX, 4));
    assert_int_equal(arena.reserved_bytes, 0);
    arena_fini(&arena);
}

static bool number_element(struct xdr *x, void *element)
{
    return xdr_uint32(x, element);
}

static void arrays_go_both_ways(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    uint32_t numbers[3] = {1, 2, 3};
    uint32_t count = 3;
    void *elements = numbers;
    uint8_t bytes[16];
    struct xdr x = xdr_encoder((struct span){bytes, sizeof(bytes)});
    assert_true(xdr_array(&x, &elements, &count, 3, 4, 4, number_element));
    assert_int_equal(xdr_position(&x), 16);

    struct xdr y = xdr_decoder(xdr_encoded(&x), &arena);
    elements = NULL;
    assert_true(xdr_array(&y, &elements, &count, 3, 4, 4, number_element));
    assert_int_equal(count, 3);
    assert_memory_equal(elements, numbers, sizeof(numbers));

    struct xdr over = xdr_decoder(xdr_encoded(&x), &arena);
    assert_false(xdr_array(&over, &elements, &count, 2, 4, 4, number_element));
    arena_fini(&arena);
}

static void a_value_over_its_bound_is_not_encoded(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct xdr x = xdr_encoder((struct span){bytes, sizeof(bytes)});
    struct slice value = slice_text("too long");
    assert_false(xdr_opaque(&x, &value, 7));
    assert_int_equal(xdr_position(&x), 0);
}

static void reserved_opaque_is_filled_in_place(void **state)
{
    (void)state;
    uint8_t bytes[16];
    memset(bytes, 0xee, sizeof(bytes));
    struct xdr x = xdr_encoder((struct span){bytes, 12});
    struct span place;
    assert_false(xdr_reserve_opaque(&x, 9, &place));
    xdr_rewind(&x, 0);
    assert_true(xdr_reserve_opaque(&x, 8, &place));
    assert_ptr_equal(place.data, bytes + 4);
    memcpy(place.data, "abcde", 5);
    xdr_commit_opaque(&x, place, 5);
    const uint8_t expected[13] = {0, 0, 0, 5, 'a', 'b', 'c', 'd', 'e', 0, 0, 0, 0xee};
    assert_memory_equal(bytes, expected, sizeof(expected));
    assert_int_equal(xdr_position(&x), 12);
}

static void numbers_are_patched_later(void **state)
{
    (void)state;
    uint8_t bytes[8];
    struct xdr x = xdr_encoder((struct span){bytes, sizeof(bytes)});
    assert_non_null(xdr_reserve(&x, 4));
    uint32_t number = 7;
    assert_true(xdr_uint32(&x, &number));
    assert_null(xdr_reserve(&x, 4));
    xdr_patch_uint32(&x, 0, 0x0a0b0c0d);
    const uint8_t expected[8] = {0x0a, 0x0b, 0x0c, 0x0d, 0, 0, 0, 7};
    assert_memory_equal(bytes, expected, sizeof(expected));
}

static void fixed_opaque_is_copied_and_padded(void **state)
{
    (void)state;
    uint8_t bytes[4];
    char value[3] = {'a', 'b', 'c'};
    struct xdr x = xdr_encoder((struct span){bytes, sizeof(bytes)});
    assert_true(xdr_opaque_fixed(&x, value, 3));
    assert_memory_equal(bytes, "abc", 4);
    char copy[3] = {0};
    struct xdr y = xdr_decoder(slice_make(bytes, 4), NULL);
    assert_true(xdr_opaque_fixed(&y, copy, 3));
    assert_memory_equal(copy, value, 3);
    bytes[3] = 1;
    struct xdr z = xdr_decoder(slice_make(bytes, 4), NULL);
    assert_false(xdr_opaque_fixed(&z, copy, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_big_endian),
        cmocka_unit_test(booleans_are_zero_or_one),
        cmocka_unit_test(failure_sticks),
        cmocka_unit_test(opaque_points_into_the_input),
        cmocka_unit_test(padding_must_be_there_and_zero),
        cmocka_unit_test(lying_lengths_allocate_nothing),
        cmocka_unit_test(arrays_go_both_ways),
        cmocka_unit_test(a_value_over_its_bound_is_not_encoded),
        cmocka_unit_test(reserved_opaque_is_filled_in_place),
        cmocka_unit_test(numbers_are_patched_later),
        cmocka_unit_test(fixed_opaque_is_copied_and_padded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
