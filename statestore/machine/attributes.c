#include "statestore/machine/attributes.h"

#include "base/check.h"

#define MODE_SET_UID 04000u
#define MODE_SET_GID 02000u
#define MODE_GROUP_EXECUTE 010u
#define NANOSECONDS 1000000000

uint32_t attributes_mask(const Qnfs__Attributes *attributes)
{
    return attributes == NULL ? 0 : attributes->mask;
}

/* A time that was sent; protobuf leaves an all-zero one out. */
static bool attributes_time_valid(const Qnfs__Time *time)
{
    return time == NULL || time->nanoseconds < NANOSECONDS;
}

/* What does not fit into 64 bits of nanoseconds (before 1678, after 2261) becomes the nearest time that does, as local
 * file systems do. */
static int64_t attributes_time_ns(const Qnfs__Time *time)
{
    if (time == NULL)
        return 0;
    if (time->seconds > INT64_MAX / NANOSECONDS - 1)
        return INT64_MAX;
    if (time->seconds < INT64_MIN / NANOSECONDS + 1)
        return INT64_MIN;
    return time->seconds * NANOSECONDS + (int64_t)time->nanoseconds;
}

static enum nfsstat4 attributes_check(const Qnfs__Attributes *attributes)
{
    const uint32_t both_modes = ATTRIBUTE_MODE | ATTRIBUTE_MODE_MASKED;
    const uint32_t both_access = ATTRIBUTE_ACCESS_TIME | ATTRIBUTE_ACCESS_NOW;
    const uint32_t both_modify = ATTRIBUTE_MODIFY_TIME | ATTRIBUTE_MODIFY_NOW;
    uint32_t mask = attributes_mask(attributes);
    if (mask == 0)
        return NFS4_OK;
    if ((mask & ~ATTRIBUTE_ALL) != 0)
        return NFS4ERR_ATTRNOTSUPP;
    if ((mask & both_modes) == both_modes || (mask & both_access) == both_access || (mask & both_modify) == both_modify)
        return NFS4ERR_INVAL;
    bool bad = ((mask & both_modes) != 0 && attributes->mode > 07777) ||
               ((mask & ATTRIBUTE_MODE_MASKED) != 0 && attributes->mode_mask > 07777) ||
               ((mask & ATTRIBUTE_ACCESS_TIME) != 0 && !attributes_time_valid(attributes->access_time)) ||
               ((mask & ATTRIBUTE_MODIFY_TIME) != 0 && !attributes_time_valid(attributes->modify_time)) ||
               ((mask & ATTRIBUTE_CREATE_TIME) != 0 && !attributes_time_valid(attributes->create_time));
    return bad ? NFS4ERR_INVAL : NFS4_OK;
}

static uint32_t attributes_mode(const Qnfs__Attributes *attributes, uint32_t present)
{
    if ((attributes->mask & ATTRIBUTE_MODE) != 0)
        return attributes->mode;
    if ((attributes->mask & ATTRIBUTE_MODE_MASKED) != 0)
        return (present & ~attributes->mode_mask) | (attributes->mode & attributes->mode_mask);
    return present;
}

static void attributes_set_times(const struct apply *apply, const Qnfs__Attributes *attributes, struct inode *inode)
{
    uint32_t mask = attributes->mask;
    if ((mask & ATTRIBUTE_ACCESS_TIME) != 0)
        inode->access_time_ns = attributes_time_ns(attributes->access_time);
    if ((mask & ATTRIBUTE_MODIFY_TIME) != 0)
        inode->modify_time_ns = attributes_time_ns(attributes->modify_time);
    if ((mask & ATTRIBUTE_ACCESS_NOW) != 0)
        inode->access_time_ns = apply->wall_ns;
    if ((mask & ATTRIBUTE_MODIFY_NOW) != 0)
        inode->modify_time_ns = apply->wall_ns;
    if ((mask & ATTRIBUTE_CREATE_TIME) != 0)
        inode->create_time_ns = attributes_time_ns(attributes->create_time);
}

/* Whether the identity may give the inode the owner and group of the attributes, where it is the owner. */
static bool attributes_may_give(const struct identity *identity, const Qnfs__Attributes *attributes,
                                const struct inode *inode)
{
    if (identity->uid == 0)
        return true;
    if ((attributes->mask & ATTRIBUTE_OWNER) != 0 && attributes->owner != inode->owner)
        return false;
    return (attributes->mask & ATTRIBUTE_GROUP) == 0 || attributes->group == inode->group ||
           access_in_group(identity, attributes->group);
}

static void attributes_set_owner(const Qnfs__Attributes *attributes, struct inode *inode)
{
    if ((attributes->mask & ATTRIBUTE_OWNER) != 0)
        inode->owner = attributes->owner;
    if ((attributes->mask & ATTRIBUTE_GROUP) != 0)
        inode->group = attributes->group;
}

/* Nobody gets a set-gid file of a group that he is not in. */
static void attributes_guard_set_gid(const struct identity *identity, struct inode *inode)
{
    if (identity->uid != 0 && !access_in_group(identity, inode->group))
        inode->mode &= ~MODE_SET_GID;
}

/* Set-gid without group execution marks a file for mandatory locking and stays. */
static void attributes_clear_set_id(struct inode *inode)
{
    inode->mode &= ~MODE_SET_UID;
    if ((inode->mode & MODE_GROUP_EXECUTE) != 0)
        inode->mode &= ~MODE_SET_GID;
}

enum nfsstat4 attributes_make(const struct apply *apply, const Qnfs__Attributes *attributes, struct inode *inode)
{
    if (attributes_mask(attributes) == 0)
        return NFS4_OK;
    enum nfsstat4 status = attributes_check(attributes);
    if (status != NFS4_OK)
        return status;
    if (!attributes_may_give(&apply->identity, attributes, inode))
        return NFS4ERR_PERM;
    bool inherits = inode->type == NF4DIR && (inode->mode & MODE_SET_GID) != 0;
    attributes_set_owner(attributes, inode);
    inode->mode = attributes_mode(attributes, inode->mode);
    if (inherits)
        inode->mode |= MODE_SET_GID;
    else
        attributes_guard_set_gid(&apply->identity, inode);
    attributes_set_times(apply, attributes, inode);
    return NFS4_OK;
}

static enum nfsstat4 attributes_may_change(const struct apply *apply, const Qnfs__Attributes *attributes,
                                           const struct inode *inode)
{
    const uint32_t now = ATTRIBUTE_ACCESS_NOW | ATTRIBUTE_MODIFY_NOW;
    const uint32_t anyone = now | ATTRIBUTE_SIZE;
    uint32_t mask = attributes->mask;
    if (access_owns(inode, &apply->identity))
        return attributes_may_give(&apply->identity, attributes, inode) ? NFS4_OK : NFS4ERR_PERM;
    if ((mask & ~anyone) != 0)
        return NFS4ERR_PERM;
    if ((mask & now) != 0 && (access_mode_bits(inode, &apply->identity) & ACCESS_WRITE) == 0)
        return NFS4ERR_ACCESS;
    return NFS4_OK;
}

enum nfsstat4 attributes_change(const struct apply *apply, const Qnfs__Attributes *attributes, struct inode *inode)
{
    const uint32_t ownership = ATTRIBUTE_OWNER | ATTRIBUTE_GROUP;
    if (attributes_mask(attributes) == 0)
        return NFS4_OK;
    enum nfsstat4 status = attributes_check(attributes);
    if (status == NFS4_OK)
        status = attributes_may_change(apply, attributes, inode);
    if (status != NFS4_OK)
        return status;
    uint32_t mask = attributes->mask;
    attributes_set_owner(attributes, inode);
    if ((mask & (ATTRIBUTE_MODE | ATTRIBUTE_MODE_MASKED)) != 0) {
        inode->mode = attributes_mode(attributes, inode->mode);
        attributes_guard_set_gid(&apply->identity, inode);
    }
    if ((mask & ownership) != 0 && inode->type != NF4DIR)
        attributes_clear_set_id(inode);
    attributes_set_times(apply, attributes, inode);
    return NFS4_OK;
}

void attributes_strip_set_id(const struct apply *apply, struct inode *inode)
{
    CHECK(inode->type == NF4REG);
    if (apply->identity.uid != 0)
        attributes_clear_set_id(inode);
}
