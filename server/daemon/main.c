/* main.c: qnfsd, from its arguments to its end. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/limits.h"
#include "server/daemon/config.h"
#include "server/daemon/descriptors.h"
#include "server/daemon/node.h"
#include "server/daemon/version.h"

enum { EXIT_BAD_USAGE = 2 };

/* What this version cannot do is said at once, not when it is needed. */
static const char *unserved_setting(const struct config *config)
{
    if (config->force_grace)
        return "force-grace: this version has no grace epochs";
    return NULL;
}

/* Runs until SIGTERM or SIGINT; ten times a second the node looks at its disk, which can fill quickly. */
static void wait_for_end(struct node *node, const struct log *log, const sigset_t *signals)
{
    const struct timespec tick = {.tv_nsec = 100000000};
    for (;;) {
        int signal = sigtimedwait(signals, NULL, &tick);
        if (signal > 0) {
            log_line(log, LOG_INFO, "signal %d: finishing what clients wait for", signal);
            return;
        }
        if (node_was_removed(node)) {
            log_line(log, LOG_WARN, "this node was removed from the cluster: it ends, and does not start again");
            return;
        }
        node_tick(node);
    }
}

int main(int argument_count, char **arguments)
{
    struct arena arena;
    struct config config;
    char trouble[1024];
    /* Setting the threshold also keeps glibc from raising it each time that a large block is freed. */
    mallopt(M_MMAP_THRESHOLD, (int)MALLOC_MAP_BYTES);
    mallopt(M_ARENA_MAX, MALLOC_HEAPS_MAX);
    arena_init(&arena);
    if (config_read(argument_count, arguments, &arena, &config, trouble, sizeof(trouble)) != STATUS_OK) {
        fprintf(stderr, "qnfsd: %s\n", trouble);
        arena_fini(&arena);
        return EXIT_BAD_USAGE;
    }
    if (config.help || config.version) {
        fputs(config.help ? config_usage() : "qnfsd " QNFS_VERSION "\n", stdout);
        arena_fini(&arena);
        return EXIT_SUCCESS;
    }
    const char *unserved = unserved_setting(&config);
    if (unserved != NULL) {
        fprintf(stderr, "qnfsd: %s\n", unserved);
        arena_fini(&arena);
        return EXIT_BAD_USAGE;
    }
    struct log log = {.level = config.log_level, .json = config.log_json, .descriptor = STDERR_FILENO};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread is made: they inherit it */
    signal(SIGPIPE, SIG_IGN);
    descriptors_raise();
    log_line(&log, LOG_INFO, "qnfsd %s: data in %s", QNFS_VERSION, config.data_dir);
    struct node *node;
    enum status status = node_start(&config, arguments, &log, &node, trouble, sizeof(trouble));
    if (status == STATUS_CLOSED) { /* a signal came while the cluster was being made */
        log_line(&log, LOG_INFO, "%s: ended", trouble);
        _exit(EXIT_SUCCESS);
    }
    if (status != STATUS_OK) {
        fprintf(stderr, "qnfsd: %s\n", trouble);
        _exit(status == STATUS_REFUSED ? EXIT_BAD_USAGE : EXIT_FAILURE);
    }
    wait_for_end(node, &log, &signals);
    node_stop(node);
    log_line(&log, LOG_INFO, "ended");
    arena_fini(&arena);
    return EXIT_SUCCESS;
}
