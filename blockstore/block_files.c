/* block_files.c: the file of a block is a header and then chunks, each behind its checksum:
 *
 *   0   8  "QNFSBLK1"
 *   8   8  size of the content in bytes, big-endian
 *   then for each chunk of BLOCK_CHUNK_BYTES (the last one may be shorter):
 *      16  XXH3-128 of the chunk, big-endian, seed = id * 0x9e3779b97f4a7c15 + chunk number
 *       n  the chunk
 *
 * so a part is read and checked without the rest, in one system call, and a chunk in a wrong place or file is noticed.
 * Blocks whose numbers differ in the lowest 8 bits share a folder: what is written together is synced together. */
#include "blockstore/block_files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/list.h"

#define HEADER_BYTES 16u
#define SUM_BYTES 16u
#define CHUNKS_MAX (BLOCK_MAX_BYTES / BLOCK_CHUNK_BYTES)
#define FOLDERS 65536u
#define PATH_BYTES 32 /* ab/cd/0123456789abcdef */

static const char block_magic[8] = {'Q', 'N', 'F', 'S', 'B', 'L', 'K', '1'};

/* What a sync has to do. */
struct unsynced {
    uint64_t *ids; /* BLOCK_UNSYNCED_MAX of them, owned */
    size_t count;
    uint8_t folders[FOLDERS / 8]; /* bit: entries came or went */
    bool parents[FOLDERS / 256];  /* blocks were written somewhere below it: a folder may be new */
};

struct block_files {
    struct block_store store;
    int directory;
    pthread_mutex_t lock;      /* over the next two */
    struct unsynced *unsynced; /* owned */
    bool broken;               /* a sync has failed */
    pthread_mutex_t sync_lock; /* one sync at a time, so that none returns before what an earlier one took is durable */
    struct unsynced *syncing;  /* owned; empty between syncs */
};

static struct block_files *files_of(struct block_store *store)
{
    return container_of(store, struct block_files, store);
}

static enum status status_of_errno(int error)
{
    return error == ENOSPC || error == EDQUOT ? STATUS_NO_SPACE : STATUS_IO;
}

/* --- names --- */

static unsigned folder_of(struct block_id id)
{
    return (unsigned)(id.value >> 8) % FOLDERS;
}

static void folder_path(unsigned folder, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%02x/%02x", folder >> 8, folder & 0xff);
}

static void parent_path(unsigned parent, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%02x", parent);
}

static void block_path(struct block_id id, char path[PATH_BYTES])
{
    unsigned folder = folder_of(id);
    snprintf(path, PATH_BYTES, "%02x/%02x/%016llx", folder >> 8, folder & 0xff, (unsigned long long)id.value);
}

/* --- the format --- */

static void put_u64(uint8_t *target, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        target[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t get_u64(const uint8_t *source)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value = value << 8 | source[i];
    return value;
}

static void chunk_sum(struct block_id id, uint64_t chunk, struct slice content, uint8_t sum[SUM_BYTES])
{
    struct hash128 hash = hash_seeded(id.value * UINT64_C(0x9e3779b97f4a7c15) + chunk, content);
    put_u64(sum, hash.high);
    put_u64(sum + 8, hash.low);
}

static uint64_t chunk_position(uint64_t chunk)
{
    return HEADER_BYTES + chunk * (SUM_BYTES + BLOCK_CHUNK_BYTES);
}

/* --- writing --- */

/* Makes the folders above a block. */
static bool folders_make(struct block_files *files, unsigned folder)
{
    char path[PATH_BYTES];
    parent_path(folder >> 8, path);
    if (mkdirat(files->directory, path, 0700) != 0 && errno != EEXIST)
        return false;
    folder_path(folder, path);
    return mkdirat(files->directory, path, 0700) == 0 || errno == EEXIST;
}

/* Opens the block's file for writing, with the folders above it; *made tells that it is new. -1 and errno. */
static int block_open(struct block_files *files, struct block_id id, bool *made)
{
    char path[PATH_BYTES];
    block_path(id, path);
    *made = true;
    int file = openat(files->directory, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0 && errno == ENOENT && folders_make(files, folder_of(id)))
        file = openat(files->directory, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0 && errno == EEXIST) {
        *made = false;
        file = openat(files->directory, path, O_WRONLY | O_CLOEXEC);
    }
    return file;
}

/* Writes all pieces at the start of the file; false and errno. */
static bool write_pieces(int file, struct iovec *pieces, size_t count)
{
    off_t position = 0;
    while (count > 0) {
        ssize_t written = pwritev(file, pieces, (int)count, position);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        position += written;
        size_t left = (size_t)written;
        while (count > 0 && left >= pieces->iov_len) {
            left -= pieces->iov_len;
            pieces++;
            count--;
        }
        if (left > 0) {
            pieces->iov_base = (uint8_t *)pieces->iov_base + left;
            pieces->iov_len -= left;
        }
    }
    return true;
}

static bool block_fill(int file, struct block_id id, struct slice content)
{
    uint8_t header[HEADER_BYTES];
    uint8_t sums[CHUNKS_MAX][SUM_BYTES];
    struct iovec pieces[1 + 2 * CHUNKS_MAX];
    memcpy(header, block_magic, sizeof(block_magic));
    put_u64(header + 8, content.size_bytes);
    pieces[0] = (struct iovec){header, sizeof(header)};
    size_t count = 1;
    for (size_t chunk = 0; chunk * BLOCK_CHUNK_BYTES < content.size_bytes; chunk++) {
        struct slice part = slice_from(content, chunk * BLOCK_CHUNK_BYTES);
        if (part.size_bytes > BLOCK_CHUNK_BYTES)
            part.size_bytes = BLOCK_CHUNK_BYTES;
        chunk_sum(id, chunk, part, sums[chunk]);
        pieces[count++] = (struct iovec){sums[chunk], SUM_BYTES};
        pieces[count++] = (struct iovec){(void *)(uintptr_t)part.data, part.size_bytes};
    }
    /* Written before, torn by a crash: the end may be anywhere. */
    off_t size_bytes = (off_t)(HEADER_BYTES + count / 2 * SUM_BYTES + content.size_bytes);
    return write_pieces(file, pieces, count) && ftruncate(file, size_bytes) == 0;
}

/* Puts the block on the list; false if the list is full, or the store is broken. */
static bool unsynced_add(struct block_files *files, struct block_id id)
{
    pthread_mutex_lock(&files->lock);
    struct unsynced *unsynced = files->unsynced;
    bool room = !files->broken && unsynced->count < BLOCK_UNSYNCED_MAX;
    if (room)
        unsynced->ids[unsynced->count++] = id.value;
    unsigned folder = folder_of(id);
    unsynced->folders[folder / 8] = (uint8_t)(unsynced->folders[folder / 8] | 1u << folder % 8);
    /* Whoever made the folder may have been a process that was killed before its sync: always up to the root. */
    unsynced->parents[folder >> 8] = true;
    pthread_mutex_unlock(&files->lock);
    return room;
}

static bool files_broken(struct block_files *files)
{
    pthread_mutex_lock(&files->lock);
    bool broken = files->broken;
    pthread_mutex_unlock(&files->lock);
    return broken;
}

static enum status files_write(struct block_store *store, struct block_id id, struct slice content)
{
    struct block_files *files = files_of(store);
    CHECK(content.size_bytes > 0 && content.size_bytes <= BLOCK_MAX_BYTES);
    if (files_broken(files))
        return STATUS_IO;
    bool made = false;
    int file = block_open(files, id, &made);
    if (file < 0)
        return status_of_errno(errno);
    enum status status = STATUS_OK;
    if (!block_fill(file, id, content))
        status = status_of_errno(errno);
    else if (!unsynced_add(files, id) && fsync(file) != 0)
        status = STATUS_IO;
    close(file);
    if (status != STATUS_OK && made) { /* give the space of a half-written block back */
        char path[PATH_BYTES];
        block_path(id, path);
        unlinkat(files->directory, path, 0);
    }
    return status;
}

/* --- reading --- */

/* What one read gets: for each chunk its checksum and its bytes, the bytes right where they belong where the caller
 * wants a whole chunk. */
struct part_read {
    uint64_t first; /* chunk */
    size_t count;   /* chunks */
    uint8_t sums[CHUNKS_MAX + 1][SUM_BYTES];
    uint8_t head[BLOCK_CHUNK_BYTES]; /* the first and the last chunk, unless they are wanted whole */
    uint8_t tail[BLOCK_CHUNK_BYTES];
    struct iovec pieces[2 * (CHUNKS_MAX + 1)];
};

static void part_plan(struct part_read *part, uint64_t offset, struct span target)
{
    part->first = offset / BLOCK_CHUNK_BYTES;
    part->count = (size_t)((offset + target.size_bytes - 1) / BLOCK_CHUNK_BYTES - part->first + 1);
    CHECK(part->count <= CHUNKS_MAX + 1);
    for (size_t i = 0; i < part->count; i++) {
        uint64_t begin = (part->first + i) * BLOCK_CHUNK_BYTES;
        bool whole = begin >= offset && begin + BLOCK_CHUNK_BYTES <= offset + target.size_bytes;
        uint8_t *bytes = whole ? target.data + (begin - offset) : i == 0 ? part->head : part->tail;
        part->pieces[2 * i] = (struct iovec){part->sums[i], SUM_BYTES};
        part->pieces[2 * i + 1] = (struct iovec){bytes, BLOCK_CHUNK_BYTES};
    }
}

/* Checks the chunks of which `got` bytes were read, and copies what went beside the target. Returns the file offset up to
 * which the content is good in *end. */
static enum status part_check(struct part_read *part, struct block_id id, size_t got, uint64_t offset,
                              struct span target, uint64_t *end)
{
    *end = part->first * BLOCK_CHUNK_BYTES;
    for (size_t i = 0; i < part->count && got > SUM_BYTES; i++) {
        got -= SUM_BYTES;
        size_t size_bytes = got < BLOCK_CHUNK_BYTES ? got : BLOCK_CHUNK_BYTES;
        got -= size_bytes;
        uint64_t begin = (part->first + i) * BLOCK_CHUNK_BYTES;
        uint8_t *bytes = part->pieces[2 * i + 1].iov_base;
        uint8_t sum[SUM_BYTES];
        chunk_sum(id, part->first + i, slice_make(bytes, size_bytes), sum);
        if (memcmp(sum, part->sums[i], SUM_BYTES) != 0)
            return STATUS_BAD_DATA;
        *end = begin + size_bytes;
        if (bytes == part->head || bytes == part->tail) {
            uint64_t from = begin > offset ? begin : offset;
            uint64_t to = *end < offset + target.size_bytes ? *end : offset + target.size_bytes;
            if (from < to)
                memcpy(target.data + (from - offset), bytes + (from - begin), (size_t)(to - from));
        }
    }
    return STATUS_OK;
}

/* The file ends early: is the block so short, or is it damaged? */
static enum status short_read_reason(int file, uint64_t end)
{
    uint8_t header[HEADER_BYTES];
    ssize_t got = pread(file, header, sizeof(header), 0);
    if (got < 0)
        return STATUS_IO;
    if (got < (ssize_t)sizeof(header) || memcmp(header, block_magic, sizeof(block_magic)) != 0)
        return STATUS_BAD_DATA;
    return get_u64(header + 8) > end ? STATUS_BAD_DATA : STATUS_NOT_FOUND;
}

static enum status files_read(struct block_store *store, struct block_id id, uint64_t offset, struct span target)
{
    struct block_files *files = files_of(store);
    CHECK(target.size_bytes <= BLOCK_MAX_BYTES && offset <= UINT64_MAX - target.size_bytes);
    if (offset + target.size_bytes > BLOCK_MAX_BYTES)
        return STATUS_NOT_FOUND;
    char path[PATH_BYTES];
    block_path(id, path);
    int file = openat(files->directory, path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    enum status status = STATUS_OK;
    if (target.size_bytes > 0) {
        struct part_read part;
        part_plan(&part, offset, target);
        ssize_t got;
        do
            got = preadv(file, part.pieces, (int)(2 * part.count), (off_t)chunk_position(part.first));
        while (got < 0 && errno == EINTR);
        uint64_t end = 0;
        status = got < 0 ? STATUS_IO : part_check(&part, id, (size_t)got, offset, target, &end);
        if (status == STATUS_OK && end < offset + target.size_bytes)
            status = short_read_reason(file, end);
    }
    close(file);
    return status;
}

/* --- syncing and removing --- */

/* Opens, syncs and closes; a name that is gone needs no sync. */
static bool sync_path(struct block_files *files, const char *path)
{
    int file = openat(files->directory, path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return errno == ENOENT;
    bool good = fsync(file) == 0;
    return close(file) == 0 && good;
}

/* Lets the disk begin with all files before the first fsync waits: the file system then commits them together. */
static void sync_begin(struct block_files *files, const struct unsynced *work)
{
    for (size_t i = 0; i < work->count; i++) {
        char path[PATH_BYTES];
        block_path((struct block_id){work->ids[i]}, path);
        int file = openat(files->directory, path, O_RDONLY | O_CLOEXEC);
        if (file >= 0) {
            (void)sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE); /* a hint: fsync tells of errors */
            close(file);
        }
    }
}

static bool sync_all(struct block_files *files, const struct unsynced *work)
{
    char path[PATH_BYTES];
    bool good = true;
    for (size_t i = 0; i < work->count && good; i++) {
        block_path((struct block_id){work->ids[i]}, path);
        good = sync_path(files, path);
    }
    for (unsigned folder = 0; folder < FOLDERS && good; folder++) {
        if ((work->folders[folder / 8] >> folder % 8 & 1) == 0)
            continue;
        folder_path(folder, path);
        good = sync_path(files, path);
    }
    bool any = false;
    for (unsigned parent = 0; parent < FOLDERS / 256 && good; parent++) {
        if (!work->parents[parent])
            continue;
        any = true;
        parent_path(parent, path);
        good = sync_path(files, path);
    }
    return good && (!any || fsync(files->directory) == 0);
}

static void unsynced_empty(struct unsynced *unsynced)
{
    uint64_t *ids = unsynced->ids;
    *unsynced = (struct unsynced){.ids = ids};
}

static enum status files_sync(struct block_store *store)
{
    struct block_files *files = files_of(store);
    pthread_mutex_lock(&files->sync_lock);
    pthread_mutex_lock(&files->lock);
    bool good = !files->broken;
    struct unsynced *work = files->unsynced;
    files->unsynced = files->syncing;
    files->syncing = work;
    pthread_mutex_unlock(&files->lock);
    if (good) {
        sync_begin(files, work);
        good = sync_all(files, work);
    }
    unsynced_empty(work);
    if (!good) {
        pthread_mutex_lock(&files->lock);
        files->broken = true;
        pthread_mutex_unlock(&files->lock);
    }
    pthread_mutex_unlock(&files->sync_lock);
    return good ? STATUS_OK : STATUS_IO;
}

static enum status files_remove(struct block_store *store, struct block_id id)
{
    struct block_files *files = files_of(store);
    char path[PATH_BYTES];
    block_path(id, path);
    if (unlinkat(files->directory, path, 0) != 0)
        return errno == ENOENT ? STATUS_OK : STATUS_IO;
    unsigned folder = folder_of(id);
    pthread_mutex_lock(&files->lock);
    files->unsynced->folders[folder / 8] = (uint8_t)(files->unsynced->folders[folder / 8] | 1u << folder % 8);
    pthread_mutex_unlock(&files->lock);
    return STATUS_OK;
}

/* --- opening and closing --- */

static struct unsynced *unsynced_create(void)
{
    struct unsynced *unsynced = calloc(1, sizeof(*unsynced));
    CHECK(unsynced != NULL);
    unsynced->ids = calloc(BLOCK_UNSYNCED_MAX, sizeof(*unsynced->ids));
    CHECK(unsynced->ids != NULL);
    return unsynced;
}

static void unsynced_destroy(struct unsynced *unsynced)
{
    free(unsynced->ids);
    free(unsynced);
}

static void files_destroy(struct block_store *store)
{
    struct block_files *files = files_of(store);
    close(files->directory);
    unsynced_destroy(files->unsynced);
    unsynced_destroy(files->syncing);
    pthread_mutex_destroy(&files->lock);
    pthread_mutex_destroy(&files->sync_lock);
    free(files);
}

static const struct block_store_operations files_operations = {
    .write = files_write,
    .read = files_read,
    .sync = files_sync,
    .remove = files_remove,
    .destroy = files_destroy,
};

/* Makes the directory's own entry durable. */
static bool sync_above(int directory)
{
    int above = openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above < 0)
        return false;
    bool good = fsync(above) == 0;
    close(above);
    return good;
}

enum status block_files_open(const char *directory, struct block_store **store)
{
    bool made = mkdir(directory, 0700) == 0;
    if (!made && errno != EEXIST)
        return status_of_errno(errno);
    int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return STATUS_IO;
    if (made && !sync_above(descriptor)) {
        close(descriptor);
        return STATUS_IO;
    }
    struct block_files *files = calloc(1, sizeof(*files));
    CHECK(files != NULL);
    files->store.operations = &files_operations;
    files->directory = descriptor;
    CHECK(pthread_mutex_init(&files->lock, NULL) == 0);
    CHECK(pthread_mutex_init(&files->sync_lock, NULL) == 0);
    files->unsynced = unsynced_create();
    files->syncing = unsynced_create();
    *store = &files->store;
    return STATUS_OK;
}

size_t block_files_unsynced(struct block_store *store)
{
    struct block_files *files = files_of(store);
    pthread_mutex_lock(&files->lock);
    size_t count = files->unsynced->count;
    pthread_mutex_unlock(&files->lock);
    return count;
}
