#include "statestore/machine/node.h"

#include <string.h>

#include "base/check.h"
#include "statestore/machine/address.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/row.h"
#include "statestore/machine/space.h"
#include "statestore/store/schema.h"

/* Version 1 had no nonces, version 2 nothing of the membership. */
static void node_codec(struct row *row, void *value)
{
    struct node_member *member = value;
    uint8_t version = 3;
    row_u8(row, &version);
    CHECK(version >= 1 && version <= 3);
    row_u64(row, &member->incarnation.value);
    row_u64(row, &member->registered_ms);
    for (size_t i = 0; version > 1 && i < NODE_NONCES; i++)
        row_u64(row, &member->nonces[i]);
    if (version > 2) {
        row_u64(row, &member->admission);
        row_bool(row, &member->removed);
        row_bool(row, &member->gone);
        row_bool(row, &member->promote);
    }
    row_slice(row, &member->advertise);
    row_slice(row, &member->version);
}

static void incarnation_codec(struct row *row, void *value)
{
    struct incarnation *incarnation = value;
    row_version(row, 1);
    row_u64(row, &incarnation->node);
}

static struct slice number_key(uint8_t prefix, uint64_t number, struct arena *arena)
{
    struct row_key key = row_key(arena, prefix, 8);
    row_key_u64(&key, number);
    return row_key_done(&key);
}

bool node_get(struct kv_read *read, uint64_t node, struct arena *arena, struct node_member *member)
{
    struct slice bytes;
    *member = (struct node_member){.node = node};
    if (!kv_get(read, number_key(SCHEMA_NODE, node, arena), arena, &bytes))
        return false;
    row_decode(node_codec, bytes, member);
    return true;
}

void node_walk_open(struct kv_read *read, struct arena *arena, struct node_walk *walk)
{
    struct row_key prefix = row_key(arena, SCHEMA_NODE, 0);
    kv_cursor_open(read, row_key_done(&prefix), SLICE_EMPTY, arena, &walk->cursor);
}

bool node_walk_get(struct node_walk *walk, struct node_member *member)
{
    if (!walk->cursor.valid)
        return false;
    *member = (struct node_member){.node = row_key_get_u64(walk->cursor.key, 1)};
    row_decode(node_codec, walk->cursor.value, member);
    return true;
}

void node_walk_next(struct node_walk *walk)
{
    kv_cursor_next(&walk->cursor);
}

void node_walk_close(struct node_walk *walk)
{
    kv_cursor_close(&walk->cursor);
}

bool incarnation_get(struct kv_read *read, struct incarnation_id id, struct arena *arena,
                     struct incarnation *incarnation)
{
    struct slice bytes;
    *incarnation = (struct incarnation){.id = id};
    if (!kv_get(read, number_key(SCHEMA_INCARNATION, id.value, arena), arena, &bytes))
        return false;
    row_decode(incarnation_codec, bytes, incarnation);
    return true;
}

size_t incarnation_list(struct kv_read *read, struct arena *arena, struct incarnation *open, size_t room)
{
    struct row_key prefix = row_key(arena, SCHEMA_INCARNATION, 0);
    struct kv_cursor cursor;
    size_t count = 0;
    kv_cursor_open(read, row_key_done(&prefix), SLICE_EMPTY, arena, &cursor);
    for (; cursor.valid && count < room; kv_cursor_next(&cursor), count++) {
        open[count] = (struct incarnation){.id = {row_key_get_u64(cursor.key, 1)}};
        row_decode(incarnation_codec, cursor.value, &open[count]);
    }
    kv_cursor_close(&cursor);
    return count;
}

void node_put(struct apply *apply, const struct node_member *member)
{
    struct node_member copy = *member;
    transaction_put(apply->transaction, number_key(SCHEMA_NODE, member->node, apply->arena),
                    row_encode(node_codec, &copy, apply->arena));
}

/* Its row goes, if it is still there; sessions stay attached to it until a client's next request attaches them where it
 * arrives. */
void incarnation_close(struct apply *apply, struct incarnation_id id, uint64_t node)
{
    struct incarnation incarnation;
    if (!incarnation_get(apply->read, id, apply->arena, &incarnation))
        return;
    CHECK(incarnation.node == node);
    node_request_forget_all(apply, id);
    address_forget_process(apply, id);
    transaction_delete(apply->transaction, number_key(SCHEMA_INCARNATION, id.value, apply->arena));
    apply->machine->incarnation_open = (struct incarnation_id){0};
    apply_effect(apply, (struct machine_effect){.kind = EFFECT_PROCESS_CLOSED, .incarnation = id, .node = node});
}

static void register_answer(struct apply *apply, struct incarnation_id id)
{
    Qnfs__RegisterResult *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__register_result__init(result);
    result->incarnation = id.value;
    apply->result->body_case = QNFS__RESULT__BODY_REGISTERED;
    apply->result->registered = result;
    apply_answer(apply, NFS4_OK);
}

/* Whether the registration has come before: then it is answered with the incarnation that it made then, open or not; or, if
 * another process of the node has come since, refused. */
static bool register_repeats(struct apply *apply, const struct node_member *member, uint64_t nonce)
{
    for (size_t i = 0; nonce != 0 && i < NODE_NONCES; i++) {
        if (member->nonces[i] != nonce)
            continue;
        apply->result->outcome = MACHINE_REPLAYED;
        if (i == 0)
            register_answer(apply, member->incarnation);
        else
            apply_refuse(apply, NFS4ERR_EXIST, slice_text("a later process of this node is registered"));
        return true;
    }
    return false;
}

void node_register_apply(struct apply *apply, const Qnfs__NodeRegister *command)
{
    if (command->node == 0) {
        apply_answer(apply, NFS4ERR_INVAL);
        return;
    }
    struct node_member member;
    if (node_get(apply->read, command->node, apply->arena, &member)) {
        if (member.gone) {
            apply_refuse(apply, NFS4ERR_EXIST, slice_text("this node was removed from the cluster"));
            return;
        }
        if (register_repeats(apply, &member, command->nonce))
            return;
        incarnation_close(apply, member.incarnation, command->node);
    }
    struct incarnation incarnation = {.id = {apply->number}, .node = command->node};
    transaction_put(apply->transaction, number_key(SCHEMA_INCARNATION, incarnation.id.value, apply->arena),
                    row_encode(incarnation_codec, &incarnation, apply->arena));
    member.incarnation = incarnation.id;
    member.registered_ms = apply->uptime_ms;
    memmove(member.nonces + 1, member.nonces, sizeof(member.nonces) - sizeof(member.nonces[0]));
    member.nonces[0] = command->nonce;
    member.advertise = slice_make(command->advertise.data, command->advertise.len);
    member.version = slice_make(command->version.data, command->version.len);
    node_put(apply, &member);
    apply_effect(apply, (struct machine_effect){
                            .kind = EFFECT_PROCESS_OPENED, .incarnation = incarnation.id, .node = command->node});
    register_answer(apply, incarnation.id);
}

void node_lost_apply(struct apply *apply, const Qnfs__NodeLost *command)
{
    struct incarnation incarnation;
    struct incarnation_id lost = {command->incarnation};
    /* Whoever says so lives, and its own request is about to be recorded under its incarnation. */
    if (lost.value == apply_sender(apply).value) {
        apply_answer(apply, NFS4ERR_INVAL);
        return;
    }
    apply_answer(apply, NFS4_OK);
    if (command->term != apply->machine->led_term)
        return; /* who said so leads no more */
    if (!incarnation_get(apply->read, lost, apply->arena, &incarnation) || incarnation.node != command->node)
        return; /* closed already */
    incarnation_close(apply, lost, command->node);
    space_forget(apply, command->node);
}
