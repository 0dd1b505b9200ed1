/* peer_convert.h: messages of raft (peer_message.h) to frames and back. */
#ifndef CLUSTER_PEER_CONVERT_H
#define CLUSTER_PEER_CONVERT_H

#include "cluster/peer_message.h"
#include "proto/peer_codec.h"

struct peer_converted {
    const Qnfs__Peer *message; /* in the arena */
    const struct slice *data;  /* the array is in the arena; the bytes are those of the message's entries */
    size_t data_count;
};

/* A frame's message and data; valid while both the arena and the message live. Pure. */
void peer_convert_out(const struct peer_message *message, struct arena *arena, struct peer_converted *converted);

/* What member `node` has sent over the connection that is in use, as a message on the heap with copies of its entries. NULL:
 * the parts do not fit each other (peer_message_sound). The frame must be a RaftMessage. Pure but for the heap. */
MUST_CHECK struct peer_message *peer_convert_in(const struct peer_frame *frame, uint64_t node);

#endif
