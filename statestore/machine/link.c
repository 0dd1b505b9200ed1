#include "base/limits.h"
#include "statestore/machine/name.h"
#include "statestore/machine/space.h"

static enum nfsstat4 link_check(struct apply *apply, const Qnfs__Link *command, struct inode *file,
                                struct inode *directory)
{
    const struct file_id file_id = apply_file(command->file);
    const struct file_id directory_id = apply_file(command->directory);
    enum nfsstat4 status = name_enter(apply, directory_id, directory);
    if (status != NFS4_OK)
        return status;
    if (file_id.volume.value != directory_id.volume.value)
        return NFS4ERR_XDEV;
    if (!inode_find(apply->read, file_id, apply->arena, file))
        return NFS4ERR_STALE;
    if (file->type == NF4DIR)
        return NFS4ERR_ISDIR;
    struct dirent existing;
    bool exists;
    status = name_lookup(apply, directory, slice_make(command->name.data, command->name.len), &existing, &exists);
    if (status != NFS4_OK)
        return status;
    if (exists)
        return NFS4ERR_EXIST;
    status = name_may_change(apply, directory);
    if (status != NFS4_OK)
        return status;
    if (file->link_count == 0) /* an orphan does not come back: its last name is gone */
        return NFS4ERR_NOENT;
    if (file->link_count >= NFS4_LINKS_MAX)
        return NFS4ERR_MLINK;
    return space_low(apply->read, apply->arena) ? NFS4ERR_NOSPC : NFS4_OK;
}

void link_apply(struct apply *apply, const Qnfs__Link *command)
{
    struct inode file;
    struct inode directory;
    enum nfsstat4 status = link_check(apply, command, &file, &directory);
    apply_answer(apply, status);
    if (status != NFS4_OK)
        return;
    const uint64_t before = directory.change;
    file.link_count++;
    file.change = apply_change(apply);
    file.metadata_time_ns = apply->wall_ns;
    inode_put(apply->transaction, &file, apply->arena);
    name_add(apply, &directory, slice_make(command->name.data, command->name.len), &file);
    apply->result->body_case = QNFS__RESULT__BODY_CHANGE;
    apply->result->change = apply_change_result(apply, before, directory.change);
}
