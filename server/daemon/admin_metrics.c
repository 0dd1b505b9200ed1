#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/daemon/admin_request.h"
#include "server/daemon/heap_trim.h"
#include "statestore/machine/address.h"
#include "statestore/machine/node.h"
#include "statestore/machine/space.h"

/* One metric of a struct of numbers: where its uint64_t lies. */
struct metric {
    const char *name;
    const char *type; /* "counter" or "gauge" */
    const char *help;
    size_t offset;
};

#define GATEWAY(field) offsetof(struct gateway_thread_counters, gateway.field)
#define NFS4(field) offsetof(struct gateway_thread_counters, nfs4.field)
#define NODE(field) offsetof(struct admin_node_status, field)
#define COUNT(field) offsetof(struct admin_count, field)

/* Of all gateway loops together. */
static const struct metric loop_metrics[] = {
    {"qnfs_connections", "gauge", "Client connections that are open.", GATEWAY(connections)},
    {"qnfs_connections_accepted_total", "counter", "Client connections accepted.", GATEWAY(accepted)},
    {"qnfs_connections_refused_total", "counter", "Client connections closed at once, over the bound.",
     GATEWAY(refused)},
    {"qnfs_rpc_calls_total", "counter", "RPC calls to served programs.", GATEWAY(calls)},
    {"qnfs_rpc_bad_records_total", "counter", "Connections closed for what they sent, or for what they did not.",
     GATEWAY(bad_records)},
    {"qnfs_received_bytes_total", "counter", "Bytes from clients.", GATEWAY(bytes_in)},
    {"qnfs_sent_bytes_total", "counter", "Bytes to clients.", GATEWAY(bytes_out)},
    {"qnfs_nfs4_parked", "gauge", "Compounds that wait for a command, a block or a barrier.", NFS4(parked)},
    {"qnfs_nfs4_sessions_in_memory", "gauge", "Sessions with a slot table on this node.", NFS4(sessions)},
    {"qnfs_nfs4_cached_reply_bytes", "gauge", "Bytes of replies kept in slot tables.", NFS4(cached_bytes)},
    {"qnfs_nfs4_operations_total", "counter", "Operations executed.", NFS4(operations)},
    {"qnfs_nfs4_replays_total", "counter", "Requests answered from a slot, in memory or from its row.", NFS4(replays)},
    {"qnfs_nfs4_false_retries_total", "counter", "Retries that were a different request.", NFS4(false_retries)},
    {"qnfs_nfs4_attaches_total", "counter", "Sessions that came to this node.", NFS4(attaches)},
    {"qnfs_nfs4_errors_total", "counter", "Compounds that ended in an error.", NFS4(errors)},
};

static const struct metric node_metrics[] = {
    {"qnfs_term", "gauge", "Term of the log.", NODE(term)},
    {"qnfs_commit_index", "gauge", "Last log entry known committed.", NODE(commit_index)},
    {"qnfs_applied_index", "gauge", "Last log entry applied to the state.", NODE(applied_index)},
    {"qnfs_applied_number", "gauge", "Command number of the state.", NODE(applied_number)},
    {"qnfs_flushed_index", "gauge", "Log entries up to this one are no longer needed.", NODE(flushed_index)},
    {"qnfs_log_bytes", "gauge", "Bytes of the log on disk.", NODE(log_bytes)},
    {"qnfs_flushes_total", "counter", "Flushes of the state since the start.", NODE(flushes)},
    {"qnfs_free_bytes", "gauge", "Free bytes of the data directory's file system.", NODE(free_bytes)},
    {"qnfs_size_bytes", "gauge", "Size of the data directory's file system.", NODE(total_bytes)},
};

static const struct metric count_metrics[] = {
    {"qnfs_clients", "gauge", "NFS client records.", COUNT(clients)},
    {"qnfs_sessions", "gauge", "NFS sessions in the state, on whichever node.", COUNT(sessions)},
    {"qnfs_slots", "gauge", "Slots whose last change is kept to answer a retry.", COUNT(slots)},
    {"qnfs_opens", "gauge", "Files held open, one a client, owner and file.", COUNT(opens)},
    {"qnfs_locks", "gauge", "Byte ranges locked.", COUNT(locks)},
};

#define LENGTH(table) (sizeof(table) / sizeof((table)[0]))

static uint64_t field_at(const void *numbers, size_t offset)
{
    uint64_t value;
    memcpy(&value, (const char *)numbers + offset, sizeof(value));
    return value;
}

static void write_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_one(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
    write_head(out, name, type, help);
    fprintf(out, "%s %" PRIu64 "\n", name, value);
}

static void write_table(FILE *out, const struct metric *metrics, size_t count, const void *numbers)
{
    for (size_t i = 0; i < count; i++)
        write_one(out, metrics[i].name, metrics[i].type, metrics[i].help, field_at(numbers, metrics[i].offset));
}

static void write_loops(FILE *out, const struct admin_ports *ports)
{
    uint64_t sums[LENGTH(loop_metrics)] = {0};
    for (uint32_t loop = 0; loop < ports->loop_count; loop++) {
        struct gateway_thread_counters counters = {0};
        ports->loop_counters(ports->context, loop, &counters);
        for (size_t i = 0; i < LENGTH(loop_metrics); i++)
            sums[i] += field_at(&counters, loop_metrics[i].offset);
    }
    for (size_t i = 0; i < LENGTH(loop_metrics); i++)
        write_one(out, loop_metrics[i].name, loop_metrics[i].type, loop_metrics[i].help, sums[i]);
}

static void write_node(FILE *out, struct admin_request *request)
{
    const struct admin_ports *ports = &request->shared->ports;
    struct admin_node_status status = {0};
    ports->status(ports->context, &status);
    struct node_member member;
    node_get(request->view, status.node, request->arena, &member);
    write_head(out, "qnfs_build_info", "gauge", "The version that this node runs; always 1.");
    fprintf(out, "qnfs_build_info{version=\"%.*s\"} 1\n", (int)member.version.size_bytes,
            member.version.size_bytes == 0 ? "" : (const char *)member.version.data);
    write_one(out, "qnfs_node_id", "gauge", "This node's number in its cluster.", status.node);
    write_one(out, "qnfs_ready", "gauge", "1: the node serves clients.", status.serving);
    write_one(out, "qnfs_healthy", "gauge", "1: every thread has turned over lately.", status.healthy);
    write_one(out, "qnfs_leader", "gauge", "1: this node leads.", status.leader);
    write_table(out, node_metrics, LENGTH(node_metrics), &status);
    write_one(out, "qnfs_space_low", "gauge", "1: some node's disk is nearly full, and what grows is refused.",
              space_low(request->view, request->arena));
    write_head(out, "qnfs_cluster_uptime_seconds", "counter", "Time in which the cluster had a leader; leases use it.");
    fprintf(out, "qnfs_cluster_uptime_seconds %.3f\n", (double)status.uptime_ms / 1e3);
    write_head(out, "process_start_time_seconds", "gauge", "When the process started, in seconds since 1970.");
    fprintf(out, "process_start_time_seconds %.3f\n", (double)status.started_wall_ns / 1e9);
}

static void write_counts(FILE *out, struct admin_request *request)
{
    struct admin_shared *shared = request->shared;
    struct admin_count count;
    pthread_mutex_lock(&shared->mutex);
    admin_count_get(&shared->count, request->view, shared->clock, request->arena, &count);
    pthread_mutex_unlock(&shared->mutex);
    write_table(out, count_metrics, LENGTH(count_metrics), &count);
}

static void write_addresses(FILE *out, struct admin_request *request)
{
    const struct admin_ports *ports = &request->shared->ports;
    struct address *addresses;
    uint64_t here = 0;
    uint64_t free_ones = 0;
    size_t count = address_list(request->view, request->arena, &addresses);
    for (size_t i = 0; i < count; i++) {
        here += ports->has_address(ports->context, addresses[i].id);
        free_ones += addresses[i].owner.value == 0;
    }
    write_one(out, "qnfs_addresses", "gauge", "Floating addresses of the cluster.", count);
    write_one(out, "qnfs_addresses_here", "gauge", "Floating addresses that are on a device of this node.", here);
    write_one(out, "qnfs_addresses_free", "gauge", "Floating addresses that no node has.", free_ones);
}

static uint64_t open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        return 0;
    uint64_t count = 0;
    for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count - 1; /* the directory's own */
}

/* The names that Prometheus' own client libraries use. */
static void write_process(FILE *out)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double seconds = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
                     (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    write_head(out, "process_cpu_seconds_total", "counter", "CPU time of the process, user and system.");
    fprintf(out, "process_cpu_seconds_total %.3f\n", seconds);
    write_one(out, "process_resident_memory_bytes", "gauge", "Resident memory.", process_memory_read().resident_bytes);
    write_one(out, "process_open_fds", "gauge", "Open file descriptors.", open_descriptors());
}

void admin_metrics(struct admin_request *request, struct admin_answer *answer)
{
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *out = open_memstream(&text, &text_bytes);
    if (out == NULL) {
        admin_answer_error(answer, 500, "no memory for the answer");
        return;
    }
    write_node(out, request);
    write_loops(out, &request->shared->ports);
    write_counts(out, request);
    write_addresses(out, request);
    write_process(out);
    if (fclose(out) != 0) {
        free(text);
        admin_answer_error(answer, 500, "no memory for the answer");
        return;
    }
    *answer = (struct admin_answer){200, "text/plain; version=0.0.4; charset=utf-8", text, text_bytes};
}
