/* REMOVE (RFC 8881 section 18.25). */
#include "server/nfs4/command.h"
#include "server/nfs4/handlers.h"
#include "statestore/machine/apply.h"

enum step remove_step(struct compound *compound)
{
    struct slice name = compound->args.opremove.target;
    enum nfsstat4 status = name_check(name);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    Qnfs__Remove body = QNFS__REMOVE__INIT;
    body.directory = command_file(compound, compound->current);
    body.name = command_bytes(name);
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_REMOVE;
    command.remove = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}

void remove_finish(struct compound *compound, const Qnfs__Result *result)
{
    struct REMOVE4res *res = &compound->result.opremove;
    res->status = (enum nfsstat4)result->status;
    compound->subject_known = false;
    if (res->status == NFS4_OK)
        res->resok4.cinfo = result_change(result->change);
}
