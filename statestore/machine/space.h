/* space.h: whether a disk of the cluster is nearly full. What grows is then refused, in the machine, so that all nodes
 * answer alike; what frees or ends something goes on from the reserve. */
#ifndef STATESTORE_MACHINE_SPACE_H
#define STATESTORE_MACHINE_SPACE_H

#include "statestore/store/kv.h"

struct apply;

/* Whether what grows answers NFS4ERR_NOSPC. Pure over the view. */
bool space_low(struct kv_read *read, struct arena *arena);

/* What the node itself reported last; false if it never did. Pure over the view. */
bool space_node_low(struct kv_read *read, uint64_t node, struct arena *arena);

/* Machine only: what a lost node has reported counts no longer; it reports anew when it is back. */
void space_forget(struct apply *apply, uint64_t node);

/* The smallest free space that a node has reported; UINT64_MAX if none has. For SPACE_AVAIL and the metrics. */
uint64_t space_free_bytes(struct kv_read *read, struct arena *arena);

#endif
