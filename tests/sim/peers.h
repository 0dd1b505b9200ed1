/* peers.h: the network between nodes: one connection in each direction of each pair, as cluster/peer_transport.h keeps them.
 * What is sent over one arrives in order or not at all: a connection breaks, and what was under way is lost, or some of it
 * arrives late. Directions can be cut: what waits there is stuck like TCP's segments, until the cut heals or the
 * connection is given up. */
#ifndef TESTS_SIM_PEERS_H
#define TESTS_SIM_PEERS_H

#include "proto/peer_codec.h"
#include "tests/sim/host.h"

struct peers;

/* What a node is told; nodes are numbered from 1. */
struct peers_ports {
    void *context;
    void (*opened)(void *context, uint32_t peer); /* it may send to that node now */
    void (*closed)(void *context, uint32_t peer);
    void (*frame)(void *context, uint32_t peer, const struct peer_frame *frame);
};

struct peers *peers_create(struct world *world);
void peers_destroy(struct peers *peers);
/* The next node; they come in order. */
void peers_add(struct peers *peers, struct host *host, const struct peers_ports *ports);

/* The node's process runs, or it has ended. */
void peers_up(struct peers *peers, uint32_t node, bool up);
/* Dropped if there is no connection. */
void peers_send(struct peers *peers, uint32_t from, uint32_t to, const Qnfs__Peer *message, const struct slice *data,
                size_t data_count);

/* --- fate --- */

/* Nothing goes from one node to the other, or it does again. */
void peers_cut(struct peers *peers, uint32_t from, uint32_t to, bool cut);
/* Whether files could go from one to the other now. */
bool peers_reach(const struct peers *peers, uint32_t from, uint32_t to);
/* The connection ends. */
void peers_break(struct peers *peers, uint32_t from, uint32_t to);
/* No cut any more. */
void peers_heal(struct peers *peers);

#endif
