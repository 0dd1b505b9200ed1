/* frontend.h: the actor of one gateway loop: its connections (gateway/) and the NFS server behind them (server/nfs4).
 *
 * A session is served by one loop, chosen by its id. A connection moves to that loop with the first call that finds it
 * quiet; a call that does not travels there and its reply back, and the next one finds it quiet. Pure: the shell (gateway_thread.c) and the simulator drive the same steps. */
#ifndef SERVER_DAEMON_FRONTEND_H
#define SERVER_DAEMON_FRONTEND_H

#include "gateway/connection.h"
#include "server/daemon/published.h"
#include "server/nfs4/server.h"

struct frontend;

/* A call on its way to the loop that serves its session; on the heap, passed by queue, freed by the receiver. */
struct frontend_call {
    struct list_link link;
    struct connection_id connection;
    struct gateway_call call;
    uint8_t address[16];
    struct buffer *record; /* an owner */
    struct buffer *rest;   /* what came behind it on a connection that moves, NULL: nothing; an owner */
};

/* Frees one that nobody serves. */
void frontend_call_free(struct frontend_call *call);

enum frontend_message_kind {
    FRONTEND_OPENED,      /* a connection: `address`; `connection` is filled in, or 0 if it is refused */
    FRONTEND_RECEIVED,    /* `buffer`, `bytes` on `connection` */
    FRONTEND_SENT,        /* `size_bytes` have left `connection` */
    FRONTEND_CLOSED,      /* `connection` is gone */
    FRONTEND_RESULT,      /* `bytes`: a packed Qnfs__Result for `place` */
    FRONTEND_BLOCKS_READ, /* the reads of `place` are done; `ok` */
    FRONTEND_CALL,        /* `call` came from another loop; it is consumed */
    FRONTEND_ADOPTED,     /* `connection` moved here and brought `call`, which is consumed */
    FRONTEND_REPLY,       /* `buffer` (an owner goes along, may be NULL) answers a call passed on for `connection` */
    FRONTEND_ABORT,       /* the loop that serves its session wants `connection` gone */
    FRONTEND_GONE,        /* a connection of another loop was closed */
    FRONTEND_EFFECT,      /* `effect` of the machine */
    FRONTEND_BARRIER,     /* what was asked under `number` must see entry `index` */
    FRONTEND_ADVANCE,     /* the state has moved, or a tick */
    FRONTEND_NEXT,        /* frontend_ready said so */
    FRONTEND_DRAIN,       /* no more calls are begun from now on */
};

struct frontend_message {
    enum frontend_message_kind kind;
    struct connection_id connection;
    struct slice address;
    struct buffer *buffer;
    struct slice bytes;
    size_t size_bytes;
    uint64_t place;
    bool ok;
    struct frontend_call *call;
    const struct machine_effect *effect;
    uint64_t number;
    uint64_t index;
};

enum frontend_action_kind {
    FRONTEND_DO_SEND, /* `buffer` (owner goes along) on `connection` */
    FRONTEND_DO_READ_STOP,
    FRONTEND_DO_READ_START,
    FRONTEND_DO_CLOSE,       /* after what was sent; `reason` for the log */
    FRONTEND_DO_ABORT,       /* at once; `reason` as above */
    FRONTEND_DO_PROPOSE,     /* `proposal` to the replica */
    FRONTEND_DO_READ_BLOCKS, /* `reads` for `place`; they live until FRONTEND_BLOCKS_READ */
    FRONTEND_DO_PASS_CALL,   /* `call` to loop `loop` */
    FRONTEND_DO_MOVE,        /* `connection`, already forgotten here, goes to loop `loop` together with `call` */
    FRONTEND_DO_PASS_REPLY,  /* FRONTEND_REPLY with `buffer` for `connection` to loop `loop` */
    FRONTEND_DO_PASS_ABORT,  /* FRONTEND_ABORT for `connection` to loop `loop` */
    FRONTEND_DO_PASS_GONE,   /* FRONTEND_GONE for `connection` to all other loops */
    FRONTEND_DO_ASK_BARRIER, /* ask the raft loop, then FRONTEND_BARRIER with the `number` */
    FRONTEND_DO_WARN_FLAP,   /* `flap`: for the log */
};

struct frontend_action {
    struct frontend_action *next;
    enum frontend_action_kind kind;
    struct connection_id connection;
    struct buffer *buffer;
    const char *reason;
    struct proposal *proposal;
    uint64_t place;
    struct nfs4_block_read *reads;
    size_t read_count;
    struct frontend_call *call;
    uint32_t loop;
    uint64_t number;
    const struct nfs4_flap *flap; /* the step's memory */
};

struct frontend_config {
    uint32_t loop;
    uint32_t loop_count;
    struct nfs4_config nfs4;
};

struct frontend *frontend_create(const struct frontend_config *config);
void frontend_destroy(struct frontend *frontend);

/* One step. The actions are in order and live until the next step; the caller carries them out. */
struct frontend_action *frontend_step(struct frontend *frontend, struct frontend_message *message,
                                      const struct nfs4_moment *moment);

/* The moment of a step, from a refreshed view. The clock must have been read after the step's message came, and this be called
 * after that: a lease that was valid earlier says nothing about calls that come now. */
struct nfs4_moment frontend_moment(const struct view *view, const struct published *published, uint32_t loop_count,
                                   uint64_t now_ms, int64_t wall_ns);

/* Whether there are more calls than the last step took: then it wants FRONTEND_NEXT, when its actions are carried out. */
bool frontend_ready(const struct frontend *frontend);

/* Whether compounds wait for the state to move (FRONTEND_ADVANCE). */
bool frontend_waits(const struct frontend *frontend);

void frontend_counters(const struct frontend *frontend, struct gateway_counters *gateway, struct nfs4_counters *nfs4);

#endif
