/* log_create and log_recover (log_writer.h): the log before and at the start. */
#include "base/check.h"
#include "base/heap.h"
#include "cluster/log_records.h"
#include "cluster/log_scan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Its name says that the log may have no entry: the node has joined a cluster and heard nothing yet. */
#define LOG_JOINED_PATH "log/joined"

/* No log gets there; sums with an index below it cannot overflow. */
#define INDEX_MAX (UINT64_C(1) << 62)

/* --- a new log --- */

struct name_list {
    char (*names)[DISK_PATH_MAX_BYTES + 1]; /* heap */
    size_t count;
    size_t capacity;
};

static bool name_add(void *context, const char *name)
{
    struct name_list *list = (struct name_list *)context;
    if (strlen(name) + strlen("log/") > DISK_PATH_MAX_BYTES)
        return true;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        list->names = heap_grow(list->names, list->count, capacity, sizeof list->names[0]);
        list->capacity = capacity;
    }
    (void)snprintf(list->names[list->count++], sizeof list->names[0], "log/%s", name);
    return true;
}

/* Removes everything in log/: what an unfinished bootstrap left. */
static enum status log_clear(const struct disk *disk)
{
    struct name_list list = {0};
    enum status status = disk->operations->directory_list(disk->context, "log", name_add, &list);
    for (size_t i = 0; i < list.count && status == STATUS_OK; i++)
        status = disk->operations->file_remove(disk->context, list.names[i]);
    heap_free(list.names);
    if (status == STATUS_OK)
        status = disk->operations->directory_sync(disk->context, "log");
    return status == STATUS_NOT_FOUND || status == STATUS_REFUSED ? STATUS_IO : status;
}

static enum status records_create(const struct disk *disk)
{
    struct record record;
    uint8_t bytes[LOG_SNAPSHOT_MAX_BYTES];
    struct log_vote vote = {.term = 1};
    struct slice payload = slice_make(bytes, log_vote_encode(&vote, bytes));
    enum status status = record_create(&record, disk, LOG_VOTE_PATH, LOG_VOTE_MAGIC, payload);
    if (status != STATUS_OK)
        return status;
    record_close(&record);
    struct log_snapshot snapshot = {0};
    payload = slice_make(bytes, log_snapshot_encode(&snapshot, bytes));
    status = record_create(&record, disk, LOG_SNAPSHOT_PATH, LOG_SNAPSHOT_MAGIC, payload);
    if (status == STATUS_OK)
        record_close(&record);
    return status;
}

static enum status first_entry_write(const struct log_options *options, const struct configuration *configuration)
{
    struct log_files files;
    log_files_init(&files, options, 1);
    struct replica_entry entry = {.index = 1, .term = 1, .kind = REPLICA_ENTRY_CONFIGURATION};
    entry.bytes = buffer_create(CONFIGURATION_MAX_BYTES);
    entry.bytes->size_bytes =
        configuration_encode(configuration, (struct span){entry.bytes->data, CONFIGURATION_MAX_BYTES});
    enum status status = log_files_write(&files, &entry, 1);
    if (status == STATUS_OK)
        status = log_files_sync(&files);
    buffer_put(entry.bytes);
    log_files_fini(&files);
    return status;
}

/* The log of a node that joins: a segment without entries, and the file that says that this is no damage. */
static enum status joiner_create(const struct log_options *options)
{
    const struct disk *disk = options->disk;
    struct disk_file *file;
    enum status status = disk->operations->file_open(disk->context, LOG_JOINED_PATH, true, &file);
    if (status != STATUS_OK)
        return status == STATUS_REFUSED ? STATUS_IO : status;
    disk->operations->file_close(disk->context, file);
    struct log_files files;
    log_files_init(&files, options, 1);
    status = log_files_begin(&files);
    log_files_fini(&files);
    return status;
}

enum status log_create(const struct log_options *options, const struct configuration *configuration)
{
    const struct disk *disk = options->disk;
    enum status status = log_clear(disk);
    if (status == STATUS_OK)
        status = records_create(disk);
    if (status == STATUS_OK)
        status = configuration == NULL ? joiner_create(options) : first_entry_write(options, configuration);
    if (status == STATUS_OK)
        status = disk->operations->directory_sync(disk->context, "log");
    return status;
}

/* --- recovery --- */

struct recovery {
    const struct log_options *options;
    struct span problem;
    uint64_t *numbers; /* of the segments that are there, sorted; heap */
    size_t number_count;
    size_t number_capacity;
    struct log_vote vote;
    struct log_writer *writer;
    struct log_recovered *recovered;
    size_t entry_capacity;
    uint64_t last_index; /* of what was read so far */
    uint64_t last_term;
    bool joined;           /* LOG_JOINED_PATH is there */
    bool snapshot_differs; /* the entry at snapshot.index is of another term */
};

/* Says what is wrong, if nothing has been said yet. */
static enum status recovery_refuse(struct recovery *recovery, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum status recovery_refuse(struct recovery *recovery, enum status status, const char *format, ...)
{
    if (recovery->problem.size_bytes > 0 && recovery->problem.data[0] == 0) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf((char *)recovery->problem.data, recovery->problem.size_bytes, format, arguments);
        va_end(arguments);
    }
    return status;
}

static bool number_add(void *context, const char *name)
{
    struct recovery *recovery = (struct recovery *)context;
    uint64_t number;
    recovery->joined |= strcmp(name, &LOG_JOINED_PATH[strlen("log/")]) == 0;
    if (!segment_number(name, &number))
        return true;
    if (recovery->number_count == recovery->number_capacity) {
        size_t capacity = recovery->number_capacity == 0 ? 64 : 2 * recovery->number_capacity;
        recovery->numbers =
            (uint64_t *)heap_grow(recovery->numbers, recovery->number_count, capacity, sizeof(uint64_t));
        recovery->number_capacity = capacity;
    }
    size_t at = recovery->number_count++;
    for (; at > 0 && recovery->numbers[at - 1] > number; at--)
        recovery->numbers[at] = recovery->numbers[at - 1];
    recovery->numbers[at] = number;
    return true;
}

static enum status records_open(struct recovery *recovery)
{
    const struct disk *disk = recovery->options->disk;
    uint8_t bytes[RECORD_PAYLOAD_MAX_BYTES];
    struct span room = {bytes, sizeof bytes};
    size_t size_bytes = 0;
    enum status status = record_open(&recovery->writer->vote, disk, LOG_VOTE_PATH, LOG_VOTE_MAGIC, room, &size_bytes);
    if (status == STATUS_OK)
        status = log_vote_decode(slice_make(bytes, size_bytes), &recovery->vote);
    if (status != STATUS_OK)
        return recovery_refuse(recovery, status, "the record log/vote is %s",
                               status == STATUS_NOT_FOUND ? "missing" : "damaged or unreadable");
    status = record_open(&recovery->writer->snapshot, disk, LOG_SNAPSHOT_PATH, LOG_SNAPSHOT_MAGIC, room, &size_bytes);
    if (status == STATUS_OK)
        status = log_snapshot_decode(slice_make(bytes, size_bytes), &recovery->recovered->snapshot);
    if (status != STATUS_OK)
        return recovery_refuse(recovery, status == STATUS_NOT_FOUND ? STATUS_BAD_DATA : status,
                               "the record log/snapshot is damaged or unreadable");
    const struct log_snapshot *snapshot = &recovery->recovered->snapshot;
    if (snapshot->term > recovery->vote.term || snapshot->index > INDEX_MAX)
        return recovery_refuse(recovery, STATUS_BAD_DATA,
                               "the record log/snapshot is of entry %" PRIu64 " in term %" PRIu64
                               ", the vote record of term %" PRIu64,
                               snapshot->index, snapshot->term, recovery->vote.term);
    return STATUS_OK;
}

/* An entry of the batch that was just scanned. */
static enum status entry_add(struct recovery *recovery, const struct log_scan *scan, const struct batch_item *item,
                             uint64_t offset)
{
    struct log_recovered *recovered = recovery->recovered;
    if (item->term < recovery->last_term || item->term > recovery->vote.term || item->term == 0)
        return recovery_refuse(recovery, STATUS_BAD_DATA,
                               "segment %" PRIu64 ": entry %" PRIu64 " has term %" PRIu64 " after %" PRIu64
                               ", and the vote record %" PRIu64,
                               scan->header.number, recovery->last_index + 1, item->term, recovery->last_term,
                               recovery->vote.term);
    recovery->last_index++;
    recovery->last_term = item->term;
    if (recovery->last_index == recovered->snapshot.index)
        recovery->snapshot_differs = item->term != recovered->snapshot.term;
    if (recovery->last_index <= recovered->snapshot.cut_index)
        return STATUS_OK;
    struct log_place place = {item->term, scan->header.number, offset, item->size_bytes, item->checksum, item->kind};
    log_files_place(&recovery->writer->files, &place);
    return STATUS_OK;
}

static enum status batch_add(struct recovery *recovery, const struct log_scan *scan)
{
    if (scan->batch.first_index != recovery->last_index + 1)
        return recovery_refuse(recovery, STATUS_BAD_DATA,
                               "segment %" PRIu64 ", offset %" PRIu64 ": entry %" PRIu64 " where %" PRIu64 " must be",
                               scan->header.number, scan->batch.offset, scan->batch.first_index,
                               recovery->last_index + 1);
    uint64_t offset = scan->batch.offset + batch_head_bytes(scan->batch.count);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < scan->batch.count && status == STATUS_OK; i++) {
        struct batch_item item;
        log_scan_item(scan, i, &item);
        status = entry_add(recovery, scan, &item, offset);
        offset += item.size_bytes;
    }
    return status;
}

/* Where a segment takes over from the earlier ones: entries from its first index on are no more. */
static enum status segment_join(struct recovery *recovery, const struct segment_header *header, bool base)
{
    struct log_files *files = &recovery->writer->files;
    if (header->first_index > INDEX_MAX || (!base && header->first_index > recovery->last_index + 1))
        return recovery_refuse(recovery, STATUS_BAD_DATA,
                               "segment %" PRIu64 " begins at entry %" PRIu64 ", the ones before end at %" PRIu64,
                               header->number, header->first_index, recovery->last_index);
    const struct log_snapshot *snapshot = &recovery->recovered->snapshot;
    recovery->last_index = header->first_index - 1;
    if (header->first_index == snapshot->index + 1)
        recovery->snapshot_differs = header->previous_term != 0 && header->previous_term != snapshot->term;
    const struct log_place *last = log_files_find(files, recovery->last_index);
    recovery->last_term = last != NULL ? last->term : header->previous_term;
    if (header->first_index >= files->first_index)
        files->place_count = (size_t)(header->first_index - files->first_index);
    else
        files->place_count = 0;
    log_files_add_segment(files, header->number, header->first_index);
    return STATUS_OK;
}

/* Reads the batches of one segment. `end`: where the next one says that it ends; 0: it is the newest. */
static enum status segment_scan(struct recovery *recovery, struct log_scan *scan, uint64_t end)
{
    enum status status = STATUS_OK;
    while (status == STATUS_OK && (end == 0 || scan->offset < end)) {
        status = log_scan_next(scan);
        if (status == STATUS_OK)
            status = batch_add(recovery, scan);
    }
    if (status == STATUS_NOT_FOUND && end == 0)
        status = log_scan_torn(scan, &recovery->recovered->torn_bytes);
    if (status == STATUS_NOT_FOUND || status == STATUS_BAD_DATA || (end > 0 && scan->offset != end))
        return recovery_refuse(recovery, STATUS_BAD_DATA,
                               "segment %" PRIu64 ", offset %" PRIu64 ": damaged, and it had been synced",
                               scan->header.number, scan->offset);
    recovery->writer->files.offset = scan->offset;
    return status;
}

static enum status segment_open(struct recovery *recovery, struct log_scan *scan, uint64_t number)
{
    bool newest = number == recovery->numbers[recovery->number_count - 1];
    enum status status = log_scan_open(scan, recovery->options->disk, number, newest);
    if (status == STATUS_OK)
        return STATUS_OK;
    return recovery_refuse(recovery, status == STATUS_NOT_FOUND ? STATUS_IO : status,
                           "segment %" PRIu64 ": its header is damaged or unreadable", number);
}

/* The oldest segment that is needed: the newest one that begins at or below the first entry that was not cut. */
static enum status base_find(struct recovery *recovery, size_t *base)
{
    uint64_t wanted = recovery->recovered->snapshot.cut_index + 1;
    for (size_t i = recovery->number_count; i > 0; i--) {
        if (i < recovery->number_count && recovery->numbers[i - 1] + 1 != recovery->numbers[i])
            break;
        struct log_scan scan;
        enum status status = segment_open(recovery, &scan, recovery->numbers[i - 1]);
        if (status != STATUS_OK)
            return status;
        uint64_t first_index = scan.header.first_index;
        log_scan_close(&scan);
        if (first_index <= wanted) {
            *base = i - 1;
            return STATUS_OK;
        }
    }
    return recovery_refuse(recovery, STATUS_BAD_DATA, "no segment holds entry %" PRIu64, wanted);
}

static enum status segments_read(struct recovery *recovery, size_t base)
{
    struct log_scan scan;
    enum status status = segment_open(recovery, &scan, recovery->numbers[base]);
    for (size_t i = base; i < recovery->number_count && status == STATUS_OK; i++) {
        struct log_scan next;
        bool newest = i + 1 == recovery->number_count;
        if (!newest)
            status = segment_open(recovery, &next, recovery->numbers[i + 1]);
        if (status == STATUS_OK) {
            status = segment_join(recovery, &scan.header, i == base);
            if (status == STATUS_OK)
                status = segment_scan(recovery, &scan, newest ? 0 : next.header.previous_end);
            if (status != STATUS_OK && !newest)
                log_scan_close(&next);
        }
        log_scan_close(&scan);
        if (status == STATUS_OK && !newest)
            scan = next;
    }
    return status;
}

/* Segments that a cut had removed, and whose removal the crash undid. */
static enum status leftovers_remove(struct recovery *recovery, size_t base)
{
    const struct disk *disk = recovery->options->disk;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < base && status == STATUS_OK; i++) {
        char path[DISK_PATH_MAX_BYTES + 1];
        segment_path(recovery->numbers[i], path);
        status = disk->operations->file_remove(disk->context, path);
    }
    if (status == STATUS_OK && base > 0)
        status = disk->operations->directory_sync(disk->context, "log");
    return status == STATUS_NOT_FOUND ? STATUS_IO : status;
}

/* A snapshot that the entries do not lead to (it was installed over another log) leaves none of them; the record
 * says so before a segment begins behind it. */
static enum status snapshot_reconcile(struct recovery *recovery)
{
    struct log_files *files = &recovery->writer->files;
    struct log_snapshot *snapshot = &recovery->recovered->snapshot;
    if (recovery->last_index >= snapshot->index && !recovery->snapshot_differs)
        return STATUS_OK;
    files->place_count = 0;
    files->first_index = snapshot->index + 1;
    if (snapshot->cut_index == snapshot->index)
        return STATUS_OK;
    uint8_t bytes[LOG_SNAPSHOT_MAX_BYTES];
    snapshot->cut_index = snapshot->index;
    size_t size_bytes = log_snapshot_encode(snapshot, bytes);
    return record_save(&recovery->writer->snapshot, slice_make(bytes, size_bytes));
}

/* What the replica gets to know: terms, kinds and configurations. */
static enum status recovered_fill(struct recovery *recovery)
{
    struct log_files *files = &recovery->writer->files;
    struct log_recovered *recovered = recovery->recovered;
    recovered->term = recovery->vote.term;
    recovered->vote = recovery->vote.vote;
    recovered->first_index = files->first_index;
    recovered->entries = (struct log_recovered_entry *)heap_alloc(files->place_count * sizeof recovered->entries[0]);
    for (size_t i = 0; i < files->place_count; i++) {
        struct log_recovered_entry *entry = &recovered->entries[i];
        entry->term = files->places[i].term;
        entry->kind = (enum replica_entry_kind)files->places[i].kind;
        entry->size_bytes = files->places[i].size_bytes;
        recovered->entry_count++;
        if (entry->kind != REPLICA_ENTRY_CONFIGURATION)
            continue;
        struct replica_entry read;
        enum status status = log_files_read(files, files->first_index + i, &read);
        if (status != STATUS_OK)
            return status;
        entry->configuration = HEAP_NEW(struct configuration);
        status = configuration_decode(buffer_slice(read.bytes), entry->configuration);
        buffer_put(read.bytes);
        if (status != STATUS_OK)
            return recovery_refuse(recovery, status, "entry %" PRIu64 ": not a configuration", read.index);
    }
    return STATUS_OK;
}

static enum status recovery_run(struct recovery *recovery)
{
    const struct disk *disk = recovery->options->disk;
    enum status status = disk->operations->directory_list(disk->context, "log", number_add, recovery);
    if (status == STATUS_OK)
        status = disk->operations->directory_sync(disk->context, "log");
    if (status != STATUS_OK)
        return status;
    status = records_open(recovery);
    if (status != STATUS_OK)
        return status;
    const struct log_snapshot *snapshot = &recovery->recovered->snapshot;
    log_files_init(&recovery->writer->files, recovery->options, snapshot->cut_index + 1);
    size_t base = 0;
    status = base_find(recovery, &base);
    if (status == STATUS_OK)
        status = segments_read(recovery, base);
    if (status == STATUS_OK)
        status = leftovers_remove(recovery, base);
    if (status == STATUS_OK)
        status = snapshot_reconcile(recovery);
    if (status != STATUS_OK)
        return status;
    if (snapshot->cut_index == snapshot->index)
        recovery->writer->files.first_term = snapshot->term;
    if (snapshot->index == 0 && recovery->writer->files.place_count == 0 && !recovery->joined)
        return recovery_refuse(recovery, STATUS_BAD_DATA, "the log has no entry and no snapshot");
    return recovered_fill(recovery);
}

enum status log_recover(const struct log_options *options, struct log_writer **writer, struct log_recovered *recovered,
                        struct span problem)
{
    struct recovery recovery = {.options = options, .problem = problem, .recovered = recovered};
    if (problem.size_bytes > 0)
        problem.data[0] = 0;
    *recovered = (struct log_recovered){0};
    recovery.writer = HEAP_NEW(struct log_writer);
    list_init(&recovery.writer->requests);
    enum status status = recovery_run(&recovery);
    heap_free(recovery.numbers);
    if (status != STATUS_OK) {
        (void)recovery_refuse(&recovery, status, "the log in log/ cannot be read: %s", status_name(status));
        log_writer_destroy(recovery.writer);
        log_recovered_fini(recovered);
        return status;
    }
    recovery.writer->cut_index = recovered->snapshot.cut_index;
    recovery.writer->reported_index = log_files_last(&recovery.writer->files);
    *writer = recovery.writer;
    return STATUS_OK;
}

/* --- a state that the log does not lead to --- */

static enum status adopt_records(struct log_writer *writer, struct log_recovered *recovered,
                                 const struct log_snapshot *installed)
{
    uint8_t bytes[LOG_SNAPSHOT_MAX_BYTES];
    enum status status = STATUS_OK;
    if (recovered->term < installed->term) {
        struct log_vote vote = {.term = installed->term};
        status = record_save(&writer->vote, slice_make(bytes, log_vote_encode(&vote, bytes)));
        if (status != STATUS_OK)
            return status;
        recovered->term = vote.term;
        recovered->vote = 0;
    }
    return record_save(&writer->snapshot, slice_make(bytes, log_snapshot_encode(installed, bytes)));
}

enum status log_adopt(struct log_writer *writer, struct log_recovered *recovered, const struct log_snapshot *installed)
{
    CHECK(installed->cut_index == installed->index);
    const struct log_place *place = log_files_find(&writer->files, installed->index);
    if (installed->index <= recovered->snapshot.index || (place != NULL && place->term == installed->term))
        return STATUS_OK;
    enum status status = adopt_records(writer, recovered, installed);
    if (status == STATUS_OK)
        status = log_files_restart(&writer->files, installed->index + 1, installed->term);
    if (status != STATUS_OK)
        return status;
    uint64_t term = recovered->term;
    uint64_t vote = recovered->vote;
    log_recovered_fini(recovered);
    *recovered =
        (struct log_recovered){.term = term, .vote = vote, .snapshot = *installed, .first_index = installed->index + 1};
    writer->cut_index = writer->reported_index = installed->index;
    return STATUS_OK;
}

void log_recovered_fini(struct log_recovered *recovered)
{
    for (uint64_t i = 0; i < recovered->entry_count; i++)
        heap_free(recovered->entries[i].configuration);
    heap_free(recovered->entries);
    *recovered = (struct log_recovered){0};
}
