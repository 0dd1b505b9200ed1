#include "cluster/replica.h"

#include "base/check.h"
#include "base/heap.h"
#include "cluster/replica_state.h"

/* Entries asked back from the log at once. */
#define READ_ENTRIES 256u
#define READ_BYTES (4u << 20)

/* --- actions --- */

void replica_actions_init(struct replica_actions *actions)
{
    *actions = (struct replica_actions){.deadline_ms = UINT64_MAX};
    arena_init(&actions->arena);
    actions->last = &actions->first;
}

void replica_actions_fini(struct replica_actions *actions)
{
    arena_fini(&actions->arena);
}

struct replica_action *replica_act(struct replica *replica, enum replica_action_kind kind)
{
    struct replica_actions *actions = replica->actions;
    struct replica_action *action = ARENA_NEW(&actions->arena, struct replica_action);
    action->kind = kind;
    *actions->last = action;
    actions->last = &action->next;
    return action;
}

struct log_request *replica_log(struct replica *replica, enum log_request_kind kind)
{
    struct log_request *request = log_request_create(kind);
    replica_act(replica, REPLICA_ACTION_LOG)->request = request;
    return request;
}

/* --- beginning and end --- */

void replica_add_change(struct replica *replica, uint64_t index, const struct configuration *configuration)
{
    if (replica->change_count == replica->change_capacity) {
        size_t capacity = replica->change_capacity == 0 ? 4 : 2 * replica->change_capacity;
        replica->changes = (struct replica_change *)heap_grow(replica->changes, replica->change_count, capacity,
                                                              sizeof(struct replica_change));
        replica->change_capacity = capacity;
    }
    replica->changes[replica->change_count++] = (struct replica_change){index, *configuration};
}

const struct configuration *replica_configuration(const struct replica *replica, uint64_t index,
                                                  uint64_t *configuration_index)
{
    for (size_t i = replica->change_count; i > 0; i--) {
        if (replica->changes[i - 1].index > index)
            continue;
        *configuration_index = replica->changes[i - 1].index;
        return &replica->changes[i - 1].configuration;
    }
    *configuration_index = replica->snapshot.configuration_index;
    return &replica->snapshot.configuration;
}

struct replica *replica_create(const struct replica_options *options, const struct log_recovered *recovered)
{
    struct replica *replica = HEAP_NEW(struct replica);
    const struct log_snapshot *snapshot = &recovered->snapshot;
    uint64_t last_index = recovered->first_index + recovered->entry_count - 1;
    CHECK(options->applied_index + 1 >= recovered->first_index && options->applied_index >= snapshot->index);
    CHECK(options->applied_index <= last_index);
    replica->options = *options;
    if (options->trailing_bytes == 0)
        replica->options.trailing_bytes = LOG_TRAILING_BYTES;
    if (options->append_bytes == 0)
        replica->options.append_bytes = PEER_APPEND_BYTES;
    replica->snapshot = *snapshot;
    replica->start_term = recovered->term;
    replica->start_vote = recovered->vote;
    replica->last_index = replica->durable_index = replica->reported_index = last_index;
    replica->epoch_floor = last_index;
    replica->handed_index = replica->applied_index = options->applied_index;
    replica->flushed_index = snapshot->index;
    replica->uptime_base_ms = options->uptime_ms;
    replica->deadline_ms = UINT64_MAX;
    replica_proposals_init(replica);
    list_init(&replica->received);
    list_init(&replica->outgoing);
    log_sizes_init(&replica->sizes, LOG_SIZES_STEP_BYTES < replica->options.trailing_bytes / 16
                                        ? LOG_SIZES_STEP_BYTES
                                        : replica->options.trailing_bytes / 16);
    log_terms_init(&replica->terms, recovered->first_index, snapshot->index, snapshot->term);
    entry_window_init(&replica->window, options->applied_index + 1);
    for (uint64_t i = 0; i < recovered->entry_count; i++) {
        const struct log_recovered_entry *entry = &recovered->entries[i];
        log_terms_append(&replica->terms, entry->term);
        log_sizes_append(&replica->sizes, recovered->first_index + i, entry->size_bytes);
        if (entry->configuration != NULL)
            replica_add_change(replica, recovered->first_index + i, entry->configuration);
        if (recovered->first_index + i > options->applied_index)
            entry_window_append(&replica->window, entry->kind, NULL);
    }
    CHECK(entry_window_next(&replica->window) == last_index + 1);
    struct guard_options guard = {options->id, options->seed, options->election_ms, options->heartbeat_ms};
    guard_init(&replica->guard, &guard);
    return replica;
}

static void messages_drop(struct list *messages)
{
    struct list_link *link;
    while ((link = list_first(messages)) != NULL) {
        list_remove(link);
        peer_message_free(container_of(link, struct peer_message, link));
    }
}

void replica_destroy(struct replica *replica)
{
    replica_proposals_fini(replica);
    messages_drop(&replica->received);
    messages_drop(&replica->outgoing);
    replica_send_reset(replica);
    heap_free(replica->peers);
    guard_fini(&replica->guard);
    entry_window_fini(&replica->window);
    log_terms_fini(&replica->terms);
    log_sizes_fini(&replica->sizes);
    heap_free(replica->changes);
    heap_free(replica);
}

/* --- messages: they only change what we know; what follows from it is replica_advance's --- */

static void take_start(struct replica *replica)
{
    CHECK(!replica->started && !replica->saving_vote);
    uint64_t index;
    const struct configuration *configuration = replica_configuration(replica, replica->last_index, &index);
    if (guard_new_term_at_start(configuration, replica->options.id)) {
        replica->start_term++;
        replica->start_vote = replica->options.id;
        struct log_request *request = replica_log(replica, LOG_REQUEST_VOTE);
        request->term = replica->start_term;
        request->vote = replica->start_vote;
        replica->saving_vote = true;
        return;
    }
    /* G14: an earlier life may have promised a leader not to take part in an election. */
    if (!configuration_sole_voter(configuration, replica->options.id))
        guard_promise(&replica->guard, LEADER_PROMISE_MS);
    replica_core_start(replica);
}

static void take_vote_saved(struct replica *replica)
{
    CHECK(replica->saving_vote);
    replica->saving_vote = false;
    if (!replica->started)
        replica_core_start(replica);
}

static void take_persisted(struct replica *replica, uint64_t index, uint64_t epoch)
{
    /* What was written before a truncation may have been replaced from there on. */
    if (epoch < replica->epoch && index > replica->epoch_floor)
        index = replica->epoch_floor;
    CHECK(index <= replica->last_index);
    if (epoch == replica->epoch)
        replica->epoch_floor = index;
    if (index > replica->durable_index)
        replica->durable_index = index;
}

static void take_entries(struct replica *replica, struct replica_message *message)
{
    if (message->reader == LOG_READER_PEER) {
        replica_send_entries(replica, message);
        return;
    }
    CHECK(replica->reading && message->entry_count > 0);
    replica->reading = false;
    for (uint32_t i = 0; i < message->entry_count; i++) {
        struct replica_entry *entry = &message->entries[i];
        if (log_terms_find(&replica->terms, entry->index) == entry->term)
            entry_window_fill(&replica->window, entry->index, entry->bytes);
        else
            buffer_put(entry->bytes);
    }
    message->entry_count = 0; /* the owners are taken */
}

static void take_applied(struct replica *replica, uint64_t index, uint64_t uptime_ms)
{
    CHECK(index >= replica->applied_index && index <= replica->handed_index);
    replica->applied_index = index;
    replica_window_trim(replica);
    /* What an earlier leader has stamped is where this one's uptime begins. */
    if (index <= replica->led_from_index && uptime_ms > replica->uptime_base_ms)
        replica->uptime_base_ms = uptime_ms;
}

static void message_take(struct replica *replica, struct replica_message *message)
{
    switch (message->kind) {
    case REPLICA_START: take_start(replica); break;
    case REPLICA_PROPOSE: replica_proposals_take(replica, &message->proposals); break;
    case REPLICA_TICK: break;
    case REPLICA_PERSISTED: take_persisted(replica, message->index, message->epoch); break;
    case REPLICA_VOTE_SAVED: take_vote_saved(replica); break;
    case REPLICA_SNAPSHOT_SAVED:
        CHECK(replica->saving_snapshot && message->index == replica->next_snapshot.index);
        replica->snapshot_saved = true;
        break;
    case REPLICA_ENTRIES: take_entries(replica, message); break;
    case REPLICA_SPACE:
        replica->space = message->space;
        replica_act(replica, REPLICA_ACTION_SPACE)->space = message->space;
        break;
    case REPLICA_APPLIED: take_applied(replica, message->index, message->uptime_ms); break;
    case REPLICA_FLUSHED:
        CHECK(message->index <= replica->handed_index);
        if (message->index > replica->flushed_index)
            replica->flushed_index = message->index;
#ifdef QNFS_PLANT_CUT_TOO_FAR
        replica->flushed_index = replica->applied_index;
#endif
        break;
    case REPLICA_RECEIVE:
        replica_receive(replica, message->peer);
        message->peer = NULL;
        break;
    case REPLICA_INSTALLED: replica_install_placed(replica, message->snapshot); break;
    case REPLICA_INSTALL_SAVED:
        CHECK(replica->install_state == INSTALL_SAVING && message->index == replica->snapshot.index);
        replica->install_state = INSTALL_SAVED;
        break;
    case REPLICA_CHANGE: replica_change_take(replica, &message->change); break;
    case REPLICA_PIN: replica->pinned_index = message->index; break;
    case REPLICA_TRANSFER:
        replica->transfer_waits = true;
        replica->transfer_to = message->index;
        break;
    }
}

/* --- what follows --- */

/* Where the log is cut for a snapshot at index: members that lag find a part of it, if there are any. */
static uint64_t cut_index(const struct replica *replica, uint64_t index)
{
    uint64_t configuration_index;
    if (replica_configuration(replica, index, &configuration_index)->count == 1)
        return index;
    uint64_t kept = log_sizes_trailing(&replica->sizes, index, replica->options.trailing_bytes);
    if (replica->pinned_index != 0 && kept > replica->pinned_index + 1)
        kept = replica->pinned_index + 1;
    return kept <= replica->terms.first_index ? replica->terms.first_index - 1 : kept - 1;
}

/* A flush is complete: the log may be cut up to it. */
static void snapshot_request(struct replica *replica)
{
    uint64_t index = replica->flushed_index;
    /* After an install the state may be ahead of log and core for a while. */
    if (index <= replica->snapshot.index || !guard_may_snapshot(index) || replica->saving_snapshot ||
        index > replica->durable_index || index > replica->scanned_index || replica->install_state >= INSTALL_PLACED)
        return;
    struct log_snapshot *next = &replica->next_snapshot;
    *next = (struct log_snapshot){.index = index, .term = log_terms_find(&replica->terms, index)};
    CHECK(next->term > 0);
    next->cut_index = cut_index(replica, index);
    next->configuration = *replica_configuration(replica, index, &next->configuration_index);
    replica_log(replica, LOG_REQUEST_SNAPSHOT)->snapshot = *next;
    replica->saving_snapshot = true;
}

/* A leader's timer also beats for its followers; a voter that has promised to keep still keeps its own from running. */
static bool timer_runs(const struct replica *replica)
{
    return replica_leads(replica) || guard_may_elect(&replica->guard);
}

/* What earlier terms have left, proposals and reads alike, is decided by the first entry of this term. The core adds one only
 * when something is not committed yet. A node alone has an entry soon anyway: its registration. */
static bool barrier_add(struct replica *replica)
{
    uint64_t index;
    if (!replica_leads(replica) || raft_transferee(&replica->guard.raft) != 0 ||
        log_terms_find(&replica->terms, replica->last_index) == raft_current_term(&replica->guard.raft) ||
        configuration_sole_voter(replica_configuration(replica, replica->last_index, &index), replica->options.id))
        return false;
    replica_core_submit(replica, REPLICA_ENTRY_BARRIER, buffer_create(0));
    return true;
}

/* When the core's timer goes off. A follower whose state is far behind its log stands for election later, as long as the others
 * may need to elect one of them: a leader answers nobody before it has applied what was committed. */
static uint64_t timer_ms(const struct replica *replica)
{
    bool behind = replica->last_index > replica->applied_index + REPLICA_BEHIND_ENTRIES;
    bool waits = behind && replica->deadline_ms < UINT64_MAX && guard_state(&replica->guard) == RAFT_FOLLOWER;
    return replica->deadline_ms + (waits ? REPLICA_BEHIND_MS : 0);
}

/* One event that is due; false if there is none. */
static bool event_feed(struct replica *replica)
{
    if (replica->durable_index > replica->reported_index && replica->install_state != INSTALL_SAVING) {
        replica_core_persisted(replica);
        return true;
    }
    if (replica->scanned_index < replica->guard.commit_index && replica_core_configure(replica))
        return true;
    if (replica->snapshot_saved) {
        replica->snapshot_saved = replica->saving_snapshot = false;
        replica_core_snapshot(replica);
        return true;
    }
    if (replica_install_next(replica) || replica_receive_next(replica))
        return true;
    if (replica->now_ms >= timer_ms(replica) && timer_runs(replica)) {
        replica_core_timeout(replica);
        return true;
    }
    return replica_change_next(replica) || replica_proposals_pack(replica) || barrier_add(replica);
}

/* Entries that the apply thread may have: in memory they go out; what is only on disk is asked for. True: they show that
 * proposals are lost, which wait again. */
static bool entries_hand_out(struct replica *replica)
{
    bool lost = false;
    uint64_t limit = guard_apply_limit(&replica->guard, replica->durable_index);
    while (replica->handed_index < limit) {
        uint64_t index = replica->handed_index + 1;
        struct window_slot *slot = entry_window_slot(&replica->window, index);
        if (slot->bytes == NULL)
            break;
        struct replica_action *action = replica_act(replica, REPLICA_ACTION_APPLY);
        action->entry =
            (struct replica_entry){index, log_terms_find(&replica->terms, index), slot->kind, buffer_get(slot->bytes)};
        replica->handed_index = index;
        lost |= replica_proposals_handed(replica, index, action->entry.term);
    }
    if (replica->handed_index >= limit || replica->reading || replica->window.size_bytes >= REPLICA_WINDOW_BYTES)
        return lost;
    struct log_request *request = replica_log(replica, LOG_REQUEST_READ);
    request->reader = LOG_READER_APPLY;
    request->index = replica->handed_index + 1;
    request->size_bytes = READ_BYTES;
    while (request->count < READ_ENTRIES && request->index + request->count <= limit &&
           entry_window_slot(&replica->window, request->index + request->count)->bytes == NULL)
        request->count++;
    replica->reading = true;
    return lost;
}

uint64_t replica_leader(const struct replica *replica)
{
    struct raft *raft = (struct raft *)(uintptr_t)&replica->guard.raft; /* it only reads */
    raft_id leader = 0;
    const char *address;
    raft_leader(raft, &leader, &address);
    /* A follower keeps the old one when it hears of a new term. */
    return replica_leads(replica) || replica->leader_term == raft_current_term(raft) ? leader : 0;
}

static void role_publish(struct replica *replica)
{
    static const enum replica_role roles[] = {
        [RAFT_UNAVAILABLE] = REPLICA_FOLLOWER,
        [RAFT_FOLLOWER] = REPLICA_FOLLOWER,
        [RAFT_CANDIDATE] = REPLICA_CANDIDATE,
        [RAFT_LEADER] = REPLICA_LEADER,
    };
    enum replica_role role = roles[guard_state(&replica->guard)];
    uint64_t term = raft_current_term(&replica->guard.raft);
    uint64_t leader = replica_leader(replica);
    if (role == replica->role && term == replica->term && leader == replica->leader)
        return;
    if (replica->role == REPLICA_LEADER && (role != REPLICA_LEADER || term != replica->term))
        replica_proposals_drop(replica);
    replica->role = role;
    replica->term = term;
    replica->leader = leader;
    struct replica_action *action = replica_act(replica, REPLICA_ACTION_ROLE);
    action->role = role;
    action->term = term;
    action->leader = leader;
}

/* After each event, so that each is published by who it happened to; before anything that reveals it leaves. */
static void state_publish(struct replica *replica)
{
    role_publish(replica);
    if (replica->guard.commit_index <= replica->published_index)
        return;
    replica->published_index = replica->guard.commit_index;
    replica_act(replica, REPLICA_ACTION_COMMIT)->index = replica->published_index;
}

static void replica_advance(struct replica *replica)
{
    if (!replica->started || replica->saving_vote)
        return;
    do {
        do {
            state_publish(replica);
        } while (event_feed(replica) && !replica->saving_vote);
        if (replica->saving_vote)
            return;
    } while (entries_hand_out(replica));
    snapshot_request(replica);
    replica_proposals_forward(replica);
    replica_send_advance(replica);
}

/* When the step wants to be called again. */
static uint64_t deadline(const struct replica *replica)
{
    if (!replica->started || replica->saving_vote)
        return UINT64_MAX;
    uint64_t at_ms = timer_ms(replica);
    if (!timer_runs(replica) && at_ms < replica->guard.vote_from_ms)
        return replica->guard.vote_from_ms;
    return at_ms;
}

void replica_step(struct replica *replica, struct replica_message *message, uint64_t now_ms, int64_t wall_ns,
                  struct replica_actions *actions)
{
    CHECK(now_ms > 0);
    arena_reset(&actions->arena);
    actions->first = NULL;
    actions->last = &actions->first;
    replica->actions = actions;
    /* A process that was stopped has not led meanwhile: leases must not run out because nobody could renew them. */
    if (replica->now_ms > 0 && now_ms > replica->now_ms + REPLICA_STOPPED_MS)
        replica->led_since_ms += now_ms - replica->now_ms;
    if (now_ms > replica->now_ms)
        replica->now_ms = now_ms;
    guard_clock(&replica->guard, replica->now_ms);
    replica->wall_ns = wall_ns;
    message_take(replica, message);
    replica_advance(replica);
    actions->deadline_ms = deadline(replica);
    replica->actions = NULL;
}

void replica_status(const struct replica *replica, struct replica_status *status)
{
    uint64_t configuration_index;
    *status = (struct replica_status){
        .role = replica->role,
        .term = replica->term,
        .leader = replica->leader,
        .last_index = replica->last_index,
        .durable_index = replica->durable_index,
        .commit_index = replica->published_index,
        .applied_index = replica->applied_index,
        .snapshot_index = replica->snapshot.index,
        .waiting = replica->waiting_count,
    };
    status->configuration = *replica_configuration(replica, replica->last_index, &configuration_index);
}
