#include "statestore/machine/apply.h"

enum nfsstat4 apply_enter_volume(struct apply *apply, struct volume_id volume)
{
    struct export export;
    if (volume.value == VOLUME_PSEUDO.value)
        return NFS4ERR_ROFS;
    if (!export_get(apply->read, volume, apply->arena, &export))
        return NFS4ERR_STALE;
    enum nfsstat4 status = export_admits(&export, &apply->identity);
    if (status != NFS4_OK)
        return status;
    export_squash_identity(&export, &apply->identity);
    return export.read_only ? NFS4ERR_ROFS : NFS4_OK;
}
