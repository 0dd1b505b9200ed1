/* range.h: the keys below a prefix, collected before they are changed: a transaction's cursor must be closed first. */
#ifndef STATESTORE_MACHINE_RANGE_H
#define STATESTORE_MACHINE_RANGE_H

#include "statestore/store/kv.h"

struct range {
    struct slice *keys; /* in the arena, in order */
    size_t count;
    bool more; /* `room` keys were collected and there are more */
};

/* The first `room` keys that begin with `prefix`. Pure over the view. */
struct range range_collect(struct kv_read *read, struct slice prefix, size_t room, struct arena *arena);

/* Whether any key begins with `prefix`. Pure over the view. */
bool range_any(struct kv_read *read, struct slice prefix, struct arena *arena);

/* Deletes the collected keys. Machine only. */
void range_delete(struct transaction *transaction, const struct range *range);

#endif
