#include "cluster/log_terms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

/* Against a plain array, with every operation at random. */
static void test_against_an_array(void **state)
{
    (void)state;
    struct random_seeded random;
    (void)random_from_seed(&random, 7);
    for (unsigned round = 0; round < 200; round++) {
        struct log_terms terms;
        uint64_t plain[400] = {0};
        uint64_t first = 1;
        uint64_t last = 0;
        uint64_t snapshot = 0;
        uint64_t snapshot_term = 0;
        uint64_t term = 1;
        log_terms_init(&terms, 1, 0, 0);
        for (unsigned i = 0; i < 300; i++) {
            uint64_t die = random_seeded_next(&random) % 10;
            if (die < 8) {
                term += random_seeded_next(&random) % 6 == 0;
                plain[++last] = term;
                log_terms_append(&terms, term);
            } else if (die == 8 && last > snapshot) {
                uint64_t index = snapshot + 1 + random_seeded_next(&random) % (last - snapshot);
                log_terms_truncate(&terms, index);
                last = index - 1;
            } else if (last > snapshot) {
                snapshot += 1 + random_seeded_next(&random) % (last - snapshot);
                snapshot_term = plain[snapshot];
                uint64_t cut = snapshot - random_seeded_next(&random) % (snapshot - first + 2);
                log_terms_cut(&terms, cut, snapshot, snapshot_term);
                if (cut >= first)
                    first = cut + 1;
            }
            for (uint64_t index = 0; index < 400; index++) {
                uint64_t expected = index >= first && index <= last ? plain[index] : 0;
                if (index != 0 && index == snapshot)
                    expected = snapshot_term;
                assert_int_equal(log_terms_find(&terms, index), expected);
            }
        }
        log_terms_fini(&terms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_an_array)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
