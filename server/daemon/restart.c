#include "server/daemon/restart.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"

enum { LISTEN_DESCRIPTOR = 3 };

extern char **environ;

/* The environment with LISTEN_FDS and LISTEN_PID of our own; this process ends, so nothing is freed. */
static char **environment_make(void)
{
    static const char *const replaced[] = {"LISTEN_FDS=", "LISTEN_PID=", "LISTEN_FDNAMES="};
    size_t count = 0;
    while (environ[count] != NULL)
        count++;
    char **made = calloc(count + 3, sizeof(*made));
    CHECK(made != NULL);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool ours = false;
        for (size_t j = 0; j < sizeof(replaced) / sizeof(replaced[0]); j++)
            ours = ours || strncmp(environ[i], replaced[j], strlen(replaced[j])) == 0;
        if (!ours)
            made[kept++] = environ[i];
    }
    char text[64];
    snprintf(text, sizeof(text), "LISTEN_PID=%ld", (long)getpid());
    made[kept++] = strdup(text);
    made[kept] = strdup("LISTEN_FDS=1");
    CHECK(made[kept - 1] != NULL && made[kept] != NULL);
    return made;
}

void restart_process(char *const *arguments, int listen_descriptor, uint64_t age_ms, const struct log *log,
                     const char *why)
{
    log_line(log, LOG_WARN, "%s: beginning anew", why);
    if (age_ms < RESTART_MIN_MS)
        usleep((useconds_t)(RESTART_MIN_MS - age_ms) * 1000);
    char **environment = environment_make();
    /* A duplicate is never closed by execve; one that stands there already is told so. */
    if (listen_descriptor == LISTEN_DESCRIPTOR)
        CHECK(fcntl(LISTEN_DESCRIPTOR, F_SETFD, 0) == 0);
    else
        CHECK(dup2(listen_descriptor, LISTEN_DESCRIPTOR) == LISTEN_DESCRIPTOR);
    CHECK(close_range(LISTEN_DESCRIPTOR + 1, ~0u, CLOSE_RANGE_CLOEXEC) == 0);
    execve("/proc/self/exe", arguments, environment);
    log_line(log, LOG_ERROR, "beginning anew: %s; the node stops", strerror(errno));
    _exit(1);
}
