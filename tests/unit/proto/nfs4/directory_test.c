#include "proto/nfs4/directory.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/support/wire.h"
#include "proto/nfs4/attr.h"
#include "proto/xdr/xdr.h"

static void names_are_not_bounded_here(void **state)
{
    (void)state;
    char name[600];
    memset(name, 'n', sizeof(name));
    uint8_t room[700];
    union nfs4_args args = {.oplookup = {slice_make(name, sizeof(name))}};
    struct xdr x = xdr_encoder((struct span){room, sizeof(room)});
    assert_true(nfs4_args_codec(&x, OP_LOOKUP, &args));
    struct xdr y = xdr_decoder(xdr_encoded(&x), NULL);
    assert_true(nfs4_args_codec(&y, OP_LOOKUP, &args));
    assert_int_equal(args.oplookup.objname.size_bytes, sizeof(name));
}

static void create_has_its_types(void **state)
{
    (void)state;
    union nfs4_args link = {
        .opcreate = {.objtype = {NF4LNK, {.linkdata = slice_text("to")}}, .objname = slice_text("l")}};
    wire_check_args(OP_CREATE, &link, "00000005 00000002 746f0000 00000001 6c000000 00000000 00000000");
    union nfs4_args device = {.opcreate = {.objtype = {NF4CHR, {.devdata = {1, 3}}}, .objname = slice_text("null")}};
    wire_check_args(OP_CREATE, &device, "00000004 00000001 00000003 00000004 6e756c6c 00000000 00000000");
    union nfs4_args directory = {.opcreate = {.objtype = {.type = NF4DIR},
                                              .objname = slice_text("d"),
                                              .createattrs = {{{0, 2, 0}, false}, slice_make("\0\0\1\355", 4), NULL}}};
    wire_check_args(OP_CREATE, &directory, "00000002 00000001 64000000 00000002 00000000 00000002 00000004 000001ed");
    /* A type that CREATE does not know decodes: NFS4ERR_BADTYPE is the server's answer. */
    union nfs4_args strange = {.opcreate = {.objtype = {.type = (enum nfs_ftype4)77}, .objname = slice_text("s")}};
    wire_check_args(OP_CREATE, &strange, "0000004d 00000001 73000000 00000000 00000000");

    union nfs4_result result = {.opcreate = {NFS4_OK, {{true, 5, 6}, {{0, 2, 0}, false}}}};
    wire_check_result(OP_CREATE, &result,
                      "00000000 00000001 0000000000000005 0000000000000006 00000002 00000000 00000002");
}

/* Source before target: the two have one type, and a server has swapped them before. */
static void rename_does_not_swap(void **state)
{
    (void)state;
    union nfs4_args args = {.oprename = {.oldname = slice_text("old"), .newname = slice_text("new")}};
    wire_check_args(OP_RENAME, &args, "00000003 6f6c6400 00000003 6e657700");
    union nfs4_result result = {.oprename = {NFS4_OK, {.source_cinfo = {true, 1, 2}, .target_cinfo = {false, 3, 4}}}};
    wire_check_result(OP_RENAME, &result,
                      "00000000 00000001 0000000000000001 0000000000000002"
                      "00000000 0000000000000003 0000000000000004");
}

static void remove_and_link_bytes(void **state)
{
    (void)state;
    union nfs4_args args = {.opremove = {slice_text("gone")}};
    wire_check_args(OP_REMOVE, &args, "00000004 676f6e65");
    wire_check_args(OP_LINK, &args, "00000004 676f6e65");
    union nfs4_result result = {.opremove = {NFS4_OK, {{true, 9, 10}}}};
    wire_check_result(OP_REMOVE, &result, "00000000 00000001 0000000000000009 000000000000000a");
    wire_check_result(OP_LINK, &result, "00000000 00000001 0000000000000009 000000000000000a");
}

static const char readdir_hex[] = "00000000 0102030405060708"
                                  "00000001 0000000000000003 00000001 61000000 00000001 00100000 00000008"
                                  "0000000000000063"
                                  "00000001 0000000000000004 00000002 62620000 00000000 00000000"
                                  "00000000 00000001";

static void readdir_is_a_list(void **state)
{
    (void)state;
    union nfs4_args args = {.opreaddir = {3, {{0, 1, 2, 3, 4, 5, 6, 7}}, 512, 4096, {{0x00100000, 0, 0}, false}}};
    wire_check_args(OP_READDIR, &args, "0000000000000003 0001020304050607 00000200 00001000 00000001 00100000");

    struct entry4 second = {.cookie = 4, .name = slice_text("bb")};
    struct entry4 first = {.cookie = 3,
                           .name = slice_text("a"),
                           .attrs = {{{0x00100000, 0, 0}, false}, slice_make("\0\0\0\0\0\0\0\143", 8), NULL},
                           .nextentry = &second};
    union nfs4_result result = {
        .opreaddir = {NFS4_OK, {.cookieverf = {{1, 2, 3, 4, 5, 6, 7, 8}}, .reply = {.entries = &first, .eof = true}}}};
    wire_check_result(OP_READDIR, &result, readdir_hex);
}

static void readdir_entries_can_be_appended(void **state)
{
    (void)state;
    struct nfs4_attributes attributes = {.supported_attrs = nfs4_attributes_supported(1), .fileid = 0x63};
    struct entry4 first = {.cookie = 3,
                           .name = slice_text("a"),
                           .attrs = {.attrmask = {{1u << FATTR4_FILEID, 0, 0}, false}, .attributes = &attributes}};
    struct entry4 second = {.cookie = 4, .name = slice_text("bb")};
    uint8_t room[64 + 8];
    struct xdr x = xdr_encoder((struct span){room, 64});
    assert_true(xdr_entry4_append(&x, &first));
    size_t after_first = xdr_position(&x);
    assert_false(xdr_entry4_append(&x, &second));
    assert_false(x.failed);
    assert_int_equal(xdr_position(&x), after_first);
    x.end += 8;
    assert_true(xdr_entry4_append(&x, &second));

    union nfs4_result result = {
        .opreaddir = {NFS4_OK,
                      {.cookieverf = {{1, 2, 3, 4, 5, 6, 7, 8}}, .reply = {.encoded = xdr_encoded(&x), .eof = true}}}};
    wire_check_result(OP_READDIR, &result, readdir_hex);
    assert_int_equal(READDIR4_FRAME_BYTES, 8 + 4 + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_not_bounded_here), cmocka_unit_test(create_has_its_types),
        cmocka_unit_test(rename_does_not_swap),       cmocka_unit_test(remove_and_link_bytes),
        cmocka_unit_test(readdir_is_a_list),          cmocka_unit_test(readdir_entries_can_be_appended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
