#include "tests/support/nfs_client.h"

#include "base/check.h"
#include "proto/rpc/record.h"

void nfs_compound_start(struct nfs_compound_builder *builder, struct arena *arena, size_t max_bytes,
                        const struct nfs_identity *identity, uint32_t xid, uint32_t minorversion)
{
    CHECK(max_bytes > RPC_MARK_BYTES);
    *builder = (struct nfs_compound_builder){.arena = arena, .xid = xid};
    builder->x = xdr_encoder((struct span){arena_alloc(arena, max_bytes), max_bytes});
    uint8_t *mark = xdr_reserve(&builder->x, RPC_MARK_BYTES);
    CHECK(mark != NULL);

    struct authsys_parms parms = {
        .machinename = slice_text(identity->machine), .uid = identity->uid, .gid = identity->gid};
    uint8_t credential[RPC_AUTH_MAX_BYTES];
    struct xdr body = xdr_encoder((struct span){credential, sizeof(credential)});
    bool fits = xdr_authsys_parms(&body, &parms);
    struct rpc_call call = {.xid = xid,
                            .rpcvers = RPC_VERSION,
                            .prog = NFS4_PROGRAM,
                            .vers = NFS4_VERSION,
                            .proc = NFSPROC4_COMPOUND,
                            .cred = {AUTH_SYS, xdr_encoded(&body)}};
    struct nfs4_compound_args head = {.minorversion = minorversion};
    fits = fits && rpc_call_encode(&builder->x, &call) && xdr_nfs4_compound_args(&builder->x, &head);
    CHECK(fits);
    builder->count_position = xdr_position(&builder->x) - 4;
}

void nfs_compound_add(struct nfs_compound_builder *builder, enum opnum4 op, const union nfs4_args *args)
{
    union nfs4_args copy;
    memset(&copy, 0, sizeof(copy));
    if (args != NULL)
        copy = *args;
    bool fits = xdr_enum(&builder->x, &op) && nfs4_args_codec(&builder->x, op, &copy);
    CHECK(fits);
    builder->operation_count++;
}

void nfs_add_putfh(struct nfs_compound_builder *builder, struct slice handle)
{
    union nfs4_args args = {.opputfh = {handle}};
    nfs_compound_add(builder, OP_PUTFH, &args);
}

void nfs_add_lookup(struct nfs_compound_builder *builder, struct slice name)
{
    union nfs4_args args = {.oplookup = {name}};
    nfs_compound_add(builder, OP_LOOKUP, &args);
}

void nfs_add_getattr(struct nfs_compound_builder *builder, const struct bitmap4 *mask)
{
    union nfs4_args args = {.opgetattr = {*mask}};
    nfs_compound_add(builder, OP_GETATTR, &args);
}

void nfs_add_create(struct nfs_compound_builder *builder, enum nfs_ftype4 type, struct slice name)
{
    struct bitmap4 mask = {0};
    bitmap4_add(&mask, FATTR4_MODE);
    struct nfs4_attributes attributes = {.mode = 0755};
    union nfs4_args args = {.opcreate = {.objtype = {.type = type}, .objname = name}};
    args.opcreate.createattrs = nfs4_fattr_for_set(&mask, &attributes, builder->arena);
    nfs_compound_add(builder, OP_CREATE, &args);
}

void nfs_add_remove(struct nfs_compound_builder *builder, struct slice name)
{
    union nfs4_args args = {.opremove = {name}};
    nfs_compound_add(builder, OP_REMOVE, &args);
}

void nfs_add_open(struct nfs_compound_builder *builder, const struct nfs_open *open)
{
    struct bitmap4 mask = {0};
    bitmap4_add(&mask, FATTR4_MODE);
    struct nfs4_attributes attributes = {.mode = 0644};
    struct fattr4 initial = nfs4_fattr_for_set(&mask, &attributes, builder->arena);
    union nfs4_args args = {.opopen = {.share_access = OPEN4_SHARE_ACCESS_BOTH | OPEN4_SHARE_ACCESS_WANT_NO_DELEG,
                                       .owner = {open->clientid, slice_text(open->owner)},
                                       .openhow = {.opentype = OPEN4_CREATE, .how = {.mode = open->mode}},
                                       .claim = {CLAIM_NULL, {.file = slice_text(open->name)}}}};
    if (open->mode == EXCLUSIVE4_1) {
        struct creatverfattr *both = &args.opopen.openhow.how.u.ch_createboth;
        both->cva_attrs = initial;
        memcpy(both->cva_verf.data, &open->verifier, sizeof(both->cva_verf.data));
    } else {
        args.opopen.openhow.how.u.createattrs = initial;
    }
    nfs_compound_add(builder, OP_OPEN, &args);
}

struct nfs_request nfs_compound_finish(struct nfs_compound_builder *builder)
{
    CHECK(!builder->x.failed);
    xdr_patch_uint32(&builder->x, builder->count_position, builder->operation_count);
    size_t size_bytes = xdr_position(&builder->x);
    record_mark_write(builder->x.start, size_bytes - RPC_MARK_BYTES);
    return (struct nfs_request){
        .record = {builder->x.start, size_bytes},
        .xid = builder->xid,
        .highest_slot_position = builder->highest_slot_position,
    };
}

static void request_patch(struct nfs_request *request, size_t position, uint32_t value)
{
    struct xdr x = xdr_encoder(request->record);
    uint8_t *skipped = xdr_reserve(&x, position + 4);
    CHECK(skipped != NULL);
    xdr_patch_uint32(&x, position, value);
}

void nfs_request_set_xid(struct nfs_request *request, uint32_t xid)
{
    request->xid = xid;
    request_patch(request, RPC_MARK_BYTES, xid);
}

void nfs_request_set_highest_slot(struct nfs_request *request, uint32_t slot)
{
    CHECK(request->highest_slot_position > 0);
    request_patch(request, request->highest_slot_position, slot);
}

bool nfs_reply_open(struct nfs_reply *reply, struct slice record, struct arena *arena)
{
    *reply = (struct nfs_reply){.x = xdr_decoder(record, arena)};
    if (!xdr_rpc_reply(&reply->x, &reply->rpc) || reply->rpc.denied || reply->rpc.accept_stat != RPC_SUCCESS)
        return false;
    reply->after_rpc = xdr_position(&reply->x);
    return xdr_nfs4_compound_result(&reply->x, &reply->head);
}

bool nfs_reply_next(struct nfs_reply *reply, enum opnum4 *op, union nfs4_result *result)
{
    if (reply->next >= reply->head.result_count || !xdr_enum(&reply->x, op) ||
        !nfs4_result_codec(&reply->x, *op, result))
        return false;
    reply->next++;
    return true;
}

bool nfs_reply_find(struct nfs_reply *reply, enum opnum4 op, union nfs4_result *result)
{
    enum opnum4 found;
    while (nfs_reply_next(reply, &found, result)) {
        if (found == op)
            return true;
    }
    return false;
}

bool nfs_reply_attributes(struct nfs_reply *reply, struct nfs4_attributes *attributes)
{
    union nfs4_result result;
    struct bitmap4 supported = nfs4_attributes_supported(1);
    *attributes = (struct nfs4_attributes){0};
    return nfs_reply_find(reply, OP_GETATTR, &result) &&
           nfs4_fattr_decode(&result.opgetattr.resok4.obj_attributes, &supported, NFS4_FATTR_ANY, attributes) ==
               NFS4_OK;
}

enum nfsstat4 nfs_reply_status(struct slice record, struct arena *arena)
{
    struct nfs_reply reply;
    return nfs_reply_open(&reply, record, arena) ? reply.head.status : NFS4ERR_BADXDR;
}

void nfs_session_init(struct nfs_session *session, const struct nfs_identity *identity, uint32_t first_xid)
{
    *session = (struct nfs_session){.identity = *identity, .minorversion = 1, .next_xid = first_xid};
}

#define SMALL_REQUEST_BYTES 4096u

/* A compound of one operation, outside of any slot. */
static struct nfs_request request_alone(struct nfs_session *session, struct arena *arena, enum opnum4 op,
                                        const union nfs4_args *args)
{
    struct nfs_compound_builder builder;
    nfs_compound_start(&builder, arena, SMALL_REQUEST_BYTES, &session->identity, session->next_xid++,
                       session->minorversion);
    nfs_compound_add(&builder, op, args);
    return nfs_compound_finish(&builder);
}

struct nfs_request nfs_session_exchange_id(struct nfs_session *session, struct arena *arena, struct slice owner,
                                           const struct verifier4 *verifier)
{
    union nfs4_args args = {
        .opexchange_id = {.eia_clientowner = {*verifier, owner}, .eia_state_protect = {.spa_how = SP4_NONE}}};
    return request_alone(session, arena, OP_EXCHANGE_ID, &args);
}

enum nfsstat4 nfs_session_exchanged(struct nfs_session *session, struct slice record, struct arena *arena)
{
    struct nfs_reply reply;
    union nfs4_result result;
    if (!nfs_reply_open(&reply, record, arena) || !nfs_reply_find(&reply, OP_EXCHANGE_ID, &result))
        return NFS4ERR_BADXDR;
    if (result.status.status == NFS4_OK) {
        session->clientid = result.opexchange_id.eir_resok4.eir_clientid;
        session->create_sequence = result.opexchange_id.eir_resok4.eir_sequenceid;
    }
    return result.status.status;
}

struct nfs_request nfs_session_create(struct nfs_session *session, struct arena *arena, uint32_t slot_count)
{
    CHECK(slot_count > 0 && slot_count <= NFS_SESSION_SLOTS_MAX);
    struct callback_sec_parms4 none = {.cb_secflavor = AUTH_NONE};
    union nfs4_args args = {.opcreate_session = {
                                .csa_clientid = session->clientid,
                                .csa_sequence = session->create_sequence,
                                .csa_flags = CREATE_SESSION4_FLAG_PERSIST,
                                .csa_fore_chan_attrs = {.ca_maxrequestsize = NFS4_MESSAGE_MAX_BYTES,
                                                        .ca_maxresponsesize = NFS4_MESSAGE_MAX_BYTES,
                                                        .ca_maxresponsesize_cached = 8192,
                                                        .ca_maxoperations = 64,
                                                        .ca_maxrequests = slot_count},
                                .csa_back_chan_attrs = {.ca_maxrequestsize = 4096,
                                                        .ca_maxresponsesize = 4096,
                                                        .ca_maxoperations = 2,
                                                        .ca_maxrequests = 1},
                                .csa_cb_program = 0x40000000,
                                .csa_sec_parms = &none,
                                .csa_sec_parms_count = 1,
                            }};
    return request_alone(session, arena, OP_CREATE_SESSION, &args);
}

enum nfsstat4 nfs_session_created(struct nfs_session *session, struct slice record, struct arena *arena)
{
    struct nfs_reply reply;
    union nfs4_result result;
    if (!nfs_reply_open(&reply, record, arena) || !nfs_reply_find(&reply, OP_CREATE_SESSION, &result))
        return NFS4ERR_BADXDR;
    if (result.status.status != NFS4_OK)
        return result.status.status;
    const struct CREATE_SESSION4resok *resok = &result.opcreate_session.csr_resok4;
    session->id = resok->csr_sessionid;
    session->flags = resok->csr_flags;
    session->slot_count = resok->csr_fore_chan_attrs.ca_maxrequests;
    if (session->slot_count > NFS_SESSION_SLOTS_MAX)
        session->slot_count = NFS_SESSION_SLOTS_MAX;
    for (uint32_t slot = 0; slot < NFS_SESSION_SLOTS_MAX; slot++)
        session->seqids[slot] = 1;
    session->create_sequence++;
    return NFS4_OK;
}

struct nfs_request nfs_session_destroy(struct nfs_session *session, struct arena *arena)
{
    union nfs4_args args = {.opdestroy_session = {session->id}};
    return request_alone(session, arena, OP_DESTROY_SESSION, &args);
}

struct nfs_request nfs_session_destroy_client(struct nfs_session *session, struct arena *arena)
{
    union nfs4_args args = {.opdestroy_clientid = {session->clientid}};
    return request_alone(session, arena, OP_DESTROY_CLIENTID, &args);
}

void nfs_session_start(struct nfs_session *session, struct nfs_compound_builder *builder, struct arena *arena,
                       size_t max_bytes, uint32_t slot, bool cache_this)
{
    CHECK(slot < session->slot_count);
    nfs_compound_start(builder, arena, max_bytes, &session->identity, session->next_xid++, session->minorversion);
    union nfs4_args args = {.opsequence = {.sa_sessionid = session->id,
                                           .sa_sequenceid = session->seqids[slot],
                                           .sa_slotid = slot,
                                           .sa_highest_slotid = session->slot_count - 1,
                                           .sa_cachethis = cache_this}};
    nfs_compound_add(builder, OP_SEQUENCE, &args);
    builder->highest_slot_position = xdr_position(&builder->x) - 8;
}

void nfs_session_done(struct nfs_session *session, uint32_t slot)
{
    CHECK(slot < session->slot_count);
    session->seqids[slot]++;
}
