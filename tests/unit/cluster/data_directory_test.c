#include "cluster/data_directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/log_writer.h"
#include "tests/support/disk_memory.h"

static const struct node_identity identity = {.node_id = 1, .cluster_id = "0123456789abcde"};

/* docs/formats/log.md, the example of a node file. */
static const uint8_t example[] = {'Q', 'N', 'O', 'D', 0,   0,   0,   1,   0,    0,    0,    0,
                                  0,   0,   0,   1,   '0', '1', '2', '3', '4',  '5',  '6',  '7',
                                  '8', '9', 'a', 'b', 'c', 'd', 'e', 0,   0xd3, 0xa4, 0xce, 0x73};

static void test_identity(void **state)
{
    (void)state;
    struct disk_memory memory;
    struct node_identity loaded;
    disk_memory_init(&memory, 1);
    struct disk disk = disk_memory_port(&memory);
    assert_int_equal(data_directory_prepare(&disk), STATUS_OK);
    assert_int_equal(data_directory_load(&disk, &loaded), STATUS_NOT_FOUND);
    assert_int_equal(data_directory_store(&disk, &identity), STATUS_OK);
    disk_memory_crash(&memory);
    assert_int_equal(data_directory_load(&disk, &loaded), STATUS_OK);
    assert_memory_equal(&loaded, &identity, sizeof identity);
    struct slice bytes = disk_memory_file(&memory, "node");
    assert_int_equal(bytes.size_bytes, sizeof example);
    assert_memory_equal(bytes.data, example, sizeof example);
    for (uint64_t at = 0; at < sizeof example; at++) {
        disk_memory_damage(&memory, "node", at, 1);
        assert_int_equal(data_directory_load(&disk, &loaded), STATUS_BAD_DATA);
        disk_memory_damage(&memory, "node", at, 1);
    }
    disk_memory_fini(&memory);
}

/* docs/formats/log.md, the example of a members file. */
static const uint8_t members_example[] = {'Q',  'M', 'E', 'M', 0, 0,   0,   1,   0,    0,    0,    0,    0, 0,
                                          0,    0,   0,   0,   0, 0,   0,   0,   0,    0,    0,    0,    0, 2, /* two */
                                          0,    0,   0,   0,   0, 0,   0,   1,   0,    0,    0x1b, 0x89, 0, 0,
                                          0,    1,   'a', 0,   0, 0,   0,   0,   0,    0,    2,    0,    0, 0x1b,
                                          0x89, 0,   0,   0,   3, ':', ':', '1', 0xa4, 0xd9, 0x3b, 0x22};

static void test_members_and_promises(void **state)
{
    (void)state;
    struct disk_memory memory;
    struct endpoint_list members = {2, {{1, "a", 7049}, {2, "::1", 7049}}};
    struct endpoint_list loaded;
    struct founding_record record = {.cluster_id = "0123456789abcde"};
    struct founding_record promised;
    disk_memory_init(&memory, 1);
    struct disk disk = disk_memory_port(&memory);
    assert_int_equal(data_directory_prepare(&disk), STATUS_OK);
    assert_int_equal(data_directory_load_members(&disk, &loaded), STATUS_NOT_FOUND);
    assert_int_equal(data_directory_load_founding(&disk, &promised), STATUS_NOT_FOUND);
    assert_int_equal(data_directory_forget_founding(&disk), STATUS_OK);
    assert_int_equal(data_directory_store_members(&disk, &members), STATUS_OK);
    disk_memory_crash(&memory);
    struct slice bytes = disk_memory_file(&memory, "members");
    assert_int_equal(bytes.size_bytes, sizeof members_example);
    assert_memory_equal(bytes.data, members_example, sizeof members_example);
    assert_int_equal(data_directory_load_members(&disk, &loaded), STATUS_OK);
    assert_true(endpoint_list_equal(&loaded, &members));
    assert_int_equal(loaded.items[1].node, 2);
    for (uint64_t at = 0; at < sizeof members_example; at++) {
        disk_memory_damage(&memory, "members", at, 1);
        assert_int_equal(data_directory_load_members(&disk, &loaded), STATUS_BAD_DATA);
        disk_memory_damage(&memory, "members", at, 1);
    }
    for (uint32_t i = 0; i < CLUSTER_MEMBERS_MAX; i++) { /* the largest */
        struct peer_endpoint member = {.node = UINT64_MAX - i, .port = UINT16_MAX};
        memset(member.host, 'x', PEER_HOST_MAX_BYTES);
        assert_true(endpoint_list_add(&record.members, &member));
    }
    assert_int_equal(data_directory_store_founding(&disk, &record), STATUS_OK);
    disk_memory_crash(&memory);
    assert_int_equal(data_directory_load_founding(&disk, &promised), STATUS_OK);
    assert_memory_equal(promised.cluster_id, record.cluster_id, sizeof record.cluster_id);
    assert_true(endpoint_list_equal(&promised.members, &record.members));
    assert_true(promised.members.items[30].node == UINT64_MAX - 30);
    assert_int_equal(data_directory_forget_founding(&disk), STATUS_OK);
    assert_int_equal(data_directory_load_founding(&disk, &promised), STATUS_NOT_FOUND);
    disk_memory_fini(&memory);
}

static void test_starts_count_up_over_crashes(void **state)
{
    (void)state;
    struct disk_memory memory;
    uint64_t count;
    disk_memory_init(&memory, 1);
    struct disk disk = disk_memory_port(&memory);
    for (uint64_t start = 1; start <= 5; start++) {
        assert_int_equal(data_directory_count_start(&disk, &count), STATUS_OK);
        assert_int_equal(count, start);
        disk_memory_crash(&memory);
    }
    assert_int_equal(disk_memory_file(&memory, "starts").size_bytes, 20);
    for (uint64_t at = 0; at < 20; at++) {
        disk_memory_damage(&memory, "starts", at, 1);
        assert_int_equal(data_directory_count_start(&disk, &count), STATUS_BAD_DATA);
        disk_memory_damage(&memory, "starts", at, 1);
    }
    assert_int_equal(data_directory_count_start(&disk, &count), STATUS_OK);
    assert_int_equal(count, 6);
    disk_memory_fini(&memory);
}

static void test_lock(void **state)
{
    (void)state;
    struct disk_memory memory;
    disk_memory_init(&memory, 1);
    struct disk disk = disk_memory_port(&memory);
    assert_int_equal(data_directory_prepare(&disk), STATUS_OK);
    assert_int_equal(data_directory_prepare(&disk), STATUS_REFUSED);
    disk_memory_fini(&memory);
}

static enum status bootstrap(const struct log_options *options)
{
    struct configuration configuration = {1, {{1, MEMBER_VOTER}}};
    enum status status = data_directory_prepare(options->disk);
    if (status == STATUS_OK)
        status = log_create(options, &configuration);
    if (status == STATUS_OK)
        status = data_directory_store(options->disk, &identity);
    return status;
}

/* A crash at every operation of a bootstrap: either there is no node file, and the bootstrap starts over, or there is a
 * whole node. */
static void test_bootstrap_crash_at_every_operation(void **state)
{
    (void)state;
    unsigned started_over = 0;
    unsigned finished = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        for (uint64_t operation = 1; operation < 45; operation++) {
            struct disk_memory memory;
            struct random_seeded random;
            struct node_identity loaded;
            disk_memory_init(&memory, seed);
            struct disk disk = disk_memory_port(&memory);
            struct log_options options = {&disk, random_from_seed(&random, seed), 4096};
            memory.power_off_at = operation;
            enum status status = bootstrap(&options);
            disk_memory_crash(&memory);
            enum status load = data_directory_load(&disk, &loaded);
            if (status == STATUS_OK)
                assert_int_equal(load, STATUS_OK);
            started_over += load == STATUS_NOT_FOUND;
            finished += load == STATUS_OK;
            if (load == STATUS_NOT_FOUND)
                assert_int_equal(bootstrap(&options), STATUS_OK);
            else
                assert_int_equal(load, STATUS_OK);
            struct log_writer *writer;
            struct log_recovered recovered;
            char problem[256];
            assert_int_equal(
                log_recover(&options, &writer, &recovered, (struct span){(uint8_t *)problem, sizeof problem}),
                STATUS_OK);
            assert_int_equal(recovered.entry_count, 1);
            assert_int_equal(recovered.term, 1);
            log_recovered_fini(&recovered);
            log_writer_destroy(writer);
            disk_memory_fini(&memory);
        }
    }
    assert_true(started_over > 0 && finished > 0);
}

/* The nonce is the same until it is forgotten, over crashes. */
static void test_joining_and_removed(void **state)
{
    (void)state;
    struct disk_memory memory;
    uint64_t nonce;
    bool removed;
    disk_memory_init(&memory, 1);
    struct disk disk = disk_memory_port(&memory);
    assert_int_equal(data_directory_prepare(&disk), STATUS_OK);
    assert_int_equal(data_directory_joining(&disk, 77, &nonce), STATUS_OK);
    assert_int_equal(nonce, 77);
    disk_memory_crash(&memory);
    assert_int_equal(data_directory_joining(&disk, 78, &nonce), STATUS_OK);
    assert_int_equal(nonce, 77);
    disk_memory_damage(&memory, "joining", 9, 1);
    assert_int_equal(data_directory_joining(&disk, 78, &nonce), STATUS_BAD_DATA);
    assert_int_equal(data_directory_forget_joining(&disk), STATUS_OK);
    assert_int_equal(data_directory_forget_joining(&disk), STATUS_OK);
    assert_int_equal(data_directory_joining(&disk, 79, &nonce), STATUS_OK);
    assert_int_equal(nonce, 79);
    assert_int_equal(data_directory_is_removed(&disk, &removed), STATUS_OK);
    assert_false(removed);
    assert_int_equal(data_directory_store_removed(&disk), STATUS_OK);
    disk_memory_crash(&memory);
    assert_int_equal(data_directory_is_removed(&disk, &removed), STATUS_OK);
    assert_true(removed);
    disk_memory_fini(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joining_and_removed),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_members_and_promises),
        cmocka_unit_test(test_starts_count_up_over_crashes),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_bootstrap_crash_at_every_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
