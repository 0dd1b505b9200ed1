#include "statestore/store/kv.h"

#include "base/check.h"

bool kv_get(struct kv_read *read, struct slice key, struct arena *arena, struct slice *value)
{
    *value = SLICE_EMPTY;
    return read->operations->get(read, key, arena, value);
}

/* Implementations order keys; that a cursor ends with its prefix is the same for all and stands here. */
static void kv_cursor_bound(struct kv_cursor *cursor)
{
    if (cursor->valid && !slice_starts_with(cursor->key, cursor->prefix))
        cursor->valid = false;
    if (!cursor->valid) {
        cursor->key = SLICE_EMPTY;
        cursor->value = SLICE_EMPTY;
    }
}

void kv_cursor_open(struct kv_read *read, struct slice prefix, struct slice start, struct arena *arena,
                    struct kv_cursor *cursor)
{
    *cursor = (struct kv_cursor){.read = read, .prefix = arena_copy(arena, prefix), .arena = arena};
    read->operations->seek(read, cursor, slice_compare(start, prefix) < 0 ? cursor->prefix : start);
    kv_cursor_bound(cursor);
}

void kv_cursor_next(struct kv_cursor *cursor)
{
    CHECK(cursor->valid);
    cursor->read->operations->next(cursor->read, cursor);
    kv_cursor_bound(cursor);
}

void kv_cursor_close(struct kv_cursor *cursor)
{
    CHECK(cursor->read != NULL);
    cursor->read->operations->close(cursor->read, cursor);
    *cursor = (struct kv_cursor){0};
}
