/* counter.h: what happened in the simulated seeds. A run over many seeds fails if something that must happen now and
 * then never did: a simulator that no longer reaches the hard cases proves nothing. */
#ifndef TESTS_SIM_COUNTER_H
#define TESTS_SIM_COUNTER_H

/* X(name, text, needed): needed says that a run of COUNTER_SEEDS_MIN seeds must have seen it. */
#define COUNTERS(X)                                                                                                    \
    X(operations, "client operations", true)                                                                           \
    X(changes, "changes executed", true)                                                                               \
    X(reads, "reads checked", true)                                                                                    \
    X(reads_raced, "reads that had more than one right answer", true)                                                  \
    X(faults, "faults", true)                                                                                          \
    X(crashes, "crashes of the node", true)                                                                            \
    X(crashes_in_log, "crashes between two writes of the log", true)                                                   \
    X(crashes_in_apply, "crashes between two batches of one entry", true)                                              \
    X(crashes_in_flush, "crashes during a flush", true)                                                                \
    X(crashes_in_start, "crashes while starting", true)                                                                \
    X(crashes_parked, "crashes with compounds parked", true)                                                           \
    X(log_tail_lost, "log entries not synced at a crash", true)                                                        \
    X(state_fell_back, "batches of the state lost at a crash", true)                                                   \
    X(replayed_commands, "commands applied again after a crash", true)                                                 \
    X(half_entries, "entries resumed in their middle", true)                                                           \
    X(blocks_lost, "blocks lost or torn at a crash", true)                                                             \
    X(blocks_swept, "blocks removed that nothing refers to", true)                                                     \
    X(blocks_read, "reads from block files", true)                                                                     \
    X(flushes, "flushes", true)                                                                                        \
    X(hours_down, "hours without the node", true)                                                                      \
    X(stops, "stops of the node for longer than a lease", true)                                                        \
    X(slow_disk, "slow moments of the disk", true)                                                                     \
    X(clock_jumps, "jumps of the wall clock", true)                                                                    \
    X(full_disk, "times the disk was full", true)                                                                      \
    X(cuts, "connections cut", true)                                                                                   \
    X(cuts_request, "connections cut inside a request", true)                                                          \
    X(cuts_reply, "connections cut inside a reply", true)                                                              \
    X(resends, "requests sent again", true)                                                                            \
    X(resends_executed, "requests sent again after they were executed", true)                                          \
    X(resends_other_highest, "requests sent again with another highest slot", true)                                    \
    X(attaches, "sessions attached by a new process", true)                                                            \
    X(attaches_in_flight, "attaches while a command of the session was in flight", true)                               \
    X(replays, "requests answered from a slot's record", true)                                                         \
    X(replayed_by_machine, "commands answered from the record (needs several nodes)", false)                           \
    X(superseded, "commands of an older epoch or incarnation", false)                                                  \
    X(prefix_replays, "compounds with a change on each side of a crash", true)                                         \
    X(replies_compared, "replies compared with their first form", true)                                                \
    X(false_retries, "false retries refused", true)                                                                    \
    X(packed, "entries with several commands", true)                                                                   \
    X(packed_directory, "entries that changed one directory twice", true)                                              \
    X(reboots, "reboots of clients", true)                                                                             \
    X(sleeps, "clients silent for longer than a lease", true)                                                          \
    X(courtesy, "leases that ran out", true)                                                                           \
    X(clients_gone, "clients removed with what they held", true)                                                       \
    X(clients_lost, "courtesy clients removed because another one needed it", true)                                    \
    X(share_denied, "opens refused by a share reservation", true)                                                      \
    X(lock_denied, "locks refused", true)                                                                              \
    X(lock_split, "locks split by an unlock", true)                                                                    \
    X(stale, "stale handles", true)                                                                                    \
    X(orphans, "open files without a name", true)                                                                      \
    X(exclusive, "files made by exclusive create", true)                                                               \
    X(verify_failed, "compounds ended by VERIFY", true)                                                                \
    X(moved_connections, "connections moved to another loop", true)                                                    \
    X(passed_calls, "calls passed to another loop (needs two sessions on one connection)", false)                      \
    X(digests, "states compared byte by byte", true)

/* Fewer seeds than this prove nothing about rare events. */
#define COUNTER_SEEDS_MIN 200u

enum counter {
#define COUNTER_ENUMERATOR(name, text, needed) COUNT_##name,
    COUNTERS(COUNTER_ENUMERATOR)
#undef COUNTER_ENUMERATOR
        COUNTER_COUNT
};

#endif
