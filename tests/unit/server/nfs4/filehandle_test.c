#include "server/nfs4/filehandle.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct siphash_key key = {"0123456789abcdef"};

/* The example of docs/formats/filehandle.md. */
static const uint8_t example[FILEHANDLE_BYTES] = {
    0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a,
    0x0b, 0x0c, 0x00, 0x00, 0x00, 0x03, 0xe9, 0x69, 0xfc, 0x7f, 0x05, 0xee, 0x77, 0x0f,
};

static void the_documented_bytes(void **state)
{
    (void)state;
    uint8_t bytes[FILEHANDLE_BYTES];
    struct file_id id = {{2}, {0x0a0b0c}, 3};
    filehandle_encode(&key, id, bytes);
    assert_memory_equal(bytes, example, sizeof(example));
    struct file_id decoded;
    assert_true(filehandle_decode(&key, slice_make(example, sizeof(example)), &decoded));
    assert_true(file_id_equal(decoded, id));
}

static void every_changed_bit_is_a_bad_handle(void **state)
{
    (void)state;
    struct file_id decoded;
    for (size_t bit = 0; bit < 8 * FILEHANDLE_BYTES; bit++) {
        uint8_t bytes[FILEHANDLE_BYTES];
        memcpy(bytes, example, sizeof(bytes));
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_false(filehandle_decode(&key, slice_make(bytes, sizeof(bytes)), &decoded));
    }
}

static void another_length_or_key_is_a_bad_handle(void **state)
{
    (void)state;
    struct file_id decoded;
    struct siphash_key other = {"0123456789abcdeg"};
    uint8_t longer[FILEHANDLE_BYTES + 4] = {0};
    memcpy(longer, example, sizeof(example));
    assert_false(filehandle_decode(&other, slice_make(example, sizeof(example)), &decoded));
    assert_false(filehandle_decode(&key, slice_make(longer, sizeof(longer)), &decoded));
    assert_false(filehandle_decode(&key, slice_make(example, FILEHANDLE_BYTES - 4), &decoded));
    assert_false(filehandle_decode(&key, SLICE_EMPTY, &decoded));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_bytes),
        cmocka_unit_test(every_changed_bit_is_a_bad_handle),
        cmocka_unit_test(another_length_or_key_is_a_bad_handle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
