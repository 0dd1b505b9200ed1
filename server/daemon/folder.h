/* folder.h: whole folders of the data directory: making, syncing and removing them. Any thread; blocks. */
#ifndef SERVER_DAEMON_FOLDER_H
#define SERVER_DAEMON_FOLDER_H

#include "base/status.h"

/* One that is there is fine. STATUS_NO_SPACE, STATUS_IO. */
MUST_CHECK enum status folder_make(const char *path);

/* The names in it are safe. STATUS_IO. */
MUST_CHECK enum status folder_sync(const char *path);

/* Removes it with all that is in it; none is fine. STATUS_IO. */
MUST_CHECK enum status folder_remove(const char *path);

/* Removes all that is in it. STATUS_IO. */
MUST_CHECK enum status folder_empty(const char *path);

#endif
