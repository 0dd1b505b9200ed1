/* create_session.c: CREATE_SESSION (RFC 8881 section 18.36). A client's CREATE_SESSIONs form a slot of their own: the
 * last result is kept in the client's record. */
#include "base/check.h"
#include "base/limits.h"
#include "proto/log_codec.h"
#include "proto/nfs4/session.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/client.h"
#include "statestore/machine/lease.h"
#include "statestore/machine/session.h"

/* A SEQUENCE and one small operation must fit into a request and a response; less is a client's error. */
#define CHANNEL_MESSAGE_MIN_BYTES 256u

static uint32_t at_most(uint32_t value, uint32_t bound)
{
    return value < bound ? value : bound;
}

static enum nfsstat4 channel_limit(const Qnfs__ChannelAttributes *asked, bool fore, struct session_channel *channel)
{
    if (asked->max_requests == 0 || asked->max_operations == 0)
        return NFS4ERR_INVAL;
    if (asked->max_request_size < CHANNEL_MESSAGE_MIN_BYTES || asked->max_response_size < CHANNEL_MESSAGE_MIN_BYTES)
        return NFS4ERR_TOOSMALL;
    *channel = (struct session_channel){
        .header_pad_size = 0,
        .max_request_size = at_most(asked->max_request_size, NFS4_MESSAGE_MAX_BYTES),
        .max_response_size = at_most(asked->max_response_size, NFS4_MESSAGE_MAX_BYTES),
        .max_response_size_cached = at_most(asked->max_response_size_cached, NFS4_CACHED_RESPONSE_MAX_BYTES),
        .max_operations = at_most(asked->max_operations, NFS4_OPERATIONS_MAX),
        .max_requests = at_most(asked->max_requests, fore ? NFS4_SLOTS_MAX : NFS4_CALLBACK_SLOTS_MAX)};
    return NFS4_OK;
}

static Qnfs__ChannelAttributes *channel_result(struct apply *apply, const struct session_channel *channel)
{
    Qnfs__ChannelAttributes *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__channel_attributes__init(result);
    result->header_pad_size = channel->header_pad_size;
    result->max_request_size = channel->max_request_size;
    result->max_response_size = channel->max_response_size;
    result->max_response_size_cached = channel->max_response_size_cached;
    result->max_operations = channel->max_operations;
    result->max_requests = channel->max_requests;
    return result;
}

/* Until RECLAIM_COMPLETE, but for at most a lease period, the client gets nothing new. */
static void client_begin_reclaiming(struct apply *apply, struct client_id id)
{
    struct client_usage usage;
    bool found = client_usage_get(apply->read, id, apply->arena, &usage);
    CHECK(found || apply->read->failed);
    usage.reclaims_until_ms = lease_end_ms(apply);
    client_usage_put(apply->transaction, id, &usage, apply->arena);
}

/* The record becomes the owner's confirmed one; the client's earlier boot goes with all that it held. */
static enum nfsstat4 client_confirm(struct apply *apply, struct client *client)
{
    struct client_owner records;
    struct client earlier;
    bool found = client_owner_get(apply->read, client->identity, client->owner, apply->arena, &records);
    CHECK((found && records.unconfirmed.value == client->id.value) || apply->read->failed);
    if (client_get(apply->read, records.confirmed, apply->arena, &earlier)) {
        if (!slice_equal(earlier.principal, client->principal) &&
            client_has_state(apply->read, earlier.id, apply->arena))
            return NFS4ERR_CLID_INUSE;
        client_remove(apply, &earlier);
    }
    client->confirmed = true;
    records = (struct client_owner){.confirmed = client->id};
    client_owner_put(apply->transaction, client, &records, apply->arena);
    if (!client->reclaim_complete)
        client_begin_reclaiming(apply, client->id);
    return NFS4_OK;
}

static enum nfsstat4 session_make(struct apply *apply, const Qnfs__CreateSession *command, struct client *client,
                                  struct session *session)
{
    *session = (struct session){.id = session_id_make(&apply->machine->mac_key, apply->number),
                                .client = client->id,
                                .incarnation = {command->incarnation},
                                .epoch = 1,
                                .callback_program = command->callback_program,
                                .callback_flavor = command->callback_flavor,
                                .callback_uid = command->callback_uid,
                                .callback_gid = command->callback_gid};
    session->flags = command->flags & (CREATE_SESSION4_FLAG_PERSIST | CREATE_SESSION4_FLAG_CONN_BACK_CHAN);
    enum nfsstat4 status = channel_limit(command->fore, true, &session->fore);
    if (status == NFS4_OK && (session->flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN) != 0)
        status = channel_limit(command->back, false, &session->back);
    if (status == NFS4_OK && session_count(apply->read, client->id, NFS4_SESSIONS_PER_CLIENT_MAX, apply->arena) ==
                                 NFS4_SESSIONS_PER_CLIENT_MAX)
        status = NFS4ERR_NOSPC;
    if (status == NFS4_OK && !client->confirmed)
        status = client_confirm(apply, client);
    if (status == NFS4_OK)
        session_put(apply->transaction, session, apply->arena);
    return status;
}

static void session_answer(struct apply *apply, const Qnfs__CreateSession *command, const struct session *session)
{
    Qnfs__CreateSessionResult *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__create_session_result__init(result);
    struct slice id = arena_copy(apply->arena, slice_make(session->id.bytes, sizeof(session->id.bytes)));
    result->session.data = (uint8_t *)(uintptr_t)id.data;
    result->session.len = id.size_bytes;
    result->sequence = command->sequence;
    result->flags = session->flags;
    result->fore = channel_result(apply, &session->fore);
    result->back = channel_result(apply, &session->back);
    result->epoch = session->epoch;
    result->client = session->client.value;
    apply->result->body_case = QNFS__RESULT__BODY_CREATE_SESSION;
    apply->result->create_session = result;
}

/* The request is the client's next one: whatever becomes of it is what a retry must see. Only a principal that may not
 * speak for the client does not use its sequence up. */
static void session_create(struct apply *apply, const Qnfs__CreateSession *command, struct client *client)
{
    struct session session;
    struct client_usage usage;
    enum nfsstat4 status = NFS4ERR_CLID_INUSE;
    if (client->confirmed || slice_equal(client->principal, client_principal(apply->command->credential, apply->arena)))
        status = session_make(apply, command, client, &session);
    apply_answer(apply, status);
    if (status == NFS4ERR_CLID_INUSE)
        return;
    if (status == NFS4_OK) {
        session_answer(apply, command, &session);
        bool found = client_usage_get(apply->read, client->id, apply->arena, &usage);
        CHECK(found || apply->read->failed);
        lease_renew(apply, client->id, &usage, lease_end_ms(apply));
    }
    client->sequence = command->sequence;
    client->has_reply = true;
    client->digest = apply_digest(command->digest);
    client->reply = log_result_pack(apply->result, apply->arena);
    client_put(apply->transaction, client, apply->arena);
}

void create_session_apply(struct apply *apply, const Qnfs__CreateSession *command)
{
    struct client client;
    if (!client_get(apply->read, (struct client_id){command->client}, apply->arena, &client)) {
        apply_answer(apply, NFS4ERR_STALE_CLIENTID);
        return;
    }
    if (client.has_reply && command->sequence == client.sequence) {
        /* Arguments that differ are no retry, and no next request either. */
        if (hash128_equal(client.digest, apply_digest(command->digest)))
            apply_replay(apply, client.reply);
        else
            apply_answer(apply, NFS4ERR_SEQ_MISORDERED);
        return;
    }
    if (command->sequence != client.sequence + 1) {
        apply_answer(apply, NFS4ERR_SEQ_MISORDERED);
        return;
    }
    session_create(apply, command, &client);
}
