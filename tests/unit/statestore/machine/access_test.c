/* Mode bits: who may do what. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/nfs4/file.h"
#include "statestore/machine/access.h"

static const uint32_t groups[] = {7, 0, 200};

static struct identity somebody(uint32_t uid, uint32_t gid)
{
    return (struct identity){.uid = uid, .gid = gid, .groups = groups, .group_count = 3};
}

static struct inode with_mode(enum nfs_ftype4 type, uint32_t mode)
{
    return (struct inode){.type = type, .mode = mode, .owner = 1000, .group = 200};
}

static void test_triplets(void **state)
{
    (void)state;
    struct inode file = with_mode(NF4REG, 0421);
    struct identity owner = somebody(1000, 100);
    struct identity member = somebody(1001, 100);
    struct identity other = {.uid = 1002, .gid = 100};
    assert_int_equal(access_mode_bits(&file, &owner), ACCESS_READ);
    assert_int_equal(access_mode_bits(&file, &member), ACCESS_WRITE);
    assert_int_equal(access_mode_bits(&file, &other), ACCESS_EXECUTE);
    other.gid = 200;
    assert_int_equal(access_mode_bits(&file, &other), ACCESS_WRITE);
    file.mode = 0077; /* the owner's own triplet counts, though everyone else has more */
    assert_int_equal(access_mode_bits(&file, &owner), 0);
}

static void test_root(void **state)
{
    (void)state;
    struct identity root = {0};
    struct inode file = with_mode(NF4REG, 0);
    assert_int_equal(access_mode_bits(&file, &root), ACCESS_READ | ACCESS_WRITE);
    file.mode = 0001;
    assert_int_equal(access_mode_bits(&file, &root), ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE);
    struct inode directory = with_mode(NF4DIR, 0);
    assert_int_equal(access_mode_bits(&directory, &root), ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE);
}

static void test_rights(void **state)
{
    (void)state;
    struct identity owner = somebody(1000, 100);
    struct inode file = with_mode(NF4REG, 0700);
    struct inode directory = with_mode(NF4DIR, 0700);
    assert_int_equal(access_rights(&file, &owner), ACCESS4_READ | ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_EXECUTE);
    assert_int_equal(access_rights(&directory, &owner),
                     ACCESS4_READ | ACCESS4_LOOKUP | ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_DELETE);
    directory.mode = 0600;
    assert_int_equal(access_rights(&directory, &owner), ACCESS4_READ);
    file.mode = 0;
    assert_int_equal(access_rights(&file, &owner), 0);
}

static void test_squashed_root_keeps_out_of_group_0(void **state)
{
    (void)state;
    struct identity identity = somebody(ACCESS_UID_NOBODY, ACCESS_UID_NOBODY);
    assert_true(access_in_group(&identity, 0));
    identity.is_root_squashed = true;
    assert_false(access_in_group(&identity, 0));
    assert_true(access_in_group(&identity, 7));
}

static void test_sticky(void **state)
{
    (void)state;
    struct inode directory = with_mode(NF4DIR, 01777);
    struct inode file = with_mode(NF4REG, 0666);
    struct identity other = {.uid = 1002};
    struct identity root = {0};
    file.owner = 1001;
    assert_true(access_sticky_forbids(&directory, &file, &other));
    assert_false(access_sticky_forbids(&directory, &file, &root));
    other.uid = 1000; /* owns the directory */
    assert_false(access_sticky_forbids(&directory, &file, &other));
    other.uid = 1001; /* owns the file */
    assert_false(access_sticky_forbids(&directory, &file, &other));
    other.uid = 1002;
    directory.mode = 0777;
    assert_false(access_sticky_forbids(&directory, &file, &other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_triplets),
        cmocka_unit_test(test_root),
        cmocka_unit_test(test_rights),
        cmocka_unit_test(test_sticky),
        cmocka_unit_test(test_squashed_root_keeps_out_of_group_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
