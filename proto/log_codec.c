#include "proto/log_codec.h"

#include "base/check.h"
#include "base/limits.h"
#include "proto/message_tree.h"

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
    return message_tree_obeys(&command->base, message_obeys) && command_obeys(command) ? STATUS_OK : STATUS_BAD_DATA;
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
    if (message == NULL || !message_tree_obeys(message, message_obeys))
        return STATUS_BAD_DATA;
    *result = (Qnfs__Result *)(void *)message;
    return STATUS_OK;
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
