/* client.h: client records (RFC 8881 section 2.4): who a client says it is, whether that is confirmed, how long its lease
 * runs, how much state it holds. */
#ifndef STATESTORE_MACHINE_CLIENT_H
#define STATESTORE_MACHINE_CLIENT_H

#include "base/hash.h"
#include "proto/log.pb-c.h"
#include "proto/nfs4/status.h"
#include "statestore/machine/id.h"
#include "statestore/store/kv.h"

struct apply;

struct client {
    struct client_id id;
    struct slice identity;  /* of the address that was asked, "default" */
    struct slice owner;     /* co_ownerid */
    uint8_t verifier[8];    /* co_verifier: another one is another boot of the client */
    struct slice principal; /* who made it: client_principal() */
    struct slice address;   /* that EXCHANGE_ID came from; 4 or 16 bytes */
    struct slice implementation_domain;
    struct slice implementation_name;
    bool confirmed;
    bool reclaim_complete;
    uint32_t flags; /* of EXCHANGE_ID, as sent */
    uint32_t minor_version;
    uint32_t sequence; /* last csa_sequence that was used; 0: none yet */
    bool has_reply;    /* to the CREATE_SESSION with that sequence: */
    struct hash128 digest;
    struct slice reply; /* its Qnfs__Result, packed */
};

/* What changes often; a row of its own beside the record. */
struct client_usage {
    uint64_t lease_end_ms;      /* uptime */
    bool courtesy;              /* the lease has run out; its state is kept until somebody needs what it holds */
    uint64_t state_count;       /* opens and lock stateids */
    uint64_t range_count;       /* byte-range locks */
    uint64_t reclaims_until_ms; /* uptime: no new state before, reclaims apart; 0: unconfirmed, or done reclaiming */
};

/* Reads the record; true if it exists. What its slices point to lives in the arena. Pure over the view. */
bool client_get(struct kv_read *read, struct client_id id, struct arena *arena, struct client *client);
bool client_usage_get(struct kv_read *read, struct client_id id, struct arena *arena, struct client_usage *usage);

/* Walks the clients whose id is above `after`, in the order of their ids. Close always. */
struct client_walk {
    struct kv_cursor cursor;
    struct arena *arena;
};
void client_walk_open(struct kv_read *read, struct client_id after, struct arena *arena, struct client_walk *walk);
bool client_walk_get(struct client_walk *walk, struct client *client, struct client_usage *usage);
void client_walk_next(struct client_walk *walk);
void client_walk_close(struct client_walk *walk);

/* The records of one client owner: at most one of each kind (RFC 8881 section 18.35.4). 0: none. */
struct client_owner {
    struct client_id confirmed;
    struct client_id unconfirmed;
};
bool client_owner_get(struct kv_read *read, struct slice identity, struct slice owner, struct arena *arena,
                      struct client_owner *records);

/* Whether an open, a lock or a session depends on the client, and its lease still runs. Pure over the view. */
bool client_has_state(struct kv_read *read, struct client_id id, struct arena *arena);

/* --- machine only --- */

/* The credential as the owner of a client record: the GSS principal, else flavor and uid. Lives in the arena. */
struct slice client_principal(const Qnfs__Credential *credential, struct arena *arena);

void client_put(struct transaction *transaction, const struct client *client, struct arena *arena);
void client_usage_put(struct transaction *transaction, struct client_id id, const struct client_usage *usage,
                      struct arena *arena);
void client_owner_put(struct transaction *transaction, const struct client *client, const struct client_owner *records,
                      struct arena *arena);

/* Whether the client may open or lock, reclaims apart: NFS4_OK; NFS4ERR_GRACE before its RECLAIM_COMPLETE, but for no longer
 * than a lease period after it was confirmed: a Linux client that sees two reboots may never send it, and must not wait
 * for ever. Pure. */
enum nfsstat4 client_judge_reclaiming(const struct apply *apply, const struct client_usage *usage);

/* Counts the client's state up or down. CHECKs that the client exists. */
void client_usage_add(struct apply *apply, struct client_id id, int64_t states, int64_t ranges);

/* Forgets a client with its sessions, opens and locks: EFFECT_CLIENT_GONE. More than CLIENT_STEP_ROWS of state is left
 * to client_purge(), with EFFECT_PURGE; state whose client has no record belongs to nobody and stops nobody. */
void client_remove(struct apply *apply, const struct client *client);

/* Whether state of removed clients waits to be freed; then Purge has work. Pure over the view. */
bool client_purge_pending(struct kv_read *read, struct arena *arena);

/* One bounded step; true if more is left. */
bool client_purge(struct apply *apply);

#endif
