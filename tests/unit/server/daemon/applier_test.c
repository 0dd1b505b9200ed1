/* The applier over a store that can be full or broken: the commands of an entry are one batch, or a few; none is done twice,
 * none half, and the state is the same however they were cut. */
#include "server/daemon/applier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/limits.h"
#include "blockstore/block_memory.h"
#include "proto/log_codec.h"
#include "proto/log_entry.h"
#include "statestore/store/kv_memory.h"

#define NONCE (UINT64_C(1) << 63 | 7)
#define INCARNATION 2u /* the number of the registration */
#define FIRST_COMMANDS 2u
#define EXPORTS 10u
#define COMMANDS (FIRST_COMMANDS + EXPORTS)

/* A store in memory whose writes fail from some on. */
struct store {
    struct kv_store base;
    struct kv_store *real;
    unsigned writes;
    unsigned good_writes; /* so many more succeed */
    enum status trouble;
};

struct scene {
    struct store store;
    struct block_store *blocks;
    struct published published;
    struct applier applier;
    struct buffer *entry;
    uint64_t places[2 * COMMANDS]; /* of the results, as they came */
    unsigned results;
    unsigned effects;
};

static struct store *store_of(struct kv_store *base)
{
    return (struct store *)base;
}

static struct kv_read *store_present(struct kv_store *base)
{
    return kv_store_present(store_of(base)->real);
}

static enum status store_write(struct kv_store *base, struct transaction *transaction)
{
    struct store *store = store_of(base);
    if (store->good_writes == 0)
        return store->trouble;
    store->good_writes--;
    store->writes++;
    return kv_store_write(store->real, transaction);
}

static const struct kv_store_operations store_operations = {.present = store_present, .write = store_write};

static ProtobufCBinaryData bytes_of(char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
}

static void add(struct log_entry_builder *builder, Qnfs__Command *command, uint64_t incarnation, uint64_t place,
                struct arena *arena)
{
    Qnfs__Ticket ticket = QNFS__TICKET__INIT;
    ticket.incarnation = incarnation;
    ticket.place = place;
    command->ticket = &ticket;
    assert_true(log_entry_append(builder, log_command_pack(command, arena), SLICE_EMPTY));
}

/* The birth of a cluster, the registration of this process, and ten exports, the last two of which have one path. */
static struct buffer *entry_build(void)
{
    struct arena arena;
    struct log_entry_builder builder;
    struct log_entry_header header = {.feature_level = 1, .uptime_ms = 5};
    struct buffer *bytes = buffer_create(8192);
    arena_init(&arena);
    log_entry_begin(&builder, (struct span){bytes->data, bytes->capacity_bytes}, &header);

    Qnfs__Command command = QNFS__COMMAND__INIT;
    Qnfs__ClusterCreate create = QNFS__CLUSTER_CREATE__INIT;
    char identity[] = "0123456789abcdef";
    create.cluster_id = create.mac_key = bytes_of(identity);
    create.lease_seconds = 60;
    command.body_case = QNFS__COMMAND__BODY_CLUSTER_CREATE;
    command.cluster_create = &create;
    add(&builder, &command, NONCE, 0, &arena);

    Qnfs__NodeRegister reg = QNFS__NODE_REGISTER__INIT;
    reg.node = 1;
    reg.nonce = NONCE;
    command.body_case = QNFS__COMMAND__BODY_NODE_REGISTER;
    command.node_register = &reg;
    add(&builder, &command, NONCE, 1, &arena);

    for (unsigned i = 0; i < EXPORTS; i++) {
        Qnfs__ExportAdd body = QNFS__EXPORT_ADD__INIT;
        Qnfs__ExportSpec spec = QNFS__EXPORT_SPEC__INIT;
        char path[16];
        snprintf(path, sizeof(path), "/export%u", i < EXPORTS - 1 ? i : i - 1);
        spec.path = bytes_of(path);
        body.spec = &spec;
        command.body_case = QNFS__COMMAND__BODY_EXPORT_ADD;
        command.export_add = &body;
        add(&builder, &command, INCARNATION, FIRST_COMMANDS + i, &arena);
    }
    bytes->size_bytes = log_entry_finish(&builder).size_bytes;
    arena_fini(&arena);
    return bytes;
}

static void scene_init(struct scene *scene, uint64_t batch_commands)
{
    *scene =
        (struct scene){.store = {.base = {&store_operations}, .real = kv_memory_create(), .good_writes = UINT32_MAX}};
    scene->blocks = block_memory_create();
    applier_init(&scene->applier, &scene->store.base, scene->blocks, &scene->published, NONCE);
    scene->applier.batch_commands = batch_commands;
    scene->entry = entry_build();
}

static void scene_fini(struct scene *scene)
{
    buffer_put(scene->entry);
    applier_fini(&scene->applier);
    block_store_destroy(scene->blocks);
    kv_store_destroy(scene->store.real);
}

/* Applies the entry, or what is left of it. */
static enum status step(struct scene *scene)
{
    struct replica_entry entry = {.index = 2, .term = 1, .kind = REPLICA_ENTRY_COMMANDS, .bytes = scene->entry};
    struct applier_action *action;
    enum status status = applier_step(&scene->applier, &entry, &action);
    for (; action != NULL; action = action->next) {
        if (action->kind == APPLIER_RESULT) {
            assert_true(scene->results < 2 * COMMANDS);
            scene->places[scene->results++] = action->place;
            buffer_put(action->bytes);
        }
        scene->effects += action->kind == APPLIER_EFFECT;
    }
    return status;
}

static void assert_whole(struct scene *scene)
{
    assert_int_equal(scene->results, COMMANDS);
    for (unsigned i = 0; i < COMMANDS; i++)
        assert_int_equal(scene->places[i], i);
    assert_int_equal(scene->published.number, COMMANDS);
    assert_int_equal(scene->published.command, COMMANDS);
    assert_int_equal(scene->published.index, 2);
    assert_int_equal(machine_whole_index(&scene->applier.machine), 2);
    assert_int_equal(scene->applier.incarnation.value, INCARNATION);
    assert_int_equal(scene->applier.commands_since_flush, COMMANDS);
}

static void assert_same_rows(struct scene *one, struct scene *other)
{
    struct arena arena;
    struct kv_cursor a;
    struct kv_cursor b;
    unsigned rows = 0;
    arena_init(&arena);
    kv_cursor_open(kv_store_present(one->store.real), SLICE_EMPTY, SLICE_EMPTY, &arena, &a);
    kv_cursor_open(kv_store_present(other->store.real), SLICE_EMPTY, SLICE_EMPTY, &arena, &b);
    for (; a.valid && b.valid; kv_cursor_next(&a), kv_cursor_next(&b), rows++) {
        assert_true(slice_equal(a.key, b.key));
        assert_true(slice_equal(a.value, b.value));
    }
    assert_false(a.valid || b.valid);
    assert_true(rows > EXPORTS);
    kv_cursor_close(&a);
    kv_cursor_close(&b);
    arena_fini(&arena);
    assert_memory_equal(&one->applier.machine.chain, &other->applier.machine.chain, sizeof(struct hash128));
}

static void an_entry_is_one_write(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, APPLIER_BATCH_COMMANDS);
    assert_int_equal(step(&scene), STATUS_OK);
    assert_int_equal(scene.store.writes, 1);
    assert_whole(&scene);
    assert_true(scene.effects >= EXPORTS - 1); /* each new export */
    assert_int_equal(step(&scene), STATUS_OK); /* nothing of it is new */
    assert_int_equal(scene.store.writes, 1);
    assert_int_equal(scene.results, COMMANDS);
    scene_fini(&scene);
}

static void batches_make_no_difference(void **state)
{
    (void)state;
    struct scene whole;
    scene_init(&whole, COMMANDS);
    assert_int_equal(step(&whole), STATUS_OK);
    for (unsigned size = 1; size < COMMANDS; size++) {
        struct scene cut;
        scene_init(&cut, size);
        assert_int_equal(step(&cut), STATUS_OK);
        assert_int_equal(cut.store.writes, (COMMANDS + size - 1) / size);
        assert_whole(&cut);
        assert_int_equal(cut.effects, whole.effects);
        assert_same_rows(&whole, &cut);
        scene_fini(&cut);
    }
    scene_fini(&whole);
}

/* What was written stays, the rest has not happened, and is done when there is room. */
static void full_disk_takes_back_the_batch(void **state)
{
    (void)state;
    struct scene whole;
    scene_init(&whole, COMMANDS);
    assert_int_equal(step(&whole), STATUS_OK);
    for (unsigned good = 0; good < COMMANDS / 4; good++) {
        struct scene scene;
        scene_init(&scene, 4);
        scene.store.trouble = STATUS_NO_SPACE;
        scene.store.good_writes = good;
        for (unsigned again = 0; again < 2; again++) {
            assert_int_equal(step(&scene), STATUS_NO_SPACE);
            assert_int_equal(scene.results, 4 * good);
            assert_int_equal(scene.published.number, 4 * good);
            assert_int_equal(scene.applier.machine.command_number, 4 * good);
            assert_int_equal(machine_whole_index(&scene.applier.machine), good == 0 ? 0 : 1);
            assert_int_equal(scene.applier.incarnation.value, good == 0 ? 0 : INCARNATION);
        }
        struct applier_action *flush = applier_flush_now(&scene.applier);
        assert_int_equal(flush->number, 4 * good);
        scene.applier.commands_since_flush = 4 * good; /* as if there had been none */
        scene.store.good_writes = UINT32_MAX;
        assert_int_equal(step(&scene), STATUS_OK);
        assert_whole(&scene);
        assert_int_equal(scene.effects, whole.effects);
        assert_same_rows(&whole, &scene);
        scene_fini(&scene);
    }
    scene_fini(&whole);
}

static void broken_disk_is_said(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, COMMANDS);
    scene.store.trouble = STATUS_IO;
    scene.store.good_writes = 0;
    assert_int_equal(step(&scene), STATUS_IO);
    assert_int_equal(scene.results, 0);
    scene_fini(&scene);
}

/* What cannot be read stops the node; what came before it is done. */
static void command_that_does_not_unpack(void **state)
{
    (void)state;
    struct scene scene;
    struct log_entry reader;
    struct slice packed;
    struct slice content;
    scene_init(&scene, APPLIER_BATCH_COMMANDS);
    assert_int_equal(log_entry_open(&reader, buffer_slice(scene.entry)), STATUS_OK);
    for (unsigned i = 0; i < 5; i++)
        assert_true(log_entry_next(&reader, &packed, &content));
    memset(scene.entry->data + (packed.data - scene.entry->data), 0xff, packed.size_bytes);
    assert_int_equal(step(&scene), STATUS_BAD_DATA);
    assert_int_equal(scene.results, 4);
    assert_int_equal(scene.store.writes, 1);
    scene_fini(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_is_one_write),          cmocka_unit_test(batches_make_no_difference),
        cmocka_unit_test(full_disk_takes_back_the_batch), cmocka_unit_test(broken_disk_is_said),
        cmocka_unit_test(command_that_does_not_unpack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
