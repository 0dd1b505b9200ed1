/* name.h: looking names up for a change: the checks that CREATE, OPEN, REMOVE, RENAME and LINK share. name_check() itself
 * stands in apply.h, where both halves of the machine and the server find it. */
#ifndef STATESTORE_MACHINE_NAME_H
#define STATESTORE_MACHINE_NAME_H

#include "statestore/machine/apply.h"
#include "statestore/machine/dirent.h"

/* Enters the volume of `id` as a changing command does and reads the inode. NFS4_OK; the errors of
 * apply_enter_volume(); NFS4ERR_STALE. */
enum nfsstat4 name_enter(struct apply *apply, struct file_id id, struct inode *inode);

/* A directory in which the name is wanted: NFS4ERR_NOTDIR, the errors of name_check(), NFS4ERR_ACCESS without search
 * permission. Then *exists tells whether the entry is there. */
enum nfsstat4 name_lookup(struct apply *apply, const struct inode *directory, struct slice name, struct dirent *dirent,
                          bool *exists);

/* The inode of an entry. NFS4_OK; NFS4ERR_SERVERFAULT only after a storage error, when the answer reaches nobody. */
enum nfsstat4 name_inode(struct apply *apply, const struct inode *directory, struct inode_id id, struct inode *inode);

/* Whether the identity may change the directory's names: NFS4_OK or NFS4ERR_ACCESS. */
enum nfsstat4 name_may_change(struct apply *apply, const struct inode *directory);

/* Adds an entry: rows, cookie, counters, link count for a directory, times and change. The directory's row is put. */
void name_add(struct apply *apply, struct inode *directory, struct slice name, const struct inode *inode);

/* Takes an entry out; likewise. */
void name_remove(struct apply *apply, struct inode *directory, const struct dirent *dirent);

/* One name of a file is gone: one link less. Without another the inode is freed, or kept as an orphan while it is open. */
void name_unlink(struct apply *apply, struct inode *inode);

#endif
