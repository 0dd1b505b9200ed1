#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "tests/support/takeover_run.h"

/* The pauses of some clients at the faults of one kind. */
struct pauses {
    uint64_t *values_us; /* owned */
    size_t count;
};

static int number_order(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* The longest time without a reply from the beginning of a fault (where all nodes are down: from when they are started
 * again) to the next one. */
static uint64_t pause_of(const struct takeover_client *client, const struct takeover_fault *fault)
{
    const struct takeover_gap *gaps = client->gaps.items;
    uint64_t from_us = fault->node == 0 ? fault->up_us : fault->begin_us;
    uint64_t longest_us = 0;
    for (size_t i = 0; i < client->gaps.count; i++) {
        if (gaps[i].end_us <= from_us || gaps[i].begin_us >= fault->until_us)
            continue;
        if (gaps[i].end_us > fault->until_us && gaps[i].end_us - fault->until_us > fault->until_us - gaps[i].begin_us)
            continue; /* it came with the next fault */
        uint64_t begin_us = gaps[i].begin_us > from_us || fault->node != 0 ? gaps[i].begin_us : from_us;
        if (gaps[i].end_us - begin_us > longest_us)
            longest_us = gaps[i].end_us - begin_us;
    }
    return longest_us;
}

static void pauses_add(struct pauses *pauses, uint64_t value_us)
{
    pauses->values_us[pauses->count++] = value_us;
}

static void pauses_print(const char *kind, size_t faults, const char *who, struct pauses *pauses)
{
    if (pauses->count == 0)
        return;
    qsort(pauses->values_us, pauses->count, sizeof(*pauses->values_us), number_order);
    printf("    pause %-18s %3zu faults, %-21s median %6.0f ms, worst %6.0f ms (%zu)\n", kind, faults, who,
           (double)pauses->values_us[pauses->count / 2] / 1e3, (double)pauses->values_us[pauses->count - 1] / 1e3,
           pauses->count);
}

/* All faults of the kind of fault `first`; returns the longest pause. */
static uint64_t kind_report(struct takeover *run, size_t first)
{
    const struct takeover_fault *faults = run->faults.items;
    const char *kind = faults[first].kind;
    size_t room = run->faults.count * run->client_count;
    struct pauses hit = {calloc(room, sizeof(uint64_t)), 0};
    struct pauses others = {calloc(room, sizeof(uint64_t)), 0};
    CHECK(hit.values_us != NULL && others.values_us != NULL);
    size_t count = 0;
    uint64_t worst_us = 0;
    for (size_t i = first; i < run->faults.count; i++) {
        if (strcmp(faults[i].kind, kind) != 0)
            continue;
        count++;
        for (uint32_t client = 0; client < run->client_count; client++) {
            uint64_t pause_us = pause_of(&run->clients[client], &faults[i]);
            bool is_hit = faults[i].node == 0 || faults[i].nodes[client] == faults[i].node;
            pauses_add(is_hit ? &hit : &others, pause_us);
            worst_us = pause_us > worst_us ? pause_us : worst_us;
        }
    }
    pauses_print(kind, count, faults[first].node == 0 ? "all clients" : "clients of the node", &hit);
    pauses_print(kind, count, "other clients", &others);
    free(hit.values_us);
    free(others.values_us);
    return worst_us;
}

bool takeover_pauses_report(struct takeover *run)
{
    const struct takeover_fault *faults = run->faults.items;
    uint64_t worst_us = 0;
    for (size_t i = 0; i < run->faults.count; i++) {
        size_t earlier = 0;
        while (strcmp(faults[earlier].kind, faults[i].kind) != 0)
            earlier++;
        uint64_t longest_us = earlier == i ? kind_report(run, i) : 0;
        worst_us = longest_us > worst_us ? longest_us : worst_us;
    }
    uint32_t max_ms = run->options->pause_max_ms;
    if (max_ms == 0 || run->faults.count == 0)
        return true;
    bool good = worst_us / 1000 < max_ms;
    printf("%s takeover/pauses: the longest took %.0f ms, allowed are %u ms\n", good ? "ok" : "FAILED",
           (double)worst_us / 1e3, max_ms);
    return good;
}
