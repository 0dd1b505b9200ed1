/*
 * tree make DIR SEED COUNT     makes a tree of COUNT entries that the seed decides
 * tree verify DIR SEED COUNT   compares what is under DIR with what the seed says, and finds entries too many
 *
 * Files of many sizes, deep directories, symbolic links, hard links, odd names, modes, owners, times.
 * Plant: verify expects one byte that is not there.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/interop/guest/report.h"

enum {
    PATH_LIMIT_BYTES = 2500, /* of a path below DIR; PATH_MAX with room for the prefix */
    NAME_LIMIT_BYTES = 255,
    FILE_LIMIT_BYTES = (1 << 20) + 1,
    LARGEST_FILES = 16,
};

enum entry_type { ENTRY_DIRECTORY, ENTRY_FILE, ENTRY_SYMLINK, ENTRY_HARDLINK };

struct entry {
    enum entry_type type;
    char *path;    /* below DIR; owned */
    char *target;  /* of a symbolic link; owned, else NULL */
    size_t linked; /* hard link: index of the file it is another name of */
    size_t size;
    uint64_t content_seed;
    mode_t mode;
    uid_t owner;
    gid_t group;
    struct timespec mtime;
};

struct tree {
    struct entry *entries; /* count of them; owned */
    size_t count;
    size_t *directories; /* indexes of entries; owned */
    size_t directory_count;
    size_t *files;
    size_t file_count;
    unsigned largest_made;
};

static char *name_make(struct random *random, size_t index)
{
    char *name = calloc(1, NAME_LIMIT_BYTES + 1);
    if (name == NULL)
        report_die("calloc");
    char unique[32];
    int unique_bytes = snprintf(unique, sizeof unique, "%zu", index);
    switch (random_below(random, 12)) {
    case 0: (void)snprintf(name, NAME_LIMIT_BYTES + 1, "name with  blanks %s ", unique); break;
    case 1:
        (void)snprintf(name, NAME_LIMIT_BYTES + 1,
                       "K\xc3\xa4se-\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e-\xf0\x9f\x90\x98-%s", unique);
        break;
    case 2:
        memset(name, 'L', NAME_LIMIT_BYTES);
        memcpy(name, unique, (size_t)unique_bytes);
        break;
    case 3: (void)snprintf(name, NAME_LIMIT_BYTES + 1, "-dash %s", unique); break;
    case 4: (void)snprintf(name, NAME_LIMIT_BYTES + 1, "q'\"\\\n\t\x01*?[%s]", unique); break;
    case 5: (void)snprintf(name, NAME_LIMIT_BYTES + 1, "..%s", unique); break;
    case 6: /* 85 times three bytes: 255 exactly */
        for (size_t at = 0; at + 3 <= NAME_LIMIT_BYTES; at += 3)
            memcpy(name + at, "\xe2\x82\xac", 3);
        memcpy(name, unique, (size_t)unique_bytes);
        memset(name + unique_bytes, '.', (size_t)(3 - unique_bytes % 3) % 3);
        break;
    default: (void)snprintf(name, NAME_LIMIT_BYTES + 1, "file%s.txt", unique); break;
    }
    return name;
}

static size_t size_make(struct random *random, struct tree *tree)
{
    static const size_t special[] = {0, 1, 4095, 4096, 4097, 65535, 65536, 65537, FILE_LIMIT_BYTES};
    if (random_below(random, 5) != 0)
        return random_below(random, 20000);
    size_t size = special[random_below(random, sizeof special / sizeof special[0])];
    if (size == FILE_LIMIT_BYTES && ++tree->largest_made > LARGEST_FILES)
        size = 12345;
    return size;
}

static void target_make(struct random *random, struct tree *tree, struct entry *entry)
{
    entry->target = calloc(1, PATH_MAX);
    if (entry->target == NULL)
        report_die("calloc");
    switch (random_below(random, 4)) {
    case 0: memcpy(entry->target, "nowhere/at all", 15); break;
    case 1: /* the longest that Linux takes */
        memset(entry->target, 't', PATH_MAX - 1);
        for (size_t at = 100; at < PATH_MAX - 1; at += 100)
            entry->target[at] = '/';
        break;
    default:
        if (tree->file_count > 0)
            (void)snprintf(entry->target, PATH_MAX, "/%s",
                           tree->entries[tree->files[random_below(random, tree->file_count)]].path);
        else
            memcpy(entry->target, "..", 3);
        break;
    }
}

/* Every random number is drawn whether or not the entry is made: make and verify see the same tree. */
static void tree_plan(struct tree *tree, uint64_t seed, size_t count)
{
    static const mode_t file_modes[] = {0644, 0600, 0755, 0444, 0640, 04755, 02711, 0};
    static const mode_t directory_modes[] = {0755, 0700, 0750, 01777, 02775};
    struct random random = {seed};
    tree->entries = calloc(count, sizeof *tree->entries);
    tree->directories = calloc(count, sizeof *tree->directories);
    tree->files = calloc(count, sizeof *tree->files);
    if (tree->entries == NULL || tree->directories == NULL || tree->files == NULL)
        report_die("calloc");
    for (tree->count = 0; tree->count < count; tree->count++) {
        struct entry *entry = &tree->entries[tree->count];
        const char *parent = "";
        /* every other time the newest directory, so the tree gets deep */
        if (tree->directory_count > 0) {
            size_t pick =
                random_below(&random, 2) ? tree->directory_count - 1 : random_below(&random, tree->directory_count);
            const char *path = tree->entries[tree->directories[pick]].path;
            if (strlen(path) + NAME_LIMIT_BYTES + 1 < PATH_LIMIT_BYTES)
                parent = path;
        }
        char *name = name_make(&random, tree->count);
        if (asprintf(&entry->path, "%s%s%s", parent, parent[0] ? "/" : "", name) < 0)
            report_die("asprintf");
        free(name);
        size_t kind = random_below(&random, 100);
        entry->type = kind < 8                            ? ENTRY_DIRECTORY
                      : kind < 14                         ? ENTRY_SYMLINK
                      : kind < 17 && tree->file_count > 0 ? ENTRY_HARDLINK
                                                          : ENTRY_FILE;
        entry->mode = file_modes[random_below(&random, sizeof file_modes / sizeof file_modes[0])];
        entry->owner = random_below(&random, 3) ? 0 : (uid_t)(1000 + random_below(&random, 5));
        entry->group = random_below(&random, 3) ? 0 : (gid_t)(2000 + random_below(&random, 5));
        entry->mtime.tv_sec = (time_t)(1000000000 + random_below(&random, 500000000));
        entry->mtime.tv_nsec = (long)random_below(&random, 1000000000);
        entry->content_seed = random_next(&random);
        switch (entry->type) {
        case ENTRY_DIRECTORY:
            entry->mode = directory_modes[random_below(&random, sizeof directory_modes / sizeof directory_modes[0])];
            tree->directories[tree->directory_count++] = tree->count;
            break;
        case ENTRY_FILE:
            entry->size = size_make(&random, tree);
            tree->files[tree->file_count++] = tree->count;
            break;
        case ENTRY_SYMLINK: target_make(&random, tree, entry); break;
        case ENTRY_HARDLINK: entry->linked = tree->files[random_below(&random, tree->file_count)]; break;
        }
    }
}

static void tree_free(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        free(tree->entries[i].path);
        free(tree->entries[i].target);
    }
    free(tree->entries);
    free(tree->directories);
    free(tree->files);
}

static void file_make(const struct entry *entry, unsigned char *buffer)
{
    int fd = open(entry->path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        report_die(entry->path);
    struct random random = {entry->content_seed};
    random_fill(&random, buffer, entry->size);
    for (size_t at = 0; at < entry->size;) {
        ssize_t wrote = write(fd, buffer + at, entry->size - at);
        if (wrote <= 0)
            report_die("write");
        at += (size_t)wrote;
    }
    if (close(fd) != 0)
        report_die("close");
}

static void entry_make(const struct tree *tree, const struct entry *entry, unsigned char *buffer)
{
    switch (entry->type) {
    case ENTRY_DIRECTORY:
        if (mkdir(entry->path, 0700) != 0)
            report_die(entry->path);
        return; /* its attributes come when it is full */
    case ENTRY_FILE: file_make(entry, buffer); break;
    case ENTRY_SYMLINK:
        if (symlink(entry->target, entry->path) != 0)
            report_die(entry->path);
        break;
    case ENTRY_HARDLINK:
        if (link(tree->entries[entry->linked].path, entry->path) != 0)
            report_die(entry->path);
        return; /* attributes are its file's */
    }
    const struct timespec times[2] = {entry->mtime, entry->mtime};
    if (lchown(entry->path, entry->owner, entry->group) != 0 ||
        (entry->type == ENTRY_FILE && chmod(entry->path, entry->mode) != 0) ||
        utimensat(AT_FDCWD, entry->path, times, AT_SYMLINK_NOFOLLOW) != 0)
        report_die(entry->path);
}

static void tree_make(struct report *report, const struct tree *tree, unsigned char *buffer)
{
    for (size_t i = 0; i < tree->count; i++)
        entry_make(tree, &tree->entries[i], buffer);
    for (size_t i = tree->directory_count; i-- > 0;) {
        const struct entry *entry = &tree->entries[tree->directories[i]];
        const struct timespec times[2] = {entry->mtime, entry->mtime};
        if (chown(entry->path, entry->owner, entry->group) != 0 || chmod(entry->path, entry->mode) != 0 ||
            utimensat(AT_FDCWD, entry->path, times, 0) != 0)
            report_die(entry->path);
    }
    (void)report_check(report, true, "tree: made %zu entries, %zu of them directories", tree->count,
                       tree->directory_count);
}

/* Prints at most ten differences; the count is what decides. */
__attribute__((format(printf, 2, 3))) static void difference(unsigned *differences, const char *format, ...)
{
    if ((*differences)++ >= 10)
        return;
    char text[PATH_LIMIT_BYTES + 512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    /* of a long path the end says which it is */
    const char *shown = length > 160 ? text + length - 160 : text;
    printf("  %s%s\n", shown == text ? "" : "...", shown);
}

static void file_verify(const struct entry *entry, unsigned char *buffer, unsigned char *expected, bool planted,
                        unsigned *differences)
{
    int fd = open(entry->path, O_RDONLY);
    if (fd < 0) {
        difference(differences, "%s: open: %s", entry->path, strerror(errno));
        return;
    }
    size_t got = 0;
    for (;;) {
        ssize_t part = read(fd, buffer + got, FILE_LIMIT_BYTES + 1 - got);
        if (part < 0)
            difference(differences, "%s: read: %s", entry->path, strerror(errno));
        if (part <= 0)
            break;
        got += (size_t)part;
    }
    (void)close(fd);
    struct random random = {entry->content_seed};
    random_fill(&random, expected, entry->size);
    if (planted && entry->size > 0)
        expected[entry->size - 1] ^= 1;
    if (got != entry->size) {
        difference(differences, "%s: %zu bytes, should be %zu", entry->path, got, entry->size);
    } else if (memcmp(buffer, expected, got) != 0) {
        size_t at = 0;
        while (buffer[at] == expected[at])
            at++;
        difference(differences, "%s: byte %zu of %zu is 0x%02x, should be 0x%02x", entry->path, at, got, buffer[at],
                   expected[at]);
    }
}

static void entry_verify(const struct tree *tree, const struct entry *entry, unsigned *differences)
{
    static const mode_t types[] = {S_IFDIR, S_IFREG, S_IFLNK, S_IFREG};
    struct stat found;
    if (lstat(entry->path, &found) != 0) {
        difference(differences, "%s: %s", entry->path, strerror(errno));
        return;
    }
    if ((found.st_mode & S_IFMT) != types[entry->type]) {
        difference(differences, "%s: type 0%o", entry->path, found.st_mode & S_IFMT);
        return;
    }
    if (entry->type == ENTRY_HARDLINK) {
        struct stat first;
        if (stat(tree->entries[entry->linked].path, &first) != 0 || first.st_ino != found.st_ino || found.st_nlink < 2)
            difference(differences, "%s: not the same file as %s", entry->path, tree->entries[entry->linked].path);
        return;
    }
    if (entry->type == ENTRY_SYMLINK) {
        char target[PATH_MAX] = {0};
        if (readlink(entry->path, target, sizeof target) != (ssize_t)strlen(entry->target) ||
            strcmp(target, entry->target) != 0)
            difference(differences, "%s: another target", entry->path);
    } else if ((found.st_mode & 07777) != entry->mode) {
        difference(differences, "%s: mode 0%o, should be 0%o", entry->path, found.st_mode & 07777, entry->mode);
    }
    if (found.st_uid != entry->owner || found.st_gid != entry->group)
        difference(differences, "%s: owner %u:%u, should be %u:%u", entry->path, found.st_uid, found.st_gid,
                   entry->owner, entry->group);
    if (found.st_mtim.tv_sec != entry->mtime.tv_sec || found.st_mtim.tv_nsec != entry->mtime.tv_nsec)
        difference(differences, "%s: mtime %lld.%09ld, should be %lld.%09ld", entry->path,
                   (long long)found.st_mtim.tv_sec, found.st_mtim.tv_nsec, (long long)entry->mtime.tv_sec,
                   entry->mtime.tv_nsec);
}

/* Entries below the working directory, itself not counted. */
static size_t tree_count_found(const struct tree *tree, unsigned *differences)
{
    size_t found = 0;
    for (size_t i = 0; i <= tree->directory_count; i++) {
        const char *path = i == 0 ? "." : tree->entries[tree->directories[i - 1]].path;
        DIR *directory = opendir(path);
        if (directory == NULL) {
            difference(differences, "%s: opendir: %s", path, strerror(errno));
            continue;
        }
        errno = 0;
        for (struct dirent *item = readdir(directory); item != NULL; item = readdir(directory))
            if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0)
                found++;
        if (errno != 0)
            difference(differences, "%s: readdir: %s", path, strerror(errno));
        (void)closedir(directory);
    }
    return found;
}

static void tree_verify(struct report *report, const struct tree *tree, unsigned char *buffer, unsigned char *expected)
{
    unsigned attributes = 0, contents = 0, listing = 0;
    for (size_t i = 0; i < tree->count; i++)
        entry_verify(tree, &tree->entries[i], &attributes);
    bool planted = report_planted();
    for (size_t i = 0; i < tree->file_count; i++)
        file_verify(&tree->entries[tree->files[i]], buffer, expected, planted && i == tree->file_count / 2, &contents);
    size_t found = tree_count_found(tree, &listing);
    (void)report_check(report, attributes == 0, "tree: types, modes, owners, times, links: %u differences", attributes);
    (void)report_check(report, contents == 0, "tree: content of %zu files: %u differences", tree->file_count, contents);
    (void)report_check(report, listing == 0 && found == tree->count, "tree: %zu entries listed, should be %zu", found,
                       tree->count);
}

int main(int argc, char **argv)
{
    if (argc != 5 || (strcmp(argv[1], "make") != 0 && strcmp(argv[1], "verify") != 0)) {
        printf("usage: tree make|verify DIR SEED COUNT\n");
        return 2;
    }
    (void)umask(0);
    struct tree tree = {0};
    tree_plan(&tree, report_number(argv[3]), (size_t)report_number(argv[4]));
    bool making = strcmp(argv[1], "make") == 0;
    if (making && mkdir(argv[2], 0755) != 0)
        report_die(argv[2]);
    if (chdir(argv[2]) != 0)
        report_die(argv[2]);
    unsigned char *buffer = malloc(FILE_LIMIT_BYTES + 1);
    unsigned char *expected = malloc(FILE_LIMIT_BYTES + 1);
    if (buffer == NULL || expected == NULL)
        report_die("malloc");
    struct report report = {0};
    if (making)
        tree_make(&report, &tree, buffer);
    else
        tree_verify(&report, &tree, buffer, expected);
    free(buffer);
    free(expected);
    tree_free(&tree);
    return report_finish(&report);
}
