/* segment.h: the bytes of a log segment (docs/formats/log.md): a header sector, then batches, each beginning at a
 * sector. A batch is a head (header and a table of its entries, with checksums) and the entries' bytes. */
#ifndef CLUSTER_SEGMENT_H
#define CLUSTER_SEGMENT_H

#include "base/limits.h"
#include "base/slice.h"
#include "cluster/disk.h"

/* Batches begin at multiples of this: a write never touches a sector that holds synced bytes. */
#define SEGMENT_SECTOR_BYTES 512u
#define BATCH_HEADER_BYTES 48u
#define BATCH_ITEM_BYTES 20u
#define BATCH_HEAD_MAX_BYTES (BATCH_HEADER_BYTES + BATCH_ITEM_BYTES * LOG_BATCH_ENTRIES_MAX)
/* A batch ends before LOG_BATCH_BYTES, but for one that is a single entry. */
#define BATCH_BODY_MAX_BYTES (ENTRY_MAX_BYTES > LOG_BATCH_BYTES ? ENTRY_MAX_BYTES : LOG_BATCH_BYTES)

struct segment_header {
    uint64_t number;        /* counts up by one */
    uint64_t salt;          /* random: nothing that was written elsewhere looks like a batch of this segment */
    uint64_t first_index;   /* entries of earlier segments from here on are no more */
    uint64_t previous_term; /* of the entry before first_index; 0: none, or no longer known */
    uint64_t previous_end;  /* where segment number - 1 ends; all of it was synced when this one began */
};

struct batch_header {
    uint64_t salt;
    uint64_t offset; /* of this batch in its segment */
    uint64_t synced; /* all bytes of the segment below it were synced before this batch was written */
    uint64_t first_index;
    uint32_t count;
    uint32_t body_bytes;
};

struct batch_item {
    uint64_t term;
    uint32_t kind; /* enum replica_entry_kind */
    uint32_t size_bytes;
    uint32_t checksum; /* CRC32C of the bytes */
};

/* "log/segment-" and the number in 16 hexadecimal digits. */
void segment_path(uint64_t number, char path[DISK_PATH_MAX_BYTES + 1]);
/* The number in a name without its folder; false: no segment's name. */
bool segment_number(const char *name, uint64_t *number);

void segment_header_encode(const struct segment_header *header, uint8_t sector[SEGMENT_SECTOR_BYTES]);
/* False: not a header, or damaged. */
bool segment_header_decode(struct slice sector, struct segment_header *header);

static inline size_t batch_head_bytes(uint32_t count)
{
    return BATCH_HEADER_BYTES + (size_t)count * BATCH_ITEM_BYTES;
}

/* Where the next batch begins. */
static inline uint64_t batch_end(const struct batch_header *header)
{
    uint64_t end = header->offset + batch_head_bytes(header->count) + header->body_bytes;
    return (end + SEGMENT_SECTOR_BYTES - 1) / SEGMENT_SECTOR_BYTES * SEGMENT_SECTOR_BYTES;
}

/* The head of a batch: header and items; room for BATCH_HEAD_MAX_BYTES. Returns its size. */
size_t batch_head_encode(const struct batch_header *header, const struct batch_item *items, uint8_t *room);

/* The first BATCH_HEADER_BYTES of a head, by themselves: false if they cannot be a batch at `offset` of a segment with
 * this salt. Says nothing about the checksum. */
bool batch_header_decode(struct slice bytes, uint64_t salt, uint64_t offset, struct batch_header *header);

/* The whole head: true if checksum, sizes and kinds are right. */
bool batch_head_verify(struct slice head, const struct batch_header *header);

void batch_item_decode(struct slice head, uint32_t position, struct batch_item *item);

#endif
