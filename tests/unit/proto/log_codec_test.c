/* What a command must have before the machine sees it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/limits.h"
#include "proto/log_codec.h"

static ProtobufCBinaryData bytes_of(uint8_t *storage, size_t size_bytes)
{
    memset(storage, 'x', size_bytes);
    return (ProtobufCBinaryData){size_bytes, storage};
}

/* An OPEN in a slot, with everything that there is to check. */
struct example {
    Qnfs__Command command;
    Qnfs__SlotOrigin origin;
    Qnfs__FileRef file;
    Qnfs__Open open;
    Qnfs__Attributes attributes;
    Qnfs__Time time;
    Qnfs__Stateid stateid;
    Qnfs__Credential credential;
    uint8_t session[17];
    uint8_t digest[17];
    uint8_t other[13];
    uint8_t verifier[9];
    uint8_t owner[NFS4_OPAQUE_MAX_BYTES + 1];
    uint8_t prefix[NFS4_CACHED_RESPONSE_MAX_BYTES + 1];
    uint32_t groups[3];
};

static void example_make(struct example *example)
{
    qnfs__command__init(&example->command);
    qnfs__slot_origin__init(&example->origin);
    qnfs__file_ref__init(&example->file);
    qnfs__open__init(&example->open);
    qnfs__attributes__init(&example->attributes);
    qnfs__time__init(&example->time);
    qnfs__stateid__init(&example->stateid);
    qnfs__credential__init(&example->credential);
    example->origin.session = bytes_of(example->session, 16);
    example->origin.digest = bytes_of(example->digest, 16);
    example->origin.prefix = bytes_of(example->prefix, 100);
    example->origin.current_stateid = &example->stateid;
    example->stateid.other = bytes_of(example->other, 12);
    example->open.owner = bytes_of(example->owner, 20);
    example->open.create = true;
    example->open.create_mode = 3;
    example->open.verifier = bytes_of(example->verifier, 8);
    example->open.attributes = &example->attributes;
    example->attributes.access_time = &example->time;
    example->open.file = &example->file;
    example->credential.n_groups = 3;
    example->credential.groups = example->groups;
    example->command.credential = &example->credential;
    example->command.origin_case = QNFS__COMMAND__ORIGIN_SLOT_ORIGIN;
    example->command.slot_origin = &example->origin;
    example->command.body_case = QNFS__COMMAND__BODY_OPEN;
    example->command.open = &example->open;
}

static int setup(void **state)
{
    static struct example example;
    example_make(&example);
    *state = &example;
    return 0;
}

static void test_round_trip(void **state)
{
    struct example *example = *state;
    struct arena arena;
    Qnfs__Command *unpacked;
    arena_init(&arena);
    struct slice packed = log_command_pack(&example->command, &arena);
    assert_int_equal(log_command_unpack(packed, &arena, &unpacked), STATUS_OK);
    assert_int_equal(unpacked->body_case, QNFS__COMMAND__BODY_OPEN);
    assert_int_equal(unpacked->open->verifier.len, 8);
    assert_true(slice_equal(log_command_pack(unpacked, &arena), packed));
    /* Cut anywhere inside, it is no command, or another one that is not whole. */
    for (size_t size = 0; size < packed.size_bytes; size++)
        assert_int_equal(log_command_unpack(slice_make(packed.data, size), &arena, &unpacked), STATUS_BAD_DATA);
    arena_fini(&arena);
}

static void assert_bad(const struct example *example)
{
    assert_int_equal(log_command_check(&example->command), STATUS_BAD_DATA);
}

static void test_lengths(void **state)
{
    struct example *example = *state;
    assert_int_equal(log_command_check(&example->command), STATUS_OK);
    ProtobufCBinaryData *const exact[] = {&example->origin.session, &example->origin.digest, &example->stateid.other,
                                          &example->open.verifier};
    for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++) {
        exact[i]->len--;
        assert_bad(example);
        exact[i]->len += 2;
        assert_bad(example);
        exact[i]->len--;
    }
    assert_int_equal(log_command_check(&example->command), STATUS_OK);
    example->open.owner.len = NFS4_OPAQUE_MAX_BYTES;
    assert_int_equal(log_command_check(&example->command), STATUS_OK);
    example->open.owner.len++;
    assert_bad(example);
    example->open.owner.len = 0;
    example->origin.prefix.len = NFS4_CACHED_RESPONSE_MAX_BYTES + 1;
    assert_bad(example);
}

static void test_missing(void **state)
{
    struct example *example = *state;
    example->open.file = NULL;
    assert_bad(example);
    example->open.file = &example->file;
    example->open.attributes = NULL;
    assert_bad(example);
    example->open.create = false;
    example->open.verifier.len = 0;
    assert_int_equal(log_command_check(&example->command), STATUS_OK);
    example->command.body_case = QNFS__COMMAND__BODY__NOT_SET;
    assert_bad(example);
    Qnfs__Lock lock = QNFS__LOCK__INIT;
    lock.file = &example->file;
    example->command.body_case = QNFS__COMMAND__BODY_LOCK;
    example->command.lock = &lock;
    assert_bad(example);
    lock.new_owner = true;
    lock.lock_stateid = &example->stateid;
    assert_bad(example);
    lock.new_owner = false;
    assert_int_equal(log_command_check(&example->command), STATUS_OK);
}

/* A field that this program does not know, at any depth: here in the command, the body, and the time in its attributes. */
static void test_unknown_fields(void **state)
{
    struct example *example = *state;
    ProtobufCMessage *const places[] = {&example->command.base, &example->open.base, &example->attributes.base,
                                        &example->time.base,    &example->file.base, &example->origin.base};
    ProtobufCMessageUnknownField unknown = {.tag = 1000, .wire_type = PROTOBUF_C_WIRE_TYPE_VARINT};
    uint8_t value = 5;
    struct arena arena;
    arena_init(&arena);
    unknown.len = 1;
    unknown.data = &value;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        places[i]->n_unknown_fields = 1;
        places[i]->unknown_fields = &unknown;
        assert_bad(example);
        /* And in bytes. */
        Qnfs__Command *unpacked;
        uint8_t *bytes = arena_alloc(&arena, qnfs__command__get_packed_size(&example->command));
        size_t size = qnfs__command__pack(&example->command, bytes);
        assert_int_equal(log_command_unpack(slice_make(bytes, size), &arena, &unpacked), STATUS_BAD_DATA);
        places[i]->n_unknown_fields = 0;
    }
    assert_int_equal(log_command_check(&example->command), STATUS_OK);
    arena_fini(&arena);
}

/* In a repeated message as well. */
static void test_repeated(void **state)
{
    struct example *example = *state;
    uint8_t session[16] = {0};
    Qnfs__SlotAdvance good = QNFS__SLOT_ADVANCE__INIT;
    Qnfs__SlotAdvance bad = QNFS__SLOT_ADVANCE__INIT;
    Qnfs__SlotAdvance *advances[] = {&good, &good, &bad};
    Qnfs__Renew renew = QNFS__RENEW__INIT;
    good.session = (ProtobufCBinaryData){16, session};
    bad.session = (ProtobufCBinaryData){15, session};
    renew.slots = advances;
    renew.n_slots = 2;
    example->command.body_case = QNFS__COMMAND__BODY_RENEW;
    example->command.renew = &renew;
    assert_int_equal(log_command_check(&example->command), STATUS_OK);
    renew.n_slots = 3;
    assert_bad(example);
}

static void test_results(void **state)
{
    (void)state;
    struct arena arena;
    Qnfs__Result result = QNFS__RESULT__INIT;
    Qnfs__Result *unpacked;
    Qnfs__OpenResult open = QNFS__OPEN_RESULT__INIT;
    arena_init(&arena);
    result.status = 10012;
    assert_int_equal(log_result_unpack(log_result_pack(&result, &arena), &arena, &unpacked), STATUS_OK);
    assert_int_equal(unpacked->status, 10012);
    result.body_case = QNFS__RESULT__BODY_OPEN;
    result.open = &open; /* without its stateid */
    assert_int_equal(log_result_unpack(log_result_pack(&result, &arena), &arena, &unpacked), STATUS_BAD_DATA);
    assert_int_equal(log_result_unpack(slice_text("\xff\xff"), &arena, &unpacked), STATUS_BAD_DATA);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_round_trip, setup), cmocka_unit_test_setup(test_lengths, setup),
        cmocka_unit_test_setup(test_missing, setup),    cmocka_unit_test_setup(test_unknown_fields, setup),
        cmocka_unit_test_setup(test_repeated, setup),   cmocka_unit_test(test_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
