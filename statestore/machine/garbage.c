#include "statestore/machine/garbage.h"

#include "base/check.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

/* Behind SCHEMA_NODE_LOCAL; other rows of the node have other letters here. */
#define GARBAGE_LETTER 'g'
#define GARBAGE_KEY_BYTES 18u

static struct row_key garbage_prefix(struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_NODE_LOCAL, 17);
    row_key_u8(&key, GARBAGE_LETTER);
    return key;
}

static struct slice garbage_key(const struct garbage *garbage, struct arena *arena)
{
    struct row_key key = garbage_prefix(arena);
    row_key_u64(&key, garbage->number);
    row_key_u64(&key, garbage->block.value);
    CHECK(key.size_bytes == GARBAGE_KEY_BYTES);
    return row_key_done(&key);
}

void garbage_walk_open(struct kv_read *read, const struct garbage *after, struct arena *arena,
                       struct garbage_walk *walk)
{
    struct row_key prefix = garbage_prefix(arena);
    struct garbage start = {after->number, {after->block.value + 1}}; /* no id is the highest number */
    kv_cursor_open(read, row_key_done(&prefix), garbage_key(&start, arena), arena, &walk->cursor);
}

bool garbage_walk_get(struct garbage_walk *walk, struct garbage *garbage)
{
    if (!walk->cursor.valid)
        return false;
    CHECK(walk->cursor.key.size_bytes == GARBAGE_KEY_BYTES);
    garbage->number = row_key_get_u64(walk->cursor.key, 2);
    garbage->block.value = row_key_get_u64(walk->cursor.key, 10);
    return true;
}

void garbage_walk_next(struct garbage_walk *walk)
{
    kv_cursor_next(&walk->cursor);
}

void garbage_walk_close(struct garbage_walk *walk)
{
    kv_cursor_close(&walk->cursor);
}

void garbage_put(struct transaction *transaction, const struct garbage *garbage, struct arena *arena)
{
    CHECK(garbage->number != 0 && garbage->block.value != 0);
    transaction_put(transaction, garbage_key(garbage, arena), slice_make("\x01", 1));
}

void garbage_drop(struct transaction *transaction, const struct garbage *garbage, struct arena *arena)
{
    transaction_delete(transaction, garbage_key(garbage, arena));
}
