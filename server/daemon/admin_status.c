#include <time.h>

#include "base/hash.h"
#include "server/daemon/admin_request.h"
#include "server/daemon/admin_text.h"
#include "statestore/machine/node.h"
#include "statestore/machine/space.h"

static void status_read(struct admin_request *request, struct admin_node_status *status)
{
    const struct admin_ports *ports = &request->shared->ports;
    *status = (struct admin_node_status){0};
    ports->status(ports->context, status);
}

void admin_health(struct admin_request *request, struct admin_answer *answer)
{
    struct admin_node_status status;
    status_read(request, &status);
    if (status.healthy)
        admin_answer_text(answer, 200, "ok\n");
    else
        admin_answer_text(answer, 503, "not healthy: a thread of the node has stood still\n");
}

void admin_ready(struct admin_request *request, struct admin_answer *answer)
{
    struct admin_node_status status;
    status_read(request, &status);
    if (!status.serving)
        admin_answer_text(answer, 503, "not ready: the node does not serve (it starts or stops)\n");
    else if (!status.healthy)
        admin_answer_text(answer, 503, "not ready: a thread of the node has stood still\n");
    else if (status.silent)
        admin_answer_text(answer, 503, "not ready: no leader hears this node\n");
    else
        admin_answer_text(answer, 200, "ready\n");
}

static json_t *status_time(uint64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / 1000000000u);
    struct tm parts;
    char text[32];
    gmtime_r(&seconds, &parts);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return json_string(text);
}

static json_t *status_counts(struct admin_request *request)
{
    struct admin_shared *shared = request->shared;
    struct admin_count count;
    pthread_mutex_lock(&shared->mutex);
    admin_count_get(&shared->count, request->view, shared->clock, request->arena, &count);
    pthread_mutex_unlock(&shared->mutex);
    uint64_t connections = 0;
    for (uint32_t loop = 0; loop < shared->ports.loop_count; loop++) {
        struct gateway_thread_counters counters;
        shared->ports.loop_counters(shared->ports.context, loop, &counters);
        connections += counters.gateway.connections;
    }
    return json_pack("{s:o,s:o,s:o,s:o,s:o}", "connections", admin_number(connections), "clients",
                     admin_number(count.clients), "sessions", admin_number(count.sessions), "opens",
                     admin_number(count.opens), "locks", admin_number(count.locks));
}

static json_t *status_log(const struct admin_node_status *status)
{
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:b,s:o}", "term", admin_number(status->term), "commit_index",
                     admin_number(status->commit_index), "applied_index", admin_number(status->applied_index),
                     "applied_number", admin_number(status->applied_number), "flushed_index",
                     admin_number(status->flushed_index), "bytes", admin_number(status->log_bytes), "flushes",
                     admin_number(status->flushes), "leader", status->leader, "leader_node",
                     status->leader_node == 0 ? json_null() : admin_number(status->leader_node));
}

static json_t *status_space(struct admin_request *request, const struct admin_node_status *status)
{
    return json_pack("{s:o,s:o,s:b}", "free_bytes", admin_number(status->free_bytes), "total_bytes",
                     admin_number(status->total_bytes), "low", space_low(request->view, request->arena));
}

/* null, or how far the fetch of another node's state is. */
static json_t *status_fetch(const struct admin_node_status *status)
{
    if (status->fetches_from == 0)
        return json_null();
    return json_pack("{s:o,s:o,s:o,s:o}", "node", admin_number(status->fetches_from), "index",
                     admin_number(status->fetched_index), "bytes", admin_number(status->fetched_bytes), "total_bytes",
                     admin_number(status->fetch_bytes));
}

void admin_status(struct admin_request *request, struct admin_answer *answer)
{
    struct admin_node_status status;
    status_read(request, &status);
    struct node_member member;
    node_get(request->view, status.node, request->arena, &member);
    int64_t wall_ns = request->shared->clock.wall_ns(request->shared->clock.context);
    uint64_t started_ns = status.started_wall_ns;
    uint64_t running_seconds = wall_ns > (int64_t)started_ns ? ((uint64_t)wall_ns - started_ns) / 1000000000u : 0;
    json_t *node = json_pack("{s:o,s:o,s:o,s:b,s:b,s:o,s:o}", "id", admin_number(status.node), "incarnation",
                             admin_number(status.incarnation), "version", admin_text(member.version), "serving",
                             status.serving, "healthy", status.healthy, "started", status_time(started_ns),
                             "running_seconds", admin_number(running_seconds));
    json_t *cluster = json_pack("{s:o,s:o}", "id", admin_hex(slice_make(status.cluster_id, sizeof(status.cluster_id))),
                                "uptime_ms", admin_number(status.uptime_ms));
    admin_answer_json(answer, 200,
                      json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "cluster", cluster, "node", node, "log",
                                status_log(&status), "space", status_space(request, &status), "fetch",
                                status_fetch(&status), "counts", status_counts(request)));
}
