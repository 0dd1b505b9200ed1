#include "statestore/machine/block.h"

#include "base/check.h"
#include "statestore/machine/garbage.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

static struct slice block_key(struct block_id id, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_BLOCK, 8);
    row_key_u64(&key, id.value);
    return row_key_done(&key);
}

static void block_codec(struct row *row, void *value)
{
    struct block *block = value;
    row_version(row, 2);
    row_u64(row, &block->reference_count);
    row_u64(row, &block->size_bytes);
    row_u64(row, &block->checksum.low);
    row_u64(row, &block->checksum.high);
}

void block_decode_row(struct slice key, struct slice value, struct block *block)
{
    CHECK(key.size_bytes == 9 && key.data[0] == SCHEMA_BLOCK);
    *block = (struct block){.id = {row_key_get_u64(key, 1)}};
    row_decode(block_codec, value, block);
    CHECK(block->reference_count > 0);
}

bool block_get(struct kv_read *read, struct block_id id, struct arena *arena, struct block *block)
{
    struct slice key = block_key(id, arena);
    struct slice value;
    if (!kv_get(read, key, arena, &value))
        return false;
    block_decode_row(key, value, block);
    return true;
}

static void block_put(struct transaction *transaction, const struct block *block, struct arena *arena)
{
    transaction_put(transaction, block_key(block->id, arena), row_encode(block_codec, block, arena));
}

void block_make(struct transaction *transaction, struct block_id id, struct slice content, struct arena *arena)
{
    struct block block;
    CHECK(!block_get(&transaction->read, id, arena, &block));
    block = (struct block){
        .id = id, .reference_count = 1, .size_bytes = content.size_bytes, .checksum = hash_content(content)};
    block_put(transaction, &block, arena);
}

/* False only after a storage error, which stops the node before anything of this command is seen. */
static bool block_get_held(struct transaction *transaction, struct block_id id, struct arena *arena,
                           struct block *block)
{
    bool found = block_get(&transaction->read, id, arena, block);
    CHECK(found || transaction->read.failed);
    return found;
}

void block_hold(struct transaction *transaction, struct block_id id, struct arena *arena)
{
    struct block block;
    if (!block_get_held(transaction, id, arena, &block))
        return;
    block.reference_count++;
    block_put(transaction, &block, arena);
}

bool block_release(struct transaction *transaction, struct block_id id, uint64_t number, struct arena *arena)
{
    struct block block;
    if (!block_get_held(transaction, id, arena, &block))
        return false;
    block.reference_count--;
    if (block.reference_count > 0) {
        block_put(transaction, &block, arena);
        return false;
    }
    transaction_delete(transaction, block_key(id, arena));
    garbage_put(transaction, &(struct garbage){number, id}, arena);
    return true;
}
