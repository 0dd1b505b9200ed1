/* Exactly once: what becomes of a command by its origin (DESIGN.md section 4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/log_codec.h"
#include "proto/nfs4/open.h"
#include "tests/support/scene.h"

/* An OPEN of a fresh name on slot 0 with all of the origin in the test's hand. */
static Qnfs__Command *open_at(struct scene *scene, struct scene_client *client, const char *name, uint32_t seqid,
                              uint32_t operation, uint8_t digest)
{
    Qnfs__Command *command = scene_open_command(scene, "o", name, OPEN4_SHARE_ACCESS_READ, 0);
    uint8_t bytes[16];
    memset(bytes, digest, sizeof(bytes));
    scene_slot(scene, client, 0, command);
    command->slot_origin->seqid = seqid;
    command->slot_origin->operation = operation;
    command->slot_origin->digest = scene_bytes(scene, bytes, sizeof(bytes));
    return command;
}

static void test_retry_is_replayed(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    Qnfs__Command *command = open_at(scene, &client, "f", 1, 2, 1);
    Qnfs__Result *first = scene_apply(scene, command);
    Qnfs__Result *again = scene_apply(scene, command);
    assert_int_equal(first->outcome, MACHINE_EXECUTED);
    assert_int_equal(first->status, NFS4_OK);
    assert_int_equal(again->outcome, MACHINE_REPLAYED);
    assert_int_equal(again->number, first->number);
    again->outcome = MACHINE_EXECUTED;
    assert_true(slice_equal(log_result_pack(first, &scene->arena), log_result_pack(again, &scene->arena)));
    struct stateid opened = scene_result_stateid(first);
    struct state found;
    assert_true(state_get(scene_read(scene), opened.other, &scene->arena, &found));
    assert_int_equal(found.id.seqid, 1); /* opened once */
}

/* What an operation answers when it fails is what its retry must see, even if it would now succeed. */
static void test_error_is_kept(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    Qnfs__Command *command = open_at(scene, &client, "f", 1, 1, 1);
    command->open->create = false;
    assert_int_equal(scene_apply(scene, command)->status, NFS4ERR_NOENT);
    struct scene_client other = scene_client(scene, "b", 1);
    scene_open_ok(scene, &other, "o", "f", OPEN4_SHARE_ACCESS_READ, 0);
    Qnfs__Result *again = scene_apply(scene, command);
    assert_int_equal(again->outcome, MACHINE_REPLAYED);
    assert_int_equal(again->status, NFS4ERR_NOENT);
}

static void test_false_retry(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    scene_apply(scene, open_at(scene, &client, "f", 1, 1, 1));
    struct hash128 chain = scene->machine.chain;
    Qnfs__Result *result = scene_apply(scene, open_at(scene, &client, "g", 1, 1, 2));
    assert_int_equal(result->outcome, MACHINE_FALSE_RETRY);
    assert_int_equal(result->status, NFS4ERR_SEQ_FALSE_RETRY);
    assert_true(hash128_equal(chain, scene->machine.chain)); /* nothing was written */
    /* Also when the operation is another one. */
    assert_int_equal(scene_apply(scene, open_at(scene, &client, "g", 1, 3, 2))->outcome, MACHINE_FALSE_RETRY);
}

/* Two changes in one compound: the second replaces the row with the longer prefix; the first cannot come again. */
static void test_two_changes_in_a_compound(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    Qnfs__Command *first = open_at(scene, &client, "f", 1, 1, 1);
    Qnfs__Command *second = open_at(scene, &client, "g", 1, 3, 1);
    second->slot_origin->prefix = scene_text(scene, "longer prefix");
    second->slot_origin->prefix_count = 3;
    second->slot_origin->current_file = scene_file(scene, scene->root);
    second->slot_origin->saved_stateid = scene_stateid(scene, (struct stateid){.seqid = 9});
    assert_int_equal(scene_apply(scene, first)->outcome, MACHINE_EXECUTED);
    assert_int_equal(scene_apply(scene, second)->outcome, MACHINE_EXECUTED);
    assert_int_equal(scene_apply(scene, first)->outcome, MACHINE_SUPERSEDED);
    assert_int_equal(scene_apply(scene, second)->outcome, MACHINE_REPLAYED);
    struct slot slot;
    assert_true(slot_get(scene_read(scene), client.session, 0, &scene->arena, &slot));
    assert_true(slot.has_change);
    assert_int_equal(slot.operation, 3);
    assert_int_equal(slot.prefix_count, 3);
    assert_true(slice_equal(slot.prefix, slice_text("longer prefix")));
    assert_true(slot.current_set && file_id_equal(slot.current, scene->root));
    assert_false(slot.saved_set);
    assert_false(slot.current_stateid_set);
    assert_true(slot.saved_stateid_set);
    assert_int_equal(slot.saved_stateid.seqid, 9);
}

static void test_serial_numbers(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    assert_int_equal(scene_apply(scene, open_at(scene, &client, "a", 0xfffffffe, 1, 1))->outcome, MACHINE_EXECUTED);
    assert_int_equal(scene_apply(scene, open_at(scene, &client, "b", 0xfffffffd, 1, 1))->outcome, MACHINE_SUPERSEDED);
    /* Reads are not logged, so the next change may be far ahead, and around the end of the numbers. */
    assert_int_equal(scene_apply(scene, open_at(scene, &client, "c", 5, 1, 2))->outcome, MACHINE_EXECUTED);
    assert_int_equal(scene_apply(scene, open_at(scene, &client, "d", 0xffffffff, 1, 3))->outcome, MACHINE_SUPERSEDED);
}

static void test_session_missing(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    client.session.bytes[3] ^= 1;
    Qnfs__Result *result = scene_apply(scene, open_at(scene, &client, "f", 1, 1, 1));
    assert_int_equal(result->outcome, MACHINE_EXECUTED);
    assert_int_equal(result->status, NFS4ERR_BADSESSION);
}

static void test_slot_beyond_the_session(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    Qnfs__Command *command = open_at(scene, &client, "f", 1, 1, 1);
    command->slot_origin->slot = SCENE_SLOTS;
    assert_int_equal(scene_apply(scene, command)->status, NFS4ERR_BADSLOT);
}

/* A request that slept in the socket of the node that had the session cannot run any more. */
static void test_older_epoch(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    Qnfs__Command *slept = open_at(scene, &client, "f", 1, 1, 1);
    Qnfs__Result *attached = scene_attach(scene, client.session, 1);
    assert_int_equal(attached->status, NFS4_OK);
    assert_true(attached->attach->attached);
    assert_int_equal(attached->attach->epoch, 2);
    assert_int_equal(scene_effects(scene, EFFECT_SESSION_LEFT), 1);
    assert_int_equal(scene_apply(scene, slept)->outcome, MACHINE_SUPERSEDED);
    /* Another attach with the epoch that was seen before loses. */
    attached = scene_attach(scene, client.session, 1);
    assert_false(attached->attach->attached);
    assert_int_equal(attached->attach->epoch, 2);
    slept->slot_origin->epoch = 2;
    assert_int_equal(scene_apply(scene, slept)->outcome, MACHINE_EXECUTED);
    struct session_id forged = client.session;
    forged.bytes[1] ^= 1;
    assert_int_equal(scene_attach(scene, forged, 1)->status, NFS4ERR_BADSESSION);
}

/* A renewal that tells how far a slot is makes a row without a change. */
static void test_slot_advanced_by_renewal(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    scene_apply(scene, open_at(scene, &client, "a", 1, 1, 1));
    Qnfs__SlotAdvance advance = QNFS__SLOT_ADVANCE__INIT;
    Qnfs__SlotAdvance *advances[] = {&advance};
    Qnfs__Renew renew = QNFS__RENEW__INIT;
    Qnfs__Command *command = scene_command(scene);
    advance.session = scene_bytes(scene, client.session.bytes, 16);
    advance.seqid = 1000;
    renew.n_slots = 1;
    renew.slots = advances;
    command->body_case = QNFS__COMMAND__BODY_RENEW;
    command->renew = &renew;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
    struct slot slot;
    assert_true(slot_get(scene_read(scene), client.session, 0, &scene->arena, &slot));
    assert_false(slot.has_change);
    assert_int_equal(slot.seqid, 1000);
    assert_int_equal(scene_apply(scene, open_at(scene, &client, "a", 1, 1, 1))->outcome, MACHINE_SUPERSEDED);
    /* The compound with that seqid may be under way: its change has not come yet. */
    assert_int_equal(scene_apply(scene, open_at(scene, &client, "b", 1000, 1, 2))->outcome, MACHINE_EXECUTED);
    /* A row is never set back, and not by a node that has lost the session. */
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
    assert_true(slot_get(scene_read(scene), client.session, 0, &scene->arena, &slot));
    assert_true(slot.has_change);
    scene_register(scene);
    advance.seqid = 2000;
    command->ticket = NULL;
    scene_apply(scene, command);
    assert_true(slot_get(scene_read(scene), client.session, 0, &scene->arena, &slot));
    assert_int_equal(slot.seqid, 1000);
}

/* One Renew may name thousands of slots, whose rows hold up to 64 KiB each. */
static void test_many_slots_advanced(void **state)
{
    struct scene *scene = *state;
    enum { SLOTS = 100, PREFIX_BYTES = 60000 };
    struct scene_client client = scene_client(scene, "a", 1);
    static uint8_t prefix[PREFIX_BYTES];
    Qnfs__Command *open = open_at(scene, &client, "a", 1, 1, 1);
    open->slot_origin->prefix = (ProtobufCBinaryData){sizeof(prefix), prefix};
    assert_int_equal(scene_apply(scene, open)->status, NFS4_OK);
    Qnfs__SlotAdvance advance = QNFS__SLOT_ADVANCE__INIT;
    Qnfs__SlotAdvance *advances[SLOTS];
    Qnfs__Renew renew = QNFS__RENEW__INIT;
    Qnfs__Command *command = scene_command(scene);
    advance.session = scene_bytes(scene, client.session.bytes, 16);
    advance.seqid = 1;
    for (size_t i = 0; i < SLOTS; i++)
        advances[i] = &advance;
    renew.n_slots = SLOTS;
    renew.slots = advances;
    command->body_case = QNFS__COMMAND__BODY_RENEW;
    command->renew = &renew;
    size_t before = scene->arena.reserved_bytes;
    assert_int_equal(scene_apply(scene, command)->status, NFS4_OK);
    assert_true(scene->arena.reserved_bytes - before <= (size_t)2 << 20);
}

static void test_closed_incarnation(void **state)
{
    struct scene *scene = *state;
    struct scene_client client = scene_client(scene, "a", 1);
    struct incarnation_id old = scene->incarnation;
    scene_register(scene);
    assert_int_not_equal(old.value, scene->incarnation.value);
    Qnfs__Command *command = open_at(scene, &client, "f", 1, 1, 1);
    command->ticket = arena_alloc(&scene->arena, sizeof(*command->ticket));
    qnfs__ticket__init(command->ticket);
    command->ticket->incarnation = old.value;
    assert_int_equal(scene_apply(scene, command)->outcome, MACHINE_SUPERSEDED);
    command->ticket->incarnation = 0;
    assert_int_equal(scene_apply(scene, command)->outcome, MACHINE_SUPERSEDED);
    /* The session is attached to the closed incarnation still: nobody may use it without an attach. */
    command->ticket->incarnation = scene->incarnation.value;
    assert_int_equal(scene_apply(scene, command)->outcome, MACHINE_SUPERSEDED);
    client.epoch = scene_attach(scene, client.session, client.epoch)->attach->epoch;
    command = open_at(scene, &client, "f", 1, 1, 1);
    assert_int_equal(scene_apply(scene, command)->outcome, MACHINE_EXECUTED);
}

/* --- a node's own requests --- */

static Qnfs__Command *setting(struct scene *scene, const char *value, uint32_t stream, uint64_t number,
                              uint64_t low_water)
{
    Qnfs__Command *command = scene_command(scene);
    Qnfs__SettingSet *body = arena_alloc(&scene->arena, sizeof(*body));
    qnfs__setting_set__init(body);
    body->name = scene_text(scene, "lease-seconds");
    body->value = scene_text(scene, value);
    command->body_case = QNFS__COMMAND__BODY_SETTING_SET;
    command->setting_set = body;
    Qnfs__NodeOrigin *origin = arena_alloc(&scene->arena, sizeof(*origin));
    qnfs__node_origin__init(origin);
    origin->node = scene->node;
    origin->incarnation = scene->incarnation.value;
    origin->stream = stream;
    origin->number = number;
    origin->low_water = low_water;
    command->origin_case = QNFS__COMMAND__ORIGIN_NODE_ORIGIN;
    command->node_origin = origin;
    return command;
}

static void test_node_request_replayed(void **state)
{
    struct scene *scene = *state;
    Qnfs__Result *first = scene_apply(scene, setting(scene, "10", 0, 1, 1));
    assert_int_equal(first->outcome, MACHINE_EXECUTED);
    assert_int_equal(scene_apply(scene, setting(scene, "20", 0, 2, 1))->outcome, MACHINE_EXECUTED);
    Qnfs__Result *again = scene_apply(scene, setting(scene, "10", 0, 1, 1));
    assert_int_equal(again->outcome, MACHINE_REPLAYED);
    assert_int_equal(again->number, first->number);
    /* A bad value's result too, with its text. */
    assert_int_equal(scene_apply(scene, setting(scene, "1", 0, 3, 1))->status, NFS4ERR_INVAL);
    again = scene_apply(scene, setting(scene, "1", 0, 3, 1));
    assert_int_equal(again->outcome, MACHINE_REPLAYED);
    assert_true(again->text->text.len > 0);
    /* Each stream counts its own. */
    assert_int_equal(scene_apply(scene, setting(scene, "30", UINT32_MAX, 1, 1))->outcome, MACHINE_EXECUTED);
}

static void test_node_request_low_water(void **state)
{
    struct scene *scene = *state;
    for (uint64_t number = 1; number <= 10; number++)
        scene_apply(scene, setting(scene, "10", 0, number, 1));
    scene_apply(scene, setting(scene, "10", 0, 11, 10));
    /* A duplicate in the log behind the mark must not run again. */
    assert_int_equal(scene_apply(scene, setting(scene, "10", 0, 9, 1))->outcome, MACHINE_SUPERSEDED);
    assert_int_equal(scene_apply(scene, setting(scene, "10", 0, 10, 1))->outcome, MACHINE_REPLAYED);
    /* A mark beyond the request itself keeps its own result. */
    assert_int_equal(scene_apply(scene, setting(scene, "10", 0, 12, 100))->outcome, MACHINE_EXECUTED);
    assert_int_equal(scene_apply(scene, setting(scene, "10", 0, 12, 100))->outcome, MACHINE_REPLAYED);
}

static void test_node_request_of_others(void **state)
{
    struct scene *scene = *state;
    Qnfs__Command *command = setting(scene, "10", 0, 1, 1);
    command->node_origin->node = 2; /* not that node's incarnation */
    assert_int_equal(scene_apply(scene, command)->outcome, MACHINE_SUPERSEDED);
    command = setting(scene, "10", 0, 1, 1);
    scene_register(scene);
    command->ticket = arena_alloc(&scene->arena, sizeof(*command->ticket));
    qnfs__ticket__init(command->ticket);
    command->ticket->incarnation = scene->incarnation.value;
    assert_int_equal(scene_apply(scene, command)->outcome, MACHINE_SUPERSEDED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_retry_is_replayed),
        TEST(test_error_is_kept),
        TEST(test_false_retry),
        TEST(test_two_changes_in_a_compound),
        TEST(test_serial_numbers),
        TEST(test_session_missing),
        TEST(test_slot_beyond_the_session),
        TEST(test_older_epoch),
        TEST(test_slot_advanced_by_renewal),
        TEST(test_many_slots_advanced),
        TEST(test_closed_incarnation),
        TEST(test_node_request_replayed),
        TEST(test_node_request_low_water),
        TEST(test_node_request_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
