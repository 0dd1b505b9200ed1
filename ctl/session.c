#include "ctl/command.h"
#include "ctl/table.h"

int command_session_list(struct ctl *ctl)
{
    static const char *const headings[] = {"ID", "CLIENT", "INCARNATION", "HERE", "EPOCH", "SLOTS", "CALLBACKS"};
    json_t *answer = ctl_ask_list(ctl, "sessions");
    if (answer == NULL || ctl->arguments->json)
        return ctl_finish(ctl, answer);
    struct table table;
    table_init(&table, headings, 7);
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(answer, "sessions"), index, row)
    {
        table_add(&table, "%s", ctl_text(row, "id"));
        table_add(&table, "%lld", ctl_number(row, "client"));
        table_add(&table, "%lld", ctl_number(row, "incarnation"));
        table_add(&table, "%s", json_is_true(json_object_get(row, "here")) ? "yes" : "no");
        table_add(&table, "%lld", ctl_number(row, "epoch"));
        table_add(&table, "%lld", ctl_number(row, "slots"));
        table_add(&table, "%s", json_is_true(json_object_get(row, "callbacks")) ? "yes" : "no");
    }
    table_print(&table, ctl->out);
    table_fini(&table);
    json_decref(answer);
    return CTL_DONE;
}
