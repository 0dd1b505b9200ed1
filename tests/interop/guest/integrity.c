/*
 * integrity DIR SEED PROCESSES SECONDS [OPERATIONS]
 *
 * Every process has a file of its own and a model of it in memory; it reads, writes, appends, truncates,
 * extends, maps, goes around the cache (O_DIRECT), syncs, drops caches, renames and reopens in the order that
 * the seed decides, and compares each byte and size it reads with the model. It ends after SECONDS, or after
 * OPERATIONS of each process if given (then a run can be repeated exactly).
 * Plant: bytes of the model of the first process are changed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/interop/guest/report.h"

enum {
    FILE_LIMIT_BYTES = 3 << 20,
    PROCESSES_LIMIT = 32,
    DIRECT_ALIGN_BYTES = 4096,
    PLANT_AFTER_OPERATIONS = 50,
};

enum operation {
    OPERATION_WRITE,
    OPERATION_READ,
    OPERATION_APPEND,
    OPERATION_SHRINK,
    OPERATION_EXTEND,
    OPERATION_MAP_WRITE,
    OPERATION_MAP_READ,
    OPERATION_DIRECT_WRITE,
    OPERATION_DIRECT_READ,
    OPERATION_SYNC,
    OPERATION_REOPEN,
    OPERATION_DROP,
    OPERATION_RENAME,
    OPERATION_COUNT,
};

static const struct {
    const char *name;
    unsigned weight;
} operations[OPERATION_COUNT] = {
    [OPERATION_WRITE] = {"write", 20},
    [OPERATION_READ] = {"read", 20},
    [OPERATION_APPEND] = {"append", 6},
    [OPERATION_SHRINK] = {"shrink", 5},
    [OPERATION_EXTEND] = {"extend", 5},
    [OPERATION_MAP_WRITE] = {"map-write", 10},
    [OPERATION_MAP_READ] = {"map-read", 10},
    [OPERATION_DIRECT_WRITE] = {"direct-write", 8},
    [OPERATION_DIRECT_READ] = {"direct-read", 8},
    [OPERATION_SYNC] = {"sync", 3},
    [OPERATION_REOPEN] = {"reopen", 2},
    [OPERATION_DROP] = {"drop", 2},
    [OPERATION_RENAME] = {"rename", 1},
};

struct worker {
    struct random random;
    char names[2][64]; /* the file has the first; RENAME swaps them */
    int fd;
    int direct_fd;
    unsigned char *model; /* FILE_LIMIT_BYTES, beyond `size` all zero; owned */
    size_t size;
    unsigned char *buffer; /* FILE_LIMIT_BYTES, aligned for O_DIRECT; owned */
    size_t done;
    const char *now; /* the operation under way */
};

/* A difference is final: the model is not the file any more. */
__attribute__((format(printf, 2, 3))) static _Noreturn void worker_fail(const struct worker *worker, const char *format,
                                                                        ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    printf("  %s, operation %zu (%s), size %zu: %s\n", worker->names[0], worker->done, worker->now, worker->size, text);
    fflush(stdout);
    _exit(1);
}

static void worker_errno(const struct worker *worker, const char *call)
{
    worker_fail(worker, "%s: %s", call, strerror(errno));
}

static void worker_open(struct worker *worker, int flags)
{
    worker->fd = open(worker->names[0], O_RDWR | flags, 0644);
    if (worker->fd < 0)
        worker_errno(worker, "open");
    worker->direct_fd = open(worker->names[0], O_RDWR | O_DIRECT);
    if (worker->direct_fd < 0)
        worker_errno(worker, "open O_DIRECT");
}

static void worker_close(struct worker *worker)
{
    if (close(worker->direct_fd) != 0 || close(worker->fd) != 0)
        worker_errno(worker, "close");
}

static void worker_compare(const struct worker *worker, const unsigned char *found, size_t offset, size_t length)
{
    if (memcmp(found, worker->model + offset, length) == 0)
        return;
    size_t first = 0, differing = 0;
    while (found[first] == worker->model[offset + first])
        first++;
    for (size_t i = first; i < length; i++)
        differing += found[i] != worker->model[offset + i];
    worker_fail(worker, "bytes %zu..%zu: the first that differs is %zu: 0x%02x, should be 0x%02x; %zu differ", offset,
                offset + length, offset + first, found[first], worker->model[offset + first], differing);
}

/* Small mostly, around the limits of pages and blocks often, large now and then. */
static size_t length_draw(struct worker *worker)
{
    static const size_t special[] = {1, 4095, 4096, 4097, 8192, 65535, 65536, 65537};
    size_t kind = random_below(&worker->random, 20);
    if (kind < 10)
        return 1 + random_below(&worker->random, 3000);
    if (kind < 14)
        return special[random_below(&worker->random, sizeof special / sizeof special[0])];
    return 1 + random_below(&worker->random, kind < 19 ? 70000 : 700000);
}

static size_t offset_draw(struct worker *worker, size_t below)
{
    size_t offset = random_below(&worker->random, below + 1);
    if (random_below(&worker->random, 4) == 0)
        offset -= offset % 4096;
    return offset;
}

static void worker_write(struct worker *worker, int fd, size_t align)
{
    size_t offset = offset_draw(worker, worker->size + (random_below(&worker->random, 5) == 0 ? 100000 : 0));
    size_t length = length_draw(worker);
    if (align > 1) {
        offset -= offset % align;
        length += align - 1 - (length - 1) % align;
    }
    if (offset + length > FILE_LIMIT_BYTES)
        return;
    random_fill(&worker->random, worker->buffer, length);
    for (size_t at = 0; at < length;) {
        ssize_t part = pwrite(fd, worker->buffer + at, length - at, (off_t)(offset + at));
        if (part <= 0)
            worker_errno(worker, "pwrite");
        at += (size_t)part;
    }
    memcpy(worker->model + offset, worker->buffer, length);
    if (offset + length > worker->size)
        worker->size = offset + length;
}

static void worker_read(struct worker *worker, int fd, size_t align)
{
    size_t offset = offset_draw(worker, worker->size);
    size_t length = length_draw(worker);
    offset -= offset % align;
    length += align - 1 - (length - 1) % align;
    size_t expected = offset >= worker->size ? 0 : worker->size - offset < length ? worker->size - offset : length;
    size_t got = 0;
    while (got < length) {
        ssize_t part = pread(fd, worker->buffer + got, length - got, (off_t)(offset + got));
        if (part < 0)
            worker_errno(worker, "pread");
        if (part == 0)
            break;
        got += (size_t)part;
    }
    if (got != expected)
        worker_fail(worker, "pread of %zu at %zu gave %zu bytes, should be %zu", length, offset, got, expected);
    worker_compare(worker, worker->buffer, offset, got);
}

static void worker_append(struct worker *worker)
{
    size_t length = length_draw(worker);
    if (worker->size + length > FILE_LIMIT_BYTES)
        return;
    int fd = open(worker->names[0], O_WRONLY | O_APPEND);
    if (fd < 0)
        worker_errno(worker, "open O_APPEND");
    random_fill(&worker->random, worker->buffer, length);
    for (size_t at = 0; at < length;) {
        ssize_t part = write(fd, worker->buffer + at, length - at);
        if (part <= 0)
            worker_errno(worker, "append");
        at += (size_t)part;
    }
    if (close(fd) != 0)
        worker_errno(worker, "close after append");
    memcpy(worker->model + worker->size, worker->buffer, length);
    worker->size += length;
}

static void worker_truncate(struct worker *worker, size_t size)
{
    if (ftruncate(worker->fd, (off_t)size) != 0)
        worker_errno(worker, "ftruncate");
    if (size < worker->size)
        memset(worker->model + size, 0, worker->size - size);
    worker->size = size;
}

static void worker_extend(struct worker *worker)
{
    size_t size = worker->size + random_below(&worker->random, 200000);
    worker_truncate(worker, size < FILE_LIMIT_BYTES ? size : FILE_LIMIT_BYTES);
}

static void worker_map(struct worker *worker, bool writing)
{
    if (worker->size == 0)
        return;
    size_t offset = random_below(&worker->random, worker->size);
    size_t length = length_draw(worker);
    if (length > worker->size - offset)
        length = worker->size - offset;
    size_t page = offset - offset % 4096;
    size_t mapped = offset - page + length;
    unsigned char *map =
        mmap(NULL, mapped, writing ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, worker->fd, (off_t)page);
    if (map == MAP_FAILED)
        worker_errno(worker, "mmap");
    if (writing) {
        random_fill(&worker->random, worker->model + offset, length);
        memcpy(map + (offset - page), worker->model + offset, length);
        if (msync(map, mapped, MS_SYNC) != 0)
            worker_errno(worker, "msync");
    } else {
        worker_compare(worker, map, page, mapped);
    }
    if (munmap(map, mapped) != 0)
        worker_errno(worker, "munmap");
}

static void worker_sync(struct worker *worker, bool drop)
{
    if (fsync(worker->fd) != 0)
        worker_errno(worker, "fsync");
    if (drop && posix_fadvise(worker->fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        worker_errno(worker, "posix_fadvise");
}

static void worker_rename(struct worker *worker)
{
    char name[64];
    if (rename(worker->names[0], worker->names[1]) != 0)
        worker_errno(worker, "rename");
    memcpy(name, worker->names[0], sizeof name);
    memcpy(worker->names[0], worker->names[1], sizeof name);
    memcpy(worker->names[1], name, sizeof name);
}

static void worker_check_all(struct worker *worker)
{
    struct stat found;
    if (fstat(worker->fd, &found) != 0)
        worker_errno(worker, "fstat");
    if ((size_t)found.st_size != worker->size)
        worker_fail(worker, "fstat says %lld bytes", (long long)found.st_size);
    size_t got = 0;
    for (;;) {
        ssize_t part = pread(worker->fd, worker->buffer + got, FILE_LIMIT_BYTES - got, (off_t)got);
        if (part < 0)
            worker_errno(worker, "pread of all");
        if (part == 0)
            break;
        got += (size_t)part;
    }
    if (got != worker->size)
        worker_fail(worker, "reading all gave %zu bytes", got);
    worker_compare(worker, worker->buffer, 0, got);
}

static enum operation operation_draw(struct worker *worker)
{
    unsigned total = 0;
    for (size_t i = 0; i < OPERATION_COUNT; i++)
        total += operations[i].weight;
    size_t pick = random_below(&worker->random, total);
    size_t operation = 0;
    while (pick >= operations[operation].weight)
        pick -= operations[operation++].weight;
    return (enum operation)operation;
}

static void worker_step(struct worker *worker)
{
    enum operation operation = operation_draw(worker);
    worker->now = operations[operation].name;
    switch (operation) {
    case OPERATION_WRITE: worker_write(worker, worker->fd, 1); break;
    case OPERATION_READ: worker_read(worker, worker->fd, 1); break;
    case OPERATION_APPEND: worker_append(worker); break;
    case OPERATION_SHRINK: worker_truncate(worker, random_below(&worker->random, worker->size + 1)); break;
    case OPERATION_EXTEND: worker_extend(worker); break;
    case OPERATION_MAP_WRITE: worker_map(worker, true); break;
    case OPERATION_MAP_READ: worker_map(worker, false); break;
    case OPERATION_DIRECT_WRITE: worker_write(worker, worker->direct_fd, DIRECT_ALIGN_BYTES); break;
    case OPERATION_DIRECT_READ: worker_read(worker, worker->direct_fd, DIRECT_ALIGN_BYTES); break;
    case OPERATION_SYNC:
    case OPERATION_DROP: worker_sync(worker, operation == OPERATION_DROP); break;
    case OPERATION_REOPEN:
        worker_close(worker);
        worker_open(worker, 0);
        worker_check_all(worker);
        break;
    case OPERATION_RENAME: worker_rename(worker); break;
    case OPERATION_COUNT: break;
    }
    worker->done++;
}

static _Noreturn void worker_run(uint64_t seed, size_t index, double seconds, size_t limit)
{
    struct worker worker = {.random = {seed * 1000 + index}, .now = "start"};
    (void)snprintf(worker.names[0], sizeof worker.names[0], "file%zu", index);
    (void)snprintf(worker.names[1], sizeof worker.names[1], "other%zu", index);
    worker.model = calloc(1, FILE_LIMIT_BYTES);
    worker.buffer = aligned_alloc(DIRECT_ALIGN_BYTES, FILE_LIMIT_BYTES);
    if (worker.model == NULL || worker.buffer == NULL)
        report_die("memory");
    worker_open(&worker, O_CREAT | O_EXCL);
    bool planted = index == 0 && report_planted();
    double end = report_seconds() + seconds;
    while (limit > 0 ? worker.done < limit : report_seconds() < end) {
        worker_step(&worker);
        if (planted && worker.done >= PLANT_AFTER_OPERATIONS && worker.size > 0)
            worker.model[worker.size / 2] ^= 0x10;
    }
    worker.now = "end";
    worker_sync(&worker, true);
    worker_close(&worker);
    worker_open(&worker, 0);
    worker_check_all(&worker);
    worker_close(&worker);
    printf("  %s: %zu operations, %zu bytes at the end\n", worker.names[0], worker.done, worker.size);
    fflush(stdout);
    free(worker.model);
    free(worker.buffer);
    _exit(worker.done > 0 ? 0 : 1);
}

int main(int argc, char **argv)
{
    if (argc != 5 && argc != 6) {
        printf("usage: integrity DIR SEED PROCESSES SECONDS [OPERATIONS]\n");
        return 2;
    }
    uint64_t seed = report_number(argv[2]);
    size_t processes = (size_t)report_number(argv[3]);
    double seconds = (double)report_number(argv[4]);
    size_t limit = argc == 6 ? (size_t)report_number(argv[5]) : 0;
    if (processes == 0 || processes > PROCESSES_LIMIT)
        report_die("PROCESSES");
    if ((mkdir(argv[1], 0755) != 0 && errno != EEXIST) || chdir(argv[1]) != 0)
        report_die(argv[1]);
    pid_t children[PROCESSES_LIMIT];
    for (size_t i = 0; i < processes; i++) {
        children[i] = fork();
        if (children[i] < 0)
            report_die("fork");
        if (children[i] == 0)
            worker_run(seed, i, seconds, limit);
    }
    struct report report = {0};
    for (size_t i = 0; i < processes; i++) {
        int status = 0;
        (void)waitpid(children[i], &status, 0);
        (void)report_check(&report, status == 0, "integrity: process %zu of seed %llu", i, (unsigned long long)seed);
    }
    return report_finish(&report);
}
