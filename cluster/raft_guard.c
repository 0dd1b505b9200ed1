#include "cluster/raft_guard.h"

#include "base/check.h"

#define MAX_INFLIGHT_ENTRIES 4096u
#define INSTALL_TIMEOUT_MS 30000u

/* The library's readers want a struct that they may change, and do not. */
static struct raft *reader(const struct raft *raft)
{
    return (struct raft *)(uintptr_t)raft;
}

static enum raft_state state_of(const struct raft *raft)
{
    return raft_state(reader(raft));
}

static int role_of(const struct raft *raft)
{
    return raft_role(reader(raft));
}

void guard_init(struct raft_guard *guard, const struct guard_options *options)
{
    CHECK(options->id > 0);
    memset(guard, 0, sizeof *guard);
    (void)configuration_address(options->id, (struct span){(uint8_t *)guard->address, sizeof guard->address});
    struct raft *raft = &guard->raft;
    CHECK(raft_init(raft, NULL, NULL, options->id, guard->address) == 0);
    raft->tracer = NULL; /* the default one formats into a static buffer at every step */
    raft_seed(raft, (unsigned)(options->seed ^ options->seed >> 32));
    raft_set_election_timeout(raft, options->election_ms);
    raft_set_heartbeat_timeout(raft, options->heartbeat_ms);
    raft_set_install_snapshot_timeout(raft, INSTALL_TIMEOUT_MS);
    raft_set_pre_vote(raft, true);
    raft_set_max_inflight_entries(raft, MAX_INFLIGHT_ENTRIES);
}

void guard_fini(struct raft_guard *guard)
{
    raft_close(&guard->raft, NULL);
}

void guard_clock(struct raft_guard *guard, uint64_t now_ms)
{
    if (now_ms > guard->now_ms)
        guard->now_ms = now_ms;
}

/* --- around the step --- */

/* G1: an answer to a message of an older term carries an index off the stack; as a success it would count. */
static void stale_result_clear(struct raft_message *result, const struct raft_event *event, uint64_t term)
{
#ifdef QNFS_PLANT_G1_OFF
    (void)result, (void)event, (void)term;
#else
    const struct raft_message *request = event->receive.message;
    bool stale = (request->type == RAFT_APPEND_ENTRIES && request->append_entries.term < term) ||
                 (request->type == RAFT_INSTALL_SNAPSHOT && request->install_snapshot.term < term);
    if (stale && result->type == RAFT_APPEND_ENTRIES_RESULT) {
        result->append_entries_result.rejected = 0;
        result->append_entries_result.last_log_index = 0;
    }
#endif
}

/* G10: a refused pre-vote must tell the candidate of a newer term, or it stays at its low one for ever. */
static void pre_vote_result_raise(struct raft_message *result, const struct raft_event *event, uint64_t term)
{
#ifdef QNFS_PLANT_G10_OFF
    (void)result, (void)event, (void)term;
#else
    const struct raft_message *request = event->receive.message;
    if (request->type == RAFT_REQUEST_VOTE && request->request_vote.pre_vote && request->request_vote.term < term &&
        result->type == RAFT_REQUEST_VOTE_RESULT && !result->request_vote_result.vote_granted)
        result->request_vote_result.term = term;
#endif
}

/* G8: the library lets nobody vote who does not know that he is a voter, but the candidate may know a newer
 * configuration; only the candidate's counts votes. */
static int step_as_voter(struct raft *raft, struct raft_event *event, struct raft_update *update)
{
    struct raft_server self = {raft->id, raft->address, RAFT_VOTER};
    struct raft_configuration saved = raft->configuration;
    raft->configuration = (struct raft_configuration){&self, 1};
    int result = raft_step(raft, event, update);
    CHECK(raft->configuration.servers == &self);
    raft->configuration = saved;
    return result;
}

static bool wants_voter(const struct raft *raft, const struct raft_event *event)
{
#ifdef QNFS_PLANT_G8_OFF
    (void)raft, (void)event, (void)role_of;
    return false;
#else
    return event->type == RAFT_RECEIVE && event->receive.message->type == RAFT_REQUEST_VOTE &&
           state_of(raft) == RAFT_FOLLOWER && role_of(raft) != RAFT_VOTER;
#endif
}

/* G8: a follower that cannot campaign must not keep a dead leader, or it refuses its vote for ever. */
static void dead_leader_forget(struct raft *raft, const struct raft_event *event, bool expired)
{
#ifdef QNFS_PLANT_G8_OFF
    (void)raft, (void)event, (void)expired;
#else
    if (event->type == RAFT_TIMEOUT && expired && state_of(raft) == RAFT_FOLLOWER && role_of(raft) != RAFT_VOTER)
        raft->follower_state.current_leader.id = 0;
#endif
}

int guard_step(struct raft_guard *guard, struct raft_event *event, struct raft_update *update)
{
    struct raft *raft = &guard->raft;
    CHECK(event->time > 0 && event->time >= guard->now_ms);
    guard->now_ms = event->time;
    memset(update, 0, sizeof *update);
    bool expired = state_of(raft) == RAFT_FOLLOWER && event->time >= raft_timeout(raft);
    uint64_t term = raft_current_term(raft);
    uint64_t vote = raft_voted_for(raft);
    int result = wants_voter(raft, event) ? step_as_voter(raft, event, update) : raft_step(raft, event, update);
    CHECK(result == 0 || event->type == RAFT_SUBMIT || event->type == RAFT_TRANSFER);
    if (result != 0)
        return result;
    unsigned saved = update->flags & (RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR);
    CHECK(event->type == RAFT_START || saved != 0 || (raft_current_term(raft) == term && raft_voted_for(raft) == vote));
    dead_leader_forget(raft, event, expired);
    for (unsigned i = 0; event->type == RAFT_RECEIVE && i < update->messages.n; i++) {
        stale_result_clear(&update->messages.batch[i], event, raft_current_term(raft));
        pre_vote_result_raise(&update->messages.batch[i], event, raft_current_term(raft));
    }
    for (unsigned i = 0; i < update->messages.n; i++) {
        if (update->messages.batch[i].type == RAFT_TIMEOUT_NOW)
            guard->no_lease_term = raft_current_term(raft);
    }
    if (raft_commit_index(raft) > guard->commit_index)
        guard->commit_index = raft_commit_index(raft);
    return 0;
}

enum raft_state guard_state(const struct raft_guard *guard)
{
    return state_of(&guard->raft);
}

/* --- messages --- */

/* G12: a rejection that is older than what the peer has acknowledged since makes the library believe that everything is
 * under way already. */
static bool rejection_is_stale(const struct raft_guard *guard, const struct raft_message *message)
{
#ifdef QNFS_PLANT_G12_OFF
    (void)guard, (void)message;
    return false;
#else
    const struct raft_append_entries_result *result = &message->append_entries_result;
    raft_index match = 0;
    return state_of(&guard->raft) == RAFT_LEADER && result->rejected > 0 &&
           result->term == raft_current_term(&guard->raft) &&
           raft_match_index(&guard->raft, message->server_id, &match) == 0 && result->rejected <= match;
#endif
}

bool guard_accepts(const struct raft_guard *guard, const struct raft_message *message, bool current_connection)
{
    switch (message->type) {
    case RAFT_APPEND_ENTRIES_RESULT: return !rejection_is_stale(guard, message);
    case RAFT_REQUEST_VOTE_RESULT:
#ifdef QNFS_PLANT_G13_OFF
        return true;
#else
        /* G13: the library reads a member of the union that belongs to another state. */
        return state_of(&guard->raft) == RAFT_CANDIDATE;
#endif
    case RAFT_REQUEST_VOTE: return message->request_vote.disrupt_leader || guard_may_elect(guard);
    case RAFT_TIMEOUT_NOW:
#ifdef QNFS_PLANT_G14_OFF
        (void)current_connection;
        return true;
#else
        return current_connection && message->timeout_now.term == raft_current_term(&guard->raft);
#endif
    case RAFT_APPEND_ENTRIES:
    case RAFT_INSTALL_SNAPSHOT: return true;
    default: return false;
    }
}

void guard_promise(struct raft_guard *guard, uint64_t promise_ms)
{
    if (guard->now_ms + promise_ms > guard->vote_from_ms)
        guard->vote_from_ms = guard->now_ms + promise_ms;
}

bool guard_may_elect(const struct raft_guard *guard)
{
#ifdef QNFS_PLANT_G14_OFF
    (void)guard;
    return true;
#else
    return guard->now_ms >= guard->vote_from_ms;
#endif
}

bool guard_may_lease(const struct raft_guard *guard)
{
    return state_of(&guard->raft) == RAFT_LEADER && guard->no_lease_term != raft_current_term(&guard->raft) &&
           raft_transferee(&guard->raft) == 0;
}

/* --- AppendEntries --- */

bool guard_rebase(const struct raft_guard *guard, const struct log_terms *terms, bool installing,
                  struct guard_append *append)
{
#ifdef QNFS_PLANT_G3_OFF
    (void)guard, (void)terms, (void)installing, (void)append;
    return true;
#else
    bool known =
        append->previous_index == 0 ? terms->first_index == 1 : log_terms_find(terms, append->previous_index) != 0;
    if (append->term < raft_current_term(&guard->raft) || installing || known ||
        append->previous_index >= guard->commit_index)
        return true;
    uint64_t index = guard->commit_index < terms->last_index ? guard->commit_index : terms->last_index;
    uint64_t term = log_terms_find(terms, index);
    if (term == 0 || index < append->previous_index)
        return false;
    /* The leader has the same committed entries, so what lies below is equal. */
    uint64_t skipped = index - append->previous_index;
    if (skipped > append->count)
        skipped = append->count;
    append->entries = append->count == 0 ? NULL : append->entries + skipped;
    append->count -= (uint32_t)skipped;
    append->previous_index = index;
    append->previous_term = term;
    return true;
#endif
}

uint32_t guard_piece(const struct guard_append *append)
{
#ifndef QNFS_PLANT_G2_OFF
    for (uint32_t i = 1; i < append->count; i++) {
        if (append->entries[i].type == RAFT_CHANGE)
            return i;
    }
#endif
    return append->count;
}

uint64_t guard_confirms(const struct raft_guard *guard, const struct log_terms *terms, bool installing,
                        const struct guard_append *piece)
{
#ifdef QNFS_PLANT_G2B_OFF
    (void)guard, (void)terms, (void)installing, (void)piece;
    return 0;
#else
    const struct raft *raft = &guard->raft;
    uint64_t uncommitted = raft->configuration_uncommitted_index;
    if (piece->count == 0 || piece->entries[0].type != RAFT_CHANGE || installing || uncommitted == 0 ||
        uncommitted > piece->previous_index || piece->term < raft_current_term(raft) || state_of(raft) == RAFT_LEADER)
        return 0;
    if (terms->last_index < piece->previous_index ||
        log_terms_find(terms, piece->previous_index) != piece->previous_term ||
        log_terms_find(terms, piece->previous_index + 1) == piece->entries[0].term)
        return 0;
    return uncommitted;
#endif
}

/* --- configurations --- */

bool guard_new_term_at_start(const struct configuration *configuration, uint64_t id)
{
#ifdef QNFS_PLANT_G5_OFF
    (void)configuration, (void)id;
    return false;
#else
    /* The library makes a sole voter leader in its old term, where an earlier life may have written other entries. */
    return configuration_sole_voter(configuration, id);
#endif
}

/* Whether the same members vote. */
static bool voters_stay(const struct raft *raft, const struct configuration *next)
{
    unsigned voters = 0;
    for (unsigned i = 0; i < raft->configuration.n; i++) {
        const struct raft_server *server = &raft->configuration.servers[i];
        int position = configuration_find(next, server->id);
        if (server->role != RAFT_VOTER)
            continue;
        if (position < 0 || next->members[position].role != MEMBER_VOTER)
            return false;
        voters++;
    }
    return voters == configuration_voters(next);
}

/* G8b: every voter has the configuration that is in force; but for one that goes, which may be dead: nobody waits for its vote
 * in the next configuration. Standbys come and go without that: the majorities stay the same. */
static bool voters_follow(const struct raft *raft, const struct configuration *next)
{
#ifdef QNFS_PLANT_G8B_OFF
    (void)raft, (void)next, (void)voters_stay;
    return true;
#else
    if (voters_stay(raft, next))
        return true;
    for (unsigned i = 0; i < raft->configuration.n; i++) {
        const struct raft_server *server = &raft->configuration.servers[i];
        raft_index match = 0;
        if (server->role != RAFT_VOTER || server->id == raft->id || configuration_find(next, server->id) < 0)
            continue;
        if (raft_match_index(raft, server->id, &match) != 0 || match < raft->configuration_committed_index)
            return false;
    }
    return true;
#endif
}

/* G8b: a member that becomes a voter is close to the end of the log, and not behind the configuration. */
static bool promoted_follow(const struct raft *raft, const struct configuration *next)
{
#ifdef QNFS_PLANT_G8B_OFF
    (void)raft, (void)next;
    return true;
#else
    for (unsigned i = 0; i < raft->configuration.n; i++) {
        const struct raft_server *server = &raft->configuration.servers[i];
        int position = configuration_find(next, server->id);
        raft_index match = 0;
        if (server->role == RAFT_VOTER || position < 0 || next->members[position].role != MEMBER_VOTER)
            continue;
        if (raft_match_index(raft, server->id, &match) != 0 || match < raft->configuration_committed_index ||
            match + GUARD_PROMOTE_LAG_MAX < raft_last_index(reader(raft)))
            return false;
    }
    return true;
#endif
}

enum guard_change guard_may_change(const struct raft_guard *guard, const struct log_terms *terms,
                                   const struct configuration *next)
{
    const struct raft *raft = &guard->raft;
    CHECK(state_of(raft) == RAFT_LEADER && configuration_voters(next) > 0);
#ifndef QNFS_PLANT_G4_OFF
    if (log_terms_find(terms, guard->commit_index) != raft_current_term(raft))
        return GUARD_CHANGE_BARRIER;
#else
    (void)terms;
#endif
    if (raft->configuration_uncommitted_index != 0)
        return GUARD_CHANGE_WAIT;
    if (configuration_voters(next) == 1 && !configuration_sole_voter(next, raft->id))
        return GUARD_CHANGE_TRANSFER;
    if (!voters_follow(raft, next) || !promoted_follow(raft, next))
        return GUARD_CHANGE_WAIT;
    return GUARD_CHANGE_NOW;
}

/* --- bounds --- */

uint64_t guard_apply_limit(const struct raft_guard *guard, uint64_t durable_index)
{
#ifdef QNFS_PLANT_G6_OFF
    (void)durable_index;
    return guard->commit_index;
#else
    return guard->commit_index < durable_index ? guard->commit_index : durable_index;
#endif
}

bool guard_holds(uint64_t configuration_index, uint64_t durable_index)
{
#ifdef QNFS_PLANT_G7_OFF
    (void)configuration_index, (void)durable_index;
    return false;
#else
    return configuration_index > durable_index;
#endif
}

bool guard_may_snapshot(uint64_t index)
{
#ifdef QNFS_PLANT_G15_OFF
    return index > 0;
#else
    /* With one that ends at entry 1 the library knows that entry's term, and takes it for one that it can still send: a
     * member without any entry gets neither it nor the snapshot. */
    return index > 1;
#endif
}

uint64_t guard_deadline(const struct raft_guard *guard)
{
    uint64_t deadline_ms = raft_timeout(&guard->raft);
#ifndef QNFS_PLANT_G11_OFF
    if (deadline_ms <= guard->now_ms)
        deadline_ms = guard->now_ms + 1;
#endif
    return deadline_ms;
}
