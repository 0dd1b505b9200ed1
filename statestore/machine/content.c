#include "statestore/machine/content.h"

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/block.h"
#include "statestore/machine/purge.h"

/* Most commands meet no more old extents than this. */
#define CONTENT_FEW_EXTENTS 8u

void content_effect(struct apply *apply, enum machine_effect_kind kind)
{
    for (size_t i = 0; i < apply->effect_count; i++) {
        if (apply->effects[i].kind == kind)
            return;
    }
    apply_effect(apply, (struct machine_effect){.kind = kind});
}

struct content_rows content_collect(struct apply *apply, struct file_id file, uint64_t offset, uint64_t end)
{
    struct content_rows rows;
    size_t room = CONTENT_FEW_EXTENTS;
    rows.extents = arena_alloc(apply->arena, room * sizeof(struct extent));
    rows.count = extent_collect(apply->read, file, offset, end, room, apply->arena, rows.extents);
    if (rows.count < room)
        return rows;
    room = CONTENT_STEP_EXTENTS + 1;
    rows.extents = arena_alloc(apply->arena, room * sizeof(struct extent));
    rows.count = extent_collect(apply->read, file, offset, end, room, apply->arena, rows.extents);
    return rows;
}

void content_free(struct apply *apply, struct file_id file, const struct extent *extent)
{
    extent_delete(apply->transaction, file, extent, apply->arena);
    if (!extent->is_inline && block_release(apply->transaction, extent->block, apply->number, apply->arena))
        content_effect(apply, EFFECT_BLOCKS_DEAD);
}

static uint64_t content_end(const struct extent *extent)
{
    return extent->offset + extent->length_bytes;
}

/* Gives an extent that was collected its bytes. False only after a storage error, which stops the node before anything of
 * this command is seen. */
static bool content_get_bytes(struct apply *apply, const struct inode *inode, struct extent *extent)
{
    const uint64_t offset = extent->offset;
    bool found = extent_ending_at(apply->read, inode->id, content_end(extent), apply->arena, extent);
    CHECK((found && extent->offset == offset) || apply->read->failed);
    return found;
}

/* The part [start, end) of an extent; it keeps the extent's number. */
static struct extent content_part(const struct extent *whole, uint64_t start, uint64_t end)
{
    CHECK(whole->offset <= start && start < end && end <= content_end(whole));
    struct extent part = *whole;
    uint64_t skipped = start - whole->offset;
    part.offset = start;
    part.length_bytes = end - start;
    if (whole->is_inline)
        part.bytes = slice_make(whole->bytes.data + skipped, (size_t)part.length_bytes);
    else
        part.block_offset += skipped;
    return part;
}

/* Takes [start, end) out of an extent that touches it; what lies before and behind stays. */
static void content_carve(struct apply *apply, struct inode *inode, const struct extent *extent, uint64_t start,
                          uint64_t end)
{
    struct extent whole = *extent;
    uint64_t whole_end = content_end(&whole);
    bool keeps_left = whole.offset < start;
    bool keeps_right = whole_end > end;
    uint64_t removed = (keeps_right ? end : whole_end) - (keeps_left ? start : whole.offset);
    CHECK(removed <= inode->used_bytes);
    inode->used_bytes -= removed;
    if (!keeps_left && !keeps_right) {
        content_free(apply, inode->id, &whole);
        return;
    }
    if (whole.is_inline && !content_get_bytes(apply, inode, &whole))
        return;
    extent_delete(apply->transaction, inode->id, &whole, apply->arena);
    if (keeps_left) {
        struct extent left = content_part(&whole, whole.offset, start);
        extent_put(apply->transaction, inode->id, &left, apply->arena);
    }
    if (keeps_right) {
        struct extent right = content_part(&whole, end, whole_end);
        extent_put(apply->transaction, inode->id, &right, apply->arena);
    }
    if (keeps_left && keeps_right && !whole.is_inline)
        block_hold(apply->transaction, whole.block, apply->arena);
}

/* Frees what lies in [start, end). What is left of a dead extent stays dead: its number stays, and its offset behind the
 * cut. */
static void content_clear(struct apply *apply, struct inode *inode, const struct content_rows *rows, uint64_t start,
                          uint64_t end)
{
    for (size_t i = 0; i < rows->count; i++)
        content_carve(apply, inode, &rows->extents[i], start, end);
}

static struct slice content_join(struct apply *apply, struct slice first, struct slice second)
{
    uint8_t *joined = arena_alloc(apply->arena, first.size_bytes + second.size_bytes);
    if (first.size_bytes > 0)
        memcpy(joined, first.data, first.size_bytes);
    if (second.size_bytes > 0)
        memcpy(joined + first.size_bytes, second.data, second.size_bytes);
    return slice_make(joined, first.size_bytes + second.size_bytes);
}

static bool content_may_merge(const struct inode *inode, const struct extent *neighbour, const struct extent *made)
{
    return neighbour->is_inline && !extent_is_dead(inode, neighbour) &&
           neighbour->length_bytes + made->length_bytes <= CONTENT_MERGE_BYTES;
}

/* Joins small neighbours, so that appending a hundred bytes a time does not make a row each. */
static void content_put_inline(struct apply *apply, struct inode *inode, struct extent made)
{
    struct extent neighbour;
    uint64_t end = content_end(&made);
    if (extent_ending_at(apply->read, inode->id, made.offset, apply->arena, &neighbour) &&
        content_may_merge(inode, &neighbour, &made)) {
        extent_delete(apply->transaction, inode->id, &neighbour, apply->arena);
        made.bytes = content_join(apply, neighbour.bytes, made.bytes);
        made.offset = neighbour.offset;
        made.length_bytes = made.bytes.size_bytes;
    }
    if (end < inode->size_bytes &&
        extent_collect(apply->read, inode->id, end, end + 1, 1, apply->arena, &neighbour) == 1 &&
        content_may_merge(inode, &neighbour, &made) && content_get_bytes(apply, inode, &neighbour)) {
        CHECK(neighbour.offset == end);
        extent_delete(apply->transaction, inode->id, &neighbour, apply->arena);
        made.bytes = content_join(apply, made.bytes, neighbour.bytes);
        made.length_bytes = made.bytes.size_bytes;
    }
    extent_put(apply->transaction, inode->id, &made, apply->arena);
}

static void content_put_block(struct apply *apply, struct inode *inode, struct extent made, struct slice content)
{
    made.block = (struct block_id){apply->number};
    block_make(apply->transaction, made.block, content, apply->arena);
    extent_put(apply->transaction, inode->id, &made, apply->arena);
    apply_effect(apply, (struct machine_effect){.kind = EFFECT_STORE_BLOCK, .block = made.block});
}

uint32_t content_write(struct apply *apply, struct inode *inode, uint64_t offset, struct slice bytes)
{
    CHECK(inode->type == NF4REG && bytes.size_bytes > 0 && bytes.size_bytes <= COMMAND_MAX_BYTES);
    CHECK(offset <= NFS4_FILE_SIZE_MAX_BYTES - bytes.size_bytes);
    uint64_t end = offset + bytes.size_bytes;
    struct content_rows rows = content_collect(apply, inode->id, offset, end);
    if (rows.count > CONTENT_STEP_EXTENTS) {
        rows.count = CONTENT_STEP_EXTENTS;
        end = rows.extents[CONTENT_STEP_EXTENTS].offset;
        CHECK(end > offset);
    }
    content_clear(apply, inode, &rows, offset, end);

    struct extent made = {.offset = offset, .length_bytes = end - offset, .number = apply->number};
    made.is_inline = made.length_bytes <= CONTENT_INLINE_MAX_BYTES;
    inode->used_bytes += made.length_bytes;
    if (made.is_inline) {
        made.bytes = slice_make(bytes.data, (size_t)made.length_bytes);
        content_put_inline(apply, inode, made);
    } else {
        content_put_block(apply, inode, made, bytes);
    }
    if (end > inode->size_bytes)
        inode->size_bytes = end;
    return (uint32_t)(end - offset);
}

static void content_cut_done(struct apply *apply, struct inode *inode)
{
    if (inode->cut_number == 0)
        return;
    purge_unmark(apply, inode->id);
    inode->cut_offset = 0;
    inode->cut_number = 0;
}

/* Too much lies behind the new size for one command: what does is dead from now on. */
static enum nfsstat4 content_cut(struct apply *apply, struct inode *inode, uint64_t size_bytes,
                                 const struct content_rows *behind)
{
    if (inode->cut_number != 0 && inode->cut_offset < size_bytes) {
        /* Under the new number, what was written again since the old cut would die with the dead: free those first. */
        struct content_rows between = content_collect(apply, inode->id, inode->cut_offset, size_bytes);
        if (between.count > CONTENT_STEP_EXTENTS) {
            content_effect(apply, EFFECT_PURGE);
            return NFS4ERR_DELAY;
        }
        for (size_t i = 0; i < between.count; i++) {
            const struct extent *extent = &between.extents[i];
            if (extent_is_dead(inode, extent))
                content_carve(apply, inode, extent, extent->offset, content_end(extent));
        }
    }
    const struct extent *crossing = &behind->extents[0];
    if (crossing->offset < size_bytes && !extent_is_dead(inode, crossing))
        content_carve(apply, inode, crossing, size_bytes, content_end(crossing));
    inode->cut_offset = size_bytes;
    inode->cut_number = apply->number;
    purge_mark(apply, inode->id, PURGE_CUT);
    return NFS4_OK;
}

enum nfsstat4 content_truncate(struct apply *apply, struct inode *inode, uint64_t size_bytes)
{
    CHECK(inode->type == NF4REG && size_bytes <= NFS4_FILE_SIZE_MAX_BYTES);
    if (size_bytes < inode->size_bytes) {
        struct content_rows behind = content_collect(apply, inode->id, size_bytes, UINT64_MAX);
        if (behind.count > CONTENT_STEP_EXTENTS) {
            enum nfsstat4 status = content_cut(apply, inode, size_bytes, &behind);
            if (status != NFS4_OK)
                return status;
        } else {
            content_clear(apply, inode, &behind, size_bytes, UINT64_MAX);
            if (inode->cut_offset >= size_bytes)
                content_cut_done(apply, inode);
        }
    }
    inode->size_bytes = size_bytes;
    return NFS4_OK;
}
