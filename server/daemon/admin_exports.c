#include <stdio.h>

#include "base/limits.h"
#include "proto/rpc/auth.h"
#include "server/daemon/admin_request.h"
#include "server/daemon/admin_text.h"
#include "statestore/machine/export.h"

/* In the order of enum export_squash. */
static const char *const squash_names[] = {"root", "all", "none"};

/* --- list --- */

static json_t *export_flavors(const struct export *export)
{
    json_t *names = json_array();
    for (uint32_t i = 0; i < export->flavor_count; i++) {
        char number[16];
        snprintf(number, sizeof(number), "%u", export->flavors[i]);
        json_array_append_new(names, json_string(export->flavors[i] == AUTH_SYS ? "sys" : number));
    }
    if (export->flavor_count == 0)
        json_array_append_new(names, json_string("sys"));
    return names;
}

static json_t *export_row(const struct export *export)
{
    json_t *clients = json_array();
    for (uint32_t i = 0; i < export->client_count; i++)
        json_array_append_new(clients, admin_text(export->clients[i]));
    return json_pack("{s:o,s:o,s:b,s:s,s:o,s:o}", "path", admin_text(export->path), "volume",
                     admin_number(export->volume.value), "read_only", export->read_only, "squash",
                     squash_names[export->squash], "clients", clients, "sec", export_flavors(export));
}

void admin_export_list(struct admin_request *request, struct admin_answer *answer)
{
    json_t *rows = json_array();
    struct export_walk walk;
    struct export export;
    for (export_walk_open(request->view, request->arena, &walk); export_walk_get(&walk, &export);
         export_walk_next(&walk)) {
        if (export.active)
            json_array_append_new(rows, export_row(&export));
    }
    export_walk_close(&walk);
    admin_answer_json(answer, 200, json_pack("{s:o,s:b}", "exports", rows, "more", 0));
}

/* --- add --- */

static bool spec_path(Qnfs__ExportSpec *spec, const json_t *value, struct admin_answer *answer)
{
    if (!json_is_string(value) || json_string_length(value) == 0 || json_string_length(value) > EXPORT_PATH_MAX_BYTES) {
        admin_answer_error(answer, 400, "path: want a text of 1 to %u bytes, such as \"/data\"", EXPORT_PATH_MAX_BYTES);
        return false;
    }
    spec->path = (ProtobufCBinaryData){json_string_length(value), (uint8_t *)json_string_value(value)};
    return true;
}

static bool spec_squash(Qnfs__ExportSpec *spec, const json_t *value, struct admin_answer *answer)
{
    const char *name = json_string_value(value);
    for (uint32_t i = 0; name != NULL && i < 3; i++) {
        if (strcmp(name, squash_names[i]) == 0) {
            spec->squash = i;
            return true;
        }
    }
    admin_answer_error(answer, 400, "squash: want \"root\", \"all\" or \"none\"");
    return false;
}

static bool spec_clients(Qnfs__ExportSpec *spec, const json_t *value, struct arena *arena, struct admin_answer *answer)
{
    size_t count = json_array_size(value);
    if (!json_is_array(value) || count > EXPORT_CLIENTS_MAX) {
        admin_answer_error(answer, 400, "clients: want a list of at most %u addresses or networks", EXPORT_CLIENTS_MAX);
        return false;
    }
    spec->clients = arena_alloc_array(arena, count + 1, sizeof(*spec->clients));
    spec->n_clients = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(value, i);
        if (!json_is_string(item)) {
            admin_answer_error(answer, 400, "clients: want texts, such as \"192.0.2.0/24\"");
            return false;
        }
        spec->clients[i] = (ProtobufCBinaryData){json_string_length(item), (uint8_t *)json_string_value(item)};
    }
    return true;
}

static bool spec_sec(Qnfs__ExportSpec *spec, const json_t *value, struct arena *arena, struct admin_answer *answer)
{
    size_t count = json_array_size(value);
    bool known = json_is_array(value) && count <= 1; /* there is one flavor */
    for (size_t i = 0; known && i < count; i++) {
        const char *name = json_string_value(json_array_get(value, i));
        known = name != NULL && strcmp(name, "sys") == 0;
    }
    if (!known) {
        admin_answer_error(answer, 400, "sec: this version serves [\"sys\"]");
        return false;
    }
    spec->flavors = arena_alloc_array(arena, count + 1, sizeof(*spec->flavors));
    spec->n_flavors = count;
    for (size_t i = 0; i < count; i++)
        spec->flavors[i] = AUTH_SYS;
    return true;
}

/* Fills the spec with what lives in the document and the arena; false with an answer. */
static bool spec_read(Qnfs__ExportSpec *spec, json_t *document, struct arena *arena, struct admin_answer *answer)
{
    const char *key;
    json_t *value;
    if (!json_is_object(document) || json_object_get(document, "path") == NULL) {
        admin_answer_error(answer, 400, "want an object with a \"path\"");
        return false;
    }
    json_object_foreach(document, key, value)
    {
        bool ok;
        if (strcmp(key, "path") == 0) {
            ok = spec_path(spec, value, answer);
        } else if (strcmp(key, "read_only") == 0) {
            ok = json_is_boolean(value);
            spec->read_only = json_is_true(value);
            if (!ok)
                admin_answer_error(answer, 400, "read_only: want true or false");
        } else if (strcmp(key, "squash") == 0) {
            ok = spec_squash(spec, value, answer);
        } else if (strcmp(key, "clients") == 0) {
            ok = spec_clients(spec, value, arena, answer);
        } else if (strcmp(key, "sec") == 0) {
            ok = spec_sec(spec, value, arena, answer);
        } else {
            ok = false;
            admin_answer_error(answer, 400, "unknown key '%s'; there are path, read_only, squash, clients, sec", key);
        }
        if (!ok)
            return false;
    }
    return true;
}

static void export_add_from(struct admin_request *request, json_t *document, struct admin_answer *answer)
{
    Qnfs__ExportSpec spec = QNFS__EXPORT_SPEC__INIT;
    Qnfs__ExportAdd add = QNFS__EXPORT_ADD__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    Qnfs__Result *result;
    if (!spec_read(&spec, document, request->arena, answer))
        return;
    add.spec = &spec;
    command.body_case = QNFS__COMMAND__BODY_EXPORT_ADD;
    command.export_add = &add;
    char what[256];
    snprintf(what, sizeof(what), "export add %.*s", (int)spec.path.len, (const char *)spec.path.data);
    if (admin_execute(request, &command, what, answer, &result))
        admin_answer_json(answer, 200,
                          json_pack("{s:s}", "path", json_string_value(json_object_get(document, "path"))));
}

void admin_export_add(struct admin_request *request, struct admin_answer *answer)
{
    json_t *document = admin_body(request, answer);
    if (document == NULL)
        return;
    export_add_from(request, document, answer);
    json_decref(document);
}

/* --- remove --- */

void admin_export_remove(struct admin_request *request, struct admin_answer *answer)
{
    const char *path = request->parameter(request->parameter_context, "path");
    if (path == NULL || path[0] == '\0') {
        admin_answer_error(answer, 400, "want ?path=PATH");
        return;
    }
    Qnfs__ExportRemove body = QNFS__EXPORT_REMOVE__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    Qnfs__Result *result;
    body.path = (ProtobufCBinaryData){strlen(path), (uint8_t *)arena_text(request->arena, slice_text(path))};
    command.body_case = QNFS__COMMAND__BODY_EXPORT_REMOVE;
    command.export_remove = &body;
    char what[256];
    snprintf(what, sizeof(what), "export remove %s", path);
    if (admin_execute(request, &command, what, answer, &result))
        admin_answer_json(answer, 200, json_pack("{s:o}", "path", admin_text(slice_text(path))));
}
