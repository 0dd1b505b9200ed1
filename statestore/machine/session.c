#include "statestore/machine/session.h"

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/range.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

static void channel_codec(struct row *row, struct session_channel *channel)
{
    row_u32(row, &channel->header_pad_size);
    row_u32(row, &channel->max_request_size);
    row_u32(row, &channel->max_response_size);
    row_u32(row, &channel->max_response_size_cached);
    row_u32(row, &channel->max_operations);
    row_u32(row, &channel->max_requests);
}

static void session_codec(struct row *row, void *value)
{
    struct session *session = value;
    row_version(row, 1);
    row_u64(row, &session->client.value);
    row_u64(row, &session->incarnation.value);
    row_u64(row, &session->epoch);
    row_u32(row, &session->flags);
    channel_codec(row, &session->fore);
    channel_codec(row, &session->back);
    row_u32(row, &session->callback_program);
    row_u32(row, &session->callback_flavor);
    row_u32(row, &session->callback_uid);
    row_u32(row, &session->callback_gid);
}

static void file_codec(struct row *row, struct file_id *file)
{
    row_u32(row, &file->volume.value);
    row_u64(row, &file->inode.value);
    row_u32(row, &file->generation);
}

static void stateid_codec(struct row *row, struct stateid *stateid)
{
    row_u32(row, &stateid->seqid);
    row_fixed(row, stateid->other, sizeof(stateid->other));
}

/* The optional parts of a slot row, as bits of one byte. */
enum { SLOT_HAS_CHANGE = 1, SLOT_CURRENT = 2, SLOT_SAVED = 4, SLOT_CURRENT_STATEID = 8, SLOT_SAVED_STATEID = 16 };

static uint8_t slot_parts(const struct slot *slot)
{
    return (uint8_t)((slot->has_change ? SLOT_HAS_CHANGE : 0) | (slot->current_set ? SLOT_CURRENT : 0) |
                     (slot->saved_set ? SLOT_SAVED : 0) | (slot->current_stateid_set ? SLOT_CURRENT_STATEID : 0) |
                     (slot->saved_stateid_set ? SLOT_SAVED_STATEID : 0));
}

static void slot_codec(struct row *row, void *value)
{
    struct slot *slot = value;
    uint8_t parts = row->mode == ROW_READ ? 0 : slot_parts(slot);
    row_version(row, 1);
    row_u32(row, &slot->seqid);
    row_u8(row, &parts);
    if (row->mode == ROW_READ) {
        CHECK(parts < 2 * SLOT_SAVED_STATEID);
        slot->has_change = (parts & SLOT_HAS_CHANGE) != 0;
        slot->current_set = (parts & SLOT_CURRENT) != 0;
        slot->saved_set = (parts & SLOT_SAVED) != 0;
        slot->current_stateid_set = (parts & SLOT_CURRENT_STATEID) != 0;
        slot->saved_stateid_set = (parts & SLOT_SAVED_STATEID) != 0;
    }
    if (!slot->has_change) {
        CHECK(parts == 0);
        return;
    }
    row_u64(row, &slot->digest.low);
    row_u64(row, &slot->digest.high);
    row_u32(row, &slot->operation);
    row_u32(row, &slot->prefix_count);
    row_slice(row, &slot->prefix);
    row_slice(row, &slot->result);
    if (slot->current_set)
        file_codec(row, &slot->current);
    if (slot->saved_set)
        file_codec(row, &slot->saved);
    if (slot->current_stateid_set)
        stateid_codec(row, &slot->current_stateid);
    if (slot->saved_stateid_set)
        stateid_codec(row, &slot->saved_stateid);
}

static struct slice session_key(struct session_id id, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_SESSION, sizeof(id.bytes));
    row_key_bytes(&key, slice_make(id.bytes, sizeof(id.bytes)));
    return row_key_done(&key);
}

static struct row_key session_client_prefix(struct client_id client, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_SESSION_BY_CLIENT, 8 + sizeof(((struct session_id *)0)->bytes));
    row_key_u64(&key, client.value);
    return key;
}

static struct slice session_client_key(struct client_id client, struct session_id id, struct arena *arena)
{
    struct row_key key = session_client_prefix(client, arena);
    row_key_bytes(&key, slice_make(id.bytes, sizeof(id.bytes)));
    return row_key_done(&key);
}

static struct row_key slot_prefix(struct session_id session, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_SLOT, sizeof(session.bytes) + 4);
    row_key_bytes(&key, slice_make(session.bytes, sizeof(session.bytes)));
    return key;
}

static struct slice slot_key(struct session_id session, uint32_t slot, struct arena *arena)
{
    struct row_key key = slot_prefix(session, arena);
    row_key_u32(&key, slot);
    return row_key_done(&key);
}

bool session_get(struct kv_read *read, struct session_id id, struct arena *arena, struct session *session)
{
    struct slice bytes;
    *session = (struct session){.id = id};
    if (!kv_get(read, session_key(id, arena), arena, &bytes))
        return false;
    row_decode(session_codec, bytes, session);
    return true;
}

void session_put(struct transaction *transaction, const struct session *session, struct arena *arena)
{
    CHECK(session->client.value != 0 && session->epoch != 0);
    transaction_put(transaction, session_key(session->id, arena), row_encode(session_codec, session, arena));
    if (session->epoch == 1)
        transaction_put(transaction, session_client_key(session->client, session->id, arena), SLICE_EMPTY);
}

void session_remove(struct apply *apply, const struct session *session)
{
    struct row_key prefix = slot_prefix(session->id, apply->arena);
    struct range slots = range_collect(apply->read, row_key_done(&prefix), NFS4_SLOTS_MAX, apply->arena);
    CHECK(!slots.more);
    range_delete(apply->transaction, &slots);
    transaction_delete(apply->transaction, session_client_key(session->client, session->id, apply->arena));
    transaction_delete(apply->transaction, session_key(session->id, apply->arena));
    apply_effect(apply, (struct machine_effect){.kind = EFFECT_SESSION_LEFT,
                                                .session = session->id,
                                                .client = session->client,
                                                .incarnation = session->incarnation});
}

uint32_t session_count(struct kv_read *read, struct client_id client, uint32_t most, struct arena *arena)
{
    struct row_key prefix = session_client_prefix(client, arena);
    return (uint32_t)range_collect(read, row_key_done(&prefix), most, arena).count;
}

void session_walk_open(struct kv_read *read, struct client_id client, struct arena *arena, struct session_walk *walk)
{
    struct row_key prefix = session_client_prefix(client, arena);
    walk->read = read;
    walk->arena = arena;
    kv_cursor_open(read, row_key_done(&prefix), SLICE_EMPTY, arena, &walk->cursor);
}

bool session_walk_get(struct session_walk *walk, struct session *session)
{
    if (!walk->cursor.valid)
        return false;
    struct session_id id;
    CHECK(walk->cursor.key.size_bytes == 9 + sizeof(id.bytes));
    memcpy(id.bytes, walk->cursor.key.data + 9, sizeof(id.bytes));
    bool found = session_get(walk->read, id, walk->arena, session);
    CHECK(found || walk->read->failed);
    return found;
}

void session_walk_next(struct session_walk *walk)
{
    kv_cursor_next(&walk->cursor);
}

void session_walk_close(struct session_walk *walk)
{
    kv_cursor_close(&walk->cursor);
}

bool slot_get(struct kv_read *read, struct session_id session, uint32_t slot, struct arena *arena, struct slot *row)
{
    struct slice bytes;
    *row = (struct slot){.slot = slot};
    if (!kv_get(read, slot_key(session, slot, arena), arena, &bytes))
        return false;
    row_decode(slot_codec, bytes, row);
    return true;
}

void slot_put(struct transaction *transaction, struct session_id session, const struct slot *slot, struct arena *arena)
{
    CHECK(slot->slot < NFS4_SLOTS_MAX);
    transaction_put(transaction, slot_key(session, slot->slot, arena), row_encode(slot_codec, slot, arena));
}

void slot_walk_open(struct kv_read *read, struct session_id session, struct arena *arena, struct slot_walk *walk)
{
    struct row_key prefix = slot_prefix(session, arena);
    walk->arena = arena;
    kv_cursor_open(read, row_key_done(&prefix), SLICE_EMPTY, arena, &walk->cursor);
}

bool slot_walk_get(struct slot_walk *walk, struct slot *row)
{
    if (!walk->cursor.valid)
        return false;
    *row = (struct slot){.slot = row_key_get_u32(walk->cursor.key, 17)};
    row_decode(slot_codec, arena_copy(walk->arena, walk->cursor.value), row);
    return true;
}

void slot_walk_next(struct slot_walk *walk)
{
    kv_cursor_next(&walk->cursor);
}

void slot_walk_close(struct slot_walk *walk)
{
    kv_cursor_close(&walk->cursor);
}

/* The key also makes file handles and digests, so what is signed says what it is. */
struct session_id session_id_make(const struct siphash_key *key, uint64_t number)
{
    struct session_id id;
    uint8_t text[16] = "session";
    for (unsigned i = 0; i < 8; i++)
        text[8 + i] = id.bytes[i] = (uint8_t)(number >> (56 - 8 * i));
    struct hash128 mac = siphash128(key, slice_make(text, sizeof(text)));
    for (unsigned i = 0; i < 8; i++)
        id.bytes[8 + i] = (uint8_t)(mac.low >> (56 - 8 * i));
    return id;
}

bool session_id_genuine(const struct siphash_key *key, struct session_id id)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < 8; i++)
        number = number << 8 | id.bytes[i];
    return session_id_equal(session_id_make(key, number), id);
}
