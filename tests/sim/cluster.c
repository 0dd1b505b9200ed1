#include "tests/sim/cluster.h"

#include <stdio.h>

/* A node alone: its leases stood still while it was down. Those of several nodes only last longer for that. */
static void node_serves_again(void *context)
{
    struct population *population = context;
    if (population->node_count == 1)
        population_restarted(population);
}

void cluster_init(struct cluster *cluster, struct population *population, uint32_t count, const char *directory)
{
    struct world *world = population->world;
    *cluster = (struct cluster){.world = world, .oracle = population->oracle, .count = count};
    cluster->peers = peers_create(world);
    struct node_options options = {
        .count = count,
        .peers = cluster->peers,
        .others = cluster->nodes,
        .loop_count = 1 + (uint32_t)world_draw(world, NODE_LOOPS_MAX),
        .segment_bytes = UINT64_C(1) << ((count == 1 ? 18 : 16) + world_draw(world, 5)),
        .usual_sync_us = 100 + world_draw(world, 3000),
        .may_sleep = true,
        .serves = node_serves_again,
        .context = population,
        .directory = directory,
    };
    if (count > 1)
        options.trailing_bytes = UINT64_C(1) << (9 + world_draw(world, 6));
    for (size_t i = 0; i < sizeof(options.cluster_id); i++)
        options.cluster_id[i] = (uint8_t)world_draw(world, 256);
    struct network_ports client_side = population_ports(population);
    population->node_count = count;
    for (uint32_t i = 0; i < count; i++) {
        options.id = i + 1;
        cluster->nodes[i] = node_create(world, cluster->oracle, &options);
        struct peers_ports ports = node_peers_ports(cluster->nodes[i]);
        struct network_ports node_side = node_ports(cluster->nodes[i]);
        peers_add(cluster->peers, node_host(cluster->nodes[i]), &ports);
        cluster->networks[i] = network_create(node_host(cluster->nodes[i]), &client_side, &node_side);
        node_set_network(cluster->nodes[i], cluster->networks[i]);
        population->networks[i] = cluster->networks[i];
    }
}

void cluster_fini(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->count; i++)
        node_destroy(cluster->nodes[i]);
    for (uint32_t i = 0; i < cluster->count; i++)
        network_destroy(cluster->networks[i]);
    peers_destroy(cluster->peers);
}

static void boot(void *context, uint64_t number)
{
    (void)number;
    node_boot(context);
}

void cluster_boot(struct cluster *cluster)
{
    if (cluster->count == 1)
        node_boot(cluster->nodes[0]);
    for (uint32_t i = 0; i < cluster->count && cluster->count > 1; i++)
        world_after(cluster->world, world_draw(cluster->world, 300000), boot, cluster->nodes[i], 0);
}

void cluster_calm(struct cluster *cluster)
{
    peers_heal(cluster->peers);
    for (uint32_t i = 0; i < cluster->count; i++)
        node_calm(cluster->nodes[i]);
}

void cluster_crash(struct cluster *cluster, uint64_t down_us)
{
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (node_is_up(cluster->nodes[i]))
            node_crash_for(cluster->nodes[i], down_us + world_draw(cluster->world, 400000));
    }
}

struct node *cluster_any(struct cluster *cluster)
{
    return cluster->nodes[cluster->count == 1 ? 0 : world_draw(cluster->world, cluster->count)];
}

struct network *cluster_any_network(struct cluster *cluster)
{
    return cluster->networks[cluster->count == 1 ? 0 : world_draw(cluster->world, cluster->count)];
}

struct node *cluster_leader(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (node_leads(cluster->nodes[i]))
            return cluster->nodes[i];
    }
    return NULL;
}

bool cluster_is_quiet(const struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (!node_is_quiet(cluster->nodes[i]) ||
            node_applied_index(cluster->nodes[i]) != node_applied_index(cluster->nodes[0]))
            return false;
    }
    return true;
}

bool cluster_is_up(const struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (!node_is_up(cluster->nodes[i]))
            return false;
    }
    return true;
}

bool cluster_compare(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (!node_compare(cluster->nodes[i]))
            return false;
    }
    return true;
}

void cluster_describe(const struct cluster *cluster, char *text, size_t room)
{
    size_t used = 0;
    for (uint32_t i = 0; i < cluster->count && used < room; i++) {
        const struct node *node = cluster->nodes[i];
        int length = snprintf(text + used, room - used, "%snode %u is %s%s at %llu", i > 0 ? ", " : "", i + 1,
                              !node_is_up(node)     ? "down"
                              : !node_serves(node)  ? "not serving"
                              : node_is_quiet(node) ? "quiet"
                                                    : "busy",
                              node_leads(node) ? " and leads" : "", (unsigned long long)node_applied_index(node));
        used += length > 0 ? (size_t)length : 0;
    }
}
