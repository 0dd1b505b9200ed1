/* block.h: the blocks that extents point into. A block is made by one WRITE, named by its command number, never changed,
 * and dead when no extent refers to it; its bytes go later, when no member can need them again. */
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
    uint64_t dead_number;    /* the command that took the last reference; 0: alive */
};

/* Reads one row; true if it exists (dead ones do until they are forgotten). Pure over the view. */
bool block_get(struct kv_read *read, struct block_id id, struct arena *arena, struct block *block);

/* Walks the dead blocks in the order in which they died: those with a dead_number up to the flushed command number may
 * be unlinked and then forgotten (BlocksForget). Close always. */
struct block_dead_walk {
    struct kv_cursor cursor;
};
void block_dead_walk_open(struct kv_read *read, struct arena *arena, struct block_dead_walk *walk);
bool block_dead_walk_get(struct block_dead_walk *walk, struct block_id *id, uint64_t *dead_number);
void block_dead_walk_next(struct block_dead_walk *walk);
void block_dead_walk_close(struct block_dead_walk *walk);

/* --- machine only --- */

/* Takes a row that a cursor found apart. Pure. */
void block_decode_row(struct slice key, struct slice value, struct block *block);

/* A new block with one reference. */
void block_make(struct transaction *transaction, struct block_id id, struct slice content, struct arena *arena);

/* One reference more. The block is alive. */
void block_hold(struct transaction *transaction, struct block_id id, struct arena *arena);

/* One reference less; the last one kills the block: then true. `number` is the present command. */
bool block_release(struct transaction *transaction, struct block_id id, uint64_t number, struct arena *arena);

#endif
