/* network.h: TCP connections between simulated clients and one node: bytes arrive late and in pieces, and a connection
 * can end at any byte, which the two sides notice at different times. What was sent to a process that stands still is kept
 * for it, also when the connection has ended meanwhile. */
#ifndef TESTS_SIM_NETWORK_H
#define TESTS_SIM_NETWORK_H

#include "base/slice.h"
#include "tests/sim/host.h"

struct network;

/* One connection. The marks of client and node are theirs; the rest is the network's. */
struct wire {
    uint64_t id;
    uint32_t client;     /* whose it is */
    uint32_t connection; /* which of the client's */
    uint64_t node_mark;  /* the node's connection id; 0: it is on its way from one loop to another */
    uint32_t node_loop;
    struct network *network;
    struct wire_end {
        bool open;        /* this side has it and has not heard of its end */
        uint8_t *waiting; /* bytes on their way to this side */
        size_t waiting_bytes;
        size_t waiting_room;
        bool scheduled; /* a delivery is */
        bool paused;    /* does not read */
    } to_node, to_client;
    bool cut;   /* nothing more is sent or delivered ... */
    bool slept; /* ... but what lay in the node's socket when it ended, and the node's process stood still */
};

/* What the network tells a side. */
struct network_ports {
    void *context;
    void (*opened)(void *context, struct wire *wire);
    void (*received)(void *context, struct wire *wire, struct slice bytes);
    void (*sent)(void *context, struct wire *wire, size_t size_bytes); /* node only: so many have left it */
    void (*closed)(void *context, struct wire *wire);
};

/* `host` is the node's. */
struct network *network_create(struct host *host, const struct network_ports *client, const struct network_ports *node);
void network_destroy(struct network *network);

/* --- the client's side --- */

/* A new connection; `opened` comes when it is there. While no node serves, it waits. */
struct wire *network_connect(struct network *network, uint32_t client, uint32_t connection);
void network_send_to_node(struct wire *wire, struct slice bytes);

/* --- the node's side --- */

/* Whether a node serves: waiting connections are opened. When it ends, all its connections end. */
void network_serve(struct network *network, bool serves);
/* Whether the node reads from none of them. */
void network_silence(struct network *network, bool silent);
void network_send_to_client(struct wire *wire, struct slice bytes);
void network_pause(struct wire *wire, bool paused);
/* After what was sent (`at_once`: without it). The node is told by `closed`. */
void network_close(struct wire *wire, bool at_once);

/* --- fate --- */

/* Ends a connection at some byte; both sides hear of it, sooner or later. */
void network_cut(struct wire *wire);
/* The connection with the node's mark, if the node still has it. */
struct wire *network_find(struct network *network, uint64_t node_mark);
/* The connection with the network's own number. */
struct wire *network_wire(struct network *network, uint64_t id);
/* A connection that is open on both sides, or NULL. */
struct wire *network_any(struct network *network);

#endif
