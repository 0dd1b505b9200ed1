/* The bytes of the state half's rows, as docs/formats/keys.md (part 2) and docs/formats/stateid.md show them: each
 * example there is one here. They come from one short history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "proto/nfs4/lock.h"
#include "proto/nfs4/open.h"
#include "tests/support/scene.h"

/* cluster_create is command 1, the registration 2, EXCHANGE_ID 3, CREATE_SESSION 4, RECLAIM_COMPLETE 5, OPEN 6,
 * LOCK 7, setting 8. */
static void history(struct scene *scene)
{
    struct scene_client client = scene_client(scene, "a", 1);
    struct stateid open = scene_open_ok(scene, &client, "o", "f", OPEN4_SHARE_ACCESS_BOTH, 0);
    struct file_id file = scene_lookup(scene, "f");
    assert_int_equal(scene_lock_new(scene, &client, file, open, "l", WRITE_LT, 16, 16)->status, NFS4_OK);
    Qnfs__Command *command = scene_command(scene);
    Qnfs__SettingSet body = QNFS__SETTING_SET__INIT;
    Qnfs__NodeOrigin origin = QNFS__NODE_ORIGIN__INIT;
    body.name = scene_text(scene, "lease-seconds");
    body.value = scene_text(scene, "90");
    origin.node = 1;
    origin.incarnation = scene->incarnation.value;
    origin.number = 5;
    origin.low_water = 3;
    origin.stream = 2;
    command->body_case = QNFS__COMMAND__BODY_SETTING_SET;
    command->setting_set = &body;
    command->origin_case = QNFS__COMMAND__ORIGIN_NODE_ORIGIN;
    command->node_origin = &origin;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
}

static size_t from_hex(const char *text, uint8_t *bytes, size_t room)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        unsigned value;
        if (*text == ' ')
            continue;
        assert_true(count < room);
        assert_int_equal(sscanf(text, "%2x", &value), 1);
        bytes[count++] = (uint8_t)value;
        text++;
    }
    return count;
}

/* The row with this key has this value. */
static void expect(struct scene *scene, const char *key_text, const char *value_text)
{
    uint8_t key[256];
    uint8_t value[1024];
    size_t key_bytes = from_hex(key_text, key, sizeof(key));
    size_t value_bytes = from_hex(value_text, value, sizeof(value));
    struct slice found;
    if (!kv_get(scene_read(scene), slice_make(key, key_bytes), &scene->arena, &found))
        fail_msg("no row %s", key_text);
    assert_int_equal(found.size_bytes, value_bytes);
    assert_memory_equal(found.data, value, value_bytes);
}

static void test_cluster_rows(void **state)
{
    struct scene *scene = *state;
    history(scene);
    expect(scene, "01 636c7573746572", "01 636c75737465722d636c75737465722d 6b65796b65796b65796b65796b65796b 00000001");
    expect(scene, "02 6c656173652d7365636f6e6473", "3930");
    expect(scene, "04 0000000000000001",
           "03 0000000000000002 00000000000003e8 0000000000000000 0000000000000000 0000000000000000 0000000000000000"
           "0000000000000000 00 00 00"
           "0000000e 6c6f63616c686f73743a32303439 00000000");
    expect(scene, "05 0000000000000002", "01 0000000000000001");
    expect(scene, "06 0000000000000002 00000002 0000000000000005", "1808");
    expect(scene, "09 0000000000000002 00000002", "01 0000000000000003 0000000000000001");
}

static void test_applied_row(void **state)
{
    (void)state;
    struct scene scene;
    struct transaction transaction;
    scene_init_empty(&scene);
    scene.machine.command_number = 0x1234;
    scene.machine.uptime_ms = 1000;
    scene.machine.chain = (struct hash128){0x0102030405060708, 0x1112131415161718};
    scene.machine.client_count = 3;
    scene.machine.courtesy_count = 1;
    scene.machine.led_term = 1;
    scene.machine.led_since_ms = 900;
    transaction_init(&transaction, scene_read(&scene), &scene.arena);
    machine_pass(&scene.machine, &transaction, 7, 2, &scene.arena);
    assert_int_equal(kv_store_write(scene.store, &transaction), STATUS_OK);
    expect(&scene, "01 6170706c696564",
           "01 0000000000000007 0000000000000002 00000000 00000000 0000000000001234 00000000000003e8"
           "0102030405060708 1112131415161718 0000000000000003 0000000000000001 0000000000000001 0000000000000384");
    scene_fini(&scene);
}

static void test_client_rows(void **state)
{
    struct scene *scene = *state;
    history(scene);
    expect(scene, "20 0000000000000003 00",
           "01 00000007 64656661756c74 00000001 61 0101010101010101 00000008 0000000100000000 00000004 7f000001"
           "00000000 00000005 7363656e65 01 01 00000000 00000001 00000001 01"
           "0101010101010101 0101010101010101 00000040"
           "18045a3c0a10000000000000000408e399824991892810011803220f1080800418808004208040281030082a0f1080800418"
           "8080042080402810300830013803");
    expect(scene, "20 0000000000000003 01",
           "01 000000000000ee48 00 0000000000000002 0000000000000001 0000000000000000");
    expect(scene, "21 00000007 64656661756c74 61", "01 0000000000000003 0000000000000000");
    expect(scene, "25 00 000000000000ee48 0000000000000003", "");
}

static void test_session_rows(void **state)
{
    struct scene *scene = *state;
    history(scene);
    expect(scene, "22 0000000000000004 08e3998249918928",
           "01 0000000000000003 0000000000000002 0000000000000001 00000003"
           "00000000 00010000 00010000 00002000 00000010 00000008"
           "00000000 00010000 00010000 00002000 00000010 00000008"
           "00000000 00000000 00000000 00000000");
    expect(scene, "23 0000000000000003 0000000000000004 08e3998249918928", "");
    expect(scene, "24 0000000000000004 08e3998249918928 00000000",
           "01 00000002 01 0000000000000000 0200000000000000 00000001 00000001 00000006 707265666978"
           "00000016 18077a120a100801120c000000010000000000000007");
}

static void test_state_rows(void **state)
{
    struct scene *scene = *state;
    history(scene);
    expect(scene, "30 00000001 0000000000000006",
           "01 01 00000001 0000000000000003 00000001 0000000000000006 00000001 00000001 6f"
           "00000003 00000000 0100");
    expect(scene, "30 00000001 0000000000000007",
           "01 02 00000001 0000000000000003 00000001 0000000000000006 00000001 00000001 6c"
           "00000001 0000000000000006 0000000000000001 0000000000000010");
    expect(scene, "30 00000001 0000000000000006 00000001 0000000000000007", "");
    expect(scene, "31 00000001 0000000000000006",
           "01 0000000000000001 0000000000000001 0000000000000001 0000000000000000 0000000000000000"
           "0000000000000001 000000000000000f");
    expect(scene, "31 00000001 0000000000000006 00000001 0000000000000006", "");
    expect(scene, "32 0000000000000003 00000001 0000000000000006 6f", "00000001 0000000000000006");
    expect(scene, "33 0000000000000003 00000001 0000000000000007", "");
    expect(scene, "34 00000001 0000000000000006 0000000000000010 00000001 0000000000000007", "01 000000000000001f 01");
    expect(scene, "35 0000000000000003 00000001 0000000000000006 6c", "00000001 0000000000000007");
}

static void test_address_rows(void **state)
{
    struct scene *scene = *state;
    static const uint8_t bytes[4] = {192, 0, 2, 10};
    Qnfs__Command *command = scene_command(scene);
    Qnfs__AddressAdd add = QNFS__ADDRESS_ADD__INIT;
    Qnfs__AddressMove move = QNFS__ADDRESS_MOVE__INIT;
    Qnfs__AddressReport report = QNFS__ADDRESS_REPORT__INIT;
    add.address = move.address = scene_bytes(scene, bytes, sizeof(bytes));
    add.prefix_bits = 24;
    add.device = scene_text(scene, "eth0");
    command->body_case = QNFS__COMMAND__BODY_ADDRESS_ADD;
    command->address_add = &add;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
    command = scene_command(scene);
    move.node = 1;
    command->body_case = QNFS__COMMAND__BODY_ADDRESS_MOVE;
    command->address_move = &move;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
    expect(scene, "40 0000000000000003",
           "01 c000020a 18 0000000000000002 0000000000000001 0000000000000000 0000000000000000 00 0000000000000002"
           "00000000000003e8 000000003b9ad9a0 00000004 65746830");
    command = scene_command(scene);
    report.address = 3;
    report.incarnation = scene->incarnation.value;
    report.trouble = scene_text(scene, "no link");
    command->body_case = QNFS__COMMAND__BODY_ADDRESS_REPORT;
    command->address_report = &report;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
    expect(scene, "4f 0000000000000003 0000000000000002", "01 00000007 6e6f206c696e6b");
}

/* docs/formats/stateid.md. */
static void test_stateid(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    struct stateid stateid = scene_open_ok(scene, &client, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
    static const uint8_t other[12] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 6};
    assert_int_equal(stateid.seqid, 1);
    assert_memory_equal(stateid.other, other, sizeof(other));
    static const uint8_t session[16] = {0, 0, 0, 0, 0, 0, 0, 4, 0x08, 0xe3, 0x99, 0x82, 0x49, 0x91, 0x89, 0x28};
    assert_memory_equal(client.session.bytes, session, sizeof(session));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_cluster_rows), cmocka_unit_test(test_applied_row),
        TEST(test_client_rows),  TEST(test_session_rows),
        TEST(test_state_rows),   TEST(test_stateid),
        TEST(test_address_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
