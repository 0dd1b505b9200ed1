/*
 * rename write DIR SECONDS           replaces DIR/current again and again by rename, and moves other names about
 * rename read DIR SECONDS near|far   opens, reads, stats DIR/current and DIR/steady all the while
 *
 * A rename is atomic: a reader must never find a name missing, nor a file that is not one version whole. A
 * reader on the writer's own client ("near") also never sees an older version after a newer one. ESTALE is the
 * client's: it looked the name up, another client removed that file before it was opened, and the kernel
 * tried twice; such a reader tries again, as programs on NFS do.
 * Plant: the writer removes the old file first, and renames then.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/interop/guest/report.h"

enum {
    VERSION_LIMIT_BYTES = 40000,
    STALE_TRIES = 20,
};

struct version_header {
    uint64_t number;
    uint64_t size; /* of the whole file */
};

static size_t version_make(uint64_t number, unsigned char *buffer)
{
    struct random random = {number * 7919};
    struct version_header header = {.number = number,
                                    .size = sizeof header + random_below(&random, VERSION_LIMIT_BYTES - sizeof header)};
    memcpy(buffer, &header, sizeof header);
    random_fill(&random, buffer + sizeof header, (size_t)header.size - sizeof header);
    return (size_t)header.size;
}

static void file_write(const char *path, const unsigned char *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0)
        report_die(path);
    if (write(fd, bytes, size) != (ssize_t)size || close(fd) != 0)
        report_die("write");
}

static void must_rename(const char *source, const char *target)
{
    if (rename(source, target) != 0)
        report_die(source);
}

static int rename_write(double seconds)
{
    static unsigned char buffer[VERSION_LIMIT_BYTES];
    struct report report = {0};
    uint64_t number = 0;
    file_write("steady", (const unsigned char *)"steady", 6);
    if ((mkdir("a", 0755) != 0 && errno != EEXIST) || (mkdir("b", 0755) != 0 && errno != EEXIST))
        report_die("mkdir");
    file_write("a/moving", (const unsigned char *)"moving", 6);
    file_write("current", buffer, version_make(++number, buffer));
    for (double end = report_seconds() + seconds; report_seconds() < end;) {
        file_write("new", buffer, version_make(++number, buffer));
        if (report_planted()) {
            if (unlink("current") != 0)
                report_die("unlink");
            (void)usleep(1000);
        }
        must_rename("new", "current");
        must_rename("a/moving", "b/moving"); /* the readers' directory changes, its names do not */
        must_rename("b", "c");
        must_rename("c/moving", "a/moving");
        must_rename("c", "b");
    }
    (void)report_check(&report, number > 10, "rename: replaced %llu times", (unsigned long long)number);
    return report_finish(&report);
}

struct reader {
    unsigned missing, torn, stale, older, others;
    uint64_t reads, newest;
};

static void reader_error(struct reader *reader, const char *call)
{
    if (errno == ENOENT)
        reader->missing++;
    else if (errno == ESTALE)
        reader->stale++;
    else if (reader->others++ < 5)
        printf("  %s: %s\n", call, strerror(errno));
}

static void reader_current(struct reader *reader, unsigned char *found, unsigned char *expected)
{
    int fd = open("current", O_RDONLY);
    for (unsigned tries = 0; fd < 0 && errno == ESTALE && tries < STALE_TRIES; tries++) {
        reader->stale++;
        fd = open("current", O_RDONLY);
    }
    if (fd < 0) {
        reader_error(reader, "open");
        return;
    }
    size_t got = 0;
    ssize_t part = 0;
    while ((part = read(fd, found + got, VERSION_LIMIT_BYTES + 1 - got)) > 0)
        got += (size_t)part;
    if (part < 0)
        reader_error(reader, "read");
    (void)close(fd);
    if (part < 0)
        return;
    struct version_header header = {0};
    if (got >= sizeof header)
        memcpy(&header, found, sizeof header);
    if (header.number == 0 || version_make(header.number, expected) != got || memcmp(found, expected, got) != 0) {
        if (reader->torn++ < 5)
            printf("  version %llu: %zu bytes, not whole\n", (unsigned long long)header.number, got);
        return;
    }
    if (header.number < reader->newest)
        reader->older++;
    else
        reader->newest = header.number;
    reader->reads++;
}

static int rename_read(double seconds, bool near)
{
    static unsigned char found[VERSION_LIMIT_BYTES + 1], expected[VERSION_LIMIT_BYTES];
    struct reader reader = {0};
    struct stat status;
    double start = report_seconds();
    while (stat("current", &status) != 0) { /* the writer has not begun */
        if (report_seconds() - start > 60)
            report_die("current");
        (void)usleep(20000);
    }
    for (double end = report_seconds() + seconds; report_seconds() < end;) {
        reader_current(&reader, found, expected);
        if (stat("current", &status) != 0)
            reader_error(&reader, "stat current");
        if (stat("steady", &status) != 0 || status.st_size != 6)
            reader_error(&reader, "stat steady");
    }
    struct report report = {0};
    const char *who = near ? "near" : "far";
    (void)report_check(&report, reader.missing == 0, "rename: %s reader: name missing %u times", who, reader.missing);
    (void)report_check(&report, reader.torn == 0, "rename: %s reader: not whole %u times", who, reader.torn);
    (void)report_check(&report, reader.others == 0, "rename: %s reader: other errors %u", who, reader.others);
    (void)report_check(&report, !near || reader.stale == 0, "rename: %s reader: ESTALE %u times", who, reader.stale);
    (void)report_check(&report, !near || reader.older == 0, "rename: %s reader: went back to an older version %u times",
                       who, reader.older);
    (void)report_check(&report, reader.reads > 10 && reader.newest > 1,
                       "rename: %s reader: %llu reads, newest version %llu", who, (unsigned long long)reader.reads,
                       (unsigned long long)reader.newest);
    return report_finish(&report);
}

int main(int argc, char **argv)
{
    if (argc < 4 || chdir(argv[2]) != 0) {
        printf("usage: rename write DIR SECONDS | read DIR SECONDS near|far\n");
        return 2;
    }
    double seconds = (double)report_number(argv[3]);
    if (argc == 4 && strcmp(argv[1], "write") == 0)
        return rename_write(seconds);
    if (argc == 5 && strcmp(argv[1], "read") == 0)
        return rename_read(seconds, strcmp(argv[4], "near") == 0);
    return 2;
}
