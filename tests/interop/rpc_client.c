/* rpc_client.c: RPC over real connections against a running server: exactly-once under lost replies and kills
 * (tests/support/exactly_once.h), and what no client should send (tests/support/bad_input.h).
 *
 *   rpc_client --server HOST:PORT [--export /data] [--seed S] [--ops N] [--cache-always]
 *              [--kill-command CMD] [--kill-percent P]
 *   rpc_client --server HOST:PORT [--export /data] [--seed S] --bad-input [--idle N] [--patient]
 *
 * CMD is a shell command that kills the server (-9) and starts it again. Prints a line `ok` or `FAILED` for each kind or
 * case; the status is 0 only if all is well, 2 for wrong options. The export must admit this host without squash. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/support/bad_input.h"
#include "tests/support/exactly_once.h"
#include "tests/support/rpc_socket.h"

struct options {
    struct exactly_once_options exactly_once;
    uint32_t idle_connections;
    bool bad_input;
    bool patient;
    bool address_known;
};

static int usage(const char *problem)
{
    fprintf(stderr,
            "rpc_client: %s\nusage: rpc_client --server HOST:PORT [--export PATH] [--seed S] [--verbose]\n"
            "         [--ops N] [--cache-always] [--kill-command CMD] [--kill-percent P] | --bad-input [--idle N] "
            "[--patient]\n",
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
    if (strcmp(name, "--server") == 0) {
        options->address_known = rpc_address_parse(value, &options->exactly_once.address);
        return options->address_known ? NULL : "--server wants HOST:PORT";
    }
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
    if (strcmp(name, "--ops") == 0)
        options->exactly_once.operations = (uint32_t)number;
    else if (strcmp(name, "--kill-percent") == 0)
        options->exactly_once.kill_percent = (uint32_t)number;
    else if (strcmp(name, "--idle") == 0)
        options->idle_connections = (uint32_t)number;
    else
        return "unknown option";
    return NULL;
}

int main(int argc, char **argv)
{
    struct options options = {
        .exactly_once = {.export_path = "/data", .operations = 200, .seed = 1, .kill_percent = 5},
        .idle_connections = 5000,
    };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bad-input") == 0) {
            options.bad_input = true;
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
    if (!options.address_known)
        return usage("--server is missing");

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
    const struct bad_input_options bad = {options.exactly_once.address, options.exactly_once.export_path,
                                          options.exactly_once.seed, options.idle_connections, options.patient};
    return bad_input_run(&bad) ? 0 : 1;
}
