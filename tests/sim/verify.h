/* verify.h: judging a reply: each step's results must be what the model says, at the step's own place in the order of all
 * changes if it was executed, else at some moment between request and reply. */
#ifndef TESTS_SIM_VERIFY_H
#define TESTS_SIM_VERIFY_H

#include "tests/sim/population.h"

/* Checks the whole reply and lets the client learn from it: handles, stateids. A violation does not return. */
void verify_reply(struct client *client, struct request *request, struct nfs_reply *reply);

#endif
