/* attr_operations.h: arguments and results of GETATTR, SETATTR, VERIFY and NVERIFY (RFC 8881 sections 18.7, 18.30,
 * 18.31, 18.15). The attributes themselves are in attr.h. */
#ifndef PROTO_NFS4_ATTR_OPERATIONS_H
#define PROTO_NFS4_ATTR_OPERATIONS_H

#include "proto/nfs4/types.h"

struct xdr;

struct GETATTR4args {
    struct bitmap4 attr_request;
};
struct GETATTR4resok {
    struct fattr4 obj_attributes;
};
struct GETATTR4res {
    enum nfsstat4 status;
    struct GETATTR4resok resok4;
};

struct SETATTR4args {
    struct stateid4 stateid;
    struct fattr4 obj_attributes;
};
/* attrsset is on the wire with every status. */
struct SETATTR4res {
    enum nfsstat4 status;
    struct bitmap4 attrsset;
};

/* VERIFY and NVERIFY. */
struct VERIFY4args {
    struct fattr4 obj_attributes;
};

bool xdr_GETATTR4args(struct xdr *x, struct GETATTR4args *args);
bool xdr_GETATTR4res(struct xdr *x, struct GETATTR4res *res);
bool xdr_SETATTR4args(struct xdr *x, struct SETATTR4args *args);
bool xdr_SETATTR4res(struct xdr *x, struct SETATTR4res *res);
bool xdr_VERIFY4args(struct xdr *x, struct VERIFY4args *args);

#endif
