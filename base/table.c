#include "base/table.h"

#include "base/check.h"
#include "base/heap.h"

#define TABLE_FIRST_BUCKETS 16u

void table_init(struct table *table)
{
    *table = (struct table){0};
}

void table_fini(struct table *table)
{
    heap_free(table->buckets);
    *table = (struct table){0};
}

static struct table_link **table_bucket(const struct table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static struct table_link *first_with(struct table_link *link, uint64_t hash)
{
    while (link != NULL && link->hash != hash)
        link = link->next;
    return link;
}

struct table_link *table_find(const struct table *table, uint64_t hash)
{
    return table->bucket_count == 0 ? NULL : first_with(*table_bucket(table, hash), hash);
}

struct table_link *table_next(const struct table_link *link)
{
    return first_with(link->next, link->hash);
}

static void table_grow(struct table *table)
{
    struct table larger = {.bucket_count = table->bucket_count == 0 ? TABLE_FIRST_BUCKETS : table->bucket_count * 2};
    larger.buckets = heap_alloc(larger.bucket_count * sizeof(*larger.buckets));
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct table_link *link = table->buckets[i];
        while (link != NULL) {
            struct table_link *next = link->next;
            struct table_link **bucket = table_bucket(&larger, link->hash);
            link->next = *bucket;
            *bucket = link;
            link = next;
        }
    }
    larger.count = table->count;
    heap_free(table->buckets);
    *table = larger;
}

void table_insert(struct table *table, struct table_link *link, uint64_t hash)
{
    if (table->count >= table->bucket_count)
        table_grow(table);
    struct table_link **bucket = table_bucket(table, hash);
    link->hash = hash;
    link->next = *bucket;
    *bucket = link;
    table->count++;
}

void table_remove(struct table *table, struct table_link *link)
{
    CHECK(table->count > 0);
    struct table_link **place = table_bucket(table, link->hash);
    while (*place != NULL && *place != link)
        place = &(*place)->next;
    CHECK(*place == link);
    *place = link->next;
    link->next = NULL;
    table->count--;
}

struct table_link *table_any(const struct table *table, size_t *bucket)
{
    for (; *bucket < table->bucket_count; (*bucket)++) {
        if (table->buckets[*bucket] != NULL)
            return table->buckets[*bucket];
    }
    return NULL;
}
