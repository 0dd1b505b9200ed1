#include "cluster/peer_message.h"

#include "base/heap.h"
#include "cluster/log_writer.h"

struct peer_message *peer_message_create(enum peer_message_kind kind, uint64_t peer)
{
    struct peer_message *message = HEAP_NEW(struct peer_message);
    message->kind = kind;
    message->peer = peer;
    return message;
}

void peer_message_free(struct peer_message *message)
{
    if (message == NULL)
        return;
    for (uint32_t i = 0; i < message->entry_count; i++)
        buffer_put(message->entries[i].bytes);
    heap_free(message->entries);
    heap_free(message->snapshot);
    heap_free(message);
}

size_t peer_message_bytes(const struct peer_message *message)
{
    size_t size_bytes = 0;
    for (uint32_t i = 0; i < message->entry_count; i++)
        size_bytes += message->entries[i].bytes->size_bytes;
    return size_bytes;
}

static bool entry_sound(const struct replica_entry *entry, uint64_t index, uint64_t low_term, uint64_t high_term)
{
    struct configuration configuration;
    if (entry->index != index || entry->term < low_term || entry->term > high_term || entry->term == 0)
        return false;
    switch (entry->kind) {
    case REPLICA_ENTRY_COMMANDS: return entry->bytes->size_bytes <= ENTRY_MAX_BYTES;
    case REPLICA_ENTRY_CONFIGURATION:
        return configuration_decode(buffer_slice(entry->bytes), &configuration) == STATUS_OK;
    case REPLICA_ENTRY_BARRIER: return entry->bytes->size_bytes == 0;
    }
    return false;
}

bool peer_message_sound(const struct peer_message *message)
{
    if (message->peer == 0 || (message->kind == PEER_MESSAGE_SNAPSHOT) != (message->snapshot != NULL))
        return false;
    if (message->snapshot != NULL && (message->snapshot->index == 0 || message->snapshot->term == 0 ||
                                      message->snapshot->configuration_index > message->snapshot->index ||
                                      configuration_voters(&message->snapshot->configuration) == 0))
        return false;
    uint64_t term = message->previous_term;
    if (message->previous_term > message->term || (message->previous_index == 0) != (message->previous_term == 0))
        return false;
    for (uint32_t i = 0; i < message->entry_count; i++) {
        if (!entry_sound(&message->entries[i], message->previous_index + 1 + i, term, message->term))
            return false;
        term = message->entries[i].term;
    }
    return true;
}
