#include "proto/nfs4/open.h"

#include "proto/nfs4/attr.h"
#include "proto/nfs4/codec.h"

static bool xdr_createhow4(struct xdr *x, struct createhow4 *how)
{
    if (!xdr_enum(x, &how->mode))
        return false;
    switch (how->mode) {
    case UNCHECKED4:
    case GUARDED4: return xdr_fattr4(x, &how->u.createattrs);
    case EXCLUSIVE4: return xdr_verifier4(x, &how->u.createverf);
    case EXCLUSIVE4_1:
        return xdr_verifier4(x, &how->u.ch_createboth.cva_verf) && xdr_fattr4(x, &how->u.ch_createboth.cva_attrs);
    }
    return xdr_fail(x);
}

static bool xdr_openflag4(struct xdr *x, struct openflag4 *flag)
{
    if (!xdr_enum(x, &flag->opentype))
        return false;
    switch (flag->opentype) {
    case OPEN4_NOCREATE: return true;
    case OPEN4_CREATE: return xdr_createhow4(x, &flag->how);
    }
    return xdr_fail(x);
}

static bool xdr_open_claim4(struct xdr *x, struct open_claim4 *claim)
{
    if (!xdr_enum(x, &claim->claim))
        return false;
    switch (claim->claim) {
    case CLAIM_NULL: return xdr_component4(x, &claim->u.file);
    case CLAIM_PREVIOUS: return xdr_enum(x, &claim->u.delegate_type);
    case CLAIM_DELEGATE_CUR:
        return xdr_stateid4(x, &claim->u.delegate_cur_info.delegate_stateid) &&
               xdr_component4(x, &claim->u.delegate_cur_info.file);
    case CLAIM_DELEGATE_PREV: return xdr_component4(x, &claim->u.file_delegate_prev);
    case CLAIM_DELEG_CUR_FH: return xdr_stateid4(x, &claim->u.oc_delegate_stateid);
    case CLAIM_FH:
    case CLAIM_DELEG_PREV_FH: return true;
    }
    return xdr_fail(x);
}

bool xdr_OPEN4args(struct xdr *x, struct OPEN4args *args)
{
    return xdr_uint32(x, &args->seqid) && xdr_uint32(x, &args->share_access) && xdr_uint32(x, &args->share_deny) &&
           xdr_state_owner4(x, &args->owner) && xdr_openflag4(x, &args->openhow) && xdr_open_claim4(x, &args->claim);
}

static bool xdr_nfsace4(struct xdr *x, struct nfsace4 *ace)
{
    return xdr_uint32(x, &ace->type) && xdr_uint32(x, &ace->flag) && xdr_uint32(x, &ace->access_mask) &&
           xdr_string(x, &ace->who, XDR_UNBOUNDED);
}

static bool xdr_nfs_space_limit4(struct xdr *x, struct nfs_space_limit4 *limit)
{
    if (!xdr_enum(x, &limit->limitby))
        return false;
    switch (limit->limitby) {
    case NFS_LIMIT_SIZE: return xdr_uint64(x, &limit->u.filesize);
    case NFS_LIMIT_BLOCKS:
        return xdr_uint32(x, &limit->u.mod_blocks.num_blocks) && xdr_uint32(x, &limit->u.mod_blocks.bytes_per_block);
    }
    return xdr_fail(x);
}

static bool xdr_open_none_delegation4(struct xdr *x, struct open_none_delegation4 *none)
{
    if (!xdr_enum(x, &none->ond_why))
        return false;
    if (none->ond_why == WND4_CONTENTION)
        return xdr_bool(x, &none->ond_server_will_push_deleg);
    if (none->ond_why == WND4_RESOURCE)
        return xdr_bool(x, &none->ond_server_will_signal_avail);
    return true;
}

static bool xdr_open_delegation4(struct xdr *x, struct open_delegation4 *delegation)
{
    if (!xdr_enum(x, &delegation->delegation_type))
        return false;
    switch (delegation->delegation_type) {
    case OPEN_DELEGATE_NONE: return true;
    case OPEN_DELEGATE_READ:
        return xdr_stateid4(x, &delegation->u.read.stateid) && xdr_bool(x, &delegation->u.read.recall) &&
               xdr_nfsace4(x, &delegation->u.read.permissions);
    case OPEN_DELEGATE_WRITE:
        return xdr_stateid4(x, &delegation->u.write.stateid) && xdr_bool(x, &delegation->u.write.recall) &&
               xdr_nfs_space_limit4(x, &delegation->u.write.space_limit) &&
               xdr_nfsace4(x, &delegation->u.write.permissions);
    case OPEN_DELEGATE_NONE_EXT: return xdr_open_none_delegation4(x, &delegation->u.od_whynone);
    }
    return xdr_fail(x);
}

bool xdr_OPEN4res(struct xdr *x, struct OPEN4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    struct OPEN4resok *resok = &res->resok4;
    return res->status != NFS4_OK ||
           (xdr_stateid4(x, &resok->stateid) && xdr_change_info4(x, &resok->cinfo) && xdr_uint32(x, &resok->rflags) &&
            xdr_bitmap4(x, &resok->attrset) && xdr_open_delegation4(x, &resok->delegation));
}

bool xdr_OPEN_DOWNGRADE4args(struct xdr *x, struct OPEN_DOWNGRADE4args *args)
{
    return xdr_stateid4(x, &args->open_stateid) && xdr_uint32(x, &args->seqid) && xdr_uint32(x, &args->share_access) &&
           xdr_uint32(x, &args->share_deny);
}

bool xdr_OPEN_DOWNGRADE4res(struct xdr *x, struct OPEN_DOWNGRADE4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    return res->status != NFS4_OK || xdr_stateid4(x, &res->resok4.open_stateid);
}

bool xdr_CLOSE4args(struct xdr *x, struct CLOSE4args *args)
{
    return xdr_uint32(x, &args->seqid) && xdr_stateid4(x, &args->open_stateid);
}

bool xdr_CLOSE4res(struct xdr *x, struct CLOSE4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    return res->status != NFS4_OK || xdr_stateid4(x, &res->open_stateid);
}
