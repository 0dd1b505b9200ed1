#include "server/daemon/gateway_thread.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"

struct gateway_thread {
    struct gateway_thread_config config;
    struct frontend *frontend;
    struct socket_loop *sockets;
    struct view view;
    struct inbox inbox;
    pthread_t thread;
    bool settling;
    bool stopped;
    atomic_uint_least64_t alive_ms;
    atomic_bool waits;
    pthread_mutex_t counters_mutex;
    struct gateway_thread_counters counters;
};

struct gateway_post *gateway_post_create(enum gateway_post_kind kind)
{
    struct gateway_post *post = calloc(1, sizeof(*post));
    CHECK(post != NULL);
    post->kind = kind;
    return post;
}

static void thread_pass(struct gateway_thread *thread, const struct frontend_action *action,
                        enum gateway_post_kind kind, uint32_t loop)
{
    struct gateway_post *post = gateway_post_create(kind);
    post->connection = action->connection;
    post->buffer = action->buffer;
    post->call = action->call;
    thread->config.ports.post(thread->config.ports.context, loop, post);
}

static void thread_pass_to_all(struct gateway_thread *thread, const struct frontend_action *action)
{
    for (uint32_t loop = 0; loop < thread->config.frontend.loop_count; loop++) {
        if (loop != thread->config.frontend.loop)
            thread_pass(thread, action, GATEWAY_POST_GONE, loop);
    }
}

static void thread_move(struct gateway_thread *thread, const struct frontend_action *action)
{
    int descriptor = socket_loop_detach(thread->sockets, action->connection);
    if (descriptor < 0) { /* it is gone meanwhile: nobody waits for the answer to its call */
        frontend_call_free(action->call);
        return;
    }
    struct gateway_post *post = gateway_post_create(GATEWAY_POST_ADOPT);
    post->call = action->call;
    post->descriptor = descriptor;
    thread->config.ports.post(thread->config.ports.context, action->loop, post);
}

/* Such a client pays for each move with a command and a connection; balancers do that that have no client affinity. */
static void thread_warn_flap(const struct gateway_thread *thread, const struct nfs4_flap *flap)
{
    char session[2 * sizeof(flap->session.bytes) + 1];
    for (size_t i = 0; i < sizeof(flap->session.bytes); i++)
        snprintf(session + 2 * i, 3, "%02x", flap->session.bytes[i]);
    log_line(thread->config.log, LOG_WARN,
             "session %s of client %" PRIu64 " (%.*s) has moved between nodes %" PRIu64 " times in %" PRIu64
             " s: its connections lead to several nodes, which is not supported",
             session, flap->client.value, (int)flap->owner.size_bytes, (const char *)flap->owner.data, flap->moves,
             (flap->period_ms + 999) / 1000);
}

static void thread_carry(struct gateway_thread *thread, const struct frontend_action *action)
{
    const struct gateway_ports *ports = &thread->config.ports;
    for (; action != NULL; action = action->next) {
        switch (action->kind) {
        case FRONTEND_DO_SEND: socket_loop_send(thread->sockets, action->connection, action->buffer); break;
        case FRONTEND_DO_READ_STOP: socket_loop_read(thread->sockets, action->connection, false); break;
        case FRONTEND_DO_READ_START: socket_loop_read(thread->sockets, action->connection, true); break;
        case FRONTEND_DO_CLOSE:
            if (action->reason != NULL)
                log_line(thread->config.log, LOG_WARN, "closed a client connection: %s", action->reason);
            socket_loop_close(thread->sockets, action->connection);
            break;
        case FRONTEND_DO_ABORT:
            if (action->reason != NULL)
                log_line(thread->config.log, LOG_WARN, "cut a client connection off: %s", action->reason);
            socket_loop_abort(thread->sockets, action->connection);
            break;
        case FRONTEND_DO_PROPOSE: ports->propose(ports->context, action->proposal); break;
        case FRONTEND_DO_READ_BLOCKS:
            ports->read_blocks(ports->context, thread->config.frontend.loop, action->place, action->reads,
                               action->read_count);
            break;
        case FRONTEND_DO_PASS_CALL: thread_pass(thread, action, GATEWAY_POST_CALL, action->loop); break;
        case FRONTEND_DO_MOVE: thread_move(thread, action); break;
        case FRONTEND_DO_PASS_REPLY: thread_pass(thread, action, GATEWAY_POST_REPLY, action->loop); break;
        case FRONTEND_DO_PASS_ABORT: thread_pass(thread, action, GATEWAY_POST_ABORT, action->loop); break;
        case FRONTEND_DO_PASS_GONE: thread_pass_to_all(thread, action); break;
        case FRONTEND_DO_ASK_BARRIER:
            ports->ask_barrier(ports->context, thread->config.frontend.loop, action->number);
            break;
        case FRONTEND_DO_WARN_FLAP: thread_warn_flap(thread, action->flap); break;
        }
    }
}

/* A view that does not decode or a store that cannot be read: nothing may be answered from it. */
static void thread_check_view(const struct gateway_thread *thread)
{
    if (thread->view.read->failed) {
        log_line(thread->config.log, LOG_ERROR, "the state cannot be read; the node stops");
        abort();
    }
}

static void thread_step(struct gateway_thread *thread, struct frontend_message *message)
{
    const struct clock *clock = &thread->config.clock;
    /* The message has come; the clock is read now, for this step alone (frontend_moment). */
    view_refresh(&thread->view);
    struct nfs4_moment moment =
        frontend_moment(&thread->view, thread->config.published, thread->config.frontend.loop_count,
                        clock->boot_ms(clock->context), clock->wall_ns(clock->context));
    const struct frontend_action *actions = frontend_step(thread->frontend, message, &moment);
    thread_check_view(thread);
    bool waits = frontend_waits(thread->frontend);
    if (waits != atomic_load_explicit(&thread->waits, memory_order_relaxed))
        atomic_store(&thread->waits, waits);
    thread_carry(thread, actions);
}

/* Whether the state has moved since the step in which somebody began to wait for it. The applier moves the index and then
 * looks at `waits`; we have stored `waits` and look at the index: one of both notices. */
static bool thread_is_behind(struct gateway_thread *thread)
{
    return frontend_waits(thread->frontend) && atomic_load(&thread->config.published->index) != thread->view.index;
}

/* Ends every callback of the loop: sends what the steps gave to the sockets, and makes the steps that follow from that. */
static void thread_settle(struct gateway_thread *thread)
{
    if (thread->settling || thread->stopped)
        return;
    thread->settling = true;
    bool more = true;
    for (uint32_t round = 0; more && round < GATEWAY_SETTLE_ROUNDS; round++) {
        more = socket_loop_flush(thread->sockets);
        bool behind = thread_is_behind(thread);
        if (behind || frontend_ready(thread->frontend)) {
            struct frontend_message message = {.kind = behind ? FRONTEND_ADVANCE : FRONTEND_NEXT};
            thread_step(thread, &message);
            more = true;
        }
    }
    if (more) /* the other sockets first */
        socket_loop_wake(thread->sockets);
    thread->settling = false;
}

static struct connection_id on_opened(void *context, struct slice address)
{
    struct gateway_thread *thread = context;
    struct frontend_message message = {.kind = FRONTEND_OPENED, .address = address};
    thread_step(thread, &message);
    return message.connection;
}

static void on_received(void *context, struct connection_id id, struct buffer *buffer, struct slice piece)
{
    struct frontend_message message = {.kind = FRONTEND_RECEIVED, .connection = id, .buffer = buffer, .bytes = piece};
    thread_step(context, &message);
    thread_settle(context);
}

static void on_sent(void *context, struct connection_id id, size_t size_bytes)
{
    struct frontend_message message = {.kind = FRONTEND_SENT, .connection = id, .size_bytes = size_bytes};
    thread_step(context, &message);
    thread_settle(context);
}

static void on_closed(void *context, struct connection_id id)
{
    struct frontend_message message = {.kind = FRONTEND_CLOSED, .connection = id};
    thread_step(context, &message);
}

static void thread_take_post(struct gateway_thread *thread, struct gateway_post *post)
{
    struct frontend_message message = {
        .connection = post->connection, .place = post->place, .ok = post->ok, .call = post->call};
    switch (post->kind) {
    case GATEWAY_POST_RESULT:
        message.kind = FRONTEND_RESULT;
        message.bytes = buffer_slice(post->buffer);
        thread_step(thread, &message);
        buffer_put(post->buffer);
        break;
    case GATEWAY_POST_BLOCKS:
        message.kind = FRONTEND_BLOCKS_READ;
        thread_step(thread, &message);
        break;
    case GATEWAY_POST_CALL:
        message.kind = FRONTEND_CALL;
        thread_step(thread, &message);
        break;
    case GATEWAY_POST_ADOPT:
        message.kind = FRONTEND_ADOPTED;
        message.connection = socket_loop_adopt(thread->sockets, post->descriptor);
        if (message.connection.value != 0)
            thread_step(thread, &message);
        else
            frontend_call_free(post->call);
        break;
    case GATEWAY_POST_REPLY:
        message.kind = FRONTEND_REPLY;
        message.buffer = post->buffer;
        thread_step(thread, &message);
        break;
    case GATEWAY_POST_ABORT:
        message.kind = FRONTEND_ABORT;
        thread_step(thread, &message);
        break;
    case GATEWAY_POST_GONE:
        message.kind = FRONTEND_GONE;
        thread_step(thread, &message);
        break;
    case GATEWAY_POST_EFFECT:
        message.kind = FRONTEND_EFFECT;
        message.effect = &post->effect;
        thread_step(thread, &message);
        break;
    case GATEWAY_POST_ADVANCE:
        message.kind = FRONTEND_ADVANCE;
        thread_step(thread, &message);
        break;
    case GATEWAY_POST_BARRIER:
        message.kind = FRONTEND_BARRIER;
        message.number = post->number;
        message.index = post->index;
        thread_step(thread, &message);
        break;
    case GATEWAY_POST_DRAIN:
        socket_loop_refuse(thread->sockets);
        message.kind = FRONTEND_DRAIN;
        thread_step(thread, &message);
        break;
    case GATEWAY_POST_STOP:
        thread->stopped = true;
        socket_loop_stop(thread->sockets);
        break;
    }
    free(post);
}

static void on_woken(void *context)
{
    struct gateway_thread *thread = context;
    struct list posts;
    inbox_take(&thread->inbox, &posts);
    struct list_link *link;
    while ((link = list_first(&posts)) != NULL) {
        list_remove(link);
        thread_take_post(thread, container_of(link, struct gateway_post, link));
    }
    thread_settle(thread);
}

static void on_tick(void *context)
{
    struct gateway_thread *thread = context;
    struct frontend_message message = {.kind = FRONTEND_ADVANCE};
    thread_step(thread, &message);
    thread_settle(thread);
    struct gateway_thread_counters counters;
    frontend_counters(thread->frontend, &counters.gateway, &counters.nfs4);
    pthread_mutex_lock(&thread->counters_mutex);
    thread->counters = counters;
    pthread_mutex_unlock(&thread->counters_mutex);
    const struct clock *clock = &thread->config.clock;
    atomic_store_explicit(&thread->alive_ms, clock->boot_ms(clock->context), memory_order_relaxed);
}

static void wake_sockets(void *context)
{
    struct gateway_thread *thread = context;
    socket_loop_wake(thread->sockets);
}

static void *thread_main(void *context)
{
    struct gateway_thread *thread = context;
    socket_loop_run(thread->sockets);
    return NULL;
}

enum status gateway_thread_create(const struct gateway_thread_config *config, struct gateway_thread **created)
{
    struct gateway_thread *thread = calloc(1, sizeof(*thread));
    CHECK(thread != NULL);
    thread->config = *config;
    struct socket_loop_handler handler = {
        .context = thread,
        .opened = on_opened,
        .received = on_received,
        .sent = on_sent,
        .closed = on_closed,
        .woken = on_woken,
        .tick = on_tick,
    };
    enum status status =
        socket_loop_create(&handler, config->listen_descriptor, config->budget, config->log, &thread->sockets);
    if (status == STATUS_OK)
        status = socket_loop_accept(thread->sockets);
    if (status != STATUS_OK) {
        free(thread);
        return status;
    }
    thread->frontend = frontend_create(&config->frontend);
    view_init(&thread->view, config->store, config->published);
    inbox_init(&thread->inbox, GATEWAY_INBOX_MAX, wake_sockets, thread);
    CHECK(pthread_mutex_init(&thread->counters_mutex, NULL) == 0);
    *created = thread;
    return STATUS_OK;
}

void gateway_thread_run(struct gateway_thread *thread)
{
    const struct clock *clock = &thread->config.clock;
    atomic_store(&thread->alive_ms, clock->boot_ms(clock->context));
    CHECK(pthread_create(&thread->thread, NULL, thread_main, thread) == 0);
}

void gateway_thread_post(struct gateway_thread *thread, struct gateway_post *post)
{
    inbox_post(&thread->inbox, &post->link);
}

void gateway_thread_join(struct gateway_thread *thread)
{
    pthread_join(thread->thread, NULL);
}

void gateway_thread_destroy(struct gateway_thread *thread)
{
    struct list posts; /* what came after the end: results that nobody waits for */
    inbox_take(&thread->inbox, &posts);
    struct list_link *link;
    while ((link = list_first(&posts)) != NULL) {
        struct gateway_post *post = container_of(link, struct gateway_post, link);
        list_remove(link);
        buffer_put(post->buffer);
        if (post->call != NULL)
            frontend_call_free(post->call);
        if (post->kind == GATEWAY_POST_ADOPT)
            close(post->descriptor);
        free(post);
    }
    inbox_fini(&thread->inbox);
    frontend_destroy(thread->frontend);
    view_fini(&thread->view);
    socket_loop_destroy(thread->sockets);
    pthread_mutex_destroy(&thread->counters_mutex);
    free(thread);
}

void gateway_thread_counters(struct gateway_thread *thread, struct gateway_thread_counters *counters)
{
    pthread_mutex_lock(&thread->counters_mutex);
    *counters = thread->counters;
    pthread_mutex_unlock(&thread->counters_mutex);
}

bool gateway_thread_waits(const struct gateway_thread *thread)
{
    return atomic_load(&thread->waits); /* see thread_is_behind */
}

uint64_t gateway_thread_alive_ms(const struct gateway_thread *thread)
{
    return atomic_load_explicit(&thread->alive_ms, memory_order_relaxed);
}
