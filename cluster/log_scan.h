/* log_scan.h: reads one segment back, batch by batch, and verifies it. Used by the recovery. */
#ifndef CLUSTER_LOG_SCAN_H
#define CLUSTER_LOG_SCAN_H

#include "cluster/segment.h"

struct log_scan {
    const struct disk *disk;
    struct disk_file *file;
    uint64_t size_bytes; /* of the file */
    struct segment_header header;
    struct batch_header batch; /* the last one found */
    uint64_t offset;           /* where the next batch begins */
    uint8_t *head;             /* of `batch`; heap */
    uint8_t *chunk;            /* heap */
};

/* Opens segment `number` and reads its header; with `settle` reads are those of the device. STATUS_BAD_DATA: the header
 * is damaged. STATUS_NOT_FOUND, STATUS_IO. On an error nothing is open. */
MUST_CHECK enum status log_scan_open(struct log_scan *scan, const struct disk *disk, uint64_t number, bool settle);
void log_scan_close(struct log_scan *scan);

/* Moves over the batch at scan->offset, every byte verified; its items are log_scan_item's. STATUS_NOT_FOUND: no whole
 * batch begins there. STATUS_IO. */
MUST_CHECK enum status log_scan_next(struct log_scan *scan);
void log_scan_item(const struct log_scan *scan, uint32_t position, struct batch_item *item);

/* At STATUS_NOT_FOUND of log_scan_next in the newest segment: STATUS_OK if the log may end at scan->offset, with the
 * bytes of the batch that was begun there; STATUS_BAD_DATA if a later batch shows that what begins there had been
 * synced (DESIGN.md section 8). STATUS_IO. */
MUST_CHECK enum status log_scan_torn(struct log_scan *scan, uint64_t *torn_bytes);

#endif
