#include "statestore/machine/dirent.h"

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

/* Prefix byte, volume, directory: what all rows of one directory begin with. */
#define DIRENT_PREFIX_BYTES 13u

static struct row_key dirent_prefix(uint8_t prefix, struct volume_id volume, struct inode_id directory,
                                    size_t rest_bytes, struct arena *arena)
{
    struct row_key key = row_key(arena, prefix, DIRENT_PREFIX_BYTES - 1 + rest_bytes);
    row_key_u32(&key, volume.value);
    row_key_u64(&key, directory.value);
    CHECK(key.size_bytes == DIRENT_PREFIX_BYTES);
    return key;
}

static struct slice dirent_key(struct volume_id volume, struct inode_id directory, struct slice name,
                               struct arena *arena)
{
    struct row_key key = dirent_prefix(SCHEMA_DIRENT, volume, directory, name.size_bytes, arena);
    row_key_bytes(&key, name);
    return row_key_done(&key);
}

static struct slice dirent_cookie_key(struct volume_id volume, struct inode_id directory, uint64_t cookie,
                                      struct arena *arena)
{
    struct row_key key = dirent_prefix(SCHEMA_COOKIE, volume, directory, 8, arena);
    row_key_u64(&key, cookie);
    return row_key_done(&key);
}

static void dirent_codec_common(struct row *row, struct dirent *dirent)
{
    uint8_t type = (uint8_t)dirent->type;
    row_version(row, 1);
    row_u8(row, &type);
    row_u64(row, &dirent->inode.value);
    dirent->type = (enum nfs_ftype4)type;
}

static void dirent_codec(struct row *row, void *value)
{
    struct dirent *dirent = value;
    dirent_codec_common(row, dirent);
    row_u64(row, &dirent->cookie);
}

static void dirent_cookie_codec(struct row *row, void *value)
{
    struct dirent *dirent = value;
    dirent_codec_common(row, dirent);
    row_rest(row, &dirent->name);
}

bool dirent_get(struct kv_read *read, struct volume_id volume, struct inode_id directory, struct slice name,
                struct arena *arena, struct dirent *dirent)
{
    /* No such name can exist, and no key has room for it. */
    if (name.size_bytes == 0 || name.size_bytes > NFS4_NAME_MAX_BYTES)
        return false;
    struct slice value;
    if (!kv_get(read, dirent_key(volume, directory, name, arena), arena, &value))
        return false;
    *dirent = (struct dirent){.name = name};
    row_decode(dirent_codec, value, dirent);
    return true;
}

void dirent_walk_open(struct kv_read *read, struct volume_id volume, struct inode_id directory, uint64_t after,
                      struct arena *arena, struct dirent_walk *walk)
{
    struct row_key prefix = dirent_prefix(SCHEMA_COOKIE, volume, directory, 0, arena);
    /* Behind the last possible cookie there is nothing; its successor would wrap round to the first. */
    struct slice start = dirent_cookie_key(volume, directory, after == UINT64_MAX ? after : after + 1, arena);
    kv_cursor_open(read, row_key_done(&prefix), start, arena, &walk->cursor);
}

bool dirent_walk_get(struct dirent_walk *walk, struct dirent *dirent)
{
    if (!walk->cursor.valid)
        return false;
    CHECK(walk->cursor.key.size_bytes == DIRENT_PREFIX_BYTES + 8);
    *dirent = (struct dirent){.cookie = row_key_get_u64(walk->cursor.key, DIRENT_PREFIX_BYTES)};
    row_decode(dirent_cookie_codec, walk->cursor.value, dirent);
    return true;
}

void dirent_walk_next(struct dirent_walk *walk)
{
    kv_cursor_next(&walk->cursor);
}

void dirent_walk_close(struct dirent_walk *walk)
{
    kv_cursor_close(&walk->cursor);
}

void dirent_put(struct transaction *transaction, struct volume_id volume, struct inode_id directory,
                const struct dirent *dirent, struct arena *arena)
{
    CHECK(dirent->name.size_bytes > 0 && dirent->name.size_bytes <= NFS4_NAME_MAX_BYTES);
    CHECK(dirent->cookie >= DIRENT_COOKIE_FIRST && dirent->cookie < UINT64_MAX);
    CHECK(dirent->inode.value != 0);
    transaction_put(transaction, dirent_key(volume, directory, dirent->name, arena),
                    row_encode(dirent_codec, dirent, arena));
    transaction_put(transaction, dirent_cookie_key(volume, directory, dirent->cookie, arena),
                    row_encode(dirent_cookie_codec, dirent, arena));
}

void dirent_delete(struct transaction *transaction, struct volume_id volume, struct inode_id directory,
                   const struct dirent *dirent, struct arena *arena)
{
    transaction_delete(transaction, dirent_key(volume, directory, dirent->name, arena));
    transaction_delete(transaction, dirent_cookie_key(volume, directory, dirent->cookie, arena));
}
