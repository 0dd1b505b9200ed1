/* staging.h: the folder `staging` of the data directory: another node's state and blocks, until they are complete.
 *
 *   staging/state, staging/blocks    what comes
 *   staging/ready                    the manifest (snapshot_manifest_save); written last, by rename: all of it is there and
 *                                    durable, and the next start puts it in place (install.h)
 *
 * One thread; blocks. After an error it is to be cleared. */
#ifndef SERVER_DAEMON_STAGING_H
#define SERVER_DAEMON_STAGING_H

#include "base/clock.h"
#include "base/log.h"
#include "blockstore/block.h"
#include "cluster/snapshot_receive.h"
#include "statestore/store/kv.h"

#define STAGING_PATH_BYTES 4096u

struct staging {
    char folder[STAGING_PATH_BYTES];
    char state[STAGING_PATH_BYTES];
    char blocks_path[STAGING_PATH_BYTES];
    const struct log *log;
    struct clock clock;
    int file; /* of the state, being written; -1: none */
    size_t file_index;
    struct kv_store *store; /* the state that came, or NULL */
    struct block_store *blocks;
};

void staging_init(struct staging *staging, const char *data_dir, struct clock clock, const struct log *log);
/* Closes what is open and leaves the rest. */
void staging_fini(struct staging *staging);

/* Closes what is open and removes everything, the marker first. STATUS_IO. */
MUST_CHECK enum status staging_clear(struct staging *staging);

/* Empties the folder and makes the files of the manifest. STATUS_NO_SPACE: of spare_bytes, which may be used, it needs more.
 * STATUS_IO. */
MUST_CHECK enum status staging_begin(struct staging *staging, const struct snapshot_manifest *manifest,
                                     uint64_t spare_bytes);

/* The next bytes of a file; with the last ones it is synced. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status staging_write(struct staging *staging, const struct snapshot_manifest *manifest, size_t file,
                                     uint64_t offset, struct slice data, bool last);

/* Opens the state and looks through all of it: does it stand where the manifest says, and is it sound? STATUS_BAD_DATA: it is
 * not. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status staging_open(struct staging *staging, const struct snapshot_manifest *manifest);

/* The blocks behind `after` that the state refers to, at most SNAPSHOT_BLOCKS_LISTED; none: there are no more. STATUS_IO. */
MUST_CHECK enum status staging_list(struct staging *staging, struct block_id after, struct snapshot_block *blocks,
                                    size_t *count);

/* STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status staging_store(struct staging *staging, struct block_id block, struct slice data);

/* Closes all, syncs all, and writes the marker. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status staging_finish(struct staging *staging, const struct snapshot_manifest *manifest);

#endif
