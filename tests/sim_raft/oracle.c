#include "tests/sim_raft/world.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "proto/log_entry.h"

/* --- facts --- */

const struct fact *facts_find(const struct facts *facts, uint64_t index)
{
    if (index < facts->first_index || index - facts->first_index >= facts->count)
        return NULL;
    return &facts->list[index - facts->first_index];
}

void facts_append(struct facts *facts, const struct fact *fact)
{
    if (facts->count == facts->capacity) {
        facts->capacity = facts->capacity == 0 ? 256 : 2 * facts->capacity;
        facts->list = realloc(facts->list, facts->capacity * sizeof *facts->list);
        CHECK(facts->list != NULL);
    }
    facts->list[facts->count++] = *fact;
}

void facts_truncate(struct facts *facts, uint64_t index)
{
    CHECK(index >= facts->first_index);
    if (index - facts->first_index < facts->count)
        facts->count = index - facts->first_index;
}

void facts_restart(struct facts *facts, uint64_t first_index)
{
    facts->count = 0;
    facts->first_index = first_index;
}

struct fact fact_make(const struct replica_entry *entry)
{
    struct hash128 hash = hash_content(buffer_slice(entry->bytes));
    return (struct fact){.term = entry->term, .hash = hash.low ^ (uint64_t)entry->kind, .kind = entry->kind};
}

static bool fact_equal(const struct fact *one, const struct fact *other)
{
    return one->term == other->term && one->hash == other->hash && one->kind == other->kind;
}

/* --- the machine --- */

/* What a command says about processes. */
static void command_apply(struct world *world, struct machine_row *row, struct slice command, uint64_t term)
{
    const struct record *record = clients_check(world, command);
    uint64_t *open = record->kind == COMMAND_PLAIN ? NULL : &row->incarnations[record->node];
    if (record->kind == COMMAND_REGISTER && record->incarnation > *open)
        *open = record->incarnation;
    else if (record->kind == COMMAND_LOST && record->incarnation == *open && record->term == term)
        *open = 0;
}

static void commands_apply(struct world *world, struct machine_row *row, const struct replica_entry *entry)
{
    struct log_entry commands;
    struct slice command;
    struct slice content;
    REQUIRE(world, log_entry_open(&commands, buffer_slice(entry->bytes)) == STATUS_OK);
    while (log_entry_next(&commands, &command, &content))
        command_apply(world, row, command, entry->term);
}

void machine_apply(struct world *world, struct machine *machine, const struct replica_entry *entry)
{
    uint64_t index = ++machine->index;
    CHECK(index == entry->index);
    if (index >= machine->capacity) {
        size_t capacity = machine->capacity == 0 ? 256 : 2 * machine->capacity;
        machine->rows = realloc(machine->rows, capacity * sizeof *machine->rows);
        CHECK(machine->rows != NULL);
        if (machine->capacity == 0)
            machine->rows[0] = (struct machine_row){0};
        machine->capacity = capacity;
    }
    struct machine_row *row = &machine->rows[index];
    struct fact fact = fact_make(entry);
    *row = machine->rows[index - 1];
    row->term = entry->term;
    uint64_t mixed[3] = {row->hash, fact.term, fact.hash};
    row->hash = hash_content(slice_make((const uint8_t *)mixed, sizeof mixed)).low;
    if (entry->kind == REPLICA_ENTRY_COMMANDS)
        commands_apply(world, row, entry);
    if (entry->kind == REPLICA_ENTRY_CONFIGURATION) {
        row->configuration_index = index;
        CHECK(configuration_decode(buffer_slice(entry->bytes), &row->configuration) == STATUS_OK);
    }
}

void machine_copy(struct machine *target, const struct machine *source)
{
    if (target->capacity < source->capacity) {
        target->rows = realloc(target->rows, source->capacity * sizeof *target->rows);
        CHECK(target->rows != NULL);
        target->capacity = source->capacity;
    }
    memcpy(target->rows, source->rows, (source->index + 1) * sizeof *target->rows);
    target->index = source->index;
}

struct log_snapshot machine_snapshot(const struct machine *machine)
{
    const struct machine_row *row = &machine->rows[machine->index];
    return (struct log_snapshot){machine->index, row->term, machine->index, row->configuration_index,
                                 row->configuration};
}

/* --- what must be true --- */

void oracle_appended(struct node *node, const struct log_request *request)
{
    struct world *world = node->world;
    const struct facts *committed = &world->oracle.committed;
    for (uint32_t i = 0; i < request->count; i++) {
        const struct replica_entry *entry = &request->entries[i];
        REQUIRE(world, entry->index == facts_last(&node->log) + 1);
        struct fact fact = fact_make(entry);
        const struct fact *known = facts_find(committed, entry->index);
        /* Who has a committed entry's term has the entry. */
        if (known != NULL && known->term == fact.term && !fact_equal(known, &fact))
            world_violation(world, "node %llu appends another entry %llu of term %llu than the committed one",
                            (unsigned long long)node->id, (unsigned long long)entry->index,
                            (unsigned long long)fact.term);
        facts_append(&node->log, &fact);
        if (entry->kind == REPLICA_ENTRY_CONFIGURATION)
            node_add_change(node, entry->index, buffer_slice(entry->bytes));
    }
}

void oracle_leads(struct node *node)
{
    struct world *world = node->world;
    struct oracle *oracle = &world->oracle;
    REQUIRE(world, node->term < TERMS_MAX);
    uint64_t other = oracle->leaders[node->term].node;
    if (other != 0 && (other != node->id || oracle->leaders[node->term].life != node->life))
        world_violation(world, "node %llu leads in term %llu, in which node %llu has led (life %llu, now %llu)",
                        (unsigned long long)node->id, (unsigned long long)node->term, (unsigned long long)other,
                        (unsigned long long)oracle->leaders[node->term].life, (unsigned long long)node->life);
    oracle->leaders[node->term].node = node->id;
    oracle->leaders[node->term].life = node->life;
    /* One of an old term, elected late, need not have what later leaders have committed. */
    for (uint64_t i = node->log.first_index; i <= facts_last(&oracle->committed); i++) {
        const struct fact *own = facts_find(&node->log, i);
        const struct fact *known = facts_find(&oracle->committed, i);
        if (known->committed_in < node->term && (own == NULL || !fact_equal(own, known)))
            world_violation(world, "leader %llu of term %llu lacks entry %llu, which was committed in term %llu",
                            (unsigned long long)node->id, (unsigned long long)node->term, (unsigned long long)i,
                            (unsigned long long)known->committed_in);
    }
}

static bool durable(const struct node *node, uint64_t index, const struct fact *fact)
{
    const struct fact *own = facts_find(&node->disk_log, index);
    if (index < node->disk_log.first_index)
        return true; /* cut: a snapshot has it */
    return index <= node->durable_index && own != NULL && fact_equal(own, fact);
}

static void majority_has(struct node *node, uint64_t index)
{
    struct world *world = node->world;
    const struct configuration *configuration = node_configuration(node);
    const struct fact *fact = facts_find(&node->log, index);
    if (fact == NULL)
        return;
    uint32_t have = 0;
    for (uint32_t i = 0; i < configuration->count; i++) {
        const struct member *member = &configuration->members[i];
        if (member->role == MEMBER_VOTER)
            have += durable(&world->nodes[member->id], index, fact);
    }
    uint32_t voters = configuration_voters(configuration);
    if (2 * have <= voters)
        world_violation(world, "leader %llu of term %llu commits entry %llu that %u of %u voters have",
                        (unsigned long long)node->id, (unsigned long long)node->term, (unsigned long long)index, have,
                        voters);
}

void oracle_commits(struct node *node, uint64_t index)
{
    struct world *world = node->world;
    struct facts *committed = &world->oracle.committed;
    REQUIRE(world, index > node->commit_index && index <= facts_last(&node->log));
    if (node->role == REPLICA_LEADER) {
        majority_has(node, index);
        if (index > node->durable_index)
            world_count(world, COUNT_early_commits);
    } else {
        REQUIRE(world, index <= facts_last(committed));
    }
    uint64_t from = node->commit_index + 1 > node->log.first_index ? node->commit_index + 1 : node->log.first_index;
    for (uint64_t i = from; i <= index; i++) {
        const struct fact *fact = facts_find(&node->log, i);
        const struct fact *known = facts_find(committed, i);
        if (known == NULL) {
            REQUIRE(world, i == facts_last(committed) + 1);
            struct fact first = *fact;
            first.committed_in = node->term;
            facts_append(committed, &first);
            world_count(world, COUNT_commits);
        } else if (!fact_equal(fact, known)) {
            world_violation(world, "node %llu commits another entry %llu than was committed",
                            (unsigned long long)node->id, (unsigned long long)i);
        }
    }
    node->commit_index = index;
}

void oracle_leases(struct node *node)
{
    struct world *world = node->world;
    for (uint64_t i = 1; i <= world->node_count; i++) {
        const struct node *other = &world->nodes[i];
        /* A stopped raft loop too: others read by its lease. */
        if (other == node || !other->up || other->term > node->term || other->lease_until_ms <= node_now(other))
            continue;
        world_violation(world, "leader %llu of term %llu commits entry %llu while node %llu has a lease in term %llu",
                        (unsigned long long)node->id, (unsigned long long)node->term,
                        (unsigned long long)node->commit_index, (unsigned long long)other->id,
                        (unsigned long long)other->term);
    }
}

void oracle_lost(struct node *node, const struct raft_loop_process *process, uint64_t term)
{
    struct world *world = node->world;
    const struct node *other = &world->nodes[process->node];
    world_count(world, COUNT_lost_processes);
    world_trace(world, "%llu: process %llu of %llu is lost", (unsigned long long)node->id,
                (unsigned long long)process->incarnation, (unsigned long long)process->node);
    REQUIRE(world, node->role == REPLICA_LEADER && node->term == term);
    /* One that is stopped looks at its clock before it does anything; one that does not know yet that it is registered acts
     * for nobody. */
    if (other->up && other->incarnation == process->incarnation && other->registered && other->alive &&
        other->paused_until_ms <= world->now_ms)
        world_violation(world, "leader %llu takes process %llu of node %llu for lost, and it is alive",
                        (unsigned long long)node->id, (unsigned long long)process->incarnation,
                        (unsigned long long)process->node);
}

void oracle_applies(struct node *node, const struct replica_entry *entry)
{
    struct world *world = node->world;
    struct fact fact = fact_make(entry);
    const struct fact *known = facts_find(&world->oracle.committed, entry->index);
    if (known == NULL || !fact_equal(known, &fact))
        world_violation(world, "node %llu applies entry %llu of term %llu, which is not the committed one",
                        (unsigned long long)node->id, (unsigned long long)entry->index,
                        (unsigned long long)entry->term);
}

void oracle_starts(struct node *node, const struct log_recovered *recovered)
{
    struct world *world = node->world;
    uint64_t last_index = recovered->first_index + recovered->entry_count - 1;
    /* An install of which the crash came before the answer: what the log had before does not count. */
    if (recovered->entry_count == 0 && recovered->snapshot.index == node->installed.index)
        return;
    if (last_index < node->durable_index)
        world_violation(world, "node %llu has lost entries that were synced: %llu of %llu are there",
                        (unsigned long long)node->id, (unsigned long long)last_index,
                        (unsigned long long)node->durable_index);
    for (uint64_t i = recovered->first_index; i <= node->durable_index; i++) {
        const struct fact *fact = facts_find(&node->disk_log, i);
        if (fact != NULL && fact->term != recovered->entries[i - recovered->first_index].term)
            world_violation(world, "node %llu comes back with another entry %llu than it had synced",
                            (unsigned long long)node->id, (unsigned long long)i);
    }
}

/* Where two logs have an entry of one index and term, all before it are equal. */
void oracle_compare_logs(struct world *world)
{
    for (uint64_t a = 1; a <= world->node_count; a++) {
        for (uint64_t b = a + 1; b <= world->node_count; b++) {
            const struct node *one = &world->nodes[a];
            const struct node *other = &world->nodes[b];
            if (!one->up || !other->up)
                continue;
            uint64_t low =
                one->log.first_index > other->log.first_index ? one->log.first_index : other->log.first_index;
            uint64_t high =
                facts_last(&one->log) < facts_last(&other->log) ? facts_last(&one->log) : facts_last(&other->log);
            bool equal = false;
            for (uint64_t i = high; i >= low && i > 0; i--) {
                const struct fact *mine = facts_find(&one->log, i);
                const struct fact *theirs = facts_find(&other->log, i);
                equal = equal || mine->term == theirs->term;
                if (equal && !fact_equal(mine, theirs))
                    world_violation(world, "nodes %llu and %llu differ at entry %llu, below one that they share",
                                    (unsigned long long)a, (unsigned long long)b, (unsigned long long)i);
            }
        }
    }
}
