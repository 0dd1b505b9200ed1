#include "server/daemon/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "blockstore/block_files.h"
#include "cluster/big_endian.h"
#include "server/daemon/folder.h"
#include "statestore/machine/block.h"
#include "statestore/machine/machine.h"
#include "statestore/store/kv_rocksdb.h"
#include "statestore/store/schema.h"

#define NAME_PATH_BYTES (STAGING_PATH_BYTES + PEER_SNAPSHOT_NAME_MAX_BYTES + 2u)

static void path_join(char *path, size_t room, const char *folder, const char *name)
{
    int length = snprintf(path, room, "%s/%s", folder, name);
    CHECK(length > 0 && (size_t)length < room);
}

void staging_init(struct staging *staging, const char *data_dir, struct clock clock, const struct log *log)
{
    *staging = (struct staging){.log = log, .clock = clock, .file = -1};
    path_join(staging->folder, sizeof(staging->folder), data_dir, "staging");
    path_join(staging->state, sizeof(staging->state), data_dir, "staging/state");
    path_join(staging->blocks_path, sizeof(staging->blocks_path), data_dir, "staging/blocks");
}

void staging_fini(struct staging *staging)
{
    if (staging->file >= 0)
        close(staging->file);
    staging->file = -1;
    if (staging->store != NULL)
        kv_store_destroy(staging->store);
    staging->store = NULL;
    if (staging->blocks != NULL)
        block_store_destroy(staging->blocks);
    staging->blocks = NULL;
}

static enum status status_of_errno(int error)
{
    return error == ENOSPC || error == EDQUOT ? STATUS_NO_SPACE : STATUS_IO;
}

enum status staging_clear(struct staging *staging)
{
    staging_fini(staging);
    char path[NAME_PATH_BYTES];
    path_join(path, sizeof(path), staging->folder, "ready");
    if (unlink(path) == 0) {
        enum status status = folder_sync(staging->folder);
        if (status != STATUS_OK)
            return status;
    } else if (errno != ENOENT) {
        return STATUS_IO;
    }
    return folder_empty(staging->folder);
}

static int file_open(const struct staging *staging, const struct snapshot_manifest *manifest, size_t file, int flags)
{
    char path[NAME_PATH_BYTES];
    path_join(path, sizeof(path), staging->state, manifest->files[file].name);
    return open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
}

enum status staging_begin(struct staging *staging, const struct snapshot_manifest *manifest, uint64_t spare_bytes)
{
    uint64_t wanted = snapshot_manifest_bytes(manifest);
    if (wanted > spare_bytes) {
        log_line(staging->log, LOG_ERROR,
                 "the cluster's state and content take %" PRIu64 " MiB, and there is room for %" PRIu64
                 " MiB: they are not fetched",
                 wanted >> 20, spare_bytes >> 20);
        return STATUS_NO_SPACE;
    }
    enum status status = staging_clear(staging);
    if (status == STATUS_OK)
        status = folder_make(staging->state);
    if (status == STATUS_OK)
        status = folder_make(staging->blocks_path);
    for (size_t i = 0; i < manifest->file_count && status == STATUS_OK; i++) {
        int file = file_open(staging, manifest, i, O_CREAT | O_EXCL);
        if (file < 0)
            return status_of_errno(errno);
        close(file);
    }
    return status;
}

static bool write_whole(int file, uint64_t offset, struct slice data)
{
    while (data.size_bytes > 0) {
        ssize_t written = pwrite(file, data.data, data.size_bytes, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        offset += (uint64_t)written;
        data = slice_from(data, (size_t)written);
    }
    return true;
}

enum status staging_write(struct staging *staging, const struct snapshot_manifest *manifest, size_t file,
                          uint64_t offset, struct slice data, bool last)
{
    CHECK(file < manifest->file_count);
    if (staging->file < 0 || staging->file_index != file) {
        CHECK(staging->file < 0);
        staging->file = file_open(staging, manifest, file, 0);
        staging->file_index = file;
        if (staging->file < 0)
            return status_of_errno(errno);
    }
    if (!write_whole(staging->file, offset, data))
        return status_of_errno(errno);
    if (!last)
        return STATUS_OK;
    enum status status = fsync(staging->file) == 0 ? STATUS_OK : status_of_errno(errno);
    close(staging->file);
    staging->file = -1;
    return status;
}

static enum status staging_verify(struct staging *staging, const struct snapshot_manifest *manifest)
{
    struct kv_read *view = kv_store_snapshot(staging->store);
    struct arena arena;
    struct machine machine;
    char text[1024] = "";
    arena_init(&arena);
    machine_load(&machine, view, &arena);
    bool same = machine.created && machine.applied_index == manifest->log.index &&
                machine.applied_term == manifest->log.term && machine_whole_index(&machine) == manifest->log.index &&
                machine.command_number == manifest->command_number && hash128_equal(machine.chain, manifest->chain) &&
                memcmp(machine.cluster_id, manifest->cluster_id, sizeof(machine.cluster_id)) == 0;
    if (!same)
        log_line(staging->log, LOG_ERROR, "the state that was fetched is not the one of its manifest");
    uint64_t began_ms = staging->clock.boot_ms(staging->clock.context);
    size_t finds = same ? machine_check(view, &arena, text, sizeof(text)) : 0;
    if (finds > 0)
        log_line(staging->log, LOG_ERROR, "the state that was fetched is damaged, %zu finds: %s", finds, text);
    else if (same)
        log_line(staging->log, LOG_INFO,
                 "the state that was fetched, at entry %" PRIu64 ", was looked through in %" PRIu64 " ms",
                 manifest->log.index, staging->clock.boot_ms(staging->clock.context) - began_ms);
    bool failed = view->failed;
    kv_store_release(staging->store, view);
    arena_fini(&arena);
    return failed ? STATUS_IO : same && finds == 0 ? STATUS_OK : STATUS_BAD_DATA;
}

enum status staging_open(struct staging *staging, const struct snapshot_manifest *manifest)
{
    struct kv_rocksdb_options options = {
        .cache_bytes = STAGED_CACHE_BYTES, .write_buffer_bytes = STAGED_WRITE_BUFFER_BYTES, .log = staging->log};
    CHECK(staging->store == NULL && staging->blocks == NULL);
    enum status status = folder_sync(staging->state);
    if (status == STATUS_OK)
        status = kv_rocksdb_open(staging->state, &options, &staging->store);
    if (status == STATUS_OK)
        status = block_files_open(staging->blocks_path, &staging->blocks);
    return status == STATUS_OK ? staging_verify(staging, manifest) : status;
}

enum status staging_list(struct staging *staging, struct block_id after, struct snapshot_block *blocks, size_t *count)
{
    struct kv_read *view = kv_store_snapshot(staging->store);
    const uint8_t prefix = SCHEMA_BLOCK;
    uint8_t start[9] = {SCHEMA_BLOCK};
    struct kv_cursor cursor;
    struct arena arena;
    put_u64(start + 1, after.value + 1);
    *count = 0;
    arena_init(&arena);
    kv_cursor_open(view, slice_make(&prefix, 1), slice_make(start, sizeof(start)), &arena, &cursor);
    for (; cursor.valid && *count < SNAPSHOT_BLOCKS_LISTED; kv_cursor_next(&cursor)) {
        struct block block;
        block_decode_row(cursor.key, cursor.value, &block);
        blocks[(*count)++] = (struct snapshot_block){block.id, block.size_bytes, block.checksum};
    }
    kv_cursor_close(&cursor);
    bool failed = view->failed;
    kv_store_release(staging->store, view);
    arena_fini(&arena);
    return failed ? STATUS_IO : STATUS_OK;
}

enum status staging_store(struct staging *staging, struct block_id block, struct slice data)
{
    return block_write(staging->blocks, block, data);
}

static enum status staging_mark(struct staging *staging, const struct snapshot_manifest *manifest)
{
    char path[NAME_PATH_BYTES];
    char ready[NAME_PATH_BYTES];
    path_join(path, sizeof(path), staging->folder, "ready.new");
    path_join(ready, sizeof(ready), staging->folder, "ready");
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return status_of_errno(errno);
    struct buffer *bytes = snapshot_manifest_save(manifest);
    bool good = write_whole(file, 0, buffer_slice(bytes)) && fsync(file) == 0;
    enum status status = good ? STATUS_OK : status_of_errno(errno);
    buffer_put(bytes);
    close(file);
    if (status == STATUS_OK && rename(path, ready) != 0)
        status = status_of_errno(errno);
    return status == STATUS_OK ? folder_sync(staging->folder) : status;
}

enum status staging_finish(struct staging *staging, const struct snapshot_manifest *manifest)
{
    enum status status = block_sync(staging->blocks);
    if (status == STATUS_OK)
        status = kv_store_flush(staging->store);
    staging_fini(staging);
    if (status == STATUS_OK)
        status = folder_sync(staging->state);
    if (status == STATUS_OK)
        status = folder_sync(staging->blocks_path);
    if (status == STATUS_OK)
        status = folder_sync(staging->folder);
    return status == STATUS_OK ? staging_mark(staging, manifest) : status;
}
