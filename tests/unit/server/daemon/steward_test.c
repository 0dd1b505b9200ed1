/* The steward over a real applier with everything in memory: what it does by itself as time passes. */
#include "server/daemon/steward.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/limits.h"
#include "blockstore/block_memory.h"
#include "proto/log_entry.h"
#include "server/daemon/applier.h"
#include "statestore/machine/block.h"
#include "statestore/store/kv_memory.h"

#define NONCE (UINT64_C(1) << 63 | 7)

struct scene {
    struct kv_store *store;
    struct block_store *blocks;
    struct published published;
    struct applier applier;
    struct steward *steward;
    struct random_seeded seed;
    uint64_t now_ms;
    uint64_t free_bytes;
    uint64_t index;
    unsigned flushes; /* asked for */
    unsigned removed; /* blocks */
    bool serving;
};

static void step(struct scene *scene, const struct steward_message *message);

/* Applies the command alone in an entry. Its result goes to the steward. */
static void apply(struct scene *scene, struct slice command)
{
    struct log_entry_builder builder;
    struct log_entry_header header = {.feature_level = 1, .uptime_ms = scene->now_ms};
    struct buffer *bytes = buffer_create(LOG_ENTRY_HEADER_BYTES + log_entry_item_bytes(command.size_bytes, 0));
    log_entry_begin(&builder, (struct span){bytes->data, bytes->capacity_bytes}, &header);
    assert_true(log_entry_append(&builder, command, SLICE_EMPTY));
    bytes->size_bytes = log_entry_finish(&builder).size_bytes;
    struct replica_entry entry = {.index = ++scene->index, .term = 1, .kind = REPLICA_ENTRY_COMMANDS, .bytes = bytes};
    struct applier_action *action;
    assert_int_equal(applier_step(&scene->applier, &entry, &action), STATUS_OK);
    struct buffer *result = NULL;
    uint64_t place = 0;
    for (; action != NULL; action = action->next) {
        if (action->kind == APPLIER_RESULT) {
            result = action->bytes;
            place = action->place;
        }
    }
    buffer_put(bytes);
    if (result == NULL)
        return;
    struct steward_message message = {.kind = STEWARD_RESULT, .place = place, .bytes = buffer_slice(result)};
    step(scene, &message);
    buffer_put(result);
}

/* One step, and everything that follows from it. */
static void step(struct scene *scene, const struct steward_message *message)
{
    struct kv_read *view = kv_store_snapshot(scene->store);
    const struct steward_moment moment = {
        .now_ms = scene->now_ms,
        .view = view,
        .uptime_ms = scene->now_ms,
        .command_number = scene->published.command,
        .flushed_number = scene->published.flushed_number,
        .free_bytes = scene->free_bytes,
        .total_bytes = (uint64_t)100 << 30,
    };
    struct slice commands[4];
    size_t command_count = 0;
    bool removed = false;
    for (struct steward_action *action = steward_step(scene->steward, message, &moment); action != NULL;
         action = action->next) {
        switch (action->kind) {
        case STEWARD_DO_PROPOSE:
            assert_true(command_count < 4);
            commands[command_count++] = action->proposal->command;
            break;
        case STEWARD_DO_SERVE: scene->serving = true; break;
        case STEWARD_DO_ANSWER: buffer_put(action->bytes); break;
        case STEWARD_DO_REMOVE:
            scene->removed += (unsigned)action->garbage_count;
            removed = true;
            break;
        case STEWARD_DO_FORGET: applier_swept(&scene->applier, action->garbage); break;
        case STEWARD_DO_FLUSH: scene->flushes++; break;
        case STEWARD_DO_RESTART: fail(); break;
        }
    }
    kv_store_release(scene->store, view);
    for (size_t i = 0; i < command_count; i++)
        apply(scene, commands[i]);
    if (removed) {
        struct steward_message done = {.kind = STEWARD_GARBAGE_REMOVED};
        step(scene, &done);
    }
}

static void tick(struct scene *scene, uint64_t ms)
{
    struct steward_message message = {.kind = STEWARD_TICK};
    for (; ms >= STEWARD_TICK_MS; ms -= STEWARD_TICK_MS) {
        scene->now_ms += STEWARD_TICK_MS;
        step(scene, &message);
    }
}

/* What the applier and the flusher do. */
static void flush(struct scene *scene)
{
    struct applier_action *action = applier_flush_now(&scene->applier);
    assert_non_null(action);
    assert_int_equal(action->number, scene->published.command);
    scene->published.flushed_number = action->number;
    assert_int_equal(applier_flushed(&scene->applier, action->index), STATUS_OK);
}

static unsigned count_garbage(struct scene *scene)
{
    struct kv_read *view = kv_store_snapshot(scene->store);
    struct arena arena;
    struct garbage_walk walk;
    struct garbage garbage;
    unsigned count = 0;
    arena_init(&arena);
    garbage_walk_open(view, &(struct garbage){0}, &arena, &walk);
    for (; garbage_walk_get(&walk, &garbage); garbage_walk_next(&walk))
        count++;
    garbage_walk_close(&walk);
    arena_fini(&arena);
    kv_store_release(scene->store, view);
    return count;
}

static int setup(void **state)
{
    static const struct config_export export = {.path = "/data"};
    struct scene *scene = calloc(1, sizeof(*scene));
    CHECK(scene != NULL);
    scene->store = kv_memory_create();
    scene->blocks = block_memory_create();
    scene->now_ms = 1000000;
    scene->free_bytes = (uint64_t)50 << 30;
    applier_init(&scene->applier, scene->store, scene->blocks, &scene->published, NONCE);
    struct steward_config config = {
        .node = 1, .nonce = NONCE, .advertise = "", .version = "test", .exports = &export, .export_count = 1};
    scene->steward = steward_create(&config, random_from_seed(&scene->seed, 1));
    struct steward_message lead = {.kind = STEWARD_LEADER, .on = true};
    step(scene, &lead);
    assert_true(scene->serving);
    tick(scene, STEWARD_TICK_MS); /* a start with a past flushes soon */
    flush(scene);
    tick(scene, STEWARD_TICK_MS);
    scene->flushes = 0;
    *state = scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;
    steward_destroy(scene->steward);
    applier_fini(&scene->applier);
    kv_store_destroy(scene->store);
    block_store_destroy(scene->blocks);
    free(scene);
    return 0;
}

/* A command without much sense, by the operator. */
static void change(struct scene *scene)
{
    Qnfs__ExportRemove body = QNFS__EXPORT_REMOVE__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    static uint8_t path[] = "/none";
    body.path = (ProtobufCBinaryData){sizeof(path) - 1, path};
    command.body_case = QNFS__COMMAND__BODY_EXPORT_REMOVE;
    command.export_remove = &body;
    struct steward_message message = {.kind = STEWARD_REQUEST, .command = &command};
    step(scene, &message);
}

/* A block dies by the next command. */
static void kill_block(struct scene *scene, uint64_t id)
{
    struct arena arena;
    struct transaction transaction;
    arena_init(&arena);
    transaction_init(&transaction, kv_store_present(scene->store), &arena);
    block_make(&transaction, (struct block_id){id}, slice_text("content"), &arena);
    assert_true(block_release(&transaction, (struct block_id){id}, scene->published.command + 1, &arena));
    assert_int_equal(kv_store_write(scene->store, &transaction), STATUS_OK);
    arena_fini(&arena);
    change(scene);
    struct machine_effect effect = {.kind = EFFECT_BLOCKS_DEAD};
    struct steward_message message = {.kind = STEWARD_EFFECT, .effect = &effect};
    step(scene, &message);
}

/* Few commands are flushed too, after a while; and nothing again where nothing came. */
static void time_flushes(void **state)
{
    struct scene *scene = *state;
    tick(scene, 2 * STEWARD_FLUSH_MS);
    assert_int_equal(scene->flushes, 0);
    change(scene);
    tick(scene, STEWARD_FLUSH_MS - STEWARD_TICK_MS);
    assert_int_equal(scene->flushes, 0);
    tick(scene, 2 * STEWARD_TICK_MS);
    assert_int_equal(scene->flushes, 1);
    flush(scene);
    tick(scene, 2 * STEWARD_FLUSH_MS);
    assert_int_equal(scene->flushes, 1);
    /* One that the applier had of itself counts. */
    change(scene);
    tick(scene, STEWARD_FLUSH_MS / 2);
    flush(scene);
    change(scene);
    tick(scene, STEWARD_FLUSH_MS - STEWARD_TICK_MS);
    assert_int_equal(scene->flushes, 1);
}

/* The room of what was removed becomes free without any further command. */
static void dead_blocks_go(void **state)
{
    struct scene *scene = *state;
    kill_block(scene, 1);
    tick(scene, 1000);
    assert_int_equal(scene->removed, 0); /* a crash could bring it back to life */
    tick(scene, STEWARD_FLUSH_MS);
    assert_int_equal(scene->flushes, 1);
    flush(scene);
    tick(scene, 1000);
    assert_int_equal(scene->removed, 1);
    /* The row goes when a flush has synced that, and is not looked at again before. */
    assert_int_equal(count_garbage(scene), 1);
    tick(scene, 1000);
    assert_int_equal(scene->removed, 1);
    kill_block(scene, 2);
    flush(scene);
    assert_int_equal(count_garbage(scene), 1);
    tick(scene, 1000);
    assert_int_equal(scene->removed, 2);
    flush(scene);
    assert_int_equal(count_garbage(scene), 0);
}

/* A node that does not lead has its own garbage. */
static void follower_sweeps(void **state)
{
    struct scene *scene = *state;
    struct steward_message lead = {.kind = STEWARD_LEADER, .on = false};
    step(scene, &lead);
    kill_block(scene, 1);
    flush(scene);
    tick(scene, 1000);
    assert_int_equal(scene->removed, 1);
}

/* More than is removed at a time. */
static void much_garbage_goes(void **state)
{
    struct scene *scene = *state;
    const unsigned many = 2 * STEWARD_SWEEP_BLOCKS_MAX + 10;
    struct arena arena;
    struct transaction transaction;
    arena_init(&arena);
    transaction_init(&transaction, kv_store_present(scene->store), &arena);
    for (uint64_t id = 1; id <= many; id++)
        garbage_put(&transaction, &(struct garbage){scene->published.command + 1, {id}}, &arena);
    assert_int_equal(kv_store_write(scene->store, &transaction), STATUS_OK);
    arena_fini(&arena);
    kill_block(scene, many + 1);
    flush(scene);
    tick(scene, STEWARD_TICK_MS);
    assert_int_equal(scene->removed, many + 1);
    assert_int_equal(count_garbage(scene), many + 1);
    flush(scene);
    assert_int_equal(count_garbage(scene), 0);
}

/* ... at once where room is short. */
static void dead_blocks_go_at_once_on_a_full_disk(void **state)
{
    struct scene *scene = *state;
    scene->free_bytes = 1000;
    tick(scene, 2 * STEWARD_TICK_MS);
    flush(scene);
    tick(scene, STEWARD_TICK_MS);
    kill_block(scene, 1);
    tick(scene, STEWARD_FLUSH_URGENT_MS + 2 * STEWARD_TICK_MS);
    assert_int_equal(scene->flushes, 1);
    flush(scene);
    tick(scene, 2 * STEWARD_TICK_MS);
    assert_int_equal(scene->removed, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(time_flushes),    TEST(dead_blocks_go),    TEST(dead_blocks_go_at_once_on_a_full_disk),
        TEST(follower_sweeps), TEST(much_garbage_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
