#include "tests/sim/cast.h"

#include <string.h>

#include "base/check.h"

bool cast_register(struct cast *cast, uint32_t node, uint64_t incarnation)
{
    if (cast_node(cast, incarnation) != 0)
        return true;
    CHECK(cast->process_count < CAST_PROCESSES_MAX);
    cast->processes[cast->process_count].incarnation = incarnation;
    cast->processes[cast->process_count++].node = node;
    return false;
}

uint32_t cast_node(const struct cast *cast, uint64_t incarnation)
{
    for (size_t i = cast->process_count; i > 0; i--) {
        if (cast->processes[i - 1].incarnation == incarnation)
            return cast->processes[i - 1].node;
    }
    return 0;
}

uint32_t cast_session(struct cast *cast, const uint8_t id[16], uint64_t incarnation)
{
    for (size_t i = cast->session_count; i > 0; i--) {
        if (memcmp(cast->sessions[i - 1].id, id, 16) != 0)
            continue;
        uint32_t before = cast_node(cast, cast->sessions[i - 1].incarnation);
        cast->sessions[i - 1].incarnation = incarnation;
        return before;
    }
    if (cast->session_count < CAST_SESSIONS_MAX) { /* the rest is not followed */
        memcpy(cast->sessions[cast->session_count].id, id, 16);
        cast->sessions[cast->session_count++].incarnation = incarnation;
    }
    return 0;
}

uint64_t cast_holder(const struct cast *cast, const uint8_t id[16])
{
    for (size_t i = cast->session_count; i > 0; i--) {
        if (memcmp(cast->sessions[i - 1].id, id, 16) == 0)
            return cast->sessions[i - 1].incarnation;
    }
    return 0;
}
