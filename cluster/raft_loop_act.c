#include "cluster/raft_loop_act.h"

void raft_loop_actions_init(struct raft_loop_actions *actions)
{
    *actions = (struct raft_loop_actions){.deadline_ms = UINT64_MAX};
    arena_init(&actions->arena);
    actions->last = &actions->first;
}

void raft_loop_actions_fini(struct raft_loop_actions *actions)
{
    arena_fini(&actions->arena);
}

void raft_loop_actions_reset(struct raft_loop_actions *actions)
{
    arena_reset(&actions->arena);
    actions->first = NULL;
    actions->last = &actions->first;
}

struct raft_loop_action *raft_loop_act(struct raft_loop_actions *actions, enum raft_loop_action_kind kind)
{
    struct raft_loop_action *action = ARENA_NEW(&actions->arena, struct raft_loop_action);
    action->kind = kind;
    *actions->last = action;
    actions->last = &action->next;
    return action;
}

struct raft_loop_action *raft_loop_act_first(struct raft_loop_actions *actions, enum raft_loop_action_kind kind)
{
    struct raft_loop_action *action = ARENA_NEW(&actions->arena, struct raft_loop_action);
    action->kind = kind;
    action->next = actions->first;
    if (actions->first == NULL)
        actions->last = &action->next;
    actions->first = action;
    return action;
}

Qnfs__Peer *raft_loop_send(struct raft_loop_actions *actions, uint64_t node)
{
    Qnfs__Peer *peer = ARENA_NEW(&actions->arena, Qnfs__Peer);
    qnfs__peer__init(peer);
    struct raft_loop_action *action = raft_loop_act(actions, RAFT_LOOP_DO_SEND);
    action->node = node;
    action->message = peer;
    return peer;
}
