/* check_pairs.h: counting how often each inode has a name, and each block an extent, in a bounded memory: the references
 * are looked at in parts, by a hash of what they refer to, each part in a walk of its own. Part of machine_check. */
#ifndef STATESTORE_MACHINE_CHECK_PAIRS_H
#define STATESTORE_MACHINE_CHECK_PAIRS_H

#include "base/arena.h"

/* One reference: to an inode (by a name), or to a block (volume 0, by an extent). */
struct check_pair {
    uint32_t volume;
    uint64_t id;
};

/* One part of all references, while it is collected and counted. */
struct check_pairs {
    struct arena arena; /* owns the array */
    struct check_pair *pairs;
    size_t count;
    size_t room;
    uint64_t part;
    uint64_t part_count;
};

/* How many parts so many references make, at most `pairs_max` in each, about. */
uint64_t check_part_count(uint64_t references, size_t pairs_max);

void check_pairs_init(struct check_pairs *pairs, uint64_t part, uint64_t part_count, uint64_t references,
                      size_t pairs_max);
void check_pairs_fini(struct check_pairs *pairs);

/* Whether references to the id belong to this part. */
bool check_pairs_has(const struct check_pairs *pairs, uint64_t id);

/* Adds one that belongs to it. */
void check_pairs_add(struct check_pairs *pairs, uint32_t volume, uint64_t id);

/* After the last one was added, before the first is counted. */
void check_pairs_sort(struct check_pairs *pairs);

/* How often the pair was added. */
uint64_t check_pairs_count(const struct check_pairs *pairs, uint32_t volume, uint64_t id);

#endif
