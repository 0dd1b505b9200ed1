#include "proto/nfs4/io.h"

#include "proto/nfs4/codec.h"

static bool xdr_stable_how4(struct xdr *x, enum stable_how4 *stable)
{
    return xdr_enum(x, stable) && (*stable <= FILE_SYNC4 || xdr_fail(x));
}

bool xdr_READ4args(struct xdr *x, struct READ4args *args)
{
    return xdr_stateid4(x, &args->stateid) && xdr_uint64(x, &args->offset) && xdr_uint32(x, &args->count);
}

bool xdr_READ4res(struct xdr *x, struct READ4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    return res->status != NFS4_OK || (xdr_bool(x, &res->resok4.eof) && xdr_opaque(x, &res->resok4.data, XDR_UNBOUNDED));
}

bool xdr_WRITE4args(struct xdr *x, struct WRITE4args *args)
{
    return xdr_stateid4(x, &args->stateid) && xdr_uint64(x, &args->offset) && xdr_stable_how4(x, &args->stable) &&
           xdr_opaque(x, &args->data, XDR_UNBOUNDED);
}

bool xdr_WRITE4res(struct xdr *x, struct WRITE4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    return res->status != NFS4_OK || (xdr_uint32(x, &res->resok4.count) && xdr_stable_how4(x, &res->resok4.committed) &&
                                      xdr_verifier4(x, &res->resok4.writeverf));
}

bool xdr_COMMIT4args(struct xdr *x, struct COMMIT4args *args)
{
    return xdr_uint64(x, &args->offset) && xdr_uint32(x, &args->count);
}

bool xdr_COMMIT4res(struct xdr *x, struct COMMIT4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    return res->status != NFS4_OK || xdr_verifier4(x, &res->resok4.writeverf);
}
