/* revocation.h: state that stands in the way of somebody alive and may go: that of courtesy clients, whose lease has run
 * out (RFC 8881 section 8.4.2.4), and of removed clients that Purge has not reached yet. A courtesy client loses all that
 * it holds at once: half of its locks would be worth nothing to it. */
#ifndef STATESTORE_MACHINE_REVOCATION_H
#define STATESTORE_MACHINE_REVOCATION_H

#include "statestore/machine/state.h"

/* Clients and loose states that one command takes away. */
#define REVOCATION_MAX 64u

struct revocation {
    struct client_id clients[REVOCATION_MAX];
    size_t client_count;
    struct state states[REVOCATION_MAX]; /* of clients that have no record any more */
    size_t state_count;
    bool full; /* more than that is in the way: the command answers NFS4ERR_DELAY, and another one goes on */
};

/* Notes the holder of a state that is in the way; false if it is a live client's. What is kept lives in the arena. Pure
 * over the view. */
bool revocation_add(struct revocation *revocation, struct kv_read *read, const struct state *state,
                    struct arena *arena);

/* Takes away what was noted. NFS4_OK, or NFS4ERR_DELAY if it was full. */
enum nfsstat4 revocation_execute(const struct revocation *revocation, struct apply *apply);

#endif
