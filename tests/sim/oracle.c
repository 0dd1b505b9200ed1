#include "tests/sim/oracle.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "proto/log_codec.h"
#include "proto/log_entry.h"
#include "statestore/machine/check.h"
#include "statestore/machine/client.h"
#include "statestore/store/kv_memory.h"
#include "statestore/store/schema.h"
#include "tests/sim/cast.h"

/* What an entry was, and what came of it. */
struct oracle_entry_row {
    struct hash128 hash;
    size_t first_chain;
};

struct oracle {
    struct world *world;
    struct oracle_ports ports;

    /* The machine that never crashes. */
    struct machine machine;
    struct kv_store *store;
    struct arena arena;
    struct oracle_entry_row *entries; /* by index - 1 */
    size_t entry_count;
    size_t entry_room;
    struct hash128 *chains; /* after each command and each entry without any */
    size_t chain_count;
    size_t chain_room;
    struct cast cast;

    /* Model versions: versions[i] is the state after command first_version + i. */
    struct model **versions;
    size_t version_count;
    size_t version_room;
    uint64_t first_version;
    struct model *present;
    uint64_t visible;

    /* Directories changed by the entry at hand. */
    uint16_t touched[64];
    size_t touched_count;
};

static void version_put(struct model *model)
{
    if (--model->references == 0)
        model_destroy(model);
}

static void version_add(struct oracle *oracle, uint64_t number)
{
    CHECK(number == oracle->first_version + oracle->version_count);
    if (oracle->version_count == oracle->version_room) {
        oracle->version_room = oracle->version_room == 0 ? 64 : oracle->version_room * 2;
        oracle->versions = realloc(oracle->versions, oracle->version_room * sizeof(struct model *));
        CHECK(oracle->versions != NULL);
    }
    oracle->versions[oracle->version_count++] = oracle->present;
    oracle->present->references++;
}

struct oracle *oracle_create(struct world *world, const struct oracle_ports *ports)
{
    struct oracle *oracle = calloc(1, sizeof(*oracle));
    CHECK(oracle != NULL);
    oracle->world = world;
    oracle->ports = *ports;
    oracle->store = kv_memory_create();
    arena_init(&oracle->arena);
    machine_load(&oracle->machine, kv_store_present(oracle->store), &oracle->arena);
    oracle->present = model_create();
    version_add(oracle, 0);
    return oracle;
}

void oracle_destroy(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->version_count; i++)
        version_put(oracle->versions[i]);
    version_put(oracle->present);
    kv_store_destroy(oracle->store);
    arena_fini(&oracle->arena);
    free(oracle->versions);
    free(oracle->entries);
    free(oracle->chains);
    free(oracle);
}

/* --- steps --- */

/* A step that goes on where the one before has ended learns its file from it. */
static void step_resolve(struct oracle *oracle, struct request *request, struct step *step)
{
    if (!step->follows)
        return;
    const struct step *before = step - 1;
    while (before > request->steps && !step_kind_changes(before->kind))
        before--;
    CHECK(before >= request->steps);
    if (!before->executed || before->expected.status != NFS4_OK)
        world_violation(oracle->world, "client %u slot %u seqid %u: %s was executed, but not %s before it",
                        request->client, request->slot, request->seqid, step_kind_name(step->kind),
                        step_kind_name(before->kind));
    step->file = before->expected.inode != MODEL_NO_INODE ? before->expected.inode : before->file;
}

static void count_change(struct oracle *oracle, struct request *request, const struct step *step, uint64_t incarnation)
{
    struct world *world = oracle->world;
    bool names = step->kind == STEP_OPEN ? step->expected.made
                                         : step->kind == STEP_MKDIR || step->kind == STEP_LINK ||
                                               step->kind == STEP_RENAME || step->kind == STEP_REMOVE;
    world_count(world, COUNT_changes, 1);
    if (names && step->expected.status == NFS4_OK) {
        for (size_t i = 0; i < oracle->touched_count; i++)
            world_count(world, COUNT_packed_directory, oracle->touched[i] == step->file ? 1 : 0);
        if (oracle->touched_count < sizeof(oracle->touched) / sizeof(oracle->touched[0]))
            oracle->touched[oracle->touched_count++] = step->file;
    }
    if (step->expected.status == NFS4ERR_SHARE_DENIED)
        world_count(world, COUNT_share_denied, 1);
    if (step->expected.status == NFS4ERR_DENIED)
        world_count(world, COUNT_lock_denied, 1);
    if (step->expected.split)
        world_count(world, COUNT_lock_split, 1);
    if (step->expected.made && step->create == CREATE_EXCLUSIVE)
        world_count(world, COUNT_exclusive, 1);
    if (step->kind == STEP_REMOVE && step->expected.status == NFS4_OK) {
        const struct model_inode *removed = &oracle->present->inodes[step->expected.inode];
        world_count(world, COUNT_orphans, removed->exists && removed->link_count == 0 ? 1 : 0);
    }
    if (request->incarnation != 0 && request->incarnation != incarnation) {
        uint32_t before = cast_node(&oracle->cast, request->incarnation);
        world_count(world, COUNT_prefix_replays, 1);
        world_count(world, COUNT_prefix_moved, before != cast_node(&oracle->cast, incarnation) ? 1 : 0);
    }
    request->incarnation = incarnation;
}

static void step_executed(struct oracle *oracle, struct request *request, struct step *step, uint64_t number,
                          uint64_t incarnation)
{
    if (step->executed)
        world_violation(oracle->world, "client %u slot %u seqid %u: %s was executed by command %llu and again by %llu",
                        request->client, request->slot, request->seqid, step_kind_name(step->kind),
                        (unsigned long long)step->version, (unsigned long long)number);
    step_resolve(oracle, request, step);
    struct outcome before = model_execute(oracle->present, step, request->identity, number, true);
    if (before.status == NFS4_OK) {
        struct model *changed = model_copy(oracle->present);
        version_put(oracle->present);
        oracle->present = changed;
    }
    step->expected = model_execute(oracle->present, step, request->identity, number, false);
    step->executed = true;
    step->version = number;
    count_change(oracle, request, step, incarnation);
    world_trace(oracle->world, "  command %llu: client %u slot %u seqid %u %s: %d", (unsigned long long)number,
                request->client, request->slot, request->seqid, step_kind_name(step->kind), step->expected.status);
}

static void slot_command(struct oracle *oracle, const Qnfs__Command *command, const Qnfs__Result *result)
{
    const Qnfs__SlotOrigin *origin = command->slot_origin;
    struct world *world = oracle->world;
    enum machine_outcome outcome = (enum machine_outcome)result->outcome;
    if (origin->session.len != 16)
        world_violation(world, "a command's session id has %zu bytes", origin->session.len);
    struct request *request = oracle->ports.find(oracle->ports.context, origin->session.data, origin->slot);
    bool is_present = request != NULL && request->seqid == origin->seqid;
    struct step *step = is_present ? request_step(request, origin->operation) : NULL;
    switch (outcome) {
    case MACHINE_EXECUTED:
        if (result->status == NFS4ERR_BADSESSION && command->body_case != QNFS__COMMAND__BODY_DESTROY_SESSION) {
            if (!oracle->ports.may_be_unknown(oracle->ports.context, origin->session.data))
                world_violation(world, "command %llu: the session of a live client is unknown",
                                (unsigned long long)oracle->machine.command_number);
            break;
        }
        if (step == NULL)
            world_violation(
                world, "command %llu (slot %u seqid %u operation %u) was executed, but no client waits for that",
                (unsigned long long)oracle->machine.command_number, origin->slot, origin->seqid, origin->operation);
        uint64_t holder = cast_holder(&oracle->cast, origin->session.data);
        if (holder != 0 && holder != command->ticket->incarnation)
            world_violation(world, "command %llu was executed for incarnation %llu, but %llu has the session",
                            (unsigned long long)oracle->machine.command_number,
                            (unsigned long long)command->ticket->incarnation, (unsigned long long)holder);
        step_executed(oracle, request, step, oracle->machine.command_number, command->ticket->incarnation);
        break;
    case MACHINE_REPLAYED:
        world_count(world, COUNT_replayed_by_machine, 1);
        if (step != NULL && !step->executed)
            world_violation(world, "client %u slot %u seqid %u: %s was answered from a record, but never executed",
                            request->client, request->slot, request->seqid, step_kind_name(step->kind));
        break;
    case MACHINE_SUPERSEDED: world_count(world, COUNT_superseded, 1); break;
    case MACHINE_FALSE_RETRY: break;
    default: world_violation(world, "a command's outcome is %d", (int)outcome);
    }
}

/* Clients that the command has removed hold nothing any more. */
static void forget_clients(struct oracle *oracle, const struct machine_answer *answer)
{
    for (size_t i = 0; i < answer->effect_count; i++) {
        if (answer->effects[i].kind != EFFECT_CLIENT_GONE)
            continue;
        uint32_t identity = oracle->ports.gone(oracle->ports.context, answer->effects[i].client.value);
        if (!model_client_holds(oracle->present, identity))
            continue;
        struct model *changed = model_copy(oracle->present);
        version_put(oracle->present);
        oracle->present = changed;
        model_client_gone(changed, identity);
        world_count(oracle->world, COUNT_clients_gone, 1);
        world_trace(oracle->world, "  identity %u is gone", identity);
    }
}

/* Leases that the command has ended, or clients that have come back. */
static void follow_leases(struct oracle *oracle)
{
    struct client client;
    struct client_usage usage;
    struct client_walk walk;
    for (client_walk_open(kv_store_present(oracle->store), (struct client_id){0}, &oracle->arena, &walk);
         client_walk_get(&walk, &client, &usage); client_walk_next(&walk)) {
        uint32_t identity = oracle->ports.lease(oracle->ports.context, client.id.value, usage.courtesy);
        if (!model_client_courtesy(oracle->present, identity, usage.courtesy, true))
            continue;
        struct model *changed = model_copy(oracle->present);
        version_put(oracle->present);
        oracle->present = changed;
        model_client_courtesy(changed, identity, usage.courtesy, false);
    }
    client_walk_close(&walk);
}

/* A session comes to a new process; what its clients have under way was, or is yet to be, sent again. */
static void count_attach(struct oracle *oracle, const Qnfs__SessionAttach *attach, const Qnfs__Result *result)
{
    bool in_flight = false;
    if ((enum machine_outcome)result->outcome != MACHINE_EXECUTED || result->attach == NULL ||
        !result->attach->attached || attach->session.len != 16)
        return;
    for (uint32_t slot = 0; slot < CLIENT_SLOTS_MAX; slot++) {
        const struct request *request = oracle->ports.find(oracle->ports.context, attach->session.data, slot);
        in_flight = in_flight || (request != NULL && request->sends > 1 && request_changes(request));
    }
    uint32_t before = cast_session(&oracle->cast, attach->session.data, attach->incarnation);
    world_count(oracle->world, COUNT_attaches, 1);
    world_count(oracle->world, COUNT_session_moves, before != cast_node(&oracle->cast, attach->incarnation) ? 1 : 0);
    world_count(oracle->world, COUNT_attaches_in_flight, in_flight ? 1 : 0);
}

/* What the cluster says about its own processes. */
static void count_processes(struct oracle *oracle, const Qnfs__Command *command, const Qnfs__Result *result)
{
    const Qnfs__NodeRegister *body = command->node_register;
    if (command->body_case == QNFS__COMMAND__BODY_NODE_REGISTER && result->registered != NULL &&
        cast_register(&oracle->cast, (uint32_t)body->node, result->registered->incarnation))
        world_count(oracle->world, COUNT_registers_repeated, 1);
    /* A retry is answered with the session that was made; it moves nothing. */
    if (command->body_case == QNFS__COMMAND__BODY_CREATE_SESSION && result->create_session != NULL &&
        result->create_session->session.len == 16 &&
        cast_holder(&oracle->cast, result->create_session->session.data) == 0)
        cast_session(&oracle->cast, result->create_session->session.data, command->create_session->incarnation);
}

/* --- entries --- */

static void chain_add(struct oracle *oracle)
{
    if (oracle->chain_count == oracle->chain_room) {
        oracle->chain_room = oracle->chain_room == 0 ? 1024 : oracle->chain_room * 2;
        oracle->chains = realloc(oracle->chains, oracle->chain_room * sizeof(*oracle->chains));
        CHECK(oracle->chains != NULL);
    }
    oracle->chains[oracle->chain_count++] = oracle->machine.chain;
}

static void entry_commands(struct oracle *oracle, const struct replica_entry *entry)
{
    struct log_entry reader;
    struct slice packed;
    struct slice content;
    if (log_entry_open(&reader, buffer_slice(entry->bytes)) != STATUS_OK)
        world_violation(oracle->world, "entry %llu does not decode", (unsigned long long)entry->index);
    oracle->touched_count = 0;
    if (reader.count > 1)
        world_count(oracle->world, COUNT_packed, 1);
    for (uint32_t i = 0; log_entry_next(&reader, &packed, &content); i++) {
        struct machine_position position = {
            .index = entry->index,
            .term = entry->term,
            .command = i,
            .command_count = reader.count,
            .feature_level = reader.header.feature_level,
            .uptime_ms = reader.header.uptime_ms,
            .wall_ns = reader.header.wall_ns,
        };
        Qnfs__Command *command;
        struct transaction transaction;
        struct machine_answer answer;
        arena_reset(&oracle->arena);
        if (log_command_unpack(packed, &oracle->arena, &command) != STATUS_OK)
            world_violation(oracle->world, "a command of entry %llu does not decode", (unsigned long long)entry->index);
        transaction_init(&transaction, kv_store_present(oracle->store), &oracle->arena);
        machine_apply(&oracle->machine, &transaction, &position, command, content, &oracle->arena, &answer);
        CHECK(kv_store_write(oracle->store, &transaction) == STATUS_OK);
        if (command->body_case == QNFS__COMMAND__BODY_NODE_LOST)
            world_count(oracle->world, COUNT_nodes_lost, answer.effect_count > 0 ? 1 : 0);
        forget_clients(oracle, &answer);
        follow_leases(oracle);
        if (command->origin_case == QNFS__COMMAND__ORIGIN_SLOT_ORIGIN)
            slot_command(oracle, command, answer.result);
        count_processes(oracle, command, answer.result);
        if (command->body_case == QNFS__COMMAND__BODY_SESSION_ATTACH)
            count_attach(oracle, command->session_attach, answer.result);
        if (command->origin_case != QNFS__COMMAND__ORIGIN_SLOT_ORIGIN)
            world_trace(oracle->world, "  command %llu: kind %d: %u",
                        (unsigned long long)oracle->machine.command_number, (int)command->body_case,
                        answer.result->status);
        version_add(oracle, oracle->machine.command_number);
        chain_add(oracle);
    }
}

static void entry_new(struct oracle *oracle, const struct replica_entry *entry, struct hash128 hash)
{
    if (oracle->entry_count == oracle->entry_room) {
        oracle->entry_room = oracle->entry_room == 0 ? 256 : oracle->entry_room * 2;
        oracle->entries = realloc(oracle->entries, oracle->entry_room * sizeof(*oracle->entries));
        CHECK(oracle->entries != NULL);
    }
    oracle->entries[oracle->entry_count++] = (struct oracle_entry_row){hash, oracle->chain_count};
    if (entry->kind == REPLICA_ENTRY_COMMANDS) {
        entry_commands(oracle, entry);
        return;
    }
    struct transaction transaction;
    arena_reset(&oracle->arena);
    transaction_init(&transaction, kv_store_present(oracle->store), &oracle->arena);
    machine_pass(&oracle->machine, &transaction, entry->index, entry->term, &oracle->arena);
    CHECK(kv_store_write(oracle->store, &transaction) == STATUS_OK);
    chain_add(oracle);
}

void oracle_entry(struct oracle *oracle, const struct replica_entry *entry)
{
    struct hash128 hash = hash_seeded(entry->term * 4 + (uint64_t)entry->kind, buffer_slice(entry->bytes));
    if (entry->index == 0 || entry->index > oracle->entry_count + 1)
        world_violation(oracle->world, "entry %llu is handed out, but the last one was %zu",
                        (unsigned long long)entry->index, oracle->entry_count);
    if (entry->index == oracle->entry_count + 1)
        entry_new(oracle, entry, hash);
    else if (!hash128_equal(hash, oracle->entries[entry->index - 1].hash))
        world_violation(oracle->world, "entry %llu is not what it was when it was first applied: a change is lost",
                        (unsigned long long)entry->index);
}

void oracle_applied(struct oracle *oracle, const struct machine *machine)
{
    const struct machine *twin = &oracle->machine;
    if (machine->command_number > twin->command_number)
        world_violation(oracle->world, "the node has executed %llu commands, and there are only %llu",
                        (unsigned long long)machine->command_number, (unsigned long long)twin->command_number);
    if (machine->applied_index > 0) {
        const struct oracle_entry_row *row = &oracle->entries[machine->applied_index - 1];
        size_t chain = row->first_chain + (machine->applied_command > 0 ? machine->applied_command - 1 : 0);
        if (machine->applied_index > oracle->entry_count || chain >= oracle->chain_count ||
            !hash128_equal(machine->chain, oracle->chains[chain]))
            world_violation(oracle->world, "the chain hash differs after command %llu, %u of entry %llu",
                            (unsigned long long)machine->command_number, machine->applied_command,
                            (unsigned long long)machine->applied_index);
    }
    if (machine->command_number > oracle->visible)
        oracle->visible = machine->command_number;
}

/* --- whole states --- */

static struct hash128 state_digest(struct kv_read *read, uint64_t *rows)
{
    struct arena arena;
    struct kv_cursor cursor;
    struct hash128 digest = {0};
    arena_init(&arena);
    *rows = 0;
    for (kv_cursor_open(read, SLICE_EMPTY, SLICE_EMPTY, &arena, &cursor); cursor.valid; kv_cursor_next(&cursor)) {
        if (!schema_is_replicated(cursor.key))
            continue;
        digest = hash_chain(hash_chain(digest, cursor.key), cursor.value);
        (*rows)++;
    }
    kv_cursor_close(&cursor);
    arena_fini(&arena);
    return digest;
}

bool oracle_compare(struct oracle *oracle, const struct machine *machine, struct kv_read *read)
{
    if (machine->applied_index != oracle->machine.applied_index ||
        machine->applied_command != oracle->machine.applied_command)
        return false;
    uint64_t rows;
    uint64_t twin_rows;
    struct hash128 digest = state_digest(read, &rows);
    struct hash128 twin_digest = state_digest(kv_store_present(oracle->store), &twin_rows);
    if (read->failed || rows != twin_rows || !hash128_equal(digest, twin_digest))
        world_violation(oracle->world, "the state differs: %llu rows, and %llu are right", (unsigned long long)rows,
                        (unsigned long long)twin_rows);
    world_count(oracle->world, COUNT_digests, 1);
    char text[2048];
    struct arena arena;
    arena_init(&arena);
    size_t broken = machine_check(read, &arena, text, sizeof(text));
    if (broken > 0)
        world_violation(oracle->world, "%zu broken invariants:\n%s", broken, text);
    arena_fini(&arena);
    return true;
}

/* --- versions --- */

uint64_t oracle_visible(const struct oracle *oracle)
{
    return oracle->visible;
}

const struct model *oracle_present(const struct oracle *oracle)
{
    return oracle->present;
}

struct model *oracle_at(struct oracle *oracle, uint64_t number)
{
    if (number < oracle->first_version || number - oracle->first_version >= oracle->version_count)
        return NULL;
    return oracle->versions[number - oracle->first_version];
}

void oracle_forget(struct oracle *oracle, uint64_t number)
{
    size_t gone = 0;
    while (gone + 1 < oracle->version_count && oracle->first_version + gone < number)
        version_put(oracle->versions[gone++]);
    memmove(oracle->versions, oracle->versions + gone, (oracle->version_count - gone) * sizeof(struct model *));
    oracle->version_count -= gone;
    oracle->first_version += gone;
}
