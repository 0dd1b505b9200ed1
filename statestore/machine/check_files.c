/* The invariants of the files half, looked through in three passes: names (each directory by itself), inodes against
 * the names that were seen, extents against inodes and blocks. What has to be counted over the whole state is collected
 * as pairs and sorted; everything else is compared row by row in a scratch arena. */
#include <inttypes.h>

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/block.h"
#include "statestore/machine/check.h"
#include "statestore/machine/dirent.h"
#include "statestore/machine/extent.h"
#include "statestore/machine/purge.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

/* One reference to an inode (by a name) or to a block (volume 0, by an extent). */
struct check_pair {
    uint32_t volume;
    uint64_t id;
};

struct check_pairs {
    struct check_pair *pairs;
    size_t count;
    size_t room;
};

static bool check_pair_less(const struct check_pair *a, const struct check_pair *b)
{
    return a->volume != b->volume ? a->volume < b->volume : a->id < b->id;
}

static void check_pairs_init(struct check *check, uint8_t prefix, struct check_pairs *pairs)
{
    struct row_key key = row_key(check->arena, prefix, 0);
    struct kv_cursor cursor;
    *pairs = (struct check_pairs){0};
    kv_cursor_open(check->read, row_key_done(&key), SLICE_EMPTY, check->arena, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor))
        pairs->room++;
    kv_cursor_close(&cursor);
    pairs->pairs = arena_alloc_array(check->arena, pairs->room, sizeof(*pairs->pairs));
}

static void check_pairs_add(struct check_pairs *pairs, uint32_t volume, uint64_t id)
{
    CHECK(pairs->count < pairs->room);
    pairs->pairs[pairs->count++] = (struct check_pair){volume, id};
}

/* Lets the pair at `at` sink to its place in the heap of `count` pairs. */
static void check_pairs_sink(struct check_pair *pairs, size_t at, size_t count)
{
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && check_pair_less(&pairs[child], &pairs[child + 1]))
            child++;
        if (!check_pair_less(&pairs[at], &pairs[child]))
            return;
        struct check_pair swapped = pairs[at];
        pairs[at] = pairs[child];
        pairs[child] = swapped;
        at = child;
    }
}

static void check_pairs_sort(struct check_pairs *pairs)
{
    for (size_t at = pairs->count / 2; at-- > 0;)
        check_pairs_sink(pairs->pairs, at, pairs->count);
    for (size_t count = pairs->count; count > 1; count--) {
        struct check_pair swapped = pairs->pairs[0];
        pairs->pairs[0] = pairs->pairs[count - 1];
        pairs->pairs[count - 1] = swapped;
        check_pairs_sink(pairs->pairs, 0, count - 1);
    }
}

/* How often the pair occurs; sorted. */
static uint64_t check_pairs_count(const struct check_pairs *pairs, uint32_t volume, uint64_t id)
{
    const struct check_pair wanted = {volume, id};
    size_t low = 0;
    for (size_t high = pairs->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (check_pair_less(&pairs->pairs[middle], &wanted))
            low = middle + 1;
        else
            high = middle;
    }
    uint64_t count = 0;
    while (low + count < pairs->count && !check_pair_less(&wanted, &pairs->pairs[low + count]))
        count++;
    return count;
}

/* Walks all rows with a prefix byte. */
static void check_open(struct check *check, uint8_t prefix, struct kv_cursor *cursor)
{
    struct row_key key = row_key(check->arena, prefix, 0);
    kv_cursor_open(check->read, row_key_done(&key), SLICE_EMPTY, check->arena, cursor);
}

#define FILE_FORMAT "volume %" PRIu32 " inode %" PRIu64
#define FILE_VALUES(id) (id).volume.value, (id).inode.value

/* Each row by cookie has its row by name and its inode; counters of the directory. */
static void check_directory(struct check *check, const struct inode *directory, struct check_pairs *names,
                            struct arena *scratch)
{
    const struct file_id id = directory->id;
    struct dirent_walk walk;
    struct dirent entry;
    struct dirent by_name;
    struct inode inode;
    uint64_t entries = 0;
    uint32_t directories = 0;
    dirent_walk_open(check->read, id.volume, id.inode, 0, check->arena, &walk);
    for (; dirent_walk_get(&walk, &entry); dirent_walk_next(&walk)) {
        arena_reset(scratch);
        entries++;
        directories += entry.type == NF4DIR;
        check_pairs_add(names, id.volume.value, entry.inode.value);
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
    if (entries != directory->entry_count)
        check_report(check, FILE_FORMAT ": %" PRIu64 " entries, counted %" PRIu64, FILE_VALUES(id), entries,
                     directory->entry_count);
    if (directory->link_count != 2 + directories)
        check_report(check, FILE_FORMAT ": %" PRIu32 " links with %" PRIu32 " subdirectories", FILE_VALUES(id),
                     directory->link_count, directories);
}

/* Fills `names` with every entry of every directory. */
static void check_names(struct check *check, struct check_pairs *names, struct arena *scratch)
{
    struct check_pairs by_name;
    struct kv_cursor cursor;
    struct inode inode;
    check_pairs_init(check, SCHEMA_COOKIE, names);
    check_pairs_init(check, SCHEMA_DIRENT, &by_name);
    check_open(check, SCHEMA_INODE, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        inode_decode_row(cursor.key, cursor.value, &inode);
        if (inode.type == NF4DIR)
            check_directory(check, &inode, names, scratch);
        arena_reset(scratch);
    }
    kv_cursor_close(&cursor);
    if (names->count != names->room)
        check_report(check, "%zu cookies without a directory", names->room - names->count);
    /* Every cookie has its name; so if there are as many names, every name has its cookie. */
    if (by_name.room != names->room)
        check_report(check, "%zu names, %zu cookies", by_name.room, names->room);
    check_pairs_sort(names);
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

/* The extents of one file, from its first row on; moves the cursor behind them. */
static void check_file_extents(struct check *check, struct file_id id, bool has_inode, const struct inode *inode,
                               struct kv_cursor *cursor, struct check_pairs *references, struct arena *scratch)
{
    uint64_t used = 0;
    uint64_t last_end = 0;
    struct block block;
    struct extent extent;
    for (; cursor->valid && row_key_get_u32(cursor->key, 1) == id.volume.value &&
           row_key_get_u64(cursor->key, 5) == id.inode.value;
         kv_cursor_next(cursor)) {
        extent_decode_row(cursor->key, cursor->value, &extent);
        uint64_t end = extent.offset + extent.length_bytes;
        bool is_dead = !has_inode || extent_is_dead(inode, &extent);
        used += extent.length_bytes;
        if (extent.offset < last_end)
            check_report(check, FILE_FORMAT ": extents overlap at %" PRIu64, FILE_VALUES(id), extent.offset);
        if (!is_dead && end > inode->size_bytes)
            check_report(check, FILE_FORMAT ": content behind the end at %" PRIu64, FILE_VALUES(id), extent.offset);
        last_end = end;
        if (extent.is_inline)
            continue;
        check_pairs_add(references, 0, extent.block.value);
        if (!block_get(check->read, extent.block, scratch, &block))
            check_report(check, FILE_FORMAT ": no block %" PRIu64, FILE_VALUES(id), extent.block.value);
        else if (extent.length_bytes > block.size_bytes || extent.block_offset > block.size_bytes - extent.length_bytes)
            check_report(check, FILE_FORMAT ": range behind the end of block %" PRIu64, FILE_VALUES(id),
                         extent.block.value);
        arena_reset(scratch);
    }
    if (has_inode && used != inode->used_bytes)
        check_report(check, FILE_FORMAT ": %" PRIu64 " bytes used, counted %" PRIu64, FILE_VALUES(id), used,
                     inode->used_bytes);
}

/* Extents of all files; a file without extents must say so, which check_inodes does. */
static void check_extents(struct check *check, struct check_pairs *references, struct check_pairs *files,
                          struct arena *scratch)
{
    struct kv_cursor cursor;
    struct inode inode;
    enum purge_kind kind;
    check_pairs_init(check, SCHEMA_EXTENT, references);
    check_pairs_init(check, SCHEMA_EXTENT, files);
    check_open(check, SCHEMA_EXTENT, &cursor);
    while (cursor.valid) {
        const struct file_id id = {{row_key_get_u32(cursor.key, 1)}, {row_key_get_u64(cursor.key, 5)}, 0};
        bool has_inode = inode_get(check->read, id.volume, id.inode, check->arena, &inode);
        bool waits = purge_get(check->read, id.volume, id.inode, scratch, &kind);
        if (!has_inode && !(waits && kind == PURGE_REMOVED))
            check_report(check, FILE_FORMAT ": content without an inode", FILE_VALUES(id));
        if (has_inode && waits && kind == PURGE_REMOVED)
            check_report(check, FILE_FORMAT ": lives and is being removed", FILE_VALUES(id));
        check_pairs_add(files, id.volume.value, id.inode.value);
        check_file_extents(check, id, has_inode, &inode, &cursor, references, scratch);
        arena_reset(scratch);
    }
    kv_cursor_close(&cursor);
    check_pairs_sort(references);
    check_pairs_sort(files);
}

static void check_inodes(struct check *check, const struct check_pairs *names, const struct check_pairs *files,
                         struct arena *scratch)
{
    struct kv_cursor cursor;
    struct inode inode;
    enum purge_kind kind;
    check_open(check, SCHEMA_INODE, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        inode_decode_row(cursor.key, cursor.value, &inode);
        const struct file_id id = inode.id;
        check_links(check, &inode, check_pairs_count(names, id.volume.value, id.inode.value), scratch);
        bool has_extents = check_pairs_count(files, id.volume.value, id.inode.value) > 0;
        if (!has_extents && inode.used_bytes != 0)
            check_report(check, FILE_FORMAT ": no content, counted %" PRIu64, FILE_VALUES(id), inode.used_bytes);
        if (has_extents && inode.type != NF4REG)
            check_report(check, FILE_FORMAT ": content in what is no file", FILE_VALUES(id));
        bool waits = purge_get(check->read, id.volume, id.inode, scratch, &kind);
        if ((inode.cut_number != 0) != waits)
            check_report(check, FILE_FORMAT ": a cut and its purge row disagree", FILE_VALUES(id));
        arena_reset(scratch);
    }
    kv_cursor_close(&cursor);
}

static void check_blocks(struct check *check, const struct check_pairs *references)
{
    struct kv_cursor cursor;
    struct block block;
    uint64_t dead = 0;
    check_open(check, SCHEMA_BLOCK, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        block_decode_row(cursor.key, cursor.value, &block);
        uint64_t count = check_pairs_count(references, 0, block.id.value);
        if (count != block.reference_count)
            check_report(check, "block %" PRIu64 ": %" PRIu64 " references, counted %" PRIu64, block.id.value, count,
                         block.reference_count);
        dead += block.dead_number != 0;
    }
    kv_cursor_close(&cursor);
    struct block_dead_walk walk;
    struct block_id id;
    uint64_t number;
    block_dead_walk_open(check->read, check->arena, &walk);
    for (; block_dead_walk_get(&walk, &id, &number); block_dead_walk_next(&walk)) {
        dead--;
        if (!block_get(check->read, id, check->arena, &block) || block.dead_number != number)
            check_report(check, "block %" PRIu64 ": dead row without its block", id.value);
    }
    block_dead_walk_close(&walk);
    if (dead != 0)
        check_report(check, "dead blocks and their rows do not add up");
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
    struct check_pairs names;
    struct check_pairs references;
    struct check_pairs files;
    struct arena scratch;
    arena_init(&scratch);
    check_names(check, &names, &scratch);
    check_extents(check, &references, &files, &scratch);
    check_inodes(check, &names, &files, &scratch);
    check_blocks(check, &references);
    check_exports(check);
    arena_fini(&scratch);
}
