/* node_faults.c: what can be done to a node, but for its crash (node.c). */
#include "blockstore/block_memory.h"
#include "statestore/store/kv_memory.h"
#include "tests/sim/node_state.h"

void node_crash_in_log(struct node *node, uint64_t operations)
{
    node->disk.power_off_at = node->disk.operations + 1 + operations;
}

void node_crash_in_apply(struct node *node, uint64_t batches)
{
    if (!node->up || node->disk_full || node->options.directory != NULL)
        return;
    node->kv_fault = true;
    kv_memory_fail_after(node->store, STATUS_IO, batches);
}

void node_flush(struct node *node)
{
    if (!node->up || !node->serving || node->flushing)
        return;
    const struct applier_action *action = applier_flush_now(&node->applier);
    if (action != NULL)
        node_flush_begin(node, action);
}

void node_hand_over(struct node *node)
{
    if (!node_leads(node))
        return;
    world_count(node->world, COUNT_handed_over, 1);
    node_raft_tell(node, REPLICA_TRANSFER, 0, 0);
}

void node_crash_in_flush(struct node *node)
{
    node->crash_at_flush = true;
    node_flush(node);
}

static void make_room(void *context, uint64_t number)
{
    struct node *node = context;
    if (!node_lives(node, number))
        return;
    kv_memory_fail(node->store, STATUS_OK);
    block_memory_fail(node->blocks, STATUS_OK);
    node->disk_full = false;
}

void node_fill_disk(struct node *node, uint64_t delay_us)
{
    if (!node->up || node->options.directory != NULL || node->kv_fault || node->disk_full)
        return;
    node->disk_full = true;
    kv_memory_fail(node->store, STATUS_NO_SPACE);
    block_memory_fail(node->blocks, STATUS_NO_SPACE);
    world_count(node->world, COUNT_full_disk, 1);
    node_after(node, delay_us, make_room, node);
}

void node_was_stopped(struct node *node)
{
    node->was_stopped = true;
}

void node_pause(struct node *node, uint64_t delay_us)
{
    if (!node->up || host_is_paused(&node->host))
        return;
    world_trace(node->world, "node %u is stopped for %llu ms", node->options.id, (unsigned long long)delay_us / 1000);
    node->was_stopped = true;
    host_pause(&node->host, delay_us);
}

void node_slow_disk(struct node *node, uint64_t delay_us)
{
    node->disk_slow_until_us = node->world->now_us + delay_us;
}

void node_hang_disk(struct node *node, uint64_t delay_us)
{
    node->disk_hangs_until_us = node->world->now_us + delay_us;
}

void node_fail_disk(struct node *node)
{
    if (!node->up)
        return;
    node->disk.fail_at = node->disk.operations + 1;
    node->disk.fail_count = 1;
    node->disk.fail_with = STATUS_IO;
}

void node_strand(struct node *node, void (*strands)(void *context, uint32_t from, uint32_t to), void *context)
{
    node->strands = strands;
    node->strands_context = context;
}

void node_jump_clock(struct node *node, int64_t by_ns)
{
    node->host.wall_offset_ns += by_ns;
}
