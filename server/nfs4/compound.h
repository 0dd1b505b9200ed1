/* compound.h: one COMPOUND from its call to its reply (RFC 8881 section 16.2). Operations are executed one by one out of
 * the record; each result is encoded behind the one before. An operation's handler never waits: it says what it wants
 * (enum step), the compound is parked with all its state in here, and goes on when the answer is there.
 *
 * Internal to server/nfs4. */
#ifndef SERVER_NFS4_COMPOUND_H
#define SERVER_NFS4_COMPOUND_H

#include "proto/nfs4/compound.h"
#include "proto/xdr/xdr.h"
#include "server/nfs4/server.h"
#include "server/nfs4/session_table.h"
#include "server/nfs4/subject.h"
#include "server/nfs4/task.h"

struct operation;

/* What a handler asks for. */
enum step {
    STEP_DONE,        /* compound->result is the result */
    STEP_ENCODED,     /* the handler has encoded number and result itself, status NFS4_OK */
    STEP_COMMIT,      /* a command was proposed; the operation's `finish` makes the result from the machine's */
    STEP_READ_BLOCKS, /* content is read into the reply; the operation's `blocks_read` goes on */
    STEP_AGAIN,       /* the compound stands in a list; run the same operation again when it is woken */
    STEP_GONE         /* the compound is over and freed: its call was answered, or handed to another compound */
};

enum compound_state {
    COMPOUND_RUNNING,
    COMPOUND_WAITS_BARRIER,
    COMPOUND_WAITS_SESSION,
    COMPOUND_WAITS_RESULT,
    COMPOUND_WAITS_BLOCKS
};

/* A READ whose content comes from blocks. */
struct compound_read {
    struct span place; /* in the reply buffer */
    size_t size_bytes;
    bool eof;
    size_t start; /* position of the result in the reply */
    uint32_t attempts;
};

struct compound {
    struct task task; /* must stay first */
    struct list_link link;
    struct list_link session_link;
    struct nfs4_server *server;
    enum compound_state state;
    bool silent; /* its session left this node: it ends without a reply */

    /* In a step only. */
    const struct nfs4_moment *moment;
    struct nfs4_outbox *outbox;

    /* The call. */
    struct connection_id connection;
    uint32_t xid;
    size_t request_bytes; /* with the RPC header, without record marking */
    size_t held_bytes;    /* of the record's buffer and the reply's, as counted in the server's parked_bytes */
    struct buffer *record;
    uint8_t address[16];
    struct identity identity; /* as the client says, before any squash */
    uint32_t groups[RPC_AUTH_SYS_GROUPS_MAX];
    uint64_t barrier_index;
    uint64_t epoch_seen; /* of its session, when it had to wait for the view; 0: it did not wait */

    /* Arguments and reply. */
    struct nfs4_compound_args head;
    struct xdr arguments;
    struct xdr reply;
    struct buffer *reply_buffer;
    size_t body_start; /* of COMPOUND4res in the reply */
    struct nfs4_compound_frame frame;
    size_t results_start;
    size_t response_limit; /* bytes of the reply without record marking */

    /* The operation that is being executed. */
    uint32_t index;
    uint32_t number;
    size_t operation_start; /* of its number in the arguments */
    const struct operation *operation;
    union nfs4_args args;
    union nfs4_result result;
    struct compound_read read;

    /* What operations hand on to each other. */
    bool current_set;
    struct file_id current;
    bool saved_set;
    struct file_id saved;
    bool current_stateid_set;
    struct stateid current_stateid;
    bool saved_stateid_set;
    struct stateid saved_stateid;
    bool subject_known; /* `subject` is that of `current` in the present view */
    struct subject subject;

    /* Its slot; session NULL outside of a session, or once that is destroyed. */
    struct session_entry *session;
    struct client_id client;
    struct session_id session_id;
    uint64_t epoch;
    uint32_t slot;
    uint32_t seqid;
    struct hash128 digest;
    bool cache_this;
    bool in_session; /* SEQUENCE has been executed */
    bool changed;    /* a command with this slot as its origin was proposed */
};

/* --- for the entry points (server.c) --- */

/* A compound for the call; the head of COMPOUND4args is not yet decoded. */
struct compound *compound_create(struct nfs4_server *server, const struct nfs4_call *call,
                                 const struct authsys_parms *credential);
/* Decodes the head, and runs it or parks it until the view is new enough. */
void compound_begin(struct compound *compound, const struct nfs4_moment *moment, struct nfs4_outbox *outbox);
/* Goes on with the operation it stands at; afterwards the compound may be gone. */
void compound_run(struct compound *compound, const struct nfs4_moment *moment, struct nfs4_outbox *outbox);
void compound_on_result(struct compound *compound, struct slice packed, const struct nfs4_moment *moment,
                        struct nfs4_outbox *outbox);
void compound_on_blocks(struct compound *compound, bool ok, const struct nfs4_moment *moment,
                        struct nfs4_outbox *outbox);
/* Its session left: it ends now, or, if something of it is under way, when that comes back; never with a reply. */
void compound_silence(struct compound *compound, struct nfs4_outbox *outbox);
/* Ends it without a reply, together with its connection: the client sends it again, wherever its next connection leads. */
void compound_refuse(struct compound *compound);
/* Its session is destroyed: it goes on without a slot. */
void compound_leave_session(struct compound *compound);
/* Frees the memory; the compound must be in no list. */
void compound_destroy(struct compound *compound);

/* --- for handlers --- */

/* The file of the current handle: NFS4_OK, NFS4ERR_STALE, NFS4ERR_ACCESS or NFS4ERR_WRONGSEC (its export does not admit
 * the caller). The row's flag has checked that there is a handle. */
enum nfsstat4 compound_subject(struct compound *compound, struct subject **subject);

/* Sets the current handle; the current stateid goes, as RFC 8881 section 16.2.3.1.2 says. */
void compound_set_current(struct compound *compound, struct file_id id);
void compound_set_current_stateid(struct compound *compound, struct stateid stateid);

/* A stateid argument: the special one "current" (seqid 1, rest zero) is replaced. NFS4ERR_BAD_STATEID if there is none. */
enum nfsstat4 compound_stateid(const struct compound *compound, const struct stateid4 *given, struct stateid *stateid);

/* Makes room for so many bytes more in the reply buffer (the session's limits are another matter). */
void compound_room(struct compound *compound, size_t size_bytes);

/* How many bytes may still be encoded in this reply under the session's limits, with a further operation's error kept
 * free; *too_big is the status to answer if that is not enough. */
size_t compound_limit(const struct compound *compound, enum nfsstat4 *too_big);

/* Answers the present operation with a status. */
enum step compound_answer(struct compound *compound, enum nfsstat4 status);

/* The next operation's number, OP_ILLEGAL if there is none. */
uint32_t compound_peek(const struct compound *compound);

/* Sends what is encoded as the reply and ends the compound. For SEQUENCE's replays. */
void compound_send(struct compound *compound);

/* Ends the compound; its call was answered, or is looked after by another compound. */
void compound_end(struct compound *compound);

/* Decodes the operation at the present position. NFS4_OK, or what is wrong with it or its place. Also to pass over
 * operations whose results are known. */
enum nfsstat4 compound_decode(struct compound *compound);

/* Everything encoded so far goes; the reply is as long as it was before the first result. */
void compound_rewind_results(struct compound *compound);

static inline struct arena *compound_arena(struct compound *compound)
{
    return &compound->task.arena;
}
static inline struct kv_read *compound_view(const struct compound *compound)
{
    return compound->moment->view;
}

#endif
