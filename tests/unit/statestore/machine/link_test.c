/* LINK: one more name. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/limits.h"
#include "tests/support/files.h"

#define USER 1000u
#define GROUP 100u

static void test_link(void **state)
{
    struct files *files = *state;
    struct file_id directory = files_make_directory(files, files->root, "d", 0755);
    struct file_id file = files_make(files, files->root, "f", 0644);
    struct inode before = files_stat(files, directory);
    assert_int_equal(files_link(files, file, directory, "g"), NFS4_OK);
    assert_int_equal(files->result.change->before, before.change);
    assert_int_equal(files->result.change->after, files_stat(files, directory).change);
    assert_int_equal(files_stat(files, file).link_count, 2);
    assert_int_equal(files_stat(files, file).metadata_time_ns, files->wall_ns);
    assert_int_equal(files_stat(files, file).change, files->apply.number << 16);
    assert_int_equal(files_link(files, file, directory, "g"), NFS4ERR_EXIST);
    assert_int_equal(files_link(files, directory, directory, "h"), NFS4ERR_ISDIR);
    assert_int_equal(files_link(files, file, file, "h"), NFS4ERR_NOTDIR);
    assert_int_equal(files_link(files, file, directory, "."), NFS4ERR_BADNAME);
    assert_int_equal(files_link(files, (struct file_id){{1}, {99}, 1}, directory, "h"), NFS4ERR_STALE);
    assert_int_equal(files_export_add(files, "/other", EXPORT_SQUASH_NONE, false), NFS4_OK);
    assert_int_equal(files_link(files, file, (struct file_id){{2}, {1}, 1}, "h"), NFS4ERR_XDEV);
    files_report_space(files, true);
    assert_int_equal(files_link(files, file, directory, "h"), NFS4ERR_NOSPC);
    files_report_space(files, false);
    assert_int_equal(files_remove(files, files->root, "f"), NFS4_OK);
    assert_int_equal(files_stat(files, file).link_count, 1);
    assert_int_equal(files_stat(files, file).change, files->apply.number << 16);
    files_become(files, USER, GROUP);
    assert_int_equal(files_link(files, file, directory, "h"), NFS4ERR_ACCESS);
}

static void test_link_limit(void **state)
{
    struct files *files = *state;
    struct file_id file = files_make(files, files->root, "f", 0644);
    struct inode inode = files_stat(files, file);
    struct apply *apply = files_begin(files);
    inode.link_count = NFS4_LINKS_MAX;
    inode_put(apply->transaction, &inode, apply->arena);
    assert_int_equal(files_end(files), NFS4_OK);
    assert_int_equal(files_link(files, file, files->root, "g"), NFS4ERR_MLINK);
    inode.link_count = 1;
    apply = files_begin(files);
    inode_put(apply->transaction, &inode, apply->arena);
    assert_int_equal(files_end(files), NFS4_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_link, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_link_limit, files_setup, files_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
