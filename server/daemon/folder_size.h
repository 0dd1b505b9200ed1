/* folder_size.h: how much of a disk a folder's files take. */
#ifndef SERVER_DAEMON_FOLDER_SIZE_H
#define SERVER_DAEMON_FOLDER_SIZE_H

#include <stdint.h>

/* Bytes that the files directly in `parent`/`name` occupy, also those that were reserved and not yet written; 0 if the
 * folder cannot be read. Reads the folder: for status pages, not for the path of a request. */
uint64_t folder_size_bytes(const char *parent, const char *name);

#endif
