/* export.h: what is served to whom. An export owns a volume; the volume stays when the export is removed. */
#ifndef STATESTORE_MACHINE_EXPORT_H
#define STATESTORE_MACHINE_EXPORT_H

#include "statestore/machine/access.h"
#include "statestore/machine/id.h"
#include "statestore/store/kv.h"

enum export_squash { EXPORT_SQUASH_ROOT = 0, EXPORT_SQUASH_ALL = 1, EXPORT_SQUASH_NONE = 2 };

struct export
{
    struct volume_id volume;
    struct slice path; /* "/data", "/a/b" */
    bool active;       /* false: removed, its volume kept for a later `export add` */
    bool read_only;
    enum export_squash squash;
    const struct slice *clients; /* CIDR texts; client_count 0: everyone */
    uint32_t client_count;
    const uint32_t *flavors; /* RPC (pseudo-)flavors */
    uint32_t flavor_count;
};

/* Active export of a volume; false if there is none (NFS4ERR_STALE for its handles). Lives in the arena. */
bool export_get(struct kv_read *read, struct volume_id volume, struct arena *arena, struct export *export);

/* The export of a path as it is stored, also an inactive one; false if there was never one. */
bool export_find(struct kv_read *read, struct slice path, struct arena *arena, struct export *export);

/* Walks all exports (also inactive ones) in the order of their paths. Close always. */
struct export_walk {
    struct kv_cursor cursor;
    struct arena *arena;
};
void export_walk_open(struct kv_read *read, struct arena *arena, struct export_walk *walk);
bool export_walk_get(struct export_walk *walk, struct export *export);
void export_walk_next(struct export_walk *walk);
/* Only those whose path begins with these bytes. */
void export_walk_below(struct kv_read *read, struct slice path_prefix, struct arena *arena, struct export_walk *walk);
void export_walk_close(struct export_walk *walk);

/* Whether the identity's address and flavor may use the export: NFS4_OK, NFS4ERR_ACCESS (address), NFS4ERR_WRONGSEC. */
enum nfsstat4 export_admits(const struct export *export, const struct identity *identity);

/* The path as the table keeps it: no double and no trailing '/'. False with *why, a sentence, if it cannot be one. Pure. */
bool export_path_normalise(struct slice given, struct arena *arena, struct slice *path, const char **why);

/* Writes the export's rows, by path and by volume. Machine only. */
void export_put(struct transaction *transaction, const struct export *export, struct arena *arena);

/* Applies the squash to raw credentials. Pure. */
void export_squash_identity(const struct export *export, struct identity *identity);

/* The pseudo file system: directories that lead to the exports. A pseudo directory is named by its path: its inode
 * number is derived from the path's components and is stable. Finds the node by inode: its path (in the arena), the
 * parent. False: no export lies below such a path any more (NFS4ERR_STALE). */
struct pseudo_node {
    struct slice path; /* "/" for the root */
    struct inode_id inode;
    struct inode_id parent;
    bool is_export; /* the path is an export itself: cross to INODE_ROOT of `volume` */
    struct volume_id volume;
    uint64_t change; /* changes when exports change */
};
/* The number of the pseudo directory with this path; the parent of an export's root is pseudo_find() of its path's
 * number. Pure. */
struct inode_id pseudo_inode(struct slice path);
bool pseudo_find(struct kv_read *read, struct inode_id inode, struct arena *arena, struct pseudo_node *node);
bool pseudo_lookup(struct kv_read *read, struct inode_id directory, struct slice name, struct arena *arena,
                   struct pseudo_node *node);
/* All children of a pseudo directory, at most EXPORTS_MAX, sorted by name; the array is in the arena. */
struct pseudo_entry {
    struct slice name;
    struct pseudo_node node;
};
size_t pseudo_list(struct kv_read *read, struct inode_id directory, struct arena *arena,
                   const struct pseudo_entry **entries);

#endif
