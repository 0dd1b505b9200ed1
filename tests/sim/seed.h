/* seed.h: one seed from its beginning to its end. */
#ifndef TESTS_SIM_SEED_H
#define TESTS_SIM_SEED_H

#include "tests/sim/world.h"

struct seed_options {
    uint64_t seed;
    uint32_t nodes;
    bool verbose;
    bool rocksdb; /* the nodes' state is a real RocksDB in a temporary directory */
};

/* Runs it; what is wrong ends the process (world_violation). The counters sum up. */
void seed_run(const struct seed_options *options, uint64_t *counters);

#endif
