#include "server/daemon/node.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/random.h"
#include "blockstore/block_files.h"
#include "cluster/data_directory.h"
#include "cluster/log_writer.h"
#include "gateway/socket_loop.h"
#include "server/daemon/admin.h"
#include "server/daemon/applier_thread.h"
#include "server/daemon/ballast.h"
#include "server/daemon/block_pool.h"
#include "server/daemon/descriptors.h"
#include "server/daemon/folder_size.h"
#include "server/daemon/listener.h"
#include "server/daemon/recovery.h"
#include "server/daemon/replica_thread.h"
#include "server/daemon/steward_thread.h"
#include "server/daemon/version.h"
#include "statestore/store/kv_rocksdb.h"

struct node {
    const struct config *config;
    const struct log *log;
    struct clock clock;
    struct random random;
    int64_t started_wall_ns;
    struct disk disk;
    struct node_identity identity;
    struct log_writer *writer;
    struct log_recovered recovered;
    struct kv_store *store;
    struct block_store *blocks;
    struct ballast ballast;
    size_t memtable_bytes;
    struct published published;
    struct applier applier;
    struct replica_thread *replica;
    struct applier_thread *apply;
    struct steward_thread *steward;
    struct block_pool *pool;
    struct admin *admin;
    int listen_descriptor;
    struct socket_budget budget;
    uint32_t loop_count;
    atomic_uint loops_started; /* the loops below that index exist */
    struct gateway_thread *loops[GATEWAY_THREADS_MAX];
    pthread_mutex_t gates; /* whoever opens or closes them; over the next */
    bool stopping;
    atomic_bool serving;
    atomic_bool leader;
    atomic_uint_least64_t incarnation;
    atomic_uint_least64_t flushes;
    uint64_t buffers_peak_bytes; /* of requests and replies, since the allocator gave memory back; main thread */
};

/* --- what the threads ask of each other --- */

static void node_failed(void *context, enum status status, const char *what)
{
    const struct node *node = context;
    log_line(node->log, LOG_ERROR, "%s: %s; the node stops", what, status_name(status));
    _exit(1);
}

/* This process has no say any more: whoever keeps it running starts it anew. */
static void node_restart(void *context)
{
    const struct node *node = context;
    log_line(node->log, LOG_WARN, "the cluster has given this process up; the node stops, to be started anew");
    _exit(1);
}

static void node_flush(void *context)
{
    struct node *node = context;
    applier_thread_flush(node->apply);
}

static void node_swept(void *context, const struct garbage *garbage)
{
    struct node *node = context;
    applier_thread_swept(node->apply, garbage);
}

static void node_propose(void *context, struct proposal *proposal)
{
    struct node *node = context;
    replica_thread_propose(node->replica, proposal);
}

static void node_read_blocks(void *context, uint32_t loop, uint64_t place, struct nfs4_block_read *reads, size_t count)
{
    struct node *node = context;
    block_pool_read(node->pool, loop, place, reads, count);
}

static void node_post_loop(void *context, uint32_t loop, struct gateway_post *post)
{
    struct node *node = context;
    CHECK(loop < atomic_load_explicit(&node->loops_started, memory_order_acquire));
    gateway_thread_post(node->loops[loop], post);
}

static void node_ask_barrier(void *context, uint32_t loop, uint64_t number)
{
    (void)context;
    (void)loop;
    CHECK(number == 0); /* a node alone has its lease always (replica_thread.c) */
}

static void node_blocks_done(void *context, uint32_t loop, uint64_t place, bool ok)
{
    struct gateway_post *post = gateway_post_create(GATEWAY_POST_BLOCKS);
    post->place = place;
    post->ok = ok;
    node_post_loop(context, loop, post);
}

static void node_result(void *context, uint32_t loop, uint64_t place, struct buffer *bytes)
{
    struct node *node = context;
    if (loop == APPLIER_LOOP_STEWARD) {
        steward_thread_result(node->steward, place, bytes);
        return;
    }
    struct gateway_post *post = gateway_post_create(GATEWAY_POST_RESULT);
    post->place = place;
    post->buffer = bytes;
    node_post_loop(node, loop, post);
}

static void node_effect(void *context, const struct machine_effect *effect)
{
    struct node *node = context;
    steward_thread_effect(node->steward, effect);
    if (effect->kind != EFFECT_SESSION_LEFT && effect->kind != EFFECT_CLIENT_GONE)
        return;
    unsigned loops = atomic_load_explicit(&node->loops_started, memory_order_acquire);
    for (unsigned loop = 0; loop < loops; loop++) {
        struct gateway_post *post = gateway_post_create(GATEWAY_POST_EFFECT);
        post->effect = *effect;
        node_post_loop(node, loop, post);
    }
}

static void node_advanced(void *context)
{
    struct node *node = context;
    struct published *published = &node->published;
    uint64_t index = atomic_load_explicit(&published->index, memory_order_acquire);
    uint64_t uptime_ms = node->applier.machine.uptime_ms; /* we are called in the applier's thread */
    atomic_store_explicit(&published->uptime_ms, uptime_ms, memory_order_release);
    if (atomic_load_explicit(&node->leader, memory_order_relaxed))
        atomic_store_explicit(&published->uptime_at_ms, node->clock.boot_ms(node->clock.context), memory_order_release);
    replica_thread_applied(node->replica, index, uptime_ms);
    unsigned loops = atomic_load_explicit(&node->loops_started, memory_order_acquire);
    for (unsigned loop = 0; loop < loops; loop++) {
        if (gateway_thread_waits(node->loops[loop]))
            node_post_loop(node, loop, gateway_post_create(GATEWAY_POST_ADVANCE));
    }
}

static bool node_make_room(void *context)
{
    struct node *node = context;
    return ballast_make_room(&node->ballast, node->memtable_bytes, node->log);
}

static void node_flushed(void *context, uint64_t index)
{
    struct node *node = context;
    atomic_fetch_add_explicit(&node->flushes, 1, memory_order_relaxed);
    replica_thread_flushed(node->replica, index);
}

static void node_apply(void *context, const struct replica_entry *entry)
{
    struct node *node = context;
    applier_thread_apply(node->apply, entry);
}

static void node_role(void *context, enum replica_role role, uint64_t term, uint64_t leader)
{
    struct node *node = context;
    static const char *const names[] = {"follower", "candidate", "leader"};
    log_line(node->log, LOG_INFO, "%s in term %" PRIu64 ", leader is node %" PRIu64, names[role], term, leader);
    bool leads = role == REPLICA_LEADER;
    atomic_store_explicit(&node->leader, leads, memory_order_release);
    atomic_store_explicit(&node->published.uptime_at_ms, leads ? node->clock.boot_ms(node->clock.context) : 0,
                          memory_order_release);
    steward_thread_lead(node->steward, leads);
}

static void node_log_space(void *context, enum log_space space)
{
    struct node *node = context;
    static const char *const words[] = {"has room again", "lives from its reserve: what grows is refused",
                                        "has no room: changes wait"};
    log_line(node->log, space == LOG_SPACE_GOOD ? LOG_INFO : LOG_ERROR, "the log %s", words[space]);
    atomic_store_explicit(&node->published.log_low, space != LOG_SPACE_GOOD, memory_order_relaxed);
    if (space != LOG_SPACE_GOOD)
        applier_thread_flush(node->apply); /* so that the log can be cut */
}

/* Starts the loops. */
static void node_open_gates(struct node *node, struct incarnation_id incarnation, const struct machine *machine)
{
    for (uint32_t loop = 0; loop < node->loop_count; loop++) {
        struct gateway_thread_config config = {
            .frontend =
                {
                    .loop = loop,
                    .loop_count = node->loop_count,
                    .nfs4 =
                        {
                            .loop = loop,
                            .node = node->identity.node_id,
                            .incarnation = incarnation,
                            .mac_key = machine->mac_key,
                            .server_epoch = machine->server_epoch,
                        },
                },
            .ports = {.context = node,
                      .propose = node_propose,
                      .read_blocks = node_read_blocks,
                      .post = node_post_loop,
                      .ask_barrier = node_ask_barrier},
            .store = node->store,
            .published = &node->published,
            .clock = node->clock,
            .log = node->log,
            .listen_descriptor = node->listen_descriptor,
            .budget = &node->budget,
        };
        memcpy(config.frontend.nfs4.cluster_id, machine->cluster_id, sizeof(machine->cluster_id));
        if (gateway_thread_create(&config, &node->loops[loop]) != STATUS_OK)
            node_failed(node, STATUS_IO, "starting a gateway loop");
    }
    atomic_store_explicit(&node->loops_started, node->loop_count, memory_order_release);
    for (uint32_t loop = 0; loop < node->loop_count; loop++)
        gateway_thread_run(node->loops[loop]);
    atomic_store(&node->serving, true);
    log_line(node->log, LOG_INFO, "ready: node %" PRIu64 ", incarnation %" PRIu64 ", %u gateway loops",
             node->identity.node_id, incarnation.value, node->loop_count);
}

/* The node is registered: the gates open. Steward's thread. */
static void node_serve(void *context, struct incarnation_id incarnation, const struct machine *machine)
{
    struct node *node = context;
    CHECK(memcmp(machine->cluster_id, node->identity.cluster_id, sizeof(machine->cluster_id)) == 0);
    atomic_store(&node->incarnation, incarnation.value);
    pthread_mutex_lock(&node->gates);
    if (!node->stopping)
        node_open_gates(node, incarnation, machine);
    pthread_mutex_unlock(&node->gates);
}

/* --- for the admin door --- */

static bool node_healthy(struct node *node)
{
    uint64_t now_ms = node->clock.boot_ms(node->clock.context);
    if (now_ms > replica_thread_alive_ms(node->replica) + NODE_ALIVE_MS ||
        now_ms > applier_thread_alive_ms(node->apply) + NODE_ALIVE_MS)
        return false;
    for (uint32_t loop = 0; loop < atomic_load(&node->loops_started); loop++) {
        uint64_t alive_ms = gateway_thread_alive_ms(node->loops[loop]);
        if (now_ms > alive_ms + NODE_ALIVE_MS)
            return false;
    }
    return true;
}

static void node_status(void *context, struct admin_node_status *status)
{
    struct node *node = context;
    struct replica_status replica;
    replica_thread_status(node->replica, &replica);
    *status = (struct admin_node_status){
        .serving = atomic_load(&node->serving),
        .healthy = node_healthy(node),
        .node = node->identity.node_id,
        .incarnation = atomic_load(&node->incarnation),
        .leader = replica.role == REPLICA_LEADER,
        .term = replica.term,
        .commit_index = replica.commit_index,
        .applied_index = atomic_load(&node->published.index),
        .applied_number = atomic_load(&node->published.command),
        .flushed_index = atomic_load(&node->published.flushed_index),
        .log_bytes = folder_size_bytes(node->config->data_dir, "log"),
        .flushes = atomic_load(&node->flushes),
        .started_wall_ns = (uint64_t)node->started_wall_ns,
        .free_bytes = atomic_load(&node->published.free_bytes),
        .total_bytes = atomic_load(&node->published.total_bytes),
        .uptime_ms = atomic_load(&node->published.uptime_ms),
    };
    memcpy(status->cluster_id, node->identity.cluster_id, sizeof(status->cluster_id));
}

static enum status node_execute(void *context, Qnfs__Command *command, uint32_t timeout_ms, struct arena *arena,
                                Qnfs__Result **result)
{
    struct node *node = context;
    return steward_thread_execute(node->steward, command, timeout_ms, arena, result);
}

static void node_loop_counters(void *context, uint32_t loop, struct gateway_thread_counters *counters)
{
    struct node *node = context;
    *counters = (struct gateway_thread_counters){0};
    if (loop < atomic_load_explicit(&node->loops_started, memory_order_acquire))
        gateway_thread_counters(node->loops[loop], counters);
}

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
    status = data_directory_load(&node->disk, &node->identity);
    if (status != STATUS_NOT_FOUND)
        return status == STATUS_OK ? status : node_refuse(trouble, room, status, "reading the node's identity");
    if (!config->bootstrap) {
        snprintf(trouble, room, "data-dir: %s belongs to no cluster yet; --bootstrap begins a new one",
                 config->data_dir);
        return STATUS_REFUSED;
    }
    /* The node file is written before the state is opened, so this was a member's directory: begin nothing over it. */
    bool has_state;
    status = data_directory_has_state(&node->disk, &has_state);
    if (status == STATUS_OK && has_state) {
        snprintf(trouble, room,
                 "data-dir: %s holds a state, but its file `node` is missing: --bootstrap would destroy it",
                 config->data_dir);
        return STATUS_BAD_DATA;
    }
    if (status != STATUS_OK)
        return node_refuse(trouble, room, status, "looking at the data directory");
    struct configuration founder = {.count = 1, .members = {{.id = 1, .role = MEMBER_VOTER}}};
    node->identity.node_id = 1;
    node->random.fill(node->random.context, node->identity.cluster_id, sizeof(node->identity.cluster_id));
    struct log_options options = node_log_options(node);
    status = log_create(&options, &founder);
    if (status == STATUS_OK)
        status = data_directory_store(&node->disk, &node->identity);
    return status == STATUS_OK ? status : node_refuse(trouble, room, status, "making the new cluster");
}

/* RocksDB cannot be opened without any room (it aborts): a full disk gets that which was kept. */
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
    return recovery_run(&node->applier, node->writer, &node->recovered, &node->identity, trouble, room);
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
static void node_start_threads(struct node *node)
{
    struct steward_config steward = {
        .node = node->identity.node_id,
        .nonce = node->applier.nonce,
        .advertise = node->config->advertise.host != NULL ? node->config->advertise.host : "",
        .version = QNFS_VERSION,
        .exports = node->config->exports,
        .export_count = node->config->export_count,
    };
    memcpy(steward.cluster_id, node->identity.cluster_id, sizeof(steward.cluster_id));
    struct steward_ports steward_ports = {
        .context = node,
        .propose = node_propose,
        .serve = node_serve,
        .restart = node_restart,
        .flush = node_flush,
        .swept = node_swept,
        .failed = node_failed,
    };
    struct applier_ports applier_ports = {
        .context = node,
        .result = node_result,
        .effect = node_effect,
        .advanced = node_advanced,
        .make_room = node_make_room,
        .flushed = node_flushed,
        .failed = node_failed,
    };
    struct replica_ports replica_ports = {
        .context = node, .apply = node_apply, .role = node_role, .space = node_log_space, .failed = node_failed};
    struct replica_options options = {
        .id = node->identity.node_id,
        .election_ms = REPLICA_ELECTION_MS,
        .heartbeat_ms = REPLICA_HEARTBEAT_MS,
        .applied_index = machine_whole_index(&node->applier.machine),
        .uptime_ms = node->applier.machine.uptime_ms,
        .feature_level = 1,
    };
    node->random.fill(node->random.context, &options.seed, sizeof(options.seed));
    struct replica *replica = replica_create(&options, &node->recovered);
    log_recovered_fini(&node->recovered);
    node->pool = block_pool_create(BLOCK_POOL_THREADS, node->blocks, node->log, node, node_blocks_done);
    node->steward = steward_thread_start(steward_create(&steward, node->random), node->store, node->blocks,
                                         &node->published, &steward_ports, node->clock, node->log);
    node->apply = applier_thread_create(&node->applier, &applier_ports, node->clock, node->log);
    node->replica =
        replica_thread_create(replica, node->writer, &node->published, &replica_ports, node->clock, node->log);
    applier_thread_run(node->apply);
    replica_thread_run(node->replica);
    steward_thread_begin(node->steward);
}

static enum status node_start_admin(struct node *node, char *trouble, size_t room)
{
    struct admin_ports ports = {
        .context = node,
        .store = node->store,
        .published = &node->published,
        .status = node_status,
        .execute = node_execute,
        .loop_count = node->loop_count,
        .loop_counters = node_loop_counters,
    };
    return admin_start(&node->config->admin, &ports, node->log, node->clock, &node->admin, trouble, room);
}

enum status node_start(const struct config *config, const struct log *log, struct node **started, char *trouble,
                       size_t room)
{
    struct node *node = calloc(1, sizeof(*node));
    CHECK(node != NULL && pthread_mutex_init(&node->gates, NULL) == 0);
    node->config = config;
    node->log = log;
    node->clock = clock_system();
    node->random = random_system();
    node->started_wall_ns = node->clock.wall_ns(node->clock.context);
    node->loop_count = node_loop_count(config);
    node->budget.most = descriptors_for_clients(log);
    bool inherited;
    enum status status = listener_open(&config->nfs, &node->listen_descriptor, &inherited, trouble, room);
    if (status == STATUS_OK)
        status = node_identify(node, trouble, room);
    if (status == STATUS_OK)
        status = node_look_for_room(node, trouble, room);
    if (status == STATUS_OK)
        status = node_open(node, trouble, room);
    if (status != STATUS_OK)
        return status; /* the process ends: nothing is taken down here */
    node_tick(node);
    node_start_threads(node);
    status = node_start_admin(node, trouble, room);
    *started = node;
    return status;
}

/* The C library keeps what was freed below something that is still in use; after a flood that can be most of it. */
static void node_trim(struct node *node)
{
    uint64_t buffers_bytes = 0;
    for (uint32_t loop = 0; loop < atomic_load(&node->loops_started); loop++) {
        struct gateway_thread_counters counters;
        gateway_thread_counters(node->loops[loop], &counters);
        buffers_bytes += counters.nfs4.parked_bytes + counters.gateway.bytes_unsent;
    }
    if (buffers_bytes > node->buffers_peak_bytes)
        node->buffers_peak_bytes = buffers_bytes;
    if (node->buffers_peak_bytes < NODE_TRIM_BYTES || buffers_bytes > node->buffers_peak_bytes / 4)
        return;
    malloc_trim(0);
    node->buffers_peak_bytes = buffers_bytes;
}

void node_tick(struct node *node)
{
    node_trim(node);
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

void node_stop(struct node *node)
{
    /* A node that is still on its way to serving does not begin to. */
    pthread_mutex_lock(&node->gates);
    node->stopping = true;
    pthread_mutex_unlock(&node->gates);
    atomic_store(&node->serving, false);
    if (node->admin != NULL)
        admin_stop(node->admin);
    if (atomic_load(&node->loops_started) > 0)
        node_drain(node);
    uint32_t loops = atomic_load(&node->loops_started);
    for (uint32_t loop = 0; loop < loops; loop++)
        gateway_thread_post(node->loops[loop], gateway_post_create(GATEWAY_POST_STOP));
    for (uint32_t loop = 0; loop < loops; loop++)
        gateway_thread_join(node->loops[loop]);
    block_pool_destroy(node->pool);
    replica_thread_stop(node->replica);
    applier_thread_stop(node->apply);
    steward_thread_stop(node->steward);
    replica_thread_destroy(node->replica); /* before those whose proposals it may still hold */
    applier_thread_destroy(node->apply);
    steward_thread_destroy(node->steward);
    for (uint32_t loop = 0; loop < loops; loop++)
        gateway_thread_destroy(node->loops[loop]);
    applier_fini(&node->applier);
    kv_store_destroy(node->store);
    block_store_destroy(node->blocks);
    ballast_fini(&node->ballast);
    disk_posix_close(&node->disk);
    close(node->listen_descriptor);
    pthread_mutex_destroy(&node->gates);
    free(node);
}
