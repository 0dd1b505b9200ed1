/* attributes.h: what a client may set on a file (Qnfs__Attributes), at its creation and later, with POSIX's rules about
 * who may. Size is not handled here: it is content (content.h). Machine only. */
#ifndef STATESTORE_MACHINE_ATTRIBUTES_H
#define STATESTORE_MACHINE_ATTRIBUTES_H

#include "statestore/machine/apply.h"

/* Bits of Attributes.mask, and of the masks in results. */
#define ATTRIBUTE_MODE (1u << 0)
#define ATTRIBUTE_OWNER (1u << 1)
#define ATTRIBUTE_GROUP (1u << 2)
#define ATTRIBUTE_SIZE (1u << 3)
#define ATTRIBUTE_ACCESS_TIME (1u << 4)
#define ATTRIBUTE_MODIFY_TIME (1u << 5)
#define ATTRIBUTE_ACCESS_NOW (1u << 6)
#define ATTRIBUTE_MODIFY_NOW (1u << 7)
#define ATTRIBUTE_MODE_MASKED (1u << 8)
#define ATTRIBUTE_CREATE_TIME (1u << 9)
#define ATTRIBUTE_ALL ((1u << 10) - 1)

/* The mask; 0 for NULL. */
uint32_t attributes_mask(const Qnfs__Attributes *attributes);

/* Sets everything but size on an inode in memory that is being made: type, owner and group are already set to what they
 * are without attributes, and the mode to 0 or, below a directory with the set-gid bit, that bit. NFS4_OK;
 * NFS4ERR_INVAL (a value that is none), NFS4ERR_ATTRNOTSUPP, NFS4ERR_PERM (an owner or group that the identity may not
 * give). */
enum nfsstat4 attributes_make(const struct apply *apply, const Qnfs__Attributes *attributes, struct inode *inode);

/* Changes everything but size on an inode in memory. NFS4_OK; NFS4ERR_INVAL, NFS4ERR_ATTRNOTSUPP, NFS4ERR_PERM,
 * NFS4ERR_ACCESS (times of now, without write permission). The caller sets change and metadata_time_ns. */
enum nfsstat4 attributes_change(const struct apply *apply, const Qnfs__Attributes *attributes, struct inode *inode);

/* What writing and truncating do to the set-id bits of a file: gone, but for root. */
void attributes_strip_set_id(const struct apply *apply, struct inode *inode);

#endif
