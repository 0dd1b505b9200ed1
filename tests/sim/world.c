#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "tests/sim/host.h"

/* Time 0 is not allowed where a clock is asked. */
#define BEGIN_US 1000000u

void world_init(struct world *world, uint64_t seed, bool verbose, uint64_t *counters)
{
    *world = (struct world){
        .seed = seed,
        .verbose = verbose,
        .random = {seed * UINT64_C(0x9e3779b97f4a7c15) + 1},
        .now_us = BEGIN_US,
        .counters = counters,
    };
}

void world_fini(struct world *world)
{
    free(world->events);
    world->events = NULL;
}

uint64_t world_draw(struct world *world, uint64_t bound)
{
    CHECK(bound > 0);
    return random_seeded_next(&world->random) % bound;
}

bool world_chance(struct world *world, uint64_t times)
{
    return world_draw(world, times) == 0;
}

uint64_t world_delay_us(struct world *world, uint64_t usual_us, uint64_t longest_us)
{
    uint64_t bound = world_chance(world, 50) ? longest_us : usual_us;
    return world_draw(world, bound + 1);
}

static bool event_before(const struct world_event *a, const struct world_event *b)
{
    return a->time_us != b->time_us ? a->time_us < b->time_us : a->order < b->order;
}

static void event_put(struct world *world, const struct world_event *new)
{
    if (world->event_count == world->event_room) {
        world->event_room = world->event_room == 0 ? 256 : world->event_room * 2;
        world->events = realloc(world->events, world->event_room * sizeof(*world->events));
        CHECK(world->events != NULL);
    }
    struct world_event event = *new;
    event.order = world->next_order++;
    size_t at = world->event_count++;
    while (at > 0 && event_before(&event, &world->events[(at - 1) / 2])) {
        world->events[at] = world->events[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world->events[at] = event;
}

void world_after_at(struct world *world, struct host *host, uint64_t delay_us, world_action *action, void *context,
                    uint64_t number)
{
    struct world_event event = {
        .time_us = world->now_us + delay_us, .host = host, .action = action, .context = context, .number = number};
    event_put(world, &event);
}

void world_after(struct world *world, uint64_t delay_us, world_action *action, void *context, uint64_t number)
{
    world_after_at(world, NULL, delay_us, action, context, number);
}

static struct world_event event_take(struct world *world)
{
    struct world_event first = world->events[0];
    struct world_event moved = world->events[--world->event_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= world->event_count)
            break;
        if (child + 1 < world->event_count && event_before(&world->events[child + 1], &world->events[child]))
            child++;
        if (!event_before(&world->events[child], &moved))
            break;
        world->events[at] = world->events[child];
        at = child;
    }
    world->events[at] = moved;
    return first;
}

bool world_step(struct world *world)
{
    if (world->event_count == 0)
        return false;
    struct world_event event = event_take(world);
    if (event.time_us > world->now_us) /* else it is late, since everything was stopped */
        world->now_us = event.time_us;
    if (event.host != NULL && host_is_paused(event.host)) {
        event.time_us = event.host->paused_until_us;
        event_put(world, &event);
        return true;
    }
    event.action(event.context, event.number);
    return true;
}

uint64_t world_now_ms(const struct world *world)
{
    return world->now_us / 1000;
}

void world_stop(struct world *world, uint64_t delay_us)
{
    world->now_us += delay_us;
}

void world_trace(const struct world *world, const char *format, ...)
{
    if (!world->verbose)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%9.3f ms  ", (double)world->now_us / 1000.0);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

void world_print_again(uint64_t seed, uint32_t nodes, bool rocksdb)
{
    printf("see it again: qnfs_sim --seed %llu --nodes %u --rocksdb-every %d -v\n", (unsigned long long)seed, nodes,
           rocksdb ? 1 : 0);
}

_Noreturn void world_violation(const struct world *world, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("VIOLATION in seed %llu at %.3f ms: ", (unsigned long long)world->seed, (double)world->now_us / 1000.0);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    world_print_again(world->seed, world->nodes, world->rocksdb);
    fflush(stdout);
    _exit(1);
}
