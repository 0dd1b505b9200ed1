#include "proto/log_entry.h"

#include "base/check.h"
#include "base/limits.h"

#define COUNT_OFFSET 24u

static void put_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

static void put_u64(uint8_t *at, uint64_t value)
{
    put_u32(at, (uint32_t)(value >> 32));
    put_u32(at + 4, (uint32_t)value);
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint64_t get_u64(const uint8_t *at)
{
    return (uint64_t)get_u32(at) << 32 | get_u32(at + 4);
}

void log_entry_begin(struct log_entry_builder *builder, struct span room, const struct log_entry_header *header)
{
    CHECK(room.size_bytes >= LOG_ENTRY_HEADER_BYTES);
    *builder = (struct log_entry_builder){.room = room, .size_bytes = LOG_ENTRY_HEADER_BYTES};
    put_u32(room.data, LOG_ENTRY_VERSION);
    put_u32(room.data + 4, header->feature_level);
    put_u64(room.data + 8, header->uptime_ms);
    put_u64(room.data + 16, (uint64_t)header->wall_ns);
    put_u32(room.data + COUNT_OFFSET, 0);
}

bool log_entry_append(struct log_entry_builder *builder, struct slice command, struct slice content)
{
    CHECK(command.size_bytes <= COMMAND_MAX_BYTES && content.size_bytes <= COMMAND_MAX_BYTES);
    size_t size_bytes = log_entry_item_bytes(command.size_bytes, content.size_bytes);
    if (builder->count == ENTRY_COMMANDS_MAX || size_bytes > builder->room.size_bytes - builder->size_bytes)
        return false;
    uint8_t *at = builder->room.data + builder->size_bytes;
    put_u32(at, (uint32_t)command.size_bytes);
    put_u32(at + 4, (uint32_t)content.size_bytes);
    at += LOG_ENTRY_ITEM_BYTES;
    if (command.size_bytes > 0)
        memcpy(at, command.data, command.size_bytes);
    if (content.size_bytes > 0)
        memcpy(at + command.size_bytes, content.data, content.size_bytes);
    builder->size_bytes += size_bytes;
    builder->count++;
    return true;
}

struct slice log_entry_finish(struct log_entry_builder *builder)
{
    CHECK(builder->count > 0);
    put_u32(builder->room.data + COUNT_OFFSET, builder->count);
    return slice_make(builder->room.data, builder->size_bytes);
}

/* Takes the command at the front of *rest; false if its sizes do not fit into what is left. */
static bool item_take(struct slice *rest, struct slice *command, struct slice *content)
{
    if (rest->size_bytes < LOG_ENTRY_ITEM_BYTES)
        return false;
    uint32_t command_bytes = get_u32(rest->data);
    uint32_t content_bytes = get_u32(rest->data + 4);
    struct slice body = slice_from(*rest, LOG_ENTRY_ITEM_BYTES);
    if (command_bytes > body.size_bytes || content_bytes > body.size_bytes - command_bytes)
        return false;
    *command = slice_make(body.data, command_bytes);
    *content = slice_make(body.data + command_bytes, content_bytes);
    *rest = slice_from(body, (size_t)command_bytes + content_bytes);
    return true;
}

enum status log_entry_open(struct log_entry *entry, struct slice bytes)
{
    *entry = (struct log_entry){0};
    if (bytes.size_bytes < LOG_ENTRY_HEADER_BYTES || get_u32(bytes.data) != LOG_ENTRY_VERSION)
        return STATUS_BAD_DATA;
    uint32_t count = get_u32(bytes.data + COUNT_OFFSET);
    if (count == 0 || count > ENTRY_COMMANDS_MAX)
        return STATUS_BAD_DATA;
    struct slice rest = slice_from(bytes, LOG_ENTRY_HEADER_BYTES);
    for (uint32_t i = 0; i < count; i++) {
        struct slice command;
        struct slice content;
        if (!item_take(&rest, &command, &content))
            return STATUS_BAD_DATA;
    }
    if (rest.size_bytes != 0)
        return STATUS_BAD_DATA;
    entry->header.feature_level = get_u32(bytes.data + 4);
    entry->header.uptime_ms = get_u64(bytes.data + 8);
    entry->header.wall_ns = (int64_t)get_u64(bytes.data + 16);
    entry->count = count;
    entry->rest = slice_from(bytes, LOG_ENTRY_HEADER_BYTES);
    return STATUS_OK;
}

bool log_entry_next(struct log_entry *entry, struct slice *command, struct slice *content)
{
    if (entry->next == entry->count) {
        CHECK(entry->rest.size_bytes == 0);
        return false;
    }
    CHECK(item_take(&entry->rest, command, content));
    entry->next++;
    return true;
}
