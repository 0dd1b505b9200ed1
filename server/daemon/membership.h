/* membership.h: what the state says about nodes, for the raft loop: whom to call, and which processes run. */
#ifndef SERVER_DAEMON_MEMBERSHIP_H
#define SERVER_DAEMON_MEMBERSHIP_H

#include "cluster/endpoint.h"
#include "cluster/raft_loop.h"
#include "statestore/store/kv.h"

struct membership {
    struct endpoint_list members;                            /* the other nodes */
    struct raft_loop_process processes[CLUSTER_MEMBERS_MAX]; /* open incarnations, this node's among them */
    size_t process_count;
};

/* Reads the nodes of the state. Those of `founders` that have not registered yet are added by what the founding said of them.
 * Pure over the view. */
void membership_read(struct kv_read *read, uint64_t self, const struct endpoint_list *founders, struct arena *arena,
                     struct membership *membership);

#endif
