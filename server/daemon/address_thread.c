#include "server/daemon/address_thread.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/limits.h"
#include "cluster/address_connections.h"
#include "cluster/address_keeper.h"
#include "cluster/address_net.h"
#include "server/daemon/worker.h"
#include "statestore/machine/address.h"

/* Messages wait for milliseconds at most: a handful. */
#define ADDRESS_INBOX_MAX 4096u

enum post_kind { POST_REGISTERED, POST_ALIVE, POST_BARRIER, POST_CHANGED, POST_TOLD, POST_STOP };

struct address_post {
    struct list_link link;
    enum post_kind kind;
    bool on;
    uint64_t number; /* or the incarnation */
    uint64_t index;
    struct buffer *bytes; /* POST_TOLD */
};

struct address_thread {
    struct address_keeper keeper;
    struct address_net net;
    struct address_ports ports;
    struct clock clock;
    const struct log *log;
    struct view view;
    struct arena arena;
    uint64_t incarnation; /* 0: not registered */
    uint64_t looked_ms;
    bool listens_everywhere;
    struct accepted *accepted;
    uint64_t accepted_seen;
    struct address_connections connections;
    uint64_t told_ms; /* all of them */
    uint8_t told[ADDRESS_CONNECTIONS_MAX * PEER_ADDRESS_CONNECTION_BYTES];
    struct worker worker;
    pthread_mutex_t mutex; /* of what follows: for other threads to look at */
    uint64_t on[ADDRESSES_MAX];
    size_t on_count;
    bool left; /* asked to leave, and owns none any more */
};

static struct address_post *post_create(enum post_kind kind)
{
    struct address_post *post = calloc(1, sizeof(*post));
    CHECK(post != NULL);
    post->kind = kind;
    return post;
}

static void post_free(struct address_post *post)
{
    buffer_put(post->bytes);
    free(post);
}

static uint64_t thread_now(const struct address_thread *thread)
{
    return thread->clock.boot_ms(thread->clock.context);
}

/* --- carrying out --- */

static void thread_report(struct address_thread *thread, const struct keeper_action *action)
{
    Qnfs__AddressReport body = QNFS__ADDRESS_REPORT__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    body.address = action->address->id;
    body.incarnation = thread->incarnation;
    body.trouble = (ProtobufCBinaryData){strlen(action->trouble), (uint8_t *)(uintptr_t)action->trouble};
    body.released = action->released;
    body.epoch = action->address->epoch;
    command.body_case = QNFS__COMMAND__BODY_ADDRESS_REPORT;
    command.address_report = &body;
    thread->ports.propose(thread->ports.context, &command);
}

static void thread_log(const struct address_thread *thread, enum log_level level, const struct keeper_address *address,
                       const char *what, const char *why)
{
    log_line(thread->log, level, "address %u.%u.%u.%u %s%s%s", address->bytes[0], address->bytes[1], address->bytes[2],
             address->bytes[3], what, why[0] == '\0' ? "" : ": ", why);
}

/* Whoever waits for an answer of the owner before: its kernel answers this, and ours that there is no such connection. */
static void thread_wake(const struct address_thread *thread, const struct keeper_address *address)
{
    for (size_t i = 0; i < thread->connections.count; i++) {
        const struct address_connection *item = &thread->connections.items[i];
        if (!item->own && memcmp(item->local, address->bytes, sizeof(item->local)) == 0)
            address_net_tickle(item->local, item->local_port, item->remote, item->remote_port);
    }
}

static void thread_announce(const struct keeper_address *address)
{
    char device[ADDRESS_DEVICE_MAX_BYTES + 1];
    char trouble[ADDRESS_TROUBLE_MAX_BYTES + 1];
    if (address_net_look(address->bytes, address->prefix_bits, address->device, device, trouble))
        address_net_announce(address->bytes, device);
}

/* True: done; false: `trouble` says why not. */
static bool thread_carry_one(struct address_thread *thread, const struct keeper_action *action, char *trouble)
{
    const struct keeper_address *address = action->address;
    bool done = true;
    switch (action->kind) {
    case KEEPER_DO_ADD:
        done = address_net_add(&thread->net, address->bytes, trouble);
        thread_log(thread, done ? LOG_INFO : LOG_ERROR, address, done ? "is on this node" : "cannot be put on",
                   trouble);
        break;
    case KEEPER_DO_REMOVE:
        address_net_remove(&thread->net, address->bytes);
        address_connections_leave(&thread->connections, address->bytes);
        thread_log(thread, LOG_INFO, address, "is off this node", "");
        break;
    case KEEPER_DO_RENEW: done = address_net_add(&thread->net, address->bytes, trouble); break;
    case KEEPER_DO_ANNOUNCE:
        thread_announce(address);
        thread_wake(thread, address);
        break;
    case KEEPER_DO_REPORT:
        if (strcmp(address->trouble, action->trouble) != 0)
            thread_log(thread, LOG_WARN, address, action->trouble[0] == '\0' ? "can be had here" : "cannot be had here",
                       action->trouble);
        thread_report(thread, action);
        break;
    case KEEPER_DO_ASK: thread->ports.ask(thread->ports.context, action->number); break;
    }
    return done;
}

static void thread_publish(struct address_thread *thread)
{
    pthread_mutex_lock(&thread->mutex);
    thread->on_count = 0;
    for (size_t i = 0; i < thread->keeper.count; i++) {
        if (thread->keeper.entries[i].on)
            thread->on[thread->on_count++] = thread->keeper.entries[i].address.id;
    }
    thread->left = thread->keeper.stopping && address_keeper_empty(&thread->keeper);
    pthread_mutex_unlock(&thread->mutex);
}

/* A step with all that comes of it: what could not be done is told the keeper. */
static void thread_step(struct address_thread *thread, const struct keeper_message *message)
{
    struct keeper_action actions[KEEPER_ACTIONS_MAX];
    struct {
        uint64_t id;
        char trouble[ADDRESS_TROUBLE_MAX_BYTES + 1];
    } failed[ADDRESSES_MAX];
    size_t failed_count = 0;
    size_t count = address_keeper_step(&thread->keeper, message, thread_now(thread), actions);
    for (size_t i = 0; i < count; i++) {
        char trouble[ADDRESS_TROUBLE_MAX_BYTES + 1] = "";
        if (thread_carry_one(thread, &actions[i], trouble) || failed_count == ADDRESSES_MAX)
            continue;
        failed[failed_count].id = actions[i].address->id;
        memcpy(failed[failed_count++].trouble, trouble, sizeof(trouble));
    }
    for (size_t i = 0; i < failed_count; i++) { /* an address that is off asks for nothing that may fail */
        struct keeper_message told = {.kind = KEEPER_FAILED, .id = failed[i].id, .trouble = failed[i].trouble};
        count = address_keeper_step(&thread->keeper, &told, thread_now(thread), actions);
        for (size_t j = 0; j < count; j++) {
            char trouble[ADDRESS_TROUBLE_MAX_BYTES + 1];
            (void)thread_carry_one(thread, &actions[j], trouble); /* else its next renewal tells */
        }
    }
    thread_publish(thread);
}

/* --- what it is told --- */

static void thread_look(struct address_thread *thread)
{
    uint64_t now_ms = thread_now(thread);
    if (now_ms < thread->looked_ms + ADDRESS_LOOK_MS)
        return;
    thread->looked_ms = now_ms;
    for (size_t i = 0; i < thread->keeper.count; i++) {
        char device[ADDRESS_DEVICE_MAX_BYTES + 1];
        char trouble[ADDRESS_TROUBLE_MAX_BYTES + 1];
        const struct keeper_address *address = &thread->keeper.entries[i].address;
        if (address_net_look(address->bytes, address->prefix_bits, address->device, device, trouble) &&
            !thread->listens_everywhere)
            snprintf(trouble, sizeof(trouble), "the server listens on one address only (--nfs)");
        struct keeper_message message = {.kind = KEEPER_LOOKED, .id = address->id, .trouble = trouble};
        thread_step(thread, &message);
    }
}

/* The bounds of the two texts are those of their rows; the rest of the struct is zero. */
static void text_put(char *target, struct slice text)
{
    if (text.size_bytes > 0)
        memcpy(target, text.data, text.size_bytes);
}

static void thread_read(struct address_thread *thread)
{
    struct address *rows;
    struct keeper_address seen[ADDRESSES_MAX];
    arena_reset(&thread->arena);
    size_t count = address_list(thread->view.read, &thread->arena, &rows);
    for (size_t i = 0; i < count; i++) {
        struct slice trouble = address_trouble(thread->view.read, rows[i].id,
                                               (struct incarnation_id){thread->incarnation}, &thread->arena);
        seen[i] = (struct keeper_address){.id = rows[i].id, .epoch = rows[i].epoch, .prefix_bits = rows[i].prefix_bits};
        memcpy(seen[i].bytes, rows[i].bytes, sizeof(seen[i].bytes));
        text_put(seen[i].device, rows[i].device);
        text_put(seen[i].trouble, trouble);
        seen[i].mine = thread->incarnation != 0 && rows[i].owner.value == thread->incarnation;
        seen[i].give_up = rows[i].next.value != 0 || rows[i].leaving;
    }
    struct keeper_message message = {
        .kind = KEEPER_TABLE, .addresses = seen, .count = count, .index = thread->view.index};
    if (!thread->view.read->failed) /* else the applier stops the node */
        thread_step(thread, &message);
}

/* --- connections --- */

static bool thread_is_on(const struct address_thread *thread, const uint8_t bytes[4])
{
    for (size_t i = 0; i < thread->keeper.count; i++) {
        const struct keeper_entry *entry = &thread->keeper.entries[i];
        if (entry->on && memcmp(entry->address.bytes, bytes, sizeof(entry->address.bytes)) == 0)
            return true;
    }
    return false;
}

/* True: some are new here. */
static bool thread_take_accepted(struct address_thread *thread, uint64_t now_ms)
{
    struct accepted_connection fresh[256];
    size_t room = sizeof(fresh) / sizeof(fresh[0]);
    size_t count;
    bool is_new = false;
    do {
        count = accepted_take(thread->accepted, &thread->accepted_seen, fresh, room);
        for (size_t i = 0; i < count; i++) {
            struct address_connection item = {
                .local_port = fresh[i].local_port, .remote_port = fresh[i].remote_port, .seen_ms = now_ms, .own = true};
            if (!thread_is_on(thread, fresh[i].local))
                continue;
            memcpy(item.local, fresh[i].local, sizeof(item.local));
            memcpy(item.remote, fresh[i].remote, sizeof(item.remote));
            is_new |= address_connections_add(&thread->connections, &item);
        }
    } while (count == room);
    return is_new;
}

/* What is new at once, all of it once in a while. */
static void thread_tell(struct address_thread *thread)
{
    uint64_t now_ms = thread_now(thread);
    bool all = now_ms >= thread->told_ms + ADDRESS_TELL_MS;
    if (!thread_take_accepted(thread, now_ms) && !all)
        return;
    if (all) {
        thread->told_ms = now_ms;
        address_connections_age(&thread->connections, now_ms);
    }
    size_t size = address_connections_pack(&thread->connections, all ? 0 : now_ms, now_ms, thread->told);
    if (size > 0)
        thread->ports.tell(thread->ports.context, slice_make(thread->told, size));
}

static void thread_told(struct address_thread *thread, struct slice bytes)
{
    if (bytes.size_bytes == 0)
        thread->told_ms = 0; /* that node has just come */
    address_connections_unpack(&thread->connections, bytes, thread_now(thread));
}

static void on_message(void *context, struct list_link *link)
{
    struct address_thread *thread = context;
    struct address_post *post = container_of(link, struct address_post, link);
    struct keeper_message message = {.on = post->on, .number = post->number, .index = post->index};
    switch (post->kind) {
    case POST_REGISTERED: thread->incarnation = post->number; break;
    case POST_ALIVE: message.kind = KEEPER_ALIVE; break;
    case POST_BARRIER: message.kind = KEEPER_BARRIER; break;
    case POST_STOP: message.kind = KEEPER_STOP; break;
    case POST_TOLD: thread_told(thread, buffer_slice(post->bytes)); break;
    case POST_CHANGED: break;
    }
    if (post->kind == POST_ALIVE && post->on)
        thread->ports.tell(thread->ports.context, SLICE_EMPTY);
    if (post->kind == POST_ALIVE || post->kind == POST_BARRIER || post->kind == POST_STOP)
        thread_step(thread, &message);
    if (post->kind == POST_REGISTERED && thread->view.read != NULL)
        thread_read(thread);
    post_free(post);
}

static void on_idle(void *context)
{
    struct address_thread *thread = context;
    if (view_refresh(&thread->view))
        thread_read(thread);
    thread_look(thread);
    thread_tell(thread);
    struct keeper_message tick = {.kind = KEEPER_TICK};
    thread_step(thread, &tick);
}

struct address_thread *address_thread_start(struct kv_store *store, const struct published *published,
                                            struct accepted *accepted, bool listens_everywhere,
                                            const struct address_ports *ports, struct clock clock,
                                            const struct log *log)
{
    struct address_thread *thread = calloc(1, sizeof(*thread));
    CHECK(thread != NULL && pthread_mutex_init(&thread->mutex, NULL) == 0);
    thread->ports = *ports;
    thread->accepted = accepted;
    thread->listens_everywhere = listens_everywhere;
    thread->clock = clock;
    thread->log = log;
    address_keeper_init(&thread->keeper);
    address_net_init(&thread->net);
    arena_init(&thread->arena);
    view_init(&thread->view, store, published);
    worker_init(&thread->worker, ADDRESS_INBOX_MAX, ADDRESS_TICK_MS, thread, on_message, on_idle);
    worker_run(&thread->worker);
    return thread;
}

void address_thread_registered(struct address_thread *thread, struct incarnation_id incarnation)
{
    struct address_post *post = post_create(POST_REGISTERED);
    post->number = incarnation.value;
    worker_post(&thread->worker, &post->link);
}

void address_thread_alive(struct address_thread *thread, bool alive)
{
    struct address_post *post = post_create(POST_ALIVE);
    post->on = alive;
    worker_post(&thread->worker, &post->link);
}

void address_thread_barrier(struct address_thread *thread, uint64_t number, uint64_t index)
{
    struct address_post *post = post_create(POST_BARRIER);
    post->number = number;
    post->index = index;
    worker_post(&thread->worker, &post->link);
}

void address_thread_told(struct address_thread *thread, struct slice bytes)
{
    struct address_post *post = post_create(POST_TOLD);
    post->bytes = buffer_create(bytes.size_bytes + 1);
    if (bytes.size_bytes > 0)
        memcpy(post->bytes->data, bytes.data, bytes.size_bytes);
    post->bytes->size_bytes = bytes.size_bytes;
    worker_post(&thread->worker, &post->link);
}

void address_thread_changed(struct address_thread *thread)
{
    worker_post(&thread->worker, &post_create(POST_CHANGED)->link);
}

bool address_thread_has(struct address_thread *thread, uint64_t id)
{
    bool has = false;
    pthread_mutex_lock(&thread->mutex);
    for (size_t i = 0; i < thread->on_count; i++)
        has |= thread->on[i] == id;
    pthread_mutex_unlock(&thread->mutex);
    return has;
}

void address_thread_leave(struct address_thread *thread)
{
    uint64_t deadline_ms = thread_now(thread) + ADDRESS_LEAVE_MS;
    worker_post(&thread->worker, &post_create(POST_STOP)->link);
    for (bool left = false; !left && thread_now(thread) < deadline_ms;) {
        usleep(1000);
        pthread_mutex_lock(&thread->mutex);
        left = thread->left;
        pthread_mutex_unlock(&thread->mutex);
    }
}

void address_thread_stop(struct address_thread *thread)
{
    worker_stop(&thread->worker);
    address_net_fini(&thread->net);
}

void address_thread_destroy(struct address_thread *thread)
{
    struct list left;
    struct list_link *link;
    inbox_take(&thread->worker.inbox, &left);
    while ((link = list_first(&left)) != NULL) {
        list_remove(link);
        post_free(container_of(link, struct address_post, link));
    }
    worker_fini(&thread->worker);
    view_fini(&thread->view);
    arena_fini(&thread->arena);
    pthread_mutex_destroy(&thread->mutex);
    free(thread);
}
