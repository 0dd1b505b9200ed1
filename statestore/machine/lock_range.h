/* lock_range.h: the ranges of a file as rows, and the arithmetic of locking over them. Machine only. */
#ifndef STATESTORE_MACHINE_LOCK_RANGE_H
#define STATESTORE_MACHINE_LOCK_RANGE_H

#include "statestore/machine/lock.h"

struct apply;

/* What a lock or unlock does to the rows of its owner: at most one range is cut on each side. */
struct lock_edit {
    struct lock_range *removed; /* in the arena */
    size_t removed_count;
    struct lock_range added[3];
    size_t added_count;
};

/* The owner's ranges after [range] was locked (or, with unlock, freed); `range->other` is the owner's state. Nothing is
 * written. Pure over the view. */
struct lock_edit lock_edit_plan(struct kv_read *read, struct file_id file, const struct lock_range *range, bool unlock,
                                struct arena *arena);

/* Carries the edit out and counts it in *state, its client and its file. */
void lock_edit_execute(struct apply *apply, struct file_id file, const struct lock_edit *edit, struct state *state);

static inline bool lock_ranges_overlap(const struct lock_range *a, const struct lock_range *b)
{
    return a->first <= b->last && b->first <= a->last;
}

#endif
