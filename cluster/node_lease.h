/* node_lease.h: whether this process is alive to the cluster; and, leading, which processes are.
 *
 * Every node sends the leader a NodePing every LEASE_PING_MS, but only while its threads all turn over (RAFT_LOOP_HEALTHY).
 * Each answered one is a lease: for NODE_LEASE_MS from when it was sent this process may act for its clients. The leader
 * answers only when it is certain that nobody else led when the ping came: its promises hold (leader_lease.h), or a round that
 * was sent after the ping is confirmed. A leader's own lease is its promises.
 *
 * A process whose last ping came NODE_LOST_MS ago is certainly silent, and is reported, if it is as certain that nobody else
 * leads by now. After a time in which this process stood still, others have a full lease to be heard. A new leader does not know what its
 * predecessor has answered, so it counts from its election; but when it was elected in the very next term and by time-out, a
 * majority's promises to the predecessor have run out, and with them the predecessor's own lease. Who was reported gets no
 * answer in this term any more: it must not come back to life while its loss is on its way into the log.
 *
 * The chain hashes ride on these pings (state_compare.h). Pure. */
#ifndef CLUSTER_NODE_LEASE_H
#define CLUSTER_NODE_LEASE_H

#include "cluster/raft_loop_act.h"
#include "cluster/state_compare.h"

/* What the leader knows of another node. */
struct node_heard {
    uint64_t node;
    uint64_t incarnation; /* that it said last */
    uint64_t heard_ms;
    uint64_t applied_index;
    uint64_t flushed_index;
    /* a ping that waits for an answer */
    uint64_t pong_sent_ms; /* 0: none waits */
    uint64_t pong_round;   /* confirms that this node led when it came */
};

/* A process that the state knows as running. */
struct node_process {
    uint64_t node;
    uint64_t incarnation;
    uint64_t from_ms;    /* known, or led, since: as if it had been heard then */
    bool new_here;       /* it has registered while this node led: until it knows its incarnation its pings say 0 */
    uint64_t lost_round; /* of pings, sent after it was missed; 0: it is not missed */
    uint64_t lost_ms;    /* when it was reported; 0: it was not */
};

struct node_lease {
    uint64_t id; /* this node */
    uint64_t incarnation;
    uint64_t healthy_ms;    /* all threads have turned over at this time; 0: not said yet */
    uint64_t sick_since_ms; /* seen to be unhealthy while it leads; 0: it is not */
    bool handed_over;       /* and was made to hand leadership over */
    bool sick;              /* and was said to be */

    /* this process */
    bool alive;
    uint64_t pong_until_ms;     /* from the leader's answers */
    uint64_t promised_until_ms; /* from promises to it, as the leader that it is or was */
    uint64_t pinged;            /* whom */
    uint64_t pinged_ms;
    uint64_t nameless_ms;   /* the newest ping that was sent before it was registered */
    uint64_t compare_index; /* the leader wants the hash there */
    bool diverged;          /* and was said to be */

    /* leadership */
    uint64_t term;       /* in which this node leads; 0: it does not */
    uint64_t stepped_ms; /* the newest advance */
    uint64_t previous_leader;
    uint64_t previous_term;
    uint64_t previous_since_ms; /* when this node first knew that it leads */
    uint64_t asked_term;        /* the leader of this term has told this node to take over */
    struct node_heard heard[CLUSTER_MEMBERS_MAX];
    uint32_t heard_count;
    struct node_process processes[NODE_PROCESSES_MAX];
    uint32_t process_count;
    struct state_compare compare;
};

/* What the replica and the leader's lease say. */
struct node_lease_now {
    struct replica_view view;
    uint64_t promised_until_ms; /* leader_lease_until */
    uint64_t confirmed;
    uint64_t next_round;
    bool leader_open; /* the raft channel to the leader is open */
};

void node_lease_init(struct node_lease *nodes, uint64_t id);

/* RAFT_LOOP_HEALTHY, _REGISTERED, _HASH, _PROCESSES. */
void node_lease_healthy(struct node_lease *nodes, uint64_t at_ms);
void node_lease_registered(struct node_lease *nodes, uint64_t incarnation);
void node_lease_hash(struct node_lease *nodes, uint64_t index, const uint8_t hash[16]);
void node_lease_processes(struct node_lease *nodes, const struct raft_loop_process *processes, size_t count,
                          uint64_t now_ms);

/* A NodePing, a NodePong of member `node`. */
void node_lease_ping(struct node_lease *nodes, uint64_t node, const Qnfs__NodePing *ping,
                     const struct node_lease_now *now, uint64_t now_ms);
void node_lease_pong(struct node_lease *nodes, const Qnfs__NodePong *pong, uint64_t now_ms,
                     struct raft_loop_actions *actions);
/* The leader of `term` has told this node to take over: who is elected then was not elected by time-out. */
void node_lease_asked(struct node_lease *nodes, uint64_t term);

/* All that is due. True: this node shall hand leadership over (REPLICA_TRANSFER). */
bool node_lease_advance(struct node_lease *nodes, const struct node_lease_now *now, uint64_t now_ms,
                        struct raft_loop_actions *actions);
/* When node_lease_advance has something to do, if nothing else happens; UINT64_MAX: never. */
uint64_t node_lease_deadline(const struct node_lease *nodes, const struct node_lease_now *now, uint64_t now_ms);

/* Leading: what is known of member `node`; NULL: nothing. */
const struct node_heard *node_lease_find(const struct node_lease *nodes, uint64_t node);

#endif
