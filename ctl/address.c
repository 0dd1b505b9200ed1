#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/command.h"
#include "ctl/table.h"

int command_address_add(struct ctl *ctl)
{
    const struct ctl_arguments *arguments = ctl->arguments;
    json_t *body = json_pack("{s:s,s:s*}", "address", arguments->operands[0], "device", arguments->device);
    if (body == NULL) {
        fprintf(ctl->error, "qnfsctl: address add: the address or the device is not UTF-8\n");
        return CTL_WRONG;
    }
    json_t *answer = ctl_ask(ctl, "POST", "/v1/addresses", body);
    json_decref(body);
    return ctl_finish(ctl, answer);
}

int command_address_remove(struct ctl *ctl)
{
    json_t *answer = ctl_ask_about(ctl, "DELETE", "/v1/addresses?address=", ctl->arguments->operands[0], NULL);
    return ctl_finish(ctl, answer);
}

int command_address_move(struct ctl *ctl)
{
    char *end;
    const char *node = ctl->arguments->operands[1];
    long long id = strtoll(node, &end, 10);
    if (*end != '\0' || id <= 0) {
        fprintf(ctl->error, "qnfsctl: address move: '%s' is no node id\n", node);
        return CTL_WRONG;
    }
    json_t *body = json_pack("{s:s,s:I}", "address", ctl->arguments->operands[0], "node", (json_int_t)id);
    if (body == NULL) {
        fprintf(ctl->error, "qnfsctl: address move: the address is not UTF-8\n");
        return CTL_WRONG;
    }
    json_t *answer = ctl_ask(ctl, "POST", "/v1/addresses/move", body);
    json_decref(body);
    return ctl_finish(ctl, answer);
}

/* "node 2: device eth0 has no link; node 3: ..." in at most `room` bytes. */
static void why_text(const json_t *troubles, char *text, size_t room)
{
    size_t index;
    size_t used = 0;
    const json_t *row;
    text[0] = '\0';
    json_array_foreach(troubles, index, row)
    {
        if (used < room)
            used += (size_t)snprintf(text + used, room - used, "%snode %lld: %s", index == 0 ? "" : "; ",
                                     ctl_number(row, "node"), ctl_text(row, "why"));
    }
}

int command_address_list(struct ctl *ctl)
{
    static const char *const headings[] = {"ADDRESS", "DEVICE", "NODE", "SINCE", "STATE", "TROUBLE"};
    json_t *answer = ctl_ask_list(ctl, "addresses");
    if (answer == NULL || ctl->arguments->json)
        return ctl_finish(ctl, answer);
    struct table table;
    table_init(&table, headings, 6);
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(answer, "addresses"), index, row)
    {
        char since[32] = "";
        char why[1024];
        struct tm parts;
        time_t seconds = (time_t)(ctl_number(row, "since_ns") / 1000000000);
        if (gmtime_r(&seconds, &parts) != NULL)
            strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &parts);
        why_text(json_object_get(row, "trouble"), why, sizeof(why));
        table_add(&table, "%s", ctl_text(row, "address"));
        table_add(&table, "%s", ctl_text(row, "device")[0] == '\0' ? "by network" : ctl_text(row, "device"));
        if (json_is_null(json_object_get(row, "node")))
            table_add(&table, "%s", "none");
        else
            table_add(&table, "%lld", ctl_number(row, "node"));
        table_add(&table, "%s", since);
        table_add(&table, "%s", ctl_text(row, "state"));
        table_add(&table, "%s", why);
    }
    table_print(&table, ctl->out);
    table_fini(&table);
    json_decref(answer);
    return CTL_DONE;
}
