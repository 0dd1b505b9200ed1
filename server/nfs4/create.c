/* CREATE (RFC 8881 section 18.4). */
#include "base/limits.h"
#include "server/nfs4/attributes.h"
#include "server/nfs4/command.h"
#include "server/nfs4/handlers.h"
#include "statestore/machine/apply.h"

/* What is checked here is what a command could not carry; who may create what, the machine judges. */
static enum nfsstat4 create_check(const struct CREATE4args *args)
{
    switch (args->objtype.type) {
    case NF4DIR:
    case NF4BLK:
    case NF4CHR:
    case NF4SOCK:
    case NF4FIFO: break;
    case NF4LNK:
        if (args->objtype.u.linkdata.size_bytes > NFS4_LINKTEXT_MAX_BYTES)
            return NFS4ERR_NAMETOOLONG;
        break;
    case NF4REG:
    case NF4ATTRDIR:
    case NF4NAMEDATTR:
    default: return NFS4ERR_BADTYPE;
    }
    return name_check(args->objname);
}

enum step create_step(struct compound *compound)
{
    const struct CREATE4args *args = &compound->args.opcreate;
    Qnfs__Attributes *attributes;
    enum nfsstat4 status = create_check(args);
    if (status == NFS4_OK)
        status = attributes_command(compound, &args->createattrs, &attributes);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    Qnfs__Create body = QNFS__CREATE__INIT;
    body.directory = command_file(compound, compound->current);
    body.name = command_bytes(args->objname);
    body.type = args->objtype.type;
    body.attributes = attributes;
    if (args->objtype.type == NF4LNK)
        body.link_text = command_bytes(args->objtype.u.linkdata);
    if (args->objtype.type == NF4BLK || args->objtype.type == NF4CHR) {
        body.device_major = args->objtype.u.devdata.specdata1;
        body.device_minor = args->objtype.u.devdata.specdata2;
    }
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_CREATE;
    command.create = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}

void create_finish(struct compound *compound, const Qnfs__Result *result)
{
    struct CREATE4res *res = &compound->result.opcreate;
    res->status = (enum nfsstat4)result->status;
    compound->subject_known = false;
    if (res->status != NFS4_OK)
        return;
    res->resok4.cinfo = result_change(result->create->change);
    res->resok4.attrset = attributes_set(&compound->args.opcreate.createattrs.attrmask, result->create->attributes_set);
    compound_set_current(compound, result_file(result->create->file));
}
