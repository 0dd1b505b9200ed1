/* log_writer.h: the actor that owns the raft log on disk: segments, the vote and the snapshot record
 * (docs/formats/log.md). Its thread:
 *
 *     for (;;) { inbox_wait(requests, timeout 1 s); status = log_writer_step(writer, &requests, &replies);
 *                post the replies to the raft loop; if (status != STATUS_OK) stop the node; }
 *
 * All requests of one step are one group: appends that follow each other are written together and synced once. An error
 * of the disk is final (a failed fsync says nothing about what the disk has): the node must stop, and reads what is
 * really there at its next start. A full disk is not an error: the log goes on in a reserved segment, and when that is
 * used up too, what was not written waits in memory and is tried again at every step (so: step at least once a
 * second, also with no request). */
#ifndef CLUSTER_LOG_WRITER_H
#define CLUSTER_LOG_WRITER_H

#include "base/random.h"
#include "cluster/disk.h"
#include "cluster/replica.h"

/* --- what the replica asks for --- */

enum log_request_kind {
    LOG_REQUEST_VOTE,     /* save `term` and `vote` in one record; answered by REPLICA_VOTE_SAVED */
    LOG_REQUEST_APPEND,   /* `entries`, the first of which follows the last one appended; REPLICA_PERSISTED */
    LOG_REQUEST_TRUNCATE, /* forget the entries from `index` on; no answer, `epoch` of later appends is higher */
    LOG_REQUEST_SNAPSHOT, /* save `snapshot`; answered by REPLICA_SNAPSHOT_SAVED */
    LOG_REQUEST_CUT,      /* drop the segments that hold nothing above snapshot.cut_index of the saved record */
    LOG_REQUEST_READ, /* entries from `index` on, at most `count`, and `size_bytes` unless it is one; REPLICA_ENTRIES */
    /* A snapshot of another node is in place of the state: the log begins anew behind `snapshot`, in which cut_index is
     * index. Answered by REPLICA_INSTALL_SAVED; `epoch` of later appends is not lower. */
    LOG_REQUEST_INSTALL,
};

/* Up to where the state stands for itself. Nothing up to it: all zero. */
struct log_snapshot {
    uint64_t index;
    uint64_t term;      /* of the entry at index */
    uint64_t cut_index; /* entries up to it are no more; at most index */
    uint64_t configuration_index;
    struct configuration configuration; /* as of index */
};

struct log_request {
    struct list_link link; /* for the shell's inbox */
    enum log_request_kind kind;
    uint64_t term;
    uint64_t vote;
    uint64_t index;
    uint64_t epoch;
    uint64_t size_bytes;
    uint32_t count;
    enum log_reader reader;        /* comes back with the entries of a READ */
    struct replica_entry *entries; /* heap; each with an owner of its bytes */
    struct log_snapshot snapshot;
};

/* A zeroed request on the heap. */
struct log_request *log_request_create(enum log_request_kind kind);
/* Frees it with everything that it owns. */
void log_request_free(struct log_request *request);

/* --- the actor --- */

struct log_writer; /* owned by the log writer's thread */

/* Carries out all requests in their order (and frees them; the list is empty afterwards) and appends the
 * replies (struct replica_message, on the heap) to *replies. STATUS_OK, or STATUS_IO, STATUS_BAD_DATA (an entry that is
 * read back is damaged): the node must stop; replies of what was done before are there, and every later step does
 * nothing but fail. Blocks in the disk. */
MUST_CHECK enum status log_writer_step(struct log_writer *writer, struct list *requests, struct list *replies);

/* Reads one entry back, with one owner of its bytes: for the start, before the threads run. STATUS_NOT_FOUND: cut, or
 * above the end. STATUS_IO, STATUS_BAD_DATA. */
MUST_CHECK enum status log_writer_read(struct log_writer *writer, uint64_t index, struct replica_entry *entry);

/* Closes the files; what was not synced is not synced. */
void log_writer_destroy(struct log_writer *writer);

/* --- the start --- */

/* What a log needs of its surroundings; the disk must outlive the writer. */
struct log_options {
    const struct disk *disk;
    struct random random;   /* for the segments' salts */
    uint64_t segment_bytes; /* LOG_SEGMENT_BYTES; less in tests */
};

/* Term and kind of an entry that the log holds. */
struct log_recovered_entry {
    uint64_t term;
    enum replica_entry_kind kind;
    struct configuration *configuration; /* of a CONFIGURATION; heap */
    uint32_t size_bytes;
};

/* What the disk knows. */
struct log_recovered {
    uint64_t term;
    uint64_t vote;
    struct log_snapshot snapshot;
    uint64_t first_index; /* of entries[0]: snapshot.cut_index + 1 */
    uint64_t entry_count;
    struct log_recovered_entry *entries; /* heap */
    uint64_t torn_bytes;                 /* of an unfinished append that was cut off: for the log */
};

/* Makes the log of a new cluster's founder: term 1, no vote, entry 1 = the configuration (equal on all founders); or, with
 * configuration == NULL, that of a node that joins: no entry at all. Whatever an unfinished bootstrap left in log/ goes. The caller writes the `node` file afterwards. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status log_create(const struct log_options *options, const struct configuration *configuration);

/* Reads and verifies the log and makes its tail durable; the next append opens a new segment. `problem` says in one
 * line what is wrong and where. STATUS_NOT_FOUND: there is no log. STATUS_BAD_DATA: damage where synced bytes must
 * be: refuse to start. STATUS_IO. */
MUST_CHECK enum status log_recover(const struct log_options *options, struct log_writer **writer,
                                   struct log_recovered *recovered, struct span problem);
void log_recovered_fini(struct log_recovered *recovered);

/* For a state that was installed from another node's snapshot (`installed`, in which cut_index is index), before the
 * replica is created: if the crash came before the log knew of it, the log is made to begin behind it now, and *recovered
 * says so. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status log_adopt(struct log_writer *writer, struct log_recovered *recovered,
                                 const struct log_snapshot *installed);

#endif
