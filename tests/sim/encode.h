/* encode.h: a request's steps as the bytes of a COMPOUND. */
#ifndef TESTS_SIM_ENCODE_H
#define TESTS_SIM_ENCODE_H

#include "tests/sim/population.h"

/* Builds request->wire on its slot, and notes where each step's operations stand. */
void encode_request(struct client *client, struct request *request);

/* Another request with the same slot and sequence id: what a client with a mistake would send. */
void encode_false_retry(struct client *client, struct request *request);

/* The attributes that STEP_GETATTR asks for. */
struct bitmap4 encode_look_mask(void);

#endif
