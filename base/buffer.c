#include "base/buffer.h"

#include <stdlib.h>

#include "base/check.h"

struct buffer *buffer_create(size_t capacity_bytes)
{
    struct buffer *buffer = malloc(sizeof(*buffer) + capacity_bytes);
    CHECK(buffer != NULL);
    atomic_init(&buffer->owners, 1);
    buffer->capacity_bytes = capacity_bytes;
    buffer->size_bytes = 0;
    return buffer;
}

struct buffer *buffer_get(struct buffer *buffer)
{
    unsigned before = atomic_fetch_add_explicit(&buffer->owners, 1, memory_order_relaxed);
    CHECK(before > 0);
    return buffer;
}

void buffer_put(struct buffer *buffer)
{
    if (buffer == NULL)
        return;
    unsigned before = atomic_fetch_sub_explicit(&buffer->owners, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before == 1)
        free(buffer);
}
