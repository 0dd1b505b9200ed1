/* accepted.h: the newest connections that clients have made, for the keeper of the floating addresses: it tells the other nodes
 * of them, so that the next owner of an address can wake their clients up. Written by all gateway loops, bounded: an older one
 * is overwritten. */
#ifndef GATEWAY_ACCEPTED_H
#define GATEWAY_ACCEPTED_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

/* The two ends, IPv4 in network order. */
struct accepted_connection {
    uint8_t local[4];
    uint8_t remote[4];
    uint16_t local_port;
    uint16_t remote_port;
};

struct accepted {
    pthread_mutex_t mutex;
    uint64_t count; /* since the start */
    struct accepted_connection newest[ADDRESS_CONNECTIONS_MAX];
};

void accepted_init(struct accepted *accepted);
void accepted_fini(struct accepted *accepted);
/* A connection was accepted on this socket; one that is not IPv4 is passed by. Any thread. */
void accepted_note(struct accepted *accepted, int descriptor);
/* The next of those that came after the first `*seen`, at most `room`; `*seen` moves on behind them, and over what was
 * overwritten. Fewer than `room`: these were all. Any thread. */
size_t accepted_take(struct accepted *accepted, uint64_t *seen, struct accepted_connection *connections, size_t room);

#endif
