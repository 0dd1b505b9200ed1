/* READ (RFC 8881 section 18.22). Bytes that the state holds are copied into the reply, holes are zero, and what lies in
 * blocks is read straight into its place by the shell. */
#include "base/limits.h"
#include "server/nfs4/command.h"
#include "server/nfs4/handlers.h"
#include "server/nfs4/operation.h"
#include "server/nfs4/state.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/extent.h"
#include "statestore/machine/state.h"

/* A block that is gone was replaced while it was read: the extents are looked up again, this often. */
#define READ_ATTEMPTS_MAX 8u

/* POSIX judges reading by the open alone; without one, the mode does. Who may execute a file may also read it, since
 * that is how a client executes it (RFC 8881 section 18.1.4). */
static enum nfsstat4 read_allowed(struct compound *compound, const struct subject *subject, struct stateid stateid)
{
    enum nfsstat4 status = subject_regular(subject);
    if (status != NFS4_OK)
        return status;
    status = open_judge_io(compound_view(compound), subject->id, stateid, compound->client, false,
                           compound->server->config.server_epoch, compound_arena(compound));
    if (status != NFS4_OK || (!stateid_is_anonymous(stateid) && !stateid_is_bypass(stateid)))
        return status;
    bool allowed = subject_allows(subject, ACCESS_READ) || subject_allows(subject, ACCESS_EXECUTE) ||
                   access_owns(&subject->inode, &subject->identity);
    return allowed ? NFS4_OK : NFS4ERR_ACCESS;
}

/* How many bytes, and whether they reach the end. */
static size_t read_extent(const struct READ4args *args, uint64_t file_bytes, bool *eof)
{
    uint64_t left = args->offset < file_bytes ? file_bytes - args->offset : 0;
    uint64_t size = args->count < NFS4_IO_MAX_BYTES ? args->count : NFS4_IO_MAX_BYTES;
    if (size > left)
        size = left;
    *eof = args->offset >= file_bytes || args->offset + size == file_bytes;
    return (size_t)size;
}

/* Fills the place from the extents; what is in blocks is asked for in *reads. */
static size_t read_fill(struct compound *compound, const struct inode *inode, struct span place,
                        struct nfs4_block_read **reads)
{
    uint64_t start = compound->args.opread.offset;
    uint64_t end = start + place.size_bytes;
    size_t count = 0;
    size_t room = 0;
    struct extent_walk walk;
    struct extent extent;
    uint64_t filled = start;
    for (extent_walk_open(compound_view(compound), inode, start, place.size_bytes, compound_arena(compound), &walk);
         extent_walk_get(&walk, &extent); extent_walk_next(&walk)) {
        uint64_t from = extent.offset > start ? extent.offset : start;
        uint64_t to = extent.offset + extent.length_bytes < end ? extent.offset + extent.length_bytes : end;
        if (to <= from)
            continue;
        uint8_t *target = place.data + (from - start);
        memset(place.data + (filled - start), 0, (size_t)(from - filled));
        filled = to;
        if (extent.is_inline) {
            memcpy(target, extent.bytes.data + (from - extent.offset), (size_t)(to - from));
            continue;
        }
        if (count == room) {
            size_t larger = room == 0 ? 8 : room * 2;
            struct nfs4_block_read *grown =
                arena_alloc(compound_arena(compound), larger * sizeof(struct nfs4_block_read));
            if (count > 0)
                memcpy(grown, *reads, count * sizeof(*grown));
            *reads = grown;
            room = larger;
        }
        (*reads)[count++] = (struct nfs4_block_read){
            .block = extent.block,
            .block_offset = extent.block_offset + (from - extent.offset),
            .size_bytes = (uint32_t)(to - from),
            .target = target,
        };
    }
    extent_walk_close(&walk);
    memset(place.data + (filled - start), 0, (size_t)(end - filled));
    return count;
}

/* Everything before the data: number, status, eof, and the place for the data itself. */
static bool read_open_result(struct compound *compound, size_t size_bytes)
{
    struct compound_read *read = &compound->read;
    uint32_t number = OP_READ;
    uint32_t status = NFS4_OK;
    compound_room(compound, 4 + READ4_FRAME_BYTES + xdr_padded(size_bytes));
    read->start = xdr_position(&compound->reply);
    read->size_bytes = size_bytes;
    return xdr_uint32(&compound->reply, &number) && xdr_uint32(&compound->reply, &status) &&
           xdr_bool(&compound->reply, &read->eof) && xdr_reserve_opaque(&compound->reply, size_bytes, &read->place);
}

enum step read_step(struct compound *compound)
{
    const struct READ4args *args = &compound->args.opread;
    struct subject *subject;
    struct stateid stateid;
    enum nfsstat4 too_big;
    enum nfsstat4 status = compound_subject(compound, &subject);
    if (status == NFS4_OK)
        status = compound_stateid(compound, &args->stateid, &stateid);
    if (status == NFS4_OK)
        status = read_allowed(compound, subject, stateid);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    size_t size_bytes = read_extent(args, subject->inode.size_bytes, &compound->read.eof);
    if (compound_limit(compound, &too_big) < 4 + READ4_FRAME_BYTES + xdr_padded(size_bytes))
        return compound_answer(compound, too_big);
    if (!read_open_result(compound, size_bytes))
        return compound_answer(compound, NFS4ERR_SERVERFAULT);
    struct nfs4_block_read *reads = NULL;
    size_t count = size_bytes == 0 ? 0 : read_fill(compound, &subject->inode, compound->read.place, &reads);
    if (count == 0) {
        xdr_commit_opaque(&compound->reply, compound->read.place, size_bytes);
        return STEP_ENCODED;
    }
    task_table_add(&compound->server->tasks, &compound->task);
    struct nfs4_action *action = outbox_add(compound->outbox, NFS4_READ_BLOCKS, compound->connection);
    action->place = compound->task.place;
    action->reads = reads;
    action->read_count = count;
    return STEP_READ_BLOCKS;
}

enum step read_blocks_done(struct compound *compound, bool ok)
{
    struct compound_read *read = &compound->read;
    if (ok) {
        xdr_commit_opaque(&compound->reply, read->place, read->size_bytes);
        read->attempts = 0;
        return STEP_ENCODED;
    }
    xdr_rewind(&compound->reply, read->start);
    if (++read->attempts == READ_ATTEMPTS_MAX)
        return compound_answer(compound, NFS4ERR_IO);
    return read_step(compound);
}
