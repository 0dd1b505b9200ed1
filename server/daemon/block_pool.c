#include "server/daemon/block_pool.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"
#include "server/daemon/worker.h"

struct block_request {
    struct list_link link;
    uint32_t loop;
    uint64_t place;
    struct nfs4_block_read *reads;
    size_t count;
};

struct block_pool {
    struct block_store *blocks;
    const struct log *log;
    void *context;
    void (*done)(void *context, uint32_t loop, uint64_t place, bool ok);
    atomic_uint next; /* round robin */
    uint32_t thread_count;
    struct worker workers[];
};

static bool pool_read(struct block_pool *pool, const struct nfs4_block_read *read)
{
    enum status status =
        block_read(pool->blocks, read->block, read->block_offset, (struct span){read->target, read->size_bytes});
    /* NOT_FOUND is no news: the file was rewritten meanwhile, and the compound looks again. */
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        log_line(pool->log, LOG_ERROR, "block %llu cannot be read: %s", (unsigned long long)read->block.value,
                 status_name(status));
    return status == STATUS_OK;
}

static void pool_message(void *context, struct list_link *link)
{
    struct block_pool *pool = context;
    struct block_request *request = container_of(link, struct block_request, link);
    bool ok = true;
    for (size_t i = 0; ok && i < request->count; i++)
        ok = pool_read(pool, &request->reads[i]);
    pool->done(pool->context, request->loop, request->place, ok);
    free(request);
}

struct block_pool *block_pool_create(uint32_t threads, struct block_store *blocks, const struct log *log, void *context,
                                     void (*done)(void *context, uint32_t loop, uint64_t place, bool ok))
{
    CHECK(threads > 0);
    struct block_pool *pool = calloc(1, sizeof(*pool) + threads * sizeof(struct worker));
    CHECK(pool != NULL);
    pool->blocks = blocks;
    pool->log = log;
    pool->context = context;
    pool->done = done;
    pool->thread_count = threads;
    for (uint32_t i = 0; i < threads; i++) {
        worker_init(&pool->workers[i], GATEWAY_INBOX_MAX, WORKER_SLEEP_MS, pool, pool_message, NULL);
        worker_run(&pool->workers[i]);
    }
    return pool;
}

void block_pool_read(struct block_pool *pool, uint32_t loop, uint64_t place, struct nfs4_block_read *reads,
                     size_t count)
{
    struct block_request *request = calloc(1, sizeof(*request));
    CHECK(request != NULL);
    request->loop = loop;
    request->place = place;
    request->reads = reads;
    request->count = count;
    unsigned turn = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    worker_post(&pool->workers[turn % pool->thread_count], &request->link);
}

void block_pool_destroy(struct block_pool *pool)
{
    for (uint32_t i = 0; i < pool->thread_count; i++) {
        worker_stop(&pool->workers[i]);
        worker_fini(&pool->workers[i]);
    }
    free(pool);
}
