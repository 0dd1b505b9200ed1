/* state.h: what one loop's NFSv4 server keeps between steps. Internal to server/nfs4. */
#ifndef SERVER_NFS4_STATE_H
#define SERVER_NFS4_STATE_H

#include "server/nfs4/server.h"
#include "server/nfs4/session_table.h"
#include "server/nfs4/task.h"
#include "statestore/machine/export.h"

struct compound;

#define VIEW_CACHE_EXPORTS 64u

/* Rows that nearly every request needs, as they are in one view. */
struct view_cache {
    uint64_t view_number; /* whose rows they are */
    struct arena arena;   /* of the exports */
    bool lease_known;
    bool export_known[VIEW_CACHE_EXPORTS];
    struct export exports[VIEW_CACHE_EXPORTS]; /* at their volume's number modulo the size */
    uint64_t mounted_on[VIEW_CACHE_EXPORTS];   /* the pseudo directory's inode; 0: not looked up yet */
};

/* A session that was attached here lately. */
struct session_moves {
    struct session_id session;
    uint64_t epoch; /* after that attach: each move raises it, wherever it leads */
    uint64_t since_ms;
    bool reported;
};

#define SESSION_MOVES_KEPT 256u

struct nfs4_server {
    struct nfs4_config config;
    struct task_table tasks;
    struct list idle_compounds; /* with their arenas, for the next calls; their `link` */
    uint32_t idle_count;
    struct list waiting_question; /* compounds that came since the last question for a barrier; their `link` */
    struct list waiting_answer;   /* those of the question under way */
    uint64_t question;            /* its number; questions count up */
    bool asking;
    struct list waiting_barrier; /* compounds whose view is not new enough; their `link` */
    struct list runnable;        /* compounds that have waited and may go on; their `link` */
    struct session_table sessions;
    struct session_moves moves[SESSION_MOVES_KEPT]; /* by the session's id; the later one stays */
    struct list requests;   /* tasks whose node request is under way, in the order of their numbers */
    uint64_t request_count; /* node requests since the start */
    struct list renewals;   /* sessions whose client's lease is to be renewed (lease.c) */
    struct list revivals;   /* sessions whose requests wait for that */
    bool renew_proposed;    /* a Renew is under way */
    uint64_t renew_next_ms; /* the next one not before, unless somebody waits for it */
    uint64_t lease_ms;      /* the lease period, if cache.lease_known */
    struct view_cache cache;
    struct nfs4_counters counters;
};

/* Forgets what was read in another view. */
void view_cache_enter(struct view_cache *cache, const struct nfs4_moment *moment);

/* The export of a volume: export_get() of the present view. */
bool view_cache_export(struct view_cache *cache, const struct nfs4_moment *moment, struct volume_id volume,
                       struct export *export);

/* Where the cache remembers the inode of the pseudo directory on which the export is mounted (0: not yet); NULL if another
 * export has taken its place. */
uint64_t *view_cache_mounted_on(struct view_cache *cache, const struct export *export);

/* Appends an action to the outbox. */
struct nfs4_action *outbox_add(struct nfs4_outbox *outbox, enum nfs4_action_kind kind, struct connection_id connection);

#endif
