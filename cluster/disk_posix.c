#include "cluster/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/heap.h"

/* Pieces of one pwritev. */
#define PIECES_MAX 64

struct disk_posix {
    int root;
    int lock; /* -1: not taken */
};

struct disk_file {
    int descriptor;
};

static enum status status_of(int error)
{
    switch (error) {
    case ENOENT: return STATUS_NOT_FOUND;
    case ENOSPC:
    case EDQUOT: return STATUS_NO_SPACE;
    case EEXIST:
    case EACCES:
    case EPERM:
    case ENOTDIR:
    case EWOULDBLOCK:
    case EROFS: return STATUS_REFUSED;
    default: return STATUS_IO;
    }
}

static int root_of(void *context)
{
    return ((struct disk_posix *)context)->root;
}

static enum status file_open(void *context, const char *path, bool create, struct disk_file **file)
{
    CHECK(strlen(path) <= DISK_PATH_MAX_BYTES);
    int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT | O_EXCL : 0);
    int descriptor = openat(root_of(context), path, flags, 0600);
    if (descriptor < 0)
        return status_of(errno);
    *file = HEAP_NEW(struct disk_file);
    (*file)->descriptor = descriptor;
    return STATUS_OK;
}

static void file_close(void *context, struct disk_file *file)
{
    (void)context;
    close(file->descriptor);
    heap_free(file);
}

static enum status file_size(void *context, struct disk_file *file, uint64_t *size_bytes)
{
    (void)context;
    struct stat attributes;
    if (fstat(file->descriptor, &attributes) != 0)
        return STATUS_IO;
    *size_bytes = (uint64_t)attributes.st_size;
    return STATUS_OK;
}

/* A file system without fallocate gets zeros. */
static enum status file_fill(void *context, struct disk_file *file, uint64_t size_bytes)
{
    static const uint8_t zeros[65536];
    uint64_t at;
    enum status status = file_size(context, file, &at);
    while (status == STATUS_OK && at < size_bytes) {
        size_t piece = size_bytes - at < sizeof zeros ? (size_t)(size_bytes - at) : sizeof zeros;
        ssize_t written = pwrite(file->descriptor, zeros, piece, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? status_of(errno) : STATUS_IO;
        at += (uint64_t)written;
    }
    return status;
}

static enum status file_reserve(void *context, struct disk_file *file, uint64_t size_bytes)
{
    int result;
    do {
        result = fallocate(file->descriptor, 0, 0, (off_t)size_bytes);
    } while (result != 0 && errno == EINTR);
    if (result == 0)
        return STATUS_OK;
    return errno == EOPNOTSUPP ? file_fill(context, file, size_bytes) : status_of(errno);
}

static enum status file_truncate(void *context, struct disk_file *file, uint64_t size_bytes)
{
    (void)context;
    return ftruncate(file->descriptor, (off_t)size_bytes) == 0 ? STATUS_OK : STATUS_IO;
}

/* Writes some pieces whole; the array is used up on the way. */
static enum status pieces_write(int descriptor, uint64_t offset, struct iovec *pieces, int count)
{
    while (count > 0) {
        ssize_t written = pwritev(descriptor, pieces, count, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? status_of(errno) : STATUS_IO;
        offset += (uint64_t)written;
        size_t done = (size_t)written;
        while (count > 0 && done >= pieces[0].iov_len) {
            done -= pieces[0].iov_len;
            pieces++;
            count--;
        }
        if (count > 0) {
            pieces[0].iov_base = (uint8_t *)pieces[0].iov_base + done;
            pieces[0].iov_len -= done;
        }
    }
    return STATUS_OK;
}

static enum status file_write(void *context, struct disk_file *file, uint64_t offset, const struct slice *pieces,
                              size_t count)
{
    (void)context;
    struct iovec vector[PIECES_MAX];
    size_t next = 0;
    while (next < count) {
        int used = 0;
        size_t size_bytes = 0;
        for (; next < count && used < PIECES_MAX; next++) {
            if (pieces[next].size_bytes == 0)
                continue;
            vector[used++] = (struct iovec){(void *)(uintptr_t)pieces[next].data, pieces[next].size_bytes};
            size_bytes += pieces[next].size_bytes;
        }
        enum status status = pieces_write(file->descriptor, offset, vector, used);
        if (status != STATUS_OK)
            return status;
        offset += size_bytes;
    }
    return STATUS_OK;
}

static enum status file_read(void *context, struct disk_file *file, uint64_t offset, struct span room,
                             size_t *size_bytes)
{
    (void)context;
    *size_bytes = 0;
    while (*size_bytes < room.size_bytes) {
        ssize_t got = pread(file->descriptor, room.data + *size_bytes, room.size_bytes - *size_bytes,
                            (off_t)(offset + *size_bytes));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return STATUS_IO;
        if (got == 0)
            break;
        *size_bytes += (size_t)got;
    }
    return STATUS_OK;
}

static enum status file_sync(void *context, struct disk_file *file)
{
    (void)context;
    return fdatasync(file->descriptor) == 0 ? STATUS_OK : STATUS_IO;
}

static enum status file_settle(void *context, struct disk_file *file)
{
    /* After a failed fsync Linux marks the pages clean, so the page cache may show what the device never got. */
    enum status status = file_sync(context, file);
    if (status == STATUS_OK)
        (void)posix_fadvise(file->descriptor, 0, 0, POSIX_FADV_DONTNEED);
    return status;
}

static enum status file_rename(void *context, const char *source, const char *target)
{
    int root = root_of(context);
    return renameat(root, source, root, target) == 0 ? STATUS_OK : status_of(errno);
}

static enum status file_remove(void *context, const char *path)
{
    return unlinkat(root_of(context), path, 0) == 0 ? STATUS_OK : status_of(errno);
}

static enum status file_lock(void *context, const char *path)
{
    struct disk_posix *posix = (struct disk_posix *)context;
    CHECK(posix->lock < 0);
    int descriptor = openat(posix->root, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0)
        return status_of(errno);
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        enum status status = status_of(errno);
        close(descriptor);
        return status;
    }
    posix->lock = descriptor;
    return STATUS_OK;
}

static enum status directory_create(void *context, const char *path)
{
    if (mkdirat(root_of(context), path, 0700) == 0 || errno == EEXIST)
        return STATUS_OK;
    return status_of(errno);
}

/* "" is the root. -1: see errno. */
static int directory_open(void *context, const char *path)
{
    return openat(root_of(context), path[0] == 0 ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static enum status directory_list(void *context, const char *path, disk_visit visit, void *visitor)
{
    int descriptor = directory_open(context, path);
    if (descriptor < 0)
        return status_of(errno);
    DIR *directory = fdopendir(descriptor);
    if (directory == NULL) {
        close(descriptor);
        return STATUS_IO;
    }
    enum status status = STATUS_OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            status = errno == 0 ? STATUS_OK : STATUS_IO;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (!visit(visitor, entry->d_name))
            break;
    }
    closedir(directory);
    return status;
}

static enum status directory_sync(void *context, const char *path)
{
    int descriptor = directory_open(context, path);
    if (descriptor < 0)
        return status_of(errno);
    enum status status = fsync(descriptor) == 0 ? STATUS_OK : STATUS_IO;
    close(descriptor);
    return status;
}

static enum status space(void *context, uint64_t *free_bytes, uint64_t *total_bytes)
{
    struct statvfs attributes;
    if (fstatvfs(root_of(context), &attributes) != 0)
        return STATUS_IO;
    *free_bytes = (uint64_t)attributes.f_bavail * attributes.f_frsize;
    *total_bytes = (uint64_t)attributes.f_blocks * attributes.f_frsize;
    return STATUS_OK;
}

static const struct disk_operations posix_operations = {
    .file_open = file_open,
    .file_close = file_close,
    .file_reserve = file_reserve,
    .file_truncate = file_truncate,
    .file_write = file_write,
    .file_read = file_read,
    .file_size = file_size,
    .file_sync = file_sync,
    .file_settle = file_settle,
    .file_rename = file_rename,
    .file_remove = file_remove,
    .file_lock = file_lock,
    .directory_create = directory_create,
    .directory_list = directory_list,
    .directory_sync = directory_sync,
    .space = space,
};

enum status disk_posix_open(struct disk *disk, const char *root)
{
    bool created = mkdir(root, 0700) == 0;
    if (!created && errno != EEXIST)
        return status_of(errno);
    int descriptor = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return status_of(errno);
    if (created) {
        int parent = openat(descriptor, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent >= 0) { /* it may be a directory that we may not read */
            (void)fsync(parent);
            close(parent);
        }
    }
    struct disk_posix *posix = HEAP_NEW(struct disk_posix);
    *posix = (struct disk_posix){.root = descriptor, .lock = -1};
    *disk = (struct disk){.operations = &posix_operations, .context = posix};
    return STATUS_OK;
}

void disk_posix_close(struct disk *disk)
{
    struct disk_posix *posix = (struct disk_posix *)disk->context;
    if (posix->lock >= 0)
        close(posix->lock);
    close(posix->root);
    heap_free(posix);
    disk->context = NULL;
}
