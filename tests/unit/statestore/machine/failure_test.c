/* A disk that breaks in the middle of a command: reads behave as if rows were absent, `failed` is set, and the shell
 * throws the transaction away. The machine must come to its end, whatever it misses: it must not take a broken disk for
 * its own bug. Each command runs with a failure at its first read, its second, and so on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/list.h"
#include "proto/log_codec.h"
#include "proto/nfs4/lock.h"
#include "proto/nfs4/open.h"
#include "tests/support/scene.h"

/* The store's view, until `left` reads are done. */
struct broken {
    struct kv_read read;
    struct kv_read *below;
    unsigned left;
};

static bool broken_now(struct kv_read *read)
{
    struct broken *broken = container_of(read, struct broken, read);
    if (broken->left == 0)
        read->failed = true;
    else
        broken->left--;
    return read->failed;
}

static struct kv_read *below_of(struct kv_read *read)
{
    return container_of(read, struct broken, read)->below;
}

static bool broken_get(struct kv_read *read, struct slice key, struct arena *arena, struct slice *value)
{
    return !broken_now(read) && kv_get(below_of(read), key, arena, value);
}

/* The cursor below, kept in the state of the one above. */
static void broken_take(struct kv_cursor *cursor)
{
    struct kv_cursor *inner = cursor->state;
    cursor->valid = inner->valid;
    cursor->key = inner->key;
    cursor->value = inner->value;
}

static void broken_seek(struct kv_read *read, struct kv_cursor *cursor, struct slice key)
{
    struct kv_cursor *inner = arena_alloc_zeroed(cursor->arena, sizeof(*inner));
    kv_cursor_open(below_of(read), SLICE_EMPTY, key, cursor->arena, inner);
    cursor->state = inner;
    broken_take(cursor);
    if (broken_now(read))
        cursor->valid = false;
}

static void broken_next(struct kv_read *read, struct kv_cursor *cursor)
{
    if (broken_now(read)) {
        cursor->valid = false;
        return;
    }
    kv_cursor_next(cursor->state);
    broken_take(cursor);
}

static void broken_close(struct kv_read *read, struct kv_cursor *cursor)
{
    (void)read;
    kv_cursor_close(cursor->state);
}

static const struct kv_read_operations broken_operations = {broken_get, broken_seek, broken_next, broken_close};

/* Runs the command with every point of failure, then as it should be. */
static Qnfs__Result *break_everywhere(struct scene *scene, Qnfs__Command *command)
{
    unsigned reads = 0;
    if (command->ticket == NULL) {
        command->ticket = arena_alloc(&scene->arena, sizeof(*command->ticket));
        qnfs__ticket__init(command->ticket);
        command->ticket->incarnation = scene->incarnation.value;
    }
    for (bool failed = true; failed; reads++) {
        struct machine machine = scene->machine; /* thrown away, as the node would be */
        struct machine_answer answer;
        struct arena arena;
        struct transaction transaction;
        struct broken broken = {{&broken_operations, false}, scene_read(scene), reads};
        struct machine_position position = {.index = scene->index + 1,
                                            .term = 1,
                                            .command_count = 1,
                                            .uptime_ms = scene->uptime_ms,
                                            .wall_ns = scene->wall_ns};
        machine.incarnation_open = (struct incarnation_id){0};
        arena_init(&arena);
        transaction_init(&transaction, &broken.read, &arena);
        machine_apply(&machine, &transaction, &position, command, SLICE_EMPTY, &arena, &answer);
        failed = broken.read.failed;
        assert_int_equal(transaction.read.failed, failed);
        arena_fini(&arena);
    }
    assert_true(reads > 1);
    return scene_apply(scene, command);
}

static void test_opens_and_locks(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    Qnfs__Command *command = scene_open_command(scene, "o", "f", OPEN4_SHARE_ACCESS_BOTH, 0);
    scene_slot(scene, &client, 0, command);
    struct stateid open = scene_result_stateid(break_everywhere(scene, command));
    struct file_id file = scene_lookup(scene, "f");
    command = scene_open_command(scene, "o", "f", OPEN4_SHARE_ACCESS_READ, OPEN4_SHARE_DENY_WRITE);
    scene_slot(scene, &client, 0, command);
    open = scene_result_stateid(break_everywhere(scene, command));

    Qnfs__Lock lock = QNFS__LOCK__INIT;
    command = scene_command(scene);
    lock.file = scene_file(scene, file);
    lock.type = WRITE_LT;
    lock.length = 10;
    lock.new_owner = true;
    lock.owner = scene_text(scene, "l");
    lock.open_stateid = scene_stateid(scene, open);
    command->body_case = QNFS__COMMAND__BODY_LOCK;
    command->lock = &lock;
    scene_slot(scene, &client, 0, command);
    struct stateid locked = scene_result_stateid(break_everywhere(scene, command));

    Qnfs__Locku unlock = QNFS__LOCKU__INIT;
    command = scene_command(scene);
    unlock.file = scene_file(scene, file);
    unlock.type = WRITE_LT;
    unlock.offset = 3;
    unlock.length = 2;
    unlock.stateid = scene_stateid(scene, locked);
    command->body_case = QNFS__COMMAND__BODY_LOCKU;
    command->locku = &unlock;
    scene_slot(scene, &client, 0, command);
    assert_int_equal(break_everywhere(scene, command)->status, NFS4_OK);

    assert_int_equal(scene_remove(scene, &client, "f")->status, NFS4_OK);
    Qnfs__Close close = QNFS__CLOSE__INIT;
    command = scene_command(scene);
    close.file = scene_file(scene, file);
    close.stateid = scene_stateid(scene, open);
    command->body_case = QNFS__COMMAND__BODY_CLOSE;
    command->close = &close;
    scene_slot(scene, &client, 0, command);
    assert_int_equal(break_everywhere(scene, command)->status, NFS4_OK);
}

/* A client with a session, opens and locks, revoked by another one's OPEN; then one replaced by its next boot. */
static void test_clients(void **state)
{
    struct scene *scene = *state;
    for (unsigned round = 0; round < 2; round++) {
        struct scene_client a = scene_client(scene, "a", 1);
        struct stateid open = scene_open_ok(scene, &a, "o", "f", OPEN4_SHARE_ACCESS_BOTH, OPEN4_SHARE_DENY_BOTH);
        struct file_id file = scene_lookup(scene, "f");
        assert_int_equal(scene_lock_new(scene, &a, file, open, "l", WRITE_LT, 0, 10)->status, NFS4_OK);
        Qnfs__Command *command;
        if (round == 0) {
            Qnfs__Expire expire = QNFS__EXPIRE__INIT;
            scene_wait(scene, 76);
            command = scene_command(scene);
            command->body_case = QNFS__COMMAND__BODY_EXPIRE;
            command->expire = &expire;
            assert_int_equal(break_everywhere(scene, command)->status, NFS4_OK);
            struct scene_client b = scene_client(scene, "b", 1);
            command = scene_open_command(scene, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
            scene_slot(scene, &b, 0, command);
            Qnfs__Result *opened = break_everywhere(scene, command);
            assert_int_equal(opened->status, NFS4_OK);
            assert_int_equal(scene_close(scene, &b, file, scene_result_stateid(opened))->status, NFS4_OK);
        } else {
            uint64_t id = scene_exchange_id(scene, "a", 2, 0)->exchange_id->client;
            Qnfs__ChannelAttributes channel = QNFS__CHANNEL_ATTRIBUTES__INIT;
            Qnfs__CreateSession create = QNFS__CREATE_SESSION__INIT;
            channel.max_request_size = channel.max_response_size = 10000;
            channel.max_operations = channel.max_requests = 4;
            command = scene_command(scene);
            create.client = id;
            create.sequence = 1;
            create.incarnation = scene->incarnation.value;
            create.fore = create.back = &channel;
            create.digest = scene_bytes(scene, "0123456789abcdef", 16);
            command->body_case = QNFS__COMMAND__BODY_CREATE_SESSION;
            command->create_session = &create;
            command->credential = NULL;
            Qnfs__Credential credential = QNFS__CREDENTIAL__INIT;
            credential.flavor = 1;
            command->credential = &credential;
            assert_int_equal(break_everywhere(scene, command)->status, NFS4_OK);
            assert_int_equal(scene_effects(scene, EFFECT_CLIENT_GONE), 1);
        }
    }
}

static void test_exchange_id(void **state)
{
    struct scene *scene = *state;
    scene_client(scene, "a", 1);
    for (uint8_t boot = 1; boot < 3; boot++) {
        uint8_t verifier[8];
        Qnfs__ExchangeId body = QNFS__EXCHANGE_ID__INIT;
        Qnfs__Credential credential = QNFS__CREDENTIAL__INIT;
        Qnfs__Command *command = scene_command(scene);
        memset(verifier, boot, sizeof(verifier));
        body.owner = scene_text(scene, "a");
        body.verifier = scene_bytes(scene, verifier, sizeof(verifier));
        body.identity = scene_text(scene, "default");
        credential.flavor = 1;
        command->credential = &credential;
        command->body_case = QNFS__COMMAND__BODY_EXCHANGE_ID;
        command->exchange_id = &body;
        assert_int_equal(break_everywhere(scene, command)->status, NFS4_OK);
    }
}

static void test_nodes(void **state)
{
    struct scene *scene = *state;
    Qnfs__SettingSet setting = QNFS__SETTING_SET__INIT;
    Qnfs__NodeOrigin origin = QNFS__NODE_ORIGIN__INIT;
    Qnfs__Command *command = scene_command(scene);
    setting.name = scene_text(scene, "lease-seconds");
    setting.value = scene_text(scene, "10");
    origin.node = scene->node;
    origin.incarnation = scene->incarnation.value;
    origin.number = 1;
    command->body_case = QNFS__COMMAND__BODY_SETTING_SET;
    command->setting_set = &setting;
    command->origin_case = QNFS__COMMAND__ORIGIN_NODE_ORIGIN;
    command->node_origin = &origin;
    assert_int_equal(break_everywhere(scene, command)->status, NFS4_OK);
    origin.number = origin.low_water = 2;
    assert_int_equal(break_everywhere(scene, command)->status, NFS4_OK);
    Qnfs__NodeRegister body = QNFS__NODE_REGISTER__INIT;
    command = scene_command(scene);
    body.node = scene->node;
    command->body_case = QNFS__COMMAND__BODY_NODE_REGISTER;
    command->node_register = &body;
    assert_int_equal(break_everywhere(scene, command)->status, NFS4_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_opens_and_locks),
        TEST(test_clients),
        TEST(test_exchange_id),
        TEST(test_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
