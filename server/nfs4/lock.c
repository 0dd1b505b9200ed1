/* LOCK, LOCKT and LOCKU (RFC 8881 sections 18.10 to 18.12). */
#include "statestore/machine/lock.h"

#include "server/nfs4/command.h"
#include "server/nfs4/handlers.h"
#include "server/nfs4/open.h"
#include "server/nfs4/state.h"

/* Only a regular file can be locked; the machine would say ROFS for a directory of the pseudo file system. */
static enum nfsstat4 lock_subject(struct compound *compound)
{
    struct subject *subject;
    enum nfsstat4 status = compound_subject(compound, &subject);
    return status == NFS4_OK ? subject_regular(subject) : status;
}

static enum nfsstat4 lock_locker(struct compound *compound, const struct locker4 *locker, Qnfs__Lock *body)
{
    struct stateid stateid;
    body->new_owner = locker->new_lock_owner;
    const struct stateid4 *given =
        locker->new_lock_owner ? &locker->u.open_owner.open_stateid : &locker->u.lock_owner.lock_stateid;
    enum nfsstat4 status = compound_stateid(compound, given, &stateid);
    if (status != NFS4_OK)
        return status;
    if (locker->new_lock_owner) {
        body->open_stateid = command_stateid(compound, stateid);
        body->owner = command_bytes(locker->u.open_owner.lock_owner.owner);
    } else {
        body->lock_stateid = command_stateid(compound, stateid);
    }
    return NFS4_OK;
}

enum step lock_step(struct compound *compound)
{
    const struct LOCK4args *args = &compound->args.oplock;
    Qnfs__Lock body = QNFS__LOCK__INIT;
    enum nfsstat4 status = lock_subject(compound);
    if (status == NFS4_OK)
        status = lock_locker(compound, &args->locker, &body);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    body.file = command_file(compound, compound->current);
    body.client = compound->client.value;
    body.type = args->locktype;
    body.offset = args->offset;
    body.length = args->length;
    body.reclaim = args->reclaim;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_LOCK;
    command.lock = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}

void lock_finish(struct compound *compound, const Qnfs__Result *result)
{
    struct LOCK4res *res = &compound->result.oplock;
    res->status = (enum nfsstat4)result->status;
    if (res->status == NFS4_OK)
        res->u.resok4.lock_stateid = open_result_stateid(compound, result);
    if (res->status == NFS4ERR_DENIED && result->body_case == QNFS__RESULT__BODY_DENIED) {
        const Qnfs__LockDenied *denied = result->denied;
        res->u.denied = (struct LOCK4denied){
            .offset = denied->offset,
            .length = denied->length,
            .locktype = (enum nfs_lock_type4)denied->type,
            .owner = {.clientid = denied->client, .owner = result_bytes(denied->owner)},
        };
    }
}

enum step lockt_step(struct compound *compound)
{
    const struct LOCKT4args *args = &compound->args.oplockt;
    struct lock_conflict conflict;
    enum nfsstat4 status = lock_subject(compound);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    struct lock_request request = {.type = args->locktype, .offset = args->offset, .length = args->length};
    status = lock_test(compound_view(compound), compound->current, compound->client, args->owner.owner, &request,
                       compound_arena(compound), &conflict);
    if (status == NFS4ERR_DENIED) {
        compound->result.oplockt.denied = (struct LOCK4denied){
            .offset = conflict.offset,
            .length = conflict.length,
            .locktype = (enum nfs_lock_type4)conflict.type,
            .owner = {.clientid = conflict.client.value, .owner = conflict.owner},
        };
    }
    return compound_answer(compound, status);
}

enum step locku_step(struct compound *compound)
{
    const struct LOCKU4args *args = &compound->args.oplocku;
    struct stateid stateid;
    enum nfsstat4 status = compound_stateid(compound, &args->lock_stateid, &stateid);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    Qnfs__Locku body = QNFS__LOCKU__INIT;
    body.file = command_file(compound, compound->current);
    body.client = compound->client.value;
    body.stateid = command_stateid(compound, stateid);
    body.type = args->locktype;
    body.offset = args->offset;
    body.length = args->length;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_LOCKU;
    command.locku = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}

void locku_finish(struct compound *compound, const Qnfs__Result *result)
{
    struct LOCKU4res *res = &compound->result.oplocku;
    res->status = (enum nfsstat4)result->status;
    if (res->status == NFS4_OK)
        res->lock_stateid = open_result_stateid(compound, result);
}
