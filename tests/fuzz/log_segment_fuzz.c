/* log_segment_fuzz.c: a start on a log that holds any bytes ends in a clear refusal or in a log that works: every entry
 * can be read, an append follows, and a second start finds the same.
 *
 * Input: byte 0 chooses the file and what is repaired before the start, byte 1 where the bytes go (in sectors); the rest
 * replaces the file's bytes there. Repairing puts salt, place and checksums right, so that what lies behind them is
 * reached too. */
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "cluster/big_endian.h"
#include "cluster/log_records.h"
#include "tests/support/test_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEGMENT_BYTES 4096u
#define INPUT_MAX_BYTES 8192u

enum repair { REPAIR_SEGMENT = 8, REPAIR_BATCHES = 16, REPAIR_ITEMS = 32, REPAIR_RECORDS = 64 };

static void file_replace(struct test_log *log, const char *path, uint64_t offset, struct slice bytes)
{
    struct disk_file *file;
    CHECK(log->disk.operations->file_open(log->disk.context, path, false, &file) == STATUS_OK);
    CHECK(log->disk.operations->file_write(log->disk.context, file, offset, &bytes, 1) == STATUS_OK);
    CHECK(log->disk.operations->file_sync(log->disk.context, file) == STATUS_OK);
    log->disk.operations->file_close(log->disk.context, file);
}

/* The checksums of one batch's entries, as far as they lie in the file. */
static void items_repair(uint8_t *bytes, size_t size_bytes, uint64_t at, uint32_t count)
{
    uint64_t body = at + batch_head_bytes(count);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *item = bytes + at + batch_head_bytes(i);
        uint32_t item_bytes = get_u32(item + 12);
        if (body > size_bytes || item_bytes > size_bytes - body)
            return;
        put_u32(item + 16, crc32c(0, slice_make(bytes + body, item_bytes)));
        body += item_bytes;
    }
}

static void batches_repair(uint8_t *bytes, size_t size_bytes, uint8_t flags)
{
    for (uint64_t at = SEGMENT_SECTOR_BYTES; at + BATCH_HEADER_BYTES <= size_bytes; at += SEGMENT_SECTOR_BYTES) {
        if (memcmp(bytes + at, "QBAT", 4) != 0)
            continue;
        memcpy(bytes + at + 8, bytes + 16, 8); /* salt */
        put_u64(bytes + at + 16, at);
        uint32_t count = get_u32(bytes + at + 40);
        if (count == 0 || count > LOG_BATCH_ENTRIES_MAX || at + batch_head_bytes(count) > size_bytes)
            continue;
        if (flags & REPAIR_ITEMS)
            items_repair(bytes, size_bytes, at, count);
        put_u32(bytes + at + 4, crc32c(0, slice_make(bytes + at + 8, batch_head_bytes(count) - 8)));
    }
}

static void file_repair(struct test_log *log, const char *path, uint8_t flags)
{
    struct slice before = disk_memory_file(&log->memory, path);
    uint8_t *bytes = malloc(before.size_bytes + 1);
    CHECK(bytes != NULL);
    memcpy(bytes, before.data, before.size_bytes);
    size_t size_bytes = before.size_bytes;
    bool record = strcmp(path, LOG_VOTE_PATH) == 0 || strcmp(path, LOG_SNAPSHOT_PATH) == 0;
    for (size_t at = 0; record && (flags & REPAIR_RECORDS) && at + RECORD_SLOT_BYTES <= size_bytes;
         at += RECORD_SLOT_BYTES)
        put_u32(bytes + at + 4, crc32c(0, slice_make(bytes + at + 8, RECORD_SLOT_BYTES - 8)));
    if (!record && (flags & REPAIR_SEGMENT))
        put_u32(bytes + 48, crc32c(0, slice_make(bytes, 48)));
    if (!record && (flags & REPAIR_BATCHES))
        batches_repair(bytes, size_bytes, flags);
    file_replace(log, path, 0, slice_make(bytes, size_bytes));
    free(bytes);
}

/* Three segments, a snapshot at 3, and a tail. */
static void log_prepare(struct test_log *log)
{
    test_log_init(log, 1, SEGMENT_BYTES);
    CHECK(test_log_open(log) == STATUS_OK);
    CHECK(test_log_vote(log, 2, 1) == STATUS_OK);
    CHECK(test_log_append(log, 3) == STATUS_OK);
    CHECK(test_log_cut(log, 3) == STATUS_OK);
    test_log_close(log);
    CHECK(test_log_open(log) == STATUS_OK);
    for (unsigned i = 0; i < 3; i++)
        CHECK(test_log_append(log, 2) == STATUS_OK);
    test_log_close(log);
}

static void log_use(struct test_log *log)
{
    uint64_t last_index = log->recovered.first_index + log->recovered.entry_count - 1;
    uint64_t term = log->recovered.term;
    for (uint64_t index = log->recovered.first_index; index <= last_index; index++) {
        struct replica_entry entry;
        CHECK(log_writer_read(log->writer, index, &entry) == STATUS_OK);
        CHECK(entry.index == index && entry.term > 0 && entry.term <= term);
        buffer_put(entry.bytes);
    }
    CHECK(test_log_append(log, 2) == STATUS_OK);
    CHECK(log->persisted_index == last_index + 2);
    last_index += 2;
    test_log_close(log);
    disk_memory_crash(&log->memory);
    CHECK(test_log_open(log) == STATUS_OK);
    CHECK(log->recovered.first_index + log->recovered.entry_count - 1 == last_index && log->recovered.term == term);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[4] = {"log/segment-0000000000000002", "log/segment-0000000000000003", LOG_VOTE_PATH,
                                         LOG_SNAPSHOT_PATH};
    if (size < 2 || size > INPUT_MAX_BYTES)
        return 0;
    struct test_log log;
    log_prepare(&log);
    const char *path = paths[data[0] % 4];
    uint64_t offset = data[1] % 32 * (uint64_t)SEGMENT_SECTOR_BYTES + (data[0] & 128 ? SEGMENT_SECTOR_BYTES / 8 : 0);
    file_replace(&log, path, offset, slice_make(data + 2, size - 2));
    file_repair(&log, path, data[0]);
    enum status status = test_log_open(&log);
    CHECK(status == STATUS_OK || (status == STATUS_BAD_DATA && log.problem[0] != 0));
    if (status == STATUS_OK)
        log_use(&log);
    test_log_fini(&log);
    return 0;
}
