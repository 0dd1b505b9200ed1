/* The admin door over a real HTTP server: every path, what it answers, and what it refuses. The node behind it is the
 * machine over a memory store. */
#include "server/daemon/admin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/limits.h"
#include "tests/support/admin_node.h"

struct fixture {
    struct admin_node node;
    char *reply; /* head and body of the last answer */
    const char *body;
    unsigned http_status;
    json_t *json; /* of the body */
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    admin_node_init(&fixture->node);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    admin_node_fini(&fixture->node);
    json_decref(fixture->json);
    free(fixture->reply);
    free(fixture);
    return 0;
}

/* --- HTTP --- */

static int connect_to(const struct fixture *fixture)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(fixture->node.address.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
    return descriptor;
}

/* Sends bytes and reads until the other side closes. */
static void exchange(struct fixture *fixture, const char *bytes, size_t size_bytes)
{
    enum { REPLY_ROOM = 1 << 22 };
    int descriptor = connect_to(fixture);
    (void)!send(descriptor, bytes, size_bytes, MSG_NOSIGNAL); /* it may close before it has read all */
    free(fixture->reply);
    json_decref(fixture->json);
    fixture->json = NULL;
    fixture->reply = malloc(REPLY_ROOM);
    size_t used = 0;
    for (;;) {
        ssize_t got = recv(descriptor, fixture->reply + used, REPLY_ROOM - 1 - used, 0);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    close(descriptor);
    fixture->reply[used] = '\0';
    fixture->http_status = 0;
    fixture->body = strstr(fixture->reply, "\r\n\r\n");
    if (fixture->body == NULL)
        return;
    fixture->body += 4;
    assert_int_equal(sscanf(fixture->reply, "HTTP/1.%*c %u", &fixture->http_status), 1);
    if (strstr(fixture->reply, "Content-Type: application/json") != NULL)
        fixture->json = json_loads(fixture->body, 0, NULL);
}

static void ask(struct fixture *fixture, const char *method, const char *target, const char *headers, const char *body)
{
    size_t room = 1024 + strlen(target) + strlen(headers) + strlen(body);
    char *bytes = malloc(room);
    int size_bytes =
        snprintf(bytes, room, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s",
                 method, target, headers, strlen(body), body);
    assert_true(size_bytes > 0 && (size_t)size_bytes < room);
    exchange(fixture, bytes, (size_t)size_bytes);
    free(bytes);
}

/* Asks and wants this status. */
static void want(struct fixture *fixture, unsigned http_status, const char *method, const char *target,
                 const char *body)
{
    ask(fixture, method, target, "", body);
    if (fixture->http_status != http_status)
        fail_msg("%s %s %s: wanted %u, got %s", method, target, body, http_status, fixture->reply);
}

static json_t *get(struct fixture *fixture, const char *target)
{
    want(fixture, 200, "GET", target, "");
    assert_non_null(fixture->json);
    return fixture->json;
}

/* Asks, wants an error with that word. */
static void refused(struct fixture *fixture, unsigned http_status, const char *word, const char *method,
                    const char *target, const char *body)
{
    want(fixture, http_status, method, target, body);
    const char *error = json_string_value(json_object_get(fixture->json, "error"));
    assert_non_null(error);
    if (strstr(error, word) == NULL)
        fail_msg("%s %s: the error '%s' does not say '%s'", method, target, error, word);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

static json_int_t number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

/* The value of a metric. */
static double metric(const struct fixture *fixture, const char *name)
{
    char line[128];
    snprintf(line, sizeof(line), "\n%s ", name);
    const char *found = strstr(fixture->body, line);
    if (found == NULL)
        fail_msg("there is no metric %s", name);
    return strtod(found + strlen(line), NULL);
}

/* --- health, status, metrics --- */

static void health_and_readiness_follow_the_node(void **state)
{
    struct fixture *fixture = *state;
    want(fixture, 200, "GET", "/healthz", "");
    assert_string_equal(fixture->body, "ok\n");
    want(fixture, 200, "GET", "/readyz", "");
    want(fixture, 200, "HEAD", "/readyz", "");
    assert_string_equal(fixture->body, "");
    fixture->node.status.serving = false;
    want(fixture, 200, "GET", "/healthz", "");
    want(fixture, 503, "GET", "/readyz", "");
    assert_non_null(strstr(fixture->body, "does not serve"));
    fixture->node.status.serving = true;
    fixture->node.status.healthy = false;
    want(fixture, 503, "GET", "/healthz", "");
    want(fixture, 503, "GET", "/readyz", "");
    assert_non_null(strstr(fixture->body, "stood still"));
}

static void status_tells_where_the_node_stands(void **state)
{
    struct fixture *fixture = *state;
    json_t *status = get(fixture, "/v1/status");
    assert_int_equal(strncmp(text_of(json_object_get(status, "cluster"), "id"), "ab01000000", 10), 0);
    json_t *node = json_object_get(status, "node");
    assert_int_equal(number_of(node, "id"), 1);
    assert_int_equal(number_of(node, "incarnation"), 77);
    assert_true(json_is_true(json_object_get(node, "serving")));
    assert_string_equal(text_of(node, "started"), "1970-01-01T00:00:01Z");
    json_t *log = json_object_get(status, "log");
    assert_int_equal(number_of(log, "commit_index"), 40);
    assert_int_equal(number_of(log, "applied_index"), 39);
    assert_true(json_is_true(json_object_get(log, "leader")));
    assert_int_equal(number_of(json_object_get(status, "counts"), "connections"), 3 + 4);
    assert_true(json_is_false(json_object_get(json_object_get(status, "space"), "low")));
    files_report_space(&fixture->node.files, true);
    status = get(fixture, "/v1/status");
    assert_true(json_is_true(json_object_get(json_object_get(status, "space"), "low")));
    files_report_space(&fixture->node.files, false);
}

/* The text format of Prometheus: every sample stands behind the HELP and TYPE of its name, and no name comes twice. */
static void metrics_are_well_formed(void **state)
{
    struct fixture *fixture = *state;
    want(fixture, 200, "GET", "/metrics", "");
    assert_non_null(strstr(fixture->reply, "Content-Type: text/plain; version=0.0.4"));
    char *copy = strdup(fixture->body);
    char *rest = copy;
    char name[128] = "";
    unsigned metrics = 0;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0'; metrics++) {
        assert_int_equal(sscanf(line, "# HELP %127s", name), 1);
        assert_true(strlen(line) > strlen("# HELP ") + strlen(name) + 10);
        char typed[128];
        char type[16];
        line = strsep(&rest, "\n");
        assert_int_equal(sscanf(line, "# TYPE %127s %15s", typed, type), 2);
        assert_string_equal(typed, name);
        assert_true(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0);
        line = strsep(&rest, "\n");
        assert_int_equal(strncmp(line, name, strlen(name)), 0);
        assert_true(line[strlen(name)] == ' ' || line[strlen(name)] == '{');
        char *end;
        strtod(strrchr(line, ' ') + 1, &end);
        assert_int_equal(*end, '\0');
        char head[160];
        snprintf(head, sizeof(head), "# TYPE %s ", name);
        const char *first = strstr(fixture->body, head);
        assert_null(strstr(first + 1, head));
    }
    free(copy);
    assert_true(metrics > 35);
    assert_true(metric(fixture, "qnfs_connections") == 7);
    assert_true(metric(fixture, "qnfs_rpc_calls_total") == 200);
    assert_true(metric(fixture, "qnfs_nfs4_operations_total") == 3000);
    assert_true(metric(fixture, "qnfs_applied_index") == 39);
    assert_true(metric(fixture, "qnfs_ready") == 1);
    assert_true(metric(fixture, "qnfs_cluster_uptime_seconds") == 5);
    assert_true(metric(fixture, "process_resident_memory_bytes") > 1e6);
    assert_true(metric(fixture, "process_cpu_seconds_total") >= 0);
    assert_true(metric(fixture, "process_open_fds") > 3);
    assert_true(metric(fixture, "process_start_time_seconds") == 1);
}

/* --- exports --- */

static json_t *export_at(struct fixture *fixture, size_t index)
{
    return json_array_get(json_object_get(get(fixture, "/v1/exports"), "exports"), index);
}

static void exports_are_listed_added_and_removed(void **state)
{
    struct fixture *fixture = *state;
    json_t *row = export_at(fixture, 0);
    assert_string_equal(text_of(row, "path"), "/data");
    assert_string_equal(text_of(row, "squash"), "none");
    assert_null(export_at(fixture, 1));

    want(fixture, 200, "POST", "/v1/exports",
         "{\"path\":\"/projects\",\"read_only\":true,\"squash\":\"all\",\"clients\":[\"192.0.2.0/24\"],"
         "\"sec\":[\"sys\"]}");
    row = export_at(fixture, 1);
    assert_string_equal(text_of(row, "path"), "/projects");
    assert_true(json_is_true(json_object_get(row, "read_only")));
    assert_string_equal(text_of(row, "squash"), "all");
    assert_string_equal(json_string_value(json_array_get(json_object_get(row, "clients"), 0)), "192.0.2.0/24");
    json_int_t volume = number_of(row, "volume");

    want(fixture, 200, "POST", "/v1/exports", "{\"path\":\"/plain\"}");
    row = export_at(fixture, 1);
    assert_string_equal(text_of(row, "path"), "/plain");
    assert_string_equal(text_of(row, "squash"), "root"); /* the default */
    assert_string_equal(json_string_value(json_array_get(json_object_get(row, "sec"), 0)), "sys");

    want(fixture, 200, "DELETE", "/v1/exports?path=%2Fprojects", "");
    assert_null(export_at(fixture, 2));
    refused(fixture, 404, "", "DELETE", "/v1/exports?path=/projects", "");
    /* Again: the same volume. */
    want(fixture, 200, "POST", "/v1/exports", "{\"path\":\"/projects\"}");
    assert_int_equal(number_of(export_at(fixture, 2), "volume"), volume);
}

static void wrong_exports_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *body;
        const char *word;
    } cases[] = {
        {"", "not JSON"},
        {"{", "not JSON"},
        {"[]", "path"},
        {"\"/data\"", "JSON"},
        {"{}", "path"},
        {"{\"path\":7}", "path"},
        {"{\"path\":\"\"}", "path"},
        {"{\"path\":\"/a\",\"path\":\"/b\"}", "duplicate"},
        {"{\"path\":\"/a\",\"colour\":1}", "colour"},
        {"{\"path\":\"/a\",\"read_only\":1}", "read_only"},
        {"{\"path\":\"/a\",\"squash\":\"some\"}", "squash"},
        {"{\"path\":\"/a\",\"squash\":null}", "squash"},
        {"{\"path\":\"/a\",\"clients\":\"1.2.3.4\"}", "clients"},
        {"{\"path\":\"/a\",\"clients\":[1]}", "clients"},
        {"{\"path\":\"/a\",\"clients\":[\"nonsense\"]}", "nonsense"},
        {"{\"path\":\"/a\",\"sec\":[\"krb5\"]}", "sys"},
        {"{\"path\":\"/a\",\"sec\":[\"sys\",\"sys\"]}", "sys"},
        {"{\"path\":\"relative\"}", ""},
        {"{\"path\":\"/a/../b\"}", ""},
        {"{\"path\":\"/a\xff\"}", "JSON"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refused(fixture, 400, cases[i].word, "POST", "/v1/exports", cases[i].body);
    refused(fixture, 400, "path", "DELETE", "/v1/exports", "");
    refused(fixture, 400, "path", "DELETE", "/v1/exports?path=", "");
    assert_null(export_at(fixture, 1));
}

/* --- settings --- */

static void settings_are_read_and_set(void **state)
{
    struct fixture *fixture = *state;
    assert_string_equal(text_of(json_object_get(get(fixture, "/v1/settings"), "settings"), "lease-seconds"), "60");
    want(fixture, 200, "PUT", "/v1/settings/lease-seconds", "{\"value\":\"30\"}");
    assert_string_equal(text_of(fixture->json, "lease-seconds"), "30");
    assert_string_equal(text_of(json_object_get(get(fixture, "/v1/settings"), "settings"), "lease-seconds"), "30");
    refused(fixture, 400, "lease-seconds", "PUT", "/v1/settings/lease-seconds", "{\"value\":\"1\"}");
    refused(fixture, 400, "value", "PUT", "/v1/settings/lease-seconds", "{\"value\":30}");
    refused(fixture, 400, "value", "PUT", "/v1/settings/lease-seconds", "[]");
    refused(fixture, 400, "JSON", "PUT", "/v1/settings/lease-seconds", "30");
    refused(fixture, 404, "setting", "PUT", "/v1/settings/no-such", "{\"value\":\"1\"}");
    refused(fixture, 404, "/v1/settings/", "PUT", "/v1/settings/", "{\"value\":\"1\"}");
}

/* --- clients, sessions, opens and locks --- */

static void clients_and_sessions_are_listed_and_evicted(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(json_array_size(json_object_get(get(fixture, "/v1/clients"), "clients")), 0);
    uint64_t first = admin_node_client(&fixture->node, "Linux NFSv4.2 alpha");
    uint64_t second = admin_node_client(&fixture->node, "beta\xff");
    json_t *clients = json_object_get(get(fixture, "/v1/clients"), "clients");
    assert_int_equal(json_array_size(clients), 2);
    json_t *row = json_array_get(clients, 0);
    assert_int_equal(number_of(row, "id"), first);
    assert_string_equal(text_of(row, "owner"), "Linux NFSv4.2 alpha");
    assert_string_equal(text_of(row, "address"), "127.0.0.1");
    assert_string_equal(text_of(row, "state"), "active");
    assert_int_equal(number_of(row, "sessions"), 1);
    assert_int_equal(number_of(row, "lease_left_ms"), 60000 - (int)ADMIN_NODE_UPTIME_MS);
    assert_string_equal(text_of(json_array_get(clients, 1), "owner"), "beta\\xff");

    json_t *sessions = json_object_get(get(fixture, "/v1/sessions"), "sessions");
    assert_int_equal(json_array_size(sessions), 2);
    row = json_array_get(sessions, 0);
    assert_int_equal(number_of(row, "client"), first);
    assert_int_equal(strlen(text_of(row, "id")), 32);
    assert_true(json_is_true(json_object_get(row, "here")));
    assert_int_equal(number_of(row, "slots"), 16);

    char target[64];
    snprintf(target, sizeof(target), "/v1/clients/%llu", (unsigned long long)first);
    want(fixture, 200, "DELETE", target, "");
    refused(fixture, 404, "client", "DELETE", target, "");
    assert_int_equal(json_array_size(json_object_get(get(fixture, "/v1/sessions"), "sessions")), 1);
    refused(fixture, 400, "number", "DELETE", "/v1/clients/abc", "");
    refused(fixture, 400, "number", "DELETE", "/v1/clients/-1", "");
    refused(fixture, 400, "number", "DELETE", "/v1/clients/99999999999999999999999", "");
    clients = json_object_get(get(fixture, "/v1/clients"), "clients");
    assert_int_equal(number_of(json_array_get(clients, 0), "id"), second);
}

static void opens_and_locks_are_listed_with_paths(void **state)
{
    struct fixture *fixture = *state;
    struct files *files = &fixture->node.files;
    uint64_t client = admin_node_client(&fixture->node, "alpha");
    struct file_id deep = files_make_directory(files, files_make_directory(files, files->root, "a", 0755), "b", 0755);
    struct file_id file = files_make(files, deep, "file", 0644);
    struct file_id top = files_make(files, files->root, "top", 0644);
    struct file_id gone = files_make(files, files->root, "gone", 0644);
    admin_node_hold(&fixture->node, client, file, 50);
    admin_node_hold(&fixture->node, client, top, UINT64_MAX);
    admin_node_hold(&fixture->node, client, gone, 1);
    assert_int_equal(files_remove(files, files->root, "gone"), NFS4_OK);

    json_t *locks = json_object_get(get(fixture, "/v1/locks"), "locks");
    assert_int_equal(json_array_size(locks), 6);
    json_t *row = json_array_get(locks, 0);
    assert_string_equal(text_of(row, "kind"), "open");
    assert_string_equal(text_of(row, "path"), "/data/a/b/file");
    assert_string_equal(text_of(row, "owner"), "me\\x01\\x5c");
    assert_string_equal(text_of(row, "access"), "both");
    assert_string_equal(text_of(row, "deny"), "none");
    assert_int_equal(number_of(row, "client"), client);
    assert_string_equal(text_of(json_array_get(locks, 1), "path"), "/data/top");
    assert_true(json_is_null(json_object_get(json_array_get(locks, 2), "path")));
    row = json_array_get(locks, 3);
    assert_string_equal(text_of(row, "kind"), "lock");
    assert_string_equal(text_of(row, "owner"), "locker");
    assert_string_equal(text_of(row, "type"), "write");
    assert_int_equal(number_of(row, "offset"), 100);
    assert_int_equal(number_of(row, "length"), 50);
    assert_true(json_is_null(json_object_get(json_array_get(locks, 4), "length")));

    want(fixture, 200, "GET", "/metrics", "");
    assert_true(metric(fixture, "qnfs_opens") == 3);
    assert_true(metric(fixture, "qnfs_locks") == 3);
    assert_true(metric(fixture, "qnfs_clients") == 1);
    assert_true(metric(fixture, "qnfs_sessions") == 1);
}

/* Page after page gives every row once, whatever the size of the pages. */
static void walk_pages(struct fixture *fixture, const char *list, unsigned limit, size_t total)
{
    char target[256];
    char after[128] = "";
    char *seen = calloc(1, 1 << 16);
    size_t rows = 0;
    for (size_t page = 0;; page++) {
        assert_true(page <= total);
        snprintf(target, sizeof(target), "/v1/%s?limit=%u%s%s", list, limit, after[0] == '\0' ? "" : "&after=", after);
        json_t *answer = get(fixture, target);
        size_t index;
        json_t *row;
        json_array_foreach(json_object_get(answer, list), index, row)
        {
            char *text = json_dumps(row, JSON_COMPACT | JSON_SORT_KEYS);
            assert_null(strstr(seen, text));
            strcat(seen, text);
            free(text);
            rows++;
        }
        if (json_is_false(json_object_get(answer, "more"))) {
            assert_true(json_is_null(json_object_get(answer, "next")));
            break;
        }
        assert_int_equal(json_array_size(json_object_get(answer, list)), limit);
        snprintf(after, sizeof(after), "%s", text_of(answer, "next"));
    }
    free(seen);
    assert_int_equal(rows, total);
}

static void lists_come_in_pages(void **state)
{
    struct fixture *fixture = *state;
    struct files *files = &fixture->node.files;
    for (unsigned i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof(name), "name-%u", i);
        admin_node_hold(&fixture->node, admin_node_client(&fixture->node, name),
                        files_make(files, files->root, name, 0644), 10);
    }
    for (unsigned limit = 1; limit <= 11; limit++) {
        walk_pages(fixture, "clients", limit, 5);
        walk_pages(fixture, "sessions", limit, 5);
        walk_pages(fixture, "locks", limit, 10);
    }
    static const char *const lists[] = {"clients", "sessions", "locks"};
    static const char *const wrong[] = {
        "limit=0", "limit=x", "limit=10001", "limit=", "after=", "after=zz", "after=00"};
    for (size_t l = 0; l < 3; l++) {
        for (size_t w = 0; w < sizeof(wrong) / sizeof(wrong[0]); w++) {
            char target[64];
            snprintf(target, sizeof(target), "/v1/%s?%s", lists[l], wrong[w]);
            refused(fixture, 400, "", "GET", target, "");
        }
    }
}

/* --- check --- */

static void a_check_counts_broken_invariants(void **state)
{
    struct fixture *fixture = *state;
    struct files *files = &fixture->node.files;
    struct file_id made = files_make(files, files->root, "file", 0644);
    want(fixture, 200, "POST", "/v1/check", "");
    if (number_of(fixture->json, "violations") != 0)
        fail_msg("%s", fixture->body);
    assert_int_equal(json_array_size(json_object_get(fixture->json, "text")), 0);
    /* An entry without its inode. */
    struct apply *apply = files_begin(files);
    inode_delete(apply->transaction, made.volume, made.inode, apply->arena);
    files_end(files);
    want(fixture, 200, "POST", "/v1/check", "");
    assert_true(number_of(fixture->json, "violations") > 0);
    assert_true(json_array_size(json_object_get(fixture->json, "text")) > 0);
    want(fixture, 405, "GET", "/v1/check", "");
}

/* --- what is refused --- */

static void unknown_paths_and_methods_are_told(void **state)
{
    struct fixture *fixture = *state;
    refused(fixture, 404, "/nowhere", "GET", "/nowhere", "");
    refused(fixture, 404, "", "GET", "/", "");
    refused(fixture, 404, "", "GET", "/v1/exports/", "");
    refused(fixture, 404, "", "DELETE", "/v1/clients/", "");
    refused(fixture, 404, "", "GET", "/%ff%00", "");
    refused(fixture, 405, "PATCH", "PATCH", "/v1/exports", "");
    refused(fixture, 405, "POST", "POST", "/metrics", "");
    refused(fixture, 405, "GET", "GET", "/v1/settings/lease-seconds", "");
}

static void a_node_that_does_not_answer_is_told(void **state)
{
    struct fixture *fixture = *state;
    fixture->node.execute_status = STATUS_REFUSED;
    refused(fixture, 503, "does not serve", "POST", "/v1/exports", "{\"path\":\"/a\"}");
    fixture->node.execute_status = STATUS_CLOSED;
    refused(fixture, 504, "no answer", "DELETE", "/v1/clients/5", "");
}

/* A browser sends Origin with what a foreign page wants to change. */
static void web_pages_change_nothing(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "DELETE", "/v1/exports?path=/data", "Origin: http://example.com\r\n", "");
    assert_int_equal(fixture->http_status, 403);
    assert_non_null(export_at(fixture, 0));
}

static void large_bodies_are_refused(void **state)
{
    struct fixture *fixture = *state;
    char *body = malloc(ADMIN_BODY_MAX_BYTES + 2);
    memset(body, ' ', ADMIN_BODY_MAX_BYTES + 1);
    body[ADMIN_BODY_MAX_BYTES + 1] = '\0';
    ask(fixture, "POST", "/v1/exports", "", body);
    assert_int_equal(fixture->http_status, 413);
    memcpy(body, "{\"path\":\"/big\"}", 15); /* blanks behind it, up to the bound */
    body[ADMIN_BODY_MAX_BYTES] = '\0';
    want(fixture, 200, "POST", "/v1/exports", body);
    free(body);
    /* In chunks, without a length: cut off when it is too much. */
    char *chunked = malloc(200000);
    int used =
        sprintf(chunked, "POST /v1/exports HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", 150000);
    memset(chunked + used, 'x', 150000);
    exchange(fixture, chunked, (size_t)used + 150000);
    assert_true(fixture->http_status == 0 || fixture->http_status >= 400);
    free(chunked);
    want(fixture, 200, "GET", "/healthz", "");
}

static void nonsense_does_no_harm(void **state)
{
    struct fixture *fixture = *state;
    static const char garbage[] = "\x16\x03\x01\x02\x00\x01\r\n\r\n";
    exchange(fixture, garbage, sizeof(garbage) - 1);
    want(fixture, 200, "GET", "/healthz", "");
    /* More connections than the bound: the further ones are closed, and when they go there is room again. */
    int descriptors[ADMIN_CONNECTIONS_MAX + 8];
    for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX + 8; i++)
        descriptors[i] = connect_to(fixture);
    usleep(100000);
    for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX + 8; i++)
        close(descriptors[i]);
    for (unsigned i = 0; i < 100; i++) {
        ask(fixture, "GET", "/healthz", "", "");
        if (fixture->http_status == 200)
            return;
        usleep(50000);
    }
    fail_msg("the door stays closed");
}

static void an_address_in_use_is_one_line(void **state)
{
    struct fixture *fixture = *state;
    struct admin *second;
    char trouble[256] = "";
    assert_int_equal(admin_start(&fixture->node.address, &fixture->node.ports, &fixture->node.log, clock_system(),
                                 &second, trouble, sizeof(trouble)),
                     STATUS_IO);
    assert_non_null(strstr(trouble, "in use"));
    assert_null(strchr(trouble, '\n'));
    struct config_address nowhere = {"no-such-host.invalid", 1};
    assert_int_equal(admin_start(&nowhere, &fixture->node.ports, &fixture->node.log, clock_system(), &second, trouble,
                                 sizeof(trouble)),
                     STATUS_REFUSED);
    assert_non_null(strstr(trouble, "no-such-host.invalid"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(health_and_readiness_follow_the_node),
        TEST(status_tells_where_the_node_stands),
        TEST(metrics_are_well_formed),
        TEST(exports_are_listed_added_and_removed),
        TEST(wrong_exports_are_refused),
        TEST(settings_are_read_and_set),
        TEST(clients_and_sessions_are_listed_and_evicted),
        TEST(opens_and_locks_are_listed_with_paths),
        TEST(lists_come_in_pages),
        TEST(a_check_counts_broken_invariants),
        TEST(unknown_paths_and_methods_are_told),
        TEST(a_node_that_does_not_answer_is_told),
        TEST(web_pages_change_nothing),
        TEST(large_bodies_are_refused),
        TEST(nonsense_does_no_harm),
        TEST(an_address_in_use_is_one_line),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
