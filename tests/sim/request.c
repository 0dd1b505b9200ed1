#include "tests/sim/request.h"

#include <stdlib.h>

void request_destroy(struct request *request)
{
    arena_fini(&request->arena);
    free(request->first_results.data);
    free(request);
}

bool request_changes(const struct request *request)
{
    for (uint32_t i = 0; i < request->step_count; i++) {
        if (step_kind_changes(request->steps[i].kind))
            return true;
    }
    return false;
}

struct step *request_step(struct request *request, uint32_t operation)
{
    for (uint32_t i = 0; i < request->step_count; i++) {
        struct step *step = &request->steps[i];
        if (step_kind_changes(step->kind) && step->main_operation == operation)
            return step;
    }
    return NULL;
}
