/* Snapshots of other members. The core is told only when the files are in place: until then this node goes on as a voter
 * with its old log. The way of an install: message -> the shell fetches (FETCHING) -> the state is swapped (PLACED) -> the
 * core takes the message (SAVING: the log writer begins the log anew) -> SAVED -> the core knows that it is durable. */
#include "base/check.h"
#include "base/heap.h"
#include "cluster/replica_state.h"

bool replica_install_take(struct replica *replica, struct peer_message *message)
{
    const struct log_snapshot *snapshot = message->snapshot;
    /* An old leader, or one that does not know what we have, gets the core's answer. */
    if (message->term < raft_current_term(&replica->guard.raft) || replica->snapshot.index >= snapshot->index ||
        log_terms_find(&replica->terms, snapshot->index) == snapshot->term)
        return replica->install_state >= INSTALL_SAVING ? (peer_message_free(message), true) : false;
    if (replica->install_state == INSTALL_NONE) {
        replica->install_state = INSTALL_FETCHING;
        replica->install = *snapshot;
        replica->install_from = message->peer;
        replica->install_term = message->term;
        struct replica_action *action = replica_act(replica, REPLICA_ACTION_INSTALL);
        action->snapshot = &replica->install;
        action->leader = message->peer;
    }
    peer_message_free(message); /* the leader repeats it at every heartbeat */
    return true;
}

void replica_install_placed(struct replica *replica, const struct log_snapshot *snapshot)
{
    CHECK(replica->install_state == INSTALL_FETCHING);
    if (snapshot == NULL) {
        replica->install_state = INSTALL_NONE;
        return;
    }
    CHECK(snapshot->index >= replica->install.index && snapshot->index > replica->applied_index);
    replica->install = *snapshot;
    replica->install.cut_index = snapshot->index;
    replica->install_state = INSTALL_PLACED;
    replica->applied_index = snapshot->index;
    if (replica->handed_index < snapshot->index)
        replica->handed_index = snapshot->index;
    replica_proposals_jumped(replica, snapshot->index);
    replica_window_trim(replica);
}

/* The message that was held goes into the core, as of now. */
static void install_feed(struct replica *replica, uint64_t leader)
{
    uint64_t term = raft_current_term(&replica->guard.raft);
    char address[32];
    (void)configuration_address(leader, (struct span){(uint8_t *)address, sizeof address});
    struct raft_message message = {.type = RAFT_INSTALL_SNAPSHOT, .server_id = leader, .server_address = address};
    message.install_snapshot.term = replica->install_term > term ? replica->install_term : term;
    message.install_snapshot.last_index = replica->install.index;
    message.install_snapshot.last_term = replica->install.term;
    message.install_snapshot.conf_index = replica->install.configuration_index;
    replica_configuration_convert(&replica->install.configuration, &message.install_snapshot.conf);
    message.install_snapshot.data = (struct raft_buffer){raft_malloc(8), 8}; /* the library takes both */
    CHECK(message.install_snapshot.data.base != NULL);
    replica_core_receive(replica, &message, &(struct core_entries){0});
    CHECK(replica->install_state == INSTALL_SAVING);
}

bool replica_install_next(struct replica *replica)
{
    if (replica->install_state == INSTALL_SAVED) {
        replica->install_state = INSTALL_NONE;
        replica_core_installed(replica);
        return true;
    }
    if (replica->install_state != INSTALL_PLACED)
        return false;
    if (log_terms_find(&replica->terms, replica->install.index) == replica->install.term) {
        replica->install_state = INSTALL_NONE; /* the log has got there by itself meanwhile */
        return false;
    }
    uint64_t term = raft_current_term(&replica->guard.raft);
    uint64_t leader = replica->install_term > term ? replica->install_from : replica_leader(replica);
    /* What came may end in a newer term than the message that announced it; no log may be ahead of its node's term. */
    bool early = replica->install.term > term && replica->install.term > replica->install_term;
    if (early || replica->saving_snapshot || leader == 0 || guard_state(&replica->guard) != RAFT_FOLLOWER)
        return false;
    CHECK(leader != replica->options.id);
    install_feed(replica, leader);
    return true;
}

void replica_install_begin(struct replica *replica, struct raft_update *update)
{
    const struct log_snapshot *snapshot = &replica->install;
    CHECK(replica->install_state == INSTALL_PLACED && update->snapshot.metadata.index == snapshot->index);
    CHECK(snapshot->term <= raft_current_term(&replica->guard.raft));
    raft_configuration_close(&update->snapshot.metadata.configuration); /* both are ours by now */
    raft_free(update->snapshot.chunk.base);
    replica->install_state = INSTALL_SAVING;
    replica->snapshot = *snapshot;
    replica->change_count = 0;
    replica->last_index = replica->durable_index = replica->reported_index = snapshot->index;
    replica->scanned_index = snapshot->index;
    if (replica->guard.commit_index < snapshot->index)
        replica->guard.commit_index = snapshot->index;
    replica->epoch++;
    replica->epoch_floor = snapshot->index;
    uint64_t step_bytes = replica->sizes.step_bytes;
    log_terms_fini(&replica->terms);
    log_terms_init(&replica->terms, snapshot->index + 1, snapshot->index, snapshot->term);
    log_sizes_fini(&replica->sizes);
    log_sizes_init(&replica->sizes, step_bytes);
    entry_window_reset(&replica->window, snapshot->index + 1);
    struct log_request *request = replica_log(replica, LOG_REQUEST_INSTALL);
    request->epoch = replica->epoch;
    request->snapshot = *snapshot;
}
