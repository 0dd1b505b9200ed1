/* filehandle.h: the bytes of a file handle (docs/formats/filehandle.md). They name a file by its identity in the state
 * and carry a keyed MAC, so that nobody makes handles of files that he was not shown. */
#ifndef SERVER_NFS4_FILEHANDLE_H
#define SERVER_NFS4_FILEHANDLE_H

#include "base/hash.h"
#include "statestore/machine/id.h"

#define FILEHANDLE_BYTES 28u

/* Pure. */
void filehandle_encode(const struct siphash_key *key, struct file_id id, uint8_t bytes[FILEHANDLE_BYTES]);

/* False: NFS4ERR_BADHANDLE. Whether the file exists is another matter. Pure. */
bool filehandle_decode(const struct siphash_key *key, struct slice bytes, struct file_id *id);

#endif
