#include "tests/sim/node_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "blockstore/block_memory.h"
#include "server/daemon/recovery.h"
#include "statestore/machine/block.h"
#include "statestore/machine/export.h"
#include "statestore/machine/garbage.h"
#include "statestore/store/kv_memory.h"
#include "statestore/store/kv_rocksdb.h"
#include "statestore/store/schema.h"

#define DISK_BYTES (UINT64_C(1) << 40)
#define RESTART_LONGEST_US 400000u
#define HOUR_US UINT64_C(3600000000)

/* --- life --- */

bool node_lives(const struct node *node, uint64_t number)
{
    return node->up && !node->dying && node->life == number;
}

uint32_t node_id(const struct node *node)
{
    return node->options.id;
}

bool node_is_up(const struct node *node)
{
    return node->up;
}

bool node_serves(const struct node *node)
{
    return node->up && node->serving;
}

bool node_leads(const struct node *node)
{
    return node->up && node->leads;
}

uint64_t node_incarnation(const struct node *node)
{
    return node->incarnation;
}

uint64_t node_life(const struct node *node)
{
    return node->life;
}

void node_after(struct node *node, uint64_t delay_us, world_action *action, void *context)
{
    world_after_at(node->world, &node->host, delay_us, action, context, node->life);
}

void node_wake(struct node_actor *actor)
{
    struct node *node = actor->node;
    if (actor->scheduled)
        return;
    actor->scheduled = true;
    world_after(node->world, world_delay_us(node->world, 60, 15000), actor->run, actor, node->life);
}

struct list_link *node_take(struct list *list)
{
    struct list_link *link = list_first(list);
    if (link != NULL)
        list_remove(link);
    return link;
}

uint64_t node_burst(struct node *node)
{
    return world_chance(node->world, 3) ? 1 : 1 + world_draw(node->world, 64);
}

uint64_t node_disk_delay(struct node *node)
{
    uint64_t now_us = node->world->now_us;
    bool slow = now_us < node->disk_slow_until_us;
    uint64_t hangs_us = now_us < node->disk_hangs_until_us ? node->disk_hangs_until_us - now_us : 0;
    return world_delay_us(node->world, node->options.usual_sync_us, 10 * node->options.usual_sync_us) +
           (slow ? world_draw(node->world, 300000) : 0) + hangs_us;
}

void node_die(struct node *node, enum counter reason)
{
    node->dying = true;
    node->dying_of = reason;
}

void node_restart(struct node *node)
{
    if (node->options.count == 1)
        world_violation(node->world, "a node alone is closed by others");
    world_trace(node->world, "node %u starts anew", node->options.id);
    node_die(node, COUNT_restarts);
}

void node_failed(struct node *node, enum status status, const char *what)
{
    if (node->dying)
        return;
    if (node->disk.fail_at != 0 && node->disk.operations >= node->disk.fail_at)
        node_die(node, COUNT_disk_errors);
    else if (disk_memory_is_off(&node->disk))
        node_die(node, node->serving ? COUNT_crashes_in_log : COUNT_crashes_in_start);
    else if (node->kv_fault)
        node_die(node, COUNT_crashes_in_apply);
    else
        world_violation(node->world, "the node stops: %s: %s", what, status_name(status));
}

/* --- the end --- */

static void restart(void *context, uint64_t number)
{
    struct node *node = context;
    if (!node->up && node->life == number)
        node_boot(node);
}

/* Tells the shell to do something with directories of ours. */
__attribute__((format(printf, 1, 0))) static bool shell(const char *format, const char *one, const char *two)
{
    char command[1200];
    snprintf(command, sizeof(command), format, one, two);
    return system(command) == 0;
}

static enum status rocksdb_open(const char *path, struct kv_store **store)
{
    struct kv_rocksdb_options options = {.cache_bytes = 1 << 20};
    return kv_rocksdb_open(path, &options, store);
}

struct kv_store *node_store_create(struct node *node, char path[NODE_PATH_BYTES])
{
    struct kv_store *store;
    if (node->options.directory == NULL)
        return kv_memory_create();
    snprintf(path, NODE_PATH_BYTES, "%s/state%u-%llu", node->options.directory, node->options.id,
             (unsigned long long)++node->state_copies);
    CHECK(rocksdb_open(path, &store) == STATUS_OK);
    return store;
}

/* RocksDB's files as they are when the process is killed; what was only in its memory is not among them. Its threads may
 * just be replacing files: then the copy is none, and is made again. */
static void rocksdb_crash(struct node *node)
{
    struct kv_store *killed = node->store;
    char old_path[sizeof(node->state_path)];
    enum status status = STATUS_IO;
    memcpy(old_path, node->state_path, sizeof(old_path));
    snprintf(node->state_path, sizeof(node->state_path), "%s/state%u-%llu", node->options.directory, node->options.id,
             (unsigned long long)++node->state_copies);
    for (unsigned tries = 0; tries < 50 && status != STATUS_OK; tries++) {
        if (tries > 0)
            usleep(5000);
        CHECK(shell("rm -rf '%s'%s", node->state_path, ""));
        if (shell("cp -r '%s' '%s' 2>/dev/null", old_path, node->state_path))
            status = rocksdb_open(node->state_path, &node->store);
    }
    if (status != STATUS_OK)
        world_violation(node->world, "RocksDB does not open after a crash: %s", status_name(status));
    kv_store_destroy(killed);
    CHECK(shell("rm -rf '%s'%s", old_path, ""));
}

static void process_end(struct node *node)
{
    network_serve(node->network, false);
    peers_up(node->options.peers, node->options.id, false);
    if (node->raft_loop != NULL) {
        struct replica_status status;
        raft_loop_status(node->raft_loop, &status);
        node->last_index = status.last_index;
        raft_loop_destroy(node->raft_loop);
    }
    node_raft_drop(node); /* before those whose proposals it holds */
    node_actors_drop(node);
    node_fetch_drop(node);
    node_gateway_drop(node);
    if (node->writer != NULL)
        log_writer_destroy(node->writer);
    if (node->steward != NULL)
        steward_destroy(node->steward);
    view_fini(&node->steward_view);
    applier_fini(&node->applier);
    raft_loop_actions_fini(&node->actions);
    node->raft_loop = NULL;
    node->writer = NULL;
    node->steward = NULL;
    node->up = node->serving = node->leads = node->dying = node->silent = false;
    node->incarnation = 0;
}

void node_crash_for(struct node *node, uint64_t down_us)
{
    struct world *world = node->world;
    CHECK(node->up);
    world_trace(world, "node %u crashes%s", node->options.id, node->serving ? "" : " before it serves");
    bool restarts = node->dying && node->dying_of == COUNT_restarts;
    if (!restarts) {
        world_count(world, COUNT_crashes, 1);
        world_count(world, COUNT_crashes_parked, node_gateway_parked(node) > 0 ? 1 : 0);
        world_count(world, COUNT_faults, 1);
        world->faults++;
    }
    process_end(node);
    host_continue(&node->host);
    if (node->options.count > 1) { /* killed, or its power is gone */
        node->disk.loss = restarts ? DISK_MEMORY_ALL_KEPT : (enum disk_memory_loss)world_draw(world, 3);
        if (node->disk.loss == DISK_MEMORY_ANY)
            host_rebooted(&node->host);
    }
    disk_memory_crash(&node->disk);
    if (node->options.directory != NULL)
        rocksdb_crash(node);
    else
        world_count(world, COUNT_state_fell_back, kv_memory_crash(node->store, &node->seeded));
    world_count(world, COUNT_blocks_lost, block_memory_crash(node->blocks, &node->seeded));
    node->kv_fault = node->disk_full = false;
    node->life++;
    if (restarts)
        down_us = world_draw(world, 50000);
    world_after_at(world, &node->host, 1000 + down_us, restart, node, node->life);
}

void node_crash(struct node *node)
{
    struct world *world = node->world;
    uint64_t delay_us = world_delay_us(world, 20000, RESTART_LONGEST_US);
    if (node->options.count > 1)
        delay_us = world_delay_us(world, RESTART_LONGEST_US, node->options.may_sleep ? 20000000 : RESTART_LONGEST_US);
    else if (node->options.may_sleep && world_chance(world, 60)) {
        delay_us = HOUR_US; /* no lease may have run out meanwhile, and no record been forgotten */
        world_count(world, COUNT_hours_down, 1);
    }
    node_crash_for(node, delay_us);
}

void node_step_over(struct node *node)
{
    if (!node->up || !node->dying)
        return;
    world_count(node->world, node->dying_of, 1);
    node_crash(node);
}

/* --- the start --- */

static void start_trouble(struct node *node, enum status status, const char *what)
{
    bool failed = node->disk.fail_at != 0 && node->disk.operations >= node->disk.fail_at;
    if (failed || disk_memory_is_off(&node->disk)) {
        node_die(node, failed ? COUNT_disk_errors : COUNT_crashes_in_start);
        return;
    }
    world_violation(node->world, "the node does not start: %s: %s", what, status_name(status));
}

static enum status start_identify(struct node *node)
{
    const struct disk *disk = &node->port;
    enum status status = data_directory_prepare(disk);
    if (status == STATUS_OK)
        status = data_directory_load(disk, &node->identity);
    if (status != STATUS_NOT_FOUND)
        return status;
    struct configuration founders = {.count = node->options.count};
    for (uint32_t i = 0; i < node->options.count; i++)
        founders.members[i] = (struct member){.id = i + 1, .role = MEMBER_VOTER};
    struct log_options options = {disk, node->random, node->options.segment_bytes};
    node->identity.node_id = node->options.id;
    memcpy(node->identity.cluster_id, node->options.cluster_id, sizeof(node->identity.cluster_id));
    status = log_create(&options, &founders);
    return status == STATUS_OK ? data_directory_store(disk, &node->identity) : status;
}

static void start_actors(struct node *node, struct log_recovered *recovered)
{
    struct steward_config steward = {
        .node = node->identity.node_id,
        .nonce = node->applier.nonce,
        .advertise = node->name,
        .version = "simulated",
        .exports = &node->export,
        .export_count = 1,
    };
    memcpy(steward.cluster_id, node->identity.cluster_id, sizeof(steward.cluster_id));
    struct raft_loop_options options = {
        .replica =
            {
                .id = node->identity.node_id,
                .seed = random_seeded_next(&node->seeded),
                .election_ms = REPLICA_ELECTION_MS,
                .heartbeat_ms = REPLICA_HEARTBEAT_MS,
                .applied_index = machine_whole_index(&node->applier.machine),
                .uptime_ms = node->applier.machine.uptime_ms,
                .feature_level = 1,
                .trailing_bytes = node->options.trailing_bytes,
            },
        .nonce = node->applier.nonce,
    };
    node->raft_loop = raft_loop_create(&options, recovered);
    node->steward = steward_create(&steward, node->random);
    node_flush_begin(node, applier_flush_now(&node->applier));
}

/* Log, state and blocks, brought together as server/daemon/node.c does it. */
static void start_open(struct node *node)
{
    char trouble[512] = "";
    struct log_recovered recovered;
    struct log_options options = {&node->port, node->random, node->options.segment_bytes};
    enum status status =
        log_recover(&options, &node->writer, &recovered, (struct span){(uint8_t *)trouble, sizeof(trouble)});
    if (status != STATUS_OK) {
        node->writer = NULL;
        start_trouble(node, status, trouble);
        return;
    }
    status = node_adopt(node, &recovered);
    if (status != STATUS_OK) {
        start_trouble(node, status, "adopting a snapshot");
        log_recovered_fini(&recovered);
        return;
    }
    uint64_t last_index = recovered.first_index + recovered.entry_count - 1;
    world_count(node->world, COUNT_log_tail_lost, last_index < node->last_index ? 1 : 0);
    atomic_store(&node->published.free_bytes, DISK_BYTES);
    atomic_store(&node->published.total_bytes, DISK_BYTES);
    uint64_t nonce = random_seeded_next(&node->seeded) | UINT64_C(1) << 63;
    applier_init(&node->applier, node->store, node->blocks, &node->published, nonce);
    if (random_seeded_next(&node->seeded) % 2 == 0) /* so that an entry can end in its middle */
        node->applier.batch_commands = 1 + random_seeded_next(&node->seeded) % 4;
    node->applier_ready = true;
    view_init(&node->steward_view, node->store, &node->published);
    const struct machine *machine = &node->applier.machine;
    world_count(node->world, COUNT_half_entries, machine->applied_command < machine->applied_count ? 1 : 0);
    node->command_at_start = machine->command_number;
    status = recovery_run(&node->applier, node->writer, &recovered, &node->identity, trouble, sizeof(trouble));
    if (status != STATUS_OK)
        start_trouble(node, status, trouble);
    else
        start_actors(node, &recovered);
    log_recovered_fini(&recovered);
}

void node_boot(struct node *node)
{
    CHECK(!node->up);
    node->up = true;
    node->published = (struct published){0};
    node->steward_view = (struct view){0};
    node->applier = (struct applier){0};
    raft_loop_actions_init(&node->actions);
    node_raft_init(node);
    node_actors_init(node);
    node_gateway_init(node);
    world_trace(node->world, "node %u starts, life %llu", node->options.id, (unsigned long long)node->life);
    enum status status = start_identify(node);
    if (status != STATUS_OK)
        start_trouble(node, status, "the data directory");
    else
        start_open(node);
    if (!node->dying)
        node_raft_begin(node);
    node_step_over(node);
}

/* --- making --- */

struct node *node_create(struct world *world, struct oracle *oracle, const struct node_options *options)
{
    struct node *node = calloc(1, sizeof(*node));
    CHECK(node != NULL && options->loop_count <= NODE_LOOPS_MAX);
    node->world = world;
    node->oracle = oracle;
    node->options = *options;
    node->life = 1;
    node->random = random_from_seed(&node->seeded, random_seeded_next(&world->random));
    host_init(&node->host, world, options->count == 1);
    snprintf(node->name, sizeof(node->name), "node%u", options->id);
    disk_memory_init(&node->disk, random_seeded_next(&node->seeded));
    node->port = disk_memory_port(&node->disk);
    node->blocks = block_memory_create();
    node->export = (struct config_export){.path = "/data", .squash = EXPORT_SQUASH_NONE};
    node->store = node_store_create(node, node->state_path);
    return node;
}

struct host *node_host(struct node *node)
{
    return &node->host;
}

void node_set_network(struct node *node, struct network *network)
{
    node->network = network;
}

struct network_ports node_ports(struct node *node)
{
    return (struct network_ports){
        .context = node,
        .opened = node_gateway_opened,
        .received = node_gateway_received,
        .sent = node_gateway_sent,
        .closed = node_gateway_closed,
    };
}

struct peers_ports node_peers_ports(struct node *node)
{
    return (struct peers_ports){
        .context = node, .opened = node_raft_opened, .closed = node_raft_closed, .frame = node_raft_frame};
}

void node_destroy(struct node *node)
{
    if (node->up)
        process_end(node);
    node_staged_drop(&node->staged);
    if (node->store != NULL)
        kv_store_destroy(node->store);
    block_store_destroy(node->blocks);
    disk_memory_fini(&node->disk);
    free(node);
}

void node_calm(struct node *node)
{
    node->options.may_sleep = false;
    node->disk_hangs_until_us = node->disk_slow_until_us = 0;
    host_continue(&node->host);
}

/* --- looking --- */

uint64_t node_applied_index(const struct node *node)
{
    return node->applier.machine.applied_index;
}

bool node_is_quiet(const struct node *node)
{
    if (!node_serves(node) || node->flushing || node->log_syncing || !list_empty(&node->proposals) ||
        !list_empty(&node->raft.inbox) || !list_empty(&node->log.inbox) || !list_empty(&node->apply.inbox) ||
        !list_empty(&node->stewards.inbox))
        return false;
    struct replica_status status;
    raft_loop_status(node->raft_loop, &status);
    return status.waiting == 0 && status.commit_index == status.last_index &&
           node->applier.machine.applied_index == status.commit_index;
}

/* Every block that the state knows of is there, and no other one but garbage that waits. */
static void node_count_blocks(struct node *node)
{
    struct kv_read *read = kv_store_present(node->store);
    const uint8_t prefix = SCHEMA_BLOCK;
    struct kv_cursor cursor;
    struct garbage_walk walk;
    struct garbage garbage;
    struct arena arena;
    size_t known = 0;
    arena_init(&arena);
    for (kv_cursor_open(read, slice_make(&prefix, 1), SLICE_EMPTY, &arena, &cursor); cursor.valid;
         kv_cursor_next(&cursor)) {
        struct block block;
        block_decode_row(cursor.key, cursor.value, &block);
        if (block_read(node->blocks, block.id, 0, (struct span){0}) != STATUS_OK)
            world_violation(node->world, "block %llu is missing", (unsigned long long)block.id.value);
        known++;
    }
    kv_cursor_close(&cursor);
    garbage_walk_open(read, &(struct garbage){0}, &arena, &walk);
    for (; garbage_walk_get(&walk, &garbage); garbage_walk_next(&walk))
        known += block_read(node->blocks, garbage.block, 0, (struct span){0}) != STATUS_NOT_FOUND; /* torn ones too */
    garbage_walk_close(&walk);
    arena_fini(&arena);
    if (block_memory_count(node->blocks) != known)
        world_violation(node->world, "%zu blocks, but the state knows of %zu", block_memory_count(node->blocks), known);
}

bool node_compare(struct node *node)
{
    if (!node->up || !node->applier_ready ||
        !oracle_compare(node->oracle, &node->applier.machine, kv_store_present(node->store)))
        return false;
    node_count_blocks(node);
    return true;
}
