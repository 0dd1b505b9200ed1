/* access.h: who may do what, in one place for the machine and for the reads. POSIX mode bits. */
#ifndef STATESTORE_MACHINE_ACCESS_H
#define STATESTORE_MACHINE_ACCESS_H

#include "proto/nfs4/types.h"
#include "statestore/machine/inode.h"

/* Who asks, after the export's squash. */
struct identity {
    uint32_t uid;
    uint32_t gid;
    const uint32_t *groups; /* group_count further groups; not owned */
    uint32_t group_count;
    struct slice address;  /* client address, 4 or 16 bytes */
    uint32_t flavor;       /* RPC flavor */
    bool is_root_squashed; /* further groups do not give group 0 */
};

/* Bits of a mode triplet. */
#define ACCESS_READ 4u
#define ACCESS_WRITE 2u
#define ACCESS_EXECUTE 1u

#define ACCESS_UID_NOBODY 65534u

/* The ACCESS4_* bits that the identity has on the inode (RFC 8881 section 18.1). Root has all but EXECUTE of a file
 * without any x bit. Pure. */
uint32_t access_rights(const struct inode *inode, const struct identity *identity);

/* r, w, x as bits 4, 2, 1 that the mode gives (root: 6, and 1 if it is a directory or any x bit is set). Pure. */
uint32_t access_mode_bits(const struct inode *inode, const struct identity *identity);

bool access_in_group(const struct identity *identity, uint32_t gid);

/* Owner or root: who may change modes and times. Pure. */
bool access_owns(const struct inode *inode, const struct identity *identity);

/* The sticky bit: whether it keeps the identity from removing or renaming the inode in the directory. Pure. */
bool access_sticky_forbids(const struct inode *directory, const struct inode *inode, const struct identity *identity);

#endif
