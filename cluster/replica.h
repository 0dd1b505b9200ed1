/* replica.h: the door to the cluster: commands in, committed entries out. With one node it is the same door.
 *
 * Two actors stand behind it, each a step function over messages, driven by a thread of the shell or by the simulator:
 *
 *   replica      (raft loop)   the raft core and its guard; never touches the disk
 *   log_writer   (its thread)  log segments and the vote record; the only one that writes them
 *
 * A proposal's life: a gateway loop sends a struct proposal; the replica packs all that wait into one entry
 * (DESIGN.md section 12), submits it to the core, asks the log writer to append it; the writer syncs and reports;
 * the core commits; the replica hands the entry to the apply thread. */
#ifndef CLUSTER_REPLICA_H
#define CLUSTER_REPLICA_H

#include "base/buffer.h"
#include "base/list.h"
#include "base/slice.h"

/* One command that wants to be in the log. The sender owns it (and the bytes) until the command's result has come back
 * to its ticket; the replica copies the bytes when it packs them, and keeps no pointer afterwards. */
struct proposal {
    struct list_link link;
    struct slice command; /* a packed Qnfs__Command */
    struct slice content; /* a WRITE's bytes, or empty */
};

enum replica_entry_kind { REPLICA_ENTRY_COMMANDS, REPLICA_ENTRY_CONFIGURATION, REPLICA_ENTRY_BARRIER };

/* A log entry in memory. The bytes are those of DESIGN.md section 12 for COMMANDS. */
struct replica_entry {
    uint64_t index;
    uint64_t term;
    enum replica_entry_kind kind;
    struct buffer *bytes; /* one owner goes along with the entry */
};

#endif
