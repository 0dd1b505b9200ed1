/* lease.h: leases are renewed by what clients ask (RFC 8881 section 8.3). That is noted in memory and told to the cluster
 * in batches, about ten times a lease period; only a courtesy client's request waits until it is alive again. */
#ifndef SERVER_NFS4_LEASE_H
#define SERVER_NFS4_LEASE_H

#include "server/nfs4/compound.h"

/* The lease period, in milliseconds, as the view has it. */
uint64_t lease_period_ms(struct nfs4_server *server, const struct nfs4_moment *moment, struct arena *arena);

/* A request came for the session: its lease will be renewed. */
void lease_note(struct compound *compound, struct session_entry *entry);

/* Whether the session's client has to be revived before anything of it is answered; then that is under way. */
bool lease_must_revive(struct compound *compound, struct session_entry *entry);

/* Proposes a batch if there is something to renew and it is time. */
void lease_advance(struct nfs4_server *server, const struct nfs4_moment *moment, struct nfs4_outbox *outbox);

void lease_on_result(struct nfs4_server *server, struct task *task, struct slice packed,
                     const struct nfs4_moment *moment, struct nfs4_outbox *outbox);

#endif
