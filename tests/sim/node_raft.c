/* node_raft.c: the raft loop as events: what server/daemon/replica_thread.c does between the actor, the other threads and
 * the connections to the other nodes. */
#include <stdlib.h>

#include "base/check.h"
#include "tests/sim/node_state.h"

static void raft_tick(void *context, uint64_t number);

/* --- carrying --- */

static void take_role(struct node *node, const struct replica_action *action)
{
    struct node_steward_post word = {.kind = STEWARD_LEADER, .on = action->role == REPLICA_LEADER};
    if (word.on && !node->leads)
        world_trace(node->world, "node %u leads in term %llu", node->options.id, (unsigned long long)action->term);
    world_count(node->world, COUNT_elections, word.on && !node->leads ? 1 : 0);
    node->leads = word.on;
    node->term = action->term;
    node->leader = action->leader;
    atomic_store(&node->published.uptime_at_ms, node->leads ? host_now_ms(&node->host) : 0);
    node_steward_post(node, &word);
}

static void take_commit(struct node *node, uint64_t index)
{
    atomic_store(&node->published.commit, index);
    if (node->leads && index > node->durable_index)
        world_count(node->world, COUNT_early_commits, 1);
}

static void carry_replica(struct node *node, const struct replica_action *action)
{
    switch (action->kind) {
    case REPLICA_ACTION_LOG:
        list_append(&node->log.inbox, &action->request->link);
        node_wake(&node->log);
        break;
    case REPLICA_ACTION_COMMIT: take_commit(node, action->index); break;
    case REPLICA_ACTION_APPLY: node_apply(node, &action->entry); break;
    case REPLICA_ACTION_ROLE: take_role(node, action); break;
    case REPLICA_ACTION_REFUSED: list_append(&node->proposals, &action->proposal->link); break;
    case REPLICA_ACTION_SPACE: atomic_store(&node->published.log_low, action->space != LOG_SPACE_GOOD); break;
    case REPLICA_ACTION_INSTALL: node_fetch(node, action); break;
    case REPLICA_ACTION_SEND:
    case REPLICA_ACTION_FORWARD:
    case REPLICA_ACTION_CHANGED: CHECK(action->kind == REPLICA_ACTION_LOG); break; /* the loop's own; nobody asks */
    }
}

static void note_forward(struct node *node, const Qnfs__Peer *message, uint32_t to)
{
    if (message->body_case != QNFS__PEER__BODY_FORWARDED_COMMANDS)
        return;
    if (node->strands != NULL)
        node->strands(node->strands_context, node->options.id, to);
    node->strands = NULL;
    uint64_t number = message->forwarded_commands->number;
    world_count(node->world, COUNT_forwards_resent, number <= node->forwarded_number ? 1 : 0);
    if (number > node->forwarded_number)
        node->forwarded_number = number;
}

static void carry(struct node *node)
{
    for (const struct raft_loop_action *action = node->actions.first; action != NULL; action = action->next) {
        struct node_steward_post lost;
        switch (action->kind) {
        case RAFT_LOOP_DO_REPLICA: carry_replica(node, action->replica); break;
        case RAFT_LOOP_DO_SEND:
            note_forward(node, action->message, (uint32_t)action->node);
            peers_send(node->options.peers, node->options.id, (uint32_t)action->node, action->message, action->data,
                       action->data_count);
            break;
        case RAFT_LOOP_DO_LEASE: atomic_store(&node->published.lease_until_ms, action->until_ms); break;
        case RAFT_LOOP_DO_BARRIER: node_gateway_barrier(node, action->reader, action->number, action->index); break;
        case RAFT_LOOP_DO_ALIVE: node_gateway_alive(node, action->alive); break;
        case RAFT_LOOP_DO_LOST:
            lost = (struct node_steward_post){
                .kind = STEWARD_LOST, .node = action->node, .incarnation = {action->incarnation}, .term = action->term};
            node_steward_post(node, &lost);
            break;
        case RAFT_LOOP_DO_SICK: node_die(node, COUNT_sick); break;
        case RAFT_LOOP_DO_CONNECTIONS: break; /* nobody tells of any */
        case RAFT_LOOP_DO_DIVERGED:
        case RAFT_LOOP_DO_ALARM:
            world_violation(node->world, "node %u: the states differ at entry %llu", node->options.id,
                            (unsigned long long)action->index);
        }
    }
}

static void schedule_tick(struct node *node)
{
    uint64_t now_ms = host_now_ms(&node->host);
    uint64_t deadline_ms = node->actions.deadline_ms;
    if (deadline_ms == UINT64_MAX || (deadline_ms >= node->tick_ms && node->tick_ms > now_ms))
        return;
    node->tick_ms = deadline_ms > now_ms ? deadline_ms : now_ms + 1;
    host_after_ms(&node->host, node->tick_ms - now_ms, raft_tick, &node->raft, node->life);
}

static void raft_step(struct node *node, struct raft_loop_message *message)
{
    raft_loop_step(node->raft_loop, message, host_now_ms(&node->host), host_wall_ns(&node->host), &node->actions);
    carry(node);
    schedule_tick(node);
}

static void raft_step_replica(struct node *node, struct replica_message *replica)
{
    struct raft_loop_message message = {.kind = RAFT_LOOP_REPLICA, .replica = replica};
    if (replica->kind == REPLICA_PERSISTED)
        node->durable_index = replica->index;
    raft_step(node, &message);
}

/* --- events --- */

static void raft_tick(void *context, uint64_t number)
{
    struct node *node = ((struct node_actor *)context)->node;
    if (!node_lives(node, number) || host_now_ms(&node->host) < node->tick_ms)
        return;
    struct raft_loop_message tick = {.kind = RAFT_LOOP_TICK};
    raft_step(node, &tick);
    node_step_over(node);
}

static void raft_propose(struct node *node)
{
    struct replica_message message = {.kind = REPLICA_PROPOSE};
    struct list_link *link;
    list_init(&message.proposals);
    while ((link = node_take(&node->proposals)) != NULL)
        list_append(&message.proposals, link);
    if (!list_empty(&message.proposals))
        raft_step_replica(node, &message);
}

static void post_free(struct node_raft_post *post)
{
    if (post->replica != NULL)
        replica_message_free(post->replica);
    free(post);
}

static void raft_run(void *context, uint64_t number)
{
    struct node_actor *actor = context;
    struct node *node = actor->node;
    if (!node_lives(node, number))
        return;
    actor->scheduled = false;
    struct list_link *link;
    for (uint64_t i = node_burst(node); i > 0 && (link = node_take(&actor->inbox)) != NULL; i--) {
        struct node_raft_post *post = container_of(link, struct node_raft_post, link);
        if (post->replica != NULL)
            raft_step_replica(node, post->replica);
        else
            raft_step(node, &post->message);
        post_free(post);
    }
    if (list_empty(&actor->inbox))
        raft_propose(node);
    else
        node_wake(actor);
    node_step_over(node);
}

/* --- to the loop --- */

static struct node_raft_post *post_add(struct node *node, const struct raft_loop_message *message,
                                       struct replica_message *replica)
{
    struct node_raft_post *post = calloc(1, sizeof(*post));
    CHECK(post != NULL);
    post->message = *message;
    post->replica = replica;
    list_append(&node->raft.inbox, &post->link);
    node_wake(&node->raft);
    return post;
}

void node_raft_post(struct node *node, const struct raft_loop_message *message)
{
    post_add(node, message, NULL);
}

void node_raft_post_replica(struct node *node, struct replica_message *replica)
{
    post_add(node, &(struct raft_loop_message){.kind = RAFT_LOOP_REPLICA}, replica);
}

void node_raft_tell(struct node *node, enum replica_message_kind kind, uint64_t index, uint64_t uptime_ms)
{
    struct replica_message *message = calloc(1, sizeof(*message));
    CHECK(message != NULL);
    message->kind = kind;
    message->index = index;
    message->uptime_ms = uptime_ms;
    list_init(&message->proposals);
    node_raft_post_replica(node, message);
}

void node_propose(struct node *node, struct proposal *proposal)
{
    list_append(&node->proposals, &proposal->link);
    node_wake(&node->raft);
}

void node_raft_processes(struct node *node)
{
    struct raft_loop_process processes[SIM_NODES_MAX];
    struct arena arena;
    struct node_walk walk;
    struct node_member member;
    size_t count = 0;
    arena_init(&arena);
    node_walk_open(kv_store_present(node->store), &arena, &walk);
    for (; node_walk_get(&walk, &member); node_walk_next(&walk)) {
        if (member.incarnation.value == 0)
            continue;
        CHECK(count < SIM_NODES_MAX);
        processes[count++] = (struct raft_loop_process){member.node, member.incarnation.value};
    }
    node_walk_close(&walk);
    arena_fini(&arena);
    struct raft_loop_message message = {.kind = RAFT_LOOP_PROCESSES, .process_count = count};
    struct node_raft_post *post = post_add(node, &message, NULL);
    memcpy(post->processes, processes, sizeof(processes));
    post->message.processes = post->processes;
}

/* Each thread turns over; one that the disk holds up has not since it began to wait. */
static void healthy(void *context, uint64_t number)
{
    struct node *node = ((struct node_actor *)context)->node;
    if (!node_lives(node, number))
        return;
    uint64_t at_ms = node->log_syncing ? node->log_began_ms : host_now_ms(&node->host);
    struct raft_loop_message message = {.kind = RAFT_LOOP_HEALTHY, .at_ms = at_ms};
    raft_step(node, &message);
    host_after_ms(&node->host, LEASE_PING_MS, healthy, context, number);
    node_step_over(node);
}

/* --- from the other nodes --- */

void node_raft_opened(void *context, uint32_t peer)
{
    struct node *node = context;
    struct raft_loop_message message = {.kind = RAFT_LOOP_OPENED, .node = peer};
    raft_step(node, &message);
    node_step_over(node);
}

void node_raft_closed(void *context, uint32_t peer)
{
    struct node *node = context;
    struct raft_loop_message message = {.kind = RAFT_LOOP_CLOSED, .node = peer};
    raft_step(node, &message);
    node_step_over(node);
}

void node_raft_frame(void *context, uint32_t peer, const struct peer_frame *frame)
{
    struct node *node = context;
    struct raft_loop_message message = {.kind = RAFT_LOOP_FRAME, .node = peer, .frame = frame};
    raft_step(node, &message);
    node_step_over(node);
}

/* --- beginning and end --- */

void node_raft_begin(struct node *node)
{
    struct replica_message start = {.kind = REPLICA_START};
    list_init(&start.proposals);
    node->tick_ms = 0;
    raft_step_replica(node, &start);
    if (node->applier.machine.created)
        node_raft_processes(node);
    host_after_ms(&node->host, 1, healthy, &node->raft, node->life);
    node_steward_post(node, &(struct node_steward_post){.kind = STEWARD_START});
    peers_up(node->options.peers, node->options.id, true);
}

void node_raft_init(struct node *node)
{
    node->raft = (struct node_actor){.node = node, .run = raft_run};
    list_init(&node->raft.inbox);
    list_init(&node->proposals);
    node->silent = true;
    node->lapsed = false;
    network_silence(node->network, true);
    node->forwarded_number = node->term = node->leader = node->durable_index = 0;
}

void node_raft_drop(struct node *node)
{
    struct list_link *link;
    while ((link = node_take(&node->raft.inbox)) != NULL)
        post_free(container_of(link, struct node_raft_post, link));
    list_init(&node->proposals);
}
