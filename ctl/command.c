#include "ctl/command.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "ctl/http.h"

/* What the node said against it, or what it should not have said. */
static void answer_complain(struct ctl *ctl, const struct http_answer *answer, const json_t *value)
{
    const char *error = json_string_value(json_object_get(value, "error"));
    if (error != NULL)
        fprintf(ctl->error, "qnfsctl: %s\n", error);
    else if (answer->status >= 200 && answer->status < 300)
        fprintf(ctl->error, "qnfsctl: %s: the answer is not that of a QuorumNFS node\n", ctl->arguments->admin);
    else
        fprintf(ctl->error, "qnfsctl: %s: HTTP status %ld\n", ctl->arguments->admin, answer->status);
}

static json_t *request_send(struct ctl *ctl, const struct http_request *request)
{
    struct http_answer answer;
    char trouble[512];
    if (http_ask(request, &answer, trouble, sizeof(trouble)) != STATUS_OK) {
        fprintf(ctl->error, "qnfsctl: %s\n", trouble);
        return NULL;
    }
    json_t *value = answer.body == NULL ? NULL : json_loadb(answer.body, answer.body_bytes, 0, NULL);
    if (answer.status != 200 || !json_is_object(value)) {
        answer_complain(ctl, &answer, value);
        json_decref(value);
        value = NULL;
    }
    http_answer_fini(&answer);
    return value;
}

json_t *ctl_ask(struct ctl *ctl, const char *method, const char *target, const json_t *body)
{
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    struct http_request request = {.admin = ctl->arguments->admin, .method = method, .target = target, .body = text};
    json_t *value = request_send(ctl, &request);
    free(text);
    return value;
}

json_t *ctl_ask_about(struct ctl *ctl, const char *method, const char *path, const char *text, const json_t *body)
{
    char *escaped = http_escape(text);
    size_t target_bytes = strlen(path) + (escaped == NULL ? 0 : strlen(escaped)) + 1;
    char *target = malloc(target_bytes);
    json_t *answer = NULL;
    if (escaped != NULL && target != NULL) {
        snprintf(target, target_bytes, "%s%s", path, escaped);
        answer = ctl_ask(ctl, method, target, body);
    }
    free(target);
    free(escaped);
    return answer;
}

json_t *ctl_ask_patiently(struct ctl *ctl, const char *method, const char *target)
{
    struct http_request request = {.admin = ctl->arguments->admin, .method = method, .target = target, .patient = true};
    return request_send(ctl, &request);
}

json_t *ctl_ask_list(struct ctl *ctl, const char *name)
{
    char target[256];
    snprintf(target, sizeof(target), "/v1/%s", name);
    json_t *whole = ctl_ask(ctl, "GET", target, NULL);
    json_t *rows = json_object_get(whole, name);
    while (whole != NULL && json_is_true(json_object_get(whole, "more"))) {
        snprintf(target, sizeof(target), "/v1/%s?after=%s", name, ctl_text(whole, "next"));
        json_t *page = ctl_ask(ctl, "GET", target, NULL);
        if (page == NULL) {
            json_decref(whole);
            return NULL;
        }
        json_array_extend(rows, json_object_get(page, name));
        json_object_set(whole, "more", json_object_get(page, "more"));
        json_object_set(whole, "next", json_object_get(page, "next"));
        json_decref(page);
    }
    return whole;
}

void ctl_print_json(struct ctl *ctl, const json_t *value)
{
    json_dumpf(value, ctl->out, JSON_COMPACT);
    fputc('\n', ctl->out);
}

int ctl_finish(struct ctl *ctl, json_t *answer)
{
    if (answer == NULL)
        return CTL_FAILED;
    if (ctl->arguments->json)
        ctl_print_json(ctl, answer);
    json_decref(answer);
    return CTL_DONE;
}

const char *ctl_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

long long ctl_number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

char *ctl_join(const json_t *list, const char *empty)
{
    if (json_array_size(list) == 0) {
        char *copy = strdup(empty);
        CHECK(copy != NULL);
        return copy;
    }
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *out = open_memstream(&text, &text_bytes);
    CHECK(out != NULL);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        fprintf(out, "%s%s", i == 0 ? "" : ",", item == NULL ? "?" : item);
    }
    CHECK(fclose(out) == 0);
    return text;
}
