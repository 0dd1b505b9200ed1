/* garbage.h: blocks that no extent refers to any more, whose bytes this node still has. The row is written in the batch of
 * the command that took the last reference. It is the node's own (SCHEMA_NODE_LOCAL): each node removes the bytes when its
 * own flush has passed that command, since until then a crash brings the extents back, and then drops the row. Ids are
 * never given again, so removing one twice, or on a node that never had it, harms nothing. */
#ifndef STATESTORE_MACHINE_GARBAGE_H
#define STATESTORE_MACHINE_GARBAGE_H

#include "statestore/machine/id.h"
#include "statestore/store/kv.h"

struct garbage {
    uint64_t number; /* the command that took the last reference */
    struct block_id block;
};

/* Walks the garbage in the order in which it came up, from the first one behind *after (all 0: from the first). Pure over
 * the view. Close always. */
struct garbage_walk {
    struct kv_cursor cursor;
};
void garbage_walk_open(struct kv_read *read, const struct garbage *after, struct arena *arena,
                       struct garbage_walk *walk);
bool garbage_walk_get(struct garbage_walk *walk, struct garbage *garbage);
void garbage_walk_next(struct garbage_walk *walk);
void garbage_walk_close(struct garbage_walk *walk);

/* The machine: a block has died. */
void garbage_put(struct transaction *transaction, const struct garbage *garbage, struct arena *arena);

/* The applier: the bytes are gone. */
void garbage_drop(struct transaction *transaction, const struct garbage *garbage, struct arena *arena);

#endif
