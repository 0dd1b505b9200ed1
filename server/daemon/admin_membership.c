/* qnfsctl node add, remove, promote: what the operator wants the nodes to be. Each is a command; the leader makes the members of
 * the log follow (server/daemon/membership.h). */
#include <stdio.h>

#include "base/limits.h"
#include "cluster/endpoint.h"
#include "server/daemon/admin_request.h"
#include "server/daemon/admin_text.h"
#include "statestore/machine/node.h"

/* The members of the log as this node sees them. */
struct membership_view {
    struct admin_member members[CLUSTER_MEMBERS_MAX];
    size_t count;
    uint64_t self;
};

static void view_take(struct admin_request *request, struct membership_view *view)
{
    const struct admin_ports *ports = &request->shared->ports;
    struct admin_node_status status = {0};
    ports->status(ports->context, &status);
    view->self = status.node;
    view->count = ports->members(ports->context, view->members, CLUSTER_MEMBERS_MAX);
}

static const struct admin_member *view_find(const struct membership_view *view, uint64_t node)
{
    for (size_t i = 0; i < view->count; i++) {
        if (view->members[i].node == node)
            return &view->members[i];
    }
    return NULL;
}

/* --- add --- */

void admin_node_add(struct admin_request *request, struct admin_answer *answer)
{
    const char *address = request->parameter(request->parameter_context, "address");
    struct peer_endpoint endpoint;
    struct membership_view view;
    if (address == NULL || endpoint_parse(slice_text(address), &endpoint) != STATUS_OK) {
        admin_answer_error(answer, 400, "'%s' is no HOST:PORT", address == NULL ? "" : address);
        return;
    }
    struct endpoint_text text = endpoint_print(&endpoint);
    Qnfs__NodeAdmit body = QNFS__NODE_ADMIT__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    Qnfs__Result *result;
    view_take(request, &view);
    for (size_t i = 0; i < view.count; i++) {
        if (view.members[i].node > body.floor)
            body.floor = view.members[i].node;
    }
    body.advertise = (ProtobufCBinaryData){strlen(text.text), (uint8_t *)text.text};
    command.body_case = QNFS__COMMAND__BODY_NODE_ADMIT;
    command.node_admit = &body;
    char what[sizeof(text.text) + 16];
    snprintf(what, sizeof(what), "node add %s", text.text);
    if (admin_execute(request, &command, what, answer, &result))
        admin_answer_json(answer, 200,
                          json_pack("{s:o,s:s}", "id", admin_number(result->admitted->node), "advertise", text.text));
}

/* --- remove --- */

/* One change at a time: the members of the log are those that the state wants, but for the one in question. A node that is down
 * may go all the same: the other change may wait for nothing else. */
static bool remove_is_alone(struct admin_request *request, const struct membership_view *view, uint64_t node,
                            struct admin_answer *answer)
{
    struct node_walk walk;
    struct node_member row;
    const char *doing = NULL;
    uint64_t other = 0;
    const struct admin_member *member = view_find(view, node);
    if (member != NULL && !member->connected && node != view->self)
        return true;
    node_walk_open(request->view, request->arena, &walk);
    for (; doing == NULL && node_walk_get(&walk, &row); node_walk_next(&walk)) {
        bool is_member = view_find(view, row.node) != NULL;
        other = row.node;
        if (row.node != node && row.removed && !row.gone)
            doing = "removed";
        else if (row.node != node && !row.removed && !is_member && row.admission != 0)
            doing = "added";
    }
    node_walk_close(&walk);
    if (doing == NULL)
        return true;
    admin_answer_error(answer, 409, "node %llu is being %s: try again when that is done (qnfsctl node list)",
                       (unsigned long long)other, doing);
    return false;
}

/* The voters that stay must be able to go on. */
static bool remove_leaves_majority(const struct membership_view *view, uint64_t node, struct admin_answer *answer)
{
    char dead[CLUSTER_MEMBERS_MAX * 24] = "";
    size_t used = 0;
    size_t voters = 0;
    size_t living = 0;
    const struct admin_member *member = view_find(view, node);
    if (member == NULL || !member->voter)
        return true; /* what does not vote is not missed */
    for (size_t i = 0; i < view->count; i++) {
        const struct admin_member *other = &view->members[i];
        if (!other->voter || other->node == node)
            continue;
        voters++;
        if (other->connected || other->node == view->self)
            living++;
        else
            used += (size_t)snprintf(dead + used, sizeof(dead) - used, "%s%llu", used == 0 ? "" : ", ",
                                     (unsigned long long)other->node);
    }
    if (voters == 0) {
        admin_answer_error(answer, 409, "node %llu is the last voter: let another node join first",
                           (unsigned long long)node);
        return false;
    }
    if (living >= voters / 2 + 1)
        return true;
    admin_answer_error(answer, 409,
                       "without node %llu no majority of the voters would live, as these cannot be reached: %s; start "
                       "them, or remove them first",
                       (unsigned long long)node, dead);
    return false;
}

void admin_node_remove(struct admin_request *request, struct admin_answer *answer)
{
    struct membership_view view;
    uint64_t node;
    if (!admin_tail_number(request, "node id", answer, &node))
        return;
    view_take(request, &view);
    if (!remove_is_alone(request, &view, node, answer) || !remove_leaves_majority(&view, node, answer))
        return;
    Qnfs__NodeRemove body = QNFS__NODE_REMOVE__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    Qnfs__Result *result;
    body.node = node;
    body.member = view_find(&view, node) != NULL;
    command.body_case = QNFS__COMMAND__BODY_NODE_REMOVE;
    command.node_remove = &body;
    char what[64];
    snprintf(what, sizeof(what), "node remove %llu", (unsigned long long)node);
    if (admin_execute(request, &command, what, answer, &result))
        admin_answer_json(answer, 200, json_pack("{s:o}", "id", admin_number(node)));
}

/* --- promote --- */

void admin_node_promote(struct admin_request *request, struct admin_answer *answer)
{
    uint64_t node;
    if (!admin_tail_number(request, "node id", answer, &node))
        return;
    Qnfs__NodePromote body = QNFS__NODE_PROMOTE__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    Qnfs__Result *result;
    body.node = node;
    command.body_case = QNFS__COMMAND__BODY_NODE_PROMOTE;
    command.node_promote = &body;
    char what[64];
    snprintf(what, sizeof(what), "node promote %llu", (unsigned long long)node);
    if (admin_execute(request, &command, what, answer, &result))
        admin_answer_json(answer, 200, json_pack("{s:o}", "id", admin_number(node)));
}
