/* address_connections.h: which connections clients have with floating addresses, on all nodes: so that the next owner of an
 * address can wake those clients that wait for a reply of the old one. In memory, bounded, and only a help: a connection that is
 * not known here ends when its client sends something, or by its keepalive. Nodes tell each other the whole of it once in a while
 * and what is new at once; what nobody has confirmed for ADDRESS_CONNECTION_MS is forgotten. Pure. */
#ifndef CLUSTER_ADDRESS_CONNECTIONS_H
#define CLUSTER_ADDRESS_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/slice.h"
#include "proto/peer_codec.h"

struct address_connection {
    uint8_t local[4];
    uint8_t remote[4];
    uint16_t local_port;
    uint16_t remote_port;
    uint64_t seen_ms; /* a node had it then */
    bool own;         /* this node has it: its client needs no waking */
};

struct address_connections {
    struct address_connection items[ADDRESS_CONNECTIONS_MAX];
    size_t count;
};

/* One that a node has at `seen_ms`; the one that was seen longest ago makes room. True: it was not known. */
bool address_connections_add(struct address_connections *connections, const struct address_connection *connection);

/* This node's own are as new as now, and what is too old is forgotten. */
void address_connections_age(struct address_connections *connections, uint64_t now_ms);

/* This node does not have the address any more. */
void address_connections_leave(struct address_connections *connections, const uint8_t local[4]);

/* As a message, those that were seen at `since_ms` or later: into `bytes` (room for all of them); returns the size. */
size_t address_connections_pack(const struct address_connections *connections, uint64_t since_ms, uint64_t now_ms,
                                uint8_t *bytes);

/* What another node has told; whole records (CHECK). */
void address_connections_unpack(struct address_connections *connections, struct slice bytes, uint64_t now_ms);

#endif
