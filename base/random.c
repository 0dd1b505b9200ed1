#include "base/random.h"

#include <string.h>
#include <sys/random.h>

#include "base/check.h"

static void system_fill(void *context, void *bytes, size_t size_bytes)
{
    (void)context;
    uint8_t *next = bytes;
    while (size_bytes > 0) {
        size_t part = size_bytes < 256 ? size_bytes : 256; /* up to 256 bytes are never cut short by a signal */
        CHECK(getrandom(next, part, 0) == (ssize_t)part);
        next += part;
        size_bytes -= part;
    }
}

struct random random_system(void)
{
    return (struct random){NULL, system_fill};
}

uint64_t random_seeded_next(struct random_seeded *seeded)
{
    uint64_t mixed = seeded->state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

static void seeded_fill(void *context, void *bytes, size_t size_bytes)
{
    uint8_t *next = bytes;
    while (size_bytes > 0) {
        uint64_t word = random_seeded_next(context);
        size_t part = size_bytes < sizeof(word) ? size_bytes : sizeof(word);
        memcpy(next, &word, part);
        next += part;
        size_bytes -= part;
    }
}

struct random random_from_seed(struct random_seeded *seeded, uint64_t seed)
{
    seeded->state = seed;
    return (struct random){seeded, seeded_fill};
}
