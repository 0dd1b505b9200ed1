/* The real disk port; the same cases run against the memory disk, so that tests rest on the same behaviour. */
#include "cluster/disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/disk_memory.h"

static bool count_visit(void *context, const char *name)
{
    (void)name;
    (*(unsigned *)context)++;
    return true;
}

static bool stop_visit(void *context, const char *name)
{
    (void)count_visit(context, name);
    return false;
}

static void check_files(const struct disk *disk)
{
    const struct disk_operations *do_ = disk->operations;
    void *context = disk->context;
    struct disk_file *file;
    struct disk_file *other;
    uint8_t room[64];
    size_t size_bytes = 0;
    uint64_t file_bytes = 0;
    assert_int_equal(do_->directory_create(context, "log"), STATUS_OK);
    assert_int_equal(do_->directory_create(context, "log"), STATUS_OK);
    assert_int_equal(do_->file_open(context, "log/a", false, &file), STATUS_NOT_FOUND);
    assert_int_equal(do_->file_open(context, "log/a", true, &file), STATUS_OK);
    assert_int_equal(do_->file_open(context, "log/a", true, &other), STATUS_REFUSED);
    const struct slice pieces[] = {slice_text("he"), SLICE_EMPTY, slice_text("llo")};
    assert_int_equal(do_->file_write(context, file, 3, pieces, 3), STATUS_OK);
    assert_int_equal(do_->file_read(context, file, 0, (struct span){room, sizeof room}, &size_bytes), STATUS_OK);
    assert_int_equal(size_bytes, 8);
    assert_memory_equal(room, "\0\0\0hello", 8);
    assert_int_equal(do_->file_read(context, file, 8, (struct span){room, sizeof room}, &size_bytes), STATUS_OK);
    assert_int_equal(size_bytes, 0);
    assert_int_equal(do_->file_reserve(context, file, 10000), STATUS_OK);
    assert_int_equal(do_->file_size(context, file, &file_bytes), STATUS_OK);
    assert_int_equal(file_bytes, 10000);
    assert_int_equal(do_->file_reserve(context, file, 5000), STATUS_OK);
    assert_int_equal(do_->file_size(context, file, &file_bytes), STATUS_OK);
    assert_int_equal(file_bytes, 10000);
    assert_int_equal(do_->file_truncate(context, file, 5), STATUS_OK);
    assert_int_equal(do_->file_sync(context, file), STATUS_OK);
    assert_int_equal(do_->file_settle(context, file), STATUS_OK);
    assert_int_equal(do_->file_read(context, file, 0, (struct span){room, sizeof room}, &size_bytes), STATUS_OK);
    assert_int_equal(size_bytes, 5);
    do_->file_close(context, file);
    assert_int_equal(do_->file_rename(context, "log/b", "log/c"), STATUS_NOT_FOUND);
    assert_int_equal(do_->file_open(context, "log/b", true, &file), STATUS_OK);
    do_->file_close(context, file);
    assert_int_equal(do_->file_rename(context, "log/a", "log/b"), STATUS_OK);
    assert_int_equal(do_->directory_sync(context, "log"), STATUS_OK);
    assert_int_equal(do_->directory_sync(context, ""), STATUS_OK);
}

static void check_names(const struct disk *disk)
{
    const struct disk_operations *do_ = disk->operations;
    void *context = disk->context;
    unsigned count = 0;
    struct disk_file *file;
    uint64_t free_bytes = 0;
    uint64_t total_bytes = 0;
    assert_int_equal(do_->directory_list(context, "log", count_visit, &count), STATUS_OK);
    assert_int_equal(count, 1);
    assert_int_equal(do_->directory_list(context, "nothing", count_visit, &count), STATUS_NOT_FOUND);
    assert_int_equal(do_->file_open(context, "log/b", false, &file), STATUS_OK);
    do_->file_close(context, file);
    assert_int_equal(do_->file_open(context, "log/c", true, &file), STATUS_OK);
    do_->file_close(context, file);
    count = 0;
    assert_int_equal(do_->directory_list(context, "log", stop_visit, &count), STATUS_OK);
    assert_int_equal(count, 1);
    assert_int_equal(do_->file_remove(context, "log/b"), STATUS_OK);
    assert_int_equal(do_->file_remove(context, "log/c"), STATUS_OK);
    assert_int_equal(do_->file_remove(context, "log/c"), STATUS_NOT_FOUND);
    assert_int_equal(do_->space(context, &free_bytes, &total_bytes), STATUS_OK);
    assert_true(free_bytes <= total_bytes && total_bytes > 0);
}

static void test_memory(void **state)
{
    (void)state;
    struct disk_memory memory;
    disk_memory_init(&memory, 1);
    struct disk disk = disk_memory_port(&memory);
    check_files(&disk);
    check_names(&disk);
    disk_memory_fini(&memory);
}

static void test_posix(void **state)
{
    (void)state;
    char root[] = "/tmp/disk-posix-XXXXXX";
    char path[64];
    struct disk disk;
    struct disk second;
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/data", root);
    assert_int_equal(disk_posix_open(&disk, path), STATUS_OK);
    check_files(&disk);
    check_names(&disk);
    /* flock is of the open file, so a second disk in one process is refused as another process is. */
    assert_int_equal(disk_posix_open(&second, path), STATUS_OK);
    assert_int_equal(disk.operations->file_lock(disk.context, "lock"), STATUS_OK);
    assert_int_equal(second.operations->file_lock(second.context, "lock"), STATUS_REFUSED);
    disk_posix_close(&disk);
    assert_int_equal(second.operations->file_lock(second.context, "lock"), STATUS_OK);
    assert_int_equal(second.operations->file_remove(second.context, "lock"), STATUS_OK);
    disk_posix_close(&second);
    snprintf(path, sizeof path, "%s/data/log", root);
    assert_int_equal(rmdir(path), 0);
    snprintf(path, sizeof path, "%s/data/x/y", root);
    assert_int_equal(disk_posix_open(&disk, path), STATUS_NOT_FOUND);
    snprintf(path, sizeof path, "%s/data", root);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(root), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory), cmocka_unit_test(test_posix)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
