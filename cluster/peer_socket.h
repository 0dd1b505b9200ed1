/* peer_socket.h: one connection between two nodes with everything: name, socket (libuv), TLS, link. The transport owns
 * it; see peer_transport.h. All in the loop's thread. */
#ifndef CLUSTER_PEER_SOCKET_H
#define CLUSTER_PEER_SOCKET_H

#include <uv.h>

#include "base/limits.h"
#include "base/list.h"
#include "cluster/peer_link.h"
#include "cluster/peer_tls.h"

struct peer_socket;

struct peer_socket_handler {
    void *context;
    /* The other side's hello came. A callee's socket: accept or end it. */
    void (*greeted)(void *context, struct peer_socket *socket);
    void (*frame)(void *context, struct peer_socket *socket, const struct peer_frame *frame);
    /* Once: nothing comes any more and nothing can be sent. The text goes behind the peer's name. */
    void (*ended)(void *context, struct peer_socket *socket, const char *text);
    /* Afterwards, once: the memory goes. */
    void (*freed)(void *context, struct peer_socket *socket);
};

/* Buffers that all sockets of a loop share. */
struct peer_scratch {
    uint8_t cipher[PEER_IO_BYTES];
    uint8_t plain[PEER_IO_BYTES];
    struct arena arena;
};

struct peer_socket {
    struct list_link link; /* the owner's */
    void *peer;            /* the owner's */
    bool opened;           /* the owner's */
    const struct peer_socket_handler *handler;
    struct peer_scratch *scratch;
    uv_loop_t *loop;
    uv_tcp_t tcp;
    uv_getaddrinfo_t resolution;
    uv_connect_t connection;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct addrinfo *addresses;    /* of the name; NULL: none, or a literal address */
    struct addrinfo *next_address; /* to try */
    struct sockaddr_storage literal;
    uint64_t deadline_ms; /* of resolving, of connecting, of lingering; 0: none */
    struct peer_tls_context *context;
    struct peer_tls *tls; /* once it is connected */
    struct peer_link peer_link;
    struct peer_link_options options;
    char host[256]; /* that was called, or the address that calls */
    uint16_t port;
    bool resolving;
    bool has_tcp; /* the handle is initialised and not yet closed */
    bool connected;
    bool writing;
    bool shutting;
    bool ended;
    bool closing; /* the handle is being closed for good */
    char trouble[256];
    uint8_t output[PEER_IO_BYTES];
};

/* Calls a host. `handler`, `scratch` and `context` outlive the socket. */
struct peer_socket *peer_socket_call(uv_loop_t *loop, const struct peer_socket_handler *handler,
                                     struct peer_scratch *scratch, struct peer_tls_context *context,
                                     const struct peer_link_options *options, const char *host, uint16_t port);

/* Takes the next connection of the listener; NULL: it is gone again. */
struct peer_socket *peer_socket_accept(uv_stream_t *listener, const struct peer_socket_handler *handler,
                                       struct peer_scratch *scratch, struct peer_tls_context *context,
                                       const struct peer_link_options *options);

/* Sends what waits in the link. After peer_link_send and peer_link_accept. */
void peer_socket_pump(struct peer_socket *socket);

/* Ends it with a reason that the other side is told, if it can be. A socket that is not yet connected may be freed by it,
 * at once. */
void peer_socket_end(struct peer_socket *socket, enum peer_reason reason);

/* Answers who wants to join, and ends it. */
void peer_socket_answer(struct peer_socket *socket, const Qnfs__Peer *message);

/* A few times a second. */
void peer_socket_tick(struct peer_socket *socket);

#endif
