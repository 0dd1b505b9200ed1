/* table.h: a hash table whose links lie inside the elements; it owns only its buckets. Whoever uses it makes the hash
 * (keyed, or over bytes that a client cannot choose) and compares the keys:
 *
 *   for (link = table_find(&table, hash); link != NULL; link = table_next(link))
 *       if (key of container_of(link, ...) is the one) ... */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_link {
    struct table_link *next; /* in its bucket */
    uint64_t hash;
};

struct table {
    struct table_link **buckets; /* owned; bucket_count of them, a power of two */
    size_t bucket_count;         /* 0: nothing was ever put in */
    size_t count;
};

void table_init(struct table *table);
/* Gives the buckets back; the elements are the caller's. */
void table_fini(struct table *table);

/* The first element with this hash, NULL if there is none. */
struct table_link *table_find(const struct table *table, uint64_t hash);
/* The next one with the same hash. */
struct table_link *table_next(const struct table_link *link);

void table_insert(struct table *table, struct table_link *link, uint64_t hash);
/* Takes an element out; CHECKs that it is in. */
void table_remove(struct table *table, struct table_link *link);

/* Any element, NULL from an empty table: for emptying it. *bucket is where to look first: 0 at the start. */
struct table_link *table_any(const struct table *table, size_t *bucket);

/* Spreads a number over 64 bits (the finalizer of SplitMix64), for ids that count up. */
static inline uint64_t table_hash_number(uint64_t number)
{
    number ^= number >> 30;
    number *= UINT64_C(0xbf58476d1ce4e5b9);
    number ^= number >> 27;
    number *= UINT64_C(0x94d049bb133111eb);
    return number ^ number >> 31;
}

#endif
