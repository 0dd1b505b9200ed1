#include "proto/peer_codec.h"

#include "base/hash.h"
#include "base/limits.h"
#include "proto/message_tree.h"

/* Before the message, in the body. */
#define MESSAGE_SIZE_BYTES 4u

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write_u32(uint8_t *at, size_t value)
{
    CHECK(value <= UINT32_MAX);
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

/* --- what a message must be like --- */

static bool hello_obeys(const Qnfs__Hello *hello)
{
    if (hello->cluster.len == 0)
        return hello->node == 0 && strlen(hello->advertise) <= PEER_ADVERTISE_MAX_BYTES;
    return hello->cluster.len == 16 && hello->node != 0 && hello->advertise[0] == '\0' && hello->join == 0;
}

static bool join_answer_obeys(const Qnfs__JoinAnswer *answer)
{
    if (answer->outcome >= PEER_JOIN_COUNT || strlen(answer->text) > PEER_JOIN_TEXT_MAX_BYTES)
        return false;
    if (answer->outcome != PEER_JOIN_DONE)
        return answer->node == 0 && answer->cluster.len == 0 && answer->n_members == 0;
    return answer->node != 0 && answer->cluster.len == 16 && answer->n_members > 0 &&
           answer->n_members <= CLUSTER_MEMBERS_MAX;
}

static bool join_member_obeys(const Qnfs__JoinMember *member)
{
    return member->node != 0 && strlen(member->advertise) <= PEER_ADVERTISE_MAX_BYTES;
}

static bool founding_report_obeys(const Qnfs__FoundingReport *report)
{
    for (size_t i = 0; i < report->n_peers; i++) {
        if (strlen(report->peers[i]) > PEER_ADVERTISE_MAX_BYTES)
            return false;
    }
    return report->nonce != 0 && report->n_peers > 0 && report->n_peers <= CLUSTER_MEMBERS_MAX &&
           (report->promised.len == 0 || report->promised.len == 16);
}

static bool founding_proposal_obeys(const Qnfs__FoundingProposal *proposal)
{
    return proposal->nonce != 0 && proposal->heard != 0 && proposal->cluster.len == 16;
}

static bool raft_obeys(const Qnfs__RaftMessage *message)
{
    if (message->version > UINT8_MAX)
        return false;
    switch ((int)message->body_case) {
    case QNFS__RAFT_MESSAGE__BODY_REQUEST_VOTE:
    case QNFS__RAFT_MESSAGE__BODY_TIMEOUT_NOW: return true;
    case QNFS__RAFT_MESSAGE__BODY_REQUEST_VOTE_RESULT:
        return message->request_vote_result->features <= UINT16_MAX &&
               message->request_vote_result->capacity <= UINT16_MAX;
    case QNFS__RAFT_MESSAGE__BODY_APPEND_ENTRIES: return message->append_entries->n_entries <= PEER_ITEMS_MAX;
    case QNFS__RAFT_MESSAGE__BODY_APPEND_ENTRIES_RESULT:
        return message->append_entries_result->features <= UINT16_MAX &&
               message->append_entries_result->capacity <= UINT16_MAX;
    case QNFS__RAFT_MESSAGE__BODY_INSTALL_SNAPSHOT:
        return message->install_snapshot->configuration.len <= PEER_CONFIGURATION_MAX_BYTES;
    default: return false; /* not set */
    }
}

static bool entry_obeys(const Qnfs__PeerEntry *entry)
{
    if (entry->kind == PEER_ENTRY_BARRIER)
        return entry->size_bytes == 0;
    return entry->kind < PEER_ENTRY_KIND_COUNT && entry->size_bytes > 0 && entry->size_bytes <= ENTRY_MAX_BYTES;
}

static bool command_obeys(const Qnfs__ForwardedCommand *command)
{
    return command->command_bytes > 0 && (uint64_t)command->command_bytes + command->content_bytes <= COMMAND_MAX_BYTES;
}

static bool forwarded_answer_obeys(const Qnfs__ForwardedAnswer *answer)
{
    return answer->outcome < PEER_OUTCOME_COUNT && answer->index <= PEER_INDEX_MAX;
}

static bool read_answer_obeys(const Qnfs__ReadAnswer *answer)
{
    return answer->outcome < PEER_OUTCOME_COUNT && answer->index <= PEER_INDEX_MAX;
}

static bool node_ping_obeys(const Qnfs__NodePing *ping)
{
    return ping->sent_ms != 0 && ping->hash.len == (ping->hash_index == 0 ? 0u : 16u);
}

static bool node_pong_obeys(const Qnfs__NodePong *pong)
{
    return pong->sent_ms != 0 && pong->term != 0;
}

/* A name in one folder: nothing that leads out of it. */
static bool snapshot_name_obeys(const char *name)
{
    size_t size_bytes = strlen(name);
    if (size_bytes == 0 || size_bytes > PEER_SNAPSHOT_NAME_MAX_BYTES || name[0] == '.')
        return false;
    for (size_t i = 0; i < size_bytes; i++) {
        bool plain = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') ||
                     (name[i] >= '0' && name[i] <= '9') || name[i] == '-' || name[i] == '_' || name[i] == '.';
        if (!plain)
            return false;
    }
    return true;
}

static bool snapshot_manifest_obeys(const Qnfs__SnapshotManifest *manifest)
{
    return manifest->id != 0 && manifest->cluster.len == 16 && manifest->index > 0 && manifest->term > 0 &&
           manifest->configuration_index > 0 && manifest->configuration_index <= manifest->index &&
           manifest->configuration.len <= PEER_CONFIGURATION_MAX_BYTES && manifest->chain.len == 16 &&
           manifest->n_files > 0 && manifest->n_files <= SNAPSHOT_FILES_MAX;
}

static bool snapshot_file_obeys(const Qnfs__SnapshotFile *file)
{
    return snapshot_name_obeys(file->name) && file->hash.len == 16 && file->size_bytes <= SNAPSHOT_FILE_MAX_BYTES;
}

static bool snapshot_piece_obeys(uint64_t id, uint32_t part, uint64_t item, uint64_t offset, uint32_t size_bytes)
{
    uint64_t end = part == PEER_SNAPSHOT_FILE ? SNAPSHOT_FILE_MAX_BYTES : BLOCK_MAX_BYTES;
    return id != 0 && part < PEER_SNAPSHOT_PART_COUNT && (part != PEER_SNAPSHOT_FILE || item < SNAPSHOT_FILES_MAX) &&
           offset % SNAPSHOT_PIECE_BYTES == 0 && size_bytes > 0 && size_bytes <= SNAPSHOT_PIECE_BYTES && offset < end;
}

static bool snapshot_fetch_obeys(const Qnfs__SnapshotFetch *fetch)
{
    return snapshot_piece_obeys(fetch->id, fetch->part, fetch->item, fetch->offset, fetch->size_bytes);
}

static bool snapshot_chunk_obeys(const Qnfs__SnapshotChunk *chunk)
{
    return snapshot_piece_obeys(chunk->id, chunk->part, chunk->item, chunk->offset, chunk->size_bytes);
}

static bool address_connections_obeys(const Qnfs__AddressConnections *message)
{
    return message->connections.len % PEER_ADDRESS_CONNECTION_BYTES == 0 &&
           message->connections.len <= (size_t)ADDRESS_CONNECTIONS_MAX * PEER_ADDRESS_CONNECTION_BYTES;
}

/* One message of the tree. */
static bool message_obeys(const ProtobufCMessage *base)
{
    const void *message = base;
    if (base->descriptor == &qnfs__peer__descriptor)
        return ((const Qnfs__Peer *)message)->body_case != QNFS__PEER__BODY__NOT_SET;
    if (base->descriptor == &qnfs__hello__descriptor)
        return hello_obeys(message);
    if (base->descriptor == &qnfs__join_answer__descriptor)
        return join_answer_obeys(message);
    if (base->descriptor == &qnfs__join_member__descriptor)
        return join_member_obeys(message);
    if (base->descriptor == &qnfs__raft_message__descriptor)
        return raft_obeys(message);
    if (base->descriptor == &qnfs__peer_entry__descriptor)
        return entry_obeys(message);
    if (base->descriptor == &qnfs__forwarded_command__descriptor)
        return command_obeys(message);
    if (base->descriptor == &qnfs__forwarded_commands__descriptor) {
        const Qnfs__ForwardedCommands *commands = message;
        return commands->n_commands > 0 && commands->n_commands <= PEER_ITEMS_MAX;
    }
    if (base->descriptor == &qnfs__node_ping__descriptor)
        return node_ping_obeys(message);
    if (base->descriptor == &qnfs__node_pong__descriptor)
        return node_pong_obeys(message);
    if (base->descriptor == &qnfs__address_connections__descriptor)
        return address_connections_obeys(message);
    if (base->descriptor == &qnfs__forwarded_answer__descriptor)
        return forwarded_answer_obeys(message);
    if (base->descriptor == &qnfs__read_answer__descriptor)
        return read_answer_obeys(message);
    if (base->descriptor == &qnfs__founding_report__descriptor)
        return founding_report_obeys(message);
    if (base->descriptor == &qnfs__founding_proposal__descriptor)
        return founding_proposal_obeys(message);
    if (base->descriptor == &qnfs__snapshot_offer__descriptor)
        return ((const Qnfs__SnapshotOffer *)message)->manifest != NULL;
    if (base->descriptor == &qnfs__snapshot_manifest__descriptor)
        return snapshot_manifest_obeys(message);
    if (base->descriptor == &qnfs__snapshot_file__descriptor)
        return snapshot_file_obeys(message);
    if (base->descriptor == &qnfs__snapshot_fetch__descriptor)
        return snapshot_fetch_obeys(message);
    if (base->descriptor == &qnfs__snapshot_chunk__descriptor)
        return snapshot_chunk_obeys(message);
    if (base->descriptor == &qnfs__snapshot_answer__descriptor)
        return ((const Qnfs__SnapshotAnswer *)message)->outcome < PEER_SNAPSHOT_OUTCOME_COUNT;
    return true;
}

/* The bytes that must lie behind the message; it obeys. Sizes and counts are bounded, so the sum is. */
static uint64_t data_announced(const Qnfs__Peer *peer)
{
    uint64_t sum = 0;
    if (peer->body_case == QNFS__PEER__BODY_RAFT && peer->raft->body_case == QNFS__RAFT_MESSAGE__BODY_APPEND_ENTRIES) {
        const Qnfs__AppendEntries *append = peer->raft->append_entries;
        for (size_t i = 0; i < append->n_entries; i++)
            sum += append->entries[i]->size_bytes;
    } else if (peer->body_case == QNFS__PEER__BODY_FORWARDED_COMMANDS) {
        const Qnfs__ForwardedCommands *commands = peer->forwarded_commands;
        for (size_t i = 0; i < commands->n_commands; i++)
            sum += (uint64_t)commands->commands[i]->command_bytes + commands->commands[i]->content_bytes;
    } else if (peer->body_case == QNFS__PEER__BODY_SNAPSHOT_CHUNK) {
        sum = peer->snapshot_chunk->size_bytes;
    }
    return sum;
}

/* --- frames --- */

enum status peer_frame_measure(struct slice bytes, size_t *size_bytes)
{
    if (bytes.size_bytes < PEER_FRAME_HEAD_BYTES)
        return STATUS_NOT_FOUND;
    uint32_t body_bytes = read_u32(bytes.data);
    if (body_bytes > PEER_FRAME_MAX_BYTES)
        return STATUS_TOO_LARGE;
    if (body_bytes < MESSAGE_SIZE_BYTES)
        return STATUS_BAD_DATA;
    *size_bytes = PEER_FRAME_HEAD_BYTES + (size_t)body_bytes;
    return STATUS_OK;
}

enum status peer_frame_open(struct slice bytes, struct arena *arena, struct peer_frame *frame)
{
    size_t size_bytes;
    *frame = (struct peer_frame){NULL, SLICE_EMPTY};
    if (peer_frame_measure(bytes, &size_bytes) != STATUS_OK || size_bytes != bytes.size_bytes)
        return STATUS_BAD_DATA;
    struct slice body = slice_from(bytes, PEER_FRAME_HEAD_BYTES);
    if (crc32c(0, body) != read_u32(bytes.data + 4))
        return STATUS_BAD_DATA;
    uint32_t message_bytes = read_u32(body.data);
    struct slice rest = slice_from(body, MESSAGE_SIZE_BYTES);
    if (message_bytes > PEER_MESSAGE_MAX_BYTES || message_bytes > rest.size_bytes)
        return STATUS_BAD_DATA;
    const ProtobufCMessage *message =
        message_unpack(&qnfs__peer__descriptor, slice_make(rest.data, message_bytes), arena);
    if (message == NULL || !message_tree_obeys(message, message_obeys))
        return STATUS_BAD_DATA;
    const Qnfs__Peer *peer = (const Qnfs__Peer *)(const void *)message;
    struct slice data = slice_from(rest, message_bytes);
    if (data_announced(peer) != data.size_bytes)
        return STATUS_BAD_DATA;
    *frame = (struct peer_frame){peer, data};
    return STATUS_OK;
}

size_t peer_frame_bytes(const Qnfs__Peer *message, const struct slice *data, size_t data_count)
{
    size_t sum = PEER_FRAME_HEAD_BYTES + MESSAGE_SIZE_BYTES + protobuf_c_message_get_packed_size(&message->base);
    for (size_t i = 0; i < data_count; i++)
        sum += data[i].size_bytes;
    return sum;
}

struct slice peer_frame_pack(const Qnfs__Peer *message, const struct slice *data, size_t data_count, struct span room)
{
    CHECK(message_tree_obeys(&message->base, message_obeys));
    size_t message_bytes = protobuf_c_message_get_packed_size(&message->base);
    size_t data_bytes = 0;
    CHECK(message_bytes <= PEER_MESSAGE_MAX_BYTES);
    size_t used = PEER_FRAME_HEAD_BYTES + MESSAGE_SIZE_BYTES;
    CHECK(used + message_bytes <= room.size_bytes);
    write_u32(room.data + PEER_FRAME_HEAD_BYTES, message_bytes);
    CHECK(protobuf_c_message_pack(&message->base, room.data + used) == message_bytes);
    used += message_bytes;
    for (size_t i = 0; i < data_count; i++) {
        CHECK(data[i].size_bytes <= room.size_bytes - used);
        if (data[i].size_bytes > 0)
            memcpy(room.data + used, data[i].data, data[i].size_bytes);
        used += data[i].size_bytes;
        data_bytes += data[i].size_bytes;
    }
    CHECK(data_bytes == data_announced(message));
    struct slice body = slice_make(room.data + PEER_FRAME_HEAD_BYTES, used - PEER_FRAME_HEAD_BYTES);
    CHECK(body.size_bytes <= PEER_FRAME_MAX_BYTES);
    write_u32(room.data, body.size_bytes);
    write_u32(room.data + 4, crc32c(0, body));
    return slice_make(room.data, used);
}
