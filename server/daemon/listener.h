/* listener.h: the socket that clients connect to: made here, or handed over by whoever started us (LISTEN_FDS), so that
 * a restart never refuses a connection. */
#ifndef SERVER_DAEMON_LISTENER_H
#define SERVER_DAEMON_LISTENER_H

#include "base/status.h"
#include "server/daemon/config.h"

/* The listening descriptor: descriptor 3 if LISTEN_FDS is 1 or more and LISTEN_PID is this process (systemd's
 * convention, sd_listen_fds(3)), else a new socket on the address. STATUS_REFUSED (no such address here, no permission),
 * STATUS_IO (in use ...): `trouble` says why. */
MUST_CHECK enum status listener_open(const struct config_address *address, int *descriptor, bool *inherited,
                                     char *trouble, size_t room);

/* Whether the socket takes connections to any of the host's addresses, also those that come later. */
bool listener_is_everywhere(int descriptor);

#endif
