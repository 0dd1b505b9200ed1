#include <stdlib.h>

#include "base/check.h"
#include "tests/sim_raft/world.h"

static void tick_run(struct world *world, struct node *node, void *thing);

/* --- configurations --- */

const struct configuration *node_configuration(const struct node *node)
{
    return node->change_count == 0 ? &node->base.configuration : &node->changes[node->change_count - 1].configuration;
}

void node_add_change(struct node *node, uint64_t index, struct slice bytes)
{
    node->changes = realloc(node->changes, (node->change_count + 1) * sizeof *node->changes);
    CHECK(node->changes != NULL);
    struct node_change *change = &node->changes[node->change_count++];
    change->index = index;
    CHECK(configuration_decode(bytes, &change->configuration) == STATUS_OK);
}

/* --- actions --- */

static void request_note(struct node *node, const struct log_request *request)
{
    struct world *world = node->world;
    bool rolled_back = false;
    switch (request->kind) {
    case LOG_REQUEST_APPEND:
        if (node->role == REPLICA_LEADER) {
            for (uint32_t i = 0; i < request->count; i++) {
                if (request->entries[i].kind == REPLICA_ENTRY_CONFIGURATION)
                    node->held_from = request->entries[i].index;
            }
        }
        oracle_appended(node, request);
        break;
    case LOG_REQUEST_TRUNCATE:
        REQUIRE(world, request->index > node->commit_index);
        for (uint64_t i = request->index; i <= facts_last(&node->log); i++)
            rolled_back |= facts_find(&node->log, i)->kind == REPLICA_ENTRY_CONFIGURATION;
        facts_truncate(&node->log, request->index);
        while (node->change_count > 0 && node->changes[node->change_count - 1].index >= request->index)
            node->change_count--;
        world_count(world, COUNT_truncations);
        if (rolled_back)
            world_count(world, COUNT_rollbacks);
        break;
    case LOG_REQUEST_INSTALL:
        REQUIRE(world, request->snapshot.index <= facts_last(&world->oracle.committed));
        facts_restart(&node->log, request->snapshot.index + 1);
        node->base = request->snapshot;
        node->change_count = 0;
        world_count(world, COUNT_installs);
        break;
    case LOG_REQUEST_SNAPSHOT:
        REQUIRE(world, request->snapshot.index <= node->flushed_index);
        world_count(world, COUNT_cuts);
        break;
    case LOG_REQUEST_VOTE:
    case LOG_REQUEST_CUT:
    case LOG_REQUEST_READ: break;
    }
}

static void role_take(struct node *node, const struct replica_action *action)
{
    struct world *world = node->world;
    bool led = node->role == REPLICA_LEADER && node->term == action->term;
    node->role = action->role;
    node->term = action->term;
    node->leader = action->leader;
    world_trace(world, "%llu: role %d term %llu leader %llu", (unsigned long long)node->id, action->role,
                (unsigned long long)action->term, (unsigned long long)action->leader);
    if (action->role != REPLICA_LEADER || led)
        return;
    world_count(world, COUNT_elections);
    if (configuration_voters(node_configuration(node)) == 1)
        world_count(world, COUNT_sole_voters);
    oracle_leads(node);
    if (!world->healed && world_permille(world, world->eager_permille))
        world_after(world, world_chance(world, 3), node, node->life, world_change, NULL);
}

static void send(struct node *node, const struct raft_loop_action *action)
{
    struct world *world = node->world;
    const Qnfs__RaftMessage *raft = action->message->body_case == QNFS__PEER__BODY_RAFT ? action->message->raft : NULL;
    if (raft != NULL && raft->body_case == QNFS__RAFT_MESSAGE__BODY_APPEND_ENTRIES) {
        const Qnfs__AppendEntries *append = raft->append_entries;
        if (append->n_entries == 0 && append->leader_commit > 0 && append->leader_commit >= node->commit_index)
            world_count(world, COUNT_notices);
        if (append->n_entries > 1)
            world_count(world, COUNT_pieces);
        if (node->held_from > append->previous_index && node->held_from <= append->previous_index + append->n_entries) {
            world_count(world, COUNT_held);
            node->held_from = 0;
        }
    }
    network_send(world, node, action);
}

static void replica_carry(struct node *node, const struct replica_action *action)
{
    struct world *world = node->world;
    switch (action->kind) {
    case REPLICA_ACTION_LOG:
        request_note(node, action->request);
        node_ask_log(node, action->request);
        break;
    case REPLICA_ACTION_COMMIT:
        oracle_commits(node, action->index);
        if (node->role == REPLICA_LEADER)
            oracle_leases(node);
        break;
    case REPLICA_ACTION_APPLY:
        REQUIRE(world, action->entry.index <= node->commit_index);
        node_queue(node, &action->entry);
        break;
    case REPLICA_ACTION_ROLE: role_take(node, action); break;
    case REPLICA_ACTION_SPACE: break;
    case REPLICA_ACTION_INSTALL: node_fetch(node, action); break;
    case REPLICA_ACTION_REFUSED:
    case REPLICA_ACTION_SEND:
    case REPLICA_ACTION_FORWARD: REQUIRE(world, false); break; /* the last two: the actor's own */
    case REPLICA_ACTION_CHANGED:
        world_trace(world, "%llu: change %d of %llu: %s at %llu", (unsigned long long)node->id, action->change.kind,
                    (unsigned long long)action->change.id, status_name(action->status),
                    (unsigned long long)action->index);
        world_count(world, action->status == STATUS_OK ? COUNT_changes : COUNT_changes_refused);
        if (action->status == STATUS_OK) {
            world->changes_answered = true;
            if (action->change.id == node->id && action->change.kind != REPLICA_CHANGE_PROMOTE)
                world_count(world, COUNT_leader_removed);
        }
        break;
    }
}

static void alive_take(struct node *node, bool alive)
{
    world_trace(node->world, "%llu: %s", (unsigned long long)node->id, alive ? "alive" : "silent");
    REQUIRE(node->world, alive != node->alive);
    node->alive = alive;
    if (!alive)
        world_count(node->world, COUNT_silent);
}

static void lost_take(struct node *node, const struct raft_loop_action *action)
{
    struct raft_loop_process process = {action->node, action->incarnation};
    oracle_lost(node, &process, action->term);
    clients_propose_about(node, COMMAND_LOST, &process, action->term);
}

static void carry(struct node *node)
{
    struct world *world = node->world;
    bool sick = false;
    for (const struct raft_loop_action *action = node->actions.first; action != NULL; action = action->next) {
        switch (action->kind) {
        case RAFT_LOOP_DO_REPLICA: replica_carry(node, action->replica); break;
        case RAFT_LOOP_DO_SEND: send(node, action); break;
        case RAFT_LOOP_DO_LEASE: node->lease_until_ms = action->until_ms; break;
        case RAFT_LOOP_DO_BARRIER: clients_barrier(node, action->reader, action->number, action->index); break;
        case RAFT_LOOP_DO_ALIVE: alive_take(node, action->alive); break;
        case RAFT_LOOP_DO_LOST: lost_take(node, action); break;
        case RAFT_LOOP_DO_CONNECTIONS: break; /* nobody tells of any */
        case RAFT_LOOP_DO_DIVERGED:
        case RAFT_LOOP_DO_ALARM: REQUIRE(world, false); break; /* all machines are equal */
        case RAFT_LOOP_DO_SICK: sick = true; break;
        }
    }
    if (!sick)
        return;
    world_count(world, COUNT_sick);
    world_after(world, 0, node, node->life, node_event_restart, NULL);
}

/* Milliseconds of its clock in 1,000 s. */
static uint64_t node_pace(const struct node *node)
{
    return (uint64_t)(1000000 + node->clock_ppm);
}

uint64_t node_now(const struct node *node)
{
    return node->clock_ahead_ms + node->world->now_ms * node_pace(node) / 1000000;
}

/* How long until its clock shows that. */
static uint64_t node_until(const struct node *node, uint64_t at_ms)
{
    uint64_t now_ms = node_now(node);
    uint64_t wait_ms = at_ms <= now_ms ? 1 : (at_ms - now_ms) * 1000000 / node_pace(node);
    return wait_ms == 0 ? 1 : wait_ms;
}

void node_step(struct node *node, struct raft_loop_message *message)
{
    struct world *world = node->world;
    raft_loop_step(node->loop, message, node_now(node), (int64_t)world->now_ms * 1000000, &node->actions);
    uint64_t deadline_ms = node->actions.deadline_ms;
    carry(node);
    if (deadline_ms == UINT64_MAX)
        return;
    uint64_t at_ms = world->now_ms + node_until(node, deadline_ms);
    if (at_ms < node->tick_ms || node->tick_ms <= world->now_ms) {
        node->tick_ms = at_ms;
        world_after(world, at_ms - world->now_ms, node, node->life, tick_run, NULL);
    }
}

void node_tell(struct node *node, struct replica_message *message)
{
    if (message->kind != REPLICA_PROPOSE)
        list_init(&message->proposals);
    struct raft_loop_message outer = {.kind = RAFT_LOOP_REPLICA, .replica = message};
    node_step(node, &outer);
}

static void tick_run(struct world *world, struct node *node, void *thing)
{
    (void)thing;
    if (world->now_ms < node->tick_ms)
        return;
    struct raft_loop_message message = {.kind = RAFT_LOOP_TICK};
    node_step(node, &message);
}

/* --- lives --- */

void node_init(struct world *world, struct node *node, uint64_t id, const struct configuration *founders)
{
    *node = (struct node){.world = world, .id = id};
    disk_memory_init(&node->memory, world->seed * 16 + id);
    node->disk = disk_memory_port(&node->memory);
    node->log_options = (struct log_options){&node->disk, random_from_seed(&node->salts, world->seed * 16 + 8 + id),
                                             4096u << world_chance(world, 4)};
    list_init(&node->requests);
    list_init(&node->commands);
    node->clock_ahead_ms = world_chance(world, 1u << 20);
    node->clock_ppm = (int64_t)world_chance(world, 2 * world->clock_ppm + 1) - (int64_t)world->clock_ppm;
    node->log.first_index = node->disk_log.first_index = 1;
    CHECK(node->disk.operations->directory_create(node->disk.context, "log") == STATUS_OK);
    CHECK(node->disk.operations->directory_sync(node->disk.context, "") == STATUS_OK);
    bool founder = configuration_find(founders, id) >= 0;
    CHECK(log_create(&node->log_options, founder ? founders : NULL) == STATUS_OK);
    if (!founder)
        world_count(world, COUNT_joined);
}

static void drop_all(struct node *node)
{
    struct list_link *link;
    while ((link = list_first(&node->requests)) != NULL) {
        list_remove(link);
        log_request_free(container_of(link, struct log_request, link));
    }
    for (size_t i = 0; i < node->queue_count; i++)
        buffer_put(node->queue[i].bytes);
    node->queue_count = 0;
    node->writing = node->applying = false;
}

static void process_end(struct node *node)
{
    drop_all(node);
    raft_loop_destroy(node->loop);
    raft_loop_actions_fini(&node->actions);
    log_writer_destroy(node->writer);
    clients_end(node);
    node->loop = NULL;
    node->writer = NULL;
    node->up = false;
    node->life++;
}

void node_fini(struct node *node)
{
    if (node->up)
        process_end(node);
    disk_memory_crash(&node->memory);
    disk_memory_fini(&node->memory);
    free(node->queue);
    free(node->machine.rows);
    free(node->changes);
    free(node->log.list);
    free(node->disk_log.list);
}

void node_crash(struct node *node)
{
    struct world *world = node->world;
    CHECK(node->up);
    world_count(world, COUNT_crashes);
    if (node->placed)
        world_count(world, COUNT_crashes_placed);
    node->placed = false;
    if (!list_empty(&node->requests) && world_permille(world, 500)) {
        struct list replies;
        struct list_link *link;
        list_init(&replies);
        node->memory.power_off_at = node->memory.operations + 1 + world_chance(world, 8);
        if (node_write(node, &replies) != STATUS_OK)
            world_count(world, COUNT_crashes_in_write);
        while ((link = list_first(&replies)) != NULL) {
            list_remove(link);
            struct replica_message *reply = container_of(link, struct replica_message, link);
            node_write_note(node, reply);
            replica_message_free(reply);
        }
    }
    process_end(node);
    network_break(world, node->id);
    node->memory.loss = (enum disk_memory_loss)world_chance(world, 3);
    disk_memory_crash(&node->memory);
    node->machine.index = node->flushed_index + world_chance(world, node->machine.index - node->flushed_index + 1);
    world_trace(world, "%llu: crash; state at %llu", (unsigned long long)node->id,
                (unsigned long long)node->machine.index);
}

/* What the log has now, read back. */
static bool facts_recover(struct node *node, const struct log_recovered *recovered)
{
    facts_restart(&node->log, recovered->first_index);
    facts_restart(&node->disk_log, recovered->first_index);
    node->base = recovered->snapshot;
    node->change_count = 0;
    for (uint64_t i = 0; i < recovered->entry_count; i++) {
        struct replica_entry entry;
        if (log_writer_read(node->writer, recovered->first_index + i, &entry) != STATUS_OK)
            return false;
        struct fact fact = fact_make(&entry);
        facts_append(&node->log, &fact);
        facts_append(&node->disk_log, &fact);
        if (entry.kind == REPLICA_ENTRY_CONFIGURATION)
            node_add_change(node, entry.index, buffer_slice(entry.bytes));
        buffer_put(entry.bytes);
    }
    node->durable_index = facts_last(&node->log);
    return true;
}

static bool process_recover(struct node *node, struct log_recovered *recovered)
{
    char problem[256] = "";
    enum status status =
        log_recover(&node->log_options, &node->writer, recovered, (struct span){(uint8_t *)problem, sizeof problem});
    if (status != STATUS_OK) {
        if (!disk_memory_is_off(&node->memory))
            world_violation(node->world, "node %llu cannot start: %s: %s", (unsigned long long)node->id,
                            status_name(status), problem);
        return false;
    }
    oracle_starts(node, recovered);
    bool ahead = node->installed.index > 0;
    uint64_t snapshot_index = recovered->snapshot.index;
    if (ahead)
        status = log_adopt(node->writer, recovered, &node->installed);
    if (status == STATUS_OK && recovered->snapshot.index != snapshot_index)
        world_count(node->world, COUNT_adopted);
    if (status != STATUS_OK || !facts_recover(node, recovered)) {
        REQUIRE(node->world, disk_memory_is_off(&node->memory));
        log_recovered_fini(recovered);
        log_writer_destroy(node->writer);
        node->writer = NULL;
        return false;
    }
    return true;
}

/* All its threads turn over, unless one does not. */
static void health_run(struct world *world, struct node *node, void *thing)
{
    (void)thing;
    struct raft_loop_message message = {.kind = RAFT_LOOP_HEALTHY, .at_ms = node_now(node)};
    world_after(world, 20 + world_chance(world, 20), node, node->life, health_run, NULL);
    if (node->sick_until_ms <= world->now_ms)
        node_step(node, &message);
}

void node_start(struct node *node)
{
    struct world *world = node->world;
    struct log_recovered recovered;
    node->memory.capacity_bytes = UINT64_MAX;
    if (!world->healed && world_permille(world, 50))
        node->memory.power_off_at = node->memory.operations + 1 + world_chance(world, 20);
    if (!process_recover(node, &recovered)) {
        world_count(world, COUNT_crashes_in_start);
        disk_memory_crash(&node->memory);
        return;
    }
    node->memory.power_off_at = 0;
    if (node->life == 0)
        node->life = 1;
    struct raft_loop_options options = {
        .replica = {.id = node->id,
                    .seed = random_seeded_next(&world->random),
                    .election_ms = world->election_ms,
                    .heartbeat_ms = world->heartbeat_ms,
                    .applied_index = node->machine.index,
                    .feature_level = 1,
                    .trailing_bytes = world->trailing_bytes,
                    .append_bytes = world->append_bytes},
        .nonce = random_seeded_next(&world->random),
    };
    node->loop = raft_loop_create(&options, &recovered);
    log_recovered_fini(&recovered);
    raft_loop_actions_init(&node->actions);
    node->up = true;
    node->tick_ms = 0;
    node->inbox_ms = 0;
    node->commit_index = 0;
    node->role = REPLICA_FOLLOWER;
    node->term = 0;
    node->space = LOG_SPACE_GOOD;
    node->held_from = 0;
    node->lease_until_ms = 0;
    node->alive = node->registered = false;
    node->incarnation = ++world->incarnations;
    world_trace(world, "%llu: starts with entries %llu to %llu, state at %llu", (unsigned long long)node->id,
                (unsigned long long)node->log.first_index, (unsigned long long)facts_last(&node->log),
                (unsigned long long)node->machine.index);
    struct replica_message message = {.kind = REPLICA_START};
    node_tell(node, &message);
    struct raft_loop_message mode = {.kind = RAFT_LOOP_READ_MODE, .index_reads = world->index_reads};
    node_step(node, &mode);
    struct raft_loop_process process = {node->id, node->incarnation};
    clients_propose_about(node, COMMAND_REGISTER, &process, 0);
    world_after(world, 1, node, node->life, health_run, NULL);
}

void node_event_restart(struct world *world, struct node *node, void *thing)
{
    (void)world;
    (void)thing;
    node_crash(node);
    node_start(node);
}
