/* wire.h: byte-exact checks of codecs. What a message must look like is given as hexadecimal text, with spaces where
 * they help to read. */
#ifndef TESTS_SUPPORT_WIRE_H
#define TESTS_SUPPORT_WIRE_H

#include "base/arena.h"
#include "proto/nfs4/compound.h"

/* The bytes of hexadecimal text; everything else in it must be spaces. Lives in the arena. */
struct slice wire_bytes(struct arena *arena, const char *hex);

/* Four checks, through cmocka: the value encodes to these bytes; the bytes decode and encode again to the same; each
 * shorter output room fails; each shorter input fails. */
void wire_check_args(enum opnum4 op, union nfs4_args *args, const char *hex);
void wire_check_result(enum opnum4 op, union nfs4_result *result, const char *hex);

/* The bytes do not decode as arguments of the operation. */
void wire_refuse_args(enum opnum4 op, const char *hex);

/* Arguments decoded from hexadecimal text; fails the test if they do not decode or if bytes are left. */
void wire_decode_args(struct arena *arena, enum opnum4 op, const char *hex, union nfs4_args *args);

#endif
