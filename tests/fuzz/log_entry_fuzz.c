/* Log entries as a peer or a damaged file might hold them: what opens can be walked to its end, and a command that
 * unpacks packs again to bytes that unpack to the same. */
#include <stdint.h>

#include "base/check.h"
#include "proto/log_codec.h"
#include "proto/log_entry.h"

/* Larger inputs find nothing new and cost time. */
#define INPUT_MAX_BYTES 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void command_try(struct slice bytes, struct arena *arena)
{
    Qnfs__Command *command;
    Qnfs__Command *again;
    if (log_command_unpack(bytes, arena, &command) != STATUS_OK)
        return;
    CHECK(log_command_check(command) == STATUS_OK);
    struct slice packed = log_command_pack(command, arena);
    CHECK(log_command_unpack(packed, arena, &again) == STATUS_OK);
    CHECK(slice_equal(log_command_pack(again, arena), packed));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct log_entry entry;
    struct slice command;
    struct slice content;
    struct arena arena;
    if (size > INPUT_MAX_BYTES)
        return 0;
    arena_init(&arena);
    command_try(slice_make(data, size), &arena);
    if (log_entry_open(&entry, slice_make(data, size)) == STATUS_OK) {
        uint32_t count = 0;
        while (log_entry_next(&entry, &command, &content)) {
            CHECK(command.data >= data && content.data + content.size_bytes <= data + size);
            command_try(command, &arena);
            arena_reset(&arena);
            count++;
        }
        CHECK(count == entry.count);
    }
    arena_fini(&arena);
    return 0;
}
