#include "server/daemon/membership.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cluster/raft_guard.h"
#include "proto/nfs4/open.h"
#include "tests/support/scene.h"

static uint64_t enroll(struct scene *scene, uint64_t node, uint64_t nonce, const char *advertise)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__NodeRegister body = QNFS__NODE_REGISTER__INIT;
    struct slice text = slice_text(advertise);
    body.node = node;
    body.nonce = nonce;
    body.advertise = (ProtobufCBinaryData){text.size_bytes, (uint8_t *)(uintptr_t)text.data};
    command->body_case = QNFS__COMMAND__BODY_NODE_REGISTER;
    command->node_register = &body;
    Qnfs__Result *result = scene_apply(scene, command);
    assert_int_equal(result->status, NFS4_OK);
    return result->registered->incarnation;
}

static void lose(struct scene *scene, uint64_t node, uint64_t incarnation)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__NodeLost body = QNFS__NODE_LOST__INIT;
    body.node = node;
    body.incarnation = incarnation;
    body.term = scene->term;
    command->body_case = QNFS__COMMAND__BODY_NODE_LOST;
    command->node_lost = &body;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
}

static const struct peer_endpoint *member(const struct membership *membership, uint64_t node)
{
    for (uint32_t i = 0; i < membership->members.count; i++) {
        if (membership->members.items[i].node == node)
            return &membership->members.items[i];
    }
    return NULL;
}

static bool runs(const struct membership *membership, uint64_t node, uint64_t incarnation)
{
    for (size_t i = 0; i < membership->process_count; i++) {
        if (membership->processes[i].node == node && membership->processes[i].incarnation == incarnation)
            return true;
    }
    return false;
}

static const struct endpoint_list founders = {
    .count = 3,
    .items = {{1, "a", 7049}, {2, "b", 7049}, {3, "c", 7049}},
};

/* Before anybody else has registered there is only what the founding said. */
static void founders_are_called_until_they_register(void **state)
{
    struct scene *scene = *state;
    struct membership membership;
    membership_read(scene_read(scene), scene->node, &founders, &scene->arena, &membership);
    assert_int_equal(membership.members.count, 2);
    assert_null(member(&membership, 1)); /* itself */
    assert_string_equal(member(&membership, 2)->host, "b");
    assert_int_equal(membership.process_count, 1);
    assert_true(runs(&membership, 1, scene->incarnation.value));

    uint64_t second = enroll(scene, 2, 5, "[::1]:9");
    membership_read(scene_read(scene), scene->node, &founders, &scene->arena, &membership);
    assert_int_equal(membership.members.count, 2);
    assert_string_equal(member(&membership, 2)->host, "::1");
    assert_int_equal(member(&membership, 2)->port, 9);
    assert_string_equal(member(&membership, 3)->host, "c");
    assert_true(runs(&membership, 2, second));
}

/* A closed process does not run, but its node is called: its next one may come. */
static void lost_processes_do_not_run(void **state)
{
    struct scene *scene = *state;
    struct membership membership;
    struct endpoint_list none = {0};
    uint64_t second = enroll(scene, 2, 5, "b:1");
    lose(scene, 2, second);
    membership_read(scene_read(scene), scene->node, &none, &scene->arena, &membership);
    assert_int_equal(membership.process_count, 1);
    assert_false(runs(&membership, 2, second));
    assert_int_equal(member(&membership, 2)->port, 1);
    uint64_t third = enroll(scene, 2, 6, "b:2");
    membership_read(scene_read(scene), scene->node, &none, &scene->arena, &membership);
    assert_true(runs(&membership, 2, third));
    assert_int_equal(member(&membership, 2)->port, 2);
}

/* A name that is none (of a node alone, say) is nobody to be called. */
static void a_bad_name_is_left_out(void **state)
{
    struct scene *scene = *state;
    struct membership membership;
    struct endpoint_list none = {0};
    uint64_t second = enroll(scene, 2, 5, "no port");
    membership_read(scene_read(scene), scene->node, &none, &scene->arena, &membership);
    assert_int_equal(membership.members.count, 0);
    assert_true(runs(&membership, 2, second));
}

static void change_row(struct scene *scene, Qnfs__Command__BodyCase kind, uint64_t node, bool done,
                       const char *advertise)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__NodeAdmit admit = QNFS__NODE_ADMIT__INIT;
    Qnfs__NodeRemove remove = QNFS__NODE_REMOVE__INIT;
    Qnfs__NodePromote promote = QNFS__NODE_PROMOTE__INIT;
    Qnfs__SettingSet setting = QNFS__SETTING_SET__INIT;
    struct slice text = slice_text(advertise);
    ProtobufCBinaryData bytes = {text.size_bytes, (uint8_t *)(uintptr_t)text.data};
    command->body_case = kind;
    if (kind == QNFS__COMMAND__BODY_NODE_ADMIT) {
        admit.advertise = bytes;
        admit.nonce = node;
        command->node_admit = &admit;
    } else if (kind == QNFS__COMMAND__BODY_NODE_REMOVE) {
        remove.node = node;
        remove.member = true;
        remove.done = done;
        remove.term = scene->term;
        command->node_remove = &remove;
    } else if (kind == QNFS__COMMAND__BODY_NODE_PROMOTE) {
        promote.node = node;
        command->node_promote = &promote;
    } else {
        setting.name = (ProtobufCBinaryData){12, (uint8_t *)(uintptr_t) "auto-promote"};
        setting.value = bytes;
        command->setting_set = &setting;
    }
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
}

/* -1: nothing; otherwise the kind. */
static int change_next(struct scene *scene, const struct configuration *configuration,
                       const struct membership_follower *follower, uint64_t *node, uint64_t *done)
{
    struct replica_member_change change;
    if (!membership_next_change(scene_read(scene), configuration, 1, 1000, follower, follower == NULL ? 0 : 1,
                                &scene->arena, done, &change))
        return -1;
    *node = change.id;
    return (int)change.kind;
}

/* The members of the log are made those of the state, one step at a time. */
static void the_log_follows_the_state(void **state)
{
    struct scene *scene = *state;
    struct configuration alone = {.count = 1, .members = {{1, MEMBER_VOTER}}};
    struct configuration standby = {.count = 2, .members = {{1, MEMBER_VOTER}, {2, MEMBER_STANDBY}}};
    struct configuration both = {.count = 2, .members = {{1, MEMBER_VOTER}, {2, MEMBER_VOTER}}};
    struct membership_follower follower = {.node = 2, .living = true, .match_index = 1000 - GUARD_PROMOTE_LAG_MAX - 1};
    struct membership membership;
    struct endpoint_list none = {0};
    uint64_t node = 0;
    uint64_t done = 0;
    assert_int_equal(change_next(scene, &alone, NULL, &node, &done), -1);
    change_row(scene, QNFS__COMMAND__BODY_NODE_ADMIT, 0, false, "b:1"); /* announced only */
    assert_int_equal(change_next(scene, &alone, NULL, &node, &done), -1);
    membership_read(scene_read(scene), 1, &none, &scene->arena, &membership);
    assert_int_equal(membership.members.count, 0);
    change_row(scene, QNFS__COMMAND__BODY_NODE_ADMIT, 9, false, "b:1");
    membership_read(scene_read(scene), 1, &none, &scene->arena, &membership);
    assert_int_equal(membership.members.count, 1);
    assert_int_equal(change_next(scene, &alone, NULL, &node, &done), REPLICA_CHANGE_ADD);
    assert_int_equal(node, 2);
    /* It votes when it has caught up and is there. */
    assert_int_equal(change_next(scene, &standby, NULL, &node, &done), -1);
    assert_int_equal(change_next(scene, &standby, &follower, &node, &done), -1);
    follower.match_index++;
    assert_int_equal(change_next(scene, &standby, &follower, &node, &done), REPLICA_CHANGE_PROMOTE);
    follower.living = false;
    assert_int_equal(change_next(scene, &standby, &follower, &node, &done), -1);
    follower.living = true;
    change_row(scene, QNFS__COMMAND__BODY_SETTING_SET, 0, false, "off");
    assert_int_equal(change_next(scene, &standby, &follower, &node, &done), -1);
    change_row(scene, QNFS__COMMAND__BODY_NODE_PROMOTE, 2, false, "");
    assert_int_equal(change_next(scene, &standby, &follower, &node, &done), REPLICA_CHANGE_PROMOTE);
    assert_int_equal(change_next(scene, &both, &follower, &node, &done), -1);
    /* Removals come first; the process is closed only when it is no member. */
    uint64_t incarnation = enroll(scene, 2, 5, "b:1");
    change_row(scene, QNFS__COMMAND__BODY_NODE_ADMIT, 10, false, "c:1");
    change_row(scene, QNFS__COMMAND__BODY_NODE_REMOVE, 2, false, "");
    assert_int_equal(change_next(scene, &both, &follower, &node, &done), REPLICA_CHANGE_REMOVE);
    assert_int_equal(node, 2);
    assert_int_equal(done, 0);
    membership_read(scene_read(scene), 1, &none, &scene->arena, &membership);
    assert_non_null(member(&membership, 2));
    assert_int_equal(change_next(scene, &alone, &follower, &node, &done), REPLICA_CHANGE_ADD);
    assert_int_equal(node, 3);
    assert_int_equal(done, 2);
    change_row(scene, QNFS__COMMAND__BODY_NODE_REMOVE, 2, true, "");
    (void)change_next(scene, &alone, &follower, &node, &done);
    assert_int_equal(done, 0);
    membership_read(scene_read(scene), 1, &founders, &scene->arena, &membership);
    assert_null(member(&membership, 2));
    assert_false(runs(&membership, 2, incarnation));
    assert_int_equal(membership.removed_count, 1);
    assert_int_equal(membership.removed[0], 2);
}

/* A change that the living cannot commit would stop the cluster: it waits, and another one may go before it. */
static void no_change_without_a_living_majority(void **state)
{
    struct scene *scene = *state;
    struct configuration three = {.count = 3, .members = {{1, MEMBER_VOTER}, {2, MEMBER_VOTER}, {3, MEMBER_VOTER}}};
    struct configuration two = {.count = 2, .members = {{1, MEMBER_VOTER}, {2, MEMBER_VOTER}}};
    struct configuration more = {
        .count = 4, .members = {{1, MEMBER_VOTER}, {2, MEMBER_VOTER}, {3, MEMBER_VOTER}, {4, MEMBER_STANDBY}}};
    struct membership_follower followers[] = {{2, true, 1000}, {3, false, 1000}, {4, true, 1000}};
    struct replica_member_change change;
    uint64_t done;
    for (uint64_t node = 2; node <= 4; node++)
        change_row(scene, QNFS__COMMAND__BODY_NODE_ADMIT, node, false, node == 2 ? "b:1" : node == 3 ? "c:1" : "d:1");
    (void)enroll(scene, 2, 5, "b:1");
#define NEXT(configuration)                                                                                            \
    membership_next_change(scene_read(scene), &(configuration), 1, 1000, followers, 3, &scene->arena, &done, &change)
    assert_true(NEXT(more)); /* three of four live */
    assert_int_equal(change.kind, REPLICA_CHANGE_PROMOTE);
    followers[0].living = false;
    assert_false(NEXT(more)); /* two of four */
    followers[0].living = true;
    change_row(scene, QNFS__COMMAND__BODY_NODE_REMOVE, 4, false, "");
    change_row(scene, QNFS__COMMAND__BODY_NODE_REMOVE, 2, false, "");
    assert_false(NEXT(three)); /* one of two */
    followers[1].living = true;
    assert_true(NEXT(three));
    assert_int_equal(change.id, 2);
    followers[1].living = false;
    change_row(scene, QNFS__COMMAND__BODY_NODE_REMOVE, 3, false, "");
    assert_true(NEXT(three)); /* the dead one may go, and then the other */
    assert_int_equal(change.kind, REPLICA_CHANGE_REMOVE);
    assert_int_equal(change.id, 3);
    assert_true(NEXT(two));
    assert_int_equal(change.id, 2);
#undef NEXT
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_log_follows_the_state, scene_setup, scene_teardown),
        cmocka_unit_test_setup_teardown(no_change_without_a_living_majority, scene_setup, scene_teardown),
        cmocka_unit_test_setup_teardown(founders_are_called_until_they_register, scene_setup, scene_teardown),
        cmocka_unit_test_setup_teardown(lost_processes_do_not_run, scene_setup, scene_teardown),
        cmocka_unit_test_setup_teardown(a_bad_name_is_left_out, scene_setup, scene_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
