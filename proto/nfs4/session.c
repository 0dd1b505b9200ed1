#include "proto/nfs4/session.h"

#include "proto/nfs4/codec.h"

static bool xdr_channel_attrs4(struct xdr *x, struct channel_attrs4 *attrs)
{
    return xdr_uint32(x, &attrs->ca_headerpadsize) && xdr_uint32(x, &attrs->ca_maxrequestsize) &&
           xdr_uint32(x, &attrs->ca_maxresponsesize) && xdr_uint32(x, &attrs->ca_maxresponsesize_cached) &&
           xdr_uint32(x, &attrs->ca_maxoperations) && xdr_uint32(x, &attrs->ca_maxrequests) &&
           xdr_present(x, &attrs->ca_rdma_ird_present) &&
           (!attrs->ca_rdma_ird_present || xdr_uint32(x, &attrs->ca_rdma_ird));
}

static bool xdr_gss_cb_handles4(struct xdr *x, struct gss_cb_handles4 *handles)
{
    return xdr_enum(x, &handles->gcbp_service) && xdr_opaque(x, &handles->gcbp_handle_from_server, XDR_UNBOUNDED) &&
           xdr_opaque(x, &handles->gcbp_handle_from_client, XDR_UNBOUNDED);
}

static bool sec_parms_element(struct xdr *x, void *element)
{
    struct callback_sec_parms4 *parms = element;
    if (!xdr_uint32(x, &parms->cb_secflavor))
        return false;
    switch (parms->cb_secflavor) {
    case AUTH_NONE: return true;
    case AUTH_SYS: return xdr_authsys_parms(x, &parms->u.cbsp_sys_cred);
    case RPCSEC_GSS: return xdr_gss_cb_handles4(x, &parms->u.cbsp_gss_handles);
    default: return xdr_fail(x);
    }
}

static bool xdr_sec_parms(struct xdr *x, struct callback_sec_parms4 **parms, uint32_t *count)
{
    void *elements = *parms;
    if (!xdr_array(x, &elements, count, NFS4_CALLBACK_SEC_PARMS_MAX, 4, sizeof(struct callback_sec_parms4),
                   sec_parms_element))
        return false;
    *parms = elements;
    return true;
}

bool xdr_CREATE_SESSION4args(struct xdr *x, struct CREATE_SESSION4args *args)
{
    return xdr_uint64(x, &args->csa_clientid) && xdr_uint32(x, &args->csa_sequence) &&
           xdr_uint32(x, &args->csa_flags) && xdr_channel_attrs4(x, &args->csa_fore_chan_attrs) &&
           xdr_channel_attrs4(x, &args->csa_back_chan_attrs) && xdr_uint32(x, &args->csa_cb_program) &&
           xdr_sec_parms(x, &args->csa_sec_parms, &args->csa_sec_parms_count);
}

bool xdr_CREATE_SESSION4res(struct xdr *x, struct CREATE_SESSION4res *res)
{
    if (!xdr_enum(x, &res->csr_status))
        return false;
    struct CREATE_SESSION4resok *resok = &res->csr_resok4;
    return res->csr_status != NFS4_OK ||
           (xdr_sessionid4(x, &resok->csr_sessionid) && xdr_uint32(x, &resok->csr_sequence) &&
            xdr_uint32(x, &resok->csr_flags) && xdr_channel_attrs4(x, &resok->csr_fore_chan_attrs) &&
            xdr_channel_attrs4(x, &resok->csr_back_chan_attrs));
}

bool xdr_SEQUENCE4args(struct xdr *x, struct SEQUENCE4args *args)
{
    return xdr_sessionid4(x, &args->sa_sessionid) && xdr_uint32(x, &args->sa_sequenceid) &&
           xdr_uint32(x, &args->sa_slotid) && xdr_uint32(x, &args->sa_highest_slotid) &&
           xdr_bool(x, &args->sa_cachethis);
}

bool xdr_SEQUENCE4res(struct xdr *x, struct SEQUENCE4res *res)
{
    if (!xdr_enum(x, &res->sr_status))
        return false;
    struct SEQUENCE4resok *resok = &res->sr_resok4;
    return res->sr_status != NFS4_OK ||
           (xdr_sessionid4(x, &resok->sr_sessionid) && xdr_uint32(x, &resok->sr_sequenceid) &&
            xdr_uint32(x, &resok->sr_slotid) && xdr_uint32(x, &resok->sr_highest_slotid) &&
            xdr_uint32(x, &resok->sr_target_highest_slotid) && xdr_uint32(x, &resok->sr_status_flags));
}

bool xdr_BIND_CONN_TO_SESSION4args(struct xdr *x, struct BIND_CONN_TO_SESSION4args *args)
{
    return xdr_sessionid4(x, &args->bctsa_sessid) && xdr_enum(x, &args->bctsa_dir) &&
           xdr_bool(x, &args->bctsa_use_conn_in_rdma_mode);
}

bool xdr_BIND_CONN_TO_SESSION4res(struct xdr *x, struct BIND_CONN_TO_SESSION4res *res)
{
    if (!xdr_enum(x, &res->bctsr_status))
        return false;
    struct BIND_CONN_TO_SESSION4resok *resok = &res->bctsr_resok4;
    return res->bctsr_status != NFS4_OK || (xdr_sessionid4(x, &resok->bctsr_sessid) && xdr_enum(x, &resok->bctsr_dir) &&
                                            xdr_bool(x, &resok->bctsr_use_conn_in_rdma_mode));
}

bool xdr_BACKCHANNEL_CTL4args(struct xdr *x, struct BACKCHANNEL_CTL4args *args)
{
    return xdr_uint32(x, &args->bca_cb_program) && xdr_sec_parms(x, &args->bca_sec_parms, &args->bca_sec_parms_count);
}

bool xdr_DESTROY_SESSION4args(struct xdr *x, struct DESTROY_SESSION4args *args)
{
    return xdr_sessionid4(x, &args->dsa_sessionid);
}
