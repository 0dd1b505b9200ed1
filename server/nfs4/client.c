#include "base/limits.h"
#include "server/nfs4/command.h"
#include "server/nfs4/handlers.h"
#include "server/nfs4/state.h"

/* The identity of every address that is not a floating one (DESIGN.md section 8). */
#define IDENTITY_DEFAULT "default"
#define IMPLEMENTATION_DOMAIN "quorumnfs.org"
#define IMPLEMENTATION_NAME "QuorumNFS"
#define CLUSTER_TEXT_BYTES 32u

enum step exchange_id_step(struct compound *compound)
{
    const struct EXCHANGE_ID4args *args = &compound->args.opexchange_id;
    uint32_t known = EXCHGID4_FLAG_MASK_A;
    if (compound->head.minorversion < 2)
        known &= ~EXCHGID4_FLAG_SUPP_FENCE_OPS; /* RFC 7862 section 14.1.3 */
    if ((args->eia_flags & ~known) != 0)
        return compound_answer(compound, NFS4ERR_INVAL);
    switch (args->eia_state_protect.spa_how) {
    case SP4_NONE: break;
    /* RFC 8881 section 2.10.8.3: it needs RPCSEC_GSS. */
    case SP4_MACH_CRED: return compound_answer(compound, NFS4ERR_INVAL);
    case SP4_SSV: return compound_answer(compound, NFS4ERR_ENCR_ALG_UNSUPP);
    default: return compound_answer(compound, NFS4ERR_BADXDR);
    }
    Qnfs__ExchangeId body = QNFS__EXCHANGE_ID__INIT;
    body.owner = command_bytes(args->eia_clientowner.co_ownerid);
    body.verifier = command_bytes(slice_make(args->eia_clientowner.co_verifier.data, NFS4_VERIFIER_SIZE));
    body.flags = args->eia_flags;
    body.minor_version = compound->head.minorversion;
    body.identity = command_bytes(slice_text(IDENTITY_DEFAULT));
    if (args->eia_client_impl_id_present) {
        const struct nfs_impl_id4 *id = &args->eia_client_impl_id;
        struct slice domain = id->nii_domain;
        struct slice name = id->nii_name;
        if (domain.size_bytes > NFS4_OPAQUE_MAX_BYTES)
            domain.size_bytes = NFS4_OPAQUE_MAX_BYTES;
        if (name.size_bytes > NFS4_OPAQUE_MAX_BYTES)
            name.size_bytes = NFS4_OPAQUE_MAX_BYTES;
        body.implementation_domain = command_bytes(domain);
        body.implementation_name = command_bytes(name);
    }
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_EXCHANGE_ID;
    command.exchange_id = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}

/* The cluster's id as text: it never changes, so neither does the server's scope. */
static struct slice cluster_text(struct compound *compound, struct slice suffix)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *text = arena_alloc(compound_arena(compound), CLUSTER_TEXT_BYTES + suffix.size_bytes);
    for (size_t i = 0; i < CLUSTER_TEXT_BYTES / 2; i++) {
        uint8_t byte = compound->server->config.cluster_id[i];
        text[2 * i] = (uint8_t)digits[byte >> 4];
        text[2 * i + 1] = (uint8_t)digits[byte & 15u];
    }
    if (suffix.size_bytes > 0)
        memcpy(text + CLUSTER_TEXT_BYTES, suffix.data, suffix.size_bytes);
    return slice_make(text, CLUSTER_TEXT_BYTES + suffix.size_bytes);
}

void exchange_id_finish(struct compound *compound, const Qnfs__Result *result)
{
    struct EXCHANGE_ID4res *res = &compound->result.opexchange_id;
    res->eir_status = (enum nfsstat4)result->status;
    if (res->eir_status != NFS4_OK)
        return;
    struct EXCHANGE_ID4resok *resok = &res->eir_resok4;
    resok->eir_clientid = result->exchange_id->client;
    resok->eir_sequenceid = result->exchange_id->sequence;
    resok->eir_flags = (result->exchange_id->flags & ~EXCHGID4_FLAG_MASK_PNFS) | EXCHGID4_FLAG_USE_NON_PNFS;
    resok->eir_state_protect.spr_how = SP4_NONE;
    resok->eir_server_owner.so_major_id = cluster_text(compound, slice_text("/" IDENTITY_DEFAULT));
    resok->eir_server_scope = cluster_text(compound, SLICE_EMPTY);
    resok->eir_server_impl_id_present = true;
    resok->eir_server_impl_id.nii_domain = slice_text(IMPLEMENTATION_DOMAIN);
    resok->eir_server_impl_id.nii_name = slice_text(IMPLEMENTATION_NAME);
}

enum step destroy_clientid_step(struct compound *compound)
{
    Qnfs__DestroyClientid body = QNFS__DESTROY_CLIENTID__INIT;
    body.client = compound->args.opdestroy_clientid.dca_clientid;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_DESTROY_CLIENTID;
    command.destroy_clientid = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}

enum step reclaim_complete_step(struct compound *compound)
{
    /* RFC 8881 section 18.51.3: with rca_one_fs the current file handle says which file system. */
    if (compound->args.opreclaim_complete.rca_one_fs && !compound->current_set)
        return compound_answer(compound, NFS4ERR_NOFILEHANDLE);
    Qnfs__ReclaimComplete body = QNFS__RECLAIM_COMPLETE__INIT;
    body.client = compound->client.value;
    body.one_fs = compound->args.opreclaim_complete.rca_one_fs;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_RECLAIM_COMPLETE;
    command.reclaim_complete = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}
