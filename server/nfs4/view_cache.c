#include "server/nfs4/state.h"

void view_cache_enter(struct view_cache *cache, const struct nfs4_moment *moment)
{
    if (cache->view_number == moment->view_number)
        return;
    cache->view_number = moment->view_number;
    cache->lease_known = false;
    memset(cache->export_known, 0, sizeof(cache->export_known));
    arena_reset(&cache->arena);
}

bool view_cache_export(struct view_cache *cache, const struct nfs4_moment *moment, struct volume_id volume,
                       struct export *export)
{
    size_t place = volume.value % VIEW_CACHE_EXPORTS;
    view_cache_enter(cache, moment);
    if (cache->export_known[place] && cache->exports[place].volume.value == volume.value) {
        *export = cache->exports[place];
        return true;
    }
    if (!export_get(moment->view, volume, &cache->arena, export) || !export->active)
        return false;
    cache->exports[place] = *export;
    cache->export_known[place] = true;
    cache->mounted_on[place] = 0;
    return true;
}

uint64_t *view_cache_mounted_on(struct view_cache *cache, const struct export *export)
{
    size_t place = export->volume.value % VIEW_CACHE_EXPORTS;
    bool is_here = cache->export_known[place] && cache->exports[place].volume.value == export->volume.value;
    return is_here ? &cache->mounted_on[place] : NULL;
}
