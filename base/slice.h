/* slice.h: bytes that belong to somebody else. A slice is two words and is passed by value; whoever hands one out
 * says how long the bytes live. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data; /* may be NULL when size_bytes is 0 */
    size_t size_bytes;
};

/* Bytes that may be written to; same ownership rules. */
struct span {
    uint8_t *data;
    size_t size_bytes;
};

#define SLICE_EMPTY ((struct slice){NULL, 0})

static inline struct slice slice_make(const void *data, size_t size_bytes)
{
    return (struct slice){data, size_bytes};
}

/* The bytes of a C string, without its end. */
static inline struct slice slice_text(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size_bytes == b.size_bytes && (a.size_bytes == 0 || memcmp(a.data, b.data, a.size_bytes) == 0);
}

/* Order of memcmp, a prefix before what it is a prefix of: the order of keys in the store. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t shared = a.size_bytes < b.size_bytes ? a.size_bytes : b.size_bytes;
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
    if (order != 0)
        return order;
    return a.size_bytes < b.size_bytes ? -1 : a.size_bytes > b.size_bytes;
}

static inline bool slice_starts_with(struct slice whole, struct slice prefix)
{
    return whole.size_bytes >= prefix.size_bytes &&
           (prefix.size_bytes == 0 || memcmp(whole.data, prefix.data, prefix.size_bytes) == 0);
}

/* The part of a slice from an offset on; offset must not be past the end. */
static inline struct slice slice_from(struct slice whole, size_t offset)
{
    return (struct slice){whole.data == NULL ? NULL : whole.data + offset, whole.size_bytes - offset};
}

#endif
