/* block_memory.h: blocks in memory: the test double, which can fail and crash as a disk does. One thread. */
#ifndef BLOCKSTORE_BLOCK_MEMORY_H
#define BLOCKSTORE_BLOCK_MEMORY_H

#include "base/random.h"
#include "blockstore/block.h"

struct block_store *block_memory_create(void);

/* A store of its own with the blocks that can be read, all on the disk. */
struct block_store *block_memory_copy(struct block_store *store);

/* What a crash leaves: of the blocks written and removed since the last sync, any subset as it was before; a written
 * block may also be there with damaged bytes. Drawn from `random`. Returns how many blocks lost something. */
size_t block_memory_crash(struct block_store *store, struct random_seeded *random);

/* From now on writes and syncs answer `status` and change nothing; STATUS_OK ends it. */
void block_memory_fail(struct block_store *store, enum status status);

/* Blocks that can be read, and blocks whose bytes have been written since the last sync. */
size_t block_memory_count(struct block_store *store);
size_t block_memory_unsynced(struct block_store *store);

#endif
