#include "statestore/machine/write.h"

#include "base/check.h"
#include "base/limits.h"
#include "proto/nfs4/open.h"
#include "statestore/machine/attributes.h"
#include "statestore/machine/content.h"
#include "statestore/machine/meta.h"
#include "statestore/machine/name.h"
#include "statestore/machine/open.h"
#include "statestore/machine/space.h"

uint64_t write_verifier(struct kv_read *read, struct arena *arena)
{
    return meta_get(read, META_BYTES_LOST, 1, arena);
}

/* RFC 8881 section 8.2.3: `other` all zeros (anonymous) or all ones (READ bypass). */
static bool write_stateid_is_special(struct stateid stateid)
{
    uint8_t all_ones = 0xff;
    uint8_t all_zeros = 0;
    for (size_t i = 0; i < sizeof(stateid.other); i++) {
        all_ones &= stateid.other[i];
        all_zeros |= stateid.other[i];
    }
    return all_ones == 0xff || all_zeros == 0;
}

/* A courtesy client that denies writing stops nobody, but must not come back to a file that was written against its will. An
 * orphan may go with it. */
static enum nfsstat4 write_revoke(struct apply *apply, struct file_id file)
{
    struct inode inode;
    enum nfsstat4 status = open_judge_share(apply, file, OPEN4_SHARE_ACCESS_WRITE, OPEN4_SHARE_DENY_NONE, NULL);
    if (status != NFS4_OK)
        return status;
    return inode_find(apply->read, file, apply->arena, &inode) ? NFS4_OK : NFS4ERR_STALE;
}

enum nfsstat4 write_judge(struct apply *apply, const struct inode *file, struct stateid stateid,
                          struct client_id client)
{
    enum nfsstat4 status =
        open_judge_io(apply->read, file->id, stateid, client, true, apply->machine->server_epoch, apply->arena);
    if (status != NFS4_OK || !write_stateid_is_special(stateid))
        return status;
    if (!access_owns(file, &apply->identity) && (access_mode_bits(file, &apply->identity) & ACCESS_WRITE) == 0)
        return NFS4ERR_ACCESS;
    return write_revoke(apply, file->id);
}

/* RFC 8881 section 18.32.3 names the error for each type. */
static enum nfsstat4 write_type_status(enum nfs_ftype4 type)
{
    if (type == NF4REG)
        return NFS4_OK;
    if (type == NF4DIR)
        return NFS4ERR_ISDIR;
    return type == NF4LNK ? NFS4ERR_SYMLINK : NFS4ERR_WRONG_TYPE;
}

static enum nfsstat4 write_check(struct apply *apply, const Qnfs__Write *command, struct inode *file)
{
    enum nfsstat4 status = name_enter(apply, apply_file(command->file), file);
    if (status == NFS4_OK)
        status = write_type_status(file->type);
    if (status == NFS4_OK)
        status = write_judge(apply, file, apply_stateid(command->stateid), (struct client_id){command->client});
    if (status != NFS4_OK || apply->content.size_bytes == 0)
        return status;
    if (command->offset > NFS4_FILE_SIZE_MAX_BYTES - apply->content.size_bytes)
        return NFS4ERR_FBIG;
    return space_low(apply->read, apply->arena) ? NFS4ERR_NOSPC : NFS4_OK;
}

void write_apply(struct apply *apply, const Qnfs__Write *command)
{
    struct inode file;
    enum nfsstat4 status = write_check(apply, command, &file);
    apply_answer(apply, status);
    if (status != NFS4_OK)
        return;
    Qnfs__WriteResult *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__write_result__init(result);
    result->verifier = write_verifier(apply->read, apply->arena);
    if (apply->content.size_bytes > 0) {
        result->count = content_write(apply, &file, command->offset, apply->content);
        attributes_strip_set_id(apply, &file);
        file.change = apply_change(apply);
        file.modify_time_ns = apply->wall_ns;
        file.metadata_time_ns = apply->wall_ns;
        inode_put(apply->transaction, &file, apply->arena);
    }
    apply->result->body_case = QNFS__RESULT__BODY_WRITE;
    apply->result->write = result;
}
