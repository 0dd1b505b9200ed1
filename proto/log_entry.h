/* log_entry.h: the bytes of one log entry: a header and the commands that were packed into it, each with its content
 * (DESIGN.md section 12; docs/formats/entry.md has the offsets). All numbers are big-endian.
 *
 *   0  u32 format version (1)      4  u32 feature level     8  u64 uptime_ms    16  i64 wall_ns    24  u32 count
 *  28  count x (u32 command size, u32 content size, command, content) */
#ifndef PROTO_LOG_ENTRY_H
#define PROTO_LOG_ENTRY_H

#include "base/slice.h"
#include "base/status.h"

#define LOG_ENTRY_VERSION 1u
#define LOG_ENTRY_HEADER_BYTES 28u
/* Before each command. */
#define LOG_ENTRY_ITEM_BYTES 8u

/* What the leader stamps on an entry when it packs it. */
struct log_entry_header {
    uint32_t feature_level;
    uint64_t uptime_ms;
    int64_t wall_ns;
};

/* An entry that is being packed, in the caller's room. */
struct log_entry_builder {
    struct span room;
    size_t size_bytes;
    uint32_t count;
};

/* CHECKs that the header fits. Pure. */
void log_entry_begin(struct log_entry_builder *builder, struct span room, const struct log_entry_header *header);

/* Copies one packed command and its content in; false: no room, or ENTRY_COMMANDS_MAX reached (finish, begin the
 * next one). Pure. */
bool log_entry_append(struct log_entry_builder *builder, struct slice command, struct slice content);

/* The whole entry; CHECKs that it has a command. Pure. */
struct slice log_entry_finish(struct log_entry_builder *builder);

/* Room that a command takes in an entry. Pure. */
static inline size_t log_entry_item_bytes(size_t command_bytes, size_t content_bytes)
{
    return LOG_ENTRY_ITEM_BYTES + command_bytes + content_bytes;
}

/* An entry that is read; the slices point into its bytes. */
struct log_entry {
    struct log_entry_header header;
    uint32_t count;
    uint32_t next; /* position of the command that log_entry_next gives */
    struct slice rest;
};

/* Checks version, count and all sizes to the last byte, so that log_entry_next cannot fail. STATUS_BAD_DATA. Pure. */
MUST_CHECK enum status log_entry_open(struct log_entry *entry, struct slice bytes);

/* The next command in order; false after the last. Pure. */
bool log_entry_next(struct log_entry *entry, struct slice *command, struct slice *content);

#endif
