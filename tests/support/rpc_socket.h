/* rpc_socket.h: one blocking connection that carries records, with a deadline on everything. For tests only. */
#ifndef TESTS_SUPPORT_RPC_SOCKET_H
#define TESTS_SUPPORT_RPC_SOCKET_H

#include <netinet/in.h>

#include "base/arena.h"
#include "proto/rpc/record.h"

enum rpc_io {
    RPC_IO_OK,
    RPC_IO_CLOSED, /* the other side closed or reset the connection, or refused it */
    RPC_IO_TIMEOUT
};

#define RPC_SOCKET_BUFFER_BYTES 65536u

struct rpc_socket {
    int descriptor; /* -1: closed */
    struct record_reader reader;
    struct record_assembly assembly; /* owned */
    uint8_t buffer[RPC_SOCKET_BUFFER_BYTES];
    struct slice piece; /* received, not yet taken */
};

/* "HOST:PORT" with a numeric IPv4 address or "localhost"; false if it is none. */
bool rpc_address_parse(const char *text, struct sockaddr_in *address);

/* A closed socket. */
void rpc_socket_init(struct rpc_socket *sock);

/* Connects once. */
enum rpc_io rpc_socket_connect(struct rpc_socket *sock, const struct sockaddr_in *address, int timeout_ms);

/* Sends all of the bytes. */
enum rpc_io rpc_socket_send(struct rpc_socket *sock, struct slice bytes, int timeout_ms);

/* The next record, copied into the arena. */
enum rpc_io rpc_socket_receive(struct rpc_socket *sock, struct arena *arena, struct slice *record, int timeout_ms);

/* Closes it, unread; may be called on a closed one. */
void rpc_socket_close(struct rpc_socket *sock);

/* Milliseconds of a clock that never goes back. */
uint64_t test_now_ms(void);

/* Sleeps. */
void test_sleep_us(unsigned microseconds);

#endif
