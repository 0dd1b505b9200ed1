/* REMOVE: who may, and what goes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "statestore/store/schema.h"
#include "tests/support/files.h"

#define USER 1000u
#define GROUP 100u

static void test_remove(void **state)
{
    struct files *files = *state;
    struct file_id directory = files_make_directory(files, files->root, "d", 0755);
    struct file_id file = files_make(files, directory, "f", 0644);
    struct inode before = files_stat(files, directory);
    assert_int_equal(files_remove(files, files->root, "d"), NFS4ERR_NOTEMPTY);
    assert_int_equal(files_remove(files, directory, "g"), NFS4ERR_NOENT);
    assert_int_equal(files_remove(files, file, "g"), NFS4ERR_NOTDIR);
    assert_int_equal(files_remove(files, directory, "."), NFS4ERR_BADNAME);
    assert_int_equal(files_remove(files, directory, "f"), NFS4_OK);
    assert_int_equal(files->result.change->before, before.change);
    assert_int_equal(files->result.change->after, files->apply.number << 16);
    assert_int_equal(files_stat(files, directory).entry_count, 0);
    assert_int_equal(files_remove(files, files->root, "d"), NFS4_OK);
    assert_int_equal(files_stat(files, files->root).link_count, 2);
    assert_int_equal(files_remove(files, directory, "f"), NFS4ERR_STALE);
    assert_int_equal(files_count_rows(files, SCHEMA_INODE), 1);
}

static void test_remove_permission(void **state)
{
    struct files *files = *state;
    struct file_id shared = files_make_shared(files, "shared");
    struct file_id sticky = files_make_directory(files, files->root, "sticky", 01777);
    files_make(files, files->root, "f", 0666);
    files_make(files, shared, "f", 0600);
    files_make(files, sticky, "f", 0666);
    files_become(files, USER, GROUP);
    files_make(files, sticky, "mine", 0600);
    assert_int_equal(files_remove(files, files->root, "f"), NFS4ERR_ACCESS);
    assert_int_equal(files_remove(files, shared, "f"), NFS4_OK);
    assert_int_equal(files_remove(files, sticky, "f"), NFS4ERR_ACCESS);
    assert_int_equal(files_remove(files, sticky, "mine"), NFS4_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_remove, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_remove_permission, files_setup, files_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
