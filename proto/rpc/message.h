/* message.h: RPC call and reply headers (RFC 5531 section 9). */
#ifndef PROTO_RPC_MESSAGE_H
#define PROTO_RPC_MESSAGE_H

#include "proto/rpc/auth.h"

struct xdr;

#define RPC_VERSION 2u

enum rpc_message_type { RPC_CALL = 0, RPC_REPLY = 1 };

enum rpc_accept_stat {
    RPC_SUCCESS = 0,
    RPC_PROG_UNAVAIL = 1,
    RPC_PROG_MISMATCH = 2,
    RPC_PROC_UNAVAIL = 3,
    RPC_GARBAGE_ARGS = 4,
    RPC_SYSTEM_ERR = 5
};

enum rpc_reject_stat { RPC_MISMATCH = 0, RPC_AUTH_ERROR = 1 };

enum rpc_auth_stat {
    RPC_AUTH_OK = 0,
    RPC_AUTH_BADCRED = 1,
    RPC_AUTH_REJECTEDCRED = 2,
    RPC_AUTH_BADVERF = 3,
    RPC_AUTH_REJECTEDVERF = 4,
    RPC_AUTH_TOOWEAK = 5,
    RPC_AUTH_INVALIDRESP = 6,
    RPC_AUTH_FAILED = 7,
    RPC_GSS_CREDPROBLEM = 13,
    RPC_GSS_CTXPROBLEM = 14
};

struct rpc_call {
    uint32_t xid;
    uint32_t rpcvers;
    uint32_t prog;
    uint32_t vers;
    uint32_t proc;
    struct opaque_auth cred;
    struct opaque_auth verf;
};

/* What to do with a record that was decoded as a call. */
enum rpc_call_verdict {
    RPC_CALL_OK,
    RPC_CALL_DROP,     /* no xid, or not a call: nobody to answer; close the connection */
    RPC_CALL_MISMATCH, /* rpcvers is not 2: answer RPC_MISMATCH 2, 2; only xid and rpcvers are set */
    RPC_CALL_BADCRED,  /* the credential does not decode or is over its bound: answer AUTH_ERROR, AUTH_BADCRED */
    RPC_CALL_BADVERF   /* the same for the verifier: AUTH_BADVERF */
};

/* Decodes the head of a call; afterwards the cursor stands at the arguments (only with RPC_CALL_OK). Slices point into
 * the record. Pure. */
enum rpc_call_verdict rpc_call_decode(struct xdr *x, struct rpc_call *call);

/* Encodes the head of a call. False without room. Pure. */
bool rpc_call_encode(struct xdr *x, struct rpc_call *call);

/* A reply's head in either direction: the server encodes it, the client decodes it. */
struct rpc_reply {
    uint32_t xid;
    bool denied;
    /* accepted */
    struct opaque_auth verf;
    enum rpc_accept_stat accept_stat;
    /* denied */
    enum rpc_reject_stat reject_stat;
    enum rpc_auth_stat auth_stat; /* RPC_AUTH_ERROR */
    /* RPC_PROG_MISMATCH, RPC_MISMATCH */
    uint32_t low;
    uint32_t high;
};

/* The results follow if the reply is accepted with RPC_SUCCESS. Pure. */
bool xdr_rpc_reply(struct xdr *x, struct rpc_reply *reply);

/* The usual replies, AUTH_NONE verifier. Pure. */
struct rpc_reply rpc_reply_accepted(uint32_t xid, enum rpc_accept_stat stat);
struct rpc_reply rpc_reply_program_mismatch(uint32_t xid, uint32_t low, uint32_t high);
struct rpc_reply rpc_reply_version_mismatch(uint32_t xid);
struct rpc_reply rpc_reply_auth_error(uint32_t xid, enum rpc_auth_stat stat);

#endif
