#include "cluster/log_files.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/heap.h"

void log_files_init(struct log_files *files, const struct log_options *options, uint64_t first_index)
{
    CHECK(options->segment_bytes >= 2 * SEGMENT_SECTOR_BYTES && first_index > 0);
    *files = (struct log_files){.options = *options, .first_index = first_index, .roll_needed = true};
    files->head = (uint8_t *)heap_alloc(BATCH_HEAD_MAX_BYTES);
    files->items = (struct batch_item *)heap_alloc(LOG_BATCH_ENTRIES_MAX * sizeof(struct batch_item));
    files->pieces = (struct slice *)heap_alloc((LOG_BATCH_ENTRIES_MAX + 2) * sizeof(struct slice));
    files->zeros = (uint8_t *)heap_alloc(LOG_FILL_BYTES);
}

static void file_close(struct log_files *files, struct disk_file **file)
{
    if (*file != NULL)
        files->options.disk->operations->file_close(files->options.disk->context, *file);
    *file = NULL;
}

void log_files_fini(struct log_files *files)
{
    file_close(files, &files->file);
    file_close(files, &files->read_file);
    heap_free(files->places);
    heap_free(files->segments);
    heap_free(files->head);
    heap_free(files->items);
    heap_free(files->pieces);
    heap_free(files->zeros);
}

const struct log_place *log_files_find(const struct log_files *files, uint64_t index)
{
    if (index < files->first_index || index - files->first_index >= files->place_count)
        return NULL;
    return &files->places[index - files->first_index];
}

void log_files_place(struct log_files *files, const struct log_place *place)
{
    if (files->place_count == files->place_capacity) {
        size_t capacity = files->place_capacity == 0 ? 1024 : 2 * files->place_capacity;
        files->places =
            (struct log_place *)heap_grow(files->places, files->place_count, capacity, sizeof(struct log_place));
        files->place_capacity = capacity;
    }
    files->places[files->place_count++] = *place;
}

void log_files_add_segment(struct log_files *files, uint64_t number, uint64_t first_index)
{
    CHECK(files->segment_count == 0 || files->segments[files->segment_count - 1].number + 1 == number);
    if (files->segment_count == files->segment_capacity) {
        size_t capacity = files->segment_capacity == 0 ? 16 : 2 * files->segment_capacity;
        files->segments = (struct log_segment *)heap_grow(files->segments, files->segment_count, capacity,
                                                          sizeof(struct log_segment));
        files->segment_capacity = capacity;
    }
    files->segments[files->segment_count++] = (struct log_segment){number, first_index};
}

static uint64_t newest_number(const struct log_files *files)
{
    return files->segment_count == 0 ? 0 : files->segments[files->segment_count - 1].number;
}

/* --- new segments --- */

/* A reserved file under the spare's name; what could not be reserved whole is given back. */
static enum status spare_reserve(struct log_files *files, uint64_t size_bytes)
{
    const struct disk *disk = files->options.disk;
    struct disk_file *file;
    enum status status = disk->operations->file_open(disk->context, LOG_SPARE_PATH, false, &file);
    if (status == STATUS_NOT_FOUND)
        status = disk->operations->file_open(disk->context, LOG_SPARE_PATH, true, &file);
    if (status != STATUS_OK)
        return status;
    status = disk->operations->file_reserve(disk->context, file, size_bytes);
    if (status == STATUS_OK)
        status = disk->operations->file_sync(disk->context, file);
    disk->operations->file_close(disk->context, file);
    if (status == STATUS_NO_SPACE) {
        enum status removed = disk->operations->file_remove(disk->context, LOG_SPARE_PATH);
        return removed == STATUS_OK ? STATUS_NO_SPACE : removed;
    }
    return status;
}

enum status log_files_make_spare(struct log_files *files)
{
    if (files->spare)
        return STATUS_OK;
    enum status status = spare_reserve(files, files->options.segment_bytes);
    files->spare = status == STATUS_OK;
    files->spare_filled = false;
    return status;
}

/* Gives back what a segment of an earlier process had reserved and did not use. */
static enum status tail_release(struct log_files *files)
{
    const struct disk *disk = files->options.disk;
    char path[DISK_PATH_MAX_BYTES + 1];
    struct disk_file *file;
    segment_path(newest_number(files), path);
    enum status status = disk->operations->file_open(disk->context, path, false, &file);
    if (status != STATUS_OK)
        return status;
    status = disk->operations->file_truncate(disk->context, file, files->offset);
    disk->operations->file_close(disk->context, file);
    return status;
}

/* Writes the header into the spare and syncs it: nobody looks at it before it has a segment's name. */
static enum status spare_prepare(struct log_files *files, const struct segment_header *header, struct disk_file **file)
{
    const struct disk *disk = files->options.disk;
    uint8_t sector[SEGMENT_SECTOR_BYTES];
    struct slice bytes = slice_make(sector, sizeof sector);
    segment_header_encode(header, sector);
    enum status status = disk->operations->file_open(disk->context, LOG_SPARE_PATH, false, file);
    if (status != STATUS_OK)
        return status;
    status = disk->operations->file_write(disk->context, *file, 0, &bytes, 1);
    if (status == STATUS_OK)
        status = disk->operations->file_sync(disk->context, *file);
    if (status == STATUS_OK) {
        char path[DISK_PATH_MAX_BYTES + 1];
        segment_path(header->number, path);
        status = disk->operations->file_rename(disk->context, LOG_SPARE_PATH, path);
    }
    if (status != STATUS_OK)
        file_close(files, file);
    return status;
}

/* The spare becomes the newest segment, with room for at least batch_bytes. */
static enum status segment_begin(struct log_files *files, uint64_t batch_bytes)
{
    const struct disk *disk = files->options.disk;
    uint64_t size_bytes = files->options.segment_bytes;
    enum status status = log_files_make_spare(files);
    if (status == STATUS_OK && SEGMENT_SECTOR_BYTES + batch_bytes > size_bytes) {
        size_bytes = SEGMENT_SECTOR_BYTES + batch_bytes;
        files->spare = false; /* if it cannot be enlarged it is gone */
        status = spare_reserve(files, size_bytes);
        files->spare = status == STATUS_OK;
        files->spare_filled = false;
    }
    if (status != STATUS_OK)
        return status;
    uint64_t first_index = log_files_last(files) + 1;
    const struct log_place *previous = log_files_find(files, first_index - 1);
    struct segment_header header = {
        .number = newest_number(files) + 1,
        .first_index = first_index,
        .previous_term = previous == NULL ? files->first_term : previous->term,
        .previous_end = files->offset,
    };
    files->options.random.fill(files->options.random.context, &header.salt, sizeof header.salt);
    struct disk_file *file;
    status = spare_prepare(files, &header, &file);
    if (status != STATUS_OK)
        return status;
    files->spare = false;
    status = disk->operations->directory_sync(disk->context, "log");
    if (status == STATUS_OK && files->file == NULL && files->segment_count > 0)
        status = tail_release(files);
    file_close(files, &files->file);
    files->file = file;
    files->salt = header.salt;
    files->size_bytes = size_bytes;
    files->filled = files->spare_filled ? size_bytes : 0;
    files->offset = files->synced = SEGMENT_SECTOR_BYTES;
    files->roll_needed = false;
    log_files_add_segment(files, header.number, first_index);
    return status;
}

/* --- batches --- */

uint32_t log_files_batch(const struct replica_entry *entries, size_t count)
{
    size_t body_bytes = 0;
    uint32_t taken = 0;
    while (taken < count && taken < LOG_BATCH_ENTRIES_MAX) {
        body_bytes += entries[taken].bytes->size_bytes;
        if (taken > 0 && body_bytes > LOG_BATCH_BYTES)
            break;
        taken++;
    }
    return taken;
}

/* Items and pieces of the batch; the first piece, the head, is filled in when its offset is known. */
static void batch_gather(struct log_files *files, const struct replica_entry *entries, struct batch_header *header)
{
    for (uint32_t i = 0; i < header->count; i++) {
        struct slice bytes = buffer_slice(entries[i].bytes);
        CHECK(entries[i].index == header->first_index + i && bytes.size_bytes <= ENTRY_MAX_BYTES);
        files->items[i] = (struct batch_item){
            .term = entries[i].term,
            .kind = (uint32_t)entries[i].kind,
            .size_bytes = (uint32_t)bytes.size_bytes,
            .checksum = crc32c(0, bytes),
        };
        files->pieces[1 + i] = bytes;
        header->body_bytes += (uint32_t)bytes.size_bytes;
    }
}

/* Zeros behind the batch: to the end of its sector, and at times further. On a journalling file system a sync is two to
 * four times as expensive where blocks are written for the first time, so small batches find them written already;
 * large ones would only write everything twice. */
static size_t batch_zeros(const struct log_files *files, uint64_t batch_bytes, size_t used_bytes)
{
    size_t padding_bytes = (size_t)(batch_bytes - used_bytes);
    uint64_t end = files->offset + batch_bytes;
    if (batch_bytes > LOG_FILL_BYTES / 4 || end <= files->filled)
        return padding_bytes;
    uint64_t fill_bytes = LOG_FILL_BYTES - SEGMENT_SECTOR_BYTES;
    if (fill_bytes > files->size_bytes - end)
        fill_bytes = files->size_bytes - end;
    return padding_bytes + (size_t)fill_bytes;
}

static void batch_place(struct log_files *files, const struct batch_header *header)
{
    uint64_t offset = header->offset + batch_head_bytes(header->count);
    for (uint32_t i = 0; i < header->count; i++) {
        const struct batch_item *item = &files->items[i];
        struct log_place place = {item->term,       newest_number(files), offset,
                                  item->size_bytes, item->checksum,       item->kind};
        log_files_place(files, &place);
        offset += item->size_bytes;
    }
}

enum status log_files_write(struct log_files *files, const struct replica_entry *entries, uint32_t count)
{
    CHECK(count > 0 && count == log_files_batch(entries, count));
    const struct disk *disk = files->options.disk;
    struct batch_header header = {.first_index = log_files_last(files) + 1, .count = count};
    batch_gather(files, entries, &header);
    uint64_t batch_bytes = batch_end(&header); /* as if it began at 0 */
    if (files->roll_needed || files->offset + batch_bytes > files->size_bytes) {
        enum status status = log_files_sync(files);
        if (status == STATUS_OK)
            status = segment_begin(files, batch_bytes);
        if (status != STATUS_OK)
            return status;
    }
    header.salt = files->salt;
    header.offset = files->offset;
    header.synced = files->synced;
    size_t head_bytes = batch_head_encode(&header, files->items, files->head);
    files->pieces[0] = slice_make(files->head, head_bytes);
    size_t zero_bytes = batch_zeros(files, batch_bytes, head_bytes + header.body_bytes);
    files->pieces[1 + count] = slice_make(files->zeros, zero_bytes);
    enum status status =
        disk->operations->file_write(disk->context, files->file, files->offset, files->pieces, count + 2);
    if (status != STATUS_OK)
        return status;
    batch_place(files, &header);
    uint64_t written = files->offset + head_bytes + header.body_bytes + zero_bytes;
    if (written > files->filled)
        files->filled = written;
    files->offset += batch_bytes;
    return STATUS_OK;
}

enum status log_files_sync(struct log_files *files)
{
    if (files->file == NULL || files->synced == files->offset)
        return STATUS_OK;
    const struct disk *disk = files->options.disk;
#ifndef QNFS_PLANT_LOST_FSYNC
    enum status status = disk->operations->file_sync(disk->context, files->file);
#else
    (void)disk;
    enum status status = STATUS_OK;
#endif
    if (status == STATUS_OK)
        files->synced = files->offset;
    return status;
}

/* --- both ends --- */

void log_files_truncate(struct log_files *files, uint64_t index)
{
    CHECK(index >= files->first_index);
    if (index > log_files_last(files))
        return;
    files->place_count = (size_t)(index - files->first_index);
    files->roll_needed = true;
}

/* A segment that nobody needs becomes the spare if there is none and it is large enough, else it goes. */
static enum status segment_drop(struct log_files *files, uint64_t number)
{
    const struct disk *disk = files->options.disk;
    char path[DISK_PATH_MAX_BYTES + 1];
    segment_path(number, path);
    if (files->read_number == number)
        file_close(files, &files->read_file);
    if (files->spare)
        return disk->operations->file_remove(disk->context, path);
    struct disk_file *file;
    uint64_t size_bytes = 0;
    enum status status = disk->operations->file_open(disk->context, path, false, &file);
    if (status != STATUS_OK)
        return status;
    status = disk->operations->file_size(disk->context, file, &size_bytes);
    disk->operations->file_close(disk->context, file);
    if (status != STATUS_OK)
        return status;
    if (size_bytes < files->options.segment_bytes)
        return disk->operations->file_remove(disk->context, path);
    status = disk->operations->file_rename(disk->context, path, LOG_SPARE_PATH);
    files->spare = files->spare_filled = status == STATUS_OK;
    return status == STATUS_NO_SPACE ? disk->operations->file_remove(disk->context, path) : status;
}

/* How many of the oldest segments hold nothing above index: a later one takes over at or below index + 1. */
static size_t segments_below(const struct log_files *files, uint64_t index)
{
    for (size_t i = files->segment_count; i > 1; i--) {
        if (files->segments[i - 1].first_index <= index + 1)
            return i - 1;
    }
    return 0;
}

/* The oldest segments go. */
static enum status segments_drop(struct log_files *files, size_t count)
{
    if (count == 0)
        return STATUS_OK;
    for (size_t i = 0; i < count; i++) {
        enum status status = segment_drop(files, files->segments[i].number);
        if (status != STATUS_OK)
            return status == STATUS_NOT_FOUND ? STATUS_IO : status;
    }
    files->segment_count -= count;
    memmove(files->segments, files->segments + count, files->segment_count * sizeof(struct log_segment));
    const struct disk *disk = files->options.disk;
    return disk->operations->directory_sync(disk->context, "log");
}

enum status log_files_cut(struct log_files *files, uint64_t index)
{
    CHECK(index <= log_files_last(files));
    if (index < files->first_index)
        return STATUS_OK;
    size_t entries = (size_t)(index - files->first_index) + 1;
    files->first_term = files->places[entries - 1].term;
    files->place_count -= entries;
    memmove(files->places, files->places + entries, files->place_count * sizeof(struct log_place));
    files->first_index = index + 1;
    return segments_drop(files, segments_below(files, index));
}

enum status log_files_restart(struct log_files *files, uint64_t first_index, uint64_t first_term)
{
    files->place_count = 0;
    files->first_index = first_index;
    files->first_term = first_term;
    /* Before the others go: recovery wants a segment that begins at or below first_index. */
    enum status status = segment_begin(files, SEGMENT_SECTOR_BYTES);
    return status == STATUS_OK ? segments_drop(files, files->segment_count - 1) : status;
}

enum status log_files_begin(struct log_files *files)
{
    CHECK(files->segment_count == 0 && files->place_count == 0);
    return segment_begin(files, SEGMENT_SECTOR_BYTES);
}

/* --- reading --- */

static enum status read_open(struct log_files *files, uint64_t number)
{
    const struct disk *disk = files->options.disk;
    if (files->read_file != NULL && files->read_number == number)
        return STATUS_OK;
    file_close(files, &files->read_file);
    char path[DISK_PATH_MAX_BYTES + 1];
    segment_path(number, path);
    files->read_number = number;
    enum status status = disk->operations->file_open(disk->context, path, false, &files->read_file);
    return status == STATUS_NOT_FOUND ? STATUS_IO : status;
}

enum status log_files_read(struct log_files *files, uint64_t index, struct replica_entry *entry)
{
    const struct disk *disk = files->options.disk;
    const struct log_place *place = log_files_find(files, index);
    CHECK(place != NULL);
    enum status status = read_open(files, place->segment);
    if (status != STATUS_OK)
        return status;
    struct buffer *bytes = buffer_create(place->size_bytes);
    size_t size_bytes = 0;
    status = disk->operations->file_read(disk->context, files->read_file, place->offset,
                                         (struct span){bytes->data, place->size_bytes}, &size_bytes);
    bytes->size_bytes = size_bytes;
    if (status == STATUS_OK && (size_bytes != place->size_bytes || crc32c(0, buffer_slice(bytes)) != place->checksum))
        status = STATUS_BAD_DATA;
    if (status != STATUS_OK) {
        buffer_put(bytes);
        return status;
    }
    *entry = (struct replica_entry){index, place->term, (enum replica_entry_kind)place->kind, bytes};
    return STATUS_OK;
}
