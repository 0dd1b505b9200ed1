/* record.h: a small record that is saved in place, in a file of two slots (docs/formats/log.md).
 *
 * A save writes the older slot, syncs, writes the other one, syncs. So at any moment one slot is whole, and after a
 * save that has returned both are: damage to one slot afterwards takes nothing back. No save needs new blocks. */
#ifndef CLUSTER_RECORD_H
#define CLUSTER_RECORD_H

#include "cluster/disk.h"

#define RECORD_SLOT_BYTES 8192u
#define RECORD_HEADER_BYTES 24u
#define RECORD_PAYLOAD_MAX_BYTES (RECORD_SLOT_BYTES - RECORD_HEADER_BYTES)

/* One open record; owned by the log writer. */
struct record {
    const struct disk *disk;
    struct disk_file *file;
    uint32_t magic; /* tells the kinds of records apart */
    uint64_t sequences[2];
};

/* Makes the file (it must not exist) with this payload in both slots and syncs it, but not its directory.
 * STATUS_REFUSED, STATUS_NO_SPACE, STATUS_IO. On an error nothing is open. */
MUST_CHECK enum status record_create(struct record *record, const struct disk *disk, const char *path, uint32_t magic,
                                     struct slice payload);

/* Reads the newest whole slot into room (RECORD_PAYLOAD_MAX_BYTES), and brings the other slot to it. STATUS_NOT_FOUND,
 * STATUS_BAD_DATA: no slot is whole. STATUS_IO. On an error nothing is open. */
MUST_CHECK enum status record_open(struct record *record, const struct disk *disk, const char *path, uint32_t magic,
                                   struct span room, size_t *payload_bytes);

/* Safe when it returns STATUS_OK. STATUS_NO_SPACE (on file systems that never write in place): try again. STATUS_IO. */
MUST_CHECK enum status record_save(struct record *record, struct slice payload);

void record_close(struct record *record);

#endif
