/* A log that begins anew behind another node's snapshot, and the log of a node that joins: with the power going off at
 * every operation of the disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "tests/support/test_log.h"

static struct log_snapshot snapshot_at(uint64_t index, uint64_t term)
{
    return (struct log_snapshot){index, term, index, 1, {1, {{1, MEMBER_VOTER}}}};
}

static enum status install(struct test_log *log, uint64_t index, uint64_t term)
{
    struct list requests;
    struct list replies;
    struct list_link *link;
    list_init(&requests);
    list_init(&replies);
    struct log_request *request = log_request_create(LOG_REQUEST_INSTALL);
    request->snapshot = snapshot_at(index, term);
    request->epoch = ++log->epoch;
    list_append(&requests, &request->link);
    enum status status = log_writer_step(log->writer, &requests, &replies);
    bool answered = false;
    while ((link = list_first(&replies)) != NULL) {
        list_remove(link);
        struct replica_message *reply = container_of(link, struct replica_message, link);
        answered |= reply->kind == REPLICA_INSTALL_SAVED && reply->index == index;
        replica_message_free(reply);
    }
    assert_true(answered || status != STATUS_OK);
    log->next_index = index + 1;
    return status;
}

/* Entries 1 to 40 of term 1 in many segments, then 30 to 60 of term 2. */
static void fill(struct test_log *log, uint64_t seed)
{
    test_log_init(log, seed, 2048);
    assert_int_equal(test_log_open(log), STATUS_OK);
    for (unsigned i = 0; i < 13; i++)
        assert_int_equal(test_log_append(log, 3), STATUS_OK);
    assert_int_equal(test_log_vote(log, 2, 0), STATUS_OK);
    assert_int_equal(test_log_truncate(log, 30), STATUS_OK);
    for (unsigned i = 0; i < 31; i++)
        assert_int_equal(test_log_append(log, 1), STATUS_OK);
}

static void recovered_is(struct test_log *log, uint64_t first_index, uint64_t last_index)
{
    assert_int_equal(log->recovered.first_index, first_index);
    assert_int_equal(log->recovered.first_index + log->recovered.entry_count - 1, last_index);
}

static void test_install(void **state)
{
    (void)state;
    static const uint64_t indexes[] = {20, 33, 60, 61,
                                       500}; /* inside the log, of another term; at and behind its end */
    for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
        struct test_log log;
        fill(&log, 100 + i);
        assert_int_equal(test_log_vote(&log, 9, 0), STATUS_OK);
        assert_int_equal(install(&log, indexes[i], 9), STATUS_OK);
        test_log_close(&log);
        assert_int_equal(test_log_open(&log), STATUS_OK);
        recovered_is(&log, indexes[i] + 1, indexes[i]);
        assert_int_equal(log.recovered.snapshot.term, 9);
        assert_int_equal(test_log_append(&log, 5), STATUS_OK);
        test_log_close(&log);
        assert_int_equal(test_log_open(&log), STATUS_OK);
        recovered_is(&log, indexes[i] + 1, indexes[i] + 5);
        for (uint64_t index = indexes[i] + 1; index <= indexes[i] + 5; index++)
            assert_true(test_log_holds(&log, index, 9));
        test_log_fini(&log);
    }
}

/* Either the old log is there, whole, or the new one. */
static void test_install_power_off(void **state)
{
    (void)state;
    unsigned cases = 0;
    bool over = false;
    for (uint64_t operation = 1; !over; operation++) {
        for (uint64_t seed = 1; seed <= 4; seed++, cases++) {
            struct test_log log;
            fill(&log, 10 * operation + seed);
            assert_int_equal(test_log_vote(&log, 9, 0), STATUS_OK);
            log.memory.power_off_at = log.memory.operations + operation;
            over = install(&log, 45, 9) == STATUS_OK;
            test_log_close(&log);
            log.memory.loss = (enum disk_memory_loss)(seed % 3);
            disk_memory_crash(&log.memory);
            assert_int_equal(test_log_open(&log), STATUS_OK);
            if (over || log.recovered.snapshot.index == 45) {
                recovered_is(&log, 46, 45);
            } else {
                recovered_is(&log, 1, 60);
                /* The state is in place: the start brings the log to it, also when that is interrupted. */
                struct log_snapshot installed = snapshot_at(45, 9);
                log.memory.power_off_at = log.memory.operations + operation;
                if (log_adopt(log.writer, &log.recovered, &installed) != STATUS_OK) {
                    test_log_close(&log);
                    disk_memory_crash(&log.memory);
                    assert_int_equal(test_log_open(&log), STATUS_OK);
                    assert_int_equal(log_adopt(log.writer, &log.recovered, &installed), STATUS_OK);
                }
                log.memory.power_off_at = 0;
                recovered_is(&log, 46, 45);
            }
            log.epoch = 1;
            log.next_index = 46;
            assert_int_equal(test_log_append(&log, 2), STATUS_OK);
            test_log_close(&log);
            assert_int_equal(test_log_open(&log), STATUS_OK);
            recovered_is(&log, 46, 47);
            test_log_fini(&log);
        }
    }
    assert_true(cases > 40);
}

/* A state that the log leads to is left alone; one of a newer term brings the vote along. */
static void test_adopt(void **state)
{
    (void)state;
    struct test_log log;
    fill(&log, 7);
    test_log_close(&log);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    struct log_snapshot installed = snapshot_at(45, 2);
    assert_int_equal(log_adopt(log.writer, &log.recovered, &installed), STATUS_OK);
    recovered_is(&log, 1, 60);
    installed = snapshot_at(70, 12);
    assert_int_equal(log_adopt(log.writer, &log.recovered, &installed), STATUS_OK);
    recovered_is(&log, 71, 70);
    assert_int_equal(log.recovered.term, 12);
    assert_int_equal(log.recovered.vote, 0);
    test_log_close(&log);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    recovered_is(&log, 71, 70);
    assert_int_equal(log.recovered.term, 12);
    test_log_fini(&log);
}

/* The log of a node that joins has no entry, and that is no damage. */
static void test_joiner(void **state)
{
    (void)state;
    struct test_log log = {.term = 1, .next_index = 1};
    disk_memory_init(&log.memory, 5);
    log.disk = disk_memory_port(&log.memory);
    log.options = (struct log_options){&log.disk, random_from_seed(&log.salts, 6), 4096};
    CHECK(log.disk.operations->directory_create(log.disk.context, "log") == STATUS_OK);
    CHECK(log.disk.operations->directory_sync(log.disk.context, "") == STATUS_OK);
    assert_int_equal(log_create(&log.options, NULL), STATUS_OK);
    disk_memory_crash(&log.memory);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    recovered_is(&log, 1, 0);
    assert_int_equal(log.recovered.term, 1);
    assert_int_equal(log.recovered.vote, 0);
    assert_int_equal(test_log_append(&log, 3), STATUS_OK);
    test_log_close(&log);
    disk_memory_crash(&log.memory);
    assert_int_equal(test_log_open(&log), STATUS_OK);
    recovered_is(&log, 1, 3);
    test_log_fini(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_install),
        cmocka_unit_test(test_install_power_off),
        cmocka_unit_test(test_adopt),
        cmocka_unit_test(test_joiner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
