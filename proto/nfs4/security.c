#include "proto/nfs4/security.h"

#include "proto/nfs4/codec.h"
#include "proto/rpc/auth.h"

bool xdr_SECINFO4args(struct xdr *x, struct SECINFO4args *args)
{
    return xdr_component4(x, &args->name);
}

bool xdr_SECINFO_NO_NAME4args(struct xdr *x, struct SECINFO_NO_NAME4args *args)
{
    return xdr_enum(x, &args->style);
}

static bool secinfo_element(struct xdr *x, void *element)
{
    struct secinfo4 *info = element;
    if (!xdr_uint32(x, &info->flavor))
        return false;
    if (info->flavor != RPCSEC_GSS)
        return true;
    return xdr_opaque(x, &info->flavor_info.oid, XDR_UNBOUNDED) && xdr_uint32(x, &info->flavor_info.qop) &&
           xdr_enum(x, &info->flavor_info.service);
}

bool xdr_SECINFO4res(struct xdr *x, struct SECINFO4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    if (res->status != NFS4_OK)
        return true;
    void *entries = res->resok4.entries;
    if (!xdr_array(x, &entries, &res->resok4.entries_count, NFS4_SECINFO_MAX, 4, sizeof(struct secinfo4),
                   secinfo_element))
        return false;
    res->resok4.entries = entries;
    return true;
}
