/* transaction.c: pending writes over a view. A deleted key is an entry too: it hides what is below. Entries are never
 * taken out one by one, so a position in the tree stays good. */
#include "statestore/store/kv.h"

#include "base/check.h"
#include "base/list.h"

struct transaction_entry {
    struct tree_node node; /* must stay first; the key is in the arena */
    struct slice value;
    bool deleted;
};

/* A cursor over the merged view: the next pending entry and a cursor below, the lower of the two keys is current. */
struct transaction_position {
    struct kv_cursor below;
    struct transaction_entry *entry; /* NULL: none left inside the prefix */
    bool at_entry;                   /* the current row is `entry`, not below's */
};

static struct transaction *transaction_of(struct kv_read *read)
{
    return container_of(read, struct transaction, read);
}

static struct transaction_entry *transaction_entry_of(struct tree_node *node)
{
    return node == NULL ? NULL : container_of(node, struct transaction_entry, node);
}

/* A storage error below is one of the merged view. */
static void transaction_inherit_failure(struct transaction *transaction)
{
    if (transaction->below->failed)
        transaction->read.failed = true;
}

static bool transaction_get(struct kv_read *read, struct slice key, struct arena *arena, struct slice *value)
{
    struct transaction *transaction = transaction_of(read);
    struct transaction_entry *entry = transaction_entry_of(tree_find(&transaction->pending, key));
    if (entry != NULL) {
        if (!entry->deleted)
            *value = entry->value;
        return !entry->deleted;
    }
    bool found = kv_get(transaction->below, key, arena, value);
    transaction_inherit_failure(transaction);
    return found;
}

/* The next pending entry after the present one, as long as it is inside the cursor's prefix. */
static struct transaction_entry *transaction_entry_bounded(struct tree_node *node, const struct kv_cursor *cursor)
{
    return node != NULL && slice_starts_with(node->key, cursor->prefix) ? transaction_entry_of(node) : NULL;
}

static struct transaction_entry *transaction_entry_after(struct transaction *transaction, struct slice key,
                                                         const struct kv_cursor *cursor)
{
    return transaction_entry_bounded(tree_after(&transaction->pending, key), cursor);
}

/* Passes over what pending writes hide or delete, and shows the row that is then current. */
static void transaction_settle(struct transaction *transaction, struct kv_cursor *cursor)
{
    struct transaction_position *position = cursor->state;
    struct kv_cursor *below = &position->below;
    for (;;) {
        struct transaction_entry *entry = position->entry;
        int order = entry == NULL ? 1 : !below->valid ? -1 : slice_compare(entry->node.key, below->key);
        if (order > 0) { /* below comes first, or nothing is pending */
            position->at_entry = false;
            cursor->valid = below->valid;
            cursor->key = below->key;
            cursor->value = below->value;
            break;
        }
        if (order == 0)
            kv_cursor_next(below);
        if (!entry->deleted) {
            position->at_entry = true;
            cursor->valid = true;
            cursor->key = entry->node.key;
            cursor->value = entry->value;
            break;
        }
        position->entry = transaction_entry_after(transaction, entry->node.key, cursor);
    }
    transaction_inherit_failure(transaction);
}

static void transaction_seek(struct kv_read *read, struct kv_cursor *cursor, struct slice key)
{
    struct transaction *transaction = transaction_of(read);
    struct transaction_position *position = ARENA_NEW(cursor->arena, struct transaction_position);
    cursor->state = position;
    transaction->open_cursors++;
    kv_cursor_open(transaction->below, cursor->prefix, key, cursor->arena, &position->below);
    position->entry = transaction_entry_bounded(tree_at_or_after(&transaction->pending, key), cursor);
    transaction_settle(transaction, cursor);
}

static void transaction_next(struct kv_read *read, struct kv_cursor *cursor)
{
    struct transaction *transaction = transaction_of(read);
    struct transaction_position *position = cursor->state;
    if (position->at_entry)
        position->entry = transaction_entry_after(transaction, position->entry->node.key, cursor);
    else
        kv_cursor_next(&position->below);
    transaction_settle(transaction, cursor);
}

static void transaction_close(struct kv_read *read, struct kv_cursor *cursor)
{
    struct transaction *transaction = transaction_of(read);
    struct transaction_position *position = cursor->state;
    kv_cursor_close(&position->below);
    CHECK(transaction->open_cursors > 0);
    transaction->open_cursors--;
}

static const struct kv_read_operations transaction_operations = {
    .get = transaction_get,
    .seek = transaction_seek,
    .next = transaction_next,
    .close = transaction_close,
};

void transaction_init(struct transaction *transaction, struct kv_read *below, struct arena *arena)
{
    *transaction = (struct transaction){
        .read = {.operations = &transaction_operations},
        .below = below,
        .arena = arena,
    };
    tree_init(&transaction->pending);
}

/* The pending entry of a key, made if there is none; its old value no longer counts. */
static struct transaction_entry *transaction_touch(struct transaction *transaction, struct slice key)
{
    CHECK(transaction->open_cursors == 0);
    CHECK(key.size_bytes > 0);
    struct transaction_entry *entry = transaction_entry_of(tree_find(&transaction->pending, key));
    if (entry == NULL) {
        entry = ARENA_NEW(transaction->arena, struct transaction_entry);
        entry->node.key = arena_copy(transaction->arena, key);
        tree_insert(&transaction->pending, &entry->node);
        transaction->count++;
        transaction->size_bytes += key.size_bytes;
    }
    CHECK(transaction->size_bytes >= entry->value.size_bytes);
    transaction->size_bytes -= entry->value.size_bytes;
    return entry;
}

void transaction_put(struct transaction *transaction, struct slice key, struct slice value)
{
    struct slice copy = arena_copy(transaction->arena, value); /* first: it may be the value that is replaced */
    struct transaction_entry *entry = transaction_touch(transaction, key);
    entry->value = copy;
    entry->deleted = false;
    transaction->size_bytes += copy.size_bytes;
}

void transaction_delete(struct transaction *transaction, struct slice key)
{
    struct transaction_entry *entry = transaction_touch(transaction, key);
    entry->value = SLICE_EMPTY;
    entry->deleted = true;
}

void transaction_clear(struct transaction *transaction)
{
    CHECK(transaction->open_cursors == 0);
    tree_init(&transaction->pending);
    transaction->count = 0;
    transaction->size_bytes = 0;
}

void transaction_merge(struct transaction *transaction, const struct transaction *changes)
{
    for (struct tree_node *node = tree_at_or_after(&changes->pending, SLICE_EMPTY); node != NULL;
         node = tree_after(&changes->pending, node->key)) {
        const struct transaction_entry *entry = transaction_entry_of(node);
        if (entry->deleted)
            transaction_delete(transaction, node->key);
        else
            transaction_put(transaction, node->key, entry->value);
    }
}

const struct transaction_change *transaction_changes(struct transaction *transaction)
{
    struct transaction_change *changes =
        arena_alloc_array(transaction->arena, transaction->count, sizeof(struct transaction_change));
    size_t count = 0;
    for (struct tree_node *node = tree_at_or_after(&transaction->pending, SLICE_EMPTY); node != NULL;
         node = tree_after(&transaction->pending, node->key)) {
        const struct transaction_entry *entry = transaction_entry_of(node);
        changes[count++] = (struct transaction_change){node->key, entry->value, entry->deleted};
    }
    CHECK(count == transaction->count);
    return changes;
}
