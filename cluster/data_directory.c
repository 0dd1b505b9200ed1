#include "cluster/data_directory.h"

#include "base/check.h"
#include "base/hash.h"
#include "cluster/big_endian.h"

#define LOCK_PATH "lock"
#define NODE_PATH "node"
#define NODE_NEW_PATH "node.new"
#define MEMBERS_PATH "members"
#define MEMBERS_NEW_PATH "members.new"
#define FOUNDING_PATH "founding"
#define FOUNDING_NEW_PATH "founding.new"
#define JOINING_PATH "joining"
#define JOINING_NEW_PATH "joining.new"
#define REMOVED_PATH "removed"
#define REMOVED_NEW_PATH "removed.new"
#define STARTS_PATH "starts"
#define STARTS_NEW_PATH "starts.new"

/* The file `node`: 0 "QNOD", 4 u32 version, 8 u64 node id, 16 cluster id, 32 u32 CRC32C of what is before. */
#define NODE_MAGIC 0x514e4f44u
#define NODE_VERSION 1u
#define NODE_BYTES 36u

/* A file of one number: 0 magic, 4 u32 version, 8 u64 the number, 16 u32 CRC32C of what is before. `starts` is "QSTA" and
 * the count, `joining` "QJOI" and the nonce, `removed` "QREM" and 1. */
#define STARTS_MAGIC 0x51535441u
#define JOINING_MAGIC 0x514a4f49u
#define REMOVED_MAGIC 0x5152454du
#define NUMBER_VERSION 1u
#define NUMBER_BYTES 20u

#define MEMBERS_MAGIC 0x514d454du
#define FOUNDING_MAGIC 0x51464e44u
#define RECORD_VERSION 1u
#define RECORD_HEAD_BYTES 28u
#define RECORD_MEMBER_BYTES 16u
#define RECORD_MAX_BYTES (RECORD_HEAD_BYTES + CLUSTER_MEMBERS_MAX * (RECORD_MEMBER_BYTES + PEER_HOST_MAX_BYTES) + 4u)

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

/* A whole file, as far as there is room. STATUS_NOT_FOUND, STATUS_IO. */
static enum status file_load(const struct disk *disk, const char *path, struct span room, size_t *size_bytes)
{
    struct disk_file *file;
    enum status status = disk->operations->file_open(disk->context, path, false, &file);
    if (status != STATUS_OK)
        return status;
    *size_bytes = 0;
    status = disk->operations->file_read(disk->context, file, 0, room, size_bytes);
    disk->operations->file_close(disk->context, file);
    return status;
}

enum status data_directory_load(const struct disk *disk, struct node_identity *identity)
{
    uint8_t bytes[NODE_BYTES];
    size_t size_bytes;
    enum status status = file_load(disk, NODE_PATH, (struct span){bytes, NODE_BYTES}, &size_bytes);
    if (status != STATUS_OK)
        return status;
    if (size_bytes != NODE_BYTES || get_u32(bytes) != NODE_MAGIC || get_u32(bytes + 4) != NODE_VERSION ||
        get_u32(bytes + NODE_BYTES - 4) != crc32c(0, slice_make(bytes, NODE_BYTES - 4)))
        return STATUS_BAD_DATA;
    identity->node_id = get_u64(bytes + 8);
    memcpy(identity->cluster_id, bytes + 16, sizeof identity->cluster_id);
    return STATUS_OK;
}

/* Puts the bytes in the place of a whole file, safely. */
static enum status file_replace(const struct disk *disk, const char *path, const char *new_path, struct slice bytes)
{
    enum status status = disk->operations->file_remove(disk->context, new_path); /* of an earlier try */
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    struct disk_file *file;
    status = disk->operations->file_open(disk->context, new_path, true, &file);
    if (status != STATUS_OK)
        return status;
    status = disk->operations->file_write(disk->context, file, 0, &bytes, 1);
    if (status == STATUS_OK)
        status = disk->operations->file_sync(disk->context, file);
    disk->operations->file_close(disk->context, file);
    if (status == STATUS_OK)
        status = disk->operations->file_rename(disk->context, new_path, path);
    if (status == STATUS_OK)
        status = disk->operations->directory_sync(disk->context, "");
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
    return file_replace(disk, NODE_PATH, NODE_NEW_PATH, slice_make(bytes, NODE_BYTES));
}

/* --- files of one number --- */

/* STATUS_NOT_FOUND, STATUS_BAD_DATA, STATUS_IO. */
static enum status number_load(const struct disk *disk, const char *path, uint32_t magic, uint64_t *number)
{
    uint8_t bytes[NUMBER_BYTES];
    size_t size_bytes;
    enum status status = file_load(disk, path, (struct span){bytes, NUMBER_BYTES}, &size_bytes);
    if (status != STATUS_OK)
        return status;
    if (size_bytes != NUMBER_BYTES || get_u32(bytes) != magic || get_u32(bytes + 4) != NUMBER_VERSION ||
        get_u32(bytes + NUMBER_BYTES - 4) != crc32c(0, slice_make(bytes, NUMBER_BYTES - 4)))
        return STATUS_BAD_DATA;
    *number = get_u64(bytes + 8);
    return STATUS_OK;
}

static enum status number_store(const struct disk *disk, const char *path, const char *new_path, uint32_t magic,
                                uint64_t number)
{
    uint8_t bytes[NUMBER_BYTES];
    put_u32(bytes, magic);
    put_u32(bytes + 4, NUMBER_VERSION);
    put_u64(bytes + 8, number);
    put_u32(bytes + NUMBER_BYTES - 4, crc32c(0, slice_make(bytes, NUMBER_BYTES - 4)));
    return file_replace(disk, path, new_path, slice_make(bytes, NUMBER_BYTES));
}

enum status data_directory_count_start(const struct disk *disk, uint64_t *count)
{
    *count = 0;
    enum status status = number_load(disk, STARTS_PATH, STARTS_MAGIC, count);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    ++*count;
    return number_store(disk, STARTS_PATH, STARTS_NEW_PATH, STARTS_MAGIC, *count);
}

enum status data_directory_joining(const struct disk *disk, uint64_t fresh, uint64_t *nonce)
{
    CHECK(fresh != 0);
    enum status status = number_load(disk, JOINING_PATH, JOINING_MAGIC, nonce);
    if (status == STATUS_OK)
        return *nonce != 0 ? STATUS_OK : STATUS_BAD_DATA;
    if (status != STATUS_NOT_FOUND)
        return status;
    *nonce = fresh;
    return number_store(disk, JOINING_PATH, JOINING_NEW_PATH, JOINING_MAGIC, fresh);
}

enum status data_directory_forget_joining(const struct disk *disk)
{
    enum status status = disk->operations->file_remove(disk->context, JOINING_PATH);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status data_directory_store_removed(const struct disk *disk)
{
    return number_store(disk, REMOVED_PATH, REMOVED_NEW_PATH, REMOVED_MAGIC, 1);
}

enum status data_directory_is_removed(const struct disk *disk, bool *removed)
{
    uint64_t number;
    enum status status = number_load(disk, REMOVED_PATH, REMOVED_MAGIC, &number);
    *removed = status == STATUS_OK || status == STATUS_BAD_DATA; /* nobody else makes a file of this name */
    return status == STATUS_IO ? status : STATUS_OK;
}

/* --- members and promises --- */

/* Both files: 0 magic, 4 u32 version, 8 cluster id (0 in `members`), 24 u32 count, the members, u32 CRC32C of what is before.
 * A member: u64 node, u32 port, u32 size of the host, the host. */
static size_t record_write(uint32_t magic, const struct founding_record *record, uint8_t *bytes)
{
    size_t used = RECORD_HEAD_BYTES;
    put_u32(bytes, magic);
    put_u32(bytes + 4, RECORD_VERSION);
    memcpy(bytes + 8, record->cluster_id, sizeof record->cluster_id);
    put_u32(bytes + 24, record->members.count);
    CHECK(record->members.count <= CLUSTER_MEMBERS_MAX);
    for (uint32_t i = 0; i < record->members.count; i++) {
        const struct peer_endpoint *member = &record->members.items[i];
        size_t host_bytes = strlen(member->host);
        CHECK(host_bytes <= PEER_HOST_MAX_BYTES && member->node != 0);
        put_u64(bytes + used, member->node);
        put_u32(bytes + used + 8, member->port);
        put_u32(bytes + used + 12, (uint32_t)host_bytes);
        memcpy(bytes + used + RECORD_MEMBER_BYTES, member->host, host_bytes);
        used += RECORD_MEMBER_BYTES + host_bytes;
    }
    put_u32(bytes + used, crc32c(0, slice_make(bytes, used)));
    CHECK(used + 4 <= RECORD_MAX_BYTES);
    return used + 4;
}

static bool record_read(uint32_t magic, struct slice bytes, struct founding_record *record)
{
    *record = (struct founding_record){0};
    if (bytes.size_bytes < RECORD_HEAD_BYTES + 4 || get_u32(bytes.data) != magic ||
        get_u32(bytes.data + 4) != RECORD_VERSION)
        return false;
    size_t end = bytes.size_bytes - 4;
    size_t used = RECORD_HEAD_BYTES;
    if (get_u32(bytes.data + end) != crc32c(0, slice_make(bytes.data, end)))
        return false;
    memcpy(record->cluster_id, bytes.data + 8, sizeof record->cluster_id);
    uint32_t count = get_u32(bytes.data + 24);
    if (count > CLUSTER_MEMBERS_MAX)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct peer_endpoint *member = &record->members.items[i];
        if (end - used < RECORD_MEMBER_BYTES)
            return false;
        member->node = get_u64(bytes.data + used);
        uint32_t port = get_u32(bytes.data + used + 8);
        uint32_t host_bytes = get_u32(bytes.data + used + 12);
        used += RECORD_MEMBER_BYTES;
        if (member->node == 0 || port == 0 || port > UINT16_MAX || host_bytes == 0 ||
            host_bytes > PEER_HOST_MAX_BYTES || host_bytes > end - used)
            return false;
        member->port = (uint16_t)port;
        memcpy(member->host, bytes.data + used, host_bytes);
        used += host_bytes;
    }
    record->members.count = count;
    return used == end;
}

static enum status record_load(const struct disk *disk, const char *path, uint32_t magic,
                               struct founding_record *record)
{
    uint8_t bytes[RECORD_MAX_BYTES + 1];
    size_t size_bytes;
    enum status status = file_load(disk, path, (struct span){bytes, sizeof bytes}, &size_bytes);
    if (status != STATUS_OK)
        return status;
    return record_read(magic, slice_make(bytes, size_bytes), record) ? STATUS_OK : STATUS_BAD_DATA;
}

enum status data_directory_load_members(const struct disk *disk, struct endpoint_list *members)
{
    struct founding_record record;
    enum status status = record_load(disk, MEMBERS_PATH, MEMBERS_MAGIC, &record);
    if (status == STATUS_OK)
        *members = record.members;
    return status;
}

enum status data_directory_store_members(const struct disk *disk, const struct endpoint_list *members)
{
    struct founding_record record = {.members = *members};
    uint8_t bytes[RECORD_MAX_BYTES];
    size_t size_bytes = record_write(MEMBERS_MAGIC, &record, bytes);
    return file_replace(disk, MEMBERS_PATH, MEMBERS_NEW_PATH, slice_make(bytes, size_bytes));
}

enum status data_directory_load_founding(const struct disk *disk, struct founding_record *record)
{
    return record_load(disk, FOUNDING_PATH, FOUNDING_MAGIC, record);
}

enum status data_directory_store_founding(const struct disk *disk, const struct founding_record *record)
{
    uint8_t bytes[RECORD_MAX_BYTES];
    size_t size_bytes = record_write(FOUNDING_MAGIC, record, bytes);
    return file_replace(disk, FOUNDING_PATH, FOUNDING_NEW_PATH, slice_make(bytes, size_bytes));
}

enum status data_directory_forget_founding(const struct disk *disk)
{
    enum status status = disk->operations->file_remove(disk->context, FOUNDING_PATH);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
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
