/* read_index.h: barriers for reads: the index that a read must see, so that it misses no change that was acknowledged before
 * it was asked for, on whichever node.
 *
 * Where this node leads, a question (of a reader here, or of another member) is answered
 *
 *   at once, with the published commit index, while the lease holds
 *   else with the commit index as of its arrival, or as of the first committed entry of the term if that came later, as soon
 *   as a round of pings that was sent after its arrival is confirmed
 *
 * Elsewhere one question at a time is under way to the leader. Readers join one only before it is sent: what they must see
 * may have been acknowledged after that. It is asked again, under a new number, when the leader changes or its connection
 * closes, when it says that it does not lead, and when nothing comes for READ_ANSWER_TIMEOUT_MS. While nobody leads, questions
 * are held; none is ever refused.
 *
 * Numbers begin at the process's nonce: an answer to an earlier process of this node is not taken for its own. Pure. */
#ifndef CLUSTER_READ_INDEX_H
#define CLUSTER_READ_INDEX_H

#include "cluster/raft_loop_act.h"

/* Somebody who waits for an answer. */
struct read_waiter {
    bool waits;
    uint64_t node;   /* a member's question; 0: of a reader here */
    uint64_t number; /* the asker's */

    /* leading */
    uint64_t round; /* of pings, which confirms it; 0: not seen yet */
    uint64_t index; /* to be answered; 0: nothing of the term is committed yet */

    uint64_t question; /* not leading: joined this one; 0: none yet */
};

struct read_index {
    struct read_waiter readers[READERS_MAX];
    struct read_waiter members[CLUSTER_MEMBERS_MAX]; /* in no order; free ones have node 0 */
    uint32_t waiting;                                /* of both */
    uint64_t term;                                   /* in which this node leads; 0: it does not */
    uint64_t question;                               /* number of the newest one */
    uint64_t asked;                                  /* whom; 0: none is under way */
    uint64_t asked_term;
    uint64_t asked_ms;
    uint64_t pause_until_ms; /* the leader has said that it does not lead */
};

/* What the replica and the leader's lease say. */
struct read_index_now {
    struct replica_view view;
    uint64_t lease_until_ms; /* reads may be answered from the commit index before; 0: not at all */
    uint64_t confirmed;      /* rounds up to this one */
    uint64_t next_round;     /* confirms what came until now */
    bool leader_open;        /* the raft channel to the leader is open */
};

void read_index_init(struct read_index *reads, uint64_t nonce);

/* RAFT_LOOP_READ. */
void read_index_read(struct read_index *reads, uint32_t reader, uint64_t number);
/* A ReadQuestion, a ReadAnswer of member `node`. */
void read_index_question(struct read_index *reads, uint64_t node, uint64_t number);
void read_index_answer(struct read_index *reads, uint64_t node, const Qnfs__ReadAnswer *answer, uint64_t now_ms,
                       struct raft_loop_actions *actions);
/* The raft channel to member `node` has opened or closed: what it asked before is asked again, or by nobody any more. */
void read_index_reset(struct read_index *reads, uint64_t node);

/* Answers and questions that are due. True: a round of pings is wanted soon (now->next_round). */
bool read_index_advance(struct read_index *reads, const struct read_index_now *now, uint64_t now_ms,
                        struct raft_loop_actions *actions);
/* When read_index_advance has something to do, if nothing else happens; UINT64_MAX: never. */
uint64_t read_index_deadline(const struct read_index *reads, uint64_t now_ms);

#endif
