/* peer_message.h: what the replicas of a cluster say to each other, as it is in memory: one struct a message of the raft
 * core, with the entries that belong to it. The transport turns them into frames (proto/peer.proto, RaftMessage). Any of
 * them may be lost, doubled, late or out of order. */
#ifndef CLUSTER_PEER_MESSAGE_H
#define CLUSTER_PEER_MESSAGE_H

#include "cluster/replica.h"

enum peer_message_kind {
    PEER_MESSAGE_APPEND = 1,
    PEER_MESSAGE_APPEND_RESULT,
    PEER_MESSAGE_VOTE,
    PEER_MESSAGE_VOTE_RESULT,
    PEER_MESSAGE_SNAPSHOT, /* says that one must be fetched; carries none of its files */
    PEER_MESSAGE_TIMEOUT_NOW,
};

struct peer_message {
    struct list_link link; /* for whoever holds it */
    enum peer_message_kind kind;
    uint64_t peer; /* going out: to whom; coming in: from whom, as the connection says, not the frame */
    uint64_t term;

    /* APPEND: `entries` follow previous_index without a gap; heap, each with an owner of its bytes */
    uint64_t previous_index;
    uint64_t previous_term;
    uint64_t commit_index;
    struct replica_entry *entries;
    uint32_t entry_count;
    size_t waiting_bytes; /* the receiving replica's: of the entries, when it came */

    uint64_t rejected;       /* APPEND_RESULT: the previous_index that does not fit; 0: accepted */
    uint64_t last_index;     /* APPEND_RESULT, VOTE, TIMEOUT_NOW */
    uint64_t last_term;      /* VOTE, TIMEOUT_NOW */
    bool disrupt_leader;     /* VOTE: the leader asked for this election */
    bool pre_vote;           /* VOTE, VOTE_RESULT */
    bool granted;            /* VOTE_RESULT */
    bool current_connection; /* set by the receiving transport: it came over the peer connection that is in use */
    uint16_t features;       /* APPEND_RESULT, VOTE_RESULT */
    uint16_t capacity;

    struct log_snapshot *snapshot; /* SNAPSHOT: up to where it reaches (cut_index is not used); heap */
};

/* A zeroed message on the heap. */
struct peer_message *peer_message_create(enum peer_message_kind kind, uint64_t peer);
/* Frees it with everything that it owns. NULL is allowed. */
void peer_message_free(struct peer_message *message);

/* Whether the parts fit each other: to be asked before a message that has come from outside is given to the replica, which
 * drops one that does not. Pure. */
bool peer_message_sound(const struct peer_message *message);

/* Bytes of its entries. Pure. */
size_t peer_message_bytes(const struct peer_message *message);

#endif
