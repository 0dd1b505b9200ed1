#include "cluster/start_count.h"

#include "base/hash.h"
#include "cluster/big_endian.h"

#define STARTS_PATH "starts"
#define STARTS_NEW_PATH "starts.new"
#define STARTS_MAGIC 0x51535441u
#define STARTS_VERSION 1u
#define STARTS_BYTES 20u

static enum status count_read(const struct disk *disk, uint64_t *count)
{
    struct disk_file *file;
    *count = 0;
    enum status status = disk->operations->file_open(disk->context, STARTS_PATH, false, &file);
    if (status != STATUS_OK)
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    uint8_t bytes[STARTS_BYTES];
    size_t size_bytes = 0;
    status = disk->operations->file_read(disk->context, file, 0, (struct span){bytes, STARTS_BYTES}, &size_bytes);
    disk->operations->file_close(disk->context, file);
    if (status != STATUS_OK)
        return status;
    if (size_bytes != STARTS_BYTES || get_u32(bytes) != STARTS_MAGIC || get_u32(bytes + 4) != STARTS_VERSION ||
        get_u32(bytes + STARTS_BYTES - 4) != crc32c(0, slice_make(bytes, STARTS_BYTES - 4)))
        return STATUS_BAD_DATA;
    *count = get_u64(bytes + 8);
    return STATUS_OK;
}

static enum status count_write(const struct disk *disk, uint64_t count)
{
    uint8_t bytes[STARTS_BYTES];
    struct slice piece = slice_make(bytes, STARTS_BYTES);
    put_u32(bytes, STARTS_MAGIC);
    put_u32(bytes + 4, STARTS_VERSION);
    put_u64(bytes + 8, count);
    put_u32(bytes + STARTS_BYTES - 4, crc32c(0, slice_make(bytes, STARTS_BYTES - 4)));
    enum status status = disk->operations->file_remove(disk->context, STARTS_NEW_PATH); /* of an earlier try */
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    struct disk_file *file;
    status = disk->operations->file_open(disk->context, STARTS_NEW_PATH, true, &file);
    if (status != STATUS_OK)
        return status;
    status = disk->operations->file_write(disk->context, file, 0, &piece, 1);
    if (status == STATUS_OK)
        status = disk->operations->file_sync(disk->context, file);
    disk->operations->file_close(disk->context, file);
    return status;
}

enum status start_count_next(const struct disk *disk, uint64_t *count)
{
    enum status status = count_read(disk, count);
    if (status != STATUS_OK)
        return status;
    ++*count;
    status = count_write(disk, *count);
    if (status == STATUS_OK)
        status = disk->operations->file_rename(disk->context, STARTS_NEW_PATH, STARTS_PATH);
    if (status == STATUS_OK)
        status = disk->operations->directory_sync(disk->context, "");
    return status;
}
