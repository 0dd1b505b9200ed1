/* admin.h: the HTTP door for operators and monitoring: /healthz, /readyz, /metrics, and the JSON that qnfsctl asks for.
 * Runs on libmicrohttpd's threads; it reads through snapshots of its own and changes through commands. */
#ifndef SERVER_DAEMON_ADMIN_H
#define SERVER_DAEMON_ADMIN_H

#include "base/clock.h"
#include "base/log.h"
#include "proto/log.pb-c.h"
#include "server/daemon/config.h"
#include "server/daemon/gateway_thread.h"
#include "server/daemon/published.h"

/* What the node tells of itself, all copied. */
struct admin_node_status {
    bool serving;
    bool healthy; /* every thread turned over lately */
    uint64_t node;
    uint64_t incarnation;
    uint8_t cluster_id[16];
    bool silent; /* no leader hears this node: it answers nothing */
    bool leader;
    uint64_t leader_node; /* 0: unknown */
    uint64_t term;
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t applied_number; /* command number of the state */
    uint64_t flushed_index;  /* the log below is not needed */
    uint64_t log_bytes;      /* on disk */
    uint64_t flushes;
    uint64_t started_wall_ns;
    uint64_t free_bytes;
    uint64_t total_bytes;
    uint64_t uptime_ms; /* the cluster's, as the leases see it */
    /* Another node's state that is being fetched, as this one is too far behind. */
    uint64_t fetches_from;  /* the node; 0: nothing is fetched */
    uint64_t fetched_index; /* the state's last entry; 0: not known yet */
    uint64_t fetched_bytes;
    uint64_t fetch_bytes; /* of all of it */
};

/* A member of the cluster as this node sees it. */
struct admin_member {
    uint64_t node;
    bool voter;
    bool connected;       /* this node can send to it */
    uint64_t heard_ms;    /* boot time of the last word from it; 0: none */
    uint64_t match_index; /* on the leader: it has the log up to here, and */
    uint64_t applied_index;
};

/* How the admin door reaches the node; any thread. */
struct admin_ports {
    void *context;
    struct kv_store *store;
    const struct published *published;
    void (*status)(void *context, struct admin_node_status *status);
    /* The members, this node among them; returns how many. */
    size_t (*members)(void *context, struct admin_member *members, size_t room);
    /* Hands leadership to a member (0: whichever is closest). Nothing waits for it. */
    void (*transfer)(void *context, uint64_t node);
    /* Sends the command's body through the log as the node's own request and waits for its result (in the arena).
     * STATUS_REFUSED: not serving yet, or stopping. STATUS_CLOSED: no answer within timeout_ms: what became of it is
     * not known (the same command may be sent again; export and settings commands do no harm twice). */
    enum status (*execute)(void *context, Qnfs__Command *command, uint32_t timeout_ms, struct arena *arena,
                           Qnfs__Result **result);
    /* Whether this floating address is on a device of this node. */
    bool (*has_address)(void *context, uint64_t id);
    uint32_t loop_count;
    void (*loop_counters)(void *context, uint32_t loop, struct gateway_thread_counters *counters);
};

struct admin;

/* Listens on the address. STATUS_REFUSED (no such address here, no permission), STATUS_IO (in use ...): `trouble` says
 * why. */
MUST_CHECK enum status admin_start(const struct config_address *address, const struct admin_ports *ports,
                                   const struct log *log, struct clock clock, struct admin **admin, char *trouble,
                                   size_t room);

/* Ends all requests and frees it. */
void admin_stop(struct admin *admin);

#endif
