/* row_cache.h: rows of the present state that the one writer has read or written lately, as bytes. Most commands look at
 * the same few rows (session, client, export, directory), and a look into RocksDB costs as much as the rest of a command.
 *
 * It only ever holds what the store holds: every write tells it. One thread. */
#ifndef STATESTORE_STORE_ROW_CACHE_H
#define STATESTORE_STORE_ROW_CACHE_H

#include "base/arena.h"
#include "base/slice.h"

struct row_cache;

struct row_cache *row_cache_create(void);
void row_cache_destroy(struct row_cache *cache);

enum row_known { ROW_UNKNOWN, ROW_ABSENT, ROW_PRESENT };

/* What is known of a row; ROW_PRESENT: *value is a copy in the arena. */
enum row_known row_cache_get(struct row_cache *cache, struct slice key, struct arena *arena, struct slice *value);

/* The row is so, or is_absent. It takes the place of another one; a large row is only forgotten. */
void row_cache_put(struct row_cache *cache, struct slice key, struct slice value, bool is_absent);

#endif
