/* node.h: one node: everything that a process of qnfsd has, built in the order of DESIGN.md section 1 from the bottom up,
 * and taken down from the top. */
#ifndef SERVER_DAEMON_NODE_H
#define SERVER_DAEMON_NODE_H

#include "base/log.h"
#include "base/status.h"
#include "server/daemon/config.h"

struct node;

/* Builds and starts the node; it serves as soon as it is registered in its cluster (a `ready` line in the log). `config`,
 * `arguments` (main's, for a process that begins anew) and `log` must outlive it. On failure `trouble` is one line for the operator:
 * STATUS_REFUSED: what was asked cannot be (no start mode for an empty directory, directory in use): exit 2.
 * STATUS_CLOSED: SIGTERM or SIGINT came while a cluster of several nodes was being made: exit 0.
 * STATUS_BAD_DATA: damaged data directory. STATUS_NO_SPACE, STATUS_IO: exit 1. */
MUST_CHECK enum status node_start(const struct config *config, char *const *arguments, const struct log *log,
                                  struct node **node, char *trouble, size_t room);

/* Ten times a second: free space; and begins this process anew if a thread wants that. Main thread. */
void node_tick(struct node *node);

/* Finishes what clients wait for (up to NODE_DRAIN_MS), flushes, ends every thread, frees it. Main thread. */
void node_stop(struct node *node);

/* Whether the cluster has removed this node, which its data directory says from then on: stop it. Main thread. */
bool node_was_removed(struct node *node);

#endif
