#include "statestore/machine/name.h"

#include "base/check.h"
#include "base/limits.h"

/* Length of the UTF-8 sequence at the start of the bytes; 0 if it is none (RFC 3629: no overlong forms, no surrogates,
 * nothing above U+10FFFF). */
static size_t name_utf8_length(struct slice bytes)
{
    const uint8_t *at = bytes.data;
    uint8_t first = at[0];
    if (first < 0x80)
        return 1;
    size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                    : (first & 0xf0) == 0xe0         ? 3
                    : first >= 0xf0 && first <= 0xf4 ? 4
                                                     : 0;
    if (length == 0 || length > bytes.size_bytes)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    bool bad = (first == 0xe0 && at[1] < 0xa0) || (first == 0xed && at[1] > 0x9f) || (first == 0xf0 && at[1] < 0x90) ||
               (first == 0xf4 && at[1] > 0x8f);
    return bad ? 0 : length;
}

enum nfsstat4 name_check(struct slice name)
{
    if (name.size_bytes == 0)
        return NFS4ERR_INVAL;
    if (name.size_bytes > NFS4_NAME_MAX_BYTES)
        return NFS4ERR_NAMETOOLONG;
    if (slice_equal(name, slice_text(".")) || slice_equal(name, slice_text("..")))
        return NFS4ERR_BADNAME;
    for (size_t i = 0; i < name.size_bytes;) {
        if (name.data[i] == '/' || name.data[i] == 0)
            return NFS4ERR_BADCHAR;
        size_t length = name_utf8_length(slice_from(name, i));
        if (length == 0)
            return NFS4ERR_INVAL;
        i += length;
    }
    return NFS4_OK;
}

enum nfsstat4 name_enter(struct apply *apply, struct file_id id, struct inode *inode)
{
    enum nfsstat4 status = apply_enter_volume(apply, id.volume);
    if (status != NFS4_OK)
        return status;
    return inode_find(apply->read, id, apply->arena, inode) ? NFS4_OK : NFS4ERR_STALE;
}

enum nfsstat4 name_lookup(struct apply *apply, const struct inode *directory, struct slice name, struct dirent *dirent,
                          bool *exists)
{
    if (directory->type != NF4DIR)
        return NFS4ERR_NOTDIR;
    enum nfsstat4 status = name_check(name);
    if (status != NFS4_OK)
        return status;
    if ((access_mode_bits(directory, &apply->identity) & ACCESS_EXECUTE) == 0)
        return NFS4ERR_ACCESS;
    *exists = dirent_get(apply->read, directory->id.volume, directory->id.inode, name, apply->arena, dirent);
    return NFS4_OK;
}

enum nfsstat4 name_inode(struct apply *apply, const struct inode *directory, struct inode_id id, struct inode *inode)
{
    bool found = inode_get(apply->read, directory->id.volume, id, apply->arena, inode);
    CHECK(found || apply->read->failed);
    return found ? NFS4_OK : NFS4ERR_SERVERFAULT;
}

enum nfsstat4 name_may_change(struct apply *apply, const struct inode *directory)
{
    const uint32_t wanted = ACCESS_WRITE | ACCESS_EXECUTE;
    return (access_mode_bits(directory, &apply->identity) & wanted) == wanted ? NFS4_OK : NFS4ERR_ACCESS;
}

static void name_touch(struct apply *apply, struct inode *directory)
{
    directory->change = apply_change(apply);
    directory->modify_time_ns = apply->wall_ns;
    directory->metadata_time_ns = apply->wall_ns;
    inode_put(apply->transaction, directory, apply->arena);
}

void name_add(struct apply *apply, struct inode *directory, struct slice name, const struct inode *inode)
{
    CHECK(directory->type == NF4DIR && directory->id.volume.value == inode->id.volume.value);
    const struct dirent dirent = {
        .name = name, .cookie = directory->cookie_next, .inode = inode->id.inode, .type = inode->type};
    directory->cookie_next++;
    directory->entry_count++;
    if (inode->type == NF4DIR)
        directory->link_count++;
    dirent_put(apply->transaction, directory->id.volume, directory->id.inode, &dirent, apply->arena);
    name_touch(apply, directory);
}

void name_remove(struct apply *apply, struct inode *directory, const struct dirent *dirent)
{
    CHECK(directory->type == NF4DIR && directory->entry_count > 0);
    directory->entry_count--;
    if (dirent->type == NF4DIR) {
        CHECK(directory->link_count > 2);
        directory->link_count--;
    }
    dirent_delete(apply->transaction, directory->id.volume, directory->id.inode, dirent, apply->arena);
    name_touch(apply, directory);
}

void name_unlink(struct apply *apply, struct inode *inode)
{
    CHECK(inode->type != NF4DIR && inode->link_count > 0);
    inode->link_count--;
    inode->change = apply_change(apply);
    inode->metadata_time_ns = apply->wall_ns;
    bool is_kept = inode->link_count > 0 || (inode->type == NF4REG && open_any(apply->read, inode->id, apply->arena));
    if (is_kept)
        inode_put(apply->transaction, inode, apply->arena);
    else
        file_release(apply, inode);
}
