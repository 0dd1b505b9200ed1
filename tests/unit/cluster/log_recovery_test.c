/* What a start makes of a log that a crash, a bad sector or a full disk left. */
#include "cluster/log_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cluster/segment.h"
#include "tests/support/test_log.h"

#define SEGMENT_BYTES 16384u

/* Entries 2 to 5 of term 2, synced one by one, in one segment. */
static void small_log(struct test_log *log)
{
    test_log_init(log, 1, SEGMENT_BYTES);
    assert_int_equal(test_log_open(log), STATUS_OK);
    assert_int_equal(test_log_vote(log, 2, 1), STATUS_OK);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(test_log_append(log, 1), STATUS_OK);
    assert_int_equal(log->persisted_index, 5);
}

static void assert_prefix(struct test_log *log, uint64_t last_index)
{
    assert_int_equal(log->recovered.first_index + log->recovered.entry_count - 1, last_index);
    for (uint64_t index = 2; index <= last_index; index++)
        assert_true(test_log_holds(log, index, 2));
}

static void test_reopen(void **state)
{
    (void)state;
    struct test_log log;
    small_log(&log);
    test_log_close(&log);
    disk_memory_crash(&log.memory);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    assert_int_equal(log.recovered.term, 2);
    assert_int_equal(log.recovered.vote, 1);
    assert_int_equal(log.recovered.torn_bytes, 0);
    assert_non_null(log.recovered.entries[0].configuration);
    assert_int_equal(log.recovered.entries[0].configuration->members[0].id, 1);
    assert_prefix(&log, 5);
    test_log_fini(&log);
}

/* The offsets of the batches in the newest segment, and its end. */
static size_t batch_offsets(struct test_log *log, const char *path, uint64_t *offsets, size_t room)
{
    struct slice bytes = disk_memory_file(&log->memory, path);
    struct segment_header segment;
    assert_true(segment_header_decode(bytes, &segment));
    uint64_t offset = SEGMENT_SECTOR_BYTES;
    struct batch_header batch;
    size_t count = 0;
    while (offset < bytes.size_bytes && batch_header_decode(slice_from(bytes, offset), segment.salt, offset, &batch)) {
        assert_true(count + 1 < room);
        offsets[count++] = offset;
        offset = batch_end(&batch);
    }
    offsets[count] = offset;
    return count;
}

/* Bytes of the batch that mean something: the rest of its last sector is zeros. */
static uint64_t batch_used(struct test_log *log, const char *path, uint64_t offset)
{
    struct slice bytes = disk_memory_file(&log->memory, path);
    struct segment_header segment;
    struct batch_header batch;
    assert_true(segment_header_decode(bytes, &segment));
    assert_true(batch_header_decode(slice_from(bytes, offset), segment.salt, offset, &batch));
    return batch_head_bytes(batch.count) + batch.body_bytes;
}

/* Every byte of every batch in turn: in the last one it is a torn tail, in an earlier one the start refuses. */
static void test_hole_at_every_byte(void **state)
{
    (void)state;
    struct test_log log;
    small_log(&log);
    char path[DISK_PATH_MAX_BYTES + 1];
    uint64_t offsets[16];
    test_log_newest(&log, path);
    size_t count = batch_offsets(&log, path, offsets, 16);
    assert_int_equal(count, 4);
    test_log_close(&log);
    for (size_t i = 0; i < count; i++) {
        uint64_t used = batch_used(&log, path, offsets[i]);
        for (uint64_t at = 0; at < used; at++) {
            disk_memory_damage(&log.memory, path, offsets[i] + at, 0x55);
            enum status status = test_log_open(&log);
            if (i + 1 < count) {
                assert_int_equal(status, STATUS_BAD_DATA);
                assert_non_null(strstr(log.problem, "damaged, and it had been synced"));
            } else {
                assert_int_equal(status, STATUS_OK);
                assert_prefix(&log, 4);
                test_log_close(&log);
            }
            disk_memory_damage(&log.memory, path, offsets[i] + at, 0x55);
        }
    }
    assert_int_equal(test_log_open(&log), STATUS_OK);
    assert_prefix(&log, 5);
    test_log_fini(&log);
}

/* The segment's own header, at every byte that is checked. */
static void test_segment_header_damaged(void **state)
{
    (void)state;
    struct test_log log;
    small_log(&log);
    char path[DISK_PATH_MAX_BYTES + 1];
    test_log_newest(&log, path);
    test_log_close(&log);
    for (uint64_t at = 0; at < 52; at++) {
        disk_memory_damage(&log.memory, path, at, 1);
        assert_int_equal(test_log_open(&log), STATUS_BAD_DATA);
        disk_memory_damage(&log.memory, path, at, 1);
    }
    assert_int_equal(test_log_open(&log), STATUS_OK);
    test_log_fini(&log);
}

/* A group of which a middle batch was lost: all of it is the torn tail, though its end is on the disk. */
static void test_hole_inside_a_group(void **state)
{
    (void)state;
    struct test_log log;
    small_log(&log);
    assert_int_equal(test_log_append(&log, 1), STATUS_OK);
    test_log_close(&log);
    /* Make one group of the last two batches: the second says that nothing of the group was synced before it. */
    char path[DISK_PATH_MAX_BYTES + 1];
    uint64_t offsets[16];
    test_log_newest(&log, path);
    size_t count = batch_offsets(&log, path, offsets, 16);
    struct slice bytes = disk_memory_file(&log.memory, path);
    struct segment_header segment;
    struct batch_header batch;
    assert_true(segment_header_decode(bytes, &segment));
    uint64_t last = offsets[count - 1];
    assert_true(batch_header_decode(slice_from(bytes, last), segment.salt, last, &batch));
    assert_int_equal(batch.synced, last);
    batch.synced = offsets[count - 2];
    struct batch_item item;
    batch_item_decode(slice_make(bytes.data + last, batch_head_bytes(1)), 0, &item);
    uint8_t head[BATCH_HEAD_MAX_BYTES];
    size_t head_bytes = batch_head_encode(&batch, &item, head);
    for (size_t i = 0; i < head_bytes; i++) {
        uint8_t before = disk_memory_file(&log.memory, path).data[last + i];
        disk_memory_damage(&log.memory, path, last + i, before ^ head[i]);
    }
    assert_int_equal(test_log_open(&log), STATUS_OK);
    assert_prefix(&log, 6);
    test_log_close(&log);
    disk_memory_damage(&log.memory, path, offsets[count - 2] + 60, 0xff);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    assert_prefix(&log, 4);
    assert_true(log.recovered.torn_bytes > 0);
    /* What is appended now goes into a new segment: the stale batch 6 cannot come back behind a new 5. */
    assert_int_equal(test_log_append(&log, 1), STATUS_OK);
    test_log_close(&log);
    disk_memory_crash(&log.memory);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    assert_prefix(&log, 5);
    test_log_fini(&log);
}

/* Bytes that look like a batch, written by a client: another salt or offset gives them away. */
static void test_foreign_batch_is_no_proof(void **state)
{
    (void)state;
    struct test_log log;
    small_log(&log);
    char path[DISK_PATH_MAX_BYTES + 1];
    uint64_t offsets[16];
    test_log_newest(&log, path);
    size_t count = batch_offsets(&log, path, offsets, 16);
    test_log_close(&log);
    uint64_t end = offsets[count];
    for (uint64_t i = 0; i < SEGMENT_SECTOR_BYTES; i++) { /* a copy of the last batch behind it */
        struct slice bytes = disk_memory_file(&log.memory, path);
        uint8_t copy = bytes.data[offsets[count - 1] + i];
        disk_memory_damage(&log.memory, path, end + i, bytes.data[end + i] ^ copy);
    }
    assert_int_equal(test_log_open(&log), STATUS_OK);
    assert_prefix(&log, 5);
    test_log_fini(&log);
}

/* A crash at every operation of appending: what was reported is there, what was not may be. */
static void test_crash_at_every_operation(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        for (uint64_t operation = 1; operation < 60; operation++) {
            struct test_log log;
            test_log_init(&log, seed, 4096);
            assert_int_equal(test_log_open(&log), STATUS_OK);
            log.memory.power_off_at = log.memory.operations + operation;
            enum status status = test_log_vote(&log, 2, 1);
            for (unsigned i = 0; i < 12 && status == STATUS_OK; i++)
                status = i % 3 == 0 ? test_log_group(&log, 3) : test_log_append(&log, 2);
            uint64_t persisted_index = log.persisted_index;
            test_log_close(&log);
            disk_memory_crash(&log.memory);
            assert_int_equal(test_log_open(&log), STATUS_OK);
            uint64_t last_index = log.recovered.first_index + log.recovered.entry_count - 1;
            assert_true(last_index >= persisted_index);
            assert_prefix(&log, last_index);
            test_log_fini(&log);
        }
    }
}

static void test_truncate(void **state)
{
    (void)state;
    struct test_log log;
    small_log(&log);
    assert_int_equal(test_log_vote(&log, 3, 0), STATUS_OK);
    assert_int_equal(test_log_truncate(&log, 4), STATUS_OK);
    assert_false(test_log_holds(&log, 4, 2));
    assert_int_equal(test_log_append(&log, 3), STATUS_OK);
    assert_int_equal(log.persisted_index, 6);
    test_log_close(&log);
    disk_memory_crash(&log.memory);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    assert_int_equal(log.recovered.entry_count, 6);
    assert_true(test_log_holds(&log, 3, 2) && test_log_holds(&log, 4, 3) && test_log_holds(&log, 6, 3));
    /* Again, further back than the newest segment begins. */
    assert_int_equal(test_log_vote(&log, 4, 0), STATUS_OK);
    assert_int_equal(test_log_truncate(&log, 2), STATUS_OK);
    assert_int_equal(test_log_append(&log, 1), STATUS_OK);
    test_log_close(&log);
    disk_memory_crash(&log.memory);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    assert_int_equal(log.recovered.entry_count, 2);
    assert_true(test_log_holds(&log, 2, 4));
    test_log_fini(&log);
}

static void test_truncate_without_append_is_undone(void **state)
{
    (void)state;
    struct test_log log;
    small_log(&log);
    assert_int_equal(test_log_truncate(&log, 3), STATUS_OK);
    test_log_close(&log);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    assert_prefix(&log, 5); /* nothing was said about them, so they may be there */
    test_log_fini(&log);
}

static void test_cut(void **state)
{
    (void)state;
    struct test_log log;
    test_log_init(&log, 3, 4096);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    assert_int_equal(test_log_vote(&log, 2, 1), STATUS_OK);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(test_log_append(&log, 1), STATUS_OK);
    size_t names = log.memory.now.count;
    assert_int_equal(test_log_cut(&log, 30), STATUS_OK);
    assert_int_equal(log.snapshot_index, 30);
    assert_true(log.memory.now.count < names);
    assert_false(test_log_holds(&log, 30, 2));
    assert_true(test_log_holds(&log, 31, 2));
    test_log_close(&log);
    disk_memory_crash(&log.memory);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    assert_int_equal(log.recovered.first_index, 31);
    assert_int_equal(log.recovered.snapshot.index, 30);
    assert_int_equal(log.recovered.snapshot.configuration.count, 1);
    assert_int_equal(log.recovered.entry_count, 11);
    /* All of it. */
    assert_int_equal(test_log_cut(&log, 41), STATUS_OK);
    test_log_close(&log);
    disk_memory_crash(&log.memory);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    assert_int_equal(log.recovered.first_index, 42);
    assert_int_equal(log.recovered.entry_count, 0);
    assert_int_equal(test_log_append(&log, 2), STATUS_OK);
    test_log_close(&log);
    disk_memory_crash(&log.memory);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    assert_int_equal(log.recovered.entry_count, 2);
    test_log_fini(&log);
}

/* A crash at every operation of a cut, with any of its removals undone. */
static void test_cut_crash_at_every_operation(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        for (uint64_t operation = 1; operation < 30; operation++) {
            struct test_log log;
            test_log_init(&log, seed, 4096);
            assert_int_equal(test_log_open(&log), STATUS_OK);
            assert_int_equal(test_log_vote(&log, 2, 1), STATUS_OK);
            for (unsigned i = 0; i < 40; i++)
                assert_int_equal(test_log_append(&log, 1), STATUS_OK);
            log.memory.power_off_at = log.memory.operations + operation;
            enum status status = test_log_cut(&log, 30);
            uint64_t snapshot_index = log.snapshot_index;
            test_log_close(&log);
            disk_memory_crash(&log.memory);
            assert_int_equal(test_log_open(&log), STATUS_OK);
            if (status == STATUS_OK || snapshot_index == 30)
                assert_int_equal(log.recovered.snapshot.index, 30);
            assert_int_equal(log.recovered.first_index, log.recovered.snapshot.index + 1);
            assert_int_equal(log.recovered.first_index + log.recovered.entry_count, 42);
            for (uint64_t index = 31; index < 42; index++)
                assert_true(test_log_holds(&log, index, 2));
            test_log_fini(&log);
        }
    }
}

static void test_missing_segment_refuses(void **state)
{
    (void)state;
    struct test_log log;
    test_log_init(&log, 3, 4096);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(test_log_append(&log, 1), STATUS_OK);
    test_log_close(&log);
    char path[DISK_PATH_MAX_BYTES + 1];
    segment_path(3, path);
    assert_int_equal(log.disk.operations->file_remove(log.disk.context, path), STATUS_OK);
    assert_int_equal(test_log_open(&log), STATUS_BAD_DATA);
    assert_string_equal(log.problem, "no segment holds entry 1");
    test_log_fini(&log);
}

static void test_no_log(void **state)
{
    (void)state;
    struct test_log log;
    test_log_init(&log, 3, 4096);
    assert_int_equal(log.disk.operations->file_remove(log.disk.context, "log/vote"), STATUS_OK);
    assert_int_equal(test_log_open(&log), STATUS_NOT_FOUND);
    test_log_fini(&log);
}

/* An entry of a term that the vote record does not know: the record is not the one of this log. */
static void test_vote_older_than_the_log_refuses(void **state)
{
    (void)state;
    struct test_log log;
    test_log_init(&log, 3, 4096);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    log.term = 7;
    assert_int_equal(test_log_append(&log, 1), STATUS_OK);
    test_log_close(&log);
    assert_int_equal(test_log_open(&log), STATUS_BAD_DATA);
    assert_non_null(strstr(log.problem, "has term 7"));
    test_log_fini(&log);
}

/* --- errors of the disk --- */

static void test_full_disk_waits(void **state)
{
    (void)state;
    struct test_log log;
    test_log_init(&log, 5, 4096);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    assert_int_equal(test_log_append(&log, 1), STATUS_OK);
    assert_int_equal(log.space, LOG_SPACE_GOOD);
    log.memory.capacity_bytes = log.memory.used_bytes; /* the current segment and the spare are all there is */
    unsigned appended = 0;
    while (log.space != LOG_SPACE_FULL && appended++ < 100)
        assert_int_equal(test_log_append(&log, 1), STATUS_OK);
    assert_in_range(appended, 8, 100); /* it lived from the reserve */
    uint64_t persisted_index = log.persisted_index;
    assert_int_equal(test_log_append(&log, 2), STATUS_OK);
    assert_int_equal(log.persisted_index, persisted_index);
    assert_int_equal(test_log_vote(&log, 2, 1), STATUS_OK); /* a vote needs no space */
    assert_int_equal(log.votes_saved, 1);
    assert_int_equal(test_log_cut(&log, persisted_index), STATUS_OK); /* nor does a cut, and it makes room */
    assert_int_equal(log.persisted_index, log.next_index - 1);
    assert_int_not_equal(log.space, LOG_SPACE_FULL);
    log.memory.capacity_bytes = UINT64_MAX;
    assert_int_equal(test_log_idle(&log), STATUS_OK);
    assert_int_equal(log.space, LOG_SPACE_GOOD);
    uint64_t last_index = log.persisted_index;
    test_log_close(&log);
    disk_memory_crash(&log.memory);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    assert_int_equal(log.recovered.first_index + log.recovered.entry_count - 1, last_index);
    test_log_fini(&log);
}

/* Any operation of an append that fails with an error ends the node, and nothing is reported after it. */
static void test_io_error_is_final(void **state)
{
    (void)state;
    for (uint64_t operation = 1; operation <= 6; operation++) {
        struct test_log log;
        test_log_init(&log, 6, 4096);
        assert_int_equal(test_log_open(&log), STATUS_OK);
        log.memory.fail_at = log.memory.operations + operation;
        log.memory.fail_count = 1;
        log.memory.fail_with = STATUS_IO;
        enum status status = STATUS_OK;
        for (unsigned i = 0; i < 5 && status == STATUS_OK; i++)
            status = test_log_append(&log, 1);
        assert_int_equal(status, STATUS_IO);
        uint64_t persisted_index = log.persisted_index;
        assert_int_equal(test_log_idle(&log), STATUS_IO); /* the disk is well again, the writer is not */
        assert_int_equal(test_log_append(&log, 1), STATUS_IO);
        assert_int_equal(log.persisted_index, persisted_index);
        test_log_close(&log);
        disk_memory_crash(&log.memory);
        assert_int_equal(test_log_open(&log), STATUS_OK);
        assert_true(log.recovered.entry_count >= persisted_index);
        test_log_fini(&log);
    }
}

/* An entry whose bytes rot while the node runs is not handed out. */
static void test_read_verifies(void **state)
{
    (void)state;
    struct test_log log;
    small_log(&log);
    char path[DISK_PATH_MAX_BYTES + 1];
    uint64_t offsets[16];
    test_log_newest(&log, path);
    (void)batch_offsets(&log, path, offsets, 16);
    disk_memory_damage(&log.memory, path, offsets[1] + batch_head_bytes(1), 4);
    struct replica_entry entry;
    assert_int_equal(log_writer_read(log.writer, 3, &entry), STATUS_BAD_DATA);
    assert_int_equal(log_writer_read(log.writer, 99, &entry), STATUS_NOT_FOUND);
    assert_true(test_log_holds(&log, 2, 2));
    test_log_fini(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reopen),
        cmocka_unit_test(test_hole_at_every_byte),
        cmocka_unit_test(test_segment_header_damaged),
        cmocka_unit_test(test_hole_inside_a_group),
        cmocka_unit_test(test_foreign_batch_is_no_proof),
        cmocka_unit_test(test_crash_at_every_operation),
        cmocka_unit_test(test_truncate),
        cmocka_unit_test(test_truncate_without_append_is_undone),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_cut_crash_at_every_operation),
        cmocka_unit_test(test_missing_segment_refuses),
        cmocka_unit_test(test_no_log),
        cmocka_unit_test(test_vote_older_than_the_log_refuses),
        cmocka_unit_test(test_full_disk_waits),
        cmocka_unit_test(test_io_error_is_final),
        cmocka_unit_test(test_read_verifies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
