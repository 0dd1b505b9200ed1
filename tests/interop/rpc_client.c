/* rpc_client.c: RPC over real connections against a running server or the nodes of a cluster: exactly-once under lost
 * replies and kills (tests/support/exactly_once.h), many clients that go from node to node (tests/support/takeover.h),
 * and what no client should send (tests/support/bad_input.h).
 *
 *   rpc_client --server HOST:PORT[,HOST:PORT...] [--export /data] [--seed S] [--ops N] [--cache-always]
 *              [--kill-command CMD | --nemesis-fd D] [--kill-percent P]
 *   rpc_client --server HOST:PORT[,HOST:PORT...] [--export /data] [--seed S] --takeover [--clients N] [--lanes N]
 *              [--seconds S | --nemesis-fd D --faults N [--calm-ms M]] [--silence-ms M] [--pace-ms M]
 *              [--roam-permille P] [--again-percent P] [--pause-max-ms M]
 *   rpc_client --server HOST:PORT [--export /data] [--seed S] --bad-input [--idle N] [--patient]
 *
 * CMD is a shell command that kills the server (-9) and starts it again; D a descriptor over which a nemesis is asked for
 * faults (tests/support/nemesis.h). Prints a line `ok` or `FAILED` for each kind or
 * case; the status is 0 only if all is well, 2 for wrong options. The export must admit this host without squash. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/support/bad_input.h"
#include "tests/support/exactly_once.h"
#include "tests/support/takeover.h"

struct options {
    struct exactly_once_options exactly_once;
    struct takeover_options takeover;
    bool take_over;
    uint32_t idle_connections;
    bool bad_input;
    bool patient;
};

static int usage(const char *problem)
{
    fprintf(stderr,
            "rpc_client: %s\nusage: rpc_client --server HOST:PORT[,...] [--export PATH] [--seed S] [--verbose]\n"
            "         [--ops N] [--cache-always] [--kill-command CMD | --nemesis-fd D] [--kill-percent P]\n"
            "         | --takeover [--clients N] [--lanes N] [--seconds S | --nemesis-fd D --faults N [--calm-ms M]]\n"
            "           [--silence-ms M] [--pace-ms M] [--roam-permille P] [--again-percent P] [--pause-max-ms M]\n"
            "         | --bad-input [--idle N] [--patient]\n",
            problem);
    return 2;
}

static bool number_parse(const char *text, uint64_t max, uint64_t *number)
{
    char *end = NULL;
    unsigned long long value = strtoull(text, &end, 10);
    *number = value;
    return *text >= '0' && *text <= '9' && *end == '\0' && value <= max;
}

/* One option that has a value; NULL, or what is wrong with it. */
static const char *option_take(struct options *options, const char *name, const char *value)
{
    uint64_t number = 0;
    if (strcmp(name, "--server") == 0)
        return rpc_servers_parse(value, &options->exactly_once.servers) ? NULL : "--server wants HOST:PORT";
    if (strcmp(name, "--export") == 0) {
        options->exactly_once.export_path = value;
        return NULL;
    }
    if (strcmp(name, "--kill-command") == 0) {
        options->exactly_once.kill_command = value;
        return NULL;
    }
    if (strcmp(name, "--seed") == 0)
        return number_parse(value, UINT64_MAX, &options->exactly_once.seed) ? NULL : "--seed wants a number";
    if (!number_parse(value, UINT32_MAX, &number))
        return "a number is expected";
    const struct {
        const char *name;
        uint32_t *value;
    } numbers[] = {
        {"--ops", &options->exactly_once.operations},
        {"--kill-percent", &options->exactly_once.kill_percent},
        {"--idle", &options->idle_connections},
        {"--clients", &options->takeover.clients},
        {"--lanes", &options->takeover.lanes},
        {"--faults", &options->takeover.faults},
        {"--calm-ms", &options->takeover.calm_ms},
        {"--seconds", &options->takeover.seconds},
        {"--silence-ms", &options->takeover.silence_ms},
        {"--pace-ms", &options->takeover.pace_ms},
        {"--roam-permille", &options->takeover.roam_permille},
        {"--again-percent", &options->takeover.again_percent},
        {"--pause-max-ms", &options->takeover.pause_max_ms},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].value = (uint32_t)number;
            return NULL;
        }
    }
    if (strcmp(name, "--nemesis-fd") != 0)
        return "unknown option";
    options->exactly_once.nemesis_descriptor = (int)number;
    return NULL;
}

static int takeover_start(struct options *options)
{
    struct takeover_options *takeover = &options->takeover;
    takeover->servers = options->exactly_once.servers;
    takeover->export_path = options->exactly_once.export_path;
    takeover->seed = options->exactly_once.seed;
    takeover->nemesis_descriptor = options->exactly_once.nemesis_descriptor;
    takeover->verbose = options->exactly_once.verbose;
    if (takeover->clients < 1 || takeover->clients > 64 || takeover->lanes < 1 || takeover->lanes > 16 ||
        takeover->silence_ms < 1)
        return usage("--clients 1..64, --lanes 1..16, --silence-ms of at least 1");
    return takeover_run(takeover) ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct options options = {
        .exactly_once =
            {.export_path = "/data", .operations = 200, .seed = 1, .kill_percent = 5, .nemesis_descriptor = -1},
        .takeover = {.clients = 6,
                     .lanes = 4,
                     .faults = 5,
                     .calm_ms = 1000,
                     .seconds = 5,
                     .silence_ms = 1000,
                     .pace_ms = 5,
                     .roam_permille = 2,
                     .again_percent = 15},
        .idle_connections = 5000,
    };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bad-input") == 0) {
            options.bad_input = true;
        } else if (strcmp(argv[i], "--takeover") == 0) {
            options.take_over = true;
        } else if (strcmp(argv[i], "--patient") == 0) {
            options.patient = true;
        } else if (strcmp(argv[i], "--cache-always") == 0) {
            options.exactly_once.cache_always = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            options.exactly_once.verbose = true;
        } else {
            const char *wrong =
                i + 1 < argc ? option_take(&options, argv[i], argv[i + 1]) : "an option lacks its value";
            if (wrong != NULL)
                return usage(wrong);
            i++;
        }
    }
    if (options.exactly_once.servers.count == 0)
        return usage("--server is missing");

    if (options.take_over)
        return takeover_start(&options);
    if (!options.bad_input)
        return exactly_once_run(&options.exactly_once) ? 0 : 1;

    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < options.idle_connections + 100u) {
        files.rlim_cur = options.idle_connections + 100u;
        if (files.rlim_max < files.rlim_cur)
            files.rlim_max = files.rlim_cur;
        if (setrlimit(RLIMIT_NOFILE, &files) != 0)
            return usage("the limit of open files is too low for --idle");
    }
    const struct bad_input_options bad = {options.exactly_once.servers.addresses[0], options.exactly_once.export_path,
                                          options.exactly_once.seed, options.idle_connections, options.patient};
    return bad_input_run(&bad) ? 0 : 1;
}
