/* node_gateway.c: the gateway loops, as events: what server/daemon/gateway_thread.c does between sockets, other threads
 * and the frontend. */
#include <stdlib.h>

#include "base/check.h"
#include "tests/sim/node_state.h"

#define TICK_LOOP_US 100000u

static struct wire *wire_of(struct node *node, struct connection_id connection)
{
    return network_find(node->network, connection.value);
}

/* --- posts between loops --- */

static void loop_post(struct node *node, uint32_t loop, struct gateway_post *post)
{
    CHECK(loop < node->options.loop_count);
    list_append(&node->loops[loop].inbox, &post->link);
    node_wake(&node->loops[loop]);
}

static void pass(struct node *node, const struct frontend_action *action, enum gateway_post_kind kind, uint32_t loop)
{
    struct gateway_post *post = gateway_post_create(kind);
    post->connection = action->connection;
    post->buffer = action->buffer;
    post->call = action->call;
    loop_post(node, loop, post);
}

static void read_blocks(struct node *node, uint32_t loop, const struct frontend_action *action)
{
    struct node_block_job *job = calloc(1, sizeof(*job));
    CHECK(job != NULL);
    job->loop = loop;
    job->place = action->place;
    job->reads = action->reads;
    job->count = action->read_count;
    list_append(&node->pool.inbox, &job->link);
    node_wake(&node->pool);
}

/* The connection leaves this loop; while it is on its way, nothing is read from it. */
static void move(struct node *node, const struct frontend_action *action)
{
    struct wire *wire = wire_of(node, action->connection);
    if (wire == NULL) {
        frontend_call_free(action->call);
        return;
    }
    world_count(node->world, COUNT_moved_connections, 1);
    wire->node_mark = 0;
    network_pause(wire, true);
    struct gateway_post *post = gateway_post_create(GATEWAY_POST_ADOPT);
    post->call = action->call;
    post->descriptor = (int)wire->id;
    loop_post(node, action->loop, post);
}

static void ask_barrier(struct node *node, uint32_t loop, uint64_t number)
{
    node_raft_post(node, &(struct raft_loop_message){.kind = RAFT_LOOP_READ, .reader = loop, .number = number});
    world_count(node->world, node->leads ? COUNT_index_reads : COUNT_follower_reads, 1);
}

static void carry(struct node *node, uint32_t loop, const struct frontend_action *action)
{
    for (; action != NULL; action = action->next) {
        struct wire *wire;
        switch (action->kind) {
        case FRONTEND_DO_SEND:
            if ((wire = wire_of(node, action->connection)) != NULL)
                network_send_to_client(wire, buffer_slice(action->buffer));
            buffer_put(action->buffer);
            break;
        case FRONTEND_DO_READ_STOP:
        case FRONTEND_DO_READ_START:
            if ((wire = wire_of(node, action->connection)) != NULL)
                network_pause(wire, action->kind == FRONTEND_DO_READ_STOP);
            break;
        case FRONTEND_DO_CLOSE:
        case FRONTEND_DO_ABORT:
            if (action->kind == FRONTEND_DO_CLOSE && action->reason != NULL && !node->was_stopped)
                world_violation(node->world, "the node closes a client's connection: %s", action->reason);
            if ((wire = wire_of(node, action->connection)) != NULL)
                network_close(wire, action->kind == FRONTEND_DO_ABORT);
            break;
        case FRONTEND_DO_PROPOSE: node_propose(node, action->proposal); break;
        case FRONTEND_DO_READ_BLOCKS: read_blocks(node, loop, action); break;
        case FRONTEND_DO_PASS_CALL:
            world_count(node->world, COUNT_passed_calls, 1);
            pass(node, action, GATEWAY_POST_CALL, action->loop);
            break;
        case FRONTEND_DO_MOVE: move(node, action); break;
        case FRONTEND_DO_PASS_REPLY: pass(node, action, GATEWAY_POST_REPLY, action->loop); break;
        case FRONTEND_DO_PASS_ABORT: pass(node, action, GATEWAY_POST_ABORT, action->loop); break;
        case FRONTEND_DO_ASK_BARRIER: ask_barrier(node, loop, action->number); break;
        case FRONTEND_DO_WARN_FLAP: world_count(node->world, COUNT_flaps, 1); break;
        case FRONTEND_DO_PASS_GONE:
            for (uint32_t other = 0; other < node->options.loop_count; other++) {
                if (other != loop)
                    pass(node, action, GATEWAY_POST_GONE, other);
            }
            break;
        }
    }
}

static void step(struct node *node, uint32_t loop, struct frontend_message *message)
{
    struct view *view = &node->views[loop];
    view_refresh(view);
    struct nfs4_moment moment = frontend_moment(view, &node->published, node->options.loop_count,
                                                host_now_ms(&node->host), host_wall_ns(&node->host));
    if (message->kind == FRONTEND_RECEIVED && node->options.count > 1 && moment.barrier_index != NFS4_BARRIER_UNKNOWN)
        world_count(node->world, COUNT_lease_reads, 1);
    const struct frontend_action *actions = frontend_step(node->frontends[loop], message, &moment);
    CHECK(!view->read->failed);
    carry(node, loop, actions);
    struct frontend_message next = {.kind = FRONTEND_NEXT};
    while (frontend_ready(node->frontends[loop])) {
        actions = frontend_step(node->frontends[loop], &next, &moment);
        CHECK(!view->read->failed);
        carry(node, loop, actions);
    }
}

static void open_wire(struct node *node, uint32_t loop, struct wire *wire)
{
    static const uint8_t addresses[4][4] = {{10, 0, 0, 1}, {10, 0, 0, 2}, {10, 0, 0, 3}, {10, 0, 0, 4}};
    struct frontend_message message = {.kind = FRONTEND_OPENED, .address = slice_make(addresses[wire->client % 4], 4)};
    wire->node_loop = loop;
    step(node, loop, &message);
    CHECK(message.connection.value != 0);
    wire->node_mark = message.connection.value;
}

static void adopt(struct node *node, uint32_t loop, struct gateway_post *post)
{
    struct wire *wire = network_wire(node->network, (uint64_t)post->descriptor);
    if (!wire->to_node.open) {
        frontend_call_free(post->call);
        return;
    }
    open_wire(node, loop, wire);
    struct frontend_message message = {.kind = FRONTEND_ADOPTED, .connection = {wire->node_mark}, .call = post->call};
    step(node, loop, &message);
    network_pause(wire, false);
}

static void take_post(struct node *node, uint32_t loop, struct gateway_post *post)
{
    struct frontend_message message = {
        .connection = post->connection, .place = post->place, .ok = post->ok, .call = post->call};
    struct buffer *result = NULL;
    if (post->kind == GATEWAY_POST_ADOPT) {
        adopt(node, loop, post);
        free(post);
        return;
    }
    switch (post->kind) {
    case GATEWAY_POST_RESULT:
        message.kind = FRONTEND_RESULT;
        message.bytes = buffer_slice(post->buffer);
        result = post->buffer;
        break;
    case GATEWAY_POST_BLOCKS: message.kind = FRONTEND_BLOCKS_READ; break;
    case GATEWAY_POST_CALL: message.kind = FRONTEND_CALL; break;
    case GATEWAY_POST_REPLY:
        message.kind = FRONTEND_REPLY;
        message.buffer = post->buffer;
        break;
    case GATEWAY_POST_ABORT: message.kind = FRONTEND_ABORT; break;
    case GATEWAY_POST_GONE: message.kind = FRONTEND_GONE; break;
    case GATEWAY_POST_EFFECT:
        message.kind = FRONTEND_EFFECT;
        message.effect = &post->effect;
        break;
    case GATEWAY_POST_ADVANCE: message.kind = FRONTEND_ADVANCE; break;
    case GATEWAY_POST_BARRIER:
        message.kind = FRONTEND_BARRIER;
        message.number = post->number;
        message.index = post->index;
        break;
    case GATEWAY_POST_ADOPT:
    case GATEWAY_POST_DRAIN:
    case GATEWAY_POST_STOP: CHECK(post->kind == GATEWAY_POST_ADVANCE); /* only the daemon's end sends them */
    }
    step(node, loop, &message);
    buffer_put(result);
    free(post);
}

static void loop_run(void *context, uint64_t number)
{
    struct node_actor *actor = context;
    struct node *node = actor->node;
    if (!node_lives(node, number))
        return;
    actor->scheduled = false;
    struct list_link *link;
    for (uint64_t i = 1 + world_draw(node->world, 16); i > 0 && (link = node_take(&actor->inbox)) != NULL; i--)
        take_post(node, actor->loop, container_of(link, struct gateway_post, link));
    if (!list_empty(&actor->inbox))
        node_wake(actor);
    node_step_over(node);
}

static void loop_tick(void *context, uint64_t number)
{
    struct node_actor *actor = context;
    struct node *node = actor->node;
    if (!node_lives(node, number))
        return;
    struct frontend_message message = {.kind = FRONTEND_ADVANCE};
    step(node, actor->loop, &message);
    node_after(node, TICK_LOOP_US, loop_tick, actor);
    node_step_over(node);
}

/* --- block readers --- */

static void pool_run(void *context, uint64_t number)
{
    struct node_actor *actor = context;
    struct node *node = actor->node;
    if (!node_lives(node, number))
        return;
    actor->scheduled = false;
    struct list_link *link = node_take(&actor->inbox);
    if (link != NULL) {
        struct node_block_job *job = container_of(link, struct node_block_job, link);
        struct gateway_post *post = gateway_post_create(GATEWAY_POST_BLOCKS);
        post->place = job->place;
        post->ok = true;
        for (size_t i = 0; i < job->count; i++) {
            const struct nfs4_block_read *read = &job->reads[i];
            enum status status = block_read(node->blocks, read->block, read->block_offset,
                                            (struct span){read->target, read->size_bytes});
            post->ok = post->ok && status == STATUS_OK;
        }
        loop_post(node, job->loop, post);
        free(job);
    }
    if (!list_empty(&actor->inbox))
        node_wake(actor);
}

/* --- from the network --- */

void node_gateway_opened(void *context, struct wire *wire)
{
    struct node *node = context;
    open_wire(node, (uint32_t)world_draw(node->world, node->options.loop_count), wire);
    node_step_over(node);
}

void node_gateway_received(void *context, struct wire *wire, struct slice bytes)
{
    struct node *node = context;
    struct buffer *buffer = buffer_create(bytes.size_bytes);
    memcpy(buffer->data, bytes.data, bytes.size_bytes);
    buffer->size_bytes = bytes.size_bytes;
    struct frontend_message message = {
        .kind = FRONTEND_RECEIVED, .connection = {wire->node_mark}, .buffer = buffer, .bytes = buffer_slice(buffer)};
    step(node, wire->node_loop, &message);
    buffer_put(buffer);
    node_step_over(node);
}

void node_gateway_sent(void *context, struct wire *wire, size_t size_bytes)
{
    struct node *node = context;
    struct frontend_message message = {
        .kind = FRONTEND_SENT, .connection = {wire->node_mark}, .size_bytes = size_bytes};
    if (wire->node_mark != 0)
        step(node, wire->node_loop, &message);
}

void node_gateway_closed(void *context, struct wire *wire)
{
    struct node *node = context;
    struct frontend_message message = {.kind = FRONTEND_CLOSED, .connection = {wire->node_mark}};
    if (wire->node_mark != 0)
        step(node, wire->node_loop, &message);
}

/* --- from the other actors --- */

void node_gateway_result(struct node *node, uint32_t loop, uint64_t place, struct buffer *bytes)
{
    struct gateway_post *post = gateway_post_create(GATEWAY_POST_RESULT);
    post->place = place;
    post->buffer = bytes;
    loop_post(node, loop, post);
}

void node_gateway_barrier(struct node *node, uint32_t loop, uint64_t number, uint64_t index)
{
    if (loop >= node->options.loop_count || !node->serving)
        return;
    struct gateway_post *post = gateway_post_create(GATEWAY_POST_BARRIER);
    post->number = number;
    post->index = index;
    loop_post(node, loop, post);
}

void node_gateway_effect(struct node *node, const struct machine_effect *effect)
{
    if (!node->serving || (effect->kind != EFFECT_SESSION_LEFT && effect->kind != EFFECT_CLIENT_GONE))
        return;
    for (uint32_t loop = 0; loop < node->options.loop_count; loop++) {
        struct gateway_post *post = gateway_post_create(GATEWAY_POST_EFFECT);
        post->effect = *effect;
        loop_post(node, loop, post);
    }
}

void node_gateway_advanced(struct node *node)
{
    for (uint32_t loop = 0; node->serving && loop < node->options.loop_count; loop++) {
        if (frontend_waits(node->frontends[loop]))
            loop_post(node, loop, gateway_post_create(GATEWAY_POST_ADVANCE));
    }
}

void node_gateway_serve(struct node *node, struct incarnation_id incarnation, const struct machine *machine)
{
    for (uint32_t loop = 0; loop < node->options.loop_count; loop++) {
        struct frontend_config config = {
            .loop = loop,
            .loop_count = node->options.loop_count,
            .nfs4 =
                {
                    .loop = loop,
                    .node = node->identity.node_id,
                    .incarnation = incarnation,
                    .mac_key = machine->mac_key,
                    .server_epoch = machine->server_epoch,
                },
        };
        memcpy(config.nfs4.cluster_id, machine->cluster_id, sizeof(machine->cluster_id));
        node->frontends[loop] = frontend_create(&config);
        view_init(&node->views[loop], node->store, &node->published);
        node_after(node, TICK_LOOP_US, loop_tick, &node->loops[loop]);
    }
}

void node_gateway_alive(struct node *node, bool alive)
{
    world_count(node->world, COUNT_lapses, !alive && node->serving ? 1 : 0);
    world_count(node->world, COUNT_lapses_survived, alive && node->lapsed ? 1 : 0);
    if (!alive && node->serving)
        world_trace(node->world, "node %u falls silent", node->options.id);
    node->lapsed = !alive && node->serving;
    node->silent = !alive;
    network_silence(node->network, node->silent);
}

uint64_t node_gateway_parked(const struct node *node)
{
    uint64_t parked = 0;
    for (uint32_t loop = 0; node->serving && loop < node->options.loop_count; loop++) {
        struct gateway_counters gateway;
        struct nfs4_counters counters;
        frontend_counters(node->frontends[loop], &gateway, &counters);
        parked += counters.parked;
    }
    return parked;
}

void node_gateway_init(struct node *node)
{
    for (uint32_t loop = 0; loop < NODE_LOOPS_MAX; loop++) {
        node->loops[loop] = (struct node_actor){.node = node, .loop = loop, .run = loop_run};
        list_init(&node->loops[loop].inbox);
        node->frontends[loop] = NULL;
        node->views[loop] = (struct view){0};
    }
    node->pool = (struct node_actor){.node = node, .run = pool_run};
    list_init(&node->pool.inbox);
}

void node_gateway_drop(struct node *node)
{
    struct list_link *link;
    for (uint32_t loop = 0; loop < NODE_LOOPS_MAX; loop++) {
        while ((link = node_take(&node->loops[loop].inbox)) != NULL) {
            struct gateway_post *post = container_of(link, struct gateway_post, link);
            buffer_put(post->buffer);
            if (post->call != NULL)
                frontend_call_free(post->call);
            free(post);
        }
        if (node->frontends[loop] != NULL) {
            struct gateway_counters gateway;
            struct nfs4_counters counters;
            frontend_counters(node->frontends[loop], &gateway, &counters);
            world_count(node->world, COUNT_replays, counters.replays);
            frontend_destroy(node->frontends[loop]);
        }
        node->frontends[loop] = NULL;
        view_fini(&node->views[loop]);
    }
    while ((link = node_take(&node->pool.inbox)) != NULL)
        free(container_of(link, struct node_block_job, link));
}
