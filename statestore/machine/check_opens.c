/* check_opens.c: opens, their files' sums, locks and their ranges. */
#include <inttypes.h>

#include "base/check.h"
#include "base/limits.h"
#include "proto/nfs4/open.h"
#include "statestore/machine/check.h"
#include "statestore/machine/client.h"
#include "statestore/machine/inode.h"
#include "statestore/machine/lease.h"
#include "statestore/machine/lock_range.h"
#include "statestore/machine/open.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

#define OTHER_BYTES 12u
#define STATE_KEY_BYTES 13u
#define LINK_KEY_BYTES 25u
#define SHARE_KEY_BYTES 13u
/* Ranges behind a range that it is compared with: many readers may hold a whole file. */
#define COMPARED_MAX 1024u

/* The id part of a stateid, for the reader of a find. */
static uint64_t state_number(const struct state *state)
{
    uint64_t number = 0;
    for (unsigned i = 4; i < OTHER_BYTES; i++)
        number = number << 8 | state->id.other[i];
    return number;
}

static void check_open(struct check *check, const struct state *state, struct arena *scratch)
{
    struct inode inode;
    struct open_share share;
    if (!inode_find(check->read, state->file, scratch, &inode))
        check_report(check, "open %" PRIu64 " is of no file", state_number(state));
    if (!open_share_get(check->read, state->file, scratch, &share))
        check_report(check, "open %" PRIu64 " is not in its file's sum", state_number(state));
    if (state->access == 0 || state->access > OPEN4_SHARE_ACCESS_BOTH || state->deny > OPEN4_SHARE_DENY_BOTH)
        check_report(check, "open %" PRIu64 " has access %" PRIu32 " and deny %" PRIu32, state_number(state),
                     state->access, state->deny);
}

static void check_lock(struct check *check, const struct state *state, struct arena *scratch)
{
    struct state open;
    if (!state_get(check->read, state->open_other, scratch, &open) || open.kind != STATE_OPEN ||
        open.client.value != state->client.value || !file_id_equal(open.file, state->file))
        check_report(check, "locks %" PRIu64 " are under no open of their client and file", state_number(state));
}

static void check_states(struct check *check, struct arena *scratch)
{
    struct row_key prefix = row_key(check->arena, SCHEMA_STATEID, 0);
    struct kv_cursor cursor;
    uint64_t opens = 0;
    uint64_t locks = 0;
    kv_cursor_open(check->read, row_key_done(&prefix), SLICE_EMPTY, check->arena, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        struct state state;
        struct client client;
        if (cursor.key.size_bytes != STATE_KEY_BYTES)
            continue;
        if (!state_get(check->read, cursor.key.data + 1, scratch, &state))
            break;
        if (!client_get(check->read, state.client, scratch, &client) &&
            !lease_is_gone(check->read, state.client, scratch))
            check_report(check, "stateid %" PRIu64 " is of no client", state_number(&state));
        if (!state_is_indexed(check->read, &state, scratch))
            check_report(check, "stateid %" PRIu64 " is not found by client, owner and open", state_number(&state));
        if (state.kind == STATE_OPEN)
            check_open(check, &state, scratch);
        else
            check_lock(check, &state, scratch);
        *(state.kind == STATE_OPEN ? &opens : &locks) += 1;
        arena_reset(scratch);
    }
    kv_cursor_close(&cursor);
    uint64_t by_client = check_count_rows(check, SCHEMA_STATEID_BY_CLIENT, 9 + OTHER_BYTES);
    uint64_t by_file = check_count_rows(check, SCHEMA_OPEN_BY_FILE, SHARE_KEY_BYTES + OTHER_BYTES);
    uint64_t links = check_count_rows(check, SCHEMA_STATEID, LINK_KEY_BYTES);
    if (by_client != opens + locks || by_file != opens || links != locks)
        check_report(check,
                     "%" PRIu64 " opens and %" PRIu64 " locks; rows by client %" PRIu64 ", by file %" PRIu64
                     ", by open %" PRIu64,
                     opens, locks, by_client, by_file, links);
}

static void share_add(struct open_share *share, const struct state *state)
{
    share->open_count++;
    share->read_count += (state->access & OPEN4_SHARE_ACCESS_READ) != 0 ? 1 : 0;
    share->write_count += (state->access & OPEN4_SHARE_ACCESS_WRITE) != 0 ? 1 : 0;
    share->deny_read_count += (state->deny & OPEN4_SHARE_DENY_READ) != 0 ? 1 : 0;
    share->deny_write_count += (state->deny & OPEN4_SHARE_DENY_WRITE) != 0 ? 1 : 0;
}

/* Whether one who denies has another beside him who does what he denies. */
static bool share_contradicts(const struct open_share *sum, const struct state *state)
{
    uint64_t readers = sum->read_count - ((state->access & OPEN4_SHARE_ACCESS_READ) != 0 ? 1 : 0);
    uint64_t writers = sum->write_count - ((state->access & OPEN4_SHARE_ACCESS_WRITE) != 0 ? 1 : 0);
    return ((state->deny & OPEN4_SHARE_DENY_READ) != 0 && readers > 0) ||
           ((state->deny & OPEN4_SHARE_DENY_WRITE) != 0 && writers > 0);
}

/* The ranges of a file, sorted by their first byte as the rows are. */
static size_t check_collect_ranges(struct check *check, struct file_id file, struct arena *scratch,
                                   struct lock_range **ranges)
{
    struct lock_walk walk;
    struct lock_range range;
    size_t count = 0;
    *ranges = arena_alloc(scratch, (NFS4_LOCK_RANGES_PER_COMMAND_MAX + 1) * sizeof(**ranges));
    lock_walk_open(check->read, file, scratch, &walk);
    for (; count <= NFS4_LOCK_RANGES_PER_COMMAND_MAX && lock_walk_get(&walk, &range); lock_walk_next(&walk))
        (*ranges)[count++] = range;
    lock_walk_close(&walk);
    return count;
}

static void check_ranges(struct check *check, struct file_id file, const struct open_share *share,
                         struct arena *scratch)
{
    struct lock_range *ranges;
    if (share->range_count == 0)
        return;
    size_t count = check_collect_ranges(check, file, scratch, &ranges);
    if (count != share->range_count)
        check_report(check, "file %" PRIu64 " counts %" PRIu64 " locked ranges, has %zu", file.inode.value,
                     share->range_count, count);
    for (size_t i = 0; i < count; i++) {
        struct state state;
        if (!state_get(check->read, ranges[i].other, scratch, &state) || state.kind != STATE_LOCK ||
            !file_id_equal(state.file, file))
            check_report(check, "file %" PRIu64 ": a locked range is of nobody", file.inode.value);
        else if (ranges[i].first < state.range_first)
            check_report(check, "file %" PRIu64 ": a range begins before its owner's first", file.inode.value);
        if (ranges[i].last - ranges[i].first > share->range_span)
            check_report(check, "file %" PRIu64 ": a locked range is longer than the span", file.inode.value);
        for (size_t j = i + 1; j < count && j < i + COMPARED_MAX && ranges[j].first <= ranges[i].last; j++) {
            bool own = memcmp(ranges[i].other, ranges[j].other, OTHER_BYTES) == 0;
            if (own || ranges[i].is_write || ranges[j].is_write)
                check_report(check, "file %" PRIu64 ": the locks at %" PRIu64 " and %" PRIu64 " contradict",
                             file.inode.value, ranges[i].first, ranges[j].first);
        }
    }
}

/* One file that somebody has open. */
static void check_file(struct check *check, struct file_id file, struct arena *scratch)
{
    struct open_share written;
    struct open_share sum = {0};
    struct open_walk walk;
    struct state state;
    open_share_get(check->read, file, scratch, &written);
    open_walk_open(check->read, file, scratch, &walk);
    for (; open_walk_get(&walk, &state); open_walk_next(&walk))
        share_add(&sum, &state);
    open_walk_close(&walk);
    sum.range_count = written.range_count; /* those two are for check_ranges */
    sum.range_span = written.range_span;
    if (memcmp(&sum, &written, sizeof(sum)) != 0)
        check_report(check, "file %" PRIu64 ": the sum of its opens is wrong", file.inode.value);
    if (sum.deny_read_count + sum.deny_write_count > 0) {
        open_walk_open(check->read, file, scratch, &walk);
        for (; open_walk_get(&walk, &state); open_walk_next(&walk))
            if (share_contradicts(&sum, &state))
                check_report(check, "file %" PRIu64 ": open %" PRIu64 " denies what another does", file.inode.value,
                             state_number(&state));
        open_walk_close(&walk);
    }
    check_ranges(check, file, &written, scratch);
}

static void check_files_open(struct check *check, struct arena *scratch)
{
    struct row_key prefix = row_key(check->arena, SCHEMA_OPEN_BY_FILE, 0);
    struct kv_cursor cursor;
    kv_cursor_open(check->read, row_key_done(&prefix), SLICE_EMPTY, check->arena, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        if (cursor.key.size_bytes != SHARE_KEY_BYTES)
            continue;
        struct volume_id volume = {row_key_get_u32(cursor.key, 1)};
        struct inode inode;
        if (inode_get(check->read, volume, (struct inode_id){row_key_get_u64(cursor.key, 5)}, scratch, &inode))
            check_file(check, inode.id, scratch);
        arena_reset(scratch);
    }
    kv_cursor_close(&cursor);
}

void check_opens(struct check *check)
{
    struct arena scratch;
    arena_init(&scratch);
    check_states(check, &scratch);
    check_files_open(check, &scratch);
    arena_fini(&scratch);
}
