#include "statestore/machine/apply.h"

enum nfsstat4 apply_admit_volume(struct apply *apply, struct volume_id volume, bool *is_read_only)
{
    struct export export;
    *is_read_only = true;
    if (volume.value == VOLUME_PSEUDO.value)
        return NFS4_OK;
    if (!export_get(apply->read, volume, apply->arena, &export))
        return NFS4ERR_STALE;
    enum nfsstat4 status = export_admits(&export, &apply->identity);
    if (status != NFS4_OK)
        return status;
    export_squash_identity(&export, &apply->identity);
    *is_read_only = export.read_only;
    return NFS4_OK;
}

enum nfsstat4 apply_enter_volume(struct apply *apply, struct volume_id volume)
{
    bool is_read_only;
    enum nfsstat4 status = apply_admit_volume(apply, volume, &is_read_only);
    if (status != NFS4_OK)
        return status;
    return is_read_only ? NFS4ERR_ROFS : NFS4_OK;
}
