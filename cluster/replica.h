/* replica.h: the door to the cluster: commands in, committed entries out. With one node it is the same door.
 *
 * Two actors stand behind it, each a step function over messages, driven by a thread of the shell or by the
 * simulator:
 *
 *   replica      (raft loop)   the raft core and its guard; never touches the disk
 *   log_writer   (its thread)  log segments and the vote record; the only one that writes them (log_writer.h)
 *
 * A proposal's life: a gateway loop sends a struct proposal; the replica packs all that wait into one entry
 * (DESIGN.md section 12), submits it to the core, asks the log writer to append it; the writer syncs and reports;
 * the core commits; the replica hands the entry to the apply thread. A replica that does not lead gives the proposal back, to
 * be sent to the leader; while there is none it waits. What was packed is lost when the entry of its index that is handed
 * out has another term, or one of a later term is handed out before: then it waits again. That an entry was truncated
 * proves nothing: a later leader may bring it back.
 *
 * The shell's part: it feeds every message that comes, one step each, and carries the actions out in their order,
 * all of them, before the next step. It feeds REPLICA_TICK at actions.deadline_ms. Every reply of the log writer and
 * every entry that was applied comes back as a message. While a vote is being saved the replica holds back what must
 * wait; the shell need not know. */
#ifndef CLUSTER_REPLICA_H
#define CLUSTER_REPLICA_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "base/slice.h"
#include "base/status.h"
#include "cluster/configuration.h"

/* Proposals that came together from another node, and what became of them. The replica counts down `left` while it packs
 * them, and drops those that still wait when it does not lead: they are the other node's to propose again. Once they are
 * packed it knows nothing of them any more. Whoever made the batch reads it after each step (forwarder.h). */
struct proposal_batch {
    uint32_t left;  /* in no entry yet, and not dropped; at 0 the replica is done with the batch and its proposals */
    bool dropped;   /* some are in no entry */
    uint64_t index; /* the last entry with one of them; 0: none */
    uint64_t term;  /* of all entries with one of them */
};

/* One command that wants to be in the log. The sender owns it (and the bytes) until the command's result has come
 * back to its ticket, or it was refused. The replica keeps it in its lists until the entry that holds it is handed to the
 * apply thread, which is before any result of it; if another entry has taken that one's place, it is packed again. */
struct proposal {
    struct list_link link;
    struct slice command;         /* a packed Qnfs__Command */
    struct slice content;         /* a WRITE's bytes, or empty */
    bool copied;                  /* made by proposal_copy: the cluster's own, freed by it when it is done with */
    struct proposal_batch *batch; /* it is part of this one, which owns it; NULL: of none */
};

/* A copy on the heap with its bytes, in no list and of no batch. */
struct proposal *proposal_copy(struct slice command, struct slice content);
/* Frees a copied proposal; leaves a sender's, or a batch's, alone. It must be in no list that goes on to be used. */
void proposal_done(struct proposal *proposal);

enum replica_entry_kind { REPLICA_ENTRY_COMMANDS, REPLICA_ENTRY_CONFIGURATION, REPLICA_ENTRY_BARRIER };

/* A log entry in memory. The bytes are those of DESIGN.md section 12 for COMMANDS, of configuration.h for
 * CONFIGURATION; a BARRIER has none (an empty buffer). */
struct replica_entry {
    uint64_t index;
    uint64_t term;
    enum replica_entry_kind kind;
    struct buffer *bytes; /* one owner goes along with the entry */
};

/* Whether the log has room on its disk. */
enum log_space {
    LOG_SPACE_GOOD,
    LOG_SPACE_LOW,  /* the reserve is in use and could not be renewed: flush, refuse what grows */
    LOG_SPACE_FULL, /* entries wait in memory for room: no proposal is packed until it is better */
};

/* --- into the replica --- */

enum replica_message_kind {
    REPLICA_START,          /* the first one: once, before any other */
    REPLICA_PROPOSE,        /* `proposals` */
    REPLICA_TICK,           /* the deadline has come; also harmless at any other time */
    REPLICA_PERSISTED,      /* log writer: all entries up to `index` are safe; `epoch` is the append's */
    REPLICA_VOTE_SAVED,     /* log writer */
    REPLICA_SNAPSHOT_SAVED, /* log writer: the snapshot record for `index` is safe */
    REPLICA_ENTRIES,        /* log writer: `entries` that were asked for */
    REPLICA_SPACE,          /* log writer: `space` has changed */
    REPLICA_APPLIED,        /* apply thread: every entry up to `index` is applied; the machine's `uptime_ms` */
    REPLICA_FLUSHED,        /* apply thread: a flush that covers `index` is complete: the log may be cut up to it */
    REPLICA_RECEIVE,        /* transport: `peer` has come; the step takes it over */
    REPLICA_INSTALLED, /* apply thread: the state is at `snapshot` by an install, durably; or, without one, it failed */
    REPLICA_INSTALL_SAVED, /* log writer: the log begins behind the installed snapshot */
    REPLICA_CHANGE,        /* operator: `change` of the membership, answered by REPLICA_ACTION_CHANGED */
    REPLICA_PIN,           /* a copy of the state is out: the log is kept above `index`; 0: no longer */
    REPLICA_TRANSFER,      /* operator or health: hand leadership to member `index` (0: any); no answer */
};

/* Who reads entries back from the log. */
enum log_reader { LOG_READER_APPLY, LOG_READER_PEER };

/* One change of the membership; one at a time. */
enum replica_change_kind {
    REPLICA_CHANGE_ADD,     /* a new member, as standby */
    REPLICA_CHANGE_PROMOTE, /* a standby becomes voter, as soon as it is close enough */
    REPLICA_CHANGE_DEMOTE,  /* a voter becomes standby */
    REPLICA_CHANGE_REMOVE,
};

struct replica_member_change {
    enum replica_change_kind kind;
    uint64_t id;
};

struct log_snapshot;
struct peer_message;

/* Made by whoever sends it (log_writer_step makes the writer's on the heap). The step takes what it needs out of it;
 * the memory stays the sender's or goes by replica_message_free. */
struct replica_message {
    struct list_link link; /* for the shell's inbox */
    enum replica_message_kind kind;
    enum log_space space;
    uint64_t index;
    uint64_t epoch;
    uint64_t uptime_ms;
    struct list proposals;         /* of struct proposal; empty after the step */
    struct replica_entry *entries; /* heap; the step takes the bytes' owners */
    uint32_t entry_count;
    enum log_reader reader;        /* of the entries */
    struct peer_message *peer;     /* heap (peer_message.h); NULL after the step */
    struct log_snapshot *snapshot; /* heap (log_writer.h); stays the message's */
    struct replica_member_change change;
};

/* Frees a message of log_writer_step, with the owners that no step has taken. */
void replica_message_free(struct replica_message *message);

/* --- out of the replica --- */

enum replica_role { REPLICA_FOLLOWER, REPLICA_CANDIDATE, REPLICA_LEADER };

enum replica_action_kind {
    REPLICA_ACTION_LOG,     /* post `request` (log_writer.h, owner goes along) to the log writer; order matters */
    REPLICA_ACTION_COMMIT,  /* publish `index` as committed, before any later action is carried out */
    REPLICA_ACTION_APPLY,   /* post `entry` (owner goes along) to the apply thread; in order, none missing */
    REPLICA_ACTION_ROLE,    /* `role`, `term`, `leader` (0: unknown) are new */
    REPLICA_ACTION_REFUSED, /* `proposal` will not be in the log, as too many wait */
    REPLICA_ACTION_SPACE,   /* `space` of the log has changed */
    REPLICA_ACTION_SEND,    /* send `peer` (owner goes along) to member peer->peer; it may be dropped */
    REPLICA_ACTION_FORWARD, /* `proposal` is for `leader`: it is copied at once, and then done with (forwarder.h) */
    /* Fetch a snapshot from member `leader` that reaches at least `snapshot` (valid until the next step), put it in place of
     * the state, and say REPLICA_INSTALLED. The apply thread goes on meanwhile, and skips entries that the state has. */
    REPLICA_ACTION_INSTALL,
    REPLICA_ACTION_CHANGED, /* `change` was proposed at `index` (STATUS_OK), or will not be: `status` */
};

struct replica_action {
    struct replica_action *next;
    enum replica_action_kind kind;
    enum replica_role role;
    enum log_space space;
    uint64_t index;
    uint64_t term;
    uint64_t leader;
    struct log_request *request;
    struct replica_entry entry;
    struct proposal *proposal;
    struct peer_message *peer;
    const struct log_snapshot *snapshot;
    struct replica_member_change change;
    enum status status; /* REFUSED: no leader, no such member, last voter; FULL: a later one has taken its place */
};

/* The list of one step; the memory is its arena's and lives until the next step. */
struct replica_actions {
    struct arena arena;
    struct replica_action *first;
    struct replica_action **last;
    uint64_t deadline_ms; /* feed REPLICA_TICK then */
};

void replica_actions_init(struct replica_actions *actions);
void replica_actions_fini(struct replica_actions *actions);

struct replica; /* owned by the raft loop */
struct log_recovered;

struct replica_options {
    uint64_t id;   /* this node */
    uint64_t seed; /* for election time-outs */
    uint32_t election_ms;
    uint32_t heartbeat_ms;
    uint64_t applied_index;  /* what the state stands at: entries above it are handed out, read from the log again */
    uint64_t uptime_ms;      /* the machine's last one */
    uint32_t feature_level;  /* stamped on entries */
    uint64_t trailing_bytes; /* of the log, kept for members that lag when it is cut; 0: LOG_TRAILING_BYTES */
    uint64_t append_bytes;   /* of the entries in one message; 0: PEER_APPEND_BYTES */
};

/* A replica that continues the recovered log (copied as needed; the caller may drop it afterwards). CHECKs that the
 * state is not behind the log's start. */
struct replica *replica_create(const struct replica_options *options, const struct log_recovered *recovered);
/* Gives back everything, whatever was under way. Proposals that are not in a handed entry: copied ones are freed, the others
 * are their sender's or their batch's. */
void replica_destroy(struct replica *replica);

/* One event. now_ms is boot time (clock.h), never going back, over 0; wall_ns the wall clock. *actions is emptied
 * first. Never waits; a broken invariant of the core is a CHECK. */
void replica_step(struct replica *replica, struct replica_message *message, uint64_t now_ms, int64_t wall_ns,
                  struct replica_actions *actions);

/* What the raft loop's other actors go by (raft_loop.h): as of the newest step, also what waits for a vote to be saved. */
struct replica_view {
    bool leads;
    bool may_lease; /* G14: it leads, and has not told another member to take over in this term */
    bool committed; /* leading: an entry of this term is published as committed */
    bool applied;   /* leading: an entry of this term is applied here */
    uint64_t term;
    uint64_t leader;       /* of this term; 0: unknown */
    uint64_t commit_index; /* published */
    uint64_t applied_index;
    uint64_t flushed_index;
    uint64_t configuration_index;
    const struct configuration *configuration; /* the newest of the log; until the next step */
};
void replica_view(const struct replica *replica, struct replica_view *view);

/* G14: for promise_ms from now_ms (as in replica_step) this node takes part in no election; true if it follows in `term`. False:
 * nothing is promised. */
bool replica_promise(struct replica *replica, uint64_t term, uint64_t now_ms, uint64_t promise_ms);

/* Leading: up to where member `id` has the log; 0: not known. */
uint64_t replica_match_index(const struct replica *replica, uint64_t id);

/* For status pages and metrics; the raft loop only. */
struct replica_status {
    enum replica_role role;
    uint64_t term;
    uint64_t leader;
    uint64_t last_index;
    uint64_t durable_index;
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t snapshot_index; /* up to which the log is cut */
    uint64_t waiting;        /* proposals not yet packed */
    struct configuration configuration;
};

void replica_status(const struct replica *replica, struct replica_status *status);

#endif
