#include "base/check.h"
#include "base/limits.h"
#include "proto/log_codec.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/node.h"
#include "statestore/machine/range.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

/* Offset of the number in a request's key: prefix, incarnation, stream. */
#define NUMBER_OFFSET 13u

/* One counter of a node: a gateway loop's, the steward's. */
struct stream {
    uint64_t low_water;     /* results below this number are gone */
    uint64_t request_count; /* results that are kept */
};

static void stream_codec(struct row *row, void *value)
{
    struct stream *stream = value;
    row_version(row, 1);
    row_u64(row, &stream->low_water);
    row_u64(row, &stream->request_count);
}

/* Incarnation and stream behind a prefix, with room for a number. */
static struct row_key stream_key(uint8_t prefix, const Qnfs__NodeOrigin *origin, struct arena *arena)
{
    struct row_key key = row_key(arena, prefix, 20);
    row_key_u64(&key, origin->incarnation);
    row_key_u32(&key, origin->stream);
    return key;
}

static struct slice request_key(const Qnfs__NodeOrigin *origin, struct arena *arena)
{
    struct row_key key = stream_key(SCHEMA_NODE_REQUEST, origin, arena);
    row_key_u64(&key, origin->number);
    return row_key_done(&key);
}

static struct stream stream_get(struct apply *apply, const Qnfs__NodeOrigin *origin)
{
    struct row_key key = stream_key(SCHEMA_NODE_STREAM, origin, apply->arena);
    struct stream stream = {0};
    struct slice bytes;
    if (kv_get(apply->read, row_key_done(&key), apply->arena, &bytes))
        row_decode(stream_codec, bytes, &stream);
    return stream;
}

/* Forgets some of the stream's results below the mark; the rest goes with the next requests. */
static uint64_t stream_forget(struct apply *apply, const Qnfs__NodeOrigin *origin, uint64_t mark)
{
    struct row_key prefix = stream_key(SCHEMA_NODE_REQUEST, origin, apply->arena);
    struct range range = range_collect(apply->read, row_key_done(&prefix), NODE_REQUESTS_STEP, apply->arena);
    size_t below = 0;
    while (below < range.count && row_key_get_u64(range.keys[below], NUMBER_OFFSET) < mark)
        below++;
    range.count = below;
    range_delete(apply->transaction, &range);
    return below;
}

void node_request_forget_all(struct apply *apply, struct incarnation_id incarnation)
{
    static const uint8_t prefixes[] = {SCHEMA_NODE_REQUEST, SCHEMA_NODE_STREAM};
    for (size_t i = 0; i < sizeof(prefixes); i++) {
        struct row_key prefix = row_key(apply->arena, prefixes[i], 8);
        row_key_u64(&prefix, incarnation.value);
        struct range range = range_collect(apply->read, row_key_done(&prefix), NODE_REQUESTS_CLOSE_MAX, apply->arena);
        range_delete(apply->transaction, &range);
    }
}

bool node_request_begin(struct apply *apply, const Qnfs__NodeOrigin *origin)
{
    struct incarnation incarnation;
    bool open = incarnation_get(apply->read, (struct incarnation_id){origin->incarnation}, apply->arena, &incarnation);
    struct stream stream = stream_get(apply, origin);
    if (!open || incarnation.node != origin->node || origin->number < stream.low_water) {
        apply->result->outcome = MACHINE_SUPERSEDED;
        return false;
    }
    struct slice stored;
    if (kv_get(apply->read, request_key(origin, apply->arena), apply->arena, &stored)) {
        apply_replay(apply, stored);
        return false;
    }
    if (stream.request_count >= NODE_REQUESTS_MAX) {
        apply_answer(apply, NFS4ERR_DELAY);
        return false;
    }
    return true;
}

void node_request_end(struct apply *apply, const Qnfs__NodeOrigin *origin)
{
    struct row_key key = stream_key(SCHEMA_NODE_STREAM, origin, apply->arena);
    struct stream stream = stream_get(apply, origin);
    /* A request's own result is wanted, whatever mark it carries. */
    uint64_t mark = origin->low_water < origin->number ? origin->low_water : origin->number;
    if (mark > stream.low_water)
        stream.low_water = mark;
    uint64_t forgotten = stream_forget(apply, origin, stream.low_water);
    CHECK(forgotten <= stream.request_count || apply->read->failed);
    stream.request_count += 1 - forgotten;
    transaction_put(apply->transaction, request_key(origin, apply->arena),
                    log_result_pack(apply->result, apply->arena));
    transaction_put(apply->transaction, row_key_done(&key), row_encode(stream_codec, &stream, apply->arena));
}
