/* exchange_id.c: EXCHANGE_ID, by the nine cases of RFC 8881 section 18.35.4, whose numbers the comments give. */
#include "base/check.h"
#include "base/limits.h"
#include "proto/nfs4/client.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/client.h"
#include "statestore/machine/lease.h"
#include "statestore/machine/session.h"

/* What EXCHANGE_ID looks at before it decides. */
struct exchange {
    struct slice identity;
    struct slice owner;
    struct slice principal;
    struct client_owner records;
    struct client confirmed; /* id 0: none */
    bool same_principal;     /* as the confirmed record's */
    bool same_verifier;
};

static void exchange_look(struct apply *apply, const Qnfs__ExchangeId *command, struct exchange *exchange)
{
    *exchange = (struct exchange){0};
    exchange->identity = slice_make(command->identity.data, command->identity.len);
    exchange->owner = slice_make(command->owner.data, command->owner.len);
    exchange->principal = client_principal(apply->command->credential, apply->arena);
    client_owner_get(apply->read, exchange->identity, exchange->owner, apply->arena, &exchange->records);
    if (exchange->records.confirmed.value == 0)
        return;
    struct client *confirmed = &exchange->confirmed;
    bool found = client_get(apply->read, exchange->records.confirmed, apply->arena, confirmed);
    CHECK((found && confirmed->confirmed) || apply->read->failed);
    exchange->same_principal = slice_equal(confirmed->principal, exchange->principal);
    exchange->same_verifier = memcmp(confirmed->verifier, command->verifier.data, sizeof(confirmed->verifier)) == 0;
}

static void exchange_describe(const Qnfs__ExchangeId *command, struct client *client)
{
    client->flags = command->flags;
    client->minor_version = command->minor_version;
    client->implementation_domain = slice_make(command->implementation_domain.data, command->implementation_domain.len);
    client->implementation_name = slice_make(command->implementation_name.data, command->implementation_name.len);
}

static void exchange_answer(struct apply *apply, const struct client *client)
{
    Qnfs__ExchangeIdResult *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__exchange_id_result__init(result);
    result->client = client->id.value;
    result->sequence = client->sequence + 1;
    result->flags = EXCHGID4_FLAG_USE_NON_PNFS | (client->confirmed ? EXCHGID4_FLAG_CONFIRMED_R : 0);
    apply->result->body_case = QNFS__RESULT__BODY_EXCHANGE_ID;
    apply->result->exchange_id = result;
    apply_answer(apply, NFS4_OK);
}

/* EXCHGID4_FLAG_UPD_CONFIRMED_REC_A: the client wants to change what its confirmed record says of it. */
static void exchange_update(struct apply *apply, const Qnfs__ExchangeId *command, struct exchange *exchange)
{
    if (exchange->confirmed.id.value == 0)
        apply_answer(apply, NFS4ERR_NOENT); /* 7 */
    else if (!exchange->same_principal)
        apply_answer(apply, NFS4ERR_PERM); /* 9 */
    else if (!exchange->same_verifier)
        apply_answer(apply, NFS4ERR_NOT_SAME); /* 8 */
    else {                                     /* 6 */
        exchange_describe(command, &exchange->confirmed);
        client_put(apply->transaction, &exchange->confirmed, apply->arena);
        exchange_answer(apply, &exchange->confirmed);
    }
}

/* Makes room for one client record; false: all are alive. */
static bool exchange_make_room(struct apply *apply)
{
    struct client_id oldest;
    struct client client;
    if (apply->machine->client_count < NFS4_CLIENTS_MAX)
        return true;
    if (!lease_first_courtesy(apply->read, apply->arena, &oldest))
        return false;
    bool found = client_get(apply->read, oldest, apply->arena, &client);
    CHECK(found || apply->read->failed);
    client_remove(apply, &client);
    return true;
}

/* 1, 3, 4, 5: a new unconfirmed record. A confirmed one of the same owner stays until CREATE_SESSION confirms the new
 * one; another unconfirmed one goes. */
static void exchange_make(struct apply *apply, const Qnfs__ExchangeId *command, const struct exchange *exchange)
{
    struct client replaced;
    if (exchange->records.unconfirmed.value != 0 &&
        client_get(apply->read, exchange->records.unconfirmed, apply->arena, &replaced))
        client_remove(apply, &replaced); /* 4 */
    if (!exchange_make_room(apply)) {
        apply_answer(apply, NFS4ERR_DELAY);
        return;
    }
    struct client client = {.id = {apply->number},
                            .identity = exchange->identity,
                            .owner = exchange->owner,
                            .principal = exchange->principal,
                            .address = apply->identity.address};
    memcpy(client.verifier, command->verifier.data, sizeof(client.verifier));
    exchange_describe(command, &client);
    /* The room may have been this owner's confirmed record. */
    struct client_owner records;
    client_owner_get(apply->read, exchange->identity, exchange->owner, apply->arena, &records);
    records.unconfirmed = client.id;
    struct client_usage usage;
    client_put(apply->transaction, &client, apply->arena);
    client_owner_put(apply->transaction, &client, &records, apply->arena);
    lease_start(apply, client.id, &usage);
    apply->machine->client_count++;
    exchange_answer(apply, &client);
}

/* Neither a session nor state, whatever its lease. One that holds something, but has let its lease run out, may still come
 * back until the new record is confirmed. */
static bool exchange_holds_nothing(struct apply *apply, const struct client *client)
{
    struct client_usage usage;
    return client_usage_get(apply->read, client->id, apply->arena, &usage) && usage.state_count == 0 &&
           session_count(apply->read, client->id, 1, apply->arena) == 0;
}

void exchange_id_apply(struct apply *apply, const Qnfs__ExchangeId *command)
{
    struct exchange exchange;
    if ((command->flags & ~EXCHGID4_FLAG_MASK_A) != 0) {
        apply_answer(apply, NFS4ERR_INVAL);
        return;
    }
    exchange_look(apply, command, &exchange);
    if ((command->flags & EXCHGID4_FLAG_UPD_CONFIRMED_REC_A) != 0)
        exchange_update(apply, command, &exchange);
    else if (exchange.confirmed.id.value == 0)
        exchange_make(apply, command, &exchange); /* 1 */
    else if (!exchange.same_principal && client_has_state(apply->read, exchange.confirmed.id, apply->arena))
        apply_answer(apply, NFS4ERR_CLID_INUSE); /* 3 */
    else if (exchange.same_principal && exchange.same_verifier)
        exchange_answer(apply, &exchange.confirmed); /* 2 */
    else {
        if (!exchange.same_principal && exchange_holds_nothing(apply, &exchange.confirmed))
            client_remove(apply, &exchange.confirmed); /* a record that nobody can miss goes at once */
        exchange_make(apply, command, &exchange);      /* 3 without state, 5 */
    }
}

void destroy_clientid_apply(struct apply *apply, const Qnfs__DestroyClientid *command)
{
    struct client client;
    if (!client_get(apply->read, (struct client_id){command->client}, apply->arena, &client)) {
        apply_answer(apply, NFS4ERR_STALE_CLIENTID);
        return;
    }
    /* RFC 8881 section 18.50.3: "If there are sessions (both idle and non-idle), opens, locks, delegations, layouts,
     * and/or wants ... associated with the unexpired lease of the client ID, the server MUST return
     * NFS4ERR_CLIENTID_BUSY." */
    if (client_has_state(apply->read, client.id, apply->arena)) {
        apply_answer(apply, NFS4ERR_CLIENTID_BUSY);
        return;
    }
    client_remove(apply, &client);
    apply_answer(apply, NFS4_OK);
}

void client_evict_apply(struct apply *apply, const Qnfs__ClientEvict *command)
{
    struct client client;
    if (!client_get(apply->read, (struct client_id){command->client}, apply->arena, &client)) {
        apply_refuse(apply, NFS4ERR_NOENT, slice_text("no client with that id"));
        return;
    }
    client_remove(apply, &client);
    apply_answer(apply, NFS4_OK);
}

void reclaim_complete_apply(struct apply *apply, const Qnfs__ReclaimComplete *command)
{
    struct client client;
    struct client_id id = apply->client.value != 0 ? apply->client : (struct client_id){command->client};
    if (!client_get(apply->read, id, apply->arena, &client)) {
        apply_answer(apply, NFS4ERR_STALE_CLIENTID);
        return;
    }
    if (command->one_fs) { /* nothing moves between servers, so nothing was to be reclaimed */
        apply_answer(apply, NFS4_OK);
        return;
    }
    if (client.reclaim_complete) {
        apply_answer(apply, NFS4ERR_COMPLETE_ALREADY);
        return;
    }
    struct client_usage usage;
    bool found = client_usage_get(apply->read, id, apply->arena, &usage);
    CHECK(found || apply->read->failed);
    client.reclaim_complete = true;
    usage.reclaims_until_ms = 0;
    client_put(apply->transaction, &client, apply->arena);
    client_usage_put(apply->transaction, id, &usage, apply->arena);
    apply_answer(apply, NFS4_OK);
}
