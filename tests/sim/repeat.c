#include "tests/sim/repeat.h"

#include <stdlib.h>

#include "base/check.h"

bool repeat_any_executed(const struct request *request)
{
    for (uint32_t i = 0; i < request->step_count; i++) {
        if (request->steps[i].executed)
            return true;
    }
    return false;
}

/* The bytes of the results behind SEQUENCE's up to the last executed change; reads behind it may run again. */
static bool settled_results(const struct request *request, struct slice record, struct slice *results)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < request->step_count; i++)
        last = request->steps[i].executed ? request->steps[i].main_operation : last;
    struct arena arena;
    struct nfs_reply reply;
    arena_init(&arena);
    size_t first = 0;
    bool good = nfs_reply_open(&reply, record, &arena);
    for (uint32_t i = 0; good && i <= last; i++) {
        enum opnum4 op;
        union nfs4_result result;
        good = nfs_reply_next(&reply, &op, &result);
        if (i == 0)
            first = xdr_position(&reply.x);
    }
    *results = slice_make(record.data + first, good ? xdr_position(&reply.x) - first : 0);
    arena_fini(&arena);
    return good;
}

bool repeat_keep(struct request *request, struct slice record)
{
    struct slice results;
    if (!repeat_any_executed(request) || !settled_results(request, record, &results))
        return false;
    request->first_results = (struct span){malloc(results.size_bytes), results.size_bytes};
    CHECK(request->first_results.data != NULL);
    memcpy(request->first_results.data, results.data, results.size_bytes);
    return true;
}

void repeat_compare(struct world *world, const struct request *request, struct slice record)
{
    struct slice results;
    struct slice first = slice_make(request->first_results.data, request->first_results.size_bytes);
    if (!settled_results(request, record, &results) || !slice_equal(results, first))
        world_violation(world, "client %u slot %u seqid %u: the reply to a retry differs from the first",
                        request->client, request->slot, request->seqid);
    world_count(world, COUNT_replies_compared, 1);
}

void repeat_expect_refusal(struct world *world, const struct request *request, struct slice record)
{
    struct arena arena;
    arena_init(&arena);
    enum nfsstat4 status = nfs_reply_status(record, &arena);
    arena_fini(&arena);
    if (status != NFS4ERR_SEQ_FALSE_RETRY)
        world_violation(world, "client %u slot %u seqid %u: a false retry is answered with %d", request->client,
                        request->slot, request->seqid, status);
    world_count(world, COUNT_false_retries, 1);
}
