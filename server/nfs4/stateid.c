/* TEST_STATEID and FREE_STATEID (RFC 8881 sections 18.48 and 18.38). */
#include "server/nfs4/command.h"
#include "server/nfs4/handlers.h"
#include "server/nfs4/state.h"
#include "statestore/machine/state.h"

enum step test_stateid_step(struct compound *compound)
{
    const struct TEST_STATEID4args *args = &compound->args.optest_stateid;
    struct TEST_STATEID4resok *resok = &compound->result.optest_stateid.tsr_resok4;
    resok->tsr_status_codes_count = args->ts_stateids_count;
    resok->tsr_status_codes =
        arena_alloc_array(compound_arena(compound), args->ts_stateids_count, sizeof(*resok->tsr_status_codes));
    struct arena scratch; /* there may be 60,000 of them */
    arena_init(&scratch);
    for (uint32_t i = 0; i < args->ts_stateids_count; i++) {
        struct stateid stateid;
        enum nfsstat4 status = compound_stateid(compound, &args->ts_stateids[i], &stateid);
        if (status == NFS4_OK)
            status = stateid_judge(compound_view(compound), stateid, compound->client,
                                   compound->server->config.server_epoch, &scratch);
        resok->tsr_status_codes[i] = status;
        arena_reset(&scratch);
    }
    arena_fini(&scratch);
    return compound_answer(compound, NFS4_OK);
}

enum step free_stateid_step(struct compound *compound)
{
    struct stateid stateid;
    enum nfsstat4 status = compound_stateid(compound, &compound->args.opfree_stateid.fsa_stateid, &stateid);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    Qnfs__FreeStateid body = QNFS__FREE_STATEID__INIT;
    body.stateid = command_stateid(compound, stateid);
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_FREE_STATEID;
    command.free_stateid = &body;
    return command_propose(compound, &command, SLICE_EMPTY);
}
