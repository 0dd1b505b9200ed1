#include "proto/nfs4/lock.h"

#include "proto/nfs4/codec.h"

static bool xdr_nfs_lock_type4(struct xdr *x, enum nfs_lock_type4 *type)
{
    return xdr_enum(x, type) && ((*type >= READ_LT && *type <= WRITEW_LT) || xdr_fail(x));
}

static bool xdr_locker4(struct xdr *x, struct locker4 *locker)
{
    if (!xdr_bool(x, &locker->new_lock_owner))
        return false;
    if (locker->new_lock_owner) {
        struct open_to_lock_owner4 *owner = &locker->u.open_owner;
        return xdr_uint32(x, &owner->open_seqid) && xdr_stateid4(x, &owner->open_stateid) &&
               xdr_uint32(x, &owner->lock_seqid) && xdr_state_owner4(x, &owner->lock_owner);
    }
    return xdr_stateid4(x, &locker->u.lock_owner.lock_stateid) && xdr_uint32(x, &locker->u.lock_owner.lock_seqid);
}

bool xdr_LOCK4args(struct xdr *x, struct LOCK4args *args)
{
    return xdr_nfs_lock_type4(x, &args->locktype) && xdr_bool(x, &args->reclaim) && xdr_uint64(x, &args->offset) &&
           xdr_uint64(x, &args->length) && xdr_locker4(x, &args->locker);
}

static bool xdr_LOCK4denied(struct xdr *x, struct LOCK4denied *denied)
{
    return xdr_uint64(x, &denied->offset) && xdr_uint64(x, &denied->length) &&
           xdr_nfs_lock_type4(x, &denied->locktype) && xdr_state_owner4(x, &denied->owner);
}

bool xdr_LOCK4res(struct xdr *x, struct LOCK4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    if (res->status == NFS4ERR_DENIED)
        return xdr_LOCK4denied(x, &res->u.denied);
    return res->status != NFS4_OK || xdr_stateid4(x, &res->u.resok4.lock_stateid);
}

bool xdr_LOCKT4args(struct xdr *x, struct LOCKT4args *args)
{
    return xdr_nfs_lock_type4(x, &args->locktype) && xdr_uint64(x, &args->offset) && xdr_uint64(x, &args->length) &&
           xdr_state_owner4(x, &args->owner);
}

bool xdr_LOCKT4res(struct xdr *x, struct LOCKT4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    return res->status != NFS4ERR_DENIED || xdr_LOCK4denied(x, &res->denied);
}

bool xdr_LOCKU4args(struct xdr *x, struct LOCKU4args *args)
{
    return xdr_nfs_lock_type4(x, &args->locktype) && xdr_uint32(x, &args->seqid) &&
           xdr_stateid4(x, &args->lock_stateid) && xdr_uint64(x, &args->offset) && xdr_uint64(x, &args->length);
}

bool xdr_LOCKU4res(struct xdr *x, struct LOCKU4res *res)
{
    if (!xdr_enum(x, &res->status))
        return false;
    return res->status != NFS4_OK || xdr_stateid4(x, &res->lock_stateid);
}
