/* host.h: the computer that a node runs on: its clocks, which are not those of the others, and whether it stands still. */
#ifndef TESTS_SIM_HOST_H
#define TESTS_SIM_HOST_H

#include "base/clock.h"
#include "tests/sim/world.h"

/* How much faster or slower than it should its boot clock may run. */
#define HOST_DRIFT_PPM_MAX 200

struct host {
    struct world *world;
    uint64_t paused_until_us; /* its process is stopped until then; what should happen there happens later */
    uint64_t booted_us;       /* when its boot clock stood at 0 */
    int64_t drift_ppm;
    int64_t wall_offset_ns;
};

/* Up for a while already; clocks drawn from the seed if it is one of several. */
void host_init(struct host *host, struct world *world, bool alone);

/* It was off: its boot clock begins again. */
void host_rebooted(struct host *host);

/* Its process stands still from now on, for so long; its clocks go on. */
void host_pause(struct host *host, uint64_t delay_us);
/* Not any longer. */
void host_continue(struct host *host);
bool host_is_paused(const struct host *host);

/* Boot time by its own clock. */
uint64_t host_now_ms(const struct host *host);
int64_t host_wall_ns(const struct host *host);
struct clock host_clock(struct host *host);

/* The action happens there after a delay by its own clock. */
void host_after_ms(struct host *host, uint64_t delay_ms, world_action *action, void *context, uint64_t number);

#endif
