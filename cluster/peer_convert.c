#include "cluster/peer_convert.h"

#include <assert.h>

#include "base/heap.h"
#include "cluster/log_writer.h"

static_assert((int)PEER_ENTRY_COMMANDS == (int)REPLICA_ENTRY_COMMANDS, "one order");
static_assert((int)PEER_ENTRY_CONFIGURATION == (int)REPLICA_ENTRY_CONFIGURATION, "one order");
static_assert((int)PEER_ENTRY_BARRIER == (int)REPLICA_ENTRY_BARRIER, "one order");
static_assert(CONFIGURATION_MAX_BYTES <= PEER_CONFIGURATION_MAX_BYTES, "a snapshot's configuration fits");
static_assert(PEER_APPEND_ENTRIES_MAX <= PEER_ITEMS_MAX, "an append fits");

/* --- out --- */

static void append_out(const struct peer_message *message, struct arena *arena, Qnfs__RaftMessage *raft,
                       struct peer_converted *converted)
{
    Qnfs__AppendEntries *append = ARENA_NEW(arena, Qnfs__AppendEntries);
    qnfs__append_entries__init(append);
    append->previous_index = message->previous_index;
    append->previous_term = message->previous_term;
    append->leader_commit = message->commit_index;
    append->n_entries = message->entry_count;
    append->entries = arena_alloc_array(arena, message->entry_count, sizeof(Qnfs__PeerEntry *));
    Qnfs__PeerEntry *entries = arena_alloc_array(arena, message->entry_count, sizeof(Qnfs__PeerEntry));
    struct slice *data = arena_alloc_array(arena, message->entry_count, sizeof(struct slice));
    for (uint32_t i = 0; i < message->entry_count; i++) {
        const struct replica_entry *entry = &message->entries[i];
        qnfs__peer_entry__init(&entries[i]);
        entries[i].term = entry->term;
        entries[i].kind = (uint32_t)entry->kind;
        entries[i].size_bytes = (uint32_t)entry->bytes->size_bytes;
        data[i] = buffer_slice(entry->bytes);
        append->entries[i] = &entries[i];
    }
    converted->data = data;
    converted->data_count = message->entry_count;
    raft->body_case = QNFS__RAFT_MESSAGE__BODY_APPEND_ENTRIES;
    raft->append_entries = append;
}

static void snapshot_out(const struct peer_message *message, struct arena *arena, Qnfs__RaftMessage *raft)
{
    Qnfs__InstallSnapshot *install = ARENA_NEW(arena, Qnfs__InstallSnapshot);
    qnfs__install_snapshot__init(install);
    install->last_index = message->snapshot->index;
    install->last_term = message->snapshot->term;
    install->configuration_index = message->snapshot->configuration_index;
    struct span room = {arena_alloc(arena, CONFIGURATION_MAX_BYTES), CONFIGURATION_MAX_BYTES};
    install->configuration.data = room.data;
    install->configuration.len = configuration_encode(&message->snapshot->configuration, room);
    raft->body_case = QNFS__RAFT_MESSAGE__BODY_INSTALL_SNAPSHOT;
    raft->install_snapshot = install;
}

static void append_result_out(const struct peer_message *message, struct arena *arena, Qnfs__RaftMessage *raft)
{
    Qnfs__AppendEntriesResult *result = ARENA_NEW(arena, Qnfs__AppendEntriesResult);
    qnfs__append_entries_result__init(result);
    result->rejected = message->rejected;
    result->last_index = message->last_index;
    result->features = message->features;
    result->capacity = message->capacity;
    raft->body_case = QNFS__RAFT_MESSAGE__BODY_APPEND_ENTRIES_RESULT;
    raft->append_entries_result = result;
}

static void vote_out(const struct peer_message *message, struct arena *arena, Qnfs__RaftMessage *raft)
{
    Qnfs__RequestVote *vote = ARENA_NEW(arena, Qnfs__RequestVote);
    qnfs__request_vote__init(vote);
    vote->last_index = message->last_index;
    vote->last_term = message->last_term;
    vote->disrupt_leader = message->disrupt_leader;
    vote->pre_vote = message->pre_vote;
    raft->body_case = QNFS__RAFT_MESSAGE__BODY_REQUEST_VOTE;
    raft->request_vote = vote;
}

static void vote_result_out(const struct peer_message *message, struct arena *arena, Qnfs__RaftMessage *raft)
{
    Qnfs__RequestVoteResult *result = ARENA_NEW(arena, Qnfs__RequestVoteResult);
    qnfs__request_vote_result__init(result);
    result->granted = message->granted;
    result->pre_vote = message->pre_vote;
    result->features = message->features;
    result->capacity = message->capacity;
    raft->body_case = QNFS__RAFT_MESSAGE__BODY_REQUEST_VOTE_RESULT;
    raft->request_vote_result = result;
}

static void timeout_now_out(const struct peer_message *message, struct arena *arena, Qnfs__RaftMessage *raft)
{
    Qnfs__TimeoutNow *timeout = ARENA_NEW(arena, Qnfs__TimeoutNow);
    qnfs__timeout_now__init(timeout);
    timeout->last_index = message->last_index;
    timeout->last_term = message->last_term;
    raft->body_case = QNFS__RAFT_MESSAGE__BODY_TIMEOUT_NOW;
    raft->timeout_now = timeout;
}

void peer_convert_out(const struct peer_message *message, struct arena *arena, struct peer_converted *converted)
{
    Qnfs__Peer *peer = ARENA_NEW(arena, Qnfs__Peer);
    Qnfs__RaftMessage *raft = ARENA_NEW(arena, Qnfs__RaftMessage);
    qnfs__peer__init(peer);
    qnfs__raft_message__init(raft);
    peer->body_case = QNFS__PEER__BODY_RAFT;
    peer->raft = raft;
    raft->term = message->term;
    *converted = (struct peer_converted){.message = peer};
    switch (message->kind) {
    case PEER_MESSAGE_APPEND: append_out(message, arena, raft, converted); break;
    case PEER_MESSAGE_APPEND_RESULT: append_result_out(message, arena, raft); break;
    case PEER_MESSAGE_VOTE: vote_out(message, arena, raft); break;
    case PEER_MESSAGE_VOTE_RESULT: vote_result_out(message, arena, raft); break;
    case PEER_MESSAGE_SNAPSHOT: snapshot_out(message, arena, raft); break;
    case PEER_MESSAGE_TIMEOUT_NOW: timeout_now_out(message, arena, raft); break;
    }
    CHECK(raft->body_case != QNFS__RAFT_MESSAGE__BODY__NOT_SET);
}

/* --- in --- */

static void append_in(const Qnfs__AppendEntries *append, struct slice data, struct peer_message *message)
{
    message->kind = PEER_MESSAGE_APPEND;
    message->previous_index = append->previous_index;
    message->previous_term = append->previous_term;
    message->commit_index = append->leader_commit;
    if (append->n_entries == 0)
        return;
    message->entries = (struct replica_entry *)heap_alloc(append->n_entries * sizeof(struct replica_entry));
    message->entry_count = (uint32_t)append->n_entries;
    for (uint32_t i = 0; i < message->entry_count; i++) {
        const Qnfs__PeerEntry *from = append->entries[i];
        struct slice bytes = peer_data_take(&data, from->size_bytes);
        struct replica_entry *entry = &message->entries[i];
        *entry = (struct replica_entry){append->previous_index + 1 + i, from->term, (enum replica_entry_kind)from->kind,
                                        buffer_create(bytes.size_bytes)};
        if (bytes.size_bytes > 0)
            memcpy(entry->bytes->data, bytes.data, bytes.size_bytes);
        entry->bytes->size_bytes = bytes.size_bytes;
    }
}

static bool snapshot_in(const Qnfs__InstallSnapshot *install, struct peer_message *message)
{
    message->kind = PEER_MESSAGE_SNAPSHOT;
    message->snapshot = HEAP_NEW(struct log_snapshot);
    message->snapshot->index = install->last_index;
    message->snapshot->term = install->last_term;
    message->snapshot->configuration_index = install->configuration_index;
    return configuration_decode(slice_make(install->configuration.data, install->configuration.len),
                                &message->snapshot->configuration) == STATUS_OK;
}

static void results_in(const Qnfs__RaftMessage *raft, struct peer_message *message)
{
    if (raft->body_case == QNFS__RAFT_MESSAGE__BODY_APPEND_ENTRIES_RESULT) {
        message->kind = PEER_MESSAGE_APPEND_RESULT;
        message->rejected = raft->append_entries_result->rejected;
        message->last_index = raft->append_entries_result->last_index;
        message->features = (uint16_t)raft->append_entries_result->features;
        message->capacity = (uint16_t)raft->append_entries_result->capacity;
        return;
    }
    message->kind = PEER_MESSAGE_VOTE_RESULT;
    message->granted = raft->request_vote_result->granted;
    message->pre_vote = raft->request_vote_result->pre_vote;
    message->features = (uint16_t)raft->request_vote_result->features;
    message->capacity = (uint16_t)raft->request_vote_result->capacity;
}

static bool raft_in(const Qnfs__RaftMessage *raft, struct slice data, struct peer_message *message)
{
    switch ((int)raft->body_case) {
    case QNFS__RAFT_MESSAGE__BODY_APPEND_ENTRIES: append_in(raft->append_entries, data, message); return true;
    case QNFS__RAFT_MESSAGE__BODY_APPEND_ENTRIES_RESULT:
    case QNFS__RAFT_MESSAGE__BODY_REQUEST_VOTE_RESULT: results_in(raft, message); return true;
    case QNFS__RAFT_MESSAGE__BODY_REQUEST_VOTE:
        message->kind = PEER_MESSAGE_VOTE;
        message->last_index = raft->request_vote->last_index;
        message->last_term = raft->request_vote->last_term;
        message->disrupt_leader = raft->request_vote->disrupt_leader;
        message->pre_vote = raft->request_vote->pre_vote;
        return true;
    case QNFS__RAFT_MESSAGE__BODY_INSTALL_SNAPSHOT: return snapshot_in(raft->install_snapshot, message);
    case QNFS__RAFT_MESSAGE__BODY_TIMEOUT_NOW:
        message->kind = PEER_MESSAGE_TIMEOUT_NOW;
        message->last_index = raft->timeout_now->last_index;
        message->last_term = raft->timeout_now->last_term;
        return true;
    default: return false; /* the codec lets none through */
    }
}

struct peer_message *peer_convert_in(const struct peer_frame *frame, uint64_t node)
{
    CHECK(frame->message->body_case == QNFS__PEER__BODY_RAFT);
    const Qnfs__RaftMessage *raft = frame->message->raft;
    struct peer_message *message = peer_message_create(PEER_MESSAGE_APPEND, node);
    message->term = raft->term;
    message->current_connection = true; /* the transport drops what came over an earlier one */
    if (raft_in(raft, frame->data, message) && peer_message_sound(message))
        return message;
    peer_message_free(message);
    return NULL;
}
