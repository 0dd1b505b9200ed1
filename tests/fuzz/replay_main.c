/* replay_main.c: stands in for libFuzzer in ordinary builds. Runs a fuzz target once on every file of the corpus folders
 * and files that are named as arguments, so that each seed, and each input that once broke something, is a test in every
 * build. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Runs the target on one file. Returns false, after a message, when the file cannot be read. */
static bool file_replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return false;
    }
    bool read_all = fseek(file, 0, SEEK_END) == 0;
    long size = ftell(file);
    rewind(file);
    /* An exact allocation: a sanitizer then sees one byte read past the end. */
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    read_all = read_all && size >= 0 && data != NULL && fread(data, 1, (size_t)size, file) == (size_t)size;
    if (read_all)
        (void)LLVMFuzzerTestOneInput(data, (size_t)size);
    else
        fprintf(stderr, "%s: cannot be read\n", path);
    free(data);
    fclose(file);
    return read_all;
}

/* Runs the target on each file of a folder, in name order. Returns how many ran, or -1 on an error. */
static int folder_replay(const char *folder)
{
    struct dirent **names = NULL;
    int count = scandir(folder, &names, NULL, alphasort);
    int ran = 0;
    bool good = count >= 0;
    if (!good)
        perror(folder);
    for (int i = 0; i < count; i++) {
        char path[4096];
        int length = snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        if (names[i]->d_name[0] != '.') {
            good = good && length > 0 && (size_t)length < sizeof path && file_replay(path);
            ran++;
        }
        free(names[i]);
    }
    free(names);
    return good ? ran : -1;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        struct stat info;
        bool folder = stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode);
        int ran = folder ? folder_replay(argv[i]) : (file_replay(argv[i]) ? 1 : -1);
        if (ran < 0)
            return 1;
        total += ran;
    }
    printf("%d inputs replayed\n", total);
    if (total == 0) {
        fprintf(stderr, "no input: a fuzz target needs at least one seed\n");
        return 1;
    }
    return 0;
}
