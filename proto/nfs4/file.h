/* file.h: arguments and results of the operations on the current and saved file handle and on what they name without a
 * directory entry: PUTFH, PUTPUBFH, PUTROOTFH, GETFH, SAVEFH, RESTOREFH, ACCESS, READLINK (RFC 8881 section 18). */
#ifndef PROTO_NFS4_FILE_H
#define PROTO_NFS4_FILE_H

#include "proto/nfs4/types.h"

struct xdr;

#define ACCESS4_READ 0x00000001u
#define ACCESS4_LOOKUP 0x00000002u
#define ACCESS4_MODIFY 0x00000004u
#define ACCESS4_EXTEND 0x00000008u
#define ACCESS4_DELETE 0x00000010u
#define ACCESS4_EXECUTE 0x00000020u
/* RFC 8276 section 8.4.4 */
#define ACCESS4_XAREAD 0x00000040u
#define ACCESS4_XAWRITE 0x00000080u
#define ACCESS4_XALIST 0x00000100u

struct ACCESS4args {
    uint32_t access;
};
struct ACCESS4resok {
    uint32_t supported;
    uint32_t access;
};
struct ACCESS4res {
    enum nfsstat4 status;
    struct ACCESS4resok resok4;
};

struct PUTFH4args {
    struct slice object; /* at most NFS4_FHANDLE_MAX_BYTES */
};

struct GETFH4resok {
    struct slice object;
};
struct GETFH4res {
    enum nfsstat4 status;
    struct GETFH4resok resok4;
};

struct READLINK4resok {
    struct slice link;
};
struct READLINK4res {
    enum nfsstat4 status;
    struct READLINK4resok resok4;
};

/* The result of the operations that answer with nothing but a status: PUTFH, PUTPUBFH, PUTROOTFH, SAVEFH, RESTOREFH,
 * LOOKUP, LOOKUPP, VERIFY, NVERIFY, DESTROY_SESSION, ... The RFC gives each a struct of its own with this shape. */
struct STATUS4res {
    enum nfsstat4 status;
};

bool xdr_ACCESS4args(struct xdr *x, struct ACCESS4args *args);
bool xdr_ACCESS4res(struct xdr *x, struct ACCESS4res *res);
bool xdr_PUTFH4args(struct xdr *x, struct PUTFH4args *args);
bool xdr_GETFH4res(struct xdr *x, struct GETFH4res *res);
bool xdr_READLINK4res(struct xdr *x, struct READLINK4res *res);
bool xdr_STATUS4res(struct xdr *x, struct STATUS4res *res);

#endif
