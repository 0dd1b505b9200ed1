/* How much of the log a cut may leave: against plain sums. */
#include "cluster/log_sizes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"

#define ENTRIES 400u
#define STEP 100u

static void test_against_sums(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct random_seeded random;
        (void)random_from_seed(&random, seed);
        struct log_sizes sizes;
        uint64_t bytes[ENTRIES + 1] = {0};
        log_sizes_init(&sizes, STEP);
        uint64_t first = 1;
        uint64_t last = 0;
        while (last < ENTRIES) {
            last++;
            bytes[last] = random_seeded_next(&random) % 60;
            log_sizes_append(&sizes, last, bytes[last]);
            if (random_seeded_next(&random) % 50 == 0) {
                first += random_seeded_next(&random) % (last - first + 1);
                log_sizes_cut(&sizes, first - 1);
            }
            uint64_t index = first + random_seeded_next(&random) % (last - first + 1);
            uint64_t wanted = random_seeded_next(&random) % 2000;
            uint64_t lowest = log_sizes_trailing(&sizes, index, wanted);
            assert_in_range(lowest, first, index + 1);
            uint64_t sum = 0;
            for (uint64_t i = lowest; i <= index; i++)
                sum += bytes[i];
            assert_true(sum <= wanted); /* never more */
        }
        log_sizes_fini(&sizes);
    }
}

static void test_keeps_much(void **state)
{
    (void)state;
    struct log_sizes sizes;
    log_sizes_init(&sizes, 10);
    for (uint64_t i = 1; i <= 1000; i++)
        log_sizes_append(&sizes, i, 10);
    /* Two marks' worth less than what there is room for, at most. */
    assert_in_range(log_sizes_trailing(&sizes, 1000, 500), 951, 953);
    assert_in_range(log_sizes_trailing(&sizes, 500, 500), 451, 454);
    assert_int_equal(log_sizes_trailing(&sizes, 1000, UINT64_MAX), 1);
    log_sizes_truncate(&sizes, 901);
    for (uint64_t i = 901; i <= 1000; i++)
        log_sizes_append(&sizes, i, 20);
    assert_in_range(log_sizes_trailing(&sizes, 1000, 500), 976, 978);
    log_sizes_fini(&sizes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_sums), cmocka_unit_test(test_keeps_much)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
