/* founding_run.h: the shell of cluster/founding.h: makes this node a member of the one cluster that --bootstrap-expect and
 * --peers describe, over real connections, before anything else of the node runs. */
#ifndef SERVER_DAEMON_FOUNDING_RUN_H
#define SERVER_DAEMON_FOUNDING_RUN_H

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "cluster/data_directory.h"
#include "cluster/log_writer.h"
#include "cluster/peer_tls.h"
#include "server/daemon/config.h"

struct founding_request {
    const struct config *config;    /* bootstrap_expect is over 1; config_read has judged it */
    const struct disk *disk;        /* of a prepared data directory that belongs to no cluster */
    struct log_options log_options; /* for the log that is made */
    struct peer_tls_context *tls;
    struct random random;
    struct clock clock;
    const struct log *log;
};

/* Returns when this node is a member: its log, `members` and `node` are on the disk. That may take until the last of the
 * others has been started; what it waits for is in the log. SIGTERM and SIGINT must be blocked; they end it: STATUS_CLOSED.
 * STATUS_REFUSED: this node must not be part of it; STATUS_BAD_DATA: the file `founding` is damaged; STATUS_IO (also: the
 * peer address cannot be listened on); STATUS_NO_SPACE. `trouble` is the one line to show. Main thread. */
MUST_CHECK enum status founding_run(const struct founding_request *request, struct node_identity *identity,
                                    struct endpoint_list *members, char *trouble, size_t room);

#endif
