/* Processes of nodes: registered once, closed by the next one or by being lost; what a closed one says has no effect. */
#include "statestore/machine/node.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "proto/nfs4/open.h"
#include "statestore/machine/session.h"
#include "statestore/machine/space.h"
#include "tests/support/scene.h"

static Qnfs__Result *enroll(struct scene *scene, uint64_t node, uint64_t nonce)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__NodeRegister body = QNFS__NODE_REGISTER__INIT;
    body.node = node;
    body.nonce = nonce;
    command->body_case = QNFS__COMMAND__BODY_NODE_REGISTER;
    command->node_register = &body;
    return scene_apply(scene, command);
}

static uint64_t enroll_ok(struct scene *scene, uint64_t node, uint64_t nonce)
{
    Qnfs__Result *result = enroll(scene, node, nonce);
    assert_int_equal(result->status, NFS4_OK);
    assert_non_null(result->registered);
    return result->registered->incarnation;
}

static Qnfs__Result *lose(struct scene *scene, uint64_t node, uint64_t incarnation)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__NodeLost body = QNFS__NODE_LOST__INIT;
    body.node = node;
    body.incarnation = incarnation;
    body.term = scene->term;
    command->body_case = QNFS__COMMAND__BODY_NODE_LOST;
    command->node_lost = &body;
    return scene_apply(scene, command);
}

static bool is_open(struct scene *scene, uint64_t incarnation)
{
    struct incarnation row;
    return incarnation_get(scene_read(scene), (struct incarnation_id){incarnation}, &scene->arena, &row);
}

static void report_low(struct scene *scene, uint64_t node, bool low)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__NodeReport body = QNFS__NODE_REPORT__INIT;
    body.node = node;
    body.free_bytes = 1;
    body.low = low;
    command->body_case = QNFS__COMMAND__BODY_NODE_REPORT;
    command->node_report = &body;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
}

static void test_same_nonce_same_incarnation(void **state)
{
    struct scene *scene = *state;
    uint64_t first = enroll_ok(scene, 2, 77);
    assert_int_equal(scene_effects(scene, EFFECT_PROCESS_OPENED), 1);
    assert_int_equal(scene_effects(scene, EFFECT_PROCESS_CLOSED), 0);
    Qnfs__Result *again = enroll(scene, 2, 77);
    assert_int_equal(again->outcome, MACHINE_REPLAYED);
    assert_int_equal(again->registered->incarnation, first);
    assert_int_equal(scene->answer.effect_count, 0);
    assert_true(is_open(scene, first));
    /* The next process closes it; a late copy of the first one's registration closes nothing. */
    uint64_t second = enroll_ok(scene, 2, 78);
    assert_int_equal(scene_effects(scene, EFFECT_PROCESS_CLOSED), 1);
    assert_false(is_open(scene, first));
    again = enroll(scene, 2, 77);
    assert_int_equal(again->status, NFS4ERR_EXIST);
    assert_int_not_equal(again->body_case, QNFS__RESULT__BODY_REGISTERED);
    assert_true(is_open(scene, second));
    /* Node 1's process is another matter. */
    assert_true(is_open(scene, scene->incarnation.value));
    struct incarnation open[3];
    assert_int_equal(incarnation_list(scene_read(scene), &scene->arena, open, 3), 2);
    assert_int_equal(open[0].node, 1);
    assert_int_equal(open[1].node, 2);
    assert_int_equal(open[1].id.value, second);
    assert_int_equal(incarnation_list(scene_read(scene), &scene->arena, open, 1), 1);
}

/* So many processes later an old registration is not known any more: then it counts as a new process. */
static void test_nonces_are_forgotten(void **state)
{
    struct scene *scene = *state;
    for (uint64_t nonce = 1; nonce <= NODE_NONCES; nonce++)
        enroll_ok(scene, 2, nonce);
    assert_int_equal(enroll(scene, 2, 1)->status, NFS4ERR_EXIST);
    enroll_ok(scene, 2, NODE_NONCES + 1);
    assert_int_equal(enroll(scene, 2, 1)->status, NFS4_OK);
}

static void test_lost(void **state)
{
    struct scene *scene = *state;
    uint64_t lost = enroll_ok(scene, 2, 5);
    /* Found by the leader of an earlier term: another one may have heard of it since. */
    Qnfs__Command *late = scene_command(scene);
    Qnfs__NodeLost body = QNFS__NODE_LOST__INIT;
    body.node = 2;
    body.incarnation = lost;
    body.term = scene->term;
    late->body_case = QNFS__COMMAND__BODY_NODE_LOST;
    late->node_lost = &body;
    scene->term++;
    assert_int_equal(scene_apply(scene, late)->status, NFS4_OK);
    assert_true(is_open(scene, lost));
    assert_int_equal(lose(scene, 2, lost)->status, NFS4_OK);
    assert_int_equal(scene_effects(scene, EFFECT_PROCESS_CLOSED), 1);
    assert_int_equal(scene->answer.effects[0].incarnation.value, lost);
    assert_int_equal(scene->answer.effects[0].node, 2);
    assert_false(is_open(scene, lost));
    /* Once more, or of an incarnation that is none: nothing. */
    lose(scene, 2, lost);
    assert_int_equal(scene->answer.effect_count, 0);
    /* Its registration, sent again, opens nothing either: it learns which incarnation it was. */
    Qnfs__Result *again = enroll(scene, 2, 5);
    assert_int_equal(again->registered->incarnation, lost);
    assert_false(is_open(scene, lost));
    uint64_t next = enroll_ok(scene, 2, 6);
    assert_int_equal(scene_effects(scene, EFFECT_PROCESS_CLOSED), 0);
    lose(scene, 2, lost);
    lose(scene, 1, next);
    assert_true(is_open(scene, next));
    /* Nobody gives himself up. */
    assert_int_equal(lose(scene, 1, scene->incarnation.value)->status, NFS4ERR_INVAL);
    assert_true(is_open(scene, scene->incarnation.value));
}

static Qnfs__Command *setting(struct scene *scene, uint64_t node, uint64_t incarnation, uint64_t number)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__SettingSet *body = arena_alloc(&scene->arena, sizeof(*body));
    Qnfs__NodeOrigin *origin = arena_alloc(&scene->arena, sizeof(*origin));
    qnfs__setting_set__init(body);
    qnfs__node_origin__init(origin);
    body->name = scene_text(scene, "lease-seconds");
    body->value = scene_text(scene, "30");
    command->body_case = QNFS__COMMAND__BODY_SETTING_SET;
    command->setting_set = body;
    origin->node = node;
    origin->incarnation = incarnation;
    origin->number = origin->low_water = number;
    command->origin_case = QNFS__COMMAND__ORIGIN_NODE_ORIGIN;
    command->node_origin = origin;
    return command;
}

/* Its requests' results go, its sessions stay where they are until somebody attaches them, and nothing that it sent counts. */
static void test_what_a_lost_process_leaves(void **state)
{
    struct scene *scene = *state;
    struct incarnation_id own = scene->incarnation;
    scene->incarnation.value = enroll_ok(scene, 2, 5);
    struct incarnation_id lost = scene->incarnation;
    struct scene_client client = scene_client(scene, "a", 1);
    assert_int_equal(scene_apply(scene, setting(scene, 2, lost.value, 1))->outcome, MACHINE_EXECUTED);
    report_low(scene, 2, true);
    assert_true(space_low(scene_read(scene), &scene->arena));
    scene->incarnation = own;
    assert_int_equal(lose(scene, 2, lost.value)->status, NFS4_OK);
    assert_false(space_low(scene_read(scene), &scene->arena));
    assert_true(space_free_bytes(scene_read(scene), &scene->arena) == UINT64_MAX);
    scene_check(scene);

    /* Every kind of origin: a slot of a session that is still attached to it, its own request, none. */
    scene->incarnation = lost;
    Qnfs__Command *open = scene_open_command(scene, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
    scene_slot(scene, &client, 0, open);
    assert_int_equal(scene_apply(scene, open)->outcome, MACHINE_SUPERSEDED);
    assert_int_equal(scene_apply(scene, setting(scene, 2, lost.value, 1))->outcome, MACHINE_SUPERSEDED);
    assert_int_equal(scene_apply(scene, setting(scene, 2, lost.value, 2))->outcome, MACHINE_SUPERSEDED);
    assert_int_equal(scene_attach(scene, client.session, client.epoch)->outcome, MACHINE_SUPERSEDED);
    assert_int_equal(scene_exchange_id(scene, "b", 1, 0)->outcome, MACHINE_SUPERSEDED);
    assert_int_equal(lose(scene, 1, own.value)->outcome, MACHINE_SUPERSEDED);
    assert_true(is_open(scene, own.value));
    /* In a ticket of an open process such an origin is nobody's either. */
    scene->incarnation = own;
    assert_int_equal(scene_apply(scene, setting(scene, 2, lost.value, 3))->outcome, MACHINE_SUPERSEDED);

    struct session session;
    assert_true(session_get(scene_read(scene), client.session, &scene->arena, &session));
    assert_int_equal(session.incarnation.value, lost.value);
    Qnfs__Result *attached = scene_attach(scene, client.session, client.epoch);
    assert_true(attached->attach->attached);
    client.epoch = attached->attach->epoch;
    open = scene_open_command(scene, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
    client.seqids[0]--;
    scene_slot(scene, &client, 0, open);
    Qnfs__Result *result = scene_apply(scene, open);
    assert_int_equal(result->outcome, MACHINE_EXECUTED);
    assert_int_equal(result->status, NFS4_OK);
}

/* A node that was low, lost, and comes back low reports it anew. */
static void test_reports_of_lost_nodes(void **state)
{
    struct scene *scene = *state;
    uint64_t lost = enroll_ok(scene, 2, 5);
    report_low(scene, 1, true);
    report_low(scene, 2, true);
    lose(scene, 2, lost);
    assert_true(space_low(scene_read(scene), &scene->arena)); /* node 1 still is */
    enroll_ok(scene, 2, 6);
    assert_false(space_node_low(scene_read(scene), 2, &scene->arena));
    report_low(scene, 2, true);
    report_low(scene, 1, false);
    assert_true(space_low(scene_read(scene), &scene->arena));
    report_low(scene, 2, false);
    assert_false(space_low(scene_read(scene), &scene->arena));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_same_nonce_same_incarnation), TEST(test_nonces_are_forgotten),  TEST(test_lost),
        TEST(test_what_a_lost_process_leaves),  TEST(test_reports_of_lost_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
