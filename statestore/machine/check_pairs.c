#include "statestore/machine/check_pairs.h"

#include "base/check.h"
#include "base/hashtable.h"

uint64_t check_part_count(uint64_t references, size_t pairs_max)
{
    CHECK(pairs_max > 0);
    return references / pairs_max + 1;
}

void check_pairs_init(struct check_pairs *pairs, uint64_t part, uint64_t part_count, uint64_t references,
                      size_t pairs_max)
{
    CHECK(part < part_count);
    /* The parts differ a little: a quarter more than the mean is hardly ever needed. */
    uint64_t room = pairs_max + pairs_max / 4;
    if (room > references)
        room = references;
    *pairs = (struct check_pairs){.room = (size_t)room, .part = part, .part_count = part_count};
    arena_init(&pairs->arena);
    pairs->pairs = arena_alloc(&pairs->arena, pairs->room * sizeof(*pairs->pairs));
}

void check_pairs_fini(struct check_pairs *pairs)
{
    arena_fini(&pairs->arena);
}

bool check_pairs_has(const struct check_pairs *pairs, uint64_t id)
{
    /* Mixed, since ids are command numbers: a client that always does the same gives every third one to a file. */
    return hashtable_hash_number(id) % pairs->part_count == pairs->part;
}

static void check_pairs_grow(struct check_pairs *pairs)
{
    size_t room = pairs->room < 16 ? 16 : 2 * pairs->room;
    struct check_pair *bigger = arena_alloc(&pairs->arena, room * sizeof(*bigger));
    if (pairs->count > 0)
        memcpy(bigger, pairs->pairs, pairs->count * sizeof(*bigger));
    pairs->pairs = bigger;
    pairs->room = room;
}

void check_pairs_add(struct check_pairs *pairs, uint32_t volume, uint64_t id)
{
    CHECK(check_pairs_has(pairs, id));
    if (pairs->count == pairs->room)
        check_pairs_grow(pairs);
    pairs->pairs[pairs->count++] = (struct check_pair){volume, id};
}

static bool check_pair_less(const struct check_pair *a, const struct check_pair *b)
{
    return a->volume != b->volume ? a->volume < b->volume : a->id < b->id;
}

/* Lets the pair at `at` sink to its place in the heap of `count` pairs. */
static void check_pairs_sink(struct check_pair *pairs, size_t at, size_t count)
{
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && check_pair_less(&pairs[child], &pairs[child + 1]))
            child++;
        if (!check_pair_less(&pairs[at], &pairs[child]))
            return;
        struct check_pair swapped = pairs[at];
        pairs[at] = pairs[child];
        pairs[child] = swapped;
        at = child;
    }
}

void check_pairs_sort(struct check_pairs *pairs)
{
    for (size_t at = pairs->count / 2; at-- > 0;)
        check_pairs_sink(pairs->pairs, at, pairs->count);
    for (size_t count = pairs->count; count > 1; count--) {
        struct check_pair swapped = pairs->pairs[0];
        pairs->pairs[0] = pairs->pairs[count - 1];
        pairs->pairs[count - 1] = swapped;
        check_pairs_sink(pairs->pairs, 0, count - 1);
    }
}

uint64_t check_pairs_count(const struct check_pairs *pairs, uint32_t volume, uint64_t id)
{
    const struct check_pair wanted = {volume, id};
    size_t low = 0;
    CHECK(check_pairs_has(pairs, id));
    for (size_t high = pairs->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (check_pair_less(&pairs->pairs[middle], &wanted))
            low = middle + 1;
        else
            high = middle;
    }
    uint64_t count = 0;
    while (low + count < pairs->count && !check_pair_less(&wanted, &pairs->pairs[low + count]))
        count++;
    return count;
}
