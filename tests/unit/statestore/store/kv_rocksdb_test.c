/* What only a store on disk has: opening again, damage, a full disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>
#include <cmocka.h>

#include "statestore/store/kv_rocksdb.h"

static const struct kv_rocksdb_options small = {.cache_bytes = 1 << 20, .write_buffer_bytes = 1 << 20};

static void remove_directory(const char *directory)
{
    char command[256];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    assert_int_equal(system(command), 0);
}

static struct kv_store *open_store(const char *directory)
{
    struct kv_store *store = NULL;
    assert_int_equal(kv_rocksdb_open(directory, &small, &store), STATUS_OK);
    return store;
}

static enum status try_put(struct kv_store *store, uint32_t number, size_t value_bytes)
{
    struct arena arena;
    arena_init(&arena);
    struct transaction transaction;
    transaction_init(&transaction, kv_store_present(store), &arena);
    char key[32];
    snprintf(key, sizeof(key), "row %08u", number);
    uint8_t *value = arena_alloc(&arena, value_bytes);
    uint32_t mixed = number;
    for (size_t i = 0; i < value_bytes; i++) { /* nothing that could be compressed */
        mixed = mixed * 1664525u + 1013904223u;
        value[i] = (uint8_t)(mixed >> 24);
    }
    transaction_put(&transaction, slice_text(key), slice_make(value, value_bytes));
    enum status status = kv_store_write(store, &transaction);
    arena_fini(&arena);
    return status;
}

static bool has_row(struct kv_store *store, uint32_t number)
{
    struct arena arena;
    arena_init(&arena);
    char key[32];
    snprintf(key, sizeof(key), "row %08u", number);
    struct slice value;
    bool found = kv_get(kv_store_present(store), slice_text(key), &arena, &value);
    assert_false(kv_store_present(store)->failed);
    arena_fini(&arena);
    return found;
}

static void rows_are_there_after_opening_again(void **state)
{
    (void)state;
    char directory[] = "/tmp/qnfs-rocksdb-test-XXXXXX";
    assert_non_null(mkdtemp(directory));
    struct kv_store *store = open_store(directory);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(try_put(store, i, 1000), STATUS_OK);
    kv_store_destroy(store);
    store = open_store(directory);
    for (uint32_t i = 0; i < 100; i++)
        assert_true(has_row(store, i));
    kv_store_destroy(store);
    remove_directory(directory);
}

/* What kill -9 leaves: the files as they are. */
static void copy_files(const char *source, const char *target)
{
    char command[256];
    snprintf(command, sizeof(command), "cp -r '%s' '%s'", source, target);
    assert_int_equal(system(command), 0);
}

static void a_flush_makes_all_before_it_durable(void **state)
{
    (void)state;
    char directory[] = "/tmp/qnfs-rocksdb-test-XXXXXX";
    assert_non_null(mkdtemp(directory));
    char live[64];
    char crashed[64];
    snprintf(live, sizeof(live), "%s/live", directory);
    snprintf(crashed, sizeof(crashed), "%s/crashed", directory);
    struct kv_store *store = open_store(live);
    assert_int_equal(try_put(store, 1, 10), STATUS_OK);
    assert_int_equal(kv_store_flush(store), STATUS_OK);
    assert_int_equal(try_put(store, 2, 10), STATUS_OK);
    copy_files(live, crashed);
    struct kv_store *recovered = open_store(crashed);
    assert_true(has_row(recovered, 1));
    assert_false(has_row(recovered, 2)); /* no log of its own: the cluster's log has it */
    kv_store_destroy(recovered);
    kv_store_destroy(store);
    remove_directory(directory);
}

static void a_checkpoint_is_a_store(void **state)
{
    (void)state;
    char directory[] = "/tmp/qnfs-rocksdb-test-XXXXXX";
    assert_non_null(mkdtemp(directory));
    char live[64];
    char copy[64];
    snprintf(live, sizeof(live), "%s/live", directory);
    snprintf(copy, sizeof(copy), "%s/copy", directory);
    struct kv_store *store = open_store(live);
    assert_int_equal(try_put(store, 1, 10), STATUS_OK);
    assert_int_equal(kv_store_checkpoint(store, copy), STATUS_OK);
    assert_int_equal(kv_store_checkpoint(store, copy), STATUS_IO); /* only into a new directory */
    assert_int_equal(try_put(store, 2, 10), STATUS_OK);
    struct kv_store *second = open_store(copy);
    assert_true(has_row(second, 1));
    assert_false(has_row(second, 2));
    kv_store_destroy(second);
    kv_store_destroy(store);
    remove_directory(directory);
}

static void two_do_not_open_one_database(void **state)
{
    (void)state;
    char directory[] = "/tmp/qnfs-rocksdb-test-XXXXXX";
    assert_non_null(mkdtemp(directory));
    struct kv_store *store = open_store(directory);
    struct kv_store *second = NULL;
    assert_int_equal(kv_rocksdb_open(directory, &small, &second), STATUS_IO);
    assert_null(second);
    kv_store_destroy(store);
    remove_directory(directory);
}

/* Turns a byte round in the middle of the (only) table file. */
static void damage_table(const char *directory)
{
    DIR *listing = opendir(directory);
    assert_non_null(listing);
    struct dirent *entry;
    unsigned damaged = 0;
    while ((entry = readdir(listing)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || strcmp(dot, ".sst") != 0)
            continue;
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        int file = open(path, O_RDWR);
        assert_true(file >= 0);
        uint8_t byte;
        assert_int_equal(pread(file, &byte, 1, 2000), 1);
        byte ^= 0xff;
        assert_int_equal(pwrite(file, &byte, 1, 2000), 1);
        close(file);
        damaged++;
    }
    closedir(listing);
    assert_int_equal(damaged, 1);
}

static void a_damaged_table_is_a_failed_read(void **state)
{
    (void)state;
    char directory[] = "/tmp/qnfs-rocksdb-test-XXXXXX";
    assert_non_null(mkdtemp(directory));
    struct kv_store *store = open_store(directory);
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(try_put(store, i, 1000), STATUS_OK);
    kv_store_destroy(store);
    damage_table(directory);
    store = open_store(directory);
    struct arena arena;
    arena_init(&arena);
    struct kv_read *snapshot = kv_store_snapshot(store);
    struct kv_cursor cursor;
    kv_cursor_open(snapshot, slice_text("row "), SLICE_EMPTY, &arena, &cursor);
    while (cursor.valid)
        kv_cursor_next(&cursor);
    kv_cursor_close(&cursor);
    assert_true(snapshot->failed);
    /* A transaction over a failed view has failed too. */
    struct transaction transaction;
    struct slice value;
    transaction_init(&transaction, kv_store_present(store), &arena);
    for (uint32_t i = 0; i < 50; i++) {
        char key[32];
        snprintf(key, sizeof(key), "row %08u", i);
        (void)kv_get(&transaction.read, slice_text(key), &arena, &value);
    }
    assert_true(transaction.read.failed);
    kv_store_release(store, snapshot);
    arena_fini(&arena);
    kv_store_destroy(store);
    remove_directory(directory);
}

/* Writes until the store says that the disk is full; returns the number of rows that it took. */
static uint32_t fill(struct kv_store *store, uint32_t first)
{
    for (uint32_t i = first; i < first + 4000; i++) {
        enum status status = try_put(store, i, 10000);
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_NO_SPACE);
            return i;
        }
    }
    fail_msg("the disk does not get full");
    return 0;
}

/* A mount name space of our own, in which /mnt is a file system of 24 MiB. A thread takes its maker's name space, so
 * this comes before RocksDB starts its threads. False: not permitted. */
static bool mount_small_disk(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", "/mnt", "tmpfs", 0, "size=24m") == 0;
}

static void a_full_disk_is_waited_out(void **state)
{
    const char *directory = *state;
    if (directory == NULL) {
        printf("skipped a_full_disk_is_waited_out: needs root\n");
        skip();
    }
    char path[64];
    char ballast[64];
    snprintf(path, sizeof(path), "%s/state", directory);
    snprintf(ballast, sizeof(ballast), "%s/ballast", directory);
    int file = open(ballast, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(file >= 0);
    assert_int_equal(posix_fallocate(file, 0, 12 << 20), 0);

    struct kv_store *store = open_store(path);
    uint32_t taken = fill(store, 0);
    assert_int_equal(kv_store_flush(store), STATUS_NO_SPACE);
    assert_int_equal(try_put(store, taken, 10000), STATUS_NO_SPACE);
    for (uint32_t i = 0; i < taken; i++) /* reads go on, and nothing is lost */
        assert_true(has_row(store, i));
    assert_false(has_row(store, taken));

    assert_int_equal(ftruncate(file, 0), 0);
    close(file);
    enum status status = STATUS_NO_SPACE;
    unsigned waited = 0;
    for (; waited < 300 && status == STATUS_NO_SPACE; waited++) {
        usleep(100000);
        status = try_put(store, taken, 10000);
    }
    printf("usable again after %u ms\n", waited * 100);
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(kv_store_flush(store), STATUS_OK);
    /* After it has resumed, RocksDB's own flush no longer waits until it is done; ours must. */
    char copies[] = "/tmp/qnfs-rocksdb-test-XXXXXX"; /* elsewhere: the small disk has no room for them */
    assert_non_null(mkdtemp(copies));
    for (uint32_t round = 0; round < 20; round++) {
        char copy[64];
        snprintf(copy, sizeof(copy), "%s/copy%u", copies, round);
        assert_int_equal(try_put(store, ++taken, 10000), STATUS_OK);
        assert_int_equal(kv_store_flush(store), STATUS_OK);
        copy_files(path, copy);
        struct kv_store *crashed = open_store(copy);
        for (uint32_t i = 0; i <= taken; i++)
            assert_true(has_row(crashed, i));
        kv_store_destroy(crashed);
        remove_directory(copy);
    }
    remove_directory(copies);
    kv_store_destroy(store);
    store = open_store(path);
    for (uint32_t i = 0; i <= taken; i++)
        assert_true(has_row(store, i));
    kv_store_destroy(store);
}

int main(void)
{
    char small_disk[] = "/mnt";
    char *directory = mount_small_disk() ? small_disk : NULL;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_there_after_opening_again),
        cmocka_unit_test(a_flush_makes_all_before_it_durable),
        cmocka_unit_test(a_checkpoint_is_a_store),
        cmocka_unit_test(two_do_not_open_one_database),
        cmocka_unit_test(a_damaged_table_is_a_failed_read),
        cmocka_unit_test_prestate(a_full_disk_is_waited_out, directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
