
#include "base/limits.h"
#include "server/daemon/admin_request.h"
#include "server/daemon/admin_text.h"
#include "statestore/machine/node.h"

static struct admin_node_status status_of(struct admin_request *request)
{
    const struct admin_ports *ports = &request->shared->ports;
    struct admin_node_status status = {0};
    ports->status(ports->context, &status);
    return status;
}

/* What only the leader knows is null on other nodes. */
static json_t *leader_number(const struct admin_node_status *status, uint64_t number)
{
    return status->leader ? admin_number(number) : json_null();
}

static json_t *member_row(struct admin_request *request, const struct admin_node_status *status,
                          const struct admin_member *member)
{
    struct node_member registered;
    bool self = member->node == status->node;
    uint64_t now_ms = request->shared->clock.boot_ms(request->shared->clock.context);
    uint64_t match_index = self ? status->commit_index : member->match_index;
    node_get(request->view, member->node, request->arena, &registered);
    return json_pack("{s:o,s:o,s:s,s:b,s:b,s:b,s:b,s:o,s:o,s:o,s:o,s:o}", "id", admin_number(member->node), "advertise",
                     admin_text(registered.advertise), "role", member->voter ? "voter" : "standby", "here", self,
                     "leader", member->node == status->leader_node, "connected", self || member->connected, "leaving",
                     registered.removed, "incarnation", admin_number(registered.incarnation.value), "version",
                     admin_text(registered.version), "heard_ms_ago",
                     self || member->heard_ms == 0 || member->heard_ms > now_ms
                         ? json_null()
                         : admin_number(now_ms - member->heard_ms),
                     "match_index", leader_number(status, match_index), "applied_index",
                     self ? admin_number(status->applied_index) : leader_number(status, member->applied_index));
}

/* Nodes that are none of the log's members: announced or on their way, and those that were removed. */
static void other_rows(struct admin_request *request, const struct admin_member *members, size_t count, json_t *rows)
{
    struct node_walk walk;
    struct node_member row;
    node_walk_open(request->view, request->arena, &walk);
    for (; node_walk_get(&walk, &row); node_walk_next(&walk)) {
        bool is_member = false;
        for (size_t i = 0; i < count; i++)
            is_member = is_member || members[i].node == row.node;
        if (is_member)
            continue;
        json_array_append_new(rows, json_pack("{s:o,s:o,s:s,s:b,s:b,s:b,s:b,s:o,s:o,s:n,s:n,s:n}", "id",
                                              admin_number(row.node), "advertise", admin_text(row.advertise), "role",
                                              row.gone             ? "removed"
                                              : row.removed        ? "leaving"
                                              : row.admission == 0 ? "announced"
                                                                   : "joining",
                                              "here", 0, "leader", 0, "connected", 0, "leaving", 0, "incarnation",
                                              admin_number(row.incarnation.value), "version", admin_text(row.version),
                                              "heard_ms_ago", "match_index", "applied_index"));
    }
    node_walk_close(&walk);
}

void admin_node_list(struct admin_request *request, struct admin_answer *answer)
{
    const struct admin_ports *ports = &request->shared->ports;
    struct admin_node_status status = status_of(request);
    struct admin_member members[CLUSTER_MEMBERS_MAX];
    size_t count = ports->members(ports->context, members, CLUSTER_MEMBERS_MAX);
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(rows, member_row(request, &status, &members[i]));
    other_rows(request, members, count, rows);
    admin_answer_json(answer, 200,
                      json_pack("{s:o,s:o,s:o}", "term", admin_number(status.term), "leader",
                                status.leader_node == 0 ? json_null() : admin_number(status.leader_node), "nodes",
                                rows));
}

/* Whether leadership may go to the member: it votes, and it can be reached. */
static bool transfer_judge(const struct admin_member *members, size_t count, uint64_t target,
                           struct admin_answer *answer)
{
    size_t voters = 0;
    for (size_t i = 0; i < count; i++)
        voters += members[i].voter;
    if (voters < 2) {
        admin_answer_error(answer, 409, "there is no other voter that could lead");
        return false;
    }
    for (size_t i = 0; i < count && target != 0; i++) {
        if (members[i].node != target)
            continue;
        if (members[i].voter && members[i].connected)
            return true;
        admin_answer_error(answer, 409, members[i].voter ? "node %llu cannot be reached" : "node %llu is no voter",
                           (unsigned long long)target);
        return false;
    }
    if (target != 0)
        admin_answer_error(answer, 404, "there is no node %llu", (unsigned long long)target);
    return target == 0;
}

void admin_leader_transfer(struct admin_request *request, struct admin_answer *answer)
{
    const struct admin_ports *ports = &request->shared->ports;
    struct admin_node_status status = status_of(request);
    struct admin_member members[CLUSTER_MEMBERS_MAX];
    size_t count = ports->members(ports->context, members, CLUSTER_MEMBERS_MAX);
    uint64_t target;
    if (!admin_tail_number(request, "node id", answer, &target))
        return;
    if (!status.leader) {
        if (status.leader_node == 0)
            admin_answer_error(answer, 503, "no node leads at the moment");
        else
            admin_answer_error(answer, 409, "node %llu leads: say it there", (unsigned long long)status.leader_node);
        return;
    }
    if (target == status.node) {
        admin_answer_json(answer, 200, json_pack("{s:o}", "leader", admin_number(status.node)));
        return;
    }
    if (!transfer_judge(members, count, target, answer))
        return;
    log_line(request->shared->log, LOG_INFO, "operator: leader transfer %llu", (unsigned long long)target);
    ports->transfer(ports->context, target);
    admin_answer_json(answer, 200, json_pack("{s:o}", "to", target == 0 ? json_null() : admin_number(target)));
}
