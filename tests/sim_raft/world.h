/* world.h: the raft layer of a cluster in one thread under a seed: each node is the real raft loop's actor (replica with core
 * and guard, forwarder, leases, read barriers) and the real log writer on a disk in memory; the machine is a hash. The world's
 * clock counts milliseconds, each node's runs a little faster or slower; everything that happens is an event in one heap.
 *
 *   world.c     clock, events, faults that the seed draws, the run of one seed
 *   node.c      a node's lives: start, crash; its raft loop and what that asks for
 *   shell.c     a node's log writer and apply thread, and the inbox of its raft loop
 *   clients.c   commands and reads, and what must become of them
 *   transfer.c  snapshots on their way
 *   network.c   channels and frames between nodes
 *   oracle.c    what must be true at any time */
#ifndef TESTS_SIM_RAFT_WORLD_H
#define TESTS_SIM_RAFT_WORLD_H

#include "base/random.h"
#include "cluster/log_writer.h"
#include "cluster/raft_loop.h"
#include "tests/sim_raft/counter.h"
#include "tests/support/disk_memory.h"

#define NODES_MAX 7u
#define TERMS_MAX 8192u
#define READERS 3u    /* of a node */
#define VIEWS_MAX 64u /* reads of a node that wait for their barrier to be applied */
#define HASH_STEP 8u  /* states are compared at every such entry */

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
    uint64_t hash;                        /* over all entries so far */
    uint64_t incarnations[NODES_MAX + 1]; /* the open one of each node; 0: none */
    uint64_t term;
    uint64_t configuration_index;
    struct configuration configuration;
};

struct machine {
    struct machine_row *rows; /* rows[i] is after entry i */
    size_t capacity;
    uint64_t index; /* now */
};

void machine_apply(struct world *world, struct machine *machine, const struct replica_entry *entry);
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

/* Something for the raft loop, in its inbox. */
struct letter {
    struct raft_loop_message loop;
    struct replica_message *replica; /* RAFT_LOOP_REPLICA; heap */
    struct raft_loop_process processes[NODES_MAX];
};

/* As a gateway loop: one question is under way, what comes meanwhile waits for the next one. */
struct reader {
    uint64_t number; /* of the question under way; 0: none */
    uint64_t numbers;
    uint64_t asked_ms;
    uint64_t seen; /* what had been seen when the last one that joined came */
    bool next;     /* somebody waits for the next one, */
    uint64_t next_seen;
};

struct node {
    struct world *world;
    uint64_t id;
    uint64_t life; /* counts starts; 0: never started */
    bool up;
    uint64_t paused_until_ms;
    uint64_t clock_ahead_ms;
    int64_t clock_ppm; /* that its clock is too fast */
    struct disk_memory memory;
    struct disk disk;
    struct log_options log_options;
    struct random_seeded salts;

    struct log_writer *writer;
    struct raft_loop *loop;
    struct raft_loop_actions actions;
    uint64_t tick_ms;
    struct list requests; /* to the log writer */
    bool writing;
    uint64_t inbox_ms; /* when the newest message to the raft loop comes */

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

    uint64_t lease_until_ms; /* published */
    bool alive;
    uint64_t incarnation; /* of this process */
    bool registered;      /* and the log has it */
    uint64_t sick_until_ms;
    struct reader readers[READERS];
    uint64_t views[VIEWS_MAX]; /* barriers of reads that wait to be applied */
    size_t view_count;
    struct list commands; /* of struct command: of this process, without a result */
};

void node_init(struct world *world, struct node *node, uint64_t id, const struct configuration *founders);
void node_fini(struct node *node);
/* Starts the process, or fails to (a crash on the way). */
void node_start(struct node *node);
/* Loses any subset of what is unsynced. */
void node_crash(struct node *node);
/* The node's own clock. */
uint64_t node_now(const struct node *node);
/* One message to its raft loop, now. */
void node_step(struct node *node, struct raft_loop_message *message);
void node_tell(struct node *node, struct replica_message *message);
/* The newest configuration in its log. */
const struct configuration *node_configuration(const struct node *node);
void node_add_change(struct node *node, uint64_t index, struct slice bytes);
/* An event: another process with the same data. */
void node_event_restart(struct world *world, struct node *node, void *thing);

/* shell.c: a letter on the heap, and its way through the inbox: in order, a little later. */
struct letter *letter_create(enum raft_loop_message_kind kind);
struct letter *letter_replica(enum replica_message_kind kind, uint64_t index);
void letter_free(struct letter *letter);
void node_post(struct node *node, struct letter *letter);
void node_post_replica(struct node *node, struct replica_message *message);
void node_event_letter(struct world *world, struct node *node, void *thing);
void node_ask_log(struct node *node, struct log_request *request);
enum status node_write(struct node *node, struct list *replies);
void node_write_note(struct node *node, const struct replica_message *reply);
void node_queue(struct node *node, const struct replica_entry *entry);
/* The state has jumped. */
void node_jumped(struct node *node);
void node_flush(struct node *node);

/* transfer.c: REPLICA_ACTION_INSTALL. */
void node_fetch(struct node *node, const struct replica_action *action);
void node_event_transfer(struct world *world, struct node *node, void *thing);
void transfer_free(void *thing);

/* --- the network --- */

/* From one node to another, as the one sees it. */
struct channel {
    bool open;
    uint64_t connection; /* counts up when it opens */
    uint64_t life;       /* of the other node then */
    uint64_t newest_ms;  /* arrival of the newest frame, where order is kept */
};

struct network {
    bool cut[NODES_MAX + 1][NODES_MAX + 1];
    struct channel channels[NODES_MAX + 1][NODES_MAX + 1];
    bool ordered;
    bool no_pings; /* none comes through: as if there were no leases */
    uint32_t lost_permille;
    uint32_t doubled_permille;
    uint32_t late_permille;
    uint32_t flap_permille;
    uint64_t delay_ms;
    uint64_t jitter_ms;
    struct arena arena; /* of the frame that is read */
};

void network_send(struct world *world, struct node *from, const struct raft_loop_action *action);
void network_event_deliver(struct world *world, struct node *node, void *thing);
void network_packet_free(void *thing);
/* Channels open and close. */
void network_tick(struct world *world);
/* All that a node had open is gone with its process. */
void network_break(struct world *world, uint64_t node);

/* --- clients --- */

enum command_kind { COMMAND_PLAIN, COMMAND_REGISTER, COMMAND_LOST };

/* What is known of a command; its number is its place. */
struct record {
    enum command_kind kind;
    uint32_t size_bytes;
    uint64_t origin; /* the node whose process has it, */
    uint64_t life;
    bool done;     /* applied there */
    bool orphan;   /* its process is gone: its client asks another node */
    bool applied;  /* it is in an entry that somebody has applied */
    uint64_t node; /* REGISTER, LOST: its incarnation */
    uint64_t incarnation;
    uint64_t term; /* LOST: in an entry of another one it has no effect */
};

/* The process's memory of a command: gone with the first result. */
struct command {
    struct list_link link;
    uint64_t number;
    struct proposal proposal;
    uint8_t bytes[];
};

void clients_propose(struct node *node, uint64_t count);
void clients_propose_about(struct node *node, enum command_kind kind, const struct raft_loop_process *process,
                           uint64_t term);
/* Commands whose process is gone go to a node that is up. */
void clients_propose_orphans(struct world *world, struct node *node);
/* A command of an entry that is applied, for the machine. */
const struct record *clients_check(struct world *world, struct slice command);
/* The node has applied the entry, or jumped over it: results come back. */
void clients_results(struct node *node, const struct replica_entry *entry);
/* The process ends; its raft loop is gone already. */
void clients_end(struct node *node);
void clients_read(struct node *node, uint32_t reader);
void clients_barrier(struct node *node, uint32_t reader, uint64_t number, uint64_t index);
/* The node has applied something. */
void clients_view(struct node *node);
/* Nothing of a member may wait for ever. */
void clients_end_check(struct world *world, const struct configuration *members);
bool clients_wait(const struct world *world, const struct configuration *members);

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
/* REPLICA_ACTION_COMMIT of a leader: nobody else may think that it leads alone. */
void oracle_leases(struct node *node);
/* RAFT_LOOP_DO_LOST. */
void oracle_lost(struct node *node, const struct raft_loop_process *process, uint64_t term);

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
    uint64_t seen;          /* the newest entry whose effects a client has seen: a result, or a read */
    struct record *records; /* [number] */
    uint64_t record_count;
    uint64_t record_capacity;
    uint64_t incarnations;
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
    bool index_reads;
    uint32_t clock_ppm; /* bound of the nodes' */
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
