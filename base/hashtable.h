/* hashtable.h: a hash table whose links lie inside the elements; it owns only its buckets. Whoever uses it makes the hash
 * (keyed, or over bytes that a client cannot choose) and compares the keys:
 *
 *   for (link = hashtable_find(&table, hash); link != NULL; link = hashtable_next(link))
 *       if (key of container_of(link, ...) is the one) ... */
#ifndef BASE_HASHTABLE_H
#define BASE_HASHTABLE_H

#include <stddef.h>
#include <stdint.h>

struct hashtable_link {
    struct hashtable_link *next; /* in its bucket */
    uint64_t hash;
};

struct hashtable {
    struct hashtable_link **buckets; /* owned; bucket_count of them, a power of two */
    size_t bucket_count;             /* 0: nothing was ever put in */
    size_t count;
};

void hashtable_init(struct hashtable *table);
/* Gives the buckets back; the elements are the caller's. */
void hashtable_fini(struct hashtable *table);

/* The first element with this hash, NULL if there is none. */
struct hashtable_link *hashtable_find(const struct hashtable *table, uint64_t hash);
/* The next one with the same hash. */
struct hashtable_link *hashtable_next(const struct hashtable_link *link);

void hashtable_insert(struct hashtable *table, struct hashtable_link *link, uint64_t hash);
/* Takes an element out; CHECKs that it is in. */
void hashtable_remove(struct hashtable *table, struct hashtable_link *link);

/* Any element, NULL from an empty table: for emptying it. *bucket is where to look first: 0 at the start. */
struct hashtable_link *hashtable_any(const struct hashtable *table, size_t *bucket);

/* Spreads a number over 64 bits (the finalizer of SplitMix64), for ids that count up. */
static inline uint64_t hashtable_hash_number(uint64_t number)
{
    number ^= number >> 30;
    number *= UINT64_C(0xbf58476d1ce4e5b9);
    number ^= number >> 27;
    number *= UINT64_C(0x94d049bb133111eb);
    return number ^ number >> 31;
}

#endif
