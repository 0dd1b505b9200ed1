#include "base/check.h"
#include "base/limits.h"
#include "proto/rpc/record.h"
#include "server/nfs4/attach.h"
#include "server/nfs4/command.h"
#include "server/nfs4/handlers.h"
#include "server/nfs4/lease.h"
#include "server/nfs4/operation.h"
#include "server/nfs4/state.h"

/* Which request it is: everything after SEQUENCE, and who asks. SEQUENCE's own arguments are left out: a client may
 * change sa_highest_slotid in a retransmission. Keyed, as a collision would give somebody another request's reply. */
static struct hash128 request_digest(const struct compound *compound)
{
    const struct siphash_key *key = &compound->server->config.mac_key;
    struct hash128 body = siphash128(key, slice_make(compound->arguments.next, xdr_remaining(&compound->arguments)));
    uint64_t words[5] = {
        body.low,
        body.high,
        compound->head.operation_count,
        (uint64_t)compound->identity.flavor << 32 | compound->head.minorversion,
        (uint64_t)compound->identity.uid << 32 | compound->identity.gid,
    };
    return siphash128(key, slice_make(words, sizeof(words)));
}

/* What does not fit is refused before the slot is touched (RFC 8881 section 18.46.3). */
static enum nfsstat4 sequence_fits(struct compound *compound, const struct session_entry *entry)
{
    const struct SEQUENCE4args *args = &compound->args.opsequence;
    const struct session_channel *fore = &entry->session.fore;
    if (compound->request_bytes > fore->max_request_size)
        return NFS4ERR_REQ_TOO_BIG;
    if (compound->head.operation_count > fore->max_operations)
        return NFS4ERR_TOO_MANY_OPS;
    if (args->sa_slotid >= fore->max_requests)
        return NFS4ERR_BADSLOT;
    if (args->sa_highest_slotid >= fore->max_requests)
        return NFS4ERR_BAD_HIGH_SLOT;
    size_t reply_bytes = xdr_position(&compound->reply) - RPC_MARK_BYTES + compound->operation->reply_bytes;
    if (reply_bytes > fore->max_response_size)
        return NFS4ERR_REP_TOO_BIG;
    if (args->sa_cachethis && reply_bytes > fore->max_response_size_cached)
        return NFS4ERR_REP_TOO_BIG_TO_CACHE;
    return NFS4_OK;
}

/* The slot as it is known here; after an attach it is made from its row. */
static struct slot_entry *sequence_slot(struct compound *compound, struct session_entry *entry)
{
    uint32_t number = compound->args.opsequence.sa_slotid;
    struct slot_entry *slot = session_slot(entry, number);
    if (slot->loaded)
        return slot;
    struct slot row;
    slot->loaded = true;
    slot->may_jump = !entry->is_new;
#ifdef QNFS_PLANT_RESEND_NOT_DEDUPLICATED
    return slot;
#endif
    if (slot_get(compound_view(compound), entry->session.id, number, compound_arena(compound), &row)) {
        slot->seqid = slot->row_seqid = row.seqid;
        slot->used = true;
        slot->has_change = slot->has_digest = row.has_change;
        slot->digest = row.digest;
    }
    return slot;
}

/* Takes the slot for this request: new, or a pure read that is run again. */
static void sequence_take(struct compound *compound, struct session_entry *entry, struct slot_entry *slot)
{
    const struct SEQUENCE4args *args = &compound->args.opsequence;
    slot->seqid = args->sa_sequenceid;
    slot->used = true;
    slot->has_digest = true;
    slot->has_change = false;
    slot->digest = compound->digest;
    slot->busy = compound;
    session_slot_keep(&compound->server->sessions, slot, SLICE_EMPTY);
    list_append(&entry->compounds, &compound->session_link);
    compound->session = entry;
    compound->session_id = entry->session.id;
    compound->client = entry->session.client;
    compound->epoch = entry->session.epoch;
    compound->slot = args->sa_slotid;
    compound->seqid = args->sa_sequenceid;
    compound->cache_this = args->sa_cachethis;
    compound->in_session = true;
    compound->response_limit = entry->session.fore.max_response_size;
}

static enum step sequence_run(struct compound *compound, struct session_entry *entry, struct slot_entry *slot)
{
    sequence_take(compound, entry, slot);
    struct SEQUENCE4resok *resok = &compound->result.opsequence.sr_resok4;
    bool asked_back = (entry->session.flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN) != 0;
    resok->sr_sessionid = compound->args.opsequence.sa_sessionid;
    resok->sr_sequenceid = compound->seqid;
    resok->sr_slotid = compound->slot;
    resok->sr_highest_slotid = entry->session.fore.max_requests - 1;
    resok->sr_target_highest_slotid = entry->session.fore.max_requests - 1;
    resok->sr_status_flags = asked_back && entry->back_count == 0 ? SEQ4_STATUS_CB_PATH_DOWN : 0;
    return compound_answer(compound, NFS4_OK);
}

/* The request is being executed: its reply goes to whoever asked last. */
static enum step sequence_take_over(struct compound *compound, struct compound *busy)
{
    compound->server->counters.replays++;
    outbox_add(compound->outbox, NFS4_NO_REPLY, busy->connection);
    busy->connection = compound->connection;
    busy->xid = compound->xid;
    compound_end(compound);
    return STEP_GONE;
}

/* The same reply, byte for byte. */
static enum step sequence_replay(struct compound *compound, const struct slot_entry *slot)
{
    compound->server->counters.replays++;
    struct buffer *body = slot->reply;
    xdr_rewind(&compound->reply, compound->body_start);
    compound_room(compound, body->size_bytes);
    uint8_t *place = xdr_reserve(&compound->reply, body->size_bytes);
    CHECK(place != NULL);
    memcpy(place, body->data, body->size_bytes);
    compound_send(compound);
    return STEP_GONE;
}

/* Answers from the slot's row: the results before the last change as they were sent, the change's result from the
 * machine's, and what follows is executed (DESIGN.md section 4, "Exactly once"). */
static enum step sequence_replay_row(struct compound *compound, struct session_entry *entry, struct slot_entry *slot)
{
    struct slot row;
    bool exists = slot_get(compound_view(compound), entry->session.id, compound->args.opsequence.sa_slotid,
                           compound_arena(compound), &row);
    /* The row of a change is made before the change is answered; only the session's end takes it away. */
    if (!exists)
        return compound_answer(compound, NFS4ERR_BADSESSION);
    /* Only another node changes it behind our back: the view is newer than what it says of sessions. */
    if (!row.has_change || row.seqid != compound->args.opsequence.sa_sequenceid)
        return attach_refuse(compound);
    compound->server->counters.replays++;
    sequence_take(compound, entry, slot);
    slot->has_change = true;
    compound->changed = true;
    compound_rewind_results(compound);
    compound_room(compound, row.prefix.size_bytes);
    uint8_t *place = xdr_reserve(&compound->reply, row.prefix.size_bytes);
    CHECK(place != NULL && row.prefix_count == row.operation);
    memcpy(place, row.prefix.data, row.prefix.size_bytes);
    /* The request is the one that was decoded then (its digest is equal), so it decodes now. */
    compound->current_set = row.current_set;
    compound->current = row.current;
    compound->saved_set = row.saved_set;
    compound->saved = row.saved;
    while (compound->index < row.operation) {
        compound->index++;
        enum nfsstat4 status = compound_decode(compound);
        CHECK(status == NFS4_OK || compound->index < row.operation);
    }
    compound->current_stateid_set = row.current_stateid_set;
    compound->current_stateid = row.current_stateid;
    compound->saved_stateid_set = row.saved_stateid_set;
    compound->saved_stateid = row.saved_stateid;
    CHECK(compound->operation->finish != NULL);
    compound->operation->finish(compound, command_result(row.result, compound_arena(compound)));
    return STEP_DONE;
}

static enum step sequence_retry(struct compound *compound, struct session_entry *entry, struct slot_entry *slot)
{
    if (slot->has_digest && !hash128_equal(slot->digest, compound->digest)) {
        compound->server->counters.false_retries++;
        /* The first one may be a request that its user has interrupted; its slot is free only when it has ended. */
        return compound_answer(compound, slot->busy != NULL ? NFS4ERR_DELAY : NFS4ERR_SEQ_FALSE_RETRY);
    }
    if (slot->busy != NULL)
        return sequence_take_over(compound, slot->busy);
    if (slot->reply != NULL)
        return sequence_replay(compound, slot);
    if (slot->has_change)
        return sequence_replay_row(compound, entry, slot);
    return sequence_run(compound, entry, slot);
}

/* Whether a request that is `distance` ahead of its slot is the next one. After an attach more may lie between than one, as
 * pure reads elsewhere left no trace in the row: until the slot has made a change here. Requests that slept in a socket
 * meanwhile do not end that: what is known from the row is answered again, a read is run in vain. If such a one is still
 * under way, its client has gone on and waits for it no more (DESIGN.md section 4). */
static bool sequence_is_next(struct compound *compound, struct session_entry *entry, const struct slot_entry *slot,
                             int32_t distance)
{
    struct compound *busy = slot->busy;
    if (distance <= 0 || (distance > 1 && !slot->may_jump))
        return false;
    if (busy == NULL)
        return true;
    if (!slot->may_jump || busy->connection.value == compound->connection.value)
        return false;
    attach_silence(entry, busy, compound->outbox);
    return true;
}

enum step sequence_step(struct compound *compound)
{
    const struct SEQUENCE4args *args = &compound->args.opsequence;
    struct session_id id;
    struct session_entry *entry;
    memcpy(id.bytes, args->sa_sessionid.data, sizeof(id.bytes));
    enum step step = attach_session(compound, id, &entry);
    if (entry == NULL)
        return step;
    enum nfsstat4 status = sequence_fits(compound, entry);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    lease_note(compound, entry);
    session_bind(&compound->server->sessions, entry, compound->connection, false);
    struct slot_entry *slot = sequence_slot(compound, entry);
    compound->digest = request_digest(compound);
    /* RFC 8881 section 2.10.6.1: sequence ids wrap around, so they are compared by their distance. */
    int32_t distance = (int32_t)(args->sa_sequenceid - slot->seqid);
    if (distance == 0 && slot->used)
        return sequence_retry(compound, entry, slot);
    if (sequence_is_next(compound, entry, slot, distance))
        return sequence_run(compound, entry, slot);
    return compound_answer(compound, NFS4ERR_SEQ_MISORDERED);
}
