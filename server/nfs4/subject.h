/* subject.h: what a file handle names, as the present view and the present caller see it: the inode, the export around
 * it, and who the caller is inside of that export. A directory of the pseudo file system looks like any other. */
#ifndef SERVER_NFS4_SUBJECT_H
#define SERVER_NFS4_SUBJECT_H

#include "statestore/machine/access.h"
#include "statestore/machine/export.h"
#include "statestore/machine/inode.h"

struct compound;

struct subject {
    struct file_id id;
    struct inode inode;
    bool is_pseudo;
    struct pseudo_node pseudo; /* of a pseudo directory */
    struct export export;      /* otherwise */
    struct identity identity;  /* squashed */
    enum nfsstat4 admission;   /* NFS4_OK, NFS4ERR_ACCESS or NFS4ERR_WRONGSEC */
};

/* Finds the file: NFS4_OK (also when the export does not admit the caller: see admission) or NFS4ERR_STALE. */
enum nfsstat4 subject_find(struct compound *compound, struct file_id id, struct subject *subject);

/* The directory that a client sees at a node: the export's root, or the pseudo directory. NFS4ERR_STALE. */
enum nfsstat4 subject_of_node(struct compound *compound, const struct pseudo_node *node, struct subject *subject);

/* The root of the whole name space. NFS4ERR_STALE without it. */
enum nfsstat4 subject_root(struct compound *compound, struct subject *found);

/* Where the path of an export lies in the pseudo file system; false if it is not there any more. */
bool subject_mount_point(struct compound *compound, const struct export *export, struct pseudo_node *node);

/* A name in a directory, "." and ".." are none: NFS4_OK, NOTDIR, SYMLINK, name_check's, ACCESS, NOENT. */
enum nfsstat4 subject_lookup(struct compound *compound, const struct subject *directory, struct slice name,
                             struct subject *found);

/* The child of a directory by its inode number, in the same volume. NFS4ERR_STALE. */
enum nfsstat4 subject_child(struct compound *compound, const struct subject *directory, struct inode_id inode,
                            struct subject *found);

/* The directory above: NFS4_OK, NOTDIR, NOENT (at the root), STALE. */
enum nfsstat4 subject_parent(struct compound *compound, const struct subject *directory, struct subject *found);

/* Whether bytes can be read from it: NFS4_OK, ISDIR, SYMLINK, WRONG_TYPE (RFC 8881 section 18.22.3). */
static inline enum nfsstat4 subject_regular(const struct subject *subject)
{
    if (subject->inode.type == NF4REG)
        return NFS4_OK;
    if (subject->inode.type == NF4DIR)
        return NFS4ERR_ISDIR;
    return subject->inode.type == NF4LNK ? NFS4ERR_SYMLINK : NFS4ERR_WRONG_TYPE;
}

/* Whether the caller has one of the ACCESS_* bits (statestore/machine/access.h) by mode. */
static inline bool subject_allows(const struct subject *subject, uint32_t bits)
{
    return (access_mode_bits(&subject->inode, &subject->identity) & bits) == bits;
}

#endif
