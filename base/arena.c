#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"

struct arena_chunk {
    struct arena_chunk *older;
    size_t size_bytes; /* of the payload */
    alignas(max_align_t) uint8_t payload[];
};

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

void arena_fini(struct arena *arena)
{
    struct arena_chunk *chunk = arena->newest;
    while (chunk != NULL) {
        struct arena_chunk *older = chunk->older;
        free(chunk);
        chunk = older;
    }
    *arena = (struct arena){0};
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *keep = NULL;
    struct arena_chunk *chunk = arena->newest;
    while (chunk != NULL) {
        struct arena_chunk *older = chunk->older;
        if (keep == NULL && chunk->size_bytes <= ARENA_KEEP_BYTES)
            keep = chunk;
        else
            free(chunk);
        chunk = older;
    }
    *arena = (struct arena){0};
    if (keep != NULL) {
        keep->older = NULL;
        arena->newest = keep;
        arena->next = keep->payload;
        arena->end = keep->payload + keep->size_bytes;
        arena->reserved_bytes = keep->size_bytes;
    }
}

static void arena_grow(struct arena *arena, size_t size_bytes)
{
    size_t wanted = arena->newest == NULL ? ARENA_FIRST_BYTES : arena->newest->size_bytes * 2;
    if (wanted > ARENA_CHUNK_MAX_BYTES)
        wanted = ARENA_CHUNK_MAX_BYTES;
    if (wanted < size_bytes)
        wanted = size_bytes;
    CHECK(arena->reserved_bytes + wanted <= ARENA_MAX_BYTES);
    struct arena_chunk *chunk = malloc(sizeof(*chunk) + wanted);
    CHECK(chunk != NULL);
    chunk->older = arena->newest;
    chunk->size_bytes = wanted;
    arena->newest = chunk;
    arena->next = chunk->payload;
    arena->end = chunk->payload + wanted;
    arena->reserved_bytes += wanted;
}

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
    CHECK(size_bytes <= ARENA_MAX_BYTES);
    size_t rounded = (size_bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (rounded == 0)
        rounded = alignof(max_align_t);
    if (arena->newest == NULL || (size_t)(arena->end - arena->next) < rounded)
        arena_grow(arena, rounded);
    void *result = arena->next;
    arena->next += rounded;
    return result;
}

void *arena_alloc_zeroed(struct arena *arena, size_t size_bytes)
{
    void *result = arena_alloc(arena, size_bytes);
    memset(result, 0, size_bytes);
    return result;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t element_bytes)
{
    CHECK(element_bytes == 0 || count <= ARENA_MAX_BYTES / element_bytes);
    return arena_alloc_zeroed(arena, count * element_bytes);
}

struct slice arena_copy(struct arena *arena, struct slice bytes)
{
    if (bytes.size_bytes == 0)
        return SLICE_EMPTY;
    uint8_t *copy = arena_alloc(arena, bytes.size_bytes);
    memcpy(copy, bytes.data, bytes.size_bytes);
    return slice_make(copy, bytes.size_bytes);
}

char *arena_text(struct arena *arena, struct slice bytes)
{
    char *copy = arena_alloc(arena, bytes.size_bytes + 1);
    if (bytes.size_bytes > 0)
        memcpy(copy, bytes.data, bytes.size_bytes);
    copy[bytes.size_bytes] = '\0';
    return copy;
}
