/* takeover_run.h: what the parts of takeover.h share. Internal to it. */
#ifndef TESTS_SUPPORT_TAKEOVER_RUN_H
#define TESTS_SUPPORT_TAKEOVER_RUN_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/random.h"
#include "tests/support/takeover.h"

#define TAKEOVER_CLIENTS_MAX 64u
#define TAKEOVER_LANES_MAX 16u
#define TAKEOVER_ENTRIES 6u      /* names of its own that a lane has at most */
#define TAKEOVER_DIRECTORIES 2u  /* shared by all */
#define TAKEOVER_RACES 12u       /* names in the first of them that all lanes make and remove */
#define TAKEOVER_REGIONS 6u      /* counters */
#define TAKEOVER_REGION_BYTES 8u /* a big-endian number */
#define TAKEOVER_NAME_BYTES 32u
#define TAKEOVER_REQUEST_BYTES 8192u
#define TAKEOVER_PATIENCE_US 60000000u /* without a reply, when nothing is held down */
#define TAKEOVER_GAP_US 5000u          /* shorter times without a reply are not noted */

/* An array that grows. */
struct takeover_list {
    void *items; /* owned */
    size_t count;
    size_t capacity;
};

/* A change of a shared directory, as its reply tells. */
struct takeover_link {
    uint64_t before;
    uint64_t after;
    uint64_t sent_us;
    uint64_t replied_us;
    uint32_t directory;
    uint32_t client;
    int32_t race; /* the shared name that it made or removed; -1: none */
    bool made;
};

/* A race that was lost. */
struct takeover_miss {
    uint64_t sent_us;
    uint64_t replied_us;
    int32_t race;
    bool existed; /* the name was there (EXIST); else it was not (NOENT) */
};

/* A time without a reply. */
struct takeover_gap {
    uint64_t begin_us;
    uint64_t end_us;
};

struct takeover_fault {
    char kind[32];
    uint32_t node; /* 0: all */
    uint64_t begin_us;
    uint64_t up_us;
    uint64_t until_us;                    /* the next fault began, or the run ended */
    uint32_t nodes[TAKEOVER_CLIENTS_MAX]; /* that gave each client its last reply before */
};

/* A name that one lane has. */
struct takeover_entry {
    char name[TAKEOVER_NAME_BYTES]; /* "": not used */
    uint32_t directory;
    enum nfs_ftype4 type;
    bool inhabited; /* a directory with the entry "inside" */
    bool open;
    struct stateid4 open_stateid;
    uint8_t handle[NFS4_FHANDLE_MAX_BYTES];
    size_t handle_bytes;
};

struct takeover_client;
struct takeover_kind;

enum lane_state { LANE_IDLE, LANE_WAITS, LANE_WAITS_AGAIN };

/* How far a lane is with a counter. */
enum lane_count { COUNT_NOTHING, COUNT_LOCKED, COUNT_READ, COUNT_WRITTEN };

struct takeover_lane {
    struct takeover_client *client;
    uint32_t slot;

    /* The request under way. */
    enum lane_state state;
    const struct takeover_kind *kind;
    struct nfs_request request; /* in `arena`, as `first` */
    struct slice first;         /* its first reply */
    struct arena arena;
    bool sent;         /* over the present connection */
    uint32_t again;    /* how often it shall still be sent again */
    uint64_t sent_us;  /* for the first time */
    uint64_t ready_us; /* idle: not before this time */

    /* What it is about. */
    struct takeover_entry *subject;
    struct takeover_entry *other;
    uint32_t directory;
    enum createmode4 mode;
    char new_name[TAKEOVER_NAME_BYTES];
    int32_t race;
    uint32_t amount;
    uint64_t seen_before; /* change of `directory` that a read must have reached */

    /* The model. */
    struct takeover_entry entries[TAKEOVER_ENTRIES];
    uint32_t next_name;
    struct takeover_entry data; /* stays open; appended to */
    uint64_t data_size;
    uint64_t data_change;
    struct takeover_entry raced; /* won in a race, still open */
    struct stateid4 counters_open;
    struct stateid4 lock_stateid;
    bool lock_known;
    enum lane_count count;
    uint32_t region;
    uint64_t counted; /* what was read */
};

/* What a client did lately: told when something is wrong. */
#define TAKEOVER_EVENTS 512u
struct takeover_event {
    uint64_t at_us;
    const char *what; /* NULL: none yet */
    uint32_t slot;    /* TAKEOVER_LANES_MAX: of the connection */
    uint32_t seqid;
    uint32_t node;
};

struct takeover_client {
    struct takeover *run;
    uint32_t number;
    pthread_t thread;
    struct takeover_event events[TAKEOVER_EVENTS]; /* a ring */
    uint32_t event_count;
    struct rpc_peer peer;
    struct random_seeded random;
    uint32_t lane_count;
    struct takeover_lane lanes[TAKEOVER_LANES_MAX];
    uint64_t progress_us;   /* the present connection was made, or gave a reply */
    uint64_t reply_us;      /* last reply at all */
    atomic_uint reply_node; /* from 1 */
    struct takeover_list links;
    struct takeover_list misses;
    struct takeover_list gaps;
    uint64_t operations;
    uint64_t resends;
    uint64_t moves;
    uint64_t silences;
};

/* Looks through one node only. */
struct takeover_watcher {
    struct takeover *run;
    uint32_t node;
    pthread_t thread;
    struct rpc_peer peer;
    uint64_t looks;
};

struct takeover {
    const struct takeover_options *options;
    struct arena lasting;
    char directory_name[TAKEOVER_DIRECTORIES][48];
    struct slice directories[TAKEOVER_DIRECTORIES];
    struct slice counters;
    uint64_t first_change[TAKEOVER_DIRECTORIES];
    atomic_uint_least64_t seen_change[TAKEOVER_DIRECTORIES]; /* the highest that anybody was told */
    atomic_uint_least64_t counted[TAKEOVER_REGIONS];
    atomic_bool stop;
    atomic_bool failed;
    atomic_bool down;            /* a fault holds something down */
    atomic_uint_least64_t up_us; /* when that ended */
    pthread_mutex_t print;
    uint32_t client_count;
    struct takeover_client *clients; /* owned */
    struct takeover_watcher watchers[RPC_SERVERS_MAX];
    struct takeover_list faults;
};

/* A kind of request. */
struct takeover_kind {
    const char *name;
    uint32_t weight;
    bool change; /* its replies are kept */
    bool (*choose)(struct takeover_lane *lane);
    void (*build)(struct takeover_lane *lane, struct nfs_compound_builder *builder);
    /* NULL, or what is wrong with the reply. */
    const char *(*accept)(struct takeover_lane *lane, struct nfs_reply *reply);
};

extern const struct takeover_kind takeover_kinds[];
extern const uint32_t takeover_kind_count;

uint64_t takeover_now_us(void);

/* A new element at the end, zeroed. */
void *takeover_list_add(struct takeover_list *list, size_t element_bytes);

/* Says what is wrong and ends the run. */
void takeover_wrong(struct takeover *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

uint32_t takeover_random(struct takeover_client *client, uint32_t count);

/* The content of a lane's data file. */
uint8_t takeover_data_byte(const struct takeover_lane *lane, uint64_t offset);

/* Notes a change info; what is wrong with it, or NULL. */
const char *takeover_link_note(struct takeover_lane *lane, uint32_t directory, const struct change_info4 *info,
                               int32_t race, bool made);

/* takeover_client.c: session and files of the lanes; the thread; giving all back. NULL, or what went wrong. */
const char *takeover_client_begin(struct takeover_client *client);
void *takeover_client_run(void *client);
void takeover_client_end(struct takeover_client *client);

/* takeover_history.c: chains and races; whether a shared name is there after the last change that was acknowledged. */
bool takeover_history_check(struct takeover *run, uint64_t last_change[TAKEOVER_DIRECTORIES]);
bool takeover_race_present(const struct takeover *run, int32_t race);

/* takeover_verify.c: what one node shows in the end, and a thread that looks at it all the time. */
bool takeover_verify(struct takeover *run, uint32_t node, uint64_t last_change[TAKEOVER_DIRECTORIES]);
void *takeover_watch(void *watcher);

/* The change number of a handle; false: no answer. Uses slot 0 of the peer. */
bool takeover_change(struct rpc_peer *peer, struct slice handle, uint64_t *change);

/* takeover_pauses.c: prints them; false if one was too long. */
bool takeover_pauses_report(struct takeover *run);

#endif
