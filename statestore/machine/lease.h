/* lease.h: when a client's lease ends (RFC 8881 section 8.3), in uptime, which stands still while nobody leads.
 *
 * Rows by state and end of lease: active clients, courtesy clients in the order in which their leases ran out, and
 * removed clients of whom state is left to be freed. */
#ifndef STATESTORE_MACHINE_LEASE_H
#define STATESTORE_MACHINE_LEASE_H

#include "statestore/machine/apply.h"
#include "statestore/machine/client.h"

/* When a lease that begins now ends. */
uint64_t lease_end_ms(struct apply *apply);

/* Lets the lease end then; the client is no courtesy client any more. Writes *usage. */
void lease_renew(struct apply *apply, struct client_id client, struct client_usage *usage, uint64_t end_ms);

/* The lease of a new client; *usage is filled and written. */
void lease_start(struct apply *apply, struct client_id client, struct client_usage *usage);

/* A courtesy client that has shown a sign of life is an active one again; others are left alone. */
void lease_revive(struct apply *apply, struct client_id client);

/* Takes away the row of a client that is being removed. */
void lease_drop(struct apply *apply, struct client_id client, const struct client_usage *usage);

/* The courtesy client whose lease ran out first; false if there is none. Pure over the view. */
bool lease_first_courtesy(struct kv_read *read, struct arena *arena, struct client_id *client);

/* Whether some client's lease has run out at this uptime, by more than what renewals may be late: then somebody proposes
 * Expire. Pure over the view. */
bool lease_due(struct kv_read *read, uint64_t uptime_ms, struct arena *arena);

/* Removed clients whose state is freed by Purge. */
void lease_mark_gone(struct apply *apply, struct client_id client);
void lease_unmark_gone(struct apply *apply, struct client_id client);
bool lease_first_gone(struct kv_read *read, struct arena *arena, struct client_id *client);
bool lease_is_gone(struct kv_read *read, struct client_id client, struct arena *arena);

/* Whether the row that the usage says is there; for check_state.c. Pure over the view. */
bool lease_is_indexed(struct kv_read *read, struct client_id client, const struct client_usage *usage,
                      struct arena *arena);

#endif
