#include "proto/log_codec.h"

#include "base/check.h"
#include "base/limits.h"

/* Messages nest at most this deep: Command, Open, Attributes, Time. */
#define LOG_DEPTH_MAX 8u

/* What a field must look like beyond its type. */
enum field_rule {
    FIELD_EXACT,   /* bytes of exactly this length */
    FIELD_AT_MOST, /* bytes of at most this length */
    FIELD_PRESENT, /* a message that must be there */
};

struct field_check {
    const ProtobufCMessageDescriptor *message;
    uint32_t number; /* of the field */
    enum field_rule rule;
    size_t size_bytes;
};

/* Few rows: a scan costs less than what the message's unpacking did. */
static const struct field_check field_checks[] = {
    {&qnfs__stateid__descriptor, 2, FIELD_EXACT, 12},
    {&qnfs__credential__descriptor, 5, FIELD_AT_MOST, 16},
    {&qnfs__credential__descriptor, 6, FIELD_AT_MOST, NFS4_OPAQUE_MAX_BYTES},
    {&qnfs__slot_origin__descriptor, 1, FIELD_EXACT, 16},
    {&qnfs__slot_origin__descriptor, 6, FIELD_EXACT, 16},
    {&qnfs__slot_origin__descriptor, 7, FIELD_AT_MOST, NFS4_CACHED_RESPONSE_MAX_BYTES},
    {&qnfs__cluster_create__descriptor, 1, FIELD_EXACT, 16},
    {&qnfs__cluster_create__descriptor, 2, FIELD_EXACT, 16},
    {&qnfs__node_register__descriptor, 2, FIELD_AT_MOST, 1024},
    {&qnfs__node_register__descriptor, 3, FIELD_AT_MOST, 256},
    {&qnfs__exchange_id__descriptor, 1, FIELD_AT_MOST, NFS4_OPAQUE_MAX_BYTES},
    {&qnfs__exchange_id__descriptor, 2, FIELD_EXACT, 8},
    {&qnfs__exchange_id__descriptor, 5, FIELD_AT_MOST, LOG_IDENTITY_MAX_BYTES},
    {&qnfs__exchange_id__descriptor, 6, FIELD_AT_MOST, NFS4_OPAQUE_MAX_BYTES},
    {&qnfs__exchange_id__descriptor, 7, FIELD_AT_MOST, NFS4_OPAQUE_MAX_BYTES},
    {&qnfs__create_session__descriptor, 4, FIELD_PRESENT, 0},
    {&qnfs__create_session__descriptor, 5, FIELD_PRESENT, 0},
    {&qnfs__create_session__descriptor, 11, FIELD_EXACT, 16},
    {&qnfs__destroy_session__descriptor, 1, FIELD_EXACT, 16},
    {&qnfs__session_attach__descriptor, 1, FIELD_EXACT, 16},
    {&qnfs__slot_advance__descriptor, 1, FIELD_EXACT, 16},
    {&qnfs__free_stateid__descriptor, 1, FIELD_PRESENT, 0},
    {&qnfs__backchannel_ctl__descriptor, 1, FIELD_EXACT, 16},
    {&qnfs__create__descriptor, 1, FIELD_PRESENT, 0},
    {&qnfs__create__descriptor, 7, FIELD_PRESENT, 0},
    {&qnfs__open__descriptor, 2, FIELD_AT_MOST, NFS4_OPAQUE_MAX_BYTES},
    {&qnfs__open__descriptor, 11, FIELD_PRESENT, 0},
    {&qnfs__open_downgrade__descriptor, 1, FIELD_PRESENT, 0},
    {&qnfs__open_downgrade__descriptor, 2, FIELD_PRESENT, 0},
    {&qnfs__close__descriptor, 1, FIELD_PRESENT, 0},
    {&qnfs__close__descriptor, 2, FIELD_PRESENT, 0},
    {&qnfs__write__descriptor, 1, FIELD_PRESENT, 0},
    {&qnfs__write__descriptor, 2, FIELD_PRESENT, 0},
    {&qnfs__setattr__descriptor, 1, FIELD_PRESENT, 0},
    {&qnfs__setattr__descriptor, 2, FIELD_PRESENT, 0},
    {&qnfs__setattr__descriptor, 3, FIELD_PRESENT, 0},
    {&qnfs__lock__descriptor, 1, FIELD_PRESENT, 0},
    {&qnfs__lock__descriptor, 9, FIELD_AT_MOST, NFS4_OPAQUE_MAX_BYTES},
    {&qnfs__locku__descriptor, 1, FIELD_PRESENT, 0},
    {&qnfs__locku__descriptor, 3, FIELD_PRESENT, 0},
    {&qnfs__remove__descriptor, 1, FIELD_PRESENT, 0},
    {&qnfs__rename__descriptor, 1, FIELD_PRESENT, 0},
    {&qnfs__rename__descriptor, 3, FIELD_PRESENT, 0},
    {&qnfs__link__descriptor, 1, FIELD_PRESENT, 0},
    {&qnfs__link__descriptor, 2, FIELD_PRESENT, 0},
    {&qnfs__export_add__descriptor, 1, FIELD_PRESENT, 0},
    {&qnfs__create_result__descriptor, 1, FIELD_PRESENT, 0},
    {&qnfs__create_result__descriptor, 2, FIELD_PRESENT, 0},
    {&qnfs__create_session_result__descriptor, 1, FIELD_EXACT, 16},
    {&qnfs__create_session_result__descriptor, 4, FIELD_PRESENT, 0},
    {&qnfs__create_session_result__descriptor, 5, FIELD_PRESENT, 0},
    {&qnfs__open_result__descriptor, 1, FIELD_PRESENT, 0},
    {&qnfs__open_result__descriptor, 2, FIELD_PRESENT, 0},
    {&qnfs__open_result__descriptor, 5, FIELD_PRESENT, 0},
    {&qnfs__stateid_result__descriptor, 1, FIELD_PRESENT, 0},
    {&qnfs__lock_denied__descriptor, 5, FIELD_AT_MOST, NFS4_OPAQUE_MAX_BYTES},
    {&qnfs__rename_result__descriptor, 1, FIELD_PRESENT, 0},
    {&qnfs__rename_result__descriptor, 2, FIELD_PRESENT, 0},
};

static void *allocator_alloc(void *context, size_t size_bytes)
{
    return arena_alloc(context, size_bytes);
}

static void allocator_free(void *context, void *pointer)
{
    (void)context;
    (void)pointer;
}

static ProtobufCMessage *message_unpack(const ProtobufCMessageDescriptor *descriptor, struct slice bytes,
                                        struct arena *arena)
{
    ProtobufCAllocator allocator = {allocator_alloc, allocator_free, arena};
    return protobuf_c_message_unpack(descriptor, &allocator, bytes.size_bytes, bytes.data);
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

static bool bytes_obey(const struct field_check *check, const ProtobufCBinaryData *bytes)
{
    switch (check->rule) {
    case FIELD_EXACT: return bytes->len == check->size_bytes;
    case FIELD_AT_MOST: return bytes->len <= check->size_bytes;
    case FIELD_PRESENT: break;
    }
    CHECK(false);
}

/* The rows of field_checks for one message. */
static bool message_obeys(const ProtobufCMessage *message)
{
    for (size_t i = 0; i < sizeof(field_checks) / sizeof(field_checks[0]); i++) {
        const struct field_check *check = &field_checks[i];
        if (check->message != message->descriptor)
            continue;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(message->descriptor, check->number);
        CHECK(field != NULL && field->label != PROTOBUF_C_LABEL_REPEATED);
        const void *member = (const uint8_t *)message + field->offset;
        if (check->rule == FIELD_PRESENT) {
            CHECK(field->type == PROTOBUF_C_TYPE_MESSAGE);
            const ProtobufCMessage *child;
            memcpy(&child, member, sizeof(child));
            if (child == NULL)
                return false;
        } else {
            CHECK(field->type == PROTOBUF_C_TYPE_BYTES);
            if (!bytes_obey(check, member))
                return false;
        }
    }
    return true;
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

/* Looks at every message of a tree, without recursion. */
static bool tree_obeys(const ProtobufCMessage *root)
{
    struct walk_level levels[LOG_DEPTH_MAX];
    size_t depth = 1;
    levels[0] = (struct walk_level){root, 0, 0};
    if (root->n_unknown_fields != 0 || !message_obeys(root))
        return false;
    while (depth > 0) {
        const ProtobufCMessage *child = level_next(&levels[depth - 1]);
        if (child == NULL) {
            depth--;
            continue;
        }
        if (child->n_unknown_fields != 0 || !message_obeys(child))
            return false;
        CHECK(depth < LOG_DEPTH_MAX);
        levels[depth++] = (struct walk_level){child, 0, 0};
    }
    return true;
}

/* Rules that look at two fields. */
static bool command_obeys(const Qnfs__Command *command)
{
    switch ((int)command->body_case) {
    case QNFS__COMMAND__BODY__NOT_SET: return false;
    case QNFS__COMMAND__BODY_OPEN:
        if (command->open->create && command->open->attributes == NULL)
            return false;
        /* 2 and 3: EXCLUSIVE4 and EXCLUSIVE4_1 */
        return !command->open->create || command->open->create_mode < 2 || command->open->verifier.len == 8;
    case QNFS__COMMAND__BODY_LOCK:
        return command->lock->new_owner ? command->lock->open_stateid != NULL : command->lock->lock_stateid != NULL;
    default: return true;
    }
}

enum status log_command_check(const Qnfs__Command *command)
{
    /* The body is looked at first by the walk: a body that is set has its message. */
    if (command->body_case == QNFS__COMMAND__BODY__NOT_SET)
        return STATUS_BAD_DATA;
    return tree_obeys(&command->base) && command_obeys(command) ? STATUS_OK : STATUS_BAD_DATA;
}

enum status log_command_unpack(struct slice bytes, struct arena *arena, Qnfs__Command **command)
{
    *command = NULL;
    ProtobufCMessage *message = message_unpack(&qnfs__command__descriptor, bytes, arena);
    if (message == NULL)
        return STATUS_BAD_DATA;
    Qnfs__Command *unpacked = (Qnfs__Command *)(void *)message;
    enum status status = log_command_check(unpacked);
    if (status == STATUS_OK)
        *command = unpacked;
    return status;
}

enum status log_result_unpack(struct slice bytes, struct arena *arena, Qnfs__Result **result)
{
    *result = NULL;
    ProtobufCMessage *message = message_unpack(&qnfs__result__descriptor, bytes, arena);
    if (message == NULL || !tree_obeys(message))
        return STATUS_BAD_DATA;
    *result = (Qnfs__Result *)(void *)message;
    return STATUS_OK;
}

static struct slice message_pack(const ProtobufCMessage *message, struct arena *arena)
{
    size_t size_bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc(arena, size_bytes);
    size_t packed = protobuf_c_message_pack(message, bytes);
    CHECK(packed == size_bytes);
    return slice_make(bytes, size_bytes);
}

struct slice log_command_pack(const Qnfs__Command *command, struct arena *arena)
{
    CHECK(log_command_check(command) == STATUS_OK);
    return message_pack(&command->base, arena);
}

struct slice log_result_pack(const Qnfs__Result *result, struct arena *arena)
{
    return message_pack(&result->base, arena);
}
