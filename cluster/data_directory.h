/* data_directory.h: the layout of a node's data directory, and who the node is.
 *
 *   lock      flock of the one process that uses the directory
 *   node      identity; written last, by rename: without it a bootstrap starts over
 *   members   where the members of the cluster are reached, for the start; missing on a node that is alone
 *   founding  which cluster the node has promised to, while one is being made of several nodes (cluster/founding.h)
 *   joining   the nonce with which the node asks for its id, while it joins a cluster
 *   removed   the cluster has removed the node: it does not start any more
 *   starts    how often processes of the node have begun
 *   log/      raft log (docs/formats/log.md)
 *   state/    RocksDB
 *   blocks/   content of files
 *   staging/  snapshots that come in
 *   ballast   room that is kept for a flush on a full disk (server/daemon/ballast.h); may be removed at any time */
#ifndef CLUSTER_DATA_DIRECTORY_H
#define CLUSTER_DATA_DIRECTORY_H

#include "cluster/disk.h"
#include "cluster/endpoint.h"

struct node_identity {
    uint64_t node_id;       /* given by the cluster; 1 for the founder */
    uint8_t cluster_id[16]; /* equal on all members, never changes */
};

/* What a node has promised while a cluster is made of several: to become a member of this one, and of no other. */
struct founding_record {
    uint8_t cluster_id[16];
    struct endpoint_list members; /* in order, with their ids: 1, 2, ... */
};

/* Locks the directory and makes its folders. STATUS_REFUSED: another process uses it. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status data_directory_prepare(const struct disk *disk);

/* STATUS_NOT_FOUND: this directory belongs to no cluster yet. STATUS_BAD_DATA: damaged. STATUS_IO. */
MUST_CHECK enum status data_directory_load(const struct disk *disk, struct node_identity *identity);

/* Counts this start, durably; *count is at least 1 and higher than at any start before: it tells a node's later process from
 * an earlier one before it is registered, and without trusting a clock. Once a process, with the directory locked.
 * STATUS_BAD_DATA: the file is damaged. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status data_directory_count_start(const struct disk *disk, uint64_t *count);

/* Where the members are reached, this node among them, as the node last knew it. STATUS_NOT_FOUND: the node is alone.
 * STATUS_BAD_DATA, STATUS_IO. */
MUST_CHECK enum status data_directory_load_members(const struct disk *disk, struct endpoint_list *members);

/* Replaces it; safe when it returns. Before data_directory_store on a node that begins, and whenever an endpoint or the
 * membership changes. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status data_directory_store_members(const struct disk *disk, const struct endpoint_list *members);

/* STATUS_NOT_FOUND: it has promised nothing. STATUS_BAD_DATA, STATUS_IO. */
MUST_CHECK enum status data_directory_load_founding(const struct disk *disk, struct founding_record *record);

/* Safe when it returns. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status data_directory_store_founding(const struct disk *disk, const struct founding_record *record);

/* After data_directory_store; harmless if there is none. STATUS_IO. */
MUST_CHECK enum status data_directory_forget_founding(const struct disk *disk);

/* The nonce with which this directory's node asks for its id: of an earlier try, or `fresh` from now on, durably.
 * STATUS_BAD_DATA: the file is damaged. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status data_directory_joining(const struct disk *disk, uint64_t fresh, uint64_t *nonce);

/* After data_directory_store; harmless if there is none. STATUS_IO. */
MUST_CHECK enum status data_directory_forget_joining(const struct disk *disk);

/* Notes that the cluster has removed this node; and whether it has. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status data_directory_store_removed(const struct disk *disk);
MUST_CHECK enum status data_directory_is_removed(const struct disk *disk, bool *removed);

/* Makes the node a member for good: the last act of a bootstrap or join. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status data_directory_store(const struct disk *disk, const struct node_identity *identity);

/* Whether state/ holds anything: then the directory has been a member's, whatever else is missing. STATUS_NOT_FOUND,
 * STATUS_IO. */
MUST_CHECK enum status data_directory_has_state(const struct disk *disk, bool *has_state);

#endif
