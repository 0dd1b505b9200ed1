#include "server/daemon/admin_path.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/list.h"
#include "statestore/machine/dirent.h"
#include "statestore/machine/export.h"
#include "statestore/machine/inode.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

/* Longer paths are not shown. */
#define PATH_TEXT_MAX_BYTES 4096u
/* Where a directory's number stands in the key of its entries: prefix, volume, directory. */
#define DIRECTORY_OFFSET 5u

struct path_entry {
    struct tree_node node; /* key: volume, inode */
    struct volume_id volume;
    struct inode_id inode;
    bool named;
    struct inode_id parent;
    struct slice name;
};

void admin_paths_init(struct admin_paths *paths, struct kv_read *view, struct arena *arena)
{
    *paths = (struct admin_paths){.view = view, .arena = arena, .budget = ADMIN_PATH_ENTRIES_MAX};
    tree_init(&paths->entries);
}

static struct slice path_key(const struct admin_paths *paths, struct volume_id volume, struct inode_id inode)
{
    struct row_key key = row_key(paths->arena, SCHEMA_INODE, 12);
    row_key_u32(&key, volume.value);
    row_key_u64(&key, inode.value);
    return row_key_done(&key);
}

static struct path_entry *path_find(const struct admin_paths *paths, struct slice key)
{
    struct tree_node *node = tree_find(&paths->entries, key);
    return node == NULL ? NULL : container_of(node, struct path_entry, node);
}

/* The entry, made if it is new. */
static struct path_entry *path_entry(struct admin_paths *paths, struct volume_id volume, struct inode_id inode)
{
    struct slice key = path_key(paths, volume, inode);
    struct path_entry *entry = path_find(paths, key);
    if (entry != NULL)
        return entry;
    entry = ARENA_NEW(paths->arena, struct path_entry);
    entry->node.key = key;
    entry->volume = volume;
    entry->inode = inode;
    tree_insert(&paths->entries, &entry->node);
    paths->unnamed++;
    return entry;
}

static void path_name(struct admin_paths *paths, struct path_entry *entry, struct inode_id parent, struct slice name)
{
    CHECK(!entry->named && paths->unnamed > 0);
    entry->named = true;
    entry->parent = parent;
    entry->name = arena_copy(paths->arena, name);
    paths->unnamed--;
}

void admin_paths_want(struct admin_paths *paths, struct volume_id volume, struct inode_id inode)
{
    if (inode.value != INODE_ROOT.value)
        path_entry(paths, volume, inode);
}

/* Goes through all entries of a volume, directory by directory. */
static void volume_search(struct admin_paths *paths, struct volume_id volume)
{
    struct row_key prefix = row_key(paths->arena, SCHEMA_COOKIE, 4);
    row_key_u32(&prefix, volume.value);
    struct arena scratch; /* of one look */
    arena_init(&scratch);
    struct dirent_walk walk;
    struct dirent dirent;
    kv_cursor_open(paths->view, row_key_done(&prefix), SLICE_EMPTY, paths->arena, &walk.cursor);
    for (; paths->budget > 0 && paths->unnamed > 0 && dirent_walk_get(&walk, &dirent); dirent_walk_next(&walk)) {
        paths->budget--;
        struct row_key key = row_key(&scratch, SCHEMA_INODE, 12);
        row_key_u32(&key, volume.value);
        row_key_u64(&key, dirent.inode.value);
        struct path_entry *entry = path_find(paths, row_key_done(&key));
        if (entry != NULL && !entry->named)
            path_name(paths, entry, (struct inode_id){row_key_get_u64(walk.cursor.key, DIRECTORY_OFFSET)}, dirent.name);
        arena_reset(&scratch);
    }
    dirent_walk_close(&walk);
    arena_fini(&scratch);
}

void admin_paths_search(struct admin_paths *paths)
{
    struct tree_node *node = tree_at_or_after(&paths->entries, SLICE_EMPTY);
    while (node != NULL && paths->unnamed > 0) {
        struct volume_id volume = container_of(node, struct path_entry, node)->volume;
        volume_search(paths, volume);
        struct volume_id next = {volume.value + 1};
        node = next.value == 0 ? NULL : tree_at_or_after(&paths->entries, path_key(paths, next, (struct inode_id){0}));
    }
}

/* A directory's row tells where it lies; only its name is to be found there. */
static struct path_entry *directory_entry(struct admin_paths *paths, struct volume_id volume, struct inode_id inode)
{
    struct path_entry *entry = path_entry(paths, volume, inode);
    struct inode row;
    if (entry->named || !inode_get(paths->view, volume, inode, paths->arena, &row))
        return entry;
    struct dirent_walk walk;
    struct dirent dirent;
    dirent_walk_open(paths->view, volume, row.parent, 0, paths->arena, &walk);
    for (; paths->budget > 0 && dirent_walk_get(&walk, &dirent); dirent_walk_next(&walk)) {
        paths->budget--;
        if (dirent.inode.value == inode.value) {
            path_name(paths, entry, row.parent, dirent.name);
            break;
        }
    }
    dirent_walk_close(&walk);
    return entry;
}

struct slice admin_paths_get(struct admin_paths *paths, struct volume_id volume, struct inode_id inode)
{
    struct export export;
    if (!export_get(paths->view, volume, paths->arena, &export))
        return SLICE_EMPTY;
    uint8_t text[PATH_TEXT_MAX_BYTES];
    uint8_t *start = text + sizeof(text); /* built from its end */
    for (struct inode_id at = inode; at.value != INODE_ROOT.value;) {
        const struct path_entry *entry = at.value == inode.value ? path_find(paths, path_key(paths, volume, at))
                                                                 : directory_entry(paths, volume, at);
        if (entry == NULL || !entry->named || (size_t)(start - text) < entry->name.size_bytes + 1)
            return SLICE_EMPTY;
        start -= entry->name.size_bytes;
        memcpy(start, entry->name.data, entry->name.size_bytes);
        *--start = '/';
        at = entry->parent;
    }
    /* The export "/" stands for nothing before the names. */
    size_t prefix_bytes = export.path.size_bytes == 1 ? 0 : export.path.size_bytes;
    if (start == text + sizeof(text))
        return arena_copy(paths->arena, export.path);
    if ((size_t)(start - text) < prefix_bytes)
        return SLICE_EMPTY;
    start -= prefix_bytes;
    if (prefix_bytes > 0)
        memcpy(start, export.path.data, prefix_bytes);
    return arena_copy(paths->arena, slice_make(start, (size_t)(text + sizeof(text) - start)));
}
