/* apply.c: one command from its envelope to its replay record. Handlers stand in the files of their nouns; a row of the
 * table below says which one runs, and whether the command may come from nobody's open incarnation. */
#include "statestore/machine/apply.h"

#include "base/check.h"
#include "proto/log_codec.h"
#include "statestore/machine/current_stateid.h"
#include "statestore/machine/lease.h"
#include "statestore/machine/node.h"
#include "statestore/machine/replay.h"

/* X(BODY, member, handler): one line a command, in the order of log.proto. */
#define APPLY_BODIES(X)                                                                                                \
    X(CLUSTER_CREATE, cluster_create)                                                                                  \
    X(NODE_REGISTER, node_register)                                                                                    \
    X(EXCHANGE_ID, exchange_id)                                                                                        \
    X(CREATE_SESSION, create_session)                                                                                  \
    X(DESTROY_SESSION, destroy_session)                                                                                \
    X(DESTROY_CLIENTID, destroy_clientid)                                                                              \
    X(SESSION_ATTACH, session_attach)                                                                                  \
    X(RECLAIM_COMPLETE, reclaim_complete)                                                                              \
    X(RENEW, renew)                                                                                                    \
    X(EXPIRE, expire)                                                                                                  \
    X(FREE_STATEID, free_stateid)                                                                                      \
    X(CREATE, create)                                                                                                  \
    X(OPEN, open)                                                                                                      \
    X(OPEN_DOWNGRADE, open_downgrade)                                                                                  \
    X(CLOSE, close)                                                                                                    \
    X(WRITE, write)                                                                                                    \
    X(SETATTR, setattr)                                                                                                \
    X(LOCK, lock)                                                                                                      \
    X(LOCKU, locku)                                                                                                    \
    X(REMOVE, remove)                                                                                                  \
    X(RENAME, rename)                                                                                                  \
    X(LINK, link)                                                                                                      \
    X(EXPORT_ADD, export_add)                                                                                          \
    X(EXPORT_REMOVE, export_remove)                                                                                    \
    X(SETTING_SET, setting_set)                                                                                        \
    X(PURGE, purge)                                                                                                    \
    X(CLIENT_EVICT, client_evict)                                                                                      \
    X(BACKCHANNEL_CTL, backchannel_ctl)                                                                                \
    X(NODE_REPORT, node_report)                                                                                        \
    X(NODE_LOST, node_lost)                                                                                            \
    X(NODE_ADMIT, node_admit)                                                                                          \
    X(NODE_REMOVE, node_remove)                                                                                        \
    X(NODE_PROMOTE, node_promote)                                                                                      \
    X(ADDRESS_ADD, address_add)                                                                                        \
    X(ADDRESS_REMOVE, address_remove)                                                                                  \
    X(ADDRESS_MOVE, address_move)                                                                                      \
    X(ADDRESS_REPORT, address_report)

#define APPLY_RUN(body, member)                                                                                        \
    static void run_##member(struct apply *apply)                                                                      \
    {                                                                                                                  \
        member##_apply(apply, apply->command->member);                                                                 \
    }
APPLY_BODIES(APPLY_RUN)
#undef APPLY_RUN

static void (*const apply_handlers[])(struct apply *apply) = {
#define APPLY_HANDLER(body, member) [QNFS__COMMAND__BODY_##body] = run_##member,
    APPLY_BODIES(APPLY_HANDLER)
#undef APPLY_HANDLER
};
#define APPLY_HANDLER_COUNT (sizeof(apply_handlers) / sizeof(apply_handlers[0]))

void apply_answer(struct apply *apply, enum nfsstat4 status)
{
    apply->result->status = (uint32_t)status;
}

void apply_refuse(struct apply *apply, enum nfsstat4 status, struct slice why)
{
    CHECK(status != NFS4_OK);
    Qnfs__TextResult *text = arena_alloc(apply->arena, sizeof(*text));
    qnfs__text_result__init(text);
    why = arena_copy(apply->arena, why);
    text->text.data = (uint8_t *)(uintptr_t)why.data;
    text->text.len = why.size_bytes;
    apply->result->body_case = QNFS__RESULT__BODY_TEXT;
    apply->result->text = text;
    apply_answer(apply, status);
}

void apply_replay(struct apply *apply, struct slice stored)
{
    enum status status = log_result_unpack(stored, apply->arena, &apply->result);
    CHECK(status == STATUS_OK); /* we packed it */
    apply->result->outcome = MACHINE_REPLAYED;
}

void apply_effect(struct apply *apply, struct machine_effect effect)
{
    /* Grows at the powers of two. */
    if ((apply->effect_count & (apply->effect_count - 1)) == 0) {
        size_t room = apply->effect_count == 0 ? 1 : 2 * apply->effect_count;
        struct machine_effect *effects = arena_alloc_array(apply->arena, room, sizeof(*effects));
        if (apply->effect_count > 0)
            memcpy(effects, apply->effects, apply->effect_count * sizeof(*effects));
        apply->effects = effects;
    }
    apply->effects[apply->effect_count++] = effect;
}

struct file_id apply_file(const Qnfs__FileRef *reference)
{
    if (reference == NULL)
        return (struct file_id){0};
    return (struct file_id){{reference->volume}, {reference->inode}, reference->generation};
}

Qnfs__FileRef *apply_file_result(struct apply *apply, struct file_id id)
{
    Qnfs__FileRef *reference = arena_alloc(apply->arena, sizeof(*reference));
    qnfs__file_ref__init(reference);
    reference->volume = id.volume.value;
    reference->inode = id.inode.value;
    reference->generation = id.generation;
    return reference;
}

struct stateid apply_stateid(const Qnfs__Stateid *stateid)
{
    struct stateid value = {0};
    if (stateid == NULL)
        return value;
    CHECK(stateid->other.len == sizeof(value.other));
    value.seqid = stateid->seqid;
    memcpy(value.other, stateid->other.data, sizeof(value.other));
    return value;
}

Qnfs__Stateid *apply_stateid_result(struct apply *apply, struct stateid stateid)
{
    Qnfs__Stateid *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__stateid__init(result);
    struct slice other = arena_copy(apply->arena, slice_make(stateid.other, sizeof(stateid.other)));
    result->seqid = stateid.seqid;
    result->other.data = (uint8_t *)(uintptr_t)other.data;
    result->other.len = other.size_bytes;
    return result;
}

Qnfs__ChangeInfo *apply_change_result(struct apply *apply, uint64_t before, uint64_t after)
{
    Qnfs__ChangeInfo *change = arena_alloc(apply->arena, sizeof(*change));
    qnfs__change_info__init(change);
    change->atomic = true;
    change->before = before;
    change->after = after;
    return change;
}

struct incarnation_id apply_sender(const struct apply *apply)
{
    const Qnfs__Command *command = apply->command;
    if (command->origin_case == QNFS__COMMAND__ORIGIN_NODE_ORIGIN)
        return (struct incarnation_id){command->node_origin->incarnation};
    return (struct incarnation_id){command->ticket == NULL ? 0 : command->ticket->incarnation};
}

static struct identity identity_of(const Qnfs__Credential *credential)
{
    if (credential == NULL)
        return (struct identity){.uid = ACCESS_UID_NOBODY, .gid = ACCESS_UID_NOBODY};
    CHECK(credential->n_groups <= UINT32_MAX);
    return (struct identity){.uid = credential->uid,
                             .gid = credential->gid,
                             .groups = credential->groups,
                             .group_count = (uint32_t)credential->n_groups,
                             .address = slice_make(credential->address.data, credential->address.len),
                             .flavor = credential->flavor};
}

/* Commands that come before the cluster has a registered node. */
static bool comes_first(const Qnfs__Command *command)
{
    return command->body_case == QNFS__COMMAND__BODY_CLUSTER_CREATE ||
           command->body_case == QNFS__COMMAND__BODY_NODE_REGISTER;
}

/* A process that has been replaced, or declared lost, has no say any more, and nobody can speak without being one. */
static bool sender_is_open(struct apply *apply)
{
    struct incarnation_id sender = apply_sender(apply);
    struct incarnation incarnation;
    if (!apply->machine->created || sender.value == 0)
        return false;
    if (sender.value == apply->machine->incarnation_open.value)
        return true;
    if (!incarnation_get(apply->read, sender, apply->arena, &incarnation))
        return false;
    apply->machine->incarnation_open = incarnation.id;
    return true;
}

static void execute(struct apply *apply)
{
    size_t body = (size_t)apply->command->body_case;
    CHECK(body < APPLY_HANDLER_COUNT && apply_handlers[body] != NULL);
    apply_handlers[body](apply);
    CHECK(apply->result->outcome == MACHINE_EXECUTED || apply->result->outcome == MACHINE_REPLAYED);
}

/* DESTROY_SESSION ends the session that it came in, CREATE_SESSION that of an earlier boot of the client. */
static bool session_has_left(const struct apply *apply, struct session_id session)
{
    for (size_t i = 0; i < apply->effect_count; i++)
        if (apply->effects[i].kind == EFFECT_SESSION_LEFT && session_id_equal(apply->effects[i].session, session))
            return true;
    return false;
}

static void execute_for_slot(struct apply *apply, const Qnfs__SlotOrigin *origin)
{
    struct session session;
    if (!replay_begin(apply, origin, &session))
        return;
    apply->client = session.client;
    lease_revive(apply, session.client);
    apply->command = current_stateid_resolve(apply, origin);
    execute(apply);
    if (!session_has_left(apply, session.id))
        replay_end(apply, origin, session.id);
}

static void execute_for_node(struct apply *apply, const Qnfs__NodeOrigin *origin)
{
    if (!node_request_begin(apply, origin))
        return;
    execute(apply);
    node_request_end(apply, origin);
}

void apply_command(struct apply *apply)
{
    const Qnfs__Command *command = apply->command;
    CHECK(command->body_case != QNFS__COMMAND__BODY__NOT_SET);
    apply->result = arena_alloc(apply->arena, sizeof(*apply->result));
    qnfs__result__init(apply->result);
    apply->result->number = apply->number;
    apply->identity = identity_of(command->credential);
    if (comes_first(command))
        execute(apply);
    else if (!sender_is_open(apply))
        apply->result->outcome = MACHINE_SUPERSEDED;
    else if (command->origin_case == QNFS__COMMAND__ORIGIN_SLOT_ORIGIN)
        execute_for_slot(apply, command->slot_origin);
    else if (command->origin_case == QNFS__COMMAND__ORIGIN_NODE_ORIGIN)
        execute_for_node(apply, command->node_origin);
    else
        execute(apply);
}
