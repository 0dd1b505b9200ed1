/* loop_cluster.h: a few raft loops in one thread, with logs that are safe a moment after they are written, a state that only
 * collects commands, clocks that may run apart, and a network that delivers whole frames in order: for tests of
 * cluster/raft_loop.h. Whatever is wrong fails the test. */
#ifndef TESTS_SUPPORT_LOOP_CLUSTER_H
#define TESTS_SUPPORT_LOOP_CLUSTER_H

#include "base/random.h"
#include "cluster/log_writer.h"
#include "cluster/raft_loop.h"

#define LOOP_NODES_MAX 5u
#define LOOP_ENTRIES_MAX 4096u
#define LOOP_EVENTS_MAX 64u

struct loop_barrier {
    uint32_t reader;
    uint64_t number;
    uint64_t index;
};

struct loop_loss {
    uint64_t node;
    uint64_t incarnation;
    uint64_t at_ms;
};

struct loop_node {
    uint64_t id;
    struct raft_loop *loop;
    struct raft_loop_actions actions;
    bool stopped;      /* nothing runs: as by SIGSTOP */
    bool unhealthy;    /* RAFT_LOOP_HEALTHY is not said */
    int64_t skew;      /* its clock gains that many milliseconds in 10 s */
    uint64_t log_term; /* what the log writer has saved */
    uint64_t log_vote;
    uint64_t incarnation; /* 0: not registered */
    uint32_t lives;
    struct list requests;
    struct replica_entry log[LOOP_ENTRIES_MAX]; /* by index; what the writer has */
    uint64_t log_end;
    struct replica_entry queue[LOOP_ENTRIES_MAX]; /* handed out, not applied */
    size_t queue_count;
    bool apply_held;
    uint64_t applied_index;
    uint32_t commands[LOOP_ENTRIES_MAX]; /* that were applied, in order: each is a number */
    size_t command_count;

    enum replica_role role;
    uint64_t term;
    uint64_t leader;
    uint64_t commit_index;
    uint64_t lease_until_ms;
    bool alive;
    uint64_t silent_ms; /* when it last ceased to be alive */
    struct loop_barrier barriers[LOOP_EVENTS_MAX];
    size_t barrier_count;
    struct loop_loss losses[LOOP_EVENTS_MAX];
    size_t loss_count;
    uint64_t diverged_index;
    uint64_t alarm_index;
    uint32_t alarms;
    uint64_t told_bytes; /* of connections with floating addresses */
    bool sick;
};

struct loop_packet {
    struct list_link link;
    uint64_t from;
    uint64_t to;
    uint64_t due_ms;
    struct buffer *bytes;
};

struct loop_cluster {
    struct loop_node nodes[LOOP_NODES_MAX]; /* ids 1, 2, ... */
    uint32_t count;
    bool cut[LOOP_NODES_MAX + 1][LOOP_NODES_MAX + 1]; /* from, to: what is sent is lost */
    bool closed[LOOP_NODES_MAX + 1][LOOP_NODES_MAX + 1];
    bool reset[LOOP_NODES_MAX + 1][LOOP_NODES_MAX + 1];      /* a stopped node does not know yet */
    uint64_t due_ms[LOOP_NODES_MAX + 1][LOOP_NODES_MAX + 1]; /* of the last frame */
    struct list packets;
    uint64_t now_ms;
    uint64_t seed;
    struct random_seeded random;
    uint32_t delay_max_ms; /* of a frame; 1 without a seed */
    uint32_t loss;         /* of 1000 frames so many are dropped */
    uint8_t *room;
    uint64_t frames[32]; /* sent, by body */
};

/* Node 1 .. count, all voters, all connected. */
void loop_cluster_init(struct loop_cluster *cluster, uint32_t count, uint64_t seed);
void loop_cluster_fini(struct loop_cluster *cluster);

/* Goes on for so long, a millisecond at a time. At each: who has a lease knows all that anybody has committed. */
void loop_cluster_run(struct loop_cluster *cluster, uint64_t ms);

/* For whoever looks for what went wrong. */
void loop_cluster_print(const struct loop_cluster *cluster);

/* Runs until somebody leads whose lease holds and whom all connected nodes follow; fails the test after 10 s. */
struct loop_node *loop_cluster_leader(struct loop_cluster *cluster);
/* A node that does not lead. */
struct loop_node *loop_cluster_follower(struct loop_cluster *cluster);

uint64_t loop_node_now(const struct loop_cluster *cluster, const struct loop_node *node);

/* The process ends, and another one begins with the log and the state that are there. What was being written is lost. */
void loop_node_restart(struct loop_cluster *cluster, struct loop_node *node);
/* A stopped node goes on. */
void loop_node_resume(struct loop_cluster *cluster, struct loop_node *node);
/* The channel from one node to another is closed, with all that is on its way, or open again. */
void loop_cluster_connect(struct loop_cluster *cluster, uint64_t from, uint64_t to, bool open);

/* One event. */
void loop_node_step(struct loop_cluster *cluster, struct loop_node *node, struct raft_loop_message *message);
void loop_node_propose(struct loop_cluster *cluster, struct loop_node *node, struct proposal *proposal);
void loop_node_read(struct loop_cluster *cluster, struct loop_node *node, uint32_t reader, uint64_t number);
/* The barrier that came for it; 0: none yet. */
uint64_t loop_node_barrier(const struct loop_node *node, uint32_t reader, uint64_t number);

/* All links of a node, both ways. */
void loop_cluster_cut(struct loop_cluster *cluster, uint64_t id, bool cut);

/* All nodes' present processes are registered, and known to all; incarnations are 100 * lives + id. */
void loop_cluster_register(struct loop_cluster *cluster);

#endif
