/* client.h: arguments and results of EXCHANGE_ID, DESTROY_CLIENTID and RECLAIM_COMPLETE (RFC 8881 sections 18.35,
 * 18.50, 18.51). */
#ifndef PROTO_NFS4_CLIENT_H
#define PROTO_NFS4_CLIENT_H

#include "proto/nfs4/types.h"

struct xdr;

#define EXCHGID4_FLAG_SUPP_MOVED_REFER 0x00000001u
#define EXCHGID4_FLAG_SUPP_MOVED_MIGR 0x00000002u
#define EXCHGID4_FLAG_SUPP_FENCE_OPS 0x00000004u
#define EXCHGID4_FLAG_BIND_PRINC_STATEID 0x00000100u
#define EXCHGID4_FLAG_USE_NON_PNFS 0x00010000u
#define EXCHGID4_FLAG_USE_PNFS_MDS 0x00020000u
#define EXCHGID4_FLAG_USE_PNFS_DS 0x00040000u
#define EXCHGID4_FLAG_MASK_PNFS 0x00070000u
#define EXCHGID4_FLAG_UPD_CONFIRMED_REC_A 0x40000000u
#define EXCHGID4_FLAG_CONFIRMED_R 0x80000000u
/* What a request may set: all bits that are defined but CONFIRMED_R. */
#define EXCHGID4_FLAG_MASK_A 0x40070107u

enum state_protect_how4 { SP4_NONE = 0, SP4_MACH_CRED = 1, SP4_SSV = 2 };

struct client_owner4 {
    struct verifier4 co_verifier;
    struct slice co_ownerid; /* at most NFS4_OPAQUE_MAX_BYTES */
};
struct state_protect_ops4 {
    struct bitmap4 spo_must_enforce; /* of operation numbers */
    struct bitmap4 spo_must_allow;
};
struct ssv_sp_parms4 {
    struct state_protect_ops4 ssp_ops;
    struct slice *ssp_hash_algs;
    uint32_t ssp_hash_algs_count;
    struct slice *ssp_encr_algs;
    uint32_t ssp_encr_algs_count;
    uint32_t ssp_window;
    uint32_t ssp_num_gss_handles;
};
struct state_protect4_a {
    enum state_protect_how4 spa_how;
    union {
        struct state_protect_ops4 spa_mach_ops; /* SP4_MACH_CRED */
        struct ssv_sp_parms4 spa_ssv_parms;     /* SP4_SSV */
    } u;
};
struct EXCHANGE_ID4args {
    struct client_owner4 eia_clientowner;
    uint32_t eia_flags;
    struct state_protect4_a eia_state_protect;
    bool eia_client_impl_id_present;
    struct nfs_impl_id4 eia_client_impl_id;
};

struct ssv_prot_info4 {
    struct state_protect_ops4 ssi_ops;
    uint32_t ssi_hash_alg;
    uint32_t ssi_encr_alg;
    uint32_t ssi_ssv_len;
    uint32_t ssi_window;
    struct slice *ssi_handles;
    uint32_t ssi_handles_count;
};
struct state_protect4_r {
    enum state_protect_how4 spr_how;
    union {
        struct state_protect_ops4 spr_mach_ops; /* SP4_MACH_CRED */
        struct ssv_prot_info4 spr_ssv_info;     /* SP4_SSV */
    } u;
};
struct server_owner4 {
    uint64_t so_minor_id;
    struct slice so_major_id;
};
struct EXCHANGE_ID4resok {
    uint64_t eir_clientid;
    uint32_t eir_sequenceid;
    uint32_t eir_flags;
    struct state_protect4_r eir_state_protect;
    struct server_owner4 eir_server_owner;
    struct slice eir_server_scope;
    bool eir_server_impl_id_present;
    struct nfs_impl_id4 eir_server_impl_id;
};
struct EXCHANGE_ID4res {
    enum nfsstat4 eir_status;
    struct EXCHANGE_ID4resok eir_resok4;
};

struct DESTROY_CLIENTID4args {
    uint64_t dca_clientid;
};
struct RECLAIM_COMPLETE4args {
    bool rca_one_fs;
};

bool xdr_EXCHANGE_ID4args(struct xdr *x, struct EXCHANGE_ID4args *args);
bool xdr_EXCHANGE_ID4res(struct xdr *x, struct EXCHANGE_ID4res *res);
bool xdr_DESTROY_CLIENTID4args(struct xdr *x, struct DESTROY_CLIENTID4args *args);
bool xdr_RECLAIM_COMPLETE4args(struct xdr *x, struct RECLAIM_COMPLETE4args *args);

#endif
