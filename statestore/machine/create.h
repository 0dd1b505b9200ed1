/* create.h: new inodes: CREATE, the file that OPEN makes (file_create in apply.h), the root of a volume. */
#ifndef STATESTORE_MACHINE_CREATE_H
#define STATESTORE_MACHINE_CREATE_H

#include "statestore/machine/apply.h"

/* Of every inode: numbers are command numbers and are never used again, also not after a restore, which jumps ahead. */
#define CREATE_GENERATION 1u
/* What a directory shows as its size, as one block of a local file system. */
#define CREATE_DIRECTORY_SIZE_BYTES 4096u

/* An inode in memory with one name (a directory: two links), all times `wall_ns`, mode 0, owned by root. Pure. */
struct inode create_inode(struct file_id id, enum nfs_ftype4 type, uint64_t change, int64_t wall_ns);

#endif
