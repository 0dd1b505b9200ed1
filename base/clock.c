#include "base/clock.h"

#include <stddef.h>
#include <time.h>

static uint64_t system_boot_ms(void *context)
{
    (void)context;
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int64_t system_wall_ns(void *context)
{
    (void)context;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct clock clock_system(void)
{
    return (struct clock){NULL, system_boot_ms, system_wall_ns};
}
