#include "proto/nfs4/file.h"

#include "proto/nfs4/codec.h"

bool xdr_ACCESS4args(struct xdr *x, struct ACCESS4args *args)
{
    return xdr_uint32(x, &args->access);
}

bool xdr_ACCESS4res(struct xdr *x, struct ACCESS4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    return res->status != NFS4_OK || (xdr_uint32(x, &res->resok4.supported) && xdr_uint32(x, &res->resok4.access));
}

bool xdr_PUTFH4args(struct xdr *x, struct PUTFH4args *args)
{
    return xdr_fh4(x, &args->object);
}

bool xdr_GETFH4res(struct xdr *x, struct GETFH4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    return res->status != NFS4_OK || xdr_fh4(x, &res->resok4.object);
}

bool xdr_READLINK4res(struct xdr *x, struct READLINK4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    return res->status != NFS4_OK || xdr_component4(x, &res->resok4.link);
}

bool xdr_STATUS4res(struct xdr *x, struct STATUS4res *res)
{
    return xdr_enum(x, &res->status);
}
