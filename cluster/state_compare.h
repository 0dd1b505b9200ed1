/* state_compare.h: whether the states of all nodes are equal. Each node notes its chain hash at comparison points (entries
 * that all nodes choose alike), and sends one of them with every ping to the leader (node_lease.h).
 *
 * The leader compares in rounds, each at one point: its newest one when the round begins. It asks for the hashes there, and
 * judges when all have come, or after STATE_COMPARE_MS those that have. A chain hash covers all before it, so no difference
 * is missed between two rounds. Whoever differs from a majority of the hashes that came has diverged, and must stop; that may
 * be the leader. Without a majority nobody stops: an alarm, once until the states of a round are equal again. Pure. */
#ifndef CLUSTER_STATE_COMPARE_H
#define CLUSTER_STATE_COMPARE_H

#include "cluster/configuration.h"

struct state_point {
    uint64_t index; /* 0: none */
    uint8_t hash[16];
};

struct state_report {
    uint64_t node;
    bool expected; /* it is alive to the leader */
    bool came;
    uint8_t hash[16];
    uint64_t diverged_index; /* of a round that has found so; 0: none */
};

struct state_compare {
    struct state_point points[STATE_HASHES_KEPT]; /* a ring; ascending */
    uint32_t next;
    uint64_t newest; /* index of the newest point; 0: none */

    /* leading; index 0: no round */
    struct state_point round;
    uint64_t began_ms;
    struct state_report reports[CLUSTER_MEMBERS_MAX];
    uint32_t report_count;
    bool alarmed;
};

/* What a round has shown that was not known before. */
enum state_verdict { STATE_NOTHING_NEW, STATE_SELF_DIVERGED, STATE_NO_MAJORITY };

void state_compare_init(struct state_compare *compare);

/* This node's own hash at a point; ascending. */
void state_compare_add(struct state_compare *compare, uint64_t index, const uint8_t hash[16]);
/* The own point to be sent: the one at `wanted_index`, or the newest; NULL: there is none yet. */
const struct state_point *state_compare_point(const struct state_compare *compare, uint64_t wanted_index);

/* This node begins to lead (anew): no round, no reports. */
void state_compare_lead(struct state_compare *compare);
/* Leading: member `node` has this hash at `index`. */
void state_compare_report(struct state_compare *compare, uint64_t node, uint64_t index, const uint8_t hash[16]);
/* Leading: member `node` is another process from now on: nothing is known of it. */
void state_compare_forget(struct state_compare *compare, uint64_t node);
/* Leading: whether it can be waited for. */
void state_compare_expect(struct state_compare *compare, uint64_t node, bool expected);
/* Leading: judges and begins rounds that are due; *index is the round's. */
enum state_verdict state_compare_advance(struct state_compare *compare, uint64_t now_ms, uint64_t *index);
/* Leading: where member `node` has diverged; 0: it has not. */
uint64_t state_compare_diverged(const struct state_compare *compare, uint64_t node);
/* Leading: the point whose hash is wanted; 0: none. */
uint64_t state_compare_wanted(const struct state_compare *compare);

#endif
