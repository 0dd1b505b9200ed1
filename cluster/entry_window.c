#include "cluster/entry_window.h"

#include "base/check.h"
#include "base/heap.h"

#define FIRST_CAPACITY 64u

void entry_window_init(struct entry_window *window, uint64_t first_index)
{
    *window = (struct entry_window){.capacity = FIRST_CAPACITY, .first_index = first_index};
    window->slots = (struct window_slot *)heap_alloc(FIRST_CAPACITY * sizeof(struct window_slot));
}

void entry_window_fini(struct entry_window *window)
{
    entry_window_truncate(window, window->first_index);
    heap_free(window->slots);
}

static struct window_slot *slot_at(const struct entry_window *window, uint64_t index)
{
    return &window->slots[index & (window->capacity - 1)];
}

struct window_slot *entry_window_slot(const struct entry_window *window, uint64_t index)
{
    CHECK(index >= window->first_index && index < entry_window_next(window));
    return slot_at(window, index);
}

static void window_grow(struct entry_window *window)
{
    struct entry_window wider = *window;
    wider.capacity *= 2;
    wider.slots = (struct window_slot *)heap_alloc(wider.capacity * sizeof(struct window_slot));
    for (uint64_t index = window->first_index; index < entry_window_next(window); index++)
        *slot_at(&wider, index) = *slot_at(window, index);
    heap_free(window->slots);
    *window = wider;
}

void entry_window_append(struct entry_window *window, enum replica_entry_kind kind, struct buffer *bytes)
{
    if (window->count == window->capacity)
        window_grow(window);
    struct window_slot *slot = slot_at(window, entry_window_next(window));
    *slot = (struct window_slot){.kind = kind, .bytes = bytes, .size_bytes = bytes == NULL ? 0 : bytes->size_bytes};
    window->size_bytes += slot->size_bytes;
    window->count++;
}

void entry_window_fill(struct entry_window *window, uint64_t index, struct buffer *bytes)
{
    if (index < window->first_index || index >= entry_window_next(window) || slot_at(window, index)->bytes != NULL) {
        buffer_put(bytes);
        return;
    }
    struct window_slot *slot = slot_at(window, index);
    CHECK(slot->size_bytes == 0);
    slot->bytes = bytes;
    slot->size_bytes = bytes->size_bytes;
    window->size_bytes += slot->size_bytes;
}

static void slot_clear(struct entry_window *window, struct window_slot *slot)
{
    CHECK(window->size_bytes >= slot->size_bytes);
    window->size_bytes -= slot->size_bytes;
    buffer_put(slot->bytes);
    *slot = (struct window_slot){0};
}

void entry_window_truncate(struct entry_window *window, uint64_t index)
{
    CHECK(index >= window->first_index);
    while (window->count > 0 && entry_window_next(window) > index) {
        window->count--;
        slot_clear(window, slot_at(window, entry_window_next(window)));
    }
}

void entry_window_release(struct entry_window *window, uint64_t index)
{
    while (window->count > 0 && window->first_index <= index) {
        slot_clear(window, slot_at(window, window->first_index));
        window->first_index++;
        window->count--;
    }
}

void entry_window_reset(struct entry_window *window, uint64_t first_index)
{
    entry_window_truncate(window, window->first_index);
    window->first_index = first_index;
}
