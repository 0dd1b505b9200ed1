#include "tests/support/single_node.h"

#include "base/check.h"
#include "base/heap.h"
#include "proto/log_codec.h"
#include "proto/rpc/record.h"
#include "proto/xdr/xdr.h"
#include "statestore/store/kv_memory.h"

#define SINGLE_STREAM_OWN 1000000u

struct single_effect {
    struct list_link link;
    struct machine_effect effect;
};

/* A record that sleeps in a socket. */
struct single_call {
    struct list_link link;
    uint64_t connection;
    struct buffer *record;
};

/* An effect, or a result for `place`, on its way to a loop. */
struct single_post {
    struct list_link link;
    struct machine_effect effect;
    struct buffer *result; /* NULL: it is an effect */
    uint64_t place;
};

/* A command that comes again. */
struct single_late {
    size_t server;
    struct incarnation_id incarnation;
    uint64_t place;
    struct buffer *command;
    struct buffer *content;
};

static struct buffer *copy_of(struct slice bytes)
{
    struct buffer *copy = buffer_create(bytes.size_bytes);
    if (bytes.size_bytes > 0)
        memcpy(copy->data, bytes.data, bytes.size_bytes);
    copy->size_bytes = bytes.size_bytes;
    return copy;
}

static ProtobufCBinaryData binary(const void *bytes, size_t size_bytes)
{
    return (ProtobufCBinaryData){size_bytes, (uint8_t *)(uintptr_t)bytes};
}

/* --- applying --- */

static void store_block(struct single_node *node, struct block_id id, struct slice content)
{
    struct single_block *block = HEAP_NEW(struct single_block);
    block->id = id;
    block->bytes = copy_of(content);
    list_append(&node->blocks, &block->link);
}

/* One command is one entry. Returns the result, packed, in the arena. */
static struct slice apply_packed(struct single_node *node, struct slice packed, struct slice content,
                                 struct arena *arena)
{
    Qnfs__Command *command;
    struct transaction transaction;
    struct machine_answer answer;
    enum status status = log_command_unpack(packed, arena, &command);
    CHECK(status == STATUS_OK);
    struct machine_position position = {
        .index = ++node->index,
        .term = 1,
        .command_count = 1,
        .feature_level = 1,
        .uptime_ms = node->now_ms,
        .wall_ns = node->wall_ns,
    };
    transaction_init(&transaction, kv_store_present(node->store), arena);
    machine_apply(&node->machine, &transaction, &position, command, content, arena, &answer);
    for (size_t i = 0; i < answer.effect_count; i++) {
        if (answer.effects[i].kind == EFFECT_STORE_BLOCK)
            store_block(node, answer.effects[i].block, content);
        node->sessions_moved += answer.effects[i].kind == EFFECT_SESSION_LEFT ? 1 : 0;
        struct single_effect *effect = HEAP_NEW(struct single_effect);
        effect->effect = answer.effects[i];
        list_append(&node->effects, &effect->link);
    }
    status = kv_store_write(node->store, &transaction);
    CHECK(status == STATUS_OK);
    return log_result_pack(answer.result, arena);
}

enum nfsstat4 single_node_command(struct single_node *node, Qnfs__Command *command)
{
    struct arena arena;
    Qnfs__Result *result;
    Qnfs__NodeOrigin origin = QNFS__NODE_ORIGIN__INIT;
    arena_init(&arena);
    struct single_server *server = &node->servers[node->active];
    if (server->incarnation.value != 0) {
        origin.node = node->active + 1;
        origin.incarnation = server->incarnation.value;
        origin.number = origin.low_water = ++server->request_number;
        origin.stream = SINGLE_STREAM_OWN;
        command->origin_case = QNFS__COMMAND__ORIGIN_NODE_ORIGIN;
        command->node_origin = &origin;
    }
    struct slice packed = apply_packed(node, log_command_pack(command, &arena), SLICE_EMPTY, &arena);
    node->commands++;
    enum status unpacked = log_result_unpack(packed, &arena, &result);
    CHECK(unpacked == STATUS_OK);
    enum nfsstat4 status = (enum nfsstat4)result->status;
    if (result->body_case == QNFS__RESULT__BODY_REGISTERED)
        server->incarnation.value = result->registered->incarnation;
    arena_fini(&arena);
    return status;
}

/* --- the server's steps --- */

static struct single_server *server_of(struct single_node *node, const struct nfs4_server *server)
{
    for (size_t i = 0; i < SINGLE_SERVERS_MAX; i++) {
        if (node->servers[i].server == server)
            return &node->servers[i];
    }
    CHECK(false);
    return NULL;
}

static struct nfs4_moment moment_of(struct single_node *node, const struct nfs4_server *server)
{
    const struct single_server *state = server_of(node, server);
    struct nfs4_moment moment = single_node_moment(node);
    if (state->no_lease)
        moment.barrier_index = NFS4_BARRIER_UNKNOWN;
    if (state->view != NULL) {
        kv_store_release(node->store, moment.view);
        moment.view = state->view;
        moment.view_index = moment.view_number = state->view_index;
        moment.sessions_moved = state->view_moved;
    }
    return moment;
}

struct nfs4_moment single_node_moment(struct single_node *node)
{
    return (struct nfs4_moment){
        .now_ms = node->now_ms,
        .wall_ns = node->wall_ns,
        .view = kv_store_snapshot(node->store),
        .view_index = node->index - node->behind,
        .view_number = node->index,
        .sessions_moved = node->sessions_moved,
        .barrier_index = node->index,
        .free_bytes = UINT64_C(1) << 40,
        .total_bytes = UINT64_C(1) << 41,
    };
}

static void carry_out(struct single_node *node, struct nfs4_server *server)
{
    struct single_server *state = server_of(node, server);
    for (struct nfs4_action *action = node->outbox.first; action != NULL; action = action->next) {
        struct single_reply *reply;
        struct single_wait *wait;
        switch (action->kind) {
        case NFS4_REPLY:
        case NFS4_NO_REPLY:
            reply = HEAP_NEW(struct single_reply);
            reply->connection = action->connection;
            reply->bytes = action->kind == NFS4_REPLY ? action->reply : NULL;
            list_append(&node->replies, &reply->link);
            break;
        case NFS4_PROPOSE:
        case NFS4_READ_BLOCKS:
            wait = HEAP_NEW(struct single_wait);
            wait->server = server;
            wait->proposal = action->kind == NFS4_PROPOSE ? action->proposal : NULL;
            wait->place = action->place;
            wait->reads = action->reads;
            wait->read_count = action->read_count;
            list_append(action->kind == NFS4_PROPOSE ? &node->proposals : &node->block_reads, &wait->link);
            break;
        case NFS4_CLOSE_CONNECTION: node->closed_connections++; break;
        case NFS4_ASK_BARRIER:
            CHECK(!state->asking);
            state->asking = true;
            state->question = action->number;
            break;
        case NFS4_SESSION_FLAPS: node->flap = *action->flap; break;
        }
    }
    nfs4_outbox_reset(&node->outbox);
}

static void step_end(struct single_node *node, struct nfs4_server *server, struct nfs4_moment *moment)
{
    while (nfs4_runnable(server))
        nfs4_run(server, 1, moment, &node->outbox);
    nfs4_ask_barrier(server, &node->outbox);
    if (moment->view != server_of(node, server)->view)
        kv_store_release(node->store, moment->view);
    carry_out(node, server);
}

static void pile_up(struct single_server *state, const struct machine_effect *effect, uint64_t place,
                    struct slice result)
{
    struct single_post *post = HEAP_NEW(struct single_post);
    if (effect != NULL)
        post->effect = *effect;
    else
        post->result = copy_of(result);
    post->place = place;
    list_append(&state->posts, &post->link);
}

static void step_effect(struct single_node *node, struct single_server *state, const struct machine_effect *effect)
{
    struct nfs4_server *server = state->server;
    if (server == NULL)
        return;
    if (state->piling) {
        pile_up(state, effect, 0, SLICE_EMPTY);
        return;
    }
    struct nfs4_moment moment = moment_of(node, server);
    nfs4_effect(server, effect, &moment, &node->outbox);
    step_end(node, server, &moment);
}

static void step_result(struct single_node *node, struct single_server *state, uint64_t place, struct slice result)
{
    if (state->piling) {
        pile_up(state, NULL, place, result);
        return;
    }
    struct nfs4_server *server = state->server;
    struct nfs4_moment moment = moment_of(node, server);
    nfs4_result(server, place, result, &moment, &node->outbox);
    step_end(node, server, &moment);
}

static void deliver_effects(struct single_node *node)
{
    struct list_link *link;
    while ((link = list_first(&node->effects)) != NULL) {
        struct single_effect *effect = container_of(link, struct single_effect, link);
        list_remove(link);
        for (size_t i = 0; i < SINGLE_SERVERS_MAX; i++)
            step_effect(node, &node->servers[i], &effect->effect);
        heap_free(effect);
    }
}

static void late_free(struct single_late *late)
{
    if (late == NULL)
        return;
    buffer_put(late->command);
    buffer_put(late->content);
    heap_free(late);
}

/* The command before the present one once more. */
static void apply_late(struct single_node *node, const struct single_late *late)
{
    struct arena arena;
    if (late == NULL)
        return;
    arena_init(&arena);
    struct slice result = apply_packed(node, buffer_slice(late->command), buffer_slice(late->content), &arena);
    deliver_effects(node);
    struct single_server *state = &node->servers[late->server];
    if (!node->lose_results && state->server != NULL && state->incarnation.value == late->incarnation.value)
        step_result(node, state, late->place, result);
    arena_fini(&arena);
}

static struct single_late *late_create(struct single_node *node, const struct single_wait *wait)
{
    struct single_late *late = HEAP_NEW(struct single_late);
    const struct single_server *state = server_of(node, wait->server);
    late->server = (size_t)(state - node->servers);
    late->incarnation = state->incarnation;
    late->place = wait->place;
    late->command = copy_of(wait->proposal->command);
    late->content = copy_of(wait->proposal->content);
    return late;
}

static void apply_one(struct single_node *node, struct single_wait *wait)
{
    struct single_late *late = node->late;
    node->late = node->twice ? late_create(node, wait) : NULL;
    node->commands++;
    struct arena arena;
    arena_init(&arena);
    struct slice result = apply_packed(node, wait->proposal->command, wait->proposal->content, &arena);
    deliver_effects(node);
    if (!node->lose_results)
        step_result(node, server_of(node, wait->server), wait->place, result);
    apply_late(node, late);
    late_free(late);
    arena_fini(&arena);
    heap_free(wait);
}

void single_node_apply_one(struct single_node *node)
{
    struct list_link *link = list_first(&node->proposals);
    if (link == NULL)
        return;
    list_remove(link);
    apply_one(node, container_of(link, struct single_wait, link));
}

void single_node_apply(struct single_node *node)
{
    while (!list_empty(&node->proposals))
        single_node_apply_one(node);
}

static const struct single_block *find_block(const struct single_node *node, struct block_id id)
{
    for (struct list_link *link = list_first(&node->blocks); link != NULL; link = list_next(&node->blocks, link)) {
        const struct single_block *block = container_of(link, struct single_block, link);
        if (block->id.value == id.value)
            return block;
    }
    return NULL;
}

void single_node_read_blocks(struct single_node *node, bool ok)
{
    struct list_link *link = list_first(&node->block_reads);
    size_t count = 0;
    for (struct list_link *next = link; next != NULL; next = list_next(&node->block_reads, next))
        count++;
    for (; count > 0; count--) {
        struct single_wait *wait = container_of(list_first(&node->block_reads), struct single_wait, link);
        list_remove(&wait->link);
        for (size_t i = 0; ok && i < wait->read_count; i++) {
            const struct nfs4_block_read *read = &wait->reads[i];
            const struct single_block *block = find_block(node, read->block);
            CHECK(block != NULL && read->block_offset + read->size_bytes <= block->bytes->size_bytes);
            memcpy(read->target, block->bytes->data + read->block_offset, read->size_bytes);
        }
        struct nfs4_moment moment = moment_of(node, wait->server);
        nfs4_blocks_read(wait->server, wait->place, ok, &moment, &node->outbox);
        step_end(node, wait->server, &moment);
        heap_free(wait);
    }
}

/* Until nothing is under way any more, unless it is held. */
static void settle(struct single_node *node)
{
    deliver_effects(node);
    while (!node->hold && (!list_empty(&node->proposals) || !list_empty(&node->block_reads))) {
        single_node_apply(node);
        single_node_read_blocks(node, true);
    }
}

static void call(struct single_node *node, struct nfs4_server *server, uint64_t connection, struct slice record)
{
    static const uint8_t address[4] = {192, 0, 2, 7};
    struct arena arena;
    struct rpc_call header;
    arena_init(&arena);
    CHECK(record.size_bytes >= RPC_MARK_BYTES);
    struct buffer *buffer = copy_of(record);
    struct xdr x = xdr_decoder(slice_from(buffer_slice(buffer), RPC_MARK_BYTES), &arena);
    enum rpc_call_verdict verdict = rpc_call_decode(&x, &header);
    CHECK(verdict == RPC_CALL_OK);
    struct nfs4_call served = {
        .connection = {connection},
        .address = slice_make(address, sizeof(address)),
        .header = &header,
        .body = slice_make(x.next, xdr_remaining(&x)),
        .record = buffer,
    };
    struct nfs4_moment moment = moment_of(node, server);
    nfs4_call(server, &served, &moment, &node->outbox);
    step_end(node, server, &moment);
    buffer_put(buffer);
    arena_fini(&arena);
    settle(node);
}

void single_node_call(struct single_node *node, uint64_t connection, struct slice record)
{
    struct single_server *state = &node->servers[node->active];
    if (!state->asleep) {
        call(node, state->server, connection, record);
        return;
    }
    struct single_call *sleeper = HEAP_NEW(struct single_call);
    sleeper->connection = connection;
    sleeper->record = copy_of(record);
    list_append(&state->calls, &sleeper->link);
}

struct buffer *single_node_reply(struct single_node *node, uint64_t connection, bool *ended)
{
    *ended = false;
    for (struct list_link *link = list_first(&node->replies); link != NULL; link = list_next(&node->replies, link)) {
        struct single_reply *reply = container_of(link, struct single_reply, link);
        if (reply->connection.value != connection)
            continue;
        struct buffer *bytes = reply->bytes;
        *ended = bytes == NULL;
        list_remove(link);
        heap_free(reply);
        return bytes;
    }
    return NULL;
}

void single_node_advance(struct single_node *node, uint64_t milliseconds)
{
    node->now_ms += milliseconds;
    node->wall_ns += (int64_t)milliseconds * 1000000;
    struct nfs4_moment moment = moment_of(node, node->server);
    nfs4_advance(node->server, &moment, &node->outbox);
    step_end(node, node->server, &moment);
    settle(node);
}

/* --- stopped, and going on --- */

static struct single_server *server_numbered(struct single_node *node, size_t number)
{
    CHECK(number >= 1 && number <= SINGLE_SERVERS_MAX && node->servers[number - 1].server != NULL);
    return &node->servers[number - 1];
}

void single_node_stop(struct single_node *node, size_t number)
{
    struct single_server *state = server_numbered(node, number);
    CHECK(!state->asleep && !state->piling && state->view == NULL);
    state->asleep = state->piling = state->no_lease = true;
    state->view = kv_store_snapshot(node->store);
    state->view_index = node->index;
    state->view_moved = node->sessions_moved;
}

void single_node_wake(struct single_node *node, size_t number)
{
    struct single_server *state = server_numbered(node, number);
    struct list_link *link;
    state->asleep = false;
    while ((link = list_first(&state->calls)) != NULL) {
        struct single_call *sleeper = container_of(link, struct single_call, link);
        list_remove(link);
        call(node, state->server, sleeper->connection, buffer_slice(sleeper->record));
        buffer_put(sleeper->record);
        heap_free(sleeper);
    }
}

void single_node_catch_up(struct single_node *node, size_t number)
{
    struct single_server *state = server_numbered(node, number);
    if (state->view != NULL)
        kv_store_release(node->store, state->view);
    state->view = NULL;
    struct nfs4_moment moment = moment_of(node, state->server);
    nfs4_advance(state->server, &moment, &node->outbox);
    step_end(node, state->server, &moment);
    settle(node);
}

void single_node_deliver(struct single_node *node, size_t number)
{
    struct single_server *state = server_numbered(node, number);
    struct list_link *link;
    state->piling = false;
    while ((link = list_first(&state->posts)) != NULL) {
        struct single_post *post = container_of(link, struct single_post, link);
        list_remove(link);
        if (post->result != NULL)
            step_result(node, state, post->place, buffer_slice(post->result));
        else
            step_effect(node, state, &post->effect);
        buffer_put(post->result);
        heap_free(post);
    }
    settle(node);
}

void single_node_lose(struct single_node *node, size_t number)
{
    Qnfs__NodeLost body = QNFS__NODE_LOST__INIT;
    body.term = 1;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    body.node = number;
    body.incarnation = server_numbered(node, number)->incarnation.value;
    command.body_case = QNFS__COMMAND__BODY_NODE_LOST;
    command.node_lost = &body;
    enum nfsstat4 status = single_node_command(node, &command);
    CHECK(status == NFS4_OK);
    settle(node);
}

void single_node_lease(struct single_node *node, size_t number, bool has_lease)
{
    server_numbered(node, number)->no_lease = !has_lease;
}

void single_node_answer(struct single_node *node)
{
    for (size_t i = 0; i < SINGLE_SERVERS_MAX; i++) {
        struct single_server *state = &node->servers[i];
        if (!state->asking || state->asleep)
            continue;
        state->asking = false;
        struct nfs4_moment moment = moment_of(node, state->server);
        nfs4_barrier(state->server, state->question, node->index, &moment, &node->outbox);
        step_end(node, state->server, &moment);
    }
    settle(node);
}

/* --- life --- */

static void start_server(struct single_node *node)
{
    Qnfs__NodeRegister body = QNFS__NODE_REGISTER__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    struct single_server *server = &node->servers[node->active];
    *server = (struct single_server){0};
    list_init(&server->calls);
    list_init(&server->posts);
    body.node = node->active + 1;
    command.body_case = QNFS__COMMAND__BODY_NODE_REGISTER;
    command.node_register = &body;
    enum nfsstat4 status = single_node_command(node, &command);
    CHECK(status == NFS4_OK && server->incarnation.value != 0);
    struct nfs4_config config = {
        .loop = 0,
        .node = node->active + 1,
        .incarnation = server->incarnation,
        .mac_key = node->machine.mac_key,
        .server_epoch = node->machine.server_epoch,
    };
    memcpy(config.cluster_id, node->machine.cluster_id, sizeof(config.cluster_id));
    node->server = server->server = nfs4_server_create(&config);
    deliver_effects(node);
}

void single_node_init(struct single_node *node)
{
    single_node_init_over(node, NULL);
}

void single_node_init_over(struct single_node *node, struct kv_store *store)
{
    static const uint8_t cluster_id[16] = "cluster-of-tests";
    static const uint8_t mac_key[16] = "0123456789abcdef";
    static const uint32_t flavors[] = {AUTH_SYS};
    struct arena arena;
    *node = (struct single_node){
        .store = store != NULL ? store : kv_memory_create(), .now_ms = 1000, .wall_ns = 1700000000000000000};
    list_init(&node->replies);
    list_init(&node->blocks);
    list_init(&node->proposals);
    list_init(&node->block_reads);
    list_init(&node->effects);
    nfs4_outbox_init(&node->outbox);
    arena_init(&arena);
    machine_load(&node->machine, kv_store_present(node->store), &arena);
    arena_fini(&arena);

    Qnfs__ExportSpec export = QNFS__EXPORT_SPEC__INIT;
    Qnfs__ExportSpec *exports[] = {&export};
    export.path = binary("/data", 5);
    export.squash = 2;
    export.n_flavors = 1;
    export.flavors = (uint32_t *)(uintptr_t)flavors;
    Qnfs__ClusterCreate body = QNFS__CLUSTER_CREATE__INIT;
    body.cluster_id = binary(cluster_id, sizeof(cluster_id));
    body.mac_key = binary(mac_key, sizeof(mac_key));
    body.n_exports = 1;
    body.exports = exports;
    body.lease_seconds = 60;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_CLUSTER_CREATE;
    command.cluster_create = &body;
    enum nfsstat4 status = single_node_command(node, &command);
    CHECK(status == NFS4_OK);
    start_server(node);
}

/* What the server had asked for is lost with it. */
static void drop_waits(struct list *waits, const struct nfs4_server *server)
{
    struct list_link *link = list_first(waits);
    while (link != NULL) {
        struct list_link *next = list_next(waits, link);
        struct single_wait *wait = container_of(link, struct single_wait, link);
        if (wait->server == server) {
            list_remove(link);
            heap_free(wait);
        }
        link = next;
    }
}

static void stop_server(struct single_node *node)
{
    drop_waits(&node->proposals, node->server);
    drop_waits(&node->block_reads, node->server);
    nfs4_server_destroy(node->server);
    struct single_server *state = &node->servers[node->active];
    struct list_link *link;
    while ((link = list_first(&state->calls)) != NULL) {
        struct single_call *sleeper = container_of(link, struct single_call, link);
        list_remove(link);
        buffer_put(sleeper->record);
        heap_free(sleeper);
    }
    while ((link = list_first(&state->posts)) != NULL) {
        struct single_post *post = container_of(link, struct single_post, link);
        list_remove(link);
        buffer_put(post->result);
        heap_free(post);
    }
    if (state->view != NULL)
        kv_store_release(node->store, state->view);
    state->view = NULL;
    node->server = state->server = NULL;
}

void single_node_switch(struct single_node *node, size_t number)
{
    CHECK(number >= 1 && number <= SINGLE_SERVERS_MAX);
    node->active = number - 1;
    node->server = node->servers[node->active].server;
    if (node->server == NULL)
        start_server(node);
}

void single_node_restart(struct single_node *node)
{
    stop_server(node);
    node->hold = false;
    node->lose_results = false;
    start_server(node);
}

void single_node_fini(struct single_node *node)
{
    struct list_link *link;
    for (node->active = 0; node->active < SINGLE_SERVERS_MAX; node->active++) {
        node->server = node->servers[node->active].server;
        if (node->server != NULL)
            stop_server(node);
    }
    late_free(node->late);
    while ((link = list_first(&node->replies)) != NULL) {
        struct single_reply *reply = container_of(link, struct single_reply, link);
        list_remove(link);
        buffer_put(reply->bytes);
        heap_free(reply);
    }
    while ((link = list_first(&node->effects)) != NULL) {
        list_remove(link);
        heap_free(container_of(link, struct single_effect, link));
    }
    while ((link = list_first(&node->blocks)) != NULL) {
        struct single_block *block = container_of(link, struct single_block, link);
        list_remove(link);
        buffer_put(block->bytes);
        heap_free(block);
    }
    nfs4_outbox_reset(&node->outbox);
    arena_fini(&node->outbox.arena);
    kv_store_destroy(node->store);
}
