/* block_pool.h: the threads that read file content for the gateway loops, which never wait for a disk. */
#ifndef SERVER_DAEMON_BLOCK_POOL_H
#define SERVER_DAEMON_BLOCK_POOL_H

#include "base/log.h"
#include "blockstore/block.h"
#include "server/nfs4/server.h"

struct block_pool;

/* `done` is called in a pool thread when the reads of a place are done. */
struct block_pool *block_pool_create(uint32_t threads, struct block_store *blocks, const struct log *log, void *context,
                                     void (*done)(void *context, uint32_t loop, uint64_t place, bool ok));

/* Any thread; the reads stay the caller's and are left alone until `done`. */
void block_pool_read(struct block_pool *pool, uint32_t loop, uint64_t place, struct nfs4_block_read *reads,
                     size_t count);

/* Works off what was asked, then ends the threads. */
void block_pool_destroy(struct block_pool *pool);

#endif
