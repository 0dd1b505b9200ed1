/*
 * regions work FILE SEED WRITER PROCESSES SECONDS   locks regions of a shared file, checks and rewrites them
 * regions verify FILE WRITER...                     the sum of what the writers say they did is what the file says
 *
 * Each region holds a count, and bytes that follow from region and count. A process locks one (fcntl), reads
 * it, checks that it is whole, writes it with count + 1 and unlocks. A lock that does not exclude, a stale
 * cache behind a lock, or a lost write shows as a region that is not whole or a sum that is wrong. Regions do
 * not end at pages, so writes of one page come from several clients.
 * Plant: the first process does not lock.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/interop/guest/report.h"

enum {
    REGION_COUNT = 12,
    REGION_BYTES = 3000,
    PROCESSES_LIMIT = 16,
    TRIES_BEFORE_WAIT = 30, /* a waiting client polls ever more rarely, so ask a few times first */
};

struct region {
    uint64_t number;
    uint64_t count;
    unsigned char body[REGION_BYTES - 16];
};
static_assert(sizeof(struct region) == REGION_BYTES, "no padding: the file is read by two programs");

struct totals { /* shared by the processes of one run */
    uint64_t increments[REGION_COUNT];
};

static void region_make(struct region *region, uint64_t number, uint64_t count)
{
    struct random random = {number * 1000003 + count};
    region->number = number;
    region->count = count;
    random_fill(&random, region->body, sizeof region->body);
}

static void lock_change(int fd, short kind, size_t number, bool wait)
{
    struct flock lock = {
        .l_type = kind, .l_whence = SEEK_SET, .l_start = (off_t)(number * REGION_BYTES), .l_len = REGION_BYTES};
    for (unsigned tries = 0; wait && tries < TRIES_BEFORE_WAIT; tries++) {
        if (fcntl(fd, F_SETLK, &lock) == 0)
            return;
        if (errno != EAGAIN && errno != EACCES)
            report_die("F_SETLK");
        (void)usleep(2000);
    }
    if (fcntl(fd, wait ? F_SETLKW : F_SETLK, &lock) != 0)
        report_die(wait ? "F_SETLKW" : "unlock");
}

static void region_transfer(int fd, struct region *region, size_t number, bool writing)
{
    off_t start = (off_t)(number * REGION_BYTES);
    ssize_t moved = writing ? pwrite(fd, region, sizeof *region, start) : pread(fd, region, sizeof *region, start);
    if (moved < 0)
        report_die(writing ? "pwrite" : "pread");
    if (!writing && (size_t)moved < sizeof *region)
        memset((unsigned char *)region + moved, 0, sizeof *region - (size_t)moved);
}

/* Whether the region is one that was written whole; a new one is all zero. */
static bool region_whole(const struct region *region, size_t number)
{
    struct region expected = {0};
    if (region->count > 0)
        region_make(&expected, number, region->count);
    return memcmp(&expected, region, sizeof expected) == 0;
}

static _Noreturn void work(int fd, struct random random, double end, bool locking, struct totals *totals)
{
    struct region region;
    size_t rounds = 0;
    while (report_seconds() < end) {
        size_t number = random_below(&random, REGION_COUNT);
        bool writing = random_below(&random, 4) != 0;
        if (locking)
            lock_change(fd, writing ? F_WRLCK : F_RDLCK, number, true);
        region_transfer(fd, &region, number, false);
        if (!region_whole(&region, number)) {
            printf("  region %zu is not whole: number %llu, count %llu\n", number, (unsigned long long)region.number,
                   (unsigned long long)region.count);
            fflush(stdout);
            _exit(1);
        }
        if (writing) {
            region_make(&region, number, region.count + 1);
            region_transfer(fd, &region, number, true);
            __atomic_add_fetch(&totals->increments[number], 1, __ATOMIC_SEQ_CST);
        }
        if (!locking)
            (void)usleep(1000);
        if (locking)
            lock_change(fd, F_UNLCK, number, false);
        rounds++;
    }
    _exit(rounds > 0 ? 0 : 1);
}

static char *totals_path(const char *file, const char *writer)
{
    char *path = NULL;
    if (asprintf(&path, "%s.%s", file, writer) < 0)
        report_die("asprintf");
    return path;
}

static int regions_work(const char *file, uint64_t seed, const char *writer, size_t processes, double seconds)
{
    struct totals *totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (totals == MAP_FAILED)
        report_die("mmap");
    if (processes == 0 || processes > PROCESSES_LIMIT)
        report_die("PROCESSES");
    double end = report_seconds() + seconds;
    pid_t children[PROCESSES_LIMIT];
    for (size_t i = 0; i < processes; i++) {
        children[i] = fork();
        if (children[i] < 0)
            report_die("fork");
        if (children[i] == 0) {
            int fd = open(file, O_RDWR | O_CREAT, 0644);
            if (fd < 0)
                report_die(file);
            work(fd, (struct random){seed * 100 + i}, end, !(i == 0 && report_planted()), totals);
        }
    }
    struct report report = {0};
    for (size_t i = 0; i < processes; i++) {
        int status = 0;
        (void)waitpid(children[i], &status, 0);
        (void)report_check(&report, status == 0, "regions: process %zu of writer %s", i, writer);
    }
    char *path = totals_path(file, writer);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0 || write(fd, totals, sizeof *totals) != (ssize_t)sizeof *totals || close(fd) != 0)
        report_die(path);
    free(path);
    return report_finish(&report);
}

static int regions_verify(const char *file, char **writers, size_t writer_count)
{
    uint64_t sums[REGION_COUNT] = {0};
    uint64_t all = 0;
    for (size_t i = 0; i < writer_count; i++) {
        struct totals totals;
        char *path = totals_path(file, writers[i]);
        int fd = open(path, O_RDONLY);
        if (fd < 0 || read(fd, &totals, sizeof totals) != (ssize_t)sizeof totals)
            report_die(path);
        (void)close(fd);
        free(path);
        for (size_t number = 0; number < REGION_COUNT; number++)
            sums[number] += totals.increments[number];
    }
    struct report report = {0};
    int fd = open(file, O_RDONLY);
    if (fd < 0)
        report_die(file);
    for (size_t number = 0; number < REGION_COUNT; number++) {
        struct region region;
        /* Under a lock, as everybody who reads what others write: without one the client may still have the part of a page
         * that it read beside a region of its own, while another client was at it. */
        lock_change(fd, F_RDLCK, number, true);
        region_transfer(fd, &region, number, false);
        lock_change(fd, F_UNLCK, number, false);
        (void)report_check(&report, region_whole(&region, number) && region.count == sums[number],
                           "regions: region %zu counts %llu, writers say %llu", number,
                           (unsigned long long)region.count, (unsigned long long)sums[number]);
        all += region.count;
    }
    (void)close(fd);
    (void)report_check(&report, all > 0, "regions: %llu increments in all", (unsigned long long)all);
    return report_finish(&report);
}

int main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "work") == 0)
        return regions_work(argv[2], report_number(argv[3]), argv[4], (size_t)report_number(argv[5]),
                            (double)report_number(argv[6]));
    if (argc > 3 && strcmp(argv[1], "verify") == 0)
        return regions_verify(argv[2], argv + 3, (size_t)(argc - 3));
    printf("usage: regions work FILE SEED WRITER PROCESSES SECONDS | verify FILE WRITER...\n");
    return 2;
}
