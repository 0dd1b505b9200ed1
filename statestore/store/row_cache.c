#include "statestore/store/row_cache.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/limits.h"

/* A place holds one row: key, then value. */
struct row_place {
    uint64_t hash; /* of the key; 0: empty */
    uint16_t key_bytes;
    uint16_t value_bytes;
    uint16_t room_bytes;
    bool is_absent;
    uint8_t *bytes; /* owned */
};

struct row_cache {
    struct row_place places[STORE_CACHED_ROWS];
};

struct row_cache *row_cache_create(void)
{
    struct row_cache *cache = calloc(1, sizeof(*cache));
    CHECK(cache != NULL);
    return cache;
}

void row_cache_destroy(struct row_cache *cache)
{
    for (size_t i = 0; i < STORE_CACHED_ROWS; i++)
        free(cache->places[i].bytes);
    free(cache);
}

static struct row_place *place_of(struct row_cache *cache, struct slice key, uint64_t *hash)
{
    *hash = hash_content(key).low | 1;
    return &cache->places[(*hash >> 1) % STORE_CACHED_ROWS];
}

static bool place_holds(const struct row_place *place, uint64_t hash, struct slice key)
{
    return place->hash == hash && place->key_bytes == key.size_bytes &&
           memcmp(place->bytes, key.data, key.size_bytes) == 0;
}

enum row_known row_cache_get(struct row_cache *cache, struct slice key, struct arena *arena, struct slice *value)
{
    uint64_t hash;
    const struct row_place *place = place_of(cache, key, &hash);
    if (!place_holds(place, hash, key))
        return ROW_UNKNOWN;
    if (place->is_absent)
        return ROW_ABSENT;
    *value = arena_copy(arena, slice_make(place->bytes + place->key_bytes, place->value_bytes));
    return ROW_PRESENT;
}

void row_cache_put(struct row_cache *cache, struct slice key, struct slice value, bool is_absent)
{
    uint64_t hash;
    struct row_place *place = place_of(cache, key, &hash);
    size_t value_bytes = is_absent ? 0 : value.size_bytes;
    size_t size_bytes = key.size_bytes + value_bytes;
    if (key.size_bytes == 0 || size_bytes > STORE_CACHED_ROW_BYTES) {
        if (place_holds(place, hash, key))
            place->hash = 0;
        return;
    }
    if (place->room_bytes < size_bytes) {
        free(place->bytes);
        place->room_bytes = (uint16_t)(size_bytes + size_bytes / 4);
        place->bytes = malloc(place->room_bytes);
        CHECK(place->bytes != NULL);
    }
    memcpy(place->bytes, key.data, key.size_bytes);
    if (value_bytes > 0)
        memcpy(place->bytes + key.size_bytes, value.data, value_bytes);
    place->hash = hash;
    place->key_bytes = (uint16_t)key.size_bytes;
    place->value_bytes = (uint16_t)value_bytes;
    place->is_absent = is_absent;
}
