/* content.h: the bytes of a regular file: writing into its extent map and cutting it. The functions change the extent
 * and block rows and, in memory, the inode's size, used bytes and cut; the caller puts the inode. Machine only. */
#ifndef STATESTORE_MACHINE_CONTENT_H
#define STATESTORE_MACHINE_CONTENT_H

#include "statestore/machine/apply.h"
#include "statestore/machine/extent.h"

/* Puts the bytes at the offset: up to CONTENT_INLINE_MAX_BYTES inline, more as one block named by the command, whose
 * content is all of `bytes` (EFFECT_STORE_BLOCK). Returns how many bytes count as written: fewer than given, but at least
 * CONTENT_STEP_EXTENTS, only where more old extents than that lie in the way. The range lies within the largest file. */
uint32_t content_write(struct apply *apply, struct inode *inode, uint64_t offset, struct slice bytes);

/* Gives the file this size. Behind a smaller size nothing is left; what is more than CONTENT_STEP_EXTENTS extents is
 * only marked, and freed by Purge. NFS4_OK; NFS4ERR_DELAY, with nothing changed, if too much of an earlier cut still
 * waits. */
enum nfsstat4 content_truncate(struct apply *apply, struct inode *inode, uint64_t size_bytes);

/* Frees one extent: its row and its reference. The caller takes its length off the inode's used bytes. */
void content_free(struct apply *apply, struct file_id file, const struct extent *extent);

/* The first extents, dead ones too, that touch [offset, end): at most CONTENT_STEP_EXTENTS + 1. In the arena. */
struct content_rows {
    struct extent *extents;
    size_t count;
};
struct content_rows content_collect(struct apply *apply, struct file_id file, uint64_t offset, uint64_t end);

/* apply_effect(), once a command. */
void content_effect(struct apply *apply, enum machine_effect_kind kind);

#endif
