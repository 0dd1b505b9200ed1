/* open.h: arguments and results of OPEN, OPEN_DOWNGRADE and CLOSE (RFC 8881 sections 18.16, 18.18, 18.2). */
#ifndef PROTO_NFS4_OPEN_H
#define PROTO_NFS4_OPEN_H

#include "proto/nfs4/types.h"

struct xdr;

#define OPEN4_SHARE_ACCESS_READ 0x00000001u
#define OPEN4_SHARE_ACCESS_WRITE 0x00000002u
#define OPEN4_SHARE_ACCESS_BOTH 0x00000003u
#define OPEN4_SHARE_DENY_NONE 0x00000000u
#define OPEN4_SHARE_DENY_READ 0x00000001u
#define OPEN4_SHARE_DENY_WRITE 0x00000002u
#define OPEN4_SHARE_DENY_BOTH 0x00000003u

#define OPEN4_SHARE_ACCESS_WANT_DELEG_MASK 0x0000FF00u
#define OPEN4_SHARE_ACCESS_WANT_NO_PREFERENCE 0x00000000u
#define OPEN4_SHARE_ACCESS_WANT_READ_DELEG 0x00000100u
#define OPEN4_SHARE_ACCESS_WANT_WRITE_DELEG 0x00000200u
#define OPEN4_SHARE_ACCESS_WANT_ANY_DELEG 0x00000300u
#define OPEN4_SHARE_ACCESS_WANT_NO_DELEG 0x00000400u
#define OPEN4_SHARE_ACCESS_WANT_CANCEL 0x00000500u
#define OPEN4_SHARE_ACCESS_WANT_SIGNAL_DELEG_WHEN_RESRC_AVAIL 0x00010000u
#define OPEN4_SHARE_ACCESS_WANT_PUSH_DELEG_WHEN_UNCONTENDED 0x00020000u

#define OPEN4_RESULT_CONFIRM 0x00000002u
#define OPEN4_RESULT_LOCKTYPE_POSIX 0x00000004u
#define OPEN4_RESULT_PRESERVE_UNLINKED 0x00000008u
#define OPEN4_RESULT_MAY_NOTIFY_LOCK 0x00000020u

enum opentype4 { OPEN4_NOCREATE = 0, OPEN4_CREATE = 1 };

enum createmode4 { UNCHECKED4 = 0, GUARDED4 = 1, EXCLUSIVE4 = 2, EXCLUSIVE4_1 = 3 };

enum open_claim_type4 {
    CLAIM_NULL = 0,
    CLAIM_PREVIOUS = 1,
    CLAIM_DELEGATE_CUR = 2,
    CLAIM_DELEGATE_PREV = 3,
    CLAIM_FH = 4,
    CLAIM_DELEG_CUR_FH = 5,
    CLAIM_DELEG_PREV_FH = 6
};

enum open_delegation_type4 {
    OPEN_DELEGATE_NONE = 0,
    OPEN_DELEGATE_READ = 1,
    OPEN_DELEGATE_WRITE = 2,
    OPEN_DELEGATE_NONE_EXT = 3
};

enum why_no_delegation4 {
    WND4_NOT_WANTED = 0,
    WND4_CONTENTION = 1,
    WND4_RESOURCE = 2,
    WND4_NOT_SUPP_FTYPE = 3,
    WND4_WRITE_DELEG_NOT_SUPP_FTYPE = 4,
    WND4_NOT_SUPP_UPGRADE = 5,
    WND4_NOT_SUPP_DOWNGRADE = 6,
    WND4_CANCELLED = 7,
    WND4_IS_DIR = 8
};

enum limit_by4 { NFS_LIMIT_SIZE = 1, NFS_LIMIT_BLOCKS = 2 };

struct creatverfattr {
    struct verifier4 cva_verf;
    struct fattr4 cva_attrs;
};
struct createhow4 {
    enum createmode4 mode;
    union {
        struct fattr4 createattrs;          /* UNCHECKED4, GUARDED4 */
        struct verifier4 createverf;        /* EXCLUSIVE4 */
        struct creatverfattr ch_createboth; /* EXCLUSIVE4_1 */
    } u;
};
struct openflag4 {
    enum opentype4 opentype;
    struct createhow4 how; /* with OPEN4_CREATE */
};
struct open_claim_delegate_cur4 {
    struct stateid4 delegate_stateid;
    struct slice file;
};
struct open_claim4 {
    enum open_claim_type4 claim;
    union {
        struct slice file;                                 /* CLAIM_NULL */
        enum open_delegation_type4 delegate_type;          /* CLAIM_PREVIOUS */
        struct open_claim_delegate_cur4 delegate_cur_info; /* CLAIM_DELEGATE_CUR */
        struct slice file_delegate_prev;                   /* CLAIM_DELEGATE_PREV */
        struct stateid4 oc_delegate_stateid;               /* CLAIM_DELEG_CUR_FH */
    } u;
};
struct OPEN4args {
    uint32_t seqid;
    uint32_t share_access;
    uint32_t share_deny;
    struct state_owner4 owner;
    struct openflag4 openhow;
    struct open_claim4 claim;
};

struct nfsace4 {
    uint32_t type;
    uint32_t flag;
    uint32_t access_mask;
    struct slice who;
};
struct nfs_space_limit4 {
    enum limit_by4 limitby;
    union {
        uint64_t filesize; /* NFS_LIMIT_SIZE */
        struct {
            uint32_t num_blocks;
            uint32_t bytes_per_block;
        } mod_blocks; /* NFS_LIMIT_BLOCKS */
    } u;
};
struct open_read_delegation4 {
    struct stateid4 stateid;
    bool recall;
    struct nfsace4 permissions;
};
struct open_write_delegation4 {
    struct stateid4 stateid;
    bool recall;
    struct nfs_space_limit4 space_limit;
    struct nfsace4 permissions;
};
struct open_none_delegation4 {
    enum why_no_delegation4 ond_why;
    bool ond_server_will_push_deleg;   /* WND4_CONTENTION */
    bool ond_server_will_signal_avail; /* WND4_RESOURCE */
};
struct open_delegation4 {
    enum open_delegation_type4 delegation_type;
    union {
        struct open_read_delegation4 read;
        struct open_write_delegation4 write;
        struct open_none_delegation4 od_whynone; /* OPEN_DELEGATE_NONE_EXT, not in 4.0 */
    } u;
};
struct OPEN4resok {
    struct stateid4 stateid;
    struct change_info4 cinfo;
    uint32_t rflags;
    struct bitmap4 attrset;
    struct open_delegation4 delegation;
};
struct OPEN4res {
    enum nfsstat4 status;
    struct OPEN4resok resok4;
};

struct OPEN_DOWNGRADE4args {
    struct stateid4 open_stateid;
    uint32_t seqid;
    uint32_t share_access;
    uint32_t share_deny;
};
struct OPEN_DOWNGRADE4resok {
    struct stateid4 open_stateid;
};
struct OPEN_DOWNGRADE4res {
    enum nfsstat4 status;
    struct OPEN_DOWNGRADE4resok resok4;
};

struct CLOSE4args {
    uint32_t seqid;
    struct stateid4 open_stateid;
};
struct CLOSE4res {
    enum nfsstat4 status;
    struct stateid4 open_stateid; /* with NFS4_OK */
};

bool xdr_OPEN4args(struct xdr *x, struct OPEN4args *args);
bool xdr_OPEN4res(struct xdr *x, struct OPEN4res *res);
bool xdr_OPEN_DOWNGRADE4args(struct xdr *x, struct OPEN_DOWNGRADE4args *args);
bool xdr_OPEN_DOWNGRADE4res(struct xdr *x, struct OPEN_DOWNGRADE4res *res);
bool xdr_CLOSE4args(struct xdr *x, struct CLOSE4args *args);
bool xdr_CLOSE4res(struct xdr *x, struct CLOSE4res *res);

#endif
