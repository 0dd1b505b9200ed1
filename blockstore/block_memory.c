#include "blockstore/block_memory.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/list.h"
#include "base/tree.h"

/* A block as the page cache and as the disk have it. */
struct memory_block {
    struct tree_node node;
    uint8_t key[8]; /* the id, big-endian */
    bool exists;
    bool durable; /* on the disk, with these bytes */
    bool damaged; /* a crash has torn it */
    size_t size_bytes;
    uint8_t *bytes; /* owned; kept while it is durable, even if removed */
};

struct block_memory {
    struct block_store store;
    struct tree blocks;
    enum status failure;
};

static struct block_memory *memory_of(struct block_store *store)
{
    return container_of(store, struct block_memory, store);
}

static struct memory_block *block_of(struct tree_node *node)
{
    return node == NULL ? NULL : container_of(node, struct memory_block, node);
}

static void block_key(struct block_id id, uint8_t key[8])
{
    for (unsigned i = 0; i < 8; i++)
        key[i] = (uint8_t)(id.value >> (56 - 8 * i));
}

static struct memory_block *memory_find(struct block_memory *memory, struct block_id id)
{
    uint8_t key[8];
    block_key(id, key);
    return block_of(tree_find(&memory->blocks, slice_make(key, sizeof(key))));
}

static void memory_free(struct block_memory *memory, struct memory_block *block)
{
    tree_remove(&memory->blocks, &block->node);
    free(block->bytes);
    free(block);
}

static struct memory_block *memory_touch(struct block_memory *memory, struct block_id id)
{
    struct memory_block *block = memory_find(memory, id);
    if (block == NULL) {
        block = calloc(1, sizeof(*block));
        CHECK(block != NULL);
        block_key(id, block->key);
        block->node.key = slice_make(block->key, sizeof(block->key));
        tree_insert(&memory->blocks, &block->node);
    }
    return block;
}

static enum status memory_write(struct block_store *store, struct block_id id, struct slice content)
{
    struct block_memory *memory = memory_of(store);
    CHECK(content.size_bytes > 0);
    if (memory->failure != STATUS_OK)
        return memory->failure;
    struct memory_block *block = memory_touch(memory, id);
    if (block->bytes != NULL && !block->damaged) /* a block never changes */
        CHECK(slice_equal(slice_make(block->bytes, block->size_bytes), content));
    else
        block->durable = false;
    free(block->bytes);
    block->bytes = malloc(content.size_bytes);
    CHECK(block->bytes != NULL);
    memcpy(block->bytes, content.data, content.size_bytes);
    block->size_bytes = content.size_bytes;
    block->exists = true;
    block->damaged = false;
    return STATUS_OK;
}

static enum status memory_read(struct block_store *store, struct block_id id, uint64_t offset, struct span target)
{
    const struct memory_block *block = memory_find(memory_of(store), id);
    if (block == NULL || !block->exists)
        return STATUS_NOT_FOUND;
    if (block->damaged)
        return STATUS_BAD_DATA;
    if (offset > block->size_bytes || target.size_bytes > block->size_bytes - offset)
        return STATUS_NOT_FOUND;
    if (target.size_bytes > 0)
        memcpy(target.data, block->bytes + offset, target.size_bytes);
    return STATUS_OK;
}

static enum status memory_sync(struct block_store *store)
{
    struct block_memory *memory = memory_of(store);
    if (memory->failure != STATUS_OK)
        return memory->failure;
    struct tree_node *node = tree_at_or_after(&memory->blocks, SLICE_EMPTY);
    while (node != NULL) {
        struct memory_block *block = block_of(node);
        node = tree_after(&memory->blocks, node->key);
        if (block->exists)
            block->durable = true;
        else
            memory_free(memory, block);
    }
    return STATUS_OK;
}

static enum status memory_remove(struct block_store *store, struct block_id id)
{
    struct memory_block *block = memory_find(memory_of(store), id);
    if (block != NULL)
        block->exists = false;
    return STATUS_OK;
}

static void memory_destroy(struct block_store *store)
{
    struct block_memory *memory = memory_of(store);
    while (memory->blocks.root != NULL)
        memory_free(memory, block_of(memory->blocks.root));
    free(memory);
}

static const struct block_store_operations memory_operations = {
    .write = memory_write,
    .read = memory_read,
    .sync = memory_sync,
    .remove = memory_remove,
    .destroy = memory_destroy,
};

struct block_store *block_memory_create(void)
{
    struct block_memory *memory = calloc(1, sizeof(*memory));
    CHECK(memory != NULL);
    memory->store.operations = &memory_operations;
    tree_init(&memory->blocks);
    return &memory->store;
}

struct block_store *block_memory_copy(struct block_store *store)
{
    struct block_memory *memory = memory_of(store);
    struct block_store *copy = block_memory_create();
    for (struct tree_node *node = tree_at_or_after(&memory->blocks, SLICE_EMPTY); node != NULL;
         node = tree_after(&memory->blocks, node->key)) {
        const struct memory_block *block = block_of(node);
        uint64_t id = 0;
        if (!block->exists || block->damaged)
            continue;
        for (unsigned i = 0; i < 8; i++)
            id = id << 8 | block->key[i];
        CHECK(memory_write(copy, (struct block_id){id}, slice_make(block->bytes, block->size_bytes)) == STATUS_OK);
    }
    CHECK(memory_sync(copy) == STATUS_OK);
    return copy;
}

/* One block's fate; true if something of it was lost. */
static bool memory_crash_block(struct block_memory *memory, struct memory_block *block, uint64_t draw)
{
    if (block->durable) {
        bool back = !block->exists && draw % 2 == 0; /* the removal was not durable */
        block->exists = block->exists || back;
        if (!block->exists)
            memory_free(memory, block);
        return back;
    }
    if (!block->exists || draw % 3 == 0) {
        memory_free(memory, block);
        return true;
    }
    block->durable = true;
    block->damaged = draw % 3 == 1;
    return block->damaged;
}

size_t block_memory_crash(struct block_store *store, struct random_seeded *random)
{
    struct block_memory *memory = memory_of(store);
    size_t lost = 0;
    struct tree_node *node = tree_at_or_after(&memory->blocks, SLICE_EMPTY);
    while (node != NULL) {
        struct memory_block *block = block_of(node);
        node = tree_after(&memory->blocks, node->key);
        if (!block->durable || !block->exists)
            lost += memory_crash_block(memory, block, random_seeded_next(random)) ? 1 : 0;
    }
    memory->failure = STATUS_OK;
    return lost;
}

void block_memory_fail(struct block_store *store, enum status status)
{
    memory_of(store)->failure = status;
}

static size_t memory_count(struct block_memory *memory, bool unsynced)
{
    size_t count = 0;
    for (struct tree_node *node = tree_at_or_after(&memory->blocks, SLICE_EMPTY); node != NULL;
         node = tree_after(&memory->blocks, node->key)) {
        const struct memory_block *block = block_of(node);
        count += block->exists && !(unsynced && block->durable) ? 1 : 0;
    }
    return count;
}

size_t block_memory_count(struct block_store *store)
{
    return memory_count(memory_of(store), false);
}

size_t block_memory_unsynced(struct block_store *store)
{
    return memory_count(memory_of(store), true);
}
