/* cluster.h: the nodes of a seed with what connects them to each other and to the clients. One node is a cluster too. */
#ifndef TESTS_SIM_CLUSTER_H
#define TESTS_SIM_CLUSTER_H

#include "tests/sim/node.h"
#include "tests/sim/population.h"

struct cluster {
    struct world *world;
    struct oracle *oracle;
    uint32_t count;
    struct peers *peers;
    struct node *nodes[SIM_NODES_MAX];
    struct network *networks[SIM_NODES_MAX];
};

/* `directory` for RocksDB, or NULL. The population's networks are set. */
void cluster_init(struct cluster *cluster, struct population *population, uint32_t count, const char *directory);
void cluster_fini(struct cluster *cluster);

void cluster_boot(struct cluster *cluster);
/* Nothing disturbs any more: cuts heal, what stands still goes on, who is down comes back soon. */
void cluster_calm(struct cluster *cluster);
/* Every process ends now, for about so long. */
void cluster_crash(struct cluster *cluster, uint64_t down_us);

struct node *cluster_any(struct cluster *cluster);
struct network *cluster_any_network(struct cluster *cluster);
/* Who leads as far as it knows itself, or NULL. */
struct node *cluster_leader(struct cluster *cluster);

/* All nodes serve, and have applied the same. */
bool cluster_is_quiet(const struct cluster *cluster);
bool cluster_is_up(const struct cluster *cluster);
/* All states are the oracle's; false if one is not there yet. */
bool cluster_compare(struct cluster *cluster);
/* What the nodes are doing, for a report. */
void cluster_describe(const struct cluster *cluster, char *text, size_t room);

#endif
