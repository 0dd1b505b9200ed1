/* applier.h: the actor that applies committed entries: the only writer of the state.
 *
 * The commands of an entry make one batch: for each machine_apply over what those before it have changed, and the block
 * that it stores; then the batch is written, then the published counters, then the results. So a row that many commands
 * change is written once, and nobody sees half of a batch. It also decides when a flush is due; the flush itself runs beside it (flusher.h), since it takes long. */
#ifndef SERVER_DAEMON_APPLIER_H
#define SERVER_DAEMON_APPLIER_H

#include "base/buffer.h"
#include "blockstore/block.h"
#include "cluster/log_writer.h"
#include "cluster/replica.h"
#include "server/daemon/published.h"
#include "statestore/machine/garbage.h"
#include "statestore/machine/machine.h"

/* The loop number of tickets that belong to the steward. */
#define APPLIER_LOOP_STEWARD UINT32_MAX

enum applier_action_kind {
    APPLIER_RESULT, /* `bytes` (one owner goes along): the packed result for `place` of `loop` */
    APPLIER_EFFECT, /* `effect` happened: to every loop and to the steward */
    APPLIER_FLUSH,  /* start a flush of the state as it is now: `index`, `number` */
    APPLIER_HASH,   /* the chain hash of the state is `hash` at entry `index`: to be compared with other nodes' */
};

struct applier_action {
    struct applier_action *next;
    enum applier_action_kind kind;
    uint32_t loop;
    uint64_t place;
    struct buffer *bytes;
    struct machine_effect effect;
    uint64_t index;
    uint64_t number;
    struct hash128 hash;
};

/* Commands that are applied, and whose rows are not written yet. */
struct applier_batch {
    struct arena arena; /* of its rows */
    struct transaction rows;
    struct machine before; /* what a full disk takes us back to */
    struct incarnation_id incarnation;
    uint64_t commands;
    uint64_t bytes;
    uint64_t content;
    uint64_t sessions_left;
    struct applier_action *first; /* to be carried out once it is written */
    struct applier_action **last;
};

struct applier {
    struct machine machine;
    struct kv_store *store;
    struct block_store *blocks;
    struct published *published;
    uint64_t nonce;                    /* in tickets sent before the registration */
    struct incarnation_id incarnation; /* of this process, once it is registered */
    struct garbage swept;              /* all garbage up to here is removed; 0: none yet */
    struct garbage swept_synced;       /* the same, for good once the flush under way has ended */
    bool flushing;
    uint64_t commands_since_flush;
    uint64_t bytes_since_flush;
    uint64_t content_since_flush;
    uint64_t batch_commands; /* at most so many in a batch; a test may take fewer */
    struct applier_batch batch;
    struct arena arena;         /* of one command */
    struct arena actions_arena; /* of one step */
    struct applier_action *first;
    struct applier_action **last;
#ifdef QNFS_PLANT_REPLY_BEFORE_APPLY
    struct arena held_arena; /* of the batch that is written when the next one begins */
    struct transaction held;
    bool holds;
#endif
};

/* Loads the machine from the store; publishes where it stands. The store and the blocks are not owned. */
void applier_init(struct applier *applier, struct kv_store *store, struct block_store *blocks,
                  struct published *published, uint64_t nonce);
void applier_fini(struct applier *applier);

/* Applies one committed entry, or what of it is not in the state yet. STATUS_OK: *actions are to be carried out.
 * STATUS_NO_SPACE: the disk is full; *actions are those of the commands that were done; call again with the same entry
 * after a while. STATUS_IO, STATUS_BAD_DATA (an entry that does not decode, a command of a newer version): the node must
 * stop. The actions live until the next call. */
MUST_CHECK enum status applier_step(struct applier *applier, const struct replica_entry *entry,
                                    struct applier_action **actions);

/* The flush that APPLIER_FLUSH asked for is done: notes in the state that blocks of entries up to `index` are synced, and
 * drops the rows of garbage that was removed before it. STATUS_NO_SPACE (call again), STATUS_IO. */
MUST_CHECK enum status applier_flushed(struct applier *applier, uint64_t index);

/* The bytes of all garbage up to this one are removed: with the next flush they are so for good, and the rows go. */
void applier_swept(struct applier *applier, const struct garbage *garbage);

/* Entries up to this one need no applier_redo_blocks. */
uint64_t applier_synced_index(struct applier *applier);

/* A copy of the state as it stands now, and what is said of it in a manifest. */
struct applier_copy {
    struct log_snapshot log; /* cut_index is index */
    uint64_t command_number;
    struct hash128 chain;
    uint8_t cluster_id[16];
    struct kv_read *view; /* of the same state; released by whoever asked for the copy */
};

/* Makes a copy in the new directory `path`, by hard links where that can be. STATUS_REFUSED: there is nothing to copy.
 * STATUS_NO_SPACE (also: an entry waits in its middle for room), STATUS_IO. */
MUST_CHECK enum status applier_copy(struct applier *applier, const char *path, struct applier_copy *copy);

/* Asks for a flush now, whatever has come since the last one; NULL if one is under way. */
struct applier_action *applier_flush_now(struct applier *applier);

/* At the start, before anything is applied: writes the blocks of an entry that is (partly) in the state already again,
 * since RocksDB may have been ahead of the block files at the crash (DESIGN.md section 7). `number` is the command number
 * of the entry's first command. STATUS_IO, STATUS_NO_SPACE, STATUS_BAD_DATA. */
MUST_CHECK enum status applier_redo_blocks(struct applier *applier, const struct replica_entry *entry, uint64_t number);

#endif
