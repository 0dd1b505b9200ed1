/* model.h: the reference: what a small file system with opens and locks is, in the plainest form: arrays that are
 * searched from one end to the other. It executes the clients' steps one after the other, in the order in which the
 * machine did, and is copied whole for every version. */
#ifndef TESTS_SIM_MODEL_H
#define TESTS_SIM_MODEL_H

#include "tests/sim/step.h"

#define MODEL_INODES_MAX 600u /* ever made; numbers are not used again */
#define MODEL_ENTRIES_MAX 96u
#define MODEL_OPENS_MAX 64u
#define MODEL_LOCKS_MAX 96u
#define MODEL_FILE_MAX_BYTES (512u << 10)
#define MODEL_ROOT 0u

/* The bytes of a file, shared by all versions that have the same. */
struct model_content {
    uint32_t owners;
    size_t size_bytes;
    uint8_t bytes[];
};

struct model_inode {
    bool exists;
    bool is_directory;
    bool exclusive; /* made by exclusive create and not changed by SETATTR since: `verifier` counts */
    uint16_t parent;
    uint32_t link_count;
    uint32_t mode;
    uint64_t change;
    uint64_t verifier;
    struct model_content *content; /* NULL: empty */
};

struct model_entry {
    bool used;
    uint16_t directory;
    uint16_t inode;
    char name[STEP_NAME_BYTES];
};

struct model_open {
    bool used;
    bool courtesy; /* its client's lease has run out: it stops nobody */
    uint16_t inode;
    uint32_t client;
    uint32_t owner;
    uint32_t access;
    uint32_t deny;
};

/* A range held by a lock owner; each open owner has one lock owner of the same number. */
struct model_lock {
    bool used;
    bool exclusive;
    uint16_t inode;
    uint32_t client;
    uint32_t owner;
    uint64_t first;
    uint64_t last; /* the byte itself belongs to it */
};

struct model {
    uint32_t references; /* of the history */
    uint16_t inode_count;
    struct model_inode inodes[MODEL_INODES_MAX];
    struct model_entry entries[MODEL_ENTRIES_MAX];
    struct model_open opens[MODEL_OPENS_MAX];
    struct model_lock locks[MODEL_LOCKS_MAX];
};

/* With the root directory alone. */
struct model *model_create(void);
struct model *model_copy(const struct model *model);
void model_destroy(struct model *model);

/* Executes a step of a client as command `number`; with `dry` only says what would come of it (inode and changes are
 * then open). Reads give their status and inode. */
struct outcome model_execute(struct model *model, const struct step *step, uint32_t client, uint64_t number, bool dry);

/* A client is gone: what it has open and locked is free. True if there was anything. */
bool model_client_gone(struct model *model, uint32_t client);
/* The client's lease has run out, or it is alive again. True if that changes anything; with `dry` changes nothing. */
bool model_client_courtesy(struct model *model, uint32_t client, bool courtesy, bool dry);
/* Whether it holds anything. */
bool model_client_holds(const struct model *model, uint32_t client);

/* --- what is there --- */

uint64_t model_size(const struct model *model, uint16_t inode);
/* The entry of a name, or NULL. */
const struct model_entry *model_find(const struct model *model, uint16_t directory, const char *name);
uint32_t model_entry_count(const struct model *model, uint16_t directory);
const struct model_open *model_open_of(const struct model *model, uint32_t client, uint32_t owner, uint16_t inode);
bool model_has_locks(const struct model *model, uint32_t client, uint32_t owner, uint16_t inode);
bool model_is_open(const struct model *model, uint16_t inode);
/* Free places, so that generators stay within the arrays. */
bool model_has_room(const struct model *model);

/* A lock that stands against the range, or NULL (model_lock.c). */
const struct model_lock *model_lock_conflict(const struct model *model, const struct step *step, uint32_t client);
/* Gives the range to its owner, or takes it away; true if a lock was split in two. */
bool model_lock_set(struct model *model, const struct step *step, uint32_t client, bool locked);
/* All of an owner's locks on a file. */
void model_lock_drop(struct model *model, uint32_t client, uint32_t owner, uint16_t inode);

#endif
