/* population.h: all clients of a seed, and what they know together: the file handles. */
#ifndef TESTS_SIM_POPULATION_H
#define TESTS_SIM_POPULATION_H

#include "base/limits.h"
#include "tests/sim/network.h"
#include "tests/sim/oracle.h"

#define POPULATION_CLIENTS_MAX 4u
#define CLIENT_WIRES_MAX 2u
#define CLIENT_OWNERS 4u
#define CLIENT_OPENS_MAX 12u

/* A handle that some reply has shown; it belongs to one inode of the model for ever. */
struct known_handle {
    size_t size_bytes; /* 0: not known */
    uint8_t bytes[NFS4_FHANDLE_MAX_BYTES];
};

/* What a client holds of a file under one of its open owners. */
struct held_open {
    bool used;
    uint16_t inode;
    uint32_t owner;
    uint32_t access;
    struct stateid4 stateid;
    bool has_locks; /* lock_stateid is valid */
    struct stateid4 lock_stateid;
};

#define POPULATION_NOBODY UINT32_MAX
/* Clients of all boots. */
#define POPULATION_RECORDS_MAX 256u

enum client_phase { PHASE_EXCHANGE_ID, PHASE_CREATE_SESSION, PHASE_WORK };

/* One connection as the client sees it. */
struct client_wire {
    struct wire *wire; /* NULL: not even asked for */
    bool open;
    uint8_t *bytes; /* received, not yet a whole record */
    size_t byte_count;
    size_t byte_room;
};

struct population;

struct client {
    struct population *population;
    uint32_t number;
    uint32_t identity; /* in the model; another one after each reboot and each loss */
    uint32_t node;     /* to which it connects: its place in `networks` */
    uint64_t heard_ms; /* on population_clock_ms: when a node last answered */
    bool sleeping;     /* until an event wakes it */
    char name[16];
    struct verifier4 verifier;
    enum client_phase phase;
    struct arena setup_arena; /* EXCHANGE_ID or CREATE_SESSION that waits for its reply */
    struct nfs_request setup;
    uint64_t setup_ms; /* it was last sent */
    struct nfs_session session;
    bool reclaiming; /* RECLAIM_COMPLETE is under way, and nothing beside it */
    bool reclaimed;
    bool thinking; /* client_think is an event already */
    uint32_t slot_count;
    uint32_t wire_count;
    struct client_wire wires[CLIENT_WIRES_MAX];
    struct request *slots[CLIENT_SLOTS_MAX];
    uint32_t owner_shared[CLIENT_OWNERS]; /* requests under way that need the owner's opens as they are */
    bool owner_exclusive[CLIENT_OWNERS];  /* a request under way changes them */
    struct held_open opens[CLIENT_OPENS_MAX];
};

/* A client id and whom it stands for. */
struct client_record {
    uint64_t clientid;
    uint32_t client;
    uint32_t identity;
    uint8_t session[16];
    bool expired; /* its lease has run out */
    bool gone;    /* the cluster has forgotten it */
};

/* A request of a client that has rebooted: nobody waits for it, but it may still be executed. */
struct ghost {
    uint8_t session[16];
    struct request *request; /* owned */
};

struct population {
    struct world *world;
    struct client_record records[POPULATION_RECORDS_MAX];
    uint32_t record_count;
    struct ghost *ghosts; /* owned */
    size_t ghost_count;
    size_t ghost_room;
    uint64_t stopped_ms;   /* how long the machine has stood still, in all */
    uint64_t restarted_ms; /* when a node alone last began to serve, on population_clock_ms */
    bool slow;             /* clients think long, so that leases can run out */
    struct oracle *oracle;
    struct network *networks[SIM_NODES_MAX]; /* of each node */
    uint32_t node_count;
    uint64_t
        patience_ms; /* a client that has waited so long for a reply gives the connection up, as a real one would */
    struct known_handle handles[MODEL_INODES_MAX];
    uint32_t client_count;
    struct client clients[POPULATION_CLIENTS_MAX];
    uint64_t think_us; /* between a reply and the next request */
    uint64_t operations_wanted;
    bool resting; /* nothing new is begun */
    bool looking; /* nothing is changed any more */
};

struct held_open *client_open_of(struct client *client, uint32_t owner, uint16_t inode);

/* The clients begin to work. The network's client side must be population_ports. */
void population_start(struct population *population);
void population_fini(struct population *population);
struct network_ports population_ports(struct population *population);

struct oracle_ports population_oracle_ports(struct population *population);
/* The node serves again: leases stood still until now. */
void population_restarted(struct population *population);
/* Time that can age a lease: without what the machine has stood still. */
uint64_t population_clock_ms(const struct population *population);
/* Keeps a request of a client that no longer waits for it. */
void population_keep_ghost(struct population *population, const uint8_t session[16], struct request *request);
/* A client knows its id and session. */
void population_record(struct population *population, const struct client *client);
/* Whether the cluster has forgotten the client. */
bool population_is_gone(const struct population *population, uint32_t identity);

/* One of the clients reboots, or falls silent for longer than a lease. */
void population_reboot(struct population *population);
void population_sleep(struct population *population);
/* One of them goes to another node, for no reason; or all that are at one node do. */
void population_move(struct population *population);
void population_leave(struct population *population, uint32_t node);

/* Requests that wait for their reply. */
size_t population_outstanding(const struct population *population);
/* The oldest version that a reply still to come may speak of. */
uint64_t population_oldest(const struct population *population);
/* The longest that a request has been waiting for, and a line that says which. */
uint64_t population_longest_ms(const struct population *population, char *text, size_t room);

#endif
