/* node_state.h: the inside of node.h, for node.c (start and end), node_faults.c, node_raft.c (raft loop), node_actors.c (log
 * writer, applier, steward), node_gateway.c (gateway loops) and node_install.c (snapshots of other nodes). */
#ifndef TESTS_SIM_NODE_STATE_H
#define TESTS_SIM_NODE_STATE_H

#include "blockstore/block.h"
#include "cluster/data_directory.h"
#include "cluster/log_writer.h"
#include "cluster/raft_loop.h"
#include "server/daemon/applier.h"
#include "server/daemon/config.h"
#include "server/daemon/frontend.h"
#include "server/daemon/gateway_thread.h"
#include "server/daemon/steward.h"
#include "statestore/machine/garbage.h"
#include "statestore/machine/node.h"
#include "tests/sim/node.h"
#include "tests/support/disk_memory.h"

/* One thread of the process: messages that wait, and whether it is about to run. */
struct node_actor {
    struct node *node;
    uint32_t loop; /* of a gateway loop */
    struct list inbox;
    bool scheduled;
    world_action *run;
};

/* To the raft loop. */
struct node_raft_post {
    struct list_link link;
    struct raft_loop_message message;
    struct replica_message *replica;                   /* owned; NULL: the message has none */
    struct raft_loop_process processes[SIM_NODES_MAX]; /* of the message */
};

/* To the applier: an entry, or word that a flush is done, or garbage removed. */
struct node_apply_post {
    struct list_link link;
    bool flushed;
    bool swept;
    struct garbage garbage;
    struct replica_entry entry;
    uint64_t index;
};

struct node_steward_post {
    struct list_link link;
    enum steward_message_kind kind;
    bool on;
    uint64_t place;
    uint64_t node;
    struct incarnation_id incarnation;
    uint64_t term;
    struct buffer *bytes;
    struct machine_effect effect;
};

/* Reads for a parked compound. */
struct node_block_job {
    struct list_link link;
    uint32_t loop;
    uint64_t place;
    struct nfs4_block_read *reads;
    size_t count;
};

#define NODE_PATH_BYTES 256u

/* The state of another node, to be put in place of this one's at the next start. */
struct node_staged {
    struct kv_store *store; /* NULL: there is none */
    struct block_store *blocks;
    struct log_snapshot snapshot;
    char path[NODE_PATH_BYTES]; /* of the store, if it has files */
};

struct node {
    struct world *world;
    struct network *network;
    struct oracle *oracle;
    struct node_options options;
    struct random_seeded seeded;
    struct random random;
    struct host host;

    /* What a crash leaves. */
    struct disk_memory disk;
    struct disk port; /* of the disk */
    struct kv_store *store;
    struct block_store *blocks;
    struct node_staged staged;
    struct log_snapshot installed; /* the last one that was put in place; index 0: none */
    struct node_fetch *fetch;      /* under way, owned; NULL: none */
    char state_path[NODE_PATH_BYTES];
    uint64_t state_copies;

    /* The process. */
    uint64_t life;
    bool up;
    bool dying; /* a fault has hit inside a step: it ends when the step is over */
    bool serving;
    bool leads;
    bool silent; /* it has no lease */
    bool lapsed; /* and it had one when it began to serve */
    uint64_t incarnation;
    uint64_t term;
    uint64_t leader;
    uint64_t forwarded_number; /* of the newest batch sent to a leader */
    uint64_t durable_index;    /* of the log, as the raft loop knows */
    struct node_identity identity;
    struct log_writer *writer;
    struct raft_loop *raft_loop;
    uint64_t last_index; /* of the log when the process ended */
    struct raft_loop_actions actions;
    uint64_t tick_ms; /* the raft loop's next tick is an event already */
    struct published published;
    struct applier applier;
    bool applier_ready;
    uint64_t command_at_start;
    struct steward *steward;
    struct view steward_view;
    struct frontend *frontends[NODE_LOOPS_MAX];
    struct view views[NODE_LOOPS_MAX];
    struct config_export export;
    char name[16];

    struct node_actor raft;
    struct list proposals; /* for the raft loop, beside its inbox */
    struct node_actor log;
    struct list log_replies; /* of the step whose sync is not over */
    bool log_syncing;
    uint64_t log_began_ms;
    struct node_actor apply;
    bool apply_waits; /* the disk is full */
    struct node_actor stewards;
    struct node_actor loops[NODE_LOOPS_MAX];
    struct node_actor pool; /* of struct node_block_job */

    bool flushing;
    uint64_t flush_index;
    uint64_t flush_number;

    /* Faults. */
    void (*strands)(void *context, uint32_t from, uint32_t to); /* NULL: not asked for */
    void *strands_context;
    bool was_stopped;
    bool kv_fault;       /* a write of the state will be the last */
    bool crash_at_flush; /* at one of its steps */
    bool disk_full;
    uint64_t disk_slow_until_us;
    uint64_t disk_hangs_until_us;
    enum counter dying_of;
};

/* The action happens in this life, unless it has ended: call node_lives first. */
void node_after(struct node *node, uint64_t delay_us, world_action *action, void *context);
/* The actor will run. */
void node_wake(struct node_actor *actor);
/* Whether an event of a process still has one: call first in each action; `number` is the life it was made in. */
bool node_lives(const struct node *node, uint64_t number);
/* The first of a list, taken off; NULL: there is none. */
struct list_link *node_take(struct list *list);
/* How many of the waiting messages one run takes. */
uint64_t node_burst(struct node *node);
/* How long the disk takes. */
uint64_t node_disk_delay(struct node *node);
/* The step is over; if a fault has hit in it, the process ends now. */
void node_step_over(struct node *node);
/* The process ends in this step, for the reason counted. */
void node_die(struct node *node, enum counter reason);
/* It ends in this step, to start again at once. */
void node_restart(struct node *node);
/* A step said that it cannot go on. */
void node_failed(struct node *node, enum status status, const char *what);

/* node_raft.c */
void node_raft_init(struct node *node);
void node_raft_drop(struct node *node);
void node_raft_begin(struct node *node);
void node_propose(struct node *node, struct proposal *proposal);
/* To the raft loop, a little later; takes the replica's message over. */
void node_raft_post_replica(struct node *node, struct replica_message *message);
void node_raft_tell(struct node *node, enum replica_message_kind kind, uint64_t index, uint64_t uptime_ms);
/* Tells it which processes the state knows as running. */
void node_raft_processes(struct node *node);
void node_raft_post(struct node *node, const struct raft_loop_message *message);
/* From the network between nodes. */
void node_raft_opened(void *context, uint32_t peer);
void node_raft_closed(void *context, uint32_t peer);
void node_raft_frame(void *context, uint32_t peer, const struct peer_frame *frame);

/* node_actors.c */
void node_actors_init(struct node *node);
void node_actors_drop(struct node *node);
void node_apply(struct node *node, const struct replica_entry *entry);
void node_steward_post(struct node *node, const struct node_steward_post *post);
void node_flush_begin(struct node *node, const struct applier_action *action);
void node_steward_effect(struct node *node, const struct machine_effect *effect);

/* node_install.c: the replica asks for a snapshot of another node. */
void node_fetch(struct node *node, const struct replica_action *action);
void node_fetch_drop(struct node *node);
void node_staged_drop(struct node_staged *staged);
/* At the start, when the log is recovered: what is staged is put in place, and the log follows it. */
enum status node_adopt(struct node *node, struct log_recovered *recovered);
/* An empty one of the kind that this seed has (node.c). */
struct kv_store *node_store_create(struct node *node, char path[NODE_PATH_BYTES]);

/* node_gateway.c */
void node_gateway_init(struct node *node);
void node_gateway_drop(struct node *node);
void node_gateway_serve(struct node *node, struct incarnation_id incarnation, const struct machine *machine);
void node_gateway_result(struct node *node, uint32_t loop, uint64_t place, struct buffer *bytes);
void node_gateway_effect(struct node *node, const struct machine_effect *effect);
void node_gateway_advanced(struct node *node);
void node_gateway_barrier(struct node *node, uint32_t loop, uint64_t number, uint64_t index);
/* The node's lease has lapsed, or it is heard again. */
void node_gateway_alive(struct node *node, bool alive);
uint64_t node_gateway_parked(const struct node *node);
void node_gateway_opened(void *context, struct wire *wire);
void node_gateway_received(void *context, struct wire *wire, struct slice bytes);
void node_gateway_sent(void *context, struct wire *wire, size_t size_bytes);
void node_gateway_closed(void *context, struct wire *wire);

#endif
