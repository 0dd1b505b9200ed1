#include "cluster/snapshot_message.h"

#include "base/check.h"
#include "base/heap.h"

struct snapshot_message *snapshot_message_create(enum snapshot_message_kind kind, uint64_t peer)
{
    struct snapshot_message *message = HEAP_NEW(struct snapshot_message);
    message->kind = kind;
    message->peer = peer;
    return message;
}

void snapshot_message_free(struct snapshot_message *message)
{
    if (message == NULL)
        return;
    buffer_put(message->data);
    snapshot_manifest_free(message->manifest);
    heap_free(message);
}

#define BODY(arena, peer, type, init, member, name)                                                                    \
    type *member = arena_alloc((arena), sizeof(*(member)));                                                            \
    init(member);                                                                                                      \
    (peer)->body_case = QNFS__PEER__BODY_##name;                                                                       \
    (peer)->member = (member)

static void encode_ask(const struct snapshot_message *message, struct arena *arena, Qnfs__Peer *peer)
{
    BODY(arena, peer, Qnfs__SnapshotAsk, qnfs__snapshot_ask__init, snapshot_ask, SNAPSHOT_ASK);
    snapshot_ask->applied_index = message->applied_index;
}

static void encode_offer(const struct snapshot_message *message, struct arena *arena, Qnfs__Peer *peer)
{
    BODY(arena, peer, Qnfs__SnapshotOffer, qnfs__snapshot_offer__init, snapshot_offer, SNAPSHOT_OFFER);
    snapshot_offer->manifest = snapshot_manifest_encode(message->manifest, arena);
}

static void encode_fetch(const struct snapshot_message *message, struct arena *arena, Qnfs__Peer *peer)
{
    BODY(arena, peer, Qnfs__SnapshotFetch, qnfs__snapshot_fetch__init, snapshot_fetch, SNAPSHOT_FETCH);
    snapshot_fetch->id = message->id;
    snapshot_fetch->part = message->part;
    snapshot_fetch->item = message->item;
    snapshot_fetch->offset = message->offset;
    snapshot_fetch->size_bytes = message->size_bytes;
}

static void encode_chunk(const struct snapshot_message *message, struct arena *arena, Qnfs__Peer *peer)
{
    BODY(arena, peer, Qnfs__SnapshotChunk, qnfs__snapshot_chunk__init, snapshot_chunk, SNAPSHOT_CHUNK);
    CHECK(message->data != NULL && message->data->size_bytes == message->size_bytes);
    snapshot_chunk->id = message->id;
    snapshot_chunk->part = message->part;
    snapshot_chunk->item = message->item;
    snapshot_chunk->offset = message->offset;
    snapshot_chunk->size_bytes = message->size_bytes;
}

static void encode_answer(const struct snapshot_message *message, struct arena *arena, Qnfs__Peer *peer)
{
    BODY(arena, peer, Qnfs__SnapshotAnswer, qnfs__snapshot_answer__init, snapshot_answer, SNAPSHOT_ANSWER);
    snapshot_answer->id = message->id;
    snapshot_answer->outcome = message->outcome;
}

const Qnfs__Peer *snapshot_message_encode(const struct snapshot_message *message, struct arena *arena,
                                          struct slice *data)
{
    Qnfs__Peer *peer = arena_alloc(arena, sizeof(*peer));
    qnfs__peer__init(peer);
    *data = message->data == NULL ? SLICE_EMPTY : buffer_slice(message->data);
    switch (message->kind) {
    case SNAPSHOT_ASK: encode_ask(message, arena, peer); break;
    case SNAPSHOT_OFFER: encode_offer(message, arena, peer); break;
    case SNAPSHOT_FETCH: encode_fetch(message, arena, peer); break;
    case SNAPSHOT_CHUNK: encode_chunk(message, arena, peer); break;
    case SNAPSHOT_ANSWER: encode_answer(message, arena, peer); break;
    }
    CHECK(peer->body_case != QNFS__PEER__BODY__NOT_SET);
    return peer;
}

static struct snapshot_message *decode_offer(uint64_t peer, const Qnfs__SnapshotOffer *offer)
{
    struct snapshot_manifest *manifest = snapshot_manifest_decode(offer->manifest);
    if (manifest == NULL)
        return NULL;
    struct snapshot_message *message = snapshot_message_create(SNAPSHOT_OFFER, peer);
    message->id = manifest->id;
    message->manifest = manifest;
    return message;
}

static struct snapshot_message *decode_chunk(uint64_t peer, const Qnfs__SnapshotChunk *chunk, struct slice data)
{
    struct snapshot_message *message = snapshot_message_create(SNAPSHOT_CHUNK, peer);
    message->id = chunk->id;
    message->part = (enum peer_snapshot_part)chunk->part;
    message->item = chunk->item;
    message->offset = chunk->offset;
    message->size_bytes = chunk->size_bytes;
    message->data = buffer_create(data.size_bytes);
    memcpy(message->data->data, data.data, data.size_bytes);
    message->data->size_bytes = data.size_bytes;
    return message;
}

struct snapshot_message *snapshot_message_decode(uint64_t peer, const struct peer_frame *frame)
{
    struct snapshot_message *message = NULL;
    const Qnfs__Peer *body = frame->message;
    switch ((int)body->body_case) {
    case QNFS__PEER__BODY_SNAPSHOT_ASK:
        message = snapshot_message_create(SNAPSHOT_ASK, peer);
        message->applied_index = body->snapshot_ask->applied_index;
        break;
    case QNFS__PEER__BODY_SNAPSHOT_OFFER: message = decode_offer(peer, body->snapshot_offer); break;
    case QNFS__PEER__BODY_SNAPSHOT_FETCH:
        message = snapshot_message_create(SNAPSHOT_FETCH, peer);
        message->id = body->snapshot_fetch->id;
        message->part = (enum peer_snapshot_part)body->snapshot_fetch->part;
        message->item = body->snapshot_fetch->item;
        message->offset = body->snapshot_fetch->offset;
        message->size_bytes = body->snapshot_fetch->size_bytes;
        break;
    case QNFS__PEER__BODY_SNAPSHOT_CHUNK: message = decode_chunk(peer, body->snapshot_chunk, frame->data); break;
    case QNFS__PEER__BODY_SNAPSHOT_ANSWER:
        message = snapshot_message_create(SNAPSHOT_ANSWER, peer);
        message->id = body->snapshot_answer->id;
        message->outcome = (enum peer_snapshot_outcome)body->snapshot_answer->outcome;
        break;
    default: break;
    }
    return message;
}
