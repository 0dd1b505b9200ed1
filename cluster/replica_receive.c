/* Messages of other members. The core takes one event at a time, and none while a vote is being saved, so they wait in a
 * list; an append is fed in pieces (G2), each an event of its own. */
#include "base/check.h"
#include "base/heap.h"
#include "cluster/replica_state.h"

/* The versions of the library's messages that it writes itself. */
#define VOTE_VERSION 2u
#define VOTE_RESULT_VERSION 2u
#define APPEND_VERSION 0u
#define APPEND_RESULT_VERSION 2u
#define SNAPSHOT_VERSION 0u
#define TIMEOUT_NOW_VERSION 0u

void replica_receive(struct replica *replica, struct peer_message *message)
{
    if (!replica->started || replica->received_count >= REPLICA_RECEIVED_MAX || message->peer == replica->options.id) {
        peer_message_free(message);
        return;
    }
    message->waiting_bytes = peer_message_bytes(message);
    if (replica->received_count > 0 && replica->received_bytes + message->waiting_bytes > REPLICA_RECEIVED_MAX_BYTES) {
        peer_message_free(message); /* the leader sends it again */
        return;
    }
    list_append(&replica->received, &message->link);
    replica->received_count++;
    replica->received_bytes += message->waiting_bytes;
}

static void message_drop(struct replica *replica, struct peer_message *message)
{
    list_remove(&message->link);
    replica->received_count--;
    replica->received_bytes -= message->waiting_bytes;
    peer_message_free(message);
}

/* Into the library's form; entries and configuration are filled in by whoever feeds it. */
static void message_convert(const struct peer_message *message, const char *address, struct raft_message *target)
{
    *target = (struct raft_message){.server_id = message->peer, .server_address = address};
    switch (message->kind) {
    case PEER_MESSAGE_APPEND:
        target->type = RAFT_APPEND_ENTRIES;
        target->append_entries.version = APPEND_VERSION;
        target->append_entries.term = message->term;
        target->append_entries.prev_log_index = message->previous_index;
        target->append_entries.prev_log_term = message->previous_term;
        target->append_entries.leader_commit = message->commit_index;
        break;
    case PEER_MESSAGE_APPEND_RESULT:
        target->type = RAFT_APPEND_ENTRIES_RESULT;
        target->append_entries_result.version = APPEND_RESULT_VERSION;
        target->append_entries_result.term = message->term;
        target->append_entries_result.rejected = message->rejected;
        target->append_entries_result.last_log_index = message->last_index;
        target->append_entries_result.features = message->features;
        target->append_entries_result.capacity = message->capacity;
        break;
    case PEER_MESSAGE_VOTE:
        target->type = RAFT_REQUEST_VOTE;
        target->request_vote.version = VOTE_VERSION;
        target->request_vote.term = message->term;
        target->request_vote.candidate_id = message->peer;
        target->request_vote.last_log_index = message->last_index;
        target->request_vote.last_log_term = message->last_term;
        target->request_vote.disrupt_leader = message->disrupt_leader;
        target->request_vote.pre_vote = message->pre_vote;
        break;
    case PEER_MESSAGE_VOTE_RESULT:
        target->type = RAFT_REQUEST_VOTE_RESULT;
        target->request_vote_result.version = VOTE_RESULT_VERSION;
        target->request_vote_result.term = message->term;
        target->request_vote_result.vote_granted = message->granted;
        target->request_vote_result.pre_vote = message->pre_vote;
        target->request_vote_result.features = message->features;
        target->request_vote_result.capacity = message->capacity;
        break;
    case PEER_MESSAGE_SNAPSHOT:
        target->type = RAFT_INSTALL_SNAPSHOT;
        target->install_snapshot.version = SNAPSHOT_VERSION;
        target->install_snapshot.term = message->term;
        target->install_snapshot.last_index = message->snapshot->index;
        target->install_snapshot.last_term = message->snapshot->term;
        target->install_snapshot.conf_index = message->snapshot->configuration_index;
        break;
    case PEER_MESSAGE_TIMEOUT_NOW:
        target->type = RAFT_TIMEOUT_NOW;
        target->timeout_now.version = TIMEOUT_NOW_VERSION;
        target->timeout_now.term = message->term;
        target->timeout_now.last_log_index = message->last_index;
        target->timeout_now.last_log_term = message->last_term;
        break;
    }
}

/* --- appends --- */

static enum raft_entry_type type_of(enum replica_entry_kind kind)
{
    return kind == REPLICA_ENTRY_COMMANDS ? RAFT_COMMAND : kind == REPLICA_ENTRY_BARRIER ? RAFT_BARRIER : RAFT_CHANGE;
}

/* The first entries go; what follows begins behind them. */
static void message_shift(struct peer_message *message, uint32_t count)
{
    if (count == 0)
        return;
    message->previous_index = message->entries[count - 1].index;
    message->previous_term = message->entries[count - 1].term;
    for (uint32_t i = 0; i < count; i++)
        buffer_put(message->entries[i].bytes);
    message->entry_count -= count;
    memmove(message->entries, message->entries + count, message->entry_count * sizeof(struct replica_entry));
}

/* One batch for all entries of a piece, as the library wants it; in it are only the bytes that the library reads. */
static void piece_fill(struct raft_entry *raft, const struct replica_entry *entries, uint32_t count)
{
    size_t size_bytes = 8;
    for (uint32_t i = 0; i < count; i++)
        size_bytes += entries[i].kind == REPLICA_ENTRY_CONFIGURATION ? entries[i].bytes->size_bytes : 0;
    uint8_t *batch = (uint8_t *)raft_malloc(size_bytes);
    CHECK(batch != NULL);
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        raft[i].batch = batch;
        if (entries[i].kind != REPLICA_ENTRY_CONFIGURATION)
            continue;
        raft[i].buf = (struct raft_buffer){batch + at, entries[i].bytes->size_bytes};
        memcpy(batch + at, entries[i].bytes->data, entries[i].bytes->size_bytes);
        at += entries[i].bytes->size_bytes;
    }
}

/* The first piece of the append; what is left stays in the message. False: nothing of it is worth feeding any more. */
static bool append_feed(struct replica *replica, struct peer_message *message, struct raft_message *target)
{
    struct raft_entry *raft = (struct raft_entry *)heap_alloc((message->entry_count + 1) * sizeof(struct raft_entry));
    for (uint32_t i = 0; i < message->entry_count; i++)
        raft[i] = (struct raft_entry){.term = message->entries[i].term, .type = type_of(message->entries[i].kind)};
    bool installing = replica->install_state >= INSTALL_SAVING;
    struct guard_append piece = {message->term, message->previous_index, message->previous_term, raft,
                                 message->entry_count};
    bool more = guard_rebase(&replica->guard, &replica->terms, installing, &piece);
    if (more) {
        uint32_t skipped = message->entry_count - piece.count;
        piece.count = guard_piece(&piece);
        uint64_t confirmed = guard_confirms(&replica->guard, &replica->terms, installing, &piece);
        if (confirmed != 0)
            replica_core_confirm(replica, confirmed);
        struct core_entries given = {message->entries + skipped, raft + skipped, piece.count};
        if (piece.count > 0)
            piece_fill(raft + skipped, given.entries, piece.count);
        target->append_entries.prev_log_index = piece.previous_index;
        target->append_entries.prev_log_term = piece.previous_term;
        target->append_entries.entries = raft + skipped;
        target->append_entries.n_entries = piece.count;
        replica_core_receive(replica, target, &given);
        message_shift(message, skipped + piece.count);
        /* If this piece did not fit, the next one does not either. */
        more = message->entry_count > 0 &&
               log_terms_find(&replica->terms, message->previous_index) == message->previous_term;
    }
    heap_free(raft);
    return more;
}

/* --- the list --- */

static void snapshot_fill(const struct peer_message *message, struct raft_message *target)
{
    replica_configuration_convert(&message->snapshot->configuration, &target->install_snapshot.conf);
    target->install_snapshot.data = (struct raft_buffer){raft_malloc(8), 8}; /* the library takes both */
    CHECK(target->install_snapshot.data.base != NULL);
}

bool replica_receive_next(struct replica *replica)
{
    struct list_link *link = list_first(&replica->received);
    if (link == NULL)
        return false;
    struct peer_message *message = container_of(link, struct peer_message, link);
    struct raft_message target;
    char address[32];
    (void)configuration_address(message->peer, (struct span){(uint8_t *)address, sizeof address});
    if (!peer_message_sound(message)) {
        message_drop(replica, message);
        return true;
    }
    message_convert(message, address, &target);
    bool accepted = guard_accepts(&replica->guard, &target, message->current_connection);
    /* Entries that cannot be kept in memory are sent again later. */
    if (message->entry_count > 0 && replica->window.size_bytes >= 2 * (uint64_t)REPLICA_WINDOW_BYTES)
        accepted = false;
    if (accepted && message->kind == PEER_MESSAGE_SNAPSHOT) {
        list_remove(link);
        if (replica_install_take(replica, message)) {
            replica->received_count--;
            return true;
        }
        list_prepend(&replica->received, link);
        snapshot_fill(message, &target);
    }
    bool more = false;
    if (accepted && message->kind == PEER_MESSAGE_APPEND)
        more = append_feed(replica, message, &target);
    else if (accepted)
        replica_core_receive(replica, &target, &(struct core_entries){0});
    if (accepted && (message->kind == PEER_MESSAGE_APPEND || message->kind == PEER_MESSAGE_SNAPSHOT) &&
        message->term == raft_current_term(&replica->guard.raft))
        replica->leader_term = message->term;
    if (!more)
        message_drop(replica, message);
    return true;
}
