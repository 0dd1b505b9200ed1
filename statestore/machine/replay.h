/* replay.h: exactly once for the changes of a 4.1 session: what a command's slot says about it, and the slot row that a
 * later retry is answered from (DESIGN.md section 4). */
#ifndef STATESTORE_MACHINE_REPLAY_H
#define STATESTORE_MACHINE_REPLAY_H

#include "statestore/machine/apply.h"
#include "statestore/machine/session.h"

/* Whether the command is to be executed. False: apply->result is the answer already: BADSESSION; superseded (an older
 * epoch, an older seqid, a change that another one of its compound has followed); a false retry; the stored result. */
bool replay_begin(struct apply *apply, const Qnfs__SlotOrigin *origin, struct session *session);

/* Makes the slot row from the origin and apply->result. */
void replay_end(struct apply *apply, const Qnfs__SlotOrigin *origin, struct session_id session);

#endif
