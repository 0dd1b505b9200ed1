/* current_stateid.h: the stateid that stands for "the current stateid of this compound" (RFC 8881 section 16.2.3.1.2)
 * becomes the one that the compound has come to, as its slot origin says. */
#ifndef STATESTORE_MACHINE_CURRENT_STATEID_H
#define STATESTORE_MACHINE_CURRENT_STATEID_H

#include "statestore/machine/apply.h"

/* The command itself if it does not use the current stateid; otherwise a copy in the arena that names the stateid. Without
 * a current stateid the special one stays, and is judged BAD_STATEID. */
const Qnfs__Command *current_stateid_resolve(struct apply *apply, const Qnfs__SlotOrigin *origin);

#endif
