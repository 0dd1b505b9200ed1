/* connection.h: the client connections of one gateway loop, as pure state: bytes in, calls out, replies in, bytes out.
 *
 * The story of a request: the shell reads from a socket into a buffer and hands it to gateway_received(); gateway_next()
 * cuts one record out of it, decodes the call's head, answers by itself what needs no program (unknown program, broken
 * credential) and puts the rest on the list of calls. Whoever serves a call ends it with gateway_answered(). The gateway
 * counts what is under way: at a bound what was received waits, and the shell is told to stop and later to go on reading.
 * That is the whole of the flow control.
 *
 * Pure: no socket, no clock. One thread. */
#ifndef GATEWAY_CONNECTION_H
#define GATEWAY_CONNECTION_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "gateway/connection_id.h"
#include "proto/rpc/message.h"

struct gateway;

/* Programs that this node serves; others are answered with PROG_UNAVAIL. */
struct gateway_program {
    uint32_t number;
    uint32_t version_low;
    uint32_t version_high;
    uint32_t procedure_count; /* a higher procedure: PROC_UNAVAIL */
};

enum gateway_action_kind {
    GATEWAY_CALL,       /* serve `call`; `bytes` is its record, of which one owner goes along */
    GATEWAY_SEND,       /* send `bytes` (one owner goes along) on `connection` */
    GATEWAY_READ_STOP,  /* stop reading `connection`'s socket */
    GATEWAY_READ_START, /* go on */
    GATEWAY_CLOSE,      /* close `connection` after what was given to SEND before; `reason` for the log, may be NULL */
    GATEWAY_ABORT,      /* close it at once, unread and unsent; `reason` as above */
};

/* A call with its head decoded; slices point into the action's `bytes`. */
struct gateway_call {
    struct rpc_call header;
    struct authsys_parms unix_credential; /* with cred.flavor AUTH_SYS */
    struct slice body;                    /* the procedure's arguments */
    struct slice address;                 /* of the client, 4 or 16 bytes, in the gateway */
};

struct gateway_action {
    struct gateway_action *next;
    enum gateway_action_kind kind;
    struct connection_id connection;
    struct buffer *bytes;
    const char *reason;
    struct gateway_call *call;
};

/* In order; in the arena. */
struct gateway_actions {
    struct arena *arena;
    struct gateway_action *first;
    struct gateway_action **last;
};
void gateway_actions_init(struct gateway_actions *actions, struct arena *arena);

/* `programs` must live as long as the gateway. */
struct gateway *gateway_create(uint32_t loop, const struct gateway_program *programs, size_t program_count);
/* Forgets all connections. */
void gateway_destroy(struct gateway *gateway);

/* A new connection; address is 4 or 16 bytes and copied. False at `connections_max`: close it at once. */
bool gateway_opened(struct gateway *gateway, struct slice address, uint64_t now_ms, struct connection_id *id);

/* Bytes came: `piece` points into `buffer`, of which the gateway and calls become owners as they need it. What is in them
 * comes out of gateway_next. */
void gateway_received(struct gateway *gateway, struct connection_id id, struct buffer *buffer, struct slice piece,
                      uint64_t now_ms, struct gateway_actions *actions);

/* One record more of what was received and may be looked at, of any connection; false if there is none. To be called until
 * then after each of the other functions, each time when the actions of the time before have been carried out: so what
 * the replies to earlier calls weigh is known before the next one is begun. */
bool gateway_next(struct gateway *gateway, uint64_t now_ms, struct gateway_actions *actions);

/* Whether the unsent output of all connections is so much that nothing may add to it. */
bool gateway_pressed(const struct gateway *gateway);

/* Whether gateway_next would do something. */
bool gateway_ready(const struct gateway *gateway);

/* A GATEWAY_CALL is over: with a reply record (one owner goes along), or without one (NULL). A connection that is gone
 * meanwhile swallows it. */
void gateway_answered(struct gateway *gateway, struct connection_id id, struct buffer *reply,
                      struct gateway_actions *actions);

/* So many bytes have left the socket. */
void gateway_sent(struct gateway *gateway, struct connection_id id, size_t size_bytes, uint64_t now_ms,
                  struct gateway_actions *actions);

/* Whether nothing but one call is under way on the connection, nothing waits to be sent, and what has come behind the call
 * begins with a record: then the connection may move to another loop together with that call and the rest. */
bool gateway_quiet(const struct gateway *gateway, struct connection_id id);

/* What has come behind the call of a quiet connection, for gateway_received in the other loop; NULL: nothing. The caller
 * owns it. */
struct buffer *gateway_take_rest(struct gateway *gateway, struct connection_id id);

/* Begins no further call on the connection until it has nothing under way and nothing unsent: then it is quiet with the
 * next one. */
void gateway_calm(struct gateway *gateway, struct connection_id id);

/* A call that came along with a connection that moved here is under way; gateway_answered ends it. */
void gateway_take_over(struct gateway *gateway, struct connection_id id, uint64_t now_ms);

/* The socket is gone (also after GATEWAY_CLOSE and GATEWAY_ABORT were carried out). */
void gateway_closed(struct gateway *gateway, struct connection_id id);

/* The server wants it gone: aborts it. */
void gateway_abort(struct gateway *gateway, struct connection_id id, struct gateway_actions *actions);

/* The whole loop is at a bound (parked compounds, commands under way): nothing is read until it is released. */
void gateway_hold(struct gateway *gateway, bool hold, struct gateway_actions *actions);

/* Once a second: records that do not end, clients that do not read, connections that do nothing. */
void gateway_tick(struct gateway *gateway, uint64_t now_ms, struct gateway_actions *actions);

/* The client's address; SLICE_EMPTY if the connection is gone. */
struct slice gateway_address(const struct gateway *gateway, struct connection_id id);

struct gateway_counters {
    uint64_t connections;
    uint64_t accepted;
    uint64_t refused; /* over the bound */
    uint64_t calls;
    uint64_t bad_records; /* closed for what they sent */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t bytes_unsent; /* given to GATEWAY_SEND, not yet told by gateway_sent */
};
void gateway_counters(const struct gateway *gateway, struct gateway_counters *counters);

#endif
