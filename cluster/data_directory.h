/* data_directory.h: the layout of a node's data directory, and who the node is.
 *
 *   lock      flock of the one process that uses the directory
 *   node      identity; written last, by rename: without it a bootstrap starts over
 *   log/      raft log (docs/formats/log.md)
 *   state/    RocksDB
 *   blocks/   content of files
 *   staging/  snapshots that come in
 *   ballast   room that is kept for a flush on a full disk (server/daemon/ballast.h); may be removed at any time */
#ifndef CLUSTER_DATA_DIRECTORY_H
#define CLUSTER_DATA_DIRECTORY_H

#include "cluster/disk.h"

struct node_identity {
    uint64_t node_id;       /* given by the cluster; 1 for the founder */
    uint8_t cluster_id[16]; /* equal on all members, never changes */
};

/* Locks the directory and makes its folders. STATUS_REFUSED: another process uses it. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status data_directory_prepare(const struct disk *disk);

/* STATUS_NOT_FOUND: this directory belongs to no cluster yet. STATUS_BAD_DATA: damaged. STATUS_IO. */
MUST_CHECK enum status data_directory_load(const struct disk *disk, struct node_identity *identity);

/* Makes the node a member for good: the last act of a bootstrap or join. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status data_directory_store(const struct disk *disk, const struct node_identity *identity);

/* Whether state/ holds anything: then the directory has been a member's, whatever else is missing. STATUS_NOT_FOUND,
 * STATUS_IO. */
MUST_CHECK enum status data_directory_has_state(const struct disk *disk, bool *has_state);

#endif
