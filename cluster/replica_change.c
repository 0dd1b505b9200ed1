/* Changes of the membership and transfers of leadership: what the leader proposes, and when (rules G4, G5, G8B). */
#include "base/check.h"
#include "cluster/replica_state.h"

static void change_answer(struct replica *replica, const struct replica_member_change *change, enum status status,
                          uint64_t index)
{
    struct replica_action *action = replica_act(replica, REPLICA_ACTION_CHANGED);
    action->change = *change;
    action->status = status;
    action->index = index;
}

void replica_change_take(struct replica *replica, const struct replica_member_change *change)
{
    /* The later wish counts: a promotion may wait for ever for a standby that has died since. */
    if (replica->change_waits)
        change_answer(replica, &replica->change, STATUS_FULL, 0);
    replica->change = *change;
    replica->change_waits = true;
}

/* The configuration with one member changed; false: there is nothing of the kind to change, or no voter would be left. */
static bool change_make(const struct replica_member_change *change, struct configuration *next)
{
    int position = configuration_find(next, change->id);
    if (change->id == 0 || (position < 0) != (change->kind == REPLICA_CHANGE_ADD))
        return false;
    struct member *member = position < 0 ? NULL : &next->members[position];
    switch (change->kind) {
    case REPLICA_CHANGE_ADD:
        if (next->count == CLUSTER_MEMBERS_MAX)
            return false;
        next->members[next->count++] = (struct member){change->id, MEMBER_STANDBY};
        return true;
    case REPLICA_CHANGE_PROMOTE:
        if (member->role == MEMBER_VOTER)
            return false;
        member->role = MEMBER_VOTER;
        return true;
    case REPLICA_CHANGE_DEMOTE:
        if (member->role == MEMBER_STANDBY)
            return false;
        member->role = MEMBER_STANDBY;
        break;
    case REPLICA_CHANGE_REMOVE:
        next->count--;
        memmove(member, member + 1, (next->count - (size_t)position) * sizeof(struct member));
        next->members[next->count] = (struct member){0};
        break;
    }
    return configuration_voters(next) > 0;
}

static void configuration_submit(struct replica *replica, const struct configuration *next)
{
    struct buffer *bytes = buffer_create(CONFIGURATION_MAX_BYTES);
    bytes->size_bytes = configuration_encode(next, (struct span){bytes->data, CONFIGURATION_MAX_BYTES});
    replica_core_submit(replica, REPLICA_ENTRY_CONFIGURATION, bytes);
}

static bool change_next(struct replica *replica)
{
    uint64_t index;
    struct configuration next = *replica_configuration(replica, replica->last_index, &index);
    if (!replica_leads(replica) || !change_make(&replica->change, &next)) {
        replica->change_waits = false;
        change_answer(replica, &replica->change, STATUS_REFUSED, 0);
        return true;
    }
    if (raft_transferee(&replica->guard.raft) != 0)
        return false;
    switch (guard_may_change(&replica->guard, &replica->terms, &next)) {
    case GUARD_CHANGE_NOW:
        configuration_submit(replica, &next);
        replica->change_waits = false;
        change_answer(replica, &replica->change, STATUS_OK, replica->last_index);
        return true;
    case GUARD_CHANGE_BARRIER:
        /* An entry of this term that is under way does as well. */
        if (log_terms_find(&replica->terms, replica->last_index) == raft_current_term(&replica->guard.raft))
            return false;
        replica_core_submit(replica, REPLICA_ENTRY_BARRIER, buffer_create(0));
        return true;
    case GUARD_CHANGE_TRANSFER:
        replica->change_waits = false;
        change_answer(replica, &replica->change, STATUS_REFUSED, 0);
        return true;
    case GUARD_CHANGE_WAIT: break;
    }
    return false;
}

bool replica_change_next(struct replica *replica)
{
    if (replica->transfer_waits) {
        replica->transfer_waits = false;
        replica_core_transfer(replica, replica->transfer_to);
        return true;
    }
    return replica->change_waits && change_next(replica);
}
