#include "server/daemon/address_choice.h"

#include <string.h>

#include "statestore/machine/node.h"

/* A node that may have addresses. */
struct candidate {
    uint64_t node;
    struct incarnation_id incarnation;
    uint64_t registered_ms;
    uint32_t has; /* or is to get */
};

static size_t candidates_read(struct kv_read *view, const struct incarnation_id *lost, size_t lost_count,
                              struct arena *arena, struct candidate *candidates)
{
    struct node_walk walk;
    struct node_member member;
    size_t count = 0;
    node_walk_open(view, arena, &walk);
    for (; count < CLUSTER_MEMBERS_MAX && node_walk_get(&walk, &member); node_walk_next(&walk)) {
        struct incarnation incarnation;
        bool runs = incarnation_get(view, member.incarnation, arena, &incarnation);
        for (size_t i = 0; runs && i < lost_count; i++)
            runs = lost[i].value != member.incarnation.value;
        if (runs)
            candidates[count++] = (struct candidate){member.node, member.incarnation, member.registered_ms, 0};
    }
    node_walk_close(&walk);
    return count;
}

static struct candidate *candidate_find(struct candidate *candidates, size_t count, struct incarnation_id incarnation)
{
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].incarnation.value == incarnation.value)
            return &candidates[i];
    }
    return NULL;
}

/* Whose the address is, or is going to be; NULL: nobody's that may have it. */
static struct candidate *candidate_of(struct candidate *candidates, size_t count, const struct address *address)
{
    return candidate_find(candidates, count, address->next.value != 0 ? address->next : address->owner);
}

static bool has_run(uint64_t since_ms, uint64_t uptime_ms)
{
    return uptime_ms >= since_ms && uptime_ms - since_ms >= ADDRESS_HOLD_MS;
}

bool address_choose(struct kv_read *view, uint64_t uptime_ms, const struct incarnation_id *lost, size_t lost_count,
                    struct arena *arena, struct address_choice *choice)
{
    struct address *addresses;
    struct candidate candidates[CLUSTER_MEMBERS_MAX];
    size_t address_count = address_list(view, arena, &addresses);
    if (address_count == 0)
        return false;
    size_t count = candidates_read(view, lost, lost_count, arena, candidates);
    for (size_t i = 0; i < address_count; i++) {
        struct candidate *owner = candidate_of(candidates, count, &addresses[i]);
        if (owner != NULL)
            owner->has++;
    }
    const struct address *moves = NULL;
    const struct candidate *target = NULL;
    for (size_t i = 0; i < address_count; i++) {
        const struct address *address = &addresses[i];
        const struct candidate *owner = candidate_of(candidates, count, address);
        bool is_free = address->owner.value == 0;
        if (address->leaving || address->next.value != 0 ||
            (!is_free && (moves != NULL || owner == NULL || !has_run(address->since_ms, uptime_ms))))
            continue; /* what nobody has comes first */
        const struct candidate *best = NULL;
        for (size_t j = 0; j < count; j++) {
            const struct candidate *other = &candidates[j];
            if (address_trouble(view, address->id, other->incarnation, arena).size_bytes > 0)
                continue;
            if (!is_free && (!has_run(other->registered_ms, uptime_ms) || other->has + 2 > owner->has))
                continue;
            if (best == NULL || other->has < best->has)
                best = other;
        }
        if (best == NULL)
            continue;
        moves = address;
        target = best;
        if (is_free)
            break;
    }
    if (moves == NULL)
        return false;
    memcpy(choice->bytes, moves->bytes, sizeof(choice->bytes));
    choice->epoch = moves->epoch;
    choice->node = target->node;
    return true;
}
