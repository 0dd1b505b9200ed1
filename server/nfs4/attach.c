#include "server/nfs4/attach.h"

#include "base/check.h"
#include "base/heap.h"
#include "server/nfs4/command.h"
#include "server/nfs4/lease.h"
#include "server/nfs4/state.h"

/* The epoch of a session that has never been attached elsewhere than where it was made. */
#define ATTACH_EPOCH_FIRST 1u

struct attach {
    struct task task; /* must stay first */
    struct session_id session;
};

static void attach_propose(struct nfs4_server *server, struct session_entry *entry, struct nfs4_outbox *outbox)
{
    struct attach *attach = HEAP_NEW(struct attach);
    attach->task.kind = TASK_ATTACH;
    arena_init(&attach->task.arena);
    attach->session = entry->session.id;
    Qnfs__SessionAttach body = QNFS__SESSION_ATTACH__INIT;
    body.session = command_bytes(slice_make(attach->session.bytes, sizeof(attach->session.bytes)));
    body.incarnation = server->config.incarnation.value;
    body.epoch = entry->session.epoch;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_SESSION_ATTACH;
    command.session_attach = &body;
    command_propose_node(server, &attach->task, &command, outbox);
}

/* Brings the session into memory from its row; NULL without one. */
static struct session_entry *attach_load(struct compound *compound, struct session_id id)
{
    struct nfs4_server *server = compound->server;
    struct session session;
    if (!session_get(compound_view(compound), id, compound_arena(compound), &session))
        return NULL;
    bool ours = session.incarnation.value == server->config.incarnation.value;
    struct session_entry *entry =
        session_table_add(&server->sessions, &session, ours ? SESSION_ATTACHED : SESSION_ATTACHING);
    entry->found_epoch = session.epoch;
    entry->is_new = ours && session.epoch == ATTACH_EPOCH_FIRST;
    /* The connection that made the session is its back channel, if it asked for one; with several loops only the
     * session's first request brings it here. */
    if (entry->is_new && (session.flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN) != 0)
        session_bind(&server->sessions, entry, compound->connection, true);
    if (!ours)
        attach_propose(server, entry, compound->outbox);
    return entry;
}

void attach_note_epoch(struct compound *compound)
{
    struct xdr rest = compound->arguments;
    uint32_t number;
    struct session_id id;
    struct session session;
    if (!xdr_uint32(&rest, &number) || (number != OP_SEQUENCE && number != OP_BIND_CONN_TO_SESSION) ||
        !xdr_opaque_fixed(&rest, id.bytes, sizeof(id.bytes)))
        return;
    struct session_entry *entry = session_table_find(&compound->server->sessions, id);
    if (entry != NULL)
        compound->epoch_seen = entry->session.epoch;
    else if (session_get(compound_view(compound), id, compound_arena(compound), &session))
        compound->epoch_seen = session.epoch;
}

/* Ends a request whose successors may have been executed on another node. */
static enum step attach_refuse(struct compound *compound)
{
    outbox_add(compound->outbox, NFS4_NO_REPLY, compound->connection);
    outbox_add(compound->outbox, NFS4_CLOSE_CONNECTION, compound->connection);
    compound_end(compound);
    return STEP_GONE;
}

enum step attach_session(struct compound *compound, struct session_id id, struct session_entry **entry)
{
    struct nfs4_server *server = compound->server;
    *entry = NULL;
    if (!session_id_genuine(&server->config.mac_key, id))
        return compound_answer(compound, NFS4ERR_BADSESSION);
    struct session_entry *found = session_table_find(&server->sessions, id);
    if (found == NULL)
        found = attach_load(compound, id);
    if (found == NULL)
        return compound_answer(compound, NFS4ERR_BADSESSION);
    if (compound->epoch_seen != 0 && compound->epoch_seen < found->found_epoch)
        return attach_refuse(compound);
    if (found->state == SESSION_ATTACHED && !lease_must_revive(compound, found)) {
        *entry = found;
        return STEP_DONE;
    }
    list_append(&found->waiting, &compound->link);
    return STEP_AGAIN;
}

void attach_wake(struct nfs4_server *server, struct list *waiting)
{
    struct list_link *link;
    while ((link = list_first(waiting)) != NULL) {
        list_remove(link);
        list_append(&server->runnable, link);
    }
}

/* Drops what is in memory; the requests that wait for the session see for themselves what became of it. */
static void session_drop(struct nfs4_server *server, struct session_entry *entry)
{
    attach_wake(server, &entry->waiting);
    session_table_remove(&server->sessions, entry);
}

/* Ends all requests that wait for the session, and closes their connections unread. */
static void attach_refuse_waiting(struct session_entry *entry, struct nfs4_outbox *outbox)
{
    struct list_link *link;
    while ((link = list_first(&entry->waiting)) != NULL) {
        struct compound *compound = container_of(link, struct compound, link);
        struct connection_id connection = compound->connection;
        compound_silence(compound, outbox);
        outbox_add(outbox, NFS4_CLOSE_CONNECTION, connection);
    }
}

void attach_on_result(struct nfs4_server *server, struct task *task, struct slice packed,
                      const struct nfs4_moment *moment, struct nfs4_outbox *outbox)
{
    struct attach *attach = container_of(task, struct attach, task);
    command_returned(server, task);
    const Qnfs__Result *result = command_result(packed, &task->arena);
    struct session_entry *entry = session_table_find(&server->sessions, attach->session);
    struct session session;
    bool superseded = result->outcome == MACHINE_SUPERSEDED;
    bool exists = session_get(moment->view, attach->session, &task->arena, &session);
    arena_fini(&task->arena);
    heap_free(attach);
    if (entry == NULL || entry->state != SESSION_ATTACHING)
        return;
    bool ours = exists && session.incarnation.value == server->config.incarnation.value;
    /* This incarnation is closed, or another node got the session first, which may meanwhile have executed what comes
     * behind the requests that wait here. A client that still wants them sends them again. */
    if (superseded || (exists && !ours))
        attach_refuse_waiting(entry, outbox);
    if (!ours) {
        session_drop(server, entry);
        return;
    }
    server->counters.attaches++;
    entry->session = session;
    entry->state = SESSION_ATTACHED;
    attach_wake(server, &entry->waiting);
}

/* Attached elsewhere: what runs here ends without an answer, and the connections are closed unread, so that nothing that
 * sleeps in a socket is taken for a new request (DESIGN.md section 4). */
static void session_taken(struct nfs4_server *server, struct session_entry *entry, struct nfs4_outbox *outbox)
{
    struct list_link *link;
    while ((link = list_first(&entry->compounds)) != NULL)
        compound_silence(container_of(link, struct compound, session_link), outbox);
    while ((link = list_first(&entry->waiting)) != NULL)
        compound_silence(container_of(link, struct compound, link), outbox);
    for (link = list_first(&entry->bindings); link != NULL; link = list_next(&entry->bindings, link))
        outbox_add(outbox, NFS4_CLOSE_CONNECTION, container_of(link, struct session_binding, session_link)->connection);
    session_drop(server, entry);
}

/* Destroyed: requests on its slots are answered, but there is nothing to keep their answers in. */
static void session_destroyed(struct nfs4_server *server, struct session_entry *entry)
{
    struct list_link *link;
    while ((link = list_first(&entry->compounds)) != NULL)
        compound_leave_session(container_of(link, struct compound, session_link));
    session_drop(server, entry);
}

void attach_session_left(struct nfs4_server *server, struct session_id id, const struct nfs4_moment *moment,
                         struct nfs4_outbox *outbox)
{
    struct session_entry *entry = session_table_find(&server->sessions, id);
    if (entry == NULL || entry->state == SESSION_ATTACHING)
        return;
    struct arena arena;
    struct session session;
    arena_init(&arena);
    bool exists = session_get(moment->view, id, &arena, &session);
    arena_fini(&arena);
    if (!exists)
        session_destroyed(server, entry);
    else if (session.incarnation.value != server->config.incarnation.value || session.epoch != entry->session.epoch)
        session_taken(server, entry, outbox);
}
