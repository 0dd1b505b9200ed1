#include "cluster/peer_transport.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/heap.h"
#include "cluster/peer_socket.h"

/* Our calls of one member on one channel, and its latest call. */
struct peer_line {
    struct peer_socket *calling; /* NULL: none under way */
    uint64_t next_ms;            /* when to call again */
    uint32_t wait_ms;            /* before the call after that */
    struct peer_socket *heard;   /* NULL: it has not called */
    struct peer_session session; /* of its latest call */
};

struct peer {
    struct list_link link;
    struct peer_endpoint endpoint;
    struct peer_line lines[PEER_CHANNEL_COUNT];
    char logged[256]; /* the last trouble that was logged: the same one is logged once */
    bool kept;        /* while members change */
};

struct peer_transport {
    struct peer_transport_options options;
    struct peer_socket_handler socket_handler;
    struct peer_scratch scratch;
    struct list peers;
    uint64_t *removed; /* nodes that were members */
    size_t removed_count;
    struct list sockets;
    uint32_t socket_count; /* not yet freed */
    uint32_t accepted_count;
    uint64_t epoch;       /* of the last call; one count for all members */
    uint64_t stranger_ms; /* when one was last logged */
    uv_tcp_t listener;
    uv_timer_t timer;
    uint32_t handle_count; /* listener and timer, not yet closed */
    bool listening;
    bool closing;
    bool calling; /* a handler runs */
};

static uint64_t now_of(const struct peer_transport *transport)
{
    return uv_now(transport->options.loop);
}

/* --- members --- */

static struct peer *peer_find(const struct peer_transport *transport, uint64_t node)
{
    for (struct list_link *at = list_first(&transport->peers); at != NULL; at = list_next(&transport->peers, at)) {
        struct peer *peer = container_of(at, struct peer, link);
        if (node != 0 && peer->endpoint.node == node)
            return peer;
    }
    return NULL;
}

static struct peer *peer_find_endpoint(const struct peer_transport *transport, const struct peer_endpoint *endpoint)
{
    for (struct list_link *at = list_first(&transport->peers); at != NULL; at = list_next(&transport->peers, at)) {
        struct peer *peer = container_of(at, struct peer, link);
        if (peer->endpoint.node == 0 && endpoint_compare(&peer->endpoint, endpoint) == 0)
            return peer;
    }
    return NULL;
}

/* Who called: by its id, or without ids by where it says that it is reached. */
static struct peer *peer_who_calls(const struct peer_transport *transport, const struct peer_socket *socket)
{
    const struct peer_hello *hello = &socket->peer_link.other;
    struct peer_endpoint endpoint;
    if (hello->in_cluster)
        return peer_find(transport, hello->node);
    if (endpoint_parse(slice_text(hello->advertise), &endpoint) != STATUS_OK)
        return NULL;
    return peer_find_endpoint(transport, &endpoint);
}

static enum peer_channel channel_of(const struct peer_socket *socket)
{
    uint32_t channel = socket->options.caller ? socket->options.self.channel : socket->peer_link.other.channel;
    return (enum peer_channel)channel;
}

/* --- telling --- */

struct peer_name {
    char text[ENDPOINT_TEXT_BYTES + 40];
};

/* "node 3 at HOST:PORT". */
static struct peer_name peer_name(const struct peer_endpoint *endpoint)
{
    struct peer_name name;
    struct endpoint_text where = endpoint_print(endpoint);
    if (endpoint->node == 0)
        snprintf(name.text, sizeof(name.text), "%s", where.text);
    else
        snprintf(name.text, sizeof(name.text), "node %llu at %s", (unsigned long long)endpoint->node, where.text);
    return name;
}

static void log_trouble(struct peer_transport *transport, struct peer *peer, const struct peer_socket *socket,
                        const char *text)
{
    const struct log *log = transport->options.log;
    const char *name = socket->tls == NULL ? "" : peer_tls_name(socket->tls);
    if (log == NULL)
        return;
    if (peer == NULL) {
        /* Anybody can make these lines: one a second. */
        if (now_of(transport) < transport->stranger_ms + 1000)
            return;
        transport->stranger_ms = now_of(transport);
        const char *advertise = socket->tls == NULL ? "" : socket->peer_link.other.advertise;
        log_line(log, LOG_WARN, "a caller from %s, certificate '%s'%s%s: %s", socket->host, name,
                 advertise[0] == '\0' ? "" : ", reached at ", advertise, text);
    } else if (strncmp(peer->logged, text, sizeof(peer->logged) - 1) != 0) {
        snprintf(peer->logged, sizeof(peer->logged), "%s", text);
        log_line(log, LOG_WARN, "%s: %s", peer_name(&peer->endpoint).text, text);
    }
}

static void tell_opened(struct peer_transport *transport, struct peer *peer, struct peer_socket *socket)
{
    const struct peer_handler *handler = &transport->options.handler;
    socket->opened = true;
    peer->logged[0] = '\0';
    if (transport->options.log != NULL)
        log_line(transport->options.log, LOG_INFO, "%s: %s, channel %u", peer_name(&peer->endpoint).text,
                 socket->options.caller ? "called" : "has called", (unsigned)channel_of(socket));
    transport->calling = true;
    handler->opened(handler->context, &peer->endpoint, &socket->peer_link.other, socket->options.caller);
    transport->calling = false;
}

static void tell_closed(struct peer_transport *transport, struct peer *peer, struct peer_socket *socket,
                        const char *text)
{
    const struct peer_handler *handler = &transport->options.handler;
    bool heard = socket->tls != NULL && socket->peer_link.other.incarnation != 0;
    struct peer_end end = {
        .channel = channel_of(socket),
        .called = socket->options.caller,
        .was_open = socket->opened,
        .reason = socket->tls == NULL ? PEER_REASON_NONE : socket->peer_link.reason,
        .told = socket->tls != NULL && socket->peer_link.told,
        .text = text,
        .host = socket->host,
        .hello = heard ? &socket->peer_link.other : NULL,
    };
    log_trouble(transport, peer, socket, text);
    if (transport->closing)
        return;
    bool nested = transport->calling; /* a handler's send may find out that a connection is gone */
    transport->calling = true;
    handler->closed(handler->context, peer == NULL ? NULL : &peer->endpoint, &end);
    transport->calling = nested;
}

/* --- what sockets tell --- */

static bool is_removed(const struct peer_transport *transport, const struct peer_hello *hello)
{
    for (size_t i = 0; i < transport->removed_count; i++) {
        if (transport->removed[i] == hello->node)
            return true;
    }
    return false;
}

/* Somebody wants to join: whoever owns the transport answers later. */
static enum peer_reason joiner_judge(struct peer_transport *transport, struct peer_socket *socket)
{
    const struct peer_handler *handler = &transport->options.handler;
    const struct peer_hello *hello = &socket->peer_link.other;
    struct peer_endpoint endpoint;
    if (handler->joins == NULL)
        return PEER_REASON_NO_CLUSTER;
    if (hello->feature_level < transport->options.feature_level_min)
        return PEER_REASON_FEATURE_LEVEL;
    if (endpoint_parse(slice_text(hello->advertise), &endpoint) != STATUS_OK)
        return PEER_REASON_PROTOCOL;
    if (!peer_tls_covers(socket->tls, endpoint.host))
        return PEER_REASON_WRONG_CERTIFICATE;
    transport->calling = true;
    handler->joins(handler->context, hello);
    transport->calling = false;
    return PEER_REASON_NONE;
}

/* A member has called: the latest call counts. */
static enum peer_reason caller_judge(struct peer_transport *transport, struct peer_socket *socket)
{
    const struct peer_hello *hello = &socket->peer_link.other;
    struct peer *peer = peer_who_calls(transport, socket);
    if (peer == NULL)
        return is_removed(transport, hello) ? PEER_REASON_REMOVED : PEER_REASON_UNKNOWN_NODE;
    if (!peer_tls_covers(socket->tls, peer->endpoint.host))
        return PEER_REASON_WRONG_CERTIFICATE;
    struct peer_line *line = &peer->lines[hello->channel];
    enum peer_reason reason = peer_session_admit(&line->session, hello);
    if (reason != PEER_REASON_NONE)
        return reason;
    struct peer_socket *earlier = line->heard;
    socket->peer = peer;
    line->heard = socket;
    if (earlier != NULL)
        peer_socket_end(earlier, PEER_REASON_REPLACED);
    return PEER_REASON_NONE;
}

static void on_greeted(void *context, struct peer_socket *socket)
{
    struct peer_transport *transport = context;
    if (!socket->options.caller && socket->peer_link.other.join != 0) {
        enum peer_reason reason = joiner_judge(transport, socket);
        if (reason != PEER_REASON_NONE)
            peer_socket_end(socket, reason);
        return;
    }
    if (!socket->options.caller) {
        enum peer_reason reason = caller_judge(transport, socket);
        if (reason != PEER_REASON_NONE) {
            peer_socket_end(socket, reason);
            return;
        }
        peer_link_accept(&socket->peer_link, now_of(transport));
    } else {
        struct peer *peer = socket->peer;
        CHECK(peer != NULL); /* sockets of former members are ended when these go */
        peer->lines[channel_of(socket)].wait_ms = PEER_RETRY_MIN_MS;
    }
    tell_opened(transport, socket->peer, socket);
    peer_socket_pump(socket);
}

static void on_frame(void *context, struct peer_socket *socket, const struct peer_frame *frame)
{
    struct peer_transport *transport = context;
    const struct peer_handler *handler = &transport->options.handler;
    struct peer *peer = socket->peer;
    /* A caller hears nothing but the answer to its wish to join. */
    CHECK(peer != NULL && (socket->options.caller || peer->lines[channel_of(socket)].heard == socket));
    transport->calling = true;
    handler->frame(handler->context, &peer->endpoint, &socket->peer_link.other, frame);
    transport->calling = false;
}

static void on_ended(void *context, struct peer_socket *socket, const char *text)
{
    struct peer_transport *transport = context;
    struct peer *peer = socket->peer;
    if (peer != NULL) {
        struct peer_line *line = &peer->lines[channel_of(socket)];
        if (line->calling == socket) {
            line->calling = NULL;
            line->next_ms = now_of(transport) + line->wait_ms;
            line->wait_ms = line->wait_ms * 2 > PEER_RETRY_MAX_MS ? PEER_RETRY_MAX_MS : line->wait_ms * 2;
        }
        if (line->heard == socket)
            line->heard = NULL;
        socket->peer = NULL;
    }
    tell_closed(transport, peer, socket, text);
}

static void on_freed(void *context, struct peer_socket *socket)
{
    struct peer_transport *transport = context;
    CHECK(transport->socket_count > 0);
    transport->socket_count--;
    if (!socket->options.caller)
        transport->accepted_count--;
    list_remove(&socket->link);
}

/* --- calls --- */

static void line_call(struct peer_transport *transport, struct peer *peer, enum peer_channel channel)
{
    struct peer_line *line = &peer->lines[channel];
    struct peer_link_options options = {.caller = true,
                                        .self = transport->options.self,
                                        .feature_level_min = transport->options.feature_level_min,
                                        .expected_node = peer->endpoint.node};
    options.self.session_epoch = ++transport->epoch;
    options.self.channel = channel;
    line->calling = peer_socket_call(transport->options.loop, &transport->socket_handler, &transport->scratch,
                                     transport->options.tls, &options, peer->endpoint.host, peer->endpoint.port);
    line->calling->peer = peer;
    transport->socket_count++;
    list_append(&transport->sockets, &line->calling->link);
}

static void lines_call(struct peer_transport *transport)
{
    uint64_t now_ms = now_of(transport);
    for (struct list_link *at = list_first(&transport->peers); at != NULL; at = list_next(&transport->peers, at)) {
        struct peer *peer = container_of(at, struct peer, link);
        for (unsigned channel = 0; channel < PEER_CHANNEL_COUNT; channel++) {
            struct peer_line *line = &peer->lines[channel];
            if (transport->options.self.join != 0 && channel != PEER_CHANNEL_RAFT)
                continue; /* it only asks */
            if (line->calling == NULL && now_ms >= line->next_ms)
                line_call(transport, peer, (enum peer_channel)channel);
        }
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct peer_transport *transport = timer->data;
    struct list_link *next;
    for (struct list_link *at = list_first(&transport->sockets); at != NULL; at = next) {
        next = list_next(&transport->sockets, at); /* a tick may free its own socket, and no other */
        peer_socket_tick(container_of(at, struct peer_socket, link));
    }
    if (!transport->closing)
        lines_call(transport);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct peer_transport *transport = listener->data;
    struct peer_link_options options = {.self = transport->options.self,
                                        .feature_level_min = transport->options.feature_level_min};
    if (status != 0)
        return;
    struct peer_socket *socket =
        peer_socket_accept(listener, &transport->socket_handler, &transport->scratch, transport->options.tls, &options);
    if (socket == NULL)
        return;
    transport->socket_count++;
    transport->accepted_count++;
    list_append(&transport->sockets, &socket->link);
    if (transport->accepted_count > PEER_ACCEPTED_MAX)
        peer_socket_end(socket, PEER_REASON_LEAVING);
}

/* --- the transport --- */

struct peer_transport *peer_transport_create(const struct peer_transport_options *options)
{
    struct peer_transport *transport = HEAP_NEW(struct peer_transport);
    CHECK(options->self.incarnation != 0);
    transport->options = *options;
    transport->socket_handler = (struct peer_socket_handler){transport, on_greeted, on_frame, on_ended, on_freed};
    arena_init(&transport->scratch.arena);
    list_init(&transport->peers);
    list_init(&transport->sockets);
    CHECK(uv_timer_init(options->loop, &transport->timer) == 0);
    transport->timer.data = transport;
    transport->handle_count = 1;
    CHECK(uv_timer_start(&transport->timer, on_timer, 0, PEER_TICK_MS) == 0);
    return transport;
}

enum status peer_transport_listen(struct peer_transport *transport, const char *address, uint16_t port,
                                  struct span trouble)
{
    struct sockaddr_storage numeric;
    CHECK(!transport->listening);
    int status = uv_ip4_addr(address, port, (struct sockaddr_in *)&numeric);
    if (status != 0)
        status = uv_ip6_addr(address, port, (struct sockaddr_in6 *)&numeric);
    CHECK(uv_tcp_init(transport->options.loop, &transport->listener) == 0);
    transport->listener.data = transport;
    transport->listening = true;
    transport->handle_count++;
    if (status == 0)
        status = uv_tcp_bind(&transport->listener, (const struct sockaddr *)&numeric, 0);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&transport->listener, 128, on_connection);
    if (status == 0)
        return STATUS_OK;
    snprintf((char *)trouble.data, trouble.size_bytes, "%s port %u: %s", address, port, uv_strerror(status));
    return STATUS_IO;
}

static void peer_drop(struct peer *peer)
{
    for (unsigned channel = 0; channel < PEER_CHANNEL_COUNT; channel++) {
        struct peer_line *line = &peer->lines[channel];
        if (line->calling != NULL)
            peer_socket_end(line->calling, PEER_REASON_LEAVING);
        if (line->heard != NULL)
            peer_socket_end(line->heard, PEER_REASON_UNKNOWN_NODE);
        CHECK(line->calling == NULL && line->heard == NULL); /* on_ended has seen to it */
    }
    list_remove(&peer->link);
    heap_free(peer);
}

static bool endpoint_equal(const struct peer_endpoint *a, const struct peer_endpoint *b)
{
    return a->node == b->node && endpoint_compare(a, b) == 0;
}

/* The member that is there already, or a new one. */
static void peer_keep(struct peer_transport *transport, const struct peer_endpoint *endpoint)
{
    for (struct list_link *at = list_first(&transport->peers); at != NULL; at = list_next(&transport->peers, at)) {
        struct peer *peer = container_of(at, struct peer, link);
        if (endpoint_equal(&peer->endpoint, endpoint)) {
            peer->kept = true;
            return;
        }
    }
    struct peer *peer = HEAP_NEW(struct peer);
    peer->endpoint = *endpoint;
    peer->kept = true;
    for (unsigned channel = 0; channel < PEER_CHANNEL_COUNT; channel++)
        peer->lines[channel].wait_ms = PEER_RETRY_MIN_MS;
    list_append(&transport->peers, &peer->link);
}

void peer_transport_members(struct peer_transport *transport, const struct peer_endpoint *members, uint32_t count)
{
    struct list_link *next;
    CHECK(!transport->calling && !transport->closing && count <= CLUSTER_MEMBERS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (members[i].node == 0 || members[i].node != transport->options.self.node)
            peer_keep(transport, &members[i]);
    }
    for (struct list_link *at = list_first(&transport->peers); at != NULL; at = next) {
        struct peer *peer = container_of(at, struct peer, link);
        next = list_next(&transport->peers, at);
        if (!peer->kept)
            peer_drop(peer);
        else
            peer->kept = false;
    }
}

/* Ends every socket that is still about something. */
static void sockets_end(struct peer_transport *transport, enum peer_reason reason)
{
    struct list_link *next;
    for (struct list_link *at = list_first(&transport->sockets); at != NULL; at = next) {
        next = list_next(&transport->sockets, at); /* it may be freed at once */
        peer_socket_end(container_of(at, struct peer_socket, link), reason);
    }
}

void peer_transport_identify(struct peer_transport *transport, const struct peer_hello *self,
                             uint32_t feature_level_min)
{
    CHECK(!transport->calling && !transport->closing);
    transport->options.self = *self;
    transport->options.feature_level_min = feature_level_min;
    sockets_end(transport, PEER_REASON_LEAVING);
}

static enum status peer_send(struct peer_transport *transport, struct peer *peer, enum peer_channel channel,
                             const Qnfs__Peer *message, const struct slice *data, size_t data_count)
{
    if (peer == NULL)
        return STATUS_NOT_FOUND;
    struct peer_socket *socket = peer->lines[channel].calling;
    if (socket == NULL || !socket->opened)
        return STATUS_REFUSED;
    enum status status = peer_link_send(&socket->peer_link, message, data, data_count, now_of(transport));
    if (status == STATUS_OK)
        peer_socket_pump(socket);
    return status == STATUS_CLOSED ? STATUS_REFUSED : status;
}

enum status peer_transport_send(struct peer_transport *transport, uint64_t node, enum peer_channel channel,
                                const Qnfs__Peer *message, const struct slice *data, size_t data_count)
{
    return peer_send(transport, peer_find(transport, node), channel, message, data, data_count);
}

enum status peer_transport_send_to(struct peer_transport *transport, const struct peer_endpoint *endpoint,
                                   enum peer_channel channel, const Qnfs__Peer *message)
{
    return peer_send(transport, peer_find_endpoint(transport, endpoint), channel, message, NULL, 0);
}

void peer_transport_answer(struct peer_transport *transport, uint64_t join, const Qnfs__Peer *message)
{
    struct list_link *next;
    CHECK(join != 0);
    for (struct list_link *at = list_first(&transport->sockets); at != NULL; at = next) {
        struct peer_socket *socket = container_of(at, struct peer_socket, link);
        next = list_next(&transport->sockets, at);
        if (!socket->options.caller && !socket->ended && socket->tls != NULL &&
            socket->peer_link.state == PEER_LINK_GREETED && socket->peer_link.other.join == join)
            peer_socket_answer(socket, message);
    }
}

void peer_transport_removed(struct peer_transport *transport, const uint64_t *nodes, size_t count)
{
    CHECK(count <= CLUSTER_NODES_EVER_MAX);
    free(transport->removed);
    transport->removed = NULL;
    transport->removed_count = count;
    if (count == 0)
        return;
    transport->removed = calloc(count, sizeof(*nodes));
    CHECK(transport->removed != NULL);
    memcpy(transport->removed, nodes, count * sizeof(*nodes));
}

size_t peer_transport_waiting(const struct peer_transport *transport, uint64_t node, enum peer_channel channel)
{
    const struct peer *peer = peer_find(transport, node);
    const struct peer_socket *socket = peer == NULL ? NULL : peer->lines[channel].calling;
    return socket == NULL || !socket->opened ? 0 : socket->peer_link.output_bytes;
}

/* --- the end --- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct peer_transport *transport = handle->data;
    transport->handle_count--;
}

/* Sockets linger by the timer's ticks, so it goes last. */
static void on_last_timer(uv_timer_t *timer)
{
    struct peer_transport *transport = timer->data;
    on_timer(timer);
    if (transport->socket_count == 0 && !uv_is_closing((uv_handle_t *)timer))
        uv_close((uv_handle_t *)timer, on_handle_closed);
}

void peer_transport_close(struct peer_transport *transport)
{
    CHECK(!transport->calling);
    if (transport->closing)
        return;
    transport->closing = true;
    if (transport->listening)
        uv_close((uv_handle_t *)&transport->listener, on_handle_closed);
    sockets_end(transport, PEER_REASON_LEAVING);
    CHECK(uv_timer_start(&transport->timer, on_last_timer, 0, PEER_TICK_MS) == 0);
}

bool peer_transport_closed(const struct peer_transport *transport)
{
    return transport->closing && transport->socket_count == 0 && transport->handle_count == 0;
}

void peer_transport_destroy(struct peer_transport *transport)
{
    CHECK(peer_transport_closed(transport));
    for (struct list_link *at = list_first(&transport->peers); at != NULL; at = list_first(&transport->peers))
        peer_drop(container_of(at, struct peer, link));
    arena_fini(&transport->scratch.arena);
    free(transport->removed);
    heap_free(transport);
}
