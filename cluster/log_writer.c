#include "cluster/log_writer.h"

#include "base/check.h"
#include "base/heap.h"
#include "cluster/log_records.h"

/* --- messages --- */

struct log_request *log_request_create(enum log_request_kind kind)
{
    struct log_request *request = HEAP_NEW(struct log_request);
    request->kind = kind;
    return request;
}

void log_request_free(struct log_request *request)
{
    if (request->entries != NULL) {
        for (uint32_t i = 0; i < request->count; i++)
            buffer_put(request->entries[i].bytes);
        heap_free(request->entries);
    }
    heap_free(request);
}

void replica_message_free(struct replica_message *message)
{
    for (uint32_t i = 0; i < message->entry_count; i++)
        buffer_put(message->entries[i].bytes);
    heap_free(message->entries);
    heap_free(message);
}

static struct replica_message *reply_append(struct list *replies, enum replica_message_kind kind, uint64_t index)
{
    struct replica_message *reply = HEAP_NEW(struct replica_message);
    reply->kind = kind;
    reply->index = index;
    list_init(&reply->proposals);
    list_append(replies, &reply->link);
    return reply;
}

/* --- the queue of entries that are not yet written --- */

static struct replica_entry *queue_first(const struct log_queue *queue)
{
    return &queue->entries[queue->first];
}

static void queue_push(struct log_queue *queue, const struct replica_entry *entry)
{
    if (queue->first + queue->count == queue->capacity && queue->first > queue->capacity / 2) {
        memmove(queue->entries, queue_first(queue), queue->count * sizeof(struct replica_entry));
        queue->first = 0;
    }
    if (queue->first + queue->count == queue->capacity) {
        size_t capacity = queue->capacity == 0 ? 64 : 2 * queue->capacity;
        queue->entries =
            (struct replica_entry *)heap_grow(queue->entries, queue->capacity, capacity, sizeof(struct replica_entry));
        queue->capacity = capacity;
    }
    queue->entries[queue->first + queue->count++] = *entry;
}

static void queue_pop(struct log_queue *queue, size_t count)
{
    CHECK(count <= queue->count);
    for (size_t i = 0; i < count; i++)
        buffer_put(queue_first(queue)[i].bytes);
    queue->count -= count;
    queue->first = queue->count == 0 ? 0 : queue->first + count;
}

/* --- requests --- */

static enum status vote_save(struct log_writer *writer, const struct log_request *request, struct list *replies)
{
    uint8_t bytes[LOG_VOTE_BYTES];
    struct log_vote vote = {request->term, request->vote};
    size_t size_bytes = log_vote_encode(&vote, bytes);
    enum status status = record_save(&writer->vote, slice_make(bytes, size_bytes));
    if (status == STATUS_OK)
        reply_append(replies, REPLICA_VOTE_SAVED, 0);
    return status;
}

static enum status snapshot_save(struct log_writer *writer, const struct log_request *request, struct list *replies)
{
    uint8_t bytes[LOG_SNAPSHOT_MAX_BYTES];
    CHECK(request->snapshot.cut_index <= log_files_last(&writer->files));
    size_t size_bytes = log_snapshot_encode(&request->snapshot, bytes);
    enum status status = record_save(&writer->snapshot, slice_make(bytes, size_bytes));
    if (status != STATUS_OK)
        return status;
    writer->cut_index = request->snapshot.cut_index;
    reply_append(replies, REPLICA_SNAPSHOT_SAVED, request->snapshot.index);
    return STATUS_OK;
}

static void entries_append(struct log_writer *writer, struct log_request *request)
{
    uint64_t next = log_files_last(&writer->files) + writer->queue.count + 1;
    CHECK(request->count > 0 && request->entries[0].index == next && request->epoch >= writer->epoch);
    writer->epoch = request->epoch;
    for (uint32_t i = 0; i < request->count; i++)
        queue_push(&writer->queue, &request->entries[i]);
    request->count = 0; /* the owners went along */
}

static void entries_truncate(struct log_writer *writer, const struct log_request *request)
{
    CHECK(request->epoch > writer->epoch);
    writer->epoch = request->epoch;
    struct log_queue *queue = &writer->queue;
    while (queue->count > 0 && queue_first(queue)[queue->count - 1].index >= request->index)
        buffer_put(queue_first(queue)[--queue->count].bytes);
    log_files_truncate(&writer->files, request->index);
}

/* The record comes first: from then on what the segments hold does not count (snapshot_reconcile). */
static enum status snapshot_install(struct log_writer *writer, const struct log_request *request, struct list *replies)
{
    uint8_t bytes[LOG_SNAPSHOT_MAX_BYTES];
    CHECK(request->snapshot.cut_index == request->snapshot.index && request->epoch >= writer->epoch);
    size_t size_bytes = log_snapshot_encode(&request->snapshot, bytes);
    enum status status = record_save(&writer->snapshot, slice_make(bytes, size_bytes));
    if (status != STATUS_OK)
        return status;
    writer->epoch = request->epoch;
    writer->cut_index = request->snapshot.cut_index;
    queue_pop(&writer->queue, writer->queue.count);
    status = log_files_restart(&writer->files, request->snapshot.index + 1, request->snapshot.term);
    if (status == STATUS_OK)
        reply_append(replies, REPLICA_INSTALL_SAVED, request->snapshot.index);
    return status;
}

static enum status entries_read(struct log_writer *writer, const struct log_request *request, struct list *replies)
{
    struct replica_message *reply = reply_append(replies, REPLICA_ENTRIES, request->index);
    reply->reader = request->reader;
    reply->entries = (struct replica_entry *)heap_alloc((request->count + 1) * sizeof(struct replica_entry));
    uint64_t size_bytes = 0;
    for (uint32_t i = 0; i < request->count; i++) {
        const struct log_place *place = log_files_find(&writer->files, request->index + i);
        if (place == NULL || (i > 0 && size_bytes + place->size_bytes > request->size_bytes))
            break;
        size_bytes += place->size_bytes;
        enum status status = log_files_read(&writer->files, request->index + i, &reply->entries[i]);
        if (status != STATUS_OK)
            return status;
        reply->entry_count++;
    }
    return STATUS_OK;
}

static enum status request_do(struct log_writer *writer, struct log_request *request, struct list *replies)
{
    switch (request->kind) {
    case LOG_REQUEST_VOTE: return vote_save(writer, request, replies);
    case LOG_REQUEST_APPEND: entries_append(writer, request); return STATUS_OK;
    case LOG_REQUEST_TRUNCATE: entries_truncate(writer, request); return STATUS_OK;
    case LOG_REQUEST_SNAPSHOT: return snapshot_save(writer, request, replies);
    case LOG_REQUEST_CUT: return log_files_cut(&writer->files, writer->cut_index);
    case LOG_REQUEST_READ: return entries_read(writer, request, replies);
    case LOG_REQUEST_INSTALL: return snapshot_install(writer, request, replies);
    }
    CHECK(false);
    return STATUS_IO;
}

/* STATUS_NO_SPACE: a record could not be saved; it and what comes after it waits. */
static enum status requests_do(struct log_writer *writer, struct list *replies)
{
    struct list_link *link;
    while ((link = list_first(&writer->requests)) != NULL) {
        struct log_request *request = container_of(link, struct log_request, link);
        enum status status = request_do(writer, request, replies);
        if (status != STATUS_OK)
            return status;
        list_remove(link);
        log_request_free(request);
    }
    return STATUS_OK;
}

/* Writes what waits, syncs once, and says so. STATUS_NO_SPACE: a part still waits. */
static enum status queue_write(struct log_writer *writer, struct list *replies)
{
    struct log_queue *queue = &writer->queue;
    enum status status = STATUS_OK;
    while (queue->count > 0 && status == STATUS_OK) {
        uint32_t count = log_files_batch(queue_first(queue), queue->count);
        status = log_files_write(&writer->files, queue_first(queue), count);
        if (status == STATUS_OK)
            queue_pop(queue, count);
    }
    if (status != STATUS_OK && status != STATUS_NO_SPACE)
        return status;
    enum status synced = log_files_sync(&writer->files);
    if (synced != STATUS_OK)
        return synced;
    uint64_t last = log_files_last(&writer->files);
    if (last != writer->reported_index || writer->epoch != writer->reported_epoch) {
        writer->reported_index = last;
        writer->reported_epoch = writer->epoch;
        reply_append(replies, REPLICA_PERSISTED, last)->epoch = writer->epoch;
    }
    return status;
}

static enum status writer_step(struct log_writer *writer, bool eager, struct list *replies)
{
    enum status done = requests_do(writer, replies);
    if (done != STATUS_OK && done != STATUS_NO_SPACE)
        return done;
    enum status written = queue_write(writer, replies);
    if (written != STATUS_OK && written != STATUS_NO_SPACE)
        return written;
    if (eager || (!writer->files.spare && writer->space == LOG_SPACE_GOOD)) {
        enum status spare = log_files_make_spare(&writer->files);
        if (spare != STATUS_OK && spare != STATUS_NO_SPACE)
            return spare;
    }
    bool full = done == STATUS_NO_SPACE || written == STATUS_NO_SPACE;
    enum log_space space = full ? LOG_SPACE_FULL : writer->files.spare ? LOG_SPACE_GOOD : LOG_SPACE_LOW;
    if (space != writer->space) {
        writer->space = space;
        reply_append(replies, REPLICA_SPACE, 0)->space = space;
    }
    return STATUS_OK;
}

enum status log_writer_step(struct log_writer *writer, struct list *requests, struct list *replies)
{
    bool eager = list_empty(requests); /* to make a new spare segment: nobody waits, or a cut has made room */
    struct list_link *link;
    while ((link = list_first(requests)) != NULL) {
        eager |= container_of(link, struct log_request, link)->kind == LOG_REQUEST_CUT;
        list_remove(link);
        list_append(&writer->requests, link);
    }
    /* A sync that succeeds after one that failed says nothing about what the first one was for. */
    if (writer->failed == STATUS_OK)
        writer->failed = writer_step(writer, eager, replies);
    return writer->failed;
}

enum status log_writer_read(struct log_writer *writer, uint64_t index, struct replica_entry *entry)
{
    if (log_files_find(&writer->files, index) == NULL)
        return STATUS_NOT_FOUND;
    return log_files_read(&writer->files, index, entry);
}

void log_writer_destroy(struct log_writer *writer)
{
    struct list_link *link;
    while ((link = list_first(&writer->requests)) != NULL) {
        list_remove(link);
        log_request_free(container_of(link, struct log_request, link));
    }
    queue_pop(&writer->queue, writer->queue.count);
    heap_free(writer->queue.entries);
    record_close(&writer->vote);
    record_close(&writer->snapshot);
    log_files_fini(&writer->files);
    heap_free(writer);
}
