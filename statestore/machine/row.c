#include "statestore/machine/row.h"

#include "base/check.h"

/* Moves over size_bytes bytes: where they stand, or NULL when only measuring. */
static const uint8_t *row_take(struct row *row, size_t size_bytes)
{
    CHECK(row->mode == ROW_READ);
    CHECK(size_bytes <= row->size_bytes - row->position);
    const uint8_t *at = row->source + row->position;
    row->position += size_bytes;
    return at;
}

static void row_give(struct row *row, const void *bytes, size_t size_bytes)
{
    CHECK(row->mode != ROW_READ);
    if (row->mode == ROW_WRITE) {
        CHECK(size_bytes <= row->size_bytes - row->position);
        if (size_bytes > 0)
            memcpy(row->target + row->position, bytes, size_bytes);
    }
    row->position += size_bytes;
}

/* A big-endian number of width_bytes bytes. */
static uint64_t row_number(struct row *row, uint64_t value, unsigned width_bytes)
{
    uint8_t bytes[8];
    if (row->mode == ROW_READ) {
        const uint8_t *at = row_take(row, width_bytes);
        uint64_t read = 0;
        for (unsigned i = 0; i < width_bytes; i++)
            read = read << 8 | at[i];
        return read;
    }
    for (unsigned i = 0; i < width_bytes; i++)
        bytes[i] = (uint8_t)(value >> (8 * (width_bytes - 1 - i)));
    row_give(row, bytes, width_bytes);
    return value;
}

void row_u8(struct row *row, uint8_t *value)
{
    *value = (uint8_t)row_number(row, *value, 1);
}

void row_u16(struct row *row, uint16_t *value)
{
    *value = (uint16_t)row_number(row, *value, 2);
}

void row_u32(struct row *row, uint32_t *value)
{
    *value = (uint32_t)row_number(row, *value, 4);
}

void row_u64(struct row *row, uint64_t *value)
{
    *value = row_number(row, *value, 8);
}

void row_i64(struct row *row, int64_t *value)
{
    *value = (int64_t)row_number(row, (uint64_t)*value, 8);
}

void row_bool(struct row *row, bool *value)
{
    /* When reading, *value may be uninitialised, and no bool may then be looked at. */
    uint64_t number = row_number(row, row->mode != ROW_READ && *value ? 1 : 0, 1);
    CHECK(number <= 1);
    *value = number == 1;
}

void row_fixed(struct row *row, void *bytes, size_t size_bytes)
{
    if (row->mode == ROW_READ)
        memcpy(bytes, row_take(row, size_bytes), size_bytes);
    else
        row_give(row, bytes, size_bytes);
}

void row_slice(struct row *row, struct slice *bytes)
{
    uint32_t size = 0;
    if (row->mode != ROW_READ) {
        CHECK(bytes->size_bytes <= UINT32_MAX);
        size = (uint32_t)bytes->size_bytes;
    }
    row_u32(row, &size);
    if (row->mode == ROW_READ)
        *bytes = slice_make(row_take(row, size), size);
    else
        row_give(row, bytes->data, size);
}

void row_rest(struct row *row, struct slice *bytes)
{
    if (row->mode == ROW_READ) {
        size_t size = row->size_bytes - row->position;
        *bytes = slice_make(row_take(row, size), size);
    } else {
        row_give(row, bytes->data, bytes->size_bytes);
    }
}

void row_version(struct row *row, uint8_t version)
{
    uint8_t found = version;
    row_u8(row, &found);
    CHECK(found == version);
}

struct slice row_encode(row_codec *codec, const void *value, struct arena *arena)
{
    /* A codec that does not read leaves the value alone. */
    void *unchanged = (void *)(uintptr_t)value;
    struct row measure = {.mode = ROW_MEASURE};
    codec(&measure, unchanged);
    struct row writer = {
        .mode = ROW_WRITE, .target = arena_alloc(arena, measure.position), .size_bytes = measure.position};
    codec(&writer, unchanged);
    CHECK(writer.position == measure.position);
    return slice_make(writer.target, writer.position);
}

void row_decode(row_codec *codec, struct slice bytes, void *value)
{
    struct row reader = {.mode = ROW_READ, .source = bytes.data, .size_bytes = bytes.size_bytes};
    codec(&reader, value);
    CHECK(reader.position == bytes.size_bytes);
}

struct row_key row_key(struct arena *arena, uint8_t prefix, size_t rest_bytes)
{
    CHECK(rest_bytes < ROW_KEY_MAX_BYTES);
    struct row_key key = {arena_alloc(arena, rest_bytes + 1), 0, rest_bytes + 1};
    row_key_u8(&key, prefix);
    return key;
}

void row_key_u8(struct row_key *key, uint8_t value)
{
    row_key_bytes(key, slice_make(&value, 1));
}

void row_key_u32(struct row_key *key, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
    row_key_bytes(key, slice_make(bytes, sizeof(bytes)));
}

void row_key_u64(struct row_key *key, uint64_t value)
{
    row_key_u32(key, (uint32_t)(value >> 32));
    row_key_u32(key, (uint32_t)value);
}

void row_key_bytes(struct row_key *key, struct slice bytes)
{
    CHECK(bytes.size_bytes <= key->room_bytes - key->size_bytes);
    if (bytes.size_bytes > 0)
        memcpy(key->bytes + key->size_bytes, bytes.data, bytes.size_bytes);
    key->size_bytes += bytes.size_bytes;
}

uint32_t row_key_get_u32(struct slice key, size_t offset)
{
    CHECK(offset + 4 <= key.size_bytes);
    const uint8_t *at = key.data + offset;
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

uint64_t row_key_get_u64(struct slice key, size_t offset)
{
    return (uint64_t)row_key_get_u32(key, offset) << 32 | row_key_get_u32(key, offset + 4);
}
