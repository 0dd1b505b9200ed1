/* counter.h: what happened in the simulated seeds. A run over many seeds fails if something that must happen now and then
 * never did. */
#ifndef TESTS_SIM_RAFT_COUNTER_H
#define TESTS_SIM_RAFT_COUNTER_H

/* X(name, text, needed): needed says that a run of COUNTER_SEEDS_MIN seeds must have seen it. */
#define COUNTERS(X)                                                                                                    \
    X(proposals, "commands proposed", true)                                                                            \
    X(commits, "entries committed", true)                                                                              \
    X(applied, "entries applied", true)                                                                                \
    X(forwarded, "batches of commands that came to a leader", true)                                                    \
    X(not_leader, "batches that were given back", true)                                                                \
    X(twice, "commands that were in the log twice", true)                                                              \
    X(orphans, "commands of a lost process given to another", true)                                                    \
    X(lease_reads, "reads by a lease", true)                                                                           \
    X(barriers, "barriers that were asked for", true)                                                                  \
    X(questions, "questions to the leader", true)                                                                      \
    X(closed_channels, "channels closed", true)                                                                        \
    X(silent, "node leases that lapsed", true)                                                                         \
    X(lost_processes, "processes declared lost", true)                                                                 \
    X(closed, "processes that ended as they had been declared lost", true)                                             \
    X(sick, "leaders that ended as they were not healthy", false)                                                      \
    X(elections, "leaders elected", true)                                                                              \
    X(crashes, "crashes", true)                                                                                        \
    X(crashes_in_write, "crashes in the middle of a write of the log", true)                                           \
    X(crashes_in_start, "crashes while starting", true)                                                                \
    X(crashes_all, "crashes of all nodes at once", true)                                                               \
    X(crashes_placed, "crashes between an installed state and the log's knowing", true)                                \
    X(disk_errors, "nodes stopped by an error of the disk", true)                                                      \
    X(full_disks, "disks that were full", true)                                                                        \
    X(log_full, "logs that waited for room", true)                                                                     \
    X(pauses, "nodes that slept", true)                                                                                \
    X(partitions, "partitions", true)                                                                                  \
    X(one_way, "links cut in one direction", true)                                                                     \
    X(lost, "messages lost", true)                                                                                     \
    X(doubled, "messages doubled", true)                                                                               \
    X(late, "messages that were very late", true)                                                                      \
    X(truncations, "logs truncated", true)                                                                             \
    X(rollbacks, "configurations taken back by a truncation", true)                                                    \
    X(early_commits, "entries committed before the leader's own disk had them", true)                                  \
    X(notices, "commit notices", true)                                                                                 \
    X(held, "appends sent after their configuration was durable (G7)", true)                                           \
    X(pieces, "appends with several entries", true)                                                                    \
    X(read_back, "entries read back from the log for a member", true)                                                  \
    X(flushes, "flushes of the state", true)                                                                           \
    X(cuts, "logs cut", true)                                                                                          \
    X(installs_asked, "snapshots asked for", true)                                                                     \
    X(installs, "snapshots installed", true)                                                                           \
    X(installs_failed, "snapshots that did not come", true)                                                            \
    X(installs_later, "installed snapshots that reach further than asked", true)                                       \
    X(adopted, "starts with a state ahead of the log", true)                                                           \
    X(joined, "nodes that began with an empty log", true)                                                              \
    X(changes, "changes of the membership proposed", true)                                                             \
    X(changes_refused, "changes refused", true)                                                                        \
    X(leader_removed, "leaders that were demoted or removed", true)                                                    \
    X(transfers, "transfers asked for", true)                                                                          \
    X(timeout_now, "elections asked for by a leader", true)                                                            \
    X(sole_voters, "elections of a sole voter", true)

/* Fewer seeds than this prove nothing about rare events. */
#define COUNTER_SEEDS_MIN 200u

enum counter {
#define COUNTER_ENUMERATOR(name, text, needed) COUNT_##name,
    COUNTERS(COUNTER_ENUMERATOR)
#undef COUNTER_ENUMERATOR
        COUNTER_COUNT
};

#endif
