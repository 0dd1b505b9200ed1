#include "base/limits.h"
#include "server/daemon/admin_request.h"
#include "server/daemon/admin_text.h"
#include "statestore/machine/machine.h"

/* The lines of the text as an array. */
static json_t *check_lines(const char *text)
{
    json_t *lines = json_array();
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        if (length > 0)
            json_array_append_new(lines, admin_text(slice_make(text, length)));
        text += length + (text[length] == '\n');
    }
    return lines;
}

void admin_check(struct admin_request *request, struct admin_answer *answer)
{
    struct admin_shared *shared = request->shared;
    pthread_mutex_lock(&shared->mutex);
    bool busy = shared->checking;
    shared->checking = true;
    pthread_mutex_unlock(&shared->mutex);
    if (busy) {
        admin_answer_error(answer, 409, "a check is running already");
        return;
    }
    uint64_t began_ms = shared->clock.boot_ms(shared->clock.context);
    char *text = arena_alloc_zeroed(request->arena, ADMIN_CHECK_TEXT_MAX_BYTES);
    size_t violations = machine_check(request->view, request->arena, text, ADMIN_CHECK_TEXT_MAX_BYTES);
    uint64_t took_ms = shared->clock.boot_ms(shared->clock.context) - began_ms;
    pthread_mutex_lock(&shared->mutex);
    shared->checking = false;
    pthread_mutex_unlock(&shared->mutex);
    log_line(shared->log, violations == 0 ? LOG_INFO : LOG_ERROR, "admin: check: %zu broken invariants, %llu ms",
             violations, (unsigned long long)took_ms);
    admin_answer_json(answer, 200,
                      json_pack("{s:o,s:o,s:o}", "violations", admin_number(violations), "took_ms",
                                admin_number(took_ms), "text", check_lines(text)));
}
