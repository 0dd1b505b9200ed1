/* forwarder.h: a node that does not lead gives its commands to the leader; the leader takes them from other nodes.
 *
 * The asking side. A proposal is copied at once; what comes in one step goes out together, in batches that are numbered. A
 * batch is kept until its entries are in the log for good:
 *
 *   waiting   to be sent to the leader, when there is one and its connection is open
 *   sent      to the leader of a term. It waits again when the connection closes, when leader or term change, or at an
 *             answer NOT_LEADER or FULL (after a pause). Without an answer for FORWARD_TIMEOUT_MS the frame may have been
 *             dropped on its way: it is sent again under the same number
 *   packed    the answer said: the last one is in entry `index`, all in entries of term `term`. When the entry of that index
 *             and term is handed to apply, the batch is done; when another entry takes that place, or one of a later term is
 *             handed out before, it waits again
 *
 * When this node leads itself, waiting batches are proposed here. A command may so be in the log twice: apply answers the
 * second time from its origin's record (DESIGN.md section 4).
 *
 * The leading side. A batch's proposals go to the replica; when all are packed (struct proposal_batch) the answer says where.
 * NOT_LEADER: this node does not lead, or stopped leading before all were packed. FULL: FORWARD_FOREIGN_MAX_BYTES wait. A
 * number that still waits is not taken a second time. Numbers begin at the process's nonce: an answer to an earlier process
 * of the node is not taken for its own.
 *
 * The asking side is bounded by the compounds that are parked for what was proposed; FORWARD_UNANSWERED_* keep the
 * connection and the leader from being flooded. Pure. The raft loop alone. Its use, within one step of the raft loop:
 *
 *   replica_step(): each ROLE, APPLY and FORWARD action, in order: forwarder_role, forwarder_handed, forwarder_add
 *   the event's own: forwarder_commands, forwarder_answer, forwarder_closed, forwarder_jumped
 *   then forwarder_advance: `sends` go out; while `propose` is not empty: replica_step(REPLICA_PROPOSE), and again from the
 *   top. When the step ends, nothing is left in `propose`. forwarder_deadline says when to advance again at the latest. */
#ifndef CLUSTER_FORWARDER_H
#define CLUSTER_FORWARDER_H

#include "cluster/replica.h"
#include "proto/peer_codec.h"

struct forwarder;

/* `id`: this node; `nonce`: tells this process from other ones of it. */
struct forwarder *forwarder_create(uint64_t id, uint64_t nonce);
/* After replica_destroy: the replica holds proposals of batches. */
void forwarder_destroy(struct forwarder *forwarder);

/* A frame to send; lives as long as the arena, its data until the next step of the raft loop. */
struct forwarder_send {
    struct forwarder_send *next;
    uint64_t node;
    const Qnfs__Peer *message;
    const struct slice *data;
    size_t data_count;
};

struct forwarder_actions {
    struct arena *arena; /* the caller's */
    struct forwarder_send *sends;
    struct forwarder_send **last_send;
    struct list propose; /* of struct proposal, copied or of a batch: for the replica, before the step ends */
};

void forwarder_actions_init(struct forwarder_actions *actions, struct arena *arena);

/* --- what the replica has done --- */

/* REPLICA_ACTION_ROLE. */
void forwarder_role(struct forwarder *forwarder, enum replica_role role, uint64_t term, uint64_t leader);
/* REPLICA_ACTION_APPLY, of an entry of any kind: before the action is carried out. */
void forwarder_handed(struct forwarder *forwarder, uint64_t index, uint64_t term);
/* REPLICA_ACTION_FORWARD: copies the proposal and is done with it. */
void forwarder_add(struct forwarder *forwarder, struct proposal *proposal);
/* The state has jumped to `index` (REPLICA_INSTALLED): what the entries up to there hold is not known. */
void forwarder_jumped(struct forwarder *forwarder, uint64_t index);

/* --- what other nodes say --- */

/* The raft channel to member `node` is closed: nothing of what was sent there may have come. */
void forwarder_closed(struct forwarder *forwarder, uint64_t node);
/* A frame with ForwardedCommands of member `node`: to `propose`, or an answer to `sends`. */
void forwarder_commands(struct forwarder *forwarder, uint64_t node, const struct peer_frame *frame,
                        struct forwarder_actions *actions);
/* A ForwardedAnswer of member `node`. */
void forwarder_answer(struct forwarder *forwarder, uint64_t node, const Qnfs__ForwardedAnswer *answer, uint64_t now_ms);

/* --- what is next --- */

/* Frames that are due, answers, and batches that are proposed here. `leader_open`: the raft channel to the leader that
 * forwarder_role named last is open. Once or more at the end of each step of the raft loop. */
void forwarder_advance(struct forwarder *forwarder, uint64_t now_ms, bool leader_open,
                       struct forwarder_actions *actions);

/* When forwarder_advance has something to do, if nothing else happens; UINT64_MAX: never. */
uint64_t forwarder_deadline(const struct forwarder *forwarder);

/* Commands of this node that are not known to be in the log, and commands of others that wait here. */
struct forwarder_status {
    uint64_t waiting; /* not sent */
    uint64_t sent;    /* without an answer */
    uint64_t packed;  /* not handed out yet */
    uint64_t foreign;
    uint64_t foreign_bytes;
};
void forwarder_status(const struct forwarder *forwarder, struct forwarder_status *status);

#endif
