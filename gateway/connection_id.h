/* connection_id.h: the name of a client connection; never used twice in a process. */
#ifndef GATEWAY_CONNECTION_ID_H
#define GATEWAY_CONNECTION_ID_H

#include <stdint.h>

/* Bits 63-48 the loop that owns it, 47-20 how often its place has been used, 19-0 its place in the loop's table. */
struct connection_id {
    uint64_t value;
};

static inline uint32_t connection_id_loop(struct connection_id id)
{
    return (uint32_t)(id.value >> 48);
}

#endif
