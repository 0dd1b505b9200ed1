/* io.h: arguments and results of READ, WRITE and COMMIT (RFC 8881 sections 18.22, 18.32, 18.3). The data is never
 * copied by a decode. */
#ifndef PROTO_NFS4_IO_H
#define PROTO_NFS4_IO_H

#include "proto/nfs4/types.h"

struct xdr;

enum stable_how4 { UNSTABLE4 = 0, DATA_SYNC4 = 1, FILE_SYNC4 = 2 };

struct READ4args {
    struct stateid4 stateid;
    uint64_t offset;
    uint32_t count;
};
struct READ4resok {
    bool eof;
    struct slice data;
};
struct READ4res {
    enum nfsstat4 status;
    struct READ4resok resok4;
};

struct WRITE4args {
    struct stateid4 stateid;
    uint64_t offset;
    enum stable_how4 stable;
    struct slice data;
};
struct WRITE4resok {
    uint32_t count;
    enum stable_how4 committed;
    struct verifier4 writeverf;
};
struct WRITE4res {
    enum nfsstat4 status;
    struct WRITE4resok resok4;
};

struct COMMIT4args {
    uint64_t offset;
    uint32_t count;
};
struct COMMIT4resok {
    struct verifier4 writeverf;
};
struct COMMIT4res {
    enum nfsstat4 status;
    struct COMMIT4resok resok4;
};

/* Bytes of a READ4res that is NFS4_OK before its data: status, eof, length. With xdr_reserve_opaque (xdr.h) the server
 * lets the store read straight into the reply. */
#define READ4_FRAME_BYTES 12u

bool xdr_READ4args(struct xdr *x, struct READ4args *args);
bool xdr_READ4res(struct xdr *x, struct READ4res *res);
bool xdr_WRITE4args(struct xdr *x, struct WRITE4args *args);
bool xdr_WRITE4res(struct xdr *x, struct WRITE4res *res);
bool xdr_COMMIT4args(struct xdr *x, struct COMMIT4args *args);
bool xdr_COMMIT4res(struct xdr *x, struct COMMIT4res *res);

#endif
