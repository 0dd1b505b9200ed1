#include "base/limits.h"
#include "server/nfs4/attach.h"
#include "server/nfs4/command.h"
#include "server/nfs4/handlers.h"
#include "server/nfs4/lease.h"
#include "server/nfs4/state.h"

#define CREATE_SESSION4_FLAGS                                                                                          \
    (CREATE_SESSION4_FLAG_PERSIST | CREATE_SESSION4_FLAG_CONN_BACK_CHAN | CREATE_SESSION4_FLAG_CONN_RDMA)
/* RPC header with AUTH_SYS, and SEQUENCE: less than that and not one compound fits. */
#define FORE_REQUEST_MIN_BYTES 128u
#define FORE_RESPONSE_MIN_BYTES 96u
/* CB_SEQUENCE and CB_RECALL with their headers, and the answer. */
#define BACK_MIN_BYTES 256u
#define BACK_OPERATIONS_MIN 2u

static uint32_t at_most(uint32_t value, uint32_t most)
{
    return value < most ? value : most;
}

/* RFC 8881 section 18.36.3: what the server grants is at most what was asked. */
static enum nfsstat4 fore_channel(const struct channel_attrs4 *asked, Qnfs__ChannelAttributes *granted)
{
    if (asked->ca_maxrequestsize < FORE_REQUEST_MIN_BYTES || asked->ca_maxresponsesize < FORE_RESPONSE_MIN_BYTES)
        return NFS4ERR_TOOSMALL;
    if (asked->ca_maxoperations == 0 || asked->ca_maxrequests == 0)
        return NFS4ERR_INVAL;
    granted->max_request_size = at_most(asked->ca_maxrequestsize, NFS4_MESSAGE_MAX_BYTES);
    granted->max_response_size = at_most(asked->ca_maxresponsesize, NFS4_MESSAGE_MAX_BYTES);
    granted->max_response_size_cached = at_most(asked->ca_maxresponsesize_cached, NFS4_CACHED_RESPONSE_MAX_BYTES);
    granted->max_operations = at_most(asked->ca_maxoperations, NFS4_OPERATIONS_MAX);
    granted->max_requests = at_most(asked->ca_maxrequests, NFS4_SLOTS_MAX);
    return NFS4_OK;
}

/* Who wants no back channel may say nothing about one. */
static enum nfsstat4 back_channel(const struct channel_attrs4 *asked, bool wanted, Qnfs__ChannelAttributes *granted)
{
    bool judged = wanted || asked->ca_maxrequestsize != 0 || asked->ca_maxresponsesize != 0;
    if (judged && (asked->ca_maxrequestsize < BACK_MIN_BYTES || asked->ca_maxresponsesize < BACK_MIN_BYTES ||
                   asked->ca_maxoperations < BACK_OPERATIONS_MIN))
        return NFS4ERR_TOOSMALL;
    if (wanted && asked->ca_maxrequests == 0)
        return NFS4ERR_INVAL;
    granted->max_request_size = at_most(asked->ca_maxrequestsize, NFS4_MESSAGE_MAX_BYTES);
    granted->max_response_size = at_most(asked->ca_maxresponsesize, NFS4_MESSAGE_MAX_BYTES);
    granted->max_response_size_cached = at_most(asked->ca_maxresponsesize_cached, NFS4_CACHED_RESPONSE_MAX_BYTES);
    granted->max_operations = at_most(asked->ca_maxoperations, NFS4_OPERATIONS_MAX);
    granted->max_requests = at_most(asked->ca_maxrequests, NFS4_SLOTS_MAX);
    return NFS4_OK;
}

/* The first flavor that callbacks can use; NULL if there is none among those that the client takes. */
static const struct callback_sec_parms4 *callback_flavor(const struct callback_sec_parms4 *parms, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (parms[i].cb_secflavor == AUTH_NONE || parms[i].cb_secflavor == AUTH_SYS)
            return &parms[i];
    }
    return NULL;
}

/* RFC 8881 section 18.36.4: a retry is known by its sequence id, whatever its other arguments are. */
static ProtobufCBinaryData create_session_digest(struct compound *compound)
{
    const struct CREATE_SESSION4args *args = &compound->args.opcreate_session;
    uint64_t words[2] = {args->csa_clientid, args->csa_sequence};
    return command_digest(compound, siphash128(&compound->server->config.mac_key, slice_make(words, sizeof(words))));
}

enum step create_session_step(struct compound *compound)
{
    const struct CREATE_SESSION4args *args = &compound->args.opcreate_session;
    bool back_wanted = (args->csa_flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN) != 0;
    if ((args->csa_flags & ~CREATE_SESSION4_FLAGS) != 0)
        return compound_answer(compound, NFS4ERR_INVAL);
    Qnfs__ChannelAttributes fore = QNFS__CHANNEL_ATTRIBUTES__INIT;
    Qnfs__ChannelAttributes back = QNFS__CHANNEL_ATTRIBUTES__INIT;
    enum nfsstat4 status = fore_channel(&args->csa_fore_chan_attrs, &fore);
    if (status == NFS4_OK)
        status = back_channel(&args->csa_back_chan_attrs, back_wanted, &back);
    const struct callback_sec_parms4 *parms = callback_flavor(args->csa_sec_parms, args->csa_sec_parms_count);
    if (status == NFS4_OK && parms == NULL && (args->csa_sec_parms_count > 0 || back_wanted))
        status = NFS4ERR_ENCR_ALG_UNSUPP;
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    Qnfs__CreateSession body = QNFS__CREATE_SESSION__INIT;
    body.client = args->csa_clientid;
    body.sequence = args->csa_sequence;
    body.flags = args->csa_flags & ~CREATE_SESSION4_FLAG_CONN_RDMA;
    body.fore = &fore;
    body.back = &back;
    body.callback_program = args->csa_cb_program;
    if (parms != NULL) {
        body.callback_flavor = parms->cb_secflavor;
        body.callback_uid = parms->cb_secflavor == AUTH_SYS ? parms->u.cbsp_sys_cred.uid : 0;
        body.callback_gid = parms->cb_secflavor == AUTH_SYS ? parms->u.cbsp_sys_cred.gid : 0;
    }
    body.incarnation = compound->server->config.incarnation.value;
    body.digest = create_session_digest(compound);
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_CREATE_SESSION;
    command.create_session = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}

static struct channel_attrs4 channel_encode(const Qnfs__ChannelAttributes *channel)
{
    return (struct channel_attrs4){
        .ca_headerpadsize = channel->header_pad_size,
        .ca_maxrequestsize = channel->max_request_size,
        .ca_maxresponsesize = channel->max_response_size,
        .ca_maxresponsesize_cached = channel->max_response_size_cached,
        .ca_maxoperations = channel->max_operations,
        .ca_maxrequests = channel->max_requests,
    };
}

void create_session_finish(struct compound *compound, const Qnfs__Result *result)
{
    struct CREATE_SESSION4res *res = &compound->result.opcreate_session;
    res->csr_status = (enum nfsstat4)result->status;
    if (res->csr_status != NFS4_OK)
        return;
    const Qnfs__CreateSessionResult *made = result->create_session;
    memcpy(res->csr_resok4.csr_sessionid.data, made->session.data, sizeof(res->csr_resok4.csr_sessionid.data));
    res->csr_resok4.csr_sequence = made->sequence;
    res->csr_resok4.csr_flags = made->flags;
    res->csr_resok4.csr_fore_chan_attrs = channel_encode(made->fore);
    res->csr_resok4.csr_back_chan_attrs = channel_encode(made->back);
}

/* The session named is the one whose slot this compound runs on. */
static bool is_own_session(const struct compound *compound, struct session_id id)
{
    return compound->in_session && session_id_equal(compound->session_id, id);
}

enum step destroy_session_step(struct compound *compound)
{
    struct session_id id;
    memcpy(id.bytes, compound->args.opdestroy_session.dsa_sessionid.data, sizeof(id.bytes));
    if (!session_id_genuine(&compound->server->config.mac_key, id))
        return compound_answer(compound, NFS4ERR_BADSESSION);
    /* RFC 8881 section 18.37.3: "DESTROY_SESSION MUST be the final operation in the COMPOUND request" if the session is
     * the one that SEQUENCE named. */
    if (is_own_session(compound, id) && compound->index + 1 != compound->head.operation_count)
        return compound_answer(compound, NFS4ERR_NOT_ONLY_OP);
    Qnfs__DestroySession body = QNFS__DESTROY_SESSION__INIT;
    body.session = command_bytes(arena_copy(compound_arena(compound), slice_make(id.bytes, sizeof(id.bytes))));
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_DESTROY_SESSION;
    command.destroy_session = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}

enum step bind_conn_to_session_step(struct compound *compound)
{
    const struct BIND_CONN_TO_SESSION4args *args = &compound->args.opbind_conn_to_session;
    enum channel_dir_from_server4 direction;
    switch (args->bctsa_dir) {
    case CDFC4_FORE: direction = CDFS4_FORE; break;
    case CDFC4_BACK: direction = CDFS4_BACK; break;
    case CDFC4_FORE_OR_BOTH:
    case CDFC4_BACK_OR_BOTH: direction = CDFS4_BOTH; break;
    default: return compound_answer(compound, NFS4ERR_INVAL);
    }
    struct session_id id;
    struct session_entry *entry;
    memcpy(id.bytes, args->bctsa_sessid.data, sizeof(id.bytes));
    enum step step = attach_session(compound, id, &entry);
    if (entry == NULL)
        return step;
    lease_note(compound, entry);
    session_bind(&compound->server->sessions, entry, compound->connection, direction != CDFS4_FORE);
    struct BIND_CONN_TO_SESSION4resok *resok = &compound->result.opbind_conn_to_session.bctsr_resok4;
    resok->bctsr_sessid = args->bctsa_sessid;
    resok->bctsr_dir = direction;
    return compound_answer(compound, NFS4_OK);
}

enum step backchannel_ctl_step(struct compound *compound)
{
    const struct BACKCHANNEL_CTL4args *args = &compound->args.opbackchannel_ctl;
    const struct callback_sec_parms4 *parms = callback_flavor(args->bca_sec_parms, args->bca_sec_parms_count);
    if (parms == NULL)
        return compound_answer(compound, NFS4ERR_ENCR_ALG_UNSUPP);
    Qnfs__BackchannelCtl body = QNFS__BACKCHANNEL_CTL__INIT;
    body.session = command_bytes(slice_make(compound->session_id.bytes, sizeof(compound->session_id.bytes)));
    body.callback_program = args->bca_cb_program;
    body.callback_flavor = parms->cb_secflavor;
    if (parms->cb_secflavor == AUTH_SYS) {
        body.callback_uid = parms->u.cbsp_sys_cred.uid;
        body.callback_gid = parms->u.cbsp_sys_cred.gid;
    }
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_BACKCHANNEL_CTL;
    command.backchannel_ctl = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}
