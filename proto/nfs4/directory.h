/* directory.h: arguments and results of the operations on directory entries: LOOKUP, CREATE, REMOVE, RENAME, LINK,
 * READDIR (RFC 8881 section 18). Names are not bounded here: too long a name is NFS4ERR_NAMETOOLONG, not BADXDR. */
#ifndef PROTO_NFS4_DIRECTORY_H
#define PROTO_NFS4_DIRECTORY_H

#include "proto/nfs4/types.h"

struct xdr;

struct LOOKUP4args {
    struct slice objname;
};

struct createtype4 {
    enum nfs_ftype4 type; /* any number: one that CREATE does not know is NFS4ERR_BADTYPE */
    union {
        struct slice linkdata;    /* NF4LNK */
        struct specdata4 devdata; /* NF4BLK, NF4CHR */
    } u;
};
struct CREATE4args {
    struct createtype4 objtype;
    struct slice objname;
    struct fattr4 createattrs;
};
struct CREATE4resok {
    struct change_info4 cinfo;
    struct bitmap4 attrset;
};
struct CREATE4res {
    enum nfsstat4 status;
    struct CREATE4resok resok4;
};

struct REMOVE4args {
    struct slice target;
};
struct REMOVE4resok {
    struct change_info4 cinfo;
};
struct REMOVE4res {
    enum nfsstat4 status;
    struct REMOVE4resok resok4;
};

struct RENAME4args {
    struct slice oldname; /* in the directory of the saved file handle */
    struct slice newname; /* in the directory of the current file handle */
};
struct RENAME4resok {
    struct change_info4 source_cinfo;
    struct change_info4 target_cinfo;
};
struct RENAME4res {
    enum nfsstat4 status;
    struct RENAME4resok resok4;
};

struct LINK4args {
    struct slice newname;
};
struct LINK4resok {
    struct change_info4 cinfo;
};
struct LINK4res {
    enum nfsstat4 status;
    struct LINK4resok resok4;
};

struct READDIR4args {
    uint64_t cookie;
    struct verifier4 cookieverf;
    uint32_t dircount;
    uint32_t maxcount;
    struct bitmap4 attr_request;
};
struct entry4 {
    uint64_t cookie;
    struct slice name;
    struct fattr4 attrs;
    struct entry4 *nextentry;
};
/* To encode, the entries are given as a list or, if encoded.data is set, as the bytes that xdr_entry4_append has made
 * one by one; after a decode they are a list in the arena. */
struct dirlist4 {
    struct entry4 *entries;
    struct slice encoded;
    bool eof;
};
struct READDIR4resok {
    struct verifier4 cookieverf;
    struct dirlist4 reply;
};
struct READDIR4res {
    enum nfsstat4 status;
    struct READDIR4resok resok4;
};

/* Bytes of READDIR4resok around its entries: verifier, end of the list, eof. What counts against maxcount. */
#define READDIR4_FRAME_BYTES 16u

bool xdr_LOOKUP4args(struct xdr *x, struct LOOKUP4args *args);
bool xdr_CREATE4args(struct xdr *x, struct CREATE4args *args);
bool xdr_CREATE4res(struct xdr *x, struct CREATE4res *res);
bool xdr_REMOVE4args(struct xdr *x, struct REMOVE4args *args);
bool xdr_REMOVE4res(struct xdr *x, struct REMOVE4res *res);
bool xdr_RENAME4args(struct xdr *x, struct RENAME4args *args);
bool xdr_RENAME4res(struct xdr *x, struct RENAME4res *res);
bool xdr_LINK4args(struct xdr *x, struct LINK4args *args);
bool xdr_LINK4res(struct xdr *x, struct LINK4res *res);
bool xdr_READDIR4args(struct xdr *x, struct READDIR4args *args);
bool xdr_READDIR4res(struct xdr *x, struct READDIR4res *res);

/* Writes one entry with the "one follows" before it. If there is no room the cursor stands where it stood, nothing is
 * marked as failed, and the result is false. Pure; encode only. */
bool xdr_entry4_append(struct xdr *x, struct entry4 *entry);

#endif
