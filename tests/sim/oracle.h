/* oracle.h: what is true. It sees every committed entry just before the first node applies it, executes it on a machine of its
 * own that never crashes, finds out which client's step each command carries out, and executes that step on the model.
 * So it knows each change's place in the order of all changes, that none was executed twice and none lost, and what
 * every read may have seen.
 *
 * Versions of the model are numbered as the machine numbers its commands. */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

#include "cluster/replica.h"
#include "statestore/machine/machine.h"
#include "tests/sim/model.h"
#include "tests/sim/request.h"
#include "tests/sim/world.h"

struct oracle;

/* What the oracle asks of the population. */
struct oracle_ports {
    void *context;
    /* The outstanding request of a session's slot; NULL if the session is no client's, or nothing is outstanding. */
    struct request *(*find)(void *context, const uint8_t session[16], uint32_t slot);
    /* The cluster has forgotten a client; whether it holds its lease for ended. Judges whether it may; its identity in the
     * model, or POPULATION_NOBODY if it never had any state. */
    uint32_t (*gone)(void *context, uint64_t clientid);
    uint32_t (*lease)(void *context, uint64_t clientid, bool ended);
    /* Whether a session may be unknown to the cluster: its client is gone. */
    bool (*may_be_unknown)(void *context, const uint8_t session[16]);
};

struct oracle *oracle_create(struct world *world, const struct oracle_ports *ports);
void oracle_destroy(struct oracle *oracle);

/* An entry that a node is about to apply. */
void oracle_entry(struct oracle *oracle, const struct replica_entry *entry);

/* A node's machine, after it has applied: nothing may differ from what it was at that position, wherever the others are.
 * From now on reads see at least this, on every node: what one has applied is committed, so no other may miss it. */
void oracle_applied(struct oracle *oracle, const struct machine *machine);

/* What the node's store holds must be what the oracle's holds, if both have applied the same. True if compared. */
bool oracle_compare(struct oracle *oracle, const struct machine *machine, struct kv_read *read);

/* The newest command that some client may have seen the effect of. */
uint64_t oracle_visible(const struct oracle *oracle);
/* The newest command executed, and the model after it. */
const struct model *oracle_present(const struct oracle *oracle);
/* The model after a command; NULL before anything that is still of interest. */
struct model *oracle_at(struct oracle *oracle, uint64_t number);
/* Versions before this one are of no interest any more. */
void oracle_forget(struct oracle *oracle, uint64_t number);

#endif
