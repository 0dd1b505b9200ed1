/* kv_rocksdb.h: the store on disk: RocksDB with exactly one column family (rocksdb_flush persists one only) and no log
 * of its own: the cluster's log is the log. What was written is durable after kv_store_flush(); RocksDB flushes by
 * itself too, at any boundary of a batch, so after a crash the state is that of some write at or after the last flush.
 *
 * Full disk: writes go to memory and succeed until RocksDB's own flush meets the full disk; then writes and flushes
 * answer STATUS_NO_SPACE and change nothing. Nothing is lost, reads go on. RocksDB looks every few seconds whether
 * there is space again and resumes by itself; so trying again later is right, and all the caller has to do. */
#ifndef STATESTORE_STORE_KV_ROCKSDB_H
#define STATESTORE_STORE_KV_ROCKSDB_H

#include "base/log.h"
#include "statestore/store/kv.h"

struct kv_rocksdb_options {
    size_t cache_bytes;        /* block cache, index and filter blocks included; 0: STORE_CACHE_BYTES */
    size_t write_buffer_bytes; /* of one memtable; 0: STORE_WRITE_BUFFER_BYTES */
    const struct log *log;     /* told every error's text; may be NULL; not owned, outlives the store */
};

/* Opens the database in the directory `path`, making it if there is none. Loads RocksDB's threads: fork before, not
 * after. On STATUS_OK the store is the caller's, to be destroyed; destroying writes out what is in memory.
 * STATUS_BAD_DATA: damaged files. STATUS_NO_SPACE. STATUS_IO: all else, such as no permission or a lock held. */
MUST_CHECK enum status kv_rocksdb_open(const char *path, const struct kv_rocksdb_options *options,
                                       struct kv_store **store);

/* Bytes in memory that RocksDB counts: memtables, block cache, open tables. For metrics; any thread. */
uint64_t kv_rocksdb_memory_bytes(struct kv_store *store);

#endif
