#include "server/daemon/membership.h"

#include "statestore/machine/node.h"

static bool membership_has(const struct membership *membership, uint64_t node)
{
    for (uint32_t i = 0; i < membership->members.count; i++) {
        if (membership->members.items[i].node == node)
            return true;
    }
    return false;
}

void membership_read(struct kv_read *read, uint64_t self, const struct endpoint_list *founders, struct arena *arena,
                     struct membership *membership)
{
    struct node_walk walk;
    struct node_member member;
    struct incarnation open[CLUSTER_MEMBERS_MAX];
    *membership = (struct membership){0};
    membership->process_count = incarnation_list(read, arena, open, CLUSTER_MEMBERS_MAX);
    for (size_t i = 0; i < membership->process_count; i++)
        membership->processes[i] = (struct raft_loop_process){open[i].node, open[i].id.value};
    node_walk_open(read, arena, &walk);
    for (; node_walk_get(&walk, &member); node_walk_next(&walk)) {
        struct peer_endpoint endpoint;
        if (member.node == self || endpoint_parse(member.advertise, &endpoint) != STATUS_OK)
            continue;
        endpoint.node = member.node;
        (void)endpoint_list_add(&membership->members, &endpoint);
    }
    node_walk_close(&walk);
    for (uint32_t i = 0; i < founders->count; i++) {
        if (founders->items[i].node != self && !membership_has(membership, founders->items[i].node))
            (void)endpoint_list_add(&membership->members, &founders->items[i]);
    }
}
