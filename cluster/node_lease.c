#include "cluster/node_lease.h"

#include "base/check.h"

/* How long before NODE_LOST_MS are over a lease has ended for certain. */
#define NODE_LEASE_MARGIN_MS (NODE_LOST_MS - NODE_LEASE_MS)

void node_lease_init(struct node_lease *nodes, uint64_t id)
{
    *nodes = (struct node_lease){.id = id};
    state_compare_init(&nodes->compare);
}

/* --- what this process is told --- */

void node_lease_healthy(struct node_lease *nodes, uint64_t at_ms)
{
    if (at_ms > nodes->healthy_ms)
        nodes->healthy_ms = at_ms;
}

void node_lease_registered(struct node_lease *nodes, uint64_t incarnation)
{
    nodes->incarnation = incarnation;
    nodes->pinged_ms = 0; /* the leader hears of it at once, */
    /* and until it has, it may take this process for lost: that a nameless one was heard says nothing about it. */
    nodes->pong_until_ms = 0;
}

void node_lease_hash(struct node_lease *nodes, uint64_t index, const uint8_t hash[16])
{
    state_compare_add(&nodes->compare, index, hash);
}

static bool healthy(const struct node_lease *nodes, uint64_t now_ms)
{
    return nodes->healthy_ms != 0 && now_ms <= nodes->healthy_ms + NODE_HEALTH_MS;
}

/* --- this process's lease --- */

void node_lease_pong(struct node_lease *nodes, const Qnfs__NodePong *pong, uint64_t now_ms,
                     struct raft_loop_actions *actions)
{
    if (pong->sent_ms > now_ms) /* of an earlier boot of the machine */
        return;
    uint64_t until_ms = pong->sent_ms + NODE_LEASE_MS - NODE_DRIFT_MS;
    bool of_this = nodes->incarnation == 0 || pong->sent_ms > nodes->nameless_ms;
    if (of_this && until_ms > nodes->pong_until_ms)
        nodes->pong_until_ms = until_ms;
    nodes->compare_index = pong->compare_index;
    if (pong->diverged_index == 0 || nodes->diverged)
        return;
    nodes->diverged = true;
    raft_loop_act(actions, RAFT_LOOP_DO_DIVERGED)->index = pong->diverged_index;
}

static void ping_send(struct node_lease *nodes, const struct replica_view *view, uint64_t now_ms,
                      struct raft_loop_actions *actions)
{
    nodes->pinged = view->leader;
    nodes->pinged_ms = now_ms;
    if (nodes->incarnation == 0)
        nodes->nameless_ms = now_ms;
    Qnfs__Peer *peer = raft_loop_send(actions, view->leader);
    Qnfs__NodePing *ping = ARENA_NEW(&actions->arena, Qnfs__NodePing);
    qnfs__node_ping__init(ping);
    ping->incarnation = nodes->incarnation;
    ping->sent_ms = now_ms;
    ping->applied_index = view->applied_index;
    ping->flushed_index = view->flushed_index;
    const struct state_point *point = state_compare_point(&nodes->compare, nodes->compare_index);
    if (point != NULL) {
        ping->hash_index = point->index;
        struct slice hash = arena_copy(&actions->arena, slice_make(point->hash, sizeof point->hash));
        ping->hash.data = (uint8_t *)(uintptr_t)hash.data;
        ping->hash.len = hash.size_bytes;
    }
    peer->body_case = QNFS__PEER__BODY_NODE_PING;
    peer->node_ping = ping;
}

static uint64_t alive_until(const struct node_lease *nodes)
{
    return nodes->pong_until_ms > nodes->promised_until_ms ? nodes->pong_until_ms : nodes->promised_until_ms;
}

static void alive_advance(struct node_lease *nodes, uint64_t now_ms, struct raft_loop_actions *actions)
{
    bool alive = now_ms < alive_until(nodes);
    if (alive == nodes->alive)
        return;
    nodes->alive = alive;
    raft_loop_act(actions, RAFT_LOOP_DO_ALIVE)->alive = alive;
}

/* --- leading: who is heard --- */

const struct node_heard *node_lease_find(const struct node_lease *nodes, uint64_t node)
{
    for (uint32_t i = 0; i < nodes->heard_count; i++) {
        if (nodes->heard[i].node == node)
            return &nodes->heard[i];
    }
    return NULL;
}

/* Who is no member any more may still be alive by a pong: its place is free when it cannot be. NULL: there is no place, or it
 * is no member. */
static struct node_heard *heard_get(struct node_lease *nodes, uint64_t node, const struct configuration *configuration,
                                    uint64_t now_ms)
{
    struct node_heard *found = NULL;
    if (configuration_find(configuration, node) < 0)
        return NULL;
    for (uint32_t i = 0; i < nodes->heard_count; i++) {
        struct node_heard *heard = &nodes->heard[i];
        if (heard->node == node)
            return heard;
        if (configuration_find(configuration, heard->node) < 0 && now_ms >= heard->heard_ms + NODE_LOST_MS)
            found = heard;
    }
    if (nodes->heard_count < CLUSTER_MEMBERS_MAX)
        found = &nodes->heard[nodes->heard_count++];
    if (found != NULL)
        *found = (struct node_heard){.node = node};
    return found;
}

static const struct node_process *process_find(const struct node_lease *nodes, uint64_t node, uint64_t incarnation)
{
    for (uint32_t i = 0; i < nodes->process_count; i++) {
        const struct node_process *process = &nodes->processes[i];
        if (process->node == node && process->incarnation == incarnation)
            return process;
    }
    return NULL;
}

void node_lease_ping(struct node_lease *nodes, uint64_t node, const Qnfs__NodePing *ping,
                     const struct node_lease_now *now, uint64_t now_ms)
{
    if (nodes->term == 0)
        return;
    const struct node_process *process = process_find(nodes, node, ping->incarnation);
    if (process != NULL && process->lost_ms != 0)
        return;
    struct node_heard *heard = heard_get(nodes, node, now->view.configuration, now_ms);
    if (heard == NULL)
        return;
    if (heard->incarnation != ping->incarnation) {
        state_compare_forget(&nodes->compare, node);
        heard->pong_sent_ms = 0;
    }
    heard->incarnation = ping->incarnation;
    heard->heard_ms = now_ms;
    heard->applied_index = ping->applied_index;
    heard->flushed_index = ping->flushed_index;
    if (heard->pong_sent_ms == 0) { /* else the earlier one, or none would ever be answered if a round takes long */
        heard->pong_sent_ms = ping->sent_ms;
        heard->pong_round = now->next_round;
    }
    if (ping->hash_index != 0)
        state_compare_report(&nodes->compare, node, ping->hash_index, ping->hash.data);
}

/* Whether nobody else can have led when the round was the next one. A member that was told to take over may be elected
 * whatever was promised. */
static bool only_leader(const struct node_lease_now *now, uint64_t round, uint64_t now_ms)
{
    return (now->view.may_lease && now_ms < now->promised_until_ms) || now->confirmed >= round;
}

static void pongs_send(struct node_lease *nodes, const struct node_lease_now *now, uint64_t now_ms,
                       struct raft_loop_actions *actions)
{
    for (uint32_t i = 0; i < nodes->heard_count; i++) {
        struct node_heard *heard = &nodes->heard[i];
        if (heard->pong_sent_ms == 0 || !only_leader(now, heard->pong_round, now_ms))
            continue;
        Qnfs__Peer *peer = raft_loop_send(actions, heard->node);
        Qnfs__NodePong *pong = ARENA_NEW(&actions->arena, Qnfs__NodePong);
        qnfs__node_pong__init(pong);
        pong->sent_ms = heard->pong_sent_ms;
        pong->term = nodes->term;
        pong->diverged_index = state_compare_diverged(&nodes->compare, heard->node);
        pong->compare_index = state_compare_wanted(&nodes->compare);
        peer->body_case = QNFS__PEER__BODY_NODE_PONG;
        peer->node_pong = pong;
        heard->pong_sent_ms = 0;
    }
}

/* --- leading: who is lost --- */

void node_lease_processes(struct node_lease *nodes, const struct raft_loop_process *processes, size_t count,
                          uint64_t now_ms)
{
    struct node_process fresh[NODE_PROCESSES_MAX];
    uint32_t fresh_count = 0;
    for (size_t i = 0; i < count && fresh_count < NODE_PROCESSES_MAX; i++) {
        const struct node_process *known = process_find(nodes, processes[i].node, processes[i].incarnation);
        if (known != NULL)
            fresh[fresh_count++] = *known;
        else
            fresh[fresh_count++] = (struct node_process){.node = processes[i].node,
                                                         .incarnation = processes[i].incarnation,
                                                         .from_ms = now_ms,
                                                         .new_here = nodes->term != 0};
    }
    memcpy(nodes->processes, fresh, fresh_count * sizeof fresh[0]);
    nodes->process_count = fresh_count;
}

/* When it can be said to be lost. */
static uint64_t process_lost_at(const struct node_lease *nodes, const struct node_process *process)
{
    const struct node_heard *heard = node_lease_find(nodes, process->node);
    uint64_t heard_ms = process->from_ms;
    if (heard != NULL && heard->heard_ms > heard_ms &&
        (heard->incarnation == process->incarnation || (heard->incarnation == 0 && process->new_here)))
        heard_ms = heard->heard_ms;
    uint64_t lost_at = heard_ms + NODE_LOST_MS;
    uint64_t again_at = process->lost_ms == 0 ? 0 : process->lost_ms + NODE_LOST_AGAIN_MS;
    return lost_at > again_at ? lost_at : again_at;
}

static void losses_report(struct node_lease *nodes, const struct node_lease_now *now, uint64_t now_ms,
                          struct raft_loop_actions *actions)
{
    for (uint32_t i = 0; i < nodes->process_count; i++) {
        struct node_process *process = &nodes->processes[i];
        /* This node's own: this one, or an earlier one that this one's registration closes. */
        if (process->node == nodes->id)
            continue;
        if (now_ms < process_lost_at(nodes, process)) {
            process->lost_round = 0;
            continue;
        }
        if (process->lost_round == 0)
            process->lost_round = now->next_round;
        if (!only_leader(now, process->lost_round, now_ms))
            continue;
        process->lost_ms = now_ms;
        struct raft_loop_action *action = raft_loop_act(actions, RAFT_LOOP_DO_LOST);
        action->node = process->node;
        action->incarnation = process->incarnation;
        action->term = nodes->term;
    }
}

/* What came while this process stood still is not read yet. */
static void still_time_forgive(struct node_lease *nodes, uint64_t now_ms)
{
    for (uint32_t i = 0; i < nodes->process_count && now_ms > nodes->stepped_ms + NODE_LEASE_MARGIN_MS; i++)
        nodes->processes[i].from_ms = now_ms;
    nodes->stepped_ms = now_ms;
}

/* --- leading: beginning, health, hashes --- */

void node_lease_asked(struct node_lease *nodes, uint64_t term)
{
    if (term > nodes->asked_term)
        nodes->asked_term = term;
}

static void lead_begin(struct node_lease *nodes, uint64_t term, uint64_t now_ms)
{
    /* Its promises were all that the predecessor lived by, and they have run out; a tick for it to notice. One that has led
     * only for a moment may still live by an answer of the leader before it. */
    bool expired = nodes->previous_leader != 0 && nodes->previous_term + 1 == term &&
                   nodes->asked_term != nodes->previous_term && now_ms >= nodes->previous_since_ms + NODE_LOST_MS;
    nodes->term = term;
    nodes->stepped_ms = now_ms;
    nodes->sick_since_ms = 0;
    nodes->handed_over = nodes->sick = false;
    nodes->heard_count = 0;
    for (uint32_t i = 0; i < nodes->process_count; i++) {
        struct node_process *process = &nodes->processes[i];
        process->from_ms = now_ms;
        if (expired && process->node == nodes->previous_leader)
            process->from_ms = now_ms + NODE_LEASE_MARGIN_MS - NODE_LOST_MS;
        process->new_here = false;
        process->lost_round = process->lost_ms = 0;
    }
    state_compare_lead(&nodes->compare);
}

static void leader_follow(struct node_lease *nodes, const struct replica_view *view, uint64_t now_ms)
{
    if (!view->leads) {
        nodes->term = 0;
        if (view->leader != 0) {
            if (view->leader != nodes->previous_leader || view->term != nodes->previous_term)
                nodes->previous_since_ms = now_ms;
            nodes->previous_leader = view->leader;
            nodes->previous_term = view->term;
        }
    } else if (view->term != nodes->term) {
        lead_begin(nodes, view->term, now_ms);
        nodes->previous_leader = nodes->id;
        nodes->previous_term = view->term;
    }
}

/* Whether leadership is to be handed over now. */
static bool health_advance(struct node_lease *nodes, const struct replica_view *view, uint64_t now_ms,
                           struct raft_loop_actions *actions)
{
    /* Nobody else can lead: stopping would help no one. */
    if (healthy(nodes, now_ms) || nodes->healthy_ms == 0 || configuration_sole_voter(view->configuration, nodes->id)) {
        nodes->sick_since_ms = 0;
        nodes->handed_over = false;
        return false;
    }
    if (nodes->sick_since_ms == 0)
        nodes->sick_since_ms = now_ms;
    if (!nodes->handed_over && now_ms >= nodes->sick_since_ms + NODE_HEALTH_GRACE_MS) {
        nodes->handed_over = true;
        return true;
    }
    if (!nodes->sick && now_ms >= nodes->sick_since_ms + NODE_HEALTH_GRACE_MS + NODE_SICK_MS) {
        nodes->sick = true;
        (void)raft_loop_act(actions, RAFT_LOOP_DO_SICK);
    }
    return false;
}

static void compare_advance(struct node_lease *nodes, uint64_t now_ms, struct raft_loop_actions *actions)
{
    uint64_t index;
    for (uint32_t i = 0; i < nodes->heard_count; i++)
        state_compare_expect(&nodes->compare, nodes->heard[i].node, now_ms < nodes->heard[i].heard_ms + NODE_LOST_MS);
    switch (state_compare_advance(&nodes->compare, now_ms, &index)) {
    case STATE_NOTHING_NEW: break;
    case STATE_SELF_DIVERGED:
        if (!nodes->diverged)
            raft_loop_act(actions, RAFT_LOOP_DO_DIVERGED)->index = index;
        nodes->diverged = true;
        break;
    case STATE_NO_MAJORITY: raft_loop_act(actions, RAFT_LOOP_DO_ALARM)->index = index; break;
    }
}

/* --- all of it --- */

static bool ping_due(const struct node_lease *nodes, const struct node_lease_now *now, uint64_t now_ms)
{
    return !now->view.leads && now->view.leader != 0 && now->leader_open && healthy(nodes, now_ms) &&
           (nodes->pinged != now->view.leader || now_ms >= nodes->pinged_ms + LEASE_PING_MS);
}

/* As the leader, this process lives by what it was promised; what majorities of earlier configurations have promised holds. */
static void promised_take(struct node_lease *nodes, uint64_t until_ms, uint64_t now_ms)
{
    if (nodes->promised_until_ms == UINT64_MAX) /* it was the only voter until now */
        nodes->promised_until_ms = now_ms + LEADER_PROMISE_MS - LEADER_DRIFT_MS;
    if (until_ms > nodes->promised_until_ms)
        nodes->promised_until_ms = until_ms;
}

bool node_lease_advance(struct node_lease *nodes, const struct node_lease_now *now, uint64_t now_ms,
                        struct raft_loop_actions *actions)
{
    bool hand_over = false;
    leader_follow(nodes, &now->view, now_ms);
    if (now->view.leads) {
        promised_take(nodes, now->promised_until_ms, now_ms);
        hand_over = health_advance(nodes, &now->view, now_ms, actions);
        compare_advance(nodes, now_ms, actions);
        pongs_send(nodes, now, now_ms, actions);
        still_time_forgive(nodes, now_ms);
        losses_report(nodes, now, now_ms, actions);
    } else if (nodes->promised_until_ms == UINT64_MAX) {
        nodes->promised_until_ms = 0;
    }
    if (ping_due(nodes, now, now_ms))
        ping_send(nodes, &now->view, now_ms, actions);
    alive_advance(nodes, now_ms, actions);
    return hand_over;
}

static void earlier(uint64_t *deadline_ms, uint64_t at_ms)
{
    if (at_ms < *deadline_ms)
        *deadline_ms = at_ms;
}

uint64_t node_lease_deadline(const struct node_lease *nodes, const struct node_lease_now *now, uint64_t now_ms)
{
    uint64_t deadline_ms = UINT64_MAX;
    if (nodes->alive)
        earlier(&deadline_ms, alive_until(nodes));
    if (!now->view.leads && now->view.leader != 0 && now->leader_open && healthy(nodes, now_ms))
        earlier(&deadline_ms, nodes->pinged_ms + LEASE_PING_MS);
    if (nodes->term == 0)
        return deadline_ms;
    for (uint32_t i = 0; i < nodes->process_count; i++) {
        /* Who is missed already is reported when a round is confirmed. */
        if (nodes->processes[i].node != nodes->id && nodes->processes[i].lost_round == 0)
            earlier(&deadline_ms, process_lost_at(nodes, &nodes->processes[i]));
    }
    if (!configuration_sole_voter(now->view.configuration, nodes->id) && nodes->healthy_ms != 0) {
        uint64_t sick_ms = nodes->sick_since_ms + NODE_HEALTH_GRACE_MS;
        if (nodes->sick_since_ms == 0)
            sick_ms = nodes->healthy_ms + NODE_HEALTH_MS + 1;
        else if (nodes->handed_over)
            sick_ms += NODE_SICK_MS;
        if (!nodes->sick)
            earlier(&deadline_ms, sick_ms);
    }
    return deadline_ms;
}
