/* loop_cluster.h: a few raft loops in one thread, with logs that are safe a moment after they are written, a state that only
 * counts, and a network that delivers whole frames after a moment: for tests of cluster/raft_loop.h. Whatever is wrong
 * fails the test. */
#ifndef TESTS_SUPPORT_LOOP_CLUSTER_H
#define TESTS_SUPPORT_LOOP_CLUSTER_H

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
    bool stopped;   /* nothing runs: as by SIGSTOP */
    bool unhealthy; /* RAFT_LOOP_HEALTHY is not said */
    struct list requests;
    struct replica_entry log[LOOP_ENTRIES_MAX]; /* by index; what the writer has */
    uint64_t log_end;
    struct replica_entry queue[LOOP_ENTRIES_MAX]; /* handed out, not applied */
    size_t queue_count;
    bool apply_held;
    uint64_t applied_index;
    char commands[LOOP_ENTRIES_MAX]; /* the first byte of each that was applied, in order */
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
    struct list packets;
    uint64_t now_ms;
    uint8_t *room;
    uint64_t frames[32]; /* sent, by body */
};

void loop_cluster_init(struct loop_cluster *cluster, uint32_t count);
void loop_cluster_fini(struct loop_cluster *cluster);

/* Goes on for so long, a millisecond at a time. At each: never two leases, none of another node's while one commits. */
void loop_cluster_run(struct loop_cluster *cluster, uint64_t ms);

/* Runs until somebody leads whose lease holds and whom all connected nodes follow; fails the test after 10 s. */
struct loop_node *loop_cluster_leader(struct loop_cluster *cluster);
/* A node that does not lead. */
struct loop_node *loop_cluster_follower(struct loop_cluster *cluster);

/* One event. */
void loop_node_step(struct loop_cluster *cluster, struct loop_node *node, struct raft_loop_message *message);
void loop_node_propose(struct loop_cluster *cluster, struct loop_node *node, struct proposal *proposal);
void loop_node_read(struct loop_cluster *cluster, struct loop_node *node, uint32_t reader, uint64_t number);
/* The barrier that came for it; 0: none yet. */
uint64_t loop_node_barrier(const struct loop_node *node, uint32_t reader, uint64_t number);

/* All links of a node, both ways. */
void loop_cluster_cut(struct loop_cluster *cluster, uint64_t id, bool cut);

/* The same processes are known as running on all nodes: incarnation 100 + id each. */
void loop_cluster_register(struct loop_cluster *cluster);

#endif
