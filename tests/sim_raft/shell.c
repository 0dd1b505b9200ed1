/* The threads around a raft loop, but for it. */
#include <stdlib.h>

#include "base/check.h"
#include "tests/sim_raft/world.h"

static void writer_run(struct world *world, struct node *node, void *thing);
static void apply_run(struct world *world, struct node *node, void *thing);

/* --- the inbox of the raft loop --- */

struct letter *letter_create(enum raft_loop_message_kind kind)
{
    struct letter *letter = calloc(1, sizeof *letter);
    CHECK(letter != NULL);
    letter->loop.kind = kind;
    return letter;
}

struct letter *letter_replica(enum replica_message_kind kind, uint64_t index)
{
    struct letter *letter = letter_create(RAFT_LOOP_REPLICA);
    struct replica_message *message = calloc(1, sizeof *message);
    CHECK(message != NULL);
    message->kind = kind;
    message->index = index;
    list_init(&message->proposals);
    letter->replica = message;
    return letter;
}

void letter_free(struct letter *letter)
{
    if (letter->replica != NULL) {
        free(letter->replica->snapshot);
        replica_message_free(letter->replica);
    }
    free(letter);
}

void node_event_letter(struct world *world, struct node *node, void *thing)
{
    (void)world;
    struct letter *letter = thing;
    letter->loop.replica = letter->replica;
    node_step(node, &letter->loop);
    letter_free(letter);
}

void node_post(struct node *node, struct letter *letter)
{
    uint64_t at_ms = node->world->now_ms + world_chance(node->world, 3);
    if (at_ms < node->inbox_ms)
        at_ms = node->inbox_ms;
    node->inbox_ms = at_ms;
    world_after(node->world, at_ms - node->world->now_ms, node, node->life, node_event_letter, letter);
}

void node_post_replica(struct node *node, struct replica_message *message)
{
    struct letter *letter = letter_create(RAFT_LOOP_REPLICA);
    letter->replica = message;
    node_post(node, letter);
}

/* --- the log writer --- */

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

void node_write_note(struct node *node, const struct replica_message *reply)
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

void node_ask_log(struct node *node, struct log_request *request)
{
    list_append(&node->requests, &request->link);
    writer_wake(node);
}

/* Some of what waits; the rest comes with the next group. */
enum status node_write(struct node *node, struct list *replies)
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

static void writer_retry(struct world *world, struct node *node, void *thing)
{
    if (!node->writing)
        writer_run(world, node, thing);
}

static void writer_run(struct world *world, struct node *node, void *thing)
{
    (void)thing;
    struct list replies;
    struct list_link *link;
    list_init(&replies);
    node->writing = false;
    enum status status = node_write(node, &replies);
    while ((link = list_first(&replies)) != NULL) {
        list_remove(link);
        struct replica_message *reply = container_of(link, struct replica_message, link);
        node_write_note(node, reply);
        if (reply->kind == REPLICA_SPACE && reply->space == LOG_SPACE_FULL)
            world_count(world, COUNT_log_full);
        if (reply->kind == REPLICA_ENTRIES && reply->reader == LOG_READER_PEER && reply->entry_count > 0)
            world_count(world, COUNT_read_back);
        if (reply->kind == REPLICA_SPACE)
            node->space = reply->space;
        node_post_replica(node, reply);
    }
    if (status != STATUS_OK) {
        world_trace(world, "%llu: the disk fails", (unsigned long long)node->id);
        world_count(world, COUNT_disk_errors);
        node_crash(node);
        return;
    }
    if (!list_empty(&node->requests)) {
        writer_wake(node);
    } else if (node->space != LOG_SPACE_GOOD) { /* tries again by itself, or sooner when it is asked for something */
        world_after(world, 100, node, node->life, writer_retry, NULL);
    }
}

/* --- the apply thread --- */

void node_queue(struct node *node, const struct replica_entry *entry)
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

/* Who runs, as the log says, or another process instead of this one. */
static void processes_note(struct node *node)
{
    const struct machine_row *row = &node->machine.rows[node->machine.index];
    struct letter *letter = letter_create(RAFT_LOOP_PROCESSES);
    for (uint64_t i = 1; i <= node->world->node_count; i++) {
        if (row->incarnations[i] != 0)
            letter->processes[letter->loop.process_count++] = (struct raft_loop_process){i, row->incarnations[i]};
    }
    letter->loop.processes = letter->processes;
    node_post(node, letter);
    if (row->incarnations[node->id] == node->incarnation && !node->registered) {
        node->registered = true;
        struct letter *registered = letter_create(RAFT_LOOP_REGISTERED);
        registered->loop.incarnation = node->incarnation;
        node_post(node, registered);
    }
    if (node->registered && row->incarnations[node->id] != node->incarnation) {
        world_count(node->world, COUNT_closed);
        world_after(node->world, 1, node, node->life, node_event_restart, NULL);
    }
}

static void entry_apply(struct node *node, const struct replica_entry *entry)
{
    struct world *world = node->world;
    clients_results(node, entry);
    if (entry->index <= node->machine.index)
        return; /* an install has it */
    REQUIRE(world, entry->index == node->machine.index + 1);
    oracle_applies(node, entry);
    machine_apply(world, &node->machine, entry);
    world_count(world, COUNT_applied);
    const struct machine_row *row = &node->machine.rows[entry->index];
    if (memcmp(row->incarnations, row[-1].incarnations, sizeof row->incarnations) != 0)
        processes_note(node);
    if (entry->index % HASH_STEP != 0)
        return;
    struct letter *letter = letter_create(RAFT_LOOP_HASH);
    letter->loop.index = entry->index;
    memcpy(letter->loop.hash, &row->hash, sizeof row->hash);
    node_post(node, letter);
}

void node_jumped(struct node *node)
{
    processes_note(node);
    clients_view(node);
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
        entry_apply(node, entry);
        buffer_put(entry->bytes);
    }
    node->queue_count -= count;
    memmove(node->queue, node->queue + count, node->queue_count * sizeof *node->queue);
    if (node->machine.index > applied_index)
        node_post(node, letter_replica(REPLICA_APPLIED, node->machine.index));
    clients_view(node);
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
    node_post(node, letter_replica(REPLICA_APPLIED, node->machine.index));
    node->flushed_index = node->machine.index;
    node_post(node, letter_replica(REPLICA_FLUSHED, node->flushed_index));
}
