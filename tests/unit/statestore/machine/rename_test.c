/* RENAME: every rule of POSIX and of RFC 8881 section 18.26. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/files.h"

#define USER 1000u
#define GROUP 100u

static void test_rename_errors(void **state)
{
    struct files *files = *state;
    struct file_id a = files_make_directory(files, files->root, "a", 0755);
    struct file_id b = files_make_directory(files, a, "b", 0755);
    struct file_id file = files_make(files, files->root, "f", 0644);
    assert_int_equal(files_export_add(files, "/other", EXPORT_SQUASH_NONE, false), NFS4_OK);
    const struct file_id other = {{2}, {1}, 1};
    assert_int_equal(files_rename(files, files->root, "f", other, "f"), NFS4ERR_XDEV);
    assert_int_equal(files_rename(files, files->root, "g", a, "f"), NFS4ERR_NOENT);
    assert_int_equal(files_rename(files, file, "g", a, "f"), NFS4ERR_NOTDIR);
    assert_int_equal(files_rename(files, files->root, "f", file, "f"), NFS4ERR_NOTDIR);
    assert_int_equal(files_rename(files, files->root, "f", a, ".."), NFS4ERR_BADNAME);
    assert_int_equal(files_rename(files, files->root, "", a, "x"), NFS4ERR_INVAL);
    assert_int_equal(files_rename(files, files->root, "f", a, "b"), NFS4ERR_EXIST);
    assert_int_equal(files_rename(files, a, "b", files->root, "f"), NFS4ERR_EXIST);
    assert_int_equal(files_rename(files, files->root, "a", a, "x"), NFS4ERR_INVAL);
    assert_int_equal(files_rename(files, files->root, "a", b, "x"), NFS4ERR_INVAL);
    assert_int_equal(files_rename(files, a, "b", files->root, "a"), NFS4ERR_NOTEMPTY);
    assert_int_equal(files_rename(files, files->root, "f", (struct file_id){{1}, {99}, 1}, "x"), NFS4ERR_STALE);
}

static void test_rename_replaces(void **state)
{
    struct files *files = *state;
    struct file_id a = files_make_directory(files, files->root, "a", 0755);
    struct file_id b = files_make_directory(files, files->root, "b", 0755);
    struct file_id moved = files_make_directory(files, a, "x", 0755);
    files_make_directory(files, b, "y", 0755);
    struct file_id found;
    struct inode a_before = files_stat(files, a);
    struct inode b_before = files_stat(files, b);
    assert_int_equal(files_rename(files, a, "x", b, "y"), NFS4_OK);
    const Qnfs__RenameResult *result = files->result.rename;
    assert_int_equal(result->source->before, a_before.change);
    assert_int_equal(result->target->before, b_before.change);
    assert_int_equal(result->source->after, files->apply.number << 16);
    assert_int_equal(result->target->after, files->apply.number << 16);
    assert_true(files_lookup(files, b, "y", &found));
    assert_int_equal(found.inode.value, moved.inode.value);
    assert_int_equal(files_stat(files, moved).parent.value, b.inode.value);
    assert_int_equal(files_stat(files, a).link_count, 2);
    assert_int_equal(files_stat(files, b).link_count, 3);
    assert_int_equal(files_stat(files, moved).metadata_time_ns, files->wall_ns);

    struct file_id file = files_make(files, a, "f", 0644);
    struct file_id replaced = files_make(files, a, "g", 0644);
    assert_int_equal(files_link(files, replaced, b, "kept"), NFS4_OK);
    assert_int_equal(files_rename(files, a, "f", a, "g"), NFS4_OK);
    assert_true(files_lookup(files, a, "g", &found));
    assert_int_equal(found.inode.value, file.inode.value);
    assert_int_equal(files_stat(files, replaced).link_count, 1);
    assert_int_equal(files_stat(files, replaced).metadata_time_ns, files->wall_ns);
}

static void test_rename_same_file(void **state)
{
    struct files *files = *state;
    struct file_id file = files_make(files, files->root, "f", 0644);
    assert_int_equal(files_link(files, file, files->root, "g"), NFS4_OK);
    struct inode before = files_stat(files, files->root);
    struct file_id found;
    assert_int_equal(files_rename(files, files->root, "f", files->root, "g"), NFS4_OK);
    assert_int_equal(files->result.rename->source->before, before.change);
    assert_int_equal(files->result.rename->target->after, before.change);
    assert_true(files_lookup(files, files->root, "f", &found));
    assert_true(files_lookup(files, files->root, "g", &found));
    assert_int_equal(files_rename(files, files->root, "f", files->root, "f"), NFS4_OK);
    assert_true(files_lookup(files, files->root, "f", &found));
}

static void test_rename_permission(void **state)
{
    struct files *files = *state;
    struct file_id shared = files_make_shared(files, "shared");
    struct file_id sticky = files_make_directory(files, files->root, "sticky", 01777);
    files_make(files, files->root, "f", 0666);
    files_make(files, sticky, "f", 0666);
    files_make_directory(files, shared, "d", 0755);
    files_become(files, USER, GROUP);
    files_make(files, shared, "mine", 0644);
    assert_int_equal(files_rename(files, files->root, "f", shared, "x"), NFS4ERR_ACCESS);
    assert_int_equal(files_rename(files, shared, "mine", files->root, "x"), NFS4ERR_ACCESS);
    assert_int_equal(files_rename(files, sticky, "f", shared, "x"), NFS4ERR_ACCESS);
    assert_int_equal(files_rename(files, shared, "mine", sticky, "f"), NFS4ERR_ACCESS);
    assert_int_equal(files_rename(files, shared, "d", sticky, "d"), NFS4ERR_ACCESS); /* its ".." would change */
    assert_int_equal(files_rename(files, shared, "d", shared, "e"), NFS4_OK);
    assert_int_equal(files_rename(files, shared, "mine", sticky, "mine"), NFS4_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rename_errors, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_rename_replaces, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_rename_same_file, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_rename_permission, files_setup, files_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
