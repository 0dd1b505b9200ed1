/* peers.h: what a node needs before it can talk to others: its certificate, its name, the count of its starts. */
#ifndef SERVER_DAEMON_PEERS_H
#define SERVER_DAEMON_PEERS_H

#include "cluster/data_directory.h"
#include "cluster/peer_tls.h"
#include "server/daemon/config.h"
#include "server/daemon/replica_thread.h"

struct peers {
    struct peer_tls_context *tls; /* NULL: no certificate was given, this node is alone */
    uint64_t starts;
    struct endpoint_text advertise; /* by which others reach it */
};

/* Reads the certificate and counts the start. STATUS_REFUSED: `trouble` says what is wrong with what was given.
 * STATUS_BAD_DATA, STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status peers_open(struct peers *peers, const struct config *config, const struct disk *disk,
                                  char *trouble, size_t room);
/* A member's start: it needs a certificate if there are others, and keeps its name if it is told none. STATUS_REFUSED. */
MUST_CHECK enum status peers_fit(struct peers *peers, const struct node_identity *identity,
                                 const struct endpoint_list *members, const struct config *config, char *trouble,
                                 size_t room);
void peers_close(struct peers *peers);

/* Who this node is to the others, once it has an identity. */
struct peer_hello peers_hello(const struct peers *peers, const struct node_identity *identity);

#endif
