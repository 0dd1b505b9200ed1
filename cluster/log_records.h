/* log_records.h: the two records beside the segments, vote and snapshot, as bytes, and the parts of the log writer that
 * its recovery fills. */
#ifndef CLUSTER_LOG_RECORDS_H
#define CLUSTER_LOG_RECORDS_H

#include "cluster/log_files.h"
#include "cluster/record.h"

#define LOG_VOTE_PATH "log/vote"
#define LOG_VOTE_MAGIC 0x51564f54u /* "QVOT" */
#define LOG_VOTE_BYTES 16u
#define LOG_SNAPSHOT_PATH "log/snapshot"
#define LOG_SNAPSHOT_MAGIC 0x51534e50u /* "QSNP" */
#define LOG_SNAPSHOT_MAX_BYTES (36u + CONFIGURATION_MAX_BYTES)

struct log_vote {
    uint64_t term;
    uint64_t vote; /* 0: none */
};

/* Room for LOG_VOTE_BYTES and LOG_SNAPSHOT_MAX_BYTES; the size is returned. */
size_t log_vote_encode(const struct log_vote *vote, uint8_t *room);
size_t log_snapshot_encode(const struct log_snapshot *snapshot, uint8_t *room);
/* STATUS_BAD_DATA. */
MUST_CHECK enum status log_vote_decode(struct slice bytes, struct log_vote *vote);
MUST_CHECK enum status log_snapshot_decode(struct slice bytes, struct log_snapshot *snapshot);

/* What waits to be written: entries in their order. */
struct log_queue {
    struct replica_entry *entries; /* heap */
    size_t first;
    size_t count;
    size_t capacity;
};

struct log_writer {
    struct log_files files;
    struct record vote;
    struct record snapshot;
    struct log_queue queue;
    struct list requests; /* held back because a record could not be saved on a full disk */
    uint64_t epoch;       /* of the newest append or truncation */
    uint64_t reported_index;
    uint64_t reported_epoch;
    uint64_t cut_index; /* of the saved snapshot record */
    enum log_space space;
    enum status failed; /* not STATUS_OK: the disk is broken, and nothing is done any more */
};

#endif
