#include <string.h>

#include "ctl/command.h"
#include "ctl/table.h"

/* A number, or "-" where the node that was asked does not know it. */
static void add_number(struct table *table, const json_t *row, const char *key)
{
    if (json_is_integer(json_object_get(row, key)))
        table_add(table, "%lld", ctl_number(row, key));
    else
        table_add(table, "-");
}

static const char *state_word(const json_t *row)
{
    const char *role = ctl_text(row, "role");
    if (strcmp(role, "voter") != 0 && strcmp(role, "standby") != 0)
        return "no member";
    if (json_is_true(json_object_get(row, "leaving")))
        return "leaving";
    if (json_is_true(json_object_get(row, "leader")))
        return "leader";
    if (ctl_number(row, "incarnation") == 0)
        return "not running";
    return json_is_true(json_object_get(row, "connected")) ? "up" : "unreachable";
}

int command_node_list(struct ctl *ctl)
{
    static const char *const headings[] = {"ID",          "HERE", "ROLE",    "STATE",        "ADDRESS",
                                           "INCARNATION", "LOG",  "APPLIED", "HEARD MS AGO", "VERSION"};
    json_t *answer = ctl_ask(ctl, "GET", "/v1/nodes", NULL);
    if (answer == NULL || ctl->arguments->json)
        return ctl_finish(ctl, answer);
    struct table table;
    table_init(&table, headings, 10);
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(answer, "nodes"), index, row)
    {
        table_add(&table, "%lld", ctl_number(row, "id"));
        table_add(&table, "%s", json_is_true(json_object_get(row, "here")) ? "yes" : "no");
        table_add(&table, "%s", ctl_text(row, "role"));
        table_add(&table, "%s", state_word(row));
        table_add(&table, "%s", ctl_text(row, "advertise"));
        table_add(&table, "%lld", ctl_number(row, "incarnation"));
        add_number(&table, row, "match_index");
        add_number(&table, row, "applied_index");
        add_number(&table, row, "heard_ms_ago");
        table_add(&table, "%s", ctl_text(row, "version"));
    }
    table_print(&table, ctl->out);
    table_fini(&table);
    json_decref(answer);
    return CTL_DONE;
}

int command_node_add(struct ctl *ctl)
{
    json_t *answer = ctl_ask_about(ctl, "POST", "/v1/nodes?address=", ctl->arguments->operands[0], NULL);
    if (answer != NULL && !ctl->arguments->json)
        fprintf(ctl->out, "%lld\n", ctl_number(answer, "id"));
    return ctl_finish(ctl, answer);
}

/* METHOD PATH/ID. */
static int node_ask(struct ctl *ctl, const char *verb, const char *method, const char *path)
{
    const char *id = ctl->arguments->operands[0];
    char target[64];
    if (id[0] == '\0' || strspn(id, "0123456789") != strlen(id) || strlen(id) > 19) {
        fprintf(ctl->error, "qnfsctl: node %s: '%s' is no node id\n", verb, id);
        return CTL_WRONG;
    }
    snprintf(target, sizeof(target), "%s/%s", path, id);
    return ctl_finish(ctl, ctl_ask(ctl, method, target, NULL));
}

int command_node_remove(struct ctl *ctl)
{
    return node_ask(ctl, "remove", "DELETE", "/v1/nodes");
}

int command_node_promote(struct ctl *ctl)
{
    return node_ask(ctl, "promote", "POST", "/v1/promote");
}

int command_leader_transfer(struct ctl *ctl)
{
    const char *target = ctl->arguments->operand_count == 1 ? ctl->arguments->operands[0] : "0";
    char path[64];
    if (strspn(target, "0123456789") != strlen(target) || strlen(target) > 19) {
        fprintf(ctl->error, "qnfsctl: leader transfer: '%s' is no node id\n", target);
        return CTL_WRONG;
    }
    snprintf(path, sizeof(path), "/v1/leader/%s", target);
    return ctl_finish(ctl, ctl_ask(ctl, "POST", path, NULL));
}
