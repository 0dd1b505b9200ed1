#include "statestore/machine/client.h"

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/lease.h"
#include "statestore/machine/range.h"
#include "statestore/machine/row.h"
#include "statestore/machine/session.h"
#include "statestore/machine/state.h"
#include "statestore/store/schema.h"

/* RPC flavor of RPCSEC_GSS. */
#define FLAVOR_GSS 6u

/* The last byte of a client's key: which of its two rows. */
enum client_part { CLIENT_RECORD = 0, CLIENT_USAGE = 1 };

static void client_codec(struct row *row, void *value)
{
    struct client *client = value;
    row_version(row, 1);
    row_slice(row, &client->identity);
    row_slice(row, &client->owner);
    row_fixed(row, client->verifier, sizeof(client->verifier));
    row_slice(row, &client->principal);
    row_slice(row, &client->address);
    row_slice(row, &client->implementation_domain);
    row_slice(row, &client->implementation_name);
    row_bool(row, &client->confirmed);
    row_bool(row, &client->reclaim_complete);
    row_u32(row, &client->flags);
    row_u32(row, &client->minor_version);
    row_u32(row, &client->sequence);
    row_bool(row, &client->has_reply);
    row_u64(row, &client->digest.low);
    row_u64(row, &client->digest.high);
    row_slice(row, &client->reply);
}

static void usage_codec(struct row *row, void *value)
{
    struct client_usage *usage = value;
    row_version(row, 1);
    row_u64(row, &usage->lease_end_ms);
    row_bool(row, &usage->courtesy);
    row_u64(row, &usage->state_count);
    row_u64(row, &usage->range_count);
    row_u64(row, &usage->reclaims_until_ms);
}

static void owner_codec(struct row *row, void *value)
{
    struct client_owner *records = value;
    row_version(row, 1);
    row_u64(row, &records->confirmed.value);
    row_u64(row, &records->unconfirmed.value);
}

static struct slice client_key(struct client_id id, enum client_part part, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_CLIENT, 9);
    row_key_u64(&key, id.value);
    row_key_u8(&key, (uint8_t)part);
    return row_key_done(&key);
}

static struct slice owner_key(struct slice identity, struct slice owner, struct arena *arena)
{
    CHECK(owner.size_bytes <= NFS4_OPAQUE_MAX_BYTES);
    struct row_key key = row_key(arena, SCHEMA_CLIENT_BY_OWNER, 4 + identity.size_bytes + owner.size_bytes);
    row_key_u32(&key, (uint32_t)identity.size_bytes);
    row_key_bytes(&key, identity);
    row_key_bytes(&key, owner);
    return row_key_done(&key);
}

bool client_get(struct kv_read *read, struct client_id id, struct arena *arena, struct client *client)
{
    struct slice bytes;
    *client = (struct client){.id = id};
    if (!kv_get(read, client_key(id, CLIENT_RECORD, arena), arena, &bytes))
        return false;
    row_decode(client_codec, bytes, client);
    return true;
}

bool client_usage_get(struct kv_read *read, struct client_id id, struct arena *arena, struct client_usage *usage)
{
    struct slice bytes;
    *usage = (struct client_usage){0};
    if (!kv_get(read, client_key(id, CLIENT_USAGE, arena), arena, &bytes))
        return false;
    row_decode(usage_codec, bytes, usage);
    return true;
}

bool client_owner_get(struct kv_read *read, struct slice identity, struct slice owner, struct arena *arena,
                      struct client_owner *records)
{
    struct slice bytes;
    *records = (struct client_owner){0};
    if (!kv_get(read, owner_key(identity, owner, arena), arena, &bytes))
        return false;
    row_decode(owner_codec, bytes, records);
    return true;
}

void client_put(struct transaction *transaction, const struct client *client, struct arena *arena)
{
    CHECK(client->id.value != 0);
    transaction_put(transaction, client_key(client->id, CLIENT_RECORD, arena), row_encode(client_codec, client, arena));
}

void client_usage_put(struct transaction *transaction, struct client_id id, const struct client_usage *usage,
                      struct arena *arena)
{
    transaction_put(transaction, client_key(id, CLIENT_USAGE, arena), row_encode(usage_codec, usage, arena));
}

void client_owner_put(struct transaction *transaction, const struct client *client, const struct client_owner *records,
                      struct arena *arena)
{
    struct slice key = owner_key(client->identity, client->owner, arena);
    if (records->confirmed.value == 0 && records->unconfirmed.value == 0)
        transaction_delete(transaction, key);
    else
        transaction_put(transaction, key, row_encode(owner_codec, records, arena));
}

void client_usage_add(struct apply *apply, struct client_id id, int64_t states, int64_t ranges)
{
    struct client_usage usage;
    if (!client_usage_get(apply->read, id, apply->arena, &usage))
        return; /* the client is gone, what it held is being freed */
    usage.state_count += (uint64_t)states;
    usage.range_count += (uint64_t)ranges;
    CHECK(usage.state_count <= INT64_MAX && usage.range_count <= INT64_MAX);
    client_usage_put(apply->transaction, id, &usage, apply->arena);
}

/* RFC 8881 section 18.51.3: "If non-reclaim locking operations are done before the RECLAIM_COMPLETE, an NFS4ERR_GRACE error
 * will be returned." */
enum nfsstat4 client_judge_reclaiming(const struct apply *apply, const struct client_usage *usage)
{
    return apply->uptime_ms < usage->reclaims_until_ms ? NFS4ERR_GRACE : NFS4_OK;
}

bool client_has_state(struct kv_read *read, struct client_id id, struct arena *arena)
{
    struct client_usage usage;
    if (!client_usage_get(read, id, arena, &usage) || usage.courtesy)
        return false;
    return usage.state_count > 0 || session_count(read, id, 1, arena) > 0;
}

struct slice client_principal(const Qnfs__Credential *credential, struct arena *arena)
{
    uint32_t flavor = credential == NULL ? 0 : credential->flavor;
    struct slice name = SLICE_EMPTY;
    uint8_t uid[4] = {0};
    if (credential != NULL && credential->principal.len > 0) {
        name = slice_make(credential->principal.data, credential->principal.len);
        flavor = FLAVOR_GSS;
    } else if (credential != NULL) {
        for (unsigned i = 0; i < sizeof(uid); i++)
            uid[i] = (uint8_t)(credential->uid >> (24 - 8 * i));
        name = slice_make(uid, sizeof(uid));
    }
    uint8_t *bytes = arena_alloc(arena, 4 + name.size_bytes);
    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(flavor >> (24 - 8 * i));
    if (name.size_bytes > 0)
        memcpy(bytes + 4, name.data, name.size_bytes);
    return slice_make(bytes, 4 + name.size_bytes);
}

void client_walk_open(struct kv_read *read, struct client_id after, struct arena *arena, struct client_walk *walk)
{
    struct row_key prefix = row_key(arena, SCHEMA_CLIENT, 0);
    struct slice start = after.value == UINT64_MAX ? client_key(after, CLIENT_USAGE, arena)
                                                   : client_key((struct client_id){after.value + 1}, 0, arena);
    walk->arena = arena;
    kv_cursor_open(read, row_key_done(&prefix), start, arena, &walk->cursor);
}

bool client_walk_get(struct client_walk *walk, struct client *client, struct client_usage *usage)
{
    if (!walk->cursor.valid)
        return false;
    struct client_id id = {row_key_get_u64(walk->cursor.key, 1)};
    CHECK(walk->cursor.key.size_bytes == 10 && walk->cursor.key.data[9] == CLIENT_RECORD);
    *client = (struct client){.id = id};
    row_decode(client_codec, arena_copy(walk->arena, walk->cursor.value), client);
    bool found = client_usage_get(walk->cursor.read, id, walk->arena, usage);
    CHECK(found || walk->cursor.read->failed);
    return true;
}

/* Over the record and the usage behind it. */
void client_walk_next(struct client_walk *walk)
{
    kv_cursor_next(&walk->cursor);
    if (walk->cursor.valid && walk->cursor.key.data[9] == CLIENT_USAGE)
        kv_cursor_next(&walk->cursor);
}

void client_walk_close(struct client_walk *walk)
{
    kv_cursor_close(&walk->cursor);
}

/* --- removal --- */

static void sessions_remove(struct apply *apply, struct client_id id)
{
    struct session sessions[NFS4_SESSIONS_PER_CLIENT_MAX];
    size_t count = 0;
    struct session_walk walk;
    session_walk_open(apply->read, id, apply->arena, &walk);
    while (count < NFS4_SESSIONS_PER_CLIENT_MAX && session_walk_get(&walk, &sessions[count])) {
        count++;
        session_walk_next(&walk);
    }
    CHECK(!walk.cursor.valid || apply->read->failed);
    session_walk_close(&walk);
    for (size_t i = 0; i < count; i++)
        session_remove(apply, &sessions[i]);
}

static void owner_forget(struct apply *apply, const struct client *client)
{
    struct client_owner records;
    bool found = client_owner_get(apply->read, client->identity, client->owner, apply->arena, &records);
    CHECK(found || apply->read->failed);
    if (client->confirmed && records.confirmed.value == client->id.value)
        records.confirmed = (struct client_id){0};
    if (!client->confirmed && records.unconfirmed.value == client->id.value)
        records.unconfirmed = (struct client_id){0};
    client_owner_put(apply->transaction, client, &records, apply->arena);
}

void client_remove(struct apply *apply, const struct client *client)
{
    struct client_usage usage;
    bool found = client_usage_get(apply->read, client->id, apply->arena, &usage);
    CHECK(found || apply->read->failed);
    sessions_remove(apply, client->id);
    owner_forget(apply, client);
    lease_drop(apply, client->id, &usage);
    transaction_delete(apply->transaction, client_key(client->id, CLIENT_RECORD, apply->arena));
    transaction_delete(apply->transaction, client_key(client->id, CLIENT_USAGE, apply->arena));
    CHECK(apply->machine->client_count > 0);
    apply->machine->client_count--;
    if (state_free_client(apply, client->id, CLIENT_STEP_ROWS)) {
        lease_mark_gone(apply, client->id);
        apply_effect(apply, (struct machine_effect){.kind = EFFECT_PURGE});
    }
    apply_effect(apply, (struct machine_effect){.kind = EFFECT_CLIENT_GONE, .client = client->id});
}

bool client_purge_pending(struct kv_read *read, struct arena *arena)
{
    struct client_id client;
    return lease_first_gone(read, arena, &client);
}

bool client_purge(struct apply *apply)
{
    struct client_id client;
    if (!lease_first_gone(apply->read, apply->arena, &client))
        return false;
    if (!state_free_client(apply, client, CLIENT_STEP_ROWS))
        lease_unmark_gone(apply, client);
    return client_purge_pending(apply->read, apply->arena);
}
