/* raft_guard.h: libraft's core behind the rules that make it safe (docs/raft-guard.md). The library is used through
 * raft_step() alone; nobody else calls it. Rules G1 to G15, G2B and G8B each have a compile switch
 * QNFS_PLANT_G<N>_OFF, so that the simulator can show that it misses none.
 *
 * Rules that wrap a step act inside guard_step. The others are questions that the replica asks before it submits,
 * sends or feeds something; they are pure. */
#ifndef CLUSTER_RAFT_GUARD_H
#define CLUSTER_RAFT_GUARD_H

#include <raft.h>

#include "cluster/configuration.h"
#include "cluster/log_terms.h"

#if RAFT_VERSION_NUMBER != 2201
#error "libraft must be 0.22.1: a later one changes who owns what in raft_step's events and updates"
#endif

struct raft_guard {
    struct raft raft;
    char address[32];
    uint64_t now_ms;        /* of the last event; never goes back */
    uint64_t commit_index;  /* highest ever: the library's goes back on a follower (G6) */
    uint64_t vote_from_ms;  /* before it neither time-outs nor vote requests are fed (G14) */
    uint64_t no_lease_term; /* in this term we sent TIMEOUT_NOW: no lease (G14) */
};

struct guard_options {
    uint64_t id;
    uint64_t seed;
    uint32_t election_ms;
    uint32_t heartbeat_ms;
};

void guard_init(struct raft_guard *guard, const struct guard_options *options);
void guard_fini(struct raft_guard *guard);

/* Time has come to now_ms; guard_step says so too. */
void guard_clock(struct raft_guard *guard, uint64_t now_ms);

/* One event. 0, or the library's refusal of a SUBMIT or TRANSFER; any other failure of the library is a CHECK, since
 * its state may be half changed. *update points into the guard until the next step. Acts for G1, G8, G10. */
int guard_step(struct raft_guard *guard, struct raft_event *event, struct raft_update *update);

enum raft_state guard_state(const struct raft_guard *guard);

/* --- G1, G10, G13, G12, G14: messages --- */

/* Whether a message may be fed at all. `current_connection`: it came over the peer connection that is in use. */
bool guard_accepts(const struct raft_guard *guard, const struct raft_message *message, bool current_connection);

/* G14: a voter that answered a ping has promised not to take part in an election for `promise_ms` from now. */
void guard_promise(struct raft_guard *guard, uint64_t promise_ms);
bool guard_may_elect(const struct raft_guard *guard);
/* G14: whether a lease may answer reads in this term. */
bool guard_may_lease(const struct raft_guard *guard);

/* --- G2, G2b, G3: AppendEntries --- */

/* Entries as the rules see them. */
struct guard_append {
    uint64_t term;
    uint64_t previous_index;
    uint64_t previous_term;
    const struct raft_entry *entries;
    uint32_t count;
};

/* G3: moves an append that begins below what we still know the terms of up to our committed entries, and drops the
 * entries that we have. False: it cannot be judged, drop it. */
bool guard_rebase(const struct raft_guard *guard, const struct log_terms *terms, bool installing,
                  struct guard_append *append);
/* G2: how many of the entries make the next piece: a configuration is always the first of its piece. */
uint32_t guard_piece(const struct guard_append *append);
/* G2b: the index of our uncommitted configuration, if this piece proves it committed and RAFT_CONFIGURATION must be fed
 * before it; else 0. */
uint64_t guard_confirms(const struct raft_guard *guard, const struct log_terms *terms, bool installing,
                        const struct guard_append *piece);

/* --- G4, G5, G8b: configurations --- */

/* G5: whether the node must move to a new term by itself before RAFT_START: it is the only voter. */
bool guard_new_term_at_start(const struct configuration *configuration, uint64_t id);

enum guard_change {
    GUARD_CHANGE_NOW,
    GUARD_CHANGE_BARRIER,  /* nothing of this term is committed: submit a barrier and wait (G4) */
    GUARD_CHANGE_WAIT,     /* a change is under way, or a voter lags behind it (G8b) */
    GUARD_CHANGE_TRANSFER, /* the only voter left would be another server: transfer first (G5) */
};
/* Whether this leader may submit `next` now. */
enum guard_change guard_may_change(const struct raft_guard *guard, const struct log_terms *terms,
                                   const struct configuration *next);
/* G8b: a standby may be promoted when it is this close. */
#define GUARD_PROMOTE_LAG_MAX 32u

/* --- G6, G7, G11, G15 --- */

/* G6: apply up to here. */
uint64_t guard_apply_limit(const struct raft_guard *guard, uint64_t durable_index);
/* G7: whether an append whose last configuration has this index (0: none) must wait until our own disk has it. */
bool guard_holds(uint64_t configuration_index, uint64_t durable_index);
/* G15: whether the core may be told of a snapshot that ends at index. */
bool guard_may_snapshot(uint64_t index);
/* G11: when to feed RAFT_TIMEOUT. */
uint64_t guard_deadline(const struct raft_guard *guard);

#endif
