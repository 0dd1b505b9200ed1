#include "base/limits.h"
#include "statestore/machine/name.h"

/* One end of a RENAME. */
struct rename_side {
    struct inode *directory; /* both sides share one inode when the directory is the same */
    struct slice name;
    struct dirent entry;
    struct inode inode; /* what the entry names; only if exists */
    bool exists;
    uint64_t change_before;
};

struct rename {
    struct inode directories[2];
    struct rename_side source;
    struct rename_side target;
    bool is_done; /* both names are the same file already */
};

static enum nfsstat4 rename_find_directories(struct apply *apply, const Qnfs__Rename *command, struct rename *rename)
{
    const struct file_id source = apply_file(command->source_directory);
    const struct file_id target = apply_file(command->target_directory);
    enum nfsstat4 status = name_enter(apply, source, &rename->directories[0]);
    if (status != NFS4_OK)
        return status;
    if (source.volume.value != target.volume.value)
        return NFS4ERR_XDEV;
    rename->source.directory = &rename->directories[0];
    rename->target.directory = &rename->directories[0];
    if (!file_id_equal(source, target)) {
        if (!inode_find(apply->read, target, apply->arena, &rename->directories[1]))
            return NFS4ERR_STALE;
        rename->target.directory = &rename->directories[1];
    }
    rename->source.change_before = rename->source.directory->change;
    rename->target.change_before = rename->target.directory->change;
    return NFS4_OK;
}

static enum nfsstat4 rename_find_entry(struct apply *apply, struct rename_side *side)
{
    enum nfsstat4 status = name_lookup(apply, side->directory, side->name, &side->entry, &side->exists);
    if (status == NFS4_OK && side->exists)
        status = name_inode(apply, side->directory, side->entry.inode, &side->inode);
    return status;
}

/* Whether the target directory lies in, or is, the directory that moves. */
static enum nfsstat4 rename_check_subtree(struct apply *apply, const struct rename *rename)
{
    const struct inode_id moved = rename->source.inode.id.inode;
    struct inode above = *rename->target.directory;
    for (uint32_t depth = 0; depth < DIRECTORY_DEPTH_MAX; depth++) {
        if (above.id.inode.value == moved.value)
            return NFS4ERR_INVAL;
        if (above.id.inode.value == INODE_ROOT.value)
            return NFS4_OK;
        enum nfsstat4 status = name_inode(apply, &above, above.parent, &above);
        if (status != NFS4_OK)
            return status;
    }
    return NFS4ERR_NAMETOOLONG;
}

static enum nfsstat4 rename_check_source(struct apply *apply, const struct rename *rename)
{
    const struct inode *inode = &rename->source.inode;
    enum nfsstat4 status = name_may_change(apply, rename->source.directory);
    if (status == NFS4_OK)
        status = name_may_change(apply, rename->target.directory);
    if (status != NFS4_OK)
        return status;
    if (access_sticky_forbids(rename->source.directory, inode, &apply->identity))
        return NFS4ERR_ACCESS;
    if (inode->type != NF4DIR)
        return NFS4_OK;
    /* A directory that gets another parent is changed itself ("..", in the words of POSIX). */
    if (rename->source.directory != rename->target.directory &&
        (access_mode_bits(inode, &apply->identity) & ACCESS_WRITE) == 0)
        return NFS4ERR_ACCESS;
    return rename_check_subtree(apply, rename);
}

/* RFC 8881 section 18.26.3: "If the target directory already contains an entry with the name newname, the source object
 * MUST be compatible with the target: either both are non-directories or both are directories and the target MUST be
 * empty." */
static enum nfsstat4 rename_check_target(struct apply *apply, const struct rename *rename)
{
    const struct inode *inode = &rename->target.inode;
    if (!rename->target.exists)
        return NFS4_OK;
    if (access_sticky_forbids(rename->target.directory, inode, &apply->identity))
        return NFS4ERR_ACCESS;
    if ((inode->type == NF4DIR) != (rename->source.inode.type == NF4DIR))
        return NFS4ERR_EXIST;
    return inode->type == NF4DIR && inode->entry_count > 0 ? NFS4ERR_NOTEMPTY : NFS4_OK;
}

static enum nfsstat4 rename_check(struct apply *apply, const Qnfs__Rename *command, struct rename *rename)
{
    enum nfsstat4 status = rename_find_directories(apply, command, rename);
    rename->source.name = slice_make(command->source_name.data, command->source_name.len);
    rename->target.name = slice_make(command->target_name.data, command->target_name.len);
    if (status == NFS4_OK)
        status = rename_find_entry(apply, &rename->source);
    if (status == NFS4_OK)
        status = rename_find_entry(apply, &rename->target);
    if (status != NFS4_OK)
        return status;
    if (!rename->source.exists)
        return NFS4ERR_NOENT;
    rename->is_done = rename->target.exists && rename->source.entry.inode.value == rename->target.entry.inode.value;
    if (rename->is_done)
        return NFS4_OK;
    status = rename_check_source(apply, rename);
    return status == NFS4_OK ? rename_check_target(apply, rename) : status;
}

static void rename_move(struct apply *apply, struct rename *rename)
{
    struct inode *moved = &rename->source.inode;
    struct inode *replaced = &rename->target.inode;
    name_remove(apply, rename->source.directory, &rename->source.entry);
    if (rename->target.exists) {
        name_remove(apply, rename->target.directory, &rename->target.entry);
        if (replaced->type == NF4DIR)
            inode_delete(apply->transaction, replaced->id.volume, replaced->id.inode, apply->arena);
        else
            name_unlink(apply, replaced);
    }
    name_add(apply, rename->target.directory, rename->target.name, moved);
    if (moved->type == NF4DIR)
        moved->parent = rename->target.directory->id.inode;
    moved->change = apply_change(apply);
    moved->metadata_time_ns = apply->wall_ns;
    inode_put(apply->transaction, moved, apply->arena);
}

void rename_apply(struct apply *apply, const Qnfs__Rename *command)
{
    struct rename *rename = ARENA_NEW(apply->arena, struct rename);
    enum nfsstat4 status = rename_check(apply, command, rename);
    apply_answer(apply, status);
    if (status != NFS4_OK)
        return;
    if (!rename->is_done)
        rename_move(apply, rename);
    Qnfs__RenameResult *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__rename_result__init(result);
    result->source = apply_change_result(apply, rename->source.change_before, rename->source.directory->change);
    result->target = apply_change_result(apply, rename->target.change_before, rename->target.directory->change);
    apply->result->body_case = QNFS__RESULT__BODY_RENAME;
    apply->result->rename = result;
}
