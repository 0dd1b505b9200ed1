/* block_files.h: blocks as files below one directory, checked by checksum at every read (docs/formats/block.md). */
#ifndef BLOCKSTORE_BLOCK_FILES_H
#define BLOCKSTORE_BLOCK_FILES_H

#include "blockstore/block.h"

/* Opens the directory, making it if there is none. The store is the caller's. STATUS_IO, STATUS_NO_SPACE.
 *
 * A write goes to the page cache only. A sync that fails has lost bytes that cannot be written again from here, so from
 * then on every write and sync answers STATUS_IO: the node stops, and its log writes the blocks again at the start.
 * Syncs may overlap with each other and with everything else. */
MUST_CHECK enum status block_files_open(const char *directory, struct block_store **store);

/* Writes that wait for a sync. For metrics and tests; any thread. */
size_t block_files_unsynced(struct block_store *store);

#endif
