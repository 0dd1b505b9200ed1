/* machine.c: where a command stands in the log and in the state; what it does is apply.c's. */
#include "statestore/machine/machine.h"

#include "base/check.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/cluster.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

/* The row that every transaction ends with. It is the same on all nodes, but holds the chain, so it is not in it. */
static const uint8_t applied_key_bytes[] = {SCHEMA_META, 'a', 'p', 'p', 'l', 'i', 'e', 'd'};

static struct slice applied_key(void)
{
    return slice_make(applied_key_bytes, sizeof(applied_key_bytes));
}

static void applied_codec(struct row *row, void *value)
{
    struct machine *machine = value;
    row_version(row, 1);
    row_u64(row, &machine->applied_index);
    row_u64(row, &machine->applied_term);
    row_u32(row, &machine->applied_command);
    row_u32(row, &machine->applied_count);
    row_u64(row, &machine->command_number);
    row_u64(row, &machine->uptime_ms);
    row_u64(row, &machine->chain.low);
    row_u64(row, &machine->chain.high);
    row_u64(row, &machine->client_count);
    row_u64(row, &machine->courtesy_count);
    row_u64(row, &machine->led_term);
    row_u64(row, &machine->led_since_ms);
}

static void applied_put(struct machine *machine, struct transaction *transaction, struct arena *arena)
{
    transaction_put(transaction, applied_key(), row_encode(applied_codec, machine, arena));
}

void machine_load(struct machine *machine, struct kv_read *read, struct arena *arena)
{
    struct slice bytes;
    *machine = (struct machine){0};
    if (kv_get(read, applied_key(), arena, &bytes))
        row_decode(applied_codec, bytes, machine);
    CHECK(machine->applied_command <= machine->applied_count);
    cluster_load(machine, read, arena);
}

bool machine_has_applied(const struct machine *machine, const struct machine_position *position)
{
    if (position->index != machine->applied_index)
        return position->index < machine->applied_index;
#ifdef QNFS_PLANT_DOUBLE_APPLY
    return machine->applied_command == machine->applied_count;
#endif
    return position->command < machine->applied_command || machine->applied_count == 0;
}

uint64_t machine_whole_index(const struct machine *machine)
{
#ifdef QNFS_PLANT_HALF_ENTRY_LEFT_OUT
    return machine->applied_index;
#endif
    return machine->applied_command < machine->applied_count ? machine->applied_index - 1 : machine->applied_index;
}

/* Commands come in order, none twice and none left out inside an entry. */
static void position_check(const struct machine *machine, const struct machine_position *position)
{
#ifdef QNFS_PLANT_DOUBLE_APPLY
    return;
#endif
    CHECK(position->command < position->command_count);
    CHECK(position->term >= machine->applied_term);
    if (position->index == machine->applied_index) {
        CHECK(position->command == machine->applied_command && position->command_count == machine->applied_count);
    } else {
        CHECK(position->index > machine->applied_index && position->command == 0);
        CHECK(machine->applied_command == machine->applied_count);
    }
}

/* One link of the chain for each replicated change: what was done to which key, then the value. */
static struct hash128 chain_changes(struct hash128 chain, struct transaction *transaction, struct arena *arena)
{
    const struct transaction_change *changes = transaction_changes(transaction);
    for (size_t i = 0; i < transaction->count; i++) {
        struct slice key = changes[i].key;
        if (!schema_is_replicated(key))
            continue;
        uint8_t *head = arena_alloc(arena, key.size_bytes + 1);
        head[0] = changes[i].deleted ? 1 : 0;
        memcpy(head + 1, key.data, key.size_bytes);
        chain = hash_chain(chain, slice_make(head, key.size_bytes + 1));
        if (!changes[i].deleted)
            chain = hash_chain(chain, changes[i].value);
    }
    return chain;
}

void machine_apply(struct machine *machine, struct transaction *transaction, const struct machine_position *position,
                   const Qnfs__Command *command, struct slice content, struct arena *arena,
                   struct machine_answer *answer)
{
    CHECK(transaction->count == 0);
    position_check(machine, position);
    machine->command_number++;
    if (position->uptime_ms > machine->uptime_ms)
        machine->uptime_ms = position->uptime_ms;
    if (position->term != machine->led_term) {
        machine->led_term = position->term;
        machine->led_since_ms = machine->uptime_ms;
    }

    struct apply apply = {.machine = machine,
                          .transaction = transaction,
                          .read = &transaction->read,
                          .arena = arena,
                          .number = machine->command_number,
                          .uptime_ms = machine->uptime_ms,
                          .wall_ns = position->wall_ns,
                          .command = command,
                          .content = content};
    apply_command(&apply);

    machine->chain = chain_changes(machine->chain, transaction, arena);
    machine->applied_index = position->index;
    machine->applied_term = position->term;
    machine->applied_command = position->command + 1;
    machine->applied_count = position->command_count;
    applied_put(machine, transaction, arena);
    *answer = (struct machine_answer){apply.result, apply.effects, apply.effect_count};
}

void machine_pass(struct machine *machine, struct transaction *transaction, uint64_t index, uint64_t term,
                  struct arena *arena)
{
    CHECK(index > machine->applied_index && term >= machine->applied_term);
    CHECK(machine->applied_command == machine->applied_count);
    machine->applied_index = index;
    machine->applied_term = term;
    machine->applied_command = 0;
    machine->applied_count = 0;
    applied_put(machine, transaction, arena);
}
