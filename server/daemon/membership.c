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
    struct incarnation open;
    *membership = (struct membership){0};
    node_walk_open(read, arena, &walk);
    for (; node_walk_get(&walk, &member); node_walk_next(&walk)) {
        struct peer_endpoint endpoint;
        /* A node's row keeps the process that was registered last, open or not. */
        if (incarnation_get(read, member.incarnation, arena, &open) && membership->process_count < CLUSTER_MEMBERS_MAX)
            membership->processes[membership->process_count++] =
                (struct raft_loop_process){member.node, member.incarnation.value};
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
