/* snapshot_message.h: what nodes say to each other about a copy of the state, as it is in memory: one struct, which crosses
 * threads. They go over the bulk channel; any of them may be lost. */
#ifndef CLUSTER_SNAPSHOT_MESSAGE_H
#define CLUSTER_SNAPSHOT_MESSAGE_H

#include "base/list.h"
#include "cluster/snapshot_manifest.h"

enum snapshot_message_kind {
    SNAPSHOT_ASK = 1, /* for the other one's state, which must reach beyond applied_index */
    SNAPSHOT_OFFER,   /* `manifest` */
    SNAPSHOT_FETCH,   /* a piece: id, part, item, offset, size_bytes */
    SNAPSHOT_CHUNK,   /* that piece: `data` */
    SNAPSHOT_ANSWER,  /* `outcome`, to the fetch of `id` or (0) to an ask */
};

struct snapshot_message {
    struct list_link link; /* for whoever holds it */
    enum snapshot_message_kind kind;
    uint64_t peer; /* going out: to whom; coming in: from whom */
    uint64_t id;
    uint64_t applied_index;
    enum peer_snapshot_part part;
    uint64_t item; /* which file of the manifest, or the block's id */
    uint64_t offset;
    uint32_t size_bytes;
    enum peer_snapshot_outcome outcome;
    struct buffer *data;                /* one owner */
    struct snapshot_manifest *manifest; /* owned */
};

/* Zeroed, on the heap. */
struct snapshot_message *snapshot_message_create(enum snapshot_message_kind kind, uint64_t peer);
/* Frees it with what it owns. NULL is allowed. */
void snapshot_message_free(struct snapshot_message *message);

/* The message as a frame's; *data is what lies behind it (SLICE_EMPTY: nothing). Both point into `message` and the arena. */
const Qnfs__Peer *snapshot_message_encode(const struct snapshot_message *message, struct arena *arena,
                                          struct slice *data);

/* What came from member `peer`; copied. NULL: the frame is about something else, or its manifest is none. */
struct snapshot_message *snapshot_message_decode(uint64_t peer, const struct peer_frame *frame);

#endif
