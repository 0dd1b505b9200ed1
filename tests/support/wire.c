#include "tests/support/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "proto/xdr/xdr.h"

static uint8_t nibble(char digit)
{
    CHECK((digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f'));
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

struct slice wire_bytes(struct arena *arena, const char *hex)
{
    uint8_t *bytes = arena_alloc(arena, strlen(hex) / 2);
    size_t size_bytes = 0;
    while (*hex != '\0') {
        if (*hex == ' ') {
            hex++;
            continue;
        }
        bytes[size_bytes++] = (uint8_t)(nibble(hex[0]) << 4 | nibble(hex[1]));
        hex += 2;
    }
    return slice_make(bytes, size_bytes);
}

/* Arguments or result of one operation, so that the checks are written once. */
struct wire_value {
    enum opnum4 op;
    union nfs4_args *args; /* one of the two */
    union nfs4_result *result;
};

static bool value_codec(struct xdr *x, const struct wire_value *value)
{
    return value->args != NULL ? nfs4_args_codec(x, value->op, value->args)
                               : nfs4_result_codec(x, value->op, value->result);
}

/* An exact allocation, so that a sanitizer sees one byte too many. */
static struct span exact_room(size_t size_bytes)
{
    uint8_t *data = malloc(size_bytes > 0 ? size_bytes : 1);
    CHECK(data != NULL);
    return (struct span){data, size_bytes};
}

static void check_encodes(const struct wire_value *value, struct slice expected)
{
    struct span room = exact_room(expected.size_bytes + 64);
    struct xdr x = xdr_encoder(room);
    assert_true(value_codec(&x, value));
    assert_int_equal(xdr_position(&x), expected.size_bytes);
    if (expected.size_bytes > 0)
        assert_memory_equal(room.data, expected.data, expected.size_bytes);
    free(room.data);
}

static void check_short_room(const struct wire_value *value, size_t full_bytes)
{
    for (size_t room_bytes = 0; room_bytes < full_bytes; room_bytes++) {
        struct span room = exact_room(room_bytes);
        struct xdr x = xdr_encoder(room);
        assert_false(value_codec(&x, value));
        assert_true(x.failed);
        free(room.data);
    }
}

static void check_decodes(struct arena *arena, const struct wire_value *kind, struct slice bytes)
{
    union nfs4_args args;
    union nfs4_result result;
    struct wire_value decoded = {kind->op, kind->args != NULL ? &args : NULL, &result};
    for (size_t size_bytes = 0; size_bytes <= bytes.size_bytes; size_bytes++) {
        struct span input = exact_room(size_bytes);
        if (size_bytes > 0)
            memcpy(input.data, bytes.data, size_bytes);
        struct xdr x = xdr_decoder(slice_make(input.data, size_bytes), arena);
        bool decodes = value_codec(&x, &decoded);
        assert_true(decodes == (size_bytes == bytes.size_bytes));
        if (decodes) {
            assert_int_equal(xdr_remaining(&x), 0);
            check_encodes(&decoded, bytes);
        }
        free(input.data);
    }
}

static void check_value(const struct wire_value *value, const char *hex)
{
    struct arena arena;
    arena_init(&arena);
    struct slice expected = wire_bytes(&arena, hex);
    check_encodes(value, expected);
    check_short_room(value, expected.size_bytes);
    check_decodes(&arena, value, expected);
    arena_fini(&arena);
}

void wire_check_args(enum opnum4 op, union nfs4_args *args, const char *hex)
{
    check_value(&(struct wire_value){op, args, NULL}, hex);
}

void wire_check_result(enum opnum4 op, union nfs4_result *result, const char *hex)
{
    check_value(&(struct wire_value){op, NULL, result}, hex);
}

void wire_refuse_args(enum opnum4 op, const char *hex)
{
    struct arena arena;
    arena_init(&arena);
    struct xdr x = xdr_decoder(wire_bytes(&arena, hex), &arena);
    union nfs4_args args;
    assert_false(nfs4_args_codec(&x, op, &args));
    arena_fini(&arena);
}

void wire_decode_args(struct arena *arena, enum opnum4 op, const char *hex, union nfs4_args *args)
{
    struct xdr x = xdr_decoder(wire_bytes(arena, hex), arena);
    assert_true(nfs4_args_codec(&x, op, args));
    assert_int_equal(xdr_remaining(&x), 0);
}
