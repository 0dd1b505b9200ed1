#include "cluster/raft_loop.h"

#include "base/check.h"
#include "base/heap.h"
#include "cluster/forwarder.h"
#include "cluster/leader_lease.h"
#include "cluster/log_writer.h"
#include "cluster/node_lease.h"
#include "cluster/peer_convert.h"
#include "cluster/raft_loop_act.h"
#include "cluster/read_index.h"

/* The raft channel to another member. */
struct loop_link {
    uint64_t node;
    bool open;
    uint64_t heard_ms;
};

struct raft_loop {
    uint64_t id;
    struct replica *replica;
    struct replica_actions replica_actions;
    struct replica_view view; /* after the replica's newest step */
    struct forwarder *forwarder;
    struct leader_lease lease;
    struct read_index reads;
    struct node_lease nodes;
    struct loop_link links[CLUSTER_MEMBERS_MAX];
    uint32_t link_count;
    bool index_reads;
    bool log_full;               /* this node can add nothing to its log: if it leads, another one should */
    uint64_t published_until_ms; /* RAFT_LOOP_DO_LEASE */
    struct list sent;            /* of struct peer_message: of the last step; their entries are the frames' data */

    /* of the step that runs */
    uint64_t now_ms;
    int64_t wall_ns;
    struct raft_loop_actions *actions;
    struct forwarder_actions forwards;
};

struct raft_loop *raft_loop_create(const struct raft_loop_options *options, const struct log_recovered *recovered)
{
    struct raft_loop *loop = HEAP_NEW(struct raft_loop);
    loop->id = options->replica.id;
    loop->replica = replica_create(&options->replica, recovered);
    loop->forwarder = forwarder_create(loop->id, options->nonce);
    replica_actions_init(&loop->replica_actions);
    replica_view(loop->replica, &loop->view);
    leader_lease_init(&loop->lease, loop->id);
    read_index_init(&loop->reads, options->nonce);
    node_lease_init(&loop->nodes, loop->id);
    list_init(&loop->sent);
    return loop;
}

static void sent_drop(struct raft_loop *loop)
{
    struct list_link *link;
    while ((link = list_first(&loop->sent)) != NULL) {
        list_remove(link);
        peer_message_free(container_of(link, struct peer_message, link));
    }
}

void raft_loop_destroy(struct raft_loop *loop)
{
    sent_drop(loop);
    replica_destroy(loop->replica);
    replica_actions_fini(&loop->replica_actions);
    forwarder_destroy(loop->forwarder);
    heap_free(loop);
}

/* --- links --- */

static const struct loop_link *link_find(const struct raft_loop *loop, uint64_t node)
{
    for (uint32_t i = 0; i < loop->link_count; i++) {
        if (loop->links[i].node == node)
            return &loop->links[i];
    }
    return NULL;
}

/* NULL: more nodes speak to this one than a cluster has. */
static struct loop_link *link_get(struct raft_loop *loop, uint64_t node)
{
    struct loop_link *spare = NULL;
    for (uint32_t i = 0; i < loop->link_count; i++) {
        struct loop_link *link = &loop->links[i];
        if (link->node == node)
            return link;
        if (!link->open && configuration_find(loop->view.configuration, link->node) < 0)
            spare = link;
    }
    if (loop->link_count < CLUSTER_MEMBERS_MAX)
        spare = &loop->links[loop->link_count++];
    if (spare != NULL)
        *spare = (struct loop_link){.node = node};
    return spare;
}

static bool leader_open(const struct raft_loop *loop)
{
    if (loop->view.leader == 0 || loop->view.leader == loop->id)
        return false;
    const struct loop_link *link = link_find(loop, loop->view.leader);
    return link != NULL && link->open;
}

/* --- the replica --- */

static void send_carry(struct raft_loop *loop, struct peer_message *peer)
{
    struct peer_converted converted;
    peer_convert_out(peer, &loop->actions->arena, &converted);
    struct raft_loop_action *action = raft_loop_act(loop->actions, RAFT_LOOP_DO_SEND);
    action->node = peer->peer;
    action->message = converted.message;
    action->data = converted.data;
    action->data_count = converted.data_count;
    list_append(&loop->sent, &peer->link);
}

static void replica_carry(struct raft_loop *loop, const struct replica_action *action)
{
    switch (action->kind) {
    case REPLICA_ACTION_SEND: send_carry(loop, action->peer); return;
    case REPLICA_ACTION_FORWARD: forwarder_add(loop->forwarder, action->proposal); return;
    case REPLICA_ACTION_ROLE: forwarder_role(loop->forwarder, action->role, action->term, action->leader); break;
    case REPLICA_ACTION_APPLY: forwarder_handed(loop->forwarder, action->entry.index, action->entry.term); break;
    case REPLICA_ACTION_SPACE: loop->log_full = action->space == LOG_SPACE_FULL; break;
    case REPLICA_ACTION_LOG:
    case REPLICA_ACTION_COMMIT:
    case REPLICA_ACTION_REFUSED:
    case REPLICA_ACTION_INSTALL:
    case REPLICA_ACTION_CHANGED: break;
    }
    struct replica_action *kept = ARENA_NEW(&loop->actions->arena, struct replica_action);
    *kept = *action;
    kept->next = NULL;
    raft_loop_act(loop->actions, RAFT_LOOP_DO_REPLICA)->replica = kept;
}

static void replica_run(struct raft_loop *loop, struct replica_message *message)
{
    replica_step(loop->replica, message, loop->now_ms, loop->wall_ns, &loop->replica_actions);
    for (const struct replica_action *action = loop->replica_actions.first; action != NULL; action = action->next)
        replica_carry(loop, action);
    replica_view(loop->replica, &loop->view);
    leader_lease_follow(&loop->lease, &loop->view);
}

static void replica_tell(struct raft_loop *loop, enum replica_message_kind kind)
{
    struct replica_message message = {.kind = kind};
    list_init(&message.proposals);
    replica_run(loop, &message);
}

/* --- frames --- */

static struct node_lease_now nodes_now(const struct raft_loop *loop)
{
    return (struct node_lease_now){
        .view = loop->view,
        .promised_until_ms = leader_lease_until(&loop->lease),
        .confirmed = leader_lease_confirmed(&loop->lease),
        .next_round = leader_lease_round(&loop->lease),
        .leader_open = leader_open(loop),
    };
}

static void raft_take(struct raft_loop *loop, uint64_t node, const struct peer_frame *frame)
{
    struct replica_message message = {.kind = REPLICA_RECEIVE, .peer = peer_convert_in(frame, node)};
    if (message.peer == NULL)
        return;
    list_init(&message.proposals);
    if (message.peer->kind == PEER_MESSAGE_TIMEOUT_NOW)
        node_lease_asked(&loop->nodes, message.peer->term);
    replica_run(loop, &message);
}

static void ping_take(struct raft_loop *loop, uint64_t node, const Qnfs__Ping *ping)
{
    uint32_t promise_ms = ping->promise_ms < LEADER_PROMISE_MS ? ping->promise_ms : LEADER_PROMISE_MS;
    if (!replica_promise(loop->replica, ping->term, loop->now_ms, promise_ms))
        return;
    Qnfs__Peer *peer = raft_loop_send(loop->actions, node);
    Qnfs__Pong *pong = ARENA_NEW(&loop->actions->arena, Qnfs__Pong);
    qnfs__pong__init(pong);
    pong->term = ping->term;
    pong->sent_ms = ping->sent_ms;
    pong->promise_ms = promise_ms;
    pong->number = ping->number;
    peer->body_case = QNFS__PEER__BODY_PONG;
    peer->pong = pong;
}

static void frame_take(struct raft_loop *loop, uint64_t node, const struct peer_frame *frame)
{
    const Qnfs__Peer *peer = frame->message;
    struct node_lease_now now;
    struct loop_link *link = link_get(loop, node);
    if (link != NULL)
        link->heard_ms = loop->now_ms;
    switch ((int)peer->body_case) {
    case QNFS__PEER__BODY_RAFT: raft_take(loop, node, frame); break;
    case QNFS__PEER__BODY_PING: ping_take(loop, node, peer->ping); break;
    case QNFS__PEER__BODY_PONG: leader_lease_pong(&loop->lease, node, peer->pong, loop->now_ms); break;
    case QNFS__PEER__BODY_FORWARDED_COMMANDS: forwarder_commands(loop->forwarder, node, frame, &loop->forwards); break;
    case QNFS__PEER__BODY_FORWARDED_ANSWER:
        forwarder_answer(loop->forwarder, node, peer->forwarded_answer, loop->now_ms);
        break;
    case QNFS__PEER__BODY_READ_QUESTION: read_index_question(&loop->reads, node, peer->read_question->number); break;
    case QNFS__PEER__BODY_READ_ANSWER:
        read_index_answer(&loop->reads, node, peer->read_answer, loop->now_ms, loop->actions);
        break;
    case QNFS__PEER__BODY_NODE_PING:
        now = nodes_now(loop);
        node_lease_ping(&loop->nodes, node, peer->node_ping, &now, loop->now_ms);
        break;
    case QNFS__PEER__BODY_NODE_PONG: node_lease_pong(&loop->nodes, peer->node_pong, loop->now_ms, loop->actions); break;
    case QNFS__PEER__BODY_ADDRESS_CONNECTIONS:
        raft_loop_act(loop->actions, RAFT_LOOP_DO_CONNECTIONS)->bytes =
            slice_make(peer->address_connections->connections.data, peer->address_connections->connections.len);
        break;
    default: break; /* others' */
    }
}

/* --- messages --- */

static void open_take(struct raft_loop *loop, uint64_t node, bool open)
{
    struct loop_link *link = link_get(loop, node);
    if (link != NULL)
        link->open = open;
    read_index_reset(&loop->reads, node);
    forwarder_closed(loop->forwarder, node); /* also when it opens: whatever was under way went to another process */
}

/* Whoever is not connected now hears of them the next time. */
static void connections_tell(struct raft_loop *loop, struct slice bytes)
{
    const struct configuration *configuration = loop->view.configuration;
    struct slice copy = arena_copy(&loop->actions->arena, bytes);
    for (uint32_t i = 0; configuration != NULL && i < configuration->count; i++) {
        if (configuration->members[i].id == loop->id)
            continue;
        Qnfs__Peer *peer = raft_loop_send(loop->actions, configuration->members[i].id);
        Qnfs__AddressConnections *body = ARENA_NEW(&loop->actions->arena, Qnfs__AddressConnections);
        qnfs__address_connections__init(body);
        body->connections = (ProtobufCBinaryData){copy.size_bytes, (uint8_t *)(uintptr_t)copy.data};
        peer->body_case = QNFS__PEER__BODY_ADDRESS_CONNECTIONS;
        peer->address_connections = body;
    }
}

static void replica_take(struct raft_loop *loop, struct replica_message *message)
{
    CHECK(message->kind != REPLICA_RECEIVE && message->kind != REPLICA_TICK);
    if (message->kind == REPLICA_INSTALLED && message->snapshot != NULL)
        forwarder_jumped(loop->forwarder, message->snapshot->index);
    replica_run(loop, message);
}

static void message_take(struct raft_loop *loop, struct raft_loop_message *message)
{
    switch (message->kind) {
    case RAFT_LOOP_REPLICA: replica_take(loop, message->replica); break;
    case RAFT_LOOP_TICK: break;
    case RAFT_LOOP_FRAME: frame_take(loop, message->node, message->frame); break;
    case RAFT_LOOP_OPENED: open_take(loop, message->node, true); break;
    case RAFT_LOOP_CLOSED: open_take(loop, message->node, false); break;
    case RAFT_LOOP_READ: read_index_read(&loop->reads, message->reader, message->number); break;
    case RAFT_LOOP_REGISTERED: node_lease_registered(&loop->nodes, message->incarnation); break;
    case RAFT_LOOP_HEALTHY: node_lease_healthy(&loop->nodes, message->at_ms); break;
    case RAFT_LOOP_HASH: node_lease_hash(&loop->nodes, message->index, message->hash); break;
    case RAFT_LOOP_PROCESSES:
        node_lease_processes(&loop->nodes, message->processes, message->process_count, loop->now_ms);
        break;
    case RAFT_LOOP_CONNECTIONS: connections_tell(loop, message->bytes); break;
    case RAFT_LOOP_READ_MODE: loop->index_reads = message->index_reads; break;
    }
}

/* --- what follows --- */

static void forwards_advance(struct raft_loop *loop)
{
    struct replica_message message = {.kind = REPLICA_PROPOSE};
    list_init(&message.proposals);
    for (;;) {
        struct list_link *link;
        forwarder_advance(loop->forwarder, loop->now_ms, leader_open(loop), &loop->forwards);
        while ((link = list_first(&loop->forwards.propose)) != NULL) {
            list_remove(link);
            list_append(&message.proposals, link);
        }
        if (list_empty(&message.proposals))
            break;
        replica_run(loop, &message);
    }
    for (const struct forwarder_send *send = loop->forwards.sends; send != NULL; send = send->next) {
        struct raft_loop_action *action = raft_loop_act(loop->actions, RAFT_LOOP_DO_SEND);
        action->node = send->node;
        action->message = send->message;
        action->data = send->data;
        action->data_count = send->data_count;
    }
}

/* Until when this leader may answer reads by itself. */
static uint64_t read_lease_until(const struct raft_loop *loop)
{
    bool may_lease = loop->view.may_lease && loop->view.applied && !loop->index_reads;
#ifdef QNFS_PLANT_LEASE_IN_TRANSFER
    may_lease = loop->view.leads && loop->view.applied && !loop->index_reads;
#endif
    return may_lease ? leader_lease_until(&loop->lease) : 0;
}

/* An end is published before anything of the step that another leader could follow from. */
static void lease_publish(struct raft_loop *loop)
{
    uint64_t until_ms = read_lease_until(loop);
    if (until_ms == loop->published_until_ms)
        return;
    enum raft_loop_action_kind kind = RAFT_LOOP_DO_LEASE;
    struct raft_loop_action *action = until_ms < loop->published_until_ms ? raft_loop_act_first(loop->actions, kind)
                                                                          : raft_loop_act(loop->actions, kind);
    action->until_ms = loop->published_until_ms = until_ms;
}

static void reads_advance(struct raft_loop *loop)
{
    struct read_index_now now = {
        .view = loop->view,
        .lease_until_ms = read_lease_until(loop),
        .confirmed = leader_lease_confirmed(&loop->lease),
        .next_round = leader_lease_round(&loop->lease),
        .leader_open = leader_open(loop),
    };
    if (read_index_advance(&loop->reads, &now, loop->now_ms, loop->actions))
        leader_lease_want(&loop->lease, now.next_round);
}

static void loop_advance(struct raft_loop *loop)
{
    if (loop->now_ms >= loop->replica_actions.deadline_ms)
        replica_tell(loop, REPLICA_TICK);
    struct node_lease_now now = nodes_now(loop);
    bool hand_over = node_lease_advance(&loop->nodes, &now, loop->now_ms, loop->actions);
    if (loop->log_full && loop->view.leads && !configuration_sole_voter(loop->view.configuration, loop->id)) {
        loop->log_full = false; /* once: if nobody can take over, asking again helps nothing */
        hand_over = true;
    }
    if (hand_over)
        replica_tell(loop, REPLICA_TRANSFER);
    forwards_advance(loop);
    lease_publish(loop);
    reads_advance(loop);
    leader_lease_advance(&loop->lease, loop->now_ms, loop->actions);
}

static uint64_t loop_deadline(const struct raft_loop *loop)
{
    struct node_lease_now now = nodes_now(loop);
    uint64_t deadlines[] = {
        loop->replica_actions.deadline_ms,
        forwarder_deadline(loop->forwarder),
        leader_lease_deadline(&loop->lease),
        read_index_deadline(&loop->reads, loop->now_ms),
        node_lease_deadline(&loop->nodes, &now, loop->now_ms),
    };
    uint64_t deadline_ms = UINT64_MAX;
    for (size_t i = 0; i < sizeof deadlines / sizeof deadlines[0]; i++) {
        if (deadlines[i] < deadline_ms)
            deadline_ms = deadlines[i];
    }
    return deadline_ms > loop->now_ms ? deadline_ms : loop->now_ms + 1;
}

void raft_loop_step(struct raft_loop *loop, struct raft_loop_message *message, uint64_t now_ms, int64_t wall_ns,
                    struct raft_loop_actions *actions)
{
    CHECK(now_ms > 0);
    raft_loop_actions_reset(actions);
    sent_drop(loop);
    if (now_ms > loop->now_ms)
        loop->now_ms = now_ms;
    loop->wall_ns = wall_ns;
    loop->actions = actions;
    forwarder_actions_init(&loop->forwards, &actions->arena);
    message_take(loop, message);
    loop_advance(loop);
    actions->deadline_ms = loop_deadline(loop);
    loop->actions = NULL;
}

/* --- status --- */

void raft_loop_status(const struct raft_loop *loop, struct replica_status *status)
{
    replica_status(loop->replica, status);
}

size_t raft_loop_peers(const struct raft_loop *loop, struct raft_loop_peer_status *peers, size_t room)
{
    size_t count = 0;
    const struct configuration *configuration = loop->view.configuration;
    for (uint32_t i = 0; i < configuration->count && count < room; i++) {
        uint64_t node = configuration->members[i].id;
        if (node == loop->id)
            continue;
        struct raft_loop_peer_status *peer = &peers[count++];
        *peer = (struct raft_loop_peer_status){.node = node, .match_index = replica_match_index(loop->replica, node)};
        const struct loop_link *link = link_find(loop, node);
        if (link != NULL) {
            peer->connected = link->open;
            peer->heard_ms = link->heard_ms;
        }
        const struct node_heard *heard = loop->view.leads ? node_lease_find(&loop->nodes, node) : NULL;
        if (heard != NULL) {
            peer->applied_index = heard->applied_index;
            peer->incarnation = heard->incarnation;
        }
    }
    return count;
}
