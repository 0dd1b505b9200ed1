/* Snapshots of other members, on their way as files. */
#include <stdlib.h>

#include "base/check.h"
#include "tests/sim_raft/world.h"

void transfer_free(void *thing)
{
    struct transfer *transfer = thing;
    free(transfer->machine.rows);
    free(transfer);
}

/* The files are there, or will not come. */
void node_event_transfer(struct world *world, struct node *node, void *thing)
{
    struct transfer *transfer = thing;
    struct letter *letter = letter_replica(REPLICA_INSTALLED, 0);
    bool placed = false;
    if (transfer->fails || transfer->snapshot.index <= node->machine.index) {
        world_count(world, COUNT_installs_failed);
    } else {
        world_trace(world, "%llu: the state is that of %llu at %llu", (unsigned long long)node->id,
                    (unsigned long long)transfer->from, (unsigned long long)transfer->snapshot.index);
        machine_copy(&node->machine, &transfer->machine);
        node->flushed_index = node->machine.index;
        node->installed = transfer->snapshot;
        node->placed = placed = true;
        letter->replica->snapshot = calloc(1, sizeof *letter->replica->snapshot);
        CHECK(letter->replica->snapshot != NULL);
        *letter->replica->snapshot = transfer->snapshot;
    }
    node_post(node, letter);
    transfer_free(transfer);
    if (placed)
        node_jumped(node);
    if (node->placed && !world->healed && world_permille(world, 40))
        node_crash(node);
}

/* The other member is asked; what it gives is its state of now. */
static void transfer_ask(struct world *world, struct node *node, void *thing)
{
    struct transfer *transfer = thing;
    struct node *from = &world->nodes[transfer->from];
    uint64_t wanted = transfer->snapshot.index;
    bool cut = world->network.cut[from->id][node->id] || world->network.cut[node->id][from->id];
    if (cut || !from->up || from->machine.index < wanted || (!world->healed && world_permille(world, 100))) {
        transfer->fails = true;
    } else {
        machine_copy(&transfer->machine, &from->machine);
        transfer->snapshot = machine_snapshot(&from->machine);
        if (transfer->snapshot.index > wanted)
            world_count(world, COUNT_installs_later);
    }
    uint64_t delay_ms = 20 + world_chance(world, !world->healed && world_permille(world, 200) ? 4000 : 300);
    world_after(world, delay_ms, node, node->life, node_event_transfer, transfer);
}

void node_fetch(struct node *node, const struct replica_action *action)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);
    CHECK(transfer != NULL);
    transfer->from = action->leader;
    transfer->snapshot = *action->snapshot;
    world_count(node->world, COUNT_installs_asked);
    world_after(node->world, 1 + world_chance(node->world, 20), node, node->life, transfer_ask, transfer);
}
