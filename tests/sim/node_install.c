/* node_install.c: a node that lags too far fetches the state of another one, as it is there at that moment, and starts anew
 * with it: the start finds what is staged whole, puts it in place of its own state, and lets the log begin behind it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "blockstore/block_memory.h"
#include "statestore/store/kv_memory.h"
#include "tests/sim/node_state.h"

#define FETCH_USUAL_US 30000u
#define FETCH_LONGEST_US 1500000u

struct node_fetch {
    struct node *from;
    struct log_snapshot wanted;
    struct node_staged staged;
};

void node_staged_drop(struct node_staged *staged)
{
    if (staged->store != NULL)
        kv_store_destroy(staged->store);
    if (staged->blocks != NULL)
        block_store_destroy(staged->blocks);
    *staged = (struct node_staged){0};
}

static void copy_rows(struct kv_store *from, struct kv_store *to)
{
    struct arena arena;
    struct kv_cursor cursor;
    struct transaction transaction;
    arena_init(&arena);
    transaction_init(&transaction, kv_store_present(to), &arena);
    for (kv_cursor_open(kv_store_present(from), SLICE_EMPTY, SLICE_EMPTY, &arena, &cursor); cursor.valid;
         kv_cursor_next(&cursor))
        transaction_put(&transaction, arena_copy(&arena, cursor.key), arena_copy(&arena, cursor.value));
    kv_cursor_close(&cursor);
    CHECK(kv_store_write(to, &transaction) == STATUS_OK && kv_store_flush(to) == STATUS_OK);
    arena_fini(&arena);
}

/* What the other node has now: its rows, its blocks, and where in the log that is. */
static void stage(struct node *node)
{
    struct node_fetch *fetch = node->fetch;
    struct node *from = fetch->from;
    const struct machine *machine = &from->applier.machine;
    if (!peers_reach(node->options.peers, node->options.id, from->options.id) || host_is_paused(&from->host) ||
        machine->applied_command < machine->applied_count || machine->applied_index < fetch->wanted.index)
        return;
    fetch->staged.store = node_store_create(node, fetch->staged.path);
    copy_rows(from->store, fetch->staged.store);
    fetch->staged.blocks = block_memory_copy(from->blocks);
    fetch->staged.snapshot = (struct log_snapshot){
        .index = machine->applied_index,
        .term = machine->applied_term,
        .cut_index = machine->applied_index,
        .configuration_index = fetch->wanted.configuration_index,
        .configuration = fetch->wanted.configuration,
    };
}

void node_fetch_drop(struct node *node)
{
    if (node->fetch != NULL)
        node_staged_drop(&node->fetch->staged);
    free(node->fetch);
    node->fetch = NULL;
}

/* The files are there, or will not come. */
static void fetched(void *context, uint64_t number)
{
    struct node *node = context;
    if (!node_lives(node, number))
        return;
    struct node_fetch *fetch = node->fetch;
    bool come =
        fetch->staged.store != NULL && peers_reach(node->options.peers, fetch->from->options.id, node->options.id);
    if (!come || fetch->staged.snapshot.index <= node->applier.machine.applied_index) {
        world_count(node->world, COUNT_installs_failed, 1);
        node_raft_tell(node, REPLICA_INSTALLED, 0, 0);
    } else {
        world_trace(node->world, "node %u has fetched the state of node %u at entry %llu", node->options.id,
                    fetch->from->options.id, (unsigned long long)fetch->staged.snapshot.index);
        world_count(node->world, COUNT_installs, 1);
        world_count(node->world, COUNT_installs_parked, node_gateway_parked(node) > 0 ? 1 : 0);
        node_staged_drop(&node->staged);
        node->staged = fetch->staged;
        fetch->staged = (struct node_staged){0};
        node_restart(node);
    }
    node_fetch_drop(node);
    node_step_over(node);
}

static void ask(void *context, uint64_t number)
{
    struct node *node = context;
    if (!node_lives(node, number))
        return;
    stage(node);
    node_after(node, world_delay_us(node->world, FETCH_USUAL_US, FETCH_LONGEST_US), fetched, node);
}

void node_fetch(struct node *node, const struct replica_action *action)
{
    CHECK(node->fetch == NULL && action->leader > 0 && action->leader <= node->options.count);
    node->fetch = calloc(1, sizeof(*node->fetch));
    CHECK(node->fetch != NULL);
    node->fetch->from = node->options.others[action->leader - 1];
    node->fetch->wanted = *action->snapshot;
    world_count(node->world, COUNT_installs_asked, 1);
    node_after(node, world_delay_us(node->world, 1000, 20000), ask, node);
}

enum status node_adopt(struct node *node, struct log_recovered *recovered)
{
    if (node->staged.store != NULL) {
        kv_store_destroy(node->store);
        block_store_destroy(node->blocks);
        node->store = node->staged.store;
        node->blocks = node->staged.blocks;
        node->installed = node->staged.snapshot;
        memcpy(node->state_path, node->staged.path, sizeof(node->state_path));
        node->staged = (struct node_staged){0};
    }
    if (node->installed.index == 0)
        return STATUS_OK;
    uint64_t before = recovered->snapshot.index;
    enum status status = log_adopt(node->writer, recovered, &node->installed);
    world_count(node->world, COUNT_adopted, recovered->snapshot.index != before ? 1 : 0);
    return status;
}
