#include "tests/sim/model.h"

#include <stdlib.h>

#include "base/check.h"
#include "proto/nfs4/open.h"

/* --- content --- */

static void content_put(struct model_content *content)
{
    if (content != NULL && --content->owners == 0)
        free(content);
}

/* A file's new bytes: the old ones as far as they fit, then zeros. */
static struct model_content *content_resized(const struct model_content *old, size_t size_bytes)
{
    if (size_bytes == 0)
        return NULL;
    struct model_content *content = calloc(1, sizeof(*content) + size_bytes);
    CHECK(content != NULL);
    content->owners = 1;
    content->size_bytes = size_bytes;
    if (old != NULL)
        memcpy(content->bytes, old->bytes, old->size_bytes < size_bytes ? old->size_bytes : size_bytes);
    return content;
}

static void inode_resize(struct model_inode *inode, size_t size_bytes)
{
    struct model_content *content = content_resized(inode->content, size_bytes);
    content_put(inode->content);
    inode->content = content;
}

static void inode_write(struct model_inode *inode, const struct step *step)
{
    size_t end = (size_t)(step->offset + step->length);
    size_t size_bytes = inode->content == NULL ? 0 : inode->content->size_bytes;
    inode_resize(inode, end > size_bytes ? end : size_bytes); /* always a copy: other versions keep the old bytes */
    pattern_fill(step->pattern, step->offset, inode->content->bytes + step->offset, (size_t)step->length);
}

/* --- the whole --- */

struct model *model_create(void)
{
    struct model *model = calloc(1, sizeof(*model));
    CHECK(model != NULL);
    model->references = 1;
    model->inode_count = 1;
    model->inodes[MODEL_ROOT] =
        (struct model_inode){.exists = true, .is_directory = true, .parent = MODEL_ROOT, .link_count = 2};
    return model;
}

struct model *model_copy(const struct model *model)
{
    struct model *copy = malloc(sizeof(*copy));
    CHECK(copy != NULL);
    *copy = *model;
    copy->references = 1;
    for (uint16_t i = 0; i < copy->inode_count; i++) {
        if (copy->inodes[i].content != NULL)
            copy->inodes[i].content->owners++;
    }
    return copy;
}

void model_destroy(struct model *model)
{
    for (uint16_t i = 0; i < model->inode_count; i++)
        content_put(model->inodes[i].content);
    free(model);
}

/* --- looking --- */

uint64_t model_size(const struct model *model, uint16_t inode)
{
    const struct model_content *content = model->inodes[inode].content;
    return content == NULL ? 0 : content->size_bytes;
}

static struct model_entry *entry_find(struct model *model, uint16_t directory, const char *name)
{
    for (size_t i = 0; i < MODEL_ENTRIES_MAX; i++) {
        struct model_entry *entry = &model->entries[i];
        if (entry->used && entry->directory == directory && strcmp(entry->name, name) == 0)
            return entry;
    }
    return NULL;
}

const struct model_entry *model_find(const struct model *model, uint16_t directory, const char *name)
{
    for (size_t i = 0; i < MODEL_ENTRIES_MAX; i++) {
        const struct model_entry *entry = &model->entries[i];
        if (entry->used && entry->directory == directory && strcmp(entry->name, name) == 0)
            return entry;
    }
    return NULL;
}

uint32_t model_entry_count(const struct model *model, uint16_t directory)
{
    uint32_t count = 0;
    for (size_t i = 0; i < MODEL_ENTRIES_MAX; i++)
        count += model->entries[i].used && model->entries[i].directory == directory ? 1 : 0;
    return count;
}

const struct model_open *model_open_of(const struct model *model, uint32_t client, uint32_t owner, uint16_t inode)
{
    for (size_t i = 0; i < MODEL_OPENS_MAX; i++) {
        const struct model_open *open = &model->opens[i];
        if (open->used && open->client == client && open->owner == owner && open->inode == inode)
            return open;
    }
    return NULL;
}

static struct model_open *open_of(struct model *model, uint32_t client, uint32_t owner, uint16_t inode)
{
    const struct model_open *open = model_open_of(model, client, owner, inode);
    return open == NULL ? NULL : &model->opens[open - model->opens];
}

bool model_has_locks(const struct model *model, uint32_t client, uint32_t owner, uint16_t inode)
{
    for (size_t i = 0; i < MODEL_LOCKS_MAX; i++) {
        const struct model_lock *lock = &model->locks[i];
        if (lock->used && lock->client == client && lock->owner == owner && lock->inode == inode)
            return true;
    }
    return false;
}

bool model_is_open(const struct model *model, uint16_t inode)
{
    for (size_t i = 0; i < MODEL_OPENS_MAX; i++) {
        if (model->opens[i].used && model->opens[i].inode == inode)
            return true;
    }
    return false;
}

bool model_has_room(const struct model *model)
{
    size_t entries = 0;
    size_t opens = 0;
    size_t locks = 0;
    for (size_t i = 0; i < MODEL_ENTRIES_MAX; i++)
        entries += model->entries[i].used ? 0 : 1;
    for (size_t i = 0; i < MODEL_OPENS_MAX; i++)
        opens += model->opens[i].used ? 0 : 1;
    for (size_t i = 0; i < MODEL_LOCKS_MAX; i++)
        locks += model->locks[i].used ? 0 : 1;
    /* What is under way may still need some. */
    return model->inode_count + 80u < MODEL_INODES_MAX && entries > 60 && opens > 30 && locks > 50;
}

/* --- changing --- */

static void entry_add(struct model *model, uint16_t directory, const char *name, uint16_t inode, uint64_t change)
{
    size_t at = 0;
    while (at < MODEL_ENTRIES_MAX && model->entries[at].used)
        at++;
    CHECK(at < MODEL_ENTRIES_MAX && strlen(name) < STEP_NAME_BYTES);
    struct model_entry *entry = &model->entries[at];
    *entry = (struct model_entry){.used = true, .directory = directory, .inode = inode};
    memcpy(entry->name, name, strlen(name) + 1);
    model->inodes[directory].change = change;
    if (model->inodes[inode].is_directory) {
        model->inodes[directory].link_count++;
        model->inodes[inode].parent = directory;
    }
}

static void entry_take(struct model *model, struct model_entry *entry, uint64_t change)
{
    model->inodes[entry->directory].change = change;
    if (model->inodes[entry->inode].is_directory)
        model->inodes[entry->directory].link_count--;
    entry->used = false;
}

static uint16_t inode_add(struct model *model, bool is_directory, uint32_t mode, uint64_t change)
{
    CHECK(model->inode_count < MODEL_INODES_MAX);
    uint16_t number = model->inode_count++;
    model->inodes[number] = (struct model_inode){.exists = true,
                                                 .is_directory = is_directory,
                                                 .link_count = is_directory ? 2 : 1,
                                                 .mode = mode,
                                                 .change = change};
    return number;
}

/* A file without a name and without an open is gone. */
static void inode_release(struct model *model, uint16_t number)
{
    struct model_inode *inode = &model->inodes[number];
    if (inode->is_directory ? inode->link_count > 1 : inode->link_count > 0 || model_is_open(model, number))
        return;
    inode->exists = false;
    content_put(inode->content);
    inode->content = NULL;
}

/* A name of the inode is gone. */
static void inode_unlink(struct model *model, uint16_t number, uint64_t change)
{
    struct model_inode *inode = &model->inodes[number];
    if (inode->is_directory) {
        inode->link_count = 0;
    } else {
        inode->link_count--;
        inode->change = change;
    }
    inode_release(model, number);
}

bool model_client_holds(const struct model *model, uint32_t client)
{
    for (size_t i = 0; i < MODEL_OPENS_MAX; i++) {
        if (model->opens[i].used && model->opens[i].client == client)
            return true;
    }
    return false;
}

bool model_client_courtesy(struct model *model, uint32_t client, bool courtesy, bool dry)
{
    bool any = false;
    for (size_t i = 0; i < MODEL_OPENS_MAX; i++) {
        struct model_open *open = &model->opens[i];
        if (!open->used || open->client != client || open->courtesy == courtesy)
            continue;
        any = true;
        if (!dry)
            open->courtesy = courtesy;
    }
    return any;
}

bool model_client_gone(struct model *model, uint32_t client)
{
    bool any = false;
    for (size_t i = 0; i < MODEL_OPENS_MAX; i++) {
        struct model_open *open = &model->opens[i];
        if (!open->used || open->client != client)
            continue;
        open->used = false;
        model_lock_drop(model, client, open->owner, open->inode);
        inode_release(model, open->inode);
        any = true;
    }
    return any;
}

/* --- the steps --- */

struct execution {
    struct model *model;
    const struct step *step;
    uint32_t client;
    uint64_t change; /* what this command gives to what it changes */
    bool dry;
    struct outcome outcome;
};

static void fail(struct execution *run, enum nfsstat4 status)
{
    run->outcome.status = status;
}

static bool is_stale(struct execution *run, uint16_t inode)
{
    if (inode == MODEL_NO_INODE || !run->model->inodes[inode].exists) {
        fail(run, NFS4ERR_STALE);
        return true;
    }
    return false;
}

static enum nfsstat4 open_share_status(const struct execution *run, uint16_t inode)
{
    const struct step *step = run->step;
    for (size_t i = 0; i < MODEL_OPENS_MAX; i++) {
        const struct model_open *open = &run->model->opens[i];
        if (!open->used || open->inode != inode || (open->client == run->client && open->owner == step->owner))
            continue;
        if ((open->access & step->deny) != 0 || (open->deny & step->access) != 0)
            return NFS4ERR_SHARE_DENIED;
    }
    return NFS4_OK;
}

static void open_add(struct execution *run, uint16_t inode)
{
    const struct step *step = run->step;
    struct model_open *open = open_of(run->model, run->client, step->owner, inode);
    for (size_t i = 0; open == NULL; i++) {
        CHECK(i < MODEL_OPENS_MAX);
        if (!run->model->opens[i].used) {
            open = &run->model->opens[i];
            *open = (struct model_open){.used = true, .inode = inode, .client = run->client, .owner = step->owner};
        }
    }
    open->access |= step->access;
    open->deny |= step->deny;
}

static void open_new(struct execution *run)
{
    struct model *model = run->model;
    const struct step *step = run->step;
    if (step->create == CREATE_NOT) {
        fail(run, NFS4ERR_NOENT);
        return;
    }
    run->outcome.made = true;
    if (run->dry)
        return;
    uint16_t inode = inode_add(model, false, step->mode, run->change);
    if (step->create == CREATE_EXCLUSIVE) {
        model->inodes[inode].exclusive = true;
        model->inodes[inode].verifier = step->verifier;
    }
    entry_add(model, step->file, step->name, inode, run->change);
    open_add(run, inode);
    run->outcome.inode = inode;
    run->outcome.after = run->change;
}

static void open_existing(struct execution *run, uint16_t inode)
{
    const struct step *step = run->step;
    struct model_inode *file = &run->model->inodes[inode];
    run->outcome.inode = inode;
    if (step->create == CREATE_GUARDED ||
        (step->create == CREATE_EXCLUSIVE && !(file->exclusive && file->verifier == step->verifier)))
        fail(run, NFS4ERR_EXIST);
    else if (file->is_directory)
        fail(run, NFS4ERR_ISDIR);
    else
        fail(run, open_share_status(run, inode));
    if (run->outcome.status != NFS4_OK || run->dry)
        return;
    if (step->create == CREATE_UNCHECKED && step->truncate) {
        inode_resize(file, 0);
        file->change = run->change;
    }
    open_add(run, inode);
}

static void execute_open(struct execution *run)
{
    const struct step *step = run->step;
    if (is_stale(run, step->file))
        return;
    run->outcome.before = run->outcome.after = run->model->inodes[step->file].change;
    const struct model_entry *entry = model_find(run->model, step->file, step->name);
    if (entry == NULL)
        open_new(run);
    else
        open_existing(run, entry->inode);
}

static void execute_close(struct execution *run)
{
    const struct step *step = run->step;
    struct model_open *open = open_of(run->model, run->client, step->owner, step->file);
    if (is_stale(run, step->file))
        return;
    if (open == NULL) {
        fail(run, NFS4ERR_BAD_STATEID);
        return;
    }
    if (run->dry)
        return;
    open->used = false;
    model_lock_drop(run->model, run->client, step->owner, step->file);
    inode_release(run->model, step->file);
}

/* Whether a READ, WRITE or SETATTR of the size is allowed. */
static enum nfsstat4 io_status(const struct execution *run, uint32_t access)
{
    const struct step *step = run->step;
    if (step->allowed_by == BY_NOTHING) {
        for (size_t i = 0; i < MODEL_OPENS_MAX; i++) {
            const struct model_open *open = &run->model->opens[i];
            if (open->used && !open->courtesy && open->inode == step->file && (open->deny & access) != 0)
                return NFS4ERR_LOCKED;
        }
        return NFS4_OK;
    }
    const struct model_open *open = model_open_of(run->model, run->client, step->owner, step->file);
    if (open == NULL)
        return NFS4ERR_BAD_STATEID;
    /* A client that may only write may read as well: it has to fill its pages. */
    return access == OPEN4_SHARE_ACCESS_READ || (open->access & access) != 0 ? NFS4_OK : NFS4ERR_OPENMODE;
}

static void execute_content(struct execution *run)
{
    const struct step *step = run->step;
    if (is_stale(run, step->file))
        return;
    struct model_inode *file = &run->model->inodes[step->file];
    if (file->is_directory)
        fail(run, NFS4ERR_ISDIR);
    else
        fail(run, io_status(run, OPEN4_SHARE_ACCESS_WRITE));
    if (run->outcome.status != NFS4_OK || run->dry)
        return;
    if (step->kind == STEP_WRITE) {
        inode_write(file, step);
    } else {
        inode_resize(file, (size_t)step->size);
        file->exclusive = false;
    }
    file->change = run->change;
}

static void execute_chmod(struct execution *run)
{
    if (is_stale(run, run->step->file) || run->dry)
        return;
    struct model_inode *inode = &run->model->inodes[run->step->file];
    inode->mode = run->step->mode;
    inode->exclusive = false;
    inode->change = run->change;
}

static void execute_lock(struct execution *run)
{
    const struct step *step = run->step;
    if (is_stale(run, step->file))
        return;
    const struct model_open *open = model_open_of(run->model, run->client, step->owner, step->file);
    uint32_t needed = step->exclusive ? OPEN4_SHARE_ACCESS_WRITE : OPEN4_SHARE_ACCESS_READ;
    if (open == NULL)
        fail(run, NFS4ERR_BAD_STATEID);
    else if (step->kind == STEP_LOCK && (open->access & needed) == 0)
        fail(run, NFS4ERR_OPENMODE);
    else if (step->kind == STEP_LOCK && model_lock_conflict(run->model, step, run->client) != NULL)
        fail(run, NFS4ERR_DENIED);
    else if (!run->dry)
        run->outcome.split = model_lock_set(run->model, step, run->client, step->kind == STEP_LOCK);
}

static void execute_mkdir(struct execution *run)
{
    const struct step *step = run->step;
    if (is_stale(run, step->file))
        return;
    run->outcome.before = run->model->inodes[step->file].change;
    if (model_find(run->model, step->file, step->name) != NULL) {
        fail(run, NFS4ERR_EXIST);
        return;
    }
    if (run->dry)
        return;
    run->outcome.inode = inode_add(run->model, true, step->mode, run->change);
    entry_add(run->model, step->file, step->name, run->outcome.inode, run->change);
    run->outcome.after = run->change;
}

static void execute_link(struct execution *run)
{
    const struct step *step = run->step;
    struct model *model = run->model;
    if (is_stale(run, step->file) || is_stale(run, step->linked))
        return;
    run->outcome.before = model->inodes[step->file].change;
    if (model->inodes[step->linked].is_directory)
        fail(run, NFS4ERR_ISDIR);
    else if (model_find(model, step->file, step->name) != NULL)
        fail(run, NFS4ERR_EXIST);
    else if (model->inodes[step->linked].link_count == 0)
        fail(run, NFS4ERR_NOENT); /* an open file without a name does not get one again */
    if (run->outcome.status != NFS4_OK || run->dry)
        return;
    model->inodes[step->linked].link_count++;
    model->inodes[step->linked].change = run->change;
    entry_add(model, step->file, step->name, step->linked, run->change);
    run->outcome.after = run->change;
}

static void execute_remove(struct execution *run)
{
    const struct step *step = run->step;
    struct model *model = run->model;
    if (is_stale(run, step->file))
        return;
    run->outcome.before = model->inodes[step->file].change;
    struct model_entry *entry = entry_find(model, step->file, step->name);
    if (entry == NULL)
        fail(run, NFS4ERR_NOENT);
    else if (model->inodes[entry->inode].is_directory && model_entry_count(model, entry->inode) > 0)
        fail(run, NFS4ERR_NOTEMPTY);
    if (run->outcome.status != NFS4_OK || run->dry)
        return;
    run->outcome.inode = entry->inode;
    entry_take(model, entry, run->change);
    inode_unlink(model, entry->inode, run->change);
    run->outcome.after = run->change;
}

/* Whether the directory is, or lies in, the inode. */
static bool is_below(const struct model *model, uint16_t directory, uint16_t inode)
{
    while (directory != inode && directory != MODEL_ROOT)
        directory = model->inodes[directory].parent;
    return directory == inode;
}

static enum nfsstat4 rename_status(const struct model *model, const struct step *step, const struct model_entry *source,
                                   const struct model_entry *target)
{
    if (source == NULL)
        return NFS4ERR_NOENT;
    if (target != NULL && target->inode == source->inode)
        return NFS4_OK;
    bool is_directory = model->inodes[source->inode].is_directory;
    if (is_directory && is_below(model, step->target_directory, source->inode))
        return NFS4ERR_INVAL;
    if (target == NULL)
        return NFS4_OK;
    if (model->inodes[target->inode].is_directory != is_directory)
        return NFS4ERR_EXIST;
    return is_directory && model_entry_count(model, target->inode) > 0 ? NFS4ERR_NOTEMPTY : NFS4_OK;
}

static void execute_rename(struct execution *run)
{
    const struct step *step = run->step;
    struct model *model = run->model;
    if (is_stale(run, step->file) || is_stale(run, step->target_directory))
        return;
    struct outcome *outcome = &run->outcome;
    outcome->before = outcome->after = model->inodes[step->file].change;
    outcome->target_before = outcome->target_after = model->inodes[step->target_directory].change;
    struct model_entry *source = entry_find(model, step->file, step->name);
    struct model_entry *target = entry_find(model, step->target_directory, step->target_name);
    fail(run, rename_status(model, step, source, target));
    if (outcome->status != NFS4_OK || run->dry || (target != NULL && target->inode == source->inode))
        return;
    uint16_t moved = source->inode;
    entry_take(model, source, run->change);
    if (target != NULL) {
        uint16_t replaced = target->inode;
        entry_take(model, target, run->change);
        inode_unlink(model, replaced, run->change);
    }
    entry_add(model, step->target_directory, step->target_name, moved, run->change);
    model->inodes[moved].change = run->change;
    outcome->after = outcome->target_after = run->change;
}

static void execute_read(struct execution *run)
{
    const struct step *step = run->step;
    if (is_stale(run, step->file))
        return;
    run->outcome.inode = step->file;
    if (step->kind == STEP_READ) {
        bool is_directory = run->model->inodes[step->file].is_directory;
        fail(run, is_directory ? NFS4ERR_ISDIR : io_status(run, OPEN4_SHARE_ACCESS_READ));
    } else if (step->kind == STEP_LOOKUP) {
        const struct model_entry *entry = model_find(run->model, step->file, step->name);
        if (entry == NULL)
            fail(run, NFS4ERR_NOENT);
        else
            run->outcome.inode = entry->inode;
    } else if (step->kind == STEP_VERIFY) {
        bool same = step->change != 0 ? run->model->inodes[step->file].change == step->change
                                      : model_size(run->model, step->file) == step->size;
        fail(run, same ? NFS4_OK : NFS4ERR_NOT_SAME);
    }
}

struct outcome model_execute(struct model *model, const struct step *step, uint32_t client, uint64_t number, bool dry)
{
    struct execution run = {.model = model,
                            .step = step,
                            .client = client,
                            .change = number << 16,
                            .dry = dry,
                            .outcome = {.status = NFS4_OK, .inode = MODEL_NO_INODE}};
    switch (step->kind) {
    case STEP_OPEN: execute_open(&run); break;
    case STEP_CLOSE: execute_close(&run); break;
    case STEP_WRITE:
    case STEP_RESIZE: execute_content(&run); break;
    case STEP_CHMOD: execute_chmod(&run); break;
    case STEP_LOCK:
    case STEP_UNLOCK: execute_lock(&run); break;
    case STEP_MKDIR: execute_mkdir(&run); break;
    case STEP_LINK: execute_link(&run); break;
    case STEP_RENAME: execute_rename(&run); break;
    case STEP_REMOVE: execute_remove(&run); break;
    case STEP_RECLAIMED: break;
    case STEP_ROOT:
    case STEP_READ:
    case STEP_GETATTR:
    case STEP_LOOKUP:
    case STEP_READDIR:
    case STEP_VERIFY: execute_read(&run); break;
    case STEP_KIND_COUNT: CHECK(step->kind < STEP_KIND_COUNT); break;
    }
    return run.outcome;
}
