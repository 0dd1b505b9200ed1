/* References in parts: each belongs to exactly one, and is counted as often as it was added. */
#include "statestore/machine/check_pairs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void parts_hold_about_as_much(void **state)
{
    (void)state;
    assert_int_equal(check_part_count(0, 10), 1);
    assert_int_equal(check_part_count(9, 10), 1);
    assert_int_equal(check_part_count(25, 10), 3);
}

/* Ids in steps of the number of parts, as a client makes them that always does the same. */
static void counts_add_up_over_all_parts(void **state)
{
    (void)state;
    enum { IDS = 3000, STEP = 3 };
    uint64_t references = IDS * 2;
    uint64_t parts = check_part_count(references, 2000);
    uint64_t seen = 0;
    assert_true(parts > 2);
    for (uint64_t part = 0; part < parts; part++) {
        struct check_pairs pairs;
        check_pairs_init(&pairs, part, parts, references, 2000);
        for (uint64_t i = IDS; i-- > 0;) {
            uint64_t id = i * STEP;
            for (uint64_t times = i % 4; check_pairs_has(&pairs, id) && times > 0; times--)
                check_pairs_add(&pairs, (uint32_t)(i % 2), id);
        }
        check_pairs_sort(&pairs);
        assert_true(pairs.count < IDS * 3 / 2 * 2 / parts); /* far from all in one part */
        for (uint64_t i = 0; i < IDS; i++) {
            uint64_t id = i * STEP;
            if (!check_pairs_has(&pairs, id))
                continue;
            assert_int_equal(check_pairs_count(&pairs, (uint32_t)(i % 2), id), i % 4);
            assert_int_equal(check_pairs_count(&pairs, 7, id), 0);
            seen++;
        }
        check_pairs_fini(&pairs);
    }
    assert_int_equal(seen, IDS);
}

static void a_part_grows_beyond_its_mean(void **state)
{
    (void)state;
    struct check_pairs pairs;
    check_pairs_init(&pairs, 0, 1, 0, 4);
    for (uint64_t i = 0; i < 1000; i++)
        check_pairs_add(&pairs, 1, i % 10);
    check_pairs_sort(&pairs);
    assert_int_equal(check_pairs_count(&pairs, 1, 3), 100);
    assert_int_equal(check_pairs_count(&pairs, 1, 10), 0);
    check_pairs_fini(&pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_hold_about_as_much),
        cmocka_unit_test(counts_add_up_over_all_parts),
        cmocka_unit_test(a_part_grows_beyond_its_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
