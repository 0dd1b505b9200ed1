/* request.h: one compound of a simulated client, from its making to its checked reply. */
#ifndef TESTS_SIM_REQUEST_H
#define TESTS_SIM_REQUEST_H

#include "tests/sim/step.h"
#include "tests/support/nfs_client.h"

#define REQUEST_STEPS_MAX 4u
#define CLIENT_SLOTS_MAX 6u

struct request {
    struct arena arena; /* of the wire bytes */
    struct nfs_request wire;
    uint32_t client;
    uint32_t identity; /* of the client in the model: another one after each of its reboots */
    uint32_t slot;
    uint32_t seqid;
    struct step steps[REQUEST_STEPS_MAX];
    uint32_t step_count;
    bool cache_this;
    uint64_t number_sent; /* what was visible when it was first sent */
    uint64_t begun_ms;
    uint64_t sent_ms; /* when it was last sent */
    uint32_t sends;
    uint64_t incarnation;      /* of the process for which its last change was executed; 0: none yet */
    bool wants_repeat;         /* after its reply, the same request once more: the answer must be the same */
    bool wants_false_retry;    /* after its reply, another request with the same sequence id: must be refused */
    bool is_false_retry;       /* the present wire bytes are that */
    uint64_t owners_shared;    /* bits: open owners that it needs unchanged */
    uint64_t owners_exclusive; /* bits: open owners whose state it changes */
    struct span first_results; /* heap: of its first reply, up to the last change; NULL before */
};

void request_destroy(struct request *request);

/* Whether any step is a change. */
bool request_changes(const struct request *request);

/* The step whose change a command with this operation number carries out; NULL if there is none. */
struct step *request_step(struct request *request, uint32_t operation);

#endif
