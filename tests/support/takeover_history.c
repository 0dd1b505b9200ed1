#include <stdlib.h>

#include "base/check.h"
#include "tests/support/takeover_run.h"

/* --- chains --- */

static int link_order(const void *left, const void *right)
{
    const struct takeover_link *a = *(const struct takeover_link *const *)left;
    const struct takeover_link *b = *(const struct takeover_link *const *)right;
    if (a->before != b->before)
        return a->before < b->before ? -1 : 1;
    return a->after < b->after ? -1 : a->after > b->after;
}

/* All links of one directory, in the order in which they happened. */
static const struct takeover_link **links_sorted(const struct takeover *run, uint32_t directory, size_t *count)
{
    size_t all = 0;
    for (uint32_t i = 0; i < run->client_count; i++)
        all += run->clients[i].links.count;
    const struct takeover_link **sorted = calloc(all + 1, sizeof(*sorted));
    CHECK(sorted != NULL);
    *count = 0;
    for (uint32_t i = 0; i < run->client_count; i++) {
        const struct takeover_link *links = run->clients[i].links.items;
        for (size_t k = 0; k < run->clients[i].links.count; k++) {
            if (links[k].directory == directory)
                sorted[(*count)++] = &links[k];
        }
    }
    if (*count > 0)
        qsort(sorted, *count, sizeof(*sorted), link_order);
    return sorted;
}

static bool chain_check(struct takeover *run, uint32_t directory, const struct takeover_link **links, size_t count,
                        uint64_t last_change)
{
    uint64_t at = run->first_change[directory];
    for (size_t i = 0; i < count; i++) {
        if (links[i]->before != at) {
            const char *meaning = links[i]->before > at
                                      ? "a change that nobody was told of: executed twice, or by nobody's order"
                                      : "two changes begin at one state: one of them was lost";
            takeover_wrong(
                run, "directory %u: change %zu of %zu by client %u goes from %llx to %llx, but it was at %llx: %s",
                directory, i, count, links[i]->client, (unsigned long long)links[i]->before,
                (unsigned long long)links[i]->after, (unsigned long long)at, meaning);
            return false;
        }
        at = links[i]->after;
    }
    if (at == last_change)
        return true;
    takeover_wrong(run, "directory %u: the last acknowledged change made it %llx, and in the end it is %llx", directory,
                   (unsigned long long)at, (unsigned long long)last_change);
    return false;
}

/* --- races --- */

/* A time in which a shared name may have been there, or not there. */
struct window {
    uint64_t begin_us;
    uint64_t end_us;
};

static int32_t race_last(const struct takeover_link **links, size_t count, int32_t race)
{
    for (size_t i = count; i > 0; i--) {
        if (links[i - 1]->race == race)
            return (int32_t)links[i - 1]->made;
    }
    return 0;
}

bool takeover_race_present(const struct takeover *run, int32_t race)
{
    size_t count;
    const struct takeover_link **links = links_sorted(run, 0, &count);
    bool present = race_last(links, count, race) == 1;
    free(links);
    return present;
}

/* Who lost because the name was (not) there must have been under way while it may have been (not) there. */
static bool misses_check(struct takeover *run, int32_t race, bool existed, const struct window *windows, size_t count)
{
    for (uint32_t i = 0; i < run->client_count; i++) {
        const struct takeover_miss *misses = run->clients[i].misses.items;
        for (size_t k = 0; k < run->clients[i].misses.count; k++) {
            if (misses[k].race != race || misses[k].existed != existed)
                continue;
            size_t at = 0;
            while (at < count &&
                   (windows[at].end_us < misses[k].sent_us || windows[at].begin_us > misses[k].replied_us))
                at++;
            if (at == count) {
                takeover_wrong(run, "race-%d: client %u was told that it %s, when it certainly %s", race, i,
                               existed ? "exists" : "does not exist", existed ? "did not" : "did");
                return false;
            }
        }
    }
    return true;
}

static bool race_check(struct takeover *run, int32_t race, const struct takeover_link **links, size_t count)
{
    struct window *present = calloc(count + 1, sizeof(*present));
    struct window *absent = calloc(count + 1, sizeof(*absent));
    CHECK(present != NULL && absent != NULL);
    size_t presents = 0;
    size_t absents = 1;
    absent[0] = (struct window){0, UINT64_MAX};
    bool there = false;
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        const struct takeover_link *link = links[i];
        if (link->race != race)
            continue;
        if (link->made == there) {
            takeover_wrong(run, "race-%d was %s twice in a row, the second time by client %u", race,
                           there ? "made" : "removed", link->client);
            good = false;
        } else if (link->made) {
            absent[absents - 1].end_us = link->replied_us;
            present[presents++] = (struct window){link->sent_us, UINT64_MAX};
        } else {
            present[presents - 1].end_us = link->replied_us;
            absent[absents++] = (struct window){link->sent_us, UINT64_MAX};
        }
        there = link->made;
    }
    good = good && misses_check(run, race, true, present, presents) && misses_check(run, race, false, absent, absents);
    free(present);
    free(absent);
    return good;
}

bool takeover_history_check(struct takeover *run, uint64_t last_change[TAKEOVER_DIRECTORIES])
{
    bool good = true;
    for (uint32_t directory = 0; directory < TAKEOVER_DIRECTORIES; directory++) {
        size_t count;
        const struct takeover_link **links = links_sorted(run, directory, &count);
        bool chain = chain_check(run, directory, links, count, last_change[directory]);
        for (int32_t race = 0; chain && directory == 0 && race < (int32_t)TAKEOVER_RACES; race++)
            chain = race_check(run, race, links, count);
        good = good && chain;
        free(links);
    }
    return good;
}
