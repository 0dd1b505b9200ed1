#include "server/daemon/applier.h"

#include "base/check.h"
#include "base/limits.h"
#include "cluster/big_endian.h"
#include "proto/log_codec.h"
#include "proto/log_entry.h"
#include "statestore/machine/block.h"
#include "statestore/store/schema.h"

void applier_init(struct applier *applier, struct kv_store *store, struct block_store *blocks,
                  struct published *published, uint64_t nonce)
{
    *applier = (struct applier){.store = store, .blocks = blocks, .published = published, .nonce = nonce};
    applier->batch_commands = APPLIER_BATCH_COMMANDS;
    arena_init(&applier->arena);
    arena_init(&applier->actions_arena);
    arena_init(&applier->batch.arena);
    machine_load(&applier->machine, kv_store_present(store), &applier->arena);
    arena_reset(&applier->arena);
    atomic_store_explicit(&published->command, applier->machine.command_number, memory_order_relaxed);
    /* What the store holds when it is opened is on its disk. */
    atomic_store_explicit(&published->flushed_number, applier->machine.command_number, memory_order_relaxed);
    atomic_store_explicit(&published->index, machine_whole_index(&applier->machine), memory_order_release);
}

void applier_fini(struct applier *applier)
{
    arena_fini(&applier->arena);
    arena_fini(&applier->actions_arena);
    arena_fini(&applier->batch.arena);
}

static void applier_begin(struct applier *applier)
{
    arena_reset(&applier->actions_arena);
    applier->first = NULL;
    applier->last = &applier->first;
}

static struct applier_action *applier_action_create(struct applier *applier, enum applier_action_kind kind,
                                                    struct applier_action ***last)
{
    struct applier_action *action = ARENA_NEW(&applier->actions_arena, struct applier_action);
    action->kind = kind;
    **last = action;
    *last = &action->next;
    return action;
}

static struct applier_action *applier_act(struct applier *applier, enum applier_action_kind kind)
{
    return applier_action_create(applier, kind, &applier->last);
}

/* --- batches --- */

#ifdef QNFS_PLANT_REPLY_BEFORE_APPLY
/* A planted bug: the results are out, but the batch waits. */
static void applier_hold(struct applier *applier)
{
    applier->held_arena = applier->batch.arena;
    applier->held = applier->batch.rows;
    applier->held.arena = &applier->held_arena;
    applier->holds = true;
    arena_init(&applier->batch.arena);
}

static enum status applier_write_held(struct applier *applier)
{
    enum status status = applier->holds ? kv_store_write(applier->store, &applier->held) : STATUS_OK;
    if (applier->holds && status == STATUS_OK) {
        applier->holds = false;
        arena_fini(&applier->held_arena);
    }
    return status;
}
#endif

static enum status batch_begin(struct applier *applier)
{
    struct applier_batch *batch = &applier->batch;
#ifdef QNFS_PLANT_REPLY_BEFORE_APPLY
    enum status status = applier_write_held(applier);
    if (status != STATUS_OK)
        return status;
#endif
    arena_reset(&batch->arena);
    transaction_init(&batch->rows, kv_store_present(applier->store), &batch->arena);
    batch->before = applier->machine;
    batch->incarnation = applier->incarnation;
    batch->commands = batch->bytes = batch->content = batch->sessions_left = 0;
    batch->first = NULL;
    batch->last = &batch->first;
    return STATUS_OK;
}

/* Nothing of it has happened. */
static void batch_drop(struct applier *applier)
{
    applier->machine = applier->batch.before;
    for (struct applier_action *action = applier->batch.first; action != NULL; action = action->next) {
        if (action->kind == APPLIER_RESULT)
            buffer_put(action->bytes);
    }
}

static enum status batch_end(struct applier *applier)
{
    struct applier_batch *batch = &applier->batch;
    if (batch->commands == 0)
        return STATUS_OK;
#ifdef QNFS_PLANT_REPLY_BEFORE_APPLY
    applier_hold(applier);
#else
    enum status status = kv_store_write(applier->store, &batch->rows);
    if (status != STATUS_OK) {
        batch_drop(applier);
        return status;
    }
#endif
    struct published *published = applier->published;
    atomic_store_explicit(&published->command, applier->machine.command_number, memory_order_relaxed);
    atomic_fetch_add_explicit(&published->sessions_moved, batch->sessions_left, memory_order_relaxed);
    atomic_fetch_add_explicit(&published->number, batch->commands, memory_order_release);
    applier->incarnation = batch->incarnation;
    applier->commands_since_flush += batch->commands;
    applier->bytes_since_flush += batch->bytes;
    applier->content_since_flush += batch->content;
    if (batch->first != NULL) {
        *applier->last = batch->first;
        applier->last = batch->last;
    }
    return STATUS_OK;
}

/* The result goes to whoever in this process waits for it. */
static void batch_post(struct applier *applier, const Qnfs__Command *command, const Qnfs__Result *result)
{
    struct applier_batch *batch = &applier->batch;
    const Qnfs__Ticket *ticket = command->ticket;
    if (ticket == NULL)
        return;
    if (command->body_case == QNFS__COMMAND__BODY_NODE_REGISTER && ticket->incarnation == applier->nonce) {
        if (result->body_case == QNFS__RESULT__BODY_REGISTERED)
            batch->incarnation.value = result->registered->incarnation;
    } else if (ticket->incarnation != applier->nonce &&
               (batch->incarnation.value == 0 || ticket->incarnation != batch->incarnation.value)) {
        return;
    }
    struct slice packed = log_result_pack(result, &applier->arena);
    struct buffer *bytes = buffer_create(packed.size_bytes);
    memcpy(bytes->data, packed.data, packed.size_bytes);
    bytes->size_bytes = packed.size_bytes;
    struct applier_action *action = applier_action_create(applier, APPLIER_RESULT, &batch->last);
    action->loop = ticket->loop;
    action->place = ticket->place;
    action->bytes = bytes;
}

/* What the command has done beside its rows: blocks are stored before the rows are written that name them. */
static enum status batch_effects(struct applier *applier, const struct machine_answer *answer, struct slice content)
{
    for (size_t i = 0; i < answer->effect_count; i++) {
        const struct machine_effect *effect = &answer->effects[i];
        if (effect->kind != EFFECT_STORE_BLOCK)
            continue;
        enum status status = block_write(applier->blocks, effect->block, content);
        if (status != STATUS_OK)
            return status;
    }
    for (size_t i = 0; i < answer->effect_count; i++) {
        const struct machine_effect *effect = &answer->effects[i];
        applier->batch.sessions_left += effect->kind == EFFECT_SESSION_LEFT;
        if (effect->kind != EFFECT_STORE_BLOCK)
            applier_action_create(applier, APPLIER_EFFECT, &applier->batch.last)->effect = *effect;
    }
    return STATUS_OK;
}

/* One command more; if it fails, the batch is as it was before it. */
static enum status batch_add(struct applier *applier, const struct machine_position *position, struct slice packed,
                             struct slice content)
{
    struct applier_batch *batch = &applier->batch;
    arena_reset(&applier->arena);
    Qnfs__Command *command;
    enum status status = log_command_unpack(packed, &applier->arena, &command);
    if (status != STATUS_OK)
        return status;
    struct machine before = applier->machine;
    struct transaction transaction;
    struct machine_answer answer;
    transaction_init(&transaction, &batch->rows.read, &applier->arena);
    machine_apply(&applier->machine, &transaction, position, command, content, &applier->arena, &answer);
    if (transaction.read.failed || kv_store_present(applier->store)->failed)
        return STATUS_IO;
    status = batch_effects(applier, &answer, content);
    if (status != STATUS_OK) {
        applier->machine = before;
        return status;
    }
    transaction_merge(&batch->rows, &transaction);
    batch_post(applier, command, answer.result);
    batch->commands++;
    batch->bytes += packed.size_bytes;
    batch->content += content.size_bytes;
    return STATUS_OK;
}

static bool batch_full(const struct applier *applier)
{
    return applier->batch.commands >= applier->batch_commands || applier->batch.rows.size_bytes >= APPLIER_BATCH_BYTES;
}

/* --- entries --- */

static enum status applier_commands(struct applier *applier, const struct replica_entry *entry)
{
    struct log_entry reader;
    struct slice packed;
    struct slice content;
    enum status status = log_entry_open(&reader, buffer_slice(entry->bytes));
    if (status != STATUS_OK)
        return status;
    status = batch_begin(applier);
    for (uint32_t i = 0; status == STATUS_OK && log_entry_next(&reader, &packed, &content); i++) {
        struct machine_position position = {
            .index = entry->index,
            .term = entry->term,
            .command = i,
            .command_count = reader.count,
            .feature_level = reader.header.feature_level,
            .uptime_ms = reader.header.uptime_ms,
            .wall_ns = reader.header.wall_ns,
        };
        if (machine_has_applied(&applier->machine, &position))
            continue;
        if (batch_full(applier)) {
            status = batch_end(applier);
            if (status == STATUS_OK)
                status = batch_begin(applier);
            if (status != STATUS_OK)
                return status;
        }
        status = batch_add(applier, &position, packed, content);
    }
    enum status written = batch_end(applier); /* also what came before a command that failed */
    return written != STATUS_OK ? written : status;
}

/* A node-local row: the newest configuration that was passed; its index, 8 bytes big-endian, and its bytes as in the entry. */
static const uint8_t configuration_key[] = {
    SCHEMA_NODE_LOCAL, 'c', 'o', 'n', 'f', 'i', 'g', 'u', 'r', 'a', 't', 'i', 'o', 'n'};

static void applier_note_configuration(struct applier *applier, struct transaction *transaction,
                                       const struct replica_entry *entry)
{
    struct slice bytes = buffer_slice(entry->bytes);
    uint8_t *value = arena_alloc(&applier->arena, 8 + bytes.size_bytes);
    put_u64(value, entry->index);
    memcpy(value + 8, bytes.data, bytes.size_bytes);
    transaction_put(transaction, slice_make(configuration_key, sizeof(configuration_key)),
                    slice_make(value, 8 + bytes.size_bytes));
}

/* An entry without commands. */
static enum status applier_pass(struct applier *applier, const struct replica_entry *entry)
{
    if (entry->index <= applier->machine.applied_index)
        return STATUS_OK;
    struct machine before = applier->machine;
    struct transaction transaction;
    arena_reset(&applier->arena);
    transaction_init(&transaction, kv_store_present(applier->store), &applier->arena);
    machine_pass(&applier->machine, &transaction, entry->index, entry->term, &applier->arena);
    if (entry->kind == REPLICA_ENTRY_CONFIGURATION)
        applier_note_configuration(applier, &transaction, entry);
    enum status status = kv_store_write(applier->store, &transaction);
    if (status != STATUS_OK)
        applier->machine = before;
    else
        atomic_fetch_add_explicit(&applier->published->number, 1, memory_order_release);
    return status;
}

static struct applier_action *applier_flush_begin(struct applier *applier)
{
    CHECK(!applier->flushing);
    applier->flushing = true;
    applier->commands_since_flush = 0;
    applier->bytes_since_flush = 0;
    applier->content_since_flush = 0;
    applier->swept_synced = applier->swept;
    struct applier_action *action = applier_act(applier, APPLIER_FLUSH);
    action->index = machine_whole_index(&applier->machine);
    action->number = applier->machine.command_number;
    return action;
}

enum status applier_step(struct applier *applier, const struct replica_entry *entry, struct applier_action **actions)
{
    applier_begin(applier);
    enum status status =
        entry->kind == REPLICA_ENTRY_COMMANDS ? applier_commands(applier, entry) : applier_pass(applier, entry);
    if (status == STATUS_OK) {
        /* Sequentially consistent: who waits for it looks at it again after having said so (gateway_thread.c). */
        atomic_store(&applier->published->index, applier->machine.applied_index);
        bool due = applier->commands_since_flush >= LOG_FLUSH_COMMANDS ||
                   applier->bytes_since_flush >= LOG_FLUSH_BYTES ||
                   applier->content_since_flush >= LOG_FLUSH_CONTENT_BYTES;
        if (due && !applier->flushing)
            applier_flush_begin(applier);
        if (entry->index % NODE_HASH_STEP == 0 && entry->index == applier->machine.applied_index) {
            struct applier_action *action = applier_act(applier, APPLIER_HASH);
            action->index = entry->index;
            action->hash = applier->machine.chain;
        }
    }
    *actions = applier->first;
    return status;
}

/* A node-local row that this file owns: up to which entry all blocks are synced; 8 bytes, big-endian. */
static const uint8_t synced_key[] = {
    SCHEMA_NODE_LOCAL, 'b', 'l', 'o', 'c', 'k', 's', '-', 's', 'y', 'n', 'c', 'e', 'd'};

void applier_swept(struct applier *applier, const struct garbage *garbage)
{
    applier->swept = *garbage;
}

/* A sync has seen their removal. More than fit now go with the next flush. */
static void applier_drop_garbage(struct applier *applier, struct transaction *transaction)
{
    const struct garbage *last = &applier->swept_synced;
    struct garbage_walk walk;
    struct garbage *swept = arena_alloc_array(&applier->arena, APPLIER_GARBAGE_MAX, sizeof(*swept));
    size_t count = 0;
    if (last->number == 0)
        return;
    garbage_walk_open(&transaction->read, &(struct garbage){0}, &applier->arena, &walk);
    for (; count < APPLIER_GARBAGE_MAX && garbage_walk_get(&walk, &swept[count]); garbage_walk_next(&walk)) {
        if (swept[count].number > last->number ||
            (swept[count].number == last->number && swept[count].block.value > last->block.value))
            break;
        count++;
    }
    garbage_walk_close(&walk);
    for (size_t i = 0; i < count; i++)
        garbage_drop(transaction, &swept[i], &applier->arena);
}

enum status applier_flushed(struct applier *applier, uint64_t index)
{
    CHECK(applier->flushing);
    uint8_t value[8];
    put_u64(value, index);
    struct transaction transaction;
    arena_reset(&applier->arena);
    transaction_init(&transaction, kv_store_present(applier->store), &applier->arena);
    applier_drop_garbage(applier, &transaction);
    transaction_put(&transaction, slice_make(synced_key, sizeof(synced_key)), slice_make(value, sizeof(value)));
    enum status status = kv_store_write(applier->store, &transaction);
    if (status == STATUS_OK)
        applier->flushing = false;
    return status;
}

uint64_t applier_synced_index(struct applier *applier)
{
    struct slice value;
    uint64_t index = 0;
    arena_reset(&applier->arena);
    if (kv_get(kv_store_present(applier->store), slice_make(synced_key, sizeof(synced_key)), &applier->arena, &value)) {
        CHECK(value.size_bytes == 8);
        index = get_u64(value.data);
    }
    return index;
}

struct applier_action *applier_flush_now(struct applier *applier)
{
    if (applier->flushing)
        return NULL;
    applier_begin(applier);
    return applier_flush_begin(applier);
}

enum status applier_redo_blocks(struct applier *applier, const struct replica_entry *entry, uint64_t number)
{
    struct log_entry reader;
    struct slice packed;
    struct slice content;
    if (entry->kind != REPLICA_ENTRY_COMMANDS)
        return STATUS_OK;
    enum status status = log_entry_open(&reader, buffer_slice(entry->bytes));
    for (; status == STATUS_OK && log_entry_next(&reader, &packed, &content); number++) {
        struct block block;
        arena_reset(&applier->arena);
        /* A block row tells that this command stored one: it is named by the command's number. */
        if (content.size_bytes == 0 || number > applier->machine.command_number ||
            !block_get(kv_store_present(applier->store), (struct block_id){number}, &applier->arena, &block))
            continue;
        if (block.size_bytes != content.size_bytes || !hash128_equal(block.checksum, hash_content(content)))
            return STATUS_BAD_DATA;
        status = block_write(applier->blocks, block.id, content);
    }
    return status;
}

/* The configuration that is in force at what is applied. */
static bool applier_configuration(struct applier *applier, struct log_snapshot *log)
{
    struct slice value;
    if (!kv_get(kv_store_present(applier->store), slice_make(configuration_key, sizeof(configuration_key)),
                &applier->arena, &value))
        return false;
    CHECK(value.size_bytes > 8);
    log->configuration_index = get_u64(value.data);
    return configuration_decode(slice_from(value, 8), &log->configuration) == STATUS_OK;
}

enum status applier_copy(struct applier *applier, const char *path, struct applier_copy *copy)
{
    const struct machine *machine = &applier->machine;
    *copy = (struct applier_copy){0};
    arena_reset(&applier->arena);
    if (machine->applied_index == 0 || !machine->created || !applier_configuration(applier, &copy->log))
        return STATUS_REFUSED;
    if (machine_whole_index(machine) != machine->applied_index)
        return STATUS_NO_SPACE;
    enum status status = kv_store_checkpoint(applier->store, path);
    if (status != STATUS_OK)
        return status;
    copy->log.index = copy->log.cut_index = machine->applied_index;
    copy->log.term = machine->applied_term;
    copy->command_number = machine->command_number;
    copy->chain = machine->chain;
    memcpy(copy->cluster_id, machine->cluster_id, sizeof(copy->cluster_id));
    copy->view = kv_store_snapshot(applier->store);
    return STATUS_OK;
}
