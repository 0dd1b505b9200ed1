/* Where commands stand: positions, half-applied entries, chain hash, determinism; the first commands of a cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/random.h"
#include "proto/log_codec.h"
#include "proto/nfs4/lock.h"
#include "proto/nfs4/open.h"
#include "statestore/machine/cluster.h"
#include "statestore/machine/settings.h"
#include "statestore/store/schema.h"
#include "tests/support/scene.h"

static Qnfs__Command *setting(struct scene *scene, const char *name, const char *value)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__SettingSet *body = arena_alloc(&scene->arena, sizeof(*body));
    qnfs__setting_set__init(body);
    body->name = scene_text(scene, name);
    body->value = scene_text(scene, value);
    command->body_case = QNFS__COMMAND__BODY_SETTING_SET;
    command->setting_set = body;
    return command;
}

static void test_settings(void **state)
{
    struct scene *scene = *state;
    struct kv_read *read = scene_read(scene);
    assert_int_equal(settings_lease_seconds(read, &scene->arena), 60);
    assert_int_equal(settings_read_mode(read, &scene->arena), READ_MODE_LEASE);
    assert_int_equal(scene_apply(scene, setting(scene, "read-mode", "index"))->status, NFS4_OK);
    assert_int_equal(scene_effects(scene, EFFECT_SETTINGS_CHANGED), 1);
    assert_int_equal(scene_apply(scene, setting(scene, "lease-seconds", "5"))->status, NFS4_OK);
    assert_int_equal(settings_lease_seconds(read, &scene->arena), 5);
    assert_int_equal(settings_read_mode(read, &scene->arena), READ_MODE_INDEX);
    static const char *const bad[][2] = {
        {"lease-seconds", "4"},  {"lease-seconds", "3601"}, {"lease-seconds", ""},           {"lease-seconds", "1x"},
        {"lease-seconds", "-5"}, {"read-mode", "fast"},     {"lease-seconds", "99999999999"}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        Qnfs__Result *result = scene_apply(scene, setting(scene, bad[i][0], bad[i][1]));
        assert_int_equal(result->status, NFS4ERR_INVAL);
        assert_int_equal(result->body_case, QNFS__RESULT__BODY_TEXT);
    }
    Qnfs__Result *result = scene_apply(scene, setting(scene, "colour", "blue"));
    assert_int_equal(result->status, NFS4ERR_NOENT);
    assert_true(result->text->text.len > 0);
    for (unsigned i = 0; i < SETTING_COUNT; i++)
        assert_true(setting_get(read, (enum setting)i, &scene->arena).size_bytes > 0);
}

static void test_load(void **state)
{
    struct scene *scene = *state;
    struct machine loaded;
    scene_client(scene, "a", 1);
    scene_wait(scene, 76);
    scene_expire(scene);
    machine_load(&loaded, scene_read(scene), &scene->arena);
    loaded.incarnation_open = scene->machine.incarnation_open; /* a cache: not in the store */
    assert_memory_equal(&loaded, &scene->machine, sizeof(loaded));
    assert_int_equal(loaded.courtesy_count, 1);
}

static struct machine_position position(uint64_t index, uint32_t command, uint32_t count)
{
    return (struct machine_position){.index = index, .term = 1, .command = command, .command_count = count};
}

static bool has_applied(struct scene *scene, uint64_t index, uint32_t command, uint32_t count)
{
    struct machine_position at = position(index, command, count);
    return machine_has_applied(&scene->machine, &at);
}

static void test_positions(void **state)
{
    struct scene *scene = *state;
    uint64_t index = scene->index;
    assert_true(has_applied(scene, index - 1, 0, 1));
    assert_true(has_applied(scene, index, 0, 1));
    assert_false(has_applied(scene, index + 1, 0, 1));
    /* An entry of three. */
    scene->index++;
    assert_int_equal(scene_apply_at(scene, setting(scene, "lease-seconds", "10"), 0, 3)->status, NFS4_OK);
    assert_true(has_applied(scene, scene->index, 0, 3));
    assert_false(has_applied(scene, scene->index, 1, 3));
    scene_apply_at(scene, setting(scene, "lease-seconds", "11"), 1, 3);
    scene_apply_at(scene, setting(scene, "lease-seconds", "12"), 2, 3);
    assert_true(has_applied(scene, scene->index, 2, 3));
    assert_false(has_applied(scene, scene->index + 1, 0, 1));
    /* An entry without commands. */
    struct transaction transaction;
    transaction_init(&transaction, scene_read(scene), &scene->arena);
    struct hash128 chain = scene->machine.chain;
    machine_pass(&scene->machine, &transaction, ++scene->index, 2, &scene->arena);
    assert_int_equal(kv_store_write(scene->store, &transaction), STATUS_OK);
    assert_true(has_applied(scene, scene->index, 0, 1));
    assert_true(hash128_equal(chain, scene->machine.chain));
    struct machine loaded;
    machine_load(&loaded, scene_read(scene), &scene->arena);
    assert_int_equal(loaded.applied_index, scene->index);
    assert_int_equal(loaded.applied_term, 2);
}

/* The first command of a cluster, from an empty store. */
static void test_first_commands(void **state)
{
    (void)state;
    struct scene scene;
    scene_init_empty(&scene);
    assert_false(scene.machine.created);
    assert_int_equal(scene_apply(&scene, setting(&scene, "lease-seconds", "10"))->outcome, MACHINE_SUPERSEDED);
    Qnfs__ClusterCreate create = QNFS__CLUSTER_CREATE__INIT;
    Qnfs__ExportSpec good = QNFS__EXPORT_SPEC__INIT;
    Qnfs__ExportSpec bad = QNFS__EXPORT_SPEC__INIT;
    Qnfs__ExportSpec *specs[] = {&good, &bad};
    Qnfs__Command *command = scene_command(&scene);
    good.path = scene_text(&scene, "/data");
    bad.path = scene_text(&scene, "not absolute");
    create.cluster_id = scene_bytes(&scene, "0123456789abcdef", 16);
    create.mac_key = scene_bytes(&scene, "fedcba9876543210", 16);
    create.n_exports = 2;
    create.exports = specs;
    create.lease_seconds = 4000;
    command->body_case = QNFS__COMMAND__BODY_CLUSTER_CREATE;
    command->cluster_create = &create;
    /* An export that cannot be: nothing has happened. */
    Qnfs__Result *result = scene_apply(&scene, command);
    assert_int_equal(result->status, NFS4ERR_INVAL);
    assert_true(result->text->text.len > 0);
    assert_false(scene.machine.created);
    assert_int_equal(scene.answer.effect_count, 0);
    create.n_exports = 1;
    assert_int_equal(scene_apply(&scene, command)->status, NFS4_OK);
    assert_true(scene.machine.created);
    assert_memory_equal(scene.machine.cluster_id, "0123456789abcdef", 16);
    assert_memory_equal(scene.machine.mac_key.bytes, "fedcba9876543210", 16);
    assert_int_equal(scene.machine.server_epoch, 1);
    assert_int_equal(settings_lease_seconds(scene_read(&scene), &scene.arena), 3600); /* the bound */
    struct export export;
    assert_true(export_get(scene_read(&scene), (struct volume_id){1}, &scene.arena, &export));
    /* Another leader's one has no effect. */
    create.cluster_id = scene_bytes(&scene, "another another ", 16);
    assert_int_equal(scene_apply(&scene, command)->status, NFS4_OK);
    assert_memory_equal(scene.machine.cluster_id, "0123456789abcdef", 16);
    scene_register(&scene);
    assert_int_equal(scene.incarnation.value, scene.machine.command_number);
    scene_check(&scene);
    scene_fini(&scene);
}

static void test_register_bad_node(void **state)
{
    struct scene *scene = *state;
    Qnfs__NodeRegister body = QNFS__NODE_REGISTER__INIT;
    Qnfs__Command *command = scene_command(scene);
    command->body_case = QNFS__COMMAND__BODY_NODE_REGISTER;
    command->node_register = &body;
    assert_int_equal(scene_apply(scene, command)->status, NFS4ERR_INVAL);
}

/* Two changes of one directory in one entry: `change` differs. */
static void test_two_changes_in_one_entry(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    Qnfs__Command *first = scene_open_command(scene, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
    Qnfs__Command *second = scene_open_command(scene, "o", "g", OPEN4_SHARE_ACCESS_READ, 0);
    scene_slot(scene, &client, 0, first);
    scene_slot(scene, &client, 1, second);
    scene->index++;
    Qnfs__Result *one = scene_apply_at(scene, first, 0, 2);
    Qnfs__Result *two = scene_apply_at(scene, second, 1, 2);
    assert_int_equal(one->status, NFS4_OK);
    assert_int_equal(two->status, NFS4_OK);
    assert_true(one->open->change->after == two->open->change->before);
    assert_true(two->open->change->after > two->open->change->before);
    assert_true(one->open->file->inode != two->open->file->inode);
}

/* --- a random history, applied to several stores --- */

#define HISTORY_COMMANDS 400u
#define HISTORY_CLIENTS 3u

struct history {
    struct slice commands[HISTORY_COMMANDS]; /* packed */
    uint32_t places[HISTORY_COMMANDS];
    uint32_t counts[HISTORY_COMMANDS];
    uint64_t uptimes[HISTORY_COMMANDS];
    size_t count;
    struct arena arena; /* owns the bytes */
};

/* What a client may do next, at random; the result of what it did before tells what it holds. */
struct actor {
    struct scene_client client;
    struct stateid opens[4];
    struct stateid locks[4];
};

static const char *const history_names[4] = {"f", "g", "h", "i"};

static Qnfs__Command *history_command(struct scene *scene, struct actor *actor, uint64_t draw)
{
    Qnfs__Command *command = scene_command(scene);
    unsigned which = (unsigned)(draw >> 8) % 4;
    switch (draw % 8) {
    case 0: {
        Qnfs__Remove *body = arena_alloc(&scene->arena, sizeof(*body));
        qnfs__remove__init(body);
        body->directory = scene_file(scene, scene->root);
        body->name = scene_text(scene, history_names[which]);
        command->body_case = QNFS__COMMAND__BODY_REMOVE;
        command->remove = body;
        break;
    }
    case 1: {
        Qnfs__Expire *body = arena_alloc(&scene->arena, sizeof(*body));
        qnfs__expire__init(body);
        command->body_case = QNFS__COMMAND__BODY_EXPIRE;
        command->expire = body;
        return command;
    }
    case 2: {
        Qnfs__Close *body = arena_alloc(&scene->arena, sizeof(*body));
        struct state state;
        qnfs__close__init(body);
        bool found = state_get(scene_read(scene), actor->opens[which].other, &scene->arena, &state);
        body->file = scene_file(scene, found ? state.file : scene->root);
        body->stateid = scene_stateid(scene, found ? state.id : actor->opens[which]);
        command->body_case = QNFS__COMMAND__BODY_CLOSE;
        command->close = body;
        break;
    }
    case 3: {
        Qnfs__Lock *body = arena_alloc(&scene->arena, sizeof(*body));
        struct state state;
        qnfs__lock__init(body);
        bool found = state_get(scene_read(scene), actor->opens[which].other, &scene->arena, &state);
        body->file = scene_file(scene, found ? state.file : scene->root);
        body->type = (draw & 0x10000) != 0 ? WRITE_LT : READ_LT;
        body->offset = (draw >> 20) % 64;
        body->length = 1 + (draw >> 28) % 16;
        body->new_owner = true;
        body->open_stateid = scene_stateid(scene, found ? state.id : actor->opens[which]);
        body->owner = scene_text(scene, history_names[(draw >> 12) % 4]);
        command->body_case = QNFS__COMMAND__BODY_LOCK;
        command->lock = body;
        break;
    }
    default:
        command = scene_open_command(scene, history_names[(draw >> 12) % 2], history_names[which],
                                     1 + (uint32_t)(draw >> 16) % 3, (draw >> 20) % 8 == 0 ? (draw >> 24) % 4 : 0);
    }
    scene_slot(scene, &actor->client, (uint32_t)(draw >> 32) % SCENE_SLOTS, command);
    return command;
}

static void history_add(struct history *history, struct scene *scene, const Qnfs__Command *command, uint32_t place,
                        uint32_t count)
{
    history->commands[history->count] = arena_copy(&history->arena, log_command_pack(command, &scene->arena));
    history->places[history->count] = place;
    history->counts[history->count] = count;
    history->uptimes[history->count] = scene->uptime_ms;
    history->count++;
}

/* Makes the history while applying it to `scene`: entries of one to four commands. */
static void history_make(struct history *history, struct scene *scene, uint64_t seed)
{
    struct random_seeded random;
    struct actor actors[HISTORY_CLIENTS] = {0};
    static const char *const owners[HISTORY_CLIENTS] = {"a", "b", "c"};
    arena_init(&history->arena);
    history->count = 0;
    random_from_seed(&random, seed);
    for (size_t i = 0; i < HISTORY_CLIENTS; i++)
        actors[i].client = scene_client(scene, owners[i], 1);
    while (history->count + 4 <= HISTORY_COMMANDS) {
        uint32_t count = 1 + (uint32_t)(random_seeded_next(&random) % 4);
        scene->index++;
        if (random_seeded_next(&random) % 16 == 0)
            scene->uptime_ms += 30000;
        for (uint32_t place = 0; place < count; place++) {
            struct actor *actor = &actors[random_seeded_next(&random) % HISTORY_CLIENTS];
            uint64_t draw = random_seeded_next(&random);
            Qnfs__Command *command = history_command(scene, actor, draw);
            Qnfs__Result *result = scene_apply_at(scene, command, place, count);
            history_add(history, scene, command, place, count);
            if (result->status == NFS4_OK && result->body_case == QNFS__RESULT__BODY_OPEN)
                actor->opens[(draw >> 8) % 4] = scene_result_stateid(result);
        }
    }
}

/* Applies one command of the history; skips what the store has. True if it was applied. */
static bool history_apply(const struct history *history, size_t at, uint64_t index, struct machine *machine,
                          struct kv_store *store, struct arena *arena)
{
    Qnfs__Command *command;
    struct machine_answer answer;
    struct transaction transaction;
    struct machine_position where = {.index = index,
                                     .term = 1,
                                     .command = history->places[at],
                                     .command_count = history->counts[at],
                                     .uptime_ms = history->uptimes[at],
                                     .wall_ns = 5};
    if (machine_has_applied(machine, &where))
        return false;
    assert_int_equal(log_command_unpack(history->commands[at], arena, &command), STATUS_OK);
    transaction_init(&transaction, kv_store_present(store), arena);
    machine_apply(machine, &transaction, &where, command, SLICE_EMPTY, arena, &answer);
    assert_int_equal(kv_store_write(store, &transaction), STATUS_OK);
    return true;
}

/* Everything in the stores must be the same, but for the wall clock that the first was given. */
static void assert_same_rows(struct kv_store *a, struct kv_store *b, struct arena *arena)
{
    struct kv_cursor one;
    struct kv_cursor two;
    kv_cursor_open(kv_store_present(a), SLICE_EMPTY, SLICE_EMPTY, arena, &one);
    kv_cursor_open(kv_store_present(b), SLICE_EMPTY, SLICE_EMPTY, arena, &two);
    while (one.valid && two.valid) {
        assert_true(slice_equal(one.key, two.key));
        assert_true(slice_equal(one.value, two.value));
        kv_cursor_next(&one);
        kv_cursor_next(&two);
    }
    assert_false(one.valid || two.valid);
    kv_cursor_close(&one);
    kv_cursor_close(&two);
}

/* One replica that never stops, and one that crashes at random moments, losing what was not flushed, and starts again
 * from the log: also in the middle of an entry. They must come to the same rows and the same chain. */
static void test_same_history_same_state(void **state)
{
    (void)state;
    const char *seed_text = getenv("QNFS_SEED");
    uint64_t seed = seed_text == NULL ? 1 : strtoull(seed_text, NULL, 10);
    print_message("seed %llu\n", (unsigned long long)seed);
    struct history *history = malloc(sizeof(*history));
    struct scene maker;
    struct scene steady;
    struct scene crashing;
    scene_init(&maker);
    history_make(history, &maker, seed);
    scene_check(&maker);
    scene_init(&steady);
    scene_init(&crashing);
    static const char *const owners[HISTORY_CLIENTS] = {"a", "b", "c"};
    for (size_t i = 0; i < HISTORY_CLIENTS; i++) {
        scene_client(&steady, owners[i], 1);
        scene_client(&crashing, owners[i], 1);
    }
    assert_int_equal(kv_store_flush(crashing.store), STATUS_OK);

    struct random_seeded random;
    random_from_seed(&random, seed + 1000);
    uint64_t first = steady.index + 1;
    uint64_t index = first - 1;
    size_t begin = 0; /* the crashed one starts from the first command again */
    unsigned crashes = 0;
    unsigned resumed = 0;
    for (size_t at = 0; at < history->count; at++) {
        index += history->places[at] == 0 ? 1 : 0;
        assert_true(history_apply(history, at, index, &steady.machine, steady.store, &steady.arena));
        assert_true(history_apply(history, at, index, &crashing.machine, crashing.store, &crashing.arena));
        if (random_seeded_next(&random) % 10 == 0)
            assert_int_equal(kv_store_flush(crashing.store), STATUS_OK);
        if (random_seeded_next(&random) % 20 != 0)
            continue;
        kv_memory_crash(crashing.store, &random);
        crashes++;
        machine_load(&crashing.machine, scene_read(&crashing), &crashing.arena);
        resumed += crashing.machine.applied_command < crashing.machine.applied_count ? 1 : 0;
        uint64_t again = first - 1;
        for (size_t replay = begin; replay <= at; replay++) {
            again += history->places[replay] == 0 ? 1 : 0;
            history_apply(history, replay, again, &crashing.machine, crashing.store, &crashing.arena);
        }
        assert_true(hash128_equal(steady.machine.chain, crashing.machine.chain));
    }
    assert_true(crashes > 0 && resumed > 0);
    assert_int_equal(steady.machine.command_number, maker.machine.command_number);
    assert_same_rows(steady.store, crashing.store, &steady.arena);
    scene_check(&steady);
    scene_fini(&maker);
    scene_fini(&steady);
    scene_fini(&crashing);
    arena_fini(&history->arena);
    free(history);
}

/* The chain sees every replicated row, and no node-local one. */
static void test_chain(void **state)
{
    struct scene *scene = *state;
    struct hash128 before = scene->machine.chain;
    scene_apply(scene, setting(scene, "lease-seconds", "10"));
    assert_false(hash128_equal(before, scene->machine.chain));
    before = scene->machine.chain;
    scene_apply(scene, setting(scene, "colour", "blue")); /* changes nothing */
    assert_true(hash128_equal(before, scene->machine.chain));
    assert_false(schema_is_replicated(slice_text("\xf0x")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_settings),
        TEST(test_load),
        TEST(test_positions),
        TEST(test_register_bad_node),
        TEST(test_two_changes_in_one_entry),
        TEST(test_chain),
        cmocka_unit_test(test_first_commands),
        cmocka_unit_test(test_same_history_same_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
