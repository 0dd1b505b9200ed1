/* SETATTR (RFC 8881 section 18.30). */
#include "server/nfs4/attributes.h"
#include "server/nfs4/command.h"
#include "server/nfs4/handlers.h"
#include "statestore/machine/attributes.h"

enum step setattr_step(struct compound *compound)
{
    const struct SETATTR4args *args = &compound->args.opsetattr;
    struct stateid stateid;
    Qnfs__Attributes *attributes;
    enum nfsstat4 status = attributes_command(compound, &args->obj_attributes, &attributes);
    if (status == NFS4_OK)
        status = compound_stateid(compound, &args->stateid, &stateid);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    Qnfs__Setattr body = QNFS__SETATTR__INIT;
    body.file = command_file(compound, compound->current);
    body.stateid = command_stateid(compound, stateid);
    body.attributes = attributes;
    body.client = compound->client.value;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_SETATTR;
    command.setattr = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}

void setattr_finish(struct compound *compound, const Qnfs__Result *result)
{
    struct SETATTR4res *res = &compound->result.opsetattr;
    res->status = (enum nfsstat4)result->status;
    compound->subject_known = false;
    if (result->body_case == QNFS__RESULT__BODY_ATTRIBUTES_SET)
        res->attrsset = attributes_set(&compound->args.opsetattr.obj_attributes.attrmask, result->attributes_set->mask);
}
