/* dirent.h: names in directories: one row by name (LOOKUP), one by cookie (READDIR, in the order of creation). */
#ifndef STATESTORE_MACHINE_DIRENT_H
#define STATESTORE_MACHINE_DIRENT_H

#include "proto/nfs4/types.h"
#include "statestore/machine/id.h"
#include "statestore/store/kv.h"

/* The first entry's cookie: 0, 1 and 2 mean something else on the wire (RFC 8881 section 18.23). */
#define DIRENT_COOKIE_FIRST 3u

struct dirent {
    struct slice name; /* lives as long as the arena or cursor it came from */
    uint64_t cookie;   /* DIRENT_COOKIE_FIRST and up */
    struct inode_id inode;
    enum nfs_ftype4 type;
};

/* Looks a name up; true if it exists. Pure over the view. */
bool dirent_get(struct kv_read *read, struct volume_id volume, struct inode_id directory, struct slice name,
                struct arena *arena, struct dirent *dirent);

/* Walks a directory from the first entry whose cookie is above `after`. Use:
 *   for (dirent_walk_open(...); dirent_walk_get(&walk, &entry); dirent_walk_next(&walk)) ...; dirent_walk_close(&walk) */
struct dirent_walk {
    struct kv_cursor cursor;
};
void dirent_walk_open(struct kv_read *read, struct volume_id volume, struct inode_id directory, uint64_t after,
                      struct arena *arena, struct dirent_walk *walk);
bool dirent_walk_get(struct dirent_walk *walk, struct dirent *dirent);
void dirent_walk_next(struct dirent_walk *walk);
void dirent_walk_close(struct dirent_walk *walk);

/* Adds or removes both rows. The caller has looked the name up and updates the directory's inode. Machine only. */
void dirent_put(struct transaction *transaction, struct volume_id volume, struct inode_id directory,
                const struct dirent *dirent, struct arena *arena);
void dirent_delete(struct transaction *transaction, struct volume_id volume, struct inode_id directory,
                   const struct dirent *dirent, struct arena *arena);

#endif
