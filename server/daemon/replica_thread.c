#include "server/daemon/replica_thread.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"
#include "server/daemon/inbox.h"

struct replica_thread {
    struct replica *replica;
    struct log_writer *writer;
    struct published *published;
    struct replica_ports ports;
    struct clock clock;
    const struct log *log;
    struct replica_actions actions;
    struct inbox messages;  /* struct replica_message, and `kick` */
    struct inbox proposals; /* struct proposal; posting the first one posts `kick` */
    struct list_link kick;
    struct inbox requests; /* struct log_request, for the writer, and `end` */
    struct list_link end;
    pthread_t raft_thread;
    pthread_t writer_thread;
    atomic_bool stopping;
    atomic_uint_least64_t raft_alive_ms;
    atomic_uint_least64_t writer_alive_ms;
    pthread_mutex_t status_mutex;
    struct replica_status status;
};

static void wake_raft(void *context)
{
    struct replica_thread *thread = context;
    inbox_post(&thread->messages, &thread->kick);
}

static void raft_carry(struct replica_thread *thread, const struct replica_action *action)
{
    for (; action != NULL; action = action->next) {
        switch (action->kind) {
        case REPLICA_ACTION_LOG: inbox_post(&thread->requests, &action->request->link); break;
        case REPLICA_ACTION_COMMIT:
            atomic_store_explicit(&thread->published->commit, action->index, memory_order_release);
            break;
        case REPLICA_ACTION_APPLY: thread->ports.apply(thread->ports.context, &action->entry); break;
        case REPLICA_ACTION_ROLE:
            /* A node alone is its own majority: its lease does not end. */
            atomic_store_explicit(&thread->published->lease_until_ms, action->role == REPLICA_LEADER ? UINT64_MAX : 0,
                                  memory_order_release);
            thread->ports.role(thread->ports.context, action->role, action->term, action->leader);
            break;
        case REPLICA_ACTION_REFUSED: /* it waits in our inbox instead, where the parked compounds bound it */
            inbox_post(&thread->proposals, &action->proposal->link);
            break;
        case REPLICA_ACTION_SPACE: thread->ports.space(thread->ports.context, action->space); break;
        case REPLICA_ACTION_SEND:
        case REPLICA_ACTION_FORWARD:
        case REPLICA_ACTION_INSTALL:
        case REPLICA_ACTION_CHANGED: CHECK(false); break; /* a node alone has nobody to talk to */
        }
    }
}

static void raft_step(struct replica_thread *thread, struct replica_message *message)
{
    replica_step(thread->replica, message, thread->clock.boot_ms(thread->clock.context),
                 thread->clock.wall_ns(thread->clock.context), &thread->actions);
    raft_carry(thread, thread->actions.first);
}

static void raft_propose(struct replica_thread *thread)
{
    struct replica_message message = {.kind = REPLICA_PROPOSE};
    inbox_take(&thread->proposals, &message.proposals);
    if (!list_empty(&message.proposals))
        raft_step(thread, &message);
}

/* Everything that has come, proposals last: they are packed together with what the messages before made possible. */
static void raft_round(struct replica_thread *thread, struct list *messages)
{
    struct list_link *link;
    bool kicked = false;
    while ((link = list_first(messages)) != NULL) {
        list_remove(link);
        if (link == &thread->kick) {
            kicked = true;
            continue;
        }
        struct replica_message *message = container_of(link, struct replica_message, link);
        raft_step(thread, message);
        replica_message_free(message);
    }
    if (kicked)
        raft_propose(thread);
    struct replica_status status;
    replica_status(thread->replica, &status);
    pthread_mutex_lock(&thread->status_mutex);
    thread->status = status;
    pthread_mutex_unlock(&thread->status_mutex);
}

static void *raft_main(void *context)
{
    struct replica_thread *thread = context;
    struct replica_message start = {.kind = REPLICA_START};
    raft_step(thread, &start);
    while (!atomic_load_explicit(&thread->stopping, memory_order_relaxed)) {
        struct list messages;
        uint64_t now_ms = thread->clock.boot_ms(thread->clock.context);
        atomic_store_explicit(&thread->raft_alive_ms, now_ms, memory_order_relaxed);
        uint64_t deadline_ms = thread->actions.deadline_ms;
        uint64_t wait_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
        inbox_wait(&thread->messages, &messages, wait_ms < WORKER_SLEEP_MS ? (uint32_t)wait_ms : WORKER_SLEEP_MS);
        raft_round(thread, &messages);
        if (thread->clock.boot_ms(thread->clock.context) >= thread->actions.deadline_ms) {
            struct replica_message tick = {.kind = REPLICA_TICK};
            raft_step(thread, &tick);
        }
    }
    return NULL;
}

static void *writer_main(void *context)
{
    struct replica_thread *thread = context;
    while (!atomic_load_explicit(&thread->stopping, memory_order_relaxed)) {
        struct list requests;
        struct list replies;
        list_init(&replies);
        atomic_store_explicit(&thread->writer_alive_ms, thread->clock.boot_ms(thread->clock.context),
                              memory_order_relaxed);
        inbox_wait(&thread->requests, &requests, WORKER_SLEEP_MS);
        struct list_link *link;
        for (link = list_first(&requests); link != NULL; link = list_next(&requests, link)) {
            if (link == &thread->end) { /* it is no request, and the last one */
                list_remove(link);
                break;
            }
        }
        enum status status = log_writer_step(thread->writer, &requests, &replies);
        while ((link = list_first(&replies)) != NULL) {
            list_remove(link);
            inbox_post(&thread->messages, link);
        }
        if (status != STATUS_OK)
            thread->ports.failed(thread->ports.context, status, "writing the log");
    }
    return NULL;
}

struct replica_thread *replica_thread_create(struct replica *replica, struct log_writer *writer,
                                             struct published *published, const struct replica_ports *ports,
                                             struct clock clock, const struct log *log)
{
    struct replica_thread *thread = calloc(1, sizeof(*thread));
    CHECK(thread != NULL);
    thread->replica = replica;
    thread->writer = writer;
    thread->published = published;
    thread->ports = *ports;
    thread->clock = clock;
    thread->log = log;
    replica_actions_init(&thread->actions);
    inbox_init(&thread->messages, REPLICA_INBOX_MAX, NULL, NULL);
    inbox_init(&thread->proposals, REPLICA_INBOX_MAX, wake_raft, thread);
    inbox_init(&thread->requests, REPLICA_INBOX_MAX, NULL, NULL);
    CHECK(pthread_mutex_init(&thread->status_mutex, NULL) == 0);
    return thread;
}

void replica_thread_run(struct replica_thread *thread)
{
    CHECK(pthread_create(&thread->writer_thread, NULL, writer_main, thread) == 0);
    CHECK(pthread_create(&thread->raft_thread, NULL, raft_main, thread) == 0);
}

void replica_thread_propose(struct replica_thread *thread, struct proposal *proposal)
{
    inbox_post(&thread->proposals, &proposal->link);
}

static struct replica_message *message_create(enum replica_message_kind kind, uint64_t index)
{
    struct replica_message *message = calloc(1, sizeof(*message));
    CHECK(message != NULL);
    message->kind = kind;
    message->index = index;
    list_init(&message->proposals);
    return message;
}

void replica_thread_applied(struct replica_thread *thread, uint64_t index, uint64_t uptime_ms)
{
    struct replica_message *message = message_create(REPLICA_APPLIED, index);
    message->uptime_ms = uptime_ms;
    inbox_post(&thread->messages, &message->link);
}

void replica_thread_flushed(struct replica_thread *thread, uint64_t index)
{
    inbox_post(&thread->messages, &message_create(REPLICA_FLUSHED, index)->link);
}

void replica_thread_status(struct replica_thread *thread, struct replica_status *status)
{
    pthread_mutex_lock(&thread->status_mutex);
    *status = thread->status;
    pthread_mutex_unlock(&thread->status_mutex);
}

uint64_t replica_thread_alive_ms(const struct replica_thread *thread)
{
    uint64_t raft_ms = atomic_load_explicit(&thread->raft_alive_ms, memory_order_relaxed);
    uint64_t writer_ms = atomic_load_explicit(&thread->writer_alive_ms, memory_order_relaxed);
    return raft_ms < writer_ms ? raft_ms : writer_ms;
}

static void drain(struct replica_thread *thread)
{
    struct list left;
    struct list_link *link;
    inbox_take(&thread->messages, &left);
    while ((link = list_first(&left)) != NULL) {
        list_remove(link);
        if (link != &thread->kick)
            replica_message_free(container_of(link, struct replica_message, link));
    }
    inbox_take(&thread->requests, &left);
    while ((link = list_first(&left)) != NULL) {
        list_remove(link);
        if (link != &thread->end)
            log_request_free(container_of(link, struct log_request, link));
    }
    inbox_take(&thread->proposals, &left); /* the senders' */
}

void replica_thread_stop(struct replica_thread *thread)
{
    atomic_store(&thread->stopping, true);
    inbox_post(&thread->messages, &message_create(REPLICA_TICK, 0)->link); /* so that both wake now */
    inbox_post(&thread->requests, &thread->end);
    pthread_join(thread->raft_thread, NULL);
    pthread_join(thread->writer_thread, NULL);
}

void replica_thread_destroy(struct replica_thread *thread)
{
    drain(thread);
    inbox_fini(&thread->messages);
    inbox_fini(&thread->proposals);
    inbox_fini(&thread->requests);
    replica_destroy(thread->replica);
    log_writer_destroy(thread->writer);
    replica_actions_fini(&thread->actions);
    pthread_mutex_destroy(&thread->status_mutex);
    free(thread);
}
