#include "tests/support/disk_memory.h"

#include <stdlib.h>

#include "base/check.h"

#define BLOCK_BYTES 4096u

/* A write that is not yet synced, or a new size (bytes == NULL). */
struct memory_write {
    struct memory_write *next;
    uint64_t offset;
    size_t size_bytes;
    uint8_t bytes[];
};

struct memory_content {
    uint8_t *bytes;
    uint64_t size_bytes;
    uint64_t room_bytes;
};

struct memory_inode {
    struct memory_inode *next;
    struct memory_content now;
    struct memory_content durable;
    struct memory_write *writes; /* oldest first */
    struct memory_write **writes_end;
    uint64_t allocated_bytes; /* blocks that it holds of the disk's capacity */
    uint32_t handles;
    bool removed; /* has no name now */
};

enum change_kind { CHANGE_CREATE, CHANGE_RENAME, CHANGE_REMOVE };

struct memory_change {
    struct memory_change *next;
    enum change_kind kind;
    char source[DISK_PATH_MAX_BYTES + 1];
    char target[DISK_PATH_MAX_BYTES + 1];
    struct memory_inode *inode;
};

struct disk_file {
    struct memory_inode *inode;
};

void disk_memory_init(struct disk_memory *memory, uint64_t seed)
{
    *memory = (struct disk_memory){.sector_bytes = 512, .capacity_bytes = UINT64_MAX};
    (void)random_from_seed(&memory->random, seed);
    memory->changes_end = &memory->changes;
}

static uint64_t chance(struct disk_memory *memory, uint64_t bound)
{
    return random_seeded_next(&memory->random) % bound;
}

static bool kept(struct disk_memory *memory)
{
    switch (memory->loss) {
    case DISK_MEMORY_ALL_LOST: return false;
    case DISK_MEMORY_ALL_KEPT: return true;
    case DISK_MEMORY_ANY: break;
    }
    return chance(memory, 2) == 0;
}

/* --- content --- */

static void content_resize(struct memory_content *content, uint64_t size_bytes)
{
    if (size_bytes > content->room_bytes) {
        uint64_t room_bytes = 2 * size_bytes;
        content->bytes = realloc(content->bytes, room_bytes);
        CHECK(content->bytes != NULL);
        content->room_bytes = room_bytes;
    }
    if (size_bytes > content->size_bytes)
        memset(content->bytes + content->size_bytes, 0, size_bytes - content->size_bytes);
    content->size_bytes = size_bytes;
}

static void content_write(struct memory_content *content, uint64_t offset, const uint8_t *bytes, size_t size_bytes)
{
    if (size_bytes == 0)
        return;
    if (offset + size_bytes > content->size_bytes)
        content_resize(content, offset + size_bytes);
    memcpy(content->bytes + offset, bytes, size_bytes);
}

static void writes_forget(struct memory_inode *inode)
{
    while (inode->writes != NULL) {
        struct memory_write *next = inode->writes->next;
        free(inode->writes);
        inode->writes = next;
    }
    inode->writes_end = &inode->writes;
}

static struct memory_write *write_add(struct memory_inode *inode, uint64_t offset, size_t size_bytes)
{
    struct memory_write *write = calloc(1, sizeof *write + size_bytes);
    CHECK(write != NULL);
    write->offset = offset;
    write->size_bytes = size_bytes;
    *inode->writes_end = write;
    inode->writes_end = &write->next;
    return write;
}

static void inode_sync(struct memory_inode *inode)
{
    content_resize(&inode->durable, inode->now.size_bytes);
    if (inode->now.size_bytes > 0)
        memcpy(inode->durable.bytes, inode->now.bytes, inode->now.size_bytes);
    writes_forget(inode);
}

static struct memory_inode *inode_create(struct disk_memory *memory)
{
    struct memory_inode *inode = calloc(1, sizeof *inode);
    CHECK(inode != NULL);
    inode->writes_end = &inode->writes;
    inode->next = memory->inodes;
    memory->inodes = inode;
    return inode;
}

static void inode_free(struct memory_inode *inode)
{
    writes_forget(inode);
    free(inode->now.bytes);
    free(inode->durable.bytes);
    free(inode);
}

/* Blocks for so many bytes of the file; false: the disk is full. */
static bool inode_allocate(struct disk_memory *memory, struct memory_inode *inode, uint64_t size_bytes)
{
    uint64_t wanted = (size_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    if (wanted <= inode->allocated_bytes)
        return true;
    uint64_t more = wanted - inode->allocated_bytes;
    if (memory->capacity_bytes != UINT64_MAX && memory->used_bytes + more > memory->capacity_bytes)
        return false;
    memory->used_bytes += more;
    inode->allocated_bytes = wanted;
    return true;
}

static void inode_release(struct disk_memory *memory, struct memory_inode *inode)
{
    if (!inode->removed || inode->handles > 0)
        return;
    memory->used_bytes -= inode->allocated_bytes;
    inode->allocated_bytes = 0;
}

/* --- names --- */

static struct memory_name *name_find(struct memory_names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->list[i].path, path) == 0)
            return &names->list[i];
    }
    return NULL;
}

static void name_set(struct memory_names *names, const char *path, struct memory_inode *inode)
{
    struct memory_name *name = name_find(names, path);
    if (name == NULL) {
        CHECK(names->count < DISK_MEMORY_NAMES_MAX && strlen(path) <= DISK_PATH_MAX_BYTES);
        name = &names->list[names->count++];
        strcpy(name->path, path);
    }
    name->inode = inode;
}

static void name_drop(struct memory_names *names, const char *path)
{
    struct memory_name *name = name_find(names, path);
    if (name != NULL)
        *name = names->list[--names->count];
}

/* Makes a change to the names; one that no longer fits (what it rests on was lost) does nothing. */
static void change_apply(struct memory_names *names, const struct memory_change *change)
{
    switch (change->kind) {
    case CHANGE_CREATE: name_set(names, change->source, change->inode); break;
    case CHANGE_RENAME: {
        struct memory_name *name = name_find(names, change->source);
        if (name == NULL || name->inode != change->inode)
            break;
        name_drop(names, change->source);
        name_set(names, change->target, change->inode);
        break;
    }
    case CHANGE_REMOVE: {
        struct memory_name *name = name_find(names, change->source);
        if (name != NULL && name->inode == change->inode)
            name_drop(names, change->source);
        break;
    }
    }
}

static void change_add(struct disk_memory *memory, enum change_kind kind, const char *source, const char *target,
                       struct memory_inode *inode)
{
    struct memory_change *change = calloc(1, sizeof *change);
    CHECK(change != NULL);
    change->kind = kind;
    strcpy(change->source, source);
    strcpy(change->target, target);
    change->inode = inode;
    *memory->changes_end = change;
    memory->changes_end = &change->next;
    change_apply(&memory->now, change);
}

static bool in_directory(const char *path, const char *directory)
{
    size_t size_bytes = strlen(directory);
    if (size_bytes == 0)
        return strchr(path, '/') == NULL;
    return strncmp(path, directory, size_bytes) == 0 && path[size_bytes] == '/';
}

/* --- operations --- */

/* Counts an operation; not STATUS_OK: it fails so. */
static enum status operation_begin(struct disk_memory *memory)
{
    memory->operations++;
    if (disk_memory_is_off(memory))
        return STATUS_IO;
    if (memory->fail_at != 0 && memory->operations >= memory->fail_at &&
        memory->operations - memory->fail_at < memory->fail_count)
        return memory->fail_with;
    return STATUS_OK;
}

static struct disk_memory *memory_of(void *context)
{
    return (struct disk_memory *)context;
}

static enum status file_open(void *context, const char *path, bool create, struct disk_file **file)
{
    struct disk_memory *memory = memory_of(context);
    struct memory_name *name = name_find(&memory->now, path);
    if (create) {
        enum status status = operation_begin(memory);
        if (status != STATUS_OK)
            return status;
        if (name != NULL)
            return STATUS_REFUSED;
        change_add(memory, CHANGE_CREATE, path, "", inode_create(memory));
        name = name_find(&memory->now, path);
    }
    if (disk_memory_is_off(memory))
        return STATUS_IO;
    if (name == NULL)
        return STATUS_NOT_FOUND;
    CHECK(name->inode != NULL);
    *file = malloc(sizeof **file);
    CHECK(*file != NULL);
    (*file)->inode = name->inode;
    name->inode->handles++;
    return STATUS_OK;
}

static void file_close(void *context, struct disk_file *file)
{
    CHECK(file->inode->handles > 0);
    file->inode->handles--;
    inode_release(memory_of(context), file->inode);
    free(file);
}

static enum status file_reserve(void *context, struct disk_file *file, uint64_t size_bytes)
{
    struct disk_memory *memory = memory_of(context);
    enum status status = operation_begin(memory);
    if (status != STATUS_OK)
        return status;
    if (!inode_allocate(memory, file->inode, size_bytes))
        return STATUS_NO_SPACE;
    if (size_bytes > file->inode->now.size_bytes) {
        content_resize(&file->inode->now, size_bytes);
        (void)write_add(file->inode, size_bytes, 0);
    }
    return STATUS_OK;
}

static enum status file_truncate(void *context, struct disk_file *file, uint64_t size_bytes)
{
    struct disk_memory *memory = memory_of(context);
    enum status status = operation_begin(memory);
    if (status != STATUS_OK)
        return status;
    content_resize(&file->inode->now, size_bytes);
    uint64_t blocks = (size_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    if (blocks < file->inode->allocated_bytes) {
        memory->used_bytes -= file->inode->allocated_bytes - blocks;
        file->inode->allocated_bytes = blocks;
    }
    (void)write_add(file->inode, size_bytes, 0);
    return STATUS_OK;
}

static enum status file_write(void *context, struct disk_file *file, uint64_t offset, const struct slice *pieces,
                              size_t count)
{
    struct disk_memory *memory = memory_of(context);
    enum status status = operation_begin(memory);
    size_t size_bytes = 0;
    for (size_t i = 0; i < count; i++)
        size_bytes += pieces[i].size_bytes;
    if (status == STATUS_OK && !inode_allocate(memory, file->inode, offset + size_bytes))
        status = STATUS_NO_SPACE;
    if (status != STATUS_OK && (memory->power_off_at == 0 || memory->operations != memory->power_off_at))
        return status;
    /* The power that goes off in the middle of a write: its sectors may be on the disk or not, as with any other. */
    struct memory_write *write = write_add(file->inode, offset, size_bytes);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].size_bytes > 0)
            memcpy(write->bytes + at, pieces[i].data, pieces[i].size_bytes);
        at += pieces[i].size_bytes;
    }
    content_write(&file->inode->now, offset, write->bytes, size_bytes);
    return status;
}

static enum status file_read(void *context, struct disk_file *file, uint64_t offset, struct span room,
                             size_t *size_bytes)
{
    if (disk_memory_is_off(memory_of(context)))
        return STATUS_IO;
    const struct memory_content *now = &file->inode->now;
    *size_bytes = 0;
    if (offset >= now->size_bytes)
        return STATUS_OK;
    *size_bytes = now->size_bytes - offset < room.size_bytes ? (size_t)(now->size_bytes - offset) : room.size_bytes;
    memcpy(room.data, now->bytes + offset, *size_bytes);
    return STATUS_OK;
}

static enum status file_size(void *context, struct disk_file *file, uint64_t *size_bytes)
{
    if (disk_memory_is_off(memory_of(context)))
        return STATUS_IO;
    *size_bytes = file->inode->now.size_bytes;
    return STATUS_OK;
}

static enum status file_sync(void *context, struct disk_file *file)
{
    enum status status = operation_begin(memory_of(context));
    if (status == STATUS_OK)
        inode_sync(file->inode);
    return status;
}

static enum status file_rename(void *context, const char *source, const char *target)
{
    struct disk_memory *memory = memory_of(context);
    enum status status = operation_begin(memory);
    if (status != STATUS_OK)
        return status;
    struct memory_name *name = name_find(&memory->now, source);
    if (name == NULL)
        return STATUS_NOT_FOUND;
    struct memory_name *replaced = name_find(&memory->now, target);
    if (replaced != NULL) {
        replaced->inode->removed = true;
        inode_release(memory, replaced->inode);
    }
    change_add(memory, CHANGE_RENAME, source, target, name->inode);
    return STATUS_OK;
}

static enum status file_remove(void *context, const char *path)
{
    struct disk_memory *memory = memory_of(context);
    enum status status = operation_begin(memory);
    if (status != STATUS_OK)
        return status;
    struct memory_name *name = name_find(&memory->now, path);
    if (name == NULL)
        return STATUS_NOT_FOUND;
    struct memory_inode *inode = name->inode;
    change_add(memory, CHANGE_REMOVE, path, "", inode);
    inode->removed = true;
    inode_release(memory, inode);
    return STATUS_OK;
}

static enum status file_lock(void *context, const char *path)
{
    (void)path;
    struct disk_memory *memory = memory_of(context);
    if (memory->locked)
        return STATUS_REFUSED;
    memory->locked = true;
    return STATUS_OK;
}

static enum status directory_create(void *context, const char *path)
{
    struct disk_memory *memory = memory_of(context);
    enum status status = operation_begin(memory);
    if (status == STATUS_OK && name_find(&memory->now, path) == NULL)
        change_add(memory, CHANGE_CREATE, path, "", NULL);
    return status;
}

static enum status directory_list(void *context, const char *path, disk_visit visit, void *visitor)
{
    struct disk_memory *memory = memory_of(context);
    if (disk_memory_is_off(memory))
        return STATUS_IO;
    if (path[0] != 0 && name_find(&memory->now, path) == NULL)
        return STATUS_NOT_FOUND;
    for (size_t i = 0; i < memory->now.count; i++) {
        const char *name = memory->now.list[i].path;
        if (!in_directory(name, path))
            continue;
        if (!visit(visitor, path[0] == 0 ? name : name + strlen(path) + 1))
            break;
    }
    return STATUS_OK;
}

static enum status directory_sync(void *context, const char *path)
{
    struct disk_memory *memory = memory_of(context);
    enum status status = operation_begin(memory);
    if (status != STATUS_OK)
        return status;
    struct memory_change **at = &memory->changes;
    while (*at != NULL) {
        struct memory_change *change = *at;
        if (!in_directory(change->source, path)) {
            at = &change->next;
            continue;
        }
        change_apply(&memory->durable, change);
        *at = change->next;
        free(change);
    }
    memory->changes_end = at;
    return STATUS_OK;
}

static enum status space(void *context, uint64_t *free_bytes, uint64_t *total_bytes)
{
    struct disk_memory *memory = memory_of(context);
    *total_bytes = memory->capacity_bytes;
    *free_bytes = memory->capacity_bytes - memory->used_bytes;
    return STATUS_OK;
}

static const struct disk_operations memory_operations = {
    .file_open = file_open,
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
    .directory_sync = directory_sync,
    .space = space,
};

struct disk disk_memory_port(struct disk_memory *memory)
{
    return (struct disk){&memory_operations, memory};
}

/* --- the crash --- */

/* Each sector of an unsynced write, and each new size, is on the disk or not. */
static void write_survive(struct disk_memory *memory, struct memory_inode *inode, const struct memory_write *write)
{
    if (write->size_bytes == 0) {
        if (kept(memory))
            content_resize(&inode->durable, write->offset);
        return;
    }
    uint64_t at = write->offset;
    uint64_t end = write->offset + write->size_bytes;
    while (at < end) {
        uint64_t next = (at / memory->sector_bytes + 1) * memory->sector_bytes;
        if (next > end)
            next = end;
        if (kept(memory))
            content_write(&inode->durable, at, write->bytes + (at - write->offset), (size_t)(next - at));
        at = next;
    }
}

static bool name_reaches(const struct memory_names *names, const struct memory_inode *inode)
{
    for (size_t i = 0; i < names->count; i++) {
        if (names->list[i].inode == inode)
            return true;
    }
    return false;
}

static void changes_survive(struct disk_memory *memory, bool any)
{
    while (memory->changes != NULL) {
        struct memory_change *change = memory->changes;
        if (any && kept(memory))
            change_apply(&memory->durable, change);
        memory->changes = change->next;
        free(change);
    }
    memory->changes_end = &memory->changes;
    memory->now = memory->durable;
}

void disk_memory_crash(struct disk_memory *memory)
{
    changes_survive(memory, true);
    memory->used_bytes = 0;
    struct memory_inode **at = &memory->inodes;
    while (*at != NULL) {
        struct memory_inode *inode = *at;
        CHECK(inode->handles == 0);
        if (!name_reaches(&memory->durable, inode)) {
            *at = inode->next;
            inode_free(inode);
            continue;
        }
        for (const struct memory_write *write = inode->writes; write != NULL; write = write->next)
            write_survive(memory, inode, write);
        writes_forget(inode);
        content_resize(&inode->now, inode->durable.size_bytes);
        if (inode->durable.size_bytes > 0)
            memcpy(inode->now.bytes, inode->durable.bytes, inode->durable.size_bytes);
        inode->removed = false;
        inode->allocated_bytes = (inode->now.size_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
        memory->used_bytes += inode->allocated_bytes;
        at = &inode->next;
    }
    memory->locked = false;
    memory->fail_at = memory->power_off_at = 0;
}

struct slice disk_memory_file(struct disk_memory *memory, const char *path)
{
    struct memory_name *name = name_find(&memory->now, path);
    if (name == NULL)
        return SLICE_EMPTY;
    return slice_make(name->inode->now.bytes, (size_t)name->inode->now.size_bytes);
}

void disk_memory_damage(struct disk_memory *memory, const char *path, uint64_t offset, uint8_t mask)
{
    struct memory_name *name = name_find(&memory->now, path);
    CHECK(name != NULL && offset < name->inode->now.size_bytes);
    name->inode->now.bytes[offset] ^= mask;
    if (offset < name->inode->durable.size_bytes)
        name->inode->durable.bytes[offset] ^= mask;
}

void disk_memory_fini(struct disk_memory *memory)
{
    changes_survive(memory, false);
    while (memory->inodes != NULL) {
        struct memory_inode *next = memory->inodes->next;
        CHECK(memory->inodes->handles == 0);
        inode_free(memory->inodes);
        memory->inodes = next;
    }
}
