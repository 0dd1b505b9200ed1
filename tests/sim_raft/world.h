/* world.h: the raft layer of a cluster in one thread under a seed: each node is the real replica (core, guard and driver)
 * and the real log writer on a disk in memory; the machine is a hash. One clock, in milliseconds; everything that happens
 * is an event in one heap.
 *
 *   world.c     clock, events, faults that the seed draws, the run of one seed
 *   node.c      a node's lives: start, actors, crash
 *   transfer.c  snapshots on their way
 *   network.c   messages between nodes
 *   oracle.c    what must be true at any time */
#ifndef TESTS_SIM_RAFT_WORLD_H
#define TESTS_SIM_RAFT_WORLD_H

#include "base/random.h"
#include "cluster/log_writer.h"
#include "cluster/peer_message.h"
#include "tests/sim_raft/counter.h"
#include "tests/support/disk_memory.h"

#define NODES_MAX 7u
#define TERMS_MAX 8192u

struct world;
struct node;

/* --- events --- */

typedef void (*event_do)(struct world *world, struct node *node, void *thing);

struct event {
    uint64_t at_ms;
    uint64_t number;
    struct node *node;
    uint64_t life; /* of the node; 0: any */
    event_do act;
    void *thing;
};

/* `thing` is freed by `act`; when the life is over by then, by `free` of what it is (world.c knows by act). */
void world_after(struct world *world, uint64_t delay_ms, struct node *node, uint64_t life, event_do act, void *thing);

/* --- what is known of an entry --- */

struct fact {
    uint64_t term;
    uint64_t hash; /* of kind and bytes */
    enum replica_entry_kind kind;
    uint64_t committed_in; /* the term of the leader that was first to commit it */
};

struct facts { /* of the entries first_index ... */
    struct fact *list;
    size_t count;
    size_t capacity;
    uint64_t first_index;
};

static inline uint64_t facts_last(const struct facts *facts)
{
    return facts->first_index + facts->count - 1;
}
const struct fact *facts_find(const struct facts *facts, uint64_t index);
void facts_append(struct facts *facts, const struct fact *fact);
void facts_truncate(struct facts *facts, uint64_t index);
void facts_restart(struct facts *facts, uint64_t first_index);
struct fact fact_make(const struct replica_entry *entry);

/* --- the machine: what it is after each entry that it has applied --- */

struct machine_row {
    uint64_t hash; /* over all entries so far */
    uint64_t term;
    uint64_t configuration_index;
    struct configuration configuration;
};

struct machine {
    struct machine_row *rows; /* rows[i] is after entry i */
    size_t capacity;
    uint64_t index; /* now */
};

void machine_apply(struct machine *machine, const struct replica_entry *entry);
void machine_copy(struct machine *target, const struct machine *source);
struct log_snapshot machine_snapshot(const struct machine *machine);

/* --- nodes --- */

struct transfer { /* a snapshot on its way */
    struct machine machine;
    struct log_snapshot snapshot;
    uint64_t from;
    bool fails;
};

struct node_change {
    uint64_t index;
    struct configuration configuration;
};

struct node {
    struct world *world;
    uint64_t id;
    uint64_t life; /* counts starts; 0: never started */
    bool up;
    uint64_t paused_until_ms;
    struct disk_memory memory;
    struct disk disk;
    struct log_options log_options;
    struct random_seeded salts;

    struct log_writer *writer;
    struct replica *replica;
    struct replica_actions actions;
    uint64_t tick_ms;
    struct list requests; /* to the log writer */
    bool writing;
    uint64_t inbox_ms; /* when the newest message to the replica comes */

    struct replica_entry *queue; /* to the apply thread */
    size_t queue_count;
    size_t queue_capacity;
    bool applying;
    struct machine machine;
    uint64_t flushed_index; /* safe */
    struct log_snapshot installed;
    bool placed; /* the log does not know yet */

    struct log_snapshot base;    /* of the log: its configuration is in force where `changes` says nothing */
    struct node_change *changes; /* of the log, ascending */
    size_t change_count;
    struct facts log;      /* as the replica has it */
    struct facts disk_log; /* as the log writer was told so far */
    uint64_t durable_index;
    uint64_t commit_index; /* published */
    enum replica_role role;
    uint64_t term;
    uint64_t leader;
    enum log_space space;
    uint64_t held_from; /* index of a configuration that was not durable when it was appended as leader */
};

void node_init(struct world *world, struct node *node, uint64_t id, const struct configuration *founders);
void node_fini(struct node *node);
/* Starts the process, or fails to (a crash on the way). */
void node_start(struct node *node);
/* Loses any subset of what is unsynced. */
void node_crash(struct node *node);
/* One message to the replica, now. */
void node_step(struct node *node, struct replica_message *message);
/* A message to the replica on the heap, and its way through the node's inbox: in order, a little later. */
struct replica_message *node_message(enum replica_message_kind kind, uint64_t index);
void node_post(struct node *node, struct replica_message *message);
void node_flush(struct node *node);
/* transfer.c: REPLICA_ACTION_INSTALL. */
void node_fetch(struct node *node, const struct replica_action *action);
/* The newest configuration in its log. */
const struct configuration *node_configuration(const struct node *node);
void node_add_change(struct node *node, uint64_t index, struct slice bytes);
/* Events whose life is over free what they carry. */
bool node_event_is_message(event_do act);
void node_event_message(struct world *world, struct node *node, void *thing);
void node_event_transfer(struct world *world, struct node *node, void *thing);

/* --- the network --- */

struct network {
    bool cut[NODES_MAX + 1][NODES_MAX + 1];
    uint64_t connection[NODES_MAX + 1][NODES_MAX + 1]; /* counts up whenever one would break */
    uint64_t newest_ms[NODES_MAX + 1][NODES_MAX + 1];  /* arrival of the newest message, where order is kept */
    bool ordered;
    uint32_t lost_permille;
    uint32_t doubled_permille;
    uint32_t late_permille;
    uint64_t delay_ms;
    uint64_t jitter_ms;
};

/* Takes the message over. */
void network_send(struct world *world, struct node *from, struct peer_message *message);
void network_event_deliver(struct world *world, struct node *node, void *thing);
void network_event_propose(struct world *world, struct node *node, void *thing);
void network_forward(struct world *world, struct node *from, uint64_t leader, struct proposal *proposal);
void network_break(struct world *world, uint64_t node);
void network_packet_free(void *thing);

/* --- what must be true --- */

struct oracle {
    struct facts committed; /* by any leader */
    struct {
        uint64_t node;
        uint64_t life;
    } leaders[TERMS_MAX];
};

void oracle_appended(struct node *node, const struct log_request *request);
void oracle_leads(struct node *node);
void oracle_commits(struct node *node, uint64_t index);
void oracle_applies(struct node *node, const struct replica_entry *entry);
void oracle_starts(struct node *node, const struct log_recovered *recovered);
void oracle_compare_logs(struct world *world);

/* --- the world --- */

struct world {
    uint64_t seed;
    bool verbose;
    bool healed;
    struct random_seeded random;
    uint64_t now_ms;
    struct event *events; /* heap by (at_ms, number) */
    size_t event_count;
    size_t event_capacity;
    uint64_t event_number;
    struct node nodes[NODES_MAX + 1]; /* [id] */
    uint64_t node_count;
    struct network network;
    struct oracle oracle;
    uint64_t *counters;

    /* drawn once a seed */
    uint32_t election_ms;
    uint32_t heartbeat_ms;
    uint64_t disk_ms;
    uint64_t flush_entries;
    uint64_t trailing_bytes;
    uint64_t append_bytes;
    uint32_t eager_permille; /* how often a new leader is asked for a change at once */
    bool changes_answered;

    struct command *commands; /* all, freed at the end */
    uint64_t command_count;
};

struct command {
    struct command *next;
    struct proposal proposal;
    uint8_t bytes[120];
};

uint64_t world_chance(struct world *world, uint64_t bound);
bool world_permille(struct world *world, uint32_t permille);
void world_count(struct world *world, enum counter counter);
void world_trace(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void world_violation(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An event: some change of the membership is asked of the node, if it leads. */
void world_change(struct world *world, struct node *node, void *thing);
struct node *world_leader(struct world *world);

#define REQUIRE(world, condition)                                                                                      \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            world_violation((world), "%s:%d: %s", __func__, __LINE__, #condition);                                     \
    } while (0)

/* Runs one seed; a violation prints it and ends the process with status 1. */
void world_run(uint64_t seed, bool verbose, uint64_t *counters);

#endif
