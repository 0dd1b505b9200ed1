/* SETATTR: who may set what, and what else that changes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/limits.h"
#include "tests/support/files.h"

#define USER 1000u
#define GROUP 100u
#define OTHER 1001u

static void test_setattr_mode(void **state)
{
    struct files *files = *state;
    struct file_id shared = files_make_shared(files, "d");
    files_become(files, USER, GROUP);
    struct file_id file = files_make(files, shared, "f", 0644);
    struct inode before = files_stat(files, file);
    Qnfs__Attributes attributes = files_mode(04755);
    assert_int_equal(files_setattr(files, file, &attributes), NFS4_OK);
    assert_int_equal(files->result.attributes_set->mask, ATTRIBUTE_MODE);
    struct inode inode = files_stat(files, file);
    assert_int_equal(inode.mode, 04755);
    assert_int_equal(inode.change, files->apply.number << 16);
    assert_int_equal(inode.metadata_time_ns, files->wall_ns);
    assert_int_equal(inode.modify_time_ns, before.modify_time_ns);
    attributes.mask = ATTRIBUTE_MODE_MASKED;
    attributes.mode = 0011;
    attributes.mode_mask = 0070;
    assert_int_equal(files_setattr(files, file, &attributes), NFS4_OK);
    assert_int_equal(files_stat(files, file).mode, 04715);
    attributes.mask = ATTRIBUTE_MODE_MASKED | ATTRIBUTE_MODE;
    assert_int_equal(files_setattr(files, file, &attributes), NFS4ERR_INVAL);
    attributes = files_mode(010000);
    assert_int_equal(files_setattr(files, file, &attributes), NFS4ERR_INVAL);
    assert_int_equal(files->result.attributes_set->mask, 0);
    files_become(files, OTHER, GROUP);
    attributes = files_mode(0777);
    assert_int_equal(files_setattr(files, file, &attributes), NFS4ERR_PERM);
    attributes.mask = 0;
    assert_int_equal(files_setattr(files, file, &attributes), NFS4_OK);
    assert_int_equal(files_setattr(files, file, NULL), NFS4_OK);
    assert_int_equal(files->transaction.count, 0);
}

static void test_setattr_set_gid(void **state)
{
    struct files *files = *state;
    struct file_id file = files_make(files, files->root, "f", 0644);
    Qnfs__Attributes attributes = files_owner(ATTRIBUTE_OWNER | ATTRIBUTE_GROUP, USER, 500);
    assert_int_equal(files_setattr(files, file, &attributes), NFS4_OK);
    files_become(files, USER, GROUP);
    attributes = files_mode(02755);
    assert_int_equal(files_setattr(files, file, &attributes), NFS4_OK);
    assert_int_equal(files_stat(files, file).mode, 0755); /* not in group 500 */
    files_become(files, USER, 500);
    assert_int_equal(files_setattr(files, file, &attributes), NFS4_OK);
    assert_int_equal(files_stat(files, file).mode, 02755);
}

static void test_setattr_owner(void **state)
{
    struct files *files = *state;
    struct file_id file = files_make(files, files->root, "f", 06755);
    Qnfs__Attributes attributes = files_owner(ATTRIBUTE_OWNER, USER, 0);
    assert_int_equal(files_setattr(files, file, &attributes), NFS4_OK);
    assert_int_equal(files_stat(files, file).owner, USER);
    assert_int_equal(files_stat(files, file).mode, 0755);
    const uint32_t groups[] = {200};
    files_become(files, USER, GROUP);
    files->identity.groups = groups;
    files->identity.group_count = 1;
    attributes = files_owner(ATTRIBUTE_OWNER, OTHER, 0);
    assert_int_equal(files_setattr(files, file, &attributes), NFS4ERR_PERM);
    attributes = files_owner(ATTRIBUTE_GROUP, 0, 300);
    assert_int_equal(files_setattr(files, file, &attributes), NFS4ERR_PERM);
    attributes = files_owner(ATTRIBUTE_GROUP | ATTRIBUTE_OWNER, USER, 200);
    assert_int_equal(files_setattr(files, file, &attributes), NFS4_OK);
    assert_int_equal(files_stat(files, file).group, 200);
    files_become(files, OTHER, 200);
    attributes = files_owner(ATTRIBUTE_GROUP, 0, 200);
    assert_int_equal(files_setattr(files, file, &attributes), NFS4ERR_PERM);
    files_become(files, 0, 0);
    struct file_id directory = files_make_directory(files, files->root, "d", 02755);
    attributes = files_owner(ATTRIBUTE_OWNER, USER, 0);
    assert_int_equal(files_setattr(files, directory, &attributes), NFS4_OK);
    assert_int_equal(files_stat(files, directory).mode, 02755); /* set-gid of a directory is something else */
}

static void test_setattr_times(void **state)
{
    struct files *files = *state;
    struct file_id file = files_make(files, files->root, "f", 0666);
    Qnfs__Time time = QNFS__TIME__INIT;
    Qnfs__Attributes attributes = QNFS__ATTRIBUTES__INIT;
    time.seconds = -2;
    time.nanoseconds = 5;
    attributes.mask = ATTRIBUTE_MODIFY_TIME | ATTRIBUTE_ACCESS_TIME | ATTRIBUTE_CREATE_TIME;
    attributes.modify_time = &time; /* the others stay NULL: all zero */
    assert_int_equal(files_setattr(files, file, &attributes), NFS4_OK);
    struct inode inode = files_stat(files, file);
    assert_int_equal(inode.modify_time_ns, -1999999995);
    assert_int_equal(inode.access_time_ns, 0);
    assert_int_equal(inode.create_time_ns, 0);
    assert_int_equal(inode.metadata_time_ns, files->wall_ns);
    time.seconds = INT64_MAX;
    assert_int_equal(files_setattr(files, file, &attributes), NFS4_OK);
    assert_true(files_stat(files, file).modify_time_ns == INT64_MAX);
    time.seconds = INT64_MIN;
    assert_int_equal(files_setattr(files, file, &attributes), NFS4_OK);
    assert_true(files_stat(files, file).modify_time_ns == INT64_MIN);
    time.nanoseconds = 1000000000;
    assert_int_equal(files_setattr(files, file, &attributes), NFS4ERR_INVAL);
    attributes.mask = ATTRIBUTE_MODIFY_NOW | ATTRIBUTE_MODIFY_TIME;
    assert_int_equal(files_setattr(files, file, &attributes), NFS4ERR_INVAL);
    files_become(files, USER, GROUP); /* may write, is not the owner */
    attributes.mask = ATTRIBUTE_MODIFY_TIME;
    time.nanoseconds = 0;
    assert_int_equal(files_setattr(files, file, &attributes), NFS4ERR_PERM);
    attributes.mask = ATTRIBUTE_MODIFY_NOW | ATTRIBUTE_ACCESS_NOW;
    assert_int_equal(files_setattr(files, file, &attributes), NFS4_OK);
    assert_int_equal(files_stat(files, file).access_time_ns, files->wall_ns);
    files_become(files, 0, 0);
    Qnfs__Attributes mode = files_mode(0444);
    assert_int_equal(files_setattr(files, file, &mode), NFS4_OK);
    files_become(files, USER, GROUP);
    assert_int_equal(files_setattr(files, file, &attributes), NFS4ERR_ACCESS);
}

static void test_setattr_size(void **state)
{
    struct files *files = *state;
    struct file_id shared = files_make_shared(files, "d");
    struct file_id file = files_make(files, files->root, "f", 0644);
    assert_int_equal(files_write(files, file, 0, slice_text("hello")), NFS4_OK);
    assert_int_equal(files_resize(files, file, 3), NFS4_OK);
    struct inode inode = files_stat(files, file);
    assert_int_equal(inode.size_bytes, 3);
    assert_int_equal(inode.modify_time_ns, files->wall_ns);
    assert_int_equal(files_resize(files, shared, 3), NFS4ERR_ISDIR);
    struct file_id fifo;
    assert_int_equal(files_create(files, files->root, "p", NF4FIFO, NULL, &fifo), NFS4_OK);
    assert_int_equal(files_resize(files, fifo, 3), NFS4ERR_INVAL);
    assert_int_equal(files_resize(files, file, NFS4_FILE_SIZE_MAX_BYTES), NFS4_OK);
    assert_int_equal(files_resize(files, file, NFS4_FILE_SIZE_MAX_BYTES + 1), NFS4ERR_FBIG);
    Qnfs__Time time = QNFS__TIME__INIT;
    Qnfs__Attributes attributes = QNFS__ATTRIBUTES__INIT;
    time.seconds = 1;
    attributes.mask = ATTRIBUTE_SIZE | ATTRIBUTE_MODIFY_TIME;
    attributes.modify_time = &time;
    assert_int_equal(files_setattr(files, file, &attributes), NFS4_OK);
    assert_int_equal(files_stat(files, file).modify_time_ns, 1000000000);
    files_become(files, USER, GROUP);
    assert_int_equal(files_resize(files, file, 1), NFS4ERR_ACCESS);
    struct file_id mine = files_make(files, shared, "mine", 0400);
    assert_int_equal(files_resize(files, mine, 1), NFS4_OK); /* the owner */
    struct file_id set_id = files_make(files, shared, "set-id", 06755);
    assert_int_equal(files_resize(files, set_id, 1), NFS4_OK);
    assert_int_equal(files_stat(files, set_id).mode, 0755);
}

static void test_truncate_for_open(void **state)
{
    struct files *files = *state;
    struct file_id shared = files_make_shared(files, "d");
    files_become(files, USER, GROUP);
    struct file_id file = files_make(files, shared, "f", 06755);
    assert_int_equal(files_write(files, file, 0, slice_text("hello")), NFS4_OK);
    struct inode inode = files_stat(files, file);
    assert_int_equal(inode.mode, 0755);
    struct apply *apply = files_begin(files);
    assert_int_equal(file_truncate(apply, &inode, 0), NFS4_OK);
    assert_int_equal(files_end(files), NFS4_OK);
    assert_int_equal(files_stat(files, file).size_bytes, 0);
    assert_int_equal(files_stat(files, file).change, files->apply.number << 16);
    Qnfs__Attributes mode = files_mode(0444);
    assert_int_equal(files_setattr(files, file, &mode), NFS4_OK);
    inode = files_stat(files, file);
    apply = files_begin(files);
    assert_int_equal(file_truncate(apply, &inode, 0), NFS4ERR_ACCESS); /* as open(O_TRUNC) of one's own 0444 file */
    assert_int_equal(file_truncate(apply, &inode, NFS4_FILE_SIZE_MAX_BYTES + 1), NFS4ERR_ACCESS);
    assert_int_equal(files_end(files), NFS4_OK);
}

static void test_setattr_clears_verifier(void **state)
{
    struct files *files = *state;
    struct apply *apply = files_begin(files);
    struct inode directory = files_stat(files, files->root);
    struct inode made;
    uint64_t before;
    uint64_t after;
    uint32_t set_mask;
    const uint8_t verifier[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    assert_int_equal(file_create(apply, &directory, slice_text("f"), NULL, verifier, &made, &before, &after, &set_mask),
                     NFS4_OK);
    assert_int_equal(files_end(files), NFS4_OK);
    assert_true(after > before);
    assert_int_equal(set_mask, 0);
    struct inode inode = files_stat(files, made.id);
    assert_true(inode.verifier_set);
    assert_memory_equal(inode.verifier, verifier, 8);
    Qnfs__Attributes mode = files_mode(0600);
    assert_int_equal(files_setattr(files, made.id, &mode), NFS4_OK);
    assert_false(files_stat(files, made.id).verifier_set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_setattr_mode, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_setattr_set_gid, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_setattr_owner, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_setattr_times, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_setattr_size, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_truncate_for_open, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_setattr_clears_verifier, files_setup, files_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
