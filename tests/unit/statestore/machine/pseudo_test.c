/* The pseudo file system above the exports. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/files.h"

static struct pseudo_node lookup(struct files *files, struct inode_id directory, const char *name)
{
    struct pseudo_node node;
    if (!pseudo_lookup(files_read(files), directory, slice_text(name), &files->arena, &node))
        fail_msg("no pseudo directory '%s'", name);
    return node;
}

static bool is_there(struct files *files, struct inode_id directory, const char *name)
{
    struct pseudo_node node;
    return pseudo_lookup(files_read(files), directory, slice_text(name), &files->arena, &node);
}

static void add(struct files *files, const char *path)
{
    assert_int_equal(files_export_add(files, path, EXPORT_SQUASH_NONE, false), NFS4_OK);
}

static void test_walk_down_and_up(void **state)
{
    struct files *files = *state;
    struct pseudo_node again;
    add(files, "/srv/a/deep");
    struct pseudo_node srv = lookup(files, INODE_ROOT, "srv");
    struct pseudo_node a = lookup(files, srv.inode, "a");
    struct pseudo_node deep = lookup(files, a.inode, "deep");
    assert_false(srv.is_export);
    assert_false(a.is_export);
    assert_true(deep.is_export);
    assert_int_equal(deep.volume.value, 2);
    assert_true(slice_equal(deep.path, slice_text("/srv/a/deep")));
    assert_int_equal(srv.parent.value, INODE_ROOT.value);
    assert_true(deep.parent.value == a.inode.value);
    assert_true(pseudo_find(files_read(files), deep.parent, &files->arena, &again));
    assert_true(slice_equal(again.path, slice_text("/srv/a")));
    assert_true(again.parent.value == srv.inode.value);
    assert_true(pseudo_inode(slice_text("/srv/a")).value == a.inode.value);
    assert_true(a.inode.value >> 63 == 1);
    assert_true(pseudo_find(files_read(files), INODE_ROOT, &files->arena, &again));
    assert_true(slice_equal(again.path, slice_text("/")));
    assert_int_equal(again.parent.value, INODE_ROOT.value);
    assert_false(pseudo_find(files_read(files), (struct inode_id){5}, &files->arena, &again));
    assert_true(lookup(files, INODE_ROOT, "data").is_export);
}

static void test_nothing_else(void **state)
{
    struct files *files = *state;
    const struct pseudo_entry *entries;
    add(files, "/srv/a");
    assert_false(is_there(files, INODE_ROOT, "sr"));
    assert_false(is_there(files, INODE_ROOT, "srv/a"));
    assert_false(is_there(files, INODE_ROOT, ""));
    assert_false(is_there(files, INODE_ROOT, "dat"));
    assert_false(is_there(files, (struct inode_id){5}, "a"));
    struct pseudo_node a = lookup(files, lookup(files, INODE_ROOT, "srv").inode, "a");
    assert_false(is_there(files, a.inode, "x")); /* below lies the volume */
    assert_int_equal(pseudo_list(files_read(files), a.inode, &files->arena, &entries), 0);
}

static void test_list(void **state)
{
    struct files *files = *state;
    const struct pseudo_entry *entries;
    add(files, "/srv/b");
    add(files, "/srv/a/x");
    add(files, "/srv/a/y");
    add(files, "/srv-old");
    add(files, "/srv/a-");
    size_t count = pseudo_list(files_read(files), INODE_ROOT, &files->arena, &entries);
    assert_int_equal(count, 3);
    assert_true(slice_equal(entries[0].name, slice_text("data")));
    assert_true(slice_equal(entries[1].name, slice_text("srv")));
    assert_true(slice_equal(entries[2].name, slice_text("srv-old")));
    assert_false(entries[1].node.is_export);
    assert_true(entries[2].node.is_export);
    count = pseudo_list(files_read(files), entries[1].node.inode, &files->arena, &entries);
    assert_int_equal(count, 3);
    assert_true(slice_equal(entries[0].name, slice_text("a")));
    assert_true(slice_equal(entries[1].name, slice_text("a-")));
    assert_true(slice_equal(entries[2].name, slice_text("b")));
    count = pseudo_list(files_read(files), entries[0].node.inode, &files->arena, &entries);
    assert_int_equal(count, 2);
}

static void test_changes(void **state)
{
    struct files *files = *state;
    struct pseudo_node root;
    assert_true(pseudo_find(files_read(files), INODE_ROOT, &files->arena, &root));
    uint64_t before = root.change;
    add(files, "/srv/a");
    struct pseudo_node srv = lookup(files, INODE_ROOT, "srv");
    assert_true(srv.change > before);
    assert_int_equal(files_export_remove(files, "/srv/a"), NFS4_OK);
    assert_true(pseudo_find(files_read(files), INODE_ROOT, &files->arena, &root));
    assert_true(root.change > srv.change);
    assert_false(is_there(files, INODE_ROOT, "srv"));
    assert_false(pseudo_find(files_read(files), srv.inode, &files->arena, &root)); /* NFS4ERR_STALE */
    assert_int_equal(files_export_remove(files, "/data"), NFS4_OK);
    const struct pseudo_entry *entries;
    assert_int_equal(pseudo_list(files_read(files), INODE_ROOT, &files->arena, &entries), 0);
}

#define PSEUDO_TEST(test) cmocka_unit_test_setup_teardown(test, files_setup, files_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PSEUDO_TEST(test_walk_down_and_up),
        PSEUDO_TEST(test_nothing_else),
        PSEUDO_TEST(test_list),
        PSEUDO_TEST(test_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
