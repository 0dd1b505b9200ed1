/* The export table: adding, removing, who is admitted, squash. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/limits.h"
#include "statestore/store/schema.h"
#include "tests/support/files.h"

static const char *said(struct files *files)
{
    return arena_text(&files->arena, slice_make(files->result.text->text.data, files->result.text->text.len));
}

static void expect_refused(struct files *files, const char *path, enum nfsstat4 status, const char *text)
{
    assert_int_equal(files_export_add(files, path, EXPORT_SQUASH_ROOT, false), status);
    if (strstr(said(files), text) == NULL)
        fail_msg("'%s' was refused with '%s'", path, said(files));
}

static void test_add(void **state)
{
    struct files *files = *state;
    struct export export;
    struct inode root;
    assert_int_equal(files_export_add(files, "//srv///nfs/", EXPORT_SQUASH_ALL, true), NFS4_OK);
    assert_string_equal(said(files), "/srv/nfs is exported as volume 2");
    assert_int_equal(files->apply.effects[0].kind, EFFECT_EXPORTS_CHANGED);
    assert_true(export_get(files_read(files), (struct volume_id){2}, &files->arena, &export));
    assert_true(slice_equal(export.path, slice_text("/srv/nfs")));
    assert_true(export.read_only);
    assert_int_equal(export.squash, EXPORT_SQUASH_ALL);
    assert_true(inode_get(files_read(files), (struct volume_id){2}, INODE_ROOT, &files->arena, &root));
    assert_int_equal(root.type, NF4DIR);
    assert_int_equal(root.mode, 0755);
    assert_int_equal(root.owner, 0);
    assert_int_equal(root.parent.value, INODE_ROOT.value);
    assert_int_equal(root.link_count, 2);
}

static void test_add_again(void **state)
{
    struct files *files = *state;
    struct export export;
    struct file_id found;
    Qnfs__Attributes mode = files_mode(0644);
    assert_int_equal(files_make_file(files, files->root, "kept", &mode, NULL), NFS4_OK);
    assert_int_equal(files_export_add(files, "/data", EXPORT_SQUASH_ALL, true), NFS4_OK);
    assert_true(export_get(files_read(files), (struct volume_id){1}, &files->arena, &export));
    assert_true(export.read_only);
    assert_int_equal(files_export_remove(files, "/data/"), NFS4_OK);
    assert_int_equal(files->apply.effects[0].kind, EFFECT_EXPORTS_CHANGED);
    assert_false(export_get(files_read(files), (struct volume_id){1}, &files->arena, &export));
    assert_int_equal(files_export_remove(files, "/data"), NFS4ERR_NOENT);
    assert_int_equal(files_export_remove(files, "/never"), NFS4ERR_NOENT);
    assert_int_equal(files_export_remove(files, "data"), NFS4ERR_INVAL);
    assert_int_equal(files_export_add(files, "/data", EXPORT_SQUASH_NONE, false), NFS4_OK);
    assert_true(files_lookup(files, files->root, "kept", &found));
    assert_int_equal(files_count_rows(files, SCHEMA_EXPORT), 1);
}

static void test_refused(void **state)
{
    struct files *files = *state;
    char path[EXPORT_PATH_MAX_BYTES + 2];
    expect_refused(files, "", NFS4ERR_INVAL, "begins with '/'");
    expect_refused(files, "data", NFS4ERR_INVAL, "begins with '/'");
    expect_refused(files, "/", NFS4ERR_INVAL, "give the export a name");
    expect_refused(files, "/a/../b", NFS4ERR_INVAL, "neither '.' nor '..'");
    expect_refused(files, "/a\xff", NFS4ERR_INVAL, "UTF-8");
    expect_refused(files, "/data/sub", NFS4ERR_EXIST, "do not nest: /data is");
    assert_int_equal(files_export_add(files, "/a/b/c", EXPORT_SQUASH_ROOT, false), NFS4_OK);
    expect_refused(files, "/a", NFS4ERR_EXIST, "do not nest: /a/b/c is");
    assert_int_equal(files_export_add(files, "/a/b/d", EXPORT_SQUASH_ROOT, false), NFS4_OK);
    assert_int_equal(files_export_add(files, "/a/b-", EXPORT_SQUASH_ROOT, false), NFS4_OK);
    assert_int_equal(files_export_remove(files, "/a/b/c"), NFS4_OK);
    assert_int_equal(files_export_remove(files, "/a/b/d"), NFS4_OK);
    assert_int_equal(files_export_add(files, "/a/b", EXPORT_SQUASH_ROOT, false), NFS4_OK);
    expect_refused(files, "/a/b/c", NFS4ERR_EXIST, "do not nest: /a/b is");
    assert_int_equal(files_export_remove(files, "/a/b"), NFS4_OK); /* what is removed stands in nobody's way */
    assert_int_equal(files_export_add(files, "/a/b/c", EXPORT_SQUASH_ROOT, false), NFS4_OK);
    expect_refused(files, "/x", NFS4_OK, "volume");
    for (size_t i = 0; i < sizeof(path); i++)
        path[i] = i % 100 == 0 ? '/' : 'p';
    path[sizeof(path) - 1] = '\0';
    expect_refused(files, path, NFS4ERR_INVAL, "longer than 1024");
    assert_int_equal(files_export_add(files, "/y", 3, false), NFS4ERR_INVAL);
    assert_string_equal(said(files), "squash is root, all or none");
}

static enum nfsstat4 add_with(struct files *files, const char *client, uint32_t flavor)
{
    ProtobufCBinaryData text = {strlen(client), (uint8_t *)(uintptr_t)client};
    Qnfs__ExportSpec spec = QNFS__EXPORT_SPEC__INIT;
    Qnfs__ExportAdd command = QNFS__EXPORT_ADD__INIT;
    char path[] = "/data";
    spec.path = (ProtobufCBinaryData){5, (uint8_t *)path};
    spec.clients = &text;
    spec.n_clients = 1;
    spec.flavors = &flavor;
    spec.n_flavors = 1;
    command.spec = &spec;
    export_add_apply(files_begin(files), &command);
    return files_end(files);
}

static void test_admits(void **state)
{
    struct files *files = *state;
    static const uint8_t inside[] = {10, 1, 2, 3};
    static const uint8_t outside[] = {11, 1, 2, 3};
    struct identity identity = {.address = {inside, 4}, .flavor = 1};
    struct export export;
    assert_int_equal(add_with(files, "10.0.0.0/8x", 1), NFS4ERR_INVAL);
    assert_string_equal(said(files), "'10.0.0.0/8x' is no address range: want for example 10.0.0.0/8 or 2001:db8::/32");
    assert_int_equal(add_with(files, "10.0.0.0/8", 7), NFS4ERR_INVAL);
    assert_true(export_get(files_read(files), (struct volume_id){1}, &files->arena, &export));
    assert_int_equal(export_admits(&export, &identity), NFS4_OK); /* everyone, AUTH_SYS */
    identity.flavor = 0;
    assert_int_equal(export_admits(&export, &identity), NFS4ERR_WRONGSEC);
    assert_int_equal(add_with(files, "10.0.0.0/8", 390003), NFS4_OK);
    assert_true(export_get(files_read(files), (struct volume_id){1}, &files->arena, &export));
    identity.flavor = 1;
    assert_int_equal(export_admits(&export, &identity), NFS4ERR_WRONGSEC);
    identity.flavor = 390003;
    assert_int_equal(export_admits(&export, &identity), NFS4_OK);
    identity.address = slice_make(outside, 4);
    assert_int_equal(export_admits(&export, &identity), NFS4ERR_ACCESS);
}

static void test_squash(void **state)
{
    (void)state;
    static const uint32_t groups[] = {0, 5};
    const struct identity root = {.groups = groups, .group_count = 2, .flavor = 1};
    struct export export = {.squash = EXPORT_SQUASH_ROOT};
    struct identity identity = root;
    export_squash_identity(&export, &identity);
    assert_int_equal(identity.uid, ACCESS_UID_NOBODY);
    assert_int_equal(identity.gid, ACCESS_UID_NOBODY);
    assert_false(access_in_group(&identity, 0));
    assert_true(access_in_group(&identity, 5));
    identity = root;
    identity.uid = 1000;
    identity.gid = 100;
    export_squash_identity(&export, &identity);
    assert_int_equal(identity.uid, 1000);
    assert_int_equal(identity.gid, 100);
    export.squash = EXPORT_SQUASH_ALL;
    export_squash_identity(&export, &identity);
    assert_int_equal(identity.uid, ACCESS_UID_NOBODY);
    assert_false(access_in_group(&identity, 5));
    export.squash = EXPORT_SQUASH_NONE;
    identity = root;
    export_squash_identity(&export, &identity);
    assert_int_equal(identity.uid, 0);
    assert_true(access_in_group(&identity, 0));
    identity.flavor = 0; /* AUTH_NONE */
    export_squash_identity(&export, &identity);
    assert_int_equal(identity.uid, ACCESS_UID_NOBODY);
}

static void test_table_full(void **state)
{
    struct files *files = *state;
    char path[32];
    for (unsigned i = 1; i < EXPORTS_MAX; i++) {
        struct apply *apply = files_begin(files); /* only the rows: adding one by one looks at all */
        snprintf(path, sizeof(path), "/many/%u", i);
        const struct export export = {.volume = {i + 1}, .path = slice_text(path)};
        export_put(apply->transaction, &export, apply->arena);
        struct inode root = files_stat(files, files->root);
        root.id.volume = export.volume;
        inode_put(apply->transaction, &root, apply->arena);
        assert_int_equal(files_end(files), NFS4_OK);
    }
    expect_refused(files, "/one/more", NFS4ERR_NOSPC, "too many");
    assert_int_equal(files_export_add(files, "/many/7", EXPORT_SQUASH_ROOT, false), NFS4_OK);
}

#define EXPORT_TEST(test) cmocka_unit_test_setup_teardown(test, files_setup, files_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EXPORT_TEST(test_add),    EXPORT_TEST(test_add_again),   EXPORT_TEST(test_refused),
        EXPORT_TEST(test_admits), cmocka_unit_test(test_squash), EXPORT_TEST(test_table_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
