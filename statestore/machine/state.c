#include "statestore/machine/state.h"

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/client.h"
#include "statestore/machine/lock.h"
#include "statestore/machine/open.h"
#include "statestore/machine/range.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

#define OTHER_BYTES 12u
/* A stateid's row has the key prefix + other; the link from an open to its locks has the locks' other behind it. */
#define STATE_KEY_BYTES (1u + OTHER_BYTES)
#define LINK_KEY_BYTES (STATE_KEY_BYTES + OTHER_BYTES)

static void state_codec(struct row *row, void *value)
{
    struct state *state = value;
    uint8_t kind = row->mode == ROW_READ ? 0 : (uint8_t)state->kind;
    row_version(row, 1);
    row_u8(row, &kind);
    CHECK(kind == STATE_OPEN || kind == STATE_LOCK);
    state->kind = (enum state_kind)kind;
    row_u32(row, &state->id.seqid);
    row_u64(row, &state->client.value);
    row_u32(row, &state->file.volume.value);
    row_u64(row, &state->file.inode.value);
    row_u32(row, &state->file.generation);
    row_slice(row, &state->owner);
    if (state->kind == STATE_OPEN) {
        row_u32(row, &state->access);
        row_u32(row, &state->deny);
        row_u16(row, &state->combinations);
    } else {
        row_fixed(row, state->open_other, sizeof(state->open_other));
        row_u64(row, &state->range_count);
        row_u64(row, &state->range_first);
    }
}

static struct slice other_slice(const uint8_t other[OTHER_BYTES])
{
    return slice_make(other, OTHER_BYTES);
}

static struct row_key state_prefix(const uint8_t other[OTHER_BYTES], struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_STATEID, 2 * OTHER_BYTES);
    row_key_bytes(&key, other_slice(other));
    return key;
}

static struct slice state_key(const uint8_t other[OTHER_BYTES], struct arena *arena)
{
    struct row_key key = state_prefix(other, arena);
    return row_key_done(&key);
}

static struct slice link_key(const struct state *lock, struct arena *arena)
{
    struct row_key key = state_prefix(lock->open_other, arena);
    row_key_bytes(&key, other_slice(lock->id.other));
    return row_key_done(&key);
}

static struct slice client_prefix(struct client_id client, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_STATEID_BY_CLIENT, 8);
    row_key_u64(&key, client.value);
    return row_key_done(&key);
}

static struct slice client_key(const struct state *state, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_STATEID_BY_CLIENT, 8 + OTHER_BYTES);
    row_key_u64(&key, state->client.value);
    row_key_bytes(&key, other_slice(state->id.other));
    return row_key_done(&key);
}

/* The owner stands last: what is before it has a fixed length, so no two owners' keys meet. */
static struct slice owner_key(enum state_kind kind, struct client_id client, struct slice owner, struct file_id file,
                              struct arena *arena)
{
    struct row_key key =
        row_key(arena, kind == STATE_OPEN ? SCHEMA_OPEN_BY_OWNER : SCHEMA_LOCK_OWNER, 20 + owner.size_bytes);
    row_key_u64(&key, client.value);
    row_key_u32(&key, file.volume.value);
    row_key_u64(&key, file.inode.value);
    row_key_bytes(&key, owner);
    return row_key_done(&key);
}

bool state_get(struct kv_read *read, const uint8_t other[12], struct arena *arena, struct state *state)
{
    struct slice bytes;
    struct stateid id = {0};
    memcpy(id.other, other, OTHER_BYTES); /* `other` may lie in *state: the open of a lock */
    *state = (struct state){.id = id};
    if (!kv_get(read, state_key(id.other, arena), arena, &bytes))
        return false;
    row_decode(state_codec, bytes, state);
    return true;
}

static bool other_is(struct stateid stateid, uint8_t byte)
{
    uint8_t differs = 0;
    for (unsigned i = 0; i < OTHER_BYTES; i++)
        differs |= stateid.other[i] ^ byte;
    return differs == 0;
}

bool stateid_is_anonymous(struct stateid stateid)
{
    return stateid.seqid == 0 && other_is(stateid, 0);
}

bool stateid_is_bypass(struct stateid stateid)
{
    return stateid.seqid == UINT32_MAX && other_is(stateid, 0xff);
}

bool stateid_is_current(struct stateid stateid)
{
    return stateid.seqid == 1 && other_is(stateid, 0);
}

enum nfsstat4 state_find(struct kv_read *read, struct stateid stateid, struct client_id client, uint32_t server_epoch,
                         struct arena *arena, struct state *state)
{
    if (other_is(stateid, 0) || other_is(stateid, 0xff))
        return NFS4ERR_BAD_STATEID;
    uint32_t epoch = 0;
    for (unsigned i = 0; i < 4; i++)
        epoch = epoch << 8 | stateid.other[i];
    if (epoch != server_epoch)
        return NFS4ERR_STALE_STATEID;
    if (!state_get(read, stateid.other, arena, state) || state->client.value != client.value)
        return NFS4ERR_BAD_STATEID;
    /* RFC 8881 section 8.2.2: "When a stateid is sent with a seqid of zero, the server takes it as the current one." */
    if (stateid.seqid == 0 || stateid.seqid == state->id.seqid)
        return NFS4_OK;
    return (int32_t)(stateid.seqid - state->id.seqid) < 0 ? NFS4ERR_OLD_STATEID : NFS4ERR_BAD_STATEID;
}

enum nfsstat4 stateid_judge(struct kv_read *read, struct stateid stateid, struct client_id client,
                            uint32_t server_epoch, struct arena *arena)
{
    struct state state;
    return state_find(read, stateid, client, server_epoch, arena, &state);
}

void state_walk_open(struct kv_read *read, struct client_id client, struct arena *arena, struct state_walk *walk)
{
    walk->read = read;
    walk->arena = arena;
    kv_cursor_open(read, client_prefix(client, arena), SLICE_EMPTY, arena, &walk->cursor);
}

bool state_walk_get(struct state_walk *walk, struct state *state)
{
    if (!walk->cursor.valid)
        return false;
    CHECK(walk->cursor.key.size_bytes == 9 + OTHER_BYTES);
    bool found = state_get(walk->read, walk->cursor.key.data + 9, walk->arena, state);
    CHECK(found || walk->read->failed);
    return found;
}

void state_walk_next(struct state_walk *walk)
{
    kv_cursor_next(&walk->cursor);
}

void state_walk_close(struct state_walk *walk)
{
    kv_cursor_close(&walk->cursor);
}

enum nfsstat4 state_find_for(struct apply *apply, struct stateid stateid, struct client_id client, struct file_id file,
                             enum state_kind kind, struct state *state)
{
    enum nfsstat4 status = state_find(apply->read, stateid, client, apply->machine->server_epoch, apply->arena, state);
    if (status != NFS4_OK)
        return status;
    return state->kind == kind && file_id_equal(state->file, file) ? NFS4_OK : NFS4ERR_BAD_STATEID;
}

struct stateid state_make_id(const struct apply *apply)
{
    struct stateid stateid = {.seqid = 1};
    uint32_t epoch = apply->machine->server_epoch;
    CHECK(epoch != 0 && epoch != UINT32_MAX);
    for (unsigned i = 0; i < 4; i++)
        stateid.other[i] = (uint8_t)(epoch >> (24 - 8 * i));
    for (unsigned i = 0; i < 8; i++)
        stateid.other[4 + i] = (uint8_t)(apply->number >> (56 - 8 * i));
    return stateid;
}

void state_advance(struct state *state)
{
    state->id.seqid = state->id.seqid == UINT32_MAX ? 1 : state->id.seqid + 1;
}

void state_put(struct apply *apply, const struct state *state)
{
    transaction_put(apply->transaction, state_key(state->id.other, apply->arena),
                    row_encode(state_codec, state, apply->arena));
}

void state_make(struct apply *apply, const struct state *state)
{
    CHECK(state->client.value != 0 && state->owner.size_bytes <= NFS4_OPAQUE_MAX_BYTES);
    state_put(apply, state);
    transaction_put(apply->transaction, client_key(state, apply->arena), SLICE_EMPTY);
    transaction_put(apply->transaction, owner_key(state->kind, state->client, state->owner, state->file, apply->arena),
                    other_slice(state->id.other));
    if (state->kind == STATE_LOCK)
        transaction_put(apply->transaction, link_key(state, apply->arena), SLICE_EMPTY);
    client_usage_add(apply, state->client, 1, 0);
}

void state_delete(struct apply *apply, const struct state *state)
{
    CHECK(state->kind == STATE_OPEN || state->range_count == 0 || apply->read->failed);
    transaction_delete(apply->transaction, state_key(state->id.other, apply->arena));
    transaction_delete(apply->transaction, client_key(state, apply->arena));
    transaction_delete(apply->transaction,
                       owner_key(state->kind, state->client, state->owner, state->file, apply->arena));
    if (state->kind == STATE_LOCK)
        transaction_delete(apply->transaction, link_key(state, apply->arena));
    client_usage_add(apply, state->client, -1, 0);
}

bool state_of_owner(struct kv_read *read, enum state_kind kind, struct client_id client, struct slice owner,
                    struct file_id file, struct arena *arena, struct state *state)
{
    struct slice other;
    if (!kv_get(read, owner_key(kind, client, owner, file, arena), arena, &other))
        return false;
    CHECK(other.size_bytes == OTHER_BYTES);
    bool found = state_get(read, other.data, arena, state);
    CHECK((found && state->kind == kind) || read->failed);
    return found;
}

bool state_is_indexed(struct kv_read *read, const struct state *state, struct arena *arena)
{
    struct slice value;
    if (!kv_get(read, client_key(state, arena), arena, &value))
        return false;
    if (!kv_get(read, owner_key(state->kind, state->client, state->owner, state->file, arena), arena, &value) ||
        !slice_equal(value, other_slice(state->id.other)))
        return false;
    return state->kind == STATE_OPEN || kv_get(read, link_key(state, arena), arena, &value);
}

size_t state_locks_of_open(struct kv_read *read, const struct state *open, size_t room, struct arena *arena,
                           struct state **locks, bool *more)
{
    /* The open's own row has the same prefix. */
    struct range range = range_collect(read, state_key(open->id.other, arena), room + 1, arena);
    *locks = arena_alloc_array(arena, range.count + 1, sizeof(**locks));
    *more = range.more;
    size_t count = 0;
    for (size_t i = 0; i < range.count; i++) {
        if (range.keys[i].size_bytes == STATE_KEY_BYTES)
            continue;
        CHECK(range.keys[i].size_bytes == LINK_KEY_BYTES);
        if (!state_get(read, range.keys[i].data + STATE_KEY_BYTES, arena, &(*locks)[count])) {
            CHECK(read->failed);
            continue;
        }
        CHECK((*locks)[count].kind == STATE_LOCK);
        count++;
    }
    return count;
}

/* Frees one open or lock state; locks of an open first. Returns rows freed; *whole tells whether the state is gone. */
static size_t state_free(struct apply *apply, struct state *state, size_t room, bool *whole)
{
    *whole = true;
    if (state->kind == STATE_LOCK)
        return 1 + lock_free(apply, state);
    struct state *locks;
    size_t rows = 1;
    bool more;
    size_t count = state_locks_of_open(apply->read, state, room, apply->arena, &locks, &more);
    size_t freed = 0;
    while (freed < count && rows < room)
        rows += 1 + lock_free(apply, &locks[freed++]);
    *whole = freed == count && !more;
    if (*whole)
        open_free(apply, state);
    return rows;
}

bool state_free_fits(struct kv_read *read, const struct state *state, struct arena *arena)
{
    struct state *locks;
    bool more;
    if (state->kind == STATE_LOCK)
        return true;
    size_t count = state_locks_of_open(read, state, CLIENT_STEP_ROWS, arena, &locks, &more);
    size_t rows = 1;
    for (size_t i = 0; i < count; i++)
        rows += 1 + locks[i].range_count;
    return !more && rows <= CLIENT_STEP_ROWS;
}

bool state_free_whole(struct apply *apply, struct state *state)
{
    bool whole;
    state_free(apply, state, CLIENT_STEP_ROWS, &whole);
    return whole;
}

bool state_free_client(struct apply *apply, struct client_id client, size_t room)
{
    struct range range = range_collect(apply->read, client_prefix(client, apply->arena), room, apply->arena);
    size_t rows = 0;
    for (size_t i = 0; i < range.count; i++) {
        struct state state;
        bool whole;
        /* Locks that went with their open are not met again. */
        if (!state_get(apply->read, range.keys[i].data + 9, apply->arena, &state))
            continue;
        if (rows >= room)
            return true;
        rows += state_free(apply, &state, room - rows, &whole);
        if (!whole)
            return true;
    }
    return range.more;
}
