/* counter.h: what happened in the simulated seeds. A run over many seeds fails if something that must happen now and
 * then never did: a simulator that no longer reaches the hard cases proves nothing. */
#ifndef TESTS_SIM_COUNTER_H
#define TESTS_SIM_COUNTER_H

/* Which seeds must have seen it, if there are COUNTER_SEEDS_MIN of them. */
enum counter_need {
    NEVER,
    ALWAYS,
    ALONE,   /* those with one node */
    CLUSTER, /* those with several */
};

/* X(name, text, need) */
#define COUNTERS(X)                                                                                                    \
    X(operations, "client operations", ALWAYS)                                                                         \
    X(changes, "changes executed", ALWAYS)                                                                             \
    X(reads, "reads checked", ALWAYS)                                                                                  \
    X(reads_raced, "reads that had more than one right answer", ALWAYS)                                                \
    X(faults, "faults", ALWAYS)                                                                                        \
    X(crashes, "crashes of the node", ALWAYS)                                                                          \
    X(crashes_in_log, "crashes between two writes of the log", ALWAYS)                                                 \
    X(crashes_in_apply, "crashes between two batches of one entry", ALWAYS)                                            \
    X(crashes_in_flush, "crashes during a flush", ALWAYS)                                                              \
    X(crashes_in_start, "crashes while starting", ALWAYS)                                                              \
    X(crashes_parked, "crashes with compounds parked", ALWAYS)                                                         \
    X(log_tail_lost, "log entries not synced at a crash", ALWAYS)                                                      \
    X(state_fell_back, "batches of the state lost at a crash", ALWAYS)                                                 \
    X(replayed_commands, "commands applied again after a crash", ALWAYS)                                               \
    X(half_entries, "entries resumed in their middle", ALWAYS)                                                         \
    X(blocks_lost, "blocks lost or torn at a crash", ALWAYS)                                                           \
    X(blocks_swept, "blocks removed that nothing refers to", ALWAYS)                                                   \
    X(blocks_read, "reads from block files", ALWAYS)                                                                   \
    X(flushes, "flushes", ALWAYS)                                                                                      \
    X(hours_down, "hours without the node", ALWAYS)                                                                    \
    X(stops, "stops of the node for longer than a lease", ALONE)                                                       \
    X(slow_disk, "slow moments of the disk", ALWAYS)                                                                   \
    X(clock_jumps, "jumps of the wall clock", ALWAYS)                                                                  \
    X(full_disk, "times the disk was full", ALWAYS)                                                                    \
    X(cuts, "connections cut", ALWAYS)                                                                                 \
    X(cuts_request, "connections cut inside a request", ALWAYS)                                                        \
    X(cuts_reply, "connections cut inside a reply", ALWAYS)                                                            \
    X(slept_requests, "requests read from the socket of a paused node after their connection had ended", CLUSTER)      \
    X(resends, "requests sent again", ALWAYS)                                                                          \
    X(resends_executed, "requests sent again after they were executed", ALWAYS)                                        \
    X(resends_other_highest, "requests sent again with another highest slot", ALWAYS)                                  \
    X(attaches, "sessions attached by a new process", ALWAYS)                                                          \
    X(attaches_in_flight, "attaches while a command of the session was in flight", ALWAYS)                             \
    X(replays, "requests answered from a slot's record", ALWAYS)                                                       \
    X(replayed_by_machine, "commands answered from the record", CLUSTER)                                               \
    X(superseded, "commands of an older epoch or incarnation", CLUSTER)                                                \
    X(prefix_replays, "compounds with a change on each side of a crash", ALWAYS)                                       \
    X(replies_compared, "replies compared with their first form", ALWAYS)                                              \
    X(false_retries, "false retries refused", ALWAYS)                                                                  \
    X(packed, "entries with several commands", ALWAYS)                                                                 \
    X(packed_directory, "entries that changed one directory twice", ALWAYS)                                            \
    X(reboots, "reboots of clients", ALWAYS)                                                                           \
    X(sleeps, "clients silent for longer than a lease", ALWAYS)                                                        \
    X(courtesy, "leases that ran out", ALWAYS)                                                                         \
    X(clients_gone, "clients removed with what they held", ALWAYS)                                                     \
    X(clients_lost, "courtesy clients removed because another one needed it", ALONE)                                   \
    X(share_denied, "opens refused by a share reservation", ALWAYS)                                                    \
    X(lock_denied, "locks refused", ALWAYS)                                                                            \
    X(lock_split, "locks split by an unlock", ALWAYS)                                                                  \
    X(stale, "stale handles", ALWAYS)                                                                                  \
    X(orphans, "open files without a name", ALWAYS)                                                                    \
    X(exclusive, "files made by exclusive create", ALWAYS)                                                             \
    X(verify_failed, "compounds ended by VERIFY", ALWAYS)                                                              \
    X(moved_connections, "connections moved to another loop", ALWAYS)                                                  \
    X(passed_calls, "calls passed to another loop (needs two sessions on one connection)", NEVER)                      \
    X(elections, "leaders", ALWAYS)                                                                                    \
    X(restarts, "nodes that started anew because they were given up, or had fetched a snapshot", CLUSTER)              \
    X(crashes_all, "crashes of all nodes at once", CLUSTER)                                                            \
    X(disk_errors, "nodes stopped by an error of their disk", CLUSTER)                                                 \
    X(sick, "leaders that stopped because their disk hung", NEVER)                                                     \
    X(hung_disk, "disks that answered nothing for a while", CLUSTER)                                                   \
    X(pauses_short, "nodes that stood still for less than a lease", CLUSTER)                                           \
    X(pauses_long, "nodes that stood still for more than a lease", CLUSTER)                                            \
    X(frames, "frames between nodes", CLUSTER)                                                                         \
    X(frames_lost, "frames between nodes lost", CLUSTER)                                                               \
    X(peer_breaks, "connections between nodes broken", CLUSTER)                                                        \
    X(peer_cuts, "directions between nodes cut", CLUSTER)                                                              \
    X(isolations, "nodes isolated", CLUSTER)                                                                           \
    X(one_way_cuts, "cuts in one direction", CLUSTER)                                                                  \
    X(handed_over, "leaders told to hand over", CLUSTER)                                                               \
    X(stranded, "nodes whose commands were stuck while their clients left", CLUSTER)                                   \
    X(flapping, "flapping directions", CLUSTER)                                                                        \
    X(moves, "clients that went to another node for no reason", CLUSTER)                                               \
    X(session_moves, "sessions attached by another node", CLUSTER)                                                     \
    X(flaps, "warnings of sessions that go to and fro", NEVER)                                                         \
    X(prefix_moved, "compounds with a change on each side of a move to another node", CLUSTER)                         \
    X(early_commits, "entries committed before the leader's own disk had them", CLUSTER)                               \
    X(lease_reads, "calls whose barrier came from the leader's lease", CLUSTER)                                        \
    X(index_reads, "barriers that a leader had to ask for", CLUSTER)                                                   \
    X(follower_reads, "barriers that a follower asked for", CLUSTER)                                                   \
    X(forwards_resent, "commands sent to a leader again", CLUSTER)                                                     \
    X(lapses, "node leases that lapsed", CLUSTER)                                                                      \
    X(lapses_survived, "lapses without loss", CLUSTER)                                                                 \
    X(nodes_lost, "processes given up by the cluster", CLUSTER)                                                        \
    X(registers_repeated, "registrations that came twice", CLUSTER)                                                    \
    X(installs_asked, "snapshots asked for", CLUSTER)                                                                  \
    X(installs_failed, "snapshots that did not come", NEVER)                                                           \
    X(installs, "snapshots fetched", CLUSTER)                                                                          \
    X(installs_parked, "snapshots fetched with compounds parked", CLUSTER)                                             \
    X(adopted, "logs that began anew behind a snapshot", CLUSTER)                                                      \
    X(digests, "states compared byte by byte", ALWAYS)

/* Fewer seeds than this prove nothing about rare events. */
#define COUNTER_SEEDS_MIN 200u

enum counter {
#define COUNTER_ENUMERATOR(name, text, needed) COUNT_##name,
    COUNTERS(COUNTER_ENUMERATOR)
#undef COUNTER_ENUMERATOR
        COUNTER_COUNT
};

#endif
