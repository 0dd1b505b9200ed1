/* meta.h: single numbers of the whole state, each a row of its own by name: SCHEMA_META, the name's bytes -> u64. */
#ifndef STATESTORE_MACHINE_META_H
#define STATESTORE_MACHINE_META_H

#include "statestore/store/kv.h"

/* Number that the next new volume gets; absent: 1. */
#define META_VOLUME_NEXT "volume-next"
/* Command that last changed the export table; absent: 0. */
#define META_EXPORTS_CHANGED "exports-changed"
/* The write verifier: number of the last loss of acknowledged UNSTABLE bytes; absent: 1 (none was ever lost). */
#define META_BYTES_LOST "bytes-lost"
/* Nodes that have reported a nearly full disk; absent: 0. */
#define META_SPACE_LOW "space-low"

/* The number, or `otherwise` without a row. Pure over the view. */
uint64_t meta_get(struct kv_read *read, const char *name, uint64_t otherwise, struct arena *arena);

/* Writes it. Machine only. */
void meta_put(struct transaction *transaction, const char *name, uint64_t value, struct arena *arena);

#endif
