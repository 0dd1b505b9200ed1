/* The key holds the extent's END, not its start: a cursor only goes forward, and the first extent that touches an
 * offset is then the first key behind it. Rows of one file never overlap, so the order of ends is that of offsets. */
#include "statestore/machine/extent.h"

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

#define EXTENT_PREFIX_BYTES 13u

enum extent_kind { EXTENT_INLINE = 0, EXTENT_BLOCK = 1 };

static struct slice extent_key(struct volume_id volume, struct inode_id inode, uint64_t end, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_EXTENT, 20);
    row_key_u32(&key, volume.value);
    row_key_u64(&key, inode.value);
    row_key_u64(&key, end);
    return row_key_done(&key);
}

static void extent_codec(struct row *row, void *value)
{
    struct extent *extent = value;
    uint8_t kind = EXTENT_INLINE;
    if (row->mode != ROW_READ)
        kind = extent->is_inline ? EXTENT_INLINE : EXTENT_BLOCK;
    row_version(row, 1);
    row_u8(row, &kind);
    CHECK(kind == EXTENT_INLINE || kind == EXTENT_BLOCK);
    row_u64(row, &extent->number);
    extent->is_inline = kind == EXTENT_INLINE;
    if (extent->is_inline) {
        row_rest(row, &extent->bytes);
        extent->length_bytes = extent->bytes.size_bytes;
    } else {
        row_u64(row, &extent->length_bytes);
        row_u64(row, &extent->block.value);
        row_u64(row, &extent->block_offset);
    }
}

void extent_decode_row(struct slice key, struct slice value, struct extent *extent)
{
    CHECK(key.size_bytes == EXTENT_PREFIX_BYTES + 8);
    *extent = (struct extent){0};
    row_decode(extent_codec, value, extent);
    uint64_t end = row_key_get_u64(key, EXTENT_PREFIX_BYTES);
    CHECK(extent->length_bytes > 0 && extent->length_bytes <= end);
    extent->offset = end - extent->length_bytes;
}

static void extent_cursor_open(struct kv_read *read, struct file_id file, uint64_t offset, struct arena *arena,
                               struct kv_cursor *cursor)
{
    struct slice start = extent_key(file.volume, file.inode, offset == UINT64_MAX ? offset : offset + 1, arena);
    kv_cursor_open(read, slice_make(start.data, EXTENT_PREFIX_BYTES), start, arena, cursor);
}

bool extent_is_dead(const struct inode *inode, const struct extent *extent)
{
    return extent->offset >= inode->cut_offset && extent->number < inode->cut_number;
}

/* Moves on to the first live extent at or behind the cursor. */
static void extent_walk_settle(struct extent_walk *walk)
{
    const struct inode cut = {.cut_offset = walk->cut_offset, .cut_number = walk->cut_number};
    struct extent extent;
    for (; walk->cursor.valid; kv_cursor_next(&walk->cursor)) {
        extent_decode_row(walk->cursor.key, walk->cursor.value, &extent);
        if (!extent_is_dead(&cut, &extent))
            return;
    }
}

void extent_walk_open(struct kv_read *read, const struct inode *inode, uint64_t offset, uint64_t length_bytes,
                      struct arena *arena, struct extent_walk *walk)
{
    walk->end = length_bytes > UINT64_MAX - offset ? UINT64_MAX : offset + length_bytes;
    walk->cut_offset = inode->cut_offset;
    walk->cut_number = inode->cut_number;
    extent_cursor_open(read, inode->id, offset, arena, &walk->cursor);
    extent_walk_settle(walk);
}

bool extent_walk_get(struct extent_walk *walk, struct extent *extent)
{
    if (!walk->cursor.valid)
        return false;
    extent_decode_row(walk->cursor.key, walk->cursor.value, extent);
    return extent->offset < walk->end;
}

void extent_walk_next(struct extent_walk *walk)
{
    CHECK(walk->cursor.valid);
    kv_cursor_next(&walk->cursor);
    extent_walk_settle(walk);
}

void extent_walk_close(struct extent_walk *walk)
{
    kv_cursor_close(&walk->cursor);
}

size_t extent_collect(struct kv_read *read, struct file_id file, uint64_t offset, uint64_t end, size_t room,
                      struct arena *arena, struct extent *extents)
{
    struct kv_cursor cursor;
    size_t count = 0;
    extent_cursor_open(read, file, offset, arena, &cursor);
    for (; cursor.valid && count < room; kv_cursor_next(&cursor)) {
        struct extent *extent = &extents[count];
        extent_decode_row(cursor.key, cursor.value, extent);
        if (extent->offset >= end)
            break;
        extent->bytes = SLICE_EMPTY; /* belongs to the cursor; see extent_bytes */
        count++;
    }
    kv_cursor_close(&cursor);
    return count;
}

bool extent_ending_at(struct kv_read *read, struct file_id file, uint64_t end, struct arena *arena,
                      struct extent *extent)
{
    struct slice key = extent_key(file.volume, file.inode, end, arena);
    struct slice value;
    if (!kv_get(read, key, arena, &value))
        return false;
    extent_decode_row(key, value, extent);
    return true;
}

void extent_put(struct transaction *transaction, struct file_id file, const struct extent *extent, struct arena *arena)
{
    CHECK(extent->length_bytes > 0 && extent->offset <= NFS4_FILE_SIZE_MAX_BYTES - extent->length_bytes);
    CHECK(extent->number != 0);
    CHECK(!extent->is_inline ||
          (extent->bytes.size_bytes == extent->length_bytes && extent->length_bytes <= CONTENT_INLINE_MAX_BYTES));
    transaction_put(transaction, extent_key(file.volume, file.inode, extent->offset + extent->length_bytes, arena),
                    row_encode(extent_codec, extent, arena));
}

void extent_delete(struct transaction *transaction, struct file_id file, const struct extent *extent,
                   struct arena *arena)
{
    transaction_delete(transaction, extent_key(file.volume, file.inode, extent->offset + extent->length_bytes, arena));
}
