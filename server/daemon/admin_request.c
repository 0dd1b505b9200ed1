#include "server/daemon/admin_request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "proto/nfs4/status.h"

enum route_need { NEEDS_NOTHING, NEEDS_VIEW, CHANGES };

/* A path that ends in '/' takes what follows as the tail, which must not be empty. */
struct admin_route {
    const char *method;
    const char *path;
    enum route_need need;
    void (*handler)(struct admin_request *request, struct admin_answer *answer);
};

static const struct admin_route routes[] = {
    {"GET", "/healthz", NEEDS_NOTHING, admin_health},
    {"GET", "/readyz", NEEDS_NOTHING, admin_ready},
    {"GET", "/metrics", NEEDS_VIEW, admin_metrics},
    {"GET", "/v1/status", NEEDS_VIEW, admin_status},
    {"GET", "/v1/exports", NEEDS_VIEW, admin_export_list},
    {"POST", "/v1/exports", CHANGES, admin_export_add},
    {"DELETE", "/v1/exports", CHANGES, admin_export_remove},
    {"GET", "/v1/clients", NEEDS_VIEW, admin_client_list},
    {"DELETE", "/v1/clients/", CHANGES, admin_client_evict},
    {"GET", "/v1/sessions", NEEDS_VIEW, admin_session_list},
    {"GET", "/v1/locks", NEEDS_VIEW, admin_lock_list},
    {"GET", "/v1/settings", NEEDS_VIEW, admin_setting_list},
    {"PUT", "/v1/settings/", CHANGES, admin_setting_set},
    {"POST", "/v1/check", NEEDS_VIEW, admin_check},
    {"GET", "/v1/nodes", NEEDS_VIEW, admin_node_list},
    {"POST", "/v1/leader/", NEEDS_VIEW, admin_leader_transfer},
    {"POST", "/v1/nodes", CHANGES, admin_node_add},
    {"DELETE", "/v1/nodes/", NEEDS_VIEW, admin_node_remove},
    {"POST", "/v1/promote/", CHANGES, admin_node_promote},
    {"GET", "/v1/addresses", NEEDS_VIEW, admin_address_list},
    {"POST", "/v1/addresses", CHANGES, admin_address_add},
    {"DELETE", "/v1/addresses", CHANGES, admin_address_remove},
    {"POST", "/v1/addresses/move", CHANGES, admin_address_move},
};
enum { ROUTE_COUNT = sizeof(routes) / sizeof(routes[0]) };

/* --- answers --- */

static void answer_fill(struct admin_answer *answer, unsigned status, const char *content_type, char *body)
{
    CHECK(answer->body == NULL);
    *answer = (struct admin_answer){status, content_type, body, strlen(body)};
}

void admin_answer_json(struct admin_answer *answer, unsigned status, json_t *value)
{
    char *body = value == NULL ? NULL : json_dumps(value, JSON_COMPACT);
    json_decref(value);
    if (body == NULL) {
        status = 500;
        body = strdup("{\"error\":\"no memory for the answer\"}");
        CHECK(body != NULL);
    }
    answer_fill(answer, status, "application/json", body);
}

void admin_answer_error(struct admin_answer *answer, unsigned status, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    json_t *value = json_pack("{s:s}", "error", text);
    if (value == NULL) /* not UTF-8 */
        value = json_pack("{s:s}", "error", "what was asked is not text");
    admin_answer_json(answer, status, value);
}

void admin_answer_text(struct admin_answer *answer, unsigned status, const char *text)
{
    char *body = strdup(text);
    CHECK(body != NULL);
    answer_fill(answer, status, "text/plain; charset=utf-8", body);
}

/* --- commands --- */

static unsigned http_status_of(uint32_t nfs_status)
{
    switch (nfs_status) {
    case NFS4ERR_INVAL: return 400;
    case NFS4ERR_NOENT:
    case NFS4ERR_STALE_CLIENTID: return 404;
    case NFS4ERR_DELAY: return 503;
    case NFS4ERR_NOSPC: return 507;
    default: return 409;
    }
}

json_t *admin_body(struct admin_request *request, struct admin_answer *answer)
{
    json_error_t error;
    json_t *document =
        json_loadb((const char *)request->body.data, request->body.size_bytes, JSON_REJECT_DUPLICATES, &error);
    if (document == NULL)
        admin_answer_error(answer, 400, "the body is not JSON: %s", error.text);
    return document;
}

bool admin_tail_number(const struct admin_request *request, const char *what, struct admin_answer *answer,
                       uint64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoull(request->tail, &end, 10);
    if (errno == 0 && end != request->tail && *end == '\0' && request->tail[0] >= '0' && request->tail[0] <= '9')
        return true;
    admin_answer_error(answer, 400, "'%s' is no %s", request->tail, what);
    return false;
}

bool admin_execute(struct admin_request *request, Qnfs__Command *command, const char *what, struct admin_answer *answer,
                   Qnfs__Result **result)
{
    const struct admin_ports *ports = &request->shared->ports;
    enum status status = ports->execute(ports->context, command, ADMIN_COMMAND_TIMEOUT_MS, request->arena, result);
    if (status == STATUS_REFUSED) {
        admin_answer_error(answer, 503, "the node does not serve (yet, or no longer)");
        return false;
    }
    if (status != STATUS_OK) {
        log_line(request->shared->log, LOG_WARN, "admin: %s: no answer (%s)", what, status_name(status));
        admin_answer_error(answer, 504, "no answer within %u s; it may still be done, and may be asked again",
                           ADMIN_COMMAND_TIMEOUT_MS / 1000);
        return false;
    }
    const Qnfs__Result *outcome = *result;
    if (outcome->status == NFS4_OK) {
        log_line(request->shared->log, LOG_INFO, "admin: %s", what);
        return true;
    }
    if (outcome->body_case == QNFS__RESULT__BODY_TEXT && outcome->text->text.len > 0)
        admin_answer_error(answer, http_status_of(outcome->status), "%.*s", (int)outcome->text->text.len,
                           (const char *)outcome->text->text.data);
    else
        admin_answer_error(answer, http_status_of(outcome->status), "refused: %s", nfsstat4_name(outcome->status));
    return false;
}

/* --- routes --- */

static bool route_matches(const struct admin_route *route, const char *path, const char **tail)
{
    size_t length = strlen(route->path);
    if (route->path[length - 1] != '/') {
        *tail = "";
        return strcmp(route->path, path) == 0;
    }
    *tail = path + length;
    return strncmp(route->path, path, length) == 0 && path[length] != '\0';
}

/* The route, or NULL with an answer. */
static const struct admin_route *route_find(struct admin_request *request, struct admin_answer *answer)
{
    const char *method = strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;
    bool path_known = false;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        const char *tail;
        if (!route_matches(&routes[i], request->path, &tail))
            continue;
        path_known = true;
        if (strcmp(routes[i].method, method) != 0)
            continue;
        request->tail = tail;
        return &routes[i];
    }
    if (path_known)
        admin_answer_error(answer, 405, "%s is not possible here", request->method);
    else
        admin_answer_error(answer, 404, "there is no %s", request->path);
    return NULL;
}

static void route_run_with_view(const struct admin_route *route, struct admin_request *request,
                                struct admin_answer *answer)
{
    struct kv_store *store = request->shared->ports.store;
    request->view = kv_store_snapshot(store);
    route->handler(request, answer);
    bool failed = request->view->failed;
    kv_store_release(store, request->view);
    request->view = NULL;
    if (failed) { /* rows may be missing from the answer */
        free(answer->body);
        *answer = (struct admin_answer){0};
        admin_answer_error(answer, 500, "the state cannot be read");
    }
}

void admin_handle(struct admin_request *request, struct admin_answer *answer)
{
    *answer = (struct admin_answer){0};
    request->view = NULL;
    const struct admin_route *route = route_find(request, answer);
    if (route == NULL)
        return;
    if (request->is_cross_site && strcmp(route->method, "GET") != 0)
        admin_answer_error(answer, 403, "not for web pages");
    else if (route->need == NEEDS_VIEW)
        route_run_with_view(route, request, answer);
    else
        route->handler(request, answer);
    CHECK(answer->body != NULL);
}
