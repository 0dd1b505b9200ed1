#include "gateway/socket_loop.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/list.h"

/* Buffers that one system call sends. */
#define SENDS_AT_ONCE 16u

struct socket_connection {
    struct socket_loop *loop;
    struct connection_id id;
    struct list_link link;
    struct list_link dirty_link; /* in loop->dirty, if `dirty` */
    uv_tcp_t socket;
    struct buffer *outgoing[SENDS_AT_ONCE]; /* given to us, not yet to the kernel */
    uint32_t outgoing_count;
    uint32_t writes;    /* uv_write under way */
    size_t taken_bytes; /* that the kernel took; to be told by the next flush */
    bool dirty;
    bool counted; /* in the budget */
    bool closing; /* a close was asked for */
    bool closed;  /* uv_close was called */
};

struct socket_write {
    uv_write_t request;
    struct socket_connection *connection;
    struct buffer *bytes;
    size_t size_bytes; /* of it; the kernel took the others before */
};

struct socket_loop {
    struct socket_loop_handler handler;
    struct socket_budget *budget;
    const struct log *log;
    uv_loop_t uv;
    uv_tcp_t listener;
    uv_async_t async;
    uv_timer_t timer;
    struct list connections;
    struct list dirty;                 /* something was sent since the last flush */
    struct socket_connection **places; /* by the id's place, as in connection.c */
    uint32_t place_count;
    struct buffer *read_buffer; /* offered to every read; replaced when a call kept it */
    bool stopping;
};

static uint32_t id_place(struct connection_id id)
{
    return (uint32_t)id.value & 0xfffffu;
}

static struct socket_connection *socket_find(struct socket_loop *loop, struct connection_id id)
{
    uint32_t place = id_place(id);
    if (place >= loop->place_count)
        return NULL;
    struct socket_connection *connection = loop->places[place];
    return connection != NULL && connection->id.value == id.value ? connection : NULL;
}

static void socket_remember(struct socket_loop *loop, struct socket_connection *connection)
{
    uint32_t place = id_place(connection->id);
    if (place >= loop->place_count) {
        uint32_t count = loop->place_count == 0 ? 64 : loop->place_count;
        while (count <= place)
            count *= 2;
        loop->places = realloc(loop->places, count * sizeof(struct socket_connection *));
        CHECK(loop->places != NULL);
        memset(loop->places + loop->place_count, 0, (count - loop->place_count) * sizeof(struct socket_connection *));
        loop->place_count = count;
    }
    CHECK(loop->places[place] == NULL);
    loop->places[place] = connection;
    list_append(&loop->connections, &connection->link);
}

/* The id's place may be given to another connection from now on. */
static void socket_forget(struct socket_connection *connection)
{
    if (connection->id.value == 0)
        return;
    connection->loop->places[id_place(connection->id)] = NULL;
    list_remove(&connection->link);
    connection->id.value = 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct socket_connection *connection = handle->data;
    struct socket_loop *loop = connection->loop;
    struct connection_id id = connection->id;
    socket_forget(connection);
    if (connection->counted)
        atomic_fetch_sub_explicit(&loop->budget->used, 1, memory_order_relaxed);
    if (id.value != 0)
        loop->handler.closed(loop->handler.context, id);
    free(connection);
}

/* What is not yet the kernel's is not sent any more. */
static void socket_drop_outgoing(struct socket_connection *connection)
{
    for (uint32_t i = 0; i < connection->outgoing_count; i++)
        buffer_put(connection->outgoing[i]);
    connection->outgoing_count = 0;
    if (connection->dirty)
        list_remove(&connection->dirty_link);
    connection->dirty = false;
}

static void socket_shut(struct socket_connection *connection)
{
    if (connection->closed)
        return;
    socket_drop_outgoing(connection);
    connection->closed = true;
    connection->closing = true;
    uv_close((uv_handle_t *)&connection->socket, on_closed);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct socket_connection *connection = handle->data;
    struct socket_loop *loop = connection->loop;
    if (loop->read_buffer == NULL)
        loop->read_buffer = buffer_create(GATEWAY_READ_BYTES);
    *buffer = uv_buf_init((char *)loop->read_buffer->data, GATEWAY_READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *unused)
{
    (void)unused;
    struct socket_connection *connection = stream->data;
    struct socket_loop *loop = connection->loop;
    if (count < 0) {
        socket_shut(connection);
        return;
    }
    if (count == 0)
        return;
    struct buffer *buffer = loop->read_buffer;
    buffer->size_bytes = (size_t)count;
    loop->read_buffer = NULL;
    loop->handler.received(loop->handler.context, connection->id, buffer, slice_make(buffer->data, (size_t)count));
    if (atomic_load_explicit(&buffer->owners, memory_order_acquire) == 1 && loop->read_buffer == NULL)
        loop->read_buffer = buffer;
    else
        buffer_put(buffer);
}

/* The peer's address as 4 or 16 bytes; an IPv4 client on an IPv6 socket is an IPv4 client. */
static struct slice socket_address(const struct sockaddr_storage *storage)
{
    if (storage->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)storage;
        return slice_make(&in->sin_addr, 4);
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)storage;
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        return slice_make((const uint8_t *)&in6->sin6_addr + 12, 4);
    return slice_make(&in6->sin6_addr, 16);
}

static void socket_tune(uv_tcp_t *socket)
{
    /* A peer that vanished without a word is noticed in about two minutes. */
    uv_tcp_nodelay(socket, 1);
    uv_tcp_keepalive(socket, 1, 60);
    int descriptor;
    if (uv_fileno((const uv_handle_t *)socket, &descriptor) == 0) {
        int interval_seconds = 15;
        int probes = 4;
        setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof(interval_seconds));
        setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    }
}

static struct socket_connection *socket_create(struct socket_loop *loop)
{
    struct socket_connection *connection = calloc(1, sizeof(*connection));
    CHECK(connection != NULL);
    connection->loop = loop;
    uv_tcp_init(&loop->uv, &connection->socket);
    connection->socket.data = connection;
    return connection;
}

/* A connected socket: serves it, unless nobody wants it. */
static void socket_open(struct socket_loop *loop, struct socket_connection *connection)
{
    struct sockaddr_storage storage;
    int size = sizeof(storage);
    if (uv_tcp_getpeername(&connection->socket, (struct sockaddr *)&storage, &size) != 0) {
        socket_shut(connection);
        return;
    }
    socket_tune(&connection->socket);
    connection->id = loop->handler.opened(loop->handler.context, socket_address(&storage));
    if (connection->id.value == 0) {
        socket_shut(connection);
        return;
    }
    socket_remember(loop, connection);
    uv_read_start((uv_stream_t *)&connection->socket, on_allocate, on_read);
}

static void socket_note(struct socket_loop *loop, struct socket_connection *connection)
{
    int descriptor;
    if (loop->budget->accepted != NULL && uv_fileno((const uv_handle_t *)&connection->socket, &descriptor) == 0)
        accepted_note(loop->budget->accepted, descriptor);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct socket_loop *loop = listener->data;
    if (status != 0)
        return;
    struct socket_connection *connection = socket_create(loop);
    connection->counted = true;
    unsigned before = atomic_fetch_add_explicit(&loop->budget->used, 1, memory_order_relaxed);
    if (uv_accept(listener, (uv_stream_t *)&connection->socket) != 0 || before >= loop->budget->most) {
        socket_shut(connection);
    } else {
        socket_note(loop, connection);
        socket_open(loop, connection);
    }
}

int socket_loop_detach(struct socket_loop *loop, struct connection_id id)
{
    struct socket_connection *connection = socket_find(loop, id);
    int descriptor;
    int copy = -1;
    if (connection == NULL)
        return -1;
    /* The copy keeps the connection open when the handle closes its own descriptor. */
    if (!connection->closing && uv_fileno((uv_handle_t *)&connection->socket, &descriptor) == 0)
        copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    /* The handle closes later, but a connection that comes before that may get the same place. */
    socket_forget(connection);
    connection->counted = connection->counted && copy < 0; /* the copy is counted in its stead */
    socket_shut(connection);
    return copy;
}

struct connection_id socket_loop_adopt(struct socket_loop *loop, int descriptor)
{
    struct socket_connection *connection = socket_create(loop);
    connection->counted = true; /* since it was accepted */
    if (loop->stopping || uv_tcp_open(&connection->socket, descriptor) != 0) {
        close(descriptor);
        socket_shut(connection);
        return (struct connection_id){0};
    }
    socket_open(loop, connection);
    return connection->id;
}

static void on_async(uv_async_t *async)
{
    struct socket_loop *loop = async->data;
    loop->handler.woken(loop->handler.context);
}

static void on_timer(uv_timer_t *timer)
{
    struct socket_loop *loop = timer->data;
    loop->handler.tick(loop->handler.context);
}

enum status socket_loop_create(const struct socket_loop_handler *handler, int listen_descriptor,
                               struct socket_budget *budget, const struct log *log, struct socket_loop **created)
{
    struct socket_loop *loop = calloc(1, sizeof(*loop));
    CHECK(loop != NULL);
    loop->handler = *handler;
    loop->budget = budget;
    loop->log = log;
    list_init(&loop->connections);
    list_init(&loop->dirty);
    int copy = fcntl(listen_descriptor, F_DUPFD_CLOEXEC, 0);
    if (copy < 0 || uv_loop_init(&loop->uv) != 0) {
        free(loop);
        return STATUS_IO;
    }
    CHECK(uv_tcp_init(&loop->uv, &loop->listener) == 0);
    CHECK(uv_async_init(&loop->uv, &loop->async, on_async) == 0);
    CHECK(uv_timer_init(&loop->uv, &loop->timer) == 0);
    loop->listener.data = loop->async.data = loop->timer.data = loop;
    if (uv_tcp_open(&loop->listener, copy) != 0) {
        close(copy);
        return STATUS_IO; /* the loop is not given back: the process ends */
    }
    uv_timer_start(&loop->timer, on_timer, SOCKET_LOOP_TICK_MS, SOCKET_LOOP_TICK_MS);
    *created = loop;
    return STATUS_OK;
}

enum status socket_loop_accept(struct socket_loop *loop)
{
    return uv_listen((uv_stream_t *)&loop->listener, 1024, on_connection) == 0 ? STATUS_OK : STATUS_IO;
}

void socket_loop_refuse(struct socket_loop *loop)
{
    if (!uv_is_closing((uv_handle_t *)&loop->listener))
        uv_close((uv_handle_t *)&loop->listener, NULL);
}

void socket_loop_run(struct socket_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void socket_loop_stop(struct socket_loop *loop)
{
    if (loop->stopping)
        return;
    loop->stopping = true;
    socket_loop_refuse(loop);
    uv_close((uv_handle_t *)&loop->async, NULL);
    uv_close((uv_handle_t *)&loop->timer, NULL);
    for (struct list_link *link = list_first(&loop->connections); link != NULL;
         link = list_next(&loop->connections, link))
        socket_shut(container_of(link, struct socket_connection, link));
}

void socket_loop_wake(struct socket_loop *loop)
{
    uv_async_send(&loop->async);
}

static void on_written(uv_write_t *request, int status)
{
    struct socket_write *write = container_of(request, struct socket_write, request);
    struct socket_connection *connection = write->connection;
    struct socket_loop *loop = connection->loop;
    connection->writes--;
    if (status == 0 && !connection->closed)
        loop->handler.sent(loop->handler.context, connection->id, write->size_bytes);
    buffer_put(write->bytes);
    free(write);
    if (status != 0 || (connection->closing && connection->writes == 0))
        socket_shut(connection);
}

/* Sends the last size_bytes of the buffer when the socket can be written again; takes over its owner. */
static void socket_write_later(struct socket_connection *connection, struct buffer *bytes, size_t size_bytes)
{
    struct socket_write *write = calloc(1, sizeof(*write));
    CHECK(write != NULL && size_bytes <= bytes->size_bytes);
    write->connection = connection;
    write->bytes = bytes;
    write->size_bytes = size_bytes;
    uv_buf_t rest = uv_buf_init((char *)bytes->data + (bytes->size_bytes - size_bytes), (unsigned)size_bytes);
    if (uv_write(&write->request, (uv_stream_t *)&connection->socket, &rest, 1, on_written) != 0) {
        buffer_put(bytes);
        free(write);
        socket_shut(connection);
        return;
    }
    connection->writes++;
}

/* Offers what is outgoing to the kernel, which nearly always takes it all. */
static void socket_push(struct socket_connection *connection)
{
    uv_buf_t pieces[SENDS_AT_ONCE];
    uint32_t count = connection->outgoing_count;
    if (count == 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        struct buffer *bytes = connection->outgoing[i];
        pieces[i] = uv_buf_init((char *)bytes->data, (unsigned)bytes->size_bytes);
    }
    int result = uv_try_write((uv_stream_t *)&connection->socket, pieces, count);
    if (result < 0 && result != UV_EAGAIN) {
        socket_shut(connection);
        return;
    }
    size_t taken = result > 0 ? (size_t)result : 0;
    connection->taken_bytes += taken;
    connection->outgoing_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct buffer *bytes = connection->outgoing[i];
        size_t part = taken < bytes->size_bytes ? taken : bytes->size_bytes;
        taken -= part;
        if (part == bytes->size_bytes || connection->closed)
            buffer_put(bytes);
        else
            socket_write_later(connection, bytes, bytes->size_bytes - part);
    }
}

void socket_loop_send(struct socket_loop *loop, struct connection_id id, struct buffer *bytes)
{
    struct socket_connection *connection = socket_find(loop, id);
    if (connection == NULL || connection->closing) {
        buffer_put(bytes);
        return;
    }
    if (connection->writes > 0) {
        socket_write_later(connection, bytes, bytes->size_bytes);
        return;
    }
    if (!connection->dirty)
        list_append(&loop->dirty, &connection->dirty_link);
    connection->dirty = true;
    connection->outgoing[connection->outgoing_count++] = bytes;
    if (connection->outgoing_count == SENDS_AT_ONCE)
        socket_push(connection);
}

bool socket_loop_flush(struct socket_loop *loop)
{
    struct list dirty;
    struct list_link *link;
    list_init(&dirty);
    while ((link = list_first(&loop->dirty)) != NULL) {
        list_remove(link);
        list_append(&dirty, link);
    }
    bool any = !list_empty(&dirty);
    while ((link = list_first(&dirty)) != NULL) {
        struct socket_connection *connection = container_of(link, struct socket_connection, dirty_link);
        list_remove(link);
        connection->dirty = false;
        socket_push(connection);
        size_t taken = connection->taken_bytes;
        connection->taken_bytes = 0;
        if (taken > 0 && !connection->closing)
            loop->handler.sent(loop->handler.context, connection->id, taken);
    }
    return any;
}

void socket_loop_read(struct socket_loop *loop, struct connection_id id, bool on)
{
    struct socket_connection *connection = socket_find(loop, id);
    if (connection == NULL || connection->closing)
        return;
    if (on)
        uv_read_start((uv_stream_t *)&connection->socket, on_allocate, on_read);
    else
        uv_read_stop((uv_stream_t *)&connection->socket);
}

void socket_loop_close(struct socket_loop *loop, struct connection_id id)
{
    struct socket_connection *connection = socket_find(loop, id);
    if (connection == NULL || connection->closing)
        return;
    socket_push(connection);
    connection->closing = true;
    uv_read_stop((uv_stream_t *)&connection->socket);
    if (connection->writes == 0)
        socket_shut(connection);
}

void socket_loop_abort(struct socket_loop *loop, struct connection_id id)
{
    struct socket_connection *connection = socket_find(loop, id);
    if (connection == NULL || connection->closed)
        return;
    socket_drop_outgoing(connection);
    connection->closed = true;
    connection->closing = true;
    if (connection->writes > 0 || uv_tcp_close_reset(&connection->socket, on_closed) != 0)
        uv_close((uv_handle_t *)&connection->socket, on_closed);
}

void socket_loop_destroy(struct socket_loop *loop)
{
    CHECK(list_empty(&loop->connections));
    CHECK(uv_loop_close(&loop->uv) == 0);
    buffer_put(loop->read_buffer);
    free(loop->places);
    free(loop);
}
