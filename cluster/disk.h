/* disk.h: the disk as a port: one directory tree, files in it, and when a byte is safe. disk_posix.c is the real one;
 * tests/support/disk_memory.c loses on a crash whatever was not synced.
 *
 * What may be lost: bytes written to a file since its last file_sync, in any subset of sectors; and every create,
 * rename and remove since the last directory_sync of that directory. Paths are relative to the root, with at most one
 * '/', and at most DISK_PATH_MAX_BYTES long. Every function may block; only the log writer's thread and the start call
 * them. STATUS_IO means that the device is broken: the node stops and never tries again. */
#ifndef CLUSTER_DISK_H
#define CLUSTER_DISK_H

#include "base/slice.h"
#include "base/status.h"

#define DISK_PATH_MAX_BYTES 64u

struct disk_file; /* an open file, of the implementation */

/* What a name in a directory listing is given to; false ends the listing. */
typedef bool (*disk_visit)(void *context, const char *name);

struct disk_operations {
    /* Opens a file for reading and writing; with `create` it must not exist yet (STATUS_REFUSED). STATUS_NOT_FOUND,
     * STATUS_NO_SPACE, STATUS_IO. */
    enum status (*file_open)(void *context, const char *path, bool create, struct disk_file **file);
    void (*file_close)(void *context, struct disk_file *file);
    /* Gives the file blocks for size_bytes (and that size, if it is smaller), so that writes below it need no new
     * ones. STATUS_NO_SPACE (the file may have grown in part), STATUS_IO. */
    enum status (*file_reserve)(void *context, struct disk_file *file, uint64_t size_bytes);
    /* Cuts the file at size_bytes. STATUS_IO. */
    enum status (*file_truncate)(void *context, struct disk_file *file, uint64_t size_bytes);
    /* Writes the pieces one behind the other, from offset on: all of it or an error. STATUS_NO_SPACE (a part may have
     * been written), STATUS_IO. */
    enum status (*file_write)(void *context, struct disk_file *file, uint64_t offset, const struct slice *pieces,
                              size_t count);
    /* Reads up to room.size_bytes; *size_bytes is less only at the end of the file. STATUS_IO. */
    enum status (*file_read)(void *context, struct disk_file *file, uint64_t offset, struct span room,
                             size_t *size_bytes);
    enum status (*file_size)(void *context, struct disk_file *file, uint64_t *size_bytes);
    /* Returns when everything written before is safe. STATUS_IO. */
    enum status (*file_sync)(void *context, struct disk_file *file);
    /* The same, and later reads see what the device has, not what a failed sync of an earlier process left in the
     * page cache. For recovery. STATUS_IO. */
    enum status (*file_settle)(void *context, struct disk_file *file);
    /* Replaces target if it exists; atomic, but safe only after directory_sync. STATUS_NOT_FOUND, STATUS_NO_SPACE,
     * STATUS_IO. */
    enum status (*file_rename)(void *context, const char *source, const char *target);
    enum status (*file_remove)(void *context, const char *path); /* STATUS_NOT_FOUND, STATUS_IO */
    /* Keeps the file locked for this process until the disk is closed; creates it if needed. STATUS_REFUSED: another
     * process has it. STATUS_NO_SPACE, STATUS_IO. */
    enum status (*file_lock)(void *context, const char *path);
    /* An existing directory is fine. STATUS_NO_SPACE, STATUS_IO. */
    enum status (*directory_create)(void *context, const char *path);
    /* "" is the root. Names in no order, without "." and "..". STATUS_NOT_FOUND, STATUS_IO. */
    enum status (*directory_list)(void *context, const char *path, disk_visit visit, void *visitor);
    enum status (*directory_sync)(void *context, const char *path);
    /* Bytes free for this process, and all, of the file system. STATUS_IO. */
    enum status (*space)(void *context, uint64_t *free_bytes, uint64_t *total_bytes);
};

struct disk {
    const struct disk_operations *operations;
    void *context;
};

/* Opens the directory `root`, creating it (not its parents) if it is missing. STATUS_NOT_FOUND, STATUS_REFUSED (no
 * permission, or not a directory), STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status disk_posix_open(struct disk *disk, const char *root);
/* Unlocks and closes; files must be closed before. */
void disk_posix_close(struct disk *disk);

#endif
