#include "tests/support/rpc_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

uint64_t test_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

void test_sleep_us(unsigned microseconds)
{
    struct timespec pause = {(time_t)(microseconds / 1000000u), (long)(microseconds % 1000000u) * 1000};
    nanosleep(&pause, NULL);
}

bool rpc_address_parse(const char *text, struct sockaddr_in *address)
{
    const char *colon = strrchr(text, ':');
    char host[64];
    if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    char *end = NULL;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || port == 0 || port > 65535)
        return false;
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &address->sin_addr) == 1;
}

static bool assembly_grow(struct record_assembly *assembly, size_t capacity_bytes)
{
    uint8_t *data = realloc(assembly->data, capacity_bytes);
    if (data == NULL)
        return false;
    assembly->data = data;
    assembly->capacity_bytes = capacity_bytes;
    return true;
}

void rpc_socket_init(struct rpc_socket *socket)
{
    socket->descriptor = -1;
    record_reader_init(&socket->reader);
    socket->assembly = (struct record_assembly){.grow = assembly_grow};
    socket->piece = SLICE_EMPTY;
}

/* Waits until the descriptor is ready for the events. */
static enum rpc_io wait_ready(int descriptor, short events, uint64_t deadline_ms)
{
    for (;;) {
        uint64_t now_ms = test_now_ms();
        if (now_ms >= deadline_ms)
            return RPC_IO_TIMEOUT;
        struct pollfd poller = {.fd = descriptor, .events = events};
        int ready = poll(&poller, 1, (int)(deadline_ms - now_ms));
        if (ready > 0)
            return RPC_IO_OK;
        if (ready < 0 && errno != EINTR)
            return RPC_IO_CLOSED;
    }
}

enum rpc_io rpc_socket_connect(struct rpc_socket *sock, const struct sockaddr_in *address, int timeout_ms)
{
    rpc_socket_close(sock);
    sock->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(sock->descriptor >= 0);
    int on = 1;
    setsockopt(sock->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    enum rpc_io outcome = RPC_IO_OK;
    if (connect(sock->descriptor, (const struct sockaddr *)(const void *)address, sizeof(*address)) != 0) {
        outcome = errno == EINPROGRESS ? wait_ready(sock->descriptor, POLLOUT, test_now_ms() + (uint64_t)timeout_ms)
                                       : RPC_IO_CLOSED;
        int error = 0;
        socklen_t error_bytes = sizeof(error);
        getsockopt(sock->descriptor, SOL_SOCKET, SO_ERROR, &error, &error_bytes);
        if (outcome == RPC_IO_OK && error != 0)
            outcome = RPC_IO_CLOSED;
    }
    if (outcome != RPC_IO_OK)
        rpc_socket_close(sock);
    return outcome;
}

enum rpc_io rpc_socket_send(struct rpc_socket *sock, struct slice bytes, int timeout_ms)
{
    uint64_t deadline_ms = test_now_ms() + (uint64_t)timeout_ms;
    while (bytes.size_bytes > 0) {
        if (sock->descriptor < 0)
            return RPC_IO_CLOSED;
        ssize_t sent = send(sock->descriptor, bytes.data, bytes.size_bytes, MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes = slice_from(bytes, (size_t)sent);
        } else if (errno == EAGAIN) {
            enum rpc_io outcome = wait_ready(sock->descriptor, POLLOUT, deadline_ms);
            if (outcome != RPC_IO_OK)
                return outcome;
        } else if (errno != EINTR) {
            return RPC_IO_CLOSED;
        }
    }
    return RPC_IO_OK;
}

/* More bytes into the buffer, which must be used up. */
static enum rpc_io socket_fill(struct rpc_socket *sock, uint64_t deadline_ms)
{
    for (;;) {
        if (sock->descriptor < 0)
            return RPC_IO_CLOSED;
        ssize_t received = recv(sock->descriptor, sock->buffer, sizeof(sock->buffer), 0);
        if (received > 0) {
            sock->piece = slice_make(sock->buffer, (size_t)received);
            return RPC_IO_OK;
        }
        if (received == 0 || (errno != EAGAIN && errno != EINTR))
            return RPC_IO_CLOSED;
        enum rpc_io outcome = wait_ready(sock->descriptor, POLLIN, deadline_ms);
        if (outcome != RPC_IO_OK)
            return outcome;
    }
}

enum rpc_io rpc_socket_receive(struct rpc_socket *sock, struct arena *arena, struct slice *record, int timeout_ms)
{
    uint64_t deadline_ms = test_now_ms() + (uint64_t)timeout_ms;
    for (;;) {
        struct slice found = SLICE_EMPTY;
        enum record_outcome outcome = record_reader_feed(&sock->reader, &sock->piece, &sock->assembly, &found);
        if (outcome == RECORD_COMPLETE) {
            *record = arena_copy(arena, found);
            return RPC_IO_OK;
        }
        if (outcome != RECORD_NEED_MORE)
            return RPC_IO_CLOSED;
        enum rpc_io filled = socket_fill(sock, deadline_ms);
        if (filled != RPC_IO_OK)
            return filled;
    }
}

void rpc_socket_close(struct rpc_socket *sock)
{
    if (sock->descriptor >= 0)
        close(sock->descriptor);
    free(sock->assembly.data);
    rpc_socket_init(sock);
}
