/* snapshot_copy.h: the copy of the state that this node gives to others: snapshots/state in the data directory, made by
 * RocksDB of hard links. The blocks are not copied: they stay as long as the copy is there (published.h, pinned_number). One
 * thread; blocks. */
#ifndef SERVER_DAEMON_SNAPSHOT_COPY_H
#define SERVER_DAEMON_SNAPSHOT_COPY_H

#include <stdatomic.h>

#include "blockstore/block.h"
#include "cluster/snapshot_message.h"
#include "server/daemon/applier.h"

#define SNAPSHOT_COPY_PATH_BYTES 4096u

struct snapshot_copy {
    char folder[SNAPSHOT_COPY_PATH_BYTES]; /* snapshots */
    char state[SNAPSHOT_COPY_PATH_BYTES];  /* snapshots/state */
    struct block_store *blocks;            /* not owned */
    atomic_bool stopping;                  /* set by whoever wants a long read to end */
    int file;                              /* that was read last; -1: none */
    uint64_t file_item;
};

/* Makes the folder. What an earlier process left is removed. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status snapshot_copy_open(struct snapshot_copy *copy, const char *data_dir, struct block_store *blocks);
void snapshot_copy_close(struct snapshot_copy *copy);

/* Of the copy that the applier made in copy->state: reads every file once, and every block's row of made->view.
 * STATUS_TOO_LARGE: more files than a manifest holds. STATUS_CLOSED: stopping. STATUS_IO. */
MUST_CHECK enum status snapshot_copy_describe(struct snapshot_copy *copy, const struct applier_copy *made,
                                              struct snapshot_manifest **manifest);

/* The piece that `fetch` names, as a message to who asked. STATUS_NOT_FOUND, STATUS_BAD_DATA, STATUS_IO. */
MUST_CHECK enum status snapshot_copy_read(struct snapshot_copy *copy, const struct snapshot_manifest *manifest,
                                          const struct snapshot_message *fetch, struct snapshot_message **chunk);

/* Removes it. STATUS_IO. */
MUST_CHECK enum status snapshot_copy_drop(struct snapshot_copy *copy);

#endif
