#include "tests/sim/host.h"

#define UP_US UINT64_C(1000000)
#define MILLION INT64_C(1000000)
/* 2026-01-01. */
#define BEGIN_WALL_NS INT64_C(1767225600000000000)

void host_init(struct host *host, struct world *world, bool alone)
{
    *host = (struct host){.world = world};
    if (alone)
        return;
    host->drift_ppm = (int64_t)world_draw(world, 2 * HOST_DRIFT_PPM_MAX + 1) - HOST_DRIFT_PPM_MAX;
    host->wall_offset_ns = (int64_t)world_draw(world, 4000000000u) - INT64_C(2000000000);
    host_rebooted(host);
}

void host_rebooted(struct host *host)
{
    host->booted_us = host->world->now_us - 1 - world_draw(host->world, UP_US - 1);
}

void host_pause(struct host *host, uint64_t delay_us)
{
    uint64_t until_us = host->world->now_us + delay_us;
    if (until_us > host->paused_until_us)
        host->paused_until_us = until_us;
}

void host_continue(struct host *host)
{
    host->paused_until_us = host->world->now_us;
}

bool host_is_paused(const struct host *host)
{
    return host->paused_until_us > host->world->now_us;
}

static uint64_t boot_us(const struct host *host)
{
    int64_t up_us = (int64_t)(host->world->now_us - host->booted_us);
    return (uint64_t)(up_us + up_us / MILLION * host->drift_ppm + up_us % MILLION * host->drift_ppm / MILLION);
}

uint64_t host_now_ms(const struct host *host)
{
    return 1 + boot_us(host) / 1000;
}

int64_t host_wall_ns(const struct host *host)
{
    return BEGIN_WALL_NS + (int64_t)host->world->now_us * 1000 + host->wall_offset_ns;
}

static uint64_t clock_boot_ms(void *context)
{
    return host_now_ms(context);
}

static int64_t clock_wall_ns(void *context)
{
    return host_wall_ns(context);
}

struct clock host_clock(struct host *host)
{
    return (struct clock){.context = host, .boot_ms = clock_boot_ms, .wall_ns = clock_wall_ns};
}

void host_after_ms(struct host *host, uint64_t delay_ms, world_action *action, void *context, uint64_t number)
{
    uint64_t delay_us = delay_ms * 1000;
    if (host->drift_ppm < 0)
        delay_us += delay_us / 1000000 * (uint64_t)(2 * HOST_DRIFT_PPM_MAX) + delay_us % 1000000 / 4000 + 1;
    world_after_at(host->world, host, delay_us, action, context, number);
}
