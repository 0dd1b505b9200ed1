/* Broken invariants, planted one at a time, are found. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/limits.h"
#include "statestore/machine/block.h"
#include "statestore/machine/check.h"
#include "statestore/machine/extent.h"
#include "statestore/machine/garbage.h"
#include "statestore/machine/purge.h"
#include "tests/support/files.h"

struct planted {
    struct files files;
    struct file_id directory;
    struct file_id file;
    struct apply *apply;
    struct inode inode; /* of the file */
};

/* A directory with one file of an inline extent and a block; a command is begun. */
static void plant(struct planted *planted)
{
    static uint8_t const zeros[70000];
    files_init(&planted->files);
    planted->directory = files_make_directory(&planted->files, planted->files.root, "d", 0755);
    planted->file = files_make(&planted->files, planted->directory, "f", 0644);
    assert_int_equal(files_write(&planted->files, planted->file, 0, slice_text("hello")), NFS4_OK);
    assert_int_equal(files_write(&planted->files, planted->file, 1000, slice_make(zeros, sizeof(zeros))), NFS4_OK);
    files_check(&planted->files);
    planted->inode = files_stat(&planted->files, planted->file);
    planted->apply = files_begin(&planted->files);
}

/* Found, and the same however many references are counted at a time. */
static void expect(struct planted *planted, const char *wanted)
{
    static const size_t pairs_max[] = {0, 1, 3};
    size_t finds = 0;
    assert_int_equal(files_end(&planted->files), NFS4_OK);
    for (size_t i = 0; i < 3; i++) {
        char text[4096];
        struct arena arena;
        arena_init(&arena);
        struct check check = {.read = files_read(&planted->files),
                              .arena = &arena,
                              .text = text,
                              .room = sizeof(text),
                              .pairs_max = pairs_max[i]};
        check_files(&check);
        arena_fini(&arena);
        if (check.count == 0 || strstr(text, wanted) == NULL)
            fail_msg("wanted '%s', %zu finds: %s", wanted, check.count, text);
        assert_true(i == 0 || check.count == finds);
        finds = check.count;
    }
    files_fini(&planted->files);
}

/* A large state is looked through in a small memory: what a file needs is given back before the next one. */
static void test_memory(void **state)
{
    (void)state;
    struct files files;
    struct arena arena;
    files_init(&files);
    arena_init(&arena);
    for (unsigned i = 0; i < 3000; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%u", i);
        if (i % 3 == 0)
            files_make_directory(&files, files.root, name, 0755);
        else
            assert_int_equal(
                files_write(&files, files_make(&files, files.root, name, 0644), 0, slice_text("some bytes")), NFS4_OK);
    }
    struct check check = {.read = files_read(&files), .arena = &arena};
    check_files(&check);
    assert_int_equal(check.count, 0);
    assert_true(arena.reserved_bytes <= ARENA_FIRST_BYTES);
    arena_fini(&arena);
    files_fini(&files);
}

static void put_inode(struct planted *planted)
{
    inode_put(planted->apply->transaction, &planted->inode, planted->apply->arena);
}

static void test_inodes(void **state)
{
    (void)state;
    struct planted planted;
    plant(&planted);
    planted.inode.link_count = 2;
    put_inode(&planted);
    expect(&planted, "1 names, 2 links");
    plant(&planted);
    planted.inode.used_bytes++;
    put_inode(&planted);
    expect(&planted, "70005 bytes used, counted 70006");
    plant(&planted);
    planted.inode.size_bytes = 3;
    put_inode(&planted);
    expect(&planted, "content behind the end");
    plant(&planted);
    planted.inode.cut_offset = 100000;
    planted.inode.cut_number = 1;
    put_inode(&planted);
    expect(&planted, "a cut and its purge row disagree");
    plant(&planted);
    purge_mark(planted.apply, planted.file, PURGE_REMOVED);
    expect(&planted, "lives and is being removed");
    plant(&planted);
    purge_mark(planted.apply, (struct file_id){{1}, {777}, 1}, PURGE_CUT);
    expect(&planted, "a cut without its inode");
    plant(&planted);
    inode_delete(planted.apply->transaction, planted.file.volume, planted.file.inode, planted.apply->arena);
    expect(&planted, "entry without its inode");
    plant(&planted);
    inode_delete(planted.apply->transaction, planted.file.volume, planted.file.inode, planted.apply->arena);
    expect(&planted, "content without an inode");
    plant(&planted);
    inode_delete(planted.apply->transaction, planted.files.root.volume, INODE_ROOT, planted.apply->arena);
    expect(&planted, "no root directory");
}

static void test_names(void **state)
{
    (void)state;
    struct planted planted;
    struct inode directory;
    plant(&planted);
    struct dirent entry = {.name = slice_text("f"), .cookie = 9, .inode = planted.file.inode, .type = NF4REG};
    dirent_put(planted.apply->transaction, planted.file.volume, planted.directory.inode, &entry, planted.apply->arena);
    expect(&planted, "cookie 3 and its name disagree");
    plant(&planted);
    entry.cookie = 3;
    dirent_delete(planted.apply->transaction, planted.file.volume, planted.directory.inode, &entry,
                  planted.apply->arena);
    expect(&planted, "0 entries, counted 1");
    plant(&planted);
    directory = files_stat(&planted.files, planted.directory);
    directory.link_count = 3;
    inode_put(planted.apply->transaction, &directory, planted.apply->arena);
    expect(&planted, "3 links with 0 subdirectories");
    plant(&planted);
    directory = files_stat(&planted.files, planted.directory);
    directory.parent = directory.id.inode;
    inode_put(planted.apply->transaction, &directory, planted.apply->arena);
    expect(&planted, "no way up to the root");
    plant(&planted);
    entry.type = NF4FIFO;
    dirent_put(planted.apply->transaction, planted.file.volume, planted.directory.inode, &entry, planted.apply->arena);
    expect(&planted, "differ in type");
    plant(&planted);
    directory = files_stat(&planted.files, planted.directory);
    directory.entry_count = 2;
    directory.cookie_next = 10;
    inode_put(planted.apply->transaction, &directory, planted.apply->arena);
    entry = (struct dirent){.name = slice_text("g"), .cookie = 9, .inode = {12345}, .type = NF4REG};
    dirent_put(planted.apply->transaction, planted.file.volume, planted.directory.inode, &entry, planted.apply->arena);
    expect(&planted, "entry without its inode 12345");
}

static void test_content(void **state)
{
    (void)state;
    struct planted planted;
    plant(&planted);
    const struct extent over = {
        .offset = 3, .length_bytes = 4, .is_inline = true, .bytes = slice_text("over"), .number = 1};
    extent_put(planted.apply->transaction, planted.file, &over, planted.apply->arena);
    expect(&planted, "extents overlap at 3");
    plant(&planted);
    block_hold(planted.apply->transaction, (struct block_id){planted.inode.change >> 16}, planted.apply->arena);
    expect(&planted, "1 references, counted 2");
    plant(&planted);
    const struct extent lost = {.offset = 500, .length_bytes = 4, .block = {77}, .number = 1};
    extent_put(planted.apply->transaction, planted.file, &lost, planted.apply->arena);
    expect(&planted, "no block 77");
    plant(&planted);
    const struct extent past = {
        .offset = 500, .length_bytes = 4, .block = {planted.inode.change >> 16}, .block_offset = 69997, .number = 1};
    extent_put(planted.apply->transaction, planted.file, &past, planted.apply->arena);
    expect(&planted, "range behind the end of block");
    plant(&planted);
    const struct garbage garbage = {planted.apply->number, {planted.inode.change >> 16}};
    garbage_put(planted.apply->transaction, &garbage, planted.apply->arena);
    expect(&planted, "garbage, but still referred to");
}

static void test_text_is_cut(void **state)
{
    (void)state;
    char text[8];
    struct check check = {.text = text, .room = sizeof(text)};
    check_report(&check, "%s", "abc");
    check_report(&check, "%s", "defghi");
    check_report(&check, "%s", "jkl");
    assert_int_equal(check.count, 3);
    assert_string_equal(text, "abc\ndef");
    struct check none = {0};
    check_report(&none, "%s", "abc");
    assert_int_equal(none.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inodes),  cmocka_unit_test(test_memory),      cmocka_unit_test(test_names),
        cmocka_unit_test(test_content), cmocka_unit_test(test_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
