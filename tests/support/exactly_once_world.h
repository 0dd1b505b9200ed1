/* exactly_once_world.h: the working directory of exactly_once.h as the test knows it, and the kinds of operations on it.
 * Internal to exactly_once. */
#ifndef TESTS_SUPPORT_EXACTLY_ONCE_WORLD_H
#define TESTS_SUPPORT_EXACTLY_ONCE_WORLD_H

#include "base/random.h"
#include "tests/support/nemesis.h"
#include "tests/support/rpc_peer.h"

#define WORLD_ENTRIES_MAX 40u
#define WORLD_NAME_BYTES 24u

/* What the model knows of one name. */
struct world_entry {
    char name[WORLD_NAME_BYTES]; /* "" : not used */
    enum nfs_ftype4 type;
    uint8_t handle[NFS4_FHANDLE_MAX_BYTES];
    size_t handle_bytes;
    bool open;        /* by an owner that is called as the entry */
    bool opened_read; /* once more, for READ: a downgrade to READ is possible, once */
    struct stateid4 open_stateid;
};

struct world {
    struct rpc_peer worker;
    struct rpc_peer observer;
    struct random_seeded random;
    char directory_name[48];
    struct slice directory; /* handle, in `lasting` */
    struct arena lasting;
    struct world_entry entries[WORLD_ENTRIES_MAX];
    uint32_t next_name;

    /* One file that stays open: for locks and appends. */
    struct world_entry data;
    uint64_t data_size;
    bool lock_owner_known;
    struct stateid4 lock_stateid;
    bool locked;
    uint64_t lock_offset;

    /* Kills of the server between request and reply. */
    const char *kill_command; /* NULL: none */
    struct nemesis nemesis;   /* in its place */
    uint32_t kill_percent;
    uint32_t kills;

    /* What the present operation is about; set by `build`, used by `accept`. */
    struct world_entry *subject;
    char new_name[WORLD_NAME_BYTES];
    uint32_t amount;
    struct arena scratch; /* of one operation */
};

/* What the observer sees. */
struct world_snapshot {
    struct slice bytes; /* attributes of the directory and of all entries, as they came */
    uint64_t directory_change;
    uint32_t directory_links;
};

/* A kind of change. */
struct world_kind {
    const char *name;
    enum nfsstat4 expected;
    bool in_steps; /* several changes: an observer may see some of them before the others */
    /* Whether there is something to do it with; then it sets what `build` needs. */
    bool (*choose)(struct world *world);
    /* Appends its operations behind SEQUENCE. */
    void (*build)(struct world *world, struct nfs_compound_builder *builder);
    /* Walks the reply, checks it against the directory's change before and after, and changes the model. NULL when the
     * reply is as it must be, else what is wrong. */
    const char *(*accept)(struct world *world, struct nfs_reply *reply, uint64_t before, uint64_t after);
};

extern const struct world_kind world_kinds[];
extern const uint32_t world_kind_count;

/* Both clients, the working directory and the data file. NULL, or what went wrong. */
const char *world_begin(struct world *world, const struct rpc_servers *servers, const char *export_path, uint64_t seed);
/* Removes what it can and logs out. */
void world_end(struct world *world);

/* A number below `count`. */
uint32_t world_random(struct world *world, uint32_t count);

/* An entry that is not used, NULL if all are; and what becomes of it when it was made. */
struct world_entry *world_entry_unused(struct world *world);
void world_entry_set(struct world_entry *entry, const char *name, enum nfs_ftype4 type, struct slice handle);

/* A name that was never used. */
void world_name_make(struct world *world, char name[WORLD_NAME_BYTES]);

/* The next connection goes to a server at random. */
void world_move(struct world *world, struct rpc_peer *peer);

/* Lets the server die and come back, at random and a moment later. False when the command fails. */
bool world_maybe_kill(struct world *world);

/* Many requests at once, on slots of their own, so that their commands come into one log entry; all of them are lost and
 * sent again, all together. Their change infos must be links of one chain. NULL, or what is wrong. */
const char *world_burst(struct world *world);

/* The observer's view; false when the server does not answer. */
bool world_look(struct world *world, struct arena *arena, struct world_snapshot *snapshot);

/* Whether the names in a snapshot are those of the model; NULL or what is wrong. */
const char *world_compare(struct world *world, const struct world_snapshot *snapshot);

#endif
