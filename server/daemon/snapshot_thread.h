/* snapshot_thread.h: the thread that fetches another member's state into the staging folder, and gives this node's state to
 * others: it carries out what the actors snapshot_send.h and snapshot_receive.h say. The connections are the raft loop's:
 * frames of the bulk channel come in by snapshot_thread_frame and go out by ports.send. */
#ifndef SERVER_DAEMON_SNAPSHOT_THREAD_H
#define SERVER_DAEMON_SNAPSHOT_THREAD_H

#include "base/random.h"
#include "cluster/snapshot_receive.h"
#include "cluster/snapshot_send.h"
#include "server/daemon/applier_thread.h"

/* All are called in this thread. */
struct snapshot_ports {
    void *context;
    /* To be packed (snapshot_message_encode) and sent to message->peer on PEER_CHANNEL_BULK in the raft loop's thread, then
     * freed (snapshot_message_free). It may be dropped. */
    void (*send)(void *context, struct snapshot_message *message);
    /* The log keeps the entries above `index` until further notice (REPLICA_PIN); 0: it need not. */
    void (*pin)(void *context, uint64_t index);
    /* The staged state is complete: the process is to start anew, and puts it in place (install.h). Once. */
    void (*ready)(void *context);
    /* The fetch has come to nothing: REPLICA_INSTALLED without a snapshot, so that the leader's next word begins another. */
    void (*gave_up)(void *context);
    /* The node cannot go on. */
    void (*failed)(void *context, enum status status, const char *what);
};

struct snapshot_thread_config {
    const char *data_dir; /* outlives the thread, as all of these */
    uint8_t cluster_id[16];
    struct kv_store *store;
    struct block_store *blocks;
    struct applier_thread *applier;
    struct published *published;
    struct snapshot_ports ports;
    struct clock clock;
    struct random random;
    const struct log *log;
};

struct snapshot_thread;

/* Empties the folder of copies that an earlier process has left. The thread starts with snapshot_thread_run. STATUS_NO_SPACE,
 * STATUS_IO. */
MUST_CHECK enum status snapshot_thread_create(const struct snapshot_thread_config *config,
                                              struct snapshot_thread **thread);
void snapshot_thread_run(struct snapshot_thread *thread);

/* REPLICA_ACTION_INSTALL: fetch the state of `member`. Ends in `ready` or `gave_up`. Any thread. */
void snapshot_thread_fetch(struct snapshot_thread *thread, uint64_t member);

/* A frame of the bulk channel from `member`: copied. False: it is about something else. Any thread. */
bool snapshot_thread_frame(struct snapshot_thread *thread, uint64_t member, const struct peer_frame *frame);

/* The bulk connection over which `member` was heard has ended. Any thread. */
void snapshot_thread_lost(struct snapshot_thread *thread, uint64_t member);

/* A copy of the fetch's status. Any thread. */
void snapshot_thread_status(struct snapshot_thread *thread, struct snapshot_receive_status *status);

/* Ends the thread; before the applier's thread is stopped. */
void snapshot_thread_stop(struct snapshot_thread *thread);
/* After the applier's thread has been stopped, before the store goes. */
void snapshot_thread_destroy(struct snapshot_thread *thread);

#endif
