#include "statestore/machine/replay.h"

#include "base/check.h"
#include "base/limits.h"
#include "proto/log_codec.h"

struct session_id apply_session_id(ProtobufCBinaryData bytes)
{
    struct session_id id;
    CHECK(bytes.len == sizeof(id.bytes));
    memcpy(id.bytes, bytes.data, sizeof(id.bytes));
    return id;
}

struct hash128 apply_digest(ProtobufCBinaryData bytes)
{
    struct hash128 digest;
    CHECK(bytes.len == 16);
    digest.high = 0;
    digest.low = 0;
    for (unsigned i = 0; i < 8; i++) {
        digest.high = digest.high << 8 | bytes.data[i];
        digest.low = digest.low << 8 | bytes.data[8 + i];
    }
    return digest;
}

/* The slot has had a change of this very seqid: is it a retry, or a further change of the same compound? */
static bool replay_same_request(struct apply *apply, const Qnfs__SlotOrigin *origin, const struct slot *slot)
{
    if (!hash128_equal(slot->digest, apply_digest(origin->digest))) {
        apply->result->outcome = MACHINE_FALSE_RETRY;
        apply->result->status = NFS4ERR_SEQ_FALSE_RETRY;
        return false;
    }
#ifdef QNFS_PLANT_RESEND_NOT_DEDUPLICATED
    return true;
#endif
    if (origin->operation > slot->operation)
        return true;
    if (origin->operation == slot->operation)
        apply_replay(apply, slot->result);
    else /* the same node sends changes of a compound in order, and another one begins behind the last */
        apply->result->outcome = MACHINE_SUPERSEDED;
    return false;
}

bool replay_begin(struct apply *apply, const Qnfs__SlotOrigin *origin, struct session *session)
{
    if (!session_get(apply->read, apply_session_id(origin->session), apply->arena, session)) {
        apply_answer(apply, NFS4ERR_BADSESSION);
        return false;
    }
#ifndef QNFS_PLANT_ATTACH_WITHOUT_EPOCH
    /* The epoch alone says as much, as long as only the node that a session is attached to uses that epoch. */
    if (session->epoch != origin->epoch || session->incarnation.value != apply_sender(apply).value) {
        apply->result->outcome = MACHINE_SUPERSEDED;
        return false;
    }
#endif
    if (origin->slot >= session->fore.max_requests) {
        apply_answer(apply, NFS4ERR_BADSLOT);
        return false;
    }
    struct slot slot;
    if (!slot_get(apply->read, session->id, origin->slot, apply->arena, &slot))
        return true;
    int32_t ahead = (int32_t)(origin->seqid - slot.seqid); /* RFC 8881 section 2.10.6.1: serial arithmetic */
    if (ahead < 0) {
        apply->result->outcome = MACHINE_SUPERSEDED;
        return false;
    }
    if (ahead == 0 && slot.has_change)
        return replay_same_request(apply, origin, &slot);
    return true;
}

void replay_end(struct apply *apply, const Qnfs__SlotOrigin *origin, struct session_id session)
{
    struct slot slot = {.slot = origin->slot,
                        .seqid = origin->seqid,
                        .digest = apply_digest(origin->digest),
                        .has_change = true,
                        .operation = origin->operation,
                        .prefix = slice_make(origin->prefix.data, origin->prefix.len),
                        .prefix_count = origin->prefix_count,
                        .result = log_result_pack(apply->result, apply->arena),
                        .current_set = origin->current_file != NULL,
                        .current = apply_file(origin->current_file),
                        .saved_set = origin->saved_file != NULL,
                        .saved = apply_file(origin->saved_file),
                        .current_stateid_set = origin->current_stateid != NULL,
                        .current_stateid = apply_stateid(origin->current_stateid),
                        .saved_stateid_set = origin->saved_stateid != NULL,
                        .saved_stateid = apply_stateid(origin->saved_stateid)};
    CHECK(slot.prefix.size_bytes <= NFS4_CACHED_RESPONSE_MAX_BYTES);
    CHECK(slot.result.size_bytes <= REPLAY_RESULT_MAX_BYTES);
    slot_put(apply->transaction, session, &slot, apply->arena);
}
