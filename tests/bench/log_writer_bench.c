/* What the log costs on this disk: appends that are synced one by one, as a lonely client causes them, and in groups.
 *
 *     log_writer_bench DIRECTORY */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "cluster/data_directory.h"
#include "cluster/log_writer.h"

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct log_request *append_create(uint64_t first_index, uint32_t count, size_t size_bytes)
{
    struct log_request *request = log_request_create(LOG_REQUEST_APPEND);
    request->entries = calloc(count, sizeof *request->entries);
    CHECK(request->entries != NULL);
    request->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct buffer *bytes = buffer_create(size_bytes);
        memset(bytes->data, (int)i, size_bytes);
        bytes->size_bytes = size_bytes;
        request->entries[i] = (struct replica_entry){first_index + i, 1, REPLICA_ENTRY_COMMANDS, bytes};
    }
    return request;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void run(struct log_writer *writer, uint64_t *next_index, uint32_t groups, uint32_t count, size_t size_bytes)
{
    double begin = seconds();
    double *each = calloc(groups, sizeof *each);
    CHECK(each != NULL);
    for (uint32_t i = 0; i < groups; i++) {
        double from = seconds();
        struct list requests;
        struct list replies;
        list_init(&requests);
        list_init(&replies);
        list_append(&requests, &append_create(*next_index, count, size_bytes)->link);
        *next_index += count;
        CHECK(log_writer_step(writer, &requests, &replies) == STATUS_OK);
        struct list_link *link;
        while ((link = list_first(&replies)) != NULL) {
            list_remove(link);
            replica_message_free(container_of(link, struct replica_message, link));
        }
        each[i] = seconds() - from;
    }
    double spent = seconds() - begin;
    qsort(each, groups, sizeof *each, compare);
    printf("{\"entries\": %u, \"bytes\": %zu, \"group_us_p50\": %.1f, \"p99\": %.1f, \"entries_per_second\": %.0f, "
           "\"mib_per_second\": %.1f}\n",
           count, size_bytes, each[groups / 2] * 1e6, each[groups * 99 / 100] * 1e6, groups * (double)count / spent,
           groups * (double)count * (double)size_bytes / spent / 1048576);
    free(each);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: log_writer_bench DIRECTORY\n");
        return 2;
    }
    struct disk disk;
    char problem[256];
    CHECK(disk_posix_open(&disk, argv[1]) == STATUS_OK && data_directory_prepare(&disk) == STATUS_OK);
    struct log_options options = {&disk, random_system(), LOG_SEGMENT_BYTES};
    struct configuration configuration = {1, {{1, MEMBER_VOTER}}};
    CHECK(log_create(&options, &configuration) == STATUS_OK);
    struct log_writer *writer;
    struct log_recovered recovered;
    CHECK(log_recover(&options, &writer, &recovered, (struct span){(uint8_t *)problem, sizeof problem}) == STATUS_OK);
    log_recovered_fini(&recovered);
    uint64_t next_index = 2;
    run(writer, &next_index, 3000, 1, 300);
    run(writer, &next_index, 2000, 2, 8192);
    run(writer, &next_index, 500, 1, 65536);
    run(writer, &next_index, 200, 1, 1u << 20);
    log_writer_destroy(writer);
    double begin = seconds();
    CHECK(log_recover(&options, &writer, &recovered, (struct span){(uint8_t *)problem, sizeof problem}) == STATUS_OK);
    printf("{\"recovered_entries\": %llu, \"ms\": %.1f}\n", (unsigned long long)recovered.entry_count,
           (seconds() - begin) * 1e3);
    log_recovered_fini(&recovered);
    log_writer_destroy(writer);
    disk_posix_close(&disk);
    return 0;
}
