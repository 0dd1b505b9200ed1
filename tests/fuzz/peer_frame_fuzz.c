/* Frames as another node might send them: the message and the data (with a right checksum put before them, which chance
 * would not find), and the bytes as they are. What opens packs again to a frame that opens to the same. What raft would be
 * given goes back into a frame, and comes out as it was. */
#include <stdint.h>

#include "base/check.h"
#include "base/hash.h"
#include "cluster/peer_convert.h"
#include "cluster/snapshot_message.h"
#include "proto/peer_codec.h"

/* Larger inputs find nothing new and cost time. */
#define INPUT_MAX_BYTES 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_u32(uint8_t *at, size_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void raft_try(const struct peer_frame *frame, struct arena *arena)
{
    struct peer_converted converted;
    struct peer_frame again;
    struct peer_message *message = peer_convert_in(frame, 2);
    if (message == NULL)
        return;
    peer_convert_out(message, arena, &converted);
    size_t room_bytes = peer_frame_bytes(converted.message, converted.data, converted.data_count);
    struct span room = {arena_alloc(arena, room_bytes), room_bytes};
    struct slice packed = peer_frame_pack(converted.message, converted.data, converted.data_count, room);
    CHECK(peer_frame_open(packed, arena, &again) == STATUS_OK);
    struct peer_message *back = peer_convert_in(&again, 2);
    CHECK(back != NULL && back->kind == message->kind && back->term == message->term &&
          back->entry_count == message->entry_count && back->previous_index == message->previous_index &&
          peer_message_bytes(back) == peer_message_bytes(message));
    peer_message_free(back);
    peer_message_free(message);
}

/* A message about copies of the state: into a frame again, and the same. */
static void snapshot_try(const struct peer_frame *frame, struct arena *arena)
{
    struct snapshot_message *message = snapshot_message_decode(2, frame);
    if (message == NULL)
        return;
    struct slice data;
    struct peer_frame again;
    const Qnfs__Peer *peer = snapshot_message_encode(message, arena, &data);
    size_t room_bytes = peer_frame_bytes(peer, &data, 1);
    struct slice packed = peer_frame_pack(peer, &data, 1, (struct span){arena_alloc(arena, room_bytes), room_bytes});
    CHECK(peer_frame_open(packed, arena, &again) == STATUS_OK);
    struct snapshot_message *back = snapshot_message_decode(2, &again);
    CHECK(back != NULL && back->kind == message->kind && back->id == message->id && back->item == message->item &&
          back->offset == message->offset && slice_equal(again.data, frame->data));
    CHECK((back->manifest == NULL) == (message->manifest == NULL));
    if (back->manifest != NULL)
        CHECK(snapshot_manifest_bytes(back->manifest) == snapshot_manifest_bytes(message->manifest) &&
              back->manifest->log.index == message->manifest->log.index);
    snapshot_message_free(back);
    snapshot_message_free(message);
}

static void frame_try(struct slice bytes, struct arena *arena)
{
    struct peer_frame frame;
    struct peer_frame again;
    if (peer_frame_open(bytes, arena, &frame) != STATUS_OK)
        return;
    CHECK(frame.message != NULL && frame.data.size_bytes <= bytes.size_bytes);
    size_t room_bytes = peer_frame_bytes(frame.message, &frame.data, 1);
    struct span room = {arena_alloc(arena, room_bytes), room_bytes};
    struct slice packed = peer_frame_pack(frame.message, &frame.data, 1, room);
    CHECK(packed.size_bytes == room_bytes);
    CHECK(peer_frame_open(packed, arena, &again) == STATUS_OK);
    CHECK(slice_equal(again.data, frame.data) && again.message->body_case == frame.message->body_case);
    if (frame.message->body_case == QNFS__PEER__BODY_RAFT)
        raft_try(&frame, arena);
    snapshot_try(&frame, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    size_t frame_bytes;
    if (size > INPUT_MAX_BYTES)
        return 0;
    arena_init(&arena);
    frame_try(slice_make(data, size), &arena);
    if (peer_frame_measure(slice_make(data, size), &frame_bytes) == STATUS_OK && frame_bytes <= size)
        frame_try(slice_make(data, frame_bytes), &arena);
    uint8_t *whole = arena_alloc(&arena, size + PEER_FRAME_HEAD_BYTES);
    if (size > 0)
        memcpy(whole + PEER_FRAME_HEAD_BYTES, data, size);
    put_u32(whole, size);
    put_u32(whole + 4, crc32c(0, slice_make(data, size)));
    frame_try(slice_make(whole, size + PEER_FRAME_HEAD_BYTES), &arena);
    arena_fini(&arena);
    return 0;
}
