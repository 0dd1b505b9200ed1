/* inode.h: the row of one file: what GETATTR shows. */
#ifndef STATESTORE_MACHINE_INODE_H
#define STATESTORE_MACHINE_INODE_H

#include "proto/nfs4/types.h"
#include "statestore/machine/id.h"
#include "statestore/store/kv.h"

struct inode {
    struct file_id id;
    enum nfs_ftype4 type;
    uint32_t mode; /* permission bits with set-id and sticky bits, 07777 */
    uint32_t owner;
    uint32_t group;
    uint32_t link_count; /* 0: removed, but open (an orphan) or being freed */
    uint64_t size_bytes;
    uint64_t used_bytes;    /* content that is stored */
    uint64_t change;        /* (command number of the last change << 16) + dirty sequence */
    int64_t access_time_ns; /* since 1970 */
    int64_t modify_time_ns;
    int64_t metadata_time_ns;
    int64_t create_time_ns;
    struct inode_id parent; /* of a directory: for LOOKUPP; the root's is itself */
    uint64_t cookie_next;   /* of a directory: cookies are never reused */
    uint64_t entry_count;   /* of a directory */
    uint32_t device_major;
    uint32_t device_minor;
    bool verifier_set;
    uint8_t verifier[8];    /* EXCLUSIVE4 and EXCLUSIVE4_1; cleared by the first SETATTR */
    struct slice link_text; /* of a symlink; lives in the arena given to inode_get */
    uint64_t cut_offset;    /* content at or behind it and older than cut_number is dead, waiting to be freed */
    uint64_t cut_number;    /* 0: nothing waits */
};

/* Reads one row; true if it exists (an orphan does too). Checks the volume and number, not the generation: compare
 * inode->id.generation with the handle's and answer NFS4ERR_STALE. Pure over the view. */
bool inode_get(struct kv_read *read, struct volume_id volume, struct inode_id id, struct arena *arena,
               struct inode *inode);

/* inode_get and the comparison of the generation; false: NFS4ERR_STALE. */
bool inode_find(struct kv_read *read, struct file_id id, struct arena *arena, struct inode *inode);

/* Takes a row that a cursor found apart; link_text points into `value`. Pure. */
void inode_decode_row(struct slice key, struct slice value, struct inode *inode);

/* Writes the row (insert or replace). Machine only. */
void inode_put(struct transaction *transaction, const struct inode *inode, struct arena *arena);

/* Removes the row. Machine only. */
void inode_delete(struct transaction *transaction, struct volume_id volume, struct inode_id id, struct arena *arena);

#endif
