/* node_state.h: everything that a node has; shared by the node's own files. Nobody else includes it.
 *
 *   node.c        the start from the bottom up, the ticks, the end from the top down
 *   node_ports.c  what the threads ask of each other: each is told by ports, and posts to another */
#ifndef SERVER_DAEMON_NODE_STATE_H
#define SERVER_DAEMON_NODE_STATE_H

#include "base/random.h"
#include "cluster/data_directory.h"
#include "gateway/socket_loop.h"
#include "server/daemon/address_thread.h"
#include "server/daemon/admin.h"
#include "server/daemon/applier_thread.h"
#include "server/daemon/ballast.h"
#include "server/daemon/block_pool.h"
#include "server/daemon/heap_trim.h"
#include "server/daemon/node.h"
#include "server/daemon/peers.h"
#include "server/daemon/replica_thread.h"
#include "server/daemon/snapshot_thread.h"
#include "server/daemon/steward_thread.h"

struct node {
    const struct config *config;
    char *const *arguments;
    const struct log *log;
    struct clock clock;
    struct random random;
    int64_t started_wall_ns;
    uint64_t started_ms;
    struct disk disk;
    struct peers peers;
    struct node_identity identity;
    struct endpoint_list founders; /* where members were when the node last knew; the state knows better */
    struct endpoint_list noted;    /* the file `members`, sorted; the applier's thread */
    struct log_writer *writer;
    struct log_recovered recovered;
    struct kv_store *store;
    struct block_store *blocks;
    struct ballast ballast;
    size_t memtable_bytes;
    struct published published;
    struct applier applier;
    struct replica_thread *replica;
    struct applier_thread *apply;
    struct snapshot_thread *snapshot;
    struct snapshot_manifest *installed; /* put in place by this start, until the state is compared with it */
    struct steward_thread *steward;
    struct block_pool *pool;
    struct address_thread *addresses;
    bool addresses_changed; /* applier's thread: tell them when it is visible */
    struct admin *admin;
    int listen_descriptor;
    struct socket_budget budget;
    struct accepted accepted;
    uint32_t loop_count;
    atomic_uint loops_started; /* the loops below that index exist */
    struct gateway_thread *loops[GATEWAY_THREADS_MAX];
    pthread_mutex_t gates; /* whoever opens or closes them; over the next */
    bool stopping;
    atomic_bool serving;
    atomic_bool leader;
    atomic_bool silent;                /* no leader hears this node */
    atomic_bool removed;               /* the cluster has removed this node */
    atomic_uint joins;                 /* that wait for a result */
    uint64_t reconciled_ms;            /* steward's thread: when the membership was last looked at, */
    struct replica_member_change wish; /* what is to be changed, */
    uint64_t wished_ms;                /* and since when */
    _Atomic(const char *) restart;     /* why this process is to begin anew; NULL: it is not */
    atomic_uint_least64_t incarnation;
    atomic_uint_least64_t flushes;
    struct heap_trim heap_trim; /* main thread */
};

struct steward_ports node_steward_ports(struct node *node);
struct applier_ports node_applier_ports(struct node *node);
struct replica_ports node_replica_ports(struct node *node);
struct address_ports node_address_ports(struct node *node);
struct snapshot_ports node_snapshot_ports(struct node *node);
struct admin_ports node_admin_ports(struct node *node);

/* block_pool.h's word that reads are done. */
void node_blocks_done(void *context, uint32_t loop, uint64_t place, bool ok);

/* What the state says about nodes and reads goes to the raft loop. The applier's thread, or before the threads run. */
void node_tell_state(struct node *node);

#endif
