/* replica_state.h: what the replica knows; shared by replica.c (the step) and replica_core.c (events and updates of the
 * raft core). Nobody else includes it. */
#ifndef CLUSTER_REPLICA_STATE_H
#define CLUSTER_REPLICA_STATE_H

#include "cluster/entry_window.h"
#include "cluster/log_writer.h"
#include "cluster/raft_guard.h"

/* A CONFIGURATION entry of the log. */
struct replica_change {
    uint64_t index;
    struct configuration configuration;
};

struct replica {
    struct replica_options options;
    struct raft_guard guard;
    struct log_terms terms;
    struct entry_window window;     /* above the applied entry */
    struct replica_change *changes; /* ascending; heap */
    size_t change_count;
    size_t change_capacity;
    struct log_snapshot snapshot; /* up to which the log may be missing */

    /* how far things are; each at most the one before it, but for durable and commit, which race */
    uint64_t last_index;
    uint64_t durable_index;
    uint64_t reported_index;  /* of durable_index, the core knows this */
    uint64_t scanned_index;   /* committed configurations up to here were told to the core */
    uint64_t published_index; /* as committed */
    uint64_t handed_index;    /* to the apply thread */
    uint64_t applied_index;

    /* truncation (followers): reports of older epochs count only below the floor */
    uint64_t epoch;
    uint64_t epoch_floor;

    /* a term or vote that is being saved: the core gets no event */
    bool saving_vote;
    bool started;
    uint64_t start_term;
    uint64_t start_vote;

    bool reading; /* entries were asked for */
    uint64_t flushed_index;
    bool saving_snapshot; /* next_snapshot is at the log writer */
    bool snapshot_saved;  /* and safe; the core is to be told */
    struct log_snapshot next_snapshot;
    enum log_space space;

    struct list waiting; /* proposals */
    uint64_t waiting_count;
    uint64_t waiting_bytes;

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

/* A new action at the end of this step's list. */
struct replica_action *replica_act(struct replica *replica, enum replica_action_kind kind);

/* The configuration in force at an index; *configuration_index is its entry's. */
const struct configuration *replica_configuration(const struct replica *replica, uint64_t index,
                                                  uint64_t *configuration_index);
/* A CONFIGURATION entry is at the end of the log. */
void replica_add_change(struct replica *replica, uint64_t index, const struct configuration *configuration);

/* --- replica_core.c: one event each; all CHECK that no vote is being saved --- */

/* RAFT_START with everything that was recovered. */
void replica_core_start(struct replica *replica);
/* RAFT_TIMEOUT. */
void replica_core_timeout(struct replica *replica);
/* RAFT_PERSISTED_ENTRIES up to durable_index. */
void replica_core_persisted(struct replica *replica);
/* RAFT_CONFIGURATION for the next committed one; false if there is none. */
bool replica_core_configure(struct replica *replica);
/* RAFT_SNAPSHOT for next_snapshot. */
void replica_core_snapshot(struct replica *replica);
/* RAFT_SUBMIT of one entry; the owner of the bytes goes along. The node must lead. */
void replica_core_submit(struct replica *replica, enum replica_entry_kind kind, struct buffer *bytes);

#endif
