/* Sessions as rows: walks, the back channel's description, ids. Their life is in client_test.c and replay_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/nfs4/open.h"
#include "tests/support/scene.h"

static void test_walk(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    scene_client(scene, "b", 1);
    assert_int_equal(scene_create_session(scene, client.id.value, 2, 1)->status, NFS4_OK);
    struct session_walk walk;
    struct session session;
    session_walk_open(scene_read(scene), client.id, &scene->arena, &walk);
    assert_true(session_walk_get(&walk, &session));
    assert_true(session_id_equal(session.id, client.session));
    session_walk_next(&walk);
    assert_true(session_walk_get(&walk, &session));
    assert_int_equal(session.client.value, client.id.value);
    session_walk_next(&walk);
    assert_false(session_walk_get(&walk, &session));
    session_walk_close(&walk);
    assert_int_equal(session_count(scene_read(scene), client.id, 1, &scene->arena), 1);
    assert_int_equal(session_count(scene_read(scene), client.id, 5, &scene->arena), 2);
}

static void test_slot_walk(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    static const uint32_t slots[] = {1, 4, 7};
    for (size_t i = 0; i < 3; i++) {
        Qnfs__Command *command = scene_open_command(scene, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
        scene_slot(scene, &client, slots[i], command);
        assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
    }
    struct slot_walk walk;
    struct slot slot;
    slot_walk_open(scene_read(scene), client.session, &scene->arena, &walk);
    for (size_t i = 0; i < 3; i++) {
        assert_true(slot_walk_get(&walk, &slot));
        assert_int_equal(slot.slot, slots[i]);
        assert_int_equal(slot.seqid, 1);
        assert_true(slice_equal(slot.prefix, slice_text("prefix")));
        slot_walk_next(&walk);
    }
    assert_false(slot_walk_get(&walk, &slot));
    slot_walk_close(&walk);
}

static void test_backchannel_ctl(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    Qnfs__BackchannelCtl body = QNFS__BACKCHANNEL_CTL__INIT;
    Qnfs__Command *command = scene_command(scene);
    body.session = scene_bytes(scene, client.session.bytes, sizeof(client.session.bytes));
    body.callback_program = 0x40000001;
    body.callback_flavor = 1;
    body.callback_uid = 5;
    body.callback_gid = 6;
    command->body_case = QNFS__COMMAND__BODY_BACKCHANNEL_CTL;
    command->backchannel_ctl = &body;
    assert_int_equal(scene_send(scene, &client, command)->status, NFS4_OK);
    struct session session;
    assert_true(session_get(scene_read(scene), client.session, &scene->arena, &session));
    assert_int_equal(session.callback_program, 0x40000001);
    assert_int_equal(session.callback_flavor, 1);
    assert_int_equal(session.callback_uid, 5);
    assert_int_equal(session.callback_gid, 6);
    assert_int_equal(session.epoch, 1);
    body.session.data[0] ^= 1;
    assert_int_equal(scene_send(scene, &client, command)->status, NFS4ERR_BADSESSION);
}

static void test_ids(void **state)
{
    struct scene *scene = *state;
    struct siphash_key other = scene->machine.mac_key;
    struct session_id id = session_id_make(&scene->machine.mac_key, 77);
    assert_true(session_id_genuine(&scene->machine.mac_key, id));
    other.bytes[0] ^= 1;
    assert_false(session_id_genuine(&other, id));
    for (size_t i = 0; i < sizeof(id.bytes); i++) {
        id.bytes[i] ^= 0x10;
        assert_false(session_id_genuine(&scene->machine.mac_key, id));
        id.bytes[i] ^= 0x10;
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_walk),
        TEST(test_slot_walk),
        TEST(test_backchannel_ctl),
        TEST(test_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
