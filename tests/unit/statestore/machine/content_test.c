/* Content: the extent map against a plain byte array, with purge steps and sweeps in between. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/limits.h"
#include "base/random.h"
#include "statestore/machine/extent.h"
#include "statestore/machine/purge.h"
#include "statestore/store/schema.h"
#include "tests/support/files.h"

#define MODEL_BYTES (768u * 1024u)

struct content {
    struct files files;
    struct file_id file;
    struct random_seeded random;
    uint8_t *model; /* MODEL_BYTES; zero behind the size */
    uint64_t size_bytes;
    uint8_t *scratch;
    uint64_t seed;
    uint64_t short_writes;
    uint64_t delayed;
    uint64_t cuts;
};

static uint64_t content_below(struct content *content, uint64_t bound)
{
    return random_seeded_next(&content->random) % bound;
}

static void content_setup(struct content *content, uint64_t seed)
{
    *content = (struct content){.seed = seed, .random = {seed}};
    files_init(&content->files);
    content->model = calloc(1, MODEL_BYTES);
    content->scratch = malloc(MODEL_BYTES);
    assert_non_null(content->model);
    assert_non_null(content->scratch);
    Qnfs__Attributes mode = files_mode(0644);
    assert_int_equal(files_make_file(&content->files, content->files.root, "file", &mode, &content->file), NFS4_OK);
}

static void content_teardown(struct content *content)
{
    files_fini(&content->files);
    free(content->model);
    free(content->scratch);
}

static void content_compare(struct content *content, uint64_t offset, size_t size_bytes)
{
    size_t expected = offset >= content->size_bytes               ? 0
                      : size_bytes < content->size_bytes - offset ? size_bytes
                                                                  : (size_t)(content->size_bytes - offset);
    size_t got = files_read_content(&content->files, content->file, offset, content->scratch, size_bytes);
    if (got != expected || memcmp(content->scratch, content->model + offset, got) != 0)
        fail_msg("seed %llu: content differs in [%llu, +%zu)", (unsigned long long)content->seed,
                 (unsigned long long)offset, size_bytes);
}

static void content_do_write(struct content *content, uint64_t offset, size_t size_bytes)
{
    if (offset + size_bytes > MODEL_BYTES)
        size_bytes = (size_t)(MODEL_BYTES - offset);
    uint8_t fill = (uint8_t)(random_seeded_next(&content->random) | 1);
    for (size_t i = 0; i < size_bytes; i++)
        content->scratch[i] = (uint8_t)(fill + i * 7);
    struct slice bytes = slice_make(content->scratch, size_bytes);
    assert_int_equal(files_write(&content->files, content->file, offset, bytes), NFS4_OK);
    size_t count = content->files.result.write->count;
    if (size_bytes > 0)
        assert_true(count > 0);
    if (count < size_bytes) {
        content->short_writes++;
        assert_true(count >= CONTENT_STEP_EXTENTS);
    }
    if (count == 0)
        return;
    memcpy(content->model + offset, content->scratch, count);
    if (offset + count > content->size_bytes)
        content->size_bytes = offset + count;
}

static void content_do_resize(struct content *content, uint64_t size_bytes)
{
    enum nfsstat4 status = files_resize(&content->files, content->file, size_bytes);
    if (status == NFS4ERR_DELAY) {
        content->delayed++;
        return;
    }
    assert_int_equal(status, NFS4_OK);
    if (size_bytes < content->size_bytes)
        memset(content->model + size_bytes, 0, (size_t)(content->size_bytes - size_bytes));
    content->size_bytes = size_bytes;
    content->cuts += files_stat(&content->files, content->file).cut_number != 0;
}

/* Sizes near the borders where the form of an extent changes. */
static size_t content_size(struct content *content)
{
    switch (content_below(content, 8)) {
    case 0: return (size_t)content_below(content, 4);
    case 1: return CONTENT_MERGE_BYTES - 2 + (size_t)content_below(content, 5);
    case 2: return CONTENT_INLINE_MAX_BYTES - 2 + (size_t)content_below(content, 5);
    case 3: return (size_t)content_below(content, 200000);
    case 4: return (size_t)content_below(content, 5000);
    default: return 1 + (size_t)content_below(content, 300);
    }
}

static void content_step(struct content *content)
{
    uint64_t offset = content_below(content, MODEL_BYTES);
    switch (content_below(content, 20)) {
    case 0: content_do_resize(content, content_below(content, MODEL_BYTES)); break;
    case 1: content_do_resize(content, content->size_bytes / 2 + content_below(content, 1000)); break;
    case 2: files_purge(&content->files); break;
    case 3: files_sweep(&content->files); break;
    case 4:
    case 5: content_compare(content, offset, content_size(content)); break;
    case 6:
    case 7:
    case 8: /* appends */
        if (content->size_bytes < MODEL_BYTES)
            content_do_write(content, content->size_bytes, 1 + (size_t)content_below(content, 500));
        break;
    default: content_do_write(content, offset, content_size(content));
    }
}

/* Thousands of extents of one byte: every second byte, on a hole or on a block. */
static void content_shatter(struct content *content, uint64_t start, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        content_do_write(content, start + 2 * i, 1);
}

static void content_random(uint64_t seed, unsigned steps)
{
    struct content content;
    content_setup(&content, seed);
    for (unsigned i = 0; i < steps; i++) {
        content_step(&content);
        if (i % 500 == 499) {
            files_check(&content.files);
            content_compare(&content, 0, MODEL_BYTES);
        }
    }
    content_teardown(&content);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++)
        content_random(seed, 3000);
}

/* So many extents that writes are cut short and cuts wait for purge steps, mixed with everything else. */
static void test_random_shattered(void **state)
{
    (void)state;
    struct content content;
    content_setup(&content, 99);
    for (unsigned round = 0; round < 12; round++) {
        if (round % 3 == 1)
            content_do_write(&content, 0, 200000);
        content_shatter(&content, content_below(&content, 1000), 1500 + content_below(&content, 1500));
        for (unsigned i = 0; i < 12; i++) {
            switch (content_below(&content, 5)) {
            case 0: content_do_resize(&content, content_below(&content, 3000)); break;
            case 1:
                if (content_below(&content, 2) == 0)
                    content_do_resize(&content, 3000 + content_below(&content, 5000));
                else
                    content_do_write(&content, content_below(&content, 1000), 100000);
                break;
            case 2: files_purge(&content.files); break;
            case 3: content_do_write(&content, content_below(&content, 6000), 100); break;
            default: content_shatter(&content, content_below(&content, 3000), 100);
            }
            content_compare(&content, 0, MODEL_BYTES);
        }
        files_check(&content.files);
    }
    assert_true(content.short_writes > 0);
    assert_true(content.cuts > 0);
    print_message("short writes %llu, cuts that wait %llu, delayed %llu\n", (unsigned long long)content.short_writes,
                  (unsigned long long)content.cuts, (unsigned long long)content.delayed);
    content_teardown(&content);
}

static void test_second_cut_waits(void **state)
{
    (void)state;
    struct content content;
    content_setup(&content, 5);
    content_shatter(&content, 0, 3000);
    content_do_resize(&content, 100);
    assert_true(files_stat(&content.files, content.file).cut_number != 0);
    content_shatter(&content, 100, 2500);
    /* More than a step is alive between the old cut and the new one, and more than a step behind it. */
    assert_int_equal(files_resize(&content.files, content.file, 2700), NFS4ERR_DELAY);
    content_compare(&content, 0, MODEL_BYTES);
    unsigned steps = 0;
    while (files_purge(&content.files))
        steps++;
    assert_in_range(steps, 1, 10);
    content_do_resize(&content, 2700);
    content_compare(&content, 0, MODEL_BYTES);
    files_check(&content.files);
    /* Lowering a cut that waits needs no step. */
    content_do_resize(&content, 2600);
    content_do_resize(&content, 50);
    content_do_resize(&content, 6000);
    content_compare(&content, 0, MODEL_BYTES);
    while (files_purge(&content.files))
        ;
    files_check(&content.files);
    assert_int_equal(files_count_rows(&content.files, SCHEMA_EXTENT), 25);
    content_teardown(&content);
}

/* A cut that waits stays one while something behind it is cut off in one step. */
static void test_small_cut_behind_a_large_one(void **state)
{
    (void)state;
    struct content content;
    content_setup(&content, 9);
    content_shatter(&content, 0, 3000);
    content_do_resize(&content, 100);
    content_do_resize(&content, 6000);
    content_do_resize(&content, 5000);
    content_compare(&content, 0, MODEL_BYTES);
    assert_true(files_stat(&content.files, content.file).cut_number != 0);
    files_check(&content.files);
    /* At or before the old cut, and in one step, there is nothing left to wait for. */
    files_purge(&content.files);
    files_purge(&content.files);
    content_do_resize(&content, 90);
    assert_true(files_stat(&content.files, content.file).cut_number == 0);
    assert_int_equal(files_count_rows(&content.files, SCHEMA_INODE_DEAD), 0);
    files_check(&content.files);
    content_teardown(&content);
}

static void test_remove_while_a_cut_waits(void **state)
{
    (void)state;
    struct content content;
    content_setup(&content, 10);
    content_shatter(&content, 0, 2000);
    content_do_resize(&content, 100);
    files_purge(&content.files);
    assert_true(files_stat(&content.files, content.file).cut_number != 0);
    assert_int_equal(files_remove(&content.files, content.files.root, "file"), NFS4_OK);
    assert_int_equal(files_count_rows(&content.files, SCHEMA_INODE_DEAD), 0);
    assert_int_equal(files_count_rows(&content.files, SCHEMA_EXTENT), 0);
    files_check(&content.files);
    content_teardown(&content);
}

static void test_appends_merge(void **state)
{
    (void)state;
    struct content content;
    content_setup(&content, 6);
    for (unsigned i = 0; i < 1000; i++)
        content_do_write(&content, content.size_bytes, 100);
    assert_int_equal(files_count_rows(&content.files, SCHEMA_EXTENT), 7); /* 100,000 bytes in rows of 16,300 */
    content_compare(&content, 0, MODEL_BYTES);
    files_check(&content.files);
    content_teardown(&content);
}

static void test_block_references(void **state)
{
    (void)state;
    struct content content;
    content_setup(&content, 7);
    content_do_write(&content, 0, 100000);
    assert_int_equal(files_count_rows(&content.files, SCHEMA_BLOCK), 1);
    content_do_write(&content, 50000, 10); /* splits the block's extent in two */
    assert_int_equal(files_count_rows(&content.files, SCHEMA_EXTENT), 3);
    files_check(&content.files);
    content_do_resize(&content, 50005);
    files_check(&content.files);
    content_do_resize(&content, 0);
    assert_int_equal(files_count_rows(&content.files, SCHEMA_NODE_LOCAL), 1);
    files_check(&content.files);
    assert_int_equal(files_count_rows(&content.files, SCHEMA_BLOCK), 0);
    files_sweep(&content.files);
    assert_int_equal(files_count_rows(&content.files, SCHEMA_NODE_LOCAL), 0);
    assert_int_equal(files_count_rows(&content.files, SCHEMA_EXTENT), 0);
    content_teardown(&content);
}

static void test_remove_frees_in_steps(void **state)
{
    (void)state;
    struct content content;
    content_setup(&content, 8);
    content_do_write(&content, 0, 100000);
    content_shatter(&content, 0, 2000);
    assert_int_equal(files_remove(&content.files, content.files.root, "file"), NFS4_OK);
    assert_int_equal(content.files.apply.effects[0].kind, EFFECT_PURGE);
    assert_true(purge_pending(files_read(&content.files), &content.files.arena));
    struct inode gone;
    assert_false(inode_find(files_read(&content.files), content.file, &content.files.arena, &gone));
    files_check(&content.files);
    unsigned steps = 1;
    while (files_purge(&content.files)) {
        files_check(&content.files);
        steps++;
    }
    assert_int_equal(steps, 4);
    assert_int_equal(files_count_rows(&content.files, SCHEMA_EXTENT), 0);
    assert_int_equal(files_count_rows(&content.files, SCHEMA_INODE_DEAD), 0);
    assert_int_equal(files_count_rows(&content.files, SCHEMA_NODE_LOCAL), 1);
    files_check(&content.files);
    content_teardown(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_cut_behind_a_large_one),
        cmocka_unit_test(test_remove_while_a_cut_waits),
        cmocka_unit_test(test_appends_merge),
        cmocka_unit_test(test_block_references),
        cmocka_unit_test(test_remove_frees_in_steps),
        cmocka_unit_test(test_second_cut_waits),
        cmocka_unit_test(test_random_shattered),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
