/* compound.h: the frame of a COMPOUND, and the table of all operations with their codecs (RFC 8881 section 16.2).
 *
 * The server decodes the frame, then for each operation its number and its arguments, and executes it before it decodes
 * the next: a compound that lies about its length has done no harm when that comes out. It reserves the result frame,
 * encodes one (number, result) pair an operation, and writes status and count into the frame at the end.
 *
 * Each type has exactly one codec function: `bool xdr_TYPE(struct xdr *, struct TYPE *)`. It decodes or encodes by the
 * cursor's mode; false means damaged bytes (decode: BADXDR) or no room (encode). All of them are pure. */
#ifndef PROTO_NFS4_COMPOUND_H
#define PROTO_NFS4_COMPOUND_H

#include "proto/nfs4/attr_operations.h"
#include "proto/nfs4/client.h"
#include "proto/nfs4/directory.h"
#include "proto/nfs4/file.h"
#include "proto/nfs4/io.h"
#include "proto/nfs4/lock.h"
#include "proto/nfs4/open.h"
#include "proto/nfs4/security.h"
#include "proto/nfs4/session.h"
#include "proto/nfs4/stateid.h"
#include "proto/nfs4/types.h"

struct xdr;

/* Arguments of any operation; which member, the operation number says. Those without arguments have none here. */
union nfs4_args {
    struct ACCESS4args opaccess;
    struct CLOSE4args opclose;
    struct COMMIT4args opcommit;
    struct CREATE4args opcreate;
    struct GETATTR4args opgetattr;
    struct LINK4args oplink;
    struct LOCK4args oplock;
    struct LOCKT4args oplockt;
    struct LOCKU4args oplocku;
    struct LOOKUP4args oplookup;
    struct VERIFY4args opnverify;
    struct OPEN4args opopen;
    struct OPEN_DOWNGRADE4args opopen_downgrade;
    struct PUTFH4args opputfh;
    struct READ4args opread;
    struct READDIR4args opreaddir;
    struct REMOVE4args opremove;
    struct RENAME4args oprename;
    struct SECINFO4args opsecinfo;
    struct SETATTR4args opsetattr;
    struct VERIFY4args opverify;
    struct WRITE4args opwrite;
    struct BACKCHANNEL_CTL4args opbackchannel_ctl;
    struct BIND_CONN_TO_SESSION4args opbind_conn_to_session;
    struct EXCHANGE_ID4args opexchange_id;
    struct CREATE_SESSION4args opcreate_session;
    struct DESTROY_SESSION4args opdestroy_session;
    struct FREE_STATEID4args opfree_stateid;
    struct SECINFO_NO_NAME4args opsecinfo_no_name;
    struct SEQUENCE4args opsequence;
    struct TEST_STATEID4args optest_stateid;
    struct DESTROY_CLIENTID4args opdestroy_clientid;
    struct RECLAIM_COMPLETE4args opreclaim_complete;
};

/* Result of any operation. All begin with their status, so `status.status` can be read for each of them. */
union nfs4_result {
    struct STATUS4res status; /* all without a member of their own */
    struct ACCESS4res opaccess;
    struct CLOSE4res opclose;
    struct COMMIT4res opcommit;
    struct CREATE4res opcreate;
    struct GETATTR4res opgetattr;
    struct GETFH4res opgetfh;
    struct LINK4res oplink;
    struct LOCK4res oplock;
    struct LOCKT4res oplockt;
    struct LOCKU4res oplocku;
    struct OPEN4res opopen;
    struct OPEN_DOWNGRADE4res opopen_downgrade;
    struct READ4res opread;
    struct READDIR4res opreaddir;
    struct READLINK4res opreadlink;
    struct REMOVE4res opremove;
    struct RENAME4res oprename;
    struct SECINFO4res opsecinfo;
    struct SETATTR4res opsetattr;
    struct WRITE4res opwrite;
    struct BIND_CONN_TO_SESSION4res opbind_conn_to_session;
    struct EXCHANGE_ID4res opexchange_id;
    struct CREATE_SESSION4res opcreate_session;
    struct SECINFO4res opsecinfo_no_name;
    struct SEQUENCE4res opsequence;
    struct TEST_STATEID4res optest_stateid;
};

struct nfs4_operation {
    const char *name;            /* "LOOKUP" */
    uint8_t first_minor_version; /* in which it is an operation; outside of first..last: NFS4ERR_OP_ILLEGAL, or */
    uint8_t last_minor_version;  /* NFS4ERR_NOTSUPP for the 4.0 operations that 4.1 took away */
    bool served;                 /* false: NFS4ERR_NOTSUPP, no codecs (arguments cannot be skipped) */
    /* NULL in a served row: there are no arguments. */
    bool (*args_codec)(struct xdr *x, union nfs4_args *args);
    bool (*result_codec)(struct xdr *x, union nfs4_result *result);
};

/* The row of an operation; NULL for numbers that are none (to be answered as OP_ILLEGAL). OP_ILLEGAL has a row. Pure. */
const struct nfs4_operation *nfs4_operation_find(uint32_t op);

/* Decodes or encodes the arguments (without the operation number) of a served operation; false also for one that is not
 * served. Decoded slices point into the record, arrays lie in the cursor's arena. Pure. */
bool nfs4_args_codec(struct xdr *x, enum opnum4 op, union nfs4_args *args);

/* The same for the result. Only the status is encoded for an operation that is not served, and for any operation whose
 * status says that there is no more. Pure. */
bool nfs4_result_codec(struct xdr *x, enum opnum4 op, union nfs4_result *result);

/* Head of COMPOUND4args, up to the first operation number. */
struct nfs4_compound_args {
    struct slice tag; /* not bounded but by the record; goes back as it came */
    uint32_t minorversion;
    uint32_t operation_count; /* as claimed; the caller bounds it */
};
bool xdr_nfs4_compound_args(struct xdr *x, struct nfs4_compound_args *head);

/* Head of COMPOUND4res, up to the first result. */
struct nfs4_compound_result {
    enum nfsstat4 status;
    struct slice tag;
    uint32_t result_count;
};
bool xdr_nfs4_compound_result(struct xdr *x, struct nfs4_compound_result *head);

/* Where in the output status and result count stand, to be filled in at the end. */
struct nfs4_compound_frame {
    size_t status_position;
    size_t count_position;
};

/* Encodes the head of a COMPOUND4res with status and count still open. False without room. Pure. */
bool nfs4_compound_begin(struct xdr *x, struct slice tag, struct nfs4_compound_frame *frame);

/* Fills them in. Pure. */
void nfs4_compound_end(struct xdr *x, const struct nfs4_compound_frame *frame, enum nfsstat4 status,
                       uint32_t result_count);

#endif
