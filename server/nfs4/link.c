/* LINK (RFC 8881 section 18.9): the saved file gets a name in the current directory. */
#include "server/nfs4/command.h"
#include "server/nfs4/handlers.h"
#include "statestore/machine/apply.h"

enum step link_step(struct compound *compound)
{
    struct slice name = compound->args.oplink.newname;
    enum nfsstat4 status = name_check(name);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    Qnfs__Link body = QNFS__LINK__INIT;
    body.file = command_file(compound, compound->saved);
    body.directory = command_file(compound, compound->current);
    body.name = command_bytes(name);
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_LINK;
    command.link = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}

void link_finish(struct compound *compound, const Qnfs__Result *result)
{
    struct LINK4res *res = &compound->result.oplink;
    res->status = (enum nfsstat4)result->status;
    compound->subject_known = false;
    if (res->status == NFS4_OK)
        res->resok4.cinfo = result_change(result->change);
}
