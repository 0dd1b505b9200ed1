/* join_run.h: makes this node, whose data directory is empty, a member of the cluster that --join names, before anything else
 * of the node runs (cluster/join.h). */
#ifndef SERVER_DAEMON_JOIN_RUN_H
#define SERVER_DAEMON_JOIN_RUN_H

#include "server/daemon/founding_run.h"

/* Returns when this node has its id: its log, `members` and `node` are on the disk. Until somebody of the cluster answers it
 * goes on asking; what is in the way is in the log, when it changes and once a minute. SIGTERM and SIGINT must be blocked; they
 * end it: STATUS_CLOSED. STATUS_REFUSED: the cluster does not take it; STATUS_BAD_DATA: the file `joining` is damaged; STATUS_IO,
 * STATUS_NO_SPACE. `trouble` is the one line to show. Main thread. */
MUST_CHECK enum status join_run(const struct founding_request *request, struct node_identity *identity,
                                struct endpoint_list *members, char *trouble, size_t room);

#endif
