/* lock.h: arguments and results of LOCK, LOCKT and LOCKU (RFC 8881 sections 18.10 to 18.12). */
#ifndef PROTO_NFS4_LOCK_H
#define PROTO_NFS4_LOCK_H

#include "proto/nfs4/types.h"

struct xdr;

enum nfs_lock_type4 { READ_LT = 1, WRITE_LT = 2, READW_LT = 3, WRITEW_LT = 4 };

struct open_to_lock_owner4 {
    uint32_t open_seqid;
    struct stateid4 open_stateid;
    uint32_t lock_seqid;
    struct state_owner4 lock_owner;
};
struct exist_lock_owner4 {
    struct stateid4 lock_stateid;
    uint32_t lock_seqid;
};
struct locker4 {
    bool new_lock_owner;
    union {
        struct open_to_lock_owner4 open_owner; /* new_lock_owner */
        struct exist_lock_owner4 lock_owner;
    } u;
};
struct LOCK4args {
    enum nfs_lock_type4 locktype;
    bool reclaim;
    uint64_t offset;
    uint64_t length;
    struct locker4 locker;
};
struct LOCK4denied {
    uint64_t offset;
    uint64_t length;
    enum nfs_lock_type4 locktype;
    struct state_owner4 owner;
};
struct LOCK4resok {
    struct stateid4 lock_stateid;
};
struct LOCK4res {
    enum nfsstat4 status;
    union {
        struct LOCK4resok resok4;  /* NFS4_OK */
        struct LOCK4denied denied; /* NFS4ERR_DENIED */
    } u;
};

struct LOCKT4args {
    enum nfs_lock_type4 locktype;
    uint64_t offset;
    uint64_t length;
    struct state_owner4 owner;
};
struct LOCKT4res {
    enum nfsstat4 status;
    struct LOCK4denied denied; /* NFS4ERR_DENIED */
};

struct LOCKU4args {
    enum nfs_lock_type4 locktype;
    uint32_t seqid;
    struct stateid4 lock_stateid;
    uint64_t offset;
    uint64_t length;
};
struct LOCKU4res {
    enum nfsstat4 status;
    struct stateid4 lock_stateid; /* NFS4_OK */
};

bool xdr_LOCK4args(struct xdr *x, struct LOCK4args *args);
bool xdr_LOCK4res(struct xdr *x, struct LOCK4res *res);
bool xdr_LOCKT4args(struct xdr *x, struct LOCKT4args *args);
bool xdr_LOCKT4res(struct xdr *x, struct LOCKT4res *res);
bool xdr_LOCKU4args(struct xdr *x, struct LOCKU4args *args);
bool xdr_LOCKU4res(struct xdr *x, struct LOCKU4res *res);

#endif
