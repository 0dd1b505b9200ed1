/* raft_loop_act.h: how the parts of the raft loop's actor (raft_loop.h) add their actions. Nobody else includes it. */
#ifndef CLUSTER_RAFT_LOOP_ACT_H
#define CLUSTER_RAFT_LOOP_ACT_H

#include "cluster/raft_loop.h"

/* Empties the list for a new step. */
void raft_loop_actions_reset(struct raft_loop_actions *actions);

/* A new action at the end. */
struct raft_loop_action *raft_loop_act(struct raft_loop_actions *actions, enum raft_loop_action_kind kind);
/* A new action in front of all others. */
struct raft_loop_action *raft_loop_act_first(struct raft_loop_actions *actions, enum raft_loop_action_kind kind);

/* A message to member `node` at the end of the list, without data; the caller sets its body. */
Qnfs__Peer *raft_loop_send(struct raft_loop_actions *actions, uint64_t node);

#endif
