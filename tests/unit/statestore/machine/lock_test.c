/* LOCK, LOCKT, LOCKU: single cases, and random locks against a model that knows every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/limits.h"
#include "base/random.h"
#include "proto/nfs4/lock.h"
#include "proto/nfs4/open.h"
#include "statestore/machine/lock.h"
#include "tests/support/scene.h"

#define R OPEN4_SHARE_ACCESS_READ
#define W OPEN4_SHARE_ACCESS_WRITE
#define RW OPEN4_SHARE_ACCESS_BOTH

/* The ranges of a file as text: "r0-9 w20-29 ". */
static const char *ranges_text(struct scene *scene, struct file_id file)
{
    char *text = arena_alloc_zeroed(&scene->arena, 4096);
    size_t used = 0;
    struct lock_walk walk;
    struct lock_range range;
    lock_walk_open(scene_read(scene), file, &scene->arena, &walk);
    for (; lock_walk_get(&walk, &range); lock_walk_next(&walk))
        used += (size_t)snprintf(text + used, 4096 - used, "%c%llu-%lld ", range.is_write ? 'w' : 'r',
                                 (unsigned long long)range.first, (long long)range.last);
    lock_walk_close(&walk);
    return text;
}

struct fixture {
    struct scene *scene;
    struct scene_client client;
    struct file_id file;
    struct stateid open;
    struct stateid lock; /* of owner "l", once it has locked */
};

static struct fixture fixture_make(void **state)
{
    struct fixture fixture = {.scene = *state};
    fixture.client = scene_client(fixture.scene, "a", 1);
    fixture.open = scene_open_ok(fixture.scene, &fixture.client, "o", "f", RW, 0);
    fixture.file = scene_lookup(fixture.scene, "f");
    return fixture;
}

static void lock_ok(struct fixture *fixture, uint32_t type, uint64_t offset, uint64_t length)
{
    Qnfs__Result *result =
        fixture->lock.seqid == 0
            ? scene_lock_new(fixture->scene, &fixture->client, fixture->file, fixture->open, "l", type, offset, length)
            : scene_lock(fixture->scene, &fixture->client, fixture->file, fixture->lock, type, offset, length);
    assert_int_equal(result->status, NFS4_OK);
    struct stateid next = scene_result_stateid(result);
    assert_int_equal(next.seqid, fixture->lock.seqid + 1);
    fixture->lock = next;
}

static void unlock_ok(struct fixture *fixture, uint64_t offset, uint64_t length)
{
    Qnfs__Result *result = scene_unlock(fixture->scene, &fixture->client, fixture->file, fixture->lock, offset, length);
    assert_int_equal(result->status, NFS4_OK);
    struct stateid next = scene_result_stateid(result);
    assert_int_equal(next.seqid, fixture->lock.seqid + 1);
    fixture->lock = next;
}

static void test_ranges(void **state)
{
    struct fixture f = fixture_make(state);
    lock_ok(&f, WRITE_LT, 10, 10);
    assert_string_equal(ranges_text(f.scene, f.file), "w10-19 ");
    lock_ok(&f, WRITE_LT, 20, 10); /* neighbours melt */
    assert_string_equal(ranges_text(f.scene, f.file), "w10-29 ");
    lock_ok(&f, READ_LT, 15, 10); /* a downgrade of the middle */
    assert_string_equal(ranges_text(f.scene, f.file), "w10-14 r15-24 w25-29 ");
    lock_ok(&f, WRITE_LT, 15, 10); /* and the upgrade melts it again */
    assert_string_equal(ranges_text(f.scene, f.file), "w10-29 ");
    unlock_ok(&f, 15, 1);
    assert_string_equal(ranges_text(f.scene, f.file), "w10-14 w16-29 ");
    unlock_ok(&f, 0, 12);
    unlock_ok(&f, 28, UINT64_MAX);
    assert_string_equal(ranges_text(f.scene, f.file), "w12-14 w16-27 ");
    unlock_ok(&f, 100, 100); /* nothing there: fine */
    lock_ok(&f, READ_LT, 0, UINT64_MAX);
    assert_string_equal(ranges_text(f.scene, f.file), "r0--1 ");
    unlock_ok(&f, 5, UINT64_MAX);
    assert_string_equal(ranges_text(f.scene, f.file), "r0-4 ");
    lock_ok(&f, WRITEW_LT, UINT64_MAX - 1, 1);
    assert_string_equal(ranges_text(f.scene, f.file), "r0-4 w18446744073709551614--2 ");
    lock_ok(&f, READW_LT, 0, 5);
    unlock_ok(&f, 0, UINT64_MAX);
    assert_string_equal(ranges_text(f.scene, f.file), "");
}

static void test_bad_ranges(void **state)
{
    struct fixture f = fixture_make(state);
    static const struct {
        uint32_t type;
        uint64_t offset, length;
    } cases[] = {{WRITE_LT, 0, 0}, {WRITE_LT, 10, UINT64_MAX - 9}, {WRITE_LT, UINT64_MAX, 1}, {0, 0, 1}, {5, 0, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(
            scene_lock_new(f.scene, &f.client, f.file, f.open, "l", cases[i].type, cases[i].offset, cases[i].length)
                ->status,
            NFS4ERR_INVAL);
        struct lock_conflict conflict;
        const struct lock_request request = {cases[i].type, cases[i].offset, cases[i].length};
        assert_int_equal(
            lock_test(scene_read(f.scene), f.file, f.client.id, slice_text("l"), &request, &f.scene->arena, &conflict),
            NFS4ERR_INVAL);
    }
    lock_ok(&f, WRITE_LT, 0, 10);
    assert_int_equal(scene_unlock(f.scene, &f.client, f.file, f.lock, 0, 0)->status, NFS4ERR_INVAL);
    assert_int_equal(scene_unlock(f.scene, &f.client, f.file, f.lock, 2, UINT64_MAX - 1)->status, NFS4ERR_INVAL);
}

static void test_conflicts(void **state)
{
    struct fixture f = fixture_make(state);
    struct scene_client other = scene_client(f.scene, "b", 1);
    struct stateid open = scene_open_ok(f.scene, &other, "o", "f", RW, 0);
    lock_ok(&f, READ_LT, 10, 10);
    lock_ok(&f, WRITE_LT, 30, UINT64_MAX);
    /* Readers share. */
    assert_int_equal(scene_lock_new(f.scene, &other, f.file, open, "m", READ_LT, 0, 30)->status, NFS4_OK);
    Qnfs__Result *result = scene_lock_new(f.scene, &other, f.file, open, "m", WRITE_LT, 19, 1);
    assert_int_equal(result->status, NFS4ERR_DENIED);
    assert_int_equal(result->body_case, QNFS__RESULT__BODY_DENIED);
    assert_int_equal(result->denied->offset, 10);
    assert_int_equal(result->denied->length, 10);
    assert_int_equal(result->denied->type, READ_LT);
    assert_int_equal(result->denied->client, f.client.id.value);
    assert_int_equal(result->denied->owner.len, 1);
    assert_memory_equal(result->denied->owner.data, "l", 1);
    result = scene_lock_new(f.scene, &other, f.file, open, "m", READW_LT, 1000, 1);
    assert_int_equal(result->status, NFS4ERR_DENIED);
    assert_true(result->denied->length == UINT64_MAX);
    assert_int_equal(result->denied->type, WRITE_LT);
    /* Another owner of the same client is in the way too; the own locks never are. */
    assert_int_equal(scene_lock_new(f.scene, &f.client, f.file, f.open, "n", READ_LT, 1000, 1)->status, NFS4ERR_DENIED);
    struct lock_conflict conflict;
    const struct lock_request request = {WRITE_LT, 40, 1};
    struct kv_read *read = scene_read(f.scene);
    assert_int_equal(lock_test(read, f.file, f.client.id, slice_text("l"), &request, &f.scene->arena, &conflict),
                     NFS4_OK);
    assert_int_equal(lock_test(read, f.file, f.client.id, slice_text("n"), &request, &f.scene->arena, &conflict),
                     NFS4ERR_DENIED);
    assert_int_equal(conflict.offset, 30);
    assert_true(slice_equal(conflict.owner, slice_text("l")));
    /* A denied lock of a new owner leaves nothing behind. */
    struct state none;
    assert_false(state_of_owner(read, STATE_LOCK, f.client.id, slice_text("n"), f.file, &f.scene->arena, &none));
}

static void test_open_mode(void **state)
{
    struct fixture f = fixture_make(state);
    struct stateid reads = scene_open_ok(f.scene, &f.client, "r", "f", R, 0);
    struct stateid writes = scene_open_ok(f.scene, &f.client, "w", "f", W, 0);
    assert_int_equal(scene_lock_new(f.scene, &f.client, f.file, reads, "x", WRITE_LT, 0, 1)->status, NFS4ERR_OPENMODE);
    assert_int_equal(scene_lock_new(f.scene, &f.client, f.file, writes, "x", READ_LT, 0, 1)->status, NFS4ERR_OPENMODE);
    Qnfs__Result *result = scene_lock_new(f.scene, &f.client, f.file, reads, "x", READ_LT, 0, 1);
    assert_int_equal(result->status, NFS4_OK);
    assert_int_equal(scene_lock(f.scene, &f.client, f.file, scene_result_stateid(result), WRITE_LT, 0, 1)->status,
                     NFS4ERR_OPENMODE);
}

static void test_stateids(void **state)
{
    struct fixture f = fixture_make(state);
    struct scene_client other = scene_client(f.scene, "b", 1);
    struct stateid second = scene_open_ok(f.scene, &f.client, "o", "g", RW, 0);
    struct file_id g = scene_lookup(f.scene, "g");
    lock_ok(&f, WRITE_LT, 0, 1);
    struct stateid first = f.lock;
    lock_ok(&f, WRITE_LT, 1, 1);
    assert_int_equal(scene_lock(f.scene, &f.client, f.file, first, WRITE_LT, 2, 1)->status, NFS4ERR_OLD_STATEID);
    assert_int_equal(scene_unlock(f.scene, &f.client, f.file, first, 0, 1)->status, NFS4ERR_OLD_STATEID);
    struct stateid later = f.lock;
    later.seqid++;
    assert_int_equal(scene_lock(f.scene, &f.client, f.file, later, WRITE_LT, 2, 1)->status, NFS4ERR_BAD_STATEID);
    assert_int_equal(scene_lock(f.scene, &f.client, g, f.lock, WRITE_LT, 2, 1)->status, NFS4ERR_BAD_STATEID);
    assert_int_equal(scene_lock(f.scene, &other, f.file, f.lock, WRITE_LT, 2, 1)->status, NFS4ERR_BAD_STATEID);
    assert_int_equal(scene_lock(f.scene, &f.client, f.file, f.open, WRITE_LT, 2, 1)->status, NFS4ERR_BAD_STATEID);
    assert_int_equal(scene_lock_new(f.scene, &f.client, f.file, second, "l", WRITE_LT, 2, 1)->status,
                     NFS4ERR_BAD_STATEID);
    assert_int_equal(scene_lock_new(f.scene, &f.client, f.file, f.lock, "l", WRITE_LT, 2, 1)->status,
                     NFS4ERR_BAD_STATEID);
    struct file_id nothing = f.file;
    nothing.inode.value += 1000;
    assert_int_equal(scene_lock_new(f.scene, &f.client, nothing, f.open, "l", WRITE_LT, 2, 1)->status, NFS4ERR_STALE);
    assert_int_equal(scene_lock_new(f.scene, &f.client, f.scene->root, f.open, "l", WRITE_LT, 2, 1)->status,
                     NFS4ERR_ISDIR);
    struct stateid stale = f.lock;
    stale.other[3] = 2;
    assert_int_equal(scene_lock(f.scene, &f.client, f.file, stale, WRITE_LT, 2, 1)->status, NFS4ERR_STALE_STATEID);
    /* The owner again with its open: the stateid it has. */
    Qnfs__Result *result = scene_lock_new(f.scene, &f.client, f.file, f.open, "l", WRITE_LT, 2, 1);
    assert_int_equal(result->status, NFS4_OK);
    assert_memory_equal(scene_result_stateid(result).other, f.lock.other, 12);
    assert_int_equal(scene_result_stateid(result).seqid, 3);
}

static void test_reclaim(void **state)
{
    struct fixture f = fixture_make(state);
    Qnfs__Command *command = scene_command(f.scene);
    Qnfs__Lock body = QNFS__LOCK__INIT;
    body.file = scene_file(f.scene, f.file);
    body.type = WRITE_LT;
    body.length = 1;
    body.reclaim = true;
    body.new_owner = true;
    body.open_stateid = scene_stateid(f.scene, f.open);
    command->body_case = QNFS__COMMAND__BODY_LOCK;
    command->lock = &body;
    assert_int_equal(scene_send(f.scene, &f.client, command)->status, NFS4ERR_NO_GRACE);
}

static void test_many_lock_owners_of_an_open(void **state)
{
    struct fixture f = fixture_make(state);
    /* Against the order in which they will be freed: each must be found at once. With 4000 of them a search from the
     * file's first range took 45 seconds. */
    for (unsigned i = 0; i < 2000; i++) {
        char owner[8];
        snprintf(owner, sizeof(owner), "l%u", i);
        assert_int_equal(scene_lock_new(f.scene, &f.client, f.file, f.open, owner, WRITE_LT, 30000 - i * 10, 5)->status,
                         NFS4_OK);
    }
    scene_check(f.scene);
    struct client_usage usage;
    assert_true(client_usage_get(scene_read(f.scene), f.client.id, &f.scene->arena, &usage));
    assert_int_equal(usage.state_count, 2001);
    assert_int_equal(usage.range_count, 2000);
    assert_int_equal(scene_close(f.scene, &f.client, f.file, f.open)->status, NFS4_OK);
    assert_true(client_usage_get(scene_read(f.scene), f.client.id, &f.scene->arena, &usage));
    assert_int_equal(usage.state_count, 0);
    assert_int_equal(usage.range_count, 0);
}

/* LOCKT looks at all ranges of courtesy clients that overlap: that takes no memory for each. */
static void test_many_ranges_that_stop_nobody(void **state)
{
    struct fixture f = fixture_make(state);
    char owner[NFS4_OPAQUE_MAX_BYTES];
    memset(owner, 'o', sizeof(owner) - 1);
    owner[sizeof(owner) - 1] = '\0';
    struct stateid lock =
        scene_result_stateid(scene_lock_new(f.scene, &f.client, f.file, f.open, owner, WRITE_LT, 0, 5));
    for (unsigned i = 1; i < 2000; i++)
        lock = scene_result_stateid(scene_lock(f.scene, &f.client, f.file, lock, WRITE_LT, 10 * i, 5));
    scene_wait(f.scene, 1000);
    scene_expire(f.scene);
    struct lock_request request = {WRITE_LT, 0, UINT64_MAX};
    struct lock_conflict conflict;
    struct arena arena;
    arena_init(&arena);
    assert_int_equal(
        lock_test(scene_read(f.scene), f.file, (struct client_id){4711}, slice_text("x"), &request, &arena, &conflict),
        NFS4_OK);
    assert_true(arena.reserved_bytes <= (size_t)64 << 10);
    arena_fini(&arena);
}

/* Bounds: ranges of a file, of a client. The rows say that there are as many; a lock that melts into others, and an
 * unlock that does not split, still work. */
static void test_bounds(void **state)
{
    struct fixture f = fixture_make(state);
    struct kv_read *read = scene_read(f.scene);
    lock_ok(&f, WRITE_LT, 10, 10);
    struct client_usage usage;
    assert_true(client_usage_get(read, f.client.id, &f.scene->arena, &usage));
    struct client_usage full = usage;
    full.range_count = NFS4_LOCKS_PER_CLIENT_MAX;
    struct transaction transaction;
    transaction_init(&transaction, read, &f.scene->arena);
    client_usage_put(&transaction, f.client.id, &full, &f.scene->arena);
    assert_int_equal(kv_store_write(f.scene->store, &transaction), STATUS_OK);
    assert_int_equal(scene_lock(f.scene, &f.client, f.file, f.lock, WRITE_LT, 30, 1)->status, NFS4ERR_DELAY);
    assert_int_equal(scene_unlock(f.scene, &f.client, f.file, f.lock, 15, 1)->status, NFS4ERR_DELAY);
    lock_ok(&f, WRITE_LT, 20, 5);
    unlock_ok(&f, 10, 5);
    transaction_init(&transaction, read, &f.scene->arena);
    client_usage_put(&transaction, f.client.id, &usage, &f.scene->arena);
    assert_int_equal(kv_store_write(f.scene->store, &transaction), STATUS_OK);
    lock_ok(&f, WRITE_LT, 30, 1);
}

/* Many single records: a lock looks only at those near it, also behind one that is long. */
static void test_many_records(void **state)
{
    struct fixture f = fixture_make(state);
    for (unsigned i = 0; i < 3000; i++)
        lock_ok(&f, WRITE_LT, 1000 + 2 * i, 1);
    struct scene_client other = scene_client(f.scene, "b", 1);
    struct stateid open = scene_open_ok(f.scene, &other, "o", "f", RW, 0);
    assert_int_equal(scene_lock_new(f.scene, &other, f.file, open, "m", READ_LT, 1001, 1)->status, NFS4_OK);
    assert_int_equal(scene_lock_new(f.scene, &other, f.file, open, "m", READ_LT, 6998, 100)->status, NFS4ERR_DENIED);
    assert_int_equal(scene_lock_new(f.scene, &other, f.file, open, "m", READ_LT, 7000, UINT64_MAX)->status, NFS4_OK);
    /* That one reaches into all behind it. */
    Qnfs__Result *denied = scene_lock(f.scene, &f.client, f.file, f.lock, WRITE_LT, UINT64_MAX - 10, 1);
    assert_int_equal(denied->status, NFS4ERR_DENIED);
    assert_int_equal(denied->denied->offset, 7000);
    unlock_ok(&f, 0, UINT64_MAX);
}

/* A CLOSE frees at most CLIENT_STEP_ROWS; RFC 8881 section 18.2.3 lets the server refuse it while locks are held. */
static void test_close_with_too_many(void **state)
{
    struct fixture f = fixture_make(state);
    for (unsigned i = 0; i < CLIENT_STEP_ROWS; i++)
        lock_ok(&f, WRITE_LT, 2 * i, 1);
    assert_int_equal(scene_close(f.scene, &f.client, f.file, f.open)->status, NFS4ERR_LOCKS_HELD);
    unlock_ok(&f, 0, 100);
    assert_int_equal(scene_close(f.scene, &f.client, f.file, f.open)->status, NFS4_OK);
    assert_false(open_any(scene_read(f.scene), f.file, &f.scene->arena));
}

/* --- against a model: for each owner and byte: unlocked, read, write --- */

#define OWNERS 4u
#define BYTES 24u
#define STEPS 3000u

struct model {
    uint8_t held[OWNERS][BYTES];
};

/* Whether `owner` may lock: the model's answer; *first is the lowest byte of the lowest range in the way. */
static bool model_allows(const struct model *model, unsigned owner, bool is_write, unsigned first, unsigned last)
{
    for (unsigned other = 0; other < OWNERS; other++)
        for (unsigned byte = first; other != owner && byte <= last; byte++)
            if (model->held[other][byte] != 0 && (is_write || model->held[other][byte] == 2))
                return false;
    return true;
}

/* The rows must be the model's runs, none touching another of its kind. */
static void compare(struct scene *scene, struct file_id file, const struct model *model, uint8_t others[OWNERS][12])
{
    struct model seen = {0};
    struct lock_walk walk;
    struct lock_range range;
    unsigned rows = 0;
    lock_walk_open(scene_read(scene), file, &scene->arena, &walk);
    for (; lock_walk_get(&walk, &range); lock_walk_next(&walk)) {
        unsigned owner = 0;
        while (owner < OWNERS && memcmp(others[owner], range.other, 12) != 0)
            owner++;
        assert_true(owner < OWNERS && range.last < BYTES);
        for (uint64_t byte = range.first; byte <= range.last; byte++) {
            assert_int_equal(seen.held[owner][byte], 0);
            seen.held[owner][byte] = range.is_write ? 2 : 1;
        }
        rows++;
    }
    lock_walk_close(&walk);
    assert_memory_equal(seen.held, model->held, sizeof(seen.held));
    unsigned runs = 0;
    for (unsigned owner = 0; owner < OWNERS; owner++)
        for (unsigned byte = 0; byte < BYTES; byte++)
            runs += model->held[owner][byte] != 0 &&
                    (byte == 0 || model->held[owner][byte - 1] != model->held[owner][byte]);
    assert_int_equal(rows, runs);
}

static void test_random(void **state)
{
    struct scene *scene = *state;
    struct scene_client clients[2] = {scene_client(scene, "a", 1), scene_client(scene, "b", 1)};
    struct stateid opens[2] = {scene_open_ok(scene, &clients[0], "o", "f", RW, 0),
                               scene_open_ok(scene, &clients[1], "o", "f", RW, 0)};
    struct file_id file = scene_lookup(scene, "f");
    static const char *const names[OWNERS] = {"w", "x", "y", "z"};
    struct stateid locks[OWNERS] = {0};
    uint8_t others[OWNERS][12] = {0};
    struct model model = {0};
    const char *seed_text = getenv("QNFS_SEED");
    uint64_t seed = seed_text == NULL ? 1 : strtoull(seed_text, NULL, 10);
    struct random_seeded random;
    random_from_seed(&random, seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t draw = random_seeded_next(&random);
        unsigned owner = (unsigned)(draw % OWNERS), kind = (unsigned)(draw >> 8) % 3;
        unsigned first = (unsigned)(draw >> 16) % BYTES;
        unsigned last = first + (unsigned)(draw >> 24) % (BYTES - first);
        bool is_write = kind == 1;
        struct scene_client *client = &clients[owner % 2];
        Qnfs__Result *result;
        if (kind == 2) {
            if (locks[owner].seqid == 0)
                continue;
            result = scene_unlock(scene, client, file, locks[owner], first, last - first + 1);
        } else if (locks[owner].seqid == 0) {
            result = scene_lock_new(scene, client, file, opens[owner % 2], names[owner], is_write ? WRITE_LT : READ_LT,
                                    first, last - first + 1);
        } else {
            result =
                scene_lock(scene, client, file, locks[owner], is_write ? WRITE_LT : READ_LT, first, last - first + 1);
        }
        if (kind != 2 && !model_allows(&model, owner, is_write, first, last)) {
            assert_int_equal(result->status, NFS4ERR_DENIED);
            continue;
        }
        assert_int_equal(result->status, NFS4_OK);
        locks[owner] = scene_result_stateid(result);
        memcpy(others[owner], locks[owner].other, 12);
        memset(&model.held[owner][first], kind == 2 ? 0 : is_write ? 2 : 1, last - first + 1);
        compare(scene, file, &model, others);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_ranges),
        TEST(test_bad_ranges),
        TEST(test_conflicts),
        TEST(test_open_mode),
        TEST(test_stateids),
        TEST(test_reclaim),
        TEST(test_many_lock_owners_of_an_open),
        TEST(test_many_ranges_that_stop_nobody),
        TEST(test_bounds),
        TEST(test_many_records),
        TEST(test_close_with_too_many),
        TEST(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
