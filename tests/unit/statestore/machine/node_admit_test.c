/* Ids of nodes: given once, never again, the same for whoever asks again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "proto/nfs4/open.h"
#include "statestore/machine/node.h"
#include "statestore/machine/space.h"
#include "tests/support/scene.h"

static Qnfs__Result *admit(struct scene *scene, const char *advertise, uint64_t nonce, uint64_t floor)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__NodeAdmit body = QNFS__NODE_ADMIT__INIT;
    struct slice text = slice_text(advertise);
    body.advertise = (ProtobufCBinaryData){text.size_bytes, (uint8_t *)(uintptr_t)text.data};
    body.nonce = nonce;
    body.floor = floor;
    command->body_case = QNFS__COMMAND__BODY_NODE_ADMIT;
    command->node_admit = &body;
    return scene_apply(scene, command);
}

static uint64_t admit_ok(struct scene *scene, const char *advertise, uint64_t nonce)
{
    Qnfs__Result *result = admit(scene, advertise, nonce, 0);
    assert_int_equal(result->status, NFS4_OK);
    assert_int_equal(result->body_case, QNFS__RESULT__BODY_ADMITTED);
    return result->admitted->node;
}

static void says(const Qnfs__Result *result, enum nfsstat4 status, const char *words)
{
    char text[256] = "";
    assert_int_equal(result->status, status);
    assert_int_equal(result->body_case, QNFS__RESULT__BODY_TEXT);
    assert_true(result->text->text.len < sizeof(text));
    memcpy(text, result->text->text.data, result->text->text.len);
    assert_non_null(strstr(text, words));
}

static Qnfs__Result *take_out(struct scene *scene, uint64_t node, bool member, bool done)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__NodeRemove body = QNFS__NODE_REMOVE__INIT;
    body.node = node;
    body.member = member;
    body.done = done;
    body.term = scene->term;
    command->body_case = QNFS__COMMAND__BODY_NODE_REMOVE;
    command->node_remove = &body;
    return scene_apply(scene, command);
}

static Qnfs__Result *enroll(struct scene *scene, uint64_t node, const char *advertise)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__NodeRegister body = QNFS__NODE_REGISTER__INIT;
    struct slice text = slice_text(advertise);
    body.node = node;
    body.advertise = (ProtobufCBinaryData){text.size_bytes, (uint8_t *)(uintptr_t)text.data};
    command->body_case = QNFS__COMMAND__BODY_NODE_REGISTER;
    command->node_register = &body;
    return scene_apply(scene, command);
}

static struct node_member row_of(struct scene *scene, uint64_t node)
{
    struct node_member member;
    assert_true(node_get(scene_read(scene), node, &scene->arena, &member));
    return member;
}

static void who_asks_again_gets_the_same_id(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(admit_ok(scene, "b:1", 77), 2);
    assert_int_equal(scene_effects(scene, EFFECT_MEMBERS_CHANGED), 1);
    assert_int_equal(admit_ok(scene, "b:1", 77), 2);
    assert_int_equal(scene->answer.effect_count, 0);
    assert_int_equal(admit_ok(scene, "c:1", 78), 3);
    assert_int_equal(admit_ok(scene, "b:1", 77), 2);
    /* Also when it has come meanwhile, with another address. */
    assert_int_equal(enroll(scene, 2, "d:1")->status, NFS4_OK);
    assert_int_equal(row_of(scene, 2).admission, 77);
    assert_int_equal(admit_ok(scene, "b:1", 77), 2);
}

/* A founder that has never registered has an id all the same. */
static void ids_are_above_all_members(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(admit(scene, "x:1", 5, 3)->admitted->node, 4);
    assert_int_equal(admit(scene, "y:1", 6, 3)->admitted->node, 5);
}

static void an_address_is_one_members(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(admit_ok(scene, "b:1", 77), 2);
    says(admit(scene, "b:1", 99, 0), NFS4ERR_EXIST, "node 2 has this address: remove it first: qnfsctl node remove 2");
    says(admit(scene, "b:1", 0, 0), NFS4ERR_EXIST, "node 2 has this address");
    assert_int_equal(take_out(scene, 2, true, false)->status, NFS4_OK);
    assert_int_equal(admit_ok(scene, "b:1", 99), 3);
    says(admit(scene, "b:1", 77, 0), NFS4ERR_EXIST, "this node was node 2, which was removed");
    assert_int_equal(admit(scene, "", 9, 0)->status, NFS4ERR_INVAL);
}

static void an_announced_node_gets_its_id(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(admit_ok(scene, "b:1", 0), 2);
    assert_int_equal(admit_ok(scene, "b:1", 0), 2);
    assert_int_equal(row_of(scene, 2).admission, 0);
    assert_int_equal(admit_ok(scene, "b:1", 5), 2);
    assert_int_equal(scene_effects(scene, EFFECT_MEMBERS_CHANGED), 1);
    assert_int_equal(row_of(scene, 2).admission, 5);
    says(admit(scene, "b:1", 6, 0), NFS4ERR_EXIST, "node 2 has this address");
}

/* It votes and serves until it is no member; then nothing of it is left but its id. */
static void a_removed_node_is_closed_when_it_is_no_member(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(admit_ok(scene, "b:1", 77), 2);
    uint64_t incarnation = enroll(scene, 2, "b:1")->registered->incarnation;
    Qnfs__Command *command = scene_command(scene);
    Qnfs__NodeReport report = QNFS__NODE_REPORT__INIT;
    report.node = 2;
    report.low = true;
    command->body_case = QNFS__COMMAND__BODY_NODE_REPORT;
    command->node_report = &report;
    scene_apply(scene, command);
    assert_true(space_low(scene_read(scene), &scene->arena));
    struct incarnation open;

    take_out(scene, 2, true, true); /* nobody has asked for it */
    assert_false(row_of(scene, 2).gone);
    assert_int_equal(take_out(scene, 2, true, false)->status, NFS4_OK);
    assert_true(row_of(scene, 2).removed && !row_of(scene, 2).gone);
    assert_true(incarnation_get(scene_read(scene), (struct incarnation_id){incarnation}, &scene->arena, &open));
    assert_int_equal(enroll(scene, 2, "b:1")->status, NFS4_OK); /* it may begin anew meanwhile */
    incarnation = row_of(scene, 2).incarnation.value;
    assert_int_equal(take_out(scene, 2, true, true)->status, NFS4_OK);
    assert_int_equal(scene_effects(scene, EFFECT_MEMBERS_CHANGED), 1);
    assert_int_equal(scene_effects(scene, EFFECT_PROCESS_CLOSED), 1);
    assert_true(row_of(scene, 2).gone);
    assert_false(incarnation_get(scene_read(scene), (struct incarnation_id){incarnation}, &scene->arena, &open));
    assert_false(space_low(scene_read(scene), &scene->arena));
    says(enroll(scene, 2, "b:1"), NFS4ERR_EXIST, "was removed");
    take_out(scene, 2, false, false);
    take_out(scene, 2, false, true);
    assert_int_equal(scene->answer.effect_count, 0);
    assert_int_equal(admit_ok(scene, "b:1", 78), 3);
}

/* The change of the members that the old leader has seen may be lost with its term: then the node still votes. */
static void what_an_old_leader_says_of_a_removal_is_too_late(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(admit_ok(scene, "b:1", 77), 2);
    assert_int_equal(enroll(scene, 2, "b:1")->status, NFS4_OK);
    assert_int_equal(take_out(scene, 2, true, false)->status, NFS4_OK);
    Qnfs__Command *late = scene_command(scene);
    Qnfs__NodeRemove body = QNFS__NODE_REMOVE__INIT;
    body.node = 2;
    body.done = true;
    body.term = scene->term++;
    late->body_case = QNFS__COMMAND__BODY_NODE_REMOVE;
    late->node_remove = &body;
    assert_int_equal(scene_apply(scene, late)->status, NFS4_OK);
    assert_int_equal(scene->answer.effect_count, 0);
    assert_false(row_of(scene, 2).gone);
    assert_int_equal(take_out(scene, 2, true, true)->status, NFS4_OK);
    assert_true(row_of(scene, 2).gone);
}

static void refusals(void **state)
{
    struct scene *scene = *state;
    says(take_out(scene, 9, false, false), NFS4ERR_NOENT, "there is no node 9");
    says(take_out(scene, 1, true, false), NFS4ERR_INVAL, "node 1 is the last one");
    assert_int_equal(admit_ok(scene, "b:1", 77), 2);
    says(take_out(scene, 1, true, false), NFS4ERR_INVAL, "node 1 is the last one"); /* node 2 has not come */
    /* A founder that has never come. */
    assert_int_equal(take_out(scene, 7, true, false)->status, NFS4_OK);
    assert_true(row_of(scene, 7).removed);
    assert_int_equal(admit_ok(scene, "c:1", 78), 8);
    for (uint64_t i = 3; i < CLUSTER_MEMBERS_MAX; i++) {
        char address[16];
        snprintf(address, sizeof(address), "n:%u", (unsigned)i + 1);
        admit_ok(scene, address, 1000 + i);
    }
    says(admit(scene, "more:1", 5, 0), NFS4ERR_NOSPC, "the cluster has 31 members");
}

static void promotions(void **state)
{
    struct scene *scene = *state;
    Qnfs__Command *command = scene_command(scene);
    Qnfs__NodePromote body = QNFS__NODE_PROMOTE__INIT;
    body.node = 2;
    command->body_case = QNFS__COMMAND__BODY_NODE_PROMOTE;
    command->node_promote = &body;
    says(scene_apply(scene, command), NFS4ERR_NOENT, "there is no node 2");
    assert_int_equal(admit_ok(scene, "b:1", 77), 2);
    command = scene_command(scene);
    command->body_case = QNFS__COMMAND__BODY_NODE_PROMOTE;
    command->node_promote = &body;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
    assert_true(row_of(scene, 2).promote);
    take_out(scene, 2, true, false);
    command = scene_command(scene);
    command->body_case = QNFS__COMMAND__BODY_NODE_PROMOTE;
    command->node_promote = &body;
    says(scene_apply(scene, command), NFS4ERR_INVAL, "was removed");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_asks_again_gets_the_same_id),
        TEST(ids_are_above_all_members),
        TEST(an_address_is_one_members),
        TEST(an_announced_node_gets_its_id),
        TEST(a_removed_node_is_closed_when_it_is_no_member),
        TEST(what_an_old_leader_says_of_a_removal_is_too_late),
        TEST(refusals),
        TEST(promotions),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
