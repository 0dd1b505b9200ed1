/* open_share.c: the rows of a file's opens, and who is in whose way. */
#include "base/check.h"
#include "base/limits.h"
#include "proto/nfs4/open.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/client.h"
#include "statestore/machine/inode.h"
#include "statestore/machine/open.h"
#include "statestore/machine/revocation.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

#define OTHER_BYTES 12u
/* The file's sum has the key prefix, volume, inode; an open's row has the stateid's other behind it. */
#define SHARE_KEY_BYTES 13u

static void share_codec(struct row *row, void *value)
{
    struct open_share *share = value;
    row_version(row, 1);
    row_u64(row, &share->open_count);
    row_u64(row, &share->read_count);
    row_u64(row, &share->write_count);
    row_u64(row, &share->deny_read_count);
    row_u64(row, &share->deny_write_count);
    row_u64(row, &share->range_count);
    row_u64(row, &share->range_span);
}

static struct row_key share_prefix(struct file_id file, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_OPEN_BY_FILE, SHARE_KEY_BYTES - 1 + OTHER_BYTES);
    row_key_u32(&key, file.volume.value);
    row_key_u64(&key, file.inode.value);
    return key;
}

static struct slice share_key(struct file_id file, struct arena *arena)
{
    struct row_key key = share_prefix(file, arena);
    return row_key_done(&key);
}

static struct slice open_key(const struct state *state, struct arena *arena)
{
    struct row_key key = share_prefix(state->file, arena);
    row_key_bytes(&key, slice_make(state->id.other, OTHER_BYTES));
    return row_key_done(&key);
}

bool open_share_get(struct kv_read *read, struct file_id file, struct arena *arena, struct open_share *share)
{
    struct slice bytes;
    *share = (struct open_share){0};
    if (!kv_get(read, share_key(file, arena), arena, &bytes))
        return false;
    row_decode(share_codec, bytes, share);
    return true;
}

static void share_put(struct apply *apply, struct file_id file, const struct open_share *share)
{
    struct slice key = share_key(file, apply->arena);
    if (share->open_count == 0) {
        CHECK((share->read_count == 0 && share->write_count == 0 && share->range_count == 0) || apply->read->failed);
        transaction_delete(apply->transaction, key);
    } else {
        transaction_put(apply->transaction, key, row_encode(share_codec, share, apply->arena));
    }
}

bool open_any(struct kv_read *read, struct file_id file, struct arena *arena)
{
    struct open_share share;
    return open_share_get(read, file, arena, &share);
}

/* Adds (sign 1) or takes off (sign -1) one open's part of the sum. */
static void share_count(struct open_share *share, uint32_t access, uint32_t deny, int sign)
{
    const uint64_t one = sign > 0 ? 1 : UINT64_MAX;
    share->read_count += (access & OPEN4_SHARE_ACCESS_READ) != 0 ? one : 0;
    share->write_count += (access & OPEN4_SHARE_ACCESS_WRITE) != 0 ? one : 0;
    share->deny_read_count += (deny & OPEN4_SHARE_DENY_READ) != 0 ? one : 0;
    share->deny_write_count += (deny & OPEN4_SHARE_DENY_WRITE) != 0 ? one : 0;
    CHECK(share->read_count <= INT64_MAX && share->write_count <= INT64_MAX);
    CHECK(share->deny_read_count <= INT64_MAX && share->deny_write_count <= INT64_MAX);
}

void open_walk_open(struct kv_read *read, struct file_id file, struct arena *arena, struct open_walk *walk)
{
    struct slice prefix = share_key(file, arena);
    walk->read = read;
    walk->arena = arena;
    kv_cursor_open(read, prefix, SLICE_EMPTY, arena, &walk->cursor);
    if (walk->cursor.valid && walk->cursor.key.size_bytes == SHARE_KEY_BYTES)
        kv_cursor_next(&walk->cursor);
}

bool open_walk_get(struct open_walk *walk, struct state *state)
{
    if (!walk->cursor.valid)
        return false;
    CHECK(walk->cursor.key.size_bytes == SHARE_KEY_BYTES + OTHER_BYTES);
    bool found = state_get(walk->read, walk->cursor.key.data + SHARE_KEY_BYTES, walk->arena, state);
    CHECK((found && state->kind == STATE_OPEN) || walk->read->failed);
    return found;
}

void open_walk_next(struct open_walk *walk)
{
    kv_cursor_next(&walk->cursor);
}

void open_walk_close(struct open_walk *walk)
{
    kv_cursor_close(&walk->cursor);
}

void open_make(struct apply *apply, const struct state *state)
{
    struct open_share share;
    CHECK(state->kind == STATE_OPEN && state->access != 0);
    open_share_get(apply->read, state->file, apply->arena, &share);
    share.open_count++;
    share_count(&share, state->access, state->deny, 1);
    share_put(apply, state->file, &share);
    transaction_put(apply->transaction, open_key(state, apply->arena), SLICE_EMPTY);
    state_make(apply, state);
}

void open_change(struct apply *apply, const struct state *state, uint32_t access_before, uint32_t deny_before)
{
    struct open_share share;
    if (!open_share_get(apply->read, state->file, apply->arena, &share)) {
        CHECK(apply->read->failed);
        return;
    }
    share_count(&share, access_before, deny_before, -1);
    share_count(&share, state->access, state->deny, 1);
    share_put(apply, state->file, &share);
    state_put(apply, state);
}

void open_free(struct apply *apply, const struct state *state)
{
    struct open_share share;
    struct inode inode;
    if (!open_share_get(apply->read, state->file, apply->arena, &share)) {
        CHECK(apply->read->failed);
        return;
    }
    CHECK(share.open_count > 0);
    share.open_count--;
    share_count(&share, state->access, state->deny, -1);
    share_put(apply, state->file, &share);
    transaction_delete(apply->transaction, open_key(state, apply->arena));
    state_delete(apply, state);
    if (share.open_count > 0)
        return;
    bool found = inode_find(apply->read, state->file, apply->arena, &inode);
    CHECK(found || apply->read->failed);
    if (found && inode.link_count == 0)
        file_release(apply, &inode);
}

void open_share_add_ranges(struct apply *apply, struct file_id file, int64_t ranges, uint64_t span)
{
    struct open_share share;
    if (!open_share_get(apply->read, file, apply->arena, &share)) {
        CHECK(apply->read->failed);
        return;
    }
    share.range_count += (uint64_t)ranges;
    CHECK(share.range_count <= INT64_MAX);
    if (share.range_count == 0)
        share.range_span = 0;
    else if (span > share.range_span)
        share.range_span = span;
    else if (ranges == 0)
        return;
    share_put(apply, file, &share);
}

static bool conflicts(uint32_t access, uint32_t deny, const struct state *other)
{
    return (access & other->deny) != 0 || (deny & other->access) != 0;
}

/* Whether anybody but `own` could be in the way, by the sum alone. */
static bool share_conflicts(struct open_share share, uint32_t access, uint32_t deny, const struct state *own)
{
    if (own != NULL)
        share_count(&share, own->access, own->deny, -1);
    return ((access & OPEN4_SHARE_ACCESS_READ) != 0 && share.deny_read_count > 0) ||
           ((access & OPEN4_SHARE_ACCESS_WRITE) != 0 && share.deny_write_count > 0) ||
           ((deny & OPEN4_SHARE_DENY_READ) != 0 && share.read_count > 0) ||
           ((deny & OPEN4_SHARE_DENY_WRITE) != 0 && share.write_count > 0);
}

/* Collects the courtesy or removed clients that are in the way; false if a live one is. */
static bool conflicts_collect(struct kv_read *read, struct file_id file, uint32_t access, uint32_t deny,
                              const struct state *own, struct revocation *revocation, struct arena *arena)
{
    struct open_walk walk;
    struct state state;
    struct arena scratch;
    bool all_weak = true;
    arena_init(&scratch);
    open_walk_open(read, file, arena, &walk);
    walk.arena = &scratch; /* a file may be open a million times */
    for (; all_weak && open_walk_get(&walk, &state); open_walk_next(&walk)) {
        bool is_other = own == NULL || memcmp(own->id.other, state.id.other, OTHER_BYTES) != 0;
        if (is_other && conflicts(access, deny, &state))
            all_weak = revocation_add(revocation, read, &state, arena);
        arena_reset(&scratch);
    }
    open_walk_close(&walk);
    arena_fini(&scratch);
    return all_weak;
}

enum nfsstat4 open_judge_share(struct apply *apply, struct file_id file, uint32_t access, uint32_t deny,
                               const struct state *own)
{
    struct open_share share;
    struct revocation revocation = {0};
    if (!open_share_get(apply->read, file, apply->arena, &share) || !share_conflicts(share, access, deny, own))
        return NFS4_OK;
    if (!conflicts_collect(apply->read, file, access, deny, own, &revocation, apply->arena))
        return NFS4ERR_SHARE_DENIED;
    return revocation_execute(&revocation, apply);
}

bool open_denied(struct kv_read *read, struct file_id file, uint32_t access, struct arena *arena)
{
    struct open_share share;
    struct revocation revocation = {0};
    return open_share_get(read, file, arena, &share) && share_conflicts(share, access, 0, NULL) &&
           !conflicts_collect(read, file, access, 0, NULL, &revocation, arena);
}
