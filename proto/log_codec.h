/* log_codec.h: commands and results as protobuf bytes, in an arena.
 *
 * What was unpacked is complete: a body is set, no field at any depth is unknown to this program, every byte string of
 * fixed length has that length, and every message that a handler looks into is there. So the machine needs no such
 * check. A command that fails is not an answer to anybody: this node is older than the cluster's feature level or its
 * log is damaged, and the shell stops it (docs/formats/entry.md). */
#ifndef PROTO_LOG_CODEC_H
#define PROTO_LOG_CODEC_H

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"
#include "proto/log.pb-c.h"

/* Longest `identity` of an EXCHANGE_ID: the identity of an address object, "default" without one. */
#define LOG_IDENTITY_MAX_BYTES 32u

/* A command in the arena (it keeps no pointer into `bytes`). STATUS_BAD_DATA: see above. Pure. */
MUST_CHECK enum status log_command_unpack(struct slice bytes, struct arena *arena, Qnfs__Command **command);

/* The checks alone, for a command that was built, not unpacked. STATUS_BAD_DATA. Pure. */
MUST_CHECK enum status log_command_check(const Qnfs__Command *command);

/* The bytes of a command, in the arena. CHECKs log_command_check: nobody proposes what would stop every node. Pure. */
struct slice log_command_pack(const Qnfs__Command *command, struct arena *arena);

/* A result in the arena; a result without a body is whole. STATUS_BAD_DATA as above. Pure. */
MUST_CHECK enum status log_result_unpack(struct slice bytes, struct arena *arena, Qnfs__Result **result);
struct slice log_result_pack(const Qnfs__Result *result, struct arena *arena);

#endif
