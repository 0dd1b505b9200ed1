#include "cluster/configuration.h"

#include <raft.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* docs/formats/log.md, the example of a configuration. */
static const uint8_t example[] = {1,  2, 0, 0, 0, 0, 0, 0, 0,           /* format, two servers */
                                  1,  0, 0, 0, 0, 0, 0, 0, '1', 0,   1, /* id 1, "1", voter */
                                  12, 0, 0, 0, 0, 0, 0, 0, '1', '2', 0, /* id 12, "12" */
                                  0,                                    /* standby */
                                  0,  0, 0, 0, 0, 0, 0};
static const struct configuration example_configuration = {2, {{1, MEMBER_VOTER}, {12, MEMBER_STANDBY}}};

static void assert_same(const struct configuration *a, const struct configuration *b)
{
    assert_int_equal(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        assert_int_equal(a->members[i].id, b->members[i].id);
        assert_int_equal(a->members[i].role, b->members[i].role);
    }
}

static void test_example(void **state)
{
    (void)state;
    uint8_t room[CONFIGURATION_MAX_BYTES];
    size_t size_bytes = configuration_encode(&example_configuration, (struct span){room, sizeof room});
    assert_int_equal(size_bytes % 8, 0);
    assert_int_equal(size_bytes, 32);
    assert_memory_equal(room, example, size_bytes);
    struct configuration configuration;
    assert_int_equal(configuration_decode(slice_make(example, size_bytes), &configuration), STATUS_OK);
    assert_same(&configuration, &example_configuration);
}

/* The library writes the same bytes and reads ours. */
static void test_same_as_the_library(void **state)
{
    (void)state;
    struct configuration ours = {0};
    struct raft_configuration theirs;
    raft_configuration_init(&theirs);
    for (uint32_t i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
        uint64_t id = (UINT64_MAX >> (2 * i)) - i;
        char address[32];
        ours.members[ours.count++] = (struct member){id, i % 3 == 0 ? MEMBER_VOTER : MEMBER_STANDBY};
        (void)configuration_address(id, (struct span){(uint8_t *)address, sizeof address});
        assert_int_equal(raft_configuration_add(&theirs, id, address, i % 3 == 0 ? RAFT_VOTER : RAFT_STANDBY), 0);
        uint8_t room[CONFIGURATION_MAX_BYTES];
        size_t size_bytes = configuration_encode(&ours, (struct span){room, sizeof room});
        struct raft_buffer buffer;
        assert_int_equal(raft_configuration_encode(&theirs, &buffer), 0);
        assert_int_equal(buffer.len, size_bytes);
        assert_memory_equal(buffer.base, room, size_bytes);
        struct configuration decoded;
        assert_int_equal(configuration_decode(slice_make(buffer.base, buffer.len), &decoded), STATUS_OK);
        assert_same(&decoded, &ours);
        raft_free(buffer.base);
    }
    raft_configuration_close(&theirs);
}

/* Every cut, and every changed byte that does not change into another valid configuration. */
static void test_bad_bytes(void **state)
{
    (void)state;
    struct configuration configuration;
    for (size_t size_bytes = 0; size_bytes < 32; size_bytes++)
        assert_int_equal(configuration_decode(slice_make(example, size_bytes), &configuration), STATUS_BAD_DATA);
    for (size_t at = 0; at < 32; at++) {
        uint8_t bytes[32];
        memcpy(bytes, example, sizeof bytes);
        bytes[at] ^= 0x80;
        assert_int_equal(configuration_decode(slice_make(bytes, sizeof bytes), &configuration), STATUS_BAD_DATA);
    }
    uint8_t twice[40] = {1, 2,   0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0,   0, 0, 0,
                         0, '7', 0, 1, 7, 0, 0, 0, 0, 0, 0, 0, '7', 0, 1};
    assert_int_equal(configuration_decode(slice_make(twice, 32), &configuration), STATUS_BAD_DATA);
}

static void test_voters(void **state)
{
    (void)state;
    struct configuration both = {2, {{1, MEMBER_VOTER}, {2, MEMBER_VOTER}}};
    assert_true(configuration_sole_voter(&example_configuration, 1));
    assert_false(configuration_sole_voter(&example_configuration, 12));
    assert_false(configuration_sole_voter(&example_configuration, 3));
    assert_false(configuration_sole_voter(&both, 1));
    assert_int_equal(configuration_voters(&both), 2);
    assert_int_equal(configuration_find(&example_configuration, 12), 1);
    assert_int_equal(configuration_find(&example_configuration, 2), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_same_as_the_library),
        cmocka_unit_test(test_bad_bytes),
        cmocka_unit_test(test_voters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
