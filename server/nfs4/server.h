/* server.h: NFSv4 for one gateway loop: calls in, replies and commands out.
 *
 * The story of one RENAME: the gateway decodes an RPC record and calls nfs4_call(). The compound runs operation by
 * operation (compound.c, table in operation.c); reads are answered from the moment's view; at RENAME the step builds a
 * Command with the slot as its origin and puts a PROPOSE into the outbox; the compound is parked under a ticket. When
 * the command has been applied, the gateway calls nfs4_result(); RENAME's reply is encoded from the machine's result,
 * the compound runs on, and its REPLY goes into the outbox. The slot keeps the reply.
 *
 * Pure: no clock, no I/O, no lock; one thread. Memory: a compound's arena, reply buffers (base/buffer.h). */
#ifndef SERVER_NFS4_SERVER_H
#define SERVER_NFS4_SERVER_H

#include "base/buffer.h"
#include "base/hash.h"
#include "cluster/replica.h"
#include "gateway/connection_id.h"
#include "proto/rpc/message.h"
#include "statestore/machine/id.h"
#include "statestore/machine/machine.h"
#include "statestore/store/kv.h"

struct nfs4_server;

struct nfs4_config {
    uint32_t loop;                     /* this loop's number, for tickets and as the stream of node requests */
    uint64_t node;                     /* this node's id */
    struct incarnation_id incarnation; /* of this process */
    uint8_t cluster_id[16];            /* server_scope */
    struct siphash_key mac_key;        /* file handles, session ids, digests */
    uint32_t server_epoch;             /* stateids */
    uint64_t random_seed;              /* for nothing that must be secret */
};

/* A barrier that this node cannot tell by itself: it has to be asked for (NFS4_ASK_BARRIER). */
#define NFS4_BARRIER_UNKNOWN UINT64_MAX

/* What a step may know of the world. */
struct nfs4_moment {
    uint64_t now_ms; /* boot time */
    int64_t wall_ns;
    struct kv_read *view; /* the loop's snapshot */
    uint64_t view_index;  /* all entries up to it are in the view */
    uint64_t view_number; /* tells two views apart: rows that were read are kept only as long as it is equal */
    uint64_t
        sessions_moved;     /* EFFECT_SESSION_LEFT of all entries up to view_index, and perhaps more: while it is equal,
                                no session has left */
    uint64_t uptime_ms;     /* the cluster's clock, at least what the leader would stamp now; 0: unknown */
    uint64_t barrier_index; /* a call that comes now must see this (DESIGN.md section 6), or NFS4_BARRIER_UNKNOWN */
    uint64_t free_bytes;    /* of the data directory's file system, for space_avail ... */
    uint64_t total_bytes;
    bool room_known;
    uint64_t room_bytes; /* if room_known: what this loop may still have written, in logs and state together */
};

enum nfs4_action_kind {
    NFS4_REPLY,            /* send `reply` (whole RPC record with its marker) on `connection`; owner passes on */
    NFS4_NO_REPLY,         /* the call on `connection` is over without a reply (its session left) */
    NFS4_PROPOSE,          /* send `proposal` to the replica; it lives until nfs4_result for its place */
    NFS4_READ_BLOCKS,      /* read `reads` and call nfs4_blocks_read(place) */
    NFS4_CLOSE_CONNECTION, /* close `connection` unread */
    NFS4_ASK_BARRIER,      /* ask for a barrier and call nfs4_barrier(`number`) */
    NFS4_SESSION_FLAPS,    /* `flap`: for the log */
};

/* A session that moves between nodes again and again: its connections lead to different ones. */
struct nfs4_flap {
    struct session_id session;
    struct client_id client;
    struct slice owner; /* the client's name; as it says, any bytes */
    uint64_t moves;
    uint64_t period_ms;
};

/* One piece of file content to be read from a block into a reply buffer. */
struct nfs4_block_read {
    struct block_id block;
    uint64_t block_offset;
    uint32_t size_bytes;
    uint8_t *target; /* in the parked compound's reply buffer */
};

struct nfs4_action {
    struct nfs4_action *next;
    enum nfs4_action_kind kind;
    struct connection_id connection;
    struct buffer *reply;
    struct proposal *proposal;
    uint64_t place; /* of the parked compound */
    struct nfs4_block_read *reads;
    size_t read_count;
    uint64_t number;
    const struct nfs4_flap *flap;
};

/* Actions in order, allocated in the outbox's arena; the shell carries them out after the step and resets it. */
struct nfs4_outbox {
    struct arena arena;
    struct nfs4_action *first;
    struct nfs4_action **last;
};
void nfs4_outbox_init(struct nfs4_outbox *outbox);
void nfs4_outbox_reset(struct nfs4_outbox *outbox);

struct nfs4_server *nfs4_server_create(const struct nfs4_config *config);
void nfs4_server_destroy(struct nfs4_server *server);

/* One call to program 100003 version 4 whose header and credential are decoded. `record` holds the bytes that `body`
 * (the procedure's arguments) and `header` point into; the server keeps an owner while the compound lives. `address` is
 * the client's (4 or 16 bytes). The connection gets exactly one NFS4_REPLY or NFS4_NO_REPLY for it, now or later. */
struct nfs4_call {
    struct connection_id connection;
    struct slice address;
    const struct rpc_call *header;
    struct slice body;
    struct buffer *record;
};
void nfs4_call(struct nfs4_server *server, const struct nfs4_call *call, const struct nfs4_moment *moment,
               struct nfs4_outbox *outbox);

/* The result of a command with this loop's ticket. `place` is the ticket's. `result` is packed and only read here. A
 * result may come twice, or for a call that is over: a place that is not known is left alone. */
void nfs4_result(struct nfs4_server *server, uint64_t place, struct slice result, const struct nfs4_moment *moment,
                 struct nfs4_outbox *outbox);

/* A NFS4_READ_BLOCKS is done; ok false: a block could not be read (the file may have been rewritten: look again). */
void nfs4_blocks_read(struct nfs4_server *server, uint64_t place, bool ok, const struct nfs4_moment *moment,
                      struct nfs4_outbox *outbox);

/* Asks for the barrier of the calls that came since the last question; one question at a time. After all calls of a step and
 * before its actions are carried out: a call joins only a question that is not yet sent (DESIGN.md section 6). */
void nfs4_ask_barrier(struct nfs4_server *server, struct nfs4_outbox *outbox);

/* The answer to question `number`: the calls of that question must see entry `index`. Any other answer is left alone. */
void nfs4_barrier(struct nfs4_server *server, uint64_t number, uint64_t index, const struct nfs4_moment *moment,
                  struct nfs4_outbox *outbox);

/* The view has moved on: compounds that waited for a barrier may go on. Also the tick: lease renewals are proposed in
 * batches, about ten times a lease period. */
void nfs4_advance(struct nfs4_server *server, const struct nfs4_moment *moment, struct nfs4_outbox *outbox);

/* Whether compounds that have waited, for a newer view or for their session, may go on; after any of the functions. */
bool nfs4_runnable(const struct nfs4_server *server);

/* Goes on with the first of them, as many as the caller has room for their replies. */
void nfs4_run(struct nfs4_server *server, uint32_t most, const struct nfs4_moment *moment, struct nfs4_outbox *outbox);

/* Whether compounds wait for the view to move on: then nfs4_advance is wanted as soon as it has. */
bool nfs4_waits(const struct nfs4_server *server);

/* An effect of the machine that concerns sessions (EFFECT_SESSION_LEFT, EFFECT_CLIENT_GONE); every loop gets it. */
void nfs4_effect(struct nfs4_server *server, const struct machine_effect *effect, const struct nfs4_moment *moment,
                 struct nfs4_outbox *outbox);

/* The connection is gone: forget its bindings. Its compounds finish (their replies are kept in the slots). */
void nfs4_connection_closed(struct nfs4_server *server, struct connection_id connection);

/* The session a compound starts with (SEQUENCE, BIND_CONN_TO_SESSION), to choose the loop that serves it; false if it
 * has none. Looks only at the bytes. */
bool nfs4_peek_session(struct slice body, struct session_id *session);

/* Parked compounds, sessions in memory, bytes of cached replies: for metrics and bounds. */
struct nfs4_counters {
    uint64_t parked;
    uint64_t parked_bytes; /* of the buffers of their requests and replies */
    uint64_t sessions;
    uint64_t cached_bytes;
    uint64_t operations; /* executed since the start */
    uint64_t replays;    /* answered from a slot, in memory or from a row */
    uint64_t false_retries;
    uint64_t attaches;
    uint64_t errors; /* compounds that ended in an error */
};
void nfs4_counters(const struct nfs4_server *server, struct nfs4_counters *counters);

#endif
