/* buffer.h: bytes on the heap with a count of owners: a request record, a reply, a log entry. They cross threads, so the
 * count is atomic; the bytes are written by one thread before the buffer is handed on and by nobody afterwards. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdatomic.h>

#include "base/slice.h"

struct buffer {
    atomic_uint owners;
    size_t capacity_bytes;
    size_t size_bytes; /* in use */
    uint8_t data[];
};

/* A buffer with one owner, size 0, room for capacity_bytes; never NULL. */
struct buffer *buffer_create(size_t capacity_bytes);

/* One more owner; returns the buffer. */
struct buffer *buffer_get(struct buffer *buffer);

/* One owner less; the last one frees it. NULL is allowed. */
void buffer_put(struct buffer *buffer);

static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return slice_make(buffer->data, buffer->size_bytes);
}

#endif
