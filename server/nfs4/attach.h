/* attach.h: a session lives where its last request arrived (DESIGN.md section 4): a request for a session of another
 * incarnation first brings it here, through the log, and waits for that. */
#ifndef SERVER_NFS4_ATTACH_H
#define SERVER_NFS4_ATTACH_H

#include "server/nfs4/compound.h"

/* The session, attached here and its client's lease alive. Result: STEP_DONE and *entry; STEP_DONE, no entry and
 * compound->result NFS4ERR_BADSESSION; STEP_AGAIN: the compound waits in the session's list; or STEP_GONE: another node has
 * taken the session since the request came, so its successors may have been executed there. It ends without a reply and
 * its connection is closed; a client that still wants it sends it again. */
enum step attach_session(struct compound *compound, struct session_id id, struct session_entry **entry);

/* The request has come, but has to wait for a newer view: notes how its session stands, for attach_session. */
void attach_note_epoch(struct compound *compound);

void attach_on_result(struct nfs4_server *server, struct task *task, struct slice packed,
                      const struct nfs4_moment *moment, struct nfs4_outbox *outbox);

/* The compound was judged by what its session was before another node took it: as STEP_GONE above. */
enum step attach_refuse(struct compound *compound);

/* All compounds of the list may go on: nfs4_run() takes them. */
void attach_wake(struct nfs4_server *server, struct list *waiting);

/* The session's row has another incarnation or is gone: an effect of the machine said so. */
void attach_session_left(struct nfs4_server *server, struct session_id id, const struct nfs4_moment *moment,
                         struct nfs4_outbox *outbox);

/* Ends a request of the session without an answer. Its connection must end, too: a client waits for a reply as long as it
 * lives. Connections that are bound are closed one by one. */
void attach_silence(struct session_entry *entry, struct compound *compound, struct nfs4_outbox *outbox);

#endif
