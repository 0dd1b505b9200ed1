#include "tests/sim_raft/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

#define TICK_MS 20u
#define QUIET_MS 12000u
#define CONVERGE_MS 60000u

/* --- small things --- */

uint64_t world_chance(struct world *world, uint64_t bound)
{
    return bound == 0 ? 0 : random_seeded_next(&world->random) % bound;
}

bool world_permille(struct world *world, uint32_t permille)
{
    return world_chance(world, 1000) < permille;
}

void world_count(struct world *world, enum counter counter)
{
    world->counters[counter]++;
}

void world_trace(struct world *world, const char *format, ...)
{
    if (!world->verbose)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("[%6llu] ", (unsigned long long)world->now_ms);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

void world_violation(struct world *world, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("VIOLATION in seed %llu at %llu ms: ", (unsigned long long)world->seed, (unsigned long long)world->now_ms);
    vprintf(format, arguments);
    printf("\nsee it again: qnfs_raft_sim --seed %llu -v\n", (unsigned long long)world->seed);
    va_end(arguments);
    fflush(stdout);
    _exit(1);
}

struct node *world_leader(struct world *world)
{
    struct node *leader = NULL;
    for (uint64_t i = 1; i <= world->node_count; i++) {
        struct node *node = &world->nodes[i];
        if (node->up && node->role == REPLICA_LEADER && (leader == NULL || node->term > leader->term))
            leader = node;
    }
    return leader;
}

/* --- events --- */

static bool event_before(const struct event *one, const struct event *other)
{
    return one->at_ms < other->at_ms || (one->at_ms == other->at_ms && one->number < other->number);
}

static void event_push(struct world *world, const struct event *event)
{
    if (world->event_count == world->event_capacity) {
        world->event_capacity = world->event_capacity == 0 ? 1024 : 2 * world->event_capacity;
        world->events = realloc(world->events, world->event_capacity * sizeof *world->events);
        CHECK(world->events != NULL);
    }
    size_t at = world->event_count++;
    while (at > 0 && event_before(event, &world->events[(at - 1) / 2])) {
        world->events[at] = world->events[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world->events[at] = *event;
}

static struct event event_pop(struct world *world)
{
    struct event first = world->events[0];
    struct event last = world->events[--world->event_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= world->event_count)
            break;
        if (child + 1 < world->event_count && event_before(&world->events[child + 1], &world->events[child]))
            child++;
        if (!event_before(&world->events[child], &last))
            break;
        world->events[at] = world->events[child];
        at = child;
    }
    world->events[at] = last;
    return first;
}

void world_after(struct world *world, uint64_t delay_ms, struct node *node, uint64_t life, event_do act, void *thing)
{
    struct event event = {world->now_ms + delay_ms, world->event_number++, node, life, act, thing};
    event_push(world, &event);
}

/* An event of a life that is over. */
static void event_drop(struct event *event)
{
    if (event->thing == NULL)
        return;
    if (event->act == network_event_deliver)
        network_packet_free(event->thing);
    else if (event->act == node_event_letter)
        letter_free(event->thing);
    else
        transfer_free(event->thing);
}

static void world_advance(struct world *world, uint64_t until_ms)
{
    uint64_t same = 0;
    while (world->event_count > 0 && world->events[0].at_ms <= until_ms) {
        struct event event = event_pop(world);
        same = event.at_ms > world->now_ms ? 0 : same + 1;
        world->now_ms = event.at_ms;
        REQUIRE(world, same < 100000);
        if (event.life != 0 && event.life != event.node->life) {
            event_drop(&event);
        } else if (event.node->paused_until_ms > world->now_ms) {
            event.at_ms = event.node->paused_until_ms;
            event_push(world, &event);
        } else {
            event.act(world, event.node, event.thing);
        }
    }
    world->now_ms = until_ms;
}

/* --- what the seed draws --- */

static void change(struct world *world, struct node *leader)
{
    struct replica_status status;
    raft_loop_status(leader->loop, &status);
    struct replica_message message = {.kind = REPLICA_CHANGE};
    message.change.id = 1 + world_chance(world, world->node_count);
    int position = configuration_find(&status.configuration, message.change.id);
    uint32_t voters = configuration_voters(&status.configuration);
    bool drop = world_permille(world, 500);
    if (position < 0)
        message.change.kind = REPLICA_CHANGE_ADD;
    else if (status.configuration.members[position].role == MEMBER_STANDBY)
        message.change.kind = world_permille(world, 800) ? REPLICA_CHANGE_PROMOTE : REPLICA_CHANGE_REMOVE;
    else if (voters <= (world_permille(world, 150) ? 1 : 2))
        return;
    else
        message.change.kind = drop ? REPLICA_CHANGE_REMOVE : REPLICA_CHANGE_DEMOTE;
    node_tell(leader, &message);
}

void world_change(struct world *world, struct node *node, void *thing)
{
    (void)thing;
    if (node->role != REPLICA_LEADER || world->healed)
        return;
    change(world, node);
    /* And often that is all that it lives to do. */
    if (node->up && world_permille(world, 300)) {
        for (uint64_t i = 1; i <= world->node_count; i++) {
            if (world_permille(world, 700))
                world->network.cut[node->id][i] = world->network.cut[i][node->id] = true;
        }
    }
}

static void transfer(struct world *world, struct node *leader)
{
    struct replica_message message = {.kind = REPLICA_TRANSFER};
    message.index = world_permille(world, 300) ? 0 : 1 + world_chance(world, world->node_count);
    world_count(world, COUNT_transfers);
    node_tell(leader, &message);
}

static struct node *victim(struct world *world)
{
    struct node *leader = world_permille(world, 400) ? world_leader(world) : NULL;
    return leader != NULL ? leader : &world->nodes[1 + world_chance(world, world->node_count)];
}

static void partition(struct world *world)
{
    bool(*cut)[NODES_MAX + 1] = world->network.cut;
    memset(cut, 0, sizeof world->network.cut);
    uint64_t alone = victim(world)->id;
    uint64_t sides = random_seeded_next(&world->random);
    switch (world_chance(world, 5)) {
    case 0: break; /* all is well for a while */
    case 1:
        world_count(world, COUNT_partitions);
        for (uint64_t i = 1; i <= world->node_count; i++)
            cut[alone][i] = cut[i][alone] = true;
        break;
    case 2:
        world_count(world, COUNT_partitions);
        for (uint64_t a = 1; a <= world->node_count; a++) {
            for (uint64_t b = 1; b <= world->node_count; b++)
                cut[a][b] = ((sides >> a) & 1) != ((sides >> b) & 1);
        }
        break;
    case 3:
        world_count(world, COUNT_one_way);
        for (unsigned i = 0; i < 3; i++)
            cut[1 + world_chance(world, world->node_count)][1 + world_chance(world, world->node_count)] = true;
        break;
    default:
        world_count(world, COUNT_one_way);
        for (uint64_t i = 1; i <= world->node_count; i++) {
            if ((sides & 1) != 0)
                cut[alone][i] = true;
            else
                cut[i][alone] = true;
        }
        break;
    }
}

static void disk_trouble(struct world *world, struct node *node)
{
    if (!node->up)
        return;
    if (world_permille(world, 300)) {
        node->memory.fail_at = node->memory.operations + 1 + world_chance(world, 10);
        node->memory.fail_count = 1;
        node->memory.fail_with = STATUS_IO;
    } else if (node->memory.capacity_bytes == UINT64_MAX) {
        world_count(world, COUNT_full_disks);
        node->memory.capacity_bytes = node->memory.used_bytes + world_chance(world, 16384);
    } else {
        node->memory.capacity_bytes = UINT64_MAX;
    }
}

static void crash_some(struct world *world)
{
    struct node *node = victim(world);
    if (node->up)
        node_crash(node);
    if (!world_permille(world, 100))
        return;
    bool all = world_permille(world, 300);
    for (uint64_t i = 1; i <= world->node_count; i++) {
        if (world->nodes[i].up && (all || world_permille(world, 600)))
            node_crash(&world->nodes[i]);
    }
    if (all)
        world_count(world, COUNT_crashes_all);
}

struct chaos {
    uint32_t propose, change, transfer, crash, partition, pause, disk, flush, read, sick;
    bool quiet; /* now and then nobody proposes anything */
};

static void leaders_do(struct world *world, void (*act)(struct world *, struct node *))
{
    for (uint64_t i = 1; i <= world->node_count; i++) {
        struct node *node = &world->nodes[i];
        if (node->up && node->role == REPLICA_LEADER && node->paused_until_ms <= world->now_ms)
            act(world, node);
    }
}

/* What comes for it meanwhile waits, in its order. */
static void pause_some(struct world *world)
{
    struct node *leader = world_permille(world, 500) ? world_leader(world) : NULL;
    struct node *node = leader != NULL ? leader : victim(world);
    if (node->paused_until_ms > world->now_ms)
        return;
    world_count(world, COUNT_pauses);
    node->paused_until_ms = world->now_ms + world_chance(world, world_permille(world, 200) ? 4000 : 600);
}

/* Some read at the leader, some at a node that may not even know that it is none any more. */
static void read_some(struct world *world)
{
    for (uint64_t i = 1 + world_chance(world, 4); i > 0; i--) {
        struct node *leader = world_permille(world, 300) ? world_leader(world) : NULL;
        struct node *node = leader != NULL ? leader : &world->nodes[1 + world_chance(world, world->node_count)];
        clients_read(node, (uint32_t)world_chance(world, READERS));
    }
}

static void orphans_move(struct world *world, uint32_t permille)
{
    struct node *node = &world->nodes[1 + world_chance(world, world->node_count)];
    if (node->up && node->paused_until_ms <= world->now_ms && world_permille(world, permille))
        clients_propose_orphans(world, node);
}

static void chaos_tick(struct world *world, const struct chaos *chaos)
{
    network_tick(world);
    orphans_move(world, 50);
    if (world_permille(world, chaos->read))
        read_some(world);
    if (world_permille(world, chaos->sick))
        victim(world)->sick_until_ms = world->now_ms + world_chance(world, 4000);
    if (world_permille(world, chaos->propose) && !(chaos->quiet && (world->now_ms / 2000) % 2 != 0)) {
        for (uint64_t i = 1 + world_chance(world, 3); i > 0; i--) {
            struct node *leader = world_permille(world, 700) ? world_leader(world) : NULL;
            struct node *node = leader != NULL ? leader : &world->nodes[1 + world_chance(world, world->node_count)];
            clients_propose(node, 1 + world_chance(world, world_permille(world, 100) ? 60 : 5));
        }
    }
    if (world_permille(world, chaos->change))
        leaders_do(world, change);
    if (world_permille(world, chaos->transfer))
        leaders_do(world, transfer);
    if (world_permille(world, chaos->crash))
        crash_some(world);
    for (uint64_t i = 1; i <= world->node_count; i++) {
        if (!world->nodes[i].up && world_permille(world, 60))
            node_start(&world->nodes[i]);
    }
    if (world_permille(world, chaos->partition))
        partition(world);
    if (world_permille(world, chaos->pause))
        pause_some(world);
    if (world_permille(world, chaos->disk))
        disk_trouble(world, victim(world));
    if (world_permille(world, chaos->flush)) {
        struct node *node = &world->nodes[1 + world_chance(world, world->node_count)];
        if (node->up)
            node_flush(node);
    }
}

/* --- the run --- */

static void world_draw(struct world *world, uint64_t *founders)
{
    *founders = world_permille(world, 500)   ? 3
                : world_permille(world, 500) ? 5
                : world_permille(world, 400) ? 4
                : world_permille(world, 500) ? 2
                                             : 1;
    world->node_count = *founders + 2 > NODES_MAX ? NODES_MAX : *founders + 2;
    world->election_ms = (uint32_t)(100 + world_chance(world, 200));
    world->heartbeat_ms = (uint32_t)(15 + world_chance(world, 35));
    if (world_permille(world, 200)) { /* long before any lease is over, if nobody kept his promise */
        world->election_ms = (uint32_t)(40 + world_chance(world, 60));
        world->heartbeat_ms = (uint32_t)(8 + world_chance(world, 8));
    }
    world->disk_ms = 1 + world_chance(world, world_permille(world, 200) ? 150 : 15);
    world->flush_entries = world_permille(world, 150) ? 0 : 5 + world_chance(world, 60);
    world->trailing_bytes = 64 + world_chance(world, world_permille(world, 300) ? 200 : 8000);
    world->append_bytes = world_permille(world, 300) ? 1u << 20 : 1 + world_chance(world, 2000);
    world->eager_permille = world_permille(world, 300) ? 500 : 0;
    world->index_reads = world_permille(world, 100);
    /* Two clocks may run apart by LEADER_DRIFT_MS in LEADER_PROMISE_MS, less what milliseconds round off. */
    world->clock_ppm = world_permille(world, 300) ? 0 : 15000;
    world->network.no_pings = world_permille(world, 400);
    world->network.flap_permille = world_permille(world, 500) ? 0 : (uint32_t)world_chance(world, 20);
    world->network.ordered = world_permille(world, 300);
    world->network.lost_permille = world_permille(world, 300) ? 0 : (uint32_t)world_chance(world, 200);
    world->network.doubled_permille = (uint32_t)world_chance(world, 100);
    world->network.late_permille = (uint32_t)world_chance(world, 60);
    world->network.delay_ms = 1 + world_chance(world, 3);
    world->network.jitter_ms = world_chance(world, 30);
}

static void run_chaos(struct world *world)
{
    struct chaos chaos = {
        .propose = (uint32_t)(100 + world_chance(world, 400)),
        .change = (uint32_t)world_chance(world, 200),
        .transfer = (uint32_t)world_chance(world, 40),
        .crash = (uint32_t)world_chance(world, 60),
        .partition = (uint32_t)world_chance(world, 60),
        .pause = world_permille(world, 500) ? 0 : (uint32_t)world_chance(world, 30),
        .disk = world_permille(world, 600) ? 0 : (uint32_t)world_chance(world, 30),
        .flush = world->flush_entries == 0 && world_permille(world, 500) ? 0 : 30,
        .quiet = world_permille(world, 200),
        .read = (uint32_t)world_chance(world, 500),
        .sick = world_permille(world, 800) ? 0 : (uint32_t)world_chance(world, 10),
    };
    uint64_t end_ms = world->now_ms + 4000 + world_chance(world, 12000);
    uint64_t compare_ms = 0;
    while (world->now_ms < end_ms) {
        world_advance(world, world->now_ms + TICK_MS);
        chaos_tick(world, &chaos);
        if (world->now_ms >= compare_ms) {
            oracle_compare_logs(world);
            compare_ms = world->now_ms + 200;
        }
    }
    oracle_compare_logs(world);
}

static void heal(struct world *world)
{
    world_trace(world, "HEAL");
    world->healed = true;
    memset(world->network.cut, 0, sizeof world->network.cut);
    if (world->disk_ms > 15)
        world->disk_ms = 15;
    for (uint64_t i = 1; i <= world->node_count; i++) {
        struct node *node = &world->nodes[i];
        node->memory.capacity_bytes = UINT64_MAX;
        node->memory.fail_at = 0;
        node->sick_until_ms = 0;
        if (!node->up)
            node_start(node);
    }
}

/* All members have applied all that there is. */
static bool converged(struct world *world)
{
    struct node *leader = world_leader(world);
    if (leader == NULL || leader->commit_index != facts_last(&leader->log))
        return false;
    struct replica_status status;
    raft_loop_status(leader->loop, &status);
    if (clients_wait(world, &status.configuration))
        return false;
    for (uint32_t i = 0; i < status.configuration.count; i++) {
        const struct node *node = &world->nodes[status.configuration.members[i].id];
        if (node->machine.index != facts_last(&leader->log))
            return false;
    }
    return true;
}

static void end_check(struct world *world)
{
    struct node *leader = world_leader(world);
    if (leader == NULL)
        world_violation(world, "nobody leads after all is well");
    struct replica_status status;
    raft_loop_status(leader->loop, &status);
    for (uint32_t i = 0; i < status.configuration.count; i++) {
        const struct node *node = &world->nodes[status.configuration.members[i].id];
        if (node->machine.index != leader->machine.index || node->machine.index != facts_last(&leader->log))
            world_violation(world, "node %llu has applied %llu, leader %llu %llu of %llu, after all is well",
                            (unsigned long long)node->id, (unsigned long long)node->machine.index,
                            (unsigned long long)leader->id, (unsigned long long)leader->machine.index,
                            (unsigned long long)facts_last(&leader->log));
        REQUIRE(world,
                node->machine.rows[node->machine.index].hash == leader->machine.rows[leader->machine.index].hash);
    }
    clients_end_check(world, &status.configuration);
}

static void quiet_advance(struct world *world, uint64_t ms)
{
    for (uint64_t end_ms = world->now_ms + ms; world->now_ms < end_ms;) {
        world_advance(world, world->now_ms + TICK_MS);
        network_tick(world);
    }
}

static void run_quiet(struct world *world)
{
    uint64_t committed = facts_last(&world->oracle.committed);
    uint64_t end_ms = world->now_ms + QUIET_MS;
    world->changes_answered = false;
    while (world->now_ms < end_ms) {
        quiet_advance(world, 100);
        struct node *leader = world_leader(world);
        if (leader == NULL)
            continue;
        if (world->now_ms < end_ms - QUIET_MS / 3) {
            clients_propose(&world->nodes[1 + world_chance(world, world->node_count)], 1);
            clients_propose(leader, 1);
            read_some(world);
        }
        if (!world->changes_answered && world->now_ms > end_ms - QUIET_MS / 2)
            change(world, leader);
    }
    for (uint64_t until_ms = world->now_ms + CONVERGE_MS; world->now_ms < until_ms && !converged(world);)
        quiet_advance(world, 500);
    oracle_compare_logs(world);
    end_check(world);
    if (facts_last(&world->oracle.committed) <= committed)
        world_violation(world, "nothing is committed after all is well");
    struct node *leader = world_leader(world);
    struct replica_status status;
    raft_loop_status(leader->loop, &status);
    if (!world->changes_answered && status.configuration.count + configuration_voters(&status.configuration) > 2)
        world_violation(world, "the membership cannot be changed after all is well");
}

static void world_fini(struct world *world)
{
    for (uint64_t i = 1; i <= world->node_count; i++)
        node_fini(&world->nodes[i]);
    arena_fini(&world->network.arena);
    free(world->records);
    while (world->event_count > 0) {
        struct event event = event_pop(world);
        event_drop(&event);
    }
    free(world->events);
    free(world->oracle.committed.list);
}

void world_run(uint64_t seed, bool verbose, uint64_t *counters)
{
    struct world *world = calloc(1, sizeof *world);
    CHECK(world != NULL);
    world->seed = seed;
    world->verbose = verbose;
    world->counters = counters;
    world->now_ms = 1;
    (void)random_from_seed(&world->random, seed * 2654435761u + 12345);
    uint64_t founders;
    world_draw(world, &founders);
    arena_init(&world->network.arena);
    struct configuration configuration = {.count = (uint32_t)founders};
    for (uint32_t i = 0; i < configuration.count; i++)
        configuration.members[i] = (struct member){i + 1, MEMBER_VOTER};
    /* The founders begin with it, each by itself. */
    struct replica_entry first = {1, 1, REPLICA_ENTRY_CONFIGURATION, buffer_create(CONFIGURATION_MAX_BYTES)};
    first.bytes->size_bytes =
        configuration_encode(&configuration, (struct span){first.bytes->data, CONFIGURATION_MAX_BYTES});
    struct fact fact = fact_make(&first);
    buffer_put(first.bytes);
    world->oracle.committed.first_index = 1;
    facts_append(&world->oracle.committed, &fact);
    for (uint64_t i = 1; i <= world->node_count; i++) {
        node_init(world, &world->nodes[i], i, &configuration);
        node_start(&world->nodes[i]);
    }
    run_chaos(world);
    heal(world);
    run_quiet(world);
    world_fini(world);
    free(world);
}
