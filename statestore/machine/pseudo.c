/* The pseudo file system has no rows of its own: its directories are the beginnings of the paths of active exports. */
#include "base/check.h"
#include "base/hash.h"
#include "base/limits.h"
#include "statestore/machine/export.h"
#include "statestore/machine/meta.h"

/* Set in every derived number, so that none is INODE_ROOT. */
#define PSEUDO_INODE_BIT ((uint64_t)1 << 63)

struct inode_id pseudo_inode(struct slice path)
{
    if (slice_equal(path, slice_text("/")))
        return INODE_ROOT;
    return (struct inode_id){hash_content(path).low | PSEUDO_INODE_BIT};
}

/* The path without its last component. */
static struct slice pseudo_parent(struct slice path)
{
    CHECK(path.size_bytes > 0 && path.data[0] == '/');
    size_t end = path.size_bytes - 1;
    while (path.data[end] != '/')
        end--;
    return end == 0 ? slice_text("/") : slice_make(path.data, end);
}

static void pseudo_fill(struct kv_read *read, struct slice path, const struct export *export, struct arena *arena,
                        struct pseudo_node *node)
{
    *node = (struct pseudo_node){.path = path,
                                 .inode = pseudo_inode(path),
                                 .parent = pseudo_inode(pseudo_parent(path)),
                                 .change = meta_get(read, META_EXPORTS_CHANGED, 0, arena) << 16};
    if (export != NULL && slice_equal(path, export->path)) {
        node->is_export = true;
        node->volume = export->volume;
    }
}

/* The first component of the export's path that ends at or behind `from`, as a path; false behind the last one. */
static bool pseudo_next_path(const struct export *export, size_t from, struct slice *path)
{
    if (from >= export->path.size_bytes)
        return false;
    size_t end = from + 1;
    while (end < export->path.size_bytes && export->path.data[end] != '/')
        end++;
    *path = slice_make(export->path.data, end);
    return true;
}

bool pseudo_find(struct kv_read *read, struct inode_id inode, struct arena *arena, struct pseudo_node *node)
{
    if (inode.value == INODE_ROOT.value) {
        pseudo_fill(read, slice_text("/"), NULL, arena, node);
        return true;
    }
    struct export_walk walk;
    struct export export;
    bool found = false;
    export_walk_open(read, arena, &walk);
    for (; !found && export_walk_get(&walk, &export); export_walk_next(&walk)) {
        struct slice path = SLICE_EMPTY;
        while (export.active && !found && pseudo_next_path(&export, path.size_bytes, &path))
            found = pseudo_inode(path).value == inode.value;
        if (found)
            pseudo_fill(read, path, &export, arena, node);
    }
    export_walk_close(&walk);
    return found;
}

/* "/" + "a" = "/a", "/a" + "b" = "/a/b"; room for one byte more behind it. */
static struct slice pseudo_join(struct slice directory, struct slice name, struct arena *arena)
{
    size_t size = directory.size_bytes == 1 ? 0 : directory.size_bytes;
    uint8_t *bytes = arena_alloc(arena, size + name.size_bytes + 2);
    memcpy(bytes, directory.data, size);
    bytes[size] = '/';
    if (name.size_bytes > 0)
        memcpy(bytes + size + 1, name.data, name.size_bytes);
    bytes[size + 1 + name.size_bytes] = '/';
    return slice_make(bytes, size + 1 + name.size_bytes);
}

bool pseudo_lookup(struct kv_read *read, struct inode_id directory, struct slice name, struct arena *arena,
                   struct pseudo_node *node)
{
    struct pseudo_node above;
    struct export export;
    bool is_name = name.size_bytes > 0 && name.size_bytes <= NFS4_NAME_MAX_BYTES &&
                   memchr(name.data, '/', name.size_bytes) == NULL;
    if (!is_name || !pseudo_find(read, directory, arena, &above) || above.is_export)
        return false;
    struct slice path = pseudo_join(above.path, name, arena);
    if (path.size_bytes > EXPORT_PATH_MAX_BYTES)
        return false;
    if (export_find(read, path, arena, &export) && export.active) {
        pseudo_fill(read, path, &export, arena, node);
        return true;
    }
    bool found = false;
    struct export_walk walk;
    export_walk_below(read, slice_make(path.data, path.size_bytes + 1), arena, &walk);
    for (; !found && export_walk_get(&walk, &export); export_walk_next(&walk))
        found = export.active;
    export_walk_close(&walk);
    if (found)
        pseudo_fill(read, path, &export, arena, node);
    return found;
}

/* Keeps the array sorted by name; entries come almost in order ("/a-b" before "/a/c"). */
static void pseudo_insert(struct pseudo_entry *entries, size_t count, struct pseudo_entry entry)
{
    size_t at = count;
    for (; at > 0 && slice_compare(entries[at - 1].name, entry.name) > 0; at--)
        entries[at] = entries[at - 1];
    entries[at] = entry;
}

/* Exports, also inactive ones, whose path begins so: no fewer than there are children. */
static size_t pseudo_count(struct kv_read *read, struct slice prefix, struct arena *arena)
{
    struct export_walk walk;
    size_t count = 0;
    export_walk_below(read, prefix, arena, &walk);
    for (; walk.cursor.valid; export_walk_next(&walk))
        count++;
    export_walk_close(&walk);
    return count;
}

size_t pseudo_list(struct kv_read *read, struct inode_id directory, struct arena *arena,
                   const struct pseudo_entry **entries)
{
    struct pseudo_node above;
    *entries = NULL;
    if (!pseudo_find(read, directory, arena, &above) || above.is_export)
        return 0;
    struct slice last = SLICE_EMPTY;
    /* What stands before the children's names: "/" or "/a/". */
    size_t skipped = above.path.size_bytes == 1 ? 1 : above.path.size_bytes + 1;
    struct slice prefix = slice_make(pseudo_join(above.path, SLICE_EMPTY, arena).data, skipped);
    struct pseudo_entry *found = arena_alloc_array(arena, pseudo_count(read, prefix, arena), sizeof(*found));
    size_t count = 0;
    struct export_walk walk;
    struct export export;
    export_walk_below(read, prefix, arena, &walk);
    for (; export_walk_get(&walk, &export); export_walk_next(&walk)) {
        struct slice path;
        if (!export.active || !pseudo_next_path(&export, skipped - 1, &path) || slice_equal(path, last))
            continue;
        struct pseudo_entry entry = {.name = slice_from(path, skipped)};
        pseudo_fill(read, path, &export, arena, &entry.node);
        pseudo_insert(found, count++, entry);
        last = path;
    }
    export_walk_close(&walk);
    *entries = found;
    return count;
}
