/* replica_thread.h: the raft loop's thread (the raft loop's actor, the connections to other nodes, all timers) and the log
 * writer's. */
#ifndef SERVER_DAEMON_REPLICA_THREAD_H
#define SERVER_DAEMON_REPLICA_THREAD_H

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "cluster/join.h"
#include "cluster/log_writer.h"
#include "cluster/peer_transport.h"
#include "cluster/raft_loop.h"
#include "cluster/snapshot_message.h"
#include "server/daemon/published.h"

/* What comes out; called in the raft loop's thread, `failed` also in the log writer's. */
struct replica_ports {
    void *context;
    /* One owner of the entry's bytes goes along. */
    void (*apply)(void *context, const struct replica_entry *entry);
    void (*role)(void *context, enum replica_role role, uint64_t term, uint64_t leader);
    void (*space)(void *context, enum log_space space);
    /* What `reader` asked under `number` must see entry `index`. */
    void (*barrier)(void *context, uint32_t reader, uint64_t number, uint64_t index);
    /* This node's lease has lapsed (false), or it is heard again. */
    void (*alive)(void *context, bool alive);
    /* Another node has told of connections with floating addresses; read now, not kept. */
    void (*connections)(void *context, struct slice bytes);
    /* Leading: this process of another node, or an earlier one of this node, is certainly silent. */
    void (*lost)(void *context, uint64_t node, uint64_t incarnation, uint64_t term);
    /* Member `leader` has a snapshot that this node needs, of at least entry `index`. */
    void (*install)(void *context, uint64_t leader, uint64_t index);
    /* This node leads though one of its threads stands still, and nobody takes over: it must not go on like this. */
    void (*sick)(void *context);
    /* A frame on the bulk channel; read now, not kept. */
    void (*bulk)(void *context, uint64_t node, const struct peer_frame *frame);
    /* Somebody without a cluster wants to join (peer_transport.h), and waits for replica_thread_join_answer. */
    void (*joins)(void *context, uint64_t join, const char *advertise);
    /* Others say that the cluster has removed this node. */
    void (*removed)(void *context);
    /* The bulk connection over which a member was heard has ended. */
    void (*bulk_lost)(void *context, uint64_t node);
    /* When the slowest of all other threads last turned over, boot time in ms. */
    uint64_t (*alive_ms)(void *context);
    void (*failed)(void *context, enum status status, const char *what);
};

/* How this node talks to others; all of it is copied but for what pointers lead to. */
struct replica_peers {
    struct peer_tls_context *tls; /* NULL: no other node can be reached, and none calls */
    const char *listen_host;
    uint16_t listen_port;
    struct peer_hello self;
    uint32_t feature_level_min;
    const struct peer_endpoint *members; /* this node may be among them */
    uint32_t member_count;
};

struct replica_thread;

/* Takes over loop and writer. Can be posted to; the threads start with replica_thread_run. STATUS_IO: the peer address
 * cannot be listened on; `trouble` says why. */
MUST_CHECK enum status replica_thread_create(struct raft_loop *loop, struct log_writer *writer,
                                             struct published *published, const struct replica_peers *peers,
                                             const struct replica_ports *ports, struct clock clock,
                                             const struct log *log, struct replica_thread **thread,
                                             struct span trouble);

void replica_thread_run(struct replica_thread *thread);

/* Any thread. The proposal stays the sender's (cluster/replica.h). */
void replica_thread_propose(struct replica_thread *thread, struct proposal *proposal);

/* The applier's word: applied up to index, the machine's uptime. Any thread. */
void replica_thread_applied(struct replica_thread *thread, uint64_t index, uint64_t uptime_ms);

/* A flush that covers index is complete. Any thread. */
void replica_thread_flushed(struct replica_thread *thread, uint64_t index);

/* The state's chain hash when entry `index` was applied whole. Any thread. */
void replica_thread_hash(struct replica_thread *thread, uint64_t index, struct hash128 hash);

/* A reader's question (raft_loop.h). Any thread. */
void replica_thread_read(struct replica_thread *thread, uint32_t reader, uint64_t number);

/* Tells the other nodes of connections with floating addresses (copied). Any thread. */
void replica_thread_connections(struct replica_thread *thread, struct slice bytes);

/* This process is registered. Any thread. */
void replica_thread_registered(struct replica_thread *thread, uint64_t incarnation);

/* The open incarnations of all nodes, copied. Any thread. */
void replica_thread_processes(struct replica_thread *thread, const struct raft_loop_process *processes, size_t count);

/* Setting read-mode. Any thread. */
void replica_thread_read_mode(struct replica_thread *thread, bool index_reads);

/* Whom to call from now on, copied. Any thread. */
void replica_thread_members(struct replica_thread *thread, const struct peer_endpoint *members, uint32_t count);

/* Nodes that were members, copied. Any thread. */
void replica_thread_removed(struct replica_thread *thread, const uint64_t *nodes, size_t count);

/* To whoever waits with this nonce to join; copied. Any thread. */
void replica_thread_join_answer(struct replica_thread *thread, uint64_t join, const struct join_answer *answer);

/* A change of the membership, while this node leads: dropped if it does not, or if there is nothing of the kind to change. It
 * takes the place of one that still waits. Any thread. */
void replica_thread_change(struct replica_thread *thread, const struct replica_member_change *change);

/* Hands leadership to `node` (0: any). Any thread. */
void replica_thread_transfer(struct replica_thread *thread, uint64_t node);

/* A message for the bulk channel (owner goes along); dropped if its member cannot be sent to, or is slow. Any thread. */
void replica_thread_bulk(struct replica_thread *thread, struct snapshot_message *message);
/* A copy of the state is out (REPLICA_PIN); 0: no longer. Any thread. */
void replica_thread_pin(struct replica_thread *thread, uint64_t index);
/* What ports.install asked for has come to nothing. Any thread. */
void replica_thread_not_installed(struct replica_thread *thread);

/* A copy of the replica's status, and of what is known of other members: its role and term are those of the last step, the rest is
 * at most LEASE_PING_MS old. Any thread. */
void replica_thread_status(struct replica_thread *thread, struct replica_status *status);
size_t replica_thread_peers(struct replica_thread *thread, struct raft_loop_peer_status *peers, size_t room);

/* When the raft loop last turned over, boot time in ms; and since when the log writer has had work that is not done, now if
 * it has none. The slower of both. Any thread. */
uint64_t replica_thread_alive_ms(const struct replica_thread *thread);

/* Ends both threads; what was not yet synced is not waited for. */
void replica_thread_stop(struct replica_thread *thread);

/* Frees it with loop and writer, before those whose proposals it was given. */
void replica_thread_destroy(struct replica_thread *thread);

#endif
