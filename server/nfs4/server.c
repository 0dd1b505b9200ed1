#include "server/nfs4/server.h"

#include "base/check.h"
#include "base/heap.h"
#include "base/limits.h"
#include "proto/rpc/record.h"
#include "server/nfs4/attach.h"
#include "server/nfs4/compound.h"
#include "server/nfs4/lease.h"
#include "server/nfs4/state.h"

/* An RPC reply's head alone. */
#define HEAD_ROOM_BYTES 64u

void nfs4_outbox_init(struct nfs4_outbox *outbox)
{
    arena_init(&outbox->arena);
    outbox->first = NULL;
    outbox->last = &outbox->first;
}

void nfs4_outbox_reset(struct nfs4_outbox *outbox)
{
    arena_reset(&outbox->arena);
    outbox->first = NULL;
    outbox->last = &outbox->first;
}

struct nfs4_server *nfs4_server_create(const struct nfs4_config *config)
{
    struct nfs4_server *server = HEAP_NEW(struct nfs4_server);
    server->config = *config;
    task_table_init(&server->tasks);
    session_table_init(&server->sessions);
    list_init(&server->idle_compounds);
    list_init(&server->waiting_question);
    list_init(&server->waiting_answer);
    list_init(&server->waiting_barrier);
    list_init(&server->runnable);
    list_init(&server->requests);
    list_init(&server->renewals);
    list_init(&server->revivals);
    arena_init(&server->cache.arena);
    return server;
}

/* A compound that is under way when the server ends: nobody is answered any more. */
static void drop_compound(struct compound *compound)
{
    compound->task.proposed = false;
    compound_end(compound);
}

static void drop_waiting(struct list *waiting)
{
    struct list_link *link;
    while ((link = list_first(waiting)) != NULL) {
        list_remove(link);
        drop_compound(container_of(link, struct compound, link));
    }
}

static void drop_task(struct nfs4_server *server, struct task *task)
{
    if (task->kind == TASK_COMPOUND) {
        drop_compound(container_of(task, struct compound, task));
        return;
    }
    task_table_remove(&server->tasks, task);
    arena_fini(&task->arena);
    heap_free(task);
}

void nfs4_server_destroy(struct nfs4_server *server)
{
    for (uint32_t i = 0; i < server->tasks.entry_count; i++) {
        if (server->tasks.entries[i].task != NULL)
            drop_task(server, server->tasks.entries[i].task);
    }
    drop_waiting(&server->waiting_question);
    drop_waiting(&server->waiting_answer);
    drop_waiting(&server->waiting_barrier);
    drop_waiting(&server->runnable);
    session_table_drop_waiting(&server->sessions, drop_waiting);
    session_table_fini(&server->sessions);
    task_table_fini(&server->tasks);
    arena_fini(&server->cache.arena);
    struct list_link *link;
    while ((link = list_first(&server->idle_compounds)) != NULL) {
        struct compound *compound = container_of(link, struct compound, link);
        list_remove(link);
        arena_fini(&compound->task.arena);
        heap_free(compound);
    }
    heap_free(server);
}

static void reply_head(const struct nfs4_call *call, struct rpc_reply *head, struct nfs4_outbox *outbox)
{
    struct buffer *reply = buffer_create(HEAD_ROOM_BYTES);
    struct xdr x = xdr_encoder((struct span){reply->data, reply->capacity_bytes});
    bool fits = xdr_reserve(&x, RPC_MARK_BYTES) != NULL && xdr_rpc_reply(&x, head);
    CHECK(fits);
    reply->size_bytes = xdr_position(&x);
    record_mark_write(reply->data, reply->size_bytes - RPC_MARK_BYTES);
    outbox_add(outbox, NFS4_REPLY, call->connection)->reply = reply;
}

/* Who asks, by flavor; false: the call is refused for its credential. */
static bool call_credential(const struct nfs4_call *call, struct authsys_parms *parms, bool *is_unix)
{
    *is_unix = call->header->cred.flavor == AUTH_SYS;
    if (!*is_unix)
        return call->header->cred.flavor == AUTH_NONE;
    struct xdr x = xdr_decoder(call->header->cred.body, NULL);
    return xdr_authsys_parms(&x, parms) && xdr_remaining(&x) == 0;
}

void nfs4_call(struct nfs4_server *server, const struct nfs4_call *call, const struct nfs4_moment *moment,
               struct nfs4_outbox *outbox)
{
    struct rpc_reply head = rpc_reply_accepted(call->header->xid, RPC_SUCCESS);
    if (call->header->proc == NFSPROC4_NULL) {
        reply_head(call, &head, outbox);
        return;
    }
    if (call->header->proc != NFSPROC4_COMPOUND) {
        head.accept_stat = RPC_PROC_UNAVAIL;
        reply_head(call, &head, outbox);
        return;
    }
    struct authsys_parms parms;
    bool is_unix;
    if (!call_credential(call, &parms, &is_unix)) {
        head = rpc_reply_auth_error(call->header->xid, RPC_AUTH_BADCRED);
        reply_head(call, &head, outbox);
        return;
    }
    compound_begin(compound_create(server, call, is_unix ? &parms : NULL), moment, outbox);
}

void nfs4_result(struct nfs4_server *server, uint64_t place, struct slice result, const struct nfs4_moment *moment,
                 struct nfs4_outbox *outbox)
{
    struct task *task = task_table_find(&server->tasks, place);
    if (task == NULL || !task->proposed)
        return;
    switch (task->kind) {
    case TASK_COMPOUND: compound_on_result(container_of(task, struct compound, task), result, moment, outbox); break;
    case TASK_ATTACH: attach_on_result(server, task, result, moment, outbox); break;
    case TASK_RENEW: lease_on_result(server, task, result, moment, outbox); break;
    }
}

void nfs4_blocks_read(struct nfs4_server *server, uint64_t place, bool ok, const struct nfs4_moment *moment,
                      struct nfs4_outbox *outbox)
{
    struct task *task = task_table_find(&server->tasks, place);
    CHECK(task != NULL && task->kind == TASK_COMPOUND && !task->proposed);
    compound_on_blocks(container_of(task, struct compound, task), ok, moment, outbox);
}

void nfs4_ask_barrier(struct nfs4_server *server, struct nfs4_outbox *outbox)
{
    struct list_link *link;
    if (server->asking || list_empty(&server->waiting_question))
        return;
    CHECK(list_empty(&server->waiting_answer));
    while ((link = list_first(&server->waiting_question)) != NULL) {
        list_remove(link);
        list_append(&server->waiting_answer, link);
    }
    server->asking = true;
    outbox_add(outbox, NFS4_ASK_BARRIER, (struct connection_id){0})->number = ++server->question;
}

void nfs4_barrier(struct nfs4_server *server, uint64_t number, uint64_t index, const struct nfs4_moment *moment,
                  struct nfs4_outbox *outbox)
{
    struct list_link *link;
    if (!server->asking || number != server->question)
        return;
    CHECK(index != NFS4_BARRIER_UNKNOWN);
    server->asking = false;
    while ((link = list_first(&server->waiting_answer)) != NULL) {
        list_remove(link);
        container_of(link, struct compound, link)->barrier_index = index;
        list_append(&server->waiting_barrier, link);
    }
    nfs4_advance(server, moment, outbox);
}

void nfs4_advance(struct nfs4_server *server, const struct nfs4_moment *moment, struct nfs4_outbox *outbox)
{
    struct list_link *link = list_first(&server->waiting_barrier);
    while (link != NULL) {
        struct list_link *next = list_next(&server->waiting_barrier, link);
        if (container_of(link, struct compound, link)->barrier_index <= moment->view_index) {
            list_remove(link);
            list_append(&server->runnable, link);
        }
        link = next;
    }
    lease_advance(server, moment, outbox);
}

bool nfs4_runnable(const struct nfs4_server *server)
{
    return !list_empty(&server->runnable);
}

void nfs4_run(struct nfs4_server *server, uint32_t most, const struct nfs4_moment *moment, struct nfs4_outbox *outbox)
{
    struct list_link *link;
    for (; most > 0 && (link = list_first(&server->runnable)) != NULL; most--) {
        list_remove(link);
        compound_run(container_of(link, struct compound, link), moment, outbox);
    }
}

bool nfs4_waits(const struct nfs4_server *server)
{
    return !list_empty(&server->waiting_barrier);
}

void nfs4_effect(struct nfs4_server *server, const struct machine_effect *effect, const struct nfs4_moment *moment,
                 struct nfs4_outbox *outbox)
{
    switch (effect->kind) {
    case EFFECT_SESSION_LEFT: attach_session_left(server, effect->session, moment, outbox); break;
    case EFFECT_CLIENT_GONE: /* its sessions left one by one */
    case EFFECT_STORE_BLOCK:
    case EFFECT_PURGE:
    case EFFECT_EXPORTS_CHANGED:
    case EFFECT_SETTINGS_CHANGED:
    case EFFECT_BLOCKS_DEAD:
    case EFFECT_ADDRESSES_CHANGED:
    case EFFECT_PROCESS_OPENED:
    case EFFECT_MEMBERS_CHANGED:
    case EFFECT_PROCESS_CLOSED: break;
    }
}

void nfs4_connection_closed(struct nfs4_server *server, struct connection_id connection)
{
    session_unbind_connection(&server->sessions, connection);
}

bool nfs4_peek_session(struct slice body, struct session_id *session)
{
    struct xdr x = xdr_decoder(body, NULL);
    struct nfs4_compound_args head;
    uint32_t number;
    if (!xdr_nfs4_compound_args(&x, &head) || head.operation_count == 0 || !xdr_uint32(&x, &number) ||
        (number != OP_SEQUENCE && number != OP_BIND_CONN_TO_SESSION))
        return false;
    /* Both begin with the session's id. */
    return xdr_opaque_fixed(&x, session->bytes, sizeof(session->bytes));
}

void nfs4_counters(const struct nfs4_server *server, struct nfs4_counters *counters)
{
    *counters = server->counters;
    counters->sessions = server->sessions.sessions.count;
    counters->cached_bytes = server->sessions.cached_bytes;
}
