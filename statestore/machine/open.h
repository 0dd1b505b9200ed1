/* open.h: opens of files with their share reservations (RFC 8881 section 9.7). The state of an open is a struct state of
 * kind STATE_OPEN; a row a file sums up what all its opens want and deny, so that most OPENs look at nothing else. */
#ifndef STATESTORE_MACHINE_OPEN_H
#define STATESTORE_MACHINE_OPEN_H

#include "statestore/machine/state.h"

struct inode;

/* How many opens of a file read, write, deny reading, deny writing; and what there is of locked byte ranges. */
struct open_share {
    uint64_t open_count;
    uint64_t read_count;
    uint64_t write_count;
    uint64_t deny_read_count;
    uint64_t deny_write_count;
    uint64_t range_count;
    uint64_t range_span; /* no range reaches further behind its first byte than this: where a search must begin */
};

/* False if nobody has the file open; *share is then zero. Pure over the view. */
bool open_share_get(struct kv_read *read, struct file_id file, struct arena *arena, struct open_share *share);

/* Walks the opens of a file in the order of their stateids. Close always. */
struct open_walk {
    struct kv_cursor cursor;
    struct kv_read *read;
    struct arena *arena;
};
void open_walk_open(struct kv_read *read, struct file_id file, struct arena *arena, struct open_walk *walk);
bool open_walk_get(struct open_walk *walk, struct state *state);
void open_walk_next(struct open_walk *walk);
void open_walk_close(struct open_walk *walk);

/* Whether an open of a live client denies this access to whoever has no open himself. Pure over the view. */
bool open_denied(struct kv_read *read, struct file_id file, uint32_t access, struct arena *arena);

/* --- machine only (open_share.c) --- */

/* Judges what an open wants against all other opens of the file (`own`: the stateid that is being upgraded, or NULL).
 * NFS4_OK; NFS4ERR_SHARE_DENIED. Courtesy clients that are in the way are removed if they alone are, which may take
 * more than one command: NFS4ERR_DELAY. */
enum nfsstat4 open_judge_share(struct apply *apply, struct file_id file, uint32_t access, uint32_t deny,
                               const struct state *own);

/* A new open: its state and the rows of its file. */
void open_make(struct apply *apply, const struct state *state);

/* An open's access and deny become state->access and state->deny; they were those given. Writes the state too. */
void open_change(struct apply *apply, const struct state *state, uint32_t access_before, uint32_t deny_before);

/* Ends an open whose locks are gone; an orphan's last one frees the file. */
void open_free(struct apply *apply, const struct state *state);

/* Counts the file's locked ranges up or down; `span` is the longest of those that came: last byte - first byte. */
void open_share_add_ranges(struct apply *apply, struct file_id file, int64_t ranges, uint64_t span);

#endif
