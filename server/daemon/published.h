/* published.h: what the apply thread and the raft loop tell the gateway loops without a queue: counters, mostly.
 *
 * Order of writing (DESIGN.md sections 3 and 6): the store's batch becomes visible, then `number` and `index` move, then
 * results are posted; `commit` moves before any notice or reply that reveals it leaves the node. */
#ifndef SERVER_DAEMON_PUBLISHED_H
#define SERVER_DAEMON_PUBLISHED_H

#include <stdatomic.h>

#include "base/limits.h"
#include "statestore/store/kv.h"

struct published {
    atomic_uint_least64_t commit; /* index known committed: the barrier of calls that come now, while: */
    /* The raft loop's word: until this boot time no other node can commit anything that is not in `commit` (a lease of the
     * leader, DESIGN.md section 6); 0: there is no lease, UINT64_MAX: it does not end. Set after `commit` has an entry of
     * this node's own term, taken back before anything is given away. */
    atomic_uint_least64_t lease_until_ms;
    atomic_uint_least64_t index;  /* every entry up to it is applied whole */
    atomic_uint_least64_t number; /* commands and passed entries applied in this process: the version of the state */
    atomic_uint_least64_t sessions_moved; /* sessions attached elsewhere or ended by them; moves before `number` */
    atomic_uint_least64_t command;        /* number of the last command in the state */
    atomic_uint_least64_t uptime_ms;      /* the cluster's clock as of the last entry applied */
    /* Boot time when that was applied here, or since this node leads. On a node that does not lead the time since then is at
     * least what the leader has counted: without a leader the cluster's clock stands still, this one does not. */
    atomic_uint_least64_t uptime_at_ms;
    atomic_bool log_low;                 /* the log lives from its reserve: refuse what grows */
    atomic_uint_least64_t flushed_index; /* entries and commands that survive a crash in the store alone */
    atomic_uint_least64_t flushed_number;
    /* Blocks that became garbage by a later command stay: a copy of the state that other nodes fetch refers to them. 0: there
     * is none. */
    atomic_uint_least64_t pinned_number;
    atomic_uint_least64_t free_bytes; /* of the data directory's file system */
    atomic_uint_least64_t total_bytes;
};

/* What stays free for the log, removals and renewals: below it the disk is low. */
static inline uint64_t space_reserve_bytes(uint64_t total_bytes)
{
    uint64_t reserve_bytes = total_bytes / SPACE_RESERVE_DIVISOR;
    return reserve_bytes < SPACE_RESERVE_MAX_BYTES ? reserve_bytes : SPACE_RESERVE_MAX_BYTES;
}

/* One reader's snapshot, renewed when the state has moved. Owned by one actor. */
struct view {
    struct kv_store *store;
    const struct published *published;
    struct kv_read *read; /* NULL before the first refresh */
    uint64_t index;
    uint64_t number;
    uint64_t sessions_moved;
};

void view_init(struct view *view, struct kv_store *store, const struct published *published);
void view_fini(struct view *view);

/* Makes the view as new as what is published now. True if it moved. */
bool view_refresh(struct view *view);

#endif
