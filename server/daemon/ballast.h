/* ballast.h: a file that takes up room while there is plenty of it, so that a flush on a full disk can have that room:
 * without a flush neither log nor removed blocks can go, and nothing that clients remove would make a full disk emptier. */
#ifndef SERVER_DAEMON_BALLAST_H
#define SERVER_DAEMON_BALLAST_H

#include <pthread.h>

#include "base/limits.h"
#include "base/log.h"
#include "cluster/disk.h"

struct ballast {
    const struct disk *disk; /* not owned */
    pthread_mutex_t mutex;   /* over the next */
    bool there;
};

/* How large a memtable suits a disk: when it is full, RocksDB does not go on before one fits. */
static inline size_t ballast_memtable_bytes(uint64_t total_bytes)
{
    uint64_t part_bytes = total_bytes / NODE_MEMTABLE_DIVISOR;
    if (part_bytes < NODE_MEMTABLE_MIN_BYTES)
        return NODE_MEMTABLE_MIN_BYTES;
    return part_bytes < STORE_WRITE_BUFFER_BYTES ? (size_t)part_bytes : STORE_WRITE_BUFFER_BYTES;
}

/* Finds the one that an earlier process has left. */
void ballast_init(struct ballast *ballast, const struct disk *disk);
void ballast_fini(struct ballast *ballast);

/* Makes it, size_bytes large, if it is not there and spare_bytes are free beside. Any thread. */
void ballast_keep(struct ballast *ballast, uint64_t size_bytes, uint64_t spare_bytes);

/* Whether there is room for so many bytes, if need be that of the ballast, which is gone then. It tries: how much of what
 * is free is for us depends on who we are. One thread at a time. */
bool ballast_make_room(struct ballast *ballast, uint64_t size_bytes, const struct log *log);

#endif
