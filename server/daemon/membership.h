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
    const uint64_t *removed; /* nodes that were members; in the arena */
    size_t removed_count;
};

/* What the leader knows of a member's log. */
struct membership_follower {
    uint64_t node;
    bool living; /* connected, and heard within NODE_LOST_MS */
    uint64_t match_index;
};

/* Reads the nodes of the state. Those of `founders` that have not registered yet are added by what the founding said of them.
 * Pure over the view. */
void membership_read(struct kv_read *read, uint64_t self, const struct endpoint_list *founders, struct arena *arena,
                     struct membership *membership);

/* The first difference between the nodes that the state wants and the members of the log, as the change that removes it: a
 * removed node goes, a new one comes as a standby, a standby that has caught up becomes a voter (if it shall). One at a time,
 * on the leader `self`, again and again: so it does not matter who crashes meanwhile, and who leads next. None that would leave
 * less than a majority of the voters living: it could not be committed, nor anything behind it. False: nothing is to be done,
 * or not yet. `done`: a removed node that is no member any more, which the state does not know yet (0: none). Pure over the view. */
bool membership_next_change(struct kv_read *read, const struct configuration *configuration, uint64_t self,
                            uint64_t last_index, const struct membership_follower *followers, size_t follower_count,
                            struct arena *arena, uint64_t *done, struct replica_member_change *change);

#endif
