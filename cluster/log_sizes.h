/* log_sizes.h: how many bytes the log holds from an index on, roughly: a mark now and then. It says how many entries a cut
 * may leave for members that lag (DESIGN.md section 12). */
#ifndef CLUSTER_LOG_SIZES_H
#define CLUSTER_LOG_SIZES_H

#include <stddef.h>
#include <stdint.h>

struct log_size_mark {
    uint64_t index; /* of an entry ... */
    uint64_t total; /* ... and the bytes of all entries before it */
};

struct log_sizes {
    struct log_size_mark *marks; /* heap; ascending */
    size_t count;
    size_t capacity;
    uint64_t step_bytes; /* from one mark to the next, at least */
    uint64_t total;      /* bytes of all entries that were appended */
};

/* Precise to step_bytes. */
void log_sizes_init(struct log_sizes *sizes, uint64_t step_bytes);
void log_sizes_fini(struct log_sizes *sizes);

/* The entry behind the last one. */
void log_sizes_append(struct log_sizes *sizes, uint64_t index, uint64_t size_bytes);
/* Forgets the entries from index on. */
void log_sizes_truncate(struct log_sizes *sizes, uint64_t index);
/* Forgets the entries up to index. */
void log_sizes_cut(struct log_sizes *sizes, uint64_t index);

/* The lowest index from which the entries up to and including `index` are no more than size_bytes, as far as the marks
 * tell; index + 1: not even the last mark's. Pure. */
uint64_t log_sizes_trailing(const struct log_sizes *sizes, uint64_t index, uint64_t size_bytes);

#endif
