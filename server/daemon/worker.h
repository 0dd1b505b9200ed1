/* worker.h: a thread that sleeps on its inbox and hands each message to one function. */
#ifndef SERVER_DAEMON_WORKER_H
#define SERVER_DAEMON_WORKER_H

#include "base/status.h"
#include "server/daemon/inbox.h"

struct worker {
    struct inbox inbox;
    pthread_t thread;
    void *context;
    void (*message)(void *context, struct list_link *link); /* becomes the message's owner */
    void (*idle)(void *context);                            /* after each round of messages, and at every time-out */
    uint32_t timeout_ms;
    struct list_link stop;
    uint64_t stopping; /* the stop message was seen */
};

/* Starts the thread. `idle` may be NULL. */
void worker_start(struct worker *worker, uint32_t capacity, uint32_t timeout_ms, void *context,
                  void (*message)(void *context, struct list_link *link), void (*idle)(void *context));

/* Any thread. */
void worker_post(struct worker *worker, struct list_link *link);

/* Lets it work off what was posted before, then ends it. */
void worker_stop(struct worker *worker);

#endif
