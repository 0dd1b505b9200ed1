/* exactly_once.h: proves over real connections that a change is executed once however often it is sent.
 *
 * The story of one operation: an observer (a client of its own) takes a snapshot of the working directory: its change
 * number and those of all entries. The worker sends a request and loses the reply: it closes the connection unread, or
 * after having read, or leaves it open; at random the server is killed. Then it sends the same bytes over a new
 * connection, three times, the last time with another xid and sa_highest_slotid. All replies must be equal byte for
 * byte, the first must say what the model expects, and the snapshots after each must be equal. Sometimes another
 * request follows with the used sequence id: it must be refused as a false retry.
 *
 * With several servers (the nodes of one cluster) every connection of worker and observer goes to one of them at random:
 * what one node was asked, another one is asked again, and a third one shows what there is. */
#ifndef TESTS_SUPPORT_EXACTLY_ONCE_H
#define TESTS_SUPPORT_EXACTLY_ONCE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/support/nemesis.h"
#include "tests/support/rpc_peer.h"

struct exactly_once_options {
    struct rpc_servers servers;
    const char *export_path;
    uint32_t operations;
    uint64_t seed;
    const char *kill_command; /* shell command that kills the server and starts it again; NULL: no kills */
    int nemesis_descriptor;   /* of nemesis.h, in place of the command; -1: none */
    uint32_t kill_percent;    /* of the sends */
    bool cache_always; /* sa_cachethis on every request, for servers that replay only then; else on half of them */
    bool verbose;
};

/* Runs it; prints a line `ok` or `FAILED` for each kind of operation, and what was wrong before. True if all is well. */
bool exactly_once_run(const struct exactly_once_options *options);

#endif
