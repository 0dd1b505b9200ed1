/* Three to five raft loops under a seed: links are cut, closed and lossy, nodes stop, die and start, clocks run apart, leadership
 * moves, voters come and go. Checked at every millisecond: who has a lease knows all that anybody has committed. Every
 * barrier is at or above what anybody had committed when it was asked for. Nobody is reported lost who believes to be
 * alive. In the end all is well, all questions are answered, and all states are equal.
 *
 *     raft_loop_sim_test [first seed] [seeds]        a failure prints its seed */
#include "cluster/raft_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/support/loop_cluster.h"

#define DEFAULT_SEEDS 30u
#define PROPOSALS_MAX 3000u

struct question {
    uint64_t number; /* 0: none is open */
    uint64_t floor;  /* what was committed when it was asked */
    size_t seen;     /* barriers of the node that were looked at */
};

struct world {
    struct loop_cluster cluster;
    struct proposal proposals[PROPOSALS_MAX];
    uint32_t proposal_numbers[PROPOSALS_MAX];
    uint64_t proposal_lives[PROPOSALS_MAX];
    bool proposal_applied[PROPOSALS_MAX];
    uint64_t proposal_nodes[PROPOSALS_MAX];
    uint32_t proposal_count;
    struct question questions[LOOP_NODES_MAX][2];
    uint64_t number;

    /* what a run is worth */
    uint64_t lease_ms;
    uint64_t answers;
    uint64_t losses;
    uint64_t lapses;
    uint64_t restarts;
};

static uint64_t chance(struct world *world, uint64_t bound)
{
    return random_seeded_next(&world->cluster.random) % bound;
}

#define REQUIRE(world, condition)                                                                                      \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            loop_cluster_print(&(world)->cluster);                                                                     \
            fail_msg("seed %llu, t %llu: %s", (unsigned long long)(world)->cluster.seed,                               \
                     (unsigned long long)(world)->cluster.now_ms, #condition);                                         \
        }                                                                                                              \
    } while (0)

static uint64_t committed(const struct world *world)
{
    uint64_t commit_index = 0;
    for (uint32_t i = 0; i < world->cluster.count; i++) {
        if (world->cluster.nodes[i].commit_index > commit_index)
            commit_index = world->cluster.nodes[i].commit_index;
    }
    return commit_index;
}

/* --- what is checked --- */

static void barriers_check(struct world *world, uint32_t position)
{
    struct loop_node *node = &world->cluster.nodes[position];
    for (size_t i = 0; i < node->barrier_count; i++) {
        const struct loop_barrier *barrier = &node->barriers[i];
        struct question *question = &world->questions[position][barrier->reader];
        REQUIRE(world, question->number == barrier->number);
        REQUIRE(world, barrier->index >= question->floor);
        question->number = 0;
        world->answers++;
    }
    node->barrier_count = 0;
}

static void losses_check(struct world *world, uint32_t position)
{
    struct loop_node *node = &world->cluster.nodes[position];
    for (size_t i = 0; i < node->loss_count; i++) {
        const struct loop_node *lost = &world->cluster.nodes[node->losses[i].node - 1];
        /* One that is stopped would say so itself before it did anything. */
        if (lost->incarnation == node->losses[i].incarnation && !lost->stopped)
            REQUIRE(world, !lost->alive);
        world->losses++;
    }
    node->loss_count = 0;
}

static void run(struct world *world, uint64_t ms)
{
    for (; ms > 0; ms--) {
        bool alive[LOOP_NODES_MAX];
        for (uint32_t i = 0; i < world->cluster.count; i++)
            alive[i] = world->cluster.nodes[i].alive;
        loop_cluster_run(&world->cluster, 1);
        for (uint32_t i = 0; i < world->cluster.count; i++) {
            struct loop_node *node = &world->cluster.nodes[i];
            barriers_check(world, i);
            losses_check(world, i);
            world->lapses += alive[i] && !node->alive;
            world->lease_ms += node->lease_until_ms > loop_node_now(&world->cluster, node);
            REQUIRE(world, node->diverged_index == 0 && node->alarms == 0);
        }
    }
}

/* --- what happens --- */

static void propose(struct world *world, struct loop_node *node)
{
    if (world->proposal_count == PROPOSALS_MAX)
        return;
    uint32_t i = world->proposal_count++;
    world->proposal_numbers[i] = i;
    world->proposals[i].command = slice_make(&world->proposal_numbers[i], sizeof(uint32_t));
    world->proposal_lives[i] = node->lives;
    world->proposal_nodes[i] = node->id;
    loop_node_propose(&world->cluster, node, &world->proposals[i]);
}

static void read_ask(struct world *world, struct loop_node *node)
{
    uint32_t reader = (uint32_t)chance(world, 2);
    struct question *question = &world->questions[node->id - 1][reader];
    if (question->number != 0)
        return;
    question->number = ++world->number;
    question->floor = committed(world);
    loop_node_read(&world->cluster, node, reader, question->number);
    barriers_check(world, (uint32_t)node->id - 1);
}

static void restart(struct world *world, struct loop_node *node)
{
    memset(world->questions[node->id - 1], 0, sizeof world->questions[0]);
    loop_node_restart(&world->cluster, node);
    loop_cluster_register(&world->cluster);
    world->restarts++;
}

static void replica_tell(struct world *world, struct loop_node *node, struct replica_message *inner)
{
    struct raft_loop_message message = {.kind = RAFT_LOOP_REPLICA, .replica = inner};
    list_init(&inner->proposals);
    loop_node_step(&world->cluster, node, &message);
}

static void membership_change(struct world *world, struct loop_node *node)
{
    struct replica_message change = {.kind = REPLICA_CHANGE};
    change.change.kind = chance(world, 3) == 0 ? REPLICA_CHANGE_DEMOTE : REPLICA_CHANGE_PROMOTE;
    change.change.id = 1 + chance(world, world->cluster.count);
    replica_tell(world, node, &change);
}

static void link_trouble(struct world *world)
{
    struct loop_cluster *cluster = &world->cluster;
    uint64_t from = 1 + chance(world, cluster->count);
    uint64_t to = 1 + chance(world, cluster->count);
    switch (chance(world, 5)) {
    case 0: loop_cluster_cut(cluster, from, true); break;
    case 1: loop_cluster_cut(cluster, from, false); break;
    case 2: cluster->cut[from][to] = !cluster->cut[from][to]; break;
    default:
        if (from != to && !cluster->nodes[from - 1].stopped)
            loop_cluster_connect(cluster, from, to, cluster->closed[from][to]);
        break;
    }
}

static void trouble(struct world *world, struct loop_node *node)
{
    struct raft_loop_message mode = {.kind = RAFT_LOOP_READ_MODE, .index_reads = chance(world, 4) == 0};
    struct replica_message transfer = {.kind = REPLICA_TRANSFER};
    switch (chance(world, 12)) {
    case 0:
    case 1:
    case 2:
    case 3: link_trouble(world); break;
    case 4: node->stopped = true; break;
    case 5: restart(world, node); break;
    case 6: replica_tell(world, node, &transfer); break;
    case 7: membership_change(world, node); break;
    case 8: node->apply_held = !node->apply_held; break;
    case 9: node->unhealthy = !node->unhealthy; break;
    case 10: loop_node_step(&world->cluster, node, &mode); break;
    default: world->cluster.loss = (uint32_t)chance(world, 3) * 20; break;
    }
}

static void heal(struct world *world)
{
    struct loop_cluster *cluster = &world->cluster;
    struct raft_loop_message mode = {.kind = RAFT_LOOP_READ_MODE};
    cluster->loss = 0;
    memset(cluster->cut, 0, sizeof cluster->cut);
    for (uint32_t i = 0; i < cluster->count; i++) {
        struct loop_node *node = &cluster->nodes[i];
        if (node->stopped)
            loop_node_resume(cluster, node);
        if (node->sick)
            restart(world, node);
        node->apply_held = node->unhealthy = false;
        loop_node_step(cluster, node, &mode);
        for (uint32_t j = 1; j <= cluster->count; j++) {
            if (cluster->closed[node->id][j])
                loop_cluster_connect(cluster, node->id, j, true);
        }
    }
}

static void episode(struct world *world)
{
    for (uint32_t i = 0; i < 12; i++) {
        struct loop_node *node = &world->cluster.nodes[chance(world, world->cluster.count)];
        if (node->stopped) {
            if (chance(world, 3) == 0)
                loop_node_resume(&world->cluster, node);
            continue;
        }
        if (node->sick)
            restart(world, node);
        uint64_t what = chance(world, 10);
        if (what < 4)
            propose(world, node);
        else if (what < 8)
            read_ask(world, node);
        else if (what == 8)
            trouble(world, node);
        run(world, chance(world, 30));
    }
    run(world, chance(world, 600));
}

/* --- the end --- */

static bool all_answered(const struct world *world)
{
    for (uint32_t i = 0; i < world->cluster.count; i++) {
        const struct loop_node *node = &world->cluster.nodes[i];
        if (world->questions[i][0].number != 0 || world->questions[i][1].number != 0)
            return false;
        if (!node->alive || node->command_count != world->cluster.nodes[0].command_count)
            return false;
    }
    return true;
}

static void end_check(struct world *world)
{
    heal(world);
    run(world, 3000);
    for (uint32_t i = 0; i < world->cluster.count; i++) { /* who was said to be lost is closed, and comes anew */
        if (!world->cluster.nodes[i].alive)
            restart(world, &world->cluster.nodes[i]);
    }
    run(world, 4000);
    /* The leader may be without a lease: it has told somebody to take over who could not. */
    for (uint32_t i = 0; i < world->cluster.count; i++)
        REQUIRE(world, world->cluster.nodes[i].leader != 0 &&
                           world->cluster.nodes[i].leader == world->cluster.nodes[0].leader);
    REQUIRE(world, all_answered(world));
    for (uint32_t i = 1; i < world->cluster.count; i++)
        assert_memory_equal(world->cluster.nodes[i].commands, world->cluster.nodes[0].commands,
                            world->cluster.nodes[0].command_count * sizeof(uint32_t));
    for (size_t i = 0; i < world->cluster.nodes[0].command_count; i++)
        world->proposal_applied[world->cluster.nodes[0].commands[i]] = true;
    for (uint32_t i = 0; i < world->proposal_count; i++) {
        const struct loop_node *node = &world->cluster.nodes[world->proposal_nodes[i] - 1];
        REQUIRE(world, node->lives != world->proposal_lives[i] || world->proposal_applied[i]);
    }
}

static void seed_run(uint64_t seed, struct world *world)
{
    memset(world, 0, sizeof *world);
    loop_cluster_init(&world->cluster, seed % 4 == 0 ? 5 : 3, seed);
    world->cluster.delay_max_ms = 1 + (uint32_t)chance(world, 15);
    for (uint32_t i = 0; i < world->cluster.count; i++)
        world->cluster.nodes[i].skew = (int64_t)chance(world, 101) - 50; /* half a percent either way */
    loop_cluster_register(&world->cluster);
    for (uint32_t i = 0; i < 40; i++) {
        episode(world);
        if (chance(world, 3) == 0) {
            heal(world);
            run(world, 500 + chance(world, 2000));
        }
    }
    end_check(world);
    loop_cluster_fini(&world->cluster);
}

static uint64_t first_seed = 1;
static uint64_t seed_count = DEFAULT_SEEDS;

static void test_seeds(void **state)
{
    (void)state;
    struct world *world = malloc(sizeof *world);
    struct world sum = {0};
    for (uint64_t seed = first_seed; seed < first_seed + seed_count; seed++) {
        seed_run(seed, world);
        sum.answers += world->answers;
        sum.losses += world->losses;
        sum.lapses += world->lapses;
        sum.restarts += world->restarts;
        sum.lease_ms += world->lease_ms;
        sum.proposal_count += world->proposal_count;
    }
    free(world);
    printf("seeds %llu: answers %llu, proposals %u, losses %llu, lapses %llu, restarts %llu, leases %llu s\n",
           (unsigned long long)seed_count, (unsigned long long)sum.answers, sum.proposal_count,
           (unsigned long long)sum.losses, (unsigned long long)sum.lapses, (unsigned long long)sum.restarts,
           (unsigned long long)sum.lease_ms / 1000);
    assert_true(sum.answers > 0 && sum.losses > 0 && sum.lapses > 0 && sum.restarts > 0 && sum.lease_ms > 0);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        first_seed = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        seed_count = strtoull(argv[2], NULL, 10);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
