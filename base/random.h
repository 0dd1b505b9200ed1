/* random.h: randomness as a parameter (see clock.h). */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
    void *context;
    void (*fill)(void *context, void *bytes, size_t size_bytes);
};

/* The operating system's generator (getrandom); aborts if it fails. Shell only. */
struct random random_system(void);

/* A generator for tests and the simulator: equal seeds give equal bytes. The state is the caller's. */
struct random_seeded {
    uint64_t state;
};
struct random random_from_seed(struct random_seeded *seeded, uint64_t seed);

/* The next 64 bits of a seeded generator (SplitMix64, Steele et al. 2014). Pure. */
uint64_t random_seeded_next(struct random_seeded *seeded);

#endif
