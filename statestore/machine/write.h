/* write.h: WRITE, and what a COMMIT answers. */
#ifndef STATESTORE_MACHINE_WRITE_H
#define STATESTORE_MACHINE_WRITE_H

#include "statestore/machine/apply.h"

/* The write verifier: one number of the whole cluster, the same on all nodes (DESIGN.md section 7). Pure. */
uint64_t write_verifier(struct kv_read *read, struct arena *arena);

/* Whether the stateid, or for a special one the mode, lets the identity change the file's bytes: NFS4_OK, the errors of
 * open_judge_io(), NFS4ERR_ACCESS. The owner may always, as POSIX judges writes by the open alone. Machine only. */
enum nfsstat4 write_judge(struct apply *apply, const struct inode *file, struct stateid stateid,
                          struct client_id client);

#endif
