#include "server/daemon/snapshot_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "server/daemon/folder.h"
#include "statestore/machine/block.h"
#include "statestore/store/schema.h"

/* One file's path. */
#define FILE_PATH_BYTES (SNAPSHOT_COPY_PATH_BYTES + PEER_SNAPSHOT_NAME_MAX_BYTES + 2u)

enum status snapshot_copy_open(struct snapshot_copy *copy, const char *data_dir, struct block_store *blocks)
{
    memset(copy, 0, sizeof(*copy));
    copy->blocks = blocks;
    copy->file = -1;
    int folder = snprintf(copy->folder, sizeof(copy->folder), "%s/snapshots", data_dir);
    int state = snprintf(copy->state, sizeof(copy->state), "%s/snapshots/state", data_dir);
    CHECK(folder > 0 && state > 0 && (size_t)state < sizeof(copy->state));
    enum status status = folder_make(copy->folder);
    return status == STATUS_OK ? folder_empty(copy->folder) : status;
}

void snapshot_copy_close(struct snapshot_copy *copy)
{
    if (copy->file >= 0)
        close(copy->file);
    copy->file = -1;
}

enum status snapshot_copy_drop(struct snapshot_copy *copy)
{
    snapshot_copy_close(copy);
    return folder_empty(copy->folder);
}

static bool read_whole(int file, uint64_t offset, uint8_t *room, size_t size_bytes)
{
    size_t have = 0;
    while (have < size_bytes) {
        ssize_t got = pread(file, room + have, size_bytes - have, (off_t)(offset + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    return true;
}

static int file_open(const struct snapshot_copy *copy, const char *name)
{
    char path[FILE_PATH_BYTES];
    int length = snprintf(path, sizeof(path), "%s/%s", copy->state, name);
    CHECK(length > 0 && (size_t)length < sizeof(path));
    return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* Size and hash. */
static enum status describe_file(struct snapshot_copy *copy, struct snapshot_file *described, uint8_t *room)
{
    int file = file_open(copy, described->name);
    if (file < 0)
        return STATUS_IO;
    struct stat facts;
    bool good = fstat(file, &facts) == 0 && S_ISREG(facts.st_mode);
    described->size_bytes = good ? (uint64_t)facts.st_size : 0;
    described->hash = (struct hash128){0};
    bool stopping = false;
    for (uint64_t offset = 0; good && !stopping && offset < described->size_bytes; offset += SNAPSHOT_PIECE_BYTES) {
        uint64_t left = described->size_bytes - offset;
        size_t piece = left < SNAPSHOT_PIECE_BYTES ? (size_t)left : SNAPSHOT_PIECE_BYTES;
        good = read_whole(file, offset, room, piece);
        if (good)
            described->hash = snapshot_hash(described->hash, slice_make(room, piece));
        stopping = atomic_load_explicit(&copy->stopping, memory_order_relaxed);
    }
    close(file);
    return !good ? STATUS_IO : stopping ? STATUS_CLOSED : STATUS_OK;
}

/* The names in the copy's folder, into as many files as there is room for; *count is how many there are. */
static enum status describe_names(const struct snapshot_copy *copy, struct snapshot_file *files, size_t room,
                                  size_t *count)
{
    DIR *folder = opendir(copy->state);
    if (folder == NULL)
        return STATUS_IO;
    *count = 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] == '.')
            continue;
        if (*count < room) {
            size_t length = strlen(entry->d_name);
            CHECK(length <= PEER_SNAPSHOT_NAME_MAX_BYTES);
            memcpy(files[*count].name, entry->d_name, length + 1);
        }
        ++*count;
    }
    closedir(folder);
    return STATUS_OK;
}

static enum status describe_blocks(struct kv_read *view, struct snapshot_manifest *manifest)
{
    const uint8_t prefix = SCHEMA_BLOCK;
    struct kv_cursor cursor;
    struct arena arena;
    arena_init(&arena);
    for (kv_cursor_open(view, slice_make(&prefix, 1), SLICE_EMPTY, &arena, &cursor); cursor.valid;
         kv_cursor_next(&cursor)) {
        struct block block;
        block_decode_row(cursor.key, cursor.value, &block);
        manifest->block_count++;
        manifest->block_bytes += block.size_bytes;
    }
    kv_cursor_close(&cursor);
    arena_fini(&arena);
    return view->failed ? STATUS_IO : STATUS_OK;
}

enum status snapshot_copy_describe(struct snapshot_copy *copy, const struct applier_copy *made,
                                   struct snapshot_manifest **result)
{
    size_t count;
    enum status status = describe_names(copy, NULL, 0, &count);
    if (status != STATUS_OK)
        return status;
    if (count > SNAPSHOT_FILES_MAX)
        return STATUS_TOO_LARGE;
    struct snapshot_manifest *manifest = snapshot_manifest_create(count);
    memcpy(manifest->cluster_id, made->cluster_id, sizeof(manifest->cluster_id));
    manifest->log = made->log;
    manifest->command_number = made->command_number;
    manifest->chain = made->chain;
    status = describe_names(copy, manifest->files, manifest->file_count, &count);
    CHECK(status != STATUS_OK || count == manifest->file_count);
    uint8_t *room = malloc(SNAPSHOT_PIECE_BYTES);
    CHECK(room != NULL);
    for (size_t i = 0; i < manifest->file_count && status == STATUS_OK; i++)
        status = describe_file(copy, &manifest->files[i], room);
    free(room);
    if (status == STATUS_OK)
        status = describe_blocks(made->view, manifest);
    if (status != STATUS_OK) {
        snapshot_manifest_free(manifest);
        return status;
    }
    *result = manifest;
    return STATUS_OK;
}

static enum status read_file(struct snapshot_copy *copy, const struct snapshot_manifest *manifest,
                             const struct snapshot_message *fetch, struct buffer *data)
{
    if (copy->file < 0 || copy->file_item != fetch->item) {
        snapshot_copy_close(copy);
        copy->file = file_open(copy, manifest->files[fetch->item].name);
        copy->file_item = fetch->item;
    }
    if (copy->file < 0)
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    return read_whole(copy->file, fetch->offset, data->data, data->size_bytes) ? STATUS_OK : STATUS_IO;
}

enum status snapshot_copy_read(struct snapshot_copy *copy, const struct snapshot_manifest *manifest,
                               const struct snapshot_message *fetch, struct snapshot_message **chunk)
{
    struct snapshot_message *message = snapshot_message_create(SNAPSHOT_CHUNK, fetch->peer);
    message->id = fetch->id;
    message->part = fetch->part;
    message->item = fetch->item;
    message->offset = fetch->offset;
    message->size_bytes = fetch->size_bytes;
    message->data = buffer_create(fetch->size_bytes);
    message->data->size_bytes = fetch->size_bytes;
    enum status status = fetch->part == PEER_SNAPSHOT_FILE
                             ? read_file(copy, manifest, fetch, message->data)
                             : block_read(copy->blocks, (struct block_id){fetch->item}, fetch->offset,
                                          (struct span){message->data->data, message->data->size_bytes});
    if (status != STATUS_OK)
        snapshot_message_free(message);
    else
        *chunk = message;
    return status;
}
