#include "proto/rpc/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"

struct room {
    size_t max_bytes; /* of what grow gives */
    unsigned grown;
};

static bool room_grow(struct record_assembly *assembly, size_t capacity_bytes)
{
    struct room *room = assembly->context;
    if (capacity_bytes > room->max_bytes)
        return false;
    uint8_t *data = realloc(assembly->data, capacity_bytes);
    assert_non_null(data);
    assembly->data = data;
    assembly->capacity_bytes = capacity_bytes;
    room->grown++;
    return true;
}

struct fixture {
    struct record_reader reader;
    struct record_assembly assembly;
    struct room room;
};

static void fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){0};
    record_reader_init(&fixture->reader);
    fixture->room.max_bytes = RPC_RECORD_MAX_BYTES;
    fixture->assembly = (struct record_assembly){.context = &fixture->room, .grow = room_grow};
}

static enum record_outcome feed(struct fixture *fixture, struct slice *piece, struct slice *record)
{
    return record_reader_feed(&fixture->reader, piece, &fixture->assembly, record);
}

static void a_whole_record_is_not_copied(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    const uint8_t stream[] = {0x80, 0, 0, 4, 'a', 'b', 'c', 'd', 0x80, 0, 0, 2, 'e', 'f'};
    struct slice piece = slice_make(stream, sizeof(stream));
    struct slice record;
    assert_int_equal(feed(&f, &piece, &record), RECORD_COMPLETE);
    assert_ptr_equal(record.data, stream + 4);
    assert_int_equal(record.size_bytes, 4);
    assert_int_equal(feed(&f, &piece, &record), RECORD_COMPLETE);
    assert_ptr_equal(record.data, stream + 12);
    assert_int_equal(feed(&f, &piece, &record), RECORD_NEED_MORE);
    assert_int_equal(f.room.grown, 0);
    assert_false(record_reader_in_record(&f.reader));
}

/* One record of three fragments, one of them empty, and a record behind it; in all pairs of cuts. */
static const uint8_t parts_stream[] = {0, 0, 0,   3,   'a',  'b', 'c', 0, 0,   0,    0, 0x80, 0,
                                       0, 2, 'd', 'e', 0x80, 0,   0,   1, 'x', 0x80, 0, 0,    0};
static const char *const parts_expected[] = {"abcde", "x", ""};

static void feed_parts(struct fixture *f, struct slice piece, size_t *found)
{
    struct slice record;
    for (;;) {
        enum record_outcome outcome = feed(f, &piece, &record);
        if (outcome == RECORD_NEED_MORE)
            break;
        assert_int_equal(outcome, RECORD_COMPLETE);
        assert_true(*found < 3);
        assert_true(slice_equal(record, slice_text(parts_expected[*found])));
        (*found)++;
    }
    assert_int_equal(piece.size_bytes, 0);
}

static void all_ways_to_cut_give_the_same(void **state)
{
    (void)state;
    for (size_t first = 0; first <= sizeof(parts_stream); first++) {
        for (size_t second = first; second <= sizeof(parts_stream); second++) {
            struct fixture f;
            fixture_init(&f);
            size_t found = 0;
            feed_parts(&f, slice_make(parts_stream, first), &found);
            feed_parts(&f, slice_make(parts_stream + first, second - first), &found);
            feed_parts(&f, slice_make(parts_stream + second, sizeof(parts_stream) - second), &found);
            assert_int_equal(found, 3);
            assert_false(record_reader_in_record(&f.reader));
            free(f.assembly.data);
        }
    }
}

static void byte_by_byte_works(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    size_t found = 0;
    for (size_t i = 0; i < sizeof(parts_stream); i++) {
        feed_parts(&f, slice_make(parts_stream + i, 1), &found);
        if (i == 0 || i == 5 || i == 12)
            assert_true(record_reader_in_record(&f.reader));
    }
    assert_int_equal(found, 3);
    free(f.assembly.data);
}

static void a_promise_holds_no_memory(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    const uint8_t stream[] = {0x80, 0x10, 0, 0, 'a', 'b', 'c'};
    struct slice piece = slice_make(stream, sizeof(stream));
    struct slice record;
    assert_int_equal(feed(&f, &piece, &record), RECORD_NEED_MORE);
    assert_true(f.assembly.capacity_bytes < 1024);
    free(f.assembly.data);
}

static enum record_outcome outcome_of(const uint8_t *bytes, size_t size_bytes)
{
    struct fixture f;
    fixture_init(&f);
    struct slice piece = slice_make(bytes, size_bytes);
    struct slice record;
    enum record_outcome outcome = feed(&f, &piece, &record);
    free(f.assembly.data);
    return outcome;
}

static void mark_of(uint8_t mark[4], uint32_t value)
{
    for (uint32_t i = 0; i < 4; i++)
        mark[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void too_large_is_seen_in_the_mark(void **state)
{
    (void)state;
    uint8_t mark[4];
    mark_of(mark, RPC_LAST_FRAGMENT | RPC_RECORD_MAX_BYTES);
    assert_int_equal(outcome_of(mark, 4), RECORD_NEED_MORE);
    mark_of(mark, RPC_LAST_FRAGMENT | (RPC_RECORD_MAX_BYTES + 1));
    assert_int_equal(outcome_of(mark, 4), RECORD_TOO_LARGE);
    mark_of(mark, 0x7fffffff);
    assert_int_equal(outcome_of(mark, 4), RECORD_TOO_LARGE);
    /* The sum counts, not one fragment. */
    uint8_t two[9] = {0, 0, 0, 1, 'a', 0, 0, 0, 0};
    mark_of(two + 5, RPC_RECORD_MAX_BYTES);
    assert_int_equal(outcome_of(two, sizeof(two)), RECORD_TOO_LARGE);
}

static void fragments_are_counted(void **state)
{
    (void)state;
    uint8_t *marks = calloc(RPC_FRAGMENTS_MAX + 1, 4);
    assert_non_null(marks);
    assert_int_equal(outcome_of(marks, RPC_FRAGMENTS_MAX * 4), RECORD_NEED_MORE);
    assert_int_equal(outcome_of(marks, (RPC_FRAGMENTS_MAX + 1) * 4), RECORD_TOO_MANY_FRAGMENTS);
    free(marks);
}

static void no_room_is_said(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.room.max_bytes = 2;
    const uint8_t stream[] = {0x80, 0, 0, 9, 'a', 'b', 'c'};
    struct slice piece = slice_make(stream, sizeof(stream));
    struct slice record;
    assert_int_equal(feed(&f, &piece, &record), RECORD_NO_ROOM);
    free(f.assembly.data);
}

static void mark_is_written(void **state)
{
    (void)state;
    uint8_t mark[4];
    record_mark_write(mark, 0x012345);
    const uint8_t expected[4] = {0x80, 0x01, 0x23, 0x45};
    assert_memory_equal(mark, expected, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_record_is_not_copied),
        cmocka_unit_test(all_ways_to_cut_give_the_same),
        cmocka_unit_test(byte_by_byte_works),
        cmocka_unit_test(a_promise_holds_no_memory),
        cmocka_unit_test(too_large_is_seen_in_the_mark),
        cmocka_unit_test(fragments_are_counted),
        cmocka_unit_test(no_room_is_said),
        cmocka_unit_test(mark_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
