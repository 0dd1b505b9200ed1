/* close.c: what is done with an open: CLOSE, OPEN_DOWNGRADE, FREE_STATEID, and the judgement of I/O under it. */
#include "base/check.h"
#include "base/limits.h"
#include "proto/nfs4/open.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/lock.h"
#include "statestore/machine/open.h"

static void answer_stateid(struct apply *apply, struct stateid stateid)
{
    Qnfs__StateidResult *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__stateid_result__init(result);
    result->stateid = apply_stateid_result(apply, stateid);
    apply->result->body_case = QNFS__RESULT__BODY_STATEID;
    apply->result->stateid = result;
    apply_answer(apply, NFS4_OK);
}

void close_apply(struct apply *apply, const Qnfs__Close *command)
{
    /* RFC 8881 section 8.2.3: seqid NFS4_UINT32_MAX and all zeros "is a reserved stateid value defined to be invalid". */
    const struct stateid closed = {.seqid = UINT32_MAX};
    struct state state;
    enum nfsstat4 status = state_find_for(apply, apply_stateid(command->stateid), apply_client(apply, 0),
                                          apply_file(command->file), STATE_OPEN, &state);
    if (status == NFS4_OK && !state_free_fits(apply->read, &state, apply->arena))
        status = NFS4ERR_LOCKS_HELD;
    if (status != NFS4_OK) {
        apply_answer(apply, status);
        return;
    }
    bool whole = state_free_whole(apply, &state);
    CHECK(whole || apply->read->failed);
    answer_stateid(apply, closed);
}

/* RFC 8881 section 18.18.3: what remains must be the union of some of the (access, deny) that were opened. The
 * largest such union within what is asked for must be just that. */
static uint16_t combinations_within(uint16_t combinations, uint32_t access, uint32_t deny, uint32_t *access_union,
                                    uint32_t *deny_union)
{
    uint16_t within = 0;
    *access_union = *deny_union = 0;
    for (uint32_t one = 1; one <= 3; one++) {
        for (uint32_t two = 0; two <= 3; two++) {
            uint16_t bit = (uint16_t)(1u << ((one - 1) * 4 + two));
            if ((combinations & bit) == 0 || (one & ~access) != 0 || (two & ~deny) != 0)
                continue;
            within |= bit;
            *access_union |= one;
            *deny_union |= two;
        }
    }
    return within;
}

void open_downgrade_apply(struct apply *apply, const Qnfs__OpenDowngrade *command)
{
    struct state state;
    uint32_t access;
    uint32_t deny;
    enum nfsstat4 status = state_find_for(apply, apply_stateid(command->stateid), apply_client(apply, 0),
                                          apply_file(command->file), STATE_OPEN, &state);
    if (status != NFS4_OK) {
        apply_answer(apply, status);
        return;
    }
    uint16_t within = combinations_within(state.combinations, command->access, command->deny, &access, &deny);
    if (command->access == 0 || command->access > OPEN4_SHARE_ACCESS_BOTH || access != command->access ||
        deny != command->deny) {
        apply_answer(apply, NFS4ERR_INVAL);
        return;
    }
    uint32_t access_before = state.access;
    uint32_t deny_before = state.deny;
    state.access = access;
    state.deny = deny;
    state.combinations = within;
    state_advance(&state);
    open_change(apply, &state, access_before, deny_before);
    answer_stateid(apply, state.id);
}

void free_stateid_apply(struct apply *apply, const Qnfs__FreeStateid *command)
{
    struct state state;
    enum nfsstat4 status = state_find(apply->read, apply_stateid(command->stateid), apply_client(apply, 0),
                                      apply->machine->server_epoch, apply->arena, &state);
    /* An open is ended by CLOSE, locks by LOCKU. */
    if (status == NFS4_OK && (state.kind == STATE_OPEN || state.range_count > 0))
        status = NFS4ERR_LOCKS_HELD;
    if (status == NFS4_OK)
        state_delete(apply, &state);
    apply_answer(apply, status);
}

/* I/O without an open is bound by the share denials of others (RFC 8881 section 9.1.2). */
static enum nfsstat4 judge_anonymous(struct kv_read *read, struct file_id file, bool is_write, struct arena *arena)
{
    uint32_t access = is_write ? OPEN4_SHARE_ACCESS_WRITE : OPEN4_SHARE_ACCESS_READ;
    return open_denied(read, file, access, arena) ? NFS4ERR_LOCKED : NFS4_OK;
}

enum nfsstat4 open_judge_io(struct kv_read *read, struct file_id file, struct stateid stateid, struct client_id client,
                            bool is_write, uint32_t server_epoch, struct arena *arena)
{
    struct state state;
    if (stateid_is_bypass(stateid) && !is_write)
        return NFS4_OK;
    if (stateid_is_anonymous(stateid) || stateid_is_bypass(stateid))
        return judge_anonymous(read, file, is_write, arena);
    enum nfsstat4 status = state_find(read, stateid, client, server_epoch, arena, &state);
    if (status != NFS4_OK)
        return status;
    if (!file_id_equal(state.file, file))
        return NFS4ERR_BAD_STATEID;
    if (state.kind == STATE_LOCK) {
        bool found = state_get(read, state.open_other, arena, &state);
        CHECK(found || read->failed);
    }
    /* A client that writes may have to read the rest of a page first (RFC 8881 section 9.1.2 allows it). */
    return is_write && (state.access & OPEN4_SHARE_ACCESS_WRITE) == 0 ? NFS4ERR_OPENMODE : NFS4_OK;
}
