/* The bytes of the rows, as docs/formats/keys.md shows them: each example there is one here. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "statestore/machine/block.h"
#include "statestore/machine/dirent.h"
#include "statestore/machine/export.h"
#include "statestore/machine/extent.h"
#include "statestore/machine/inode.h"
#include "statestore/machine/meta.h"
#include "statestore/machine/purge.h"
#include "statestore/machine/space.h"
#include "tests/support/files.h"

struct rows {
    struct kv_store *store;
    struct arena arena;
    struct transaction transaction;
};

static int rows_setup(void **state)
{
    struct rows *rows = test_calloc(1, sizeof(*rows));
    rows->store = kv_memory_create();
    arena_init(&rows->arena);
    transaction_init(&rows->transaction, kv_store_present(rows->store), &rows->arena);
    *state = rows;
    return 0;
}

static int rows_teardown(void **state)
{
    struct rows *rows = *state;
    arena_fini(&rows->arena);
    kv_store_destroy(rows->store);
    test_free(rows);
    return 0;
}

static void rows_hex(struct slice bytes, char *text, size_t room)
{
    text[0] = '\0';
    for (size_t i = 0; i < bytes.size_bytes && 2 * i + 3 < room; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes.data[i]);
}

/* The pending change at a place in key order; a row's key and value as the document writes them, without blanks. */
static void rows_expect(struct rows *rows, size_t at, const char *key, const char *value)
{
    char text[1024];
    const struct transaction_change *changes = transaction_changes(&rows->transaction);
    assert_true(at < rows->transaction.count);
    rows_hex(changes[at].key, text, sizeof(text));
    assert_string_equal(text, key);
    rows_hex(changes[at].value, text, sizeof(text));
    assert_string_equal(text, value);
}

static const struct file_id rows_file = {{1}, {0x1234}, 1};

static struct inode rows_inode(enum nfs_ftype4 type)
{
    return (struct inode){.id = rows_file,
                          .type = type,
                          .mode = 0644,
                          .owner = 1000,
                          .group = 100,
                          .link_count = 1,
                          .size_bytes = 5,
                          .change = 0x12340000,
                          .access_time_ns = 1,
                          .modify_time_ns = 2,
                          .metadata_time_ns = 3,
                          .create_time_ns = -1};
}

#define INODE_KEY                                                                                                      \
    "10"                                                                                                               \
    "00000001"                                                                                                         \
    "0000000000001234"
#define INODE_TIMES                                                                                                    \
    "0000000000000001"                                                                                                 \
    "0000000000000002"                                                                                                 \
    "0000000000000003"                                                                                                 \
    "ffffffffffffffff"

static void test_inode_file(void **state)
{
    struct rows *rows = *state;
    struct inode inode = rows_inode(NF4REG);
    inode.used_bytes = 5;
    inode.verifier_set = true;
    memcpy(inode.verifier, "verifier", 8);
    inode.cut_offset = 4096;
    inode.cut_number = 0x1235;
    inode_put(&rows->transaction, &inode, &rows->arena);
    rows_expect(rows, 0, INODE_KEY,
                "01"
                "01"
                "01a4"
                "000003e8"
                "00000064"
                "00000001"
                "00000001"
                "0000000000000005"
                "0000000000000005"
                "0000000012340000" INODE_TIMES "03"
                "7665726966696572"
                "0000000000001000"
                "0000000000001235");
    struct inode back;
    assert_true(inode_find(&rows->transaction.read, rows_file, &rows->arena, &back));
    assert_memory_equal(back.verifier, "verifier", 8);
    assert_int_equal(back.cut_offset, 4096);
    assert_int_equal(back.create_time_ns, -1);
    assert_int_equal(back.mode, 0644);
    assert_false(inode_find(&rows->transaction.read, (struct file_id){{1}, {0x1234}, 2}, &rows->arena, &back));
    inode_delete(&rows->transaction, rows_file.volume, rows_file.inode, &rows->arena);
    assert_false(inode_get(&rows->transaction.read, rows_file.volume, rows_file.inode, &rows->arena, &back));
}

static void test_inode_directory(void **state)
{
    struct rows *rows = *state;
    struct inode inode = rows_inode(NF4DIR);
    inode.parent = INODE_ROOT;
    inode.cookie_next = 9;
    inode.entry_count = 2;
    inode_put(&rows->transaction, &inode, &rows->arena);
    rows_expect(rows, 0, INODE_KEY,
                "01"
                "02"
                "01a4"
                "000003e8"
                "00000064"
                "00000001"
                "00000001"
                "0000000000000005"
                "0000000000000000"
                "0000000012340000" INODE_TIMES "00"
                "0000000000000001"
                "0000000000000009"
                "0000000000000002");
    struct inode back;
    assert_true(inode_find(&rows->transaction.read, rows_file, &rows->arena, &back));
    assert_int_equal(back.parent.value, 1);
    assert_int_equal(back.cookie_next, 9);
    assert_int_equal(back.entry_count, 2);
    assert_false(back.verifier_set);
}

static void test_inode_others(void **state)
{
    struct rows *rows = *state;
    struct inode inode = rows_inode(NF4CHR);
    struct inode back;
    inode.device_major = 5;
    inode.device_minor = 1;
    inode_put(&rows->transaction, &inode, &rows->arena);
    rows_expect(rows, 0, INODE_KEY,
                "01"
                "04"
                "01a4"
                "000003e8"
                "00000064"
                "00000001"
                "00000001"
                "0000000000000005"
                "0000000000000000"
                "0000000012340000" INODE_TIMES "00"
                "00000005"
                "00000001");
    assert_true(inode_find(&rows->transaction.read, rows_file, &rows->arena, &back));
    assert_int_equal(back.device_major, 5);
    inode = rows_inode(NF4LNK);
    inode.link_text = slice_text("a/b/c");
    inode_put(&rows->transaction, &inode, &rows->arena);
    rows_expect(rows, 0, INODE_KEY,
                "01"
                "05"
                "01a4"
                "000003e8"
                "00000064"
                "00000001"
                "00000001"
                "0000000000000005"
                "0000000000000000"
                "0000000012340000" INODE_TIMES "00"
                "612f622f63");
    assert_true(inode_find(&rows->transaction.read, rows_file, &rows->arena, &back));
    assert_true(slice_equal(back.link_text, slice_text("a/b/c")));
}

static void test_dirent(void **state)
{
    struct rows *rows = *state;
    const struct dirent entry = {.name = slice_text("file"), .cookie = 3, .inode = {0x1234}, .type = NF4REG};
    dirent_put(&rows->transaction, (struct volume_id){1}, INODE_ROOT, &entry, &rows->arena);
    rows_expect(rows, 0,
                "11"
                "00000001"
                "0000000000000001"
                "66696c65",
                "01"
                "01"
                "0000000000001234"
                "0000000000000003");
    rows_expect(rows, 1,
                "12"
                "00000001"
                "0000000000000001"
                "0000000000000003",
                "01"
                "01"
                "0000000000001234"
                "66696c65");
    struct dirent back;
    assert_true(dirent_get(&rows->transaction.read, (struct volume_id){1}, INODE_ROOT, slice_text("file"), &rows->arena,
                           &back));
    assert_int_equal(back.cookie, 3);
    assert_false(
        dirent_get(&rows->transaction.read, (struct volume_id){1}, INODE_ROOT, SLICE_EMPTY, &rows->arena, &back));
    struct dirent_walk walk;
    dirent_walk_open(&rows->transaction.read, (struct volume_id){1}, INODE_ROOT, 2, &rows->arena, &walk);
    assert_true(dirent_walk_get(&walk, &back));
    assert_true(slice_equal(back.name, slice_text("file")));
    dirent_walk_next(&walk);
    assert_false(dirent_walk_get(&walk, &back));
    dirent_walk_close(&walk);
    dirent_walk_open(&rows->transaction.read, (struct volume_id){1}, INODE_ROOT, UINT64_MAX, &rows->arena, &walk);
    assert_false(dirent_walk_get(&walk, &back));
    dirent_walk_close(&walk);
}

static void test_extent(void **state)
{
    struct rows *rows = *state;
    const struct extent in_row = {
        .offset = 16, .length_bytes = 5, .is_inline = true, .bytes = slice_text("hello"), .number = 0x1235};
    const struct extent in_block = {
        .offset = 4096, .length_bytes = 100000, .block = {0x1236}, .block_offset = 7, .number = 0x1236};
    extent_put(&rows->transaction, rows_file, &in_row, &rows->arena);
    extent_put(&rows->transaction, rows_file, &in_block, &rows->arena);
    rows_expect(rows, 0,
                "13"
                "00000001"
                "0000000000001234"
                "0000000000000015",
                "01"
                "00"
                "0000000000001235"
                "68656c6c6f");
    rows_expect(rows, 1,
                "13"
                "00000001"
                "0000000000001234"
                "00000000000196a0",
                "01"
                "01"
                "0000000000001236"
                "00000000000186a0"
                "0000000000001236"
                "0000000000000007");
    struct extent_walk walk;
    struct extent back;
    const struct inode inode = {.id = rows_file};
    extent_walk_open(&rows->transaction.read, &inode, 20, 1, &rows->arena, &walk);
    assert_true(extent_walk_get(&walk, &back));
    assert_int_equal(back.offset, 16);
    assert_true(slice_equal(back.bytes, slice_text("hello")));
    extent_walk_next(&walk);
    assert_false(extent_walk_get(&walk, &back)); /* there is one, but behind the range */
    extent_walk_close(&walk);
    extent_walk_open(&rows->transaction.read, &inode, 21, UINT64_MAX, &rows->arena, &walk);
    assert_true(extent_walk_get(&walk, &back));
    assert_int_equal(back.block.value, 0x1236);
    assert_int_equal(back.block_offset, 7);
    assert_int_equal(back.length_bytes, 100000);
    extent_walk_close(&walk);
}

static void test_extent_cut(void **state)
{
    struct rows *rows = *state;
    const struct extent dead = {
        .offset = 100, .length_bytes = 5, .is_inline = true, .bytes = slice_text("older"), .number = 5};
    const struct extent live = {
        .offset = 200, .length_bytes = 5, .is_inline = true, .bytes = slice_text("newer"), .number = 7};
    const struct inode inode = {.id = rows_file, .cut_offset = 100, .cut_number = 6};
    extent_put(&rows->transaction, rows_file, &dead, &rows->arena);
    extent_put(&rows->transaction, rows_file, &live, &rows->arena);
    struct extent_walk walk;
    struct extent back;
    extent_walk_open(&rows->transaction.read, &inode, 0, UINT64_MAX, &rows->arena, &walk);
    assert_true(extent_walk_get(&walk, &back));
    assert_int_equal(back.offset, 200);
    extent_walk_close(&walk);
}

static void test_block(void **state)
{
    struct rows *rows = *state;
    const struct block_id id = {0x1236};
    block_make(&rows->transaction, id, slice_text("hello"), &rows->arena);
    block_hold(&rows->transaction, id, &rows->arena);
    rows_expect(rows, 0,
                "14"
                "0000000000001236",
                "02"
                "0000000000000002"
                "0000000000000005"
                "c779cfaa5e523818"
                "b5e9c1ad071b3e7f");
    assert_false(block_release(&rows->transaction, id, 0x2000, &rows->arena));
    assert_true(block_release(&rows->transaction, id, 0x2001, &rows->arena));
    rows_expect(rows, 1,
                "f0"
                "67"
                "0000000000002001"
                "0000000000001236",
                "01");
    struct block block;
    assert_false(block_get(&rows->transaction.read, id, &rows->arena, &block));
}

static void test_purge(void **state)
{
    struct rows *rows = *state;
    struct apply apply = {.transaction = &rows->transaction, .read = &rows->transaction.read, .arena = &rows->arena};
    purge_mark(&apply, rows_file, PURGE_REMOVED);
    assert_int_equal(apply.effect_count, 1);
    assert_int_equal(apply.effects[0].kind, EFFECT_PURGE);
    rows_expect(rows, 0,
                "16"
                "00000001"
                "0000000000001234",
                "01"
                "01");
}

static void test_export(void **state)
{
    struct rows *rows = *state;
    const struct slice client = slice_text("10.0.0.0/8");
    const uint32_t flavor = 1;
    const struct export export = {.volume = {1},
                                  .path = slice_text("/data"),
                                  .active = true,
                                  .squash = EXPORT_SQUASH_NONE,
                                  .clients = &client,
                                  .client_count = 1,
                                  .flavors = &flavor,
                                  .flavor_count = 1};
    export_put(&rows->transaction, &export, &rows->arena);
    rows_expect(rows, 0,
                "03"
                "2f64617461",
                "01"
                "00000001"
                "01"
                "00"
                "02"
                "00000001"
                "0000000a"
                "31302e302e302e302f38"
                "00000001"
                "00000001");
    rows_expect(rows, 1,
                "07"
                "00000001",
                "01"
                "2f64617461");
    struct export back;
    assert_true(export_get(&rows->transaction.read, (struct volume_id){1}, &rows->arena, &back));
    assert_int_equal(back.client_count, 1);
    assert_true(slice_equal(back.clients[0], client));
    assert_int_equal(back.flavors[0], 1);
    assert_false(back.read_only);
}

static void test_meta(void **state)
{
    struct rows *rows = *state;
    assert_int_equal(meta_get(&rows->transaction.read, META_BYTES_LOST, 1, &rows->arena), 1);
    meta_put(&rows->transaction, META_BYTES_LOST, 77, &rows->arena);
    rows_expect(rows, 0,
                "01"
                "62797465732d6c6f7374",
                "000000000000004d");
    assert_int_equal(meta_get(&rows->transaction.read, META_BYTES_LOST, 1, &rows->arena), 77);
}

static void test_space(void **state)
{
    struct rows *rows = *state;
    Qnfs__Result result = QNFS__RESULT__INIT;
    struct apply apply = {
        .transaction = &rows->transaction, .read = &rows->transaction.read, .arena = &rows->arena, .result = &result};
    Qnfs__NodeReport report = QNFS__NODE_REPORT__INIT;
    assert_int_equal(space_free_bytes(apply.read, &rows->arena), UINT64_MAX);
    report.node = 2;
    report.free_bytes = 4096;
    report.low = true;
    node_report_apply(&apply, &report);
    node_report_apply(&apply, &report);
    assert_true(space_low(apply.read, &rows->arena));
    rows_expect(rows, 1,
                "08"
                "0000000000000002",
                "01"
                "0000000000001000"
                "01");
    report.node = 1;
    node_report_apply(&apply, &report);
    report.low = false;
    report.free_bytes = 1;
    node_report_apply(&apply, &report);
    assert_true(space_low(apply.read, &rows->arena)); /* node 2 still is */
    assert_int_equal(space_free_bytes(apply.read, &rows->arena), 1);
    report.node = 2;
    node_report_apply(&apply, &report);
    assert_false(space_low(apply.read, &rows->arena));
}

#define ROWS_TEST(test) cmocka_unit_test_setup_teardown(test, rows_setup, rows_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROWS_TEST(test_inode_file), ROWS_TEST(test_inode_directory), ROWS_TEST(test_inode_others),
        ROWS_TEST(test_dirent),     ROWS_TEST(test_extent),          ROWS_TEST(test_extent_cut),
        ROWS_TEST(test_block),      ROWS_TEST(test_purge),           ROWS_TEST(test_export),
        ROWS_TEST(test_meta),       ROWS_TEST(test_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
