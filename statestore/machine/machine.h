/* machine.h: the replicated state machine: a command in, its result and effects out, all changes in one transaction.
 *
 * Deterministic: equal state and equal command give equal bytes on every node. It cannot fail: an NFS error is a
 * result. The apply thread (or the simulator) calls, for each command of a committed entry in order:
 *
 *     transaction_init(...present...); machine_apply(...); kv_store_write(...); then effects, index, results. */
#ifndef STATESTORE_MACHINE_MACHINE_H
#define STATESTORE_MACHINE_MACHINE_H

#include "base/hash.h"
#include "proto/log.pb-c.h"
#include "statestore/machine/id.h"
#include "statestore/store/kv.h"

/* What became of a command. */
enum machine_outcome {
    MACHINE_EXECUTED = 0,
    MACHINE_REPLAYED = 1,    /* done before: the stored result */
    MACHINE_SUPERSEDED = 2,  /* of an older session epoch, slot seqid or closed incarnation: no effect, no reply */
    MACHINE_FALSE_RETRY = 3, /* equal seqid, unequal digest: no effect; NFS4ERR_SEQ_FALSE_RETRY */
};

/* Where a command stands: an entry's header (DESIGN.md section 12) and its place in the log. */
struct machine_position {
    uint64_t index;
    uint64_t term;
    uint32_t command;       /* position in the entry */
    uint32_t command_count; /* of the entry: after the last one, `applied` moves to the whole entry */
    uint32_t feature_level;
    uint64_t uptime_ms;
    int64_t wall_ns;
};

enum machine_effect_kind {
    EFFECT_STORE_BLOCK,     /* write the command's content as block `block`, before the transaction is written */
    EFFECT_PURGE,           /* something waits to be freed in steps: propose Purge */
    EFFECT_SESSION_LEFT,    /* `session` was attached elsewhere or destroyed: drop its slots, close its connections */
    EFFECT_CLIENT_GONE,     /* all of a client's sessions are gone */
    EFFECT_EXPORTS_CHANGED, /* the export table changed */
    EFFECT_SETTINGS_CHANGED,
    EFFECT_BLOCKS_DEAD,       /* blocks became garbage: sweep after the next flush */
    EFFECT_PROCESS_OPENED,    /* `incarnation` of `node` was registered */
    EFFECT_MEMBERS_CHANGED,   /* a node was given an id, removed, or shall vote */
    EFFECT_ADDRESSES_CHANGED, /* the table of floating addresses, or what nodes say about them */
    EFFECT_PROCESS_CLOSED,    /* it has no say any more: if it is this process, it must start anew */
};

struct machine_effect {
    enum machine_effect_kind kind;
    struct block_id block;
    struct session_id session;
    struct client_id client;
    struct incarnation_id incarnation;
    uint64_t node;
};

/* Result and effects of one command; lives in the command's arena. */
struct machine_answer {
    Qnfs__Result *result;
    struct machine_effect *effects;
    size_t effect_count;
};

/* What is kept in memory; can be rebuilt from the store by machine_load. Owned by the apply thread. */
struct machine {
    uint64_t command_number; /* of the last command */
    uint64_t uptime_ms;      /* last applied */
    uint64_t applied_index;  /* last entry with a command applied */
    uint64_t applied_term;
    uint32_t applied_command; /* how many commands of applied_index are done */
    uint32_t applied_count;   /* how many that entry has */
    bool created;             /* cluster_create has been applied */
    uint8_t cluster_id[16];
    struct siphash_key mac_key;
    uint32_t server_epoch;                  /* first 4 bytes of stateids */
    struct hash128 chain;                   /* over all replicated changes so far */
    uint64_t client_count;                  /* client records, confirmed or not */
    uint64_t courtesy_count;                /* of them, those whose lease has run out */
    uint64_t led_term;                      /* of the last command */
    uint64_t led_since_ms;                  /* uptime at that term's first command: no lease ends in its first period */
    struct incarnation_id incarnation_open; /* one that is known to be open: saves a read a command; 0: none */
};

/* Fills the machine from the store's meta rows (an empty store: all zero). */
void machine_load(struct machine *machine, struct kv_read *read, struct arena *arena);

/* True if the position is already in the state (to be skipped at replay of the log). Pure. */
bool machine_has_applied(const struct machine *machine, const struct machine_position *position);

/* The last entry whose commands are all in the state: what may be cut from the log, and what reads may count on. An entry
 * behind it may be half in: a crash can fall between two of its commands. Pure. */
uint64_t machine_whole_index(const struct machine *machine);

/* Executes one command. `command` is checked (nothing unset, nothing unknown: CHECK); `content` are the bytes of a
 * WRITE. All changes, the replay record and the applied row go into the transaction, and the chain hash moves. The
 * answer lives in `arena`, which must outlive the transaction. */
void machine_apply(struct machine *machine, struct transaction *transaction, const struct machine_position *position,
                   const Qnfs__Command *command, struct slice content, struct arena *arena,
                   struct machine_answer *answer);

/* Entries without commands (configuration, barrier) move the applied row alone. */
void machine_pass(struct machine *machine, struct transaction *transaction, uint64_t index, uint64_t term,
                  struct arena *arena);

/* Looks through the whole state for broken invariants (a dirent without its inode, link counts, overlapping extents,
 * locks that conflict, counters that do not add up ...). Returns how many; the first `room` bytes of text tell which.
 * Slow: `qnfsctl check`, tests. Pure over the view. */
size_t machine_check(struct kv_read *read, struct arena *arena, char *text, size_t room);

#endif
