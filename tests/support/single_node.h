/* single_node.h: an NFS server (or two) with the real machine behind it and nothing between them: what the server proposes is
 * applied at once, over a store in memory. Calls go in as records, replies come out as records; time moves when the test
 * says so. For unit tests, scenarios and the fuzzer of compounds.
 *
 * What waits can be looked at: with `hold`, proposals stay under way until single_node_apply(), and blocks are read only
 * by single_node_read_blocks(). */
#ifndef TESTS_SUPPORT_SINGLE_NODE_H
#define TESTS_SUPPORT_SINGLE_NODE_H

#include "base/buffer.h"
#include "proto/nfs4/status.h"
#include "server/nfs4/server.h"
#include "statestore/machine/machine.h"
#include "statestore/store/kv.h"

struct single_reply {
    struct list_link link;
    struct connection_id connection;
    struct buffer *bytes; /* the record with its mark; NULL: the call ended without a reply */
};

struct single_block {
    struct list_link link;
    struct block_id id;
    struct buffer *bytes;
};

struct single_wait {
    struct list_link link;
    struct nfs4_server *server; /* that asked */
    struct proposal *proposal;  /* or NULL, and: */
    uint64_t place;
    struct nfs4_block_read *reads;
    size_t read_count;
};

#define SINGLE_SERVERS_MAX 2u

/* One process: node 1 or 2. A stopped one (SIGSTOP) stands where it was: its view is that of then, its lease is over, calls
 * sleep in its sockets, effects and results pile up before it. What comes first when it goes on is the test's choice:
 * single_node_wake, _catch_up and _deliver in any order. */
struct single_server {
    struct nfs4_server *server; /* NULL: was never started */
    struct incarnation_id incarnation;
    uint64_t request_number; /* of the node's own commands */
    bool no_lease;           /* barriers are asked for, and come by single_node_answer */
    bool asking;
    uint64_t question;
    bool asleep;
    struct list calls; /* struct single_call, while asleep */
    bool piling;
    struct list posts;    /* struct single_post, while piling */
    struct kv_read *view; /* while it has not caught up; and: */
    uint64_t view_index;
    uint64_t view_moved;
};

struct single_node {
    struct kv_store *store;
    struct machine machine;
    struct nfs4_server *server; /* that calls go to: servers[active] */
    size_t active;
    struct single_server servers[SINGLE_SERVERS_MAX];
    struct nfs4_outbox outbox;
    uint64_t index;  /* of the last entry */
    uint64_t now_ms; /* boot time and uptime alike */
    int64_t wall_ns;
    uint64_t behind;     /* how many entries the server's view says it lacks: barriers then wait */
    struct list replies; /* struct single_reply, not yet taken */
    struct list blocks;
    struct list proposals; /* struct single_wait */
    struct list block_reads;
    struct list effects; /* struct single_effect: delivered after the step */
    bool hold;
    bool lose_results; /* commands are applied, their results do not come back: the node dies in between */
    bool twice;        /* each command comes a second time, behind the next one, and so does its result */
    struct single_late *late;
    uint64_t commands;       /* applied since the start, but for second times */
    uint64_t sessions_moved; /* EFFECT_SESSION_LEFT so far */
    uint64_t closed_connections;
    struct nfs4_flap flap; /* the last one reported; moves 0: none */
};

/* A cluster with the export `/data`, squash none, and one node registered. */
void single_node_init(struct single_node *node);
/* The same over an empty store of the caller's choice, which becomes the node's; NULL: in memory. */
void single_node_init_over(struct single_node *node, struct kv_store *store);
void single_node_fini(struct single_node *node);

/* kill -9 and a start: all memory of the active server is gone, a new incarnation is registered. */
void single_node_restart(struct single_node *node);

/* From now on calls go to the other node's server (1 or 2), over the same state; it is started if it was not. */
void single_node_switch(struct single_node *node, size_t number);

/* SIGSTOP of a server (1 or 2), and what follows a SIGCONT: the calls that slept are read; its apply thread has caught up;
 * effects and results that piled up come in. */
void single_node_stop(struct single_node *node, size_t number);
void single_node_wake(struct single_node *node, size_t number);
void single_node_catch_up(struct single_node *node, size_t number);
void single_node_deliver(struct single_node *node, size_t number);

/* The active server has the other one declared lost: node_lost. */
void single_node_lose(struct single_node *node, size_t number);

/* Whether the server may tell barriers by itself; else the questions asked so far are answered by single_node_answer: by
 * what is committed now. */
void single_node_lease(struct single_node *node, size_t number, bool has_lease);
void single_node_answer(struct single_node *node);

/* What a step may know now; its view is released by the caller. */
struct nfs4_moment single_node_moment(struct single_node *node);

/* A whole record, mark included, on a connection. */
void single_node_call(struct single_node *node, uint64_t connection, struct slice record);

/* The connection's oldest reply that was not taken yet, NULL if there is none or the call ended without one (then
 * *ended is set). The caller puts the buffer. */
struct buffer *single_node_reply(struct single_node *node, uint64_t connection, bool *ended);

/* Applies what is held, in order. */
void single_node_apply(struct single_node *node);
/* The oldest of it alone. */
void single_node_apply_one(struct single_node *node);
/* Reads the blocks that are waited for; ok false: says that they could not be read. */
void single_node_read_blocks(struct single_node *node, bool ok);
/* Time passes, and the server's tick. */
void single_node_advance(struct single_node *node, uint64_t milliseconds);
/* A command of the node itself or of the operator (body alone is set): its status. */
enum nfsstat4 single_node_command(struct single_node *node, Qnfs__Command *command);

#endif
