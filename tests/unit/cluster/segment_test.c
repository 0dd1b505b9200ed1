/* The examples of docs/formats/log.md, byte by byte. The checksums were computed by another program. */
#include "cluster/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/hash.h"
#include "cluster/log_records.h"
#include "cluster/replica.h"
#include "tests/support/disk_memory.h"

static const uint8_t segment_example[52] = {
    'Q',  'L',  'O',  'G',  0,    0,    0,    1,    /* magic, version */
    0,    0,    0,    0,    0,    0,    0,    2,    /* number */
    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, /* salt */
    0,    0,    0,    0,    0,    0,    0,    4,    /* first index */
    0,    0,    0,    0,    0,    0,    0,    1,    /* previous term */
    0,    0,    0,    0,    0,    0,    4,    0,    /* previous end */
    0xa0, 0xa0, 0x9b, 0xc1,
};
static const struct segment_header segment_values = {2, 0x1122334455667788, 4, 1, 1024};

static const uint8_t batch_example[88] = {
    'Q',  'B',  'A',  'T',  0x45, 0xed, 0x79, 0xfc, /* magic, checksum */
    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, /* salt */
    0,    0,    0,    0,    0,    0,    2,    0,    /* offset */
    0,    0,    0,    0,    0,    0,    2,    0,    /* synced */
    0,    0,    0,    0,    0,    0,    0,    4,    /* first index */
    0,    0,    0,    2,    0,    0,    0,    5,    /* count, body bytes */
    0,    0,    0,    0,    0,    0,    0,    2,    /* term of entry 4 */
    0,    0,    0,    0,    0,    0,    0,    5,    /* kind, size */
    0x9a, 0x71, 0xbb, 0x4c,                         /* checksum of "hello" */
    0,    0,    0,    0,    0,    0,    0,    2,    /* term of entry 5 */
    0,    0,    0,    2,    0,    0,    0,    0,    /* kind, size */
    0,    0,    0,    0,                            /* checksum of nothing */
};
static const struct batch_header batch_values = {0x1122334455667788, 512, 512, 4, 2, 5};

static void test_segment_header(void **state)
{
    (void)state;
    uint8_t sector[SEGMENT_SECTOR_BYTES];
    struct segment_header header;
    segment_header_encode(&segment_values, sector);
    assert_memory_equal(sector, segment_example, sizeof segment_example);
    for (size_t i = sizeof segment_example; i < sizeof sector; i++)
        assert_int_equal(sector[i], 0);
    assert_true(segment_header_decode(slice_make(sector, sizeof sector), &header));
    assert_memory_equal(&header, &segment_values, sizeof header);
    for (size_t i = 0; i < sizeof segment_example; i++) {
        sector[i] ^= 0x10;
        assert_false(segment_header_decode(slice_make(sector, sizeof sector), &header));
        sector[i] ^= 0x10;
    }
    assert_false(segment_header_decode(slice_make(sector, sizeof sector - 1), &header));
}

static void test_batch(void **state)
{
    (void)state;
    uint8_t head[BATCH_HEAD_MAX_BYTES];
    const struct batch_item items[2] = {{2, REPLICA_ENTRY_COMMANDS, 5, crc32c(0, slice_text("hello"))},
                                        {2, REPLICA_ENTRY_BARRIER, 0, 0}};
    size_t size_bytes = batch_head_encode(&batch_values, items, head);
    assert_int_equal(size_bytes, sizeof batch_example);
    assert_memory_equal(head, batch_example, sizeof batch_example);
    struct batch_header header;
    struct slice bytes = slice_make(head, size_bytes);
    assert_true(batch_header_decode(bytes, batch_values.salt, 512, &header));
    assert_memory_equal(&header, &batch_values, sizeof header);
    assert_true(batch_head_verify(bytes, &header));
    assert_int_equal(batch_end(&header), 1024);
    struct batch_item item;
    batch_item_decode(bytes, 1, &item);
    assert_int_equal(item.term, 2);
    assert_int_equal(item.kind, REPLICA_ENTRY_BARRIER);
    assert_int_equal(item.size_bytes, 0);
    /* At another place, or of another segment, it is none. */
    assert_false(batch_header_decode(bytes, batch_values.salt, 1024, &header));
    assert_false(batch_header_decode(bytes, batch_values.salt + 1, 512, &header));
}

static void test_batch_damage(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof batch_example; i++) {
        uint8_t head[sizeof batch_example];
        struct batch_header header;
        memcpy(head, batch_example, sizeof head);
        head[i] ^= 0x04;
        struct slice bytes = slice_make(head, sizeof head);
        bool whole = batch_header_decode(bytes, batch_values.salt, 512, &header) &&
                     batch_head_bytes(header.count) == sizeof head && batch_head_verify(bytes, &header);
        assert_false(whole);
    }
}

static void test_names(void **state)
{
    (void)state;
    char path[DISK_PATH_MAX_BYTES + 1];
    uint64_t number = 0;
    segment_path(0x123456789abcdef0, path);
    assert_string_equal(path, "log/segment-123456789abcdef0");
    assert_true(segment_number(path + 4, &number));
    assert_int_equal(number, 0x123456789abcdef0);
    assert_false(segment_number("segment-123456789abcdeF0", &number));
    assert_false(segment_number("segment-123456789abcdef", &number));
    assert_false(segment_number("segment-0000000000000000", &number));
    assert_false(segment_number("spare", &number));
}

static void test_records(void **state)
{
    (void)state;
    uint8_t room[LOG_SNAPSHOT_MAX_BYTES];
    struct log_vote vote;
    assert_int_equal(log_vote_encode(&(struct log_vote){7, 1}, room), 16);
    assert_memory_equal(room, "\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x01", 16);
    assert_int_equal(log_vote_decode(slice_make(room, 16), &vote), STATUS_OK);
    assert_int_equal(vote.term, 7);
    assert_int_equal(log_vote_decode(slice_make(room, 15), &vote), STATUS_BAD_DATA);
    room[7] = 0;
    assert_int_equal(log_vote_decode(slice_make(room, 16), &vote), STATUS_BAD_DATA);

    const struct log_snapshot snapshot = {1000, 7, 900, 1, {1, {{1, MEMBER_VOTER}}}};
    struct log_snapshot decoded;
    size_t size_bytes = log_snapshot_encode(&snapshot, room);
    assert_int_equal(size_bytes, 36 + 24);
    assert_memory_equal(room, "\0\0\0\0\0\0\x03\xe8\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\x03\x84\0\0\0\0\0\0\0\x01\0\0\0\x18",
                        36);
    assert_int_equal(log_snapshot_decode(slice_make(room, size_bytes), &decoded), STATUS_OK);
    assert_int_equal(decoded.index, 1000);
    assert_int_equal(decoded.term, 7);
    assert_int_equal(decoded.cut_index, 900);
    assert_int_equal(decoded.configuration_index, 1);
    assert_true(configuration_sole_voter(&decoded.configuration, 1));
    for (size_t i = 0; i < size_bytes; i++)
        assert_int_equal(log_snapshot_decode(slice_make(room, i), &decoded), STATUS_BAD_DATA);
    room[19] = 9; /* cut above the snapshot */
    assert_int_equal(log_snapshot_decode(slice_make(room, size_bytes), &decoded), STATUS_BAD_DATA);
}

/* A whole slot of log/vote: sequence 3, term 7, vote for node 1. */
static void test_record_slot(void **state)
{
    (void)state;
    static const uint8_t slot[40] = {'Q', 'V', 'O', 'T', 0xed, 0x65, 0xe5, 0x5a, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 16,
                                     0,   0,   0,   0,   0,    0,    0,    0,    0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1};
    struct disk_memory memory;
    struct record record;
    uint8_t room[LOG_VOTE_BYTES];
    disk_memory_init(&memory, 1);
    struct disk disk = disk_memory_port(&memory);
    struct slice payload = slice_make(room, log_vote_encode(&(struct log_vote){7, 1}, room));
    assert_int_equal(record_create(&record, &disk, "vote", LOG_VOTE_MAGIC, payload), STATUS_OK);
    assert_int_equal(record_save(&record, payload), STATUS_OK);
    assert_int_equal(record_save(&record, payload), STATUS_OK);
    record_close(&record);
    struct slice bytes = disk_memory_file(&memory, "vote");
    assert_int_equal(bytes.size_bytes, 2 * RECORD_SLOT_BYTES);
    assert_memory_equal(bytes.data, slot, sizeof slot);
    assert_memory_equal(bytes.data + RECORD_SLOT_BYTES, slot, sizeof slot);
    disk_memory_fini(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segment_header), cmocka_unit_test(test_batch),   cmocka_unit_test(test_batch_damage),
        cmocka_unit_test(test_names),          cmocka_unit_test(test_records), cmocka_unit_test(test_record_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
