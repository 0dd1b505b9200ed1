/* seed.c: clients work and faults happen until both are enough; then the clients come to rest, everything must be
 * answered, and the states must be equal; then one more crash, after which they must be equal again and the clients
 * look at what is there. */
#include "tests/sim/seed.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "tests/sim/node.h"
#include "tests/sim/population.h"

/* A seed counts only with this much in it. */
#define SEED_OPERATIONS_MIN 500u
#define SEED_FAULTS_MIN 5u
/* Looks at the end. */
#define SEED_LOOKS 60u
/* What must be answered is answered in this time, when nothing disturbs. */
#define SEED_CALM_MS 120000u
#define SEED_EVENTS_MAX 20000000u

struct seed {
    struct world world;
    struct oracle *oracle;
    struct population population;
    struct node *node;
    struct network *network;
    uint64_t fault_us; /* between two faults */
    bool calm;
    uint64_t events;
    char directory[64];
};

/* --- faults --- */

static void fault_crash(struct seed *seed)
{
    struct node *node = seed->node;
    switch (world_draw(&seed->world, 5)) {
    case 0: node_crash_in_log(node, world_draw(&seed->world, 12)); break;
    case 1: node_crash_in_apply(node, world_draw(&seed->world, 6)); break;
    case 2: node_crash_in_flush(node); break;
    default:
        if (node_is_up(node))
            node_crash(node);
        break;
    }
}

static void fault_clock(struct seed *seed)
{
    seed->world.wall_offset_ns += (int64_t)world_draw(&seed->world, UINT64_C(7200000000000)) - INT64_C(3600000000000);
    world_count(&seed->world, COUNT_clock_jumps, 1);
}

/* SIGSTOP, or a virtual machine that is frozen: nobody can renew a lease, so none may run out. */
static void fault_stop(struct seed *seed)
{
    if (!node_serves(seed->node))
        return;
    world_trace(&seed->world, "the machine is stopped");
    world_count(&seed->world, COUNT_stops, 1);
    uint64_t stop_ms = NFS4_LEASE_DEFAULT_SECONDS * UINT64_C(1000) * (1 + world_draw(&seed->world, 3));
    world_stop(&seed->world, stop_ms * 1000);
    node_was_stopped(seed->node);
    seed->population.stopped_ms += stop_ms;
}

static void fault_cut(struct seed *seed)
{
    struct wire *wire = network_any(seed->network);
    if (wire == NULL)
        return;
    world_trace(&seed->world, "a connection of client %u is cut", wire->client);
    network_cut(wire);
    world_count(&seed->world, COUNT_cuts, 1);
}

/* A crash counts itself as a fault, when it comes. */
static void fault(void *context, uint64_t number)
{
    (void)number;
    struct seed *seed = context;
    struct world *world = &seed->world;
    if (seed->calm)
        return;
    uint64_t draw = world_draw(world, seed->population.slow ? 26 : 18);
    if (!node_is_up(seed->node)) { /* perhaps for an hour */
        world_after(world, 1 + world_draw(world, 20 * seed->fault_us), fault, seed, 0);
        if (draw == 0)
            fault_cut(seed);
        return;
    }
    if (world_chance(world, 50))
        fault_stop(seed);
    if (draw < 3) {
        fault_crash(seed);
    } else {
        if (draw < 9) {
            fault_cut(seed);
        } else if (draw < 11) {
            node_flush(seed->node);
        } else if (draw < 13) {
            node_slow_disk(seed->node, world_draw(world, 100000));
            world_count(world, COUNT_slow_disk, 1);
        } else if (draw < 14) {
            node_fill_disk(seed->node, world_draw(world, 300000));
        } else if (draw < 16) {
            fault_clock(seed);
        } else if (draw < 17) {
            population_reboot(&seed->population);
        } else {
            population_sleep(&seed->population);
        }
        world->faults++;
        world_count(world, COUNT_faults, 1);
    }
    world_after(world, 1 + world_draw(world, 2 * seed->fault_us), fault, seed, 0);
}

/* --- running --- */

static void run_one(struct seed *seed)
{
    if (!world_step(&seed->world))
        world_violation(&seed->world, "nothing happens any more");
    if (++seed->events % 256 == 0)
        oracle_forget(seed->oracle, population_oldest(&seed->population));
    if (seed->events > SEED_EVENTS_MAX)
        world_violation(&seed->world, "the seed does not end: %llu operations, %llu faults",
                        (unsigned long long)seed->world.operations, (unsigned long long)seed->world.faults);
}

/* Nothing disturbs, nothing new begins: everything must come to its end. */
static void run_until_quiet(struct seed *seed)
{
    seed->population.resting = true;
    uint64_t begin_ms = world_now_ms(&seed->world);
    while (population_outstanding(&seed->population) > 0 || !node_is_quiet(seed->node)) {
        char text[128];
        run_one(seed);
        if (!node_is_up(seed->node)) /* it may have begun to sleep before the calm */
            begin_ms = world_now_ms(&seed->world);
        if (world_now_ms(&seed->world) - begin_ms > SEED_CALM_MS) {
            uint64_t waited_ms = population_longest_ms(&seed->population, text, sizeof(text));
            world_violation(&seed->world, "no progress: %zu requests wait, the longest %llu ms (%s), the node is %s",
                            population_outstanding(&seed->population), (unsigned long long)waited_ms, text,
                            !node_is_up(seed->node)     ? "down"
                            : !node_serves(seed->node)  ? "not serving"
                            : node_is_quiet(seed->node) ? "quiet"
                                                        : "busy");
        }
    }
}

static void run_compare(struct seed *seed)
{
    run_until_quiet(seed);
    if (!node_compare(seed->node))
        world_violation(&seed->world, "the node is not where the log is");
}

static void node_serves_again(void *context)
{
    population_restarted(context);
}

static void seed_begin(struct seed *seed, const struct seed_options *options, uint64_t *counters)
{
    struct world *world = &seed->world;
    world_init(world, options->seed, options->verbose, options->rocksdb, counters);
    seed->population.world = world;
    seed->population.client_count = 1 + (uint32_t)world_draw(world, POPULATION_CLIENTS_MAX);
    seed->population.think_us = 200 + world_draw(world, 3000);
    seed->population.operations_wanted = SEED_OPERATIONS_MIN + world_draw(world, 200);
    seed->fault_us = 10000 + world_draw(world, 60000);
    if (world_chance(world, 5)) { /* minutes instead of seconds, so that leases run out */
        seed->population.slow = true;
        seed->population.think_us *= 500;
        seed->fault_us *= 200;
    }
    struct node_options node = {
        .loop_count = 1 + (uint32_t)world_draw(world, NODE_LOOPS_MAX),
        .segment_bytes = UINT64_C(1) << (18 + world_draw(world, 5)),
        .usual_sync_us = 100 + world_draw(world, 3000),
        .may_sleep = true,
        .serves = node_serves_again,
        .context = &seed->population,
    };
    if (options->rocksdb) {
        snprintf(seed->directory, sizeof(seed->directory), "/tmp/qnfs-sim-XXXXXX");
        CHECK(mkdtemp(seed->directory) != NULL);
        node.directory = seed->directory;
    }
    struct oracle_ports ports = population_oracle_ports(&seed->population);
    seed->oracle = oracle_create(world, &ports);
    seed->population.oracle = seed->oracle;
    seed->node = node_create(world, seed->oracle, &node);
    struct network_ports client_ports = population_ports(&seed->population);
    struct network_ports node_side = node_ports(seed->node);
    seed->network = network_create(world, &client_ports, &node_side);
    seed->population.network = seed->network;
    node_set_network(seed->node, seed->network);
}

static void seed_end(struct seed *seed)
{
    population_fini(&seed->population);
    node_destroy(seed->node);
    network_destroy(seed->network);
    oracle_destroy(seed->oracle);
    world_fini(&seed->world);
    if (seed->directory[0] != '\0') {
        char command[128];
        snprintf(command, sizeof(command), "rm -rf '%s'", seed->directory);
        CHECK(system(command) == 0);
    }
}

void seed_run(const struct seed_options *options, uint64_t *counters)
{
    struct seed *seed = calloc(1, sizeof(*seed));
    CHECK(seed != NULL);
    struct world *world = &seed->world;
    seed_begin(seed, options, counters);
    node_boot(seed->node);
    population_start(&seed->population);
    world_after(world, seed->fault_us, fault, seed, 0);
    while (world->operations < seed->population.operations_wanted || world->faults < SEED_FAULTS_MIN)
        run_one(seed);

    seed->calm = true;
    node_calm(seed->node);
    run_compare(seed);
    node_crash(seed->node);
    run_compare(seed);
    seed->population.looking = true;
    seed->population.resting = false;
    uint64_t enough = world->operations + SEED_LOOKS;
    while (world->operations < enough)
        run_one(seed);
    run_compare(seed);
    CHECK(world->operations >= SEED_OPERATIONS_MIN && world->faults >= SEED_FAULTS_MIN);
    seed_end(seed);
    free(seed);
}
