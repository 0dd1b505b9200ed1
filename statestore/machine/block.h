/* block.h: the blocks that extents point into. A block is made by one WRITE, named by its command number, never changed,
 * and gone when no extent refers to it; its bytes go later, on each node by itself (garbage.h). */
#ifndef STATESTORE_MACHINE_BLOCK_H
#define STATESTORE_MACHINE_BLOCK_H

#include "base/hash.h"
#include "statestore/machine/id.h"
#include "statestore/store/kv.h"

struct block {
    struct block_id id;
    uint64_t reference_count; /* extents that refer to it */
    uint64_t size_bytes;
    struct hash128 checksum; /* hash_content() of its bytes */
};

/* Reads one row; true if it exists. Pure over the view. */
bool block_get(struct kv_read *read, struct block_id id, struct arena *arena, struct block *block);

/* --- machine only --- */

/* Takes a row that a cursor found apart. Pure. */
void block_decode_row(struct slice key, struct slice value, struct block *block);

/* A new block with one reference. */
void block_make(struct transaction *transaction, struct block_id id, struct slice content, struct arena *arena);

/* One reference more. */
void block_hold(struct transaction *transaction, struct block_id id, struct arena *arena);

/* One reference less; with the last one the row goes and the block is garbage: then true. `number` is the present
 * command. */
bool block_release(struct transaction *transaction, struct block_id id, uint64_t number, struct arena *arena);

#endif
