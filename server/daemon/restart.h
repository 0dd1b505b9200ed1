/* restart.h: the process begins anew in its own place: same pid, same arguments, and the socket that clients connect to stays
 * open, so nobody is refused. What a start does is the only way to a good state: after a snapshot of another node has come, and
 * when this process has been given up by the others (docs/decisions/0008). */
#ifndef SERVER_DAEMON_RESTART_H
#define SERVER_DAEMON_RESTART_H

#include <stdint.h>

#include "base/log.h"

/* Any thread; other threads may be anywhere: nothing of theirs is waited for, as at a kill -9. `arguments` are main's,
 * `listen_descriptor` becomes descriptor 3 (LISTEN_FDS); every other descriptor is closed. A process younger than
 * RESTART_MIN_MS waits until it is that old, so that a fault that comes back at once does not spin. */
_Noreturn void restart_process(char *const *arguments, int listen_descriptor, uint64_t age_ms, const struct log *log,
                               const char *why);

#endif
