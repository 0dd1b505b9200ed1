#include "statestore/machine/create.h"

#include "base/limits.h"
#include "statestore/machine/attributes.h"
#include "statestore/machine/name.h"
#include "statestore/machine/space.h"

#define MODE_SET_GID 02000u
/* As a symlink's mode shows on a local file system. */
#define MODE_SYMLINK 0777u

struct inode create_inode(struct file_id id, enum nfs_ftype4 type, uint64_t change, int64_t wall_ns)
{
    struct inode inode = {.id = id,
                          .type = type,
                          .link_count = 1,
                          .change = change,
                          .access_time_ns = wall_ns,
                          .modify_time_ns = wall_ns,
                          .metadata_time_ns = wall_ns,
                          .create_time_ns = wall_ns};
    if (type == NF4DIR) {
        inode.link_count = 2;
        inode.cookie_next = DIRENT_COOKIE_FIRST;
        inode.size_bytes = CREATE_DIRECTORY_SIZE_BYTES;
    }
    return inode;
}

/* The new file below the directory, with its attributes; nothing is written yet. */
static enum nfsstat4 create_prepare(struct apply *apply, const struct inode *directory, enum nfs_ftype4 type,
                                    const Qnfs__Attributes *attributes, struct inode *made)
{
    const struct file_id id = {directory->id.volume, {apply->number}, CREATE_GENERATION};
    *made = create_inode(id, type, apply_change(apply), apply->wall_ns);
    made->owner = apply->identity.uid;
    made->group = (directory->mode & MODE_SET_GID) != 0 ? directory->group : apply->identity.gid;
    if (type == NF4DIR) {
        made->parent = directory->id.inode;
        made->mode = directory->mode & MODE_SET_GID;
    }
    enum nfsstat4 status = attributes_make(apply, attributes, made);
    if (type == NF4LNK)
        made->mode = MODE_SYMLINK;
    return status;
}

static enum nfsstat4 create_check_name(struct apply *apply, const struct inode *directory, struct slice name)
{
    struct dirent existing;
    bool exists;
    enum nfsstat4 status = name_lookup(apply, directory, name, &existing, &exists);
    if (status != NFS4_OK)
        return status;
    if (exists)
        return NFS4ERR_EXIST;
    status = name_may_change(apply, directory);
    if (status != NFS4_OK)
        return status;
    return space_low(apply->read, apply->arena) ? NFS4ERR_NOSPC : NFS4_OK;
}

/* What only CREATE's types ask for: device numbers, a link's text. */
static enum nfsstat4 create_check_type(struct apply *apply, const Qnfs__Create *command)
{
    switch ((enum nfs_ftype4)command->type) {
    case NF4DIR:
    case NF4SOCK:
    case NF4FIFO: return NFS4_OK;
    case NF4BLK:
    case NF4CHR: return apply->identity.uid == 0 ? NFS4_OK : NFS4ERR_PERM;
    case NF4LNK:
        if (command->link_text.len == 0 || memchr(command->link_text.data, 0, command->link_text.len) != NULL)
            return NFS4ERR_INVAL;
        return command->link_text.len > NFS4_LINKTEXT_MAX_BYTES ? NFS4ERR_NAMETOOLONG : NFS4_OK;
    case NF4REG: /* RFC 8881 section 18.4: made by OPEN */
    case NF4ATTRDIR:
    case NF4NAMEDATTR:
    default: return NFS4ERR_BADTYPE;
    }
}

static enum nfsstat4 create_make(struct apply *apply, const Qnfs__Create *command, struct inode *directory,
                                 uint64_t *before, struct inode *made)
{
    const struct slice name = slice_make(command->name.data, command->name.len);
    enum nfsstat4 status = name_enter(apply, apply_file(command->directory), directory);
    if (status == NFS4_OK && directory->type != NF4DIR)
        status = NFS4ERR_NOTDIR;
    if (status == NFS4_OK)
        status = create_check_type(apply, command);
    if (status == NFS4_OK)
        status = create_check_name(apply, directory, name);
    if (status == NFS4_OK && (attributes_mask(command->attributes) & ATTRIBUTE_SIZE) != 0)
        status = NFS4ERR_INVAL;
    if (status == NFS4_OK)
        status = create_prepare(apply, directory, (enum nfs_ftype4)command->type, command->attributes, made);
    if (status != NFS4_OK)
        return status;
    if (made->type == NF4BLK || made->type == NF4CHR) {
        made->device_major = command->device_major;
        made->device_minor = command->device_minor;
    }
    if (made->type == NF4LNK) {
        made->link_text = slice_make(command->link_text.data, command->link_text.len);
        made->size_bytes = command->link_text.len;
    }
    *before = directory->change;
    inode_put(apply->transaction, made, apply->arena);
    name_add(apply, directory, name, made);
    return NFS4_OK;
}

void create_apply(struct apply *apply, const Qnfs__Create *command)
{
    const uint32_t modes = ATTRIBUTE_MODE | ATTRIBUTE_MODE_MASKED;
    struct inode directory;
    struct inode made;
    uint64_t before;
    enum nfsstat4 status = create_make(apply, command, &directory, &before, &made);
    apply_answer(apply, status);
    if (status != NFS4_OK)
        return;
    Qnfs__CreateResult *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__create_result__init(result);
    result->change = apply_change_result(apply, before, directory.change);
    result->file = apply_file_result(apply, made.id);
    result->attributes_set = attributes_mask(command->attributes) & ~(made.type == NF4LNK ? modes : 0);
    apply->result->body_case = QNFS__RESULT__BODY_CREATE;
    apply->result->create = result;
}

enum nfsstat4 file_create(struct apply *apply, struct inode *directory, struct slice name,
                          const Qnfs__Attributes *attributes, const uint8_t *verifier, struct inode *made,
                          uint64_t *before, uint64_t *after, uint32_t *set_mask)
{
    enum nfsstat4 status = create_check_name(apply, directory, name);
    if (status == NFS4_OK)
        status = create_prepare(apply, directory, NF4REG, attributes, made);
    if (status != NFS4_OK)
        return status;
    if ((attributes_mask(attributes) & ATTRIBUTE_SIZE) != 0) {
        if (attributes->size > NFS4_FILE_SIZE_MAX_BYTES)
            return NFS4ERR_FBIG;
        made->size_bytes = attributes->size;
    }
    if (verifier != NULL) {
        made->verifier_set = true;
        memcpy(made->verifier, verifier, sizeof(made->verifier));
    }
    *before = directory->change;
    *set_mask = attributes_mask(attributes);
    inode_put(apply->transaction, made, apply->arena);
    name_add(apply, directory, name, made);
    *after = directory->change;
    return NFS4_OK;
}
