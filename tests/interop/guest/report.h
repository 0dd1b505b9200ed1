/*
 * What the guest programs share: one line a check, a status that tells, seeded random numbers.
 *
 * A program prints "ok NAME" or "FAILED NAME: why" for each check and ends with 0 only if it made at least
 * one check and none failed. With INTEROP_PLANT=1 in the environment it must go wrong on purpose, in the
 * place that the program names "plant": that is how the suite proves that it can fail.
 */
#ifndef TESTS_INTEROP_GUEST_REPORT_H
#define TESTS_INTEROP_GUEST_REPORT_H

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct report {
    unsigned passed;
    unsigned failed;
};

/** Prints one check; `format` and what follows name it. Returns `holds`. */
__attribute__((format(printf, 3, 4))) static inline bool report_check(struct report *report, bool holds,
                                                                      const char *format, ...)
{
    char name[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    if (holds)
        report->passed++;
    else
        report->failed++;
    printf("%s %s\n", holds ? "ok" : "FAILED", name);
    fflush(stdout);
    return holds;
}

/** The program's exit status: 0 if something was checked and nothing failed. */
static inline int report_finish(struct report *report)
{
    if (report->passed + report->failed == 0)
        (void)report_check(report, false, "nothing was checked");
    return report->failed == 0 ? 0 : 1;
}

/** Ends the program because the environment, not the thing under test, went wrong. */
static inline _Noreturn void report_die(const char *what)
{
    printf("FAILED %s: %s\n", what, strerror(errno));
    fflush(stdout);
    exit(2);
}

/** Whether the program must go wrong on purpose. */
static inline bool report_planted(void)
{
    const char *plant = getenv("INTEROP_PLANT");
    return plant != NULL && strcmp(plant, "1") == 0;
}

/** Seconds of a clock that only goes forward. */
static inline double report_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/** A whole number from the command line. */
static inline uint64_t report_number(const char *text)
{
    char *end = NULL;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        printf("FAILED %s is not a number\n", text);
        exit(2);
    }
    return value;
}

struct random {
    uint64_t state;
};

/** The next number of a seeded sequence (splitmix64). */
static inline uint64_t random_next(struct random *random)
{
    uint64_t z = (random->state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/** A number below `bound` (> 0). */
static inline size_t random_below(struct random *random, size_t bound)
{
    return (size_t)(random_next(random) % bound);
}

/** Fills bytes from a seeded sequence. */
static inline void random_fill(struct random *random, unsigned char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length) {
        uint64_t word = random_next(random);
        size_t part = length - at < sizeof word ? length - at : sizeof word;
        memcpy(bytes + at, &word, part);
        at += part;
    }
}

#endif
