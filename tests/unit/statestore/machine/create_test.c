/* CREATE: new names of every type, their owners and modes. */
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

static void test_create_directory(void **state)
{
    struct files *files = *state;
    struct inode before = files_stat(files, files->root);
    struct file_id made = files_make_directory(files, files->root, "d", 0750);
    const Qnfs__ChangeInfo *change = files->result.create->change;
    struct inode root = files_stat(files, files->root);
    struct inode inode = files_stat(files, made);
    assert_int_equal(change->before, before.change);
    assert_int_equal(change->after, root.change);
    assert_int_equal(root.change, files->apply.number << 16);
    assert_int_equal(root.link_count, before.link_count + 1);
    assert_int_equal(root.modify_time_ns, files->wall_ns);
    assert_int_equal(root.metadata_time_ns, files->wall_ns);
    assert_int_equal(root.access_time_ns, before.access_time_ns);
    assert_int_equal(inode.mode, 0750);
    assert_int_equal(inode.link_count, 2);
    assert_int_equal(inode.parent.value, INODE_ROOT.value);
    assert_int_equal(inode.create_time_ns, files->wall_ns);
    assert_int_equal(files->result.create->attributes_set, ATTRIBUTE_MODE);
}

static void test_create_types(void **state)
{
    struct files *files = *state;
    struct file_id made;
    Qnfs__Attributes mode = files_mode(0644);
    assert_int_equal(files_create(files, files->root, "l", NF4LNK, &mode, &made), NFS4_OK);
    struct inode link = files_stat(files, made);
    assert_int_equal(link.mode, 0777);
    assert_int_equal(link.size_bytes, strlen("where/it/leads"));
    assert_true(slice_equal(link.link_text, slice_text("where/it/leads")));
    assert_int_equal(files->result.create->attributes_set, 0);
    assert_int_equal(files_create(files, files->root, "b", NF4BLK, &mode, NULL), NFS4_OK);
    assert_int_equal(files_create(files, files->root, "c", NF4CHR, &mode, NULL), NFS4_OK);
    assert_int_equal(files_create(files, files->root, "s", NF4SOCK, &mode, NULL), NFS4_OK);
    assert_int_equal(files_create(files, files->root, "p", NF4FIFO, NULL, &made), NFS4_OK);
    assert_int_equal(files_stat(files, made).mode, 0); /* none given */
    assert_int_equal(files_create(files, files->root, "r", NF4REG, &mode, NULL), NFS4ERR_BADTYPE);
    assert_int_equal(files_create(files, files->root, "a", NF4ATTRDIR, &mode, NULL), NFS4ERR_BADTYPE);
    assert_int_equal(files_create(files, files->root, "x", (enum nfs_ftype4)77, &mode, NULL), NFS4ERR_BADTYPE);
    struct file_id shared = files_make_shared(files, "d");
    files_become(files, USER, GROUP);
    assert_int_equal(files_create(files, shared, "c", NF4CHR, &mode, NULL), NFS4ERR_PERM);
    assert_int_equal(files_create(files, shared, "p", NF4FIFO, &mode, NULL), NFS4_OK);
}

static enum nfsstat4 create_symlink(struct files *files, const char *name, struct slice text)
{
    struct apply *apply = files_begin(files);
    Qnfs__FileRef root = QNFS__FILE_REF__INIT;
    Qnfs__Create command = QNFS__CREATE__INIT;
    root.volume = 1;
    root.inode = 1;
    root.generation = 1;
    command.directory = &root;
    command.name = (ProtobufCBinaryData){strlen(name), (uint8_t *)(uintptr_t)name};
    command.type = NF4LNK;
    command.link_text = (ProtobufCBinaryData){text.size_bytes, (uint8_t *)(uintptr_t)text.data};
    create_apply(apply, &command);
    return files_end(files);
}

static void test_create_symlink_text(void **state)
{
    struct files *files = *state;
    char text[NFS4_LINKTEXT_MAX_BYTES + 1];
    memset(text, 'x', sizeof(text));
    assert_int_equal(create_symlink(files, "a", SLICE_EMPTY), NFS4ERR_INVAL);
    assert_int_equal(create_symlink(files, "a", slice_make("a\0b", 3)), NFS4ERR_INVAL);
    assert_int_equal(create_symlink(files, "a", slice_make(text, sizeof(text))), NFS4ERR_NAMETOOLONG);
    assert_int_equal(create_symlink(files, "a", slice_make(text, sizeof(text) - 1)), NFS4_OK);
}

static void test_create_errors(void **state)
{
    struct files *files = *state;
    Qnfs__Attributes mode = files_mode(0755);
    struct file_id file = files_make(files, files->root, "f", 0644);
    struct file_id closed = files_make_directory(files, files->root, "closed", 0700);
    char name[NFS4_NAME_MAX_BYTES + 2];
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(files_create(files, files->root, "f", NF4DIR, &mode, NULL), NFS4ERR_EXIST);
    assert_int_equal(files_create(files, file, "x", NF4DIR, &mode, NULL), NFS4ERR_NOTDIR);
    assert_int_equal(files_create(files, files->root, "", NF4DIR, &mode, NULL), NFS4ERR_INVAL);
    assert_int_equal(files_create(files, files->root, "..", NF4DIR, &mode, NULL), NFS4ERR_BADNAME);
    assert_int_equal(files_create(files, files->root, "a/b", NF4DIR, &mode, NULL), NFS4ERR_BADCHAR);
    assert_int_equal(files_create(files, files->root, "\xff", NF4DIR, &mode, NULL), NFS4ERR_INVAL);
    assert_int_equal(files_create(files, files->root, name, NF4DIR, &mode, NULL), NFS4ERR_NAMETOOLONG);
    name[NFS4_NAME_MAX_BYTES] = '\0';
    assert_int_equal(files_create(files, files->root, name, NF4DIR, &mode, NULL), NFS4_OK);
    assert_int_equal(files_create(files, (struct file_id){{1}, {77}, 1}, "x", NF4DIR, &mode, NULL), NFS4ERR_STALE);
    assert_int_equal(files_create(files, (struct file_id){{1}, {1}, 2}, "x", NF4DIR, &mode, NULL), NFS4ERR_STALE);
    assert_int_equal(files_create(files, (struct file_id){{9}, {1}, 1}, "x", NF4DIR, &mode, NULL), NFS4ERR_STALE);
    assert_int_equal(files_create(files, (struct file_id){{0}, {1}, 1}, "x", NF4DIR, &mode, NULL), NFS4ERR_ROFS);
    mode.mode = 010000;
    assert_int_equal(files_create(files, files->root, "m", NF4DIR, &mode, NULL), NFS4ERR_INVAL);
    mode.mask = ATTRIBUTE_SIZE;
    assert_int_equal(files_create(files, files->root, "m", NF4DIR, &mode, NULL), NFS4ERR_INVAL);
    mode.mask = 1u << 20;
    assert_int_equal(files_create(files, files->root, "m", NF4DIR, &mode, NULL), NFS4ERR_ATTRNOTSUPP);
    files_become(files, USER, GROUP);
    assert_int_equal(files_create(files, files->root, "x", NF4DIR, NULL, NULL), NFS4ERR_ACCESS);
    assert_int_equal(files_create(files, closed, "x", NF4DIR, NULL, NULL), NFS4ERR_ACCESS);
    files_become(files, 0, 0);
    files_report_space(files, true);
    assert_int_equal(files_create(files, files->root, "x", NF4DIR, NULL, NULL), NFS4ERR_NOSPC);
    files_report_space(files, false);
    assert_int_equal(files_create(files, files->root, "x", NF4DIR, NULL, NULL), NFS4_OK);
}

static void test_create_owner(void **state)
{
    struct files *files = *state;
    struct file_id shared = files_make_shared(files, "d");
    struct file_id made;
    const uint32_t groups[] = {200};
    files_become(files, USER, GROUP);
    files->identity.groups = groups;
    files->identity.group_count = 1;
    assert_int_equal(files_create(files, shared, "a", NF4DIR, NULL, &made), NFS4_OK);
    assert_int_equal(files_stat(files, made).owner, USER);
    assert_int_equal(files_stat(files, made).group, GROUP);
    Qnfs__Attributes attributes = files_owner(ATTRIBUTE_OWNER, OTHER, 0);
    assert_int_equal(files_create(files, shared, "b", NF4DIR, &attributes, NULL), NFS4ERR_PERM);
    attributes = files_owner(ATTRIBUTE_OWNER | ATTRIBUTE_GROUP, USER, 200);
    assert_int_equal(files_create(files, shared, "b", NF4DIR, &attributes, &made), NFS4_OK);
    assert_int_equal(files_stat(files, made).group, 200);
    attributes = files_owner(ATTRIBUTE_GROUP, 0, 300);
    assert_int_equal(files_create(files, shared, "c", NF4DIR, &attributes, NULL), NFS4ERR_PERM);
    files_become(files, 0, 0);
    attributes = files_owner(ATTRIBUTE_OWNER | ATTRIBUTE_GROUP, OTHER, 300);
    assert_int_equal(files_create(files, shared, "c", NF4DIR, &attributes, &made), NFS4_OK);
    assert_int_equal(files_stat(files, made).owner, OTHER);
}

static void test_create_set_gid_directory(void **state)
{
    struct files *files = *state;
    struct file_id above = files_make_shared(files, "d");
    Qnfs__Attributes attributes = files_owner(ATTRIBUTE_GROUP, 0, 500);
    assert_int_equal(files_setattr(files, above, &attributes), NFS4_OK);
    attributes = files_mode(02777);
    assert_int_equal(files_setattr(files, above, &attributes), NFS4_OK);
    files_become(files, USER, GROUP);
    struct file_id below = files_make_directory(files, above, "sub", 0755);
    assert_int_equal(files_stat(files, below).group, 500);
    assert_int_equal(files_stat(files, below).mode, 02755);
    struct file_id file = files_make(files, above, "f", 02755);
    assert_int_equal(files_stat(files, file).group, 500);
    assert_int_equal(files_stat(files, file).mode, 0755); /* not in group 500 */
}

static void test_create_file(void **state)
{
    struct files *files = *state;
    struct file_id made;
    Qnfs__Attributes attributes = files_mode(0640);
    attributes.mask |= ATTRIBUTE_SIZE;
    attributes.size = 10;
    assert_int_equal(files_make_file(files, files->root, "f", &attributes, &made), NFS4_OK);
    assert_int_equal(files_stat(files, made).size_bytes, 10);
    assert_int_equal(files_stat(files, made).used_bytes, 0);
    attributes.size = NFS4_FILE_SIZE_MAX_BYTES + 1;
    assert_int_equal(files_make_file(files, files->root, "g", &attributes, &made), NFS4ERR_FBIG);
    assert_int_equal(files_make_file(files, files->root, "f", &attributes, &made), NFS4ERR_EXIST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create_directory, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_create_types, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_create_symlink_text, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_create_errors, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_create_owner, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_create_set_gid_directory, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(test_create_file, files_setup, files_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
