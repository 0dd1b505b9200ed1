/* node.h: the members as the log knows them, their incarnations, and the results of what a node itself asked for.
 *
 * An incarnation is one process start. Its row exists exactly as long as it is open. It is closed by the next one of the same
 * node, or by NodeLost when the leader knows it to be silent; with it go the results of its requests: nobody asks for them
 * any more. What a closed incarnation still has in the log, or sends later, has no effect. */
#ifndef STATESTORE_MACHINE_NODE_H
#define STATESTORE_MACHINE_NODE_H

#include "proto/log.pb-c.h"
#include "statestore/machine/id.h"
#include "statestore/store/kv.h"

struct apply;

/* A registration may be sent twice, and the second copy come after the next process's: so many earlier ones are known. */
#define NODE_NONCES 4u

struct node_member {
    uint64_t node;
    struct incarnation_id incarnation; /* the last one; it has a row if it is open */
    uint64_t registered_ms;            /* uptime */
    uint64_t nonces[NODE_NONCES];      /* of its processes, the last one first; 0: none */
    uint64_t admission; /* the nonce with which it asked for its id; 0: a founder, or it has not asked yet */
    bool removed;       /* shall be no member any more; the row stays, so that the id is not given again */
    bool gone;          /* removed, and is none any more */
    bool promote;       /* the operator wants it to vote */
    struct slice advertise;
    struct slice version;
};

/* Reads one row; true if it exists; the texts live in the arena. Pure over the view. */
bool node_get(struct kv_read *read, uint64_t node, struct arena *arena, struct node_member *member);

/* Walks all nodes in the order of their ids. Close always. */
struct node_walk {
    struct kv_cursor cursor;
};
void node_walk_open(struct kv_read *read, struct arena *arena, struct node_walk *walk);
bool node_walk_get(struct node_walk *walk, struct node_member *member);
void node_walk_next(struct node_walk *walk);
void node_walk_close(struct node_walk *walk);

struct incarnation {
    struct incarnation_id id;
    uint64_t node;
};

/* The open incarnations, at most `room`, in the order of their numbers. Pure over the view. */
size_t incarnation_list(struct kv_read *read, struct arena *arena, struct incarnation *open, size_t room);

/* True if the incarnation is open. Pure over the view. */
bool incarnation_get(struct kv_read *read, struct incarnation_id id, struct arena *arena,
                     struct incarnation *incarnation);

/* --- machine only --- */

/* Writes the row. */
void node_put(struct apply *apply, const struct node_member *member);

/* Closes the incarnation, if it is open. */
void incarnation_close(struct apply *apply, struct incarnation_id id, uint64_t node);

/* --- machine only (node_request.c): the exactly-once record of a node's own requests --- */

/* Whether the request is new. False: it was done (the stored result has become apply->result), its result is no longer
 * kept (superseded), or the node has too many results kept (NFS4ERR_DELAY). */
bool node_request_begin(struct apply *apply, const Qnfs__NodeOrigin *origin);

/* Stores the result and forgets those below the low-water mark of the stream. */
void node_request_end(struct apply *apply, const Qnfs__NodeOrigin *origin);

/* Forgets all results of an incarnation that is being closed. */
void node_request_forget_all(struct apply *apply, struct incarnation_id incarnation);

#endif
