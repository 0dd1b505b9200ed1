/* The files of a folder, counted by what they occupy. */
#include "server/daemon/folder_size.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void make_file(const char *directory, const char *name, size_t size_bytes)
{
    char path[128];
    char *bytes = malloc(size_bytes);
    memset(bytes, 'x', size_bytes);
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int descriptor = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, bytes, size_bytes), size_bytes);
    assert_int_equal(fsync(descriptor), 0); /* some file systems give blocks late */
    close(descriptor);
    free(bytes);
}

static void a_folder_is_its_files(void **state)
{
    (void)state;
    char directory[] = "/tmp/qnfs-folder-test-XXXXXX";
    char log[64];
    char path[128];
    assert_non_null(mkdtemp(directory));
    snprintf(log, sizeof(log), "%s/log", directory);
    assert_int_equal(folder_size_bytes(directory, "log"), 0); /* not there */
    assert_int_equal(mkdir(log, 0700), 0);
    assert_int_equal(folder_size_bytes(directory, "log"), 0);
    make_file(log, "a", 100000);
    make_file(log, "b", 200000);
    uint64_t size_bytes = folder_size_bytes(directory, "log");
    assert_true(size_bytes >= 300000 && size_bytes < 400000);
    assert_int_equal(folder_size_bytes("/no/such/folder", "log"), 0);
    snprintf(path, sizeof(path), "%s/a", log);
    unlink(path);
    snprintf(path, sizeof(path), "%s/b", log);
    unlink(path);
    rmdir(log);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_its_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
