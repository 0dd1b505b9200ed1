#include "cluster/start_count.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/disk_memory.h"

static void test_counts_up_over_crashes(void **state)
{
    (void)state;
    struct disk_memory memory;
    uint64_t count;
    disk_memory_init(&memory, 1);
    struct disk disk = disk_memory_port(&memory);
    for (uint64_t start = 1; start <= 5; start++) {
        assert_int_equal(start_count_next(&disk, &count), STATUS_OK);
        assert_int_equal(count, start);
        disk_memory_crash(&memory);
    }
    disk_memory_fini(&memory);
}

static void test_damage_is_seen(void **state)
{
    (void)state;
    struct disk_memory memory;
    uint64_t count;
    disk_memory_init(&memory, 1);
    struct disk disk = disk_memory_port(&memory);
    assert_int_equal(start_count_next(&disk, &count), STATUS_OK);
    for (uint64_t at = 0; at < disk_memory_file(&memory, "starts").size_bytes; at++) {
        disk_memory_damage(&memory, "starts", at, 1);
        assert_int_equal(start_count_next(&disk, &count), STATUS_BAD_DATA);
        disk_memory_damage(&memory, "starts", at, 1);
    }
    assert_int_equal(start_count_next(&disk, &count), STATUS_OK);
    assert_int_equal(count, 2);
    disk_memory_fini(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_up_over_crashes),
        cmocka_unit_test(test_damage_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
