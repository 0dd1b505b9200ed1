/* process_cpu.h: how much CPU processes have used, for the programs of this folder. */
#ifndef TESTS_BENCH_PROCESS_CPU_H
#define TESTS_BENCH_PROCESS_CPU_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Seconds of one process, user and system, from /proc; 0 if there is none. */
static inline double process_cpu_one(long pid)
{
    char path[64];
    char text[1024];
    unsigned long user = 0;
    unsigned long system = 0;
    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = '\0';
    const char *rest = strrchr(text, ')'); /* the name may hold anything */
    if (rest == NULL || sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return 0;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* The sum over the processes of a list "PID,PID,..."; NULL: 0. */
static inline double process_cpu_seconds(const char *pids)
{
    double sum = 0;
    while (pids != NULL && *pids != '\0') {
        char *end = NULL;
        sum += process_cpu_one(strtol(pids, &end, 10));
        pids = *end == ',' ? end + 1 : "";
    }
    return sum;
}

/* Of this process. */
static inline double own_cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

#endif
