#include "statestore/machine/purge.h"

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/client.h"
#include "statestore/machine/content.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

static struct slice purge_key(struct volume_id volume, struct inode_id inode, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_INODE_DEAD, 12);
    row_key_u32(&key, volume.value);
    row_key_u64(&key, inode.value);
    return row_key_done(&key);
}

static void purge_codec(struct row *row, void *value)
{
    uint8_t *kind = value;
    row_version(row, 1);
    row_u8(row, kind);
    CHECK(*kind == PURGE_CUT || *kind == PURGE_REMOVED);
}

void purge_mark(struct apply *apply, struct file_id file, enum purge_kind kind)
{
    const uint8_t value = (uint8_t)kind;
    transaction_put(apply->transaction, purge_key(file.volume, file.inode, apply->arena),
                    row_encode(purge_codec, &value, apply->arena));
    content_effect(apply, EFFECT_PURGE);
}

void purge_unmark(struct apply *apply, struct file_id file)
{
    transaction_delete(apply->transaction, purge_key(file.volume, file.inode, apply->arena));
}

bool purge_get(struct kv_read *read, struct volume_id volume, struct inode_id inode, struct arena *arena,
               enum purge_kind *kind)
{
    struct slice bytes;
    if (!kv_get(read, purge_key(volume, inode, arena), arena, &bytes))
        return false;
    uint8_t value;
    row_decode(purge_codec, bytes, &value);
    *kind = (enum purge_kind)value;
    return true;
}

/* The first file that waits. */
static bool purge_first(struct kv_read *read, struct arena *arena, struct file_id *file, enum purge_kind *kind)
{
    struct row_key prefix = row_key(arena, SCHEMA_INODE_DEAD, 0);
    struct kv_cursor cursor;
    kv_cursor_open(read, row_key_done(&prefix), SLICE_EMPTY, arena, &cursor);
    bool found = cursor.valid;
    if (found) {
        uint8_t value;
        *file = (struct file_id){{row_key_get_u32(cursor.key, 1)}, {row_key_get_u64(cursor.key, 5)}, 0};
        row_decode(purge_codec, cursor.value, &value);
        *kind = (enum purge_kind)value;
    }
    kv_cursor_close(&cursor);
    return found;
}

bool purge_pending(struct kv_read *read, struct arena *arena)
{
    struct file_id file;
    enum purge_kind kind;
    return purge_first(read, arena, &file, &kind) || client_purge_pending(read, arena);
}

/* Frees extents of a removed file; returns how many it looked at, fewer than the budget when nothing is left. */
static size_t purge_removed(struct apply *apply, struct file_id file, size_t budget)
{
    struct extent *extents = arena_alloc(apply->arena, budget * sizeof(struct extent));
    size_t count = extent_collect(apply->read, file, 0, UINT64_MAX, budget, apply->arena, extents);
    for (size_t i = 0; i < count; i++)
        content_free(apply, file, &extents[i]);
    if (count < budget)
        purge_unmark(apply, file);
    return count;
}

/* Frees dead extents behind the cut. The cut moves along: what it has passed is alive or gone, so the next step does not
 * look at it again. Size, times and change stay: nothing that a client sees changes but space_used. */
static size_t purge_cut(struct apply *apply, struct file_id file, size_t budget)
{
    struct inode inode;
    bool found = inode_get(apply->read, file.volume, file.inode, apply->arena, &inode);
    CHECK((found && inode.cut_number != 0) || apply->read->failed);
    if (!found) /* a storage error, which stops the node before anything of this command is seen */
        return budget;
    struct extent *extents = arena_alloc(apply->arena, budget * sizeof(struct extent));
    size_t count = extent_collect(apply->read, file, inode.cut_offset, UINT64_MAX, budget, apply->arena, extents);
    for (size_t i = 0; i < count; i++) {
        if (!extent_is_dead(&inode, &extents[i]))
            continue;
        CHECK(extents[i].length_bytes <= inode.used_bytes);
        inode.used_bytes -= extents[i].length_bytes;
        content_free(apply, file, &extents[i]);
    }
    if (count < budget) {
        purge_unmark(apply, file);
        inode.cut_offset = 0;
        inode.cut_number = 0;
    } else {
        inode.cut_offset = extents[count - 1].offset + extents[count - 1].length_bytes;
    }
    inode_put(apply->transaction, &inode, apply->arena);
    return count;
}

void purge_apply(struct apply *apply, const Qnfs__Purge *command)
{
    (void)command;
    size_t budget = CONTENT_STEP_EXTENTS;
    struct file_id file;
    enum purge_kind kind;
    bool more = purge_first(apply->read, apply->arena, &file, &kind);
    while (more && budget > 0) {
        size_t used = kind == PURGE_REMOVED ? purge_removed(apply, file, budget) : purge_cut(apply, file, budget);
        /* A file without a dead extent still costs something. */
        budget -= used == 0 ? 1 : used;
        more = purge_first(apply->read, apply->arena, &file, &kind);
    }
    /* State of removed clients comes after the files; freeing it may leave files to be freed. */
    if (!more)
        more = client_purge(apply) || purge_first(apply->read, apply->arena, &file, &kind);
    if (more)
        content_effect(apply, EFFECT_PURGE);
    Qnfs__PurgeResult *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__purge_result__init(result);
    result->more = more;
    apply->result->body_case = QNFS__RESULT__BODY_PURGE;
    apply->result->purge = result;
    apply_answer(apply, NFS4_OK);
}

void file_release(struct apply *apply, struct inode *file)
{
    CHECK(file->link_count == 0);
    inode_delete(apply->transaction, file->id.volume, file->id.inode, apply->arena);
    if (file->type != NF4REG)
        return;
    struct content_rows rows = content_collect(apply, file->id, 0, UINT64_MAX);
    if (rows.count > CONTENT_STEP_EXTENTS) {
        purge_mark(apply, file->id, PURGE_REMOVED);
        return;
    }
    for (size_t i = 0; i < rows.count; i++)
        content_free(apply, file->id, &rows.extents[i]);
    if (file->cut_number != 0)
        purge_unmark(apply, file->id);
}
