#include "cluster/peer_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/heap.h"

static void address_try(struct peer_socket *socket);

/* --- the end --- */

static void socket_free_if_done(struct peer_socket *socket)
{
    if (!socket->ended || socket->has_tcp || socket->resolving)
        return;
    if (socket->handler != NULL)
        socket->handler->freed(socket->handler->context, socket);
    uv_freeaddrinfo(socket->addresses);
    if (socket->tls != NULL) {
        peer_tls_destroy(socket->tls);
        peer_link_fini(&socket->peer_link);
    }
    heap_free(socket);
}

static void on_closed(uv_handle_t *handle)
{
    struct peer_socket *socket = handle->data;
    socket->has_tcp = false;
    socket_free_if_done(socket);
}

static void socket_close(struct peer_socket *socket)
{
    if (socket->has_tcp && !socket->closing) {
        socket->closing = true;
        uv_close((uv_handle_t *)&socket->tcp, on_closed);
    }
}

/* Tells the owner, once. */
static void socket_report(struct peer_socket *socket, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void socket_report(struct peer_socket *socket, const char *format, ...)
{
    va_list arguments;
    if (socket->ended)
        return;
    socket->ended = true;
    va_start(arguments, format);
    vsnprintf(socket->trouble, sizeof(socket->trouble), format, arguments);
    va_end(arguments);
    socket->handler->ended(socket->handler->context, socket, socket->trouble);
}

/* Gives up at once. */
static void socket_fail(struct peer_socket *socket, const char *about, const char *why)
{
    if (socket->tls != NULL)
        peer_link_lost(&socket->peer_link);
    socket_report(socket, "%s: %s", about, why);
    socket_close(socket);
}

/* Waits a little until the other side has read the last words. */
static void socket_linger(struct peer_socket *socket)
{
    if (socket->deadline_ms == 0)
        socket->deadline_ms = uv_now(socket->loop) + PEER_LINGER_MS;
}

/* --- out --- */

static void on_shut(uv_shutdown_t *request, int status)
{
    struct peer_socket *socket = request->handle->data;
    if (status != 0)
        socket_close(socket);
}

static void on_written(uv_write_t *request, int status)
{
    struct peer_socket *socket = request->handle->data;
    socket->writing = false;
    if (socket->closing)
        return;
    if (status != 0) {
        socket_fail(socket, "lost the connection", uv_strerror(status));
        return;
    }
    peer_socket_pump(socket);
}

void peer_socket_pump(struct peer_socket *socket)
{
    if (!socket->connected || socket->writing || socket->closing || socket->shutting)
        return;
    while (peer_tls_ready(socket->tls) && peer_tls_waiting(socket->tls) < PEER_CIPHER_WAITING_BYTES) {
        struct slice bytes = peer_link_output(&socket->peer_link);
        if (bytes.size_bytes == 0)
            break;
        if (bytes.size_bytes > PEER_IO_BYTES)
            bytes.size_bytes = PEER_IO_BYTES;
        peer_tls_write(socket->tls, bytes);
        peer_link_sent(&socket->peer_link, bytes.size_bytes, uv_now(socket->loop));
    }
    size_t count = peer_tls_output(socket->tls, (struct span){socket->output, sizeof(socket->output)});
    if (count > 0) {
        uv_buf_t buffer = uv_buf_init((char *)socket->output, (unsigned)count);
        socket->writing = true;
        int status = uv_write(&socket->write, (uv_stream_t *)&socket->tcp, &buffer, 1, on_written);
        if (status != 0) {
            socket->writing = false;
            socket_fail(socket, "lost the connection", uv_strerror(status));
        }
    } else if (socket->ended) {
        /* The end is said, and then the other side hangs up too. Unread bytes would turn a close into a reset, which might
         * overtake what we said. */
        socket->shutting = true;
        if (uv_shutdown(&socket->shutdown, (uv_stream_t *)&socket->tcp, on_shut) != 0)
            socket_close(socket);
    }
}

void peer_socket_end(struct peer_socket *socket, enum peer_reason reason)
{
    if (socket->ended)
        return;
    if (socket->tls == NULL || !peer_tls_ready(socket->tls)) {
        socket_fail(socket, "not connected", peer_reason_text(reason));
        if (socket->resolving)
            uv_cancel((uv_req_t *)&socket->resolution);
        socket_free_if_done(socket);
        return;
    }
    peer_link_end(&socket->peer_link, reason, uv_now(socket->loop));
    socket_report(socket, "%s", peer_reason_text(reason));
    socket_linger(socket);
    peer_socket_pump(socket);
}

void peer_socket_answer(struct peer_socket *socket, const Qnfs__Peer *message)
{
    if (socket->ended)
        return;
    peer_link_answer(&socket->peer_link, message, uv_now(socket->loop));
    socket_report(socket, "%s", "wants to join, and was answered");
    socket_linger(socket);
    peer_socket_pump(socket);
}

/* --- in --- */

static void events_take(struct peer_socket *socket)
{
    struct peer_event event;
    while (!socket->closing &&
           peer_link_next(&socket->peer_link, &socket->scratch->arena, uv_now(socket->loop), &event)) {
        if (event.kind == PEER_EVENT_GREETED && !socket->ended)
            socket->handler->greeted(socket->handler->context, socket);
        else if (event.kind == PEER_EVENT_FRAME && !socket->ended)
            socket->handler->frame(socket->handler->context, socket, &event.frame);
        else if (event.kind == PEER_EVENT_ENDED) {
            const char *text = peer_reason_text(socket->peer_link.reason);
            if (socket->peer_link.told)
                socket_report(socket, "does not want us: this node %s", text);
            else
                socket_report(socket, "%s", text);
            socket_linger(socket);
        }
        arena_reset(&socket->scratch->arena);
    }
}

static void cipher_take(struct peer_socket *socket, struct slice cipher)
{
    struct span room = {socket->scratch->plain, sizeof(socket->scratch->plain)};
    size_t count;
    enum status status = peer_tls_receive(socket->tls, cipher);
    if (status == STATUS_OK) {
        while (!socket->closing && (count = peer_tls_read(socket->tls, room)) > 0) {
            peer_link_receive(&socket->peer_link, slice_make(room.data, count), uv_now(socket->loop));
            events_take(socket);
        }
    }
    if (peer_tls_failed(socket->tls) && !socket->ended) {
        const char *trouble = peer_tls_trouble(socket->tls);
        peer_link_lost(&socket->peer_link);
        if (trouble[0] != '\0')
            socket_report(socket, "no trust: %s", trouble);
        else
            socket_report(socket, "has closed the connection");
        socket_linger(socket); /* the alert is still to be sent */
    }
    peer_socket_pump(socket);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct peer_socket *socket = handle->data;
    *buffer = uv_buf_init((char *)socket->scratch->cipher, sizeof(socket->scratch->cipher));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct peer_socket *socket = stream->data;
    if (count < 0)
        socket_fail(socket, "lost the connection", count == UV_EOF ? "closed" : uv_strerror((int)count));
    else if (count > 0 && !socket->ended)
        cipher_take(socket, slice_make(buffer->base, (size_t)count));
}

/* --- the beginning --- */

static void socket_tune(struct peer_socket *socket)
{
    int descriptor;
    unsigned user_timeout_ms = PEER_SEND_TIMEOUT_MS;
    int interval_seconds = 1;
    int probes = 5;
    uv_tcp_nodelay(&socket->tcp, 1);
    uv_tcp_keepalive(&socket->tcp, 1, 1);
    if (uv_fileno((const uv_handle_t *)&socket->tcp, &descriptor) != 0)
        return;
    setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof(user_timeout_ms));
    setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof(interval_seconds));
    setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

static struct peer_socket *socket_create(uv_loop_t *loop, const struct peer_socket_handler *handler,
                                         struct peer_scratch *scratch, struct peer_tls_context *context,
                                         const struct peer_link_options *options)
{
    struct peer_socket *socket = HEAP_NEW(struct peer_socket);
    socket->loop = loop;
    socket->handler = handler;
    socket->scratch = scratch;
    socket->context = context;
    socket->options = *options;
    return socket;
}

static void tcp_init(struct peer_socket *socket)
{
    CHECK(!socket->has_tcp);
    CHECK(uv_tcp_init(socket->loop, &socket->tcp) == 0);
    socket->tcp.data = socket;
    socket->has_tcp = true;
}

/* A connected socket: TLS and link begin. */
static void socket_begin(struct peer_socket *socket)
{
    socket->connected = true;
    socket->deadline_ms = 0;
    socket_tune(socket);
    socket->tls =
        socket->options.caller ? peer_tls_call(socket->context, socket->host) : peer_tls_answer(socket->context);
    peer_link_init(&socket->peer_link, &socket->options, uv_now(socket->loop));
    if (peer_tls_failed(socket->tls)) {
        socket_fail(socket, "cannot be called", peer_tls_trouble(socket->tls));
        return;
    }
    int status = uv_read_start((uv_stream_t *)&socket->tcp, on_allocate, on_read);
    if (status != 0)
        socket_fail(socket, "lost the connection", uv_strerror(status));
    else
        peer_socket_pump(socket);
}

/* The failed socket is closed; the next address gets a new one. */
static void on_closed_for_next(uv_handle_t *handle)
{
    struct peer_socket *socket = handle->data;
    socket->has_tcp = false;
    socket->closing = false;
    if (socket->ended)
        socket_free_if_done(socket);
    else
        address_try(socket);
}

static void address_failed(struct peer_socket *socket, const char *why)
{
    if (socket->closing || socket->ended)
        return;
    snprintf(socket->trouble, sizeof(socket->trouble), "%s", why);
    socket->closing = true;
    uv_close((uv_handle_t *)&socket->tcp, on_closed_for_next);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct peer_socket *socket = request->handle->data;
    if (socket->ended || socket->closing)
        return;
    if (status != 0)
        address_failed(socket, uv_strerror(status));
    else
        socket_begin(socket);
}

static void address_connect(struct peer_socket *socket, const struct sockaddr *address)
{
    tcp_init(socket);
    socket->deadline_ms = uv_now(socket->loop) + PEER_CONNECT_TIMEOUT_MS;
    int status = uv_tcp_connect(&socket->connection, &socket->tcp, address, on_connected);
    if (status != 0)
        address_failed(socket, uv_strerror(status));
}

/* The next address, or the end. */
static void address_try(struct peer_socket *socket)
{
    struct addrinfo *address = socket->next_address;
    if (address == NULL) {
        char why[128];
        snprintf(why, sizeof(why), "%.127s", socket->trouble);
        socket_fail(socket, "cannot be reached", why);
        socket_free_if_done(socket);
        return;
    }
    socket->next_address = address->ai_next;
    address_connect(socket, address->ai_addr);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct peer_socket *socket = request->data;
    socket->resolving = false;
    if (status != 0)
        addresses = NULL;
    socket->addresses = socket->next_address = addresses;
    if (socket->ended) {
        socket_free_if_done(socket);
        return;
    }
    snprintf(socket->trouble, sizeof(socket->trouble), "%s", status == 0 ? "has no address" : uv_strerror(status));
    address_try(socket);
}

/* The name is looked up at every call: a node that moved is found again. */
static int name_resolve(struct peer_socket *socket)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    char service[8];
    snprintf(service, sizeof(service), "%u", socket->port);
    socket->deadline_ms = uv_now(socket->loop) + PEER_CONNECT_TIMEOUT_MS;
    socket->resolution.data = socket;
    int status = uv_getaddrinfo(socket->loop, &socket->resolution, on_resolved, socket->host, service, &hints);
    socket->resolving = status == 0;
    return status;
}

struct peer_socket *peer_socket_call(uv_loop_t *loop, const struct peer_socket_handler *handler,
                                     struct peer_scratch *scratch, struct peer_tls_context *context,
                                     const struct peer_link_options *options, const char *host, uint16_t port)
{
    struct peer_socket *socket = socket_create(loop, handler, scratch, context, options);
    CHECK(options->caller);
    snprintf(socket->host, sizeof(socket->host), "%s", host);
    socket->port = port;
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)&socket->literal) == 0 ||
        uv_ip6_addr(host, port, (struct sockaddr_in6 *)&socket->literal) == 0)
        address_connect(socket, (const struct sockaddr *)&socket->literal);
    else if (name_resolve(socket) != 0)
        socket->deadline_ms = 1; /* the next tick ends it: the caller does not have the socket yet */
    return socket;
}

struct peer_socket *peer_socket_accept(uv_stream_t *listener, const struct peer_socket_handler *handler,
                                       struct peer_scratch *scratch, struct peer_tls_context *context,
                                       const struct peer_link_options *options)
{
    struct peer_socket *socket = socket_create(listener->loop, handler, scratch, context, options);
    struct sockaddr_storage address;
    int size = sizeof(address);
    CHECK(!options->caller);
    tcp_init(socket);
    if (uv_accept(listener, (uv_stream_t *)&socket->tcp) != 0) {
        socket->ended = true;
        socket->handler = NULL; /* nobody was told of it */
        socket_close(socket);
        return NULL;
    }
    if (uv_tcp_getpeername(&socket->tcp, (struct sockaddr *)&address, &size) != 0 ||
        uv_ip_name((const struct sockaddr *)&address, socket->host, sizeof(socket->host)) != 0)
        snprintf(socket->host, sizeof(socket->host), "unknown");
    socket_begin(socket);
    return socket;
}

void peer_socket_tick(struct peer_socket *socket)
{
    uint64_t now_ms = uv_now(socket->loop);
    if (socket->connected && !socket->ended) {
        peer_link_tick(&socket->peer_link, now_ms);
        events_take(socket);
        peer_socket_pump(socket);
        return;
    }
    if (socket->deadline_ms == 0 || now_ms < socket->deadline_ms || socket->closing)
        return;
    if (socket->connected) {
        socket_close(socket); /* it lingered long enough */
    } else if (socket->has_tcp) {
        address_failed(socket, "no answer");
    } else if (!socket->ended) {
        socket_fail(socket, "cannot be reached", "its name is not resolved");
        if (socket->resolving)
            uv_cancel((uv_req_t *)&socket->resolution);
        socket_free_if_done(socket);
    }
}
