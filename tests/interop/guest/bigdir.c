/*
 * bigdir fill DIR COUNT            makes COUNT entries keep-000000.. of four kinds, and COUNT/10 entries gone-000000..
 * bigdir files DIR COUNT           makes COUNT empty files keep-000000..
 * bigdir churn DIR COUNT SECONDS   removes the gone- entries one by one and makes new- entries, each name once
 * bigdir list DIR COUNT PASSES     lists: every keep- entry exactly once, every other at most once; may run beside churn
 * bigdir empty DIR                 removes what it lists while it lists, then DIR itself
 *
 * Plant: fill leaves out the last keep- entry.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/interop/guest/report.h"

enum {
    NAME_BYTES = 32,
    LINKS_LIMIT = 1000, /* of one file; some file systems refuse more than some 10,000 */
    EMPTY_PASSES = 50,
    CHURN_PAUSE_US = 500,
};

enum entry_kind { KIND_FILE, KIND_SYMLINK, KIND_LINK, KIND_DIRECTORY, KIND_COUNT };

static enum entry_kind kind_of(size_t number)
{
    return (enum entry_kind)(number % KIND_COUNT);
}

static void file_make(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0 || close(fd) != 0)
        report_die(name);
}

static void entry_make(const char *name, size_t number, const char *linked)
{
    int failed = 0;
    switch (kind_of(number)) {
    case KIND_FILE:
    case KIND_COUNT: file_make(name); break;
    case KIND_SYMLINK: failed = symlink("../target", name); break;
    case KIND_LINK: failed = link(linked, name); break;
    case KIND_DIRECTORY: failed = mkdir(name, 0755); break;
    }
    if (failed != 0)
        report_die(name);
}

static int bigdir_fill(size_t count, bool only_files)
{
    char name[NAME_BYTES], linked[NAME_BYTES] = "keep-000000";
    double start = report_seconds();
    size_t kept = report_planted() ? count - 1 : count;
    for (size_t i = 0; i < kept; i++) {
        (void)snprintf(name, sizeof name, "keep-%06zu", i);
        if (kind_of(i) == KIND_FILE && (i / KIND_COUNT) % LINKS_LIMIT == 0)
            memcpy(linked, name, sizeof linked);
        if (only_files)
            file_make(name);
        else
            entry_make(name, i, linked);
    }
    for (size_t i = 0; !only_files && i < count / 10; i++) {
        (void)snprintf(name, sizeof name, "gone-%06zu", i);
        entry_make(name, i, linked);
    }
    double seconds = report_seconds() - start;
    struct report report = {0};
    (void)report_check(&report, true, "bigdir: made %zu entries in %.1f s (%.0f a second)", kept, seconds,
                       (double)kept / seconds);
    return report_finish(&report);
}

static int bigdir_churn(size_t count, double seconds)
{
    char name[NAME_BYTES];
    size_t removed = 0, made = 0;
    for (double end = report_seconds() + seconds; report_seconds() < end && removed < count / 10; removed++) {
        (void)snprintf(name, sizeof name, "gone-%06zu", removed);
        if ((kind_of(removed) == KIND_DIRECTORY ? rmdir(name) : unlink(name)) != 0)
            report_die(name);
        if (removed % 2 == 0) {
            (void)snprintf(name, sizeof name, "new-%06zu", made++);
            file_make(name);
        }
        (void)usleep(CHURN_PAUSE_US);
    }
    struct report report = {0};
    (void)report_check(&report, removed > 0, "bigdir: removed %zu, made %zu meanwhile", removed, made);
    return report_finish(&report);
}

struct listing {
    unsigned char *kept, *gone, *made; /* how often each number was listed; `count` of each; owned */
    size_t count;
    size_t entries;
    size_t regular; /* keep- entries that are files: all of them after `files` */
    unsigned twice, strangers, wrong_type;
};

static void listing_add(struct listing *listing, const struct dirent *item)
{
    static const unsigned char types[] = {DT_REG, DT_LNK, DT_REG, DT_DIR};
    const char *name = item->d_name;
    unsigned char *seen = strncmp(name, "keep-", 5) == 0   ? listing->kept
                          : strncmp(name, "gone-", 5) == 0 ? listing->gone
                          : strncmp(name, "new-", 4) == 0  ? listing->made
                                                           : NULL;
    const char *digits = strchr(name, '-');
    size_t number = digits == NULL ? listing->count : (size_t)strtoul(digits + 1, NULL, 10);
    if (seen == NULL || number >= listing->count) {
        listing->strangers++;
        return;
    }
    listing->entries++;
    if (seen[number]++ > 0 && listing->twice++ < 5)
        printf("  %s is listed twice\n", name);
    listing->regular += seen == listing->kept && item->d_type == DT_REG;
    listing->wrong_type +=
        seen == listing->kept && item->d_type != DT_UNKNOWN && item->d_type != types[kind_of(number)];
}

static void listing_check(struct report *report, const struct listing *listing, int error)
{
    size_t missing = 0;
    for (size_t i = 0; i < listing->count; i++)
        if (listing->kept[i] == 0 && missing++ < 5)
            printf("  keep-%06zu is not listed\n", i);
    unsigned wrong_type = listing->regular == listing->count ? 0 : listing->wrong_type;
    (void)report_check(report, error == 0, "bigdir: readdir: %s", strerror(error));
    (void)report_check(report, missing == 0 && listing->twice == 0 && listing->strangers == 0 && wrong_type == 0,
                       "bigdir: %zu listed, %zu missing, %u twice, %u strangers, %u of a wrong type", listing->entries,
                       missing, listing->twice, listing->strangers, wrong_type);
}

static int bigdir_list(size_t count, size_t passes)
{
    struct report report = {0};
    for (size_t pass = 0; pass < passes; pass++) {
        struct listing listing = {
            .count = count, .kept = calloc(count, 1), .gone = calloc(count, 1), .made = calloc(count, 1)};
        DIR *directory = opendir(".");
        if (directory == NULL || listing.kept == NULL || listing.gone == NULL || listing.made == NULL)
            report_die("opendir");
        errno = 0;
        for (struct dirent *item = readdir(directory); item != NULL; item = readdir(directory))
            if (item->d_name[0] != '.')
                listing_add(&listing, item);
        listing_check(&report, &listing, errno);
        (void)closedir(directory);
        free(listing.kept);
        free(listing.gone);
        free(listing.made);
    }
    return report_finish(&report);
}

/* What rm -r does. It may need more than one pass: a listing need not show all while entries go. */
static int bigdir_empty(void)
{
    struct report report = {0};
    char path[PATH_MAX];
    if (getcwd(path, sizeof path) == NULL)
        report_die("getcwd");
    size_t removed = 0;
    unsigned failed = 0, passes = 0;
    double start = report_seconds();
    for (size_t before = 1; removed != before && passes < EMPTY_PASSES; passes++) {
        before = removed;
        DIR *directory = opendir(".");
        if (directory == NULL)
            report_die("opendir");
        for (struct dirent *item = readdir(directory); item != NULL; item = readdir(directory)) {
            if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0)
                continue;
            if (unlinkat(dirfd(directory), item->d_name, item->d_type == DT_DIR ? AT_REMOVEDIR : 0) == 0 ||
                (errno == EISDIR && unlinkat(dirfd(directory), item->d_name, AT_REMOVEDIR) == 0))
                removed++;
            else if (failed++ < 5)
                printf("  %s: %s\n", item->d_name, strerror(errno));
        }
        (void)closedir(directory);
    }
    double seconds = report_seconds() - start;
    (void)report_check(&report, failed == 0, "bigdir: %u removals failed", failed);
    (void)report_check(&report, removed > 0, "bigdir: removed %zu in %u passes and %.1f s (%.0f a second)", removed,
                       passes, seconds, (double)removed / seconds);
    (void)report_check(&report, chdir("/") == 0 && rmdir(path) == 0, "bigdir: rmdir of the emptied directory: %s",
                       strerror(errno));
    return report_finish(&report);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        printf("usage: bigdir fill|files|churn|list|empty DIR ...\n");
        return 2;
    }
    const char *verb = argv[1];
    bool filling = strcmp(verb, "fill") == 0, filing = strcmp(verb, "files") == 0;
    if (((filling || filing) && mkdir(argv[2], 0755) != 0) || chdir(argv[2]) != 0)
        report_die(argv[2]);
    if ((filling || filing) && argc == 4)
        return bigdir_fill((size_t)report_number(argv[3]), filing);
    if (strcmp(verb, "churn") == 0 && argc == 5)
        return bigdir_churn((size_t)report_number(argv[3]), (double)report_number(argv[4]));
    if (strcmp(verb, "list") == 0 && argc == 5)
        return bigdir_list((size_t)report_number(argv[3]), (size_t)report_number(argv[4]));
    if (strcmp(verb, "empty") == 0 && argc == 3)
        return bigdir_empty();
    return 2;
}
