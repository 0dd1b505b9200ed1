/* attach.h: a session lives where its last request arrived (DESIGN.md section 4): a request for a session of another
 * incarnation first brings it here, through the log, and waits for that. */
#ifndef SERVER_NFS4_ATTACH_H
#define SERVER_NFS4_ATTACH_H

#include "server/nfs4/compound.h"

/* The session, attached here and its client's lease alive. Result: STEP_DONE and *entry; STEP_DONE, no entry and
 * compound->result NFS4ERR_BADSESSION; or STEP_AGAIN: the compound waits in the session's list. */
enum step attach_session(struct compound *compound, struct session_id id, struct session_entry **entry);

void attach_on_result(struct nfs4_server *server, struct task *task, struct slice packed,
                      const struct nfs4_moment *moment, struct nfs4_outbox *outbox);

/* Runs all compounds that wait for the session. It may be gone afterwards. */
void attach_wake(struct list *waiting, const struct nfs4_moment *moment, struct nfs4_outbox *outbox);

/* The session's row has another incarnation or is gone: an effect of the machine said so. */
void attach_session_left(struct nfs4_server *server, struct session_id id, const struct nfs4_moment *moment,
                         struct nfs4_outbox *outbox);

#endif
