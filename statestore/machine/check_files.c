/* The invariants of the files half, looked through in passes: names (each directory by itself), inodes and their extents
 * side by side, inodes against the names that they have, blocks against the extents that refer to them. What has to be
 * counted over the whole state is counted in parts (check_pairs.h); everything else is compared row by row in a scratch
 * arena. So the memory is bounded, however large the state. */
#include <inttypes.h>

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/block.h"
#include "statestore/machine/check.h"
#include "statestore/machine/check_pairs.h"
#include "statestore/machine/dirent.h"
#include "statestore/machine/extent.h"
#include "statestore/machine/garbage.h"
#include "statestore/machine/purge.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

static size_t check_pairs_max(const struct check *check)
{
    return check->pairs_max == 0 ? CHECK_PAIRS_MAX : check->pairs_max;
}

/* Walks all rows with a prefix byte. */
static void check_open(struct check *check, uint8_t prefix, struct kv_cursor *cursor)
{
    struct row_key key = row_key(check->arena, prefix, 0);
    kv_cursor_open(check->read, row_key_done(&key), SLICE_EMPTY, check->arena, cursor);
}

#define FILE_FORMAT "volume %" PRIu32 " inode %" PRIu64
#define FILE_VALUES(id) (id).volume.value, (id).inode.value

/* Each row by cookie has its row by name and its inode; counters of the directory. Returns how many entries. */
static uint64_t check_directory(struct check *check, const struct inode *directory, struct arena *scratch)
{
    const struct file_id id = directory->id;
    struct dirent_walk walk;
    struct dirent entry;
    struct dirent by_name;
    struct inode inode;
    uint64_t entries = 0;
    uint32_t directories = 0;
    struct arena walk_arena; /* there may be millions of directories */
    arena_init(&walk_arena);
    dirent_walk_open(check->read, id.volume, id.inode, 0, &walk_arena, &walk);
    for (; dirent_walk_get(&walk, &entry); dirent_walk_next(&walk)) {
        arena_reset(scratch);
        entries++;
        directories += entry.type == NF4DIR;
        if (entry.cookie < DIRENT_COOKIE_FIRST || entry.cookie >= directory->cookie_next)
            check_report(check, FILE_FORMAT ": cookie %" PRIu64 " out of range", FILE_VALUES(id), entry.cookie);
        if (!dirent_get(check->read, id.volume, id.inode, entry.name, scratch, &by_name) ||
            by_name.cookie != entry.cookie || by_name.inode.value != entry.inode.value || by_name.type != entry.type)
            check_report(check, FILE_FORMAT ": cookie %" PRIu64 " and its name disagree", FILE_VALUES(id),
                         entry.cookie);
        if (!inode_get(check->read, id.volume, entry.inode, scratch, &inode))
            check_report(check, FILE_FORMAT ": entry without its inode %" PRIu64, FILE_VALUES(id), entry.inode.value);
        else if (inode.type != entry.type)
            check_report(check, FILE_FORMAT ": entry and inode %" PRIu64 " differ in type", FILE_VALUES(id),
                         entry.inode.value);
        else if (inode.type == NF4DIR && inode.parent.value != id.inode.value)
            check_report(check, FILE_FORMAT ": subdirectory %" PRIu64 " names another parent", FILE_VALUES(id),
                         entry.inode.value);
    }
    dirent_walk_close(&walk);
    arena_fini(&walk_arena);
    if (entries != directory->entry_count)
        check_report(check, FILE_FORMAT ": %" PRIu64 " entries, counted %" PRIu64, FILE_VALUES(id), entries,
                     directory->entry_count);
    if (directory->link_count != 2 + directories)
        check_report(check, FILE_FORMAT ": %" PRIu32 " links with %" PRIu32 " subdirectories", FILE_VALUES(id),
                     directory->link_count, directories);
    return entries;
}

static uint64_t check_rows(struct check *check, uint8_t prefix)
{
    uint64_t count = 0;
    struct kv_cursor cursor;
    check_open(check, prefix, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor))
        count++;
    kv_cursor_close(&cursor);
    return count;
}

/* Every entry of every directory. Returns how many names there are. */
static uint64_t check_names(struct check *check, struct arena *scratch)
{
    struct kv_cursor cursor;
    struct inode inode;
    uint64_t cookies = check_rows(check, SCHEMA_COOKIE);
    uint64_t names = check_rows(check, SCHEMA_DIRENT);
    uint64_t seen = 0;
    check_open(check, SCHEMA_INODE, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        inode_decode_row(cursor.key, cursor.value, &inode);
        if (inode.type == NF4DIR)
            seen += check_directory(check, &inode, scratch);
        arena_reset(scratch);
    }
    kv_cursor_close(&cursor);
    if (seen != cookies)
        check_report(check, "%" PRIu64 " cookies without a directory", cookies - seen);
    /* Every cookie has its name; so if there are as many names, every name has its cookie. */
    if (names != cookies)
        check_report(check, "%" PRIu64 " names, %" PRIu64 " cookies", names, cookies);
    return cookies;
}

/* The way up ends at the root of the volume. */
static void check_way_up(struct check *check, const struct inode *directory, struct arena *scratch)
{
    struct inode above = *directory;
    for (uint32_t depth = 0; above.id.inode.value != INODE_ROOT.value; depth++) {
        if (depth > DIRECTORY_DEPTH_MAX || !inode_get(check->read, above.id.volume, above.parent, scratch, &above)) {
            check_report(check, FILE_FORMAT ": no way up to the root", FILE_VALUES(directory->id));
            return;
        }
    }
}

static void check_links(struct check *check, const struct inode *inode, uint64_t names, struct arena *scratch)
{
    bool is_root = inode->id.inode.value == INODE_ROOT.value;
    if (inode->type == NF4DIR) {
        if (names != (is_root ? 0 : 1))
            check_report(check, FILE_FORMAT ": directory with %" PRIu64 " names", FILE_VALUES(inode->id), names);
        check_way_up(check, inode, scratch);
        return;
    }
    if (names != inode->link_count)
        check_report(check, FILE_FORMAT ": %" PRIu64 " names, %" PRIu32 " links", FILE_VALUES(inode->id), names,
                     inode->link_count);
    if (inode->link_count == 0 && !open_any(check->read, inode->id, scratch))
        check_report(check, FILE_FORMAT ": orphan that nobody has open", FILE_VALUES(inode->id));
}

/* Volume and inode stand at the same place in the keys of inodes and extents. */
static struct file_id check_key_file(const struct kv_cursor *cursor)
{
    return (struct file_id){{row_key_get_u32(cursor->key, 1)}, {row_key_get_u64(cursor->key, 5)}, 0};
}

static bool check_same_file(struct file_id a, struct file_id b)
{
    return a.volume.value == b.volume.value && a.inode.value == b.inode.value;
}

static bool check_file_before(struct file_id a, struct file_id b)
{
    return a.volume.value != b.volume.value ? a.volume.value < b.volume.value : a.inode.value < b.inode.value;
}

/* The extents of one file, from its first row on; moves the cursor behind them. `inode` NULL: there is none. Returns how
 * many of them refer to a block. */
static uint64_t check_file_extents(struct check *check, struct file_id id, const struct inode *inode,
                                   struct kv_cursor *cursor, struct arena *scratch)
{
    uint64_t used = 0;
    uint64_t last_end = 0;
    uint64_t references = 0;
    struct block block;
    struct extent extent;
    for (; cursor->valid && check_same_file(check_key_file(cursor), id); kv_cursor_next(cursor)) {
        extent_decode_row(cursor->key, cursor->value, &extent);
        uint64_t end = extent.offset + extent.length_bytes;
        bool is_dead = inode == NULL || extent_is_dead(inode, &extent);
        used += extent.length_bytes;
        if (extent.offset < last_end)
            check_report(check, FILE_FORMAT ": extents overlap at %" PRIu64, FILE_VALUES(id), extent.offset);
        if (!is_dead && end > inode->size_bytes)
            check_report(check, FILE_FORMAT ": content behind the end at %" PRIu64, FILE_VALUES(id), extent.offset);
        last_end = end;
        if (extent.is_inline)
            continue;
        references++;
        if (!block_get(check->read, extent.block, scratch, &block))
            check_report(check, FILE_FORMAT ": no block %" PRIu64, FILE_VALUES(id), extent.block.value);
        else if (extent.length_bytes > block.size_bytes || extent.block_offset > block.size_bytes - extent.length_bytes)
            check_report(check, FILE_FORMAT ": range behind the end of block %" PRIu64, FILE_VALUES(id),
                         extent.block.value);
        arena_reset(scratch);
    }
    if (inode != NULL && used != inode->used_bytes)
        check_report(check, FILE_FORMAT ": %" PRIu64 " bytes used, counted %" PRIu64, FILE_VALUES(id), used,
                     inode->used_bytes);
    return references;
}

/* Extents of files that have no inode: those before `end`, or all that are left (NULL). */
static uint64_t check_lost_extents(struct check *check, struct kv_cursor *extents, const struct file_id *end,
                                   struct arena *scratch)
{
    uint64_t references = 0;
    enum purge_kind kind;
    while (extents->valid) {
        const struct file_id id = check_key_file(extents);
        if (end != NULL && !check_file_before(id, *end))
            break;
        if (!purge_get(check->read, id.volume, id.inode, scratch, &kind) || kind != PURGE_REMOVED)
            check_report(check, FILE_FORMAT ": content without an inode", FILE_VALUES(id));
        references += check_file_extents(check, id, NULL, extents, scratch);
        arena_reset(scratch);
    }
    return references;
}

/* Inodes and extents, which have the same order. Returns how many extents refer to a block. */
static uint64_t check_content(struct check *check, struct arena *scratch)
{
    struct kv_cursor cursor;
    struct kv_cursor extents;
    struct inode inode;
    enum purge_kind kind;
    uint64_t references = 0;
    check_open(check, SCHEMA_EXTENT, &extents);
    check_open(check, SCHEMA_INODE, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        inode_decode_row(cursor.key, cursor.value, &inode);
        const struct file_id id = inode.id;
        references += check_lost_extents(check, &extents, &id, scratch);
        bool has_extents = extents.valid && check_same_file(check_key_file(&extents), id);
        bool waits = purge_get(check->read, id.volume, id.inode, scratch, &kind);
        if (waits && kind == PURGE_REMOVED)
            check_report(check, FILE_FORMAT ": lives and is being removed", FILE_VALUES(id));
        if (!has_extents && inode.used_bytes != 0)
            check_report(check, FILE_FORMAT ": no content, counted %" PRIu64, FILE_VALUES(id), inode.used_bytes);
        if (has_extents && inode.type != NF4REG)
            check_report(check, FILE_FORMAT ": content in what is no file", FILE_VALUES(id));
        if ((inode.cut_number != 0) != waits)
            check_report(check, FILE_FORMAT ": a cut and its purge row disagree", FILE_VALUES(id));
        references += check_file_extents(check, id, &inode, &extents, scratch);
        arena_reset(scratch);
    }
    kv_cursor_close(&cursor);
    references += check_lost_extents(check, &extents, NULL, scratch);
    kv_cursor_close(&extents);
    return references;
}

/* The names of one part of the inodes, against what those say. */
static void check_inodes_part(struct check *check, struct check_pairs *names, struct arena *scratch)
{
    struct inode inode;
    struct dirent entry;
    struct dirent_walk walk;
    check_open(check, SCHEMA_COOKIE, &walk.cursor);
    for (; dirent_walk_get(&walk, &entry); dirent_walk_next(&walk)) {
        if (check_pairs_has(names, entry.inode.value))
            check_pairs_add(names, row_key_get_u32(walk.cursor.key, 1), entry.inode.value);
    }
    dirent_walk_close(&walk);
    check_pairs_sort(names);
    struct kv_cursor cursor;
    check_open(check, SCHEMA_INODE, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        inode_decode_row(cursor.key, cursor.value, &inode);
        const struct file_id id = inode.id;
        if (check_pairs_has(names, id.inode.value))
            check_links(check, &inode, check_pairs_count(names, id.volume.value, id.inode.value), scratch);
        arena_reset(scratch);
    }
    kv_cursor_close(&cursor);
}

static void check_blocks_part(struct check *check, struct check_pairs *references)
{
    struct block block;
    struct extent extent;
    struct kv_cursor cursor;
    check_open(check, SCHEMA_EXTENT, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        extent_decode_row(cursor.key, cursor.value, &extent);
        if (!extent.is_inline && check_pairs_has(references, extent.block.value))
            check_pairs_add(references, 0, extent.block.value);
    }
    kv_cursor_close(&cursor);
    check_pairs_sort(references);
    check_open(check, SCHEMA_BLOCK, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        block_decode_row(cursor.key, cursor.value, &block);
        if (!check_pairs_has(references, block.id.value))
            continue;
        uint64_t count = check_pairs_count(references, 0, block.id.value);
        if (count != block.reference_count)
            check_report(check, "block %" PRIu64 ": %" PRIu64 " references, counted %" PRIu64, block.id.value, count,
                         block.reference_count);
    }
    kv_cursor_close(&cursor);
}

static void check_inodes(struct check *check, uint64_t name_count, struct arena *scratch)
{
    uint64_t parts = check_part_count(name_count, check_pairs_max(check));
    for (uint64_t part = 0; part < parts; part++) {
        struct check_pairs names;
        check_pairs_init(&names, part, parts, name_count, check_pairs_max(check));
        check_inodes_part(check, &names, scratch);
        check_pairs_fini(&names);
    }
}

static void check_blocks(struct check *check, uint64_t reference_count)
{
    uint64_t parts = check_part_count(reference_count, check_pairs_max(check));
    for (uint64_t part = 0; part < parts; part++) {
        struct check_pairs references;
        check_pairs_init(&references, part, parts, reference_count, check_pairs_max(check));
        check_blocks_part(check, &references);
        check_pairs_fini(&references);
    }
}

/* What a node is about to remove is nobody's. */
static void check_garbage(struct check *check, struct arena *scratch)
{
    struct garbage_walk walk;
    struct garbage garbage;
    struct block block;
    garbage_walk_open(check->read, &(struct garbage){0}, check->arena, &walk);
    for (; garbage_walk_get(&walk, &garbage); garbage_walk_next(&walk)) {
        if (block_get(check->read, garbage.block, scratch, &block))
            check_report(check, "block %" PRIu64 ": garbage, but still referred to", garbage.block.value);
        arena_reset(scratch);
    }
    garbage_walk_close(&walk);
}

/* A cut that waits has its inode; that the inode knows of it is seen in check_content. */
static void check_purges(struct check *check, struct arena *scratch)
{
    struct kv_cursor cursor;
    struct inode inode;
    enum purge_kind kind;
    check_open(check, SCHEMA_INODE_DEAD, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        const struct file_id id = check_key_file(&cursor);
        if (purge_get(check->read, id.volume, id.inode, scratch, &kind) && kind == PURGE_CUT &&
            !inode_get(check->read, id.volume, id.inode, scratch, &inode))
            check_report(check, FILE_FORMAT ": a cut without its inode", FILE_VALUES(id));
        arena_reset(scratch);
    }
    kv_cursor_close(&cursor);
}

/* Every export has its volume row (export_get goes by it) and its root directory. */
static void check_exports(struct check *check)
{
    struct export_walk walk;
    struct export export;
    struct export by_volume;
    struct inode root;
    export_walk_open(check->read, check->arena, &walk);
    for (; export_walk_get(&walk, &export); export_walk_next(&walk)) {
        const uint32_t volume = export.volume.value;
        if (export_get(check->read, export.volume, check->arena, &by_volume) != export.active ||
            (export.active && !slice_equal(by_volume.path, export.path)))
            check_report(check, "volume %" PRIu32 ": its row and its export disagree", volume);
        if (!inode_get(check->read, export.volume, INODE_ROOT, check->arena, &root) || root.type != NF4DIR)
            check_report(check, "volume %" PRIu32 ": no root directory", volume);
    }
    export_walk_close(&walk);
}

void check_files(struct check *check)
{
    struct arena scratch;
    arena_init(&scratch);
    uint64_t names = check_names(check, &scratch);
    uint64_t references = check_content(check, &scratch);
    check_inodes(check, names, &scratch);
    check_blocks(check, references);
    check_garbage(check, &scratch);
    check_purges(check, &scratch);
    check_exports(check);
    arena_fini(&scratch);
}
