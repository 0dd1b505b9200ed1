/* The contract of kv.h: the same cases over both stores, and over a transaction on top of either. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/random.h"
#include "statestore/store/kv_memory.h"
#include "statestore/store/kv_rocksdb.h"

struct fixture {
    bool rocksdb;
    char directory[64];
    struct kv_store *store;
    struct arena arena;
};

static void remove_directory(const char *directory)
{
    char command[256];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    assert_int_equal(system(command), 0);
}

static void fixture_open(struct fixture *fixture, bool rocksdb)
{
    *fixture = (struct fixture){.rocksdb = rocksdb, .directory = "/tmp/qnfs-kv-test-XXXXXX"};
    arena_init(&fixture->arena);
    assert_non_null(mkdtemp(fixture->directory));
    if (rocksdb) {
        /* A small buffer, so that long cases reach tables and compaction. */
        struct kv_rocksdb_options options = {.cache_bytes = 1 << 20, .write_buffer_bytes = 128 << 10};
        assert_int_equal(kv_rocksdb_open(fixture->directory, &options, &fixture->store), STATUS_OK);
    } else {
        fixture->store = kv_memory_create();
    }
}

static void fixture_close(struct fixture *fixture)
{
    kv_store_destroy(fixture->store);
    arena_fini(&fixture->arena);
    remove_directory(fixture->directory);
}

static void row_put(struct fixture *fixture, struct slice key, struct slice value)
{
    struct transaction transaction;
    transaction_init(&transaction, kv_store_present(fixture->store), &fixture->arena);
    transaction_put(&transaction, key, value);
    assert_int_equal(kv_store_write(fixture->store, &transaction), STATUS_OK);
}

static void row_delete(struct fixture *fixture, struct slice key)
{
    struct transaction transaction;
    transaction_init(&transaction, kv_store_present(fixture->store), &fixture->arena);
    transaction_delete(&transaction, key);
    assert_int_equal(kv_store_write(fixture->store, &transaction), STATUS_OK);
}

static void expect_row(struct kv_read *read, struct arena *arena, const char *key, const char *value)
{
    struct slice found;
    bool exists = kv_get(read, slice_text(key), arena, &found);
    assert_int_equal(exists, value != NULL);
    if (exists)
        assert_true(slice_equal(found, slice_text(value)));
}

/* The keys (texts) of a walk, joined by spaces. */
static void expect_walk(struct kv_read *read, struct arena *arena, struct slice prefix, struct slice start,
                        const char *expected)
{
    char text[256] = "";
    struct kv_cursor cursor;
    for (kv_cursor_open(read, prefix, start, arena, &cursor); cursor.valid; kv_cursor_next(&cursor)) {
        if (text[0] != '\0')
            strcat(text, " ");
        strncat(text, (const char *)cursor.key.data, cursor.key.size_bytes);
    }
    kv_cursor_close(&cursor);
    assert_string_equal(text, expected);
    assert_false(read->failed);
}

/* --- the cases --- */

static void rows_come_and_go(struct fixture *fixture)
{
    struct kv_read *present = kv_store_present(fixture->store);
    expect_row(present, &fixture->arena, "a", NULL);
    row_put(fixture, slice_text("a"), slice_text("1"));
    row_put(fixture, slice_text("ab"), SLICE_EMPTY);
    expect_row(present, &fixture->arena, "a", "1");
    expect_row(present, &fixture->arena, "ab", "");
    expect_row(present, &fixture->arena, "abc", NULL);
    row_put(fixture, slice_text("a"), slice_text("two"));
    expect_row(present, &fixture->arena, "a", "two");
    row_delete(fixture, slice_text("a"));
    row_delete(fixture, slice_text("never there"));
    expect_row(present, &fixture->arena, "a", NULL);
    expect_row(present, &fixture->arena, "ab", "");
}

static void a_value_may_be_large_and_hold_any_byte(struct fixture *fixture)
{
    uint8_t *bytes = arena_alloc(&fixture->arena, 300000);
    for (size_t i = 0; i < 300000; i++)
        bytes[i] = (uint8_t)(i * 7);
    struct slice key = slice_make("\x00\xff\x00", 3);
    row_put(fixture, key, slice_make(bytes, 300000));
    assert_int_equal(kv_store_flush(fixture->store), STATUS_OK);
    struct slice value;
    assert_true(kv_get(kv_store_present(fixture->store), key, &fixture->arena, &value));
    assert_true(slice_equal(value, slice_make(bytes, 300000)));
}

static void a_cursor_stays_in_its_prefix(struct fixture *fixture)
{
    const char *keys[] = {"a", "b", "ba", "bb", "bb1", "c"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        row_put(fixture, slice_text(keys[i]), slice_text("v"));
    struct kv_read *read = kv_store_present(fixture->store);
    struct arena *arena = &fixture->arena;
    expect_walk(read, arena, slice_text("b"), SLICE_EMPTY, "b ba bb bb1");
    expect_walk(read, arena, slice_text("bb"), SLICE_EMPTY, "bb bb1");
    expect_walk(read, arena, slice_text("b"), slice_text("a"), "b ba bb bb1"); /* start before the prefix */
    expect_walk(read, arena, slice_text("b"), slice_text("ba"), "ba bb bb1");  /* start is a row */
    expect_walk(read, arena, slice_text("b"), slice_text("ba0"), "bb bb1");    /* start is none */
    expect_walk(read, arena, slice_text("b"), slice_text("bz"), "");           /* behind the last */
    expect_walk(read, arena, slice_text("b"), slice_text("c"), "");            /* behind the prefix */
    expect_walk(read, arena, slice_text("c"), SLICE_EMPTY, "c");               /* the last prefix of all */
    expect_walk(read, arena, slice_text("d"), SLICE_EMPTY, "");                /* no such prefix */
    expect_walk(read, arena, SLICE_EMPTY, SLICE_EMPTY, "a b ba bb bb1 c");     /* everything */
    expect_walk(read, arena, SLICE_EMPTY, slice_text("bb1"), "bb1 c");
}

static void a_prefix_of_0xff_ends_with_the_map(struct fixture *fixture)
{
    const struct slice keys[] = {slice_make("\xfe\xff", 2), slice_make("\xff", 1), slice_make("\xff\xff", 2),
                                 slice_make("\xff\xff\x01", 3)};
    for (size_t i = 0; i < 4; i++)
        row_put(fixture, keys[i], SLICE_EMPTY);
    for (size_t first = 0; first < 4; first++) {
        struct kv_cursor cursor;
        size_t last = first == 0 ? 1 : 4;
        kv_cursor_open(kv_store_present(fixture->store), keys[first], SLICE_EMPTY, &fixture->arena, &cursor);
        for (size_t i = first; i < last; i++) {
            assert_true(cursor.valid);
            assert_true(slice_equal(cursor.key, keys[i]));
            assert_int_equal(cursor.value.size_bytes, 0);
            kv_cursor_next(&cursor);
        }
        assert_false(cursor.valid);
        kv_cursor_close(&cursor);
    }
}

static void a_snapshot_stands_still(struct fixture *fixture)
{
    struct arena *arena = &fixture->arena;
    struct kv_read *empty = kv_store_snapshot(fixture->store);
    row_put(fixture, slice_text("k1"), slice_text("old"));
    row_put(fixture, slice_text("k2"), slice_text("old"));
    struct kv_read *before = kv_store_snapshot(fixture->store);
    row_put(fixture, slice_text("k1"), slice_text("new"));
    row_delete(fixture, slice_text("k2"));
    row_put(fixture, slice_text("k3"), slice_text("new"));
    assert_int_equal(kv_store_flush(fixture->store), STATUS_OK);
    struct kv_read *after = kv_store_snapshot(fixture->store);
    row_put(fixture, slice_text("k1"), slice_text("newest"));

    expect_walk(empty, arena, SLICE_EMPTY, SLICE_EMPTY, "");
    expect_row(before, arena, "k1", "old");
    expect_row(before, arena, "k2", "old");
    expect_row(before, arena, "k3", NULL);
    expect_walk(before, arena, slice_text("k"), SLICE_EMPTY, "k1 k2");
    kv_store_release(fixture->store, empty);
    expect_row(after, arena, "k1", "new");
    expect_walk(after, arena, slice_text("k"), SLICE_EMPTY, "k1 k3");
    kv_store_release(fixture->store, after);
    expect_row(before, arena, "k1", "old");
    kv_store_release(fixture->store, before);
    expect_row(kv_store_present(fixture->store), arena, "k1", "newest");
}

static void an_open_cursor_does_not_see_later_writes(struct fixture *fixture)
{
    row_put(fixture, slice_text("a"), slice_text("1"));
    row_put(fixture, slice_text("c"), slice_text("1"));
    struct kv_cursor cursor;
    kv_cursor_open(kv_store_present(fixture->store), SLICE_EMPTY, SLICE_EMPTY, &fixture->arena, &cursor);
    row_put(fixture, slice_text("b"), slice_text("2"));
    row_put(fixture, slice_text("c"), slice_text("2"));
    assert_int_equal(kv_store_flush(fixture->store), STATUS_OK);
    assert_true(slice_equal(cursor.key, slice_text("a")));
    kv_cursor_next(&cursor);
    assert_true(cursor.valid);
    assert_true(slice_equal(cursor.key, slice_text("c")));
    assert_true(slice_equal(cursor.value, slice_text("1")));
    kv_cursor_next(&cursor);
    assert_false(cursor.valid);
    kv_cursor_close(&cursor);
}

static void a_transaction_shows_its_writes_at_once(struct fixture *fixture)
{
    struct arena *arena = &fixture->arena;
    row_put(fixture, slice_text("b1"), slice_text("below"));
    row_put(fixture, slice_text("b3"), slice_text("below"));
    row_put(fixture, slice_text("b5"), slice_text("below"));
    struct transaction transaction;
    transaction_init(&transaction, kv_store_present(fixture->store), arena);
    transaction_put(&transaction, slice_text("b3"), slice_text("pending"));
    transaction_put(&transaction, slice_text("b4"), slice_text("pending"));
    transaction_delete(&transaction, slice_text("b5"));
    transaction_put(&transaction, slice_text("b0"), SLICE_EMPTY);
    transaction_delete(&transaction, slice_text("b9"));
    struct kv_read *read = &transaction.read;
    expect_row(read, arena, "b1", "below");
    expect_row(read, arena, "b3", "pending");
    expect_row(read, arena, "b5", NULL);
    expect_row(read, arena, "b0", "");
    expect_walk(read, arena, slice_text("b"), SLICE_EMPTY, "b0 b1 b3 b4");
    expect_walk(read, arena, slice_text("b"), slice_text("b2"), "b3 b4");
    expect_walk(read, arena, slice_text("b5"), SLICE_EMPTY, "");
    assert_int_equal(transaction.count, 5);
    assert_int_equal(transaction.size_bytes, 5 * 2 + 2 * 7);
    expect_row(kv_store_present(fixture->store), arena, "b4", NULL);

    assert_int_equal(kv_store_write(fixture->store, &transaction), STATUS_OK);
    expect_walk(kv_store_present(fixture->store), arena, slice_text("b"), SLICE_EMPTY, "b0 b1 b3 b4");
}

static void a_transaction_can_be_taken_back(struct fixture *fixture)
{
    struct arena *arena = &fixture->arena;
    row_put(fixture, slice_text("a"), slice_text("below"));
    struct transaction transaction;
    transaction_init(&transaction, kv_store_present(fixture->store), arena);
    transaction_put(&transaction, slice_text("a"), slice_text("x"));
    transaction_put(&transaction, slice_text("b"), slice_text("y"));
    transaction_clear(&transaction);
    assert_int_equal(transaction.count, 0);
    assert_int_equal(transaction.size_bytes, 0);
    expect_row(&transaction.read, arena, "a", "below");
    expect_row(&transaction.read, arena, "b", NULL);
    transaction_put(&transaction, slice_text("c"), slice_text("z"));
    assert_int_equal(kv_store_write(fixture->store, &transaction), STATUS_OK);
    expect_walk(kv_store_present(fixture->store), arena, SLICE_EMPTY, SLICE_EMPTY, "a c");
}

static void changes_are_in_key_order(struct fixture *fixture)
{
    struct transaction transaction;
    transaction_init(&transaction, kv_store_present(fixture->store), &fixture->arena);
    transaction_put(&transaction, slice_text("m"), slice_text("1"));
    transaction_delete(&transaction, slice_text("z"));
    transaction_put(&transaction, slice_text("a"), slice_text("2"));
    transaction_put(&transaction, slice_text("m"), slice_text("3"));
    transaction_delete(&transaction, slice_text("a"));
    transaction_put(&transaction, slice_text("a"), slice_text("4"));
    const struct transaction_change *changes = transaction_changes(&transaction);
    assert_int_equal(transaction.count, 3);
    assert_true(slice_equal(changes[0].key, slice_text("a")) && slice_equal(changes[0].value, slice_text("4")));
    assert_true(slice_equal(changes[1].key, slice_text("m")) && slice_equal(changes[1].value, slice_text("3")));
    assert_true(slice_equal(changes[2].key, slice_text("z")) && changes[2].deleted);
    assert_false(changes[0].deleted || changes[1].deleted);
    transaction_clear(&transaction);
    assert_int_equal(kv_store_write(fixture->store, &transaction), STATUS_OK); /* nothing: allowed */
}

/* --- random operations against an array of all possible keys --- */

#define MODEL_KEYS 340
#define MODEL_VALUE_MAX 40

struct model_row {
    bool exists;
    size_t size_bytes;
    uint8_t value[MODEL_VALUE_MAX];
};

/* Key number i: all strings of length 1 to 4 over the bytes 00 41 fe ff, in the order of the map. */
struct model_keys {
    struct slice keys[MODEL_KEYS];
    uint8_t bytes[MODEL_KEYS][4];
};

static void model_keys_make(struct model_keys *all)
{
    const uint8_t alphabet[4] = {0x00, 0x41, 0xfe, 0xff};
    size_t count = 0;
    unsigned digits[4];
    for (unsigned code = 0; code < 5 * 5 * 5 * 5; code++) { /* digit 0: the string ends here */
        digits[0] = code / 125;
        digits[1] = code / 25 % 5;
        digits[2] = code / 5 % 5;
        digits[3] = code % 5;
        size_t length = 0;
        while (length < 4 && digits[length] != 0)
            length++;
        bool canonical = length > 0;
        for (size_t i = length; i < 4; i++)
            canonical = canonical && digits[i] == 0;
        if (!canonical)
            continue;
        for (size_t i = 0; i < length; i++)
            all->bytes[count][i] = alphabet[digits[i] - 1];
        all->keys[count] = slice_make(all->bytes[count], length);
        count++;
    }
    assert_int_equal(count, MODEL_KEYS);
}

static void model_set(struct model_row *row, struct slice value)
{
    row->exists = true;
    row->size_bytes = value.size_bytes;
    if (value.size_bytes > 0)
        memcpy(row->value, value.data, value.size_bytes);
}

static void expect_model(struct kv_read *read, const struct model_row *model, const struct model_keys *all,
                         struct random_seeded *random, struct arena *arena, uint64_t seed, unsigned step)
{
    size_t at = random_seeded_next(random) % MODEL_KEYS;
    struct slice value;
    bool exists = kv_get(read, all->keys[at], arena, &value);
    if (exists != model[at].exists ||
        (exists && !slice_equal(value, slice_make(model[at].value, model[at].size_bytes))))
        fail_msg("seed %llu step %u: get of key %zu", (unsigned long long)seed, step, at);

    struct slice prefix = all->keys[random_seeded_next(random) % MODEL_KEYS];
    prefix.size_bytes = random_seeded_next(random) % (prefix.size_bytes + 1);
    struct slice start = random_seeded_next(random) % 3 == 0 ? SLICE_EMPTY : all->keys[at];
    size_t limit = random_seeded_next(random) % 30;
    struct kv_cursor cursor;
    kv_cursor_open(read, prefix, start, arena, &cursor);
    for (size_t i = 0; i < MODEL_KEYS && limit > 0; i++) {
        if (!model[i].exists || !slice_starts_with(all->keys[i], prefix) || slice_compare(all->keys[i], start) < 0)
            continue;
        if (!cursor.valid || !slice_equal(cursor.key, all->keys[i]) ||
            !slice_equal(cursor.value, slice_make(model[i].value, model[i].size_bytes)))
            fail_msg("seed %llu step %u: walk at key %zu", (unsigned long long)seed, step, i);
        kv_cursor_next(&cursor);
        limit--;
    }
    if (limit > 0 && cursor.valid)
        fail_msg("seed %llu step %u: walk goes on", (unsigned long long)seed, step);
    kv_cursor_close(&cursor);
    assert_false(read->failed);
}

#define MODEL_SNAPSHOTS 4
#define MODEL_STEPS 3000 /* transactions, of up to 12 writes each: over 20,000 operations with the reads */

struct differential {
    struct model_keys all;
    struct model_row model[MODEL_KEYS];   /* what the store should hold */
    struct model_row pending[MODEL_KEYS]; /* what the open transaction should show */
    struct model_row inner[MODEL_KEYS];   /* and the one over it */
    struct model_row frozen[MODEL_SNAPSHOTS][MODEL_KEYS];
    struct kv_read *snapshots[MODEL_SNAPSHOTS];
};

static void differential_writes(struct differential *test, struct transaction *transaction, struct model_row *rows,
                                struct random_seeded *random, uint64_t seed, unsigned step)
{
    uint64_t writes = random_seeded_next(random) % 13;
    for (uint64_t i = 0; i < writes; i++) {
        size_t at = random_seeded_next(random) % MODEL_KEYS;
        if (random_seeded_next(random) % 3 == 0) {
            transaction_delete(transaction, test->all.keys[at]);
            rows[at].exists = false;
        } else {
            uint8_t value[MODEL_VALUE_MAX];
            size_t size_bytes = random_seeded_next(random) % (MODEL_VALUE_MAX + 1);
            memset(value, (int)(random_seeded_next(random) & 0xff), sizeof(value));
            transaction_put(transaction, test->all.keys[at], slice_make(value, size_bytes));
            model_set(&rows[at], slice_make(value, size_bytes));
        }
        expect_model(&transaction->read, rows, &test->all, random, transaction->arena, seed, step);
    }
}

/* A transaction over a transaction, which takes its changes over or never hears of them. */
static void differential_inner(struct differential *test, struct transaction *outer, struct random_seeded *random,
                               uint64_t seed, unsigned step)
{
    struct arena arena; /* what the outer one takes over it copies */
    struct transaction inner;
    arena_init(&arena);
    transaction_init(&inner, &outer->read, &arena);
    memcpy(test->inner, test->pending, sizeof(test->pending));
    differential_writes(test, &inner, test->inner, random, seed, step);
    if (random_seeded_next(random) % 4 != 0) {
        transaction_merge(outer, &inner);
        memcpy(test->pending, test->inner, sizeof(test->inner));
    }
    arena_fini(&arena);
    expect_model(&outer->read, test->pending, &test->all, random, outer->arena, seed, step);
}

static void differential_transaction(struct differential *test, struct fixture *fixture, struct random_seeded *random,
                                     uint64_t seed, unsigned step)
{
    struct transaction transaction;
    transaction_init(&transaction, kv_store_present(fixture->store), &fixture->arena);
    memcpy(test->pending, test->model, sizeof(test->model));
    differential_writes(test, &transaction, test->pending, random, seed, step);
    for (uint64_t inner = random_seeded_next(random) % 3; inner > 0; inner--)
        differential_inner(test, &transaction, random, seed, step);
    if (random_seeded_next(random) % 8 == 0) {
        transaction_clear(&transaction);
        return;
    }
    assert_int_equal(kv_store_write(fixture->store, &transaction), STATUS_OK);
    memcpy(test->model, test->pending, sizeof(test->model));
}

static void same_as_a_simple_model(struct fixture *fixture)
{
    struct differential *test = calloc(1, sizeof(*test));
    assert_non_null(test);
    model_keys_make(&test->all);
    uint64_t seed = 7;
    struct random_seeded random = {seed};
    for (unsigned step = 0; step < MODEL_STEPS; step++) {
        differential_transaction(test, fixture, &random, seed, step);
        size_t which = random_seeded_next(&random) % MODEL_SNAPSHOTS;
        if (test->snapshots[which] != NULL && random_seeded_next(&random) % 16 == 0) {
            kv_store_release(fixture->store, test->snapshots[which]);
            test->snapshots[which] = NULL;
        } else if (test->snapshots[which] == NULL) {
            test->snapshots[which] = kv_store_snapshot(fixture->store);
            memcpy(test->frozen[which], test->model, sizeof(test->model));
        }
        if (random_seeded_next(&random) % 200 == 0)
            assert_int_equal(kv_store_flush(fixture->store), STATUS_OK);
        expect_model(kv_store_present(fixture->store), test->model, &test->all, &random, &fixture->arena, seed, step);
        if (test->snapshots[which] != NULL)
            expect_model(test->snapshots[which], test->frozen[which], &test->all, &random, &fixture->arena, seed, step);
        arena_reset(&fixture->arena);
    }
    for (size_t i = 0; i < MODEL_SNAPSHOTS; i++)
        if (test->snapshots[i] != NULL)
            kv_store_release(fixture->store, test->snapshots[i]);
    free(test);
}

/* --- each case over each store --- */

typedef void fixture_case(struct fixture *fixture);

static void run(fixture_case *test, bool rocksdb)
{
    struct fixture fixture;
    fixture_open(&fixture, rocksdb);
    test(&fixture);
    fixture_close(&fixture);
}

#define CASES(X)                                                                                                       \
    X(rows_come_and_go)                                                                                                \
    X(a_value_may_be_large_and_hold_any_byte)                                                                          \
    X(a_cursor_stays_in_its_prefix)                                                                                    \
    X(a_prefix_of_0xff_ends_with_the_map)                                                                              \
    X(a_snapshot_stands_still)                                                                                         \
    X(an_open_cursor_does_not_see_later_writes)                                                                        \
    X(a_transaction_shows_its_writes_at_once)                                                                          \
    X(a_transaction_can_be_taken_back)                                                                                 \
    X(changes_are_in_key_order)                                                                                        \
    X(same_as_a_simple_model)

#define CASE_FUNCTIONS(name)                                                                                           \
    static void memory_##name(void **state)                                                                            \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        run(name, false);                                                                                              \
    }                                                                                                                  \
    static void rocksdb_##name(void **state)                                                                           \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        run(name, true);                                                                                               \
    }
CASES(CASE_FUNCTIONS)

int main(void)
{
#define CASE_ROWS(name) cmocka_unit_test(memory_##name), cmocka_unit_test(rocksdb_##name),
    const struct CMUnitTest tests[] = {CASES(CASE_ROWS)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
