/* test_log.h: a log on a memory disk, for tests of the log writer: entry i has a content that follows from i and its
 * term, so whoever reads one back can tell whether it is right. Every function CHECKs what it does not return. */
#ifndef TESTS_SUPPORT_TEST_LOG_H
#define TESTS_SUPPORT_TEST_LOG_H

#include "cluster/log_writer.h"
#include "tests/support/disk_memory.h"

struct test_log {
    struct disk_memory memory;
    struct disk disk;
    struct random_seeded salts;
    struct log_options options;
    struct log_writer *writer; /* NULL: closed */
    struct log_recovered recovered;
    uint64_t term;
    uint64_t epoch;
    uint64_t next_index;
    /* from the replies */
    uint64_t persisted_index;
    uint32_t votes_saved;
    uint64_t snapshot_index;
    enum log_space space;
    char problem[256];
};

/* A new log with entry 1, closed. */
void test_log_init(struct test_log *log, uint64_t seed, uint64_t segment_bytes);
void test_log_fini(struct test_log *log);

/* log_recover. */
enum status test_log_open(struct test_log *log);
void test_log_close(struct test_log *log);

/* Bytes of the entry at an index in a term. */
size_t test_log_size(uint64_t index, uint64_t term);

/* One step with one append of so many entries. */
enum status test_log_append(struct test_log *log, uint32_t count);
/* One step with several appends of one entry each: more than one batch if they are large. */
enum status test_log_group(struct test_log *log, uint32_t appends);
enum status test_log_truncate(struct test_log *log, uint64_t index);
enum status test_log_vote(struct test_log *log, uint64_t term, uint64_t vote);
/* Snapshot record and cut, up to index. */
enum status test_log_cut(struct test_log *log, uint64_t index);
/* A step without requests. */
enum status test_log_idle(struct test_log *log);

/* True if the entry is there, with the bytes of this term. */
bool test_log_holds(struct test_log *log, uint64_t index, uint64_t term);
/* The newest segment's path. */
void test_log_newest(struct test_log *log, char path[DISK_PATH_MAX_BYTES + 1]);

#endif
