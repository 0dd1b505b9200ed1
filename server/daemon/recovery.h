/* recovery.h: what the start has to put right before the first entry is applied. */
#ifndef SERVER_DAEMON_RECOVERY_H
#define SERVER_DAEMON_RECOVERY_H

#include "cluster/data_directory.h"
#include "cluster/log_writer.h"
#include "server/daemon/applier.h"

/* Checks that state, log and identity belong together, and writes the blocks again that may be missing behind a state
 * that RocksDB flushed by itself (DESIGN.md section 7). STATUS_BAD_DATA, STATUS_IO, STATUS_NO_SPACE: `trouble` says what
 * is wrong. Before the threads run. */
MUST_CHECK enum status recovery_run(struct applier *applier, struct log_writer *writer,
                                    const struct log_recovered *recovered, const struct node_identity *identity,
                                    char *trouble, size_t room);

#endif
