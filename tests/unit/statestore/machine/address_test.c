/* Floating addresses: made, given, moved and removed; what a process that is closed leaves; what nodes report. */
#include "statestore/machine/address.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/scene.h"

static const uint8_t vip[4] = {192, 0, 2, 10};

static Qnfs__Result *add(struct scene *scene, const uint8_t bytes[4], uint32_t prefix_bits, const char *device)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__AddressAdd body = QNFS__ADDRESS_ADD__INIT;
    body.address = scene_bytes(scene, bytes, 4);
    body.prefix_bits = prefix_bits;
    body.device = scene_text(scene, device);
    command->body_case = QNFS__COMMAND__BODY_ADDRESS_ADD;
    command->address_add = &body;
    return scene_apply(scene, command);
}

static Qnfs__Result *drop(struct scene *scene)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__AddressRemove body = QNFS__ADDRESS_REMOVE__INIT;
    body.address = scene_bytes(scene, vip, 4);
    command->body_case = QNFS__COMMAND__BODY_ADDRESS_REMOVE;
    command->address_remove = &body;
    return scene_apply(scene, command);
}

static Qnfs__Result *move(struct scene *scene, uint64_t node, uint64_t epoch)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__AddressMove body = QNFS__ADDRESS_MOVE__INIT;
    body.address = scene_bytes(scene, vip, 4);
    body.node = node;
    body.epoch = epoch;
    command->body_case = QNFS__COMMAND__BODY_ADDRESS_MOVE;
    command->address_move = &body;
    return scene_apply(scene, command);
}

/* The scene's own process says it. */
static void report(struct scene *scene, uint64_t id, const char *trouble, bool released, uint64_t epoch)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__AddressReport body = QNFS__ADDRESS_REPORT__INIT;
    body.address = id;
    body.incarnation = scene->incarnation.value;
    body.trouble = scene_text(scene, trouble);
    body.released = released;
    body.epoch = epoch;
    command->body_case = QNFS__COMMAND__BODY_ADDRESS_REPORT;
    command->address_report = &body;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
}

static uint64_t enroll(struct scene *scene, uint64_t node)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__NodeRegister body = QNFS__NODE_REGISTER__INIT;
    body.node = node;
    command->body_case = QNFS__COMMAND__BODY_NODE_REGISTER;
    command->node_register = &body;
    return scene_apply(scene, command)->registered->incarnation;
}

static struct address only(struct scene *scene)
{
    struct address *addresses;
    assert_int_equal(address_list(scene_read(scene), &scene->arena, &addresses), 1);
    return addresses[0];
}

static void test_what_can_be_added(void **state)
{
    struct scene *scene = *state;
    static const struct {
        uint8_t bytes[4];
        uint32_t prefix_bits;
    } wrong[] = {{{0, 0, 0, 1}, 24},     {{127, 0, 0, 1}, 8},   {{224, 0, 0, 5}, 24}, {{192, 0, 2, 0}, 24},
                 {{192, 0, 2, 255}, 24}, {{192, 0, 2, 10}, 33}, {{192, 0, 2, 10}, 0}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(add(scene, wrong[i].bytes, wrong[i].prefix_bits, "")->status, NFS4ERR_INVAL);
    assert_int_equal(add(scene, vip, 24, "a-device-with-a-long-name")->status, NFS4ERR_INVAL);
    assert_int_equal(add(scene, vip, 24, "eth0")->status, NFS4_OK);
    assert_int_equal(scene_effects(scene, EFFECT_ADDRESSES_CHANGED), 1);
    assert_int_equal(add(scene, vip, 24, "eth0")->status, NFS4ERR_EXIST);
    struct address address = only(scene);
    char text[ADDRESS_TEXT_BYTES];
    address_text(&address, text);
    assert_string_equal(text, "192.0.2.10/24");
    assert_true(slice_equal(address.device, slice_text("eth0")));
    assert_int_equal(address.owner.value, 0);
    assert_int_equal(address.epoch, 1);
    for (uint8_t i = 1; i < ADDRESSES_MAX; i++)
        assert_int_equal(add(scene, (uint8_t[]){192, 0, 3, i}, 24, "")->status, NFS4_OK);
    assert_int_equal(add(scene, (uint8_t[]){192, 0, 3, 200}, 24, "")->status, NFS4ERR_NOSPC);
}

static void test_a_move_waits_for_the_owner(void **state)
{
    struct scene *scene = *state;
    uint64_t other = enroll(scene, 2);
    add(scene, vip, 24, "");
    assert_int_equal(move(scene, 3, 0)->status, NFS4ERR_NOENT);
    assert_int_equal(move(scene, 1, 0)->status, NFS4_OK);
    struct address address = only(scene);
    assert_int_equal(address.owner.value, scene->incarnation.value);
    assert_int_equal(address.owner_node, 1);
    assert_int_equal(address.epoch, 2);
    /* Who has not seen that gets no effect. */
    assert_int_equal(move(scene, 2, 1)->status, NFS4_OK);
    assert_int_equal(only(scene).next.value, 0);
    assert_int_equal(move(scene, 2, 2)->status, NFS4_OK);
    address = only(scene);
    assert_int_equal(address.owner.value, scene->incarnation.value);
    assert_int_equal(address.next.value, other);
    /* Back again before it was off, and then really. */
    move(scene, 1, 0);
    assert_int_equal(only(scene).next.value, 0);
    move(scene, 2, 0);
    report(scene, address.id, "", true, 1); /* of an earlier time */
    assert_int_equal(only(scene).owner.value, scene->incarnation.value);
    report(scene, address.id, "", true, 2);
    address = only(scene);
    assert_int_equal(address.owner.value, other);
    assert_int_equal(address.owner_node, 2);
    assert_int_equal(address.next.value, 0);
    assert_int_equal(address.epoch, 3);
    /* It is not this process's to give away. */
    report(scene, address.id, "", true, 3);
    assert_int_equal(only(scene).owner.value, other);
}

static void test_a_closed_process_has_none(void **state)
{
    struct scene *scene = *state;
    uint64_t other = enroll(scene, 2);
    add(scene, vip, 24, "");
    move(scene, 2, 0);
    move(scene, 1, 0);
    assert_int_equal(only(scene).owner.value, other);
    other = enroll(scene, 2); /* its node's next process: the address goes to whom it made room for */
    assert_int_equal(only(scene).owner.value, scene->incarnation.value);
    move(scene, 2, 0);
    assert_int_equal(only(scene).next.value, other);
    enroll(scene, 2); /* whom the owner makes room for is closed: it stays */
    assert_int_equal(only(scene).next.value, 0);
    assert_int_equal(only(scene).owner.value, scene->incarnation.value);
    scene_register(scene);
    assert_int_equal(only(scene).owner.value, 0);
    assert_int_equal(scene_effects(scene, EFFECT_ADDRESSES_CHANGED), 1);
}

static void test_trouble(void **state)
{
    struct scene *scene = *state;
    enroll(scene, 2);
    add(scene, vip, 24, "");
    struct address address = only(scene);
    report(scene, address.id, "device eth0 has no link", false, 1);
    struct slice trouble = address_trouble(scene_read(scene), address.id, scene->incarnation, &scene->arena);
    assert_true(slice_equal(trouble, slice_text("device eth0 has no link")));
    assert_int_equal(move(scene, 1, 0)->status, NFS4ERR_INVAL);
    report(scene, address.id, "", false, 1);
    assert_int_equal(move(scene, 1, 0)->status, NFS4_OK);
    /* The owner cannot have it any more, and nobody waits: it is free. */
    report(scene, address.id, "the node stops", true, 2);
    assert_int_equal(only(scene).owner.value, 0);
    /* With the process goes what it has said. */
    struct incarnation_id before = scene->incarnation;
    scene_register(scene);
    assert_int_equal(address_trouble(scene_read(scene), address.id, before, &scene->arena).size_bytes, 0);
    report(scene, address.id + 1, "of an address that is gone", true, 1);
}

static void test_remove(void **state)
{
    struct scene *scene = *state;
    struct address *addresses;
    assert_int_equal(drop(scene)->status, NFS4ERR_NOENT);
    add(scene, vip, 24, "");
    uint64_t id = only(scene).id;
    move(scene, 1, 0);
    assert_int_equal(drop(scene)->status, NFS4_OK);
    assert_true(only(scene).leaving); /* until its owner has taken it off */
    assert_int_equal(move(scene, 1, 0)->status, NFS4ERR_NOENT);
    report(scene, id, "", true, 2);
    assert_int_equal(address_list(scene_read(scene), &scene->arena, &addresses), 0);
    add(scene, vip, 24, "");
    assert_int_not_equal(only(scene).id, id); /* another object */
    assert_int_equal(drop(scene)->status, NFS4_OK);
    assert_int_equal(address_list(scene_read(scene), &scene->arena, &addresses), 0);
    /* The owner is closed before it has said so. */
    add(scene, vip, 24, "");
    move(scene, 1, 0);
    drop(scene);
    scene_register(scene);
    assert_int_equal(address_list(scene_read(scene), &scene->arena, &addresses), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_can_be_added),
        TEST(test_a_move_waits_for_the_owner),
        TEST(test_a_closed_process_has_none),
        TEST(test_trouble),
        TEST(test_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
