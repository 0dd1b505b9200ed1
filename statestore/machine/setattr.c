#include "base/limits.h"
#include "statestore/machine/attributes.h"
#include "statestore/machine/content.h"
#include "statestore/machine/name.h"
#include "statestore/machine/write.h"

static enum nfsstat4 setattr_check_size(struct apply *apply, const Qnfs__Setattr *command, const struct inode *file)
{
    if (file->type == NF4DIR)
        return NFS4ERR_ISDIR;
    if (file->type != NF4REG)
        return NFS4ERR_INVAL;
    if (command->attributes->size > NFS4_FILE_SIZE_MAX_BYTES)
        return NFS4ERR_FBIG;
    return write_judge(apply, file, apply_stateid(command->stateid), (struct client_id){command->client});
}

/* The new size and what it does to the file's times and set-id bits. */
static enum nfsstat4 setattr_resize(struct apply *apply, struct inode *file, uint64_t size_bytes)
{
    enum nfsstat4 status = content_truncate(apply, file, size_bytes);
    if (status != NFS4_OK)
        return status;
    file->modify_time_ns = apply->wall_ns;
    return NFS4_OK;
}

static enum nfsstat4 setattr_change(struct apply *apply, const Qnfs__Setattr *command)
{
    const uint32_t mask = attributes_mask(command->attributes);
    struct inode file;
    enum nfsstat4 status = name_enter(apply, apply_file(command->file), &file);
    if (status != NFS4_OK || mask == 0)
        return status;
    if ((mask & ATTRIBUTE_SIZE) != 0) {
        status = setattr_check_size(apply, command, &file);
        if (status != NFS4_OK)
            return status;
    }
    struct inode changed = file;
    status = attributes_change(apply, command->attributes, &changed);
    if (status == NFS4_OK && (mask & ATTRIBUTE_SIZE) != 0) {
        int64_t modify_time_ns = changed.modify_time_ns;
        attributes_strip_set_id(apply, &changed);
        status = setattr_resize(apply, &changed, command->attributes->size);
        if ((mask & (ATTRIBUTE_MODIFY_TIME | ATTRIBUTE_MODIFY_NOW)) != 0)
            changed.modify_time_ns = modify_time_ns;
    }
    if (status != NFS4_OK)
        return status;
    /* RFC 8881 section 18.16.3 lets the client do the SETATTR after an exclusive create; the verifier has then served. */
    changed.verifier_set = false;
    changed.change = apply_change(apply);
    changed.metadata_time_ns = apply->wall_ns;
    inode_put(apply->transaction, &changed, apply->arena);
    return NFS4_OK;
}

void setattr_apply(struct apply *apply, const Qnfs__Setattr *command)
{
    enum nfsstat4 status = setattr_change(apply, command);
    apply_answer(apply, status);
    Qnfs__AttributesSet *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__attributes_set__init(result);
    result->mask = status == NFS4_OK ? attributes_mask(command->attributes) : 0;
    apply->result->body_case = QNFS__RESULT__BODY_ATTRIBUTES_SET;
    apply->result->attributes_set = result;
}

enum nfsstat4 file_truncate(struct apply *apply, struct inode *file, uint64_t size_bytes)
{
    if ((access_mode_bits(file, &apply->identity) & ACCESS_WRITE) == 0)
        return NFS4ERR_ACCESS;
    if (size_bytes > NFS4_FILE_SIZE_MAX_BYTES)
        return NFS4ERR_FBIG;
    enum nfsstat4 status = setattr_resize(apply, file, size_bytes);
    if (status != NFS4_OK)
        return status;
    attributes_strip_set_id(apply, file);
    file->change = apply_change(apply);
    file->metadata_time_ns = apply->wall_ns;
    inode_put(apply->transaction, file, apply->arena);
    return NFS4_OK;
}
