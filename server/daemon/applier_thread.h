/* applier_thread.h: the thread of the applier actor, and the one beside it that flushes. */
#ifndef SERVER_DAEMON_APPLIER_THREAD_H
#define SERVER_DAEMON_APPLIER_THREAD_H

#include "base/log.h"
#include "server/daemon/applier.h"
#include "server/daemon/worker.h"

/* Where what was applied goes; called in the applier's thread. Buffers go along with one owner. */
struct applier_ports {
    void *context;
    void (*result)(void *context, uint32_t loop, uint64_t place, struct buffer *bytes);
    void (*effect)(void *context, const struct machine_effect *effect);
    /* The published index has moved. */
    void (*advanced)(void *context);
    /* The state up to `index` is durable: the log below it may go. */
    void (*flushed)(void *context, uint64_t index);
    /* The node cannot go on. */
    void (*failed)(void *context, enum status status, const char *what);
};

struct applier_thread;

/* Starts both threads. The applier has been initialised and is owned by the thread from now on until it is stopped. */
struct applier_thread *applier_thread_start(struct applier *applier, const struct applier_ports *ports,
                                            const struct log *log);

/* An entry that is committed, in order; one owner of its bytes goes along. Any thread. */
void applier_thread_apply(struct applier_thread *thread, const struct replica_entry *entry);

/* Applies what was handed over, flushes once more, ends both threads. */
void applier_thread_stop(struct applier_thread *thread);

#endif
