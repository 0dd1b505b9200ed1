#include "cluster/segment.h"

#include "base/check.h"
#include "base/hash.h"
#include "cluster/big_endian.h"
#include "cluster/replica.h"

/* Segment header: 0 "QLOG", 4 u32 version, 8 u64 number, 16 u64 salt, 24 u64 first index, 32 u64 previous term,
 * 40 u64 previous end, 48 u32 CRC32C of what is before; zeros to the end of the sector. */
#define SEGMENT_MAGIC 0x514c4f47u
#define SEGMENT_VERSION 1u
#define SEGMENT_CHECKED_BYTES 48u

/* Batch header: 0 "QBAT", 4 u32 CRC32C of the head from 8 on, 8 u64 salt, 16 u64 offset, 24 u64 synced,
 * 32 u64 first index, 40 u32 count, 44 u32 body bytes. Item: 0 u64 term, 8 u32 kind, 12 u32 size, 16 u32 CRC32C. */
#define BATCH_MAGIC 0x51424154u

#define NAME_PREFIX "segment-"
#define NAME_DIGITS 16u

static const char digits[] = "0123456789abcdef";

void segment_path(uint64_t number, char path[DISK_PATH_MAX_BYTES + 1])
{
    static const char prefix[] = "log/" NAME_PREFIX;
    size_t at = sizeof prefix - 1;
    memcpy(path, prefix, at);
    for (unsigned i = 0; i < NAME_DIGITS; i++)
        path[at++] = digits[number >> (4 * (NAME_DIGITS - 1 - i)) & 15];
    path[at] = 0;
}

bool segment_number(const char *name, uint64_t *number)
{
    size_t prefix_bytes = strlen(NAME_PREFIX);
    if (strlen(name) != prefix_bytes + NAME_DIGITS || strncmp(name, NAME_PREFIX, prefix_bytes) != 0)
        return false;
    *number = 0;
    for (const char *at = name + prefix_bytes; *at != 0; at++) {
        const char *digit = (const char *)memchr(digits, *at, 16);
        if (digit == NULL)
            return false;
        *number = *number << 4 | (uint64_t)(digit - digits);
    }
    return *number > 0;
}

void segment_header_encode(const struct segment_header *header, uint8_t sector[SEGMENT_SECTOR_BYTES])
{
    CHECK(header->number > 0 && header->first_index > 0);
    memset(sector, 0, SEGMENT_SECTOR_BYTES);
    put_u32(sector, SEGMENT_MAGIC);
    put_u32(sector + 4, SEGMENT_VERSION);
    put_u64(sector + 8, header->number);
    put_u64(sector + 16, header->salt);
    put_u64(sector + 24, header->first_index);
    put_u64(sector + 32, header->previous_term);
    put_u64(sector + 40, header->previous_end);
    put_u32(sector + SEGMENT_CHECKED_BYTES, crc32c(0, slice_make(sector, SEGMENT_CHECKED_BYTES)));
}

bool segment_header_decode(struct slice sector, struct segment_header *header)
{
    const uint8_t *at = sector.data;
    if (sector.size_bytes < SEGMENT_SECTOR_BYTES || get_u32(at) != SEGMENT_MAGIC ||
        get_u32(at + 4) != SEGMENT_VERSION ||
        get_u32(at + SEGMENT_CHECKED_BYTES) != crc32c(0, slice_make(at, SEGMENT_CHECKED_BYTES)))
        return false;
    header->number = get_u64(at + 8);
    header->salt = get_u64(at + 16);
    header->first_index = get_u64(at + 24);
    header->previous_term = get_u64(at + 32);
    header->previous_end = get_u64(at + 40);
    return header->number > 0 && header->first_index > 0;
}

size_t batch_head_encode(const struct batch_header *header, const struct batch_item *items, uint8_t *room)
{
    CHECK(header->count > 0 && header->count <= LOG_BATCH_ENTRIES_MAX);
    CHECK(header->synced <= header->offset && header->offset % SEGMENT_SECTOR_BYTES == 0);
    put_u32(room, BATCH_MAGIC);
    put_u64(room + 8, header->salt);
    put_u64(room + 16, header->offset);
    put_u64(room + 24, header->synced);
    put_u64(room + 32, header->first_index);
    put_u32(room + 40, header->count);
    put_u32(room + 44, header->body_bytes);
    uint8_t *at = room + BATCH_HEADER_BYTES;
    for (uint32_t i = 0; i < header->count; i++, at += BATCH_ITEM_BYTES) {
        put_u64(at, items[i].term);
        put_u32(at + 8, items[i].kind);
        put_u32(at + 12, items[i].size_bytes);
        put_u32(at + 16, items[i].checksum);
    }
    size_t size_bytes = batch_head_bytes(header->count);
    CHECK(at == room + size_bytes);
    put_u32(room + 4, crc32c(0, slice_make(room + 8, size_bytes - 8)));
    return size_bytes;
}

bool batch_header_decode(struct slice bytes, uint64_t salt, uint64_t offset, struct batch_header *header)
{
    const uint8_t *at = bytes.data;
    if (bytes.size_bytes < BATCH_HEADER_BYTES || get_u32(at) != BATCH_MAGIC)
        return false;
    header->salt = get_u64(at + 8);
    header->offset = get_u64(at + 16);
    header->synced = get_u64(at + 24);
    header->first_index = get_u64(at + 32);
    header->count = get_u32(at + 40);
    header->body_bytes = get_u32(at + 44);
    return header->salt == salt && header->offset == offset && header->synced <= offset && header->first_index > 0 &&
           header->count > 0 && header->count <= LOG_BATCH_ENTRIES_MAX && header->body_bytes <= BATCH_BODY_MAX_BYTES;
}

bool batch_head_verify(struct slice head, const struct batch_header *header)
{
    CHECK(head.size_bytes == batch_head_bytes(header->count));
    if (get_u32(head.data + 4) != crc32c(0, slice_from(head, 8)))
        return false;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < header->count; i++) {
        struct batch_item item;
        batch_item_decode(head, i, &item);
        if (item.kind > REPLICA_ENTRY_BARRIER || item.size_bytes > ENTRY_MAX_BYTES)
            return false;
        sum += item.size_bytes;
    }
    return sum == header->body_bytes;
}

void batch_item_decode(struct slice head, uint32_t position, struct batch_item *item)
{
    size_t offset = batch_head_bytes(position);
    CHECK(offset + BATCH_ITEM_BYTES <= head.size_bytes);
    const uint8_t *at = head.data + offset;
    item->term = get_u64(at);
    item->kind = get_u32(at + 8);
    item->size_bytes = get_u32(at + 12);
    item->checksum = get_u32(at + 16);
}
