#include <stdlib.h>

#include "base/check.h"
#include "proto/log_entry.h"
#include "tests/sim_raft/world.h"

static void writer_run(struct world *world, struct node *node, void *thing);
static void apply_run(struct world *world, struct node *node, void *thing);
static void tick_run(struct world *world, struct node *node, void *thing);

/* --- messages to the replica --- */

void node_event_message(struct world *world, struct node *node, void *thing)
{
    (void)world;
    struct replica_message *message = thing;
    node_step(node, message);
    free(message->snapshot);
    replica_message_free(message);
}

bool node_event_is_message(event_do act)
{
    return act == node_event_message;
}

/* In order, a little later. */
void node_post(struct node *node, struct replica_message *message)
{
    uint64_t at_ms = node->world->now_ms + world_chance(node->world, 3);
    if (at_ms < node->inbox_ms)
        at_ms = node->inbox_ms;
    node->inbox_ms = at_ms;
    world_after(node->world, at_ms - node->world->now_ms, node, node->life, node_event_message, message);
}

struct replica_message *node_message(enum replica_message_kind kind, uint64_t index)
{
    struct replica_message *message = calloc(1, sizeof *message);
    CHECK(message != NULL);
    message->kind = kind;
    message->index = index;
    list_init(&message->proposals);
    return message;
}

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

/* --- the log writer --- */

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

/* What the disk will have once all is written; `durable_index` says how much of it is safe. */
static void request_write(struct node *node, const struct log_request *request)
{
    switch (request->kind) {
    case LOG_REQUEST_APPEND:
        for (uint32_t i = 0; i < request->count; i++) {
            struct fact fact = fact_make(&request->entries[i]);
            facts_append(&node->disk_log, &fact);
        }
        break;
    case LOG_REQUEST_TRUNCATE:
        facts_truncate(&node->disk_log, request->index);
        if (node->durable_index >= request->index)
            node->durable_index = request->index - 1;
        break;
    case LOG_REQUEST_INSTALL: /* when it has answered */
    case LOG_REQUEST_SNAPSHOT:
    case LOG_REQUEST_VOTE:
    case LOG_REQUEST_CUT:
    case LOG_REQUEST_READ: break;
    }
}

static void reply_note(struct node *node, const struct replica_message *reply)
{
    if (reply->kind == REPLICA_PERSISTED)
        node->durable_index = reply->index;
    if (reply->kind != REPLICA_INSTALL_SAVED)
        return;
    facts_restart(&node->disk_log, reply->index + 1);
    node->durable_index = reply->index;
    node->placed = false;
}

static void writer_wake(struct node *node)
{
    struct world *world = node->world;
    if (node->writing)
        return;
    node->writing = true;
    uint64_t delay_ms = 1 + world_chance(world, world->disk_ms);
    if (!world->healed && world_permille(world, 20))
        delay_ms += world_chance(world, 300);
    world_after(world, delay_ms, node, node->life, writer_run, NULL);
}

/* Some of what waits; the rest comes with the next group. */
static enum status writer_step(struct node *node, struct list *replies)
{
    struct world *world = node->world;
    struct list some;
    struct list_link *link;
    list_init(&some);
    uint64_t most = world_permille(world, 300) ? 1 + world_chance(world, 4) : UINT64_MAX;
    for (uint64_t i = 0; i < most && (link = list_first(&node->requests)) != NULL; i++) {
        list_remove(link);
        request_write(node, container_of(link, struct log_request, link));
        list_append(&some, link);
    }
    enum status status = log_writer_step(node->writer, &some, replies);
    while ((link = list_first(&some)) != NULL) {
        list_remove(link);
        log_request_free(container_of(link, struct log_request, link));
    }
    return status;
}

static void writer_run(struct world *world, struct node *node, void *thing)
{
    (void)thing;
    struct list replies;
    struct list_link *link;
    list_init(&replies);
    node->writing = false;
    enum status status = writer_step(node, &replies);
    while ((link = list_first(&replies)) != NULL) {
        list_remove(link);
        struct replica_message *reply = container_of(link, struct replica_message, link);
        reply_note(node, reply);
        if (reply->kind == REPLICA_SPACE && reply->space == LOG_SPACE_FULL)
            world_count(world, COUNT_log_full);
        if (reply->kind == REPLICA_ENTRIES && reply->reader == LOG_READER_PEER && reply->entry_count > 0)
            world_count(world, COUNT_read_back);
        if (reply->kind == REPLICA_SPACE)
            node->space = reply->space;
        node_post(node, reply);
    }
    if (status != STATUS_OK) {
        world_trace(world, "%llu: the disk fails", (unsigned long long)node->id);
        world_count(world, COUNT_disk_errors);
        node_crash(node);
        return;
    }
    if (!list_empty(&node->requests)) {
        writer_wake(node);
    } else if (node->space != LOG_SPACE_GOOD) { /* tries again by itself */
        node->writing = true;
        world_after(world, 100, node, node->life, writer_run, NULL);
    }
}

/* --- the apply thread --- */

static void queue_push(struct node *node, const struct replica_entry *entry)
{
    if (node->queue_count == node->queue_capacity) {
        node->queue_capacity = node->queue_capacity == 0 ? 64 : 2 * node->queue_capacity;
        node->queue = realloc(node->queue, node->queue_capacity * sizeof *node->queue);
        CHECK(node->queue != NULL);
    }
    node->queue[node->queue_count++] = *entry;
    if (node->applying)
        return;
    node->applying = true;
    world_after(node->world, world_chance(node->world, 6), node, node->life, apply_run, NULL);
}

static void apply_run(struct world *world, struct node *node, void *thing)
{
    (void)thing;
    node->applying = false;
    size_t count = node->machine.index == 0 || world_permille(world, 300) ? 1 + world_chance(world, node->queue_count)
                                                                          : node->queue_count;
    uint64_t applied_index = node->machine.index;
    for (size_t i = 0; i < count; i++) {
        struct replica_entry *entry = &node->queue[i];
        if (entry->index > node->machine.index) { /* or an install has it */
            REQUIRE(world, entry->index == node->machine.index + 1);
            oracle_applies(node, entry);
            machine_apply(&node->machine, entry);
            world_count(world, COUNT_applied);
        }
        buffer_put(entry->bytes);
    }
    node->queue_count -= count;
    memmove(node->queue, node->queue + count, node->queue_count * sizeof *node->queue);
    if (node->machine.index > applied_index)
        node_post(node, node_message(REPLICA_APPLIED, node->machine.index));
    if (applied_index == 0 && node->machine.index == 1 && world_permille(world, 300))
        node_flush(node); /* the least snapshot that there can be */
    if (world->flush_entries != 0 && node->machine.index >= node->flushed_index + world->flush_entries)
        node_flush(node);
    if (node->queue_count > 0 && !node->applying) {
        node->applying = true;
        world_after(world, world_chance(world, 6), node, node->life, apply_run, NULL);
    }
}

void node_flush(struct node *node)
{
    if (node->machine.index == node->flushed_index)
        return;
    world_count(node->world, COUNT_flushes);
    node_post(node, node_message(REPLICA_APPLIED, node->machine.index));
    node->flushed_index = node->machine.index;
    node_post(node, node_message(REPLICA_FLUSHED, node->flushed_index));
}

/* --- actions --- */

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

static void send(struct node *node, struct peer_message *message)
{
    struct world *world = node->world;
    if (message->kind == PEER_MESSAGE_APPEND && message->entry_count == 0 && message->commit_index > 0 &&
        message->commit_index >= node->commit_index)
        world_count(world, COUNT_notices);
    for (uint32_t i = 0; i < message->entry_count; i++) {
        if (message->entries[i].index == node->held_from && message->kind == PEER_MESSAGE_APPEND) {
            world_count(world, COUNT_held);
            node->held_from = 0;
        }
    }
    network_send(world, node, message);
}

static void carry(struct node *node)
{
    struct world *world = node->world;
    for (const struct replica_action *action = node->actions.first; action != NULL; action = action->next) {
        switch (action->kind) {
        case REPLICA_ACTION_LOG:
            request_note(node, action->request);
            list_append(&node->requests, &action->request->link);
            writer_wake(node);
            break;
        case REPLICA_ACTION_COMMIT: oracle_commits(node, action->index); break;
        case REPLICA_ACTION_APPLY:
            REQUIRE(world, action->entry.index <= node->commit_index);
            queue_push(node, &action->entry);
            break;
        case REPLICA_ACTION_ROLE: role_take(node, action); break;
        case REPLICA_ACTION_REFUSED: REQUIRE(world, false); break;
        case REPLICA_ACTION_SPACE: break;
        case REPLICA_ACTION_SEND: send(node, action->peer); break;
        case REPLICA_ACTION_FORWARD: network_forward(world, node, action->leader, action->proposal); break;
        case REPLICA_ACTION_INSTALL: node_fetch(node, action); break;
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
}

void node_step(struct node *node, struct replica_message *message)
{
    struct world *world = node->world;
    replica_step(node->replica, message, world->now_ms, (int64_t)world->now_ms * 1000000, &node->actions);
    carry(node);
    uint64_t deadline_ms = node->actions.deadline_ms;
    if (deadline_ms == UINT64_MAX)
        return;
    if (deadline_ms <= world->now_ms)
        deadline_ms = world->now_ms + 1;
    if (deadline_ms < node->tick_ms || node->tick_ms <= world->now_ms) {
        node->tick_ms = deadline_ms;
        world_after(world, deadline_ms - world->now_ms, node, node->life, tick_run, NULL);
    }
}

static void tick_run(struct world *world, struct node *node, void *thing)
{
    (void)thing;
    if (world->now_ms < node->tick_ms)
        return;
    struct replica_message message = {.kind = REPLICA_TICK};
    list_init(&message.proposals);
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
    replica_destroy(node->replica);
    replica_actions_fini(&node->actions);
    log_writer_destroy(node->writer);
    node->replica = NULL;
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
        if (writer_step(node, &replies) != STATUS_OK)
            world_count(world, COUNT_crashes_in_write);
        while ((link = list_first(&replies)) != NULL) {
            list_remove(link);
            struct replica_message *reply = container_of(link, struct replica_message, link);
            reply_note(node, reply);
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
    struct replica_options options = {
        .id = node->id,
        .seed = random_seeded_next(&world->random),
        .election_ms = world->election_ms,
        .heartbeat_ms = world->heartbeat_ms,
        .applied_index = node->machine.index,
        .feature_level = 1,
        .trailing_bytes = world->trailing_bytes,
        .append_bytes = world->append_bytes,
    };
    node->replica = replica_create(&options, &recovered);
    log_recovered_fini(&recovered);
    replica_actions_init(&node->actions);
    node->up = true;
    node->tick_ms = 0;
    node->inbox_ms = 0;
    node->commit_index = 0;
    node->role = REPLICA_FOLLOWER;
    node->term = 0;
    node->space = LOG_SPACE_GOOD;
    node->held_from = 0;
    world_trace(world, "%llu: starts with entries %llu to %llu, state at %llu", (unsigned long long)node->id,
                (unsigned long long)node->log.first_index, (unsigned long long)facts_last(&node->log),
                (unsigned long long)node->machine.index);
    struct replica_message message = {.kind = REPLICA_START};
    list_init(&message.proposals);
    node_step(node, &message);
}
