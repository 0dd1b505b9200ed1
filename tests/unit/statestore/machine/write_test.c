/* WRITE: what a write changes beside the bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/limits.h"
#include "tests/support/files.h"

#define USER 1000u
#define GROUP 100u

static void test_write(void **state)
{
    struct files *files = *state;
    struct file_id shared = files_make_shared(files, "d");
    files_become(files, USER, GROUP);
    struct file_id file = files_make(files, shared, "f", 06755);
    struct inode before = files_stat(files, file);
    assert_int_equal(files_write(files, file, 7, SLICE_EMPTY), NFS4_OK);
    assert_int_equal(files->result.write->count, 0);
    assert_int_equal(files->transaction.count, 0);
    assert_int_equal(files_write(files, file, 10, slice_text("hello")), NFS4_OK);
    assert_int_equal(files->result.write->count, 5);
    assert_int_equal(files->result.write->verifier, 1);
    struct inode inode = files_stat(files, file);
    assert_int_equal(inode.size_bytes, 15);
    assert_int_equal(inode.used_bytes, 5);
    assert_int_equal(inode.mode, 0755);
    assert_int_equal(inode.change, files->apply.number << 16);
    assert_int_equal(inode.modify_time_ns, files->wall_ns);
    assert_int_equal(inode.metadata_time_ns, files->wall_ns);
    assert_int_equal(inode.access_time_ns, before.access_time_ns);
    uint8_t bytes[20];
    assert_int_equal(files_read_content(files, file, 0, bytes, 20), 15);
    assert_memory_equal(bytes, "\0\0\0\0\0\0\0\0\0\0hello", 15);
}

static void test_write_errors(void **state)
{
    struct files *files = *state;
    struct file_id shared = files_make_shared(files, "d");
    struct file_id file = files_make(files, files->root, "f", 0644);
    struct file_id link;
    struct file_id fifo;
    assert_int_equal(files_create(files, files->root, "l", NF4LNK, NULL, &link), NFS4_OK);
    assert_int_equal(files_create(files, files->root, "p", NF4FIFO, NULL, &fifo), NFS4_OK);
    struct slice bytes = slice_text("x");
    assert_int_equal(files_write(files, shared, 0, bytes), NFS4ERR_ISDIR);
    assert_int_equal(files_write(files, link, 0, bytes), NFS4ERR_SYMLINK);
    assert_int_equal(files_write(files, fifo, 0, bytes), NFS4ERR_WRONG_TYPE);
    assert_int_equal(files_write(files, file, NFS4_FILE_SIZE_MAX_BYTES, bytes), NFS4ERR_FBIG);
    assert_int_equal(files_write(files, file, UINT64_MAX, bytes), NFS4ERR_FBIG);
    assert_int_equal(files_write(files, file, NFS4_FILE_SIZE_MAX_BYTES - 1, bytes), NFS4_OK);
    assert_int_equal(files_write(files, (struct file_id){{1}, {99}, 1}, 0, bytes), NFS4ERR_STALE);
    files_report_space(files, true);
    assert_int_equal(files_write(files, file, 0, bytes), NFS4ERR_NOSPC);
    assert_int_equal(files_resize(files, file, 0), NFS4_OK); /* what frees goes on */
    files_report_space(files, false);
    assert_int_equal(files_export_add(files, "/data", EXPORT_SQUASH_NONE, true), NFS4_OK);
    assert_int_equal(files_write(files, file, 0, bytes), NFS4ERR_ROFS);
    assert_int_equal(files_export_add(files, "/data", EXPORT_SQUASH_ROOT, false), NFS4_OK);
    assert_int_equal(files_write(files, file, 0, bytes), NFS4ERR_ACCESS); /* root is nobody now */
    assert_int_equal(files_export_remove(files, "/data"), NFS4_OK);
    assert_int_equal(files_write(files, file, 0, bytes), NFS4ERR_STALE);
}

static void test_two_changes_differ(void **state)
{
    struct files *files = *state;
    files_make_directory(files, files->root, "a", 0755);
    uint64_t first = files_stat(files, files->root).change;
    files_make_directory(files, files->root, "b", 0755);
    assert_true(files_stat(files, files->root).change > first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_write, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_write_errors, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_two_changes_differ, files_setup, files_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
