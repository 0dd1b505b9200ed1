/* attr.h: file attributes (RFC 8881 section 5, RFC 7862 section 12.2, RFC 8275, RFC 8276): their values as one struct,
 * and the codec of fattr4 driven by one table row an attribute. Attributes are never encoded one by one: a mask says
 * which, and they follow each other in the order of their numbers. */
#ifndef PROTO_NFS4_ATTR_H
#define PROTO_NFS4_ATTR_H

#include "proto/nfs4/types.h"

struct arena;
struct xdr;

enum fattr4_number {
    FATTR4_SUPPORTED_ATTRS = 0,
    FATTR4_TYPE = 1,
    FATTR4_FH_EXPIRE_TYPE = 2,
    FATTR4_CHANGE = 3,
    FATTR4_SIZE = 4,
    FATTR4_LINK_SUPPORT = 5,
    FATTR4_SYMLINK_SUPPORT = 6,
    FATTR4_NAMED_ATTR = 7,
    FATTR4_FSID = 8,
    FATTR4_UNIQUE_HANDLES = 9,
    FATTR4_LEASE_TIME = 10,
    FATTR4_RDATTR_ERROR = 11,
    FATTR4_ACL = 12,
    FATTR4_ACLSUPPORT = 13,
    FATTR4_ARCHIVE = 14,
    FATTR4_CANSETTIME = 15,
    FATTR4_CASE_INSENSITIVE = 16,
    FATTR4_CASE_PRESERVING = 17,
    FATTR4_CHOWN_RESTRICTED = 18,
    FATTR4_FILEHANDLE = 19,
    FATTR4_FILEID = 20,
    FATTR4_FILES_AVAIL = 21,
    FATTR4_FILES_FREE = 22,
    FATTR4_FILES_TOTAL = 23,
    FATTR4_FS_LOCATIONS = 24,
    FATTR4_HIDDEN = 25,
    FATTR4_HOMOGENEOUS = 26,
    FATTR4_MAXFILESIZE = 27,
    FATTR4_MAXLINK = 28,
    FATTR4_MAXNAME = 29,
    FATTR4_MAXREAD = 30,
    FATTR4_MAXWRITE = 31,
    FATTR4_MIMETYPE = 32,
    FATTR4_MODE = 33,
    FATTR4_NO_TRUNC = 34,
    FATTR4_NUMLINKS = 35,
    FATTR4_OWNER = 36,
    FATTR4_OWNER_GROUP = 37,
    FATTR4_QUOTA_AVAIL_HARD = 38,
    FATTR4_QUOTA_AVAIL_SOFT = 39,
    FATTR4_QUOTA_USED = 40,
    FATTR4_RAWDEV = 41,
    FATTR4_SPACE_AVAIL = 42,
    FATTR4_SPACE_FREE = 43,
    FATTR4_SPACE_TOTAL = 44,
    FATTR4_SPACE_USED = 45,
    FATTR4_SYSTEM = 46,
    FATTR4_TIME_ACCESS = 47,
    FATTR4_TIME_ACCESS_SET = 48,
    FATTR4_TIME_BACKUP = 49,
    FATTR4_TIME_CREATE = 50,
    FATTR4_TIME_DELTA = 51,
    FATTR4_TIME_METADATA = 52,
    FATTR4_TIME_MODIFY = 53,
    FATTR4_TIME_MODIFY_SET = 54,
    FATTR4_MOUNTED_ON_FILEID = 55,
    FATTR4_DIR_NOTIF_DELAY = 56,
    FATTR4_DIRENT_NOTIF_DELAY = 57,
    FATTR4_DACL = 58,
    FATTR4_SACL = 59,
    FATTR4_CHANGE_POLICY = 60,
    FATTR4_FS_STATUS = 61,
    FATTR4_FS_LAYOUT_TYPES = 62,
    FATTR4_LAYOUT_HINT = 63,
    FATTR4_LAYOUT_TYPES = 64,
    FATTR4_LAYOUT_BLKSIZE = 65,
    FATTR4_LAYOUT_ALIGNMENT = 66,
    FATTR4_FS_LOCATIONS_INFO = 67,
    FATTR4_MDSTHRESHOLD = 68,
    FATTR4_RETENTION_GET = 69,
    FATTR4_RETENTION_SET = 70,
    FATTR4_RETENTEVT_GET = 71,
    FATTR4_RETENTEVT_SET = 72,
    FATTR4_RETENTION_HOLD = 73,
    FATTR4_MODE_SET_MASKED = 74,
    FATTR4_SUPPATTR_EXCLCREAT = 75,
    FATTR4_FS_CHARSET_CAP = 76,
    FATTR4_CLONE_BLKSIZE = 77,
    FATTR4_SPACE_FREED = 78,
    FATTR4_CHANGE_ATTR_TYPE = 79,
    FATTR4_SEC_LABEL = 80,
    FATTR4_MODE_UMASK = 81,
    FATTR4_XATTR_SUPPORT = 82,
    FATTR4_OFFLINE = 83,
    FATTR4_TIME_DELEG_ACCESS = 84,
    FATTR4_TIME_DELEG_MODIFY = 85,
    FATTR4_OPEN_ARGUMENTS = 86
};

/* fh_expire_type */
#define FH4_PERSISTENT 0x00000000u
#define FH4_NOEXPIRE_WITH_OPEN 0x00000001u
#define FH4_VOLATILE_ANY 0x00000002u
#define FH4_VOL_MIGRATION 0x00000004u
#define FH4_VOL_RENAME 0x00000008u

/* fs_charset_cap */
#define FSCHARSET_CAP4_CONTAINS_NON_UTF8 0x00000001u
#define FSCHARSET_CAP4_ALLOWS_ONLY_UTF8 0x00000002u

enum change_attr_type4 {
    NFS4_CHANGE_TYPE_IS_MONOTONIC_INCR = 0,
    NFS4_CHANGE_TYPE_IS_VERSION_COUNTER = 1,
    NFS4_CHANGE_TYPE_IS_VERSION_COUNTER_NOPNFS = 2,
    NFS4_CHANGE_TYPE_IS_TIME_METADATA = 3,
    NFS4_CHANGE_TYPE_IS_UNDEFINED = 4
};

/* RFC 8275: the mode of a new object and the creator's umask. */
struct mode_umask4 {
    uint32_t mu_mode;
    uint32_t mu_umask;
};

/* One field an attribute that the server knows, named as in the RFC. Which of them mean something, a mask says. */
struct nfs4_attributes {
    struct bitmap4 supported_attrs; /* also bounds what nfs4_fattr_encode gives */
    struct bitmap4 suppattr_exclcreat;
    enum nfs_ftype4 type;
    enum nfsstat4 rdattr_error;
    enum change_attr_type4 change_attr_type;
    uint32_t fh_expire_type;
    uint64_t change;
    uint64_t size;
    uint64_t fileid;
    uint64_t mounted_on_fileid;
    struct fsid4 fsid;
    struct slice filehandle;
    uint32_t mode;
    uint32_t numlinks;
    uint32_t lease_time; /* seconds */
    uint32_t aclsupport;
    struct mode_masked4 mode_set_masked;
    struct mode_umask4 mode_umask;
    struct slice owner; /* "1000" or "name@domain": mapping is the server's work */
    struct slice owner_group;
    struct specdata4 rawdev;
    struct nfstime4 time_access;
    struct nfstime4 time_create;
    struct nfstime4 time_delta;
    struct nfstime4 time_metadata;
    struct nfstime4 time_modify;
    struct settime4 time_access_set;
    struct settime4 time_modify_set;
    uint64_t files_avail;
    uint64_t files_free;
    uint64_t files_total;
    uint64_t space_avail; /* bytes */
    uint64_t space_free;
    uint64_t space_total;
    uint64_t space_used;
    uint64_t maxfilesize;
    uint64_t maxread;
    uint64_t maxwrite;
    uint32_t maxlink;
    uint32_t maxname;
    uint32_t fs_charset_cap;
    bool link_support;
    bool symlink_support;
    bool named_attr;
    bool unique_handles;
    bool cansettime;
    bool case_insensitive;
    bool case_preserving;
    bool chown_restricted;
    bool homogeneous;
    bool no_trunc;
    bool xattr_support;
};

/* All attributes that the table knows for a minor version: what supported_attrs says. Pure. */
struct bitmap4 nfs4_attributes_supported(uint32_t minorversion);

/* The settable ones among them, and those that a client may ask for. Pure. */
struct bitmap4 nfs4_attributes_settable(uint32_t minorversion);
struct bitmap4 nfs4_attributes_readable(uint32_t minorversion);

/* Those that RFC 8881 section 5.6 calls REQUIRED: every object has them. Pure. */
struct bitmap4 nfs4_attributes_required(uint32_t minorversion);

/* Encodes a whole fattr4 (mask, length, values): the intersection of what is requested, what attributes->supported_attrs
 * has and what can be read. False without room. Pure. */
bool nfs4_fattr_encode(struct xdr *x, const struct bitmap4 *requested, const struct nfs4_attributes *attributes);

/* What a client puts into SETATTR, CREATE and OPEN: the attributes of the mask that can be set, with their values encoded
 * in the arena. CHECKs that the mask has no others. */
struct fattr4 nfs4_fattr_for_set(const struct bitmap4 *mask, const struct nfs4_attributes *attributes,
                                 struct arena *arena);

enum nfs4_fattr_use {
    NFS4_FATTR_SET,    /* SETATTR, CREATE, OPEN */
    NFS4_FATTR_VERIFY, /* VERIFY, NVERIFY */
    NFS4_FATTR_ANY     /* a client reading a reply */
};

/* Takes the values apart into *attributes; only the fields in fattr->attrmask are written.
 * NFS4_OK; NFS4ERR_ATTRNOTSUPP for an attribute that is not in `supported`; NFS4ERR_INVAL for one that can be read but
 * not set (NFS4_FATTR_SET), or only set, or rdattr_error (NFS4_FATTR_VERIFY); NFS4ERR_BADXDR for values that do not
 * decode, or bytes left over. Slices point into the values. Pure. */
enum nfsstat4 nfs4_fattr_decode(const struct fattr4 *fattr, const struct bitmap4 *supported, enum nfs4_fattr_use use,
                                struct nfs4_attributes *attributes);

/* Whether the values that a client gave equal ours: what VERIFY asks. The mask must have passed nfs4_fattr_decode.
 * Works in the arena. Pure. */
bool nfs4_fattr_equal(const struct fattr4 *given, const struct nfs4_attributes *ours, struct arena *arena);

/* fattr4 as it stands in arguments and results; see struct fattr4 in types.h. */
bool xdr_fattr4(struct xdr *x, struct fattr4 *fattr);

/* "owner_group"; "?" for a number that has no row. Pure. */
const char *fattr4_name(uint32_t number);

#endif
