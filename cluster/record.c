#include "cluster/record.h"

#include "base/check.h"
#include "base/hash.h"
#include "cluster/big_endian.h"

/* A slot: 0 u32 magic, 4 u32 CRC32C of the rest, 8 u64 sequence, 16 u32 payload size, 20 u32 zero, 24 payload. */
struct record_slot {
    uint8_t bytes[RECORD_SLOT_BYTES];
};

static void slot_encode(struct record_slot *slot, uint32_t magic, uint64_t sequence, struct slice payload)
{
    CHECK(payload.size_bytes <= RECORD_PAYLOAD_MAX_BYTES);
    memset(slot->bytes, 0, sizeof slot->bytes);
    put_u32(slot->bytes, magic);
    put_u64(slot->bytes + 8, sequence);
    put_u32(slot->bytes + 16, (uint32_t)payload.size_bytes);
    if (payload.size_bytes > 0)
        memcpy(slot->bytes + RECORD_HEADER_BYTES, payload.data, payload.size_bytes);
    put_u32(slot->bytes + 4, crc32c(0, slice_make(slot->bytes + 8, RECORD_SLOT_BYTES - 8)));
}

static bool slot_decode(const struct record_slot *slot, uint32_t magic, uint64_t *sequence, struct slice *payload)
{
    uint32_t size_bytes = get_u32(slot->bytes + 16);
    if (get_u32(slot->bytes) != magic || size_bytes > RECORD_PAYLOAD_MAX_BYTES ||
        get_u32(slot->bytes + 4) != crc32c(0, slice_make(slot->bytes + 8, RECORD_SLOT_BYTES - 8)))
        return false;
    *sequence = get_u64(slot->bytes + 8);
    *payload = slice_make(slot->bytes + RECORD_HEADER_BYTES, size_bytes);
    return *sequence > 0;
}

/* Writes one slot and syncs. */
static enum status slot_write(struct record *record, unsigned position, uint64_t sequence, struct slice payload)
{
    const struct disk *disk = record->disk;
    struct record_slot slot;
    slot_encode(&slot, record->magic, sequence, payload);
    struct slice bytes = slice_make(slot.bytes, sizeof slot.bytes);
    enum status status =
        disk->operations->file_write(disk->context, record->file, position * RECORD_SLOT_BYTES, &bytes, 1);
    if (status == STATUS_OK)
        status = disk->operations->file_sync(disk->context, record->file);
    if (status == STATUS_OK)
        record->sequences[position] = sequence;
    return status;
}

enum status record_save(struct record *record, struct slice payload)
{
    unsigned older = record->sequences[0] <= record->sequences[1] ? 0 : 1;
    uint64_t sequence = record->sequences[1 - older] + 1;
    enum status status = slot_write(record, older, sequence, payload);
    if (status == STATUS_OK)
        status = slot_write(record, 1 - older, sequence, payload);
    return status;
}

enum status record_create(struct record *record, const struct disk *disk, const char *path, uint32_t magic,
                          struct slice payload)
{
    *record = (struct record){.disk = disk, .magic = magic};
    enum status status = disk->operations->file_open(disk->context, path, true, &record->file);
    if (status != STATUS_OK)
        return status;
    status = disk->operations->file_reserve(disk->context, record->file, 2 * RECORD_SLOT_BYTES);
    if (status == STATUS_OK)
        status = record_save(record, payload);
    if (status != STATUS_OK)
        record_close(record);
    return status;
}

/* Both slots as they are on the disk; a short file leaves zeros. */
static enum status slots_read(struct record *record, struct record_slot slots[2])
{
    const struct disk *disk = record->disk;
    memset(slots, 0, 2 * sizeof slots[0]);
    enum status status = disk->operations->file_settle(disk->context, record->file);
    for (unsigned i = 0; i < 2 && status == STATUS_OK; i++) {
        size_t size_bytes = 0;
        status = disk->operations->file_read(disk->context, record->file, i * RECORD_SLOT_BYTES,
                                             (struct span){slots[i].bytes, RECORD_SLOT_BYTES}, &size_bytes);
    }
    return status;
}

static enum status record_load(struct record *record, struct span room, size_t *payload_bytes)
{
    struct record_slot slots[2];
    struct slice payloads[2];
    enum status status = slots_read(record, slots);
    if (status != STATUS_OK)
        return status;
    for (unsigned i = 0; i < 2; i++) {
        if (!slot_decode(&slots[i], record->magic, &record->sequences[i], &payloads[i]))
            record->sequences[i] = 0;
    }
    unsigned newest = record->sequences[0] >= record->sequences[1] ? 0 : 1;
    if (record->sequences[newest] == 0)
        return STATUS_BAD_DATA;
    CHECK(room.size_bytes >= payloads[newest].size_bytes);
    *payload_bytes = payloads[newest].size_bytes;
    memcpy(room.data, payloads[newest].data, payloads[newest].size_bytes);
    if (record->sequences[0] == record->sequences[1])
        return STATUS_OK;
    /* A save was interrupted between its slots, or a slot is damaged: from here on both hold what we answer. */
    return slot_write(record, 1 - newest, record->sequences[newest], payloads[newest]);
}

enum status record_open(struct record *record, const struct disk *disk, const char *path, uint32_t magic,
                        struct span room, size_t *payload_bytes)
{
    *record = (struct record){.disk = disk, .magic = magic};
    enum status status = disk->operations->file_open(disk->context, path, false, &record->file);
    if (status != STATUS_OK)
        return status;
    status = record_load(record, room, payload_bytes);
    if (status != STATUS_OK)
        record_close(record);
    return status;
}

void record_close(struct record *record)
{
    if (record->file != NULL)
        record->disk->operations->file_close(record->disk->context, record->file);
    record->file = NULL;
}
