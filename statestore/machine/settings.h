/* settings.h: what an operator sets once for the whole cluster: rows name -> value as text. */
#ifndef STATESTORE_MACHINE_SETTINGS_H
#define STATESTORE_MACHINE_SETTINGS_H

#include "statestore/store/kv.h"

enum setting { SETTING_LEASE_SECONDS, SETTING_READ_MODE, SETTING_AUTO_PROMOTE, SETTING_COUNT };

enum read_mode { READ_MODE_LEASE, READ_MODE_INDEX };

/* The name that `qnfsctl settings` uses; never NULL. Pure. */
const char *setting_name(enum setting setting);

/* The value as text, the default if nobody has set it; lives in the arena. Pure over the view. */
struct slice setting_get(struct kv_read *read, enum setting setting, struct arena *arena);

/* The lease period of clients (NFS4_LEASE_MIN_SECONDS to NFS4_LEASE_MAX_SECONDS). */
uint32_t settings_lease_seconds(struct kv_read *read, struct arena *arena);

/* How reads see to it that they are not stale (DESIGN.md section 6). */
enum read_mode settings_read_mode(struct kv_read *read, struct arena *arena);

/* Whether a standby that has caught up becomes a voter by itself. */
bool settings_auto_promote(struct kv_read *read, struct arena *arena);

/* Writes a value that has been checked. Machine only. */
void setting_put(struct transaction *transaction, enum setting setting, struct slice value, struct arena *arena);

#endif
