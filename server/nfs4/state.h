/* state.h: what one loop's NFSv4 server keeps between steps. Internal to server/nfs4. */
#ifndef SERVER_NFS4_STATE_H
#define SERVER_NFS4_STATE_H

#include "server/nfs4/server.h"
#include "server/nfs4/session_table.h"
#include "server/nfs4/task.h"

struct compound;

struct nfs4_server {
    struct nfs4_config config;
    struct task_table tasks;
    struct list idle_compounds; /* with their arenas, for the next calls; their `link` */
    uint32_t idle_count;
    struct list waiting_barrier; /* compounds whose view is not new enough; their `link` */
    struct session_table sessions;
    struct list requests;      /* tasks whose node request is under way, in the order of their numbers */
    uint64_t request_count;    /* node requests since the start */
    struct list renewals;      /* sessions whose client's lease is to be renewed (lease.c) */
    struct list revivals;      /* sessions whose requests wait for that */
    bool renew_proposed;       /* a Renew is under way */
    uint64_t renew_next_ms;    /* the next one not before, unless somebody waits for it */
    uint64_t lease_ms;         /* as of lease_view_index */
    uint64_t lease_view_index; /* 0: not known */
    struct nfs4_counters counters;
};

/* Appends an action to the outbox. */
struct nfs4_action *outbox_add(struct nfs4_outbox *outbox, enum nfs4_action_kind kind, struct connection_id connection);

#endif
