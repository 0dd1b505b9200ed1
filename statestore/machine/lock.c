#include "statestore/machine/lock.h"

#include "base/check.h"
#include "base/limits.h"
#include "proto/nfs4/lock.h"
#include "proto/nfs4/open.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/client.h"
#include "statestore/machine/inode.h"
#include "statestore/machine/lock_range.h"
#include "statestore/machine/open.h"
#include "statestore/machine/revocation.h"

enum nfsstat4 lock_request_range(const struct lock_request *request, struct lock_range *range)
{
    *range = (struct lock_range){.first = request->offset};
    if (request->type < READ_LT || request->type > WRITEW_LT)
        return NFS4ERR_INVAL;
    range->is_write = request->type == WRITE_LT || request->type == WRITEW_LT;
    /* RFC 8881 section 18.10.3: "if the length is not all ones and the sum of offset and length exceeds the maximum" */
    if (request->length == 0 || (request->length != UINT64_MAX && request->length > UINT64_MAX - request->offset))
        return NFS4ERR_INVAL;
    range->last = request->length == UINT64_MAX ? UINT64_MAX : request->offset + request->length - 1;
    return NFS4_OK;
}

static struct lock_conflict conflict_of(const struct lock_range *range, const struct state *holder)
{
    return (struct lock_conflict){.offset = range->first,
                                  .length = range->last == UINT64_MAX ? UINT64_MAX : range->last - range->first + 1,
                                  .type = range->is_write ? WRITE_LT : READ_LT,
                                  .client = holder->client,
                                  .owner = holder->owner};
}

/* Looks for a live holder in the way of range->other's owner; notes the others. */
static enum nfsstat4 conflict_find(struct kv_read *read, struct file_id file, const struct lock_range *range,
                                   struct arena *arena, struct revocation *revocation, struct lock_conflict *conflict)
{
    enum nfsstat4 status = NFS4_OK;
    struct lock_range held;
    struct lock_walk walk;
    struct arena scratch; /* thousands of ranges may be of clients that stop nobody */
    arena_init(&scratch);
    lock_walk_open_at(read, file, range->first, arena, &walk);
    for (; status == NFS4_OK && lock_walk_get(&walk, &held) && held.first <= range->last; lock_walk_next(&walk)) {
        if (!lock_ranges_overlap(&held, range) || (!held.is_write && !range->is_write) ||
            memcmp(held.other, range->other, sizeof(held.other)) == 0)
            continue;
        struct state holder;
        bool found = state_get(read, held.other, &scratch, &holder);
        CHECK(found || read->failed);
        if (found && !revocation_add(revocation, read, &holder, arena)) {
            *conflict = conflict_of(&held, &holder);
            conflict->owner = arena_copy(arena, holder.owner);
            status = NFS4ERR_DENIED;
        }
        arena_reset(&scratch);
    }
    lock_walk_close(&walk);
    arena_fini(&scratch);
    return status;
}

enum nfsstat4 lock_test(struct kv_read *read, struct file_id file, struct client_id client, struct slice owner,
                        const struct lock_request *request, struct arena *arena, struct lock_conflict *conflict)
{
    struct lock_range range;
    struct state own;
    struct revocation revocation = {0};
    enum nfsstat4 status = lock_request_range(request, &range);
    if (status != NFS4_OK)
        return status;
    if (state_of_owner(read, STATE_LOCK, client, owner, file, arena, &own))
        memcpy(range.other, own.id.other, sizeof(range.other));
    return conflict_find(read, file, &range, arena, &revocation, conflict);
}

static void lock_answer_denied(struct apply *apply, const struct lock_conflict *conflict)
{
    Qnfs__LockDenied *denied = arena_alloc(apply->arena, sizeof(*denied));
    qnfs__lock_denied__init(denied);
    denied->offset = conflict->offset;
    denied->length = conflict->length;
    denied->type = conflict->type;
    denied->client = conflict->client.value;
    denied->owner.data = (uint8_t *)(uintptr_t)conflict->owner.data;
    denied->owner.len = conflict->owner.size_bytes;
    apply->result->body_case = QNFS__RESULT__BODY_DENIED;
    apply->result->denied = denied;
    apply_answer(apply, NFS4ERR_DENIED);
}

/* One LOCK while it is judged. */
struct locking {
    struct client_id client;
    struct client_usage usage;
    struct file_id file;
    struct lock_range range;
    struct state open;
    struct state state; /* of the lock owner on the file */
    bool is_new;        /* the state is made by this command */
};

/* The lock owner is named with an open to lock under. */
static enum nfsstat4 locking_by_open(struct apply *apply, const Qnfs__Lock *command, struct locking *locking)
{
    const struct slice owner = slice_make(command->owner.data, command->owner.len);
    enum nfsstat4 status = state_find_for(apply, apply_stateid(command->open_stateid), locking->client, locking->file,
                                          STATE_OPEN, &locking->open);
    if (status != NFS4_OK ||
        state_of_owner(apply->read, STATE_LOCK, locking->client, owner, locking->file, apply->arena, &locking->state))
        return status;
    if (locking->usage.state_count >= NFS4_OPENS_PER_CLIENT_MAX)
        return NFS4ERR_DELAY;
    locking->is_new = true;
    locking->state = (struct state){.id = state_make_id(apply),
                                    .kind = STATE_LOCK,
                                    .client = locking->client,
                                    .file = locking->file,
                                    .owner = owner};
    memcpy(locking->state.open_other, locking->open.id.other, sizeof(locking->state.open_other));
    return NFS4_OK;
}

static enum nfsstat4 locking_by_locks(struct apply *apply, const Qnfs__Lock *command, struct locking *locking)
{
    enum nfsstat4 status = state_find_for(apply, apply_stateid(command->lock_stateid), locking->client, locking->file,
                                          STATE_LOCK, &locking->state);
    if (status != NFS4_OK)
        return status;
    bool found = state_get(apply->read, locking->state.open_other, apply->arena, &locking->open);
    CHECK(found || apply->read->failed);
    return NFS4_OK;
}

/* Whether the numbers of ranges allow what the edit adds. */
static bool lock_edit_allowed(struct apply *apply, struct client_id client, struct file_id file,
                              const struct lock_edit *edit)
{
    struct client_usage usage;
    struct open_share share;
    if (edit->added_count <= edit->removed_count)
        return true;
    uint64_t more = edit->added_count - edit->removed_count;
    client_usage_get(apply->read, client, apply->arena, &usage);
    open_share_get(apply->read, file, apply->arena, &share);
    return usage.range_count + more <= NFS4_LOCKS_PER_CLIENT_MAX &&
           share.range_count + more <= NFS4_LOCK_RANGES_PER_COMMAND_MAX;
}

static enum nfsstat4 locking_judge(struct apply *apply, const Qnfs__Lock *command, struct locking *locking)
{
    const struct lock_request request = {command->type, command->offset, command->length};
    struct inode inode;
    enum nfsstat4 status = lock_request_range(&request, &locking->range);
    if (status == NFS4_OK && !inode_find(apply->read, locking->file, apply->arena, &inode))
        status = NFS4ERR_STALE;
    if (status == NFS4_OK && inode.type != NF4REG)
        status = inode.type == NF4DIR ? NFS4ERR_ISDIR : inode.type == NF4LNK ? NFS4ERR_SYMLINK : NFS4ERR_WRONG_TYPE;
    if (status == NFS4_OK && command->reclaim) /* there is no grace period to reclaim in */
        status = NFS4ERR_NO_GRACE;
    client_usage_get(apply->read, locking->client, apply->arena, &locking->usage);
    if (status == NFS4_OK)
        status = client_judge_reclaiming(apply, &locking->usage);
    if (status == NFS4_OK)
        status =
            command->new_owner ? locking_by_open(apply, command, locking) : locking_by_locks(apply, command, locking);
    if (status != NFS4_OK)
        return status;
    uint32_t needed = locking->range.is_write ? OPEN4_SHARE_ACCESS_WRITE : OPEN4_SHARE_ACCESS_READ;
    if ((locking->open.access & needed) == 0)
        return NFS4ERR_OPENMODE;
    memcpy(locking->range.other, locking->state.id.other, sizeof(locking->range.other));
    return NFS4_OK;
}

/* The lock owner's rows change; its stateid moves on. */
static void lock_answer_state(struct apply *apply, const struct state *state)
{
    Qnfs__StateidResult *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__stateid_result__init(result);
    result->stateid = apply_stateid_result(apply, state->id);
    apply->result->body_case = QNFS__RESULT__BODY_STATEID;
    apply->result->stateid = result;
    apply_answer(apply, NFS4_OK);
}

void lock_apply(struct apply *apply, const Qnfs__Lock *command)
{
    struct locking locking = {.client = apply_client(apply, command->client), .file = apply_file(command->file)};
    struct revocation revocation = {0};
    struct lock_conflict conflict;
    enum nfsstat4 status = locking_judge(apply, command, &locking);
    if (status == NFS4_OK)
        status = conflict_find(apply->read, locking.file, &locking.range, apply->arena, &revocation, &conflict);
    if (status == NFS4ERR_DENIED) {
        lock_answer_denied(apply, &conflict);
        return;
    }
    if (status == NFS4_OK)
        status = revocation_execute(&revocation, apply);
    if (status != NFS4_OK) {
        apply_answer(apply, status);
        return;
    }
    struct lock_edit edit = lock_edit_plan(apply->read, locking.file, &locking.range, false, apply->arena);
    if (!lock_edit_allowed(apply, locking.client, locking.file, &edit)) {
        apply_answer(apply, NFS4ERR_DELAY);
        return;
    }
    if (locking.is_new)
        state_make(apply, &locking.state);
    else
        state_advance(&locking.state);
    lock_edit_execute(apply, locking.file, &edit, &locking.state);
    state_put(apply, &locking.state);
    lock_answer_state(apply, &locking.state);
}

void locku_apply(struct apply *apply, const Qnfs__Locku *command)
{
    const struct file_id file = apply_file(command->file);
    const struct client_id client = apply_client(apply, command->client);
    const struct lock_request request = {command->type, command->offset, command->length};
    struct lock_range range;
    struct state state;
    enum nfsstat4 status = lock_request_range(&request, &range);
    if (status == NFS4_OK)
        status = state_find_for(apply, apply_stateid(command->stateid), client, file, STATE_LOCK, &state);
    if (status != NFS4_OK) {
        apply_answer(apply, status);
        return;
    }
    memcpy(range.other, state.id.other, sizeof(range.other));
    struct lock_edit edit = lock_edit_plan(apply->read, file, &range, true, apply->arena);
    if (!lock_edit_allowed(apply, client, file, &edit)) {
        apply_answer(apply, NFS4ERR_DELAY);
        return;
    }
    lock_edit_execute(apply, file, &edit, &state);
    state_advance(&state);
    state_put(apply, &state);
    lock_answer_state(apply, &state);
}
