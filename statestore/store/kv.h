/* kv.h: the door between the machine and what keeps its rows: an ordered map from key bytes to value bytes.
 *
 * The apply thread opens one transaction a command over the store's present state, reads and writes through it, and
 * hands it to kv_store_write(), which makes all of it visible at once. Everyone else reads through a snapshot. A
 * transaction and a snapshot are both a `struct kv_read`, so a function that reads an inode serves the machine and
 * the gateway loops alike.
 *
 * A storage error is nobody's answer: kv_get() and cursors then behave as if the row were absent and set `failed`,
 * which the shell looks at before it lets anything out; it stops the node (DESIGN.md section 4, "apply cannot fail").
 *
 * Implementations: kv_memory.c (the reference, multi-version) and kv_rocksdb.c. */
#ifndef STATESTORE_STORE_KV_H
#define STATESTORE_STORE_KV_H

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/tree.h"

struct kv_read;
struct kv_cursor;

struct kv_read_operations {
    bool (*get)(struct kv_read *read, struct slice key, struct arena *arena, struct slice *value);
    void (*seek)(struct kv_read *read, struct kv_cursor *cursor, struct slice key);
    void (*next)(struct kv_read *read, struct kv_cursor *cursor);
    void (*close)(struct kv_read *read, struct kv_cursor *cursor);
};

/* A consistent view. One thread at a time. */
struct kv_read {
    const struct kv_read_operations *operations;
    bool failed; /* sticky: a storage error was met */
};

/* A position in key order inside a prefix. key and value stay valid until the next call on the cursor. */
struct kv_cursor {
    struct kv_read *read;
    struct slice prefix; /* copied into the arena given at open */
    struct arena *arena;
    bool valid;
    struct slice key;
    struct slice value;
    void *state; /* the implementation's */
};

/* Reads one row. The value lives in `arena` (or as long as the view, never shorter than the arena's next reset).
 * True if the row exists. */
bool kv_get(struct kv_read *read, struct slice key, struct arena *arena, struct slice *value);

/* Opens a cursor at the first key >= start that begins with `prefix` (start SLICE_EMPTY: the first of the prefix);
 * cursor->valid says whether there is one. In a transaction, the cursor must be closed before the next put/delete. */
void kv_cursor_open(struct kv_read *read, struct slice prefix, struct slice start, struct arena *arena,
                    struct kv_cursor *cursor);
void kv_cursor_next(struct kv_cursor *cursor);
/* Every opened cursor is closed. */
void kv_cursor_close(struct kv_cursor *cursor);

/* --- transaction: pending writes over a view; pure (statestore/store/transaction.c) --- */

struct transaction {
    struct kv_read read;   /* merged view: pending writes hide what is below; must stay first */
    struct kv_read *below; /* not owned */
    struct arena *arena;   /* owns the pending writes */
    struct tree pending;   /* of struct transaction_entry, private to transaction.c */
    size_t count;          /* pending keys */
    size_t size_bytes;     /* sum of pending keys and values */
    size_t open_cursors;   /* must be 0 at each put and delete */
};

void transaction_init(struct transaction *transaction, struct kv_read *below, struct arena *arena);
/* Copies key and value into the arena. */
void transaction_put(struct transaction *transaction, struct slice key, struct slice value);
void transaction_delete(struct transaction *transaction, struct slice key);
/* Takes back everything pending (a command that turns out to have no effect). */
void transaction_clear(struct transaction *transaction);

/* Puts and deletes all that is pending in `changes`, whose view lies over this transaction's, into `transaction`; copies. */
void transaction_merge(struct transaction *transaction, const struct transaction *changes);

/* One pending write, in key order, for stores and the chain hash. */
struct transaction_change {
    struct slice key;
    struct slice value;
    bool deleted;
};
/* All pending writes in key order as an array of transaction->count elements in the transaction's arena. */
const struct transaction_change *transaction_changes(struct transaction *transaction);

/* --- store --- */

struct kv_store;

struct kv_store_operations {
    struct kv_read *(*present)(struct kv_store *store);
    enum status (*write)(struct kv_store *store, struct transaction *transaction);
    struct kv_read *(*snapshot)(struct kv_store *store);
    void (*release)(struct kv_store *store, struct kv_read *snapshot);
    enum status (*flush)(struct kv_store *store);
    enum status (*checkpoint)(struct kv_store *store, const char *directory);
    void (*destroy)(struct kv_store *store);
};

struct kv_store {
    const struct kv_store_operations *operations;
};

/* The present state, for the one writer (apply thread). Lives as long as the store. */
static inline struct kv_read *kv_store_present(struct kv_store *store)
{
    return store->operations->present(store);
}
/* Makes a transaction's changes visible atomically; not durable before a flush. STATUS_IO, STATUS_NO_SPACE. */
MUST_CHECK static inline enum status kv_store_write(struct kv_store *store, struct transaction *transaction)
{
    return store->operations->write(store, transaction);
}
/* A frozen view; any thread may take one, one thread uses it. Released by the taker. */
static inline struct kv_read *kv_store_snapshot(struct kv_store *store)
{
    return store->operations->snapshot(store);
}
static inline void kv_store_release(struct kv_store *store, struct kv_read *snapshot)
{
    store->operations->release(store, snapshot);
}
/* Everything written before the call is durable when it returns. STATUS_IO, STATUS_NO_SPACE. */
MUST_CHECK static inline enum status kv_store_flush(struct kv_store *store)
{
    return store->operations->flush(store);
}
/* A copy of the flushed state in a new directory (hard links where possible). STATUS_IO, STATUS_NO_SPACE. */
MUST_CHECK static inline enum status kv_store_checkpoint(struct kv_store *store, const char *directory)
{
    return store->operations->checkpoint(store, directory);
}
static inline void kv_store_destroy(struct kv_store *store)
{
    store->operations->destroy(store);
}

#endif
