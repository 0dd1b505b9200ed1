/* snapshot_send.h: the actor that gives this node's state to others, in one copy at a time.
 *
 * A member asks; a copy is made unless there is one that helps it; it is offered; the member fetches pieces, each of which is
 * read from the copy, or from the blocks, and sent. The member decides how much is under way, so this actor keeps nothing
 * of it but when it was last heard. The copy goes when nobody has asked for SNAPSHOT_KEEP_MS, when the disk is low, and when
 * it turns out to be damaged. While it is there, the log is kept from its index on, and so are the blocks it refers to.
 * Pure. */
#ifndef CLUSTER_SNAPSHOT_SEND_H
#define CLUSTER_SNAPSHOT_SEND_H

#include "cluster/snapshot_message.h"

struct snapshot_send;

struct snapshot_send_moment {
    uint64_t now_ms;
    uint64_t applied_index; /* of this node: a copy reaches at least here */
    bool low;               /* the disk is low */
};

enum snapshot_send_input_kind {
    SNAPSHOT_SEND_HEARD, /* `message`: an ASK or a FETCH; others are ignored. Read now, not kept */
    SNAPSHOT_SEND_MADE,  /* DO_MAKE has ended: `manifest` (owner goes along; its id is set here), or NULL: it failed */
    SNAPSHOT_SEND_UNREADABLE, /* a piece of the copy could not be read: `message` is its FETCH */
    SNAPSHOT_SEND_TICK,
};

struct snapshot_send_input {
    enum snapshot_send_input_kind kind;
    const struct snapshot_message *message;
    struct snapshot_manifest *manifest;
};

enum snapshot_send_action_kind {
    SNAPSHOT_SEND_DO_SEND, /* `message` (owner goes along) */
    SNAPSHOT_SEND_DO_MAKE, /* make a copy of the state, then SNAPSHOT_SEND_MADE */
    SNAPSHOT_SEND_DO_READ, /* read the piece that `fetch` (valid until the step's end) names of `manifest`'s copy and send it */
    SNAPSHOT_SEND_DO_DROP, /* remove the copy */
};

struct snapshot_send_action {
    struct snapshot_send_action *next;
    enum snapshot_send_action_kind kind;
    struct snapshot_message *message;
    const struct snapshot_message *fetch;
    const struct snapshot_manifest *manifest;
};

/* `nonce`: random, so that copies of an earlier process are told apart. */
struct snapshot_send *snapshot_send_create(uint64_t nonce);
void snapshot_send_destroy(struct snapshot_send *send);

/* The actions live until the next step. */
struct snapshot_send_action *snapshot_send_step(struct snapshot_send *send, struct snapshot_send_input *input,
                                                const struct snapshot_send_moment *moment);

#endif
