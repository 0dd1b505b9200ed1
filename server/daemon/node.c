#include "server/daemon/node.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "blockstore/block_files.h"
#include "server/daemon/descriptors.h"
#include "server/daemon/founding_run.h"
#include "server/daemon/install.h"
#include "server/daemon/join_run.h"
#include "server/daemon/listener.h"
#include "server/daemon/node_state.h"
#include "server/daemon/recovery.h"
#include "server/daemon/restart.h"
#include "server/daemon/version.h"
#include "statestore/store/kv_rocksdb.h"

/* --- the start --- */

/* The one place where the node says why it does not start. */
static enum status node_refuse(char *trouble, size_t room, enum status status, const char *what)
{
    snprintf(trouble, room, "%s: %s", what, status_name(status));
    return status;
}

static struct log_options node_log_options(const struct node *node)
{
    return (struct log_options){.disk = &node->disk, .random = node->random, .segment_bytes = LOG_SEGMENT_BYTES};
}

/* RocksDB cannot be opened without any room (it aborts), nor a start be counted: a full disk gets that which was kept. */
static enum status node_look_for_room(struct node *node, char *trouble, size_t room)
{
    ballast_init(&node->ballast, &node->disk);
    if (!ballast_make_room(&node->ballast, NODE_START_BYTES, node->log)) {
        snprintf(trouble, room, "data-dir: the disk is full: a start needs %llu MiB", NODE_START_BYTES >> 20);
        return STATUS_NO_SPACE;
    }
    uint64_t free_bytes;
    uint64_t total_bytes;
    enum status status = node->disk.operations->space(node->disk.context, &free_bytes, &total_bytes);
    if (status != STATUS_OK)
        return node_refuse(trouble, room, status, "looking at the disk's size");
    node->memtable_bytes = ballast_memtable_bytes(total_bytes);
    return STATUS_OK;
}

/* A removed node has no place to go back to. */
static enum status node_look_whether_removed(const struct node *node, char *trouble, size_t room)
{
    bool removed;
    enum status status = data_directory_is_removed(&node->disk, &removed);
    if (status != STATUS_OK)
        return node_refuse(trouble, room, status, "looking whether this node was removed");
    if (!removed)
        return STATUS_OK;
    snprintf(trouble, room,
             "data-dir: %s is that of node %" PRIu64 ", which was removed from its cluster: empty it, and start with "
             "--join to become a new member",
             node->config->data_dir, node->identity.node_id);
    return STATUS_REFUSED;
}

/* Whose directory this is; an empty one becomes a cluster's if the operator said so. */
static enum status node_identify(struct node *node, char *trouble, size_t room)
{
    const struct config *config = node->config;
    enum status status = disk_posix_open(&node->disk, config->data_dir);
    if (status != STATUS_OK) {
        snprintf(trouble, room, "data-dir: %s: %s", config->data_dir,
                 status == STATUS_NOT_FOUND ? "its parent directory does not exist"
                 : status == STATUS_REFUSED ? "no permission, or not a directory"
                                            : status_name(status));
        return status == STATUS_NOT_FOUND ? STATUS_REFUSED : status;
    }
    status = data_directory_prepare(&node->disk);
    if (status == STATUS_REFUSED)
        snprintf(trouble, room, "data-dir: %s is in use by another process", config->data_dir);
    else if (status != STATUS_OK)
        return node_refuse(trouble, room, status, "preparing the data directory");
    if (status != STATUS_OK)
        return status;
    status = node_look_for_room(node, trouble, room);
    if (status == STATUS_OK)
        status = peers_open(&node->peers, config, &node->disk, trouble, room);
    if (status != STATUS_OK)
        return status;
    status = data_directory_load(&node->disk, &node->identity);
    if (status == STATUS_OK) {
        status = node_look_whether_removed(node, trouble, room);
        if (status != STATUS_OK)
            return status;
        status = data_directory_load_members(&node->disk, &node->founders);
        if (status == STATUS_OK)
            return peers_fit(&node->peers, &node->identity, &node->founders, config, trouble, room);
        return status == STATUS_NOT_FOUND ? STATUS_OK
                                          : node_refuse(trouble, room, status, "reading where the members are");
    }
    if (status != STATUS_NOT_FOUND)
        return node_refuse(trouble, room, status, "reading the node's identity");
    if (!config->bootstrap && config->bootstrap_expect == 0 && config->join_count == 0) {
        snprintf(trouble, room,
                 "data-dir: %s belongs to no cluster yet; --bootstrap or --bootstrap-expect begins a new one, --join "
                 "makes this node a member of one that is there",
                 config->data_dir);
        return STATUS_REFUSED;
    }
    /* The node file is written before the state is opened, so this was a member's directory: begin nothing over it. */
    bool has_state;
    status = data_directory_has_state(&node->disk, &has_state);
    if (status == STATUS_OK && has_state) {
        snprintf(trouble, room,
                 "data-dir: %s holds a state, but its file `node` is missing: a new cluster would destroy it",
                 config->data_dir);
        return STATUS_BAD_DATA;
    }
    if (status != STATUS_OK)
        return node_refuse(trouble, room, status, "looking at the data directory");
    if (config->bootstrap_expect > 0 || config->join_count > 0) {
        struct founding_request request = {
            .config = config,
            .disk = &node->disk,
            .log_options = node_log_options(node),
            .tls = node->peers.tls,
            .random = node->random,
            .clock = node->clock,
            .log = node->log,
        };
        if (config->join_count > 0)
            return join_run(&request, &node->identity, &node->founders, trouble, room);
        return founding_run(&request, &node->identity, &node->founders, trouble, room);
    }
    struct configuration founder = {.count = 1, .members = {{.id = 1, .role = MEMBER_VOTER}}};
    node->identity.node_id = 1;
    node->random.fill(node->random.context, node->identity.cluster_id, sizeof(node->identity.cluster_id));
    struct log_options options = node_log_options(node);
    status = log_create(&options, &founder);
    if (status == STATUS_OK)
        status = data_directory_store(&node->disk, &node->identity);
    return status == STATUS_OK ? status : node_refuse(trouble, room, status, "making the new cluster");
}

/* Opens log, state and blocks, and brings the blocks up to what the state says. */
static enum status node_open(struct node *node, char *trouble, size_t room)
{
    char path[4096];
    char problem[512] = "";
    struct log_options log = node_log_options(node);
    enum status status =
        log_recover(&log, &node->writer, &node->recovered, (struct span){(uint8_t *)problem, sizeof(problem)});
    if (status != STATUS_OK) {
        snprintf(trouble, room, "log: %s: %s", status_name(status), problem);
        return status;
    }
    if (node->recovered.torn_bytes > 0)
        log_line(node->log, LOG_INFO, "log: cut off %" PRIu64 " bytes of an append that was not finished",
                 node->recovered.torn_bytes);
    status = install_place(&node->disk, node->config->data_dir, &node->identity, node->writer, &node->recovered,
                           node->log, &node->installed, trouble, room);
    if (status != STATUS_OK)
        return status;
    snprintf(path, sizeof(path), "%s/state", node->config->data_dir);
    struct kv_rocksdb_options options = {.log = node->log, .write_buffer_bytes = node->memtable_bytes};
    status = kv_rocksdb_open(path, &options, &node->store);
    if (status != STATUS_OK)
        return node_refuse(trouble, room, status, "opening the state");
    snprintf(path, sizeof(path), "%s/blocks", node->config->data_dir);
    status = block_files_open(path, &node->blocks);
    if (status != STATUS_OK)
        return node_refuse(trouble, room, status, "opening the blocks");
    uint64_t nonce;
    node->random.fill(node->random.context, &nonce, sizeof(nonce));
    applier_init(&node->applier, node->store, node->blocks, &node->published, nonce | UINT64_C(1) << 63);
    status =
        install_finish(&node->disk, node->config->data_dir, node->installed, &node->applier.machine, trouble, room);
    if (status != STATUS_OK)
        return status;
    return recovery_run(&node->applier, node->writer, &node->recovered, &node->identity, trouble, room);
}

static enum status node_create_snapshots(struct node *node, char *trouble, size_t room)
{
    struct snapshot_thread_config config = {
        .data_dir = node->config->data_dir,
        .store = node->store,
        .blocks = node->blocks,
        .applier = node->apply,
        .published = &node->published,
        .ports = node_snapshot_ports(node),
        .clock = node->clock,
        .random = node->random,
        .log = node->log,
    };
    memcpy(config.cluster_id, node->identity.cluster_id, sizeof(config.cluster_id));
    enum status status = snapshot_thread_create(&config, &node->snapshot);
    return status == STATUS_OK ? status : node_refuse(trouble, room, status, "emptying the folder of copies");
}

static uint32_t node_loop_count(const struct config *config)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (config->gateway_threads > 0)
        return config->gateway_threads;
    if (cores < 1)
        return 1;
    return cores > (long)GATEWAY_THREADS_MAX ? GATEWAY_THREADS_MAX : (uint32_t)cores;
}

/* From the threads that others post to, up to the one that starts it all. */
static enum status node_start_threads(struct node *node, char *trouble, size_t room)
{
    struct steward_ports steward_ports = node_steward_ports(node);
    struct applier_ports applier_ports = node_applier_ports(node);
    struct replica_ports replica_ports = node_replica_ports(node);
    struct steward_config steward = {
        .node = node->identity.node_id,
        .nonce = node->applier.nonce,
        .advertise = node->peers.advertise.text,
        .version = QNFS_VERSION,
        .exports = node->config->exports,
        .export_count = node->config->export_count,
    };
    memcpy(steward.cluster_id, node->identity.cluster_id, sizeof(steward.cluster_id));
    struct replica_peers peers = {
        .tls = node->peers.tls,
        .listen_host = node->config->peer.host,
        .listen_port = node->config->peer.port,
        .self = peers_hello(&node->peers, &node->identity),
        .feature_level_min = QNFS_FEATURE_LEVEL_MIN,
        .members = node->founders.items,
        .member_count = node->founders.count,
    };
    struct raft_loop_options options = {
        .nonce = node->applier.nonce,
        .replica =
            {
                .id = node->identity.node_id,
                .election_ms = REPLICA_ELECTION_MS,
                .heartbeat_ms = REPLICA_HEARTBEAT_MS,
                .applied_index = machine_whole_index(&node->applier.machine),
                .uptime_ms = node->applier.machine.uptime_ms,
                .feature_level = QNFS_FEATURE_LEVEL,
            },
    };
    node->random.fill(node->random.context, &options.replica.seed, sizeof(options.replica.seed));
    struct raft_loop *loop = raft_loop_create(&options, &node->recovered);
    log_recovered_fini(&node->recovered);
    node->pool = block_pool_create(BLOCK_POOL_THREADS, node->blocks, node->log, node, node_blocks_done);
    node->steward = steward_thread_start(steward_create(&steward, node->random), node->store, node->blocks,
                                         &node->published, &steward_ports, node->clock, node->log);
    struct address_ports address_ports = node_address_ports(node);
    node->addresses =
        address_thread_start(node->store, &node->published, &node->accepted,
                             listener_is_everywhere(node->listen_descriptor), &address_ports, node->clock, node->log);
    node->apply = applier_thread_create(&node->applier, &applier_ports, node->clock, node->log);
    enum status status =
        replica_thread_create(loop, node->writer, &node->published, &peers, &replica_ports, node->clock, node->log,
                              &node->replica, (struct span){(uint8_t *)trouble, room});
    if (status == STATUS_OK)
        status = node_create_snapshots(node, trouble, room);
    if (status != STATUS_OK)
        return status;
    node->noted = node->founders;
    endpoint_list_sort(&node->noted);
    node_tell_state(node);
    /* RocksDB writes by itself, so the state may be far ahead of the last flush. In a series of short lives no other flush
     * would come, and the log would only grow. */
    applier_thread_flush(node->apply);
    applier_thread_run(node->apply);
    snapshot_thread_run(node->snapshot);
    replica_thread_run(node->replica);
    steward_thread_begin(node->steward);
    return STATUS_OK;
}

static enum status node_start_admin(struct node *node, char *trouble, size_t room)
{
    struct admin_ports ports = node_admin_ports(node);
    return admin_start(&node->config->admin, &ports, node->log, node->clock, &node->admin, trouble, room);
}

enum status node_start(const struct config *config, char *const *arguments, const struct log *log,
                       struct node **started, char *trouble, size_t room)
{
    struct node *node = calloc(1, sizeof(*node));
    CHECK(node != NULL && pthread_mutex_init(&node->gates, NULL) == 0);
    node->config = config;
    node->arguments = arguments;
    node->log = log;
    node->clock = clock_system();
    node->random = random_system();
    node->started_wall_ns = node->clock.wall_ns(node->clock.context);
    node->started_ms = node->clock.boot_ms(node->clock.context);
    node->loop_count = node_loop_count(config);
    node->silent = true; /* until the raft loop says otherwise */
    accepted_init(&node->accepted);
    node->budget.accepted = &node->accepted;
    node->budget.most = descriptors_for_clients(log);
    bool inherited;
    enum status status = listener_open(&config->nfs, &node->listen_descriptor, &inherited, trouble, room);
    if (status == STATUS_OK)
        status = node_identify(node, trouble, room);
    if (status == STATUS_OK)
        status = node_open(node, trouble, room);
    if (status == STATUS_OK) {
        node_tick(node);
        status = node_start_threads(node, trouble, room);
    }
    if (status == STATUS_OK)
        status = node_start_admin(node, trouble, room);
    if (status != STATUS_OK)
        return status; /* the process ends: nothing is taken down here */
    *started = node;
    return status;
}

bool node_was_removed(struct node *node)
{
    if (!atomic_load(&node->removed))
        return false;
    if (data_directory_store_removed(&node->disk) != STATUS_OK)
        log_line(node->log, LOG_WARN, "data-dir: no note that the node was removed could be left");
    return true;
}

void node_tick(struct node *node)
{
    /* Here, where no stop is under way: a process that was told to end must not come back. */
    const char *restart = atomic_load(&node->restart);
    if (restart != NULL)
        restart_process(node->arguments, node->listen_descriptor,
                        node->clock.boot_ms(node->clock.context) - node->started_ms, node->log, restart);
    heap_trim_tick(&node->heap_trim, node->clock.boot_ms(node->clock.context));
    uint64_t free_bytes;
    uint64_t total_bytes;
    if (node->disk.operations->space(node->disk.context, &free_bytes, &total_bytes) != STATUS_OK)
        return;
    atomic_store_explicit(&node->published.free_bytes, free_bytes, memory_order_relaxed);
    atomic_store_explicit(&node->published.total_bytes, total_bytes, memory_order_relaxed);
    if (!atomic_load_explicit(&node->published.log_low, memory_order_relaxed))
        ballast_keep(&node->ballast, node->memtable_bytes + node->memtable_bytes / 2,
                     2 * space_reserve_bytes(total_bytes));
}

/* --- the end --- */

/* Calls that are under way, and connections' bytes that are not sent yet. */
static uint64_t node_under_way(struct node *node)
{
    uint64_t under_way = 0;
    for (uint32_t loop = 0; loop < atomic_load(&node->loops_started); loop++) {
        struct gateway_thread_counters counters;
        gateway_thread_counters(node->loops[loop], &counters);
        under_way += counters.nfs4.parked + counters.gateway.bytes_unsent;
    }
    return under_way;
}

static void node_drain(struct node *node)
{
    for (uint32_t loop = 0; loop < atomic_load(&node->loops_started); loop++)
        gateway_thread_post(node->loops[loop], gateway_post_create(GATEWAY_POST_DRAIN));
    uint64_t deadline_ms = node->clock.boot_ms(node->clock.context) + NODE_DRAIN_MS;
    do
        usleep(2 * SOCKET_LOOP_TICK_MS * 1000); /* the counters are a tick old */
    while (node_under_way(node) > 0 && node->clock.boot_ms(node->clock.context) < deadline_ms);
}

/* A leader that goes lets another one lead at once, so that nobody waits for an election. */
static void node_hand_over(struct node *node)
{
    struct replica_status status;
    replica_thread_status(node->replica, &status);
    if (!atomic_load(&node->leader) || configuration_voters(&status.configuration) < 2)
        return;
    replica_thread_transfer(node->replica, 0);
    uint64_t deadline_ms = node->clock.boot_ms(node->clock.context) + NODE_HAND_OVER_MS;
    while (atomic_load(&node->leader) && node->clock.boot_ms(node->clock.context) < deadline_ms)
        usleep(1000);
}

void node_stop(struct node *node)
{
    /* A node that is still on its way to serving does not begin to. */
    pthread_mutex_lock(&node->gates);
    node->stopping = true;
    pthread_mutex_unlock(&node->gates);
    atomic_store(&node->serving, false);
    if (node->admin != NULL)
        admin_stop(node->admin);
    address_thread_leave(node->addresses); /* before anything that clients could see */
    node_hand_over(node);
    if (atomic_load(&node->loops_started) > 0)
        node_drain(node);
    uint32_t loops = atomic_load(&node->loops_started);
    for (uint32_t loop = 0; loop < loops; loop++)
        gateway_thread_post(node->loops[loop], gateway_post_create(GATEWAY_POST_STOP));
    for (uint32_t loop = 0; loop < loops; loop++)
        gateway_thread_join(node->loops[loop]);
    block_pool_destroy(node->pool);
    replica_thread_stop(node->replica);
    address_thread_stop(node->addresses);
    snapshot_thread_stop(node->snapshot);
    applier_thread_stop(node->apply);
    steward_thread_stop(node->steward);
    replica_thread_destroy(node->replica); /* before those whose proposals it may still hold */
    snapshot_thread_destroy(node->snapshot);
    applier_thread_destroy(node->apply);
    steward_thread_destroy(node->steward);
    address_thread_destroy(node->addresses);
    for (uint32_t loop = 0; loop < loops; loop++)
        gateway_thread_destroy(node->loops[loop]);
    applier_fini(&node->applier);
    kv_store_destroy(node->store);
    block_store_destroy(node->blocks);
    ballast_fini(&node->ballast);
    peers_close(&node->peers);
    disk_posix_close(&node->disk);
    accepted_fini(&node->accepted);
    close(node->listen_descriptor);
    pthread_mutex_destroy(&node->gates);
    free(node);
}
