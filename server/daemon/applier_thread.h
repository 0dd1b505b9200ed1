/* applier_thread.h: the thread of the applier actor, and the one beside it that flushes. */
#ifndef SERVER_DAEMON_APPLIER_THREAD_H
#define SERVER_DAEMON_APPLIER_THREAD_H

#include "base/clock.h"
#include "base/log.h"
#include "server/daemon/applier.h"
#include "server/daemon/worker.h"

/* Where what was applied goes; called in the applier's thread. Buffers go along with one owner. */
struct applier_ports {
    void *context;
    void (*result)(void *context, uint32_t loop, uint64_t place, struct buffer *bytes);
    void (*effect)(void *context, const struct machine_effect *effect);
    /* The state's chain hash at entry `index`. */
    void (*hash)(void *context, uint64_t index, struct hash128 hash);
    /* The published index has moved. */
    void (*advanced)(void *context);
    /* Whether there is room for a flush, if need be that which was kept for it. In the flusher's thread. */
    bool (*make_room)(void *context);
    /* The state up to `index` is durable: the log below it may go. */
    void (*flushed)(void *context, uint64_t index);
    /* The node cannot go on. */
    void (*failed)(void *context, enum status status, const char *what);
};

struct applier_thread;

/* The applier has been initialised and is used by the threads alone from now on until they are stopped. Can be posted to;
 * the threads start with applier_thread_run. */
struct applier_thread *applier_thread_create(struct applier *applier, const struct applier_ports *ports,
                                             struct clock clock, const struct log *log);

void applier_thread_run(struct applier_thread *thread);

/* An entry that is committed, in order; one owner of its bytes goes along. Any thread. */
void applier_thread_apply(struct applier_thread *thread, const struct replica_entry *entry);

/* Since when the applier has worked on what it was given (waiting for room on a full disk counts as turning over); now, if it
 * waits for work. Boot time in ms. Any thread. */
uint64_t applier_thread_alive_ms(const struct applier_thread *thread);

/* Asks for a flush now (the log wants to be cut). Any thread. */
void applier_thread_flush(struct applier_thread *thread);

/* A request for a copy of the state (applier.h); the asker's. `done` is called in the applier's thread, never if that ends
 * before: then it never will be. */
struct applier_copy_request {
    char path[4096];
    struct applier_copy copy;
    enum status status;
    void *context;
    void (*done)(void *context, struct applier_copy_request *request);
};
/* Any thread. */
void applier_thread_copy(struct applier_thread *thread, struct applier_copy_request *request);

/* The bytes of all garbage up to this one are removed. Any thread. */
void applier_thread_swept(struct applier_thread *thread, const struct garbage *garbage);

/* Applies what was handed over (as far as there is room on the disk), flushes once more, ends both threads. */
void applier_thread_stop(struct applier_thread *thread);
void applier_thread_destroy(struct applier_thread *thread);

#endif
