/* node.h: one node of the system under test: the real actors of a qnfsd process (gateway loops with the NFS server, raft
 * core and its guard, log writer, applier, steward), run one step at a time by the world's events. What the threads of
 * server/daemon do, this does: it carries messages and carries out actions.
 *
 * Its disk, state and blocks outlive it; a crash takes from them what was not synced. */
#ifndef TESTS_SIM_NODE_H
#define TESTS_SIM_NODE_H

#include "tests/sim/network.h"
#include "tests/sim/oracle.h"
#include "tests/sim/peers.h"

#define NODE_LOOPS_MAX 2u

struct node;

struct node_options {
    uint32_t id;    /* from 1 */
    uint32_t count; /* of the cluster's nodes: all are its founders */
    uint8_t cluster_id[16];
    struct peers *peers;
    struct node *const *others; /* all nodes, by id - 1: whose files can be fetched */
    uint32_t loop_count;
    uint64_t segment_bytes;
    uint64_t trailing_bytes;       /* of the log, kept for nodes that lag; 0: as usual */
    uint64_t usual_sync_us;        /* of the disk */
    const char *directory;         /* for RocksDB; NULL: the state in memory */
    void (*serves)(void *context); /* called when it begins to serve */
    void *context;
    bool may_sleep; /* stay down for an hour after a crash, now and then */
};

struct node *node_create(struct world *world, struct oracle *oracle, const struct node_options *options);
void node_destroy(struct node *node);
/* What the network tells; it is made after the ports. */
struct network_ports node_ports(struct node *node);
struct peers_ports node_peers_ports(struct node *node);
struct host *node_host(struct node *node);
void node_set_network(struct node *node, struct network *network);

/* Starts the process; it serves when it is registered. It may crash while starting, and is then started again later. */
void node_boot(struct node *node);
uint32_t node_id(const struct node *node);
bool node_is_up(const struct node *node);
bool node_serves(const struct node *node);
bool node_leads(const struct node *node);
/* The incarnation under which it serves; 0: it does not. */
uint64_t node_incarnation(const struct node *node);
/* How often it has crashed. */
uint64_t node_life(const struct node *node);

/* From now on it does not stay down for long, and nothing of what was done to it lasts. */
void node_calm(struct node *node);

/* --- faults --- */

/* At once: between two steps. It starts again after a while. */
void node_crash(struct node *node);
void node_crash_for(struct node *node, uint64_t down_us);
/* In the middle of a step: after so many more operations on the disk, or batches of the state. */
void node_crash_in_log(struct node *node, uint64_t operations);
void node_crash_in_apply(struct node *node, uint64_t batches);
/* During the flush that it begins with this. */
void node_crash_in_flush(struct node *node);

void node_flush(struct node *node);
/* If it leads, it hands leadership over to another one. */
void node_hand_over(struct node *node);
/* State and blocks find no room until the delay is over. */
void node_fill_disk(struct node *node, uint64_t delay_us);
/* Time has passed without it: connections may look idle to it. */
void node_was_stopped(struct node *node);
/* SIGSTOP, and SIGCONT after the delay. */
void node_pause(struct node *node, uint64_t delay_us);
void node_slow_disk(struct node *node, uint64_t delay_us);
/* The disk answers nothing until the delay is over. */
void node_hang_disk(struct node *node, uint64_t delay_us);
/* The disk gives an error: the process stops, and is started again later. */
void node_fail_disk(struct node *node);
/* When it sends commands to a leader the next time, `strands` is called first, once. */
void node_strand(struct node *node, void (*strands)(void *context, uint32_t from, uint32_t to), void *context);
/* Its wall clock jumps. */
void node_jump_clock(struct node *node, int64_t by_ns);

/* --- looking --- */

uint64_t node_applied_index(const struct node *node);
/* Everything that was committed is applied, and nothing is on its way. */
bool node_is_quiet(const struct node *node);
/* Compares its state with the oracle's, if both are at one place: true if compared. */
bool node_compare(struct node *node);

#endif
