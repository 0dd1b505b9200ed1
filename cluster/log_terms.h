/* log_terms.h: the term of each entry in the log, as runs of equal terms: what the guard and the replica must know of
 * entries whose bytes are not in memory. */
#ifndef CLUSTER_LOG_TERMS_H
#define CLUSTER_LOG_TERMS_H

#include <stddef.h>
#include <stdint.h>

struct log_terms_run {
    uint64_t first_index;
    uint64_t term;
};

struct log_terms {
    struct log_terms_run *runs; /* heap; ascending in both */
    size_t count;
    size_t capacity;
    uint64_t first_index; /* of the log: entries below are cut */
    uint64_t last_index;
    uint64_t snapshot_index; /* its term is known though the entry may be cut; 0: none */
    uint64_t snapshot_term;
};

void log_terms_init(struct log_terms *terms, uint64_t first_index, uint64_t snapshot_index, uint64_t snapshot_term);
void log_terms_fini(struct log_terms *terms);

/* The entry behind the last one has this term, at least that of the last one. */
void log_terms_append(struct log_terms *terms, uint64_t term);
/* Forgets the entries from index on. */
void log_terms_truncate(struct log_terms *terms, uint64_t index);
/* Entries up to cut_index are gone; the state stands for snapshot_index by itself. */
void log_terms_cut(struct log_terms *terms, uint64_t cut_index, uint64_t snapshot_index, uint64_t snapshot_term);

/* 0: not in the log, and not the snapshot's. Pure. */
uint64_t log_terms_find(const struct log_terms *terms, uint64_t index);

#endif
