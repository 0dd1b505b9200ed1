#include "server/nfs4/command.h"

#include "base/check.h"
#include "base/limits.h"
#include "proto/log_codec.h"
#include "server/nfs4/operation.h"
#include "server/nfs4/state.h"

ProtobufCBinaryData command_bytes(struct slice bytes)
{
    /* protobuf-c has one type for both directions; packing only reads. */
    return (ProtobufCBinaryData){.len = bytes.size_bytes, .data = (uint8_t *)(uintptr_t)bytes.data};
}

struct slice result_bytes(ProtobufCBinaryData bytes)
{
    return slice_make(bytes.data, bytes.len);
}

Qnfs__FileRef *command_file(struct compound *compound, struct file_id id)
{
    Qnfs__FileRef *reference = ARENA_NEW(compound_arena(compound), Qnfs__FileRef);
    qnfs__file_ref__init(reference);
    reference->volume = id.volume.value;
    reference->inode = id.inode.value;
    reference->generation = id.generation;
    return reference;
}

Qnfs__Stateid *command_stateid(struct compound *compound, struct stateid stateid)
{
    Qnfs__Stateid *message = ARENA_NEW(compound_arena(compound), Qnfs__Stateid);
    qnfs__stateid__init(message);
    message->seqid = stateid.seqid;
    message->other =
        command_bytes(arena_copy(compound_arena(compound), slice_make(stateid.other, sizeof(stateid.other))));
    return message;
}

struct file_id result_file(const Qnfs__FileRef *reference)
{
    if (reference == NULL)
        return (struct file_id){0};
    return (struct file_id){{reference->volume}, {reference->inode}, reference->generation};
}

struct stateid result_stateid(const Qnfs__Stateid *message)
{
    struct stateid stateid = {0};
    if (message == NULL)
        return stateid;
    CHECK(message->other.len == sizeof(stateid.other));
    stateid.seqid = message->seqid;
    memcpy(stateid.other, message->other.data, sizeof(stateid.other));
    return stateid;
}

struct change_info4 result_change(const Qnfs__ChangeInfo *change)
{
    if (change == NULL)
        return (struct change_info4){0};
    return (struct change_info4){.atomic = change->atomic, .before = change->before, .after = change->after};
}

ProtobufCBinaryData command_digest(struct compound *compound, struct hash128 digest)
{
    uint8_t *bytes = arena_alloc(compound_arena(compound), 16);
    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(digest.high >> (56 - 8 * i));
        bytes[8 + i] = (uint8_t)(digest.low >> (56 - 8 * i));
    }
    return command_bytes(slice_make(bytes, 16));
}

static Qnfs__Credential *command_credential(struct compound *compound)
{
    const struct identity *identity = &compound->identity;
    Qnfs__Credential *credential = ARENA_NEW(compound_arena(compound), Qnfs__Credential);
    qnfs__credential__init(credential);
    credential->flavor = identity->flavor;
    credential->uid = identity->uid;
    credential->gid = identity->gid;
    credential->n_groups = identity->group_count;
    credential->groups = compound->groups;
    credential->address = command_bytes(identity->address);
    return credential;
}

static Qnfs__Ticket *command_ticket(struct nfs4_server *server, struct task *task)
{
    task_table_add(&server->tasks, task);
    Qnfs__Ticket *ticket = ARENA_NEW(&task->arena, Qnfs__Ticket);
    qnfs__ticket__init(ticket);
    ticket->incarnation = server->config.incarnation.value;
    ticket->loop = server->config.loop;
    ticket->place = task->place;
    return ticket;
}

/* What has to be kept so that another node can answer this request again (DESIGN.md section 4). */
static Qnfs__SlotOrigin *slot_origin(struct compound *compound)
{
    struct arena *arena = compound_arena(compound);
    Qnfs__SlotOrigin *origin = ARENA_NEW(arena, Qnfs__SlotOrigin);
    qnfs__slot_origin__init(origin);
    origin->session = command_bytes(slice_make(compound->session_id.bytes, sizeof(compound->session_id.bytes)));
    origin->slot = compound->slot;
    origin->seqid = compound->seqid;
    origin->operation = compound->index;
    origin->epoch = compound->epoch;
    origin->digest = command_digest(compound, compound->digest);
    size_t end = xdr_position(&compound->reply);
    CHECK(end >= compound->results_start);
    origin->prefix =
        command_bytes(slice_make(compound->reply.start + compound->results_start, end - compound->results_start));
    origin->prefix_count = compound->index;
    if (compound->current_set)
        origin->current_file = command_file(compound, compound->current);
    if (compound->saved_set)
        origin->saved_file = command_file(compound, compound->saved);
    if (compound->current_stateid_set)
        origin->current_stateid = command_stateid(compound, compound->current_stateid);
    if (compound->saved_stateid_set)
        origin->saved_stateid = command_stateid(compound, compound->saved_stateid);
    return origin;
}

/* RFC 8881 section 2.10.6.4: what may not fit must be refused before it is done. */
static enum nfsstat4 command_fits(const struct compound *compound)
{
    enum nfsstat4 too_big;
    size_t prefix_bytes = xdr_position(&compound->reply) - compound->results_start;
    if (compound_limit(compound, &too_big) < compound->operation->reply_bytes)
        return too_big;
    if (!compound->cache_this && prefix_bytes > NFS4_PREFIX_MAX_BYTES)
        return NFS4ERR_REP_TOO_BIG;
    return NFS4_OK;
}

static Qnfs__NodeOrigin *node_origin(struct nfs4_server *server, struct task *task)
{
    Qnfs__NodeOrigin *origin = ARENA_NEW(&task->arena, Qnfs__NodeOrigin);
    qnfs__node_origin__init(origin);
    task->request_number = ++server->request_count;
    list_append(&server->requests, &task->request_link);
    const struct task *oldest = container_of(list_first(&server->requests), struct task, request_link);
    origin->node = server->config.node;
    origin->incarnation = server->config.incarnation.value;
    origin->number = task->request_number;
    origin->low_water = oldest->request_number;
    origin->stream = server->config.loop;
    return origin;
}

static void command_send(struct nfs4_server *server, struct task *task, Qnfs__Command *command, struct slice content,
                         struct nfs4_outbox *outbox)
{
    CHECK(!task->proposed);
    command->ticket = command_ticket(server, task);
    task->proposal = (struct proposal){.command = log_command_pack(command, &task->arena), .content = content};
    task->proposed = true;
    struct nfs4_action *action = outbox_add(outbox, NFS4_PROPOSE, (struct connection_id){0});
    action->proposal = &task->proposal;
    action->place = task->place;
}

enum step command_propose(struct compound *compound, Qnfs__Command *command, struct slice content)
{
    CHECK((compound->operation->flags & OPERATION_CHANGES) != 0 && compound->operation->finish != NULL);
    enum nfsstat4 status = command_fits(compound);
    if (status != NFS4_OK)
        return compound_answer(compound, status);
    compound_room(compound, compound->operation->reply_bytes);
    command->credential = command_credential(compound);
    if (compound->in_session) {
        /* The session was destroyed by another request while this one ran. */
        if (compound->session == NULL)
            return compound_answer(compound, NFS4ERR_BADSESSION);
        command->origin_case = QNFS__COMMAND__ORIGIN_SLOT_ORIGIN;
        command->slot_origin = slot_origin(compound);
        compound->changed = true;
        session_slot(compound->session, compound->slot)->may_jump = false;
    } else {
        command->origin_case = QNFS__COMMAND__ORIGIN_NODE_ORIGIN;
        command->node_origin = node_origin(compound->server, &compound->task);
    }
    command_send(compound->server, &compound->task, command, content, compound->outbox);
    return STEP_COMMIT;
}

void command_propose_node(struct nfs4_server *server, struct task *task, Qnfs__Command *command,
                          struct nfs4_outbox *outbox)
{
    command->origin_case = QNFS__COMMAND__ORIGIN_NODE_ORIGIN;
    command->node_origin = node_origin(server, task);
    command_send(server, task, command, SLICE_EMPTY, outbox);
}

void command_returned(struct nfs4_server *server, struct task *task)
{
    CHECK(task->proposed);
    task->proposed = false;
    if (task->request_number != 0) {
        list_remove(&task->request_link);
        task->request_number = 0;
    }
    task_table_remove(&server->tasks, task);
}

const Qnfs__Result *command_result(struct slice packed, struct arena *arena)
{
    Qnfs__Result *result = NULL;
    enum status status = log_result_unpack(packed, arena, &result);
    CHECK(status == STATUS_OK);
    return result;
}
