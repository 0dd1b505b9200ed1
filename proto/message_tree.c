#include "proto/message_tree.h"

#include "base/check.h"

/* Messages nest at most this deep: Command, Open, Attributes, Time. No schema of ours is recursive, so this is a matter
 * of the schema, not of the bytes. */
#define MESSAGE_DEPTH_MAX 8u

static void *allocator_alloc(void *context, size_t size_bytes)
{
    return arena_alloc(context, size_bytes);
}

static void allocator_free(void *context, void *pointer)
{
    (void)context;
    (void)pointer;
}

ProtobufCMessage *message_unpack(const ProtobufCMessageDescriptor *descriptor, struct slice bytes, struct arena *arena)
{
    ProtobufCAllocator allocator = {allocator_alloc, allocator_free, arena};
    return protobuf_c_message_unpack(descriptor, &allocator, bytes.size_bytes, bytes.data);
}

struct slice message_pack(const ProtobufCMessage *message, struct arena *arena)
{
    size_t size_bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc(arena, size_bytes);
    size_t packed = protobuf_c_message_pack(message, bytes);
    CHECK(packed == size_bytes);
    return slice_make(bytes, size_bytes);
}

/* A member of a oneof is there only if its case says so. */
static bool field_is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
        return true;
    uint32_t chosen;
    memcpy(&chosen, (const uint8_t *)message + field->quantifier_offset, sizeof(chosen));
    return chosen == field->id;
}

/* Where the walk stands in one message. */
struct walk_level {
    const ProtobufCMessage *message;
    unsigned field;
    size_t element; /* of a repeated field */
};

/* The next child message of a level, or NULL when it has no more. */
static const ProtobufCMessage *level_next(struct walk_level *level)
{
    const ProtobufCMessageDescriptor *descriptor = level->message->descriptor;
    while (level->field < descriptor->n_fields) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[level->field];
        if (field->type != PROTOBUF_C_TYPE_MESSAGE || !field_is_set(level->message, field)) {
            level->field++;
            continue;
        }
        const uint8_t *base = (const uint8_t *)level->message;
        const ProtobufCMessage *child = NULL;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count;
            memcpy(&count, base + field->quantifier_offset, sizeof(count));
            if (level->element < count) {
                ProtobufCMessage *const *array;
                memcpy(&array, base + field->offset, sizeof(array));
                return array[level->element++];
            }
            level->element = 0;
            level->field++;
            continue;
        }
        memcpy(&child, base + field->offset, sizeof(child));
        CHECK(child != NULL || (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0);
        level->field++;
        if (child != NULL)
            return child;
    }
    return NULL;
}

bool message_tree_obeys(const ProtobufCMessage *root, message_rule rule)
{
    struct walk_level levels[MESSAGE_DEPTH_MAX];
    size_t depth = 1;
    levels[0] = (struct walk_level){root, 0, 0};
    if (root->n_unknown_fields != 0 || !rule(root))
        return false;
    while (depth > 0) {
        const ProtobufCMessage *child = level_next(&levels[depth - 1]);
        if (child == NULL) {
            depth--;
            continue;
        }
        if (child->n_unknown_fields != 0 || !rule(child))
            return false;
        CHECK(depth < MESSAGE_DEPTH_MAX);
        levels[depth++] = (struct walk_level){child, 0, 0};
    }
    return true;
}
