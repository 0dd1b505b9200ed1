/* kv_memory.c: rows in one tree, each with its versions, newest first. A version is numbered by the write that made it.
 * Kept are the versions that the present, an open snapshot, or a crash (back to the last flush) could still show. */
#include "statestore/store/kv_memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/list.h"

struct memory_version {
    struct memory_version *older;
    uint64_t number; /* of the write that made it */
    bool deleted;
    size_t size_bytes;
    uint8_t value[];
};

struct memory_row {
    struct tree_node node; /* its key is in `key` below */
    struct memory_version *newest;
    uint8_t key[];
};

struct memory_read {
    struct kv_read read;
    struct kv_memory *memory;
    struct list_link link; /* in memory->snapshots */
    uint64_t number;       /* writes after it are not seen */
};

#define MEMORY_NUMBER_PRESENT UINT64_MAX

struct kv_memory {
    struct kv_store store;
    pthread_mutex_t lock; /* over all below: snapshots are taken and read by other threads than the writer's */
    struct tree rows;
    uint64_t written; /* writes so far */
    uint64_t flushed; /* how many of them are durable */
    struct list snapshots;
    struct memory_read present;
    enum status failure;      /* of writes, flushes and checkpoints */
    uint64_t failure_written; /* from this number of writes on */
};

static struct kv_memory *memory_of(struct kv_store *store)
{
    return container_of(store, struct kv_memory, store);
}

static struct memory_row *memory_row_of(struct tree_node *node)
{
    return node == NULL ? NULL : container_of(node, struct memory_row, node);
}

/* The row's version as of the write `number`; NULL if it was absent. */
static const struct memory_version *memory_row_at(const struct memory_row *row, uint64_t number)
{
    const struct memory_version *version = row->newest;
    while (version != NULL && version->number > number)
        version = version->older;
    return version == NULL || version->deleted ? NULL : version;
}

/* --- views --- */

static bool memory_get(struct kv_read *read, struct slice key, struct arena *arena, struct slice *value)
{
    struct memory_read *view = container_of(read, struct memory_read, read);
    struct kv_memory *memory = view->memory;
    pthread_mutex_lock(&memory->lock);
    const struct memory_row *row = memory_row_of(tree_find(&memory->rows, key));
    const struct memory_version *version = row == NULL ? NULL : memory_row_at(row, view->number);
    if (version != NULL)
        *value = arena_copy(arena, slice_make(version->value, version->size_bytes));
    pthread_mutex_unlock(&memory->lock);
    return version != NULL;
}

/* A cursor keeps a copy of its row in a buffer of its own, so that it needs no lock between calls. It is frozen when it
 * is opened, also over the present, as RocksDB's are. */
struct memory_position {
    uint8_t *bytes; /* key, then value */
    size_t room_bytes;
    struct memory_read frozen; /* in memory->snapshots: keeps the versions that the cursor sees */
};

static void memory_show(struct kv_cursor *cursor, const struct memory_row *row, const struct memory_version *version)
{
    struct memory_position *position = cursor->state;
    size_t size_bytes = row->node.key.size_bytes + version->size_bytes;
    if (size_bytes > position->room_bytes) {
        free(position->bytes);
        position->bytes = malloc(size_bytes);
        CHECK(position->bytes != NULL);
        position->room_bytes = size_bytes;
    }
    cursor->key = slice_make(position->bytes, row->node.key.size_bytes);
    cursor->value = slice_make(position->bytes + row->node.key.size_bytes, version->size_bytes);
    memcpy(position->bytes, row->key, row->node.key.size_bytes);
    if (version->size_bytes > 0)
        memcpy(position->bytes + row->node.key.size_bytes, version->value, version->size_bytes);
}

/* Shows the first row from `node` on that exists in the cursor's view. Ends at the prefix's end. */
static void memory_settle(struct kv_memory *memory, struct kv_cursor *cursor, struct tree_node *node)
{
    struct memory_position *position = cursor->state;
    cursor->valid = false;
    while (node != NULL && slice_starts_with(node->key, cursor->prefix)) {
        struct memory_row *row = memory_row_of(node);
        const struct memory_version *version = memory_row_at(row, position->frozen.number);
        if (version != NULL) {
            memory_show(cursor, row, version);
            cursor->valid = true;
            return;
        }
        node = tree_after(&memory->rows, node->key);
    }
}

static void memory_seek(struct kv_read *read, struct kv_cursor *cursor, struct slice key)
{
    struct memory_read *view = container_of(read, struct memory_read, read);
    struct kv_memory *memory = view->memory;
    struct memory_position *position = calloc(1, sizeof(*position));
    CHECK(position != NULL);
    cursor->state = position;
    pthread_mutex_lock(&memory->lock);
    position->frozen.number = view->number < memory->written ? view->number : memory->written;
    list_append(&memory->snapshots, &position->frozen.link);
    memory_settle(memory, cursor, tree_at_or_after(&memory->rows, key));
    pthread_mutex_unlock(&memory->lock);
}

static void memory_next(struct kv_read *read, struct kv_cursor *cursor)
{
    struct kv_memory *memory = container_of(read, struct memory_read, read)->memory;
    pthread_mutex_lock(&memory->lock);
    memory_settle(memory, cursor, tree_after(&memory->rows, cursor->key));
    pthread_mutex_unlock(&memory->lock);
}

static void memory_close(struct kv_read *read, struct kv_cursor *cursor)
{
    struct kv_memory *memory = container_of(read, struct memory_read, read)->memory;
    struct memory_position *position = cursor->state;
    pthread_mutex_lock(&memory->lock);
    list_remove(&position->frozen.link);
    pthread_mutex_unlock(&memory->lock);
    free(position->bytes);
    free(position);
}

static const struct kv_read_operations memory_read_operations = {
    .get = memory_get,
    .seek = memory_seek,
    .next = memory_next,
    .close = memory_close,
};

static struct kv_read *memory_present(struct kv_store *store)
{
    return &memory_of(store)->present.read;
}

static struct kv_read *memory_snapshot(struct kv_store *store)
{
    struct kv_memory *memory = memory_of(store);
    struct memory_read *view = calloc(1, sizeof(*view));
    CHECK(view != NULL);
    view->read.operations = &memory_read_operations;
    view->memory = memory;
    pthread_mutex_lock(&memory->lock);
    view->number = memory->written;
    list_append(&memory->snapshots, &view->link);
    pthread_mutex_unlock(&memory->lock);
    return &view->read;
}

static void memory_release(struct kv_store *store, struct kv_read *snapshot)
{
    struct kv_memory *memory = memory_of(store);
    struct memory_read *view = container_of(snapshot, struct memory_read, read);
    CHECK(view != &memory->present && view->memory == memory);
    pthread_mutex_lock(&memory->lock);
    list_remove(&view->link);
    pthread_mutex_unlock(&memory->lock);
    free(view);
}

/* --- versions --- */

static void memory_free_versions(struct memory_version *version)
{
    while (version != NULL) {
        struct memory_version *older = version->older;
        free(version);
        version = older;
    }
}

/* The oldest write whose state may still be asked for. */
static uint64_t memory_horizon(const struct kv_memory *memory)
{
    uint64_t horizon = memory->flushed;
    for (struct list_link *link = list_first(&memory->snapshots); link != NULL;
         link = list_next(&memory->snapshots, link)) {
        uint64_t number = container_of(link, struct memory_read, link)->number;
        horizon = number < horizon ? number : horizon;
    }
    return horizon;
}

/* Frees the versions that nobody can ask for: all behind the newest one at or below the horizon. */
static void memory_row_trim(struct memory_row *row, uint64_t horizon)
{
    struct memory_version *version = row->newest;
    while (version != NULL && version->number > horizon)
        version = version->older;
    if (version != NULL) {
        memory_free_versions(version->older);
        version->older = NULL;
    }
}

static void memory_row_free(struct kv_memory *memory, struct memory_row *row)
{
    tree_remove(&memory->rows, &row->node);
    memory_free_versions(row->newest);
    free(row);
}

/* Trims every row, and takes out those that are deleted for everyone. */
static void memory_sweep(struct kv_memory *memory)
{
    uint64_t horizon = memory_horizon(memory);
    struct tree_node *node = tree_at_or_after(&memory->rows, SLICE_EMPTY);
    while (node != NULL) {
        struct memory_row *row = memory_row_of(node);
        node = tree_after(&memory->rows, row->node.key);
        memory_row_trim(row, horizon);
        if (row->newest == NULL || (row->newest->deleted && row->newest->number <= horizon))
            memory_row_free(memory, row);
    }
}

static struct memory_row *memory_row_touch(struct kv_memory *memory, struct slice key)
{
    struct memory_row *row = memory_row_of(tree_find(&memory->rows, key));
    if (row == NULL) {
        row = malloc(sizeof(*row) + key.size_bytes);
        CHECK(row != NULL);
        memcpy(row->key, key.data, key.size_bytes);
        *row = (struct memory_row){.node = {.key = slice_make(row->key, key.size_bytes)}};
        tree_insert(&memory->rows, &row->node);
    }
    return row;
}

static void memory_change(struct kv_memory *memory, const struct transaction_change *change, uint64_t horizon)
{
    struct memory_row *row = memory_row_touch(memory, change->key);
    struct memory_version *version = malloc(sizeof(*version) + change->value.size_bytes);
    CHECK(version != NULL);
    *version = (struct memory_version){.older = row->newest,
                                       .number = memory->written,
                                       .deleted = change->deleted,
                                       .size_bytes = change->value.size_bytes};
    if (change->value.size_bytes > 0)
        memcpy(version->value, change->value.data, change->value.size_bytes);
    row->newest = version;
    memory_row_trim(row, horizon);
}

/* --- the store --- */

static enum status memory_failure(const struct kv_memory *memory)
{
    return memory->written >= memory->failure_written ? memory->failure : STATUS_OK;
}

static enum status memory_write(struct kv_store *store, struct transaction *transaction)
{
    struct kv_memory *memory = memory_of(store);
    const struct transaction_change *changes = transaction_changes(transaction);
    pthread_mutex_lock(&memory->lock);
    enum status status = memory_failure(memory);
    if (status == STATUS_OK) {
        memory->written++;
        uint64_t horizon = memory_horizon(memory);
        for (size_t i = 0; i < transaction->count; i++)
            memory_change(memory, &changes[i], horizon);
    }
    pthread_mutex_unlock(&memory->lock);
    return status;
}

static enum status memory_flush(struct kv_store *store)
{
    struct kv_memory *memory = memory_of(store);
    pthread_mutex_lock(&memory->lock);
    enum status status = memory_failure(memory);
    if (status == STATUS_OK) {
        memory->flushed = memory->written;
        memory_sweep(memory);
    }
    pthread_mutex_unlock(&memory->lock);
    return status;
}

#define MEMORY_PATH_MAX_BYTES 4096
/* A key or value in a checkpoint; more is damage. Far over any row of the machine. */
#define MEMORY_BYTES_MAX ((uint64_t)64 << 20)

static bool memory_save_bytes(FILE *file, struct slice bytes)
{
    return bytes.size_bytes == 0 || fwrite(bytes.data, 1, bytes.size_bytes, file) == bytes.size_bytes;
}

/* A checkpoint is the file `rows`: for each row the sizes of key and value as host words, then both. */
static bool memory_save(struct kv_memory *memory, FILE *file)
{
    bool good = true;
    for (struct tree_node *node = tree_at_or_after(&memory->rows, SLICE_EMPTY); node != NULL && good;
         node = tree_after(&memory->rows, node->key)) {
        const struct memory_version *version = memory_row_at(memory_row_of(node), MEMORY_NUMBER_PRESENT);
        if (version == NULL)
            continue;
        uint64_t sizes[2] = {node->key.size_bytes, version->size_bytes};
        good = memory_save_bytes(file, slice_make(sizes, sizeof(sizes))) && memory_save_bytes(file, node->key) &&
               memory_save_bytes(file, slice_make(version->value, version->size_bytes));
    }
    return good;
}

static enum status memory_checkpoint(struct kv_store *store, const char *directory)
{
    struct kv_memory *memory = memory_of(store);
    enum status status = memory_flush(store);
    if (status != STATUS_OK)
        return status;
    char path[MEMORY_PATH_MAX_BYTES];
    int length = snprintf(path, sizeof(path), "%s/rows", directory);
    if (length < 0 || (size_t)length >= sizeof(path) || mkdir(directory, 0700) != 0)
        return STATUS_IO;
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return STATUS_IO;
    pthread_mutex_lock(&memory->lock);
    bool good = memory_save(memory, file);
    pthread_mutex_unlock(&memory->lock);
    good = fflush(file) == 0 && fsync(fileno(file)) == 0 && good;
    int error = errno;
    good = fclose(file) == 0 && good;
    if (good)
        return STATUS_OK;
    return error == ENOSPC ? STATUS_NO_SPACE : STATUS_IO;
}

static void memory_destroy(struct kv_store *store)
{
    struct kv_memory *memory = memory_of(store);
    CHECK(list_empty(&memory->snapshots));
    struct tree_node *node;
    while ((node = memory->rows.root) != NULL)
        memory_row_free(memory, memory_row_of(node));
    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

static const struct kv_store_operations memory_store_operations = {
    .present = memory_present,
    .write = memory_write,
    .snapshot = memory_snapshot,
    .release = memory_release,
    .flush = memory_flush,
    .checkpoint = memory_checkpoint,
    .destroy = memory_destroy,
};

struct kv_store *kv_memory_create(void)
{
    struct kv_memory *memory = calloc(1, sizeof(*memory));
    CHECK(memory != NULL);
    memory->store.operations = &memory_store_operations;
    CHECK(pthread_mutex_init(&memory->lock, NULL) == 0);
    tree_init(&memory->rows);
    list_init(&memory->snapshots);
    memory->present = (struct memory_read){
        .read = {.operations = &memory_read_operations},
        .memory = memory,
        .number = MEMORY_NUMBER_PRESENT,
    };
    return &memory->store;
}

/* One row of a checkpoint; *more false at its end. */
static enum status memory_load_row(FILE *file, struct transaction *transaction, struct arena *arena, bool *more)
{
    uint64_t sizes[2];
    size_t got = fread(sizes, 1, sizeof(sizes), file);
    *more = got != 0;
    if (got == 0)
        return ferror(file) ? STATUS_IO : STATUS_OK;
    if (got != sizeof(sizes) || sizes[0] == 0 || sizes[0] > MEMORY_BYTES_MAX || sizes[1] > MEMORY_BYTES_MAX)
        return STATUS_BAD_DATA;
    uint8_t *bytes = arena_alloc(arena, sizes[0] + sizes[1]);
    if (fread(bytes, 1, sizes[0] + sizes[1], file) != sizes[0] + sizes[1])
        return STATUS_BAD_DATA;
    transaction_put(transaction, slice_make(bytes, sizes[0]), slice_make(bytes + sizes[0], sizes[1]));
    return STATUS_OK;
}

enum status kv_memory_load(const char *directory, struct kv_store **store)
{
    char path[MEMORY_PATH_MAX_BYTES];
    int length = snprintf(path, sizeof(path), "%s/rows", directory);
    if (length < 0 || (size_t)length >= sizeof(path))
        return STATUS_NOT_FOUND;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    struct kv_store *loaded = kv_memory_create();
    struct arena arena;
    arena_init(&arena);
    enum status status = STATUS_OK;
    bool more = true;
    while (status == STATUS_OK && more) {
        struct transaction transaction;
        transaction_init(&transaction, kv_store_present(loaded), &arena);
        status = memory_load_row(file, &transaction, &arena, &more);
        if (status == STATUS_OK && more)
            status = kv_store_write(loaded, &transaction);
        arena_reset(&arena);
    }
    if (status == STATUS_OK)
        status = kv_store_flush(loaded);
    arena_fini(&arena);
    fclose(file);
    if (status == STATUS_OK)
        *store = loaded;
    else
        kv_store_destroy(loaded);
    return status;
}

/* --- beyond kv.h --- */

uint64_t kv_memory_crash(struct kv_store *store, struct random_seeded *random)
{
    struct kv_memory *memory = memory_of(store);
    CHECK(list_empty(&memory->snapshots));
    uint64_t unflushed = memory->written - memory->flushed;
    uint64_t lost = 0;
    /* All and nothing are the cases with a meaning of their own; what lies between is drawn evenly. */
    switch (random_seeded_next(random) % 4) {
    case 0: lost = unflushed; break;
    case 1: break;
    default: lost = random_seeded_next(random) % (unflushed + 1); break;
    }
    memory->written -= lost;
    memory->flushed = memory->written;
    struct tree_node *node = tree_at_or_after(&memory->rows, SLICE_EMPTY);
    while (node != NULL) {
        struct memory_row *row = memory_row_of(node);
        while (row->newest != NULL && row->newest->number > memory->written) {
            struct memory_version *older = row->newest->older;
            free(row->newest);
            row->newest = older;
        }
        node = tree_after(&memory->rows, node->key);
    }
    memory_sweep(memory);
    memory->present.read.failed = false;
    memory->failure = STATUS_OK;
    return lost;
}

void kv_memory_fail(struct kv_store *store, enum status status)
{
    kv_memory_fail_after(store, status, 0);
}

void kv_memory_fail_after(struct kv_store *store, enum status status, uint64_t writes)
{
    struct kv_memory *memory = memory_of(store);
    pthread_mutex_lock(&memory->lock);
    memory->failure = status;
    memory->failure_written = memory->written + writes;
    pthread_mutex_unlock(&memory->lock);
}

uint64_t kv_memory_unflushed(struct kv_store *store)
{
    struct kv_memory *memory = memory_of(store);
    return memory->written - memory->flushed;
}
