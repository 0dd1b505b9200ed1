/* A staged state is put in place, with the process ending at every operation of the disk, and then once more. */
#include "server/daemon/install.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/log.h"
#include "server/daemon/folder.h"

#define INDEX 500u
#define TERM 7u

static const struct log quiet = {LOG_ERROR + 1, false, 2};
static const struct node_identity identity = {.node_id = 3, .cluster_id = "0123456789abcde"};

/* A disk on which everything fails after so many changes. */
struct failing {
    struct disk real;
    struct disk_operations operations;
    uint64_t changes;
    uint64_t limit;
};

struct scene {
    char path[64];
    struct failing failing;
    struct disk disk; /* over failing */
    struct log_options options;
    struct log_writer *writer; /* NULL: closed */
    struct log_recovered recovered;
};

/* --- the disk --- */

static bool spent(struct failing *failing)
{
    return failing->changes++ >= failing->limit;
}

static enum status file_open(void *context, const char *path, bool create, struct disk_file **file)
{
    struct failing *failing = context;
    if (create && spent(failing))
        return STATUS_IO;
    return failing->real.operations->file_open(failing->real.context, path, create, file);
}
static void file_close(void *context, struct disk_file *file)
{
    struct failing *failing = context;
    failing->real.operations->file_close(failing->real.context, file);
}
static enum status file_reserve(void *context, struct disk_file *file, uint64_t size_bytes)
{
    struct failing *failing = context;
    return spent(failing) ? STATUS_IO : failing->real.operations->file_reserve(failing->real.context, file, size_bytes);
}
static enum status file_truncate(void *context, struct disk_file *file, uint64_t size_bytes)
{
    struct failing *failing = context;
    return spent(failing) ? STATUS_IO
                          : failing->real.operations->file_truncate(failing->real.context, file, size_bytes);
}
static enum status file_write(void *context, struct disk_file *file, uint64_t offset, const struct slice *pieces,
                              size_t count)
{
    struct failing *failing = context;
    return spent(failing) ? STATUS_IO
                          : failing->real.operations->file_write(failing->real.context, file, offset, pieces, count);
}
static enum status file_read(void *context, struct disk_file *file, uint64_t offset, struct span room,
                             size_t *size_bytes)
{
    struct failing *failing = context;
    return failing->real.operations->file_read(failing->real.context, file, offset, room, size_bytes);
}
static enum status file_size(void *context, struct disk_file *file, uint64_t *size_bytes)
{
    struct failing *failing = context;
    return failing->real.operations->file_size(failing->real.context, file, size_bytes);
}
static enum status file_sync(void *context, struct disk_file *file)
{
    struct failing *failing = context;
    (void)file; /* nothing here looks at what a loss of power leaves */
    return spent(failing) ? STATUS_IO : STATUS_OK;
}
static enum status file_rename(void *context, const char *source, const char *target)
{
    struct failing *failing = context;
    return spent(failing) ? STATUS_IO : failing->real.operations->file_rename(failing->real.context, source, target);
}
static enum status file_remove(void *context, const char *path)
{
    struct failing *failing = context;
    return spent(failing) ? STATUS_IO : failing->real.operations->file_remove(failing->real.context, path);
}
static enum status directory_sync(void *context, const char *path)
{
    struct failing *failing = context;
    (void)path;
    return spent(failing) ? STATUS_IO : STATUS_OK;
}
static enum status directory_create(void *context, const char *path)
{
    struct failing *failing = context;
    return failing->real.operations->directory_create(failing->real.context, path);
}
static enum status directory_list(void *context, const char *path, disk_visit visit, void *visitor)
{
    struct failing *failing = context;
    return failing->real.operations->directory_list(failing->real.context, path, visit, visitor);
}
static enum status file_lock(void *context, const char *path)
{
    (void)context;
    (void)path;
    return STATUS_OK;
}

/* --- folders and files --- */

static void write_text(const struct scene *scene, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", scene->path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect_text(const struct scene *scene, const char *name, const char *text)
{
    char path[256];
    char read[64] = "";
    snprintf(path, sizeof(path), "%s/%s", scene->path, name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("%s is not there", name);
    assert_non_null(fgets(read, sizeof(read), file));
    fclose(file);
    assert_string_equal(read, text);
}

static bool exists(const struct scene *scene, const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", scene->path, name);
    return access(path, F_OK) == 0;
}

static void make(const struct scene *scene, const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", scene->path, name);
    assert_int_equal(folder_make(path), STATUS_OK);
}

static struct snapshot_manifest *manifest_make(void)
{
    struct snapshot_manifest *manifest = snapshot_manifest_create(1);
    manifest->id = 9;
    memcpy(manifest->cluster_id, identity.cluster_id, 16);
    manifest->log = (struct log_snapshot){INDEX, TERM, INDEX, 400, {2, {{1, MEMBER_VOTER}, {3, MEMBER_VOTER}}}};
    manifest->command_number = 4000;
    manifest->chain = (struct hash128){1, 2};
    snprintf(manifest->files[0].name, sizeof(manifest->files[0].name), "CURRENT");
    return manifest;
}

static void stage(struct scene *scene)
{
    make(scene, "staging/state");
    make(scene, "staging/blocks");
    write_text(scene, "staging/state/who", "new");
    write_text(scene, "staging/blocks/who", "new");
    struct snapshot_manifest *manifest = manifest_make();
    struct buffer *bytes = snapshot_manifest_save(manifest);
    char path[256];
    snprintf(path, sizeof(path), "%s/staging/ready", scene->path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes->data, 1, bytes->size_bytes, file), bytes->size_bytes);
    fclose(file);
    buffer_put(bytes);
    snapshot_manifest_free(manifest);
}

/* --- scene --- */

static void scene_init(struct scene *scene)
{
    static const struct configuration founders = {2, {{1, MEMBER_VOTER}, {3, MEMBER_VOTER}}};
    *scene = (struct scene){.path = "/tmp/qnfs-install-XXXXXX"};
    assert_non_null(mkdtemp(scene->path));
    struct failing *failing = &scene->failing;
    assert_int_equal(disk_posix_open(&failing->real, scene->path), STATUS_OK);
    failing->operations = (struct disk_operations){.file_open = file_open,
                                                   .file_close = file_close,
                                                   .file_reserve = file_reserve,
                                                   .file_truncate = file_truncate,
                                                   .file_write = file_write,
                                                   .file_read = file_read,
                                                   .file_size = file_size,
                                                   .file_sync = file_sync,
                                                   .file_settle = file_sync,
                                                   .file_rename = file_rename,
                                                   .file_remove = file_remove,
                                                   .file_lock = file_lock,
                                                   .directory_create = directory_create,
                                                   .directory_list = directory_list,
                                                   .directory_sync = directory_sync};
    failing->limit = UINT64_MAX;
    scene->disk = (struct disk){&failing->operations, failing};
    scene->options = (struct log_options){.disk = &scene->disk, .random = random_system(), .segment_bytes = 1 << 16};
    assert_int_equal(data_directory_prepare(&scene->disk), STATUS_OK);
    assert_int_equal(log_create(&scene->options, &founders), STATUS_OK);
    write_text(scene, "state/who", "old");
    write_text(scene, "blocks/who", "old");
}

static void scene_close(struct scene *scene)
{
    if (scene->writer == NULL)
        return;
    log_writer_destroy(scene->writer);
    log_recovered_fini(&scene->recovered);
    scene->writer = NULL;
}

static void scene_fini(struct scene *scene)
{
    scene_close(scene);
    disk_posix_close(&scene->failing.real);
    assert_int_equal(folder_remove(scene->path), STATUS_OK);
}

/* A start as far as the adoption goes. */
static enum status start(struct scene *scene, struct snapshot_manifest **installed)
{
    char trouble[256] = "";
    *installed = NULL;
    enum status status = data_directory_prepare(&scene->disk);
    if (status == STATUS_OK)
        status = log_recover(&scene->options, &scene->writer, &scene->recovered,
                             (struct span){(uint8_t *)trouble, sizeof(trouble)});
    if (status == STATUS_OK)
        status = install_place(&scene->disk, scene->path, &identity, scene->writer, &scene->recovered, &quiet,
                               installed, trouble, sizeof(trouble));
    assert_true(status == STATUS_OK || trouble[0] != 0 || scene->failing.changes > scene->failing.limit);
    return status;
}

static enum status finish(struct scene *scene, struct snapshot_manifest *installed)
{
    char trouble[256] = "";
    struct machine machine = {.applied_index = INDEX, .applied_term = TERM, .command_number = 4000, .chain = {1, 2}};
    return install_finish(&scene->disk, scene->path, installed, &machine, trouble, sizeof(trouble));
}

static void expect_adopted(struct scene *scene)
{
    expect_text(scene, "state/who", "new");
    expect_text(scene, "blocks/who", "new");
    assert_int_equal(scene->recovered.snapshot.index, INDEX);
    assert_int_equal(scene->recovered.snapshot.term, TERM);
    assert_int_equal(scene->recovered.snapshot.configuration_index, 400);
    assert_int_equal(scene->recovered.first_index, INDEX + 1);
    assert_int_equal(scene->recovered.entry_count, 0);
    assert_true(scene->recovered.term >= TERM);
}

static void expect_clean(struct scene *scene)
{
    assert_false(exists(scene, "staging/ready"));
    assert_false(exists(scene, "staging/old-state"));
    assert_false(exists(scene, "staging/old-blocks"));
    assert_false(exists(scene, "staging/state"));
}

/* --- cases --- */

static void nothing_is_staged(void **state)
{
    (void)state;
    struct scene scene;
    struct snapshot_manifest *installed;
    scene_init(&scene);
    make(&scene, "staging/state"); /* of a fetch that did not end */
    write_text(&scene, "staging/state/who", "new");
    write_text(&scene, "staging/ready.new", "half");
    assert_int_equal(start(&scene, &installed), STATUS_OK);
    assert_null(installed);
    assert_int_equal(finish(&scene, installed), STATUS_OK);
    expect_text(&scene, "state/who", "old");
    expect_text(&scene, "blocks/who", "old");
    expect_clean(&scene);
    assert_false(exists(&scene, "staging/ready.new"));
    assert_int_equal(scene.recovered.entry_count, 1);
    scene_fini(&scene);
}

static void staged_state_takes_the_place(void **state)
{
    (void)state;
    struct scene scene;
    struct snapshot_manifest *installed;
    scene_init(&scene);
    stage(&scene);
    assert_int_equal(start(&scene, &installed), STATUS_OK);
    assert_non_null(installed);
    expect_adopted(&scene);
    assert_true(exists(&scene, "staging/ready"));
    assert_int_equal(finish(&scene, installed), STATUS_OK);
    expect_clean(&scene);
    scene_close(&scene);
    assert_int_equal(start(&scene, &installed), STATUS_OK);
    assert_null(installed);
    expect_adopted(&scene);
    scene_fini(&scene);
}

/* The process ends after `first` changes of the disk, and the next one after `second`; then one goes through. Returns whether
 * the first one did end. */
static bool ends_at(uint64_t first, uint64_t second)
{
    const uint64_t limits[] = {first, second, UINT64_MAX};
    struct scene scene;
    struct snapshot_manifest *installed;
    bool ended = false;
    scene_init(&scene);
    stage(&scene);
    for (size_t i = 0; i < 3; i++) {
        scene.failing.changes = 0;
        scene.failing.limit = limits[i];
        enum status status = start(&scene, &installed);
        if (status == STATUS_OK && installed != NULL)
            expect_adopted(&scene); /* nothing half done is ever let through */
        if (status == STATUS_OK)
            status = finish(&scene, installed);
        ended |= i == 0 && status != STATUS_OK;
        assert_true(i < 2 || status == STATUS_OK);
        if (i < 2)
            scene_close(&scene);
    }
    expect_adopted(&scene);
    expect_clean(&scene);
    scene_fini(&scene);
    return ended;
}

static void process_ends_anywhere(void **state)
{
    (void)state;
    uint64_t changes = 0;
    while (ends_at(changes, UINT64_MAX))
        changes++;
    assert_true(changes > 20);
    for (uint64_t first = 0; first < changes; first += 5) {
        for (uint64_t second = 0; second < changes; second += 4)
            (void)ends_at(first, second);
    }
}

/* The log went on by itself beyond the staged state: that is of no use. */
static void own_state_is_newer(void **state)
{
    (void)state;
    struct scene scene;
    struct snapshot_manifest *installed;
    scene_init(&scene);
    assert_int_equal(log_recover(&scene.options, &scene.writer, &scene.recovered, (struct span){0}), STATUS_OK);
    const struct log_snapshot beyond = {INDEX + 1, TERM, INDEX + 1, 400, {1, {{3, MEMBER_VOTER}}}};
    assert_int_equal(log_adopt(scene.writer, &scene.recovered, &beyond), STATUS_OK);
    scene_close(&scene);
    stage(&scene);
    assert_int_equal(start(&scene, &installed), STATUS_OK);
    assert_null(installed);
    expect_text(&scene, "state/who", "old");
    expect_text(&scene, "blocks/who", "old");
    expect_clean(&scene);
    scene_fini(&scene);
}

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    struct scene scene;
    struct snapshot_manifest *installed;
    char trouble[256] = "";
    scene_init(&scene);
    stage(&scene);
    /* The state in place is another one than the manifest says: the marker stays, for whoever looks into it. */
    assert_int_equal(start(&scene, &installed), STATUS_OK);
    struct machine machine = {.applied_index = INDEX, .applied_term = TERM, .command_number = 4000, .chain = {1, 3}};
    assert_int_equal(install_finish(&scene.disk, scene.path, installed, &machine, trouble, sizeof(trouble)),
                     STATUS_BAD_DATA);
    assert_true(exists(&scene, "staging/ready") && exists(&scene, "staging/old-state"));
    scene_close(&scene);
    /* Another cluster's, or damaged. */
    const struct node_identity other = {.node_id = 3, .cluster_id = "other"};
    assert_int_equal(log_recover(&scene.options, &scene.writer, &scene.recovered, (struct span){0}), STATUS_OK);
    assert_int_equal(install_place(&scene.disk, scene.path, &other, scene.writer, &scene.recovered, &quiet, &installed,
                                   trouble, sizeof(trouble)),
                     STATUS_BAD_DATA);
    scene_close(&scene);
    write_text(&scene, "staging/ready", "QSNR");
    assert_int_equal(start(&scene, &installed), STATUS_BAD_DATA);
    scene_fini(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_staged),        cmocka_unit_test(staged_state_takes_the_place),
        cmocka_unit_test(process_ends_anywhere),    cmocka_unit_test(own_state_is_newer),
        cmocka_unit_test(what_is_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
