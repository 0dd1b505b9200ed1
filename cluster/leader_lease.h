/* leader_lease.h: how long a leader may take itself for the only one.
 *
 * The leader pings all members every LEASE_PING_MS, in numbered rounds. A member that follows in the leader's term promises
 * to take part in no election for LEADER_PROMISE_MS (guard rule G14), and says so. Two things follow once a majority of the
 * voters has answered:
 *
 *   until      no other member can be elected by time-out before: the time at which the ping was *sent*, plus the promise,
 *              less what clocks may run apart. Who asks compares it to a clock that was read after the question came
 *   confirmed  nobody else led when that round was sent, whatever clocks do
 *
 * Both begin anew with each term, and with each configuration (majorities of it only). A leader that is the only voter needs
 * nobody: its lease has no end. Whether reads may be answered from the lease is raft_loop.c's to say, for that also takes an
 * applied entry of the term, and that no member was told to take over. Pure. */
#ifndef CLUSTER_LEADER_LEASE_H
#define CLUSTER_LEADER_LEASE_H

#include "cluster/raft_loop_act.h"

struct leader_lease_member {
    uint64_t node;
    bool voter;
    uint64_t until_ms;  /* of the newest promise */
    uint64_t confirmed; /* newest round that it answered */
};

struct leader_lease {
    uint64_t id;   /* this node */
    uint64_t term; /* in which it leads; 0: it does not */
    uint64_t configuration_index;
    struct leader_lease_member members[CLUSTER_MEMBERS_MAX]; /* the others */
    uint32_t count;
    uint32_t needed;    /* voters among the others that make a majority */
    uint64_t number;    /* of the newest round; never begins anew */
    uint64_t first;     /* of this term and configuration */
    uint64_t pinged_ms; /* when it was sent */
    uint64_t wanted;    /* a round of this number, or a later one, shall be sent soon */
    uint64_t until_ms;
    uint64_t confirmed;
};

void leader_lease_init(struct leader_lease *lease, uint64_t id);

/* After each step of the replica: whether this node leads, in which term, and who votes. */
void leader_lease_follow(struct leader_lease *lease, const struct replica_view *view);

/* A Pong of member `node`. */
void leader_lease_pong(struct leader_lease *lease, uint64_t node, const Qnfs__Pong *pong, uint64_t now_ms);

/* The round that confirms whatever came until now: the next one. */
uint64_t leader_lease_round(const struct leader_lease *lease);
/* That round is wanted soon, not only by the timer. */
void leader_lease_want(struct leader_lease *lease, uint64_t round);

/* Sends the pings that are due. */
void leader_lease_advance(struct leader_lease *lease, uint64_t now_ms, struct raft_loop_actions *actions);
/* When leader_lease_advance has something to do; UINT64_MAX: never. */
uint64_t leader_lease_deadline(const struct leader_lease *lease);

/* No other leader can be elected by time-out before; 0: nothing is promised; UINT64_MAX: the only voter. */
uint64_t leader_lease_until(const struct leader_lease *lease);
/* Rounds up to this one are answered by a majority. */
uint64_t leader_lease_confirmed(const struct leader_lease *lease);

#endif
