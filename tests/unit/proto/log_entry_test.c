/* Entries: the example of docs/formats/entry.md, and what is no entry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/limits.h"
#include "proto/log_entry.h"

/* The example of docs/formats/entry.md. */
static const uint8_t example[] = {
    0x00, 0x00, 0x00, 0x01,                         /* version */
    0x00, 0x00, 0x00, 0x07,                         /* feature level */
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xe8, /* uptime */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, /* wall clock */
    0x00, 0x00, 0x00, 0x02,                         /* count */
    0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 'o', 'n', 'e', 0x00, 0x00,
    0x00, 0x02, 0x00, 0x00, 0x00, 0x04, 't',  'w',  'd', 'a', 't', 'a',
};

static const struct log_entry_header header = {.feature_level = 7, .uptime_ms = 1000, .wall_ns = -2};

static void test_example(void **state)
{
    (void)state;
    uint8_t room[128];
    struct log_entry_builder builder;
    log_entry_begin(&builder, (struct span){room, sizeof(room)}, &header);
    assert_true(log_entry_append(&builder, slice_text("one"), SLICE_EMPTY));
    assert_true(log_entry_append(&builder, slice_text("tw"), slice_text("data")));
    struct slice bytes = log_entry_finish(&builder);
    assert_int_equal(bytes.size_bytes, sizeof(example));
    assert_memory_equal(bytes.data, example, sizeof(example));

    struct log_entry entry;
    struct slice command;
    struct slice content;
    assert_int_equal(log_entry_open(&entry, bytes), STATUS_OK);
    assert_int_equal(entry.header.feature_level, 7);
    assert_int_equal(entry.header.uptime_ms, 1000);
    assert_int_equal(entry.header.wall_ns, -2);
    assert_int_equal(entry.count, 2);
    assert_true(log_entry_next(&entry, &command, &content));
    assert_true(slice_equal(command, slice_text("one")));
    assert_int_equal(content.size_bytes, 0);
    assert_true(log_entry_next(&entry, &command, &content));
    assert_true(slice_equal(command, slice_text("tw")));
    assert_true(slice_equal(content, slice_text("data")));
    assert_false(log_entry_next(&entry, &command, &content));
}

/* Cut anywhere, and with a byte too many. */
static void test_cut(void **state)
{
    (void)state;
    struct log_entry entry;
    uint8_t longer[sizeof(example) + 1] = {0};
    for (size_t size = 0; size < sizeof(example); size++)
        assert_int_equal(log_entry_open(&entry, slice_make(example, size)), STATUS_BAD_DATA);
    memcpy(longer, example, sizeof(example));
    assert_int_equal(log_entry_open(&entry, slice_make(longer, sizeof(longer))), STATUS_BAD_DATA);
}

static void test_bad_numbers(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        uint8_t value;
    } cases[] = {
        {3, 2},     /* another version */
        {24, 0x80}, /* a count beyond the bound */
        {27, 0},    /* no command */
        {27, 1},    /* bytes behind the last one */
        {27, 3},    /* one too many */
        {28, 0xff}, /* a command's size */
        {32, 0xff}, /* a content's size */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t bytes[sizeof(example)];
        struct log_entry entry;
        memcpy(bytes, example, sizeof(example));
        bytes[cases[i].offset] = cases[i].value;
        assert_int_equal(log_entry_open(&entry, slice_make(bytes, sizeof(bytes))), STATUS_BAD_DATA);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    static uint8_t room[LOG_ENTRY_HEADER_BYTES + (ENTRY_COMMANDS_MAX + 1) * LOG_ENTRY_ITEM_BYTES];
    struct log_entry_builder builder;
    struct log_entry entry;
    size_t exact = LOG_ENTRY_HEADER_BYTES + log_entry_item_bytes(3, 1);
    log_entry_begin(&builder, (struct span){room, exact}, &header);
    assert_true(log_entry_append(&builder, slice_text("abc"), slice_text("d")));
    assert_false(log_entry_append(&builder, SLICE_EMPTY, SLICE_EMPTY));
    log_entry_begin(&builder, (struct span){room, exact - 1}, &header);
    assert_false(log_entry_append(&builder, slice_text("abc"), slice_text("d")));
    log_entry_begin(&builder, (struct span){room, sizeof(room)}, &header);
    for (unsigned i = 0; i < ENTRY_COMMANDS_MAX; i++)
        assert_true(log_entry_append(&builder, SLICE_EMPTY, SLICE_EMPTY));
    assert_false(log_entry_append(&builder, SLICE_EMPTY, SLICE_EMPTY));
    assert_int_equal(log_entry_open(&entry, log_entry_finish(&builder)), STATUS_OK);
    assert_int_equal(entry.count, ENTRY_COMMANDS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_bad_numbers),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
