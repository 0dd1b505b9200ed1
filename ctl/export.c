#include <stdlib.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/table.h"

/* "A,B" as a list. */
static json_t *list_of(const char *text)
{
    json_t *list = json_array();
    while (text != NULL && *text != '\0') {
        size_t length = strcspn(text, ",");
        if (length > 0)
            json_array_append_new(list, json_stringn(text, length));
        text += length + (text[length] == ',');
    }
    return list;
}

int command_export_add(struct ctl *ctl)
{
    const struct ctl_arguments *arguments = ctl->arguments;
    json_t *spec =
        json_pack("{s:s,s:b,s:s,s:o,s:o}", "path", arguments->operands[0], "read_only", arguments->read_only, "squash",
                  arguments->squash, "clients", list_of(arguments->clients), "sec", list_of(arguments->sec));
    if (spec == NULL) {
        fprintf(ctl->error, "qnfsctl: export add: the path or the clients are not UTF-8\n");
        return CTL_WRONG;
    }
    json_t *answer = ctl_ask(ctl, "POST", "/v1/exports", spec);
    json_decref(spec);
    return ctl_finish(ctl, answer);
}

int command_export_remove(struct ctl *ctl)
{
    json_t *answer = ctl_ask_about(ctl, "DELETE", "/v1/exports?path=", ctl->arguments->operands[0], NULL);
    return ctl_finish(ctl, answer);
}

int command_export_list(struct ctl *ctl)
{
    static const char *const headings[] = {"PATH", "ACCESS", "SQUASH", "SEC", "CLIENTS"};
    json_t *answer = ctl_ask_list(ctl, "exports");
    if (answer == NULL || ctl->arguments->json)
        return ctl_finish(ctl, answer);
    struct table table;
    table_init(&table, headings, 5);
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(answer, "exports"), index, row)
    {
        char *clients = ctl_join(json_object_get(row, "clients"), "everyone");
        char *sec = ctl_join(json_object_get(row, "sec"), "sys");
        table_add(&table, "%s", ctl_text(row, "path"));
        table_add(&table, "%s", json_is_true(json_object_get(row, "read_only")) ? "read-only" : "read-write");
        table_add(&table, "%s", ctl_text(row, "squash"));
        table_add(&table, "%s", sec);
        table_add(&table, "%s", clients);
        free(clients);
        free(sec);
    }
    table_print(&table, ctl->out);
    table_fini(&table);
    json_decref(answer);
    return CTL_DONE;
}
