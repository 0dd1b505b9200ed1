#include "statestore/machine/name.h"

static enum nfsstat4 remove_entry(struct apply *apply, const Qnfs__Remove *command, struct inode *directory,
                                  uint64_t *before)
{
    struct dirent entry;
    struct inode inode;
    bool exists;
    enum nfsstat4 status = name_enter(apply, apply_file(command->directory), directory);
    if (status == NFS4_OK)
        status = name_lookup(apply, directory, slice_make(command->name.data, command->name.len), &entry, &exists);
    if (status != NFS4_OK)
        return status;
    if (!exists)
        return NFS4ERR_NOENT;
    status = name_inode(apply, directory, entry.inode, &inode);
    if (status == NFS4_OK)
        status = name_may_change(apply, directory);
    if (status != NFS4_OK)
        return status;
    if (access_sticky_forbids(directory, &inode, &apply->identity))
        return NFS4ERR_ACCESS;
    if (inode.type == NF4DIR && inode.entry_count > 0)
        return NFS4ERR_NOTEMPTY;

    *before = directory->change;
    name_remove(apply, directory, &entry);
    if (inode.type == NF4DIR)
        inode_delete(apply->transaction, inode.id.volume, inode.id.inode, apply->arena);
    else
        name_unlink(apply, &inode);
    return NFS4_OK;
}

void remove_apply(struct apply *apply, const Qnfs__Remove *command)
{
    struct inode directory;
    uint64_t before;
    enum nfsstat4 status = remove_entry(apply, command, &directory, &before);
    apply_answer(apply, status);
    if (status != NFS4_OK)
        return;
    apply->result->body_case = QNFS__RESULT__BODY_CHANGE;
    apply->result->change = apply_change_result(apply, before, directory.change);
}
