/* Clients at every node: each command is done when its own process has applied it, and its memory is gone then; each read
 * sees whatever anybody has seen before it was asked for. */
#include <stdlib.h>

#include "base/check.h"
#include "proto/log_entry.h"
#include "tests/sim_raft/world.h"

#define COMMAND_MIN_BYTES 8u
#define COMMAND_MORE_BYTES 112u

/* --- commands --- */

static uint64_t record_add(struct world *world, enum command_kind kind)
{
    if (world->record_count + 1 >= world->record_capacity) {
        world->record_capacity = world->record_capacity == 0 ? 1024 : 2 * world->record_capacity;
        world->records = realloc(world->records, world->record_capacity * sizeof *world->records);
        CHECK(world->records != NULL);
    }
    uint64_t number = ++world->record_count;
    world->records[number] = (struct record){
        .kind = kind, .size_bytes = (uint32_t)(COMMAND_MIN_BYTES + world_chance(world, COMMAND_MORE_BYTES))};
    return number;
}

/* The number, and bytes that follow from it. */
static void bytes_fill(uint8_t *bytes, uint32_t size_bytes, uint64_t number)
{
    memcpy(bytes, &number, sizeof number);
    for (uint32_t i = sizeof number; i < size_bytes; i++)
        bytes[i] = (uint8_t)(number * 31 + i * 7);
}

static void command_add(struct node *node, uint64_t number, struct list *proposals)
{
    struct world *world = node->world;
    struct record *record = &world->records[number];
    struct command *command = calloc(1, sizeof *command + record->size_bytes);
    CHECK(command != NULL);
    command->number = number;
    bytes_fill(command->bytes, record->size_bytes, number);
    command->proposal.command = slice_make(command->bytes, record->size_bytes);
    list_append(&node->commands, &command->link);
    list_append(proposals, &command->proposal.link);
    record->origin = node->id;
    record->life = node->life;
    world_count(world, COUNT_proposals);
}

void clients_propose(struct node *node, uint64_t count)
{
    struct world *world = node->world;
    if (!node->up || node->paused_until_ms > world->now_ms)
        return;
    struct replica_message message = {.kind = REPLICA_PROPOSE};
    list_init(&message.proposals);
    for (; count > 0; count--)
        command_add(node, record_add(world, COMMAND_PLAIN), &message.proposals);
    node_tell(node, &message);
}

void clients_propose_about(struct node *node, enum command_kind kind, const struct raft_loop_process *process,
                           uint64_t term)
{
    struct letter *letter = letter_replica(REPLICA_PROPOSE, 0);
    uint64_t number = record_add(node->world, kind);
    struct record *record = &node->world->records[number];
    record->node = process->node;
    record->incarnation = process->incarnation;
    record->term = term;
    command_add(node, number, &letter->replica->proposals);
    node_post(node, letter);
}

void clients_propose_orphans(struct world *world, struct node *node)
{
    struct replica_message message = {.kind = REPLICA_PROPOSE};
    list_init(&message.proposals);
    for (uint64_t i = world->record_count; i > 0; i--) {
        if (!world->records[i].orphan)
            continue;
        /* Under another number: results are for the process that has proposed. */
        world->records[i].orphan = false;
        command_add(node, record_add(world, COMMAND_PLAIN), &message.proposals);
    }
    if (list_empty(&message.proposals))
        return;
    world_count(world, COUNT_orphans);
    node_tell(node, &message);
}

/* Whoever uses it now does so too late. */
static void command_free(struct world *world, struct command *command)
{
    size_t size_bytes = sizeof *command + world->records[command->number].size_bytes;
    list_remove(&command->link);
    memset(command, 0xdd, size_bytes);
    free(command);
}

void clients_end(struct node *node)
{
    struct world *world = node->world;
    struct list_link *link;
    while ((link = list_first(&node->commands)) != NULL) {
        struct command *command = container_of(link, struct command, link);
        struct record *record = &world->records[command->number];
        record->orphan = record->kind == COMMAND_PLAIN;
        command_free(world, command);
    }
    memset(node->readers, 0, sizeof node->readers);
    node->view_count = 0;
}

static uint64_t number_of(struct world *world, struct slice command)
{
    uint64_t number = 0;
    uint8_t bytes[COMMAND_MIN_BYTES + COMMAND_MORE_BYTES];
    REQUIRE(world, command.size_bytes >= sizeof number && command.size_bytes <= sizeof bytes);
    memcpy(&number, command.data, sizeof number);
    if (number == 0 || number > world->record_count || world->records[number].size_bytes != command.size_bytes)
        world_violation(world, "an entry holds a command that nobody has proposed");
    bytes_fill(bytes, (uint32_t)command.size_bytes, number);
    if (memcmp(bytes, command.data, command.size_bytes) != 0)
        world_violation(world, "an entry holds other bytes of command %llu than were proposed",
                        (unsigned long long)number);
    return number;
}

const struct record *clients_check(struct world *world, struct slice command)
{
    struct record *record = &world->records[number_of(world, command)];
    record->applied = true;
    return record;
}

void clients_results(struct node *node, const struct replica_entry *entry)
{
    struct world *world = node->world;
    struct log_entry commands;
    struct slice command;
    struct slice content;
    if (entry->kind != REPLICA_ENTRY_COMMANDS)
        return;
    REQUIRE(world, log_entry_open(&commands, buffer_slice(entry->bytes)) == STATUS_OK);
    while (log_entry_next(&commands, &command, &content)) {
        uint64_t number = number_of(world, command);
        struct record *record = &world->records[number];
        if (record->origin != node->id || record->life != node->life)
            continue;
        if (record->done) {
            world_count(world, COUNT_twice);
            continue;
        }
        record->done = true;
        if (entry->index > world->seen)
            world->seen = entry->index;
        for (struct list_link *link = list_first(&node->commands); link != NULL;
             link = list_next(&node->commands, link)) {
            struct command *own = container_of(link, struct command, link);
            if (own->number != number)
                continue;
            command_free(world, own);
            break;
        }
    }
}

/* --- reads --- */

static void read_ask(struct node *node, uint32_t position, uint64_t seen)
{
    struct reader *reader = &node->readers[position];
    struct letter *letter = letter_create(RAFT_LOOP_READ);
    reader->number = ++reader->numbers;
    reader->asked_ms = node->world->now_ms;
    reader->seen = seen;
    letter->loop.reader = position;
    letter->loop.number = reader->number;
    node_post(node, letter);
}

/* The read sees the state at some entry from its barrier on. */
static void read_wait(struct node *node, uint64_t barrier)
{
    if (node->view_count < VIEWS_MAX)
        node->views[node->view_count++] = barrier;
    clients_view(node);
}

static void barrier_check(struct node *node, uint64_t barrier, uint64_t seen, const char *how)
{
    if (barrier < seen)
        world_violation(node->world, "node %llu reads at entry %llu (%s), and %llu had been seen before",
                        (unsigned long long)node->id, (unsigned long long)barrier, how, (unsigned long long)seen);
}

void clients_read(struct node *node, uint32_t position)
{
    struct world *world = node->world;
    struct reader *reader = &node->readers[position];
    if (!node->up)
        return;
    /* The gateway's threads run when the raft loop's does not. */
    if (node->lease_until_ms > node_now(node)) {
        world_count(world, COUNT_lease_reads);
        barrier_check(node, node->commit_index, world->seen, "by its lease");
        read_wait(node, node->commit_index);
        return;
    }
    if (node->paused_until_ms > world->now_ms)
        return;
    if (reader->number == 0) {
        read_ask(node, position, world->seen);
    } else {
        reader->next = true;
        reader->next_seen = world->seen;
    }
}

void clients_barrier(struct node *node, uint32_t position, uint64_t number, uint64_t index)
{
    struct world *world = node->world;
    struct reader *reader = &node->readers[position];
    REQUIRE(world, position < READERS && reader->number == number && number != 0);
    world_trace(world, "%llu: reader %u may read at %llu, seen %llu", (unsigned long long)node->id, position,
                (unsigned long long)index, (unsigned long long)reader->seen);
    world_count(world, COUNT_barriers);
    barrier_check(node, index, reader->seen, "it asked");
    reader->number = 0;
    read_wait(node, index);
    if (!reader->next)
        return;
    reader->next = false;
    read_ask(node, position, reader->next_seen);
}

void clients_view(struct node *node)
{
    size_t kept = 0;
    for (size_t i = 0; i < node->view_count; i++) {
        if (node->views[i] > node->machine.index)
            node->views[kept++] = node->views[i];
        else if (node->machine.index > node->world->seen)
            node->world->seen = node->machine.index;
    }
    node->view_count = kept;
}

/* --- at the end --- */

static bool is_of_member(const struct world *world, const struct configuration *members, const struct record *record)
{
    const struct node *node = &world->nodes[record->origin];
    return configuration_find(members, record->origin) >= 0 && node->up && node->life == record->life;
}

bool clients_wait(const struct world *world, const struct configuration *members)
{
    for (uint64_t i = 1; i <= world->record_count; i++) {
        const struct record *record = &world->records[i];
        if (!record->done && is_of_member(world, members, record))
            return true;
    }
    for (uint32_t i = 0; i < members->count; i++) {
        const struct node *node = &world->nodes[members->members[i].id];
        for (uint32_t j = 0; j < READERS; j++) {
            if (node->readers[j].number != 0)
                return true;
        }
        if (node->view_count > 0 || !node->alive)
            return true;
    }
    return false;
}

void clients_end_check(struct world *world, const struct configuration *members)
{
    for (uint64_t i = 1; i <= world->record_count; i++) {
        const struct record *record = &world->records[i];
        if (!record->done && is_of_member(world, members, record))
            world_violation(world, "command %llu of node %llu has no result after all is well%s", (unsigned long long)i,
                            (unsigned long long)record->origin, record->applied ? ", and was applied" : "");
        REQUIRE(world, !record->done || record->applied);
    }
    for (uint32_t i = 0; i < members->count; i++) {
        const struct node *node = &world->nodes[members->members[i].id];
        for (uint32_t j = 0; j < READERS; j++) {
            if (node->readers[j].number != 0)
                world_violation(world, "reader %u of node %llu waits for its barrier since %llu ms after all is well",
                                j, (unsigned long long)node->id, (unsigned long long)node->readers[j].asked_ms);
        }
        if (node->view_count > 0)
            world_violation(world, "a read of node %llu waits for entry %llu after all is well",
                            (unsigned long long)node->id, (unsigned long long)node->views[0]);
        if (!node->alive)
            world_violation(world, "node %llu is silent after all is well", (unsigned long long)node->id);
    }
}
