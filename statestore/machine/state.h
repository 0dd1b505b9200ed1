/* state.h: what stateids stand for: an open of a file by an open owner, or the byte-range locks of a lock owner on a file
 * (RFC 8881 section 8.2; docs/formats/stateid.md). open.h and lock.h say what each kind means. */
#ifndef STATESTORE_MACHINE_STATE_H
#define STATESTORE_MACHINE_STATE_H

#include "proto/nfs4/types.h"
#include "statestore/machine/id.h"
#include "statestore/store/kv.h"

struct apply;

enum state_kind { STATE_OPEN = 1, STATE_LOCK = 2 };

struct state {
    struct stateid id; /* with the present seqid */
    enum state_kind kind;
    struct client_id client;
    struct file_id file;
    struct slice owner;     /* open owner or lock owner; lives in the arena it was read into */
    uint32_t access;        /* of an open: OPEN4_SHARE_ACCESS_* in force */
    uint32_t deny;          /* of an open: OPEN4_SHARE_DENY_* in force */
    uint16_t combinations;  /* of an open: which (access, deny) have been opened: bit (access - 1) * 4 + deny */
    uint8_t open_other[12]; /* of locks: the open they were taken under */
    uint64_t range_count;   /* of locks */
    uint64_t range_first;   /* of locks: none of their ranges begins before; 0 without any */
};

/* Reads the row of a stateid's `other`; true if it exists. Pure over the view. */
bool state_get(struct kv_read *read, const uint8_t other[12], struct arena *arena, struct state *state);

/* All zeros with seqid 0 (RFC 8881 section 8.2.3: the anonymous stateid), all ones (READ bypass), and the one that
 * stands for the compound's current stateid. Pure. */
bool stateid_is_anonymous(struct stateid stateid);
bool stateid_is_bypass(struct stateid stateid);
bool stateid_is_current(struct stateid stateid);

/* Finds what a client's stateid stands for. NFS4_OK; BAD_STATEID (special, unknown, another client's, a seqid that was
 * never given); OLD_STATEID (a seqid that has been replaced); STALE_STATEID (of another server epoch). Pure. */
enum nfsstat4 state_find(struct kv_read *read, struct stateid stateid, struct client_id client, uint32_t server_epoch,
                         struct arena *arena, struct state *state);

/* The answer of TEST_STATEID for one stateid. Pure over the view. */
enum nfsstat4 stateid_judge(struct kv_read *read, struct stateid stateid, struct client_id client,
                            uint32_t server_epoch, struct arena *arena);

/* Walks the opens and locks of a client in the order of their stateids. Close always. */
struct state_walk {
    struct kv_cursor cursor;
    struct kv_read *read;
    struct arena *arena;
};
void state_walk_open(struct kv_read *read, struct client_id client, struct arena *arena, struct state_walk *walk);
bool state_walk_get(struct state_walk *walk, struct state *state);
void state_walk_next(struct state_walk *walk);
void state_walk_close(struct state_walk *walk);

/* --- machine only --- */

/* state_find with the machine's epoch, for a file and a kind. */
enum nfsstat4 state_find_for(struct apply *apply, struct stateid stateid, struct client_id client, struct file_id file,
                             enum state_kind kind, struct state *state);

/* The first stateid of this command. */
struct stateid state_make_id(const struct apply *apply);

/* The next seqid; 0 is left out, since it stands for "the present one". */
void state_advance(struct state *state);

/* Writes the row; a new state also gets its rows by client, owner and file, and is counted. */
void state_put(struct apply *apply, const struct state *state);
void state_make(struct apply *apply, const struct state *state);

/* Removes the rows of state_make. Locks must have no ranges, an open no locks. */
void state_delete(struct apply *apply, const struct state *state);

/* The stateid that the owner has on the file; false if none. Pure over the view. */
bool state_of_owner(struct kv_read *read, enum state_kind kind, struct client_id client, struct slice owner,
                    struct file_id file, struct arena *arena, struct state *state);

/* Whether the rows by client and by owner, and the link from its open, are as state_make wrote them; for
 * check_opens.c. Pure over the view. */
bool state_is_indexed(struct kv_read *read, const struct state *state, struct arena *arena);

/* The lock states under an open, at most `room`; *more tells whether that was all. */
size_t state_locks_of_open(struct kv_read *read, const struct state *open, size_t room, struct arena *arena,
                           struct state **locks, bool *more);

/* Whether state_free_whole would end all of it. Pure over the view. */
bool state_free_fits(struct kv_read *read, const struct state *state, struct arena *arena);

/* Ends one open with its locks, or one lock state; false if more than CLIENT_STEP_ROWS would go: some are gone then. */
bool state_free_whole(struct apply *apply, struct state *state);

/* Frees state of a removed client, about `room` rows; true if more is left. */
bool state_free_client(struct apply *apply, struct client_id client, size_t room);

#endif
