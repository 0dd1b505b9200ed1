/* RENAME (RFC 8881 section 18.26): from the saved directory to the current one. */
#include "server/nfs4/command.h"
#include "server/nfs4/handlers.h"
#include "statestore/machine/apply.h"

enum step rename_step(struct compound *compound)
{
    const struct RENAME4args *args = &compound->args.oprename;
    enum nfsstat4 status = name_check(args->oldname);
    if (status == NFS4_OK)
        status = name_check(args->newname);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    Qnfs__Rename body = QNFS__RENAME__INIT;
    body.source_directory = command_file(compound, compound->saved);
    body.source_name = command_bytes(args->oldname);
    body.target_directory = command_file(compound, compound->current);
    body.target_name = command_bytes(args->newname);
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_RENAME;
    command.rename = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}

void rename_finish(struct compound *compound, const Qnfs__Result *result)
{
    struct RENAME4res *res = &compound->result.oprename;
    res->status = (enum nfsstat4)result->status;
    compound->subject_known = false;
    if (res->status != NFS4_OK)
        return;
    res->resok4.source_cinfo = result_change(result->rename->source);
    res->resok4.target_cinfo = result_change(result->rename->target);
}
