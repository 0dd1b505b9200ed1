/* session.h: sessions and their slots as the state keeps them (RFC 8881 section 2.10). */
#ifndef STATESTORE_MACHINE_SESSION_H
#define STATESTORE_MACHINE_SESSION_H

#include "base/hash.h"
#include "proto/log.pb-c.h"
#include "statestore/machine/id.h"
#include "statestore/store/kv.h"

struct session_channel {
    uint32_t header_pad_size;
    uint32_t max_request_size;
    uint32_t max_response_size;
    uint32_t max_response_size_cached;
    uint32_t max_operations;
    uint32_t max_requests;
};

struct session {
    struct session_id id;
    struct client_id client;
    struct incarnation_id incarnation; /* where it is attached */
    uint64_t epoch;                    /* rises with each attach */
    uint32_t flags;                    /* CREATE_SESSION4_FLAG_* granted */
    struct session_channel fore;
    struct session_channel back;
    uint32_t callback_program;
    uint32_t callback_flavor;
    uint32_t callback_uid;
    uint32_t callback_gid;
};

bool session_get(struct kv_read *read, struct session_id id, struct arena *arena, struct session *session);

/* The exactly-once record of a slot: made at its first change, replaced by each further one. */
struct slot {
    uint32_t slot;
    uint32_t seqid;
    struct hash128 digest;
    bool has_change;     /* false: only the seqid was brought up by a renewal */
    uint32_t operation;  /* index of the last change in its compound */
    struct slice prefix; /* encoded results of the operations before it */
    uint32_t prefix_count;
    struct slice result; /* the last change's Qnfs__Result, packed */
    bool current_set;    /* before the last change; the result says what follows from it */
    struct file_id current;
    bool saved_set;
    struct file_id saved;
    bool current_stateid_set;
    struct stateid current_stateid;
    bool saved_stateid_set;
    struct stateid saved_stateid;
};

bool slot_get(struct kv_read *read, struct session_id session, uint32_t slot, struct arena *arena, struct slot *row);

/* Walks the slot rows of a session (after an attach). Strings live in the arena. */
struct slot_walk {
    struct kv_cursor cursor;
    struct arena *arena;
};
void slot_walk_open(struct kv_read *read, struct session_id session, struct arena *arena, struct slot_walk *walk);
bool slot_walk_get(struct slot_walk *walk, struct slot *row);
void slot_walk_next(struct slot_walk *walk);
void slot_walk_close(struct slot_walk *walk);

/* Walks the sessions of a client in the order of their ids. Close always. */
struct session_walk {
    struct kv_cursor cursor;
    struct kv_read *read;
    struct arena *arena;
};
void session_walk_open(struct kv_read *read, struct client_id client, struct arena *arena, struct session_walk *walk);
bool session_walk_get(struct session_walk *walk, struct session *session);
void session_walk_next(struct session_walk *walk);
void session_walk_close(struct session_walk *walk);

/* Whether the MAC in the id is ours: a forged id is BADSESSION without a look at the state. Pure. */
bool session_id_genuine(const struct siphash_key *key, struct session_id id);

/* The id of the session that command `number` makes. Pure. */
struct session_id session_id_make(const struct siphash_key *key, uint64_t number);

/* --- machine only --- */

struct apply;

/* Writes the session's row and, for a new one, the client's index of it. */
void session_put(struct transaction *transaction, const struct session *session, struct arena *arena);

/* Removes the session with its slots; EFFECT_SESSION_LEFT. */
void session_remove(struct apply *apply, const struct session *session);

/* How many sessions the client has, counted up to `most`. Pure over the view. */
uint32_t session_count(struct kv_read *read, struct client_id client, uint32_t most, struct arena *arena);

void slot_put(struct transaction *transaction, struct session_id session, const struct slot *slot, struct arena *arena);

#endif
