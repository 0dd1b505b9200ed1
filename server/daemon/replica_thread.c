#include "server/daemon/replica_thread.h"

#include <stdlib.h>
#include <uv.h>

#include "base/check.h"
#include "base/limits.h"
#include "cluster/big_endian.h"
#include "server/daemon/inbox.h"

/* What others send to the raft loop beside proposals and the log writer's replies; on the heap. */
enum raft_post_kind {
    RAFT_POST_MESSAGE, /* `message`, with `processes` of its own */
    RAFT_POST_MEMBERS, /* `members` */
    RAFT_POST_REMOVED, /* `removed` */
    RAFT_POST_JOIN,    /* `answer`, to whoever waits with `join` */
    RAFT_POST_BULK,    /* `bulk`, owned */
    RAFT_POST_STOP,
};

struct raft_post {
    struct list_link link;
    enum raft_post_kind kind;
    struct raft_loop_message message;
    struct raft_loop_process *processes;
    struct peer_endpoint *members;
    uint32_t member_count;
    uint64_t *removed;
    size_t removed_count;
    uint64_t join;
    struct join_answer *answer;
    struct snapshot_message *bulk;
    struct buffer *bytes; /* of `message` */
};

struct replica_thread {
    struct raft_loop *loop;
    struct log_writer *writer;
    struct published *published;
    struct replica_ports ports;
    struct clock clock;
    const struct log *log;
    struct raft_loop_actions actions;
    bool stepping; /* actions are being carried out: what happens meanwhile waits in `posts` */
    struct arena frame_arena;
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t timer;
    uint64_t timer_ms; /* when it goes off, boot time; UINT64_MAX: it is not set */
    uint64_t healthy_ms;
    struct peer_transport *transport; /* NULL: without certificates there are no peers */
    bool ending;                      /* the transport is being closed */
    struct inbox messages;            /* struct replica_message: the log writer's replies, and what was applied */
    struct inbox posts;               /* struct raft_post */
    struct inbox proposals;           /* struct proposal */
    struct inbox requests;            /* struct log_request, for the writer, and `end` */
    struct list_link end;
    pthread_t raft_thread;
    pthread_t writer_thread;
    atomic_bool stopping;
    atomic_uint_least64_t raft_alive_ms;
    atomic_uint_least64_t writer_busy_ms; /* since when it works; 0: it waits for work */
    bool role_new;                        /* the status is out of date in what matters */
    pthread_mutex_t status_mutex;         /* over the next */
    struct replica_status status;
    struct raft_loop_peer_status peers[CLUSTER_MEMBERS_MAX];
    size_t peer_count;
};

static uint64_t now_of(const struct replica_thread *thread)
{
    return thread->clock.boot_ms(thread->clock.context);
}

static struct raft_post *post_create(enum raft_post_kind kind)
{
    struct raft_post *post = calloc(1, sizeof(*post));
    CHECK(post != NULL);
    post->kind = kind;
    return post;
}

static void post_free(struct raft_post *post)
{
    free(post->processes);
    free(post->members);
    free(post->removed);
    free(post->answer);
    buffer_put(post->bytes);
    snapshot_message_free(post->bulk);
    free(post);
}

/* --- the raft loop --- */

static void carry_replica(struct replica_thread *thread, const struct replica_action *action)
{
    const struct replica_ports *ports = &thread->ports;
    switch (action->kind) {
    case REPLICA_ACTION_LOG: inbox_post(&thread->requests, &action->request->link); break;
    case REPLICA_ACTION_COMMIT:
        atomic_store_explicit(&thread->published->commit, action->index, memory_order_release);
        break;
    case REPLICA_ACTION_APPLY: ports->apply(ports->context, &action->entry); break;
    case REPLICA_ACTION_ROLE:
        thread->role_new = true;
        ports->role(ports->context, action->role, action->term, action->leader);
        break;
    case REPLICA_ACTION_REFUSED: /* it waits in our inbox instead, where the parked compounds bound it */
        inbox_post(&thread->proposals, &action->proposal->link);
        break;
    case REPLICA_ACTION_SPACE: ports->space(ports->context, action->space); break;
    case REPLICA_ACTION_INSTALL: ports->install(ports->context, action->leader, action->snapshot->index); break;
    case REPLICA_ACTION_CHANGED: break; /* whoever asked looks at what the members are, again and again */
    case REPLICA_ACTION_SEND:           /* the actor makes frames of these two */
    case REPLICA_ACTION_FORWARD: CHECK(false); break;
    }
}

static void carry_send(struct replica_thread *thread, const struct raft_loop_action *action)
{
    if (thread->transport == NULL)
        return;
    /* A connection that is gone or slow drops it: raft bears that, and the forwarder is told by RAFT_LOOP_CLOSED. */
    enum status status = peer_transport_send(thread->transport, action->node, PEER_CHANNEL_RAFT, action->message,
                                             action->data, action->data_count);
    (void)status;
}

static void carry(struct replica_thread *thread, const struct raft_loop_action *action)
{
    const struct replica_ports *ports = &thread->ports;
    for (; action != NULL; action = action->next) {
        switch (action->kind) {
        case RAFT_LOOP_DO_REPLICA: carry_replica(thread, action->replica); break;
        case RAFT_LOOP_DO_SEND: carry_send(thread, action); break;
        case RAFT_LOOP_DO_LEASE:
            atomic_store_explicit(&thread->published->lease_until_ms, action->until_ms, memory_order_release);
            break;
        case RAFT_LOOP_DO_BARRIER: ports->barrier(ports->context, action->reader, action->number, action->index); break;
        case RAFT_LOOP_DO_ALIVE: ports->alive(ports->context, action->alive); break;
        case RAFT_LOOP_DO_LOST: ports->lost(ports->context, action->node, action->incarnation, action->term); break;
        case RAFT_LOOP_DO_CONNECTIONS: ports->connections(ports->context, action->bytes); break;
        case RAFT_LOOP_DO_DIVERGED:
            log_line(thread->log, LOG_ERROR,
                     "the state of this node at entry %llu is not that of the others: it must not go on",
                     (unsigned long long)action->index);
            ports->failed(ports->context, STATUS_BAD_DATA, "comparing states");
            break;
        case RAFT_LOOP_DO_SICK: ports->sick(ports->context); break;
        case RAFT_LOOP_DO_ALARM:
            log_line(thread->log, LOG_ERROR,
                     "states differ at entry %llu, and no majority says which is right: check all nodes",
                     (unsigned long long)action->index);
            break;
        }
    }
}

static void raft_step(struct replica_thread *thread, struct raft_loop_message *message)
{
    CHECK(!thread->stepping);
    raft_loop_step(thread->loop, message, now_of(thread), thread->clock.wall_ns(thread->clock.context),
                   &thread->actions);
    thread->stepping = true;
    carry(thread, thread->actions.first);
    thread->stepping = false;
}

static void step_replica(struct replica_thread *thread, struct replica_message *message)
{
    struct raft_loop_message outer = {.kind = RAFT_LOOP_REPLICA, .replica = message};
    raft_step(thread, &outer);
}

static void take_messages(struct replica_thread *thread)
{
    struct list messages;
    struct list_link *link;
    inbox_take(&thread->messages, &messages);
    while ((link = list_first(&messages)) != NULL) {
        list_remove(link);
        struct replica_message *message = container_of(link, struct replica_message, link);
        step_replica(thread, message);
        replica_message_free(message);
    }
}

static void send_bulk(struct replica_thread *thread, const struct snapshot_message *message)
{
    struct slice data;
    if (thread->transport == NULL)
        return;
    arena_reset(&thread->frame_arena);
    const Qnfs__Peer *frame = snapshot_message_encode(message, &thread->frame_arena, &data);
    enum status status = peer_transport_send(thread->transport, message->peer, PEER_CHANNEL_BULK, frame, &data, 1);
    (void)status; /* it is asked for again */
}

static void take_post(struct replica_thread *thread, struct raft_post *post)
{
    switch (post->kind) {
    case RAFT_POST_MESSAGE:
        post->message.processes = post->processes;
        raft_step(thread, &post->message);
        break;
    case RAFT_POST_MEMBERS:
        if (thread->transport != NULL && !thread->ending) /* the applier goes on until it is stopped, too */
            peer_transport_members(thread->transport, post->members, post->member_count);
        break;
    case RAFT_POST_REMOVED:
        if (thread->transport != NULL && !thread->ending)
            peer_transport_removed(thread->transport, post->removed, post->removed_count);
        break;
    case RAFT_POST_JOIN:
        if (thread->transport != NULL && !thread->ending) {
            arena_reset(&thread->frame_arena);
            peer_transport_answer(thread->transport, post->join,
                                  join_answer_encode(post->answer, &thread->frame_arena));
        }
        break;
    case RAFT_POST_BULK: send_bulk(thread, post->bulk); break;
    case RAFT_POST_STOP:
        /* Others may still post: the handle that wakes is closed when they are gone, and holds nobody up until then. */
        uv_unref((uv_handle_t *)&thread->wake);
        uv_close((uv_handle_t *)&thread->timer, NULL);
        thread->ending = true;
        if (thread->transport != NULL)
            peer_transport_close(thread->transport);
        break;
    }
    post_free(post);
}

static void take_posts(struct replica_thread *thread)
{
    struct list posts;
    struct list_link *link;
    inbox_take(&thread->posts, &posts);
    while ((link = list_first(&posts)) != NULL) {
        list_remove(link);
        take_post(thread, container_of(link, struct raft_post, link));
    }
}

static void take_proposals(struct replica_thread *thread)
{
    struct replica_message message = {.kind = REPLICA_PROPOSE};
    inbox_take(&thread->proposals, &message.proposals);
    if (!list_empty(&message.proposals))
        step_replica(thread, &message);
}

static void on_timer(uv_timer_t *timer);

/* It may go off before the deadline, never after: what moves the deadline away does not touch it. It also goes off when nothing
 * else does, to look at the other threads' health. */
static void timer_set(struct replica_thread *thread)
{
    uint64_t now_ms = now_of(thread);
    uint64_t at_ms = now_ms + LEASE_PING_MS;
    if (thread->actions.deadline_ms < at_ms)
        at_ms = thread->actions.deadline_ms > now_ms ? thread->actions.deadline_ms : now_ms;
    if (thread->timer_ms <= at_ms || uv_is_closing((uv_handle_t *)&thread->timer))
        return;
    thread->timer_ms = at_ms;
    uv_update_time(&thread->uv);
    CHECK(uv_timer_start(&thread->timer, on_timer, at_ms - now_ms, 0) == 0);
}

static void status_copy(struct replica_thread *thread)
{
    thread->role_new = false;
    pthread_mutex_lock(&thread->status_mutex);
    raft_loop_status(thread->loop, &thread->status);
    thread->peer_count = raft_loop_peers(thread->loop, thread->peers, CLUSTER_MEMBERS_MAX);
    pthread_mutex_unlock(&thread->status_mutex);
}

/* Ends every callback of the loop. */
static void raft_settle(struct replica_thread *thread)
{
    timer_set(thread);
    atomic_store_explicit(&thread->raft_alive_ms, now_of(thread), memory_order_relaxed);
    if (thread->role_new)
        status_copy(thread);
}

/* Everything that has come, proposals last: they are packed together with what the messages before made possible. */
static void on_wake(uv_async_t *wake)
{
    struct replica_thread *thread = wake->data;
    take_messages(thread);
    take_posts(thread);
    take_proposals(thread);
    raft_settle(thread);
}

/* The time for pings and elections; before it the other threads' health, so that a ping says no more than what is true. */
static void on_timer(uv_timer_t *timer)
{
    struct replica_thread *thread = timer->data;
    thread->timer_ms = UINT64_MAX;
    uint64_t alive_ms = thread->ports.alive_ms(thread->ports.context);
    if (alive_ms > thread->healthy_ms) {
        struct raft_loop_message healthy = {.kind = RAFT_LOOP_HEALTHY, .at_ms = alive_ms};
        thread->healthy_ms = alive_ms;
        raft_step(thread, &healthy);
    }
    struct raft_loop_message tick = {.kind = RAFT_LOOP_TICK};
    raft_step(thread, &tick);
    status_copy(thread);
    raft_settle(thread);
}

/* --- peers --- */

/* A handler may be called while actions are carried out, when a send finds a connection gone: then it waits. */
static void peer_event(struct replica_thread *thread, const struct raft_loop_message *message)
{
    struct raft_post *post = post_create(RAFT_POST_MESSAGE);
    post->message = *message;
    inbox_post(&thread->posts, &post->link);
}

static void on_opened(void *context, const struct peer_endpoint *peer, const struct peer_hello *hello, bool called)
{
    struct replica_thread *thread = context;
    if (!called)
        return;
    if (hello->channel == PEER_CHANNEL_BULK)
        return; /* who sends there asks again for what did not come */
    peer_event(thread, &(struct raft_loop_message){.kind = RAFT_LOOP_OPENED, .node = peer->node});
}

static void on_closed(void *context, const struct peer_endpoint *peer, const struct peer_end *end)
{
    struct replica_thread *thread = context;
    if (peer != NULL && !end->called && end->was_open && end->channel == PEER_CHANNEL_BULK)
        thread->ports.bulk_lost(thread->ports.context, peer->node);
    if (end->called && end->told && end->reason == PEER_REASON_REMOVED)
        thread->ports.removed(thread->ports.context);
    if (peer == NULL || !end->called || !end->was_open || end->channel == PEER_CHANNEL_BULK)
        return;
    peer_event(thread, &(struct raft_loop_message){.kind = RAFT_LOOP_CLOSED, .node = peer->node});
}

static void on_frame(void *context, const struct peer_endpoint *peer, const struct peer_hello *hello,
                     const struct peer_frame *frame)
{
    struct replica_thread *thread = context;
    if (hello->channel == PEER_CHANNEL_BULK) {
        thread->ports.bulk(thread->ports.context, peer->node, frame);
        return;
    }
    /* Frames come from sockets that were read, never out of a send. */
    struct raft_loop_message message = {.kind = RAFT_LOOP_FRAME, .node = peer->node, .frame = frame};
    raft_step(thread, &message);
    raft_settle(thread);
}

static void on_joins(void *context, const struct peer_hello *hello)
{
    struct replica_thread *thread = context;
    thread->ports.joins(thread->ports.context, hello->join, hello->advertise);
}

/* --- the threads --- */

static void wake_raft(void *context)
{
    struct replica_thread *thread = context;
    CHECK(uv_async_send(&thread->wake) == 0);
}

static void *raft_main(void *context)
{
    struct replica_thread *thread = context;
    struct replica_message start = {.kind = REPLICA_START};
    list_init(&start.proposals);
    step_replica(thread, &start);
    status_copy(thread);
    raft_settle(thread);
    uv_run(&thread->uv, UV_RUN_DEFAULT); /* until the stop leaves nothing to wait for */
    return NULL;
}

static void *writer_main(void *context)
{
    struct replica_thread *thread = context;
    while (!atomic_load_explicit(&thread->stopping, memory_order_relaxed)) {
        struct list requests;
        struct list replies;
        list_init(&replies);
        atomic_store_explicit(&thread->writer_busy_ms, 0, memory_order_relaxed);
        inbox_wait(&thread->requests, &requests, WORKER_SLEEP_MS);
        atomic_store_explicit(&thread->writer_busy_ms, now_of(thread), memory_order_relaxed);
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

static enum status peers_open(struct replica_thread *thread, const struct replica_peers *peers, struct span trouble)
{
    struct peer_transport_options options = {
        .loop = &thread->uv,
        .tls = peers->tls,
        .log = thread->log,
        .handler = {.context = thread, .opened = on_opened, .frame = on_frame, .joins = on_joins, .closed = on_closed},
        .self = peers->self,
        .feature_level_min = peers->feature_level_min,
    };
    thread->transport = peer_transport_create(&options);
    enum status status = peer_transport_listen(thread->transport, peers->listen_host, peers->listen_port, trouble);
    if (status == STATUS_OK)
        peer_transport_members(thread->transport, peers->members, peers->member_count);
    return status;
}

enum status replica_thread_create(struct raft_loop *loop, struct log_writer *writer, struct published *published,
                                  const struct replica_peers *peers, const struct replica_ports *ports,
                                  struct clock clock, const struct log *log, struct replica_thread **created,
                                  struct span trouble)
{
    struct replica_thread *thread = calloc(1, sizeof(*thread));
    CHECK(thread != NULL);
    thread->loop = loop;
    thread->writer = writer;
    thread->published = published;
    thread->ports = *ports;
    thread->clock = clock;
    thread->log = log;
    thread->timer_ms = UINT64_MAX;
    raft_loop_actions_init(&thread->actions);
    arena_init(&thread->frame_arena);
    CHECK(uv_loop_init(&thread->uv) == 0);
    CHECK(uv_async_init(&thread->uv, &thread->wake, on_wake) == 0 && uv_timer_init(&thread->uv, &thread->timer) == 0);
    thread->wake.data = thread->timer.data = thread;
    inbox_init(&thread->messages, REPLICA_INBOX_MAX, wake_raft, thread);
    inbox_init(&thread->posts, REPLICA_INBOX_MAX, wake_raft, thread);
    inbox_init(&thread->proposals, REPLICA_INBOX_MAX, wake_raft, thread);
    inbox_init(&thread->requests, REPLICA_INBOX_MAX, NULL, NULL);
    CHECK(pthread_mutex_init(&thread->status_mutex, NULL) == 0);
    *created = thread;
    return peers->tls == NULL ? STATUS_OK : peers_open(thread, peers, trouble);
}

void replica_thread_run(struct replica_thread *thread)
{
    atomic_store(&thread->raft_alive_ms, now_of(thread));
    CHECK(pthread_create(&thread->writer_thread, NULL, writer_main, thread) == 0);
    CHECK(pthread_create(&thread->raft_thread, NULL, raft_main, thread) == 0);
}

/* --- what others say to it --- */

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

void replica_thread_change(struct replica_thread *thread, const struct replica_member_change *change)
{
    struct replica_message *message = message_create(REPLICA_CHANGE, 0);
    message->change = *change;
    inbox_post(&thread->messages, &message->link);
}

void replica_thread_removed(struct replica_thread *thread, const uint64_t *nodes, size_t count)
{
    struct raft_post *post = post_create(RAFT_POST_REMOVED);
    post->removed = calloc(count + 1, sizeof(*nodes));
    CHECK(post->removed != NULL);
    for (size_t i = 0; i < count; i++)
        post->removed[i] = nodes[i];
    post->removed_count = count;
    inbox_post(&thread->posts, &post->link);
}

void replica_thread_join_answer(struct replica_thread *thread, uint64_t join, const struct join_answer *answer)
{
    struct raft_post *post = post_create(RAFT_POST_JOIN);
    post->join = join;
    post->answer = malloc(sizeof(*answer));
    CHECK(post->answer != NULL);
    *post->answer = *answer;
    inbox_post(&thread->posts, &post->link);
}

void replica_thread_transfer(struct replica_thread *thread, uint64_t node)
{
    inbox_post(&thread->messages, &message_create(REPLICA_TRANSFER, node)->link);
}

static void post_message(struct replica_thread *thread, const struct raft_loop_message *message)
{
    struct raft_post *post = post_create(RAFT_POST_MESSAGE);
    post->message = *message;
    inbox_post(&thread->posts, &post->link);
}

void replica_thread_connections(struct replica_thread *thread, struct slice bytes)
{
    struct raft_post *post = post_create(RAFT_POST_MESSAGE);
    post->bytes = buffer_create(bytes.size_bytes + 1);
    if (bytes.size_bytes > 0)
        memcpy(post->bytes->data, bytes.data, bytes.size_bytes);
    post->message = (struct raft_loop_message){.kind = RAFT_LOOP_CONNECTIONS,
                                               .bytes = slice_make(post->bytes->data, bytes.size_bytes)};
    inbox_post(&thread->posts, &post->link);
}

void replica_thread_hash(struct replica_thread *thread, uint64_t index, struct hash128 hash)
{
    struct raft_loop_message message = {.kind = RAFT_LOOP_HASH, .index = index};
    put_u64(message.hash, hash.high);
    put_u64(message.hash + 8, hash.low);
    post_message(thread, &message);
}

void replica_thread_read(struct replica_thread *thread, uint32_t reader, uint64_t number)
{
    post_message(thread, &(struct raft_loop_message){.kind = RAFT_LOOP_READ, .reader = reader, .number = number});
}

void replica_thread_registered(struct replica_thread *thread, uint64_t incarnation)
{
    post_message(thread, &(struct raft_loop_message){.kind = RAFT_LOOP_REGISTERED, .incarnation = incarnation});
}

void replica_thread_read_mode(struct replica_thread *thread, bool index_reads)
{
    post_message(thread, &(struct raft_loop_message){.kind = RAFT_LOOP_READ_MODE, .index_reads = index_reads});
}

void replica_thread_processes(struct replica_thread *thread, const struct raft_loop_process *processes, size_t count)
{
    struct raft_post *post = post_create(RAFT_POST_MESSAGE);
    post->message = (struct raft_loop_message){.kind = RAFT_LOOP_PROCESSES, .process_count = count};
    post->processes = calloc(count + 1, sizeof(*processes));
    CHECK(post->processes != NULL);
    memcpy(post->processes, processes, count * sizeof(*processes));
    inbox_post(&thread->posts, &post->link);
}

void replica_thread_members(struct replica_thread *thread, const struct peer_endpoint *members, uint32_t count)
{
    struct raft_post *post = post_create(RAFT_POST_MEMBERS);
    post->members = calloc(count + 1u, sizeof(*members));
    CHECK(post->members != NULL);
    memcpy(post->members, members, count * sizeof(*members));
    post->member_count = count;
    inbox_post(&thread->posts, &post->link);
}

void replica_thread_bulk(struct replica_thread *thread, struct snapshot_message *message)
{
    struct raft_post *post = post_create(RAFT_POST_BULK);
    post->bulk = message;
    inbox_post(&thread->posts, &post->link);
}

void replica_thread_pin(struct replica_thread *thread, uint64_t index)
{
    inbox_post(&thread->messages, &message_create(REPLICA_PIN, index)->link);
}

void replica_thread_not_installed(struct replica_thread *thread)
{
    inbox_post(&thread->messages, &message_create(REPLICA_INSTALLED, 0)->link);
}

void replica_thread_status(struct replica_thread *thread, struct replica_status *status)
{
    pthread_mutex_lock(&thread->status_mutex);
    *status = thread->status;
    pthread_mutex_unlock(&thread->status_mutex);
}

size_t replica_thread_peers(struct replica_thread *thread, struct raft_loop_peer_status *peers, size_t room)
{
    pthread_mutex_lock(&thread->status_mutex);
    size_t count = thread->peer_count < room ? thread->peer_count : room;
    memcpy(peers, thread->peers, count * sizeof(*peers));
    pthread_mutex_unlock(&thread->status_mutex);
    return count;
}

uint64_t replica_thread_alive_ms(const struct replica_thread *thread)
{
    uint64_t raft_ms = atomic_load_explicit(&thread->raft_alive_ms, memory_order_relaxed);
    uint64_t writer_ms = atomic_load_explicit(&thread->writer_busy_ms, memory_order_relaxed);
    return writer_ms != 0 && writer_ms < raft_ms ? writer_ms : raft_ms;
}

/* --- the end --- */

static void drain(struct replica_thread *thread)
{
    struct list left;
    struct list_link *link;
    inbox_take(&thread->messages, &left);
    while ((link = list_first(&left)) != NULL) {
        list_remove(link);
        replica_message_free(container_of(link, struct replica_message, link));
    }
    inbox_take(&thread->posts, &left);
    while ((link = list_first(&left)) != NULL) {
        list_remove(link);
        post_free(container_of(link, struct raft_post, link));
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
    inbox_post(&thread->posts, &post_create(RAFT_POST_STOP)->link);
    pthread_join(thread->raft_thread, NULL);
    atomic_store(&thread->stopping, true);
    inbox_post(&thread->requests, &thread->end);
    pthread_join(thread->writer_thread, NULL);
}

void replica_thread_destroy(struct replica_thread *thread)
{
    uv_close((uv_handle_t *)&thread->wake, NULL);
    uv_run(&thread->uv, UV_RUN_DEFAULT);
    drain(thread);
    inbox_fini(&thread->messages);
    inbox_fini(&thread->posts);
    inbox_fini(&thread->proposals);
    inbox_fini(&thread->requests);
    if (thread->transport != NULL)
        peer_transport_destroy(thread->transport);
    CHECK(uv_loop_close(&thread->uv) == 0);
    raft_loop_destroy(thread->loop);
    log_writer_destroy(thread->writer);
    raft_loop_actions_fini(&thread->actions);
    arena_fini(&thread->frame_arena);
    pthread_mutex_destroy(&thread->status_mutex);
    free(thread);
}
