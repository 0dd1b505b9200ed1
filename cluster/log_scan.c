#include "cluster/log_scan.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/heap.h"

/* What is read at once. */
#define CHUNK_BYTES ((size_t)256 << 10)

static enum status scan_read(struct log_scan *scan, uint64_t offset, uint8_t *room, size_t wanted, size_t *got)
{
    return scan->disk->operations->file_read(scan->disk->context, scan->file, offset, (struct span){room, wanted}, got);
}

static enum status header_read(struct log_scan *scan, uint64_t number, bool settle)
{
    const struct disk *disk = scan->disk;
    uint8_t sector[SEGMENT_SECTOR_BYTES];
    size_t size_bytes = 0;
    enum status status = settle ? disk->operations->file_settle(disk->context, scan->file) : STATUS_OK;
    if (status == STATUS_OK)
        status = disk->operations->file_size(disk->context, scan->file, &scan->size_bytes);
    if (status == STATUS_OK)
        status = scan_read(scan, 0, sector, sizeof sector, &size_bytes);
    if (status != STATUS_OK)
        return status;
    if (!segment_header_decode(slice_make(sector, size_bytes), &scan->header) || scan->header.number != number)
        return STATUS_BAD_DATA;
    scan->offset = SEGMENT_SECTOR_BYTES;
    return STATUS_OK;
}

enum status log_scan_open(struct log_scan *scan, const struct disk *disk, uint64_t number, bool settle)
{
    *scan = (struct log_scan){.disk = disk};
    char path[DISK_PATH_MAX_BYTES + 1];
    segment_path(number, path);
    enum status status = disk->operations->file_open(disk->context, path, false, &scan->file);
    if (status != STATUS_OK)
        return status;
    scan->head = (uint8_t *)heap_alloc(BATCH_HEAD_MAX_BYTES);
    scan->chunk = (uint8_t *)heap_alloc(CHUNK_BYTES);
    status = header_read(scan, number, settle);
    if (status != STATUS_OK)
        log_scan_close(scan);
    return status;
}

void log_scan_close(struct log_scan *scan)
{
    if (scan->file != NULL)
        scan->disk->operations->file_close(scan->disk->context, scan->file);
    heap_free(scan->head);
    heap_free(scan->chunk);
    *scan = (struct log_scan){0};
}

/* Reads and verifies the head at `offset` into scan->head. STATUS_NOT_FOUND: there is none. */
static enum status head_read(struct log_scan *scan, uint64_t offset, struct batch_header *batch)
{
    size_t size_bytes = 0;
    enum status status = scan_read(scan, offset, scan->head, BATCH_HEADER_BYTES, &size_bytes);
    if (status != STATUS_OK)
        return status;
    if (!batch_header_decode(slice_make(scan->head, size_bytes), scan->header.salt, offset, batch))
        return STATUS_NOT_FOUND;
    size_t head_bytes = batch_head_bytes(batch->count);
    CHECK(head_bytes <= BATCH_HEAD_MAX_BYTES);
    status = scan_read(scan, offset, scan->head, head_bytes, &size_bytes);
    if (status != STATUS_OK)
        return status;
    if (size_bytes != head_bytes || !batch_head_verify(slice_make(scan->head, head_bytes), batch))
        return STATUS_NOT_FOUND;
    return STATUS_OK;
}

/* Verifies one entry's bytes at `offset`. STATUS_NOT_FOUND: they are damaged. */
static enum status item_verify(struct log_scan *scan, uint64_t offset, const struct batch_item *item)
{
    uint32_t checksum = 0;
    uint32_t left = item->size_bytes;
    while (left > 0) {
        size_t wanted = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        size_t size_bytes = 0;
        enum status status = scan_read(scan, offset, scan->chunk, wanted, &size_bytes);
        if (status != STATUS_OK)
            return status;
        if (size_bytes != wanted)
            return STATUS_NOT_FOUND;
        checksum = crc32c(checksum, slice_make(scan->chunk, size_bytes));
        offset += size_bytes;
        left -= (uint32_t)size_bytes;
    }
    return checksum == item->checksum ? STATUS_OK : STATUS_NOT_FOUND;
}

enum status log_scan_next(struct log_scan *scan)
{
    struct batch_header batch;
    enum status status = head_read(scan, scan->offset, &batch);
    if (status != STATUS_OK)
        return status;
    uint64_t offset = scan->offset + batch_head_bytes(batch.count);
    for (uint32_t i = 0; i < batch.count; i++) {
        struct batch_item item;
        batch_item_decode(slice_make(scan->head, batch_head_bytes(batch.count)), i, &item);
        status = item_verify(scan, offset, &item);
        if (status != STATUS_OK)
            return status;
        offset += item.size_bytes;
    }
    scan->batch = batch;
    scan->offset = batch_end(&batch);
    CHECK(offset <= scan->offset);
    return STATUS_OK;
}

void log_scan_item(const struct log_scan *scan, uint32_t position, struct batch_item *item)
{
    batch_item_decode(slice_make(scan->head, batch_head_bytes(scan->batch.count)), position, item);
}

/* One sector that may begin a batch. */
static enum status torn_look(struct log_scan *scan, uint64_t offset)
{
    struct batch_header batch;
    enum status status = head_read(scan, offset, &batch);
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    if (status != STATUS_OK)
        return status;
    return batch.synced > scan->offset ? STATUS_BAD_DATA : STATUS_OK;
}

enum status log_scan_torn(struct log_scan *scan, uint64_t *torn_bytes)
{
    *torn_bytes = 0;
    for (uint64_t at = scan->offset; at < scan->size_bytes; at += CHUNK_BYTES) {
        size_t size_bytes = 0;
        enum status status = scan_read(scan, at, scan->chunk, CHUNK_BYTES, &size_bytes);
        if (status != STATUS_OK)
            return status;
        for (size_t i = 0; i < size_bytes; i += SEGMENT_SECTOR_BYTES) {
            struct batch_header batch;
            struct slice sector = slice_make(scan->chunk + i, size_bytes - i);
            if (!batch_header_decode(sector, scan->header.salt, at + i, &batch))
                continue;
            if (at + i == scan->offset)
                *torn_bytes = batch_end(&batch) - scan->offset;
            status = torn_look(scan, at + i);
            if (status != STATUS_OK)
                return status;
        }
    }
    return STATUS_OK;
}
