/* learn.h: what a client takes from a good reply: handles and stateids. */
#ifndef TESTS_SIM_LEARN_H
#define TESTS_SIM_LEARN_H

#include "tests/sim/population.h"

/* The results of one step. */
struct step_reply {
    enum nfsstat4 status; /* of the step's last operation that ran */
    bool main_done;
    union nfs4_result main; /* of the operation that the step is about */
    struct slice handle;    /* of GETFH */
};

/* Whether a handle is that of the inode as far as anybody knows, and of no other. */
bool handle_agrees(const struct population *population, uint16_t inode, struct slice handle);

/* An executed change that succeeded. */
void learn_from_change(struct client *client, const struct step *step, const struct step_reply *got);
/* A read that agreed with the model. */
void learn_from_read(struct client *client, const struct step *step, const struct step_reply *got, struct model *model);

#endif
