#include "statestore/machine/space.h"

#include "base/check.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/meta.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

struct space {
    uint64_t free_bytes;
    bool is_low;
};

static void space_codec(struct row *row, void *value)
{
    struct space *space = value;
    row_version(row, 1);
    row_u64(row, &space->free_bytes);
    row_bool(row, &space->is_low);
}

bool space_low(struct kv_read *read, struct arena *arena)
{
    return meta_get(read, META_SPACE_LOW, 0, arena) != 0;
}

/* The node's row; without one, nothing was reported and nothing is low. */
static struct space space_of_node(struct kv_read *read, uint64_t node, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_SPACE, 8);
    row_key_u64(&key, node);
    struct slice bytes;
    struct space space = {0};
    if (kv_get(read, row_key_done(&key), arena, &bytes))
        row_decode(space_codec, bytes, &space);
    return space;
}

bool space_node_low(struct kv_read *read, uint64_t node, struct arena *arena)
{
    return space_of_node(read, node, arena).is_low;
}

uint64_t space_free_bytes(struct kv_read *read, struct arena *arena)
{
    struct row_key prefix = row_key(arena, SCHEMA_SPACE, 0);
    struct kv_cursor cursor;
    uint64_t least = UINT64_MAX;
    kv_cursor_open(read, row_key_done(&prefix), SLICE_EMPTY, arena, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor)) {
        struct space space;
        row_decode(space_codec, cursor.value, &space);
        if (space.free_bytes < least)
            least = space.free_bytes;
    }
    kv_cursor_close(&cursor);
    return least;
}

/* Counts the nodes that are low. */
static void space_count(struct apply *apply, bool was_low, bool is_low)
{
    if (was_low == is_low)
        return;
    uint64_t low_nodes = meta_get(apply->read, META_SPACE_LOW, 0, apply->arena);
    CHECK(is_low || low_nodes > 0 || apply->read->failed);
    meta_put(apply->transaction, META_SPACE_LOW, is_low ? low_nodes + 1 : low_nodes - 1, apply->arena);
}

void node_report_apply(struct apply *apply, const Qnfs__NodeReport *command)
{
    struct row_key key = row_key(apply->arena, SCHEMA_SPACE, 8);
    row_key_u64(&key, command->node);
    const struct space before = space_of_node(apply->read, command->node, apply->arena);
    const struct space after = {.free_bytes = command->free_bytes, .is_low = command->low};
    transaction_put(apply->transaction, row_key_done(&key), row_encode(space_codec, &after, apply->arena));
    space_count(apply, before.is_low, after.is_low);
    apply_answer(apply, NFS4_OK);
}

void space_forget(struct apply *apply, uint64_t node)
{
    struct row_key key = row_key(apply->arena, SCHEMA_SPACE, 8);
    row_key_u64(&key, node);
    space_count(apply, space_node_low(apply->read, node, apply->arena), false);
    transaction_delete(apply->transaction, row_key_done(&key));
}
