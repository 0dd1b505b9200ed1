#include "server/nfs4/compound.h"

#include "base/check.h"
#include "base/heap.h"
#include "base/limits.h"
#include "proto/rpc/record.h"
#include "server/nfs4/attach.h"
#include "server/nfs4/command.h"
#include "server/nfs4/handlers.h"
#include "server/nfs4/operation.h"
#include "server/nfs4/state.h"

/* Number and status: the result of an operation that failed. */
#define RESULT_ERROR_BYTES 8u
/* What most replies fit in. */
#define REPLY_FIRST_BYTES 2048u
/* Ended compounds whose arenas are kept. */
#define COMPOUNDS_IDLE_MAX 256u
/* Offset of the xid: behind the record marking. */
#define REPLY_XID_OFFSET RPC_MARK_BYTES
/* Fixed part of an RPC call: xid, type, RPC version, program, version, procedure, and two flavors with lengths. */
#define CALL_FIXED_BYTES (6u * 4u + 2u * 8u)

struct nfs4_action *outbox_add(struct nfs4_outbox *outbox, enum nfs4_action_kind kind, struct connection_id connection)
{
    struct nfs4_action *action = ARENA_NEW(&outbox->arena, struct nfs4_action);
    action->kind = kind;
    action->connection = connection;
    *outbox->last = action;
    outbox->last = &action->next;
    return action;
}

/* --- life --- */

static struct compound *compound_take_idle(struct nfs4_server *server)
{
    struct list_link *link = list_first(&server->idle_compounds);
    if (link == NULL)
        return HEAP_NEW(struct compound);
    list_remove(link);
    server->idle_count--;
    struct compound *compound = container_of(link, struct compound, link);
    struct arena arena = compound->task.arena;
    memset(compound, 0, sizeof(*compound));
    compound->task.arena = arena;
    return compound;
}

static void compound_hold(struct compound *compound, size_t size_bytes)
{
    compound->held_bytes += size_bytes;
    compound->server->counters.parked_bytes += size_bytes;
}

struct compound *compound_create(struct nfs4_server *server, const struct nfs4_call *call,
                                 const struct authsys_parms *credential)
{
    struct compound *compound = compound_take_idle(server);
    compound->task.kind = TASK_COMPOUND;
    compound->server = server;
    compound->connection = call->connection;
    compound->xid = call->header->xid;
    compound->request_bytes = CALL_FIXED_BYTES + xdr_padded(call->header->cred.body.size_bytes) +
                              xdr_padded(call->header->verf.body.size_bytes) + call->body.size_bytes;
    compound->record = buffer_get(call->record);
    compound->arguments = xdr_decoder(call->body, &compound->task.arena);
    compound->response_limit = NFS4_MESSAGE_MAX_BYTES;
    CHECK(call->address.size_bytes <= sizeof(compound->address));
    memcpy(compound->address, call->address.data, call->address.size_bytes);
    compound->identity = (struct identity){
        .uid = ACCESS_UID_NOBODY,
        .gid = ACCESS_UID_NOBODY,
        .address = slice_make(compound->address, call->address.size_bytes),
        .flavor = call->header->cred.flavor,
    };
    if (credential != NULL) {
        compound->identity.uid = credential->uid;
        compound->identity.gid = credential->gid;
        compound->identity.group_count = credential->gids_count;
        memcpy(compound->groups, credential->gids, sizeof(compound->groups));
    }
    compound->identity.groups = compound->groups;
    server->counters.parked++;
    compound_hold(compound, call->record->capacity_bytes);
    return compound;
}

void compound_destroy(struct compound *compound)
{
    struct nfs4_server *server = compound->server;
    CHECK(!compound->task.proposed && compound->session == NULL);
    task_table_remove(&server->tasks, &compound->task);
    buffer_put(compound->record);
    buffer_put(compound->reply_buffer);
    CHECK(server->counters.parked > 0);
    server->counters.parked--;
    CHECK(server->counters.parked_bytes >= compound->held_bytes);
    server->counters.parked_bytes -= compound->held_bytes;
    arena_reset(&compound->task.arena);
    if (server->idle_count < COMPOUNDS_IDLE_MAX) {
        list_prepend(&server->idle_compounds, &compound->link);
        server->idle_count++;
        return;
    }
    arena_fini(&compound->task.arena);
    heap_free(compound);
}

void compound_leave_session(struct compound *compound)
{
    if (compound->session == NULL)
        return;
    struct slot_entry *slot = session_slot(compound->session, compound->slot);
    if (slot->busy == compound)
        slot->busy = NULL;
    list_remove(&compound->session_link);
    compound->session = NULL;
}

void compound_end(struct compound *compound)
{
    compound_leave_session(compound);
    compound_destroy(compound);
}

void compound_silence(struct compound *compound, struct nfs4_outbox *outbox)
{
    CHECK(!compound->silent && compound->state != COMPOUND_RUNNING);
    outbox_add(outbox, NFS4_NO_REPLY, compound->connection);
    compound->silent = true;
    compound_leave_session(compound);
    if (compound->state == COMPOUND_WAITS_RESULT || compound->state == COMPOUND_WAITS_BLOCKS)
        return;
    list_remove(&compound->link);
    compound_destroy(compound);
}

void compound_refuse(struct compound *compound)
{
    outbox_add(compound->outbox, NFS4_NO_REPLY, compound->connection);
    outbox_add(compound->outbox, NFS4_CLOSE_CONNECTION, compound->connection);
    compound_end(compound);
}

/* --- the reply --- */

void compound_room(struct compound *compound, size_t size_bytes)
{
    if (xdr_remaining(&compound->reply) >= size_bytes)
        return;
    size_t used = xdr_position(&compound->reply);
    size_t wanted = compound->reply_buffer == NULL ? REPLY_FIRST_BYTES : compound->reply_buffer->capacity_bytes * 2;
    if (wanted < used + size_bytes)
        wanted = used + size_bytes;
    struct buffer *larger = buffer_create(wanted);
    compound_hold(compound, wanted);
    if (used > 0)
        memcpy(larger->data, compound->reply.start, used);
    buffer_put(compound->reply_buffer);
    compound->reply_buffer = larger;
    compound->reply = xdr_encoder((struct span){larger->data, larger->capacity_bytes});
    compound->reply.next += used;
}

size_t compound_limit(const struct compound *compound, enum nfsstat4 *too_big)
{
    size_t limit = compound->response_limit;
    *too_big = NFS4ERR_REP_TOO_BIG;
    if (compound->cache_this && compound->session != NULL) {
        size_t cached = compound->session->session.fore.max_response_size_cached;
        if (cached <= limit) {
            limit = cached;
            *too_big = NFS4ERR_REP_TOO_BIG_TO_CACHE;
        }
    }
    size_t used = xdr_position(&compound->reply) - RPC_MARK_BYTES;
    if (compound->index + 1 < compound->head.operation_count)
        used += RESULT_ERROR_BYTES;
    return used >= limit ? 0 : limit - used;
}

void compound_rewind_results(struct compound *compound)
{
    xdr_rewind(&compound->reply, compound->results_start);
}

static void compound_open_reply(struct compound *compound)
{
    compound_room(compound, REPLY_FIRST_BYTES + xdr_padded(compound->head.tag.size_bytes));
    struct rpc_reply header = rpc_reply_accepted(compound->xid, RPC_SUCCESS);
    bool fits = xdr_reserve(&compound->reply, RPC_MARK_BYTES) != NULL && xdr_rpc_reply(&compound->reply, &header);
    CHECK(fits);
    compound->body_start = xdr_position(&compound->reply);
    fits = nfs4_compound_begin(&compound->reply, compound->head.tag, &compound->frame);
    CHECK(fits);
    compound->results_start = xdr_position(&compound->reply);
}

void compound_send(struct compound *compound)
{
    size_t size_bytes = xdr_position(&compound->reply);
    CHECK(!compound->reply.failed && size_bytes > RPC_MARK_BYTES);
    xdr_patch_uint32(&compound->reply, REPLY_XID_OFFSET, compound->xid);
    record_mark_write(compound->reply_buffer->data, size_bytes - RPC_MARK_BYTES);
    compound->reply_buffer->size_bytes = size_bytes;
    struct nfs4_action *action = outbox_add(compound->outbox, NFS4_REPLY, compound->connection);
    action->reply = compound->reply_buffer;
    compound->reply_buffer = NULL;
    compound_end(compound);
}

/* What a retry is answered with: kept for changes and whoever asked for it. A long reply, or one more than there is room
 * for, is made again. */
static void compound_keep(struct compound *compound)
{
    struct slot_entry *slot = session_slot(compound->session, compound->slot);
    slot->has_change = compound->changed;
    struct slice body = slice_from(xdr_encoded(&compound->reply), compound->body_start);
    bool wanted = compound->cache_this || compound->changed;
    bool fits = body.size_bytes <= NFS4_CACHED_RESPONSE_MAX_BYTES &&
                compound->server->sessions.cached_bytes + body.size_bytes <= NFS4_REPLIES_KEPT_MAX_BYTES;
    if (wanted && fits)
        session_slot_keep(&compound->server->sessions, slot, body);
}

static void compound_finish(struct compound *compound, enum nfsstat4 status)
{
    nfs4_compound_end(&compound->reply, &compound->frame, status, compound->index);
    if (status != NFS4_OK)
        compound->server->counters.errors++;
    if (compound->session != NULL)
        compound_keep(compound);
    compound_send(compound);
}

/* --- operations --- */

enum step compound_answer(struct compound *compound, enum nfsstat4 status)
{
    compound->result.status.status = status;
    return STEP_DONE;
}

uint32_t compound_peek(const struct compound *compound)
{
    struct xdr rest = compound->arguments;
    uint32_t number;
    if (compound->index + 1 >= compound->head.operation_count || !xdr_uint32(&rest, &number))
        return OP_ILLEGAL;
    return number;
}

/* RFC 8881 section 2.10.6.4 and 18.46.3: where an operation may stand. */
static enum nfsstat4 operation_placed(const struct compound *compound)
{
    uint32_t flags = compound->operation->flags;
    bool alone = compound->head.operation_count == 1;
    if (compound->number == OP_SEQUENCE)
        return compound->index == 0 ? NFS4_OK : NFS4ERR_SEQUENCE_POS;
    if ((flags & OPERATION_ALWAYS_ALONE) != 0)
        return alone ? NFS4_OK : NFS4ERR_NOT_ONLY_OP;
    if (compound->index > 0 || compound->in_session)
        return NFS4_OK;
    if ((flags & OPERATION_FIRST_ALONE) == 0)
        return NFS4ERR_OP_NOT_IN_SESSION;
    return alone ? NFS4_OK : NFS4ERR_NOT_ONLY_OP;
}

enum nfsstat4 compound_decode(struct compound *compound)
{
    compound->operation_start = xdr_position(&compound->arguments);
    compound->operation = NULL;
    memset(&compound->result, 0, sizeof(compound->result));
    compound->number = OP_ILLEGAL;
    uint32_t number;
    if (!xdr_uint32(&compound->arguments, &number))
        return NFS4ERR_BADXDR;
    const struct operation *operation = operation_find(number);
    if (operation == NULL || compound->head.minorversion < operation->first_minor_version)
        return NFS4ERR_OP_ILLEGAL;
    compound->number = number;
    compound->operation = operation;
    enum nfsstat4 status = operation_placed(compound);
    if (status != NFS4_OK)
        return status;
    if (compound->head.minorversion > operation->last_minor_version || operation->handler == NULL)
        return NFS4ERR_NOTSUPP;
    if (!nfs4_args_codec(&compound->arguments, operation->number, &compound->args))
        return NFS4ERR_BADXDR;
    if ((operation->flags & OPERATION_CURRENT) != 0 && !compound->current_set)
        return NFS4ERR_NOFILEHANDLE;
    if ((operation->flags & OPERATION_SAVED) != 0 && !compound->saved_set)
        return NFS4ERR_NOFILEHANDLE;
    return NFS4_OK;
}

/* Encodes number and result, with as much room as it takes. */
static void compound_encode(struct compound *compound)
{
    size_t start = xdr_position(&compound->reply);
    size_t room = compound->operation == NULL ? RESULT_ERROR_BYTES : compound->operation->reply_bytes;
    for (;;) {
        compound_room(compound, room);
        if (xdr_uint32(&compound->reply, &compound->number) &&
            nfs4_result_codec(&compound->reply, (enum opnum4)compound->number, &compound->result))
            return;
        xdr_rewind(&compound->reply, start);
        room = xdr_remaining(&compound->reply) * 2;
        CHECK(room <= 2 * NFS4_MESSAGE_MAX_BYTES);
    }
}

/* The result of the present operation goes into the reply. Returns its status. */
static enum nfsstat4 compound_add_result(struct compound *compound)
{
    enum nfsstat4 too_big;
    size_t start = xdr_position(&compound->reply);
    size_t limit = compound_limit(compound, &too_big);
    compound_encode(compound);
    enum nfsstat4 status = compound->result.status.status;
    bool changes = compound->operation != NULL && (compound->operation->flags & OPERATION_CHANGES) != 0;
    if (!changes && xdr_position(&compound->reply) - start > limit && status == NFS4_OK) {
        xdr_rewind(&compound->reply, start);
        memset(&compound->result, 0, sizeof(compound->result));
        compound->result.status.status = status = too_big;
        compound_encode(compound);
    }
    compound->index++;
    compound->server->counters.operations++;
    return status;
}

/* Does what a step asks for. True: go on with the next operation. */
static bool compound_carry(struct compound *compound, enum step step)
{
    enum nfsstat4 status;
    switch (step) {
    case STEP_DONE:
        status = compound_add_result(compound);
        if (status == NFS4_OK)
            return true;
        compound_finish(compound, status);
        return false;
    case STEP_ENCODED:
        compound->index++;
        compound->server->counters.operations++;
        return true;
    case STEP_COMMIT: compound->state = COMPOUND_WAITS_RESULT; return false;
    case STEP_READ_BLOCKS: compound->state = COMPOUND_WAITS_BLOCKS; return false;
    case STEP_AGAIN:
        xdr_rewind(&compound->arguments, compound->operation_start);
        compound->state = COMPOUND_WAITS_SESSION;
        return false;
    case STEP_GONE: return false;
    }
    CHECK(false);
    return false;
}

/* What an operation leaves in the arena nobody needs but the subject, which can be found again. A compound of many that
 * each read many rows must not take more memory than an arena may have. */
static void compound_forget_operation(struct compound *compound)
{
    if (compound_arena(compound)->reserved_bytes <= ARENA_KEEP_BYTES)
        return;
    compound->subject_known = false;
    arena_reset(compound_arena(compound));
}

static void compound_continue(struct compound *compound)
{
    for (;;) {
        compound_forget_operation(compound);
        if (compound->index == compound->head.operation_count) {
            compound_finish(compound, NFS4_OK);
            return;
        }
        enum nfsstat4 refusal = compound_decode(compound);
        enum step step =
            refusal == NFS4_OK ? compound->operation->handler(compound) : compound_answer(compound, refusal);
        if (!compound_carry(compound, step))
            return;
    }
}

static void compound_enter(struct compound *compound, const struct nfs4_moment *moment, struct nfs4_outbox *outbox)
{
    compound->moment = moment;
    compound->outbox = outbox;
    compound->subject_known = false;
    compound->state = COMPOUND_RUNNING;
}

void compound_run(struct compound *compound, const struct nfs4_moment *moment, struct nfs4_outbox *outbox)
{
    compound_enter(compound, moment, outbox);
    compound_continue(compound);
}

/* An RPC reply without a COMPOUND4res. */
static void compound_reject(struct compound *compound, enum rpc_accept_stat stat)
{
    compound_room(compound, REPLY_FIRST_BYTES);
    struct rpc_reply header = rpc_reply_accepted(compound->xid, stat);
    bool fits = xdr_reserve(&compound->reply, RPC_MARK_BYTES) != NULL && xdr_rpc_reply(&compound->reply, &header);
    CHECK(fits);
    compound_send(compound);
}

void compound_begin(struct compound *compound, const struct nfs4_moment *moment, struct nfs4_outbox *outbox)
{
    compound_enter(compound, moment, outbox);
    compound->barrier_index = moment->barrier_index;
    if (!xdr_nfs4_compound_args(&compound->arguments, &compound->head)) {
        compound_reject(compound, RPC_GARBAGE_ARGS);
        return;
    }
    compound_open_reply(compound);
    /* RFC 8881 section 2.6: 4.0 is not served. */
    if (compound->head.minorversion < 1 || compound->head.minorversion > 2) {
        compound_finish(compound, NFS4ERR_MINOR_VERS_MISMATCH);
        return;
    }
#ifdef QNFS_PLANT_LEASE_READ_NOT_WAITED
    if (compound->barrier_index != NFS4_BARRIER_UNKNOWN)
        compound->barrier_index = 0;
#endif
    bool unknown = compound->barrier_index == NFS4_BARRIER_UNKNOWN;
    if (unknown || moment->view_index < compound->barrier_index) {
        struct nfs4_server *server = compound->server;
        attach_note_epoch(compound);
        compound->state = COMPOUND_WAITS_BARRIER;
        list_append(unknown ? &server->waiting_question : &server->waiting_barrier, &compound->link);
        return;
    }
    compound_continue(compound);
}

/* The machine took the request for a false retry: SEQUENCE says so, and nothing else was done. */
static void compound_false_retry(struct compound *compound)
{
    compound->server->counters.false_retries++;
    compound_leave_session(compound);
    compound_rewind_results(compound);
    compound->index = 0;
    compound->number = OP_SEQUENCE;
    compound->operation = operation_find(OP_SEQUENCE);
    memset(&compound->result, 0, sizeof(compound->result));
    compound->result.status.status = NFS4ERR_SEQ_FALSE_RETRY;
    enum nfsstat4 status = compound_add_result(compound);
    compound_finish(compound, status);
}

void compound_on_result(struct compound *compound, struct slice packed, const struct nfs4_moment *moment,
                        struct nfs4_outbox *outbox)
{
    CHECK(compound->state == COMPOUND_WAITS_RESULT);
    command_returned(compound->server, &compound->task);
    if (compound->silent) {
        compound_destroy(compound);
        return;
    }
    compound_enter(compound, moment, outbox);
    const Qnfs__Result *result = command_result(packed, compound_arena(compound));
    if (result->outcome == MACHINE_SUPERSEDED) { /* its session left, or this whole process is given up */
        compound_refuse(compound);
        return;
    }
    if (result->outcome == MACHINE_FALSE_RETRY) {
        compound_false_retry(compound);
        return;
    }
    memset(&compound->result, 0, sizeof(compound->result));
    compound->operation->finish(compound, result);
    if (compound_carry(compound, STEP_DONE))
        compound_continue(compound);
}

void compound_on_blocks(struct compound *compound, bool ok, const struct nfs4_moment *moment,
                        struct nfs4_outbox *outbox)
{
    CHECK(compound->state == COMPOUND_WAITS_BLOCKS);
    task_table_remove(&compound->server->tasks, &compound->task);
    if (compound->silent) {
        compound_destroy(compound);
        return;
    }
    compound_enter(compound, moment, outbox);
    if (compound_carry(compound, read_blocks_done(compound, ok)))
        compound_continue(compound);
}

/* --- what operations share --- */

enum nfsstat4 compound_subject(struct compound *compound, struct subject **subject)
{
    CHECK(compound->current_set);
    *subject = &compound->subject;
    if (!compound->subject_known) {
        enum nfsstat4 status = subject_find(compound, compound->current, &compound->subject);
        if (status != NFS4_OK)
            return status;
        compound->subject_known = true;
    }
    return compound->subject.admission;
}

void compound_set_current(struct compound *compound, struct file_id id)
{
    compound->current = id;
    compound->current_set = true;
    compound->current_stateid_set = false;
    compound->subject_known = false;
}

void compound_set_current_stateid(struct compound *compound, struct stateid stateid)
{
    compound->current_stateid = stateid;
    compound->current_stateid_set = true;
}

enum nfsstat4 compound_stateid(const struct compound *compound, const struct stateid4 *given, struct stateid *stateid)
{
    static const uint8_t zero[NFS4_OTHER_SIZE];
    *stateid = stateid_decode(given);
    /* RFC 8881 section 8.2.3: "other" zero and "seqid" one is the current stateid. */
    if (given->seqid != 1 || memcmp(given->other, zero, sizeof(zero)) != 0)
        return NFS4_OK;
    if (!compound->current_stateid_set)
        return NFS4ERR_BAD_STATEID;
    *stateid = compound->current_stateid;
    return NFS4_OK;
}

void status_finish(struct compound *compound, const Qnfs__Result *result)
{
    compound->result.status.status = (enum nfsstat4)result->status;
}
