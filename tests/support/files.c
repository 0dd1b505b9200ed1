#include "tests/support/files.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "statestore/machine/block.h"
#include "statestore/machine/check.h"
#include "statestore/machine/create.h"
#include "statestore/machine/extent.h"
#include "statestore/machine/garbage.h"
#include "statestore/machine/name.h"

#define FILES_FLUSH_COMMANDS 64u

static ProtobufCBinaryData files_bytes(struct slice bytes)
{
    return (ProtobufCBinaryData){bytes.size_bytes, (uint8_t *)(uintptr_t)bytes.data};
}

static ProtobufCBinaryData files_text(const char *text)
{
    return files_bytes(slice_text(text));
}

void files_become(struct files *files, uint32_t uid, uint32_t gid)
{
    static const uint8_t address[4] = {127, 0, 0, 1};
    files->identity = (struct identity){.uid = uid, .gid = gid, .address = {address, 4}, .flavor = 1};
}

void files_init(struct files *files)
{
    *files = (struct files){.store = kv_memory_create(), .wall_ns = 1000};
    arena_init(&files->arena);
    files->machine.server_epoch = 1;
    files_become(files, 0, 0);
    assert_int_equal(files_export_add(files, "/data", EXPORT_SQUASH_NONE, false), NFS4_OK);
    files->root = (struct file_id){{1}, INODE_ROOT, CREATE_GENERATION};
}

void files_fini(struct files *files)
{
    for (size_t i = 0; i < files->block_count; i++)
        free(files->blocks[i].bytes);
    free(files->blocks);
    arena_fini(&files->arena);
    kv_store_destroy(files->store);
}

struct kv_read *files_read(struct files *files)
{
    return kv_store_present(files->store);
}

struct apply *files_begin(struct files *files)
{
    arena_reset(&files->arena);
    transaction_init(&files->transaction, files_read(files), &files->arena);
    qnfs__command__init(&files->command);
    qnfs__result__init(&files->result);
    files->wall_ns += 1000;
    files->machine.command_number++;
    files->apply = (struct apply){.machine = &files->machine,
                                  .transaction = &files->transaction,
                                  .read = &files->transaction.read,
                                  .arena = &files->arena,
                                  .number = files->machine.command_number,
                                  .wall_ns = files->wall_ns,
                                  .command = &files->command,
                                  .identity = files->identity,
                                  .result = &files->result};
    return &files->apply;
}

static void files_keep_block(struct files *files, uint64_t number)
{
    if (files->block_count == files->block_room) {
        files->block_room = files->block_room * 2 + 16;
        files->blocks = realloc(files->blocks, files->block_room * sizeof(*files->blocks));
        assert_non_null(files->blocks);
    }
    struct files_block *block = &files->blocks[files->block_count++];
    struct slice content = files->apply.content;
    *block = (struct files_block){number, malloc(content.size_bytes), content.size_bytes};
    assert_non_null(block->bytes);
    memcpy(block->bytes, content.data, content.size_bytes);
}

enum nfsstat4 files_end(struct files *files)
{
    if (files->result.status != NFS4_OK)
        assert_int_equal(files->transaction.count, 0); /* an error has changed nothing */
    for (size_t i = 0; i < files->apply.effect_count; i++) {
        if (files->apply.effects[i].kind == EFFECT_STORE_BLOCK)
            files_keep_block(files, files->apply.effects[i].block.value);
    }
    assert_int_equal(kv_store_write(files->store, &files->transaction), STATUS_OK);
    if (files->apply.number % FILES_FLUSH_COMMANDS == 0) /* the store keeps what a crash might go back to */
        assert_int_equal(kv_store_flush(files->store), STATUS_OK);
    return (enum nfsstat4)files->result.status;
}

static Qnfs__FileRef files_reference(struct file_id file)
{
    Qnfs__FileRef reference = QNFS__FILE_REF__INIT;
    reference.volume = file.volume.value;
    reference.inode = file.inode.value;
    reference.generation = file.generation;
    return reference;
}

static struct file_id files_id(const Qnfs__FileRef *reference)
{
    return (struct file_id){{reference->volume}, {reference->inode}, reference->generation};
}

enum nfsstat4 files_create(struct files *files, struct file_id directory, const char *name, enum nfs_ftype4 type,
                           const Qnfs__Attributes *attributes, struct file_id *made)
{
    struct apply *apply = files_begin(files);
    Qnfs__FileRef reference = files_reference(directory);
    Qnfs__Create command = QNFS__CREATE__INIT;
    command.directory = &reference;
    command.name = files_text(name);
    command.type = type;
    command.attributes = (Qnfs__Attributes *)(uintptr_t)attributes;
    if (type == NF4LNK)
        command.link_text = files_text("where/it/leads");
    create_apply(apply, &command);
    if (files->result.status == NFS4_OK && made != NULL)
        *made = files_id(files->result.create->file);
    return files_end(files);
}

enum nfsstat4 files_make_file(struct files *files, struct file_id directory, const char *name,
                              const Qnfs__Attributes *attributes, struct file_id *made)
{
    struct apply *apply = files_begin(files);
    struct inode above;
    struct inode inode;
    uint64_t before;
    uint64_t after;
    uint32_t set_mask;
    enum nfsstat4 status = name_enter(apply, directory, &above);
    if (status == NFS4_OK)
        status = file_create(apply, &above, slice_text(name), attributes, NULL, &inode, &before, &after, &set_mask);
    apply_answer(apply, status);
    if (status == NFS4_OK && made != NULL)
        *made = inode.id;
    return files_end(files);
}

enum nfsstat4 files_remove(struct files *files, struct file_id directory, const char *name)
{
    struct apply *apply = files_begin(files);
    Qnfs__FileRef reference = files_reference(directory);
    Qnfs__Remove command = QNFS__REMOVE__INIT;
    command.directory = &reference;
    command.name = files_text(name);
    remove_apply(apply, &command);
    return files_end(files);
}

enum nfsstat4 files_rename(struct files *files, struct file_id source, const char *source_name, struct file_id target,
                           const char *target_name)
{
    struct apply *apply = files_begin(files);
    Qnfs__FileRef source_reference = files_reference(source);
    Qnfs__FileRef target_reference = files_reference(target);
    Qnfs__Rename command = QNFS__RENAME__INIT;
    command.source_directory = &source_reference;
    command.source_name = files_text(source_name);
    command.target_directory = &target_reference;
    command.target_name = files_text(target_name);
    rename_apply(apply, &command);
    return files_end(files);
}

enum nfsstat4 files_link(struct files *files, struct file_id file, struct file_id directory, const char *name)
{
    struct apply *apply = files_begin(files);
    Qnfs__FileRef file_reference = files_reference(file);
    Qnfs__FileRef directory_reference = files_reference(directory);
    Qnfs__Link command = QNFS__LINK__INIT;
    command.file = &file_reference;
    command.directory = &directory_reference;
    command.name = files_text(name);
    link_apply(apply, &command);
    return files_end(files);
}

enum nfsstat4 files_setattr(struct files *files, struct file_id file, const Qnfs__Attributes *attributes)
{
    struct apply *apply = files_begin(files);
    Qnfs__FileRef reference = files_reference(file);
    Qnfs__Setattr command = QNFS__SETATTR__INIT;
    command.file = &reference;
    command.attributes = (Qnfs__Attributes *)(uintptr_t)attributes;
    setattr_apply(apply, &command);
    return files_end(files);
}

enum nfsstat4 files_resize(struct files *files, struct file_id file, uint64_t size_bytes)
{
    Qnfs__Attributes attributes = QNFS__ATTRIBUTES__INIT;
    attributes.mask = ATTRIBUTE_SIZE;
    attributes.size = size_bytes;
    return files_setattr(files, file, &attributes);
}

enum nfsstat4 files_write(struct files *files, struct file_id file, uint64_t offset, struct slice bytes)
{
    struct apply *apply = files_begin(files);
    Qnfs__FileRef reference = files_reference(file);
    Qnfs__Write command = QNFS__WRITE__INIT;
    command.file = &reference;
    command.offset = offset;
    apply->content = bytes;
    write_apply(apply, &command);
    return files_end(files);
}

bool files_purge(struct files *files)
{
    Qnfs__Purge command = QNFS__PURGE__INIT;
    purge_apply(files_begin(files), &command);
    assert_int_equal(files_end(files), NFS4_OK);
    return files->result.purge->more;
}

static struct files_block *files_block_find(struct files *files, uint64_t number)
{
    for (size_t low = 0, high = files->block_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (files->blocks[middle].number == number)
            return &files->blocks[middle];
        if (files->blocks[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    fail_msg("no block %llu", (unsigned long long)number);
    return NULL;
}

void files_sweep(struct files *files)
{
    struct apply *apply = files_begin(files);
    struct garbage_walk walk;
    struct garbage swept[256];
    size_t count = 0;
    garbage_walk_open(apply->read, &(struct garbage){0}, &files->arena, &walk);
    for (; count < 256 && garbage_walk_get(&walk, &swept[count]); garbage_walk_next(&walk)) {
        struct files_block *block = files_block_find(files, swept[count].block.value);
        free(block->bytes);
        block->bytes = NULL;
        count++;
    }
    garbage_walk_close(&walk);
    for (size_t i = 0; i < count; i++)
        garbage_drop(&files->transaction, &swept[i], &files->arena);
    assert_int_equal(files_end(files), NFS4_OK);
}

enum nfsstat4 files_export_add(struct files *files, const char *path, uint32_t squash, bool read_only)
{
    struct apply *apply = files_begin(files);
    Qnfs__ExportSpec spec = QNFS__EXPORT_SPEC__INIT;
    Qnfs__ExportAdd command = QNFS__EXPORT_ADD__INIT;
    spec.path = files_text(path);
    spec.squash = squash;
    spec.read_only = read_only;
    command.spec = &spec;
    export_add_apply(apply, &command);
    return files_end(files);
}

enum nfsstat4 files_export_remove(struct files *files, const char *path)
{
    struct apply *apply = files_begin(files);
    Qnfs__ExportRemove command = QNFS__EXPORT_REMOVE__INIT;
    command.path = files_text(path);
    export_remove_apply(apply, &command);
    return files_end(files);
}

struct inode files_stat(struct files *files, struct file_id file)
{
    struct inode inode;
    if (!inode_find(files_read(files), file, &files->arena, &inode))
        fail_msg("no inode %llu", (unsigned long long)file.inode.value);
    return inode;
}

bool files_lookup(struct files *files, struct file_id directory, const char *name, struct file_id *file)
{
    struct dirent entry;
    struct inode inode;
    if (!dirent_get(files_read(files), directory.volume, directory.inode, slice_text(name), &files->arena, &entry))
        return false;
    assert_true(inode_get(files_read(files), directory.volume, entry.inode, &files->arena, &inode));
    *file = inode.id;
    return true;
}

/* Copies the part of an extent that lies in the range. */
static void files_copy_extent(struct files *files, const struct extent *extent, uint64_t offset, uint8_t *bytes,
                              size_t size_bytes)
{
    uint64_t start = extent->offset > offset ? extent->offset : offset;
    uint64_t end = extent->offset + extent->length_bytes;
    if (end > offset + size_bytes)
        end = offset + size_bytes;
    const uint8_t *source = extent->bytes.data;
    if (!extent->is_inline) {
        const struct files_block *block = files_block_find(files, extent->block.value);
        assert_non_null(block->bytes);
        assert_true(extent->block_offset + extent->length_bytes <= block->size_bytes);
        source = block->bytes + extent->block_offset;
    }
    memcpy(bytes + (start - offset), source + (start - extent->offset), (size_t)(end - start));
}

size_t files_read_content(struct files *files, struct file_id file, uint64_t offset, uint8_t *bytes, size_t size_bytes)
{
    struct inode inode = files_stat(files, file);
    if (offset >= inode.size_bytes)
        return 0;
    if (size_bytes > inode.size_bytes - offset)
        size_bytes = (size_t)(inode.size_bytes - offset);
    memset(bytes, 0, size_bytes);
    struct extent_walk walk;
    struct extent extent;
    extent_walk_open(files_read(files), &inode, offset, size_bytes, &files->arena, &walk);
    for (; extent_walk_get(&walk, &extent); extent_walk_next(&walk))
        files_copy_extent(files, &extent, offset, bytes, size_bytes);
    extent_walk_close(&walk);
    return size_bytes;
}

size_t files_count_rows(struct files *files, uint8_t prefix)
{
    struct kv_cursor cursor;
    size_t count = 0;
    kv_cursor_open(files_read(files), slice_make(&prefix, 1), SLICE_EMPTY, &files->arena, &cursor);
    for (; cursor.valid; kv_cursor_next(&cursor))
        count++;
    kv_cursor_close(&cursor);
    return count;
}

void files_check(struct files *files)
{
    char text[4096] = "";
    struct arena arena;
    arena_init(&arena);
    struct check check = {.read = files_read(files), .arena = &arena, .text = text, .room = sizeof(text)};
    check_files(&check);
    arena_fini(&arena);
    if (check.count != 0)
        fail_msg("%zu broken invariants:\n%s", check.count, text);
}

Qnfs__Attributes files_mode(uint32_t mode)
{
    Qnfs__Attributes attributes = QNFS__ATTRIBUTES__INIT;
    attributes.mask = ATTRIBUTE_MODE;
    attributes.mode = mode;
    return attributes;
}

int files_setup(void **state)
{
    struct files *files = test_calloc(1, sizeof(*files));
    files_init(files);
    *state = files;
    return 0;
}

int files_teardown(void **state)
{
    struct files *files = *state;
    files_check(files);
    files_fini(files);
    test_free(files);
    return 0;
}

struct file_id files_make_directory(struct files *files, struct file_id above, const char *name, uint32_t mode)
{
    struct file_id made;
    Qnfs__Attributes attributes = files_mode(mode & 0777);
    assert_int_equal(files_create(files, above, name, NF4DIR, &attributes, &made), NFS4_OK);
    if (mode > 0777) {
        attributes = files_mode(mode);
        assert_int_equal(files_setattr(files, made, &attributes), NFS4_OK);
    }
    return made;
}

struct file_id files_make(struct files *files, struct file_id above, const char *name, uint32_t mode)
{
    struct file_id made;
    Qnfs__Attributes attributes = files_mode(mode);
    assert_int_equal(files_make_file(files, above, name, &attributes, &made), NFS4_OK);
    return made;
}

struct file_id files_make_shared(struct files *files, const char *name)
{
    return files_make_directory(files, files->root, name, 0777);
}

Qnfs__Attributes files_owner(uint32_t mask, uint32_t owner, uint32_t group)
{
    Qnfs__Attributes attributes = QNFS__ATTRIBUTES__INIT;
    attributes.mask = mask;
    attributes.owner = owner;
    attributes.group = group;
    return attributes;
}

void files_report_space(struct files *files, bool low)
{
    Qnfs__NodeReport report = QNFS__NODE_REPORT__INIT;
    report.node = 1;
    report.low = low;
    node_report_apply(files_begin(files), &report);
    assert_int_equal(files_end(files), NFS4_OK);
}
