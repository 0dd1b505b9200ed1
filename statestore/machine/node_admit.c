/* Which nodes the cluster wants: ids that are given, nodes that are removed. The leader makes the membership of the log follow
 * (server/daemon/membership.h). */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/limits.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/node.h"
#include "statestore/machine/space.h"

static void refuse(struct apply *apply, enum nfsstat4 status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void refuse(struct apply *apply, enum nfsstat4 status, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    apply_refuse(apply, status, slice_text(text));
}

static void admit_answer(struct apply *apply, uint64_t node)
{
    Qnfs__AdmitResult *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__admit_result__init(result);
    result->node = node;
    apply->result->body_case = QNFS__RESULT__BODY_ADMITTED;
    apply->result->admitted = result;
    apply_answer(apply, NFS4_OK);
}

/* What the rows say about a node that asks. */
struct admission {
    uint64_t highest; /* id that was ever given */
    uint64_t members; /* that are not removed */
    uint64_t rows;
    bool known; /* `same` asked with this nonce before */
    bool there; /* `other` has this address and is not removed */
    struct node_member same;
    struct node_member other;
};

static struct admission admission_look(struct apply *apply, const Qnfs__NodeAdmit *command)
{
    struct slice advertise = slice_make(command->advertise.data, command->advertise.len);
    struct admission admission = {.highest = command->floor};
    struct node_member member;
    struct node_walk walk;
    node_walk_open(apply->read, apply->arena, &walk);
    for (; node_walk_get(&walk, &member); node_walk_next(&walk)) {
        /* The walk's memory is its own: what is kept is read again below. */
        if (member.node > admission.highest)
            admission.highest = member.node;
        admission.rows++;
        admission.members += !member.removed;
        if (command->nonce != 0 && member.admission == command->nonce) {
            admission.known = true;
            admission.same.node = member.node;
        }
        if (!member.removed && slice_equal(member.advertise, advertise)) {
            admission.there = true;
            admission.other.node = member.node;
        }
    }
    node_walk_close(&walk);
    if (admission.known)
        node_get(apply->read, admission.same.node, apply->arena, &admission.same);
    if (admission.there)
        node_get(apply->read, admission.other.node, apply->arena, &admission.other);
    return admission;
}

void node_admit_apply(struct apply *apply, const Qnfs__NodeAdmit *command)
{
    struct admission admission = admission_look(apply, command);
    if (command->advertise.len == 0 || command->advertise.len > NODE_ADVERTISE_MAX_BYTES) {
        apply_answer(apply, NFS4ERR_INVAL);
        return;
    }
    if (admission.known && admission.same.removed) {
        refuse(apply, NFS4ERR_EXIST,
               "this node was node %" PRIu64 ", which was removed; empty its data directory to join as a new one",
               admission.same.node);
        return;
    }
    if (admission.known) {
        admit_answer(apply, admission.same.node);
        return;
    }
    if (admission.there && admission.other.admission == 0 && admission.other.incarnation.value == 0) {
        /* The operator has announced it, and this is it, or the operator again. */
        if (command->nonce != 0) {
            admission.other.admission = command->nonce;
            node_put(apply, &admission.other);
            apply_effect(apply, (struct machine_effect){.kind = EFFECT_MEMBERS_CHANGED, .node = admission.other.node});
        }
        admit_answer(apply, admission.other.node);
        return;
    }
    if (admission.there) {
        refuse(apply, NFS4ERR_EXIST, "node %" PRIu64 " has this address: remove it first: qnfsctl node remove %" PRIu64,
               admission.other.node, admission.other.node);
        return;
    }
    if (admission.members >= CLUSTER_MEMBERS_MAX) {
        refuse(apply, NFS4ERR_NOSPC, "the cluster has %" PRIu64 " members, and takes no more: remove one first",
               admission.members);
        return;
    }
    if (admission.rows >= CLUSTER_NODES_EVER_MAX) {
        refuse(apply, NFS4ERR_NOSPC, "the cluster has had %" PRIu64 " nodes, and can give no further id",
               admission.rows);
        return;
    }
    struct node_member member = {
        .node = admission.highest + 1,
        .admission = command->nonce,
        .advertise = slice_make(command->advertise.data, command->advertise.len),
    };
    node_put(apply, &member);
    apply_effect(apply, (struct machine_effect){.kind = EFFECT_MEMBERS_CHANGED, .node = member.node});
    admit_answer(apply, member.node);
}

/* Whether anybody but this one is a node and stays one. */
static bool others_stay(struct apply *apply, uint64_t node)
{
    struct node_walk walk;
    struct node_member other;
    bool others = false;
    node_walk_open(apply->read, apply->arena, &walk);
    for (; node_walk_get(&walk, &other); node_walk_next(&walk))
        others = others || (other.node != node && !other.removed && other.incarnation.value != 0);
    node_walk_close(&walk);
    return others;
}

/* Nobody waits for it any more. What it said of its disk would be true for ever. */
static void remove_finish(struct apply *apply, struct node_member *member)
{
    if (!member->removed || member->gone)
        return;
    incarnation_close(apply, member->incarnation, member->node);
    space_forget(apply, member->node);
    member->gone = true;
    node_put(apply, member);
    apply_effect(apply, (struct machine_effect){.kind = EFFECT_MEMBERS_CHANGED, .node = member->node});
}

void node_remove_apply(struct apply *apply, const Qnfs__NodeRemove *command)
{
    struct node_member member;
    bool found = node_get(apply->read, command->node, apply->arena, &member);
    if (command->node == 0 || (!found && !command->member)) {
        refuse(apply, NFS4ERR_NOENT, "there is no node %" PRIu64 ": qnfsctl node list shows all", command->node);
        return;
    }
    /* Whoever says so lives, and its own request is about to be recorded under its incarnation. */
    if (command->done && member.incarnation.value == apply_sender(apply).value) {
        apply_answer(apply, NFS4ERR_INVAL);
        return;
    }
    apply_answer(apply, NFS4_OK);
    if (command->done) {
        if (command->term == apply->machine->led_term) /* else: who said so leads no more */
            remove_finish(apply, &member);
        return;
    }
    if (member.removed)
        return;
    if (!others_stay(apply, command->node)) {
        refuse(apply, NFS4ERR_INVAL, "node %" PRIu64 " is the last one: let another node join first", command->node);
        return;
    }
    member.removed = true;
    member.promote = false;
    node_put(apply, &member);
    apply_effect(apply, (struct machine_effect){.kind = EFFECT_MEMBERS_CHANGED, .node = command->node});
}

void node_promote_apply(struct apply *apply, const Qnfs__NodePromote *command)
{
    struct node_member member;
    if (!node_get(apply->read, command->node, apply->arena, &member)) {
        refuse(apply, NFS4ERR_NOENT, "there is no node %" PRIu64 ": qnfsctl node list shows all", command->node);
        return;
    }
    if (member.removed) {
        refuse(apply, NFS4ERR_INVAL, "node %" PRIu64 " was removed: let the machine join again, under a new id",
               command->node);
        return;
    }
    apply_answer(apply, NFS4_OK);
    if (member.promote)
        return;
    member.promote = true;
    node_put(apply, &member);
    apply_effect(apply, (struct machine_effect){.kind = EFFECT_MEMBERS_CHANGED, .node = command->node});
}
