#include "cluster/log_terms.h"

#include "base/check.h"
#include "base/heap.h"

#include <string.h>

void log_terms_init(struct log_terms *terms, uint64_t first_index, uint64_t snapshot_index, uint64_t snapshot_term)
{
    CHECK(first_index > 0 && first_index <= snapshot_index + 1);
    *terms = (struct log_terms){.first_index = first_index, .last_index = first_index - 1};
    terms->snapshot_index = snapshot_index;
    terms->snapshot_term = snapshot_term;
}

void log_terms_fini(struct log_terms *terms)
{
    heap_free(terms->runs);
    *terms = (struct log_terms){0};
}

void log_terms_append(struct log_terms *terms, uint64_t term)
{
    CHECK(term > 0);
    terms->last_index++;
    if (terms->count > 0) {
        uint64_t last = terms->runs[terms->count - 1].term;
        CHECK(term >= last);
        if (term == last)
            return;
    }
    if (terms->count == terms->capacity) {
        size_t capacity = terms->capacity == 0 ? 16 : 2 * terms->capacity;
        terms->runs =
            (struct log_terms_run *)heap_grow(terms->runs, terms->count, capacity, sizeof(struct log_terms_run));
        terms->capacity = capacity;
    }
    terms->runs[terms->count++] = (struct log_terms_run){terms->last_index, term};
}

void log_terms_truncate(struct log_terms *terms, uint64_t index)
{
    CHECK(index >= terms->first_index && index <= terms->last_index + 1);
    terms->last_index = index - 1;
    while (terms->count > 0 && terms->runs[terms->count - 1].first_index > terms->last_index)
        terms->count--;
}

void log_terms_cut(struct log_terms *terms, uint64_t cut_index, uint64_t snapshot_index, uint64_t snapshot_term)
{
    CHECK(cut_index <= snapshot_index && cut_index <= terms->last_index && snapshot_index >= terms->snapshot_index);
    terms->snapshot_index = snapshot_index;
    terms->snapshot_term = snapshot_term;
    if (cut_index < terms->first_index)
        return;
    terms->first_index = cut_index + 1;
    size_t gone = 0;
    while (gone + 1 < terms->count && terms->runs[gone + 1].first_index <= terms->first_index)
        gone++;
    if (terms->last_index < terms->first_index)
        gone = terms->count;
    terms->count -= gone;
    if (gone > 0)
        memmove(terms->runs, terms->runs + gone, terms->count * sizeof(struct log_terms_run));
    if (terms->count > 0 && terms->runs[0].first_index < terms->first_index)
        terms->runs[0].first_index = terms->first_index;
}

uint64_t log_terms_find(const struct log_terms *terms, uint64_t index)
{
    if (index != 0 && index == terms->snapshot_index)
        return terms->snapshot_term;
    if (index < terms->first_index || index > terms->last_index)
        return 0;
    size_t low = 0;
    size_t high = terms->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (terms->runs[middle].first_index <= index)
            low = middle;
        else
            high = middle;
    }
    CHECK(terms->count > 0 && terms->runs[low].first_index <= index);
    return terms->runs[low].term;
}
