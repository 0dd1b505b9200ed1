#include "tests/support/state_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "blockstore/block_files.h"
#include "proto/nfs4/open.h"
#include "server/daemon/folder.h"
#include "statestore/machine/block.h"
#include "statestore/store/kv_rocksdb.h"
#include "statestore/store/schema.h"
#include "tests/support/scene.h"

#define CONTENT_BYTES 300000u

void state_folder_init(struct state_folder *folder, uint64_t node)
{
    *folder = (struct state_folder){.identity = {.node_id = node}, .log = {LOG_ERROR, false, 2}};
    memcpy(folder->identity.cluster_id, "cluster-cluster-", 16); /* the scene's */
    snprintf(folder->path, sizeof(folder->path), "/tmp/qnfs-state-folder-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    assert_int_equal(disk_posix_open(&folder->disk, folder->path), STATUS_OK);
    assert_int_equal(data_directory_prepare(&folder->disk), STATUS_OK);
    assert_int_equal(data_directory_store(&folder->disk, &folder->identity), STATUS_OK);
}

void state_folder_fini(struct state_folder *folder)
{
    state_folder_close(folder);
    disk_posix_close(&folder->disk);
    assert_int_equal(folder_remove(folder->path), STATUS_OK);
}

void state_folder_open(struct state_folder *folder)
{
    char path[160];
    struct kv_rocksdb_options options = {.cache_bytes = 1 << 20, .write_buffer_bytes = 1 << 20, .log = &folder->log};
    snprintf(path, sizeof(path), "%s/state", folder->path);
    assert_int_equal(kv_rocksdb_open(path, &options, &folder->store), STATUS_OK);
    snprintf(path, sizeof(path), "%s/blocks", folder->path);
    assert_int_equal(block_files_open(path, &folder->blocks), STATUS_OK);
    memset(&folder->published, 0, sizeof(folder->published));
    applier_init(&folder->applier, folder->store, folder->blocks, &folder->published, UINT64_C(1) << 63);
    folder->published.free_bytes = (uint64_t)100 << 30;
    folder->published.total_bytes = (uint64_t)200 << 30;
}

void state_folder_close(struct state_folder *folder)
{
    if (folder->store == NULL)
        return;
    applier_fini(&folder->applier);
    kv_store_destroy(folder->store);
    block_store_destroy(folder->blocks);
    folder->store = NULL;
    folder->blocks = NULL;
}

/* All rows of one store into another. */
static void copy_rows(struct kv_read *from, struct kv_store *to)
{
    struct arena arena;
    struct kv_cursor cursor;
    struct transaction transaction;
    arena_init(&arena);
    transaction_init(&transaction, kv_store_present(to), &arena);
    for (kv_cursor_open(from, SLICE_EMPTY, SLICE_EMPTY, &arena, &cursor); cursor.valid; kv_cursor_next(&cursor))
        transaction_put(&transaction, cursor.key, cursor.value);
    kv_cursor_close(&cursor);
    assert_int_equal(kv_store_write(to, &transaction), STATUS_OK);
    arena_fini(&arena);
}

static void fill_file(struct state_folder *folder, struct scene *scene, struct scene_client *client, unsigned number,
                      uint8_t *content)
{
    char name[32];
    snprintf(name, sizeof(name), "file%u", number);
    struct stateid open = scene_open_ok(scene, client, "owner", name, OPEN4_SHARE_ACCESS_BOTH, 0);
    struct file_id file = scene_lookup(scene, name);
    for (unsigned write = 0; write < 2; write++) {
        Qnfs__Command *command = scene_command(scene);
        Qnfs__Write *body = arena_alloc(&scene->arena, sizeof(*body));
        qnfs__write__init(body);
        body->file = scene_file(scene, file);
        body->stateid = scene_stateid(scene, open);
        body->client = client->id.value;
        size_t size_bytes = number % 2 == 0 ? 70000 + number * 1000 % (CONTENT_BYTES - 70000) : 100;
        content[number % size_bytes] = (uint8_t)(number + write);
        scene->content = slice_make(content, size_bytes);
        command->body_case = QNFS__COMMAND__BODY_WRITE;
        command->write = body;
        scene_slot(scene, client, 0, command);
        assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
        for (size_t i = 0; i < scene->answer.effect_count; i++) {
            if (scene->answer.effects[i].kind == EFFECT_STORE_BLOCK)
                assert_int_equal(block_write(folder->blocks, scene->answer.effects[i].block, scene->content),
                                 STATUS_OK);
        }
        scene->content = SLICE_EMPTY;
    }
    if (number % 3 == 0)
        assert_int_equal(scene_close(scene, client, file, open)->status, NFS4_OK);
    if (number % 10 == 0)
        assert_int_equal(scene_remove(scene, client, name)->status, NFS4_OK);
}

static void fill_configuration(struct state_folder *folder)
{
    static const struct configuration members = {3, {{1, MEMBER_VOTER}, {2, MEMBER_VOTER}, {3, MEMBER_STANDBY}}};
    struct applier_action *actions;
    struct replica_entry entry = {.index = folder->applier.machine.applied_index + 1,
                                  .term = folder->applier.machine.applied_term + 2,
                                  .kind = REPLICA_ENTRY_CONFIGURATION,
                                  .bytes = buffer_create(CONFIGURATION_MAX_BYTES)};
    entry.bytes->size_bytes =
        configuration_encode(&members, (struct span){entry.bytes->data, entry.bytes->capacity_bytes});
    assert_int_equal(applier_step(&folder->applier, &entry, &actions), STATUS_OK);
    buffer_put(entry.bytes);
}

void state_folder_fill(struct state_folder *folder, unsigned files)
{
    struct scene scene;
    uint8_t *content = malloc(CONTENT_BYTES);
    CHECK(content != NULL);
    for (size_t i = 0; i < CONTENT_BYTES; i++)
        content[i] = (uint8_t)(i * 31 + (i >> 8));
    scene_init(&scene);
    struct scene_client client = scene_client(&scene, "client", 1);
    for (unsigned number = 0; number < files; number++)
        fill_file(folder, &scene, &client, number, content);
    copy_rows(scene_read(&scene), folder->store);
    scene_fini(&scene);
    free(content);
    applier_fini(&folder->applier);
    applier_init(&folder->applier, folder->store, folder->blocks, &folder->published, UINT64_C(1) << 63);
    fill_configuration(folder);
    assert_int_equal(kv_store_flush(folder->store), STATUS_OK);
}

static void compare_block(struct state_folder *a, struct state_folder *b, const struct block *block)
{
    size_t size_bytes = (size_t)block->size_bytes;
    uint8_t *first = malloc(size_bytes);
    uint8_t *second = malloc(size_bytes);
    CHECK(first != NULL && second != NULL);
    assert_int_equal(block_read(a->blocks, block->id, 0, (struct span){first, size_bytes}), STATUS_OK);
    assert_int_equal(block_read(b->blocks, block->id, 0, (struct span){second, size_bytes}), STATUS_OK);
    assert_memory_equal(first, second, size_bytes);
    free(first);
    free(second);
}

void state_folder_compare(struct state_folder *a, struct state_folder *b)
{
    struct arena arena;
    struct kv_cursor first;
    struct kv_cursor second;
    char text[1024] = "";
    unsigned blocks = 0;
    arena_init(&arena);
    assert_true(hash128_equal(a->applier.machine.chain, b->applier.machine.chain));
    kv_cursor_open(kv_store_present(a->store), SLICE_EMPTY, SLICE_EMPTY, &arena, &first);
    kv_cursor_open(kv_store_present(b->store), SLICE_EMPTY, SLICE_EMPTY, &arena, &second);
    for (; first.valid && second.valid; kv_cursor_next(&first), kv_cursor_next(&second)) {
        assert_true(slice_equal(first.key, second.key) && slice_equal(first.value, second.value));
        if (first.key.data[0] != SCHEMA_BLOCK)
            continue;
        struct block block;
        block_decode_row(first.key, first.value, &block);
        compare_block(a, b, &block);
        blocks++;
    }
    assert_true(!first.valid && !second.valid && blocks > 0);
    kv_cursor_close(&first);
    kv_cursor_close(&second);
    if (machine_check(kv_store_present(b->store), &arena, text, sizeof(text)) != 0)
        fail_msg("%s", text);
    arena_fini(&arena);
}
