/* raft_loop.h: the actor of the raft loop: the replica, and everything else that nodes say to each other on the raft channel.
 *
 *   replica.h       the log: messages of raft, proposals in, committed entries out
 *   forwarder.h     a node that does not lead sends its proposals to the leader, until they are in the log
 *   leader_lease.h  pings of the leader, promises of the voters: how long the leader may answer reads by itself
 *   read_index.h    read barriers: from the lease, from a round of pings, or from the leader
 *   node_lease.h    whether this node is alive to the leader; and, leading, which other processes are
 *   peer_convert.h  messages of raft to frames and back
 *
 * A step function like the replica's, with the same rules for the shell: every message one step; all actions carried out in
 * their order before the next step; RAFT_LOOP_TICK at the deadline. Pure: the raft loop's thread and the simulator drive it.
 * A node alone goes the same way: it is its own majority, and its lease does not end.
 *
 * A leader that cannot do its work, as a thread stands still or its log has no room, hands leadership over. */
#ifndef CLUSTER_RAFT_LOOP_H
#define CLUSTER_RAFT_LOOP_H

#include "cluster/replica.h"
#include "proto/peer_codec.h"

struct raft_loop;

struct raft_loop_options {
    struct replica_options replica;
    uint64_t nonce; /* tells this process from earlier ones of the same node before it is registered */
};

/* --- in --- */

enum raft_loop_message_kind {
    RAFT_LOOP_REPLICA, /* `replica`: any message of replica.h but REPLICA_RECEIVE and REPLICA_TICK */
    RAFT_LOOP_TICK,
    RAFT_LOOP_FRAME, /* `frame` came from member `node` over its latest connection on the raft channel; read now, not kept */
    RAFT_LOOP_OPENED, /* this node may send to member `node` on the raft channel */
    RAFT_LOOP_CLOSED, /* no longer: what was under way there may be lost */
    /* Reader `reader` (a gateway loop) wants a barrier for all that came to it until now; `number` counts
     * up. One at a time: the next one is asked when RAFT_LOOP_DO_BARRIER has come. */
    RAFT_LOOP_READ,
    RAFT_LOOP_REGISTERED, /* this process is incarnation `incarnation` */
    /* Log writer, apply thread and all gateway loops turned over at `at_ms` or later; one that has nothing to do counts as
     * turning over. To be said at least every LEASE_PING_MS. */
    RAFT_LOOP_HEALTHY,
    RAFT_LOOP_HASH,      /* the state's chain hash was `hash` when the entry `index` was applied whole; ascending */
    RAFT_LOOP_PROCESSES, /* the open incarnations of all nodes have changed: `processes` (read now, not kept) */
    /* Setting read-mode: `index_reads`: every question costs a round of pings, and no lease is published. */
    RAFT_LOOP_READ_MODE,
    RAFT_LOOP_CONNECTIONS, /* tell all members of these connections with floating addresses: `bytes`, as on the wire */
};

/* The last one is the keeper of the floating addresses. */
#define READERS_MAX (GATEWAY_THREADS_MAX + 1)
#define ADDRESS_READER GATEWAY_THREADS_MAX

/* A process that the state knows as running. */
struct raft_loop_process {
    uint64_t node;
    uint64_t incarnation;
};

struct raft_loop_message {
    enum raft_loop_message_kind kind;
    struct replica_message *replica;
    uint64_t node;
    const struct peer_frame *frame;
    uint32_t reader;
    uint64_t number;
    uint64_t incarnation;
    uint64_t at_ms;
    uint64_t index;
    uint8_t hash[16];
    const struct raft_loop_process *processes;
    size_t process_count;
    bool index_reads;
    struct slice bytes;
};

/* --- out --- */

enum raft_loop_action_kind {
    RAFT_LOOP_DO_REPLICA, /* `replica`: one of LOG, COMMIT, APPLY, ROLE, REFUSED, SPACE, INSTALL, CHANGED (replica.h) */
    RAFT_LOOP_DO_SEND,    /* `message` with `data` to member `node` on the raft channel; may be dropped */
    /* Publish: until boot time `until_ms` (0: not at all) the commit index that is published is a barrier for reads. Before
     * any later action. */
    RAFT_LOOP_DO_LEASE,
    RAFT_LOOP_DO_BARRIER, /* to `reader`: what it asked under `number` must see entry `index` */
    /* `alive` is new: true, this node is heard; false, its lease has lapsed: it falls silent. It begins as false. */
    RAFT_LOOP_DO_ALIVE,
    /* Leading: process `incarnation` of node `node` is certainly silent, and stays so in this `term`: node_lost may be logged.
     * In an entry of a later term it must have no effect: another leader may have heard of the process again. */
    RAFT_LOOP_DO_LOST,
    RAFT_LOOP_DO_CONNECTIONS, /* another node has told of `bytes` */
    RAFT_LOOP_DO_DIVERGED,    /* this node's state is not that of the others at entry `index`: it must stop */
    RAFT_LOOP_DO_ALARM,       /* states differ at `index` and there is no majority to say who is right: log it, go on */
    RAFT_LOOP_DO_SICK,        /* this node is not healthy and cannot get rid of its leadership: it must stop */
};

struct raft_loop_action {
    struct raft_loop_action *next;
    enum raft_loop_action_kind kind;
    const struct replica_action *replica;
    uint64_t node;
    const Qnfs__Peer *message;
    const struct slice *data;
    size_t data_count;
    uint64_t until_ms;
    uint32_t reader;
    uint64_t number;
    uint64_t index;
    bool alive;
    uint64_t incarnation;
    uint64_t term;
    struct slice bytes;
};

/* The list of one step; memory is its arena's and lives until the next step. */
struct raft_loop_actions {
    struct arena arena;
    struct raft_loop_action *first;
    struct raft_loop_action **last;
    uint64_t deadline_ms;
};

void raft_loop_actions_init(struct raft_loop_actions *actions);
void raft_loop_actions_fini(struct raft_loop_actions *actions);

/* As replica_create. */
struct raft_loop *raft_loop_create(const struct raft_loop_options *options, const struct log_recovered *recovered);
void raft_loop_destroy(struct raft_loop *loop);

/* One event. now_ms is boot time by a clock read after the event came, never going back, over 0. */
void raft_loop_step(struct raft_loop *loop, struct raft_loop_message *message, uint64_t now_ms, int64_t wall_ns,
                    struct raft_loop_actions *actions);

/* For status pages: the replica's part, and what this node knows of another member. The raft loop only. */
void raft_loop_status(const struct raft_loop *loop, struct replica_status *status);

struct raft_loop_peer_status {
    uint64_t node;
    bool connected;         /* this node can send to it */
    uint64_t heard_ms;      /* boot time of the last frame from it; 0: none */
    uint64_t match_index;   /* leading: it has the log up to here */
    uint64_t applied_index; /* leading: it said so */
    uint64_t incarnation;   /* leading: of the process that last said that it lives; 0: none */
};
size_t raft_loop_peers(const struct raft_loop *loop, struct raft_loop_peer_status *peers, size_t room);

#endif
