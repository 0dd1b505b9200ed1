/* generate.h: what a client does next, drawn from the seed: mostly what makes sense in the present state, sometimes what
 * does not. */
#ifndef TESTS_SIM_GENERATE_H
#define TESTS_SIM_GENERATE_H

#include "tests/sim/population.h"

/* Fills the request's steps for a client; false if nothing can be done now (what was drawn is under way already). */
bool generate_request(struct client *client, struct request *request);

#endif
