#include "server/daemon/worker.h"

#include "base/check.h"

static void *worker_main(void *context)
{
    struct worker *worker = context;
    while (worker->stopping == 0) {
        struct list messages;
        struct list_link *link;
        inbox_wait(&worker->inbox, &messages, worker->timeout_ms);
        while ((link = list_first(&messages)) != NULL) {
            list_remove(link);
            if (link == &worker->stop)
                worker->stopping = 1;
            else
                worker->message(worker->context, link);
        }
        if (worker->idle != NULL)
            worker->idle(worker->context);
    }
    return NULL;
}

void worker_init(struct worker *worker, uint32_t capacity, uint32_t timeout_ms, void *context,
                 void (*message)(void *context, struct list_link *link), void (*idle)(void *context))
{
    inbox_init(&worker->inbox, capacity, NULL, NULL);
    worker->context = context;
    worker->message = message;
    worker->idle = idle;
    worker->timeout_ms = timeout_ms;
    worker->stopping = 0;
}

void worker_run(struct worker *worker)
{
    CHECK(pthread_create(&worker->thread, NULL, worker_main, worker) == 0);
}

void worker_post(struct worker *worker, struct list_link *link)
{
    inbox_post(&worker->inbox, link);
}

void worker_stop(struct worker *worker)
{
    inbox_post(&worker->inbox, &worker->stop);
    pthread_join(worker->thread, NULL);
}

void worker_fini(struct worker *worker)
{
    inbox_fini(&worker->inbox);
}
