#include "tests/sim/step.h"

#include "base/check.h"
#include "base/hashtable.h"

const char *step_kind_name(enum step_kind kind)
{
    static const char *const names[STEP_KIND_COUNT] = {
        [STEP_OPEN] = "OPEN",
        [STEP_CLOSE] = "CLOSE",
        [STEP_WRITE] = "WRITE",
        [STEP_RESIZE] = "RESIZE",
        [STEP_CHMOD] = "CHMOD",
        [STEP_LOCK] = "LOCK",
        [STEP_UNLOCK] = "UNLOCK",
        [STEP_MKDIR] = "MKDIR",
        [STEP_LINK] = "LINK",
        [STEP_RENAME] = "RENAME",
        [STEP_REMOVE] = "REMOVE",
        [STEP_READ] = "READ",
        [STEP_GETATTR] = "GETATTR",
        [STEP_LOOKUP] = "LOOKUP",
        [STEP_READDIR] = "READDIR",
        [STEP_VERIFY] = "VERIFY",
        [STEP_RECLAIMED] = "RECLAIM_COMPLETE",
        [STEP_ROOT] = "ROOT",
    };
    CHECK(kind < STEP_KIND_COUNT);
    return names[kind];
}

void pattern_fill(uint64_t pattern, uint64_t offset, uint8_t *bytes, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        uint64_t at = offset + i;
        bytes[i] = (uint8_t)(hashtable_hash_number(pattern + at / 8) >> (8 * (at % 8)));
    }
}
