#include "statestore/machine/inode.h"

#include "base/check.h"
#include "statestore/machine/dirent.h"
#include "statestore/machine/row.h"
#include "statestore/store/schema.h"

/* Which optional fields the row has. */
#define INODE_FLAG_VERIFIER 1u
#define INODE_FLAG_CUT 2u

static struct slice inode_key(struct volume_id volume, struct inode_id id, struct arena *arena)
{
    struct row_key key = row_key(arena, SCHEMA_INODE, 12);
    row_key_u32(&key, volume.value);
    row_key_u64(&key, id.value);
    return row_key_done(&key);
}

static void inode_codec_kind(struct row *row, struct inode *inode)
{
    switch (inode->type) {
    case NF4DIR:
        row_u64(row, &inode->parent.value);
        row_u64(row, &inode->cookie_next);
        row_u64(row, &inode->entry_count);
        break;
    case NF4BLK:
    case NF4CHR:
        row_u32(row, &inode->device_major);
        row_u32(row, &inode->device_minor);
        break;
    case NF4LNK: row_rest(row, &inode->link_text); break;
    case NF4REG:
    case NF4SOCK:
    case NF4FIFO: break;
    case NF4ATTRDIR:
    case NF4NAMEDATTR:
    default: CHECK(inode->type == NF4REG); /* no row has another type */
    }
}

static void inode_codec(struct row *row, void *value)
{
    struct inode *inode = value;
    uint8_t type = (uint8_t)inode->type;
    uint16_t mode = (uint16_t)inode->mode;
    uint8_t flags = 0;
    if (row->mode != ROW_READ)
        flags =
            (uint8_t)((inode->verifier_set ? INODE_FLAG_VERIFIER : 0) | (inode->cut_number != 0 ? INODE_FLAG_CUT : 0));
    row_version(row, 1);
    row_u8(row, &type);
    row_u16(row, &mode);
    row_u32(row, &inode->owner);
    row_u32(row, &inode->group);
    row_u32(row, &inode->link_count);
    row_u32(row, &inode->id.generation);
    row_u64(row, &inode->size_bytes);
    row_u64(row, &inode->used_bytes);
    row_u64(row, &inode->change);
    row_i64(row, &inode->access_time_ns);
    row_i64(row, &inode->modify_time_ns);
    row_i64(row, &inode->metadata_time_ns);
    row_i64(row, &inode->create_time_ns);
    row_u8(row, &flags);
    inode->type = (enum nfs_ftype4)type;
    inode->mode = mode;
    inode->verifier_set = (flags & INODE_FLAG_VERIFIER) != 0;
    if (inode->verifier_set)
        row_fixed(row, inode->verifier, sizeof(inode->verifier));
    if ((flags & INODE_FLAG_CUT) != 0) {
        row_u64(row, &inode->cut_offset);
        row_u64(row, &inode->cut_number);
    }
    inode_codec_kind(row, inode);
}

void inode_decode_row(struct slice key, struct slice value, struct inode *inode)
{
    CHECK(key.size_bytes == 13 && key.data[0] == SCHEMA_INODE);
    *inode = (struct inode){.id = {{row_key_get_u32(key, 1)}, {row_key_get_u64(key, 5)}, 0}};
    row_decode(inode_codec, value, inode);
}

bool inode_get(struct kv_read *read, struct volume_id volume, struct inode_id id, struct arena *arena,
               struct inode *inode)
{
    struct slice key = inode_key(volume, id, arena);
    struct slice value;
    if (!kv_get(read, key, arena, &value))
        return false;
    inode_decode_row(key, value, inode);
    return true;
}

bool inode_find(struct kv_read *read, struct file_id id, struct arena *arena, struct inode *inode)
{
    return inode_get(read, id.volume, id.inode, arena, inode) && inode->id.generation == id.generation;
}

void inode_put(struct transaction *transaction, const struct inode *inode, struct arena *arena)
{
    CHECK(inode->id.volume.value != VOLUME_PSEUDO.value && inode->id.inode.value != 0);
    CHECK(inode->mode <= 07777);
    CHECK(inode->type == NF4REG || (inode->used_bytes == 0 && inode->cut_number == 0));
    CHECK(inode->type != NF4DIR || inode->cookie_next >= DIRENT_COOKIE_FIRST);
    transaction_put(transaction, inode_key(inode->id.volume, inode->id.inode, arena),
                    row_encode(inode_codec, inode, arena));
}

void inode_delete(struct transaction *transaction, struct volume_id volume, struct inode_id id, struct arena *arena)
{
    transaction_delete(transaction, inode_key(volume, id, arena));
}
