/* takeover.h: many clients at once, over real connections to the nodes of one cluster, while nodes die, sleep and lose
 * each other: every change is executed once, none is lost, and whoever asks any node sees what was acknowledged.
 *
 * The story of one client: it has one session with some slots (lanes), and one connection at a time. Each lane has one
 * request under way: it makes, opens, renames, links, removes and appends to files of its own in two directories that
 * all share, races with the others for shared names, and counts in a shared file under byte-range locks. When the
 * connection breaks, or stays silent too long, or at random, the client goes to another node and sends all that is
 * unanswered again, the same bytes. An answered request is sent again at random: the reply must be equal.
 *
 * How it is judged:
 *   - a lane knows what its own files must look like: each reply and each look must agree, through whichever node;
 *   - the change infos of all acknowledged changes of a directory are links of one chain from the first state to the
 *     last: what was executed twice, or lost, or by nobody's order, breaks it;
 *   - of those who race for a name one wins, and who lost must have lost to somebody;
 *   - a counter under a lock is in the end what was counted;
 *   - a read is never older than what was acknowledged to anybody before it was sent;
 *   - in the end each node shows the same names, contents and change numbers.
 * It measures the pauses: for each fault the longest time in which a client got no reply. */
#ifndef TESTS_SUPPORT_TAKEOVER_H
#define TESTS_SUPPORT_TAKEOVER_H

#include "tests/support/rpc_peer.h"

struct takeover_options {
    struct rpc_servers servers;
    const char *export_path;
    uint64_t seed;
    uint32_t clients;
    uint32_t lanes;         /* requests under way, of each client */
    uint32_t faults;        /* to ask the nemesis for */
    uint32_t calm_ms;       /* between two faults */
    uint32_t seconds;       /* how long it runs without a nemesis */
    uint32_t silence_ms;    /* a connection without a reply for so long is given up */
    uint32_t pace_ms;       /* a lane's rest between two requests */
    uint32_t roam_permille; /* of the replies after which the client goes to another node */
    uint32_t again_percent; /* of the answered changes that are sent again */
    uint32_t pause_max_ms;  /* a longer pause is a failure; 0: none is */
    int nemesis_descriptor; /* nemesis.h; -1: none */
    bool verbose;
};

/* Runs it; prints lines `ok` or `FAILED`, and the pauses. True if all is well. */
bool takeover_run(const struct takeover_options *options);

#endif
