/* repeat.h: what a client sends a second time on purpose: the same request again, which must be answered as before, and
 * another one under the same sequence id, which must be refused. */
#ifndef TESTS_SIM_REPEAT_H
#define TESTS_SIM_REPEAT_H

#include "tests/sim/request.h"
#include "tests/sim/world.h"

/* Whether any of its changes has been executed. */
bool repeat_any_executed(const struct request *request);

/* Keeps the results up to the last change of a reply; false if it has executed none, so that it may change. */
bool repeat_keep(struct request *request, struct slice record);
/* The second reply has the same. */
void repeat_compare(struct world *world, const struct request *request, struct slice record);

/* The reply to another request under a sequence id that is used up. */
void repeat_expect_refusal(struct world *world, const struct request *request, struct slice record);

#endif
