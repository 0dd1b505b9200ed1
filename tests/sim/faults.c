#include "tests/sim/faults.h"

#include "base/check.h"

/* An isolated or stopped node notices after about this long that it is not heard (DESIGN.md section 8). */
#define LAPSE_US 500000u
#define HOUR_US UINT64_C(3600000000)
/* After so many faults they come half as often. */
#define SLOWER_EVERY 40u

/* --- processes and disks --- */

static void crash(struct faults *faults)
{
    struct node *node = cluster_any(faults->cluster);
    struct world *world = faults->world;
    switch (world_draw(world, 5)) {
    case 0: node_crash_in_log(node, world_draw(world, 12)); break;
    case 1: node_crash_in_apply(node, world_draw(world, 6)); break;
    case 2: node_crash_in_flush(node); break;
    default:
        if (node_is_up(node))
            node_crash(node);
        break;
    }
}

static void crash_all(struct faults *faults)
{
    bool long_down = world_chance(faults->world, 8);
    world_trace(faults->world, "all nodes crash");
    world_count(faults->world, COUNT_crashes_all, 1);
    world_count(faults->world, COUNT_hours_down, long_down ? 1 : 0);
    cluster_crash(faults->cluster, long_down ? HOUR_US : 0);
}

static void jump_clock(struct faults *faults)
{
    int64_t by_ns = (int64_t)world_draw(faults->world, UINT64_C(7200000000000)) - INT64_C(3600000000000);
    node_jump_clock(cluster_any(faults->cluster), by_ns);
    world_count(faults->world, COUNT_clock_jumps, 1);
}

/* SIGSTOP, or a virtual machine that is frozen: nobody can renew a lease, so none may run out. */
static void stop_alone(struct faults *faults)
{
    struct node *node = faults->cluster->nodes[0];
    if (!node_serves(node))
        return;
    world_trace(faults->world, "the machine is stopped");
    world_count(faults->world, COUNT_stops, 1);
    uint64_t stop_ms = NFS4_LEASE_DEFAULT_SECONDS * UINT64_C(1000) * (1 + world_draw(faults->world, 3));
    world_stop(faults->world, stop_ms * 1000);
    node_was_stopped(node);
    faults->population->stopped_ms += stop_ms;
}

static void leave(void *context, uint64_t number)
{
    struct faults *faults = context;
    population_leave(faults->population, (uint32_t)number - 1);
}

/* One node of several is stopped, for less or more than its lease. */
static void pause_node(struct faults *faults)
{
    struct world *world = faults->world;
    struct node *leader = cluster_leader(faults->cluster);
    struct node *node = leader != NULL && world_chance(world, 2) ? leader : cluster_any(faults->cluster);
    uint64_t delay_us = 1000 + world_draw(world, LAPSE_US);
    if (world_chance(world, 2))
        delay_us = LAPSE_US + world_draw(world, world_chance(world, 4) ? 20000000 : 3 * LAPSE_US);
    if (faults->population->slow && world_chance(world, 4))
        delay_us = NFS4_LEASE_DEFAULT_SECONDS * UINT64_C(1000000) * (1 + world_draw(world, 2));
    world_count(world, delay_us < LAPSE_US ? COUNT_pauses_short : COUNT_pauses_long, 1);
    node_pause(node, delay_us);
    if (world_chance(world, 2)) /* while it sleeps: what was sent to it waits in its sockets */
        world_after(world, world_draw(world, delay_us), leave, faults, node_id(node));
}

/* --- networks --- */

static void cut_client(struct faults *faults)
{
    struct wire *wire = NULL;
    for (uint32_t tries = 0; tries < 2 * faults->cluster->count && wire == NULL; tries++)
        wire = network_any(cluster_any_network(faults->cluster));
    if (wire == NULL)
        return;
    world_trace(faults->world, "a connection of client %u is cut", wire->client);
    network_cut(wire);
    world_count(faults->world, COUNT_cuts, 1);
}

/* Two different nodes. */
static void draw_pair(struct faults *faults, uint32_t *from, uint32_t *to)
{
    uint32_t count = faults->cluster->count;
    *from = 1 + (uint32_t)world_draw(faults->world, count);
    *to = 1 + (uint32_t)world_draw(faults->world, count - 1);
    *to += *to >= *from ? 1 : 0;
}

static uint64_t cut_us(struct faults *faults)
{
    return 20000 + world_draw(faults->world, world_chance(faults->world, 3) ? 8000000 : 3 * LAPSE_US);
}

/* `pair`: from * 16 + to */
static void heal(void *context, uint64_t pair)
{
    struct faults *faults = context;
    peers_cut(faults->cluster->peers, (uint32_t)pair / 16, (uint32_t)pair % 16, false);
}

static void cut_for(struct faults *faults, uint32_t from, uint32_t to, uint64_t delay_us)
{
    peers_cut(faults->cluster->peers, from, to, true);
    world_after(faults->world, delay_us, heal, faults, from * 16 + to);
}

static void flush_all(void *context, uint64_t number)
{
    (void)number;
    struct faults *faults = context;
    for (uint32_t i = 0; i < faults->cluster->count; i++)
        node_flush(faults->cluster->nodes[i]);
}

/* Mostly the others' logs are cut just before it is over. */
static void isolate(struct faults *faults)
{
    uint32_t count = faults->cluster->count;
    struct node *leader = cluster_leader(faults->cluster);
    bool lead = leader != NULL && world_chance(faults->world, 2);
    uint32_t node = node_id(lead ? leader : cluster_any(faults->cluster));
    uint64_t delay_us = cut_us(faults);
    bool hears = world_chance(faults->world, 5);
    bool speaks = !hears && world_chance(faults->world, 5);
    world_trace(faults->world, "node %u is isolated for %llu ms%s", node, (unsigned long long)delay_us / 1000,
                hears    ? ", but it hears"
                : speaks ? ", but it is heard"
                         : "");
    world_count(faults->world, COUNT_isolations, 1);
    if (!world_chance(faults->world, 5))
        world_after(faults->world, delay_us - world_draw(faults->world, 20000), flush_all, faults, 0);
    for (uint32_t other = 1; other <= count; other++) {
        if (other == node)
            continue;
        if (!speaks)
            cut_for(faults, node, other, delay_us);
        if (!hears)
            cut_for(faults, other, node, delay_us);
    }
}

static void cut_one_way(struct faults *faults)
{
    uint32_t from;
    uint32_t to;
    draw_pair(faults, &from, &to);
    if (world_chance(faults->world, 2)) /* commands are stuck on their way, and sent again by another node */
        world_after(faults->world, world_draw(faults->world, LAPSE_US), leave, faults, from);
    world_trace(faults->world, "nothing goes from node %u to node %u", from, to);
    world_count(faults->world, COUNT_one_way_cuts, 1);
    cut_for(faults, from, to, cut_us(faults));
}

/* The clients of a node leave it while its commands are stuck on their way to the leader: some of them arrive behind those
 * that the clients have sent again elsewhere. */
static void strand(void *context, uint32_t from, uint32_t to)
{
    struct faults *faults = context;
    struct world *world = faults->world;
    if (faults->calm)
        return;
    world_trace(world, "commands of node %u to node %u are stuck", from, to);
    world_count(world, COUNT_stranded, 1);
    cut_for(faults, from, to, 5000 + world_draw(world, LAPSE_US / 2));
    world_after(world, world_draw(world, 10000), leave, faults, from);
}

static void flap(void *context, uint64_t pair)
{
    struct faults *faults = context;
    if (faults->calm)
        return;
    cut_for(faults, (uint32_t)(pair / 16 % 16), (uint32_t)(pair % 16), 10000 + world_draw(faults->world, 400000));
    if (pair >= 256) /* so many more times */
        world_after(faults->world, 20000 + world_draw(faults->world, 700000), flap, faults, pair - 256);
}

static void begin_flapping(struct faults *faults)
{
    uint32_t from;
    uint32_t to;
    draw_pair(faults, &from, &to);
    world_trace(faults->world, "the way from node %u to node %u flaps", from, to);
    world_count(faults->world, COUNT_flapping, 1);
    flap(faults, 256 * (2 + world_draw(faults->world, 8)) + from * 16 + to);
}

static void break_peers(struct faults *faults)
{
    uint32_t from;
    uint32_t to;
    draw_pair(faults, &from, &to);
    peers_break(faults->cluster->peers, from, to);
    world_count(faults->world, COUNT_peer_breaks, 1);
}

/* --- all of them --- */

/* What can happen to any node; false: it is none, or it counts itself when it comes. */
static bool fault_anywhere(struct faults *faults, uint64_t draw)
{
    struct world *world = faults->world;
    struct cluster *cluster = faults->cluster;
    if (draw < 3) {
        crash(faults);
        return false;
    }
    if (draw < 9) {
        cut_client(faults);
    } else if (draw < 11) {
        node_flush(cluster_any(cluster));
    } else if (draw < 13) {
        node_slow_disk(cluster_any(cluster), world_draw(world, 100000));
        world_count(world, COUNT_slow_disk, 1);
    } else if (draw < 14) {
        node_fill_disk(cluster_any(cluster), world_draw(world, 300000));
    } else if (draw < 16) {
        jump_clock(faults);
    } else if (draw < 17) {
        population_reboot(faults->population);
    } else {
        population_sleep(faults->population);
    }
    return true;
}

/* What takes several nodes. */
static bool fault_of_cluster(struct faults *faults, uint64_t draw)
{
    struct world *world = faults->world;
    switch (draw) {
    case 0:
    case 1:
    case 2: pause_node(faults); break;
    case 3:
    case 4: isolate(faults); break;
    case 5: cut_one_way(faults); break;
    case 6: begin_flapping(faults); break;
    case 7:
    case 8: break_peers(faults); break;
    case 16:
    case 17:
    case 18:
    case 19: node_strand(cluster_any(faults->cluster), strand, faults); break;
    case 9:
    case 10:
    case 11:
    case 12: population_move(faults->population); break;
    case 13:
        node_hang_disk(cluster_any(faults->cluster), 500000 + world_draw(world, 4000000));
        world_count(world, COUNT_hung_disk, 1);
        break;
    case 14: node_fail_disk(cluster_any(faults->cluster)); return false;
    case 15: crash_all(faults); return false;
    case 20:
        if (cluster_leader(faults->cluster) != NULL)
            node_hand_over(cluster_leader(faults->cluster));
        break;
    default: node_flush(cluster_any(faults->cluster)); break;
    }
    return true;
}

/* A crash counts itself as a fault, when it comes. */
static void happen(void *context, uint64_t number)
{
    (void)number;
    struct faults *faults = context;
    struct world *world = faults->world;
    if (faults->calm)
        return;
    bool alone = faults->cluster->count == 1;
    uint64_t draw = world_draw(world, faults->population->slow ? 26 : 18);
    if (alone && !node_is_up(faults->cluster->nodes[0])) { /* perhaps for an hour */
        world_after(world, 1 + world_draw(world, 20 * faults->between_us), happen, faults, 0);
        if (draw == 0)
            cut_client(faults);
        return;
    }
    if (alone && world_chance(world, 50))
        stop_alone(faults);
    bool counts = !alone && world_chance(world, 2) ? fault_of_cluster(faults, world_draw(world, 22))
                                                   : fault_anywhere(faults, draw);
    world->faults += counts ? 1 : 0;
    world_count(world, COUNT_faults, counts ? 1 : 0);
    if (!alone && ++faults->happened % SLOWER_EVERY == 0) /* so that there is an end */
        faults->between_us *= 2;
    world_after(world, 1 + world_draw(world, 2 * faults->between_us), happen, faults, 0);
}

void faults_begin(struct faults *faults)
{
    world_after(faults->world, faults->between_us, happen, faults, 0);
}
