#include "cluster/log_sizes.h"

#include "base/check.h"
#include "base/heap.h"

#include <string.h>

void log_sizes_init(struct log_sizes *sizes, uint64_t step_bytes)
{
    *sizes = (struct log_sizes){.step_bytes = step_bytes};
}

void log_sizes_fini(struct log_sizes *sizes)
{
    heap_free(sizes->marks);
    *sizes = (struct log_sizes){0};
}

void log_sizes_append(struct log_sizes *sizes, uint64_t index, uint64_t size_bytes)
{
    CHECK(sizes->count == 0 || sizes->marks[sizes->count - 1].index < index);
    if (sizes->count == 0 || sizes->total - sizes->marks[sizes->count - 1].total >= sizes->step_bytes) {
        if (sizes->count == sizes->capacity) {
            size_t capacity = sizes->capacity == 0 ? 64 : 2 * sizes->capacity;
            sizes->marks =
                (struct log_size_mark *)heap_grow(sizes->marks, sizes->count, capacity, sizeof(struct log_size_mark));
            sizes->capacity = capacity;
        }
        sizes->marks[sizes->count++] = (struct log_size_mark){index, sizes->total};
    }
    sizes->total += size_bytes;
}

void log_sizes_truncate(struct log_sizes *sizes, uint64_t index)
{
    /* What lies between the last mark and index stays counted: a trailing part may only come out shorter. */
    while (sizes->count > 0 && sizes->marks[sizes->count - 1].index >= index)
        sizes->total = sizes->marks[--sizes->count].total;
}

void log_sizes_cut(struct log_sizes *sizes, uint64_t index)
{
    size_t gone = 0;
    while (gone < sizes->count && sizes->marks[gone].index <= index)
        gone++;
    sizes->count -= gone;
    if (gone > 0)
        memmove(sizes->marks, sizes->marks + gone, sizes->count * sizeof(struct log_size_mark));
}

uint64_t log_sizes_trailing(const struct log_sizes *sizes, uint64_t index, uint64_t size_bytes)
{
    uint64_t end = sizes->total;
    uint64_t lowest = index + 1;
    for (size_t i = sizes->count; i > 0; i--) {
        const struct log_size_mark *mark = &sizes->marks[i - 1];
        if (mark->index > index) {
            end = mark->total;
            continue;
        }
        if (end - mark->total > size_bytes)
            break;
        lowest = mark->index;
    }
    return lowest;
}
