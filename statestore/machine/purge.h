/* purge.h: what waits to be freed in bounded steps: the content of removed files, and what lies behind a cut. */
#ifndef STATESTORE_MACHINE_PURGE_H
#define STATESTORE_MACHINE_PURGE_H

#include "statestore/machine/apply.h"

enum purge_kind {
    PURGE_CUT = 0,     /* the inode lives; its cut_offset and cut_number tell what is dead */
    PURGE_REMOVED = 1, /* the inode's row is gone; all its extents are dead */
};

/* Whether anything waits: then somebody proposes Purge until its result says that there is no more. Pure. */
bool purge_pending(struct kv_read *read, struct arena *arena);

/* --- machine only --- */

/* Makes a file wait, with EFFECT_PURGE. REMOVED replaces CUT. */
void purge_mark(struct apply *apply, struct file_id file, enum purge_kind kind);
void purge_unmark(struct apply *apply, struct file_id file);

/* Whether and how a file waits; for check_files.c. */
bool purge_get(struct kv_read *read, struct volume_id volume, struct inode_id inode, struct arena *arena,
               enum purge_kind *kind);

#endif
