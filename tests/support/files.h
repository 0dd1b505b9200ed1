/* files.h: the files half of the machine under a test's hand: a memory store, an export, and one function a command that
 * runs its handler in a transaction of its own. Block contents are kept as a block store would. */
#ifndef TESTS_SUPPORT_FILES_H
#define TESTS_SUPPORT_FILES_H

#include "statestore/machine/apply.h"
#include "statestore/machine/attributes.h"
#include "statestore/machine/dirent.h"
#include "statestore/store/kv_memory.h"

struct files_block {
    uint64_t number;
    uint8_t *bytes; /* owned */
    size_t size_bytes;
};

struct files {
    struct kv_store *store; /* owned */
    struct arena arena;     /* of the present command and its answer */
    struct machine machine;
    struct identity identity; /* raw, of the next commands */
    int64_t wall_ns;
    struct file_id root; /* of the export /data, squash none */
    struct transaction transaction;
    struct apply apply;
    Qnfs__Command command;
    Qnfs__Result result;
    struct files_block *blocks; /* owned, by number */
    size_t block_count;
    size_t block_room;
};

void files_init(struct files *files);
void files_fini(struct files *files);

/* A command begins (the arena is reset, the number rises) and ends (the store is written, blocks are kept). */
struct apply *files_begin(struct files *files);
enum nfsstat4 files_end(struct files *files);

/* One command each. `made` may be NULL. The answer's body stays in files->result until the next command. */
enum nfsstat4 files_create(struct files *files, struct file_id directory, const char *name, enum nfs_ftype4 type,
                           const Qnfs__Attributes *attributes, struct file_id *made);
enum nfsstat4 files_make_file(struct files *files, struct file_id directory, const char *name,
                              const Qnfs__Attributes *attributes, struct file_id *made);
enum nfsstat4 files_remove(struct files *files, struct file_id directory, const char *name);
enum nfsstat4 files_rename(struct files *files, struct file_id source, const char *source_name, struct file_id target,
                           const char *target_name);
enum nfsstat4 files_link(struct files *files, struct file_id file, struct file_id directory, const char *name);
enum nfsstat4 files_setattr(struct files *files, struct file_id file, const Qnfs__Attributes *attributes);
enum nfsstat4 files_resize(struct files *files, struct file_id file, uint64_t size_bytes);
enum nfsstat4 files_write(struct files *files, struct file_id file, uint64_t offset, struct slice bytes);
/* One step; true if there is more. */
bool files_purge(struct files *files);
/* Removes the garbage: blocks and rows. */
void files_sweep(struct files *files);
enum nfsstat4 files_export_add(struct files *files, const char *path, uint32_t squash, bool read_only);
enum nfsstat4 files_export_remove(struct files *files, const char *path);

/* What stands in the store. files_stat fails the test if the file does not exist. */
struct kv_read *files_read(struct files *files);
struct inode files_stat(struct files *files, struct file_id file);
bool files_lookup(struct files *files, struct file_id directory, const char *name, struct file_id *file);
/* Reads content as READ would: holes are zero, the end of the file ends it. Returns the bytes read. */
size_t files_read_content(struct files *files, struct file_id file, uint64_t offset, uint8_t *bytes, size_t size_bytes);
/* Rows with this prefix byte. */
size_t files_count_rows(struct files *files, uint8_t prefix);
/* Fails the test with the text of machine_check's finds. */
void files_check(struct files *files);

/* Setup and teardown of a cmocka test whose state is a struct files; the teardown looks through the whole state. */
int files_setup(void **state);
int files_teardown(void **state);

/* These fail the test if they fail. The mode may have the set-gid and the sticky bit. */
struct file_id files_make_directory(struct files *files, struct file_id above, const char *name, uint32_t mode);
struct file_id files_make(struct files *files, struct file_id above, const char *name, uint32_t mode);
/* A directory in the root that everyone may write into. */
struct file_id files_make_shared(struct files *files, const char *name);
void files_report_space(struct files *files, bool low);

/* Attributes with an owner, a group, or both. */
Qnfs__Attributes files_owner(uint32_t mask, uint32_t owner, uint32_t group);
/* Attributes with only a mode. */
Qnfs__Attributes files_mode(uint32_t mode);
/* Somebody who is not root, without further groups. */
void files_become(struct files *files, uint32_t uid, uint32_t gid);

#endif
