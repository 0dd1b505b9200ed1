/* security.h: arguments and results of SECINFO and SECINFO_NO_NAME (RFC 8881 sections 18.29, 18.45; RFC 2203 for the
 * GSS services). */
#ifndef PROTO_NFS4_SECURITY_H
#define PROTO_NFS4_SECURITY_H

#include "proto/nfs4/types.h"

struct xdr;

enum rpc_gss_svc_t { RPC_GSS_SVC_NONE = 1, RPC_GSS_SVC_INTEGRITY = 2, RPC_GSS_SVC_PRIVACY = 3 };

enum secinfo_style4 { SECINFO_STYLE4_CURRENT_FH = 0, SECINFO_STYLE4_PARENT = 1 };

struct SECINFO4args {
    struct slice name;
};
struct SECINFO_NO_NAME4args {
    enum secinfo_style4 style;
};

struct rpcsec_gss_info {
    struct slice oid;
    uint32_t qop;
    enum rpc_gss_svc_t service;
};
struct secinfo4 {
    uint32_t flavor;                    /* enum auth_flavor of rpc/message.h */
    struct rpcsec_gss_info flavor_info; /* RPCSEC_GSS */
};
struct SECINFO4resok {
    struct secinfo4 *entries;
    uint32_t entries_count;
};
/* SECINFO and SECINFO_NO_NAME. */
struct SECINFO4res {
    enum nfsstat4 status;
    struct SECINFO4resok resok4;
};

bool xdr_SECINFO4args(struct xdr *x, struct SECINFO4args *args);
bool xdr_SECINFO4res(struct xdr *x, struct SECINFO4res *res);
bool xdr_SECINFO_NO_NAME4args(struct xdr *x, struct SECINFO_NO_NAME4args *args);

#endif
