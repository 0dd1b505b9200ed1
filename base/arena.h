/* arena.h: memory that is given back all at once. A request, a command, a message owns one arena; whatever belongs to
 * it is allocated there and nothing is freed one by one. Allocation never returns NULL: running out of memory, or over
 * the arena's bound, is a CHECK, because every input is bounded before it is decoded (base/limits.h). */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/slice.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *newest; /* owned; older chunks hang on it */
    uint8_t *next;              /* first free byte of the newest chunk */
    uint8_t *end;
    size_t reserved_bytes; /* sum of all chunks */
};

/* An empty arena; allocates nothing yet. Pure. */
void arena_init(struct arena *arena);

/* Gives everything back; the arena may be used again. */
void arena_fini(struct arena *arena);

/* Forgets all allocations but keeps one chunk (of at most ARENA_KEEP_BYTES) for the next user. */
void arena_reset(struct arena *arena);

/* size_bytes uninitialised bytes, aligned for any type; valid until reset or fini; never NULL, also for size 0. */
void *arena_alloc(struct arena *arena, size_t size_bytes);

/* The same, zeroed. */
void *arena_alloc_zeroed(struct arena *arena, size_t size_bytes);

/* A zeroed array; CHECKs that count * size does not overflow. */
void *arena_alloc_array(struct arena *arena, size_t count, size_t element_bytes);

/* A copy of the bytes, living in the arena. */
struct slice arena_copy(struct arena *arena, struct slice bytes);

/* A copy of the bytes as a C string. */
char *arena_text(struct arena *arena, struct slice bytes);

#define ARENA_NEW(arena, type) ((type *)arena_alloc_zeroed((arena), sizeof(type)))

#endif
