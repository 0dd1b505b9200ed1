#include "proto/rpc/auth.h"

#include "proto/xdr/xdr.h"

bool xdr_authsys_parms(struct xdr *x, struct authsys_parms *parms)
{
    if (!(xdr_uint32(x, &parms->stamp) && xdr_string(x, &parms->machinename, RPC_AUTH_SYS_MACHINE_MAX_BYTES) &&
          xdr_uint32(x, &parms->uid) && xdr_uint32(x, &parms->gid) &&
          xdr_count(x, &parms->gids_count, RPC_AUTH_SYS_GROUPS_MAX, 4)))
        return false;
    for (uint32_t i = 0; i < parms->gids_count; i++) {
        if (!xdr_uint32(x, &parms->gids[i]))
            return false;
    }
    return true;
}

bool xdr_opaque_auth(struct xdr *x, struct opaque_auth *auth)
{
    return xdr_uint32(x, &auth->flavor) && xdr_opaque(x, &auth->body, RPC_AUTH_MAX_BYTES);
}
