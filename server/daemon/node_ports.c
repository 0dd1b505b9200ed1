#include "server/daemon/node_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "proto/log_codec.h"
#include "server/daemon/folder_size.h"
#include "server/daemon/membership.h"
#include "statestore/machine/node.h"
#include "statestore/machine/settings.h"

/* --- what the threads ask of each other --- */

static void node_failed(void *context, enum status status, const char *what)
{
    const struct node *node = context;
    log_line(node->log, LOG_ERROR, "%s: %s; the node stops", what, status_name(status));
    _exit(1);
}

/* This process has no say any more: the others have closed its incarnation. The main thread sees to it (node_tick). */
static void node_restart(void *context)
{
    struct node *node = context;
    atomic_store(&node->restart, "this process was silent and the cluster has given it up");
}

static void node_sick(void *context)
{
    struct node *node = context;
    atomic_store(&node->restart, "a thread of this process stands still while it leads");
}

static void node_flush(void *context)
{
    struct node *node = context;
    applier_thread_flush(node->apply);
}

static void node_swept(void *context, const struct garbage *garbage)
{
    struct node *node = context;
    applier_thread_swept(node->apply, garbage);
}

static void node_propose(void *context, struct proposal *proposal)
{
    struct node *node = context;
    replica_thread_propose(node->replica, proposal);
}

static void node_read_blocks(void *context, uint32_t loop, uint64_t place, struct nfs4_block_read *reads, size_t count)
{
    struct node *node = context;
    block_pool_read(node->pool, loop, place, reads, count);
}

static void node_post_loop(void *context, uint32_t loop, struct gateway_post *post)
{
    struct node *node = context;
    CHECK(loop < atomic_load_explicit(&node->loops_started, memory_order_acquire));
    gateway_thread_post(node->loops[loop], post);
}

static void node_ask_barrier(void *context, uint32_t loop, uint64_t number)
{
    struct node *node = context;
    replica_thread_read(node->replica, loop, number);
}

void node_blocks_done(void *context, uint32_t loop, uint64_t place, bool ok)
{
    struct gateway_post *post = gateway_post_create(GATEWAY_POST_BLOCKS);
    post->place = place;
    post->ok = ok;
    node_post_loop(context, loop, post);
}

static void node_result(void *context, uint32_t loop, uint64_t place, struct buffer *bytes)
{
    struct node *node = context;
    if (loop == APPLIER_LOOP_STEWARD) {
        steward_thread_result(node->steward, place, bytes);
        return;
    }
    struct gateway_post *post = gateway_post_create(GATEWAY_POST_RESULT);
    post->place = place;
    post->buffer = bytes;
    node_post_loop(node, loop, post);
}

/* A start knows whom to call, and who may call, before it has heard the log, and whatever of the state was not flushed. Without
 * others there is nothing to know, unless there were some. */
static void node_note_members(struct node *node, const struct membership *membership)
{
    struct endpoint_list list = membership->members;
    struct peer_endpoint self;
    if (list.count == 0 && node->noted.count == 0)
        return;
    if (endpoint_parse(slice_text(node->peers.advertise.text), &self) != STATUS_OK)
        return;
    self.node = node->identity.node_id;
    (void)endpoint_list_add(&list, &self);
    endpoint_list_sort(&list);
    if (endpoint_list_same(&list, &node->noted))
        return;
    enum status status = data_directory_store_members(&node->disk, &list);
    if (status == STATUS_NO_SPACE)
        return; /* with the next change, or after the next start */
    if (status != STATUS_OK)
        node_failed(node, status, "noting where the members are");
    node->noted = list;
}

void node_tell_state(struct node *node)
{
    struct membership membership;
    struct arena arena;
    arena_init(&arena);
    struct kv_read *read = kv_store_snapshot(node->store);
    membership_read(read, node->identity.node_id, &node->founders, &arena, &membership);
    bool index_reads = settings_read_mode(read, &arena) == READ_MODE_INDEX;
    if (read->failed)
        node_failed(node, STATUS_IO, "reading the state");
    kv_store_release(node->store, read);
    node_note_members(node, &membership);
    replica_thread_removed(node->replica, membership.removed, membership.removed_count);
    replica_thread_members(node->replica, membership.members.items, membership.members.count);
    replica_thread_read_mode(node->replica, index_reads);
    replica_thread_processes(node->replica, membership.processes, membership.process_count);
    arena_fini(&arena);
}

/* The applier's thread, with the state behind the change. */
static void node_look_whether_removed(struct node *node, uint64_t changed)
{
    struct node_member member;
    struct arena arena;
    if (changed != node->identity.node_id)
        return;
    arena_init(&arena);
    struct kv_read *read = kv_store_snapshot(node->store);
    if (node_get(read, changed, &arena, &member) && member.gone)
        atomic_store(&node->removed, true);
    kv_store_release(node->store, read);
    arena_fini(&arena);
}

/* Others say so. Raft loop. */
static void node_removed(void *context)
{
    struct node *node = context;
    atomic_store(&node->removed, true);
}

static void node_effect(void *context, const struct machine_effect *effect)
{
    struct node *node = context;
    steward_thread_effect(node->steward, effect);
    if (effect->kind == EFFECT_ADDRESSES_CHANGED || effect->kind == EFFECT_PROCESS_CLOSED)
        node->addresses_changed = true;
    if (effect->kind == EFFECT_PROCESS_OPENED || effect->kind == EFFECT_PROCESS_CLOSED ||
        effect->kind == EFFECT_SETTINGS_CHANGED || effect->kind == EFFECT_MEMBERS_CHANGED)
        node_tell_state(node);
    if (effect->kind == EFFECT_MEMBERS_CHANGED)
        node_look_whether_removed(node, effect->node);
    if (effect->kind != EFFECT_SESSION_LEFT && effect->kind != EFFECT_CLIENT_GONE)
        return;
    unsigned loops = atomic_load_explicit(&node->loops_started, memory_order_acquire);
    for (unsigned loop = 0; loop < loops; loop++) {
        struct gateway_post *post = gateway_post_create(GATEWAY_POST_EFFECT);
        post->effect = *effect;
        node_post_loop(node, loop, post);
    }
}

static void node_hash(void *context, uint64_t index, struct hash128 hash)
{
    struct node *node = context;
    replica_thread_hash(node->replica, index, hash);
}

static void node_advanced(void *context)
{
    struct node *node = context;
    struct published *published = &node->published;
    uint64_t index = atomic_load_explicit(&published->index, memory_order_acquire);
    uint64_t uptime_ms = node->applier.machine.uptime_ms; /* we are called in the applier's thread */
    atomic_store_explicit(&published->uptime_ms, uptime_ms, memory_order_release);
    atomic_store_explicit(&published->uptime_at_ms, node->clock.boot_ms(node->clock.context), memory_order_release);
    replica_thread_applied(node->replica, index, uptime_ms);
    if (node->addresses_changed)
        address_thread_changed(node->addresses);
    node->addresses_changed = false;
    unsigned loops = atomic_load_explicit(&node->loops_started, memory_order_acquire);
    for (unsigned loop = 0; loop < loops; loop++) {
        if (gateway_thread_waits(node->loops[loop]))
            node_post_loop(node, loop, gateway_post_create(GATEWAY_POST_ADVANCE));
    }
}

static bool node_make_room(void *context)
{
    struct node *node = context;
    return ballast_make_room(&node->ballast, node->memtable_bytes, node->log);
}

static void node_flushed(void *context, uint64_t index)
{
    struct node *node = context;
    atomic_fetch_add_explicit(&node->flushes, 1, memory_order_relaxed);
    replica_thread_flushed(node->replica, index);
}

static void node_apply(void *context, const struct replica_entry *entry)
{
    struct node *node = context;
    applier_thread_apply(node->apply, entry);
}

static void node_role(void *context, enum replica_role role, uint64_t term, uint64_t leader)
{
    struct node *node = context;
    static const char *const names[] = {"follower", "candidate", "leader"};
    log_line(node->log, LOG_INFO, "%s in term %" PRIu64 ", leader is node %" PRIu64, names[role], term, leader);
    bool leads = role == REPLICA_LEADER;
    atomic_store_explicit(&node->leader, leads, memory_order_release);
    if (leads) /* without a leader the cluster's clock stood still */
        atomic_store_explicit(&node->published.uptime_at_ms, node->clock.boot_ms(node->clock.context),
                              memory_order_release);
    steward_thread_lead(node->steward, leads);
}

static void node_log_space(void *context, enum log_space space)
{
    struct node *node = context;
    static const char *const words[] = {"has room again", "lives from its reserve: what grows is refused",
                                        "has no room: changes wait"};
    log_line(node->log, space == LOG_SPACE_GOOD ? LOG_INFO : LOG_ERROR, "the log %s", words[space]);
    atomic_store_explicit(&node->published.log_low, space != LOG_SPACE_GOOD, memory_order_relaxed);
    if (space != LOG_SPACE_GOOD)
        applier_thread_flush(node->apply); /* so that the log can be cut */
}

/* --- copies of the state --- */

static void node_install(void *context, uint64_t leader, uint64_t index)
{
    struct node *node = context;
    log_line(node->log, LOG_INFO,
             "behind what the others' logs keep: fetching the state of node %" PRIu64 ", of at least entry %" PRIu64,
             leader, index);
    snapshot_thread_fetch(node->snapshot, leader);
}

static void node_bulk(void *context, uint64_t from, const struct peer_frame *frame)
{
    struct node *node = context;
    if (!snapshot_thread_frame(node->snapshot, from, frame))
        log_line(node->log, LOG_WARN, "node %" PRIu64 " has sent something on the bulk channel that has no place there",
                 from);
}

static void node_bulk_lost(void *context, uint64_t from)
{
    struct node *node = context;
    snapshot_thread_lost(node->snapshot, from);
}

static void node_bulk_send(void *context, struct snapshot_message *message)
{
    struct node *node = context;
    replica_thread_bulk(node->replica, message);
}

static void node_pin(void *context, uint64_t index)
{
    struct node *node = context;
    replica_thread_pin(node->replica, index);
}

static void node_installable(void *context)
{
    struct node *node = context;
    atomic_store(&node->restart, "the state of another node has come");
}

static void node_not_installed(void *context)
{
    struct node *node = context;
    replica_thread_not_installed(node->replica);
}

/* --- what the raft loop tells --- */

static void node_barrier(void *context, uint32_t reader, uint64_t number, uint64_t index)
{
    struct node *node = context;
    if (reader == ADDRESS_READER) {
        address_thread_barrier(node->addresses, number, index);
        return;
    }
    struct gateway_post *post = gateway_post_create(GATEWAY_POST_BARRIER);
    post->number = number;
    post->index = index;
    node_post_loop(node, reader, post);
}

static void node_alive(void *context, bool alive)
{
    struct node *node = context;
    atomic_store(&node->silent, !alive);
    address_thread_alive(node->addresses, alive);
    log_line(node->log, alive ? LOG_INFO : LOG_WARN,
             alive ? "heard by a leader" : "no leader hears this node: it answers nothing until one does");
}

static void node_connections(void *context, struct slice bytes)
{
    struct node *node = context;
    address_thread_told(node->addresses, bytes);
}

static void node_lost(void *context, uint64_t lost, uint64_t incarnation, uint64_t term)
{
    struct node *node = context;
    log_line(node->log, LOG_WARN, "node %" PRIu64 " is silent: incarnation %" PRIu64 " is given up", lost, incarnation);
    steward_thread_lost(node->steward, lost, (struct incarnation_id){incarnation}, term);
}

/* The slowest of the threads that serve clients or the state; the raft loop knows of itself. */
static uint64_t node_alive_ms(void *context)
{
    struct node *node = context;
    uint64_t alive_ms = applier_thread_alive_ms(node->apply);
    uint64_t writer_ms = replica_thread_alive_ms(node->replica);
    if (writer_ms < alive_ms)
        alive_ms = writer_ms;
    for (uint32_t loop = 0; loop < atomic_load(&node->loops_started); loop++) {
        uint64_t loop_ms = gateway_thread_alive_ms(node->loops[loop]);
        if (loop_ms < alive_ms)
            alive_ms = loop_ms;
    }
    return alive_ms;
}

/* Starts the loops. */
static void node_open_gates(struct node *node, struct incarnation_id incarnation, const struct machine *machine)
{
    for (uint32_t loop = 0; loop < node->loop_count; loop++) {
        struct gateway_thread_config config = {
            .frontend =
                {
                    .loop = loop,
                    .loop_count = node->loop_count,
                    .nfs4 =
                        {
                            .loop = loop,
                            .node = node->identity.node_id,
                            .incarnation = incarnation,
                            .mac_key = machine->mac_key,
                            .server_epoch = machine->server_epoch,
                        },
                },
            .ports = {.context = node,
                      .propose = node_propose,
                      .read_blocks = node_read_blocks,
                      .ask_barrier = node_ask_barrier,
                      .post = node_post_loop},
            .store = node->store,
            .published = &node->published,
            .clock = node->clock,
            .log = node->log,
            .listen_descriptor = node->listen_descriptor,
            .budget = &node->budget,
        };
        memcpy(config.frontend.nfs4.cluster_id, machine->cluster_id, sizeof(machine->cluster_id));
        if (gateway_thread_create(&config, &node->loops[loop]) != STATUS_OK)
            node_failed(node, STATUS_IO, "starting a gateway loop");
    }
    atomic_store_explicit(&node->loops_started, node->loop_count, memory_order_release);
    for (uint32_t loop = 0; loop < node->loop_count; loop++)
        gateway_thread_run(node->loops[loop]);
    atomic_store(&node->serving, true);
    log_line(node->log, LOG_INFO, "ready: node %" PRIu64 ", incarnation %" PRIu64 ", %u gateway loops",
             node->identity.node_id, incarnation.value, node->loop_count);
}

/* The node is registered: the gates open. Steward's thread. */
static void node_serve(void *context, struct incarnation_id incarnation, const struct machine *machine)
{
    struct node *node = context;
    CHECK(memcmp(machine->cluster_id, node->identity.cluster_id, sizeof(machine->cluster_id)) == 0);
    atomic_store(&node->incarnation, incarnation.value);
    replica_thread_registered(node->replica, incarnation.value);
    address_thread_registered(node->addresses, incarnation);
    pthread_mutex_lock(&node->gates);
    if (!node->stopping)
        node_open_gates(node, incarnation, machine);
    pthread_mutex_unlock(&node->gates);
}

/* --- the membership --- */

/* Whom a new member calls at first, itself among them. */
static void join_members(struct node *node, struct join_answer *answer)
{
    struct membership membership;
    struct peer_endpoint self;
    struct arena arena;
    arena_init(&arena);
    struct kv_read *read = kv_store_snapshot(node->store);
    membership_read(read, node->identity.node_id, &node->founders, &arena, &membership);
    kv_store_release(node->store, read);
    arena_fini(&arena);
    answer->members = membership.members;
    CHECK(endpoint_parse(slice_text(node->peers.advertise.text), &self) == STATUS_OK);
    self.node = node->identity.node_id;
    (void)endpoint_list_add(&answer->members, &self); /* one of CLUSTER_MEMBERS_MAX, and the others leave it out */
}

/* The id that the log has given, or why it gives none. Steward's thread. */
static void node_admitted(void *context, uint64_t join, const struct buffer *bytes)
{
    struct node *node = context;
    struct join_answer answer = {.outcome = PEER_JOIN_LATER};
    struct arena arena;
    Qnfs__Result *result = NULL;
    arena_init(&arena);
    atomic_fetch_sub(&node->joins, 1);
    if (bytes != NULL)
        CHECK(log_result_unpack(slice_make(bytes->data, bytes->size_bytes), &arena, &result) == STATUS_OK);
    if (result != NULL && result->body_case == QNFS__RESULT__BODY_ADMITTED) {
        answer.outcome = PEER_JOIN_DONE;
        answer.node = result->admitted->node;
        memcpy(answer.cluster, node->identity.cluster_id, sizeof(answer.cluster));
        join_members(node, &answer);
        log_line(node->log, LOG_INFO, "a node that wants to join is node %" PRIu64, answer.node);
    } else if (result != NULL && result->body_case == QNFS__RESULT__BODY_TEXT) {
        answer.outcome = PEER_JOIN_REFUSED;
        snprintf(answer.text, sizeof(answer.text), "%.*s", (int)result->text->text.len,
                 (const char *)result->text->text.data);
    } else {
        snprintf(answer.text, sizeof(answer.text), "it does not serve yet, or no more");
    }
    replica_thread_join_answer(node->replica, join, &answer);
    arena_fini(&arena);
}

/* Raft loop. */
static void node_joins(void *context, uint64_t join, const char *advertise)
{
    struct node *node = context;
    struct replica_status status;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    Qnfs__NodeAdmit body = QNFS__NODE_ADMIT__INIT;
    if (atomic_fetch_add(&node->joins, 1) >= JOINS_WAITING_MAX) {
        struct join_answer later = {.outcome = PEER_JOIN_LATER};
        atomic_fetch_sub(&node->joins, 1);
        snprintf(later.text, sizeof(later.text),
                 "it has no answer from the cluster for those who asked before: does a majority run?");
        replica_thread_join_answer(node->replica, join, &later);
        return;
    }
    replica_thread_status(node->replica, &status);
    for (uint32_t i = 0; i < status.configuration.count; i++) {
        if (status.configuration.members[i].id > body.floor)
            body.floor = status.configuration.members[i].id;
    }
    body.advertise = (ProtobufCBinaryData){strlen(advertise), (uint8_t *)(uintptr_t)advertise};
    body.nonce = join;
    command.body_case = QNFS__COMMAND__BODY_NODE_ADMIT;
    command.node_admit = &body;
    steward_thread_ask(node->steward, &command, node_admitted, node, join);
}

static void remove_told(void *context, uint64_t removed, const struct buffer *bytes)
{
    (void)context, (void)removed, (void)bytes; /* if nothing came of it, it is said again */
}

/* In this term the entry that says so stands behind the one that has taken the node out: if that is lost, so is this. */
static void remove_done(struct node *node, uint64_t removed, uint64_t term)
{
    Qnfs__Command command = QNFS__COMMAND__INIT;
    Qnfs__NodeRemove body = QNFS__NODE_REMOVE__INIT;
    body.node = removed;
    body.done = true;
    body.term = term;
    command.body_case = QNFS__COMMAND__BODY_NODE_REMOVE;
    command.node_remove = &body;
    steward_thread_ask(node->steward, &command, remove_told, node, removed);
}

/* The leader makes the log's members those of the state. Steward's thread. */
static void node_reconcile(void *context, struct kv_read *view)
{
    struct node *node = context;
    struct replica_status status;
    struct raft_loop_peer_status peers[CLUSTER_MEMBERS_MAX];
    struct membership_follower followers[CLUSTER_MEMBERS_MAX];
    struct replica_member_change change;
    uint64_t done;
    struct arena arena;
    uint64_t now_ms = node->clock.boot_ms(node->clock.context);
    if (!atomic_load(&node->leader) || now_ms < node->reconciled_ms + STEWARD_TICK_MS)
        return;
    node->reconciled_ms = now_ms;
    replica_thread_status(node->replica, &status);
    size_t count = replica_thread_peers(node->replica, peers, CLUSTER_MEMBERS_MAX);
    for (size_t i = 0; i < count; i++) {
        bool living = peers[i].connected && now_ms < peers[i].heard_ms + NODE_LOST_MS;
        followers[i] = (struct membership_follower){peers[i].node, living, peers[i].match_index};
    }
    arena_init(&arena);
    bool found = membership_next_change(view, &status.configuration, node->identity.node_id, status.last_index,
                                        followers, count, &arena, &done, &change);
    if (!found || change.kind != node->wish.kind || change.id != node->wish.id)
        node->wished_ms = now_ms;
    node->wish = found ? change : (struct replica_member_change){0};
    /* Whoever had died before it was wished is known to be dead by then. */
    if (found && now_ms >= node->wished_ms + NODE_LOST_MS) {
        if (change.kind == REPLICA_CHANGE_REMOVE && change.id == node->identity.node_id)
            replica_thread_transfer(node->replica, 0); /* the next leader does it */
        else
            replica_thread_change(node->replica, &change);
    }
    arena_fini(&arena);
    if (done != 0)
        remove_done(node, done, status.term);
}

/* --- for the admin door --- */

static bool node_healthy(struct node *node)
{
    return node->clock.boot_ms(node->clock.context) <= node_alive_ms(node) + NODE_ALIVE_MS;
}

static void node_status(void *context, struct admin_node_status *status)
{
    struct node *node = context;
    struct replica_status replica;
    struct snapshot_receive_status fetch;
    replica_thread_status(node->replica, &replica);
    snapshot_thread_status(node->snapshot, &fetch);
    *status = (struct admin_node_status){
        .serving = atomic_load(&node->serving),
        .healthy = node_healthy(node),
        .node = node->identity.node_id,
        .incarnation = atomic_load(&node->incarnation),
        .silent = atomic_load(&node->silent),
        .leader = replica.role == REPLICA_LEADER,
        .leader_node = replica.leader,
        .term = replica.term,
        .commit_index = atomic_load(&node->published.commit),
        .applied_index = atomic_load(&node->published.index),
        .applied_number = atomic_load(&node->published.command),
        .flushed_index = atomic_load(&node->published.flushed_index),
        .log_bytes = folder_size_bytes(node->config->data_dir, "log"),
        .flushes = atomic_load(&node->flushes),
        .started_wall_ns = (uint64_t)node->started_wall_ns,
        .free_bytes = atomic_load(&node->published.free_bytes),
        .total_bytes = atomic_load(&node->published.total_bytes),
        .uptime_ms = atomic_load(&node->published.uptime_ms),
        .fetches_from = fetch.fetching ? fetch.node : 0,
        .fetched_index = fetch.index,
        .fetched_bytes = fetch.bytes,
        .fetch_bytes = fetch.total_bytes,
    };
    memcpy(status->cluster_id, node->identity.cluster_id, sizeof(status->cluster_id));
}

static size_t node_members(void *context, struct admin_member *members, size_t room)
{
    struct node *node = context;
    struct replica_status replica;
    struct raft_loop_peer_status peers[CLUSTER_MEMBERS_MAX];
    replica_thread_status(node->replica, &replica);
    size_t peer_count = replica_thread_peers(node->replica, peers, CLUSTER_MEMBERS_MAX);
    size_t count = 0;
    for (; count < replica.configuration.count && count < room; count++) {
        const struct member *member = &replica.configuration.members[count];
        members[count] = (struct admin_member){.node = member->id, .voter = member->role == MEMBER_VOTER};
        for (size_t i = 0; i < peer_count; i++) {
            if (peers[i].node != member->id)
                continue;
            members[count].connected = peers[i].connected;
            members[count].heard_ms = peers[i].heard_ms;
            members[count].match_index = peers[i].match_index;
            members[count].applied_index = peers[i].applied_index;
        }
    }
    return count;
}

static void node_transfer(void *context, uint64_t target)
{
    struct node *node = context;
    replica_thread_transfer(node->replica, target);
}

static enum status node_execute(void *context, Qnfs__Command *command, uint32_t timeout_ms, struct arena *arena,
                                Qnfs__Result **result)
{
    struct node *node = context;
    return steward_thread_execute(node->steward, command, timeout_ms, arena, result);
}

static bool node_has_address(void *context, uint64_t id)
{
    struct node *node = context;
    return address_thread_has(node->addresses, id);
}

static void node_loop_counters(void *context, uint32_t loop, struct gateway_thread_counters *counters)
{
    struct node *node = context;
    *counters = (struct gateway_thread_counters){0};
    if (loop < atomic_load_explicit(&node->loops_started, memory_order_acquire))
        gateway_thread_counters(node->loops[loop], counters);
}

/* --- all of them --- */

struct steward_ports node_steward_ports(struct node *node)
{
    return (struct steward_ports){
        .context = node,
        .propose = node_propose,
        .serve = node_serve,
        .restart = node_restart,
        .ticked = node_reconcile,
        .flush = node_flush,
        .swept = node_swept,
        .failed = node_failed,
    };
}

struct applier_ports node_applier_ports(struct node *node)
{
    return (struct applier_ports){
        .context = node,
        .result = node_result,
        .effect = node_effect,
        .hash = node_hash,
        .advanced = node_advanced,
        .make_room = node_make_room,
        .flushed = node_flushed,
        .failed = node_failed,
    };
}

struct replica_ports node_replica_ports(struct node *node)
{
    return (struct replica_ports){
        .context = node,
        .apply = node_apply,
        .role = node_role,
        .space = node_log_space,
        .barrier = node_barrier,
        .alive = node_alive,
        .connections = node_connections,
        .lost = node_lost,
        .sick = node_sick,
        .install = node_install,
        .joins = node_joins,
        .removed = node_removed,
        .bulk = node_bulk,
        .bulk_lost = node_bulk_lost,
        .alive_ms = node_alive_ms,
        .failed = node_failed,
    };
}

static void node_address_propose(void *context, const Qnfs__Command *command)
{
    struct node *node = context;
    steward_thread_propose(node->steward, command);
}

static void node_address_ask(void *context, uint64_t number)
{
    struct node *node = context;
    replica_thread_read(node->replica, ADDRESS_READER, number);
}

static void node_address_tell(void *context, struct slice bytes)
{
    struct node *node = context;
    replica_thread_connections(node->replica, bytes);
}

struct address_ports node_address_ports(struct node *node)
{
    return (struct address_ports){
        .context = node, .propose = node_address_propose, .ask = node_address_ask, .tell = node_address_tell};
}

struct snapshot_ports node_snapshot_ports(struct node *node)
{
    return (struct snapshot_ports){
        .context = node,
        .send = node_bulk_send,
        .pin = node_pin,
        .ready = node_installable,
        .gave_up = node_not_installed,
        .failed = node_failed,
    };
}

struct admin_ports node_admin_ports(struct node *node)
{
    return (struct admin_ports){
        .context = node,
        .store = node->store,
        .published = &node->published,
        .status = node_status,
        .members = node_members,
        .transfer = node_transfer,
        .execute = node_execute,
        .has_address = node_has_address,
        .loop_count = node->loop_count,
        .loop_counters = node_loop_counters,
    };
}
