/* What the raft loop's other actors ask the replica between its steps. */
#include "cluster/replica_state.h"

void replica_view(const struct replica *replica, struct replica_view *view)
{
    uint64_t term = raft_current_term(&replica->guard.raft);
    bool leads = replica->started && replica_leads(replica);
    *view = (struct replica_view){
        .leads = leads,
        .may_lease = leads && guard_may_lease(&replica->guard),
        .committed = leads && log_terms_find(&replica->terms, replica->published_index) == term,
        .applied = leads && log_terms_find(&replica->terms, replica->applied_index) == term,
        .term = term,
        .leader = replica->started ? replica_leader(replica) : 0,
        .commit_index = replica->published_index,
        .applied_index = replica->applied_index,
        .flushed_index = replica->flushed_index,
    };
    view->configuration = replica_configuration(replica, replica->last_index, &view->configuration_index);
}

bool replica_promise(struct replica *replica, uint64_t term, uint64_t now_ms, uint64_t promise_ms)
{
    /* A candidate may have been given votes already; it hears of the leader soon, and follows. */
    if (!replica->started || guard_state(&replica->guard) != RAFT_FOLLOWER ||
        raft_current_term(&replica->guard.raft) != term)
        return false;
    guard_clock(&replica->guard, now_ms);
#ifndef QNFS_PLANT_LEASE_WITHOUT_PROMISE
    guard_promise(&replica->guard, promise_ms);
#endif
    return true;
}

uint64_t replica_match_index(const struct replica *replica, uint64_t id)
{
    raft_index match = 0;
    return replica->started && replica_leads(replica) && raft_match_index(&replica->guard.raft, id, &match) == 0 ? match
                                                                                                                 : 0;
}
