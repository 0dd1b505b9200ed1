/* Which node the leader gives an address to. */
#include "server/daemon/address_choice.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/scene.h"

static void add(struct scene *scene, uint8_t last)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__AddressAdd body = QNFS__ADDRESS_ADD__INIT;
    body.address = scene_bytes(scene, (uint8_t[]){192, 0, 2, last}, 4);
    body.prefix_bits = 24;
    command->body_case = QNFS__COMMAND__BODY_ADDRESS_ADD;
    command->address_add = &body;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
}

static struct incarnation_id enroll(struct scene *scene, uint64_t node)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__NodeRegister body = QNFS__NODE_REGISTER__INIT;
    body.node = node;
    command->body_case = QNFS__COMMAND__BODY_NODE_REGISTER;
    command->node_register = &body;
    return (struct incarnation_id){scene_apply(scene, command)->registered->incarnation};
}

static bool choose(struct scene *scene, const struct incarnation_id *lost, size_t lost_count,
                   struct address_choice *choice)
{
    return address_choose(scene_read(scene), scene->uptime_ms, lost, lost_count, &scene->arena, choice);
}

/* Gives what is to be given; returns how many moves that were, and whom the last one went to. */
static unsigned settle(struct scene *scene, uint64_t *node)
{
    struct address_choice choice;
    unsigned moves = 0;
    for (; choose(scene, NULL, 0, &choice); moves++) {
        Qnfs__Command *command = scene_command(scene);
        Qnfs__AddressMove body = QNFS__ADDRESS_MOVE__INIT;
        body.address = scene_bytes(scene, choice.bytes, 4);
        body.node = choice.node;
        body.epoch = choice.epoch;
        command->body_case = QNFS__COMMAND__BODY_ADDRESS_MOVE;
        command->address_move = &body;
        assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
        assert_int_equal(scene_effects(scene, EFFECT_ADDRESSES_CHANGED), 1);
        *node = choice.node;
        assert_true(moves < 16);
    }
    return moves;
}

static uint32_t has(struct scene *scene, uint64_t node)
{
    struct address *addresses;
    uint32_t count = 0;
    for (size_t i = address_list(scene_read(scene), &scene->arena, &addresses); i-- > 0;)
        count += addresses[i].owner_node == node;
    return count;
}

static void test_even(void **state)
{
    struct scene *scene = *state;
    uint64_t node;
    enroll(scene, 2);
    enroll(scene, 3);
    assert_int_equal(settle(scene, &node), 0);
    for (uint8_t i = 1; i <= 6; i++)
        add(scene, i);
    assert_int_equal(settle(scene, &node), 6);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(has(scene, i), 2);
}

static void test_not_to_one_that_is_lost(void **state)
{
    struct scene *scene = *state;
    struct address_choice choice;
    struct incarnation_id lost[2] = {scene->incarnation, enroll(scene, 2)};
    add(scene, 1);
    assert_true(choose(scene, lost, 0, &choice));
    assert_int_equal(choice.node, 1);
    assert_true(choose(scene, lost, 1, &choice));
    assert_int_equal(choice.node, 2);
    assert_false(choose(scene, lost, 2, &choice));
}

static void test_not_to_one_that_cannot(void **state)
{
    struct scene *scene = *state;
    struct address_choice choice;
    add(scene, 1);
    assert_true(choose(scene, NULL, 0, &choice));
    Qnfs__Command *command = scene_command(scene);
    Qnfs__AddressReport body = QNFS__ADDRESS_REPORT__INIT;
    struct address *addresses;
    assert_int_equal(address_list(scene_read(scene), &scene->arena, &addresses), 1);
    body.address = addresses[0].id;
    body.incarnation = scene->incarnation.value;
    body.trouble = scene_text(scene, "no rights");
    command->body_case = QNFS__COMMAND__BODY_ADDRESS_REPORT;
    command->address_report = &body;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
    assert_false(choose(scene, NULL, 0, &choice));
    enroll(scene, 2);
    assert_true(choose(scene, NULL, 0, &choice));
    assert_int_equal(choice.node, 2);
}

/* A node that comes gets its share when it has stayed, and nothing moves for a difference of one. */
static void test_hold(void **state)
{
    struct scene *scene = *state;
    uint64_t node = 0;
    for (uint8_t i = 1; i <= 3; i++)
        add(scene, i);
    assert_int_equal(settle(scene, &node), 3);
    assert_int_equal(has(scene, 1), 3);
    scene_wait(scene, ADDRESS_HOLD_MS / 1000);
    enroll(scene, 2);
    assert_int_equal(settle(scene, &node), 0);
    scene_wait(scene, ADDRESS_HOLD_MS / 1000);
    struct address_choice choice;
    assert_true(choose(scene, NULL, 0, &choice));
    assert_int_equal(choice.node, 2);
    assert_int_equal(settle(scene, &node), 1); /* the owner is asked to make room: that counts as done */
    assert_int_equal(node, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_even),
        TEST(test_not_to_one_that_is_lost),
        TEST(test_not_to_one_that_cannot),
        TEST(test_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
