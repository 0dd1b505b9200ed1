/* install.h: a start that finds another node's state in the staging folder puts it in the place of its own.
 *
 * Steps, each of which is done again if the process or the power ended behind it, with the same end:
 *
 *   state -> staging/old-state, staging/state -> state, the same with blocks; the log begins behind the state, unless it has
 *   the state's last entry; state and blocks are opened and compared with the manifest; staging/ready goes; the rest of
 *   staging goes.
 *
 * Without staging/ready, what is in staging is of a fetch that did not end: it goes. */
#ifndef SERVER_DAEMON_INSTALL_H
#define SERVER_DAEMON_INSTALL_H

#include "base/log.h"
#include "cluster/data_directory.h"
#include "cluster/log_writer.h"
#include "cluster/snapshot_manifest.h"
#include "statestore/machine/machine.h"

/* After log_recover, before the state is opened. *installed: the manifest of what is in place now, the caller's, for
 * install_finish; NULL: there was nothing. STATUS_BAD_DATA, STATUS_NO_SPACE, STATUS_IO: `trouble` says what is wrong. */
MUST_CHECK enum status install_place(const struct disk *disk, const char *data_dir,
                                     const struct node_identity *identity, struct log_writer *writer,
                                     struct log_recovered *recovered, const struct log *log,
                                     struct snapshot_manifest **installed, char *trouble, size_t room);

/* With the state opened, before anything is applied to it: is it the one of the manifest (which is freed)? Then the marker and
 * what was moved aside go. STATUS_BAD_DATA, STATUS_IO. Does nothing for NULL. */
MUST_CHECK enum status install_finish(const struct disk *disk, const char *data_dir,
                                      struct snapshot_manifest *installed, const struct machine *machine, char *trouble,
                                      size_t room);

#endif
