/* world.h: the simulated world of one seed: time, chance, and the events to come. Everything that happens is an event;
 * nothing runs beside it, so a seed always runs the same. */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stdbool.h>

#include "base/random.h"
#include "tests/sim/counter.h"

#define SIM_NODES_MAX 5u

struct host;

/* What an event does. `number` is the caller's. */
typedef void world_action(void *context, uint64_t number);

struct world_event {
    uint64_t time_us;
    uint64_t order;    /* breaks ties */
    struct host *host; /* where it happens: when that stands still, later; NULL: nowhere */
    world_action *action;
    void *context;
    uint64_t number;
};

struct world {
    uint64_t seed;
    bool verbose;
    bool rocksdb; /* the nodes' state is a real RocksDB */
    uint32_t nodes;
    struct random_seeded random;
    uint64_t now_us;            /* since the world began */
    struct world_event *events; /* heap, owned */
    size_t event_count;
    size_t event_room;
    uint64_t next_order;
    uint64_t *counters;  /* COUNTER_COUNT of them, not owned: they sum up over seeds */
    uint64_t operations; /* of this seed */
    uint64_t faults;
};

void world_init(struct world *world, uint64_t seed, bool verbose, uint64_t *counters);
void world_fini(struct world *world);

/* A number below `bound` (over 0). */
uint64_t world_draw(struct world *world, uint64_t bound);
/* True once in `times` draws on average. */
bool world_chance(struct world *world, uint64_t times);
/* Mostly small, seldom up to the maximum: how long things take. */
uint64_t world_delay_us(struct world *world, uint64_t usual_us, uint64_t longest_us);

/* The action happens after the delay. */
void world_after(struct world *world, uint64_t delay_us, world_action *action, void *context, uint64_t number);
/* The same at a host: when it stands still then, as soon as it goes on. */
void world_after_at(struct world *world, struct host *host, uint64_t delay_us, world_action *action, void *context,
                    uint64_t number);
/* Runs the next event; false if there is none. */
bool world_step(struct world *world);

/* Everything stands still but the clocks: what should have happened meanwhile happens late. */
void world_stop(struct world *world, uint64_t delay_us);

uint64_t world_now_ms(const struct world *world);

static inline void world_count(struct world *world, enum counter counter, uint64_t amount)
{
    world->counters[counter] += amount;
}

/* A line of the story, with -v. */
void world_trace(const struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the command that runs a seed again with its story. */
void world_print_again(uint64_t seed, uint32_t nodes, bool rocksdb);

/* Something is wrong with the system under test: says what and how to see it again, and ends the process with status
 * 1. */
_Noreturn void world_violation(const struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
