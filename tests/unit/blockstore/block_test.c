/* The contract of block.h over both stores; the file format with its example bytes; crashes of the test double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/random.h"
#include "blockstore/block_files.h"
#include "blockstore/block_memory.h"

struct fixture {
    char directory[64];
    struct block_store *store;
};

static void remove_directory(const char *directory)
{
    char command[256];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    assert_int_equal(system(command), 0);
}

static void fixture_open(struct fixture *fixture, bool files)
{
    *fixture = (struct fixture){.directory = "/tmp/qnfs-block-test-XXXXXX"};
    assert_non_null(mkdtemp(fixture->directory));
    if (files)
        assert_int_equal(block_files_open(fixture->directory, &fixture->store), STATUS_OK);
    else
        fixture->store = block_memory_create();
}

static void fixture_close(struct fixture *fixture)
{
    block_store_destroy(fixture->store);
    remove_directory(fixture->directory);
}

#define CONTENT_BYTES (3 * BLOCK_CHUNK_BYTES + 1000)

/* Bytes of a block: different at every offset and for every id. */
static void content_make(uint8_t *content, size_t size_bytes, uint64_t id)
{
    struct random_seeded seeded;
    struct random random = random_from_seed(&seeded, id);
    random.fill(random.context, content, size_bytes);
}

static struct block_id block(uint64_t id)
{
    return (struct block_id){id};
}

static void what_is_written_is_read_in_any_part(struct fixture *fixture)
{
    static uint8_t content[CONTENT_BYTES];
    static uint8_t target[CONTENT_BYTES];
    content_make(content, sizeof(content), 5);
    assert_int_equal(block_write(fixture->store, block(5), slice_make(content, sizeof(content))), STATUS_OK);
    const size_t edges[] = {0,
                            1,
                            100,
                            BLOCK_CHUNK_BYTES - 1,
                            BLOCK_CHUNK_BYTES,
                            BLOCK_CHUNK_BYTES + 1,
                            2 * BLOCK_CHUNK_BYTES,
                            3 * BLOCK_CHUNK_BYTES - 1,
                            3 * BLOCK_CHUNK_BYTES,
                            CONTENT_BYTES - 1,
                            CONTENT_BYTES};
    const size_t count = sizeof(edges) / sizeof(edges[0]);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i; j < count; j++) {
            size_t size_bytes = edges[j] - edges[i];
            memset(target, 0xee, sizeof(target));
            assert_int_equal(block_read(fixture->store, block(5), edges[i], (struct span){target, size_bytes}),
                             STATUS_OK);
            assert_memory_equal(target, content + edges[i], size_bytes);
            for (size_t k = size_bytes; k < sizeof(target); k++)
                assert_int_equal(target[k], 0xee);
        }
    }
}

static void what_is_not_there_is_not_found(struct fixture *fixture)
{
    uint8_t content[100];
    uint8_t target[200];
    content_make(content, sizeof(content), 5);
    assert_int_equal(block_read(fixture->store, block(5), 0, (struct span){target, 1}), STATUS_NOT_FOUND);
    assert_int_equal(block_write(fixture->store, block(5), slice_make(content, sizeof(content))), STATUS_OK);
    assert_int_equal(block_read(fixture->store, block(5), 0, (struct span){target, 101}), STATUS_NOT_FOUND);
    assert_int_equal(block_read(fixture->store, block(5), 100, (struct span){target, 1}), STATUS_NOT_FOUND);
    assert_int_equal(block_read(fixture->store, block(5), BLOCK_CHUNK_BYTES, (struct span){target, 1}),
                     STATUS_NOT_FOUND);
    assert_int_equal(block_read(fixture->store, block(5), UINT64_C(1) << 40, (struct span){target, 1}),
                     STATUS_NOT_FOUND);
    assert_int_equal(block_read(fixture->store, block(5 + 256), 0, (struct span){target, 1}), STATUS_NOT_FOUND);
    assert_int_equal(block_remove(fixture->store, block(5)), STATUS_OK);
    assert_int_equal(block_remove(fixture->store, block(5)), STATUS_OK);
    assert_int_equal(block_read(fixture->store, block(5), 0, (struct span){target, 1}), STATUS_NOT_FOUND);
}

static void writing_again_is_allowed(struct fixture *fixture)
{
    uint8_t content[100];
    uint8_t target[100];
    content_make(content, sizeof(content), 9);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(block_write(fixture->store, block(9), slice_make(content, sizeof(content))), STATUS_OK);
        assert_int_equal(block_read(fixture->store, block(9), 0, (struct span){target, 100}), STATUS_OK);
        assert_memory_equal(target, content, 100);
        assert_int_equal(block_sync(fixture->store), STATUS_OK);
    }
    assert_int_equal(block_remove(fixture->store, block(9)), STATUS_OK);
    assert_int_equal(block_write(fixture->store, block(9), slice_make(content, sizeof(content))), STATUS_OK);
    assert_int_equal(block_remove(fixture->store, block(9)), STATUS_OK);
    assert_int_equal(block_sync(fixture->store), STATUS_OK); /* a removed block on the list is no error */
}

static void many_blocks_in_many_folders(struct fixture *fixture)
{
    uint8_t content[64];
    uint8_t target[64];
    const uint64_t first = UINT64_MAX - 5; /* wraps around to small numbers */
    for (uint64_t i = 0; i < 600; i++) {
        uint64_t id = first + i * 97;
        content_make(content, sizeof(content), id);
        assert_int_equal(block_write(fixture->store, block(id), slice_make(content, sizeof(content))), STATUS_OK);
        if (i % 250 == 0)
            assert_int_equal(block_sync(fixture->store), STATUS_OK);
    }
    assert_int_equal(block_sync(fixture->store), STATUS_OK);
    for (uint64_t i = 0; i < 600; i++) {
        uint64_t id = first + i * 97;
        content_make(content, sizeof(content), id);
        assert_int_equal(block_read(fixture->store, block(id), 0, (struct span){target, 64}), STATUS_OK);
        assert_memory_equal(target, content, 64);
    }
}

static void the_largest_block(struct fixture *fixture)
{
    uint8_t *content = malloc(BLOCK_MAX_BYTES);
    uint8_t *target = malloc(BLOCK_MAX_BYTES);
    assert_non_null(content);
    assert_non_null(target);
    content_make(content, BLOCK_MAX_BYTES, 1);
    assert_int_equal(block_write(fixture->store, block(1), slice_make(content, BLOCK_MAX_BYTES)), STATUS_OK);
    assert_int_equal(block_read(fixture->store, block(1), 0, (struct span){target, BLOCK_MAX_BYTES}), STATUS_OK);
    assert_memory_equal(target, content, BLOCK_MAX_BYTES);
    assert_int_equal(block_read(fixture->store, block(1), 1, (struct span){target, BLOCK_MAX_BYTES - 2}), STATUS_OK);
    assert_memory_equal(target, content + 1, BLOCK_MAX_BYTES - 2);
    free(content);
    free(target);
}

/* --- files only --- */

static void read_file(const char *directory, const char *name, uint8_t *bytes, size_t room, size_t *size_bytes)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    *size_bytes = fread(bytes, 1, room, file);
    fclose(file);
}

/* The example of docs/formats/block.md. */
static void the_bytes_of_a_file(void **state)
{
    (void)state;
    static const uint8_t expected[] = {
        'Q',  'N',  'F',  'S',  'B',  'L',  'K',  '1',  /* magic */
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, /* five bytes of content */
        0x64, 0xf5, 0xde, 0xd4, 0x7f, 0xb9, 0x3b, 0x1d, /* checksum of chunk 0 */
        0xe3, 0x32, 0x03, 0x1e, 0x1e, 0x94, 0x0a, 0x3f, 'h', 'e', 'l', 'l', 'o',
    };
    struct fixture fixture;
    fixture_open(&fixture, true);
    assert_int_equal(block_write(fixture.store, block(0x0123456789abcdef), slice_text("hello")), STATUS_OK);
    uint8_t bytes[100];
    size_t size_bytes;
    read_file(fixture.directory, "ab/cd/0123456789abcdef", bytes, sizeof(bytes), &size_bytes);
    assert_int_equal(size_bytes, sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(expected));
    fixture_close(&fixture);
}

/* Changes one byte of a file, or cuts it there. */
static void damage(const char *directory, const char *name, off_t offset, bool cut)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int file = open(path, O_RDWR);
    assert_true(file >= 0);
    uint8_t byte;
    assert_int_equal(pread(file, &byte, 1, offset), 1);
    byte ^= 0x10;
    assert_int_equal(cut ? ftruncate(file, offset) : pwrite(file, &byte, 1, offset), cut ? 0 : 1);
    close(file);
}

static void damage_is_noticed(void **state)
{
    (void)state;
    static uint8_t content[CONTENT_BYTES];
    static uint8_t target[CONTENT_BYTES];
    const char *name = "00/00/0000000000000007";
    const off_t chunk = 16 + BLOCK_CHUNK_BYTES;
    struct fixture fixture;
    fixture_open(&fixture, true);
    content_make(content, sizeof(content), 7);
    const struct {
        off_t offset;
        bool cut;
        size_t from, to; /* a read there must notice */
    } cases[] = {
        {16 + 20, false, 0, 1},                                    /* content of chunk 0 */
        {16, false, 0, BLOCK_CHUNK_BYTES},                         /* a checksum */
        {16 + chunk + 500, false, BLOCK_CHUNK_BYTES + 100, 40000}, /* chunk 1, read with part of chunk 2 */
        {16 + 3 * chunk + 900, true, CONTENT_BYTES - 1, CONTENT_BYTES},
        {16 + 2 * chunk, true, 2 * BLOCK_CHUNK_BYTES, CONTENT_BYTES}, /* cut at a chunk's edge */
        {16 + 3 * chunk, true, 0, CONTENT_BYTES},
        {10, true, 0, 10},
        {0, true, 0, 10},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(block_write(fixture.store, block(7), slice_make(content, sizeof(content))), STATUS_OK);
        size_t size_bytes = cases[i].to - cases[i].from;
        assert_int_equal(block_read(fixture.store, block(7), cases[i].from, (struct span){target, size_bytes}),
                         STATUS_OK);
        damage(fixture.directory, name, cases[i].offset, cases[i].cut);
        assert_int_equal(block_read(fixture.store, block(7), cases[i].from, (struct span){target, size_bytes}),
                         STATUS_BAD_DATA);
    }
    fixture_close(&fixture);
}

static void a_file_in_a_wrong_place_is_noticed(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, true);
    assert_int_equal(block_write(fixture.store, block(1), slice_text("hello")), STATUS_OK);
    char from[128];
    char to[128];
    snprintf(from, sizeof(from), "%s/00/00/0000000000000001", fixture.directory);
    snprintf(to, sizeof(to), "%s/00/00/0000000000000002", fixture.directory);
    assert_int_equal(rename(from, to), 0);
    uint8_t target[5];
    assert_int_equal(block_read(fixture.store, block(2), 0, (struct span){target, 5}), STATUS_BAD_DATA);
    fixture_close(&fixture);
}

static void blocks_outlive_the_store(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, true);
    assert_int_equal(block_write(fixture.store, block(1), slice_text("hello")), STATUS_OK);
    assert_int_equal(block_files_unsynced(fixture.store), 1);
    assert_int_equal(block_sync(fixture.store), STATUS_OK);
    assert_int_equal(block_files_unsynced(fixture.store), 0);
    block_store_destroy(fixture.store);
    assert_int_equal(block_files_open(fixture.directory, &fixture.store), STATUS_OK);
    uint8_t target[5];
    assert_int_equal(block_read(fixture.store, block(1), 0, (struct span){target, 5}), STATUS_OK);
    assert_memory_equal(target, "hello", 5);
    fixture_close(&fixture);
}

/* A mount name space of our own, in which /mnt is a file system of 2 MiB. */
static bool mount_small_disk(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", "/mnt", "tmpfs", 0, "size=2m") == 0;
}

static void a_full_disk_says_so(void **state)
{
    (void)state;
    if (!mount_small_disk()) {
        printf("skipped a_full_disk_says_so: needs root\n");
        skip();
    }
    static uint8_t content[400000];
    static uint8_t target[400000];
    struct block_store *store;
    assert_int_equal(block_files_open("/mnt/blocks", &store), STATUS_OK);
    enum status status = STATUS_OK;
    uint64_t taken = 0;
    for (; taken < 10 && status == STATUS_OK; taken++) {
        content_make(content, sizeof(content), taken);
        status = block_write(store, block(taken), slice_make(content, sizeof(content)));
    }
    assert_int_equal(status, STATUS_NO_SPACE);
    taken--;
    assert_int_equal(block_read(store, block(taken), 0, (struct span){target, 1}), STATUS_NOT_FOUND);
    assert_int_equal(block_sync(store), STATUS_OK);
    assert_int_equal(block_remove(store, block(0)), STATUS_OK);
    assert_int_equal(block_write(store, block(taken), slice_make(content, sizeof(content))), STATUS_OK);
    for (uint64_t i = 1; i <= taken; i++) {
        content_make(content, sizeof(content), i);
        assert_int_equal(block_read(store, block(i), 0, (struct span){target, sizeof(target)}), STATUS_OK);
        assert_memory_equal(target, content, sizeof(content));
    }
    block_store_destroy(store);
}

/* --- memory only --- */

static void a_crash_loses_any_subset_of_what_was_not_synced(void **state)
{
    (void)state;
    unsigned fates[4] = {0}; /* of block 2: lost, damaged, kept; of block 1, removed: back */
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct random_seeded random = {seed};
        struct block_store *store = block_memory_create();
        uint8_t target[5];
        assert_int_equal(block_write(store, block(1), slice_text("first")), STATUS_OK);
        assert_int_equal(block_write(store, block(3), slice_text("third")), STATUS_OK);
        assert_int_equal(block_sync(store), STATUS_OK);
        assert_int_equal(block_write(store, block(2), slice_text("hello")), STATUS_OK);
        assert_int_equal(block_remove(store, block(1)), STATUS_OK);
        assert_int_equal(block_memory_unsynced(store), 1);
        block_memory_crash(store, &random);
        enum status status = block_read(store, block(2), 0, (struct span){target, 5});
        fates[status == STATUS_NOT_FOUND ? 0 : status == STATUS_BAD_DATA ? 1 : 2]++;
        fates[3] += block_read(store, block(1), 0, (struct span){target, 5}) == STATUS_OK ? 1 : 0;
        assert_int_equal(block_read(store, block(3), 0, (struct span){target, 5}), STATUS_OK);
        assert_memory_equal(target, "third", 5);
        assert_int_equal(block_write(store, block(2), slice_text("hello")), STATUS_OK);
        assert_int_equal(block_sync(store), STATUS_OK);
        block_memory_crash(store, &random);
        assert_int_equal(block_read(store, block(2), 0, (struct span){target, 5}), STATUS_OK);
        block_store_destroy(store);
    }
    for (size_t i = 0; i < 4; i++)
        assert_true(fates[i] > 0);
}

static void a_failing_store_changes_nothing(void **state)
{
    (void)state;
    struct block_store *store = block_memory_create();
    uint8_t target[5];
    block_memory_fail(store, STATUS_NO_SPACE);
    assert_int_equal(block_write(store, block(1), slice_text("hello")), STATUS_NO_SPACE);
    assert_int_equal(block_sync(store), STATUS_NO_SPACE);
    block_memory_fail(store, STATUS_OK);
    assert_int_equal(block_memory_count(store), 0);
    assert_int_equal(block_read(store, block(1), 0, (struct span){target, 5}), STATUS_NOT_FOUND);
    block_store_destroy(store);
}

/* --- each case over each store --- */

typedef void fixture_case(struct fixture *fixture);

static void run(fixture_case *test, bool files)
{
    struct fixture fixture;
    fixture_open(&fixture, files);
    test(&fixture);
    fixture_close(&fixture);
}

#define CASES(X)                                                                                                       \
    X(what_is_written_is_read_in_any_part)                                                                             \
    X(what_is_not_there_is_not_found)                                                                                  \
    X(writing_again_is_allowed)                                                                                        \
    X(many_blocks_in_many_folders)                                                                                     \
    X(the_largest_block)

#define CASE_FUNCTIONS(name)                                                                                           \
    static void memory_##name(void **state)                                                                            \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        run(name, false);                                                                                              \
    }                                                                                                                  \
    static void files_##name(void **state)                                                                             \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        run(name, true);                                                                                               \
    }
CASES(CASE_FUNCTIONS)

int main(void)
{
#define CASE_ROWS(name) cmocka_unit_test(memory_##name), cmocka_unit_test(files_##name),
    const struct CMUnitTest tests[] = {
        CASES(CASE_ROWS) cmocka_unit_test(the_bytes_of_a_file),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(a_file_in_a_wrong_place_is_noticed),
        cmocka_unit_test(blocks_outlive_the_store),
        cmocka_unit_test(a_full_disk_says_so),
        cmocka_unit_test(a_crash_loses_any_subset_of_what_was_not_synced),
        cmocka_unit_test(a_failing_store_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
