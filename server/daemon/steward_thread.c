#include "server/daemon/steward_thread.h"

#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/limits.h"
#include "proto/log_codec.h"
#include "server/daemon/worker.h"

/* An operator's request that somebody waits for; the two sides own it together. */
struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    uint32_t owners;
    bool done;
    struct buffer *bytes; /* the packed result; NULL: refused */
    /* Set: nobody waits, this is called. */
    void (*tell)(void *context, uint64_t token, const struct buffer *bytes);
    void *context;
    uint64_t token;
};

struct steward_post {
    struct list_link link;
    enum steward_message_kind kind;
    bool on;
    uint64_t place;
    struct buffer *bytes; /* of a result, or the packed command of a request */
    struct machine_effect effect;
    struct waiter *waiter;
    uint64_t node;
    struct incarnation_id incarnation;
    uint64_t term;
};

struct steward_thread {
    struct steward *steward;
    struct block_store *blocks;
    const struct published *published;
    struct steward_ports ports;
    struct clock clock;
    const struct log *log;
    struct view view;
    struct worker worker;
};

static struct steward_post *post_create(enum steward_message_kind kind)
{
    struct steward_post *post = calloc(1, sizeof(*post));
    CHECK(post != NULL);
    post->kind = kind;
    return post;
}

/* --- waiting --- */

static void waiter_put(struct waiter *waiter)
{
    pthread_mutex_lock(&waiter->mutex);
    bool last = --waiter->owners == 0;
    pthread_mutex_unlock(&waiter->mutex);
    if (!last)
        return;
    buffer_put(waiter->bytes);
    pthread_cond_destroy(&waiter->condition);
    pthread_mutex_destroy(&waiter->mutex);
    free(waiter);
}

static void waiter_answer(struct waiter *waiter, struct buffer *bytes)
{
    if (waiter->tell != NULL)
        waiter->tell(waiter->context, waiter->token, bytes);
    pthread_mutex_lock(&waiter->mutex);
    waiter->done = true;
    waiter->bytes = bytes;
    pthread_cond_signal(&waiter->condition);
    pthread_mutex_unlock(&waiter->mutex);
    waiter_put(waiter);
}

static struct waiter *waiter_create(void)
{
    struct waiter *waiter = calloc(1, sizeof(*waiter));
    pthread_condattr_t attributes;
    CHECK(waiter != NULL);
    CHECK(pthread_condattr_init(&attributes) == 0 && pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_mutex_init(&waiter->mutex, NULL) == 0 && pthread_cond_init(&waiter->condition, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
    waiter->owners = 2;
    return waiter;
}

/* --- the thread --- */

static void steward_thread_step(struct steward_thread *thread, const struct steward_message *message);

static void thread_remove(struct steward_thread *thread, const struct steward_action *action)
{
    for (size_t i = 0; i < action->garbage_count; i++) {
        enum status status = block_remove(thread->blocks, action->garbage[i].block);
        if (status != STATUS_OK)
            thread->ports.failed(thread->ports.context, status, "removing a block");
    }
}

static void steward_thread_carry(struct steward_thread *thread, const struct steward_action *action)
{
    bool removed = false;
    for (; action != NULL; action = action->next) {
        switch (action->kind) {
        case STEWARD_DO_PROPOSE: thread->ports.propose(thread->ports.context, action->proposal); break;
        case STEWARD_DO_SERVE: thread->ports.serve(thread->ports.context, action->incarnation, action->machine); break;
        case STEWARD_DO_ANSWER:
            if (action->token == 0) /* nobody waits */
                buffer_put(action->bytes);
            else
                waiter_answer((struct waiter *)(uintptr_t)action->token, action->bytes);
            break;
        case STEWARD_DO_REMOVE:
            thread_remove(thread, action);
            removed = true;
            break;
        case STEWARD_DO_FORGET: thread->ports.swept(thread->ports.context, action->garbage); break;
        case STEWARD_DO_FLUSH: thread->ports.flush(thread->ports.context); break;
        case STEWARD_DO_RESTART: thread->ports.restart(thread->ports.context); break;
        }
    }
    if (removed) { /* in a post of its own, since the actions of this step end with the next one */
        worker_post(&thread->worker, &post_create(STEWARD_GARBAGE_REMOVED)->link);
    }
}

static void steward_thread_step(struct steward_thread *thread, const struct steward_message *message)
{
    const struct published *published = thread->published;
    view_refresh(&thread->view);
    uint64_t now_ms = thread->clock.boot_ms(thread->clock.context);
    /* In this order: between the two the uptime may move on, and then it is too little for a moment, never too much. */
    uint64_t uptime_ms = atomic_load_explicit(&published->uptime_ms, memory_order_acquire);
    uint64_t since_ms = atomic_load_explicit(&published->uptime_at_ms, memory_order_acquire);
    struct steward_moment moment = {
        .now_ms = now_ms,
        .view = thread->view.read,
        .uptime_ms = uptime_ms + (since_ms != 0 && now_ms > since_ms ? now_ms - since_ms : 0),
        .command_number = atomic_load_explicit(&published->command, memory_order_relaxed),
        .flushed_number = atomic_load_explicit(&published->flushed_number, memory_order_acquire),
        .pinned_number = atomic_load_explicit(&published->pinned_number, memory_order_seq_cst),
        .free_bytes = atomic_load_explicit(&published->free_bytes, memory_order_relaxed),
        .total_bytes = atomic_load_explicit(&published->total_bytes, memory_order_relaxed),
        .log_low = atomic_load_explicit(&published->log_low, memory_order_relaxed),
    };
    const struct steward_action *actions = steward_step(thread->steward, message, &moment);
    if (thread->view.read->failed)
        thread->ports.failed(thread->ports.context, STATUS_IO, "reading the state");
    steward_thread_carry(thread, actions);
}

static void on_message(void *context, struct list_link *link)
{
    struct steward_thread *thread = context;
    struct steward_post *post = container_of(link, struct steward_post, link);
    struct steward_message message = {
        .kind = post->kind,
        .on = post->on,
        .place = post->place,
        .effect = &post->effect,
        .node = post->node,
        .incarnation = post->incarnation,
        .term = post->term,
    };
    struct arena arena;
    arena_init(&arena);
    if (post->kind == STEWARD_RESULT)
        message.bytes = buffer_slice(post->bytes);
    if (post->kind == STEWARD_REQUEST) {
        CHECK(log_command_unpack(buffer_slice(post->bytes), &arena, &message.command) == STATUS_OK);
        message.token = (uint64_t)(uintptr_t)post->waiter;
    }
    steward_thread_step(thread, &message);
    buffer_put(post->bytes);
    arena_fini(&arena);
    free(post);
}

static void on_idle(void *context)
{
    struct steward_thread *thread = context;
    struct steward_message message = {.kind = STEWARD_TICK};
    steward_thread_step(thread, &message);
    thread->ports.ticked(thread->ports.context, thread->view.read);
}

struct steward_thread *steward_thread_start(struct steward *steward, struct kv_store *store, struct block_store *blocks,
                                            const struct published *published, const struct steward_ports *ports,
                                            struct clock clock, const struct log *log)
{
    struct steward_thread *thread = calloc(1, sizeof(*thread));
    CHECK(thread != NULL);
    thread->steward = steward;
    thread->blocks = blocks;
    thread->published = published;
    thread->ports = *ports;
    thread->clock = clock;
    thread->log = log;
    view_init(&thread->view, store, published);
    worker_init(&thread->worker, STEWARD_INBOX_MAX, STEWARD_TICK_MS, thread, on_message, on_idle);
    worker_run(&thread->worker);
    return thread;
}

void steward_thread_begin(struct steward_thread *thread)
{
    worker_post(&thread->worker, &post_create(STEWARD_START)->link);
}

void steward_thread_lost(struct steward_thread *thread, uint64_t node, struct incarnation_id incarnation, uint64_t term)
{
    struct steward_post *post = post_create(STEWARD_LOST);
    post->node = node;
    post->incarnation = incarnation;
    post->term = term;
    worker_post(&thread->worker, &post->link);
}

void steward_thread_lead(struct steward_thread *thread, bool leader)
{
    struct steward_post *post = post_create(STEWARD_LEADER);
    post->on = leader;
    worker_post(&thread->worker, &post->link);
}

void steward_thread_result(struct steward_thread *thread, uint64_t place, struct buffer *bytes)
{
    struct steward_post *post = post_create(STEWARD_RESULT);
    post->place = place;
    post->bytes = bytes;
    worker_post(&thread->worker, &post->link);
}

void steward_thread_effect(struct steward_thread *thread, const struct machine_effect *effect)
{
    if (effect->kind != EFFECT_PURGE && effect->kind != EFFECT_BLOCKS_DEAD && effect->kind != EFFECT_PROCESS_CLOSED &&
        effect->kind != EFFECT_PROCESS_OPENED && effect->kind != EFFECT_ADDRESSES_CHANGED)
        return;
    struct steward_post *post = post_create(STEWARD_EFFECT);
    post->effect = *effect;
    worker_post(&thread->worker, &post->link);
}

static enum status waiter_wait(struct waiter *waiter, uint32_t timeout_ms)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += timeout_ms / 1000;
    deadline.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&waiter->mutex);
    while (!waiter->done && pthread_cond_timedwait(&waiter->condition, &waiter->mutex, &deadline) == 0)
        continue;
    enum status status = !waiter->done ? STATUS_CLOSED : waiter->bytes == NULL ? STATUS_REFUSED : STATUS_OK;
    pthread_mutex_unlock(&waiter->mutex);
    return status;
}

/* One owner of the waiter (NULL: nobody waits) goes along. */
static void request_post(struct steward_thread *thread, const Qnfs__Command *command, struct waiter *waiter,
                         struct arena *arena)
{
    struct slice packed = log_command_pack(command, arena);
    struct steward_post *post = post_create(STEWARD_REQUEST);
    post->waiter = waiter;
    post->bytes = buffer_create(packed.size_bytes);
    memcpy(post->bytes->data, packed.data, packed.size_bytes);
    post->bytes->size_bytes = packed.size_bytes;
    worker_post(&thread->worker, &post->link);
}

void steward_thread_propose(struct steward_thread *thread, const Qnfs__Command *command)
{
    struct arena arena;
    arena_init(&arena);
    request_post(thread, command, NULL, &arena);
    arena_fini(&arena);
}

void steward_thread_ask(struct steward_thread *thread, const Qnfs__Command *command,
                        void (*tell)(void *context, uint64_t token, const struct buffer *bytes), void *context,
                        uint64_t token)
{
    struct arena arena;
    struct waiter *waiter = waiter_create();
    arena_init(&arena);
    waiter->owners = 1;
    waiter->tell = tell;
    waiter->context = context;
    waiter->token = token;
    request_post(thread, command, waiter, &arena);
    arena_fini(&arena);
}

enum status steward_thread_execute(struct steward_thread *thread, const Qnfs__Command *command, uint32_t timeout_ms,
                                   struct arena *arena, Qnfs__Result **result)
{
    struct waiter *waiter = waiter_create();
    request_post(thread, command, waiter, arena);
    enum status status = waiter_wait(waiter, timeout_ms);
    if (status == STATUS_OK)
        status = log_result_unpack(buffer_slice(waiter->bytes), arena, result);
    waiter_put(waiter);
    return status;
}

void steward_thread_stop(struct steward_thread *thread)
{
    worker_stop(&thread->worker);
}

void steward_thread_destroy(struct steward_thread *thread)
{
    struct list left;
    struct list_link *link;
    inbox_take(&thread->worker.inbox, &left);
    while ((link = list_first(&left)) != NULL) {
        struct steward_post *post = container_of(link, struct steward_post, link);
        list_remove(link);
        if (post->waiter != NULL) {
            post->waiter->tell = NULL; /* whom it would tell ends too */
            waiter_answer(post->waiter, NULL);
        }
        buffer_put(post->bytes);
        free(post);
    }
    worker_fini(&thread->worker);
    steward_destroy(thread->steward);
    view_fini(&thread->view);
    free(thread);
}
