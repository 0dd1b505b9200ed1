/* block.h: the door to file content that is too large for a row: immutable blocks by number.
 *
 * A block is written once (again only with the same bytes, when the log is replayed), read in parts, and removed when
 * nothing refers to it any more. Implementations: block_files.c (local files), block_memory.c (test double).
 * Threads: write, sync and remove may run at the same time as reads; each call is safe against the others. */
#ifndef BLOCKSTORE_BLOCK_H
#define BLOCKSTORE_BLOCK_H

#include "base/block_id.h"
#include "base/slice.h"
#include "base/status.h"

struct block_store;

struct block_store_operations {
    enum status (*write)(struct block_store *store, struct block_id id, struct slice content);
    enum status (*read)(struct block_store *store, struct block_id id, uint64_t offset, struct span target);
    enum status (*sync)(struct block_store *store);
    enum status (*remove)(struct block_store *store, struct block_id id);
    void (*destroy)(struct block_store *store);
};

struct block_store {
    const struct block_store_operations *operations;
};

/* Writes a whole block; readable when it returns, durable after the next sync. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK static inline enum status block_write(struct block_store *store, struct block_id id, struct slice content)
{
    return store->operations->write(store, id, content);
}

/* Fills the whole target from the block. STATUS_NOT_FOUND (no such block, or it is shorter), STATUS_BAD_DATA (its
 * checksum does not match), STATUS_IO. */
MUST_CHECK static inline enum status block_read(struct block_store *store, struct block_id id, uint64_t offset,
                                                struct span target)
{
    return store->operations->read(store, id, offset, target);
}

/* Everything written before the call is durable when it returns. STATUS_IO, STATUS_NO_SPACE. */
MUST_CHECK static inline enum status block_sync(struct block_store *store)
{
    return store->operations->sync(store);
}

/* Removes a block; STATUS_OK also if it is not there. STATUS_IO. */
MUST_CHECK static inline enum status block_remove(struct block_store *store, struct block_id id)
{
    return store->operations->remove(store, id);
}

static inline void block_store_destroy(struct block_store *store)
{
    store->operations->destroy(store);
}

#endif
