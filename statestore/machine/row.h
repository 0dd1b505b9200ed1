/* row.h: the bytes of the machine's rows. One codec function a row type works in both directions: it reads a row, writes
 * it, or measures it. Numbers are big-endian, so keys sort as their numbers do. docs/formats/keys.md shows every row.
 *
 * Rows are our own bytes: one that does not decode is damage, and stops the node by CHECK. */
#ifndef STATESTORE_MACHINE_ROW_H
#define STATESTORE_MACHINE_ROW_H

#include "base/arena.h"
#include "base/slice.h"

enum row_mode { ROW_READ, ROW_WRITE, ROW_MEASURE };

struct row {
    enum row_mode mode;
    const uint8_t *source; /* ROW_READ: not owned */
    uint8_t *target;       /* ROW_WRITE: not owned */
    size_t position;       /* bytes read, written or measured so far */
    size_t size_bytes;     /* of source or target */
};

/* A codec: reads into, or writes from, *value. Slices that are read point into the row's bytes. */
typedef void row_codec(struct row *row, void *value);

/* The row of a value, in the arena. Pure. */
struct slice row_encode(row_codec *codec, const void *value, struct arena *arena);

/* The value of a row; slices in it point into `bytes`. CHECKs that all bytes are used and none is missing. Pure. */
void row_decode(row_codec *codec, struct slice bytes, void *value);

/* One field each. */
void row_u8(struct row *row, uint8_t *value);
void row_u16(struct row *row, uint16_t *value);
void row_u32(struct row *row, uint32_t *value);
void row_u64(struct row *row, uint64_t *value);
void row_i64(struct row *row, int64_t *value);
void row_bool(struct row *row, bool *value); /* one byte, 0 or 1 */
/* Exactly size_bytes bytes, copied. */
void row_fixed(struct row *row, void *bytes, size_t size_bytes);
/* A u32 length and as many bytes. */
void row_slice(struct row *row, struct slice *bytes);
/* All bytes that are left: the last field only. */
void row_rest(struct row *row, struct slice *bytes);
/* The first byte of every value: the layout's version. CHECKs that a row read has this one. */
void row_version(struct row *row, uint8_t version);

/* --- keys --- */

/* Longest key: an export's path behind its prefix, and the like. */
#define ROW_KEY_MAX_BYTES 1100u

/* Builds a key: row_key() and then row_key_* for each part; row_key_done() gives the bytes, which live in the arena. */
struct row_key {
    uint8_t *bytes;
    size_t size_bytes;
    size_t room_bytes;
};
/* A key that begins with the prefix byte and has room for `rest_bytes` more. */
struct row_key row_key(struct arena *arena, uint8_t prefix, size_t rest_bytes);
void row_key_u8(struct row_key *key, uint8_t value);
void row_key_u32(struct row_key *key, uint32_t value);
void row_key_u64(struct row_key *key, uint64_t value);
void row_key_bytes(struct row_key *key, struct slice bytes);
static inline struct slice row_key_done(const struct row_key *key)
{
    return slice_make(key->bytes, key->size_bytes);
}

/* Numbers inside a key that was read; CHECK that the key is long enough. Pure. */
uint32_t row_key_get_u32(struct slice key, size_t offset);
uint64_t row_key_get_u64(struct slice key, size_t offset);

#endif
