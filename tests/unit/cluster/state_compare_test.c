/* Chain hashes: who is asked for which, and who is right. */
#include "cluster/state_compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint8_t hash_a[16] = {1};
static const uint8_t hash_b[16] = {2};
static const uint8_t hash_c[16] = {3};

static void point_is_found(void **state)
{
    (void)state;
    struct state_compare compare;
    state_compare_init(&compare);
    assert_null(state_compare_point(&compare, 0));
    for (uint64_t index = 64; index <= 64 * 200; index += 64)
        state_compare_add(&compare, index, index == 64 * 190 ? hash_b : hash_a);
    assert_int_equal(state_compare_point(&compare, 0)->index, 64 * 200);
    assert_int_equal(state_compare_point(&compare, 64 * 190)->index, 64 * 190);
    assert_memory_equal(state_compare_point(&compare, 64 * 190)->hash, hash_b, 16);
    assert_int_equal(state_compare_point(&compare, 64)->index, 64 * 200); /* forgotten: the newest */
}

/* A leader with its own hash at 100, that expects nodes 2 .. 5; the round there has begun. */
static void begin(struct state_compare *compare, uint32_t others)
{
    uint64_t index;
    state_compare_init(compare);
    state_compare_lead(compare);
    for (uint64_t node = 2; node < 2 + others; node++)
        state_compare_expect(compare, node, true);
    state_compare_add(compare, 100, hash_a);
    assert_int_equal(state_compare_advance(compare, 1000, &index), STATE_NOTHING_NEW);
    assert_int_equal(state_compare_wanted(compare), 100);
}

static void all_agree(void **state)
{
    (void)state;
    struct state_compare compare;
    uint64_t index;
    begin(&compare, 2);
    state_compare_report(&compare, 2, 64, hash_b); /* another point says nothing */
    state_compare_report(&compare, 2, 100, hash_a);
    state_compare_add(&compare, 200, hash_a);
    assert_int_equal(state_compare_advance(&compare, 1001, &index), STATE_NOTHING_NEW);
    assert_int_equal(state_compare_wanted(&compare), 100); /* node 3 is waited for */
    state_compare_report(&compare, 3, 100, hash_a);
    assert_int_equal(state_compare_advance(&compare, 1002, &index), STATE_NOTHING_NEW);
    assert_int_equal(state_compare_wanted(&compare), 200);
    assert_int_equal(state_compare_diverged(&compare, 2), 0);
}

static void minority_is_wrong(void **state)
{
    (void)state;
    struct state_compare compare;
    uint64_t index;
    begin(&compare, 4);
    state_compare_report(&compare, 2, 100, hash_b);
    state_compare_report(&compare, 3, 100, hash_a);
    state_compare_report(&compare, 4, 100, hash_c);
    assert_int_equal(state_compare_advance(&compare, 1001, &index), STATE_NOTHING_NEW);
    assert_int_equal(state_compare_diverged(&compare, 2), 0); /* not before all have come */
    state_compare_report(&compare, 5, 100, hash_a);
    assert_int_equal(state_compare_advance(&compare, 1002, &index), STATE_NOTHING_NEW);
    assert_int_equal(state_compare_diverged(&compare, 2), 100);
    assert_int_equal(state_compare_diverged(&compare, 3), 0);
    assert_int_equal(state_compare_diverged(&compare, 4), 100);
    state_compare_forget(&compare, 2); /* it has started anew */
    assert_int_equal(state_compare_diverged(&compare, 2), 0);
}

static void leader_is_wrong(void **state)
{
    (void)state;
    struct state_compare compare;
    uint64_t index;
    begin(&compare, 2);
    state_compare_report(&compare, 2, 100, hash_b);
    state_compare_report(&compare, 3, 100, hash_b);
    assert_int_equal(state_compare_advance(&compare, 1001, &index), STATE_SELF_DIVERGED);
    assert_int_equal(index, 100);
    assert_int_equal(state_compare_diverged(&compare, 2), 0);
}

/* Who does not report is not waited for longer; two against each other are no majority; later a third says who is right. */
static void judged_by_those_that_came(void **state)
{
    (void)state;
    struct state_compare compare;
    uint64_t index;
    begin(&compare, 2);
    state_compare_report(&compare, 2, 100, hash_b);
    assert_int_equal(state_compare_advance(&compare, 1000 + STATE_COMPARE_MS - 1, &index), STATE_NOTHING_NEW);
    assert_int_equal(state_compare_advance(&compare, 1000 + STATE_COMPARE_MS, &index), STATE_NO_MAJORITY);
    assert_int_equal(index, 100);
    assert_int_equal(state_compare_advance(&compare, 1001 + STATE_COMPARE_MS, &index), STATE_NOTHING_NEW); /* once */
    state_compare_report(&compare, 3, 100, hash_a);
    assert_int_equal(state_compare_advance(&compare, 1002 + STATE_COMPARE_MS, &index), STATE_NOTHING_NEW);
    assert_int_equal(state_compare_diverged(&compare, 2), 100);
    state_compare_expect(&compare, 3, false);
    state_compare_add(&compare, 300, hash_a);
    assert_int_equal(state_compare_advance(&compare, 5000, &index), STATE_NOTHING_NEW);
    assert_int_equal(state_compare_wanted(&compare), 300);
}

static void alone_nothing_is_compared(void **state)
{
    (void)state;
    struct state_compare compare;
    uint64_t index;
    begin(&compare, 0);
    state_compare_add(&compare, 200, hash_b);
    assert_int_equal(state_compare_advance(&compare, 1001, &index), STATE_NOTHING_NEW);
    assert_int_equal(state_compare_wanted(&compare), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(point_is_found),
        cmocka_unit_test(all_agree),
        cmocka_unit_test(minority_is_wrong),
        cmocka_unit_test(leader_is_wrong),
        cmocka_unit_test(judged_by_those_that_came),
        cmocka_unit_test(alone_nothing_is_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
