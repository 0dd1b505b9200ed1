/* cluster.h: what is fixed when the cluster is created: its id, the key of its MACs, the epoch of its stateids. */
#ifndef STATESTORE_MACHINE_CLUSTER_H
#define STATESTORE_MACHINE_CLUSTER_H

#include "statestore/machine/machine.h"

/* Fills created, cluster_id, mac_key and server_epoch. */
void cluster_load(struct machine *machine, struct kv_read *read, struct arena *arena);

#endif
