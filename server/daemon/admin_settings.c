#include <stdio.h>

#include "server/daemon/admin_request.h"
#include "server/daemon/admin_text.h"
#include "statestore/machine/settings.h"

void admin_setting_list(struct admin_request *request, struct admin_answer *answer)
{
    json_t *settings = json_object();
    for (unsigned i = 0; i < SETTING_COUNT; i++)
        json_object_set_new(settings, setting_name((enum setting)i),
                            admin_text(setting_get(request->view, (enum setting)i, request->arena)));
    admin_answer_json(answer, 200, json_pack("{s:o}", "settings", settings));
}

static void setting_set_to(struct admin_request *request, const json_t *value, struct admin_answer *answer)
{
    if (!json_is_string(value)) {
        admin_answer_error(answer, 400, "want {\"value\": \"TEXT\"}");
        return;
    }
    Qnfs__SettingSet body = QNFS__SETTING_SET__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    Qnfs__Result *result;
    char *name = arena_text(request->arena, slice_text(request->tail));
    body.name = (ProtobufCBinaryData){strlen(name), (uint8_t *)name};
    body.value = (ProtobufCBinaryData){json_string_length(value), (uint8_t *)json_string_value(value)};
    command.body_case = QNFS__COMMAND__BODY_SETTING_SET;
    command.setting_set = &body;
    char what[256];
    snprintf(what, sizeof(what), "settings set %s %s", name, json_string_value(value));
    if (admin_execute(request, &command, what, answer, &result))
        admin_answer_json(answer, 200, json_pack("{s:o}", name, admin_text(slice_text(json_string_value(value)))));
}

void admin_setting_set(struct admin_request *request, struct admin_answer *answer)
{
    json_t *document = admin_body(request, answer);
    if (document == NULL)
        return;
    setting_set_to(request, json_object_get(document, "value"), answer);
    json_decref(document);
}
