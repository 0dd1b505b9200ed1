/* Planted damage in rows of clients, sessions, opens and locks: machine_check must find each kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "proto/nfs4/lock.h"
#include "proto/nfs4/open.h"
#include "statestore/store/schema.h"
#include "tests/support/scene.h"

/* A client with a session, two opens and two lock owners; another client that shares a file. */
static void build(struct scene *scene)
{
    struct scene_client a = scene_client(scene, "a", 1);
    struct scene_client b = scene_client(scene, "b", 1);
    struct stateid open = scene_open_ok(scene, &a, "o", "f", OPEN4_SHARE_ACCESS_BOTH, 0);
    scene_open_ok(scene, &a, "o", "g", OPEN4_SHARE_ACCESS_READ, OPEN4_SHARE_DENY_WRITE);
    struct stateid other = scene_open_ok(scene, &b, "o", "f", OPEN4_SHARE_ACCESS_BOTH, 0);
    struct file_id file = scene_lookup(scene, "f");
    assert_int_equal(scene_lock_new(scene, &a, file, open, "l", READ_LT, 0, 10)->status, NFS4_OK);
    assert_int_equal(scene_lock_new(scene, &b, file, other, "l", READ_LT, 5, 10)->status, NFS4_OK);
    scene_exchange_id(scene, "c", 1, 0); /* unconfirmed */
    scene_check(scene);
}

/* The first row with this prefix and key length. */
static struct slice row_key_of(struct scene *scene, uint8_t prefix, size_t key_bytes, struct slice *value)
{
    struct kv_cursor cursor;
    struct slice key = SLICE_EMPTY;
    kv_cursor_open(scene_read(scene), slice_make(&prefix, 1), SLICE_EMPTY, &scene->arena, &cursor);
    for (; cursor.valid && key.size_bytes == 0; kv_cursor_next(&cursor)) {
        if (cursor.key.size_bytes != key_bytes)
            continue;
        key = arena_copy(&scene->arena, cursor.key);
        *value = arena_copy(&scene->arena, cursor.value);
    }
    kv_cursor_close(&cursor);
    assert_true(key.size_bytes == key_bytes);
    return key;
}

static void write_row(struct scene *scene, struct slice key, const struct slice *value)
{
    struct transaction transaction;
    transaction_init(&transaction, scene_read(scene), &scene->arena);
    if (value == NULL)
        transaction_delete(&transaction, key);
    else
        transaction_put(&transaction, key, *value);
    assert_int_equal(kv_store_write(scene->store, &transaction), STATUS_OK);
}

/* The finds must have a line with this text. */
static void expect_find(struct scene *scene, const char *text)
{
    char finds[8192];
    struct arena arena;
    arena_init(&arena);
    size_t count = machine_check(scene_read(scene), &arena, finds, sizeof(finds));
    arena_fini(&arena);
    if (count == 0 || strstr(finds, text) == NULL)
        fail_msg("%zu finds, none says \"%s\":\n%s", count, text, finds);
}

/* A row that is missing. */
static void test_missing(void **state)
{
    struct scene *scene = *state;
    static const struct {
        uint8_t prefix;
        size_t key_bytes;
        const char *find;
    } cases[] = {
        {SCHEMA_CLIENT_BY_OWNER, 13, "is not its owner's"},
        {SCHEMA_SESSION_BY_CLIENT, 25, "sessions, but clients list"},
        {SCHEMA_SESSION, 17, "lists a session that is not its own"},
        {SCHEMA_CLIENT_LEASE, 18, "has no lease row"},
        {SCHEMA_STATEID_BY_CLIENT, 21, "is not found by client"},
        {SCHEMA_CLIENT, 10, "of them in pairs"},
        {SCHEMA_STATEID, 13, "leads to no stateid"},
        {SCHEMA_OPEN_BY_OWNER, 22, "is not found by client, owner"},
        {SCHEMA_LOCK_OWNER, 22, "is not found by client, owner"},
        {SCHEMA_STATEID, 25, "is not found by client, owner and open"},
        {SCHEMA_OPEN_BY_FILE, 13, "is not in its file's sum"},
        {SCHEMA_OPEN_BY_FILE, 25, "the sum of its opens is wrong"},
        {SCHEMA_LOCK, 33, "locked ranges, has"},
    };
    build(scene);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice value;
        struct slice key = row_key_of(scene, cases[i].prefix, cases[i].key_bytes, &value);
        write_row(scene, key, NULL);
        expect_find(scene, cases[i].find);
        write_row(scene, key, &value);
        scene_check(scene);
    }
}

/* A row that is too many, made from another one by its key. */
static void test_too_many(void **state)
{
    struct scene *scene = *state;
    static const struct {
        uint8_t prefix;
        size_t key_bytes;
        size_t changed; /* byte of the key */
        const char *find;
    } cases[] = {
        {SCHEMA_SLOT, 21, 5, "is of no session"},
        {SCHEMA_SLOT, 21, 20, "is beyond its session's"},
        {SCHEMA_SESSION, 17, 8, "sessions, but clients list"},
        {SCHEMA_STATEID, 25, 24, "leads to no stateid"},
        {SCHEMA_LOCK, 33, 32, "a locked range is of nobody"},
        {SCHEMA_INCARNATION, 9, 1, "open incarnations, of them"},
        {SCHEMA_CLIENT_LEASE, 18, 17, "lease rows for"},
    };
    build(scene);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice value;
        struct slice key = row_key_of(scene, cases[i].prefix, cases[i].key_bytes, &value);
        ((uint8_t *)(uintptr_t)key.data)[cases[i].changed] |= 0x40;
        write_row(scene, key, &value);
        expect_find(scene, cases[i].find);
        write_row(scene, key, NULL);
        scene_check(scene);
    }
}

/* A value that contradicts another row. */
static void test_contradictions(void **state)
{
    struct scene *scene = *state;
    static const struct {
        uint8_t prefix;
        size_t key_bytes;
        size_t changed; /* byte of the value */
        uint8_t to;
        const char *find;
    } cases[] = {
        {SCHEMA_SESSION, 17, 8, 99, "is of no client"},
        {SCHEMA_LOCK, 33, 9, 1, "contradict"},                        /* a read lock becomes a write lock */
        {SCHEMA_STATEID, 13, 42, 1, "the sum of its opens is wrong"}, /* an open that denies */
        {SCHEMA_STATEID, 13, 42, 7, "has access"},
        {SCHEMA_STATEID, 13, 13, 99, "is of no client"},
        {SCHEMA_STATEID, 13, 25, 99, "is of no file"},
        {SCHEMA_OPEN_BY_FILE, 13, 40, 1, "the sum of its opens is wrong"},
        {SCHEMA_OPEN_BY_FILE, 13, 48, 7, "locked ranges, has"},
        {SCHEMA_OPEN_BY_FILE, 13, 56, 3, "longer than the span"},
    };
    build(scene);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice value;
        struct slice key = row_key_of(scene, cases[i].prefix, cases[i].key_bytes, &value);
        struct slice damaged = arena_copy(&scene->arena, value);
        assert_true(cases[i].changed < value.size_bytes);
        ((uint8_t *)(uintptr_t)damaged.data)[cases[i].changed] = cases[i].to;
        write_row(scene, key, &damaged);
        expect_find(scene, cases[i].find);
        write_row(scene, key, &value);
        scene_check(scene);
    }
}

/* Counters that do not add up. */
static void test_counters(void **state)
{
    struct scene *scene = *state;
    build(scene);
    struct slice value;
    struct slice key = row_key_of(scene, SCHEMA_CLIENT, 10, &value);
    ((uint8_t *)(uintptr_t)key.data)[9] = 1; /* the usage */
    assert_true(kv_get(scene_read(scene), key, &scene->arena, &value));
    struct slice damaged = arena_copy(&scene->arena, value);
    ((uint8_t *)(uintptr_t)damaged.data)[17] ^= 1;
    write_row(scene, key, &damaged);
    expect_find(scene, "counts");
    write_row(scene, key, &value);
    uint8_t applied[] = {SCHEMA_META, 'a', 'p', 'p', 'l', 'i', 'e', 'd'};
    assert_true(kv_get(scene_read(scene), slice_make(applied, sizeof(applied)), &scene->arena, &value));
    damaged = arena_copy(&scene->arena, value);
    ((uint8_t *)(uintptr_t)damaged.data)[64] ^= 1;
    write_row(scene, slice_make(applied, sizeof(applied)), &damaged);
    expect_find(scene, "the counters say");
    write_row(scene, slice_make(applied, sizeof(applied)), &value);
}

/* Opens that contradict each other, with a sum that fits them. */
static void test_share_contradiction(void **state)
{
    struct scene *scene = *state;
    build(scene);
    struct file_id file = scene_lookup(scene, "f");
    struct open_walk walk;
    struct state open;
    open_walk_open(scene_read(scene), file, &scene->arena, &walk);
    assert_true(open_walk_get(&walk, &open));
    open_walk_close(&walk);
    struct slice sum;
    struct slice value;
    uint8_t key[13] = {SCHEMA_STATEID};
    struct slice sum_key = row_key_of(scene, SCHEMA_OPEN_BY_FILE, 13, &sum);
    memcpy(key + 1, open.id.other, 12);
    assert_true(kv_get(scene_read(scene), slice_make(key, sizeof(key)), &scene->arena, &value));
    struct slice damaged_sum = arena_copy(&scene->arena, sum);
    struct slice damaged = arena_copy(&scene->arena, value);
    ((uint8_t *)(uintptr_t)damaged.data)[42] = OPEN4_SHARE_DENY_READ;
    ((uint8_t *)(uintptr_t)damaged_sum.data)[32] += 1;
    write_row(scene, slice_make(key, sizeof(key)), &damaged);
    write_row(scene, sum_key, &damaged_sum);
    expect_find(scene, "denies what another does");
    write_row(scene, slice_make(key, sizeof(key)), &value);
    write_row(scene, sum_key, &sum);
}

/* A node that was removed has no open process, and is said to be removed (docs/formats/keys.md, node). */
static void test_removed_node(void **state)
{
    struct scene *scene = *state;
    struct slice value;
    scene_check(scene);
    struct slice key = row_key_of(scene, SCHEMA_NODE, 9, &value);
    uint8_t bytes[256];
    assert_true(value.size_bytes <= sizeof(bytes));
    memcpy(bytes, value.data, value.size_bytes);
    struct slice changed = slice_make(bytes, value.size_bytes);
    bytes[58] = 1; /* gone */
    write_row(scene, key, &changed);
    expect_find(scene, "node 1 is gone, and not forgotten");
    bytes[57] = 1; /* removed */
    write_row(scene, key, &changed);
    expect_find(scene, "node 1 was removed, and its incarnation");
    write_row(scene, key, &value);
    scene_check(scene);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_missing),
        TEST(test_too_many),
        TEST(test_contradictions),
        TEST(test_counters),
        TEST(test_share_contradiction),
        TEST(test_removed_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
