#include "cluster/leader_lease.h"

#include "base/check.h"

void leader_lease_init(struct leader_lease *lease, uint64_t id)
{
    *lease = (struct leader_lease){.id = id};
}

void leader_lease_follow(struct leader_lease *lease, const struct replica_view *view)
{
    uint64_t term = view->leads ? view->term : 0;
    if (term == lease->term && (term == 0 || view->configuration_index == lease->configuration_index))
        return;
    uint64_t number = lease->number;
    *lease = (struct leader_lease){.id = lease->id, .term = term, .number = number, .first = number + 1};
    if (term == 0)
        return;
    const struct configuration *configuration = view->configuration;
    lease->configuration_index = view->configuration_index;
    for (uint32_t i = 0; i < configuration->count; i++) {
        const struct member *member = &configuration->members[i];
        if (member->id != lease->id)
            lease->members[lease->count++] =
                (struct leader_lease_member){.node = member->id, .voter = member->role == MEMBER_VOTER};
    }
    int self = configuration_find(configuration, lease->id);
    bool votes = self >= 0 && configuration->members[self].role == MEMBER_VOTER;
    lease->needed = configuration_voters(configuration) / 2 + 1 - (votes ? 1 : 0);
    lease->wanted = number + 1;
    if (lease->needed == 0)
        lease->until_ms = lease->confirmed = UINT64_MAX;
}

/* What at least `needed` of the voters have: the largest such value. */
static uint64_t majority_of(const struct leader_lease *lease, bool confirmed)
{
    uint64_t values[CLUSTER_MEMBERS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < lease->count; i++) {
        if (!lease->members[i].voter)
            continue;
        uint64_t value = confirmed ? lease->members[i].confirmed : lease->members[i].until_ms;
        uint32_t at = count++;
        for (; at > 0 && values[at - 1] < value; at--) /* in descending order */
            values[at] = values[at - 1];
        values[at] = value;
    }
    CHECK(lease->needed > 0);
    return count < lease->needed ? 0 : values[lease->needed - 1];
}

void leader_lease_pong(struct leader_lease *lease, uint64_t node, const Qnfs__Pong *pong, uint64_t now_ms)
{
    struct leader_lease_member *member = NULL;
    if (lease->term == 0 || pong->term != lease->term || pong->number > lease->number || pong->sent_ms > now_ms)
        return;
    for (uint32_t i = 0; i < lease->count; i++) {
        if (lease->members[i].node == node)
            member = &lease->members[i];
    }
    /* One that was sent under an earlier configuration says nothing about the majority of this one. */
    if (member == NULL || pong->number < lease->first)
        return;
    if (pong->number > member->confirmed)
        member->confirmed = pong->number;
#ifdef QNFS_PLANT_LEASE_FROM_ANSWER
    member->until_ms = now_ms + 2 * pong->promise_ms;
#endif
    if (pong->promise_ms > LEADER_DRIFT_MS && pong->promise_ms <= LEADER_PROMISE_MS &&
        pong->sent_ms + pong->promise_ms - LEADER_DRIFT_MS > member->until_ms)
        member->until_ms = pong->sent_ms + pong->promise_ms - LEADER_DRIFT_MS;
    if (lease->needed > 0) {
        lease->until_ms = majority_of(lease, false);
        lease->confirmed = majority_of(lease, true);
    }
}

uint64_t leader_lease_round(const struct leader_lease *lease)
{
    return lease->number + 1;
}

void leader_lease_want(struct leader_lease *lease, uint64_t round)
{
    if (round > lease->wanted)
        lease->wanted = round;
}

/* The next round goes out when the timer says so; or at once if it is wanted and none is under way. */
static bool round_due(const struct leader_lease *lease, uint64_t now_ms)
{
    if (lease->term == 0 || lease->count == 0)
        return false;
    return now_ms >= lease->pinged_ms + LEASE_PING_MS ||
           (lease->wanted > lease->number && lease->confirmed >= lease->number);
}

void leader_lease_advance(struct leader_lease *lease, uint64_t now_ms, struct raft_loop_actions *actions)
{
    if (!round_due(lease, now_ms))
        return;
    lease->number++;
    lease->pinged_ms = now_ms;
    for (uint32_t i = 0; i < lease->count; i++) {
        Qnfs__Peer *peer = raft_loop_send(actions, lease->members[i].node);
        Qnfs__Ping *ping = ARENA_NEW(&actions->arena, Qnfs__Ping);
        qnfs__ping__init(ping);
        ping->term = lease->term;
        ping->sent_ms = now_ms;
        ping->promise_ms = LEADER_PROMISE_MS;
        ping->number = lease->number;
        peer->body_case = QNFS__PEER__BODY_PING;
        peer->ping = ping;
    }
}

uint64_t leader_lease_deadline(const struct leader_lease *lease)
{
    return lease->term == 0 || lease->count == 0 ? UINT64_MAX : lease->pinged_ms + LEASE_PING_MS;
}

uint64_t leader_lease_until(const struct leader_lease *lease)
{
    return lease->until_ms;
}

uint64_t leader_lease_confirmed(const struct leader_lease *lease)
{
    return lease->confirmed;
}
