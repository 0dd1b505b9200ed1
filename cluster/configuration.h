/* configuration.h: who is a member of the cluster, and in which role: the content of a CONFIGURATION entry. Endpoints
 * stand in the node table of the state, not here. */
#ifndef CLUSTER_CONFIGURATION_H
#define CLUSTER_CONFIGURATION_H

#include "base/limits.h"
#include "base/slice.h"
#include "base/status.h"

enum member_role { MEMBER_STANDBY, MEMBER_VOTER };

struct member {
    uint64_t id; /* node id; never 0, never used again */
    enum member_role role;
};

/* In the order in which the members were added. */
struct configuration {
    uint32_t count;
    struct member members[CLUSTER_MEMBERS_MAX];
};

/* Longest encoding. */
#define CONFIGURATION_MAX_BYTES 4096u

/* The position of a member, or -1. Pure. */
int configuration_find(const struct configuration *configuration, uint64_t id);

uint32_t configuration_voters(const struct configuration *configuration);

/* True if `id` is the only voter. Pure. */
bool configuration_sole_voter(const struct configuration *configuration, uint64_t id);

/* The address that the raft library knows a member by: the id in decimal, as a C string; returns its size with the
 * end. */
size_t configuration_address(uint64_t id, struct span room);

/* The bytes of the raft library's own encoding, each address being the id in decimal; equal configurations give equal
 * bytes. Returns the size; CHECKs that the room (CONFIGURATION_MAX_BYTES) is enough. */
size_t configuration_encode(const struct configuration *configuration, struct span room);

/* Checks every length before the library sees the bytes. STATUS_BAD_DATA. */
MUST_CHECK enum status configuration_decode(struct slice bytes, struct configuration *configuration);

#endif
