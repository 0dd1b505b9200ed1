#include "statestore/machine/range.h"

#include "base/check.h"

/* Room of the first array; it doubles. */
#define RANGE_FIRST 16u

struct range range_collect(struct kv_read *read, struct slice prefix, size_t room, struct arena *arena)
{
    struct range range = {0};
    size_t have = 0;
    struct kv_cursor cursor;
    kv_cursor_open(read, prefix, SLICE_EMPTY, arena, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        if (range.count == room) {
            range.more = true;
            break;
        }
        if (range.count == have) {
            have = have == 0 ? RANGE_FIRST : 2 * have;
            struct slice *keys = arena_alloc_array(arena, have, sizeof(*keys));
            if (range.count > 0)
                memcpy(keys, range.keys, range.count * sizeof(*keys));
            range.keys = keys;
        }
        range.keys[range.count++] = arena_copy(arena, cursor.key);
    }
    kv_cursor_close(&cursor);
    CHECK(range.count <= room);
    return range;
}

bool range_any(struct kv_read *read, struct slice prefix, struct arena *arena)
{
    struct kv_cursor cursor;
    kv_cursor_open(read, prefix, SLICE_EMPTY, arena, &cursor);
    bool any = cursor.valid;
    kv_cursor_close(&cursor);
    return any;
}

void range_delete(struct transaction *transaction, const struct range *range)
{
    for (size_t i = 0; i < range->count; i++)
        transaction_delete(transaction, range->keys[i]);
}
