#include "proto/rpc/record.h"

#include "base/check.h"
#include "base/limits.h"

void record_reader_init(struct record_reader *reader)
{
    *reader = (struct record_reader){0};
}

bool record_reader_in_record(const struct record_reader *reader)
{
    return reader->mark_bytes > 0 || reader->in_fragment || reader->fragments > 0;
}

static uint32_t mark_value(const uint8_t mark[RPC_MARK_BYTES])
{
    return (uint32_t)mark[0] << 24 | (uint32_t)mark[1] << 16 | (uint32_t)mark[2] << 8 | mark[3];
}

static void piece_skip(struct slice *piece, size_t size_bytes)
{
    *piece = slice_from(*piece, size_bytes);
}

/* Takes what there is of the four bytes before a fragment; with all of them the fragment has begun. */
static enum record_outcome mark_take(struct record_reader *reader, struct slice *piece)
{
    size_t size_bytes = RPC_MARK_BYTES - reader->mark_bytes;
    if (size_bytes > piece->size_bytes)
        size_bytes = piece->size_bytes;
    if (size_bytes > 0)
        memcpy(reader->mark + reader->mark_bytes, piece->data, size_bytes);
    piece_skip(piece, size_bytes);
    reader->mark_bytes += (uint32_t)size_bytes;
    if (reader->mark_bytes < RPC_MARK_BYTES)
        return RECORD_NEED_MORE;

    uint32_t mark = mark_value(reader->mark);
    uint32_t length_bytes = mark & ~RPC_LAST_FRAGMENT;
    CHECK(reader->record_bytes <= RPC_RECORD_MAX_BYTES);
    if (length_bytes > RPC_RECORD_MAX_BYTES - reader->record_bytes)
        return RECORD_TOO_LARGE;
    if (++reader->fragments > RPC_FRAGMENTS_MAX)
        return RECORD_TOO_MANY_FRAGMENTS;
    reader->last = (mark & RPC_LAST_FRAGMENT) != 0;
    reader->fragment_left = length_bytes;
    reader->mark_bytes = 0;
    reader->in_fragment = true;
    return RECORD_COMPLETE;
}

/* Appends what there is of the fragment to the assembly. */
static bool fragment_append(struct record_reader *reader, struct slice *piece, struct record_assembly *assembly)
{
    if (reader->record_bytes == 0)
        assembly->size_bytes = 0;
    CHECK(assembly->size_bytes == reader->record_bytes);
    size_t size_bytes = reader->fragment_left < piece->size_bytes ? reader->fragment_left : piece->size_bytes;
    size_t needed_bytes = reader->record_bytes + size_bytes;
    if (assembly->capacity_bytes < needed_bytes) {
        /* By what has come, not by what the mark promises: a silent client must not hold a megabyte. */
        size_t promised_bytes = (size_t)reader->record_bytes + reader->fragment_left;
        size_t wanted_bytes =
            assembly->capacity_bytes * 2 < promised_bytes ? assembly->capacity_bytes * 2 : promised_bytes;
        if (wanted_bytes < needed_bytes)
            wanted_bytes = needed_bytes;
        if (!assembly->grow(assembly, wanted_bytes))
            return false;
        CHECK(assembly->capacity_bytes >= needed_bytes);
    }
    if (size_bytes > 0)
        memcpy(assembly->data + assembly->size_bytes, piece->data, size_bytes);
    assembly->size_bytes += size_bytes;
    reader->record_bytes += (uint32_t)size_bytes;
    reader->fragment_left -= (uint32_t)size_bytes;
    piece_skip(piece, size_bytes);
    return true;
}

enum record_outcome record_reader_feed(struct record_reader *reader, struct slice *piece,
                                       struct record_assembly *assembly, struct slice *record)
{
    for (;;) {
        if (!reader->in_fragment) {
            enum record_outcome outcome = mark_take(reader, piece);
            if (outcome != RECORD_COMPLETE)
                return outcome;
        }
        if (reader->last && reader->record_bytes == 0 && piece->size_bytes >= reader->fragment_left) {
            *record = slice_make(piece->data, reader->fragment_left);
            piece_skip(piece, reader->fragment_left);
            record_reader_init(reader);
            return RECORD_COMPLETE;
        }
        if (!fragment_append(reader, piece, assembly))
            return RECORD_NO_ROOM;
        if (reader->fragment_left > 0)
            return RECORD_NEED_MORE;
        reader->in_fragment = false;
        if (reader->last) {
            *record = slice_make(assembly->data, reader->record_bytes);
            record_reader_init(reader);
            return RECORD_COMPLETE;
        }
    }
}

void record_mark_write(uint8_t mark[RPC_MARK_BYTES], size_t size_bytes)
{
    CHECK(size_bytes < RPC_LAST_FRAGMENT);
    uint32_t value = (uint32_t)size_bytes | RPC_LAST_FRAGMENT;
    mark[0] = (uint8_t)(value >> 24);
    mark[1] = (uint8_t)(value >> 16);
    mark[2] = (uint8_t)(value >> 8);
    mark[3] = (uint8_t)value;
}
