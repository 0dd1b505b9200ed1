/* address.h: floating addresses: which process has which. An address object is made by `address add`, keeps its id for ever and
 * is owned by one process (incarnation) or by none. Its epoch counts up with each change of owner.
 *
 * While a process owns an address nobody else may have it on a device. It goes away in two ways only: the process says that
 * it has taken it off (AddressReport with `released`), or the process is closed: it has ended, or has been silent for longer
 * than its lease, and a silent process has none of its addresses on (docs/decisions/0011-addresses-belong-to-processes.md). */
#ifndef STATESTORE_MACHINE_ADDRESS_H
#define STATESTORE_MACHINE_ADDRESS_H

#include "base/limits.h"
#include "statestore/machine/id.h"
#include "statestore/store/kv.h"

struct apply;

struct address {
    uint64_t id;                 /* command number of its AddressAdd */
    uint8_t bytes[4];            /* IPv4, network order */
    uint8_t prefix_bits;         /* of the network that it lies in */
    struct slice device;         /* empty: the one whose network contains it */
    struct incarnation_id owner; /* 0: nobody */
    uint64_t owner_node;
    struct incarnation_id next; /* whom the owner makes room for; 0: it stays */
    uint64_t next_node;
    bool leaving; /* the operator has removed it: it goes when the owner has taken it off */
    uint64_t epoch;
    uint64_t since_ms; /* uptime of the last change of owner */
    int64_t since_wall_ns;
};

/* Reads the row; the device lives in the arena. Pure over the view. */
bool address_get(struct kv_read *read, uint64_t id, struct arena *arena, struct address *address);

/* All of them in the order of their ids; the array, of at most ADDRESSES_MAX, is in the arena. Pure over the view. */
size_t address_list(struct kv_read *read, struct arena *arena, struct address **addresses);

/* Why a process cannot have the address; empty: nothing is known against it. Lives in the arena. Pure over the view. */
struct slice address_trouble(struct kv_read *read, uint64_t id, struct incarnation_id incarnation, struct arena *arena);

/* "192.0.2.10/24" in at least ADDRESS_TEXT_BYTES. */
#define ADDRESS_TEXT_BYTES 20u
void address_text(const struct address *address, char *text);

/* A process is being closed: its addresses go to whom they make room for, or are free. Machine only. */
void address_forget_process(struct apply *apply, struct incarnation_id incarnation);

#endif
