#include "tests/support/test_log.h"

#include <stdlib.h>

#include "base/check.h"
#include "cluster/segment.h"

void test_log_init(struct test_log *log, uint64_t seed, uint64_t segment_bytes)
{
    *log = (struct test_log){.term = 1, .next_index = 2, .persisted_index = 1};
    disk_memory_init(&log->memory, seed);
    log->disk = disk_memory_port(&log->memory);
    log->options = (struct log_options){&log->disk, random_from_seed(&log->salts, seed + 1), segment_bytes};
    CHECK(log->disk.operations->directory_create(log->disk.context, "log") == STATUS_OK);
    CHECK(log->disk.operations->directory_sync(log->disk.context, "") == STATUS_OK);
    struct configuration configuration = {1, {{1, MEMBER_VOTER}}};
    CHECK(log_create(&log->options, &configuration) == STATUS_OK);
}

void test_log_close(struct test_log *log)
{
    if (log->writer != NULL)
        log_writer_destroy(log->writer);
    log->writer = NULL;
    log_recovered_fini(&log->recovered);
}

void test_log_fini(struct test_log *log)
{
    test_log_close(log);
    disk_memory_fini(&log->memory);
}

enum status test_log_open(struct test_log *log)
{
    CHECK(log->writer == NULL);
    enum status status = log_recover(&log->options, &log->writer, &log->recovered,
                                     (struct span){(uint8_t *)log->problem, sizeof log->problem});
    if (status != STATUS_OK)
        return status;
    log->epoch = 0;
    log->term = log->recovered.term;
    log->next_index = log->recovered.first_index + log->recovered.entry_count;
    log->persisted_index = log->next_index - 1;
    return STATUS_OK;
}

size_t test_log_size(uint64_t index, uint64_t term)
{
    return (size_t)(index * 37 + term * 11) % 200;
}

static void entry_fill(uint8_t *bytes, size_t size_bytes, uint64_t index, uint64_t term)
{
    for (size_t i = 0; i < size_bytes; i++)
        bytes[i] = (uint8_t)(index * 7 + term * 3 + i);
}

static void reply_take(struct test_log *log, const struct replica_message *reply)
{
    switch (reply->kind) {
    case REPLICA_PERSISTED: log->persisted_index = reply->index; break;
    case REPLICA_VOTE_SAVED: log->votes_saved++; break;
    case REPLICA_SNAPSHOT_SAVED: log->snapshot_index = reply->index; break;
    case REPLICA_SPACE: log->space = reply->space; break;
    case REPLICA_ENTRIES:
    case REPLICA_START:
    case REPLICA_PROPOSE:
    case REPLICA_TICK:
    case REPLICA_APPLIED:
    case REPLICA_FLUSHED:
    case REPLICA_RECEIVE:
    case REPLICA_INSTALLED:
    case REPLICA_INSTALL_SAVED:
    case REPLICA_CHANGE:
    case REPLICA_PIN:
    case REPLICA_TRANSFER: break;
    }
}

static enum status step(struct test_log *log, struct list *requests)
{
    struct list replies;
    list_init(&replies);
    enum status status = log_writer_step(log->writer, requests, &replies);
    struct list_link *link;
    while ((link = list_first(&replies)) != NULL) {
        list_remove(link);
        struct replica_message *reply = container_of(link, struct replica_message, link);
        reply_take(log, reply);
        replica_message_free(reply);
    }
    return status;
}

static struct log_request *append_create(struct test_log *log, uint32_t count)
{
    struct log_request *request = log_request_create(LOG_REQUEST_APPEND);
    request->epoch = log->epoch;
    request->count = count;
    request->entries = calloc(count, sizeof *request->entries);
    CHECK(request->entries != NULL);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t index = log->next_index++;
        struct buffer *bytes = buffer_create(test_log_size(index, log->term));
        bytes->size_bytes = bytes->capacity_bytes;
        entry_fill(bytes->data, bytes->size_bytes, index, log->term);
        request->entries[i] = (struct replica_entry){index, log->term, REPLICA_ENTRY_COMMANDS, bytes};
    }
    return request;
}

enum status test_log_append(struct test_log *log, uint32_t count)
{
    struct list requests;
    list_init(&requests);
    list_append(&requests, &append_create(log, count)->link);
    return step(log, &requests);
}

enum status test_log_group(struct test_log *log, uint32_t appends)
{
    struct list requests;
    list_init(&requests);
    for (uint32_t i = 0; i < appends; i++)
        list_append(&requests, &append_create(log, 1)->link);
    return step(log, &requests);
}

enum status test_log_truncate(struct test_log *log, uint64_t index)
{
    struct list requests;
    list_init(&requests);
    struct log_request *request = log_request_create(LOG_REQUEST_TRUNCATE);
    request->index = index;
    request->epoch = ++log->epoch;
    log->next_index = index;
    list_append(&requests, &request->link);
    return step(log, &requests);
}

enum status test_log_vote(struct test_log *log, uint64_t term, uint64_t vote)
{
    struct list requests;
    list_init(&requests);
    struct log_request *request = log_request_create(LOG_REQUEST_VOTE);
    request->term = log->term = term;
    request->vote = vote;
    list_append(&requests, &request->link);
    return step(log, &requests);
}

enum status test_log_cut(struct test_log *log, uint64_t index)
{
    struct list requests;
    list_init(&requests);
    struct replica_entry entry;
    CHECK(log_writer_read(log->writer, index, &entry) == STATUS_OK);
    buffer_put(entry.bytes);
    struct log_request *request = log_request_create(LOG_REQUEST_SNAPSHOT);
    request->snapshot = (struct log_snapshot){index, entry.term, index, 1, {1, {{1, MEMBER_VOTER}}}};
    list_append(&requests, &request->link);
    list_append(&requests, &log_request_create(LOG_REQUEST_CUT)->link);
    return step(log, &requests);
}

enum status test_log_idle(struct test_log *log)
{
    struct list requests;
    list_init(&requests);
    return step(log, &requests);
}

bool test_log_holds(struct test_log *log, uint64_t index, uint64_t term)
{
    struct replica_entry entry;
    if (log_writer_read(log->writer, index, &entry) != STATUS_OK)
        return false;
    size_t size_bytes = test_log_size(index, term);
    bool right = entry.term == term && entry.bytes->size_bytes == size_bytes;
    uint8_t expected[256];
    entry_fill(expected, size_bytes, index, term);
    right = right && memcmp(expected, entry.bytes->data, size_bytes) == 0;
    buffer_put(entry.bytes);
    return right;
}

static bool newest_visit(void *context, const char *name)
{
    uint64_t number;
    uint64_t *newest = (uint64_t *)context;
    if (segment_number(name, &number) && number > *newest)
        *newest = number;
    return true;
}

void test_log_newest(struct test_log *log, char path[DISK_PATH_MAX_BYTES + 1])
{
    uint64_t newest = 0;
    CHECK(log->disk.operations->directory_list(log->disk.context, "log", newest_visit, &newest) == STATUS_OK);
    CHECK(newest > 0);
    segment_path(newest, path);
}
