#include "server/nfs4/open.h"

/* OPEN, OPEN_DOWNGRADE and CLOSE (RFC 8881 sections 18.16, 18.18 and 18.2). */
#include "base/limits.h"
#include "server/nfs4/attributes.h"
#include "server/nfs4/command.h"
#include "server/nfs4/handlers.h"
#include "statestore/machine/apply.h"

#define OPEN_ACCESS_BITS OPEN4_SHARE_ACCESS_BOTH
#define OPEN_WANT_BITS                                                                                                 \
    (OPEN4_SHARE_ACCESS_WANT_DELEG_MASK | OPEN4_SHARE_ACCESS_WANT_SIGNAL_DELEG_WHEN_RESRC_AVAIL |                      \
     OPEN4_SHARE_ACCESS_WANT_PUSH_DELEG_WHEN_UNCONTENDED)

/* A name in the pseudo file system is always a directory, and nothing can be made there. */
static enum nfsstat4 open_pseudo(struct compound *compound, const struct subject *directory, struct slice name,
                                 bool create)
{
    struct subject found;
    enum nfsstat4 status = subject_lookup(compound, directory, name, &found);
    if (status == NFS4ERR_NOENT && create)
        return NFS4ERR_ROFS;
    return status == NFS4_OK ? NFS4ERR_ISDIR : status;
}

/* The claim: which file is meant, and by what right. */
static enum nfsstat4 open_claim(struct compound *compound, const struct OPEN4args *args, Qnfs__Open *body)
{
    struct subject *subject;
    enum nfsstat4 status;
    bool create = args->openhow.opentype == OPEN4_CREATE;
    body->claim = args->claim.claim;
    switch (args->claim.claim) {
    case CLAIM_NULL:
        status = name_check(args->claim.u.file);
        if (status != NFS4_OK)
            return status;
        body->name = command_bytes(args->claim.u.file);
        status = compound_subject(compound, &subject);
        if (status == NFS4_OK && subject->is_pseudo)
            return open_pseudo(compound, subject, args->claim.u.file, create);
        return status;
    case CLAIM_FH:
    case CLAIM_PREVIOUS:
        /* RFC 8881 section 18.16.3: only a name can be created. */
        if (create)
            return NFS4ERR_INVAL;
        if (args->claim.claim == CLAIM_PREVIOUS)
            body->reclaim_delegation = args->claim.u.delegate_type;
        status = compound_subject(compound, &subject);
        return status == NFS4_OK && subject->is_pseudo ? NFS4ERR_ISDIR : status;
    /* No delegation is ever given, so nobody can claim by one. */
    case CLAIM_DELEGATE_CUR:
    case CLAIM_DELEG_CUR_FH: return NFS4ERR_BAD_STATEID;
    case CLAIM_DELEGATE_PREV:
    case CLAIM_DELEG_PREV_FH: return NFS4ERR_NOTSUPP;
    default: return NFS4ERR_INVAL;
    }
}

/* What is created, if anything, and with which attributes. */
static enum nfsstat4 open_how(struct compound *compound, const struct openflag4 *openhow, Qnfs__Open *body)
{
    if (openhow->opentype != OPEN4_CREATE)
        return NFS4_OK;
    const struct createhow4 *how = &openhow->how;
    body->create = true;
    body->create_mode = how->mode;
    switch (how->mode) {
    case UNCHECKED4:
    case GUARDED4: return attributes_command(compound, &how->u.createattrs, &body->attributes);
    case EXCLUSIVE4:
        body->verifier = command_bytes(slice_make(how->u.createverf.data, NFS4_VERIFIER_SIZE));
        body->attributes = ARENA_NEW(compound_arena(compound), Qnfs__Attributes);
        qnfs__attributes__init(body->attributes);
        return NFS4_OK;
    case EXCLUSIVE4_1:
        body->verifier = command_bytes(slice_make(how->u.ch_createboth.cva_verf.data, NFS4_VERIFIER_SIZE));
        return attributes_command(compound, &how->u.ch_createboth.cva_attrs, &body->attributes);
    default: return NFS4ERR_INVAL;
    }
}

enum step open_step(struct compound *compound)
{
    const struct OPEN4args *args = &compound->args.opopen;
    uint32_t access = args->share_access & OPEN_ACCESS_BITS;
    if ((args->share_access & ~(OPEN_ACCESS_BITS | OPEN_WANT_BITS)) != 0 || access == 0 ||
        args->share_deny > OPEN4_SHARE_DENY_BOTH)
        return compound_answer(compound, NFS4ERR_INVAL);
    Qnfs__Open body = QNFS__OPEN__INIT;
    enum nfsstat4 status = open_how(compound, &args->openhow, &body);
    if (status == NFS4_OK)
        status = open_claim(compound, args, &body);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    /* RFC 8881 section 18.16.3: the client is the session's; the one in the owner is ignored. */
    body.client = compound->client.value;
    body.owner = command_bytes(args->owner.owner);
    body.access = access;
    body.deny = args->share_deny;
    body.want = args->share_access & OPEN_WANT_BITS;
    body.file = command_file(compound, compound->current);
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_OPEN;
    command.open = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}

/* Which attributes the client wanted to be set at the creation. */
static struct bitmap4 open_asked(const struct openflag4 *openhow)
{
    if (openhow->opentype == OPEN4_CREATE && openhow->how.mode == EXCLUSIVE4_1)
        return openhow->how.u.ch_createboth.cva_attrs.attrmask;
    if (openhow->opentype == OPEN4_CREATE && openhow->how.mode != EXCLUSIVE4)
        return openhow->how.u.createattrs.attrmask;
    return (struct bitmap4){0};
}

/* RFC 8881 section 18.16.3: who says what he wants is told why he does not get it. */
static struct open_delegation4 no_delegation(uint32_t share_access, uint32_t reason)
{
    struct open_delegation4 delegation = {.delegation_type = OPEN_DELEGATE_NONE};
    if ((share_access & OPEN_WANT_BITS) != 0) {
        delegation.delegation_type = OPEN_DELEGATE_NONE_EXT;
        delegation.u.od_whynone.ond_why = (enum why_no_delegation4)reason;
    }
    return delegation;
}

void open_finish(struct compound *compound, const Qnfs__Result *result)
{
    const struct OPEN4args *args = &compound->args.opopen;
    struct OPEN4res *res = &compound->result.opopen;
    res->status = (enum nfsstat4)result->status;
    compound->subject_known = false;
    if (res->status != NFS4_OK)
        return;
    const Qnfs__OpenResult *opened = result->open;
    struct bitmap4 asked = open_asked(&args->openhow);
    struct stateid stateid = result_stateid(opened->stateid);
    res->resok4.stateid = stateid_encode(stateid);
    res->resok4.cinfo = result_change(opened->change);
    res->resok4.rflags = opened->rflags;
    res->resok4.attrset = attributes_set(&asked, opened->attributes_set);
    res->resok4.delegation = no_delegation(args->share_access, opened->no_delegation_reason);
    compound_set_current(compound, result_file(opened->file));
    compound_set_current_stateid(compound, stateid);
}

/* The stateid that OPEN_DOWNGRADE, CLOSE, LOCK and LOCKU answer with is the current one from then on. */
struct stateid4 open_result_stateid(struct compound *compound, const Qnfs__Result *result)
{
    struct stateid stateid = result_stateid(result->stateid->stateid);
    compound_set_current_stateid(compound, stateid);
    return stateid_encode(stateid);
}

enum step open_downgrade_step(struct compound *compound)
{
    const struct OPEN_DOWNGRADE4args *args = &compound->args.opopen_downgrade;
    struct stateid stateid;
    uint32_t access = args->share_access & OPEN_ACCESS_BITS;
    enum nfsstat4 status = compound_stateid(compound, &args->open_stateid, &stateid);
    if ((args->share_access & ~(OPEN_ACCESS_BITS | OPEN_WANT_BITS)) != 0 || access == 0 ||
        args->share_deny > OPEN4_SHARE_DENY_BOTH)
        status = NFS4ERR_INVAL;
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    Qnfs__OpenDowngrade body = QNFS__OPEN_DOWNGRADE__INIT;
    body.file = command_file(compound, compound->current);
    body.stateid = command_stateid(compound, stateid);
    body.access = access;
    body.deny = args->share_deny;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_OPEN_DOWNGRADE;
    command.open_downgrade = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}

void open_downgrade_finish(struct compound *compound, const Qnfs__Result *result)
{
    struct OPEN_DOWNGRADE4res *res = &compound->result.opopen_downgrade;
    res->status = (enum nfsstat4)result->status;
    if (res->status == NFS4_OK)
        res->resok4.open_stateid = open_result_stateid(compound, result);
}

enum step close_step(struct compound *compound)
{
    struct stateid stateid;
    enum nfsstat4 status = compound_stateid(compound, &compound->args.opclose.open_stateid, &stateid);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    Qnfs__Close body = QNFS__CLOSE__INIT;
    body.file = command_file(compound, compound->current);
    body.stateid = command_stateid(compound, stateid);
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_CLOSE;
    command.close = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}

void close_finish(struct compound *compound, const Qnfs__Result *result)
{
    struct CLOSE4res *res = &compound->result.opclose;
    res->status = (enum nfsstat4)result->status;
    compound->subject_known = false;
    if (res->status == NFS4_OK)
        res->open_stateid = open_result_stateid(compound, result);
}
