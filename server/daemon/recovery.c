#include "server/daemon/recovery.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "proto/log_entry.h"

static enum status recovery_compare(const struct machine *machine, const struct log_recovered *recovered,
                                    const struct node_identity *identity, char *trouble, size_t room)
{
    uint64_t last_index = recovered->first_index + recovered->entry_count - 1;
    if (machine->created && memcmp(machine->cluster_id, identity->cluster_id, sizeof(machine->cluster_id)) != 0) {
        snprintf(trouble, room, "state/ belongs to another cluster than the node file");
        return STATUS_BAD_DATA;
    }
    if (machine_whole_index(machine) + 1 < recovered->first_index) {
        snprintf(trouble, room, "state/ ends at entry %" PRIu64 ", but log/ begins at %" PRIu64 ": a part is missing",
                 machine->applied_index, recovered->first_index);
        return STATUS_BAD_DATA;
    }
    if (machine->applied_index > last_index) {
        snprintf(trouble, room, "state/ is at entry %" PRIu64 ", but log/ ends at %" PRIu64 ": the log was damaged",
                 machine->applied_index, last_index);
        return STATUS_BAD_DATA;
    }
    return STATUS_OK;
}

/* How many commands the entry has. */
static enum status entry_count(const struct replica_entry *entry, uint32_t *count)
{
    struct log_entry reader;
    *count = 0;
    if (entry->kind != REPLICA_ENTRY_COMMANDS)
        return STATUS_OK;
    enum status status = log_entry_open(&reader, buffer_slice(entry->bytes));
    *count = reader.count;
    return status;
}

/* From the newest applied entry backwards, since the state knows the number of its last command, and one command is one
 * number. */
static enum status recovery_redo_blocks(struct applier *applier, struct log_writer *writer, uint64_t first_index)
{
    const struct machine *machine = &applier->machine;
#ifdef QNFS_PLANT_BLOCKS_NOT_REDONE
    return STATUS_OK;
#endif
    uint64_t synced_index = applier_synced_index(applier);
    uint64_t next_number = machine->command_number + 1; /* of the first command behind the entry in hand */
    enum status status = STATUS_OK;
    for (uint64_t index = machine->applied_index; status == STATUS_OK && index > synced_index && index >= first_index;
         index--) {
        struct replica_entry entry;
        uint32_t count;
        status = log_writer_read(writer, index, &entry);
        if (status != STATUS_OK)
            break;
        status = entry_count(&entry, &count);
        if (index == machine->applied_index && count > 0)
            count = machine->applied_command; /* the rest of it is yet to be applied */
        if (status == STATUS_OK) {
            CHECK(next_number > count);
            next_number -= count;
            status = applier_redo_blocks(applier, &entry, next_number);
        }
        buffer_put(entry.bytes);
    }
    return status;
}

enum status recovery_run(struct applier *applier, struct log_writer *writer, const struct log_recovered *recovered,
                         const struct node_identity *identity, char *trouble, size_t room)
{
    enum status status = recovery_compare(&applier->machine, recovered, identity, trouble, room);
    if (status != STATUS_OK)
        return status;
    status = recovery_redo_blocks(applier, writer, recovered->first_index);
    if (status != STATUS_OK)
        snprintf(trouble, room, "writing file content from the log again: %s", status_name(status));
    return status;
}
