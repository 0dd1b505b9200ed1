/* etcd_puts.c: how many puts a second an etcd server takes, and what they cost it in CPU: the other side of the
 * comparison in tests/bench/etcd, made like operations_bench.c.
 *
 *   etcd_puts --server HOST:PORT [--pid SERVER,...] [--in-flight N] [--connections C] [--value-bytes B] [--seconds S]
 *
 * It speaks gRPC (etcdserverpb.KV/Put) over HTTP/2 itself, through libnghttp2, so that the load costs as little CPU as the
 * NFS client's: etcd's own `benchmark` takes more of a small machine than the server, and its JSON gateway makes the
 * server work more. N puts of new keys are under way, spread over C connections. Not part of the build: tests/bench/etcd
 * compiles it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/bench/process_cpu.h"

#define CONNECTIONS_MAX 64
#define VALUE_BYTES_MAX 65536
#define MESSAGE_BYTES_MAX (VALUE_BYTES_MAX + 128)

struct bench;

/* A put under way. */
struct put {
    int32_t stream;
    size_t size_bytes;
    size_t sent_bytes;
    bool good; /* grpc-status 0 came */
    uint8_t message[];
};

struct connection {
    struct bench *bench;
    nghttp2_session *session;
    int descriptor;
    int under_way;
};

struct bench {
    char authority[64];
    struct connection connections[CONNECTIONS_MAX];
    int connection_count;
    size_t value_bytes;
    bool going; /* another put follows each */
    uint64_t keys;
    uint64_t done;
    uint64_t errors;
};

static void fail(const char *what)
{
    fprintf(stderr, "etcd_puts: %s\n", what);
    exit(1);
}

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- one put --- */

/* Protobuf: field number `tag` >> 3 with bytes. */
static size_t field_write(uint8_t *out, uint8_t tag, const uint8_t *bytes, size_t size_bytes)
{
    size_t at = 0;
    out[at++] = tag;
    size_t left = size_bytes;
    while (left >= 0x80) {
        out[at++] = (uint8_t)(left | 0x80);
        left >>= 7;
    }
    out[at++] = (uint8_t)left;
    memcpy(out + at, bytes, size_bytes);
    return at + size_bytes;
}

/* gRPC's frame (a flag and the length) around PutRequest{key = 1, value = 2}. */
static struct put *put_make(struct bench *bench)
{
    static const uint8_t value[VALUE_BYTES_MAX];
    char key[64];
    int key_bytes = snprintf(key, sizeof(key), "bench-%d-%llu", (int)getpid(), (unsigned long long)bench->keys++);
    struct put *put = malloc(sizeof(*put) + MESSAGE_BYTES_MAX);
    if (put == NULL)
        fail("no memory");
    size_t size = 5;
    size += field_write(put->message + size, 0x0a, (const uint8_t *)key, (size_t)key_bytes);
    size += field_write(put->message + size, 0x12, value, bench->value_bytes);
    put->message[0] = 0;
    for (int i = 0; i < 4; i++)
        put->message[1 + i] = (uint8_t)((size - 5) >> (24 - 8 * i));
    put->size_bytes = size;
    put->sent_bytes = 0;
    put->good = false;
    return put;
}

static ssize_t put_read(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t room, uint32_t *flags,
                        nghttp2_data_source *source, void *context)
{
    (void)session;
    (void)stream;
    (void)context;
    struct put *put = source->ptr;
    size_t size = put->size_bytes - put->sent_bytes;
    if (size > room)
        size = room;
    memcpy(buffer, put->message + put->sent_bytes, size);
    put->sent_bytes += size;
    if (put->sent_bytes == put->size_bytes)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

static void put_start(struct connection *connection)
{
    struct bench *bench = connection->bench;
    struct put *put = put_make(bench);
    const nghttp2_nv headers[] = {
        header(":method", "POST"),
        header(":scheme", "http"),
        header(":path", "/etcdserverpb.KV/Put"),
        header(":authority", bench->authority),
        header("content-type", "application/grpc"),
        header("te", "trailers"),
    };
    nghttp2_data_provider body = {.source.ptr = put, .read_callback = put_read};
    put->stream =
        nghttp2_submit_request(connection->session, NULL, headers, sizeof(headers) / sizeof(headers[0]), &body, put);
    if (put->stream < 0)
        fail("a request cannot be made");
    connection->under_way++;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_bytes,
                     const uint8_t *value, size_t value_bytes, uint8_t flags, void *context)
{
    (void)flags;
    (void)context;
    struct put *put = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (put != NULL && name_bytes == 11 && memcmp(name, "grpc-status", 11) == 0)
        put->good = value_bytes == 1 && value[0] == '0';
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *context)
{
    struct connection *connection = context;
    struct put *put = nghttp2_session_get_stream_user_data(session, stream);
    if (put == NULL)
        return 0;
    connection->under_way--;
    connection->bench->done++;
    connection->bench->errors += !put->good || error != 0;
    free(put);
    if (connection->bench->going)
        put_start(connection);
    return 0;
}

/* Why a server that is not content goes. */
static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    (void)session;
    (void)context;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        fprintf(stderr, "etcd_puts: GOAWAY %u: %.*s\n", frame->goaway.error_code, (int)frame->goaway.opaque_data_len,
                (const char *)frame->goaway.opaque_data);
    return 0;
}

/* --- connections --- */

static ssize_t on_send(nghttp2_session *session, const uint8_t *bytes, size_t size_bytes, int flags, void *context)
{
    (void)session;
    (void)flags;
    struct connection *connection = context;
    ssize_t sent = send(connection->descriptor, bytes, size_bytes, MSG_NOSIGNAL);
    if (sent >= 0)
        return sent;
    return errno == EAGAIN || errno == EINTR ? NGHTTP2_ERR_WOULDBLOCK : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static void connection_open(struct connection *connection, const struct sockaddr_in *address)
{
    connection->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->descriptor < 0 ||
        connect(connection->descriptor, (const struct sockaddr *)(const void *)address, sizeof(*address)) != 0)
        fail("the server cannot be reached");
    int on = 1;
    setsockopt(connection->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(connection->descriptor, F_SETFL, O_NONBLOCK);
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_client_new(&connection->session, callbacks, connection);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, NULL, 0);
}

/* Sends what is waiting, waits for a moment, takes in what came. */
static void connections_turn(struct bench *bench)
{
    struct pollfd pollers[CONNECTIONS_MAX];
    static uint8_t buffer[65536];
    for (int i = 0; i < bench->connection_count; i++) {
        struct connection *connection = &bench->connections[i];
        if (nghttp2_session_send(connection->session) != 0)
            fail("sending failed");
        pollers[i] = (struct pollfd){connection->descriptor, POLLIN, 0};
        if (nghttp2_session_want_write(connection->session) != 0)
            pollers[i].events |= POLLOUT;
    }
    if (poll(pollers, (nfds_t)bench->connection_count, 100) < 0)
        return;
    for (int i = 0; i < bench->connection_count; i++) {
        if ((pollers[i].revents & ~POLLOUT) == 0)
            continue;
        ssize_t got = recv(pollers[i].fd, buffer, sizeof(buffer), 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            fail(got == 0 ? "the server closed a connection" : strerror(errno));
        if (got > 0 && nghttp2_session_mem_recv(bench->connections[i].session, buffer, (size_t)got) != got)
            fail("what the server sent cannot be understood");
    }
}

int main(int argument_count, char **arguments)
{
    static struct bench bench;
    const char *server = "127.0.0.1:2379";
    const char *pids = NULL;
    int in_flight = 64;
    double seconds = 5;
    bench.connection_count = 8;
    bench.value_bytes = 256;
    for (int i = 1; i + 1 < argument_count; i += 2) {
        const char *value = arguments[i + 1];
        if (strcmp(arguments[i], "--server") == 0)
            server = value;
        else if (strcmp(arguments[i], "--pid") == 0)
            pids = value;
        else if (strcmp(arguments[i], "--in-flight") == 0)
            in_flight = (int)strtol(value, NULL, 10);
        else if (strcmp(arguments[i], "--connections") == 0)
            bench.connection_count = (int)strtol(value, NULL, 10);
        else if (strcmp(arguments[i], "--value-bytes") == 0)
            bench.value_bytes = strtoul(value, NULL, 10);
        else if (strcmp(arguments[i], "--seconds") == 0)
            seconds = strtod(value, NULL);
        else
            fail("unknown option");
    }
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[64];
    unsigned port = 0;
    if (sscanf(server, "%63[0-9.]:%u", host, &port) != 2 || port > 65535 ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1 || in_flight < 1 || bench.connection_count < 1 ||
        bench.connection_count > CONNECTIONS_MAX || bench.value_bytes > VALUE_BYTES_MAX)
        fail("--server wants an IPv4 address and a port, --in-flight, --connections and --value-bytes are bounded");
    address.sin_port = htons((uint16_t)port);
    snprintf(bench.authority, sizeof(bench.authority), "%s", server);
    for (int i = 0; i < bench.connection_count; i++) {
        bench.connections[i].bench = &bench;
        connection_open(&bench.connections[i], &address);
    }
    bench.going = true;
    for (int i = 0; i < in_flight; i++)
        put_start(&bench.connections[i % bench.connection_count]);
    double server_cpu = process_cpu_seconds(pids);
    double own_cpu = own_cpu_seconds();
    double begin = now_seconds();
    while (now_seconds() - begin < seconds)
        connections_turn(&bench);
    double elapsed = now_seconds() - begin;
    uint64_t count = bench.done;
    server_cpu = process_cpu_seconds(pids) - server_cpu;
    own_cpu = own_cpu_seconds() - own_cpu;
    bench.going = false;
    for (int i = 0; i < bench.connection_count; i++) {
        while (bench.connections[i].under_way > 0)
            connections_turn(&bench);
    }
    for (int i = 0; i < bench.connection_count; i++) {
        nghttp2_session_del(bench.connections[i].session);
        close(bench.connections[i].descriptor);
    }
    printf("%-8s in flight %2d: %8.0f/s", "put", in_flight, (double)count / elapsed);
    if (pids != NULL)
        printf("  server CPU %6.2f us", server_cpu * 1e6 / (double)(count > 0 ? count : 1));
    printf("  client CPU %6.2f us  errors %llu\n", own_cpu * 1e6 / (double)(count > 0 ? count : 1),
           (unsigned long long)bench.errors);
    return bench.errors == 0 && count > 0 ? 0 : 1;
}
