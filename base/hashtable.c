#include "base/hashtable.h"

#include "base/check.h"
#include "base/heap.h"

#define HASHTABLE_FIRST_BUCKETS 16u

void hashtable_init(struct hashtable *table)
{
    *table = (struct hashtable){0};
}

void hashtable_fini(struct hashtable *table)
{
    heap_free(table->buckets);
    *table = (struct hashtable){0};
}

static struct hashtable_link **hashtable_bucket(const struct hashtable *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static struct hashtable_link *first_with(struct hashtable_link *link, uint64_t hash)
{
    while (link != NULL && link->hash != hash)
        link = link->next;
    return link;
}

struct hashtable_link *hashtable_find(const struct hashtable *table, uint64_t hash)
{
    return table->bucket_count == 0 ? NULL : first_with(*hashtable_bucket(table, hash), hash);
}

struct hashtable_link *hashtable_next(const struct hashtable_link *link)
{
    return first_with(link->next, link->hash);
}

static void hashtable_grow(struct hashtable *table)
{
    struct hashtable larger = {.bucket_count =
                                   table->bucket_count == 0 ? HASHTABLE_FIRST_BUCKETS : table->bucket_count * 2};
    larger.buckets = heap_alloc(larger.bucket_count * sizeof(void *));
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct hashtable_link *link = table->buckets[i];
        while (link != NULL) {
            struct hashtable_link *next = link->next;
            struct hashtable_link **bucket = hashtable_bucket(&larger, link->hash);
            link->next = *bucket;
            *bucket = link;
            link = next;
        }
    }
    larger.count = table->count;
    heap_free(table->buckets);
    *table = larger;
}

void hashtable_insert(struct hashtable *table, struct hashtable_link *link, uint64_t hash)
{
    if (table->count >= table->bucket_count)
        hashtable_grow(table);
    struct hashtable_link **bucket = hashtable_bucket(table, hash);
    link->hash = hash;
    link->next = *bucket;
    *bucket = link;
    table->count++;
}

void hashtable_remove(struct hashtable *table, struct hashtable_link *link)
{
    CHECK(table->count > 0);
    struct hashtable_link **place = hashtable_bucket(table, link->hash);
    while (*place != NULL && *place != link)
        place = &(*place)->next;
    CHECK(*place == link);
    *place = link->next;
    link->next = NULL;
    table->count--;
}

struct hashtable_link *hashtable_any(const struct hashtable *table, size_t *bucket)
{
    for (; *bucket < table->bucket_count; (*bucket)++) {
        if (table->buckets[*bucket] != NULL)
            return table->buckets[*bucket];
    }
    return NULL;
}
