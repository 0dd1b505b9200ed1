#include <stdio.h>

#include "base/check.h"
#include "base/limits.h"
#include "server/daemon/admin_page.h"
#include "server/daemon/admin_text.h"
#include "statestore/machine/client.h"
#include "statestore/machine/row.h"
#include "statestore/machine/session.h"
#include "statestore/store/schema.h"

/* --- clients --- */

static const char *client_state(const struct client *client, const struct client_usage *usage)
{
    if (!client->confirmed)
        return "unconfirmed";
    return usage->courtesy ? "courtesy" : "active";
}

static json_t *client_row(struct admin_request *request, const struct client *client, const struct client_usage *usage,
                          uint64_t uptime_ms)
{
    uint64_t left_ms = usage->lease_end_ms > uptime_ms ? usage->lease_end_ms - uptime_ms : 0;
    uint32_t sessions = session_count(request->view, client->id, NFS4_SESSIONS_PER_CLIENT_MAX + 1, request->arena);
    return json_pack("{s:o,s:o,s:o,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "id", admin_number(client->id.value), "address",
                     admin_address(client->address), "owner", admin_text(client->owner), "state",
                     client_state(client, usage), "minor_version", admin_number(client->minor_version), "lease_left_ms",
                     admin_number(left_ms), "sessions", admin_number(sessions), "opens_and_locks",
                     admin_number(usage->state_count), "ranges", admin_number(usage->range_count),
                     "implementation_name", admin_text(client->implementation_name), "implementation_domain",
                     admin_text(client->implementation_domain));
}

void admin_client_list(struct admin_request *request, struct admin_answer *answer)
{
    struct admin_page page;
    if (!admin_page_begin(&page, request, 8, answer))
        return;
    struct admin_node_status status = {0};
    request->shared->ports.status(request->shared->ports.context, &status);
    struct client_id after = {page.has_after ? row_key_get_u64(page.after, 0) : 0};
    struct client_walk walk;
    struct client client;
    struct client_usage usage;
    for (client_walk_open(request->view, after, request->arena, &walk); client_walk_get(&walk, &client, &usage);
         client_walk_next(&walk)) {
        if (!admin_page_has_room(&page))
            break;
        struct row_key key = row_key(request->arena, 0, 8);
        row_key_u64(&key, client.id.value);
        admin_page_add(&page, request, slice_from(row_key_done(&key), 1),
                       client_row(request, &client, &usage, status.uptime_ms));
    }
    client_walk_close(&walk);
    admin_page_answer(&page, "clients", answer);
}

void admin_client_evict(struct admin_request *request, struct admin_answer *answer)
{
    uint64_t id;
    if (!admin_tail_number(request, "client's number", answer, &id))
        return;
    Qnfs__ClientEvict body = QNFS__CLIENT_EVICT__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    Qnfs__Result *result;
    body.client = id;
    command.body_case = QNFS__COMMAND__BODY_CLIENT_EVICT;
    command.client_evict = &body;
    char what[64];
    snprintf(what, sizeof(what), "client evict %llu", (unsigned long long)id);
    if (admin_execute(request, &command, what, answer, &result))
        admin_answer_json(answer, 200, json_pack("{s:o}", "id", admin_number(id)));
}

/* --- sessions --- */

static json_t *session_row(const struct session *session, uint64_t incarnation_here)
{
    return json_pack("{s:o,s:o,s:o,s:b,s:o,s:o,s:o,s:o,s:b}", "id",
                     admin_hex(slice_make(session->id.bytes, sizeof(session->id.bytes))), "client",
                     admin_number(session->client.value), "incarnation", admin_number(session->incarnation.value),
                     "here", session->incarnation.value == incarnation_here, "epoch", admin_number(session->epoch),
                     "slots", admin_number(session->fore.max_requests), "max_request_bytes",
                     admin_number(session->fore.max_request_size), "max_response_bytes",
                     admin_number(session->fore.max_response_size), "callbacks", session->callback_program != 0);
}

void admin_session_list(struct admin_request *request, struct admin_answer *answer)
{
    struct admin_page page;
    if (!admin_page_begin(&page, request, sizeof(struct session_id), answer))
        return;
    struct admin_node_status status = {0};
    request->shared->ports.status(request->shared->ports.context, &status);
    struct row_key prefix = row_key(request->arena, SCHEMA_SESSION, 0);
    struct row_key start = row_key(request->arena, SCHEMA_SESSION, sizeof(struct session_id));
    row_key_bytes(&start, page.after);
    struct kv_cursor cursor;
    for (kv_cursor_open(request->view, row_key_done(&prefix), row_key_done(&start), request->arena, &cursor);
         cursor.valid; kv_cursor_next(&cursor)) {
        struct slice key = slice_from(cursor.key, 1);
        if (page.has_after && slice_equal(key, page.after))
            continue;
        if (!admin_page_has_room(&page))
            break;
        struct session_id id;
        CHECK(key.size_bytes == sizeof(id.bytes));
        memcpy(id.bytes, key.data, sizeof(id.bytes));
        struct session session;
        if (session_get(request->view, id, request->arena, &session))
            admin_page_add(&page, request, key, session_row(&session, status.incarnation));
    }
    kv_cursor_close(&cursor);
    admin_page_answer(&page, "sessions", answer);
}
