#include "server/daemon/membership.h"

#include "base/limits.h"
#include "cluster/raft_guard.h"
#include "statestore/machine/node.h"
#include "statestore/machine/settings.h"

static bool membership_has(const struct membership *membership, uint64_t node)
{
    for (uint32_t i = 0; i < membership->members.count; i++) {
        if (membership->members.items[i].node == node)
            return true;
    }
    return false;
}

static bool membership_lost(const struct membership *membership, uint64_t node)
{
    for (size_t i = 0; i < membership->removed_count; i++) {
        if (membership->removed[i] == node)
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
    uint64_t *removed = arena_alloc_array(arena, CLUSTER_NODES_EVER_MAX, sizeof(*removed));
    *membership = (struct membership){0};
    membership->process_count = incarnation_list(read, arena, open, CLUSTER_MEMBERS_MAX);
    for (size_t i = 0; i < membership->process_count; i++)
        membership->processes[i] = (struct raft_loop_process){open[i].node, open[i].id.value};
    node_walk_open(read, arena, &walk);
    for (; node_walk_get(&walk, &member); node_walk_next(&walk)) {
        struct peer_endpoint endpoint;
        if (member.gone && membership->removed_count < CLUSTER_NODES_EVER_MAX) {
            removed[membership->removed_count++] = member.node;
            continue;
        }
        if (member.admission == 0 && member.incarnation.value == 0)
            continue; /* the operator has announced it: it has not come yet */
        if (member.node == self || endpoint_parse(member.advertise, &endpoint) != STATUS_OK)
            continue;
        endpoint.node = member.node;
        (void)endpoint_list_add(&membership->members, &endpoint);
    }
    node_walk_close(&walk);
    membership->removed = removed;
    for (uint32_t i = 0; i < founders->count; i++) {
        if (founders->items[i].node != self && !membership_has(membership, founders->items[i].node) &&
            !membership_lost(membership, founders->items[i].node))
            (void)endpoint_list_add(&membership->members, &founders->items[i]);
    }
}

/* NULL: nothing is known of it. */
static const struct membership_follower *follower_find(const struct membership_follower *followers, size_t count,
                                                       uint64_t node)
{
    for (size_t i = 0; i < count; i++) {
        if (followers[i].node == node)
            return &followers[i];
    }
    return NULL;
}

/* Whether a standby is so near to the end of the log, and there, that it may vote (rule G8B). */
static bool has_caught_up(uint64_t node, uint64_t last_index, const struct membership_follower *followers, size_t count)
{
    const struct membership_follower *follower = follower_find(followers, count, node);
    return follower != NULL && follower->living && follower->match_index != 0 &&
           follower->match_index + GUARD_PROMOTE_LAG_MAX >= last_index;
}

/* Whether a majority of those lives that vote after the change. */
static bool majority_lives(const struct configuration *configuration, const struct replica_member_change *change,
                           uint64_t self, const struct membership_follower *followers, size_t count)
{
    uint32_t voters = 0;
    uint32_t living = 0;
    for (uint32_t i = 0; i < configuration->count; i++) {
        const struct member *member = &configuration->members[i];
        bool changes = member->id == change->id;
        bool votes = changes ? change->kind == REPLICA_CHANGE_PROMOTE : member->role == MEMBER_VOTER;
        if (!votes)
            continue;
        const struct membership_follower *follower = follower_find(followers, count, member->id);
        voters++;
        living += member->id == self || (follower != NULL && follower->living);
    }
    return living >= voters / 2 + 1;
}

bool membership_next_change(struct kv_read *read, const struct configuration *configuration, uint64_t self,
                            uint64_t last_index, const struct membership_follower *followers, size_t follower_count,
                            struct arena *arena, uint64_t *done, struct replica_member_change *change)
{
    struct node_walk walk;
    struct node_member member;
    bool auto_promote = settings_auto_promote(read, arena);
    int found =
        -1; /* the more urgent kind, if any; removals first: they free places, and whoever is dead holds up others */
    *done = 0;
    node_walk_open(read, arena, &walk);
    for (; node_walk_get(&walk, &member); node_walk_next(&walk)) {
        if (member.removed && !member.gone && configuration_find(configuration, member.node) < 0)
            *done = member.node;
        int position = configuration_find(configuration, member.node);
        enum replica_change_kind kind = REPLICA_CHANGE_ADD;
        int rank = 0;
        if (member.removed && position >= 0) {
            kind = REPLICA_CHANGE_REMOVE;
            rank = 2;
        } else if (!member.removed && position < 0 && member.admission != 0) {
            rank = 0; /* an announced one comes when it has asked */
        } else if (!member.removed && position >= 0 && configuration->members[position].role != MEMBER_VOTER &&
                   (auto_promote || member.promote) &&
                   has_caught_up(member.node, last_index, followers, follower_count)) {
            kind = REPLICA_CHANGE_PROMOTE;
            rank = 1;
        } else {
            continue;
        }
        struct replica_member_change next = {.kind = kind, .id = member.node};
        if (rank > found && majority_lives(configuration, &next, self, followers, follower_count)) {
            found = rank;
            *change = next;
        }
    }
    node_walk_close(&walk);
    return found >= 0 && !read->failed;
}
