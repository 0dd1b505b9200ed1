/* Runs every scenario of this folder and compares what comes of it with what the file says. `golden --update` writes the
 * files anew: then the difference is for a human to read. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/nfs4/operation.h"
#include "tests/support/scenario.h"

#define FOLDER QNFS_SOURCE_DIR "/tests/golden"
#define FILES_MAX 256
#define PATH_BYTES 512

struct golden {
    char paths[FILES_MAX][PATH_BYTES];
    size_t count;
    bool update;
    uint64_t served[OPNUM4_TABLE_SIZE];
};

static char *file_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    char *text = calloc(1, SCENARIO_TEXT_MAX);
    size_t size_bytes = fread(text, 1, SCENARIO_TEXT_MAX - 1, file);
    text[size_bytes] = '\0';
    fclose(file);
    return text;
}

static void file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* The first line that is not as it should be. */
static void show_difference(const char *path, const char *is, const char *should)
{
    size_t line = 1;
    while (*is != '\0' && *is == *should) {
        line += *is == '\n' ? 1 : 0;
        is++;
        should++;
    }
    while (is[-1] != '\n' && should[-1] != '\n') {
        is--;
        should--;
    }
    print_error("%s:%zu: is       %.*s\n", path, line, (int)strcspn(is, "\n"), is);
    print_error("%s:%zu: should be%.*s\n", path, line, (int)strcspn(should, "\n"), should);
}

static void run_all(struct golden *golden, bool twice)
{
    bool wrong = false;
    for (size_t i = 0; i < golden->count; i++) {
        struct scenario *scenario = calloc(1, sizeof(*scenario));
        char *text = file_read(golden->paths[i]);
        assert_non_null(text);
        scenario_init(scenario);
        scenario->node.twice = twice;
        const char *result = scenario_run(scenario, text);
        if (result == NULL) {
            fprintf(stderr, "%s: %s\n%s", golden->paths[i], scenario->problem, scenario->text);
            wrong = true;
        } else if (strcmp(result, text) != 0) {
            show_difference(golden->paths[i], result, text);
            wrong = wrong || twice || !golden->update;
            if (golden->update && !twice)
                file_write(golden->paths[i], result);
        }
        for (size_t op = 0; op < OPNUM4_TABLE_SIZE; op++)
            golden->served[op] += scenario->served[op];
        scenario_fini(scenario);
        free(scenario);
        free(text);
    }
    assert_false(wrong);
    assert_true(golden->count > 0);
}

static void every_scenario_comes_out_as_written(void **state)
{
    run_all(*state, false);
}

/* A command that was forwarded to a leader that is one no longer may come again, and its result too. */
static void every_scenario_comes_out_the_same_when_commands_come_twice(void **state)
{
    run_all(*state, true);
}

/* STYLE.md, "Adding an operation": a row with a handler has a scenario. */
static void every_operation_has_a_scenario(void **state)
{
    const struct golden *golden = *state;
    bool missing = false;
    for (uint32_t number = 0; number < OPNUM4_TABLE_SIZE; number++) {
        const struct operation *operation = operation_find(number);
        if (operation != NULL && operation->handler != NULL && golden->served[number] == 0) {
            print_error("%s has a handler, but stands in no scenario\n", opnum4_name(operation->number));
            missing = true;
        }
    }
    assert_false(missing);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

int main(int argc, char **argv)
{
    struct golden *golden = calloc(1, sizeof(*golden));
    golden->update = argc > 1 && strcmp(argv[1], "--update") == 0;
    DIR *folder = opendir(FOLDER);
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL && golden->count < FILES_MAX) {
        size_t length = strlen(entry->d_name);
        if (length < 5 || strcmp(entry->d_name + length - 4, ".txt") != 0)
            continue;
        snprintf(golden->paths[golden->count++], PATH_BYTES, "%s/%.200s", FOLDER, entry->d_name);
    }
    if (folder != NULL)
        closedir(folder);
    qsort(golden->paths, golden->count, PATH_BYTES, by_name);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(every_scenario_comes_out_as_written, golden),
        cmocka_unit_test_prestate(every_scenario_comes_out_the_same_when_commands_come_twice, golden),
        cmocka_unit_test_prestate(every_operation_has_a_scenario, golden),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(golden);
    return failed;
}
