#include "server/daemon/install.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"
#include "server/daemon/folder.h"

#define READY_PATH "staging/ready"
#define READY_MAX_BYTES (PEER_MESSAGE_MAX_BYTES + 64u)

/* A folder that is exchanged. */
struct exchange {
    const char *place;
    const char *staged;
    const char *aside;
};

static const struct exchange exchanges[] = {
    {"state", "staging/state", "staging/old-state"},
    {"blocks", "staging/blocks", "staging/old-blocks"},
};

static enum status install_refuse(char *trouble, size_t room, enum status status, const char *what)
{
    snprintf(trouble, room, "staging: %s: %s", what, status_name(status));
    return status;
}

static enum status install_empty(const char *data_dir, char *trouble, size_t room)
{
    char path[4096];
    int length = snprintf(path, sizeof(path), "%s/staging", data_dir);
    CHECK(length > 0 && (size_t)length < sizeof(path));
    enum status status = folder_empty(path);
    return status == STATUS_OK ? status : install_refuse(trouble, room, status, "emptying the folder");
}

/* STATUS_NOT_FOUND: there is no marker. */
static enum status install_load(const struct disk *disk, struct snapshot_manifest **manifest)
{
    struct disk_file *file;
    enum status status = disk->operations->file_open(disk->context, READY_PATH, false, &file);
    if (status != STATUS_OK)
        return status;
    uint8_t *bytes = malloc(READY_MAX_BYTES);
    CHECK(bytes != NULL);
    size_t size_bytes = 0;
    status = disk->operations->file_read(disk->context, file, 0, (struct span){bytes, READY_MAX_BYTES}, &size_bytes);
    disk->operations->file_close(disk->context, file);
    if (status == STATUS_OK) {
        *manifest = snapshot_manifest_load(slice_make(bytes, size_bytes));
        status = *manifest == NULL ? STATUS_BAD_DATA : STATUS_OK;
    }
    free(bytes);
    return status;
}

static bool name_seen(void *context, const char *name)
{
    (void)context;
    (void)name;
    return false;
}

static enum status install_exists(const struct disk *disk, const char *path, bool *exists)
{
    enum status status = disk->operations->directory_list(disk->context, path, name_seen, NULL);
    *exists = status == STATUS_OK;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status install_rename(const struct disk *disk, const char *source, const char *target)
{
    enum status status = disk->operations->file_rename(disk->context, source, target);
    if (status == STATUS_OK)
        status = disk->operations->directory_sync(disk->context, "staging");
    return status == STATUS_OK ? disk->operations->directory_sync(disk->context, "") : status;
}

/* Each half is done once: the staged folder is gone behind the second one. A start that ended between the two has left, or
 * made anew, an empty folder in the place. */
static enum status install_exchange(const struct disk *disk, const struct exchange *exchange)
{
    bool staged;
    bool aside;
    bool there;
    enum status status = install_exists(disk, exchange->staged, &staged);
    if (status == STATUS_OK)
        status = install_exists(disk, exchange->aside, &aside);
    if (status == STATUS_OK)
        status = install_exists(disk, exchange->place, &there);
    if (status != STATUS_OK || !staged)
        return status;
    if (!aside && there)
        status = install_rename(disk, exchange->place, exchange->aside);
    return status == STATUS_OK ? install_rename(disk, exchange->staged, exchange->place) : status;
}

/* Nothing is moved yet, and the log has been cut beyond the staged state: this node's own state is the newer one. */
static enum status install_useless(const struct disk *disk, const struct log_recovered *recovered,
                                   const struct snapshot_manifest *manifest, bool *useless)
{
    bool staged;
    bool aside;
    enum status status = install_exists(disk, exchanges[0].staged, &staged);
    if (status == STATUS_OK)
        status = install_exists(disk, exchanges[0].aside, &aside);
    *useless = status == STATUS_OK && staged && !aside && recovered->snapshot.index >= manifest->log.index;
    return status;
}

static enum status install_unmark(const struct disk *disk)
{
    enum status status = disk->operations->file_remove(disk->context, READY_PATH);
    return status == STATUS_OK ? disk->operations->directory_sync(disk->context, "staging") : status;
}

static enum status install_exchange_all(const struct disk *disk, struct log_writer *writer,
                                        struct log_recovered *recovered, const struct snapshot_manifest *manifest)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]) && status == STATUS_OK; i++)
        status = install_exchange(disk, &exchanges[i]);
    return status == STATUS_OK ? log_adopt(writer, recovered, &manifest->log) : status;
}

enum status install_place(const struct disk *disk, const char *data_dir, const struct node_identity *identity,
                          struct log_writer *writer, struct log_recovered *recovered, const struct log *log,
                          struct snapshot_manifest **installed, char *trouble, size_t room)
{
    struct snapshot_manifest *manifest = NULL;
    bool useless = false;
    *installed = NULL;
    enum status status = install_load(disk, &manifest);
    if (status == STATUS_NOT_FOUND)
        return install_empty(data_dir, trouble, room);
    if (status != STATUS_OK)
        return install_refuse(trouble, room, status, "the marker of a complete state cannot be read");
    if (memcmp(manifest->cluster_id, identity->cluster_id, sizeof(manifest->cluster_id)) != 0)
        status = STATUS_BAD_DATA;
    if (status == STATUS_OK)
        status = install_useless(disk, recovered, manifest, &useless);
    if (status == STATUS_OK && useless) {
        snapshot_manifest_free(manifest);
        status = install_unmark(disk);
        return status == STATUS_OK ? install_empty(data_dir, trouble, room)
                                   : install_refuse(trouble, room, status, "removing a state that is not needed");
    }
    if (status == STATUS_OK)
        status = install_exchange_all(disk, writer, recovered, manifest);
    if (status != STATUS_OK) {
        snapshot_manifest_free(manifest);
        return install_refuse(trouble, room, status, "putting the fetched state in place");
    }
    log_line(log, LOG_INFO, "the state fetched from another node, at entry %" PRIu64 ", takes the place of this one's",
             manifest->log.index);
    *installed = manifest;
    return STATUS_OK;
}

enum status install_finish(const struct disk *disk, const char *data_dir, struct snapshot_manifest *installed,
                           const struct machine *machine, char *trouble, size_t room)
{
    if (installed == NULL)
        return STATUS_OK;
    bool same = machine->applied_index == installed->log.index && machine->applied_term == installed->log.term &&
                machine->command_number == installed->command_number && hash128_equal(machine->chain, installed->chain);
    snapshot_manifest_free(installed);
    if (!same)
        return install_refuse(trouble, room, STATUS_BAD_DATA, "the state in place is not the one that was fetched");
    enum status status = install_unmark(disk);
    return status == STATUS_OK ? install_empty(data_dir, trouble, room)
                               : install_refuse(trouble, room, status, "removing the marker");
}
