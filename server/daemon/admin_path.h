/* admin_path.h: the names of files that the state knows by number. A file's row does not tell its names, so they are
 * looked for among the directory entries of its volume, ADMIN_PATH_ENTRIES_MAX of them for all files of one list: in a
 * larger volume some paths stay unknown. A file with several names is shown under one of them. */
#ifndef SERVER_DAEMON_ADMIN_PATH_H
#define SERVER_DAEMON_ADMIN_PATH_H

#include "base/tree.h"
#include "statestore/machine/id.h"
#include "statestore/store/kv.h"

struct admin_paths {
    struct kv_read *view;
    struct arena *arena; /* owns the entries */
    struct tree entries; /* of struct path_entry, by volume and inode */
    size_t unnamed;      /* entries without a name yet */
    uint64_t budget;     /* directory entries that may still be looked at */
};

void admin_paths_init(struct admin_paths *paths, struct kv_read *view, struct arena *arena);

/* Asks for a file; twice is once. */
void admin_paths_want(struct admin_paths *paths, struct volume_id volume, struct inode_id inode);

/* Looks for the names of all that were asked for. */
void admin_paths_search(struct admin_paths *paths);

/* The path as clients see it, "/data/a/b", in the arena; SLICE_EMPTY if it was not found (or the file has no name any
 * more). */
struct slice admin_paths_get(struct admin_paths *paths, struct volume_id volume, struct inode_id inode);

#endif
