#include "ctl/command.h"

int command_check(struct ctl *ctl)
{
    json_t *answer = ctl_ask_patiently(ctl, "POST", "/v1/check");
    if (answer == NULL)
        return CTL_FAILED;
    long long violations = ctl_number(answer, "violations");
    if (ctl->arguments->json) {
        ctl_print_json(ctl, answer);
    } else {
        size_t index;
        json_t *line;
        json_array_foreach(json_object_get(answer, "text"), index, line)
            fprintf(ctl->out, "%s\n", json_string_value(line));
        fprintf(ctl->out, "%lld broken invariants (%lld ms)\n", violations, ctl_number(answer, "took_ms"));
    }
    json_decref(answer);
    return violations == 0 ? CTL_DONE : CTL_FAILED;
}
