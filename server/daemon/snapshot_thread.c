#include "server/daemon/snapshot_thread.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"
#include "server/daemon/snapshot_copy.h"
#include "server/daemon/staging.h"
#include "server/daemon/worker.h"

struct snapshot_post {
    struct list_link link;
    enum { POST_FETCH, POST_LOST, POST_MESSAGE, POST_COPIED } kind;
    uint64_t member;
    struct snapshot_message *message;
};

struct snapshot_thread {
    struct snapshot_thread_config config;
    struct snapshot_send *send;
    struct snapshot_receive *receive;
    struct snapshot_copy copy;
    struct staging staging;
    struct applier_copy_request request; /* with the applier while it makes a copy */
    bool copying;
    uint64_t copy_ms;    /* when the applier was asked */
    atomic_uint waiting; /* messages in the inbox */
    struct worker worker;
    pthread_mutex_t mutex; /* over the next */
    struct snapshot_receive_status status;
};

static struct snapshot_post *post_create(void)
{
    struct snapshot_post *post = calloc(1, sizeof(*post));
    CHECK(post != NULL);
    return post;
}

static void post_free(struct snapshot_post *post)
{
    snapshot_message_free(post->message);
    free(post);
}

static uint64_t thread_now(const struct snapshot_thread *thread)
{
    return thread->config.clock.boot_ms(thread->config.clock.context);
}

static void thread_failed(struct snapshot_thread *thread, enum status status, const char *what)
{
    thread->config.ports.failed(thread->config.ports.context, status, what);
}

/* --- giving --- */

/* In the applier's thread. */
static void on_copied(void *context, struct applier_copy_request *request)
{
    struct snapshot_thread *thread = context;
    CHECK(request == &thread->request);
    struct snapshot_post *post = post_create();
    post->kind = POST_COPIED;
    worker_post(&thread->worker, &post->link);
}

static void send_unpin(struct snapshot_thread *thread)
{
    atomic_store(&thread->config.published->pinned_number, 0);
    thread->config.ports.pin(thread->config.ports.context, 0);
}

/* Blocks and log are kept before the copy is made: what it refers to is there when it is. The flush that a copy needs is made
 * before the applier stands still for the rest. */
static void send_make(struct snapshot_thread *thread)
{
    struct published *published = thread->config.published;
    CHECK(!thread->copying);
    atomic_store(&published->pinned_number, atomic_load(&published->command));
    thread->config.ports.pin(thread->config.ports.context, atomic_load(&published->index));
    enum status status = kv_store_flush(thread->config.store);
    thread->copying = true;
    thread->request.status = status;
    thread->request.copy = (struct applier_copy){0};
    thread->copy_ms = thread_now(thread);
    if (status == STATUS_OK) {
        applier_thread_copy(thread->config.applier, &thread->request);
        return;
    }
    struct snapshot_post *post = post_create();
    post->kind = POST_COPIED;
    worker_post(&thread->worker, &post->link);
}

static struct snapshot_manifest *send_made(struct snapshot_thread *thread)
{
    struct applier_copy *made = &thread->request.copy;
    enum status status = thread->request.status;
    struct snapshot_manifest *manifest = NULL;
    uint64_t began_ms = thread_now(thread);
    uint64_t copy_ms = began_ms - thread->copy_ms;
    thread->copying = false;
    if (status == STATUS_OK)
        status = snapshot_copy_describe(&thread->copy, made, &manifest);
    if (made->view != NULL)
        kv_store_release(thread->config.store, made->view);
    made->view = NULL;
    if (status == STATUS_OK) {
        log_line(thread->config.log, LOG_INFO,
                 "a copy of the state at entry %" PRIu64 " is there for other nodes: %zu files, %" PRIu64
                 " blocks, %" PRIu64 " MiB; making it took %" PRIu64 " ms, reading it %" PRIu64 " ms",
                 manifest->log.index, manifest->file_count, manifest->block_count,
                 snapshot_manifest_bytes(manifest) >> 20, copy_ms, thread_now(thread) - began_ms);
    } else {
        log_line(thread->config.log, LOG_ERROR, "no copy of the state could be made for another node: %s",
                 status_name(status));
        if (snapshot_copy_drop(&thread->copy) != STATUS_OK)
            thread_failed(thread, STATUS_IO, "removing a copy of the state");
        send_unpin(thread);
    }
    return manifest;
}

static void send_drop(struct snapshot_thread *thread)
{
    if (snapshot_copy_drop(&thread->copy) != STATUS_OK)
        thread_failed(thread, STATUS_IO, "removing a copy of the state");
    send_unpin(thread);
    log_line(thread->config.log, LOG_INFO, "the copy of the state for other nodes is removed");
}

/* One step's actions. True: a piece could not be read, and that is the next step's input. */
static bool send_round(struct snapshot_thread *thread, struct snapshot_send_input *input)
{
    const struct published *published = thread->config.published;
    uint64_t total_bytes = atomic_load(&published->total_bytes);
    struct snapshot_send_moment moment = {
        .now_ms = thread_now(thread),
        .applied_index = atomic_load(&published->index),
        .low = atomic_load(&published->log_low) ||
               (total_bytes > 0 && atomic_load(&published->free_bytes) < space_reserve_bytes(total_bytes)),
    };
    struct snapshot_send_input next = {.kind = SNAPSHOT_SEND_UNREADABLE};
    struct snapshot_send_action *action = snapshot_send_step(thread->send, input, &moment);
    for (; action != NULL; action = action->next) {
        struct snapshot_message *chunk = NULL;
        switch (action->kind) {
        case SNAPSHOT_SEND_DO_SEND: thread->config.ports.send(thread->config.ports.context, action->message); break;
        case SNAPSHOT_SEND_DO_MAKE: send_make(thread); break;
        case SNAPSHOT_SEND_DO_READ:
            if (snapshot_copy_read(&thread->copy, action->manifest, action->fetch, &chunk) == STATUS_OK)
                thread->config.ports.send(thread->config.ports.context, chunk);
            else
                next.message = action->fetch;
            break;
        case SNAPSHOT_SEND_DO_DROP: send_drop(thread); break;
        }
    }
    if (next.message != NULL)
        log_line(thread->config.log, LOG_ERROR, "%s %" PRIu64 " of the copy of the state cannot be read",
                 next.message->part == PEER_SNAPSHOT_FILE ? "file" : "block", next.message->item);
    *input = next;
    return next.message != NULL;
}

static void send_step(struct snapshot_thread *thread, struct snapshot_send_input *input)
{
    while (send_round(thread, input))
        continue;
}

/* --- fetching --- */

/* What may be used without harm to the running node. */
static uint64_t receive_spare(const struct snapshot_thread *thread)
{
    const struct published *published = thread->config.published;
    uint64_t free_bytes = atomic_load(&published->free_bytes);
    uint64_t kept_bytes = 2 * space_reserve_bytes(atomic_load(&published->total_bytes));
    return free_bytes > kept_bytes ? free_bytes - kept_bytes : 0;
}

static const char *receive_reason(enum status status)
{
    switch ((int)status) {
    case STATUS_NO_SPACE: return "there is no room on the disk";
    case STATUS_BAD_DATA: return "it was damaged, or another cluster's";
    case STATUS_CLOSED: return "the other node says nothing";
    case STATUS_NOT_FOUND: return "the other node has no such copy any more: with a new one";
    case STATUS_REFUSED: return "it is no longer needed";
    case STATUS_FULL: return "the other node has made no copy for a long time";
    default: return status_name(status);
    }
}

/* Carries out one action whose outcome counts; *report tells that success is to be reported too. */
static enum status receive_carry(struct snapshot_thread *thread, const struct snapshot_receive_action *action,
                                 bool *report)
{
    struct staging *staging = &thread->staging;
    const struct snapshot_ports *ports = &thread->config.ports;
    switch (action->kind) {
    case SNAPSHOT_RECEIVE_DO_SEND: ports->send(ports->context, action->message); break;
    case SNAPSHOT_RECEIVE_DO_BEGIN:
        *report = true;
        log_line(thread->config.log, LOG_INFO, "the state at entry %" PRIu64 ", %" PRIu64 " MiB, is being fetched",
                 action->manifest->log.index, snapshot_manifest_bytes(action->manifest) >> 20);
        return staging_begin(staging, action->manifest, receive_spare(thread));
    case SNAPSHOT_RECEIVE_DO_WRITE:
        return staging_write(staging, action->manifest, action->file, action->offset, action->data, action->last);
    case SNAPSHOT_RECEIVE_DO_OPEN: *report = true; return staging_open(staging, action->manifest);
    case SNAPSHOT_RECEIVE_DO_STORE: return staging_store(staging, action->block, action->data);
    case SNAPSHOT_RECEIVE_DO_FINISH: *report = true; return staging_finish(staging, action->manifest);
    case SNAPSHOT_RECEIVE_DO_READY:
        log_line(thread->config.log, LOG_INFO,
                 "the state at entry %" PRIu64 " is fetched: the node starts anew with it",
                 action->manifest->log.index);
        ports->ready(ports->context);
        break;
    case SNAPSHOT_RECEIVE_DO_CLEAR:
        log_line(thread->config.log, LOG_WARN, "the fetch of another node's state begins anew later: %s",
                 receive_reason(action->status));
        if (staging_clear(staging) != STATUS_OK)
            thread_failed(thread, STATUS_IO, "emptying the staging folder");
        break;
    case SNAPSHOT_RECEIVE_DO_GIVE_UP: ports->gave_up(ports->context); break;
    case SNAPSHOT_RECEIVE_DO_LIST: CHECK(false);
    }
    return STATUS_OK;
}

/* One step's actions; what follows from them is the next step's input. After a failure the rest of them is void. */
static bool receive_round(struct snapshot_thread *thread, struct snapshot_receive_input *input,
                          struct snapshot_block *blocks)
{
    struct snapshot_receive_moment moment = {.now_ms = thread_now(thread),
                                             .applied_index = atomic_load(&thread->config.published->index)};
    struct snapshot_receive_action *action = snapshot_receive_step(thread->receive, input, &moment);
    struct snapshot_receive_input next = {.kind = SNAPSHOT_RECEIVE_DONE};
    bool report = false;
    for (; action != NULL; action = action->next) {
        if (next.status != STATUS_OK) {
            if (action->kind == SNAPSHOT_RECEIVE_DO_SEND)
                snapshot_message_free(action->message);
        } else if (action->kind == SNAPSHOT_RECEIVE_DO_LIST) {
            next.kind = SNAPSHOT_RECEIVE_LISTED;
            next.blocks = blocks;
            next.status = staging_list(&thread->staging, action->block, blocks, &next.block_count);
            report = true;
        } else {
            next.status = receive_carry(thread, action, &report);
        }
    }
    if (next.status != STATUS_OK)
        next.kind = SNAPSHOT_RECEIVE_DONE;
    *input = next;
    return report || next.status != STATUS_OK;
}

static void receive_step(struct snapshot_thread *thread, struct snapshot_receive_input *input)
{
    struct snapshot_block blocks[SNAPSHOT_BLOCKS_LISTED];
    struct snapshot_receive_input next = *input;
    while (receive_round(thread, &next, blocks))
        continue;
    pthread_mutex_lock(&thread->mutex);
    snapshot_receive_status(thread->receive, &thread->status);
    pthread_mutex_unlock(&thread->mutex);
}

/* --- the thread --- */

static void thread_heard(struct snapshot_thread *thread, struct snapshot_message *message)
{
    atomic_fetch_sub(&thread->waiting, 1);
    if (message->kind == SNAPSHOT_ASK || message->kind == SNAPSHOT_FETCH) {
        struct snapshot_send_input input = {.kind = SNAPSHOT_SEND_HEARD, .message = message};
        send_step(thread, &input);
    } else {
        struct snapshot_receive_input input = {.kind = SNAPSHOT_RECEIVE_HEARD, .message = message};
        receive_step(thread, &input);
    }
}

static void on_message(void *context, struct list_link *link)
{
    struct snapshot_thread *thread = context;
    struct snapshot_post *post = container_of(link, struct snapshot_post, link);
    struct snapshot_receive_input fetch = {.kind = SNAPSHOT_RECEIVE_FETCH, .node = post->member};
    struct snapshot_receive_input lost = {.kind = SNAPSHOT_RECEIVE_LOST, .node = post->member};
    struct snapshot_send_input made = {.kind = SNAPSHOT_SEND_MADE};
    switch (post->kind) {
    case POST_FETCH: receive_step(thread, &fetch); break;
    case POST_LOST: receive_step(thread, &lost); break;
    case POST_MESSAGE: thread_heard(thread, post->message); break;
    case POST_COPIED:
        made.manifest = send_made(thread);
        send_step(thread, &made);
        break;
    }
    post_free(post);
}

static void on_idle(void *context)
{
    struct snapshot_thread *thread = context;
    struct snapshot_send_input send = {.kind = SNAPSHOT_SEND_TICK};
    struct snapshot_receive_input receive = {.kind = SNAPSHOT_RECEIVE_TICK};
    send_step(thread, &send);
    receive_step(thread, &receive);
}

enum status snapshot_thread_create(const struct snapshot_thread_config *config, struct snapshot_thread **result)
{
    struct snapshot_thread *thread = calloc(1, sizeof(*thread));
    CHECK(thread != NULL && pthread_mutex_init(&thread->mutex, NULL) == 0);
    thread->config = *config;
    enum status status = snapshot_copy_open(&thread->copy, config->data_dir, config->blocks);
    if (status != STATUS_OK) {
        pthread_mutex_destroy(&thread->mutex);
        free(thread);
        return status;
    }
    memcpy(thread->request.path, thread->copy.state, sizeof(thread->request.path));
    thread->request.context = thread;
    thread->request.done = on_copied;
    staging_init(&thread->staging, config->data_dir, config->clock, config->log);
    uint64_t nonce;
    config->random.fill(config->random.context, &nonce, sizeof(nonce));
    thread->send = snapshot_send_create(nonce);
    thread->receive = snapshot_receive_create(config->cluster_id);
    worker_init(&thread->worker, SNAPSHOT_INBOX_MAX, SNAPSHOT_TICK_MS, thread, on_message, on_idle);
    *result = thread;
    return STATUS_OK;
}

void snapshot_thread_run(struct snapshot_thread *thread)
{
    worker_run(&thread->worker);
}

void snapshot_thread_fetch(struct snapshot_thread *thread, uint64_t member)
{
    struct snapshot_post *post = post_create();
    post->kind = POST_FETCH;
    post->member = member;
    worker_post(&thread->worker, &post->link);
}

void snapshot_thread_lost(struct snapshot_thread *thread, uint64_t member)
{
    struct snapshot_post *post = post_create();
    post->kind = POST_LOST;
    post->member = member;
    worker_post(&thread->worker, &post->link);
}

bool snapshot_thread_frame(struct snapshot_thread *thread, uint64_t member, const struct peer_frame *frame)
{
    struct snapshot_message *message = snapshot_message_decode(member, frame);
    if (message == NULL)
        return false;
    if (atomic_fetch_add(&thread->waiting, 1) >= SNAPSHOT_INBOX_MAX / 2) { /* it is asked for again */
        atomic_fetch_sub(&thread->waiting, 1);
        snapshot_message_free(message);
        return true;
    }
    struct snapshot_post *post = post_create();
    post->kind = POST_MESSAGE;
    post->message = message;
    worker_post(&thread->worker, &post->link);
    return true;
}

void snapshot_thread_status(struct snapshot_thread *thread, struct snapshot_receive_status *status)
{
    pthread_mutex_lock(&thread->mutex);
    *status = thread->status;
    pthread_mutex_unlock(&thread->mutex);
}

void snapshot_thread_stop(struct snapshot_thread *thread)
{
    atomic_store(&thread->copy.stopping, true);
    worker_stop(&thread->worker);
}

void snapshot_thread_destroy(struct snapshot_thread *thread)
{
    struct list left;
    struct list_link *link;
    inbox_take(&thread->worker.inbox, &left);
    while ((link = list_first(&left)) != NULL) {
        list_remove(link);
        post_free(container_of(link, struct snapshot_post, link));
    }
    worker_fini(&thread->worker);
    if (thread->request.copy.view != NULL)
        kv_store_release(thread->config.store, thread->request.copy.view);
    staging_fini(&thread->staging);
    snapshot_copy_close(&thread->copy);
    snapshot_send_destroy(thread->send);
    snapshot_receive_destroy(thread->receive);
    pthread_mutex_destroy(&thread->mutex);
    free(thread);
}
