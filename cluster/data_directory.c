#include "cluster/data_directory.h"

#include "base/hash.h"
#include "cluster/big_endian.h"

#define LOCK_PATH "lock"
#define NODE_PATH "node"
#define NODE_NEW_PATH "node.new"

/* The file `node`: 0 "QNOD", 4 u32 version, 8 u64 node id, 16 cluster id, 32 u32 CRC32C of what is before. */
#define NODE_MAGIC 0x514e4f44u
#define NODE_VERSION 1u
#define NODE_BYTES 36u

static const char *const folders[] = {"log", "state", "blocks", "staging"};

enum status data_directory_prepare(const struct disk *disk)
{
    enum status status = disk->operations->file_lock(disk->context, LOCK_PATH);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0] && status == STATUS_OK; i++)
        status = disk->operations->directory_create(disk->context, folders[i]);
    if (status == STATUS_OK)
        status = disk->operations->directory_sync(disk->context, "");
    return status;
}

enum status data_directory_load(const struct disk *disk, struct node_identity *identity)
{
    struct disk_file *file;
    enum status status = disk->operations->file_open(disk->context, NODE_PATH, false, &file);
    if (status != STATUS_OK)
        return status;
    uint8_t bytes[NODE_BYTES];
    size_t size_bytes = 0;
    status = disk->operations->file_read(disk->context, file, 0, (struct span){bytes, NODE_BYTES}, &size_bytes);
    disk->operations->file_close(disk->context, file);
    if (status != STATUS_OK)
        return status;
    if (size_bytes != NODE_BYTES || get_u32(bytes) != NODE_MAGIC || get_u32(bytes + 4) != NODE_VERSION ||
        get_u32(bytes + NODE_BYTES - 4) != crc32c(0, slice_make(bytes, NODE_BYTES - 4)))
        return STATUS_BAD_DATA;
    identity->node_id = get_u64(bytes + 8);
    memcpy(identity->cluster_id, bytes + 16, sizeof identity->cluster_id);
    return STATUS_OK;
}

static enum status node_write(const struct disk *disk, struct slice bytes)
{
    enum status status = disk->operations->file_remove(disk->context, NODE_NEW_PATH); /* of an earlier try */
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    struct disk_file *file;
    status = disk->operations->file_open(disk->context, NODE_NEW_PATH, true, &file);
    if (status != STATUS_OK)
        return status;
    status = disk->operations->file_write(disk->context, file, 0, &bytes, 1);
    if (status == STATUS_OK)
        status = disk->operations->file_sync(disk->context, file);
    disk->operations->file_close(disk->context, file);
    return status;
}

enum status data_directory_store(const struct disk *disk, const struct node_identity *identity)
{
    uint8_t bytes[NODE_BYTES];
    put_u32(bytes, NODE_MAGIC);
    put_u32(bytes + 4, NODE_VERSION);
    put_u64(bytes + 8, identity->node_id);
    memcpy(bytes + 16, identity->cluster_id, sizeof identity->cluster_id);
    put_u32(bytes + NODE_BYTES - 4, crc32c(0, slice_make(bytes, NODE_BYTES - 4)));
    enum status status = node_write(disk, slice_make(bytes, NODE_BYTES));
    if (status == STATUS_OK)
        status = disk->operations->file_rename(disk->context, NODE_NEW_PATH, NODE_PATH);
    if (status == STATUS_OK)
        status = disk->operations->directory_sync(disk->context, "");
    return status;
}

static bool name_seen(void *context, const char *name)
{
    (void)name;
    bool *seen = (bool *)context;
    *seen = true;
    return false;
}

enum status data_directory_has_state(const struct disk *disk, bool *has_state)
{
    *has_state = false;
    return disk->operations->directory_list(disk->context, "state", name_seen, has_state);
}
