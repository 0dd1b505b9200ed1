#include "statestore/machine/block.h"

#include "base/check.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

static struct slice block_key(struct block_id id, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_BLOCK, 8);
    row_key_u64(&key, id.value);
    return row_key_done(&key);
}

static struct slice block_dead_key(uint64_t number, struct block_id id, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_BLOCK_DEAD, 16);
    row_key_u64(&key, number);
    row_key_u64(&key, id.value);
    return row_key_done(&key);
}

static void block_codec(struct row *row, void *value)
{
    struct block *block = value;
    row_version(row, 1);
    row_u64(row, &block->reference_count);
    row_u64(row, &block->size_bytes);
    row_u64(row, &block->checksum.low);
    row_u64(row, &block->checksum.high);
    row_u64(row, &block->dead_number);
}

void block_decode_row(struct slice key, struct slice value, struct block *block)
{
    CHECK(key.size_bytes == 9 && key.data[0] == SCHEMA_BLOCK);
    *block = (struct block){.id = {row_key_get_u64(key, 1)}};
    row_decode(block_codec, value, block);
    CHECK((block->reference_count == 0) == (block->dead_number != 0));
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

void block_dead_walk_open(struct kv_read *read, struct arena *arena, struct block_dead_walk *walk)
{
    struct row_key prefix = row_key(arena, SCHEMA_BLOCK_DEAD, 0);
    kv_cursor_open(read, row_key_done(&prefix), SLICE_EMPTY, arena, &walk->cursor);
}

bool block_dead_walk_get(struct block_dead_walk *walk, struct block_id *id, uint64_t *dead_number)
{
    if (!walk->cursor.valid)
        return false;
    *dead_number = row_key_get_u64(walk->cursor.key, 1);
    id->value = row_key_get_u64(walk->cursor.key, 9);
    return true;
}

void block_dead_walk_next(struct block_dead_walk *walk)
{
    kv_cursor_next(&walk->cursor);
}

void block_dead_walk_close(struct block_dead_walk *walk)
{
    kv_cursor_close(&walk->cursor);
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
static bool block_get_living(struct transaction *transaction, struct block_id id, struct arena *arena,
                             struct block *block)
{
    bool found = block_get(&transaction->read, id, arena, block);
    CHECK(found || transaction->read.failed);
    CHECK(!found || block->reference_count > 0);
    return found;
}

void block_hold(struct transaction *transaction, struct block_id id, struct arena *arena)
{
    struct block block;
    if (!block_get_living(transaction, id, arena, &block))
        return;
    block.reference_count++;
    block_put(transaction, &block, arena);
}

bool block_release(struct transaction *transaction, struct block_id id, uint64_t number, struct arena *arena)
{
    struct block block;
    CHECK(number != 0);
    if (!block_get_living(transaction, id, arena, &block))
        return false;
    block.reference_count--;
    bool died = block.reference_count == 0;
    if (died) {
        block.dead_number = number;
        transaction_put(transaction, block_dead_key(number, id, arena), slice_make("\x01", 1));
    }
    block_put(transaction, &block, arena);
    return died;
}

void blocks_forget_apply(struct apply *apply, const Qnfs__BlocksForget *command)
{
    for (size_t i = 0; i < command->n_blocks; i++) {
        struct block block;
        /* Asked again after a lost answer: already forgotten. A living one was never unlinked. */
        if (!block_get(apply->read, (struct block_id){command->blocks[i]}, apply->arena, &block) ||
            block.dead_number == 0)
            continue;
        transaction_delete(apply->transaction, block_key(block.id, apply->arena));
        transaction_delete(apply->transaction, block_dead_key(block.dead_number, block.id, apply->arena));
    }
    apply_answer(apply, NFS4_OK);
}
