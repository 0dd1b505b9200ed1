#include "proto/nfs4/attr_operations.h"

#include "proto/nfs4/attr.h"
#include "proto/nfs4/codec.h"

bool xdr_GETATTR4args(struct xdr *x, struct GETATTR4args *args)
{
    return xdr_bitmap4(x, &args->attr_request);
}

bool xdr_GETATTR4res(struct xdr *x, struct GETATTR4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    return res->status != NFS4_OK || xdr_fattr4(x, &res->resok4.obj_attributes);
}

bool xdr_SETATTR4args(struct xdr *x, struct SETATTR4args *args)
{
    return xdr_stateid4(x, &args->stateid) && xdr_fattr4(x, &args->obj_attributes);
}

bool xdr_SETATTR4res(struct xdr *x, struct SETATTR4res *res)
{
    return xdr_enum(x, &res->status) && xdr_bitmap4(x, &res->attrsset);
}

bool xdr_VERIFY4args(struct xdr *x, struct VERIFY4args *args)
{
    return xdr_fattr4(x, &args->obj_attributes);
}
