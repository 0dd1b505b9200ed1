/* node_state.h: the inside of node.h, for node.c (start and end), node_actors.c (raft loop, log writer, applier, steward)
 * and node_gateway.c (gateway loops). */
#ifndef TESTS_SIM_NODE_STATE_H
#define TESTS_SIM_NODE_STATE_H

#include "blockstore/block.h"
#include "cluster/data_directory.h"
#include "cluster/log_writer.h"
#include "server/daemon/applier.h"
#include "server/daemon/config.h"
#include "server/daemon/frontend.h"
#include "server/daemon/gateway_thread.h"
#include "server/daemon/steward.h"
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

/* To the applier: an entry, or word that a flush is done. */
struct node_apply_post {
    struct list_link link;
    bool flushed;
    bool swept;
    struct garbage garbage; /* of swept */
    struct replica_entry entry;
    uint64_t index;
};

struct node_steward_post {
    struct list_link link;
    enum steward_message_kind kind;
    bool on;
    uint64_t place;
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

struct node {
    struct world *world;
    struct network *network;
    struct oracle *oracle;
    struct node_options options;
    struct random_seeded seeded;
    struct random random;
    struct clock clock;

    /* What a crash leaves. */
    struct disk_memory disk;
    struct disk port; /* of the disk */
    struct kv_store *store;
    struct block_store *blocks;
    char state_path[256];
    uint64_t state_copies;

    /* The process. */
    uint64_t life;
    bool up;
    bool dying; /* a fault has hit inside a step: it ends when the step is over */
    bool serving;
    bool leads;
    struct node_identity identity;
    struct log_writer *writer;
    struct replica *replica;
    uint64_t last_index; /* of the log when the process ended */
    struct replica_actions actions;
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

    struct node_actor raft;
    struct list proposals; /* for the raft loop, beside its inbox */
    struct node_actor log;
    struct list log_replies; /* of the step whose sync is not over */
    bool log_syncing;
    struct node_actor apply;
    bool apply_waits; /* the disk is full */
    struct node_actor stewards;
    struct node_actor loops[NODE_LOOPS_MAX];
    struct node_actor pool; /* of struct node_block_job */

    bool flushing;
    uint64_t flush_index;
    uint64_t flush_number;

    /* Faults. */
    bool was_stopped;
    bool kv_fault;       /* a write of the state will be the last */
    bool crash_at_flush; /* at one of its steps */
    bool disk_full;
    uint64_t disk_slow_until_us;
    enum counter dying_of;
};

/* The actor will run. */
void node_wake(struct node_actor *actor);
/* Whether an event of a process still has one: call first in each action; `number` is the life it was made in. */
bool node_lives(const struct node *node, uint64_t number);
/* How long the disk takes. */
uint64_t node_disk_delay(struct node *node);
/* The step is over; if a fault has hit in it, the process ends now. */
void node_step_over(struct node *node);
/* The process ends in this step, for the reason counted. */
void node_die(struct node *node, enum counter reason);
/* A step said that it cannot go on. */
void node_failed(struct node *node, enum status status, const char *what);

/* node_actors.c */
void node_actors_init(struct node *node);
void node_actors_drop(struct node *node);
void node_raft_begin(struct node *node);
void node_propose(struct node *node, struct proposal *proposal);
void node_flush_begin(struct node *node, const struct applier_action *action);
void node_steward_effect(struct node *node, const struct machine_effect *effect);

/* node_gateway.c */
void node_gateway_init(struct node *node);
void node_gateway_drop(struct node *node);
void node_gateway_serve(struct node *node, struct incarnation_id incarnation, const struct machine *machine);
void node_gateway_result(struct node *node, uint32_t loop, uint64_t place, struct buffer *bytes);
void node_gateway_effect(struct node *node, const struct machine_effect *effect);
void node_gateway_advanced(struct node *node);
uint64_t node_gateway_parked(const struct node *node);
void node_gateway_opened(void *context, struct wire *wire);
void node_gateway_received(void *context, struct wire *wire, struct slice bytes);
void node_gateway_sent(void *context, struct wire *wire, size_t size_bytes);
void node_gateway_closed(void *context, struct wire *wire);

#endif
