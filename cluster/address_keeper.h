/* address_keeper.h: the actor that decides, on each node, which floating addresses this process has on a device now.
 *
 * It is told the table (KEEPER_TABLE, whenever the state moved), whether the process is alive to the cluster (KEEPER_ALIVE, the
 * node lease), and how the links are (KEEPER_LOOKED). An address is on exactly while this process owns it, is not asked to make
 * room, is alive, and is *sure*: since it became alive it has asked through a read barrier, and the table is as new as the
 * answer. A process that was silent may have been given up meanwhile, and its table be old.
 *
 * Silent means off at once: the actor takes an address off before anything else is asked. Who may have it next is the machine's
 * business (statestore/machine/address.h). Pure. */
#ifndef CLUSTER_ADDRESS_KEEPER_H
#define CLUSTER_ADDRESS_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

/* One address of the table, as this process sees it. */
struct keeper_address {
    uint64_t id;
    uint64_t epoch;
    uint8_t bytes[4];
    uint8_t prefix_bits;
    char device[ADDRESS_DEVICE_MAX_BYTES + 1];
    bool mine;                                   /* this process owns it */
    bool give_up;                                /* and is asked to make room */
    char trouble[ADDRESS_TROUBLE_MAX_BYTES + 1]; /* what it has said against having it */
};

struct keeper_entry {
    struct keeper_address address;
    bool on;
    char trouble[ADDRESS_TROUBLE_MAX_BYTES + 1]; /* as it is here now */
    uint64_t good_since_ms; /* the link was last bad before; 0: it is bad, or was never looked at */
    uint64_t failed_until_ms;
    uint64_t announce_until_ms;
    uint64_t announce_next_ms;
    uint64_t renew_ms;
    /* the last report */
    uint64_t sent_ms; /* 0: none */
    uint64_t sent_epoch;
    char sent_trouble[ADDRESS_TROUBLE_MAX_BYTES + 1];
};

struct address_keeper {
    bool alive;
    bool stopping;
    uint64_t asked;         /* number of the last question for a barrier */
    uint64_t answered;      /* of the last answer: one question is under way at a time */
    bool ask_again;         /* the one that is under way was asked too early */
    uint64_t barrier_index; /* its answer; UINT64_MAX: there is none yet */
    uint64_t table_index;
    struct keeper_entry entries[ADDRESSES_MAX];
    size_t count;
    struct keeper_address gone[ADDRESSES_MAX]; /* of this step's actions */
};

enum keeper_message_kind {
    KEEPER_TABLE,   /* `addresses`, as of `index` */
    KEEPER_ALIVE,   /* `on` */
    KEEPER_BARRIER, /* the answer to question `number`: `index` */
    KEEPER_LOOKED,  /* address `id`: `trouble`, or "" */
    KEEPER_FAILED,  /* KEEPER_DO_ADD of `id` did not work: `trouble` */
    KEEPER_STOP,    /* the process ends: it gives all up */
    KEEPER_TICK,
};

struct keeper_message {
    enum keeper_message_kind kind;
    const struct keeper_address *addresses;
    size_t count;
    uint64_t index;
    bool on;
    uint64_t number;
    uint64_t id;
    const char *trouble;
};

enum keeper_action_kind {
    KEEPER_DO_ADD,      /* put the address on; KEEPER_FAILED if that cannot be */
    KEEPER_DO_REMOVE,   /* take it off */
    KEEPER_DO_RENEW,    /* its life begins anew */
    KEEPER_DO_ANNOUNCE, /* tell the neighbours that it is here */
    KEEPER_DO_REPORT,   /* propose AddressReport: `trouble`, and `released` */
    KEEPER_DO_ASK,      /* ask for a read barrier, under `number` */
};

struct keeper_action {
    enum keeper_action_kind kind;
    const struct keeper_address *address; /* until the next step */
    const char *trouble;
    bool released;
    uint64_t number;
};

/* A step makes at most so many: a change and a report of each address, its announcement and renewal, and a question. */
#define KEEPER_ACTIONS_MAX (4 * ADDRESSES_MAX + ADDRESSES_MAX + 1)

void address_keeper_init(struct address_keeper *keeper);

/* One step; returns how many `actions` (room for KEEPER_ACTIONS_MAX) are to be carried out, in their order. */
size_t address_keeper_step(struct address_keeper *keeper, const struct keeper_message *message, uint64_t now_ms,
                           struct keeper_action *actions);

/* Whether the process has it on a device. */
bool address_keeper_has(const struct address_keeper *keeper, uint64_t id);
/* Whether the process owns none, as far as it knows: an end needs to wait no longer. */
bool address_keeper_empty(const struct address_keeper *keeper);

#endif
