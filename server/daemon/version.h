/* version.h: what `qnfsd --version` and the log say. */
#ifndef SERVER_DAEMON_VERSION_H
#define SERVER_DAEMON_VERSION_H

#define QNFS_VERSION "0.1.0"

#endif
