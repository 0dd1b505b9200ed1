#include "base/heap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void *heap_alloc(size_t size_bytes)
{
    void *memory = calloc(1, size_bytes == 0 ? 1 : size_bytes);
    CHECK(memory != NULL);
    return memory;
}

void *heap_grow(void *old, size_t count, size_t new_count, size_t element_bytes)
{
    CHECK(count <= new_count && new_count <= SIZE_MAX / element_bytes);
    void *memory = heap_alloc(new_count * element_bytes);
    if (count > 0)
        memcpy(memory, old, count * element_bytes);
    free(old);
    return memory;
}

void heap_free(void *memory)
{
    free(memory);
}
