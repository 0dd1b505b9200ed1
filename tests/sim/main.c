/* main.c: qnfs_sim: runs seeds of the simulator.
 *
 *   qnfs_sim [--seeds A-B] [--seed N] [-v] [--nodes N] [--rocksdb-every K] [--jobs J]
 *
 * Every third seed has one node, the others three, now and then two or five; --nodes: all have N. Every Kth seed runs
 * over RocksDB. Several processes share the seeds; one that falls over tells its parent by doing so
 * which seed did it. Status: 0 all is well, 1 a violation (or a rare event that never happened), 2 wrong arguments. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "tests/sim/seed.h"

#define JOBS_MAX 64u

struct arguments {
    uint64_t first;
    uint64_t last;
    bool verbose;
    uint32_t nodes;         /* 0: as the seed says */
    uint64_t rocksdb_every; /* 0: never */
    uint32_t jobs;
};

/* What a job tells; in memory that it shares with its parent. */
struct job {
    pid_t pid;
    uint64_t seed;        /* at hand; 0: none */
    uint64_t seeds_alone; /* done, with one node */
    uint64_t seeds_cluster;
    uint64_t counters[COUNTER_COUNT];
};

static int usage(void)
{
    fprintf(stderr, "usage: qnfs_sim [--seeds A-B] [--seed N] [-v] [--nodes N] [--rocksdb-every K] [--jobs J]\n");
    return 2;
}

static bool read_number(const char *text, uint64_t *number)
{
    char *end;
    *number = strtoull(text, &end, 10);
    return *text != '\0' && *end == '\0';
}

static bool read_range(const char *text, struct arguments *arguments)
{
    char *end;
    arguments->first = strtoull(text, &end, 10);
    return *end == '-' && read_number(end + 1, &arguments->last) && arguments->first <= arguments->last;
}

static bool arguments_read(int count, char **values, struct arguments *arguments)
{
    *arguments = (struct arguments){.first = 1, .last = 100, .rocksdb_every = 25, .jobs = 2};
    for (int i = 1; i < count; i++) {
        uint64_t number;
        if (strcmp(values[i], "-v") == 0) {
            arguments->verbose = true;
            continue;
        }
        if (i + 1 == count)
            return false;
        const char *name = values[i];
        const char *value = values[++i];
        if (strcmp(name, "--seeds") == 0) {
            if (!read_range(value, arguments))
                return false;
            continue;
        }
        if (!read_number(value, &number))
            return false;
        if (strcmp(name, "--seed") == 0) {
            arguments->first = arguments->last = number;
            arguments->jobs = 0;
        } else if (strcmp(name, "--nodes") == 0 && number <= SIM_NODES_MAX) {
            arguments->nodes = (uint32_t)number;
        } else if (strcmp(name, "--rocksdb-every") == 0) {
            arguments->rocksdb_every = number;
        } else if (strcmp(name, "--jobs") == 0 && number > 0 && number <= JOBS_MAX) {
            arguments->jobs = (uint32_t)number;
        } else {
            return false;
        }
    }
    return true;
}

static bool runs_over_rocksdb(const struct arguments *arguments, uint64_t number)
{
    return arguments->rocksdb_every != 0 && number % arguments->rocksdb_every == 0;
}

static uint32_t nodes_of(const struct arguments *arguments, uint64_t number)
{
    if (arguments->nodes != 0)
        return arguments->nodes;
    if (number % 3 == 0)
        return 1;
    return number % 24 == 10 ? 5 : number % 24 == 20 ? 2 : 3;
}

static void run_seed(const struct arguments *arguments, uint64_t number, uint64_t *counters)
{
    struct seed_options options = {
        .seed = number,
        .nodes = nodes_of(arguments, number),
        .verbose = arguments->verbose,
        .rocksdb = runs_over_rocksdb(arguments, number),
    };
    seed_run(&options, counters);
}

static void job_run(const struct arguments *arguments, struct job *job, uint32_t position)
{
    for (uint64_t number = arguments->first + position; number <= arguments->last; number += arguments->jobs) {
        job->seed = number;
        run_seed(arguments, number, job->counters);
        job->seeds_alone += nodes_of(arguments, number) == 1 ? 1 : 0;
        job->seeds_cluster += nodes_of(arguments, number) == 1 ? 0 : 1;
    }
    job->seed = 0;
}

/* Waits for all jobs; the first that fails ends the others. */
static bool jobs_wait(const struct arguments *arguments, struct job *jobs)
{
    bool good = true;
    uint32_t count = arguments->jobs;
    for (uint32_t ended = 0; ended < count; ended++) {
        int status;
        pid_t pid = wait(&status);
        CHECK(pid > 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        for (uint32_t i = 0; i < count; i++) {
            if (jobs[i].pid != pid) {
                if (good)
                    kill(jobs[i].pid, SIGKILL);
            } else if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
                printf("VIOLATION in seed %" PRIu64 ": the process fell over with signal %d\n", jobs[i].seed,
                       WTERMSIG(status));
                world_print_again(jobs[i].seed, nodes_of(arguments, jobs[i].seed),
                                  runs_over_rocksdb(arguments, jobs[i].seed));
            }
        }
        good = false;
    }
    return good;
}

static bool counters_print(const uint64_t *counters, uint64_t alone, uint64_t cluster)
{
    static const struct {
        const char *text;
        enum counter_need need;
    } rows[COUNTER_COUNT] = {
#define COUNTER_ROW(name, text, need) {text, need},
        COUNTERS(COUNTER_ROW)
#undef COUNTER_ROW
    };
    const uint64_t seeds[] = {[NEVER] = 0, [ALWAYS] = alone + cluster, [ALONE] = alone, [CLUSTER] = cluster};
    bool good = true;
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        bool missing = counters[i] == 0 && seeds[rows[i].need] >= COUNTER_SEEDS_MIN;
        printf("%12" PRIu64 "  %s%s\n", counters[i], rows[i].text, missing ? "  <- must happen, and never did" : "");
        good = good && !missing;
    }
    printf("%" PRIu64 " seeds with one node, %" PRIu64 " with several\n", alone, cluster);
    return good;
}

static int run_jobs(const struct arguments *arguments)
{
    struct job *jobs =
        mmap(NULL, arguments->jobs * sizeof(*jobs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(jobs != MAP_FAILED);
    for (uint32_t i = 0; i < arguments->jobs; i++) {
        fflush(stdout);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            job_run(arguments, &jobs[i], i);
            _exit(0);
        }
        jobs[i].pid = pid;
    }
    if (!jobs_wait(arguments, jobs))
        return 1;
    uint64_t counters[COUNTER_COUNT] = {0};
    uint64_t alone = 0;
    uint64_t cluster = 0;
    for (uint32_t i = 0; i < arguments->jobs; i++) {
        alone += jobs[i].seeds_alone;
        cluster += jobs[i].seeds_cluster;
        for (size_t counter = 0; counter < COUNTER_COUNT; counter++)
            counters[counter] += jobs[i].counters[counter];
    }
    return counters_print(counters, alone, cluster) ? 0 : 1;
}

int main(int count, char **values)
{
    struct arguments arguments;
    if (!arguments_read(count, values, &arguments))
        return usage();
    if (arguments.jobs > 0)
        return run_jobs(&arguments);
    uint64_t counters[COUNTER_COUNT] = {0};
    run_seed(&arguments, arguments.first, counters);
    return counters_print(counters, 1, 0) ? 0 : 1;
}
