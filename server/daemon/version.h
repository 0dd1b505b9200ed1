/* version.h: what `qnfsd --version`, the log and other nodes are told. */
#ifndef SERVER_DAEMON_VERSION_H
#define SERVER_DAEMON_VERSION_H

#define QNFS_VERSION "0.1.0"

/* The highest feature level of the log that this program knows, and the lowest that it can be in one cluster with. */
#define QNFS_FEATURE_LEVEL 1u
#define QNFS_FEATURE_LEVEL_MIN 1u

#endif
