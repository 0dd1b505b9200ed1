
#include "ctl/command.h"
#include "ctl/table.h"

/* One setting: its value alone. */
static int print_one(struct ctl *ctl, const json_t *settings, const char *name)
{
    const json_t *value = json_object_get(settings, name);
    if (value == NULL) {
        fprintf(ctl->error, "qnfsctl: settings get: there is no setting '%s'\n", name);
        return CTL_FAILED;
    }
    if (ctl->arguments->json) {
        json_t *answer = json_pack("{s:O}", name, value);
        ctl_print_json(ctl, answer);
        json_decref(answer);
    } else {
        fprintf(ctl->out, "%s\n", ctl_text(settings, name));
    }
    return CTL_DONE;
}

static void print_all(struct ctl *ctl, json_t *settings)
{
    static const char *const headings[] = {"NAME", "VALUE"};
    struct table table;
    const char *name;
    json_t *value;
    table_init(&table, headings, 2);
    json_object_foreach(settings, name, value)
    {
        table_add(&table, "%s", name);
        table_add(&table, "%s", json_string_value(value));
    }
    table_print(&table, ctl->out);
    table_fini(&table);
}

int command_settings_get(struct ctl *ctl)
{
    json_t *answer = ctl_ask(ctl, "GET", "/v1/settings", NULL);
    if (answer == NULL)
        return CTL_FAILED;
    json_t *settings = json_object_get(answer, "settings");
    int status = CTL_DONE;
    if (ctl->arguments->operand_count == 1)
        status = print_one(ctl, settings, ctl->arguments->operands[0]);
    else if (ctl->arguments->json)
        ctl_print_json(ctl, answer);
    else
        print_all(ctl, settings);
    json_decref(answer);
    return status;
}

int command_settings_set(struct ctl *ctl)
{
    json_t *body = json_pack("{s:s}", "value", ctl->arguments->operands[1]);
    json_t *answer = NULL;
    if (body == NULL) {
        fprintf(ctl->error, "qnfsctl: settings set: the value is not UTF-8\n");
    } else {
        answer = ctl_ask_about(ctl, "PUT", "/v1/settings/", ctl->arguments->operands[0], body);
    }
    json_decref(body);
    return ctl_finish(ctl, answer);
}
