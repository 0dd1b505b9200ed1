#include "server/daemon/applier_thread.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"

/* To the applier: an entry, word that a flush has ended, that one is wanted, that garbage is removed, or that the state is
 * to be copied. To the flusher:
 * start. */
struct applier_post {
    struct list_link link;
    enum { POST_ENTRY, POST_FLUSHED, POST_FLUSH_NOW, POST_SWEPT, POST_COPY } kind;
    struct replica_entry entry;
    uint64_t index;
    uint64_t number;
    struct garbage garbage;
    struct applier_copy_request *copy;
};

struct applier_thread {
    struct applier *applier;
    struct applier_ports ports;
    struct clock clock;
    const struct log *log;
    atomic_uint_least64_t busy_ms; /* since when it works on one thing; 0: it waits for work */
    struct worker apply;
    struct worker flush;
    bool advanced; /* since the last word to ports.advanced */
    struct list
        held; /* entries to apply: one, or on a full disk all that came; at the end the next start applies them */
    bool full;
    uint64_t tried_ms;
    atomic_bool stopping;
};

static struct applier_post *post_create(void)
{
    struct applier_post *post = calloc(1, sizeof(*post));
    CHECK(post != NULL);
    return post;
}

static void apply_alive(struct applier_thread *thread)
{
    atomic_store_explicit(&thread->busy_ms, thread->clock.boot_ms(thread->clock.context), memory_order_relaxed);
}

static void apply_carry(struct applier_thread *thread, const struct applier_action *action)
{
    for (; action != NULL; action = action->next) {
        struct applier_post *post;
        switch (action->kind) {
        case APPLIER_RESULT:
            thread->ports.result(thread->ports.context, action->loop, action->place, action->bytes);
            break;
        case APPLIER_EFFECT: thread->ports.effect(thread->ports.context, &action->effect); break;
        case APPLIER_HASH: thread->ports.hash(thread->ports.context, action->index, action->hash); break;
        case APPLIER_FLUSH:
            post = post_create();
            post->kind = POST_FLUSHED;
            post->index = action->index;
            post->number = action->number;
            worker_post(&thread->flush, &post->link);
            break;
        }
    }
}

/* Applies what waits, as far as there is room on the disk. What does not fit waits: the state is flushed so that the log
 * can be cut, which makes room, and it is tried again. */
static void apply_held(struct applier_thread *thread)
{
    struct list_link *link;
    enum status status = STATUS_OK;
    while ((link = list_first(&thread->held)) != NULL && status == STATUS_OK) {
        struct applier_post *post = container_of(link, struct applier_post, link);
        struct applier_action *actions;
        status = applier_step(thread->applier, &post->entry, &actions);
        apply_carry(thread, actions);
        apply_alive(thread);
        if (status != STATUS_OK)
            break;
        thread->advanced = true;
        list_remove(link);
        buffer_put(post->entry.bytes);
        free(post);
    }
    if (status != STATUS_OK && status != STATUS_NO_SPACE)
        thread->ports.failed(thread->ports.context, status, "applying a log entry");
    bool full = status == STATUS_NO_SPACE;
    if (full && thread->applier->commands_since_flush > 0)
        apply_carry(thread, applier_flush_now(thread->applier));
    if (full != thread->full)
        log_line(thread->log, full ? LOG_ERROR : LOG_INFO,
                 full ? "the disk is full: changes wait until there is room" : "there is room on the disk again");
    thread->full = full;
    thread->tried_ms = thread->clock.boot_ms(thread->clock.context);
    thread->apply.timeout_ms = full ? DISK_FULL_RETRY_MS : WORKER_SLEEP_MS;
}

static void on_apply(void *context, struct list_link *link)
{
    struct applier_thread *thread = context;
    struct applier_post *post = container_of(link, struct applier_post, link);
    enum status status;
    apply_alive(thread);
    switch (post->kind) {
    case POST_ENTRY:
        list_append(&thread->held, link);
        if (!thread->full)
            apply_held(thread);
        return;
    case POST_FLUSH_NOW: apply_carry(thread, applier_flush_now(thread->applier)); break;
    case POST_COPY:
        post->copy->status = applier_copy(thread->applier, post->copy->path, &post->copy->copy);
        if (post->copy->status == STATUS_IO)
            thread->ports.failed(thread->ports.context, STATUS_IO, "copying the state");
        post->copy->done(post->copy->context, post->copy);
        break;
    case POST_SWEPT: applier_swept(thread->applier, &post->garbage); break;
    case POST_FLUSHED:
        status = applier_flushed(thread->applier, post->index);
        if (status == STATUS_NO_SPACE) { /* nothing is lost: the log stays as long as it is */
            usleep(DISK_FULL_RETRY_MS * 1000);
            worker_post(&thread->apply, &post->link);
            return;
        }
        if (status != STATUS_OK)
            thread->ports.failed(thread->ports.context, status, "noting a flush");
        thread->ports.flushed(thread->ports.context, post->index);
        break;
    }
    free(post);
}

static void on_apply_idle(void *context)
{
    struct applier_thread *thread = context;
    if (thread->full && thread->clock.boot_ms(thread->clock.context) - thread->tried_ms >= DISK_FULL_RETRY_MS)
        apply_held(thread);
    if (thread->advanced)
        thread->ports.advanced(thread->ports.context);
    thread->advanced = false;
    atomic_store_explicit(&thread->busy_ms, 0, memory_order_relaxed);
}

/* RocksDB is not asked for a flush that has no room: once one has failed it takes no change for seconds, with room or
 * without. */
static enum status flush_all(struct applier_thread *thread)
{
    if (!thread->ports.make_room(thread->ports.context))
        return STATUS_NO_SPACE;
    enum status status = block_sync(thread->applier->blocks);
    return status == STATUS_OK ? kv_store_flush(thread->applier->store) : status;
}

static void on_flush(void *context, struct list_link *link)
{
    struct applier_thread *thread = context;
    struct applier_post *post = container_of(link, struct applier_post, link);
    enum status status;
    while ((status = flush_all(thread)) == STATUS_NO_SPACE && !atomic_load(&thread->stopping))
        usleep(DISK_FULL_RETRY_MS * 1000);
    if (status == STATUS_NO_SPACE) { /* stopping: the log has it all */
        free(post);
        return;
    }
    if (status != STATUS_OK)
        thread->ports.failed(thread->ports.context, status, "flushing the state");
    struct published *published = thread->applier->published;
    atomic_store_explicit(&published->flushed_index, post->index, memory_order_release);
    atomic_store_explicit(&published->flushed_number, post->number, memory_order_release);
    worker_post(&thread->apply, &post->link);
}

struct applier_thread *applier_thread_create(struct applier *applier, const struct applier_ports *ports,
                                             struct clock clock, const struct log *log)
{
    struct applier_thread *thread = calloc(1, sizeof(*thread));
    CHECK(thread != NULL);
    thread->applier = applier;
    list_init(&thread->held);
    thread->ports = *ports;
    thread->clock = clock;
    thread->log = log;
    worker_init(&thread->flush, APPLIER_FLUSHES_MAX, WORKER_SLEEP_MS, thread, on_flush, NULL);
    worker_init(&thread->apply, APPLIER_INBOX_MAX, WORKER_SLEEP_MS, thread, on_apply, on_apply_idle);
    return thread;
}

void applier_thread_run(struct applier_thread *thread)
{
    worker_run(&thread->flush);
    worker_run(&thread->apply);
}

void applier_thread_apply(struct applier_thread *thread, const struct replica_entry *entry)
{
    struct applier_post *post = post_create();
    post->entry = *entry;
    worker_post(&thread->apply, &post->link);
}

uint64_t applier_thread_alive_ms(const struct applier_thread *thread)
{
    uint64_t busy_ms = atomic_load_explicit(&thread->busy_ms, memory_order_relaxed);
    return busy_ms != 0 ? busy_ms : thread->clock.boot_ms(thread->clock.context);
}

void applier_thread_flush(struct applier_thread *thread)
{
    struct applier_post *post = post_create();
    post->kind = POST_FLUSH_NOW;
    worker_post(&thread->apply, &post->link);
}

void applier_thread_copy(struct applier_thread *thread, struct applier_copy_request *request)
{
    struct applier_post *post = post_create();
    post->kind = POST_COPY;
    post->copy = request;
    worker_post(&thread->apply, &post->link);
}

void applier_thread_swept(struct applier_thread *thread, const struct garbage *garbage)
{
    struct applier_post *post = post_create();
    post->kind = POST_SWEPT;
    post->garbage = *garbage;
    worker_post(&thread->apply, &post->link);
}

void applier_thread_stop(struct applier_thread *thread)
{
    atomic_store(&thread->stopping, true);
    worker_stop(&thread->flush); /* a flush that has begun ends, and its word is in the inbox below */
    worker_stop(&thread->apply);
    /* So that the next start has next to nothing to apply again. If it fails, the log has it all. */
    if (flush_all(thread) != STATUS_OK)
        log_line(thread->log, LOG_WARN, "the last flush failed; the next start applies more of the log again");
}

static void posts_free(struct list *posts)
{
    struct list_link *link;
    while ((link = list_first(posts)) != NULL) {
        struct applier_post *post = container_of(link, struct applier_post, link);
        list_remove(link);
        buffer_put(post->entry.bytes);
        free(post);
    }
}

void applier_thread_destroy(struct applier_thread *thread)
{
    struct list left;
    inbox_take(&thread->apply.inbox, &left);
    posts_free(&left);
    inbox_take(&thread->flush.inbox, &left); /* flushes that came up while what was left was applied */
    posts_free(&left);
    posts_free(&thread->held);
    worker_fini(&thread->flush);
    worker_fini(&thread->apply);
    free(thread);
}
