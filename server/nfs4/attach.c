#include "server/nfs4/attach.h"

#include "base/check.h"
#include "base/heap.h"
#include "server/nfs4/command.h"
#include "server/nfs4/lease.h"
#include "server/nfs4/state.h"
#include "statestore/machine/client.h"

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
    entry->seen_moved = compound->moment->sessions_moved;
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
enum step attach_refuse(struct compound *compound)
{
    compound_refuse(compound);
    return STEP_GONE;
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

void attach_silence(struct session_entry *entry, struct compound *compound, struct nfs4_outbox *outbox)
{
    struct connection_id connection = compound->connection;
    compound_silence(compound, outbox);
    if (!session_is_bound(entry, connection))
        outbox_add(outbox, NFS4_CLOSE_CONNECTION, connection);
}

/* Ends all requests that wait for the session, and their connections. */
static void attach_refuse_waiting(struct session_entry *entry, struct nfs4_outbox *outbox)
{
    struct list_link *link;
    while ((link = list_first(&entry->waiting)) != NULL)
        attach_silence(entry, container_of(link, struct compound, link), outbox);
}

/* Attached elsewhere: what runs here ends without an answer, and the connections are closed unread, so that nothing that
 * sleeps in a socket is taken for a new request (DESIGN.md section 4). */
static void session_taken(struct nfs4_server *server, struct session_entry *entry, struct nfs4_outbox *outbox)
{
    struct list_link *link;
    while ((link = list_first(&entry->compounds)) != NULL)
        attach_silence(entry, container_of(link, struct compound, session_link), outbox);
    attach_refuse_waiting(entry, outbox);
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

enum attach_standing { ATTACH_HOLDS, ATTACH_TAKEN, ATTACH_ENDED };

/* Whether the session in memory is still the state's. Another node may have attached it, or ended it, and the effect that
 * says so be on its way to us still, behind the view that a request is judged by: its slots here are those of the past. So
 * whenever any session has moved, each one is compared with its row before it is used again. If it is not ours any more, it
 * goes as the effect would have it go. */
static enum attach_standing attach_judge(struct nfs4_server *server, struct session_entry *entry,
                                         const struct nfs4_moment *moment, struct nfs4_outbox *outbox)
{
    /* An attach that is under way looks at the row when it is done. */
    if (entry->state == SESSION_ATTACHING || entry->seen_moved == moment->sessions_moved)
        return ATTACH_HOLDS;
    struct arena arena;
    struct session session;
    arena_init(&arena);
    bool exists = session_get(moment->view, entry->session.id, &arena, &session);
    arena_fini(&arena);
    if (!exists) {
        session_destroyed(server, entry);
        return ATTACH_ENDED;
    }
    if (session.incarnation.value != server->config.incarnation.value || session.epoch != entry->session.epoch) {
        session_taken(server, entry, outbox);
        return ATTACH_TAKEN;
    }
    entry->seen_moved = moment->sessions_moved;
    return ATTACH_HOLDS;
}

enum step attach_session(struct compound *compound, struct session_id id, struct session_entry **entry)
{
    struct nfs4_server *server = compound->server;
    *entry = NULL;
    if (!session_id_genuine(&server->config.mac_key, id))
        return compound_answer(compound, NFS4ERR_BADSESSION);
    struct session_entry *found = session_table_find(&server->sessions, id);
    enum attach_standing standing =
        found == NULL ? ATTACH_ENDED : attach_judge(server, found, compound->moment, compound->outbox);
    /* The request may have slept in a socket while its successors ran elsewhere; the next one of the client attaches. */
    if (standing == ATTACH_TAKEN)
        return attach_refuse(compound);
    if (standing == ATTACH_ENDED)
        found = attach_load(compound, id);
    if (found == NULL)
        return compound_answer(compound, NFS4ERR_BADSESSION);
    if (compound->epoch_seen != 0 && compound->epoch_seen < found->found_epoch)
        return attach_refuse(compound);
    if (found->state == SESSION_ATTACHED && !lease_must_revive(compound, found)) {
        *entry = found;
        return STEP_DONE;
    }
    /* While it waits, the session may come here, leave, and come again. */
    if (compound->epoch_seen == 0)
        compound->epoch_seen = found->found_epoch;
    list_append(&found->waiting, &compound->link);
    return STEP_AGAIN;
}

/* A client whose connections lead to several nodes pays for each move with a command and its connections: the operator
 * should know. */
static void attach_count(struct nfs4_server *server, const struct session *session, const struct nfs4_moment *moment,
                         struct nfs4_outbox *outbox)
{
    uint32_t mixed;
    memcpy(&mixed, session->id.bytes + 8, sizeof(mixed)); /* of the MAC: as good as random */
    struct session_moves *moves = &server->moves[mixed % SESSION_MOVES_KEPT];
    uint64_t period_ms = moment->now_ms - moves->since_ms;
    if (!session_id_equal(moves->session, session->id) || period_ms >= NFS4_SESSION_MOVES_MS) {
        *moves = (struct session_moves){.session = session->id, .epoch = session->epoch, .since_ms = moment->now_ms};
        return;
    }
    struct client client;
    if (moves->reported || session->epoch - moves->epoch <= NFS4_SESSION_MOVES_MAX ||
        !client_get(moment->view, session->client, &outbox->arena, &client))
        return;
    moves->reported = true;
    struct nfs4_flap *flap = ARENA_NEW(&outbox->arena, struct nfs4_flap);
    *flap = (struct nfs4_flap){.session = session->id,
                               .client = session->client,
                               .owner = client.owner,
                               .moves = session->epoch - moves->epoch,
                               .period_ms = period_ms};
    outbox_add(outbox, NFS4_SESSION_FLAPS, (struct connection_id){0})->flap = flap;
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
    entry->seen_moved = moment->sessions_moved;
    attach_count(server, &session, moment, outbox);
    attach_wake(server, &entry->waiting);
}

void attach_session_left(struct nfs4_server *server, struct session_id id, const struct nfs4_moment *moment,
                         struct nfs4_outbox *outbox)
{
    struct session_entry *entry = session_table_find(&server->sessions, id);
    if (entry != NULL)
        attach_judge(server, entry, moment, outbox);
}
