/* clock.h: the clock as a parameter. Pure code gets times as numbers; the shell reads them through this port, and the
 * simulator gives its own. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
    void *context;
    /* Milliseconds that never go back and stand still for nothing, not even suspend (CLOCK_BOOTTIME). */
    uint64_t (*boot_ms)(void *context);
    /* Nanoseconds since 1970 UTC; may jump either way. */
    int64_t (*wall_ns)(void *context);
};

/* The operating system's clocks. Shell only. */
struct clock clock_system(void);

#endif
