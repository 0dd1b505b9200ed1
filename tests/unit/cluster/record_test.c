#include "cluster/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/disk_memory.h"

#define PATH "record"
#define MAGIC 0x51544553u

static enum status record_read(const struct disk *disk, uint64_t *value)
{
    struct record record;
    uint8_t room[RECORD_PAYLOAD_MAX_BYTES];
    size_t size_bytes = 0;
    enum status status = record_open(&record, disk, PATH, MAGIC, (struct span){room, sizeof room}, &size_bytes);
    if (status != STATUS_OK)
        return status;
    assert_int_equal(size_bytes, sizeof *value);
    memcpy(value, room, sizeof *value);
    record_close(&record);
    return STATUS_OK;
}

static enum status record_set(const struct disk *disk, uint64_t value)
{
    struct record record;
    uint8_t room[RECORD_PAYLOAD_MAX_BYTES];
    size_t size_bytes = 0;
    assert_int_equal(record_open(&record, disk, PATH, MAGIC, (struct span){room, sizeof room}, &size_bytes), STATUS_OK);
    enum status status = record_save(&record, slice_make(&value, sizeof value));
    record_close(&record);
    return status;
}

static void record_begin(struct disk_memory *memory, struct disk *disk, uint64_t seed, uint64_t value)
{
    struct record record;
    disk_memory_init(memory, seed);
    *disk = disk_memory_port(memory);
    assert_int_equal(record_create(&record, disk, PATH, MAGIC, slice_make(&value, sizeof value)), STATUS_OK);
    record_close(&record);
    assert_int_equal(disk->operations->directory_sync(disk->context, ""), STATUS_OK);
}

static void test_save_and_open(void **state)
{
    (void)state;
    struct disk_memory memory;
    struct disk disk;
    uint64_t value = 0;
    record_begin(&memory, &disk, 1, 10);
    for (uint64_t i = 11; i < 15; i++) {
        assert_int_equal(record_set(&disk, i), STATUS_OK);
        disk_memory_crash(&memory);
        assert_int_equal(record_read(&disk, &value), STATUS_OK);
        assert_int_equal(value, i);
    }
    disk_memory_fini(&memory);
}

/* After a crash at any operation the record is the old or the new one, and what was read once stays. */
static void test_crash_at_every_operation(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        for (uint64_t operation = 1; operation <= 5; operation++) {
            struct disk_memory memory;
            struct disk disk;
            uint64_t value = 0;
            uint64_t again = 0;
            record_begin(&memory, &disk, seed, 10);
            memory.power_off_at = memory.operations + operation + 1; /* opening syncs first */
            enum status status = record_set(&disk, 11);
            disk_memory_crash(&memory);
            assert_int_equal(record_read(&disk, &value), STATUS_OK);
            assert_true(value == 11 || (value == 10 && status != STATUS_OK));
            /* The next save is interrupted too: what was read must not go back. */
            memory.power_off_at = memory.operations + 1 + operation;
            (void)record_set(&disk, 12);
            disk_memory_crash(&memory);
            assert_int_equal(record_read(&disk, &again), STATUS_OK);
            assert_true(again == value || again == 12);
            disk_memory_fini(&memory);
        }
    }
}

/* One damaged slot takes nothing back, whichever it is; two do. */
static void test_damage(void **state)
{
    (void)state;
    for (uint64_t slot = 0; slot < 2; slot++) {
        for (uint64_t at = 0; at < RECORD_HEADER_BYTES + 16; at++) {
            struct disk_memory memory;
            struct disk disk;
            uint64_t value = 0;
            record_begin(&memory, &disk, 1, 10);
            assert_int_equal(record_set(&disk, 11), STATUS_OK);
            disk_memory_damage(&memory, PATH, slot * RECORD_SLOT_BYTES + at, 0x80);
            assert_int_equal(record_read(&disk, &value), STATUS_OK);
            assert_int_equal(value, 11);
            /* Reading has repaired it. */
            disk_memory_damage(&memory, PATH, (1 - slot) * RECORD_SLOT_BYTES + at, 0x80);
            assert_int_equal(record_read(&disk, &value), STATUS_OK);
            assert_int_equal(value, 11);
            disk_memory_damage(&memory, PATH, at, 0x80);
            disk_memory_damage(&memory, PATH, RECORD_SLOT_BYTES + at, 0x80);
            assert_int_equal(record_read(&disk, &value), STATUS_BAD_DATA);
            disk_memory_fini(&memory);
        }
    }
}

static void test_full_disk(void **state)
{
    (void)state;
    struct disk_memory memory;
    struct disk disk;
    uint64_t value = 0;
    record_begin(&memory, &disk, 1, 10);
    memory.capacity_bytes = memory.used_bytes;
    assert_int_equal(record_set(&disk, 11), STATUS_OK);
    assert_int_equal(record_read(&disk, &value), STATUS_OK);
    assert_int_equal(value, 11);
    disk_memory_fini(&memory);
}

static void test_missing(void **state)
{
    (void)state;
    struct disk_memory memory;
    disk_memory_init(&memory, 1);
    struct disk disk = disk_memory_port(&memory);
    uint64_t value;
    assert_int_equal(record_read(&disk, &value), STATUS_NOT_FOUND);
    disk_memory_fini(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save_and_open), cmocka_unit_test(test_crash_at_every_operation),
        cmocka_unit_test(test_damage),        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
