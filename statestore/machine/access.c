#include "statestore/machine/access.h"

#include "proto/nfs4/file.h"

bool access_in_group(const struct identity *identity, uint32_t gid)
{
    if (identity->gid == gid)
        return true;
    /* A squashed root may not come back through its further groups. */
    if (gid == 0 && identity->is_root_squashed)
        return false;
    for (uint32_t i = 0; i < identity->group_count; i++) {
        if (identity->groups[i] == gid)
            return true;
    }
    return false;
}

uint32_t access_mode_bits(const struct inode *inode, const struct identity *identity)
{
    if (identity->uid == 0) {
        bool executable = inode->type == NF4DIR || (inode->mode & 0111) != 0;
        return ACCESS_READ | ACCESS_WRITE | (executable ? ACCESS_EXECUTE : 0);
    }
    if (identity->uid == inode->owner)
        return inode->mode >> 6 & 7;
    if (access_in_group(identity, inode->group))
        return inode->mode >> 3 & 7;
    return inode->mode & 7;
}

uint32_t access_rights(const struct inode *inode, const struct identity *identity)
{
    uint32_t bits = access_mode_bits(inode, identity);
    uint32_t rights = 0;
    if ((bits & ACCESS_READ) != 0)
        rights |= ACCESS4_READ;
    if (inode->type == NF4DIR) {
        if ((bits & ACCESS_EXECUTE) != 0)
            rights |= ACCESS4_LOOKUP;
        /* Names change only in a directory that may also be searched. */
        if ((bits & ACCESS_WRITE) != 0 && (bits & ACCESS_EXECUTE) != 0)
            rights |= ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_DELETE;
        return rights;
    }
    if ((bits & ACCESS_WRITE) != 0)
        rights |= ACCESS4_MODIFY | ACCESS4_EXTEND;
    if ((bits & ACCESS_EXECUTE) != 0)
        rights |= ACCESS4_EXECUTE;
    return rights;
}

bool access_owns(const struct inode *inode, const struct identity *identity)
{
    return identity->uid == 0 || identity->uid == inode->owner;
}

bool access_sticky_forbids(const struct inode *directory, const struct inode *inode, const struct identity *identity)
{
    return (directory->mode & 01000) != 0 && !access_owns(directory, identity) && !access_owns(inode, identity);
}
