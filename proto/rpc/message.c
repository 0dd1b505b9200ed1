#include "proto/rpc/message.h"

#include "proto/xdr/xdr.h"

enum rpc_call_verdict rpc_call_decode(struct xdr *x, struct rpc_call *call)
{
    uint32_t type = RPC_REPLY;
    *call = (struct rpc_call){0};
    if (!xdr_uint32(x, &call->xid) || !xdr_uint32(x, &type) || type != RPC_CALL || !xdr_uint32(x, &call->rpcvers))
        return RPC_CALL_DROP;
    if (call->rpcvers != RPC_VERSION)
        return RPC_CALL_MISMATCH;
    if (!xdr_uint32(x, &call->prog) || !xdr_uint32(x, &call->vers) || !xdr_uint32(x, &call->proc))
        return RPC_CALL_DROP;
    if (!xdr_opaque_auth(x, &call->cred))
        return RPC_CALL_BADCRED;
    if (!xdr_opaque_auth(x, &call->verf))
        return RPC_CALL_BADVERF;
    return RPC_CALL_OK;
}

bool rpc_call_encode(struct xdr *x, struct rpc_call *call)
{
    uint32_t type = RPC_CALL;
    return xdr_uint32(x, &call->xid) && xdr_uint32(x, &type) && xdr_uint32(x, &call->rpcvers) &&
           xdr_uint32(x, &call->prog) && xdr_uint32(x, &call->vers) && xdr_uint32(x, &call->proc) &&
           xdr_opaque_auth(x, &call->cred) && xdr_opaque_auth(x, &call->verf);
}

static bool rpc_accepted(struct xdr *x, struct rpc_reply *reply)
{
    if (!xdr_opaque_auth(x, &reply->verf) || !xdr_enum(x, &reply->accept_stat))
        return false;
    if (reply->accept_stat == RPC_PROG_MISMATCH)
        return xdr_uint32(x, &reply->low) && xdr_uint32(x, &reply->high);
    return reply->accept_stat <= RPC_SYSTEM_ERR || xdr_fail(x);
}

static bool rpc_denied(struct xdr *x, struct rpc_reply *reply)
{
    if (!xdr_enum(x, &reply->reject_stat))
        return false;
    if (reply->reject_stat == RPC_MISMATCH)
        return xdr_uint32(x, &reply->low) && xdr_uint32(x, &reply->high);
    if (reply->reject_stat == RPC_AUTH_ERROR)
        return xdr_enum(x, &reply->auth_stat);
    return xdr_fail(x);
}

bool xdr_rpc_reply(struct xdr *x, struct rpc_reply *reply)
{
    uint32_t type = RPC_REPLY;
    if (!xdr_uint32(x, &reply->xid) || !xdr_uint32(x, &type))
        return false;
    if (type != RPC_REPLY)
        return xdr_fail(x);
    /* reply_stat: MSG_ACCEPTED is 0, MSG_DENIED is 1. */
    if (!xdr_bool(x, &reply->denied))
        return false;
    return reply->denied ? rpc_denied(x, reply) : rpc_accepted(x, reply);
}

struct rpc_reply rpc_reply_accepted(uint32_t xid, enum rpc_accept_stat stat)
{
    return (struct rpc_reply){.xid = xid, .accept_stat = stat};
}

struct rpc_reply rpc_reply_program_mismatch(uint32_t xid, uint32_t low, uint32_t high)
{
    return (struct rpc_reply){.xid = xid, .accept_stat = RPC_PROG_MISMATCH, .low = low, .high = high};
}

struct rpc_reply rpc_reply_version_mismatch(uint32_t xid)
{
    return (struct rpc_reply){
        .xid = xid, .denied = true, .reject_stat = RPC_MISMATCH, .low = RPC_VERSION, .high = RPC_VERSION};
}

struct rpc_reply rpc_reply_auth_error(uint32_t xid, enum rpc_auth_stat stat)
{
    return (struct rpc_reply){.xid = xid, .denied = true, .reject_stat = RPC_AUTH_ERROR, .auth_stat = stat};
}
