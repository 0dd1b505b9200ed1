#include "proto/nfs4/codec.h"

bool xdr_bitmap4(struct xdr *x, struct bitmap4 *bitmap)
{
    uint32_t count = NFS4_BITMAP_WORDS;
    if (x->mode == XDR_ENCODE) {
        while (count > 0 && bitmap->words[count - 1] == 0)
            count--;
    } else {
        *bitmap = (struct bitmap4){0};
    }
    if (!xdr_count(x, &count, NFS4_BITMAP_WIRE_WORDS_MAX, 4))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t above = 0;
        if (!xdr_uint32(x, i < NFS4_BITMAP_WORDS ? &bitmap->words[i] : &above))
            return false;
        if (above != 0)
            bitmap->unknown = true;
    }
    return true;
}

bool xdr_stateid4(struct xdr *x, struct stateid4 *stateid)
{
    return xdr_uint32(x, &stateid->seqid) && xdr_opaque_fixed(x, stateid->other, NFS4_OTHER_SIZE);
}

bool xdr_change_info4(struct xdr *x, struct change_info4 *info)
{
    return xdr_bool(x, &info->atomic) && xdr_uint64(x, &info->before) && xdr_uint64(x, &info->after);
}

bool xdr_nfstime4(struct xdr *x, struct nfstime4 *time)
{
    return xdr_int64(x, &time->seconds) && xdr_uint32(x, &time->nseconds);
}

bool xdr_settime4(struct xdr *x, struct settime4 *time)
{
    if (!xdr_enum(x, &time->set_it))
        return false;
    switch (time->set_it) {
    case SET_TO_SERVER_TIME4: return true;
    case SET_TO_CLIENT_TIME4: return xdr_nfstime4(x, &time->time);
    }
    return xdr_fail(x);
}

bool xdr_specdata4(struct xdr *x, struct specdata4 *device)
{
    return xdr_uint32(x, &device->specdata1) && xdr_uint32(x, &device->specdata2);
}

bool xdr_fsid4(struct xdr *x, struct fsid4 *fsid)
{
    return xdr_uint64(x, &fsid->major) && xdr_uint64(x, &fsid->minor);
}

bool xdr_state_owner4(struct xdr *x, struct state_owner4 *owner)
{
    return xdr_uint64(x, &owner->clientid) && xdr_opaque(x, &owner->owner, NFS4_OPAQUE_MAX_BYTES);
}

bool xdr_nfs_impl_id4(struct xdr *x, struct nfs_impl_id4 *id)
{
    return xdr_string(x, &id->nii_domain, XDR_UNBOUNDED) && xdr_string(x, &id->nii_name, XDR_UNBOUNDED) &&
           xdr_nfstime4(x, &id->nii_date);
}

bool xdr_fh4(struct xdr *x, struct slice *handle)
{
    return xdr_opaque(x, handle, NFS4_FHANDLE_MAX_BYTES);
}

bool xdr_component4(struct xdr *x, struct slice *name)
{
    return xdr_string(x, name, XDR_UNBOUNDED);
}
