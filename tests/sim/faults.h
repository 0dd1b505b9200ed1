/* faults.h: what goes wrong in a seed, again and again until it is calm. */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include "tests/sim/cluster.h"

struct faults {
    struct world *world;
    struct cluster *cluster;
    struct population *population;
    uint64_t between_us; /* two of them, about */
    uint64_t happened;
    bool calm; /* no more */
};

void faults_begin(struct faults *faults);

#endif
