/* Free memory is given back when it was free for a while, and only then. */
#include "server/daemon/heap_trim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"

#define USED_BYTES ((uint64_t)10 << 20)
#define BLOCK_BYTES ((size_t)65536)
#define BLOCKS 2048u /* twice what may be free */

static void free_for_a_while(void **state)
{
    (void)state;
    struct heap_trim trim = {0};
    uint64_t much_bytes = USED_BYTES + HEAP_FREE_MAX_BYTES + 1;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned look = 1; look < HEAP_TRIM_LOOKS; look++)
            assert_false(heap_trim_judge(&trim, much_bytes, USED_BYTES));
        assert_true(heap_trim_judge(&trim, much_bytes, USED_BYTES));
    }
}

static void needed_now_and_then(void **state)
{
    (void)state;
    struct heap_trim trim = {0};
    uint64_t much_bytes = USED_BYTES + HEAP_FREE_MAX_BYTES + 1;
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned look = 1; look < HEAP_TRIM_LOOKS; look++)
            assert_false(heap_trim_judge(&trim, much_bytes, USED_BYTES));
        assert_false(heap_trim_judge(&trim, much_bytes, USED_BYTES + 1)); /* not more than may be */
    }
    for (unsigned look = 0; look < 2 * HEAP_TRIM_LOOKS; look++)
        assert_false(heap_trim_judge(&trim, USED_BYTES, much_bytes)); /* more in use than in memory: untouched pages */
}

#ifndef QNFS_SANITIZED /* a sanitizer's allocator is another one */
/* What was freed between blocks that stay goes back. */
static void memory_goes_back(void **state)
{
    (void)state;
    struct heap_trim trim = {0};
    static char *blocks[BLOCKS];
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_BYTES);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, BLOCK_BYTES);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (i % 64 != 63)
            free(blocks[i]);
    }
    struct process_memory before = process_memory_read();
    assert_true(before.resident_bytes - before.shared_bytes > HEAP_FREE_MAX_BYTES);
    uint64_t now_ms = 0;
    for (unsigned look = 0; look < HEAP_TRIM_LOOKS; look++, now_ms += HEAP_LOOK_MS) {
        heap_trim_tick(&trim, now_ms);
        heap_trim_tick(&trim, now_ms + 1); /* not yet time */
        assert_int_equal(trim.looks, (look + 1) % HEAP_TRIM_LOOKS);
    }
    struct process_memory after = process_memory_read();
    assert_true(after.resident_bytes + HEAP_FREE_MAX_BYTES < before.resident_bytes);
    for (unsigned i = 63; i < BLOCKS; i += 64)
        free(blocks[i]);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_for_a_while),
        cmocka_unit_test(needed_now_and_then),
#ifndef QNFS_SANITIZED
        cmocka_unit_test(memory_goes_back),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
