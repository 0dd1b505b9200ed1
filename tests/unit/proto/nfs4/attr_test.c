#include "proto/nfs4/attr.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/wire.h"
#include "proto/xdr/xdr.h"

static struct bitmap4 mask_of(const uint32_t *numbers, size_t count)
{
    struct bitmap4 mask = {0};
    for (size_t i = 0; i < count; i++)
        bitmap4_add(&mask, numbers[i]);
    return mask;
}
#define MASK(...) mask_of((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void values_follow_in_order(void **state)
{
    (void)state;
    struct nfs4_attributes attributes = {.supported_attrs = nfs4_attributes_supported(2),
                                         .type = NF4REG,
                                         .change = 0x0102030405060708,
                                         .size = 9,
                                         .mode = 0644,
                                         .owner = slice_text("1000"),
                                         .time_modify = {-1, 5},
                                         .mounted_on_fileid = 77};
    struct bitmap4 wanted = MASK(FATTR4_MOUNTED_ON_FILEID, FATTR4_TIME_MODIFY, FATTR4_OWNER, FATTR4_MODE, FATTR4_SIZE,
                                 FATTR4_CHANGE, FATTR4_TYPE, FATTR4_ACL, FATTR4_TIME_MODIFY_SET, 95);
    uint8_t room[256];
    struct xdr x = xdr_encoder((struct span){room, sizeof(room)});
    assert_true(nfs4_fattr_encode(&x, &wanted, &attributes));
    struct arena arena;
    arena_init(&arena);
    struct slice expected = wire_bytes(&arena, "00000002 0000001a 00a00012 00000034"
                                               "00000001 0102030405060708 0000000000000009"
                                               "000001a4 00000004 31303030 ffffffffffffffff 00000005 000000000000004d");
    assert_int_equal(xdr_position(&x), expected.size_bytes);
    assert_memory_equal(room, expected.data, expected.size_bytes);

    for (size_t room_bytes = 0; room_bytes < expected.size_bytes; room_bytes++) {
        struct xdr small = xdr_encoder((struct span){room, room_bytes});
        assert_false(nfs4_fattr_encode(&small, &wanted, &attributes));
    }
    arena_fini(&arena);
}

static void every_readable_attribute_goes_both_ways(void **state)
{
    (void)state;
    struct bitmap4 supported = nfs4_attributes_supported(2);
    struct bitmap4 readable = nfs4_attributes_readable(2);
    struct nfs4_attributes attributes;
    memset(&attributes, 0, sizeof(attributes));
    attributes.supported_attrs = supported;
    attributes.owner = slice_text("root@example.org");
    attributes.owner_group = slice_text("0");
    attributes.filehandle = slice_text("handle");
    for (uint32_t number = 0; number < NFS4_BITMAP_WORDS * 32; number++) {
        struct bitmap4 mask = {0};
        bitmap4_add(&mask, number);
        uint8_t room[256];
        struct xdr x = xdr_encoder((struct span){room, sizeof(room)});
        assert_true(nfs4_fattr_encode(&x, &mask, &attributes));
        struct fattr4 fattr;
        struct xdr y = xdr_decoder(xdr_encoded(&x), NULL);
        assert_true(xdr_fattr4(&y, &fattr));
        assert_int_equal(bitmap4_has(&fattr.attrmask, number), bitmap4_has(&readable, number));
        struct nfs4_attributes decoded = {0};
        assert_int_equal(nfs4_fattr_decode(&fattr, &supported, NFS4_FATTR_ANY, &decoded), NFS4_OK);
        struct arena arena;
        arena_init(&arena);
        assert_true(nfs4_fattr_equal(&fattr, &attributes, &arena));
        arena_fini(&arena);
        assert_true(bitmap4_has(&supported, number) == (strcmp(fattr4_name(number), "?") != 0));
    }
}

static void masks_follow_the_minor_version(void **state)
{
    (void)state;
    for (uint32_t minor = 0; minor <= 2; minor++) {
        struct bitmap4 supported = nfs4_attributes_supported(minor);
        struct bitmap4 required = nfs4_attributes_required(minor);
        struct bitmap4 readable = nfs4_attributes_readable(minor);
        assert_true(bitmap4_within(&required, &readable));
        assert_true(bitmap4_within(&readable, &supported));
        assert_int_equal(bitmap4_has(&supported, FATTR4_SUPPATTR_EXCLCREAT), minor >= 1);
        assert_int_equal(bitmap4_has(&supported, FATTR4_MODE_SET_MASKED), minor >= 1);
        assert_int_equal(bitmap4_has(&supported, FATTR4_CHANGE_ATTR_TYPE), minor >= 2);
        assert_false(bitmap4_has(&readable, FATTR4_TIME_ACCESS_SET));
    }
    /* RFC 8881 table 4, and suppattr_exclcreat. */
    struct bitmap4 required = nfs4_attributes_required(1);
    struct bitmap4 expected = MASK(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 19, 75);
    assert_memory_equal(required.words, expected.words, sizeof(expected.words));
}

static enum nfsstat4 decode(struct bitmap4 mask, const char *hex, enum nfs4_fattr_use use)
{
    struct arena arena;
    arena_init(&arena);
    struct fattr4 fattr = {.attrmask = mask, .attr_vals = wire_bytes(&arena, hex)};
    struct bitmap4 supported = nfs4_attributes_supported(1);
    struct nfs4_attributes attributes = {0};
    enum nfsstat4 status = nfs4_fattr_decode(&fattr, &supported, use, &attributes);
    arena_fini(&arena);
    return status;
}

static void wrong_masks_have_their_answers(void **state)
{
    (void)state;
    struct bitmap4 size = MASK(FATTR4_SIZE);
    struct bitmap4 unknown = size;
    unknown.unknown = true;
    const char *value = "0000000000000001";
    assert_int_equal(decode(size, value, NFS4_FATTR_SET), NFS4_OK);
    assert_int_equal(decode(unknown, value, NFS4_FATTR_SET), NFS4ERR_ATTRNOTSUPP);
    assert_int_equal(decode(MASK(FATTR4_ACL), value, NFS4_FATTR_SET), NFS4ERR_ATTRNOTSUPP);
    assert_int_equal(decode(MASK(FATTR4_MODE_UMASK), value, NFS4_FATTR_SET), NFS4ERR_ATTRNOTSUPP);
    assert_int_equal(decode(MASK(FATTR4_CHANGE), value, NFS4_FATTR_SET), NFS4ERR_INVAL);
    assert_int_equal(decode(MASK(FATTR4_CHANGE), value, NFS4_FATTR_VERIFY), NFS4_OK);
    assert_int_equal(decode(MASK(FATTR4_TIME_MODIFY_SET), "00000000", NFS4_FATTR_VERIFY), NFS4ERR_INVAL);
    assert_int_equal(decode(MASK(FATTR4_RDATTR_ERROR), "00000000", NFS4_FATTR_VERIFY), NFS4ERR_INVAL);
    assert_int_equal(decode(MASK(FATTR4_RDATTR_ERROR), "00000000", NFS4_FATTR_ANY), NFS4_OK);
}

static void damaged_values_are_badxdr(void **state)
{
    (void)state;
    assert_int_equal(decode(MASK(FATTR4_SIZE), "00000000", NFS4_FATTR_SET), NFS4ERR_BADXDR);
    assert_int_equal(decode(MASK(FATTR4_SIZE), "000000000000000100", NFS4_FATTR_SET), NFS4ERR_BADXDR);
    assert_int_equal(decode(MASK(FATTR4_OWNER), "00000009 61626364", NFS4_FATTR_SET), NFS4ERR_BADXDR);
    assert_int_equal(decode(MASK(FATTR4_TIME_MODIFY_SET), "00000002", NFS4_FATTR_SET), NFS4ERR_BADXDR);
    assert_int_equal(decode(MASK(FATTR4_LINK_SUPPORT), "00000002", NFS4_FATTR_VERIFY), NFS4ERR_BADXDR);
}

static void a_client_makes_what_the_server_takes(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct nfs4_attributes wanted = {.size = 100,
                                     .mode = 0600,
                                     .owner = slice_text("7"),
                                     .time_access_set = {.set_it = SET_TO_SERVER_TIME4},
                                     .time_modify_set = {SET_TO_CLIENT_TIME4, {10, 11}}};
    struct bitmap4 mask = MASK(FATTR4_SIZE, FATTR4_MODE, FATTR4_OWNER, FATTR4_TIME_ACCESS_SET, FATTR4_TIME_MODIFY_SET);
    struct fattr4 fattr = nfs4_fattr_for_set(&mask, &wanted, &arena);
    struct slice expected = wire_bytes(&arena, "0000000000000064 00000180 00000001 37000000 00000000"
                                               "00000001 000000000000000a 0000000b");
    assert_true(slice_equal(fattr.attr_vals, expected));
    struct bitmap4 supported = nfs4_attributes_supported(1);
    struct nfs4_attributes decoded = {0};
    assert_int_equal(nfs4_fattr_decode(&fattr, &supported, NFS4_FATTR_SET, &decoded), NFS4_OK);
    assert_true(decoded.size == 100 && decoded.mode == 0600 && decoded.time_modify_set.time.seconds == 10);
    assert_true(slice_equal(decoded.owner, slice_text("7")));
    arena_fini(&arena);
}

static void verify_compares_all_values(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct nfs4_attributes ours = {.supported_attrs = nfs4_attributes_supported(1), .size = 5, .change = 6};
    struct fattr4 given = {.attrmask = MASK(FATTR4_CHANGE, FATTR4_SIZE),
                           .attr_vals = wire_bytes(&arena, "0000000000000006 0000000000000005")};
    assert_true(nfs4_fattr_equal(&given, &ours, &arena));
    ours.size = 4;
    assert_false(nfs4_fattr_equal(&given, &ours, &arena));
    /* Ours is longer than what was given. */
    ours.owner = slice_text("a long name@example.org");
    struct fattr4 owner = {.attrmask = MASK(FATTR4_OWNER), .attr_vals = wire_bytes(&arena, "00000001 61000000")};
    assert_false(nfs4_fattr_equal(&owner, &ours, &arena));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_follow_in_order),         cmocka_unit_test(every_readable_attribute_goes_both_ways),
        cmocka_unit_test(masks_follow_the_minor_version), cmocka_unit_test(wrong_masks_have_their_answers),
        cmocka_unit_test(damaged_values_are_badxdr),      cmocka_unit_test(a_client_makes_what_the_server_takes),
        cmocka_unit_test(verify_compares_all_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
