#include "proto/nfs4/stateid.h"

#include "proto/nfs4/codec.h"

#define STATEID_WIRE_BYTES (4u + NFS4_OTHER_SIZE)

static bool stateid_element(struct xdr *x, void *element)
{
    return xdr_stateid4(x, element);
}

static bool status_element(struct xdr *x, void *element)
{
    return xdr_enum(x, (enum nfsstat4 *)element);
}

/* Both arrays are as large in memory as on the wire, so the record bounds them. */
bool xdr_TEST_STATEID4args(struct xdr *x, struct TEST_STATEID4args *args)
{
    void *stateids = args->ts_stateids;
    if (!xdr_array(x, &stateids, &args->ts_stateids_count, UINT32_MAX, STATEID_WIRE_BYTES, sizeof(struct stateid4),
                   stateid_element))
        return false;
    args->ts_stateids = stateids;
    return true;
}

bool xdr_TEST_STATEID4res(struct xdr *x, struct TEST_STATEID4res *res)
{
    if (!xdr_enum(x, &res->tsr_status))
        return false;
    if (res->tsr_status != NFS4_OK)
        return true;
    void *codes = res->tsr_resok4.tsr_status_codes;
    if (!xdr_array(x, &codes, &res->tsr_resok4.tsr_status_codes_count, UINT32_MAX, 4, sizeof(enum nfsstat4),
                   status_element))
        return false;
    res->tsr_resok4.tsr_status_codes = codes;
    return true;
}

bool xdr_FREE_STATEID4args(struct xdr *x, struct FREE_STATEID4args *args)
{
    return xdr_stateid4(x, &args->fsa_stateid);
}
