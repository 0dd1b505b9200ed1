/* Messages to other members. The core says which entries an append carries; they are found in memory or read back from the
 * log, cut into pieces by bytes, and held from a configuration on that our own disk lacks (G7). A heartbeat never waits
 * behind them. */
#include "base/check.h"
#include "base/heap.h"
#include "cluster/replica_state.h"

/* --- peers --- */

static struct replica_peer *peer_find(struct replica *replica, uint64_t id)
{
    for (size_t i = 0; i < replica->peer_count; i++) {
        if (replica->peers[i].id == id)
            return &replica->peers[i];
    }
    return NULL;
}

static bool peer_is_member(const struct replica *replica, uint64_t id)
{
    const struct raft_configuration *configuration = &replica->guard.raft.configuration;
    for (unsigned i = 0; i < configuration->n; i++) {
        if (configuration->servers[i].id == id)
            return true;
    }
    return false;
}

static struct replica_peer *peer_get(struct replica *replica, uint64_t id)
{
    struct replica_peer *peer = peer_find(replica, id);
    if (peer != NULL)
        return peer;
    if (replica->peers == NULL)
        replica->peers = (struct replica_peer *)heap_alloc((CLUSTER_MEMBERS_MAX + 1) * sizeof(struct replica_peer));
    /* One that is no member any more makes room. */
    for (size_t i = 0; i < replica->peer_count && replica->peer_count > CLUSTER_MEMBERS_MAX; i++) {
        if (peer_is_member(replica, replica->peers[i].id))
            continue;
        peer = &replica->peers[i];
        break;
    }
    if (peer == NULL) {
        CHECK(replica->peer_count <= CLUSTER_MEMBERS_MAX);
        peer = &replica->peers[replica->peer_count++];
    }
    *peer = (struct replica_peer){.id = id};
    return peer;
}

void replica_send_reset(struct replica *replica)
{
    replica->peer_count = 0;
}

/* What the peer is known to have; 0: nothing, or it is no member. */
static uint64_t peer_match(const struct replica *replica, uint64_t id)
{
    raft_index match = 0;
    return raft_match_index(&replica->guard.raft, id, &match) == 0 ? match : 0;
}

/* --- out of the core --- */

static struct peer_message *message_add(struct replica *replica, enum peer_message_kind kind, uint64_t peer,
                                        uint64_t term)
{
    struct peer_message *message = peer_message_create(kind, peer);
    message->term = term;
    list_append(&replica->outgoing, &message->link);
    return message;
}

static void heartbeat_add(struct replica *replica, struct replica_peer *peer, uint64_t previous_index,
                          uint64_t previous_term, uint64_t commit_index)
{
    struct peer_message *message =
        message_add(replica, PEER_MESSAGE_APPEND, peer->id, raft_current_term(&replica->guard.raft));
    message->previous_index = previous_index;
    message->previous_term = previous_term;
    message->commit_index = commit_index;
    peer->sent_ms = replica->now_ms;
}

static void heartbeat_take(struct replica *replica, struct replica_peer *peer, const struct raft_append_entries *append,
                           bool submitted)
{
    /* With a full pipeline the core sends an empty one at every submit: one now and then is enough. */
    if (submitted && replica->now_ms < peer->sent_ms + replica->options.heartbeat_ms / 2)
        return;
    /* In front of entries that wait it would be rejected, and they be sent again. */
    uint64_t match = peer->count == 0 ? 0 : peer_match(replica, peer->id);
    uint64_t term = match == 0 ? 0 : log_terms_find(&replica->terms, match);
    if (term != 0)
        heartbeat_add(replica, peer, match, term, append->leader_commit);
    else
        heartbeat_add(replica, peer, append->prev_log_index, append->prev_log_term, append->leader_commit);
}

/* One range of entries waits for a member, not a list of appends: when the core begins again further down (it has heard of
 * a loss), what waited would only be rejected. */
static void append_take(struct replica *replica, const struct raft_message *message, bool submitted)
{
    const struct raft_append_entries *append = &message->append_entries;
    struct replica_peer *peer = peer_get(replica, message->server_id);
    CHECK(append->prev_log_index + append->n_entries <= replica->last_index);
    if (append->n_entries == 0) {
        heartbeat_take(replica, peer, append, submitted);
        return;
    }
    uint64_t end = append->prev_log_index + append->n_entries;
    peer->commit_index = append->leader_commit;
    if (peer->count > 0 && append->prev_log_index >= peer->previous_index &&
        append->prev_log_index <= peer->previous_index + peer->count) {
        if (end > peer->previous_index + peer->count)
            peer->count = end - peer->previous_index;
        return;
    }
    peer->previous_index = append->prev_log_index;
    peer->previous_term = append->prev_log_term;
    peer->count = append->n_entries;
}

static void snapshot_take(struct replica *replica, const struct raft_message *message)
{
    const struct raft_install_snapshot *install = &message->install_snapshot;
    CHECK(install->last_index == replica->snapshot.index && install->last_term == replica->snapshot.term &&
          install->conf_index == replica->snapshot.configuration_index);
    struct peer_message *sent = message_add(replica, PEER_MESSAGE_SNAPSHOT, message->server_id, install->term);
    sent->snapshot = HEAP_NEW(struct log_snapshot);
    *sent->snapshot = replica->snapshot;
}

static void message_take(struct replica *replica, const struct raft_message *message, bool submitted)
{
    struct peer_message *sent;
    switch (message->type) {
    case RAFT_APPEND_ENTRIES: append_take(replica, message, submitted); break;
    case RAFT_APPEND_ENTRIES_RESULT:
        sent =
            message_add(replica, PEER_MESSAGE_APPEND_RESULT, message->server_id, message->append_entries_result.term);
        sent->rejected = message->append_entries_result.rejected;
        sent->last_index = message->append_entries_result.last_log_index;
        sent->features = message->append_entries_result.features;
        sent->capacity = message->append_entries_result.capacity;
        break;
    case RAFT_REQUEST_VOTE:
        sent = message_add(replica, PEER_MESSAGE_VOTE, message->server_id, message->request_vote.term);
        sent->last_index = message->request_vote.last_log_index;
        sent->last_term = message->request_vote.last_log_term;
        sent->disrupt_leader = message->request_vote.disrupt_leader;
        sent->pre_vote = message->request_vote.pre_vote;
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        sent = message_add(replica, PEER_MESSAGE_VOTE_RESULT, message->server_id, message->request_vote_result.term);
        sent->granted = message->request_vote_result.vote_granted;
        sent->pre_vote = message->request_vote_result.pre_vote;
        sent->features = message->request_vote_result.features;
        sent->capacity = message->request_vote_result.capacity;
        break;
    case RAFT_INSTALL_SNAPSHOT: snapshot_take(replica, message); break;
    case RAFT_TIMEOUT_NOW:
        sent = message_add(replica, PEER_MESSAGE_TIMEOUT_NOW, message->server_id, message->timeout_now.term);
        sent->last_index = message->timeout_now.last_log_index;
        sent->last_term = message->timeout_now.last_log_term;
        break;
    }
}

void replica_send_take(struct replica *replica, const struct raft_update *update, bool submitted)
{
    for (unsigned i = 0; i < update->messages.n; i++) {
        /* What became durable is reported to the leader even if that was forgotten (G8). */
        if (update->messages.batch[i].server_id != 0)
            message_take(replica, &update->messages.batch[i], submitted);
    }
}

/* --- entries that wait --- */

/* How many of the entries may go: those before the first configuration that our own disk lacks (G7). */
static uint64_t entries_free(const struct replica *replica, const struct replica_peer *peer)
{
    for (size_t i = 0; i < replica->change_count; i++) {
        uint64_t index = replica->changes[i].index;
        if (index > peer->previous_index && index <= peer->previous_index + peer->count &&
            guard_holds(index, replica->durable_index))
            return index - 1 - peer->previous_index;
    }
    return peer->count;
}

/* The message that carries these entries, the first ones that wait; the owners go along. */
static void piece_send(struct replica *replica, struct replica_peer *peer, struct replica_entry *entries,
                       uint32_t count)
{
    struct peer_message *message =
        message_add(replica, PEER_MESSAGE_APPEND, peer->id, raft_current_term(&replica->guard.raft));
    message->previous_index = peer->previous_index;
    message->previous_term = peer->previous_term;
    message->commit_index = peer->commit_index;
    message->entries = entries;
    message->entry_count = count;
    peer->sent_ms = replica->now_ms;
    peer->previous_index = entries[count - 1].index;
    peer->previous_term = entries[count - 1].term;
    peer->count -= count;
}

static const struct window_slot *slot_in_memory(const struct replica *replica, uint64_t index)
{
    if (index < replica->window.first_index || index >= entry_window_next(&replica->window))
        return NULL;
    const struct window_slot *slot = entry_window_slot(&replica->window, index);
    return slot->bytes == NULL ? NULL : slot;
}

/* A piece of what is in memory; false: its first entry is not. */
static bool piece_from_memory(struct replica *replica, struct replica_peer *peer, uint64_t most)
{
    uint32_t count = 0;
    uint64_t size_bytes = 0;
    while (count < most && count < PEER_APPEND_ENTRIES_MAX) {
        const struct window_slot *slot = slot_in_memory(replica, peer->previous_index + 1 + count);
        if (slot == NULL || (count > 0 && size_bytes + slot->size_bytes > replica->options.append_bytes))
            break;
        size_bytes += slot->size_bytes;
        count++;
    }
    if (count == 0)
        return false;
    struct replica_entry *entries = (struct replica_entry *)heap_alloc(count * sizeof(struct replica_entry));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t index = peer->previous_index + 1 + i;
        const struct window_slot *slot = slot_in_memory(replica, index);
        entries[i] =
            (struct replica_entry){index, log_terms_find(&replica->terms, index), slot->kind, buffer_get(slot->bytes)};
    }
    piece_send(replica, peer, entries, count);
    return true;
}

/* Asks the log for a piece. One at a time, and of one member no more than two that it has not acknowledged: a member that
 * catches up takes neither our memory nor the whole disk. */
static void piece_read(struct replica *replica, struct replica_peer *peer, uint64_t most)
{
    if (replica->peer_reading != 0 || (peer->read_index > peer_match(replica, peer->id) + 1 &&
                                       replica->now_ms < peer->read_ms + replica->options.heartbeat_ms))
        return;
    struct log_request *request = replica_log(replica, LOG_REQUEST_READ);
    request->reader = LOG_READER_PEER;
    request->index = peer->previous_index + 1;
    request->count = most < PEER_APPEND_ENTRIES_MAX ? (uint32_t)most : PEER_APPEND_ENTRIES_MAX;
    request->size_bytes = replica->options.append_bytes;
    replica->peer_reading = peer->id;
    peer->read_index = request->index;
    peer->read_ms = replica->now_ms;
}

/* What the peer has acknowledged meanwhile is not sent again. */
static void entries_trim(const struct replica *replica, struct replica_peer *peer)
{
    uint64_t match = peer_match(replica, peer->id);
    uint64_t term = match == 0 ? 0 : log_terms_find(&replica->terms, match);
    if (match <= peer->previous_index || term == 0)
        return;
    uint64_t skipped = match - peer->previous_index;
    peer->count = skipped < peer->count ? peer->count - skipped : 0;
    peer->previous_index = match;
    peer->previous_term = term;
}

static void entries_advance(struct replica *replica, struct replica_peer *peer)
{
    if (replica->peer_reading == peer->id)
        return;
    entries_trim(replica, peer);
    uint64_t most = entries_free(replica, peer);
    while (most > 0 && piece_from_memory(replica, peer, most))
        most = entries_free(replica, peer);
    if (most > 0)
        piece_read(replica, peer, most);
}

void replica_send_entries(struct replica *replica, struct replica_message *message)
{
    struct replica_peer *peer = peer_find(replica, replica->peer_reading);
    CHECK(replica->peer_reading != 0);
    replica->peer_reading = 0;
    if (peer == NULL || peer->count == 0 || peer->previous_index + 1 != message->index)
        return; /* the core has begun elsewhere meanwhile */
    uint64_t most = entries_free(replica, peer);
    uint32_t count = message->entry_count < most ? message->entry_count : (uint32_t)most;
    for (uint32_t i = 0; i < count; i++) {
        if (log_terms_find(&replica->terms, message->entries[i].index) != message->entries[i].term)
            count = i;
    }
    if (count == 0) { /* the log was cut: the member will get a snapshot */
        peer->count = 0;
        return;
    }
    struct replica_entry *entries = (struct replica_entry *)heap_alloc(count * sizeof(struct replica_entry));
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = message->entries[i];
        entries[i].bytes = buffer_get(message->entries[i].bytes);
    }
    piece_send(replica, peer, entries, count);
}

/* --- commit notices --- */

/* A member learns what is committed only with the next append: an empty one at what it has acknowledged tells it now. */
static void notices_send(struct replica *replica)
{
    uint64_t commit_index = replica->guard.commit_index;
    for (size_t i = 0; i < replica->peer_count; i++) {
        struct replica_peer *peer = &replica->peers[i];
        uint64_t match = peer_match(replica, peer->id);
        uint64_t known = match < commit_index ? match : commit_index;
        uint64_t term = match == 0 ? 0 : log_terms_find(&replica->terms, match);
        if (term == 0 || known <= peer->notified_index)
            continue;
        peer->notified_index = known;
        heartbeat_add(replica, peer, match, term, commit_index);
    }
}

void replica_send_advance(struct replica *replica)
{
    if (replica_leads(replica)) {
        for (size_t i = 0; i < replica->peer_count; i++)
            entries_advance(replica, &replica->peers[i]);
        notices_send(replica);
    }
    struct list_link *link;
    while ((link = list_first(&replica->outgoing)) != NULL) {
        list_remove(link);
        replica_act(replica, REPLICA_ACTION_SEND)->peer = container_of(link, struct peer_message, link);
    }
    replica_window_trim(replica);
}

/* --- what stays in memory --- */

void replica_window_trim(struct replica *replica)
{
    struct entry_window *window = &replica->window;
    uint64_t applied = replica->applied_index < replica->last_index ? replica->applied_index : replica->last_index;
    uint64_t keep_from = applied + 1;
    if (replica_leads(replica)) {
        for (size_t i = 0; i < replica->peer_count; i++) {
            uint64_t match = peer_match(replica, replica->peers[i].id);
            if (match + 1 < keep_from)
                keep_from = match + 1;
        }
    }
    if (keep_from < replica->terms.first_index) /* what the log has no more is not sent from memory either */
        keep_from = replica->terms.first_index <= applied + 1 ? replica->terms.first_index : applied + 1;
    entry_window_release(window, keep_from - 1);
    while (window->count > 0 && window->first_index <= applied && window->size_bytes > REPLICA_CACHE_BYTES)
        entry_window_release(window, window->first_index);
}
