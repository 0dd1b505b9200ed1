/* log_files.h: the segments of the log as files, and where each entry lies in them. No segment is ever written again
 * once a later one exists, or after a restart: truncation and every start begin a new one, whose header says where the
 * earlier ones end. Used by the log writer and its recovery. */
#ifndef CLUSTER_LOG_FILES_H
#define CLUSTER_LOG_FILES_H

#include "cluster/log_writer.h"
#include "cluster/segment.h"

#define LOG_SPARE_PATH "log/spare"

/* Where an entry lies. */
struct log_place {
    uint64_t term;
    uint64_t segment;
    uint64_t offset;
    uint32_t size_bytes;
    uint32_t checksum;
    uint32_t kind;
};

struct log_segment {
    uint64_t number;
    uint64_t first_index;
};

struct log_files {
    struct log_options options;

    struct log_place *places; /* of the entries first_index ...; heap */
    size_t place_count;
    size_t place_capacity;
    uint64_t first_index;
    uint64_t first_term; /* of the entry before first_index; 0: none, or no longer known */

    struct log_segment *segments; /* oldest first; heap */
    size_t segment_count;
    size_t segment_capacity;

    struct disk_file *file; /* of the newest segment; NULL: not open for writing */
    uint64_t salt;          /* its salt */
    uint64_t size_bytes;    /* what is reserved for it */
    uint64_t offset;        /* where the newest segment ends */
    uint64_t synced;        /* below it all is safe */
    uint64_t filled;        /* below it the file's blocks were written once: syncing there is cheaper */
    bool roll_needed;       /* the next batch begins a new segment */
    bool spare;             /* log/spare is there, reserved */
    bool spare_filled;      /* and its blocks were written once */

    struct disk_file *read_file; /* of segment read_number; NULL: none */
    uint64_t read_number;

    uint8_t *head; /* room for the head, items and pieces of one batch; heap */
    struct batch_item *items;
    struct slice *pieces;
    uint8_t *zeros; /* LOG_FILL_BYTES */
};

/* No segments, no entries: first_index is that of the first entry to come. */
void log_files_init(struct log_files *files, const struct log_options *options, uint64_t first_index);
void log_files_fini(struct log_files *files);

static inline uint64_t log_files_last(const struct log_files *files)
{
    return files->first_index + files->place_count - 1;
}

/* NULL: cut, or above the end. */
const struct log_place *log_files_find(const struct log_files *files, uint64_t index);

/* For recovery: the entry behind the last one is there. */
void log_files_place(struct log_files *files, const struct log_place *place);
void log_files_add_segment(struct log_files *files, uint64_t number, uint64_t first_index);

/* How many of the entries make the next batch. */
uint32_t log_files_batch(const struct replica_entry *entries, size_t count);

/* Writes that many entries (log_files_batch) as one batch behind the last entry; not synced. STATUS_NO_SPACE:
 * nothing has changed, try again later. STATUS_IO. */
MUST_CHECK enum status log_files_write(struct log_files *files, const struct replica_entry *entries, uint32_t count);

/* STATUS_IO. */
MUST_CHECK enum status log_files_sync(struct log_files *files);

/* Forgets the entries from index on. Durable with the next batch; before that a crash brings them back. */
void log_files_truncate(struct log_files *files, uint64_t index);

/* Forgets the entries up to index, and removes the segments that hold nothing else. STATUS_IO. */
MUST_CHECK enum status log_files_cut(struct log_files *files, uint64_t index);

/* Forgets all entries: the next one has first_index and follows one of first_term. Begins a segment for it; the others go.
 * STATUS_NO_SPACE: the segments are as they were. STATUS_IO. */
MUST_CHECK enum status log_files_restart(struct log_files *files, uint64_t first_index, uint64_t first_term);

/* Makes the first segment, which holds nothing yet: for the log of a node that joins. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status log_files_begin(struct log_files *files);

/* Makes the spare segment if there is none. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status log_files_make_spare(struct log_files *files);

/* The entry's bytes, verified; one owner goes along. STATUS_BAD_DATA, STATUS_IO. */
MUST_CHECK enum status log_files_read(struct log_files *files, uint64_t index, struct replica_entry *entry);

#endif
