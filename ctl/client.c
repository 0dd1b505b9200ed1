#include <string.h>

#include "ctl/command.h"
#include "ctl/table.h"

int command_client_list(struct ctl *ctl)
{
    static const char *const headings[] = {"ID",       "ADDRESS",  "STATE",  "LEASE LEFT",
                                           "SESSIONS", "STATEIDS", "RANGES", "OWNER"};
    json_t *answer = ctl_ask_list(ctl, "clients");
    if (answer == NULL || ctl->arguments->json)
        return ctl_finish(ctl, answer);
    struct table table;
    table_init(&table, headings, 8);
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(answer, "clients"), index, row)
    {
        table_add(&table, "%lld", ctl_number(row, "id"));
        table_add(&table, "%s", ctl_text(row, "address"));
        table_add(&table, "%s", ctl_text(row, "state"));
        table_add(&table, "%lld s", ctl_number(row, "lease_left_ms") / 1000);
        table_add(&table, "%lld", ctl_number(row, "sessions"));
        table_add(&table, "%lld", ctl_number(row, "opens_and_locks"));
        table_add(&table, "%lld", ctl_number(row, "ranges"));
        table_add(&table, "%s", ctl_text(row, "owner"));
    }
    table_print(&table, ctl->out);
    table_fini(&table);
    json_decref(answer);
    return CTL_DONE;
}

int command_client_evict(struct ctl *ctl)
{
    const char *id = ctl->arguments->operands[0];
    char target[64];
    if (id[0] == '\0' || strspn(id, "0123456789") != strlen(id) || strlen(id) > 20) {
        fprintf(ctl->error, "qnfsctl: client evict: '%s' is not a client's number; see `qnfsctl client list`\n", id);
        return CTL_WRONG;
    }
    snprintf(target, sizeof(target), "/v1/clients/%s", id);
    return ctl_finish(ctl, ctl_ask(ctl, "DELETE", target, NULL));
}
