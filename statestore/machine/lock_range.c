#include "statestore/machine/lock_range.h"

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/client.h"
#include "statestore/machine/open.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

#define OTHER_BYTES 12u
#define FIRST_OFFSET 13u
#define OTHER_OFFSET 21u

static void range_codec(struct row *row, void *value)
{
    struct lock_range *range = value;
    row_version(row, 1);
    row_u64(row, &range->last);
    row_bool(row, &range->is_write);
}

static struct row_key file_prefix(struct file_id file, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_LOCK, 20 + OTHER_BYTES);
    row_key_u32(&key, file.volume.value);
    row_key_u64(&key, file.inode.value);
    return key;
}

static struct slice range_key(struct file_id file, const struct lock_range *range, struct arena *arena)
{
    struct row_key key = file_prefix(file, arena);
    row_key_u64(&key, range->first);
    row_key_bytes(&key, slice_make(range->other, OTHER_BYTES));
    return row_key_done(&key);
}

void lock_walk_open(struct kv_read *read, struct file_id file, struct arena *arena, struct lock_walk *walk)
{
    struct row_key prefix = file_prefix(file, arena);
    kv_cursor_open(read, row_key_done(&prefix), SLICE_EMPTY, arena, &walk->cursor);
}

void lock_walk_open_at(struct kv_read *read, struct file_id file, uint64_t first, struct arena *arena,
                       struct lock_walk *walk)
{
    struct open_share share;
    open_share_get(read, file, arena, &share);
    struct row_key prefix = file_prefix(file, arena);
    struct row_key start = file_prefix(file, arena);
    row_key_u64(&start, first < share.range_span ? 0 : first - share.range_span);
    kv_cursor_open(read, row_key_done(&prefix), row_key_done(&start), arena, &walk->cursor);
}

void lock_walk_open_from(struct kv_read *read, struct file_id file, uint64_t first, struct arena *arena,
                         struct lock_walk *walk)
{
    struct row_key prefix = file_prefix(file, arena);
    struct row_key start = file_prefix(file, arena);
    row_key_u64(&start, first);
    kv_cursor_open(read, row_key_done(&prefix), row_key_done(&start), arena, &walk->cursor);
}

bool lock_walk_get(const struct lock_walk *walk, struct lock_range *range)
{
    if (!walk->cursor.valid)
        return false;
    CHECK(walk->cursor.key.size_bytes == OTHER_OFFSET + OTHER_BYTES);
    *range = (struct lock_range){.first = row_key_get_u64(walk->cursor.key, FIRST_OFFSET)};
    memcpy(range->other, walk->cursor.key.data + OTHER_OFFSET, OTHER_BYTES);
    row_decode(range_codec, walk->cursor.value, range);
    CHECK(range->first <= range->last);
    return true;
}

void lock_walk_next(struct lock_walk *walk)
{
    kv_cursor_next(&walk->cursor);
}

void lock_walk_close(struct lock_walk *walk)
{
    kv_cursor_close(&walk->cursor);
}

static void edit_remove(struct lock_edit *edit, const struct lock_range *range, struct arena *arena)
{
    /* Grows at the powers of two. */
    if ((edit->removed_count & (edit->removed_count - 1)) == 0) {
        size_t room = edit->removed_count == 0 ? 1 : 2 * edit->removed_count;
        struct lock_range *removed = arena_alloc_array(arena, room, sizeof(*removed));
        if (edit->removed_count > 0)
            memcpy(removed, edit->removed, edit->removed_count * sizeof(*removed));
        edit->removed = removed;
    }
    edit->removed[edit->removed_count++] = *range;
}

static void edit_add(struct lock_edit *edit, const struct lock_range *like, uint64_t first, uint64_t last)
{
    CHECK(edit->added_count < sizeof(edit->added) / sizeof(edit->added[0]) && first <= last);
    struct lock_range *added = &edit->added[edit->added_count++];
    *added = *like;
    added->first = first;
    added->last = last;
}

/* A range of the owner that the edit meets: it is cut, or melts with what is locked. */
static void edit_meet(struct lock_edit *edit, const struct lock_range *old, const struct lock_range *range, bool unlock,
                      struct lock_range *merged, struct arena *arena)
{
    bool melts = !unlock && old->is_write == range->is_write;
    if (melts) {
        if (old->first < merged->first)
            merged->first = old->first;
        if (old->last > merged->last)
            merged->last = old->last;
        edit_remove(edit, old, arena);
    } else if (lock_ranges_overlap(old, range)) {
        edit_remove(edit, old, arena);
        if (old->first < range->first)
            edit_add(edit, old, old->first, range->first - 1);
        if (old->last > range->last)
            edit_add(edit, old, range->last + 1, old->last);
    }
}

struct lock_edit lock_edit_plan(struct kv_read *read, struct file_id file, const struct lock_range *range, bool unlock,
                                struct arena *arena)
{
    struct lock_edit edit = {0};
    struct lock_range merged = *range;
    struct lock_range old;
    /* Neighbours count: they melt. */
    uint64_t from = range->first == 0 ? 0 : range->first - 1;
    uint64_t to = range->last == UINT64_MAX ? UINT64_MAX : range->last + 1;
    struct lock_walk walk;
    lock_walk_open_at(read, file, from, arena, &walk);
    for (; lock_walk_get(&walk, &old) && old.first <= to; lock_walk_next(&walk))
        if (old.last >= from && memcmp(old.other, range->other, OTHER_BYTES) == 0)
            edit_meet(&edit, &old, range, unlock, &merged, arena);
    lock_walk_close(&walk);
    if (!unlock)
        edit_add(&edit, range, merged.first, merged.last);
    return edit;
}

void lock_edit_execute(struct apply *apply, struct file_id file, const struct lock_edit *edit, struct state *state)
{
    for (size_t i = 0; i < edit->removed_count; i++)
        transaction_delete(apply->transaction, range_key(file, &edit->removed[i], apply->arena));
    for (size_t i = 0; i < edit->added_count; i++)
        transaction_put(apply->transaction, range_key(file, &edit->added[i], apply->arena),
                        row_encode(range_codec, &edit->added[i], apply->arena));
    int64_t delta = (int64_t)edit->added_count - (int64_t)edit->removed_count;
    uint64_t span = 0;
    uint64_t first = state->range_count > 0 ? state->range_first : UINT64_MAX;
    for (size_t i = 0; i < edit->added_count; i++) {
        if (edit->added[i].last - edit->added[i].first > span)
            span = edit->added[i].last - edit->added[i].first;
        if (edit->added[i].first < first)
            first = edit->added[i].first;
    }
    state->range_count += (uint64_t)delta;
    CHECK(state->range_count <= INT64_MAX);
    state->range_first = state->range_count > 0 ? first : 0;
    if (delta != 0)
        client_usage_add(apply, state->client, 0, delta);
    open_share_add_ranges(apply, file, delta, span);
}

size_t lock_free(struct apply *apply, struct state *state)
{
    CHECK(state->kind == STATE_LOCK);
    size_t count = state->range_count;
    if (count > 0) {
        struct lock_edit edit = {0};
        struct lock_range range;
        struct lock_walk walk;
        /* Thousands of owners may have a range each in one file, and all go with their client: one's ranges must be found
         * without a look at those before, or at the deleted ones behind. */
        lock_walk_open_from(apply->read, state->file, state->range_first, apply->arena, &walk);
        while (lock_walk_get(&walk, &range)) {
            if (memcmp(range.other, state->id.other, OTHER_BYTES) == 0)
                edit_remove(&edit, &range, apply->arena);
            if (edit.removed_count == count)
                break;
            lock_walk_next(&walk);
        }
        lock_walk_close(&walk);
        CHECK(edit.removed_count == count || apply->read->failed);
        lock_edit_execute(apply, state->file, &edit, state);
    }
    state_delete(apply, state);
    return count;
}
