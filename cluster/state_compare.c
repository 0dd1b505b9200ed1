#include "cluster/state_compare.h"

#include "base/check.h"

void state_compare_init(struct state_compare *compare)
{
    *compare = (struct state_compare){0};
}

/* --- own points --- */

void state_compare_add(struct state_compare *compare, uint64_t index, const uint8_t hash[16])
{
    CHECK(index > compare->newest);
    struct state_point *point = &compare->points[compare->next];
    compare->next = (compare->next + 1) % STATE_HASHES_KEPT;
    point->index = compare->newest = index;
    memcpy(point->hash, hash, sizeof point->hash);
}

const struct state_point *state_compare_point(const struct state_compare *compare, uint64_t wanted_index)
{
    const struct state_point *newest = NULL;
    for (uint32_t i = 0; i < STATE_HASHES_KEPT; i++) {
        const struct state_point *point = &compare->points[i];
        if (point->index != 0 && point->index == wanted_index)
            return point;
        if (point->index != 0 && point->index == compare->newest)
            newest = point;
    }
    return newest;
}

/* --- reports --- */

static struct state_report *report_find(struct state_compare *compare, uint64_t node)
{
    for (uint32_t i = 0; i < compare->report_count; i++) {
        if (compare->reports[i].node == node)
            return &compare->reports[i];
    }
    return NULL;
}

static struct state_report *report_get(struct state_compare *compare, uint64_t node)
{
    struct state_report *report = report_find(compare, node);
    if (report != NULL)
        return report;
    for (uint32_t i = 0; i < compare->report_count && report == NULL; i++) {
        if (!compare->reports[i].expected)
            report = &compare->reports[i]; /* maybe no member any more; one that is comes back with its next ping */
    }
    if (compare->report_count < CLUSTER_MEMBERS_MAX)
        report = &compare->reports[compare->report_count++];
    if (report != NULL)
        *report = (struct state_report){.node = node};
    return report;
}

void state_compare_lead(struct state_compare *compare)
{
    compare->round.index = 0;
    compare->report_count = 0;
    compare->alarmed = false;
}

void state_compare_report(struct state_compare *compare, uint64_t node, uint64_t index, const uint8_t hash[16])
{
    struct state_report *report = report_get(compare, node);
    if (report == NULL || compare->round.index == 0 || index != compare->round.index)
        return;
    report->came = true;
    memcpy(report->hash, hash, sizeof report->hash);
}

void state_compare_forget(struct state_compare *compare, uint64_t node)
{
    struct state_report *report = report_find(compare, node);
    if (report != NULL)
        *report = (struct state_report){.node = node};
}

void state_compare_expect(struct state_compare *compare, uint64_t node, bool expected)
{
    struct state_report *report = expected ? report_get(compare, node) : report_find(compare, node);
    if (report != NULL)
        report->expected = expected;
}

/* --- rounds --- */

static bool round_complete(const struct state_compare *compare)
{
    for (uint32_t i = 0; i < compare->report_count; i++) {
        if (compare->reports[i].expected && !compare->reports[i].came)
            return false;
    }
    return true;
}

/* How many of those that came have this hash. */
static uint32_t votes_for(const struct state_compare *compare, const uint8_t hash[16])
{
    uint32_t votes = memcmp(compare->round.hash, hash, 16) == 0 ? 1 : 0;
    for (uint32_t i = 0; i < compare->report_count; i++) {
        if (compare->reports[i].came && memcmp(compare->reports[i].hash, hash, 16) == 0)
            votes++;
    }
    return votes;
}

static enum state_verdict round_judge(struct state_compare *compare)
{
    uint32_t came = 1;
    for (uint32_t i = 0; i < compare->report_count; i++)
        came += compare->reports[i].came ? 1 : 0;
    uint32_t agree = votes_for(compare, compare->round.hash);
    if (agree == came) {
        compare->alarmed = false;
        return STATE_NOTHING_NEW;
    }
    if (2 * agree > came) {
        for (uint32_t i = 0; i < compare->report_count; i++) {
            struct state_report *report = &compare->reports[i];
            if (report->came && report->diverged_index == 0 && memcmp(report->hash, compare->round.hash, 16) != 0)
                report->diverged_index = compare->round.index;
        }
        return STATE_NOTHING_NEW;
    }
    for (uint32_t i = 0; i < compare->report_count; i++) {
        if (compare->reports[i].came && 2 * votes_for(compare, compare->reports[i].hash) > came)
            return STATE_SELF_DIVERGED;
    }
    if (compare->alarmed)
        return STATE_NOTHING_NEW;
    compare->alarmed = true;
    return STATE_NO_MAJORITY;
}

static void round_begin(struct state_compare *compare, uint64_t now_ms)
{
    compare->round = *state_compare_point(compare, compare->newest);
    compare->began_ms = now_ms;
    for (uint32_t i = 0; i < compare->report_count; i++)
        compare->reports[i].came = false;
}

enum state_verdict state_compare_advance(struct state_compare *compare, uint64_t now_ms, uint64_t *index)
{
    enum state_verdict verdict = STATE_NOTHING_NEW;
    bool over = compare->round.index == 0;
    *index = compare->round.index;
    if (!over && (round_complete(compare) || now_ms >= compare->began_ms + STATE_COMPARE_MS)) {
        verdict = round_judge(compare);
        over = true;
    }
    if (over && compare->newest > compare->round.index)
        round_begin(compare, now_ms);
    return verdict;
}

uint64_t state_compare_diverged(const struct state_compare *compare, uint64_t node)
{
    for (uint32_t i = 0; i < compare->report_count; i++) {
        if (compare->reports[i].node == node)
            return compare->reports[i].diverged_index;
    }
    return 0;
}

uint64_t state_compare_wanted(const struct state_compare *compare)
{
    return compare->round.index;
}
