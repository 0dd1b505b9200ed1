#include "statestore/machine/export.h"

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/cidr.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

/* RPC authentication flavors (RFC 5531). */
#define FLAVOR_AUTH_NONE 0u
#define FLAVOR_AUTH_SYS 1u

static struct slice export_key(struct slice path, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_EXPORT, path.size_bytes);
    row_key_bytes(&key, path);
    return row_key_done(&key);
}

static struct slice export_volume_key(struct volume_id volume, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_VOLUME, 4);
    row_key_u32(&key, volume.value);
    return row_key_done(&key);
}

/* The value of an export's row; the path is the key. */
struct export_row {
    struct export export;
    struct arena *arena; /* for the arrays that are read */
};

static void export_codec_lists(struct row *row, struct export_row *value)
{
    struct export *export = &value->export;
    row_u32(row, &export->client_count);
    if (row->mode == ROW_READ)
        export->clients = arena_alloc_array(value->arena, export->client_count, sizeof(struct slice));
    for (uint32_t i = 0; i < export->client_count; i++) {
        struct slice client = export->clients[i];
        row_slice(row, &client);
        if (row->mode == ROW_READ)
            ((struct slice *)(uintptr_t) export->clients)[i] = client;
    }
    row_u32(row, &export->flavor_count);
    if (row->mode == ROW_READ)
        export->flavors = arena_alloc_array(value->arena, export->flavor_count, sizeof(uint32_t));
    for (uint32_t i = 0; i < export->flavor_count; i++) {
        uint32_t flavor = export->flavors[i];
        row_u32(row, &flavor);
        if (row->mode == ROW_READ)
            ((uint32_t *)(uintptr_t) export->flavors)[i] = flavor;
    }
}

static void export_codec(struct row *row, void *value)
{
    struct export *export = &((struct export_row *)value)->export;
    uint8_t squash = (uint8_t) export->squash;
    row_version(row, 1);
    row_u32(row, &export->volume.value);
    row_bool(row, &export->active);
    row_bool(row, &export->read_only);
    row_u8(row, &squash);
    CHECK(squash <= EXPORT_SQUASH_NONE);
    export->squash = (enum export_squash)squash;
    export_codec_lists(row, value);
}

static void export_decode(struct slice path, struct slice value, struct arena *arena, struct export *export)
{
    struct export_row row = {.arena = arena};
    row_decode(export_codec, value, &row);
    *export = row.export;
    export->path = path;
}

static void export_volume_codec(struct row *row, void *value)
{
    row_version(row, 1);
    row_rest(row, value);
}

bool export_find(struct kv_read *read, struct slice path, struct arena *arena, struct export *export)
{
    struct slice value;
    if (path.size_bytes > EXPORT_PATH_MAX_BYTES || !kv_get(read, export_key(path, arena), arena, &value))
        return false;
    export_decode(path, value, arena, export);
    return true;
}

bool export_get(struct kv_read *read, struct volume_id volume, struct arena *arena, struct export *export)
{
    struct slice value;
    struct slice path;
    if (!kv_get(read, export_volume_key(volume, arena), arena, &value))
        return false;
    row_decode(export_volume_codec, value, &path);
    bool found = export_find(read, path, arena, export);
    CHECK((found && export->volume.value == volume.value) || read->failed);
    return found && export->active;
}

void export_put(struct transaction *transaction, const struct export *export, struct arena *arena)
{
    CHECK(export->volume.value != VOLUME_PSEUDO.value && export->path.size_bytes <= EXPORT_PATH_MAX_BYTES);
    struct export_row row = {.export = *export};
    transaction_put(transaction, export_key(export->path, arena), row_encode(export_codec, &row, arena));
    transaction_put(transaction, export_volume_key(export->volume, arena),
                    row_encode(export_volume_codec, &export->path, arena));
}

void export_walk_below(struct kv_read *read, struct slice path_prefix, struct arena *arena, struct export_walk *walk)
{
    walk->arena = arena;
    kv_cursor_open(read, export_key(path_prefix, arena), SLICE_EMPTY, arena, &walk->cursor);
}

void export_walk_open(struct kv_read *read, struct arena *arena, struct export_walk *walk)
{
    export_walk_below(read, SLICE_EMPTY, arena, walk);
}

bool export_walk_get(struct export_walk *walk, struct export *export)
{
    if (!walk->cursor.valid)
        return false;
    struct slice path = arena_copy(walk->arena, slice_from(walk->cursor.key, 1));
    export_decode(path, arena_copy(walk->arena, walk->cursor.value), walk->arena, export);
    return true;
}

void export_walk_next(struct export_walk *walk)
{
    kv_cursor_next(&walk->cursor);
}

void export_walk_close(struct export_walk *walk)
{
    kv_cursor_close(&walk->cursor);
}

static bool export_admits_address(const struct export *export, struct slice address)
{
    for (uint32_t i = 0; i < export->client_count; i++) {
        struct cidr range;
        CHECK(cidr_parse(export->clients[i], &range)); /* judged when it was added */
        if (cidr_contains(&range, address))
            return true;
    }
    return export->client_count == 0;
}

enum nfsstat4 export_admits(const struct export *export, const struct identity *identity)
{
    if (!export_admits_address(export, identity->address))
        return NFS4ERR_ACCESS;
    for (uint32_t i = 0; i < export->flavor_count; i++) {
        if (export->flavors[i] == identity->flavor)
            return NFS4_OK;
    }
    return export->flavor_count == 0 && identity->flavor == FLAVOR_AUTH_SYS ? NFS4_OK : NFS4ERR_WRONGSEC;
}

void export_squash_identity(const struct export *export, struct identity *identity)
{
    /* AUTH_NONE names nobody. */
    if (export->squash == EXPORT_SQUASH_ALL || identity->flavor == FLAVOR_AUTH_NONE) {
        identity->uid = ACCESS_UID_NOBODY;
        identity->gid = ACCESS_UID_NOBODY;
        identity->group_count = 0;
        return;
    }
    if (export->squash == EXPORT_SQUASH_NONE)
        return;
    identity->is_root_squashed = true;
    if (identity->uid == 0)
        identity->uid = ACCESS_UID_NOBODY;
    if (identity->gid == 0)
        identity->gid = ACCESS_UID_NOBODY;
}
