#include "statestore/store/row_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"

struct fixture {
    struct row_cache *cache;
    struct arena arena;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->cache = row_cache_create();
    arena_init(&fixture->arena);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    row_cache_destroy(fixture->cache);
    arena_fini(&fixture->arena);
    free(fixture);
    return 0;
}

static enum row_known look(struct fixture *fixture, const char *key, struct slice *value)
{
    *value = SLICE_EMPTY;
    return row_cache_get(fixture->cache, slice_text(key), &fixture->arena, value);
}

static void what_was_put_last_is_known(void **state)
{
    struct fixture *fixture = *state;
    struct slice value;
    assert_int_equal(look(fixture, "key", &value), ROW_UNKNOWN);
    row_cache_put(fixture->cache, slice_text("key"), slice_text("one"), false);
    assert_int_equal(look(fixture, "key", &value), ROW_PRESENT);
    assert_true(slice_equal(value, slice_text("one")));
    row_cache_put(fixture->cache, slice_text("key"), slice_text("a longer value"), false);
    assert_int_equal(look(fixture, "key", &value), ROW_PRESENT);
    assert_true(slice_equal(value, slice_text("a longer value")));
    row_cache_put(fixture->cache, slice_text("key"), SLICE_EMPTY, true);
    assert_int_equal(look(fixture, "key", &value), ROW_ABSENT);
    row_cache_put(fixture->cache, slice_text("key"), SLICE_EMPTY, false); /* there, and empty */
    assert_int_equal(look(fixture, "key", &value), ROW_PRESENT);
    assert_int_equal(value.size_bytes, 0);
    assert_int_equal(look(fixture, "kex", &value), ROW_UNKNOWN);
}

/* A value that was got outlives what is put into its place. */
static void a_value_is_a_copy(void **state)
{
    struct fixture *fixture = *state;
    struct slice value;
    struct slice other;
    row_cache_put(fixture->cache, slice_text("key"), slice_text("one"), false);
    assert_int_equal(look(fixture, "key", &value), ROW_PRESENT);
    row_cache_put(fixture->cache, slice_text("key"), slice_text("two"), false);
    assert_int_equal(look(fixture, "key", &other), ROW_PRESENT);
    assert_true(slice_equal(value, slice_text("one")) && slice_equal(other, slice_text("two")));
}

/* A row that is too large to be kept must not leave its earlier value behind. */
static void a_large_row_is_forgotten(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t large[STORE_CACHED_ROW_BYTES];
    struct slice value;
    row_cache_put(fixture->cache, slice_text("key"), slice_text("small"), false);
    row_cache_put(fixture->cache, slice_text("key"), slice_make(large, sizeof(large)), false);
    assert_int_equal(look(fixture, "key", &value), ROW_UNKNOWN);
    row_cache_put(fixture->cache, slice_text("key"), slice_make(large, sizeof(large) - 3), false); /* just fits */
    assert_int_equal(look(fixture, "key", &value), ROW_PRESENT);
    assert_int_equal(value.size_bytes, sizeof(large) - 3);
}

/* Many more rows than there are places, again and again: what is known is always what was put last. */
static void rows_take_each_others_places(void **state)
{
    struct fixture *fixture = *state;
    enum { ROWS = 3 * STORE_CACHED_ROWS };
    static uint32_t stored[ROWS];
    uint32_t known = 0;
    for (uint32_t i = 0; i < 4 * ROWS; i++) {
        uint32_t row = i * 2654435761u % ROWS;
        stored[row] = i + 1;
        row_cache_put(fixture->cache, slice_make(&row, sizeof(row)), slice_make(&stored[row], sizeof(stored[row])),
                      false);
    }
    for (uint32_t row = 0; row < ROWS; row++) {
        struct slice value;
        arena_reset(&fixture->arena);
        enum row_known what = row_cache_get(fixture->cache, slice_make(&row, sizeof(row)), &fixture->arena, &value);
        assert_int_not_equal(what, ROW_ABSENT);
        if (what == ROW_UNKNOWN)
            continue;
        known++;
        assert_memory_equal(value.data, &stored[row], sizeof(stored[row]));
    }
    assert_in_range(known, STORE_CACHED_ROWS / 2, STORE_CACHED_ROWS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_put_last_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(a_value_is_a_copy, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_row_is_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_take_each_others_places, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
