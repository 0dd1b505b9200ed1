/* message_tree.h: protobuf messages in an arena, and a rule that every message of a tree must obey. What was unpacked by
 * these functions and obeys holds no field that this program does not know. */
#ifndef PROTO_MESSAGE_TREE_H
#define PROTO_MESSAGE_TREE_H

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "base/slice.h"

/* Whether one message, without those in it, is as it must be. */
typedef bool (*message_rule)(const ProtobufCMessage *message);

/* A message in the arena that keeps no pointer into `bytes`; NULL: they are none. Its memory is a small multiple of the
 * bytes (an empty message in a repeated field is two of them), so the caller bounds these. Pure. */
ProtobufCMessage *message_unpack(const ProtobufCMessageDescriptor *descriptor, struct slice bytes, struct arena *arena);

/* Its bytes, in the arena. Pure. */
struct slice message_pack(const ProtobufCMessage *message, struct arena *arena);

/* Whether no message of the tree has an unknown field, and each obeys the rule. Pure, without recursion. */
bool message_tree_obeys(const ProtobufCMessage *root, message_rule rule);

#endif
