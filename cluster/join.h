/* join.h: what a member says to a node without a cluster that wants to join (--join), and its message.
 *
 *   joining node                          a member                            the log
 *   nonce on its disk
 *   hello{join: nonce, advertise} ------> NodeAdmit{nonce, advertise} ------> an id, the same for the same nonce
 *   JoinAnswer{node, members}     <------ when it has applied it              a row
 *   log, members, `node` on its disk
 *   a start as a member without a log;    the leader adds it as a standby, and, when it has caught up, as a voter
 *                                         (server/daemon/membership.h)
 *
 * A crash or a lost answer anywhere makes the node ask again, with the same nonce. */
#ifndef CLUSTER_JOIN_H
#define CLUSTER_JOIN_H

#include "base/arena.h"
#include "cluster/endpoint.h"
#include "proto/peer_codec.h"

struct join_answer {
    enum peer_join outcome;
    uint64_t node;                           /* DONE: the id */
    uint8_t cluster[16];                     /* DONE */
    struct endpoint_list members;            /* DONE: all, the new one among them */
    char text[PEER_JOIN_TEXT_MAX_BYTES + 1]; /* else: why not */
};

/* The message; it lives in the arena, and refers to the answer. */
const Qnfs__Peer *join_answer_encode(const struct join_answer *answer, struct arena *arena);

/* A message that the codec has judged. STATUS_BAD_DATA: a member's address is none, or the new node is not among them. */
MUST_CHECK enum status join_answer_decode(const Qnfs__JoinAnswer *message, struct join_answer *answer);

#endif
