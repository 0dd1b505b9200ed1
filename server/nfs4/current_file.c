/* The operations on the current and the saved file handle (RFC 8881 sections 18.8, 18.19 to 18.21, 18.27, 18.28). */
#include "server/nfs4/command.h"
#include "server/nfs4/filehandle.h"
#include "server/nfs4/handlers.h"
#include "server/nfs4/operation.h"
#include "server/nfs4/state.h"

/* RFC 8881 section 2.6.3.1.1: an operation that sets the current handle says NFS4ERR_WRONGSEC only if the next one neither
 * looks at the security itself nor sets another handle. */
static enum nfsstat4 put_admission(const struct compound *compound)
{
    enum nfsstat4 admission = compound->subject.admission;
    if (admission != NFS4ERR_WRONGSEC)
        return admission;
    const struct operation *next = operation_find(compound_peek(compound));
    if (next == NULL || next->number == OP_SAVEFH || (next->flags & OPERATION_FINDS_FLAVOR) != 0)
        return NFS4_OK;
    return NFS4ERR_WRONGSEC;
}

static enum step put_current(struct compound *compound, struct file_id id)
{
    compound->subject_known = false;
    enum nfsstat4 status = subject_find(compound, id, &compound->subject);
    if (status == NFS4_OK)
        status = put_admission(compound);
    if (status == NFS4_OK) {
        compound_set_current(compound, id);
        compound->subject_known = true;
    }
    return compound_answer(compound, status);
}

enum step putfh_step(struct compound *compound)
{
    struct file_id id;
    if (!filehandle_decode(&compound->server->config.mac_key, compound->args.opputfh.object, &id))
        return compound_answer(compound, NFS4ERR_BADHANDLE);
    return put_current(compound, id);
}

enum step putrootfh_step(struct compound *compound)
{
    struct subject root;
    enum nfsstat4 status = subject_root(compound, &root);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    return put_current(compound, root.id);
}

enum step getfh_step(struct compound *compound)
{
    uint8_t *bytes = arena_alloc(compound_arena(compound), FILEHANDLE_BYTES);
    filehandle_encode(&compound->server->config.mac_key, compound->current, bytes);
    compound->result.opgetfh.resok4.object = slice_make(bytes, FILEHANDLE_BYTES);
    return compound_answer(compound, NFS4_OK);
}

enum step savefh_step(struct compound *compound)
{
    compound->saved = compound->current;
    compound->saved_set = true;
    compound->saved_stateid = compound->current_stateid;
    compound->saved_stateid_set = compound->current_stateid_set;
    return compound_answer(compound, NFS4_OK);
}

enum step restorefh_step(struct compound *compound)
{
    if (!compound->saved_set)
        return compound_answer(compound, NFS4ERR_NOFILEHANDLE);
    enum step step = put_current(compound, compound->saved);
    if (compound->result.status.status == NFS4_OK) {
        compound->current_stateid = compound->saved_stateid;
        compound->current_stateid_set = compound->saved_stateid_set;
    }
    return step;
}
