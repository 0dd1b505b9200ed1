/* seed.c: clients work and faults happen until both are enough; then the clients come to rest, everything must be
 * answered, and the states must be equal; then all nodes crash once more, after which they must be equal again and the
 * clients look at what is there. */
#include "tests/sim/seed.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "tests/sim/faults.h"

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
    struct population population;
    struct cluster cluster;
    struct faults faults;
    uint64_t events;
    char directory[64];
};

/* --- running --- */

static void run_one(struct seed *seed)
{
    if (!world_step(&seed->world))
        world_violation(&seed->world, "nothing happens any more");
    if (++seed->events % 256 == 0)
        oracle_forget(seed->population.oracle, population_oldest(&seed->population));
    if (seed->events > SEED_EVENTS_MAX)
        world_violation(&seed->world, "the seed does not end: %llu operations, %llu faults",
                        (unsigned long long)seed->world.operations, (unsigned long long)seed->world.faults);
}

/* Nothing disturbs, nothing new begins: everything must come to its end. */
static void run_until_quiet(struct seed *seed)
{
    struct population *population = &seed->population;
    population->resting = true;
    uint64_t begin_ms = world_now_ms(&seed->world);
    while (population_outstanding(population) > 0 || !cluster_is_quiet(&seed->cluster)) {
        char text[128];
        char nodes[256];
        run_one(seed);
        if (!cluster_is_up(&seed->cluster)) /* one may have begun to sleep before the calm */
            begin_ms = world_now_ms(&seed->world);
        if (world_now_ms(&seed->world) - begin_ms > SEED_CALM_MS) {
            uint64_t waited_ms = population_longest_ms(population, text, sizeof(text));
            cluster_describe(&seed->cluster, nodes, sizeof(nodes));
            world_violation(&seed->world, "no progress: %zu requests wait, the longest %llu ms (%s); %s",
                            population_outstanding(population), (unsigned long long)waited_ms, text, nodes);
        }
    }
}

static void run_compare(struct seed *seed)
{
    run_until_quiet(seed);
    if (!cluster_compare(&seed->cluster))
        world_violation(&seed->world, "a node is not where the log is");
}

/* --- beginning and end --- */

static void seed_draw(struct seed *seed, bool alone)
{
    struct world *world = &seed->world;
    struct population *population = &seed->population;
    population->client_count = 1 + (uint32_t)world_draw(world, POPULATION_CLIENTS_MAX);
    population->think_us = 200 + world_draw(world, 3000);
    population->operations_wanted = SEED_OPERATIONS_MIN + world_draw(world, 200);
    population->patience_ms = 20000;
    seed->faults.between_us = 10000 + world_draw(world, 60000);
    if (!alone) { /* elections take a while */
        population->think_us *= 4;
        population->patience_ms = 200 + world_draw(world, 4000);
        seed->faults.between_us = 100000 + world_draw(world, 500000);
    }
    if (world_chance(world, 5)) { /* minutes instead of seconds, so that leases run out */
        population->slow = true;
        population->think_us *= alone ? 500 : 125;
        seed->faults.between_us *= alone ? 200 : 20;
    }
}

static void seed_begin(struct seed *seed, const struct seed_options *options, uint64_t *counters)
{
    struct world *world = &seed->world;
    struct population *population = &seed->population;
    world_init(world, options->seed, options->verbose, counters);
    world->nodes = options->nodes;
    world->rocksdb = options->rocksdb;
    population->world = world;
    seed_draw(seed, options->nodes == 1);
    if (options->rocksdb) {
        snprintf(seed->directory, sizeof(seed->directory), "/tmp/qnfs-sim-XXXXXX");
        CHECK(mkdtemp(seed->directory) != NULL);
    }
    struct oracle_ports ports = population_oracle_ports(population);
    population->oracle = oracle_create(world, &ports);
    cluster_init(&seed->cluster, population, options->nodes, options->rocksdb ? seed->directory : NULL);
    seed->faults.world = world;
    seed->faults.cluster = &seed->cluster;
    seed->faults.population = population;
}

static void seed_end(struct seed *seed)
{
    population_fini(&seed->population);
    cluster_fini(&seed->cluster);
    oracle_destroy(seed->population.oracle);
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
    cluster_boot(&seed->cluster);
    population_start(&seed->population);
    faults_begin(&seed->faults);
    while (world->operations < seed->population.operations_wanted || world->faults < SEED_FAULTS_MIN)
        run_one(seed);

    seed->faults.calm = true;
    cluster_calm(&seed->cluster);
    run_compare(seed);
    cluster_crash(&seed->cluster, 0);
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
