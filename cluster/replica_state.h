/* replica_state.h: what the replica knows; shared by the replica's own files. Nobody else includes it.
 *
 *   replica.c          the step: messages in, what follows from them, actions out
 *   replica_core.c     events to the raft core, and its updates
 *   replica_receive.c  messages of other members, one by one into the core
 *   replica_send.c     messages to other members: entries found, cut into pieces, held where they must be
 *   replica_install.c  snapshots of other members
 *   replica_change.c   membership, leadership transfer
 *   replica_proposals.c  commands that wait, and those in entries that are not handed out yet */
#ifndef CLUSTER_REPLICA_STATE_H
#define CLUSTER_REPLICA_STATE_H

#include "cluster/entry_window.h"
#include "cluster/log_sizes.h"
#include "cluster/log_writer.h"
#include "cluster/peer_message.h"
#include "cluster/raft_guard.h"

/* A CONFIGURATION entry of the log. */
struct replica_change {
    uint64_t index;
    struct configuration configuration;
};

/* What a leader knows of another member, in its term. */
struct replica_peer {
    uint64_t id;
    uint64_t notified_index; /* committed, and said to be */
    uint64_t sent_ms;        /* something went out */
    uint64_t read_index;     /* where the newest part that was read back from the log begins, */
    uint64_t read_ms;        /* and when */

    /* entries that the core wants it to get, and that are not sent yet */
    uint64_t count;
    uint64_t previous_index;
    uint64_t previous_term;
    uint64_t commit_index;
};

/* How far an install is. */
enum replica_install_state {
    INSTALL_NONE,
    INSTALL_FETCHING, /* the shell has been asked */
    INSTALL_PLACED,   /* the state is there; the core is to be told as soon as it has a leader */
    INSTALL_SAVING,   /* the core knows; the log writer is at it */
    INSTALL_SAVED,    /* the core is to be told that it is done */
};

struct replica {
    struct replica_options options;
    struct raft_guard guard;
    struct log_terms terms;
    struct log_sizes sizes;
    struct entry_window window;
    struct replica_change *changes; /* ascending; heap */
    size_t change_count;
    size_t change_capacity;
    struct log_snapshot snapshot; /* up to which the log may be missing */

    /* how far things are; each at most the one before it, but for durable and commit, which race */
    uint64_t last_index;
    uint64_t durable_index;
    uint64_t reported_index;    /* of durable_index, the core knows this */
    uint64_t scanned_index;     /* committed configurations up to here were told to the core */
    uint64_t core_commit_index; /* committed before the core's newest step */
    uint64_t published_index;   /* as committed */
    uint64_t handed_index;      /* to the apply thread */
    uint64_t applied_index;

    /* truncation (followers): reports of older epochs count only below the floor */
    uint64_t epoch;
    uint64_t epoch_floor;

    /* a term or vote that is being saved: the core gets no event, and nothing is sent */
    bool saving_vote;
    bool started;
    uint64_t start_term;
    uint64_t start_vote;

    bool reading; /* entries were asked for */
    uint64_t flushed_index;
    uint64_t pinned_index; /* the log is kept above it; 0: no matter */
    bool saving_snapshot;  /* next_snapshot is at the log writer */
    bool snapshot_saved;   /* and safe; the core is to be told */
    struct log_snapshot next_snapshot;
    enum log_space space;

    struct list waiting; /* proposals */
    uint64_t waiting_count;
    uint64_t waiting_bytes;
    uint64_t waiting_foreign; /* of them, of a batch */
    struct list packed;       /* of struct packed_entry (replica_proposals.c), in the order of their packing */
    uint64_t packed_count;

    /* other members */
    struct list received; /* of struct peer_message, for the core; owned */
    uint32_t received_count;
    uint64_t received_bytes;    /* of their entries */
    struct list outgoing;       /* of struct peer_message, for REPLICA_ACTION_SEND; owned */
    uint64_t leader_term;       /* the term in which the core's leader was seen */
    struct replica_peer *peers; /* heap; while leading, those that something was sent to */
    size_t peer_count;
    uint64_t peer_reading; /* entries were asked for, for this member; 0: none */

    enum replica_install_state install_state;
    struct log_snapshot install;
    uint64_t install_from;
    uint64_t install_term; /* of the message */

    struct replica_member_change change;
    bool change_waits;
    bool transfer_waits;
    uint64_t transfer_to;

    /* DESIGN.md section 4: uptime_ms stands still without a leader */
    uint64_t uptime_base_ms;
    uint64_t uptime_stamped_ms;
    uint64_t led_since_ms;
    uint64_t led_from_index; /* entries above it are of this leader's term */

    uint64_t now_ms;
    int64_t wall_ns;
    uint64_t deadline_ms;
    enum replica_role role;
    uint64_t term;
    uint64_t leader;
    struct replica_actions *actions; /* of the step that runs */
};

/* --- replica.c --- */

/* A new action at the end of this step's list. */
struct replica_action *replica_act(struct replica *replica, enum replica_action_kind kind);
/* A request to the log writer as an action. */
struct log_request *replica_log(struct replica *replica, enum log_request_kind kind);

/* The configuration in force at an index; *configuration_index is its entry's. */
const struct configuration *replica_configuration(const struct replica *replica, uint64_t index,
                                                  uint64_t *configuration_index);
/* A CONFIGURATION entry is at the end of the log. */
void replica_add_change(struct replica *replica, uint64_t index, const struct configuration *configuration);

/* Whom the core takes for the leader of its term; 0: unknown. */
uint64_t replica_leader(const struct replica *replica);

static inline bool replica_leads(const struct replica *replica)
{
    return guard_state(&replica->guard) == RAFT_LEADER;
}

/* --- replica_core.c: one event each; all CHECK that no vote is being saved --- */

/* What a step was about, for the entries of its update. */
struct core_entries {
    const struct replica_entry *entries; /* in the order of the event's */
    const struct raft_entry *raft;
    uint32_t count;
};

/* RAFT_START with everything that was recovered. */
void replica_core_start(struct replica *replica);
/* RAFT_TIMEOUT. */
void replica_core_timeout(struct replica *replica);
/* RAFT_RECEIVE; `given` is what an append carries. */
void replica_core_receive(struct replica *replica, struct raft_message *message, const struct core_entries *given);
/* RAFT_PERSISTED_ENTRIES up to durable_index. */
void replica_core_persisted(struct replica *replica);
/* RAFT_CONFIGURATION for the next committed one; false if there is none. */
bool replica_core_configure(struct replica *replica);
/* RAFT_CONFIGURATION for the one at index, which the log has. */
void replica_core_confirm(struct replica *replica, uint64_t index);
/* RAFT_SNAPSHOT for next_snapshot. */
void replica_core_snapshot(struct replica *replica);
/* RAFT_PERSISTED_SNAPSHOT for what was installed. */
void replica_core_installed(struct replica *replica);
/* RAFT_SUBMIT of one entry; the owner of the bytes goes along. The node must lead, and not be handing
 * leadership over. */
void replica_core_submit(struct replica *replica, enum replica_entry_kind kind, struct buffer *bytes);
/* RAFT_TRANSFER; the core may refuse it. */
void replica_core_transfer(struct replica *replica, uint64_t id);
/* Into the library's form; the servers are raft_malloc'd. */
void replica_configuration_convert(const struct configuration *configuration, struct raft_configuration *target);

/* --- replica_receive.c --- */

/* Takes the message over. */
void replica_receive(struct replica *replica, struct peer_message *message);
/* The next one, or its next piece, goes into the core; false if there is none. */
bool replica_receive_next(struct replica *replica);

/* --- replica_send.c --- */

/* Messages of an update of the core; `submitted`: of a RAFT_SUBMIT. */
void replica_send_take(struct replica *replica, const struct raft_update *update, bool submitted);
/* Entries that were read back for a member. */
void replica_send_entries(struct replica *replica, struct replica_message *message);
/* Appends that may go, commit notices, and the actions for all that goes out. No vote is being saved. */
void replica_send_advance(struct replica *replica);
/* Forgets what was queued for whom: leadership has begun or ended. */
void replica_send_reset(struct replica *replica);
/* Entries that nobody needs in memory any more. */
void replica_window_trim(struct replica *replica);

/* --- replica_install.c --- */

/* A SNAPSHOT message has come; false: it is for the core to answer. Takes it over if true. */
bool replica_install_take(struct replica *replica, struct peer_message *message);
/* The shell is done. */
void replica_install_placed(struct replica *replica, const struct log_snapshot *snapshot);
/* What is next; false if nothing is due. */
bool replica_install_next(struct replica *replica);
/* RAFT_UPDATE_SNAPSHOT: the core begins anew behind the snapshot. */
void replica_install_begin(struct replica *replica, struct raft_update *update);

/* --- replica_proposals.c --- */

void replica_proposals_init(struct replica *replica);
void replica_proposals_fini(struct replica *replica);
/* REPLICA_PROPOSE: they wait, but those that are too many. */
void replica_proposals_take(struct replica *replica, struct list *proposals);
/* An entry of what waits is submitted; false if nothing waits or it must wait. */
bool replica_proposals_pack(struct replica *replica);
/* An entry is handed out: what it holds is done with. True: others are lost by that, and wait again. */
bool replica_proposals_handed(struct replica *replica, uint64_t index, uint64_t term);
/* The state has jumped there: nobody knows what the entries up to there hold; they wait again. */
void replica_proposals_jumped(struct replica *replica, uint64_t index);
/* Who does not lead gives its own proposals to the one that does, and drops those of others. */
void replica_proposals_forward(struct replica *replica);
/* Leadership of a term is over: those of others that wait are dropped. */
void replica_proposals_drop(struct replica *replica);

/* --- replica_change.c --- */

void replica_change_take(struct replica *replica, const struct replica_member_change *change);
/* What is due of change and transfer; false if nothing is. */
bool replica_change_next(struct replica *replica);

#endif
