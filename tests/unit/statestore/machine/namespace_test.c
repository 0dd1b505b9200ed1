/* The namespace: random CREATE, REMOVE, RENAME, LINK against a simple model, and the whole state looked through after
 * every hundred. The model is an array of names; each knows its directory and what it names. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/random.h"
#include "tests/support/files.h"

#define NAMES_MAX 400u
#define NAME_CHOICES 6u

struct model_name {
    uint64_t directory; /* inode numbers; 0: the place is free */
    char name[8];
    uint64_t inode;
    bool is_directory;
};

struct model {
    struct files files;
    struct random_seeded random;
    struct model_name names[NAMES_MAX];
    unsigned outcomes[3]; /* OK, EXIST or NOTEMPTY, others */
};

static uint64_t model_below(struct model *model, uint64_t bound)
{
    return random_seeded_next(&model->random) % bound;
}

static struct model_name *model_find(struct model *model, uint64_t directory, const char *name)
{
    for (size_t i = 0; i < NAMES_MAX; i++) {
        if (model->names[i].directory == directory && strcmp(model->names[i].name, name) == 0)
            return &model->names[i];
    }
    return NULL;
}

static void model_add(struct model *model, uint64_t directory, const char *name, uint64_t inode, bool is_directory)
{
    for (size_t i = 0; i < NAMES_MAX; i++) {
        if (model->names[i].directory != 0)
            continue;
        model->names[i] = (struct model_name){.directory = directory, .inode = inode, .is_directory = is_directory};
        memcpy(model->names[i].name, name, strlen(name) + 1);
        return;
    }
    fail_msg("the model is full");
}

static bool model_is_empty(struct model *model, uint64_t directory)
{
    for (size_t i = 0; i < NAMES_MAX; i++) {
        if (model->names[i].directory == directory)
            return false;
    }
    return true;
}

/* Whether `inode` is `directory` or lies above it. */
static bool model_is_above(struct model *model, uint64_t inode, uint64_t directory)
{
    while (directory != inode && directory != INODE_ROOT.value) {
        size_t i = 0;
        while (!(model->names[i].directory != 0 && model->names[i].inode == directory))
            i++;
        directory = model->names[i].directory;
    }
    return directory == inode;
}

static struct file_id model_file(uint64_t inode)
{
    return (struct file_id){{1}, {inode}, 1};
}

static uint64_t model_random_directory(struct model *model)
{
    for (unsigned tries = 0; tries < 20; tries++) {
        const struct model_name *name = &model->names[model_below(model, NAMES_MAX)];
        if (name->directory != 0 && name->is_directory)
            return name->inode;
    }
    return INODE_ROOT.value;
}

static const char *model_random_name(struct model *model)
{
    static const char *const names[NAME_CHOICES] = {"a", "b", "c", "dd", "e", "f"};
    return names[model_below(model, NAME_CHOICES)];
}

static size_t model_count(struct model *model)
{
    size_t count = 0;
    for (size_t i = 0; i < NAMES_MAX; i++)
        count += model->names[i].directory != 0;
    return count;
}

static enum nfsstat4 model_create(struct model *model)
{
    static const enum nfs_ftype4 types[] = {NF4DIR, NF4DIR, NF4REG, NF4LNK, NF4FIFO, NF4CHR};
    uint64_t directory = model_random_directory(model);
    const char *name = model_random_name(model);
    enum nfs_ftype4 type = types[model_below(model, 6)];
    struct file_id made;
    Qnfs__Attributes mode = files_mode(0755);
    enum nfsstat4 expected = model_find(model, directory, name) != NULL ? NFS4ERR_EXIST : NFS4_OK;
    enum nfsstat4 status = type == NF4REG
                               ? files_make_file(&model->files, model_file(directory), name, &mode, &made)
                               : files_create(&model->files, model_file(directory), name, type, &mode, &made);
    assert_int_equal(status, expected);
    if (status == NFS4_OK)
        model_add(model, directory, name, made.inode.value, type == NF4DIR);
    return status;
}

static enum nfsstat4 model_remove(struct model *model)
{
    uint64_t directory = model_random_directory(model);
    const char *name = model_random_name(model);
    struct model_name *found = model_find(model, directory, name);
    enum nfsstat4 expected = NFS4_OK;
    if (found == NULL)
        expected = NFS4ERR_NOENT;
    else if (found->is_directory && !model_is_empty(model, found->inode))
        expected = NFS4ERR_NOTEMPTY;
    enum nfsstat4 status = files_remove(&model->files, model_file(directory), name);
    assert_int_equal(status, expected);
    if (status == NFS4_OK)
        found->directory = 0;
    return status;
}

static enum nfsstat4 model_link(struct model *model)
{
    const struct model_name *file = &model->names[model_below(model, NAMES_MAX)];
    uint64_t directory = model_random_directory(model);
    const char *name = model_random_name(model);
    if (file->directory == 0)
        return NFS4_OK;
    enum nfsstat4 expected = NFS4_OK;
    if (file->is_directory)
        expected = NFS4ERR_ISDIR;
    else if (model_find(model, directory, name) != NULL)
        expected = NFS4ERR_EXIST;
    enum nfsstat4 status = files_link(&model->files, model_file(file->inode), model_file(directory), name);
    assert_int_equal(status, expected);
    if (status == NFS4_OK)
        model_add(model, directory, name, file->inode, false);
    return status;
}

static enum nfsstat4 model_rename_expects(struct model *model, const struct model_name *source, uint64_t directory,
                                          const struct model_name *target)
{
    if (source == NULL)
        return NFS4ERR_NOENT;
    if (target != NULL && target->inode == source->inode)
        return NFS4_OK;
    if (source->is_directory && model_is_above(model, source->inode, directory))
        return NFS4ERR_INVAL;
    if (target == NULL)
        return NFS4_OK;
    if (target->is_directory != source->is_directory)
        return NFS4ERR_EXIST;
    return target->is_directory && !model_is_empty(model, target->inode) ? NFS4ERR_NOTEMPTY : NFS4_OK;
}

static void model_check_rename_answer(struct model *model, uint64_t source, uint64_t target, const uint64_t before[2])
{
    const Qnfs__RenameResult *result = model->files.result.rename;
    uint64_t source_after = files_stat(&model->files, model_file(source)).change;
    uint64_t target_after = files_stat(&model->files, model_file(target)).change;
    assert_int_equal(result->source->before, before[0]);
    assert_int_equal(result->source->after, source_after);
    assert_int_equal(result->target->before, before[1]);
    assert_int_equal(result->target->after, target_after);
}

static enum nfsstat4 model_rename(struct model *model)
{
    uint64_t source_directory = model_random_directory(model);
    uint64_t target_directory = model_below(model, 3) == 0 ? source_directory : model_random_directory(model);
    const char *source_name = model_random_name(model);
    const char *target_name = model_random_name(model);
    struct model_name *source = model_find(model, source_directory, source_name);
    struct model_name *target = model_find(model, target_directory, target_name);
    enum nfsstat4 expected = model_rename_expects(model, source, target_directory, target);
    const uint64_t before[2] = {files_stat(&model->files, model_file(source_directory)).change,
                                files_stat(&model->files, model_file(target_directory)).change};
    enum nfsstat4 status = files_rename(&model->files, model_file(source_directory), source_name,
                                        model_file(target_directory), target_name);
    assert_int_equal(status, expected);
    if (status != NFS4_OK)
        return status;
    model_check_rename_answer(model, source_directory, target_directory, before);
    if (target != NULL && target->inode == source->inode)
        return NFS4_OK;
    if (target != NULL)
        target->directory = 0;
    source->directory = target_directory;
    memcpy(source->name, target_name, strlen(target_name) + 1);
    return NFS4_OK;
}

/* Every name of the model is in the store, and READDIR shows nothing else. */
static void model_compare(struct model *model)
{
    for (size_t i = 0; i < NAMES_MAX; i++) {
        const struct model_name *name = &model->names[i];
        struct file_id found;
        if (name->directory == 0)
            continue;
        assert_true(files_lookup(&model->files, model_file(name->directory), name->name, &found));
        assert_int_equal(found.inode.value, name->inode);
    }
    struct dirent_walk walk;
    struct dirent entry;
    size_t entries = 0;
    for (size_t i = 0; i <= NAMES_MAX; i++) {
        bool is_root = i == NAMES_MAX;
        if (!is_root && (model->names[i].directory == 0 || !model->names[i].is_directory))
            continue;
        uint64_t last = 2;
        dirent_walk_open(files_read(&model->files), (struct volume_id){1},
                         is_root ? INODE_ROOT : (struct inode_id){model->names[i].inode}, 0, &model->files.arena,
                         &walk);
        for (; dirent_walk_get(&walk, &entry); dirent_walk_next(&walk)) {
            assert_true(entry.cookie > last);
            last = entry.cookie;
            entries++;
        }
        dirent_walk_close(&walk);
    }
    assert_int_equal(entries, model_count(model));
}

static void model_step(struct model *model)
{
    enum nfsstat4 status;
    size_t count = model_count(model);
    uint64_t choice = model_below(model, 10);
    if (choice < 3 && count < NAMES_MAX - 1)
        status = model_create(model);
    else if (choice < 4 && count < NAMES_MAX - 1)
        status = model_link(model);
    else if (choice < 6)
        status = model_remove(model);
    else
        status = model_rename(model);
    model->outcomes[status == NFS4_OK ? 0 : status == NFS4ERR_EXIST || status == NFS4ERR_NOTEMPTY ? 1 : 2]++;
}

static void test_random(void **state)
{
    (void)state;
    struct model model;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        model = (struct model){.random = {seed}};
        files_init(&model.files);
        for (unsigned i = 0; i < 3000; i++) {
            model_step(&model);
            if (i % 100 == 99) {
                files_check(&model.files);
                model_compare(&model);
            }
        }
        print_message("seed %llu: %u done, %u exist or not empty, %u other errors, %zu names\n",
                      (unsigned long long)seed, model.outcomes[0], model.outcomes[1], model.outcomes[2],
                      model_count(&model));
        assert_true(model.outcomes[0] > 500 && model.outcomes[1] > 100 && model.outcomes[2] > 100);
        files_fini(&model.files);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
