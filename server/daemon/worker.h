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

/* Can be posted to; the thread starts with worker_run. `idle` may be NULL. */
void worker_init(struct worker *worker, uint32_t capacity, uint32_t timeout_ms, void *context,
                 void (*message)(void *context, struct list_link *link), void (*idle)(void *context));

void worker_run(struct worker *worker);

/* Any thread. */
void worker_post(struct worker *worker, struct list_link *link);

/* Lets it work off what was posted before, then ends the thread. What is posted afterwards is never looked at. */
void worker_stop(struct worker *worker);

/* When nobody posts any more and the owner has emptied the inbox of what came after the end (CHECK). */
void worker_fini(struct worker *worker);

#endif
