/* kv_memory.h: a store in memory: the reference that kv_rocksdb is compared with, and the test double. It keeps several
 * versions of each row, so a snapshot is a number. What it can do beyond kv.h is to fail and to crash as a disk does. */
#ifndef STATESTORE_STORE_KV_MEMORY_H
#define STATESTORE_STORE_KV_MEMORY_H

#include "base/random.h"
#include "statestore/store/kv.h"

/* An empty store; kv_store_destroy() frees it. */
struct kv_store *kv_memory_create(void);

/* What a checkpoint left in a directory, as a new store. STATUS_NOT_FOUND, STATUS_BAD_DATA, STATUS_IO. */
MUST_CHECK enum status kv_memory_load(const char *directory, struct kv_store **store);

/* Falls back to what a crash leaves: the state after some write at or after the last flush. Which one is drawn from
 * `random`: RocksDB flushes when it likes, at any boundary of a batch. No snapshot and no cursor may be open (CHECK).
 * Returns how many writes are lost. */
uint64_t kv_memory_crash(struct kv_store *store, struct random_seeded *random);

/* From now on writes, flushes and checkpoints answer `status` and change nothing; STATUS_OK ends it. */
void kv_memory_fail(struct kv_store *store, enum status status);
/* The same, after so many more writes that succeed. */
void kv_memory_fail_after(struct kv_store *store, enum status status, uint64_t writes);

/* Writes since the last flush: what a crash may lose. */
uint64_t kv_memory_unflushed(struct kv_store *store);

#endif
