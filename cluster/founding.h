/* founding.h: the actor that makes one cluster of N empty nodes, exactly once (--bootstrap-expect N). It runs before the raft
 * loop, over a peer transport outside a cluster, until the node is a member.
 *
 * Every node knows the list of all N, sorted; a node's place in it is its id. All report to each other, again and again, what
 * they are; the first of the list decides.
 *
 *            proposal of the first,           all N have promised (the first), or
 *            first of all: all N are          somebody is in the promised cluster (the others)
 *            connected, agree, are free
 *     FREE ---------------------------> PROMISED --------------------------------------> DONE: a member
 *       |        promise on disk           |               log, members, then `node` on disk
 *       |                                  |
 *       '--> REFUSED: somebody is in a     '--> REFUSED: somebody is in another cluster,
 *            cluster already                    or has this node's id
 *
 * A promise is a cluster id in the file `founding`; it is on the disk before anybody hears of it, and is never changed. Why no
 * second cluster is born:
 *  - Only the first draws an id, and only when the *current* reports of all N say that none has promised anything. A report
 *    is current if it names the nonce of the first's process: so its sender has heard of this process, and takes no proposal
 *    of an earlier one any more. A promise that is found instead of freedom is adopted by the first, also when it has lost
 *    its own disk. So at any time at most one id stands on all disks together.
 *  - The first becomes a member when all N have promised; another one when it hears of a member of that cluster. So whoever
 *    is still free when there is a member has lost its disk since: it refuses, and never takes part in a founding with
 *    the others, as the first wants all N, and a member does not report.
 *  - A crash at any point leaves a node free, promised, or a member (`node` is written last). Free: nobody has counted on it.
 *    Promised: it goes on asking. The first may crash between its own `node` and telling anybody: its next start is a
 *    member's, and its calls tell. If it loses its disk just then, nobody was a member but itself: it adopts the promise.
 *
 * Pure: the shell (server/daemon/founding_run.h) and tests/unit/cluster/founding_sim_test.c drive it. */
#ifndef CLUSTER_FOUNDING_H
#define CLUSTER_FOUNDING_H

#include "base/arena.h"
#include "cluster/data_directory.h"
#include "cluster/peer_link.h"

enum founding_state { FOUNDING_FREE, FOUNDING_PROMISED, FOUNDING_DONE, FOUNDING_REFUSED };

struct founding_options {
    struct endpoint_list members; /* all N, this node among them, sorted */
    uint32_t self;                /* this node's place in it */
    uint64_t nonce;               /* of this process: random, never 0 */
    uint8_t fresh_id[16];         /* random: the cluster's id, if this node draws it */
    bool has_promised;            /* the disk holds `promised` */
    struct founding_record promised;
};

/* Why there is no connection, in one line. */
#define FOUNDING_TEXT_BYTES 400u

/* What is known of another node. */
struct founding_peer {
    bool open;     /* we can send to it */
    bool reported; /* over a connection that still is */
    bool agrees;   /* it reported the same list */
    bool has_promised;
    bool report_due;  /* to be sent to it */
    bool was_offered; /* a proposal was sent after its last report */
    bool in_cluster;  /* it says so, and has not yet said in which */
    uint64_t nonce;   /* of its process */
    uint64_t heard;   /* our nonce, as it knows it */
    uint8_t promised[16];
    char list[512];                    /* that it reported, if it is another one */
    char trouble[FOUNDING_TEXT_BYTES]; /* why there is no connection */
};

struct founding {
    struct founding_options options;
    enum founding_state state;
    struct founding_peer peers[CLUSTER_MEMBERS_MAX]; /* by their places */
    uint64_t report_ms;                              /* when all get a report anyway */
};

/* --- in --- */

enum founding_event_kind {
    FOUNDING_TICK,
    FOUNDING_OPENED,  /* a connection with `peer`; `called`: we may send to it, else it will send to us */
    FOUNDING_CLOSED,  /* it is gone, or never came about (`text` says why) */
    FOUNDING_MESSAGE, /* `message` came from `peer` */
    /* `name` belongs to a cluster: to `cluster`, as `node`; NULL: it has not said to which. `peer` may be its place, or
     * FOUNDING_NOBODY. */
    FOUNDING_MEMBER,
};

#define FOUNDING_NOBODY UINT32_MAX

struct founding_event {
    enum founding_event_kind kind;
    uint32_t peer;
    bool called;
    const char *text;
    const Qnfs__Peer *message; /* that the codec has judged */
    const uint8_t *cluster;
    uint64_t node;
    const char *name;
};

/* --- out --- */

enum founding_action_kind {
    FOUNDING_DO_PROMISE, /* put `record` on the disk, safely, before anything behind it in the list */
    FOUNDING_DO_SEND,    /* `message` to `peer`; may be lost */
    FOUNDING_DO_BEGIN,   /* make this node a member as `record` says. The last action of all */
    FOUNDING_DO_REFUSE,  /* this node must not start: `text` says why. The last action of all */
};

struct founding_action {
    struct founding_action *next;
    enum founding_action_kind kind;
    uint32_t peer;
    const Qnfs__Peer *message;
    const struct founding_record *record;
    const char *text;
};

/* The list of one step; in the caller's arena. */
struct founding_actions {
    struct arena *arena;
    struct founding_action *first;
    struct founding_action **last;
};

/* STATUS_REFUSED: the disk's promise was made for other members; `trouble` says so. */
MUST_CHECK enum status founding_init(struct founding *founding, const struct founding_options *options,
                                     struct span trouble);

/* One event. All actions are to be carried out, in order, before the next one. FOUNDING_TICK a few times a second. */
void founding_step(struct founding *founding, const struct founding_event *event, uint64_t now_ms, struct arena *arena,
                   struct founding_actions *actions);

/* What it waits for, in one line for the log. */
void founding_waits_for(const struct founding *founding, struct span room);

#endif
