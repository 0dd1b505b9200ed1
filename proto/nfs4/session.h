/* session.h: arguments and results of CREATE_SESSION, SEQUENCE, BIND_CONN_TO_SESSION, BACKCHANNEL_CTL and
 * DESTROY_SESSION (RFC 8881 sections 18.36, 18.46, 18.34, 18.33, 18.37). */
#ifndef PROTO_NFS4_SESSION_H
#define PROTO_NFS4_SESSION_H

#include "proto/nfs4/security.h"
#include "proto/nfs4/types.h"
#include "proto/rpc/auth.h"

struct xdr;

#define CREATE_SESSION4_FLAG_PERSIST 0x00000001u
#define CREATE_SESSION4_FLAG_CONN_BACK_CHAN 0x00000002u
#define CREATE_SESSION4_FLAG_CONN_RDMA 0x00000004u

#define SEQ4_STATUS_CB_PATH_DOWN 0x00000001u
#define SEQ4_STATUS_CB_GSS_CONTEXTS_EXPIRING 0x00000002u
#define SEQ4_STATUS_CB_GSS_CONTEXTS_EXPIRED 0x00000004u
#define SEQ4_STATUS_EXPIRED_ALL_STATE_REVOKED 0x00000008u
#define SEQ4_STATUS_EXPIRED_SOME_STATE_REVOKED 0x00000010u
#define SEQ4_STATUS_ADMIN_STATE_REVOKED 0x00000020u
#define SEQ4_STATUS_RECALLABLE_STATE_REVOKED 0x00000040u
#define SEQ4_STATUS_LEASE_MOVED 0x00000080u
#define SEQ4_STATUS_RESTART_RECLAIM_NEEDED 0x00000100u
#define SEQ4_STATUS_CB_PATH_DOWN_SESSION 0x00000200u
#define SEQ4_STATUS_BACKCHANNEL_FAULT 0x00000400u
#define SEQ4_STATUS_DEVID_CHANGED 0x00000800u
#define SEQ4_STATUS_DEVID_DELETED 0x00001000u

struct channel_attrs4 {
    uint32_t ca_headerpadsize;
    uint32_t ca_maxrequestsize;
    uint32_t ca_maxresponsesize;
    uint32_t ca_maxresponsesize_cached;
    uint32_t ca_maxoperations;
    uint32_t ca_maxrequests;
    bool ca_rdma_ird_present;
    uint32_t ca_rdma_ird;
};

struct gss_cb_handles4 {
    enum rpc_gss_svc_t gcbp_service;
    struct slice gcbp_handle_from_server;
    struct slice gcbp_handle_from_client;
};
/* A flavor that is neither AUTH_NONE, AUTH_SYS nor RPCSEC_GSS has no body and cannot be skipped: BADXDR. */
struct callback_sec_parms4 {
    uint32_t cb_secflavor;
    union {
        struct authsys_parms cbsp_sys_cred;      /* AUTH_SYS */
        struct gss_cb_handles4 cbsp_gss_handles; /* RPCSEC_GSS */
    } u;
};

struct CREATE_SESSION4args {
    uint64_t csa_clientid;
    uint32_t csa_sequence;
    uint32_t csa_flags;
    struct channel_attrs4 csa_fore_chan_attrs;
    struct channel_attrs4 csa_back_chan_attrs;
    uint32_t csa_cb_program;
    struct callback_sec_parms4 *csa_sec_parms;
    uint32_t csa_sec_parms_count;
};
struct CREATE_SESSION4resok {
    struct sessionid4 csr_sessionid;
    uint32_t csr_sequence;
    uint32_t csr_flags;
    struct channel_attrs4 csr_fore_chan_attrs;
    struct channel_attrs4 csr_back_chan_attrs;
};
struct CREATE_SESSION4res {
    enum nfsstat4 csr_status;
    struct CREATE_SESSION4resok csr_resok4;
};

struct SEQUENCE4args {
    struct sessionid4 sa_sessionid;
    uint32_t sa_sequenceid;
    uint32_t sa_slotid;
    uint32_t sa_highest_slotid;
    bool sa_cachethis;
};
struct SEQUENCE4resok {
    struct sessionid4 sr_sessionid;
    uint32_t sr_sequenceid;
    uint32_t sr_slotid;
    uint32_t sr_highest_slotid;
    uint32_t sr_target_highest_slotid;
    uint32_t sr_status_flags;
};
struct SEQUENCE4res {
    enum nfsstat4 sr_status;
    struct SEQUENCE4resok sr_resok4;
};

enum channel_dir_from_client4 { CDFC4_FORE = 1, CDFC4_BACK = 2, CDFC4_FORE_OR_BOTH = 3, CDFC4_BACK_OR_BOTH = 7 };
enum channel_dir_from_server4 { CDFS4_FORE = 1, CDFS4_BACK = 2, CDFS4_BOTH = 3 };

struct BIND_CONN_TO_SESSION4args {
    struct sessionid4 bctsa_sessid;
    enum channel_dir_from_client4 bctsa_dir;
    bool bctsa_use_conn_in_rdma_mode;
};
struct BIND_CONN_TO_SESSION4resok {
    struct sessionid4 bctsr_sessid;
    enum channel_dir_from_server4 bctsr_dir;
    bool bctsr_use_conn_in_rdma_mode;
};
struct BIND_CONN_TO_SESSION4res {
    enum nfsstat4 bctsr_status;
    struct BIND_CONN_TO_SESSION4resok bctsr_resok4;
};

struct BACKCHANNEL_CTL4args {
    uint32_t bca_cb_program;
    struct callback_sec_parms4 *bca_sec_parms;
    uint32_t bca_sec_parms_count;
};

struct DESTROY_SESSION4args {
    struct sessionid4 dsa_sessionid;
};

bool xdr_CREATE_SESSION4args(struct xdr *x, struct CREATE_SESSION4args *args);
bool xdr_CREATE_SESSION4res(struct xdr *x, struct CREATE_SESSION4res *res);
bool xdr_SEQUENCE4args(struct xdr *x, struct SEQUENCE4args *args);
bool xdr_SEQUENCE4res(struct xdr *x, struct SEQUENCE4res *res);
bool xdr_BIND_CONN_TO_SESSION4args(struct xdr *x, struct BIND_CONN_TO_SESSION4args *args);
bool xdr_BIND_CONN_TO_SESSION4res(struct xdr *x, struct BIND_CONN_TO_SESSION4res *res);
bool xdr_BACKCHANNEL_CTL4args(struct xdr *x, struct BACKCHANNEL_CTL4args *args);
bool xdr_DESTROY_SESSION4args(struct xdr *x, struct DESTROY_SESSION4args *args);

#endif
