/* nfs_client.h: an NFSv4.1 client without sockets, for the simulator and for tests over real connections. It builds
 * COMPOUND requests operation by operation and walks through replies; a session object knows the slots' sequence ids.
 *
 * The story of a request: nfs_session_start() begins one with SEQUENCE on a slot, nfs_compound_add() appends operations,
 * nfs_compound_finish() gives the whole record, mark included. Sending the same bytes again is the retransmission. When
 * the reply is there, nfs_session_done() moves the slot on. Everything lives in the caller's arena. Pure; running out of
 * the room asked for is a CHECK. */
#ifndef TESTS_SUPPORT_NFS_CLIENT_H
#define TESTS_SUPPORT_NFS_CLIENT_H

#include "base/arena.h"
#include "proto/nfs4/attr.h"
#include "proto/nfs4/compound.h"
#include "proto/rpc/message.h"
#include "proto/xdr/xdr.h"

/* The AUTH_SYS credential of all requests. */
struct nfs_identity {
    uint32_t uid;
    uint32_t gid;
    const char *machine;
};

struct nfs_compound_builder {
    struct xdr x;
    struct arena *arena;
    uint32_t xid;
    uint32_t operation_count;
    size_t count_position;
    size_t highest_slot_position; /* of SEQUENCE's argument; 0: there is none */
};

/* A finished request: a whole record with its mark. */
struct nfs_request {
    struct span record;
    uint32_t xid;
    size_t highest_slot_position;
};

/* Begins a COMPOUND of at most max_bytes. */
void nfs_compound_start(struct nfs_compound_builder *builder, struct arena *arena, size_t max_bytes,
                        const struct nfs_identity *identity, uint32_t xid, uint32_t minorversion);

/* Appends an operation; args may be NULL for one that has none. */
void nfs_compound_add(struct nfs_compound_builder *builder, enum opnum4 op, const union nfs4_args *args);

/* The usual ones in short. */
void nfs_add_putfh(struct nfs_compound_builder *builder, struct slice handle);
void nfs_add_lookup(struct nfs_compound_builder *builder, struct slice name);
void nfs_add_getattr(struct nfs_compound_builder *builder, const struct bitmap4 *mask);
/* CREATE of a directory (NF4DIR) or whatever else needs no data; mode 0755. */
void nfs_add_create(struct nfs_compound_builder *builder, enum nfs_ftype4 type, struct slice name);
void nfs_add_remove(struct nfs_compound_builder *builder, struct slice name);

/* What nfs_add_open opens. */
struct nfs_open {
    uint64_t clientid;
    const char *owner;
    const char *name;
    enum createmode4 mode;
    uint64_t verifier; /* for EXCLUSIVE4_1 */
};

/* OPEN of a name for reading and writing that creates the file, mode 0644; no delegation is wanted. */
void nfs_add_open(struct nfs_compound_builder *builder, const struct nfs_open *open);

/* Ends it. */
struct nfs_request nfs_compound_finish(struct nfs_compound_builder *builder);

/* Gives a retransmission another xid, or SEQUENCE another sa_highest_slotid, as Linux does: it is the same request. */
void nfs_request_set_xid(struct nfs_request *request, uint32_t xid);
void nfs_request_set_highest_slot(struct nfs_request *request, uint32_t slot);

/* A reply that is walked operation by operation. */
struct nfs_reply {
    struct rpc_reply rpc;
    struct nfs4_compound_result head; /* if the RPC reply is a success with a COMPOUND result */
    struct xdr x;
    uint32_t next;    /* index of the next result */
    size_t after_rpc; /* position where the COMPOUND result begins */
};

/* Decodes the heads from a record without its mark; false if they do not decode or the RPC reply is not a success (then
 * reply->rpc tells). */
bool nfs_reply_open(struct nfs_reply *reply, struct slice record, struct arena *arena);

/* The next result; false at the end or if it does not decode. */
bool nfs_reply_next(struct nfs_reply *reply, enum opnum4 *op, union nfs4_result *result);

/* Goes on to the next result of the operation; false if there is none. */
bool nfs_reply_find(struct nfs_reply *reply, enum opnum4 op, union nfs4_result *result);

/* Goes on to the next GETATTR; false if there is none, or what it says does not decode. */
bool nfs_reply_attributes(struct nfs_reply *reply, struct nfs4_attributes *attributes);

/* The compound's status in one step; NFS4ERR_BADXDR if the record is not a COMPOUND's reply. */
enum nfsstat4 nfs_reply_status(struct slice record, struct arena *arena);

/* --- sessions --- */

#define NFS_SESSION_SLOTS_MAX 64u

struct nfs_session {
    struct nfs_identity identity;
    uint32_t minorversion;
    uint32_t next_xid;
    uint64_t clientid;
    uint32_t create_sequence; /* csa_sequence of the next CREATE_SESSION */
    struct sessionid4 id;
    uint32_t flags; /* CREATE_SESSION4_FLAG_*, as granted */
    uint32_t slot_count;
    uint32_t seqids[NFS_SESSION_SLOTS_MAX]; /* of the next new request on each slot */
};

/* Minor version 1, no client id yet. The machine name must live as long as the session. */
void nfs_session_init(struct nfs_session *session, const struct nfs_identity *identity, uint32_t first_xid);

/* EXCHANGE_ID, and what its reply says: NFS4_OK sets clientid and create_sequence. */
struct nfs_request nfs_session_exchange_id(struct nfs_session *session, struct arena *arena, struct slice owner,
                                           const struct verifier4 *verifier);
enum nfsstat4 nfs_session_exchanged(struct nfs_session *session, struct slice record, struct arena *arena);

/* CREATE_SESSION with up to NFS_SESSION_SLOTS_MAX slots; NFS4_OK sets the id and resets the slots. */
struct nfs_request nfs_session_create(struct nfs_session *session, struct arena *arena, uint32_t slot_count);
enum nfsstat4 nfs_session_created(struct nfs_session *session, struct slice record, struct arena *arena);

/* DESTROY_SESSION and DESTROY_CLIENTID, each alone in its compound. */
struct nfs_request nfs_session_destroy(struct nfs_session *session, struct arena *arena);
struct nfs_request nfs_session_destroy_client(struct nfs_session *session, struct arena *arena);

/* Begins a compound with SEQUENCE on a slot, with the slot's present sequence id. */
void nfs_session_start(struct nfs_session *session, struct nfs_compound_builder *builder, struct arena *arena,
                       size_t max_bytes, uint32_t slot, bool cache_this);

/* The slot's request is answered: the next one gets the next sequence id, modulo 2^32 (RFC 8881 2.10.6.1). */
void nfs_session_done(struct nfs_session *session, uint32_t slot);

#endif
