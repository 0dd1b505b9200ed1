/* entry_window.h: the entries above the applied one, as far as their bytes are in memory: those that were just
 * packed or received, and those that were read back from the log at the start. A leader also keeps some that are applied,
 * for members that do not have them yet. */
#ifndef CLUSTER_ENTRY_WINDOW_H
#define CLUSTER_ENTRY_WINDOW_H

#include "cluster/replica.h"

struct window_slot {
    enum replica_entry_kind kind;
    struct buffer *bytes; /* one owner; NULL: only on disk */
    size_t size_bytes;    /* of the bytes */
};

struct entry_window {
    struct window_slot *slots; /* ring, a power of two; heap */
    size_t capacity;
    uint64_t first_index; /* of the oldest slot */
    uint64_t count;
    uint64_t size_bytes; /* of all that is in memory */
};

void entry_window_init(struct entry_window *window, uint64_t first_index);
void entry_window_fini(struct entry_window *window);

/* Where the next append goes. */
static inline uint64_t entry_window_next(const struct entry_window *window)
{
    return window->first_index + window->count;
}

/* The owner of the bytes (NULL: only on disk) goes along. */
void entry_window_append(struct entry_window *window, enum replica_entry_kind kind, struct buffer *bytes);
/* The bytes of an entry that was only on disk; the owner goes along. Entries outside, or already there, are dropped. */
void entry_window_fill(struct entry_window *window, uint64_t index, struct buffer *bytes);
/* CHECKs that the entry is in the window. */
struct window_slot *entry_window_slot(const struct entry_window *window, uint64_t index);
/* Forgets the entries from index on. */
void entry_window_truncate(struct entry_window *window, uint64_t index);
/* Forgets the entries up to index. */
void entry_window_release(struct entry_window *window, uint64_t index);
/* Forgets all entries; the next append is that of first_index. */
void entry_window_reset(struct entry_window *window, uint64_t first_index);

#endif
