#include "ctl/command.h"

/* A number of bytes as people say it. */
static void print_bytes(FILE *out, long long bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    unsigned unit = 0;
    for (; value >= 1024 && unit < 6; unit++)
        value /= 1024;
    if (unit == 0)
        fprintf(out, "%lld bytes", bytes);
    else
        fprintf(out, "%.1f %s", value, units[unit]);
}

static void print_duration(FILE *out, long long seconds)
{
    if (seconds >= 86400)
        fprintf(out, "%lld d %lld h", seconds / 86400, seconds / 3600 % 24);
    else if (seconds >= 3600)
        fprintf(out, "%lld h %lld min", seconds / 3600, seconds / 60 % 60);
    else if (seconds >= 60)
        fprintf(out, "%lld min %lld s", seconds / 60, seconds % 60);
    else
        fprintf(out, "%lld s", seconds);
}

static void print_node(FILE *out, const json_t *node, const json_t *log)
{
    fprintf(out, "node      %lld, incarnation %lld, version %s\n", ctl_number(node, "id"),
            ctl_number(node, "incarnation"), ctl_text(node, "version"));
    fprintf(out, "state     %s, %s, %s in term %lld\n",
            json_is_true(json_object_get(node, "serving")) ? "serving" : "not serving",
            json_is_true(json_object_get(node, "healthy")) ? "healthy" : "NOT HEALTHY",
            json_is_true(json_object_get(log, "leader")) ? "leader" : "not leader", ctl_number(log, "term"));
    fprintf(out, "running   ");
    print_duration(out, ctl_number(node, "running_seconds"));
    fprintf(out, ", since %s\n", ctl_text(node, "started"));
}

static void print_log(FILE *out, const json_t *log)
{
    fprintf(out, "log       committed %lld, applied %lld (command %lld), flushed %lld, ",
            ctl_number(log, "commit_index"), ctl_number(log, "applied_index"), ctl_number(log, "applied_number"),
            ctl_number(log, "flushed_index"));
    print_bytes(out, ctl_number(log, "bytes"));
    fprintf(out, ", %lld flushes\n", ctl_number(log, "flushes"));
}

static void print_space(FILE *out, const json_t *space)
{
    fprintf(out, "disk      ");
    print_bytes(out, ctl_number(space, "free_bytes"));
    fprintf(out, " free of ");
    print_bytes(out, ctl_number(space, "total_bytes"));
    fprintf(out, "%s\n", json_is_true(json_object_get(space, "low")) ? ", NEARLY FULL: what grows is refused" : "");
}

static void print_fetch(FILE *out, const json_t *fetch)
{
    if (!json_is_object(fetch))
        return;
    fprintf(out, "fetching  the state of node %lld, ", ctl_number(fetch, "node"));
    print_bytes(out, ctl_number(fetch, "bytes"));
    fprintf(out, " of ");
    print_bytes(out, ctl_number(fetch, "total_bytes"));
    fprintf(out, "\n");
}

int command_status(struct ctl *ctl)
{
    json_t *answer = ctl_ask(ctl, "GET", "/v1/status", NULL);
    if (answer == NULL || ctl->arguments->json)
        return ctl_finish(ctl, answer);
    const json_t *cluster = json_object_get(answer, "cluster");
    const json_t *log = json_object_get(answer, "log");
    const json_t *counts = json_object_get(answer, "counts");
    fprintf(ctl->out, "cluster   %s\n", ctl_text(cluster, "id"));
    print_node(ctl->out, json_object_get(answer, "node"), log);
    print_log(ctl->out, log);
    print_fetch(ctl->out, json_object_get(answer, "fetch"));
    print_space(ctl->out, json_object_get(answer, "space"));
    fprintf(ctl->out, "clients   %lld, with %lld sessions, %lld opens, %lld locked ranges, %lld connections\n",
            ctl_number(counts, "clients"), ctl_number(counts, "sessions"), ctl_number(counts, "opens"),
            ctl_number(counts, "locks"), ctl_number(counts, "connections"));
    json_decref(answer);
    return CTL_DONE;
}
