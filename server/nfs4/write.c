/* WRITE and COMMIT (RFC 8881 sections 18.32 and 18.3). Every WRITE is in the log before it is answered, so it is always
 * FILE_SYNC4 and there is nothing left for COMMIT to do. */
#include "statestore/machine/write.h"

#include "base/limits.h"
#include "server/nfs4/command.h"
#include "server/nfs4/handlers.h"
#include "server/nfs4/state.h"

/* The machine refuses what grows once a node has reported that its disk is nearly full, but that takes its way through the
 * log, behind whatever is written already. So what is on its way counts too: its bytes go into the log, and again into
 * the state. */
static bool write_has_room(const struct compound *compound)
{
    const struct nfs4_moment *moment = compound->moment;
    return !moment->room_known || 2 * compound->server->counters.parked_bytes <= moment->room_bytes;
}

enum step write_step(struct compound *compound)
{
    const struct WRITE4args *args = &compound->args.opwrite;
    struct stateid stateid;
    struct slice data = args->data;
    if (data.size_bytes > NFS4_IO_MAX_BYTES)
        data.size_bytes = NFS4_IO_MAX_BYTES;
    enum nfsstat4 status =
        args->stable > FILE_SYNC4 ? NFS4ERR_INVAL : compound_stateid(compound, &args->stateid, &stateid);
    if (status == NFS4_OK && !write_has_room(compound))
        status = NFS4ERR_NOSPC;
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    Qnfs__Write body = QNFS__WRITE__INIT;
    body.file = command_file(compound, compound->current);
    body.stateid = command_stateid(compound, stateid);
    body.offset = args->offset;
    body.client = compound->client.value;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_WRITE;
    command.write = &body;
    return command_propose(compound, &command, data);
}

static struct verifier4 verifier_encode(uint64_t number)
{
    struct verifier4 verifier;
    for (size_t i = 0; i < sizeof(verifier.data); i++)
        verifier.data[i] = (uint8_t)(number >> (56 - 8 * i));
    return verifier;
}

void write_finish(struct compound *compound, const Qnfs__Result *result)
{
    struct WRITE4res *res = &compound->result.opwrite;
    res->status = (enum nfsstat4)result->status;
    compound->subject_known = false;
    if (res->status != NFS4_OK)
        return;
    res->resok4.count = result->write->count;
    res->resok4.committed = FILE_SYNC4;
    res->resok4.writeverf = verifier_encode(result->write->verifier);
}

enum step commit_step(struct compound *compound)
{
    const struct COMMIT4args *args = &compound->args.opcommit;
    struct subject *subject;
    enum nfsstat4 status = compound_subject(compound, &subject);
    if (status == NFS4_OK)
        status = subject_regular(subject);
    /* RFC 8881 section 18.3.3: the range must end within 64 bits. */
    if (status == NFS4_OK && args->offset > UINT64_MAX - args->count)
        status = NFS4ERR_INVAL;
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    uint64_t number = write_verifier(compound_view(compound), compound_arena(compound));
    compound->result.opcommit.resok4.writeverf = verifier_encode(number);
    return compound_answer(compound, NFS4_OK);
}
