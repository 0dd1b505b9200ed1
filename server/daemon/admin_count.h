/* admin_count.h: how many rows of each kind the state has. Counting reads all of them, so the numbers are kept for ten
 * times as long as it took: monitoring then costs at most a tenth of one core, however much state there is. */
#ifndef SERVER_DAEMON_ADMIN_COUNT_H
#define SERVER_DAEMON_ADMIN_COUNT_H

#include "base/clock.h"
#include "statestore/store/kv.h"

struct admin_count {
    uint64_t exports; /* also removed ones, whose volumes are kept */
    uint64_t clients;
    uint64_t sessions;
    uint64_t slots; /* replies kept for exactly-once */
    uint64_t opens;
    uint64_t locks; /* byte ranges */
};

struct admin_count_cache {
    struct admin_count count;
    uint64_t valid_until_ms; /* boot time; 0: nothing counted yet */
};

/* Counts, or takes what was counted lately. The caller holds the lock of the cache. */
void admin_count_get(struct admin_count_cache *cache, struct kv_read *view, struct clock clock, struct arena *arena,
                     struct admin_count *count);

#endif
