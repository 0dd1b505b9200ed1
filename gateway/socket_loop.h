/* socket_loop.h: the sockets of one gateway loop (libuv): accepts, reads, writes, closes, wakes. It knows connections by
 * their ids and nothing of what the bytes mean. The shell around gateway/connection.h. */
#ifndef GATEWAY_SOCKET_LOOP_H
#define GATEWAY_SOCKET_LOOP_H

#include <stdatomic.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/status.h"
#include "gateway/accepted.h"
#include "gateway/connection_id.h"

struct socket_loop;

/* What the loop tells; all in the loop's thread. */
struct socket_loop_handler {
    void *context;
    /* A client came; address is 4 or 16 bytes. Id 0: refused, the socket is closed. */
    struct connection_id (*opened)(void *context, struct slice address);
    void (*received)(void *context, struct connection_id id, struct buffer *buffer, struct slice piece);
    /* The kernel has taken so many bytes of what was sent; from socket_loop_flush, or by itself. */
    void (*sent)(void *context, struct connection_id id, size_t size_bytes);
    void (*closed)(void *context, struct connection_id id);
    void (*woken)(void *context); /* after socket_loop_wake */
    void (*tick)(void *context);  /* every SOCKET_LOOP_TICK_MS */
};

#define SOCKET_LOOP_TICK_MS 100u

/* How many client sockets all loops together may have: the process needs descriptors for other things too. */
struct socket_budget {
    atomic_uint used;
    unsigned most;             /* the next one is accepted and closed at once */
    struct accepted *accepted; /* is told of each; NULL: nobody is */
};

/* listen_descriptor is duplicated: several loops accept on one socket. Nothing is accepted before socket_loop_accept.
 * `handler` is copied; the budget is shared and outlives the loops. STATUS_IO. */
MUST_CHECK enum status socket_loop_create(const struct socket_loop_handler *handler, int listen_descriptor,
                                          struct socket_budget *budget, const struct log *log,
                                          struct socket_loop **loop);

/* Begins to accept; before socket_loop_run or in its thread. STATUS_IO. */
MUST_CHECK enum status socket_loop_accept(struct socket_loop *loop);

/* Stops accepting; the kernel keeps queueing for whoever else holds the socket. Loop's thread. */
void socket_loop_refuse(struct socket_loop *loop);

/* Serves until socket_loop_stop, then closes every connection and returns. */
void socket_loop_run(struct socket_loop *loop);

/* Ends socket_loop_run; loop's thread. */
void socket_loop_stop(struct socket_loop *loop);

/* Makes the handler's `woken` run soon; any thread. */
void socket_loop_wake(struct socket_loop *loop);

/* The rest: loop's thread; ids that are gone are ignored. Send takes over one owner of the buffer; it goes out with the
 * others of its connection at the next flush, which every callback of the handler that may send must end with. */
void socket_loop_send(struct socket_loop *loop, struct connection_id id, struct buffer *bytes);
/* Sends what was given to socket_loop_send before, a connection's in one system call, and calls `sent`. False if there was
 * nothing. */
bool socket_loop_flush(struct socket_loop *loop);
void socket_loop_read(struct socket_loop *loop, struct connection_id id, bool on);
/* Closes after what was sent before; `closed` is called then. */
void socket_loop_close(struct socket_loop *loop, struct connection_id id);
/* Closes at once, unsent (RST). */
void socket_loop_abort(struct socket_loop *loop, struct connection_id id);

/* Takes the socket of a connection away from this loop: the id is forgotten at once, `closed` is not called for it, and
 * the peer notices nothing. Returns a descriptor for socket_loop_adopt in another loop, or -1 if the connection is gone
 * or there is no descriptor for it: then it is closed. Loop's thread. */
int socket_loop_detach(struct socket_loop *loop, struct connection_id id);
/* Serves a detached socket here: `opened` is called. Returns its id; 0: refused and closed. Loop's thread. */
struct connection_id socket_loop_adopt(struct socket_loop *loop, int descriptor);

/* After socket_loop_run has returned. */
void socket_loop_destroy(struct socket_loop *loop);

#endif
