/* lock.h: byte-range locks with POSIX semantics (RFC 8881 sections 9.1 to 9.6, 18.10 to 18.12): the ranges of one lock
 * owner on a file never overlap, a lock replaces what the owner had there, an unlock may split a range. The state of a
 * lock owner on a file is a struct state of kind STATE_LOCK. */
#ifndef STATESTORE_MACHINE_LOCK_H
#define STATESTORE_MACHINE_LOCK_H

#include "statestore/machine/state.h"

struct lock_range {
    uint64_t first;
    uint64_t last; /* inclusive; UINT64_MAX: to the end of the file, however far */
    bool is_write;
    uint8_t other[12]; /* of the lock owner's state */
};

/* Walks all locked ranges of a file by their first byte. Close always. */
struct lock_walk {
    struct kv_cursor cursor;
};
void lock_walk_open(struct kv_read *read, struct file_id file, struct arena *arena, struct lock_walk *walk);
/* The same from the first range on that can reach `first`: databases lock thousands of single records of a file. */
void lock_walk_open_at(struct kv_read *read, struct file_id file, uint64_t first, struct arena *arena,
                       struct lock_walk *walk);
/* The same from the first range on that begins at or behind `first`. */
void lock_walk_open_from(struct kv_read *read, struct file_id file, uint64_t first, struct arena *arena,
                         struct lock_walk *walk);
bool lock_walk_get(const struct lock_walk *walk, struct lock_range *range);
void lock_walk_next(struct lock_walk *walk);
void lock_walk_close(struct lock_walk *walk);

/* What is asked for, as it stands on the wire. */
struct lock_request {
    uint32_t type; /* nfs_lock_type4; the waiting kinds are judged like the others */
    uint64_t offset;
    uint64_t length; /* all ones: to the end */
};

/* Who is in the way, as LOCK4denied wants it. */
struct lock_conflict {
    uint64_t offset;
    uint64_t length;
    uint32_t type; /* READ_LT or WRITE_LT */
    struct client_id client;
    struct slice owner; /* in the arena */
};

/* NFS4ERR_INVAL for a range of length 0 or beyond 2^64 - 1, and for a type that is none. Pure. */
enum nfsstat4 lock_request_range(const struct lock_request *request, struct lock_range *range);

/* LOCKT: whether the owner would get the lock. NFS4_OK; NFS4ERR_DENIED with *conflict; NFS4ERR_INVAL. Courtesy clients
 * are in nobody's way. Pure over the view. */
enum nfsstat4 lock_test(struct kv_read *read, struct file_id file, struct client_id client, struct slice owner,
                        const struct lock_request *request, struct arena *arena, struct lock_conflict *conflict);

/* --- machine only --- */

/* Ends a lock state with all its ranges; returns how many there were. */
size_t lock_free(struct apply *apply, struct state *state);

#endif
