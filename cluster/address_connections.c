#include "cluster/address_connections.h"

#include <string.h>

#include "base/check.h"

static bool same_ends(const struct address_connection *one, const struct address_connection *other)
{
    return memcmp(one->local, other->local, 4) == 0 && memcmp(one->remote, other->remote, 4) == 0 &&
           one->local_port == other->local_port && one->remote_port == other->remote_port;
}

bool address_connections_add(struct address_connections *connections, const struct address_connection *connection)
{
    struct address_connection *oldest = NULL;
    for (size_t i = 0; i < connections->count; i++) {
        struct address_connection *item = &connections->items[i];
        if (same_ends(item, connection)) {
            if (connection->seen_ms > item->seen_ms)
                item->seen_ms = connection->seen_ms;
            item->own |= connection->own;
            return false;
        }
        if (oldest == NULL || item->seen_ms < oldest->seen_ms)
            oldest = item;
    }
    if (connections->count < ADDRESS_CONNECTIONS_MAX)
        oldest = &connections->items[connections->count++];
    *oldest = *connection;
    return true;
}

void address_connections_age(struct address_connections *connections, uint64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < connections->count; i++) {
        if (connections->items[i].own)
            connections->items[i].seen_ms = now_ms;
        if (now_ms < connections->items[i].seen_ms + ADDRESS_CONNECTION_MS)
            connections->items[kept++] = connections->items[i];
    }
    connections->count = kept;
}

void address_connections_leave(struct address_connections *connections, const uint8_t local[4])
{
    for (size_t i = 0; i < connections->count; i++) {
        if (memcmp(connections->items[i].local, local, 4) == 0)
            connections->items[i].own = false;
    }
}

static void number_put(uint8_t *bytes, uint64_t number)
{
    bytes[0] = (uint8_t)(number >> 8);
    bytes[1] = (uint8_t)number;
}

static uint16_t number_get(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

size_t address_connections_pack(const struct address_connections *connections, uint64_t since_ms, uint64_t now_ms,
                                uint8_t *bytes)
{
    size_t size = 0;
    for (size_t i = 0; i < connections->count; i++) {
        const struct address_connection *item = &connections->items[i];
        if (item->seen_ms < since_ms)
            continue;
        uint64_t age_seconds = now_ms > item->seen_ms ? (now_ms - item->seen_ms) / 1000 : 0;
        memcpy(bytes + size, item->local, 4);
        number_put(bytes + size + 4, item->local_port);
        memcpy(bytes + size + 6, item->remote, 4);
        number_put(bytes + size + 10, item->remote_port);
        number_put(bytes + size + 12, age_seconds < UINT16_MAX ? age_seconds : UINT16_MAX);
        size += PEER_ADDRESS_CONNECTION_BYTES;
    }
    return size;
}

void address_connections_unpack(struct address_connections *connections, struct slice bytes, uint64_t now_ms)
{
    CHECK(bytes.size_bytes % PEER_ADDRESS_CONNECTION_BYTES == 0);
    for (size_t at = 0; at < bytes.size_bytes; at += PEER_ADDRESS_CONNECTION_BYTES) {
        const uint8_t *from = bytes.data + at;
        struct address_connection item = {.local_port = number_get(from + 4), .remote_port = number_get(from + 10)};
        uint64_t age_ms = (uint64_t)number_get(from + 12) * 1000;
        if (age_ms >= ADDRESS_CONNECTION_MS)
            continue;
        memcpy(item.local, from, 4);
        memcpy(item.remote, from + 6, 4);
        item.seen_ms = now_ms > age_ms ? now_ms - age_ms : 0;
        (void)address_connections_add(connections, &item); /* new or not */
    }
}
