/* codec.h: codecs of the types in types.h. For the codecs of this folder, the server's stateids and handles in log
 * records, and tests. All pure; see compound.h for what true and false mean. */
#ifndef PROTO_NFS4_CODEC_H
#define PROTO_NFS4_CODEC_H

#include "base/limits.h"
#include "proto/nfs4/types.h"
#include "proto/xdr/xdr.h"

bool xdr_bitmap4(struct xdr *x, struct bitmap4 *bitmap);
bool xdr_stateid4(struct xdr *x, struct stateid4 *stateid);
bool xdr_change_info4(struct xdr *x, struct change_info4 *info);
bool xdr_nfstime4(struct xdr *x, struct nfstime4 *time);
bool xdr_settime4(struct xdr *x, struct settime4 *time);
bool xdr_specdata4(struct xdr *x, struct specdata4 *device);
bool xdr_fsid4(struct xdr *x, struct fsid4 *fsid);
bool xdr_state_owner4(struct xdr *x, struct state_owner4 *owner);
bool xdr_nfs_impl_id4(struct xdr *x, struct nfs_impl_id4 *id);
bool xdr_fh4(struct xdr *x, struct slice *handle);
bool xdr_component4(struct xdr *x, struct slice *name);

static inline bool xdr_verifier4(struct xdr *x, struct verifier4 *verifier)
{
    return xdr_opaque_fixed(x, verifier->data, NFS4_VERIFIER_SIZE);
}

static inline bool xdr_sessionid4(struct xdr *x, struct sessionid4 *session)
{
    return xdr_opaque_fixed(x, session->data, NFS4_SESSIONID_SIZE);
}

#endif
