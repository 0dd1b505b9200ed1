#include "proto/nfs4/client.h"

#include "proto/nfs4/codec.h"

static bool xdr_state_protect_ops4(struct xdr *x, struct state_protect_ops4 *ops)
{
    return xdr_bitmap4(x, &ops->spo_must_enforce) && xdr_bitmap4(x, &ops->spo_must_allow);
}

static bool opaque_element(struct xdr *x, void *element)
{
    return xdr_opaque(x, element, XDR_UNBOUNDED);
}

/* sec_oid4<> and gsshandle4_t<>. */
static bool xdr_opaques(struct xdr *x, struct slice **opaques, uint32_t *count)
{
    void *elements = *opaques;
    if (!xdr_array(x, &elements, count, NFS4_SSV_ITEMS_MAX, 4, sizeof(struct slice), opaque_element))
        return false;
    *opaques = elements;
    return true;
}

static bool xdr_ssv_sp_parms4(struct xdr *x, struct ssv_sp_parms4 *parms)
{
    return xdr_state_protect_ops4(x, &parms->ssp_ops) &&
           xdr_opaques(x, &parms->ssp_hash_algs, &parms->ssp_hash_algs_count) &&
           xdr_opaques(x, &parms->ssp_encr_algs, &parms->ssp_encr_algs_count) && xdr_uint32(x, &parms->ssp_window) &&
           xdr_uint32(x, &parms->ssp_num_gss_handles);
}

static bool xdr_state_protect4_a(struct xdr *x, struct state_protect4_a *protect)
{
    if (!xdr_enum(x, &protect->spa_how))
        return false;
    switch (protect->spa_how) {
    case SP4_NONE: return true;
    case SP4_MACH_CRED: return xdr_state_protect_ops4(x, &protect->u.spa_mach_ops);
    case SP4_SSV: return xdr_ssv_sp_parms4(x, &protect->u.spa_ssv_parms);
    }
    return xdr_fail(x);
}

/* nfs_impl_id4<1> */
static bool xdr_optional_impl_id(struct xdr *x, bool *present, struct nfs_impl_id4 *id)
{
    return xdr_present(x, present) && (!*present || xdr_nfs_impl_id4(x, id));
}

bool xdr_EXCHANGE_ID4args(struct xdr *x, struct EXCHANGE_ID4args *args)
{
    return xdr_verifier4(x, &args->eia_clientowner.co_verifier) &&
           xdr_opaque(x, &args->eia_clientowner.co_ownerid, NFS4_OPAQUE_MAX_BYTES) && xdr_uint32(x, &args->eia_flags) &&
           xdr_state_protect4_a(x, &args->eia_state_protect) &&
           xdr_optional_impl_id(x, &args->eia_client_impl_id_present, &args->eia_client_impl_id);
}

static bool xdr_ssv_prot_info4(struct xdr *x, struct ssv_prot_info4 *info)
{
    return xdr_state_protect_ops4(x, &info->ssi_ops) && xdr_uint32(x, &info->ssi_hash_alg) &&
           xdr_uint32(x, &info->ssi_encr_alg) && xdr_uint32(x, &info->ssi_ssv_len) &&
           xdr_uint32(x, &info->ssi_window) && xdr_opaques(x, &info->ssi_handles, &info->ssi_handles_count);
}

static bool xdr_state_protect4_r(struct xdr *x, struct state_protect4_r *protect)
{
    if (!xdr_enum(x, &protect->spr_how))
        return false;
    switch (protect->spr_how) {
    case SP4_NONE: return true;
    case SP4_MACH_CRED: return xdr_state_protect_ops4(x, &protect->u.spr_mach_ops);
    case SP4_SSV: return xdr_ssv_prot_info4(x, &protect->u.spr_ssv_info);
    }
    return xdr_fail(x);
}

bool xdr_EXCHANGE_ID4res(struct xdr *x, struct EXCHANGE_ID4res *res)
{
    if (!xdr_enum(x, &res->eir_status))
        return false;
    struct EXCHANGE_ID4resok *resok = &res->eir_resok4;
    return res->eir_status != NFS4_OK ||
           (xdr_uint64(x, &resok->eir_clientid) && xdr_uint32(x, &resok->eir_sequenceid) &&
            xdr_uint32(x, &resok->eir_flags) && xdr_state_protect4_r(x, &resok->eir_state_protect) &&
            xdr_uint64(x, &resok->eir_server_owner.so_minor_id) &&
            xdr_opaque(x, &resok->eir_server_owner.so_major_id, NFS4_OPAQUE_MAX_BYTES) &&
            xdr_opaque(x, &resok->eir_server_scope, NFS4_OPAQUE_MAX_BYTES) &&
            xdr_optional_impl_id(x, &resok->eir_server_impl_id_present, &resok->eir_server_impl_id));
}

bool xdr_DESTROY_CLIENTID4args(struct xdr *x, struct DESTROY_CLIENTID4args *args)
{
    return xdr_uint64(x, &args->dca_clientid);
}

bool xdr_RECLAIM_COMPLETE4args(struct xdr *x, struct RECLAIM_COMPLETE4args *args)
{
    return xdr_bool(x, &args->rca_one_fs);
}
