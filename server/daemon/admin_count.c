#include "server/daemon/admin_count.h"

#include "base/check.h"
#include "statestore/store/schema.h"

/* How much longer a count is used than it took. */
#define COUNT_KEEP_FACTOR 10u

static uint64_t count_rows(struct kv_read *view, enum schema_row row, struct arena *arena)
{
    uint8_t prefix = (uint8_t)row;
    uint64_t count = 0;
    struct kv_cursor cursor;
    kv_cursor_open(view, slice_make(&prefix, 1), SLICE_EMPTY, arena, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor))
        count++;
    kv_cursor_close(&cursor);
    return count;
}

/* A client has more than one row: the prefix and the id come first in the keys of all. */
static uint64_t count_clients(struct kv_read *view, struct arena *arena)
{
    enum { SAME_BYTES = 9 };
    uint8_t prefix = SCHEMA_CLIENT;
    uint8_t last[SAME_BYTES] = {0};
    uint64_t count = 0;
    struct kv_cursor cursor;
    kv_cursor_open(view, slice_make(&prefix, 1), SLICE_EMPTY, arena, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        CHECK(cursor.key.size_bytes >= SAME_BYTES);
        count += memcmp(last, cursor.key.data, SAME_BYTES) != 0;
        memcpy(last, cursor.key.data, SAME_BYTES);
    }
    kv_cursor_close(&cursor);
    return count;
}

void admin_count_get(struct admin_count_cache *cache, struct kv_read *view, struct clock clock, struct arena *arena,
                     struct admin_count *count)
{
    uint64_t began_ms = clock.boot_ms(clock.context);
    if (began_ms >= cache->valid_until_ms) {
        cache->count = (struct admin_count){
            .exports = count_rows(view, SCHEMA_EXPORT, arena),
            .clients = count_clients(view, arena),
            .sessions = count_rows(view, SCHEMA_SESSION, arena),
            .slots = count_rows(view, SCHEMA_SLOT, arena),
            .opens = count_rows(view, SCHEMA_OPEN_BY_OWNER, arena),
            .locks = count_rows(view, SCHEMA_LOCK, arena),
        };
        uint64_t ended_ms = clock.boot_ms(clock.context);
        cache->valid_until_ms = ended_ms + COUNT_KEEP_FACTOR * (ended_ms - began_ms);
    }
    *count = cache->count;
}
