/* What the memory store has beyond kv.h: crashes, failures, checkpoints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "statestore/store/kv_memory.h"

static enum status put(struct kv_store *store, const char *key, uint8_t number)
{
    struct arena arena;
    arena_init(&arena);
    struct transaction transaction;
    transaction_init(&transaction, kv_store_present(store), &arena);
    transaction_put(&transaction, slice_text(key), slice_make(&number, 1));
    enum status status = kv_store_write(store, &transaction);
    arena_fini(&arena);
    return status;
}

static void take(struct kv_store *store, const char *key)
{
    struct arena arena;
    arena_init(&arena);
    struct transaction transaction;
    transaction_init(&transaction, kv_store_present(store), &arena);
    transaction_delete(&transaction, slice_text(key));
    assert_int_equal(kv_store_write(store, &transaction), STATUS_OK);
    arena_fini(&arena);
}

/* The row's number, -1 if there is none. */
static int get(struct kv_store *store, const char *key)
{
    struct arena arena;
    arena_init(&arena);
    struct slice value;
    int number = kv_get(kv_store_present(store), slice_text(key), &arena, &value) ? value.data[0] : -1;
    arena_fini(&arena);
    return number;
}

/* After a crash the state is that of some write at or after the last flush; over many seeds each of them shows. */
static void a_crash_falls_back_to_some_write(void **state)
{
    (void)state;
    bool seen[11] = {false};
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct random_seeded random = {seed};
        struct kv_store *store = kv_memory_create();
        for (uint8_t i = 1; i <= 5; i++)
            assert_int_equal(put(store, "a", i), STATUS_OK);
        take(store, "gone");
        assert_int_equal(kv_store_flush(store), STATUS_OK);
        assert_int_equal(kv_memory_unflushed(store), 0);
        for (uint8_t i = 6; i <= 10; i++)
            assert_int_equal(put(store, "a", i), STATUS_OK);
        assert_int_equal(kv_memory_unflushed(store), 5);
        uint64_t lost = kv_memory_crash(store, &random);
        int number = get(store, "a");
        assert_int_equal(number, 10 - (int)lost);
        assert_in_range(number, 5, 10);
        seen[number] = true;
        assert_int_equal(kv_memory_unflushed(store), 0);
        assert_int_equal(put(store, "a", 100), STATUS_OK);
        assert_int_equal(get(store, "a"), 100);
        kv_store_destroy(store);
    }
    for (int i = 5; i <= 10; i++)
        assert_true(seen[i]);
}

static void a_crash_brings_deleted_rows_back(void **state)
{
    (void)state;
    bool back = false;
    bool away = false;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct random_seeded random = {seed};
        struct kv_store *store = kv_memory_create();
        assert_int_equal(put(store, "a", 1), STATUS_OK);
        assert_int_equal(kv_store_flush(store), STATUS_OK);
        take(store, "a");
        assert_int_equal(put(store, "b", 1), STATUS_OK);
        uint64_t lost = kv_memory_crash(store, &random);
        assert_int_equal(get(store, "a"), lost == 2 ? 1 : -1);
        assert_int_equal(get(store, "b"), lost == 0 ? 1 : -1);
        back = back || lost == 2;
        away = away || lost < 2;
        kv_store_destroy(store);
    }
    assert_true(back && away);
}

static void a_failing_store_changes_nothing(void **state)
{
    (void)state;
    struct kv_store *store = kv_memory_create();
    assert_int_equal(put(store, "a", 1), STATUS_OK);
    kv_memory_fail(store, STATUS_NO_SPACE);
    assert_int_equal(put(store, "a", 2), STATUS_NO_SPACE);
    assert_int_equal(kv_store_flush(store), STATUS_NO_SPACE);
    assert_int_equal(kv_store_checkpoint(store, "/tmp/never"), STATUS_NO_SPACE);
    assert_int_equal(get(store, "a"), 1);
    kv_memory_fail(store, STATUS_OK);
    assert_int_equal(put(store, "a", 2), STATUS_OK);
    assert_int_equal(get(store, "a"), 2);
    kv_memory_fail_after(store, STATUS_IO, 2);
    assert_int_equal(put(store, "a", 3), STATUS_OK);
    assert_int_equal(put(store, "a", 4), STATUS_OK);
    assert_int_equal(put(store, "a", 5), STATUS_IO);
    assert_int_equal(get(store, "a"), 4);
    kv_store_destroy(store);
}

static void a_checkpoint_loads(void **state)
{
    (void)state;
    char directory[] = "/tmp/qnfs-memory-test-XXXXXX";
    assert_non_null(mkdtemp(directory));
    char copy[64];
    char rows[80];
    snprintf(copy, sizeof(copy), "%s/copy", directory);
    snprintf(rows, sizeof(rows), "%s/rows", copy);
    struct kv_store *store = kv_memory_create();
    struct kv_store *loaded = NULL;
    assert_int_equal(kv_memory_load(copy, &loaded), STATUS_NOT_FOUND);
    assert_int_equal(put(store, "a", 1), STATUS_OK);
    assert_int_equal(put(store, "b", 2), STATUS_OK);
    take(store, "b");
    assert_int_equal(put(store, "c", 3), STATUS_OK);
    assert_int_equal(kv_store_checkpoint(store, copy), STATUS_OK);
    assert_int_equal(kv_store_checkpoint(store, copy), STATUS_IO);
    assert_int_equal(put(store, "a", 9), STATUS_OK);
    assert_int_equal(kv_memory_load(copy, &loaded), STATUS_OK);
    assert_int_equal(get(loaded, "a"), 1);
    assert_int_equal(get(loaded, "b"), -1);
    assert_int_equal(get(loaded, "c"), 3);
    kv_store_destroy(loaded);
    assert_int_equal(truncate(rows, 20), 0);
    assert_int_equal(kv_memory_load(copy, &loaded), STATUS_BAD_DATA);
    kv_store_destroy(store);
    assert_int_equal(unlink(rows), 0);
    assert_int_equal(rmdir(copy), 0);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_falls_back_to_some_write),
        cmocka_unit_test(a_crash_brings_deleted_rows_back),
        cmocka_unit_test(a_failing_store_changes_nothing),
        cmocka_unit_test(a_checkpoint_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
