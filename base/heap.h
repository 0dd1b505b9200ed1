/* heap.h: memory for the few things that live long and end one by one: sessions, bindings, parked compounds. What
 * belongs to one request is in its arena (base/arena.h). */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stddef.h>

/* Zeroed bytes, aligned for any type; never NULL: running out of memory is a CHECK, as every kind of thing that is
 * allocated here is bounded by base/limits.h. */
void *heap_alloc(size_t size_bytes);

/* A zeroed array that begins with the `count` elements of `old` (NULL: none), which is freed. */
void *heap_grow(void *old, size_t count, size_t new_count, size_t element_bytes);

/* NULL is allowed. */
void heap_free(void *memory);

#define HEAP_NEW(type) ((type *)heap_alloc(sizeof(type)))

#endif
