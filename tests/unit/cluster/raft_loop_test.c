/* The raft loop's actor among others of its kind: who leads and for how long, what readers are told, how commands get to the
 * leader, who is alive. */
#include "cluster/raft_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/support/loop_cluster.h"

static int setup_of(void **state, uint32_t count)
{
    struct loop_cluster *cluster = malloc(sizeof *cluster);
    assert_non_null(cluster);
    loop_cluster_init(cluster, count, 1);
    *state = cluster;
    return 0;
}

static int setup(void **state)
{
    return setup_of(state, 3);
}

static int setup_alone(void **state)
{
    return setup_of(state, 1);
}

static int teardown(void **state)
{
    loop_cluster_fini(*state);
    free(*state);
    return 0;
}

static const uint32_t numbers[] = {1, 2, 3};

static struct proposal command(uint32_t i)
{
    return (struct proposal){.command = slice_make(&numbers[i], sizeof numbers[i])};
}

static void leader_has_lease_and_all_are_alive(void **state)
{
    struct loop_cluster *cluster = *state;
    struct loop_node *leader = loop_cluster_leader(cluster);
    uint64_t term = leader->term;
    loop_cluster_run(cluster, 5000);
    assert_ptr_equal(loop_cluster_leader(cluster), leader);
    assert_true(leader->term == term);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(cluster->nodes[i].alive);
        assert_true(cluster->nodes[i].silent_ms == 0);
    }
    assert_true(leader->lease_until_ms > cluster->now_ms + LEADER_PROMISE_MS - LEASE_PING_MS - LEADER_DRIFT_MS - 5);
    assert_true(leader->lease_until_ms < cluster->now_ms + LEADER_PROMISE_MS);
    struct raft_loop_peer_status peers[4];
    assert_int_equal(raft_loop_peers(leader->loop, peers, 4), 2);
    assert_true(peers[0].connected && peers[0].heard_ms + LEASE_PING_MS >= cluster->now_ms);
    assert_true(peers[0].applied_index == leader->commit_index && peers[0].match_index == leader->commit_index);
}

static void node_alone_has_all_at_once(void **state)
{
    struct loop_cluster *cluster = *state;
    struct loop_node *node = &cluster->nodes[0];
    struct proposal proposal = command(0);
    loop_cluster_run(cluster, 1);
    assert_int_equal(node->role, REPLICA_LEADER);
    assert_true(node->alive);
    assert_true(node->lease_until_ms == 0); /* nothing of its term is applied */
    loop_node_read(cluster, node, 0, 1);
    assert_true(loop_node_barrier(node, 0, 1) == 0);
    loop_node_propose(cluster, node, &proposal);
    loop_cluster_run(cluster, 3);
    assert_true(node->lease_until_ms == UINT64_MAX);
    assert_true(loop_node_barrier(node, 0, 1) == node->commit_index);
    loop_node_read(cluster, node, 0, 2);
    assert_true(loop_node_barrier(node, 0, 2) == node->commit_index);
    assert_int_equal(node->command_count, 1);
    node->unhealthy = true; /* there is nobody else to lead */
    loop_cluster_run(cluster, 5000);
    assert_true(node->alive && !node->sick && node->silent_ms == 0);
    assert_int_equal(node->loss_count, 0);
}

static void commands_of_all_nodes_are_applied_on_all(void **state)
{
    struct loop_cluster *cluster = *state;
    struct proposal proposals[3] = {command(0), command(1), command(2)};
    loop_node_propose(cluster, &cluster->nodes[1], &proposals[0]); /* nobody leads yet */
    struct loop_node *follower = loop_cluster_follower(cluster);
    loop_node_propose(cluster, follower, &proposals[1]);
    loop_node_propose(cluster, loop_cluster_leader(cluster), &proposals[2]);
    loop_cluster_run(cluster, 200);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(cluster->nodes[i].command_count, 3);
        assert_memory_equal(cluster->nodes[i].commands, cluster->nodes[0].commands, 3 * sizeof(uint32_t));
    }
}

/* A commit reaches the others by the next message, not by the next heartbeat. */
static void follower_answers_soon(void **state)
{
    struct loop_cluster *cluster = *state;
    struct proposal proposal = command(0);
    struct loop_node *follower = loop_cluster_follower(cluster);
    loop_cluster_run(cluster, 500);
    loop_node_propose(cluster, follower, &proposal);
    loop_cluster_run(cluster, 8);
    assert_int_equal(follower->command_count, 1);
}

static void barrier_through_a_follower(void **state)
{
    struct loop_cluster *cluster = *state;
    struct proposal proposal = command(0);
    struct loop_node *leader = loop_cluster_leader(cluster);
    struct loop_node *follower = loop_cluster_follower(cluster);
    loop_node_propose(cluster, leader, &proposal);
    loop_cluster_run(cluster, 10);
    loop_node_read(cluster, follower, 0, 7);
    loop_node_read(cluster, follower, 3, 1); /* the question is on its way: this one waits for the next */
    assert_true(loop_node_barrier(follower, 0, 7) == 0);
    loop_cluster_run(cluster, 3);
    assert_true(loop_node_barrier(follower, 0, 7) == leader->commit_index);
    loop_cluster_run(cluster, 3);
    assert_true(loop_node_barrier(follower, 3, 1) == leader->commit_index);
    assert_int_equal(cluster->frames[QNFS__PEER__BODY_READ_QUESTION], 2);
    loop_node_read(cluster, leader, 0, 1);
    assert_true(loop_node_barrier(leader, 0, 1) == leader->commit_index); /* by its lease */
}

/* Without leases each question takes a round of pings that begins after it came. */
static void index_reads(void **state)
{
    struct loop_cluster *cluster = *state;
    struct loop_node *leader = loop_cluster_leader(cluster);
    struct loop_node *follower = loop_cluster_follower(cluster);
    struct raft_loop_message mode = {.kind = RAFT_LOOP_READ_MODE, .index_reads = true};
    loop_cluster_run(cluster, 500);
    loop_node_step(cluster, leader, &mode);
    loop_node_step(cluster, follower, &mode);
    assert_true(leader->lease_until_ms == 0);
    for (uint64_t i = 1; i <= 20; i++) {
        loop_node_read(cluster, leader, 0, i);
        loop_node_read(cluster, follower, 0, i);
        assert_true(loop_node_barrier(leader, 0, i) == 0);
        loop_cluster_run(cluster, 6);
        assert_true(loop_node_barrier(leader, 0, i) == leader->commit_index);
        assert_true(loop_node_barrier(follower, 0, i) == leader->commit_index);
    }
    loop_cluster_cut(cluster, leader->id, true);
    loop_node_read(cluster, leader, 0, 21);
    loop_cluster_run(cluster, 2000);
    assert_true(loop_node_barrier(leader, 0, 21) == 0);
    assert_true(leader->lease_until_ms == 0);
}

/* The other side elects somebody and commits: the run checks that no lease is left then. What is asked of the old leader
 * meanwhile is answered only when it follows, with what the new one has committed. */
static void silent_leader_loses_its_lease_first(void **state)
{
    struct loop_cluster *cluster = *state;
    struct loop_node *old = loop_cluster_leader(cluster);
    struct proposal proposal = command(0);
    loop_cluster_run(cluster, 1000);
    loop_cluster_cut(cluster, old->id, true);
    uint64_t cut_ms = cluster->now_ms;
    loop_cluster_run(cluster, LEADER_PROMISE_MS);
    loop_node_read(cluster, old, 1, 1);
    assert_true(loop_node_barrier(old, 1, 1) == 0);
    struct loop_node *young = loop_cluster_leader(cluster);
    assert_ptr_not_equal(old, young);
    assert_true(cluster->now_ms < cut_ms + 2000);
    loop_node_propose(cluster, young, &proposal);
    loop_cluster_run(cluster, 2000);
    assert_true(loop_node_barrier(old, 1, 1) == 0);
    assert_false(old->alive);
    assert_true(old->silent_ms < cut_ms + NODE_LEASE_MS);
    loop_cluster_cut(cluster, old->id, false);
    loop_cluster_run(cluster, 1000);
    assert_true(loop_node_barrier(old, 1, 1) >= young->commit_index);
    assert_int_equal(old->command_count, 1);
    assert_true(old->alive);
}

/* The answers get lost: the question is asked again, and commands are sent again. */
static void follower_that_hears_nothing(void **state)
{
    struct loop_cluster *cluster = *state;
    struct loop_node *leader = loop_cluster_leader(cluster);
    struct loop_node *follower = loop_cluster_follower(cluster);
    struct proposal proposal = command(0);
    loop_cluster_run(cluster, 500);
    cluster->cut[leader->id][follower->id] = true;
    loop_node_read(cluster, follower, 0, 1);
    loop_node_propose(cluster, follower, &proposal);
    loop_cluster_run(cluster, 150);
    assert_true(loop_node_barrier(follower, 0, 1) == 0);
    cluster->cut[leader->id][follower->id] = false;
    loop_cluster_run(cluster, 3000);
    assert_true(loop_node_barrier(follower, 0, 1) != 0);
    assert_true(follower->command_count >= 1);
    for (size_t i = 0; i < follower->command_count; i++)
        assert_int_equal(follower->commands[i], 1);
}

/* A node that is stopped is lost once, after its lease has ended; when it goes on, it says itself that it is silent. */
static void stopped_node_is_lost(void **state)
{
    struct loop_cluster *cluster = *state;
    struct loop_node *leader = loop_cluster_leader(cluster);
    struct loop_node *follower = loop_cluster_follower(cluster);
    loop_cluster_register(cluster);
    loop_cluster_run(cluster, 2000);
    assert_int_equal(leader->loss_count, 0);
    follower->stopped = true;
    uint64_t stopped_ms = cluster->now_ms;
    loop_cluster_run(cluster, NODE_LOST_MS + 100);
    assert_int_equal(leader->loss_count, 1);
    assert_int_equal(leader->losses[0].node, follower->id);
    assert_int_equal(leader->losses[0].incarnation, 100 + follower->id);
    assert_true(leader->losses[0].at_ms >= stopped_ms + NODE_LEASE_MS);
    loop_cluster_run(cluster, NODE_LOST_AGAIN_MS);
    assert_int_equal(leader->loss_count, 2); /* the command may have been lost */
    loop_node_resume(cluster, follower);
    loop_cluster_run(cluster, 1);
    assert_false(follower->alive);
    loop_cluster_run(cluster, 3000);
    assert_false(follower->alive); /* its end is on its way */
    struct raft_loop_message again = {.kind = RAFT_LOOP_REGISTERED, .incarnation = 500};
    loop_node_step(cluster, follower, &again);
    loop_cluster_run(cluster, 100);
    assert_true(follower->alive);
}

/* A leader that dies is lost soon after the election: its lease was what a majority had promised. Others get a full lease. */
static void dead_leader_is_lost(void **state)
{
    struct loop_cluster *cluster = *state;
    loop_cluster_register(cluster);
    struct loop_node *old = loop_cluster_leader(cluster);
    loop_cluster_run(cluster, 2000);
    loop_cluster_cut(cluster, old->id, true);
    uint64_t cut_ms = cluster->now_ms;
    loop_cluster_run(cluster, LEADER_PROMISE_MS); /* its lease is over */
    struct loop_node *young = loop_cluster_leader(cluster);
    loop_cluster_run(cluster, 400);
    assert_int_equal(young->loss_count, 1);
    assert_int_equal(young->losses[0].node, old->id);
    assert_false(old->alive);
    assert_true(old->silent_ms < young->losses[0].at_ms);
    assert_true(young->losses[0].at_ms < cut_ms + 1500);
    loop_cluster_run(cluster, 300);
    for (size_t i = 0; i < young->loss_count; i++)
        assert_int_equal(young->losses[i].node, old->id);
}

/* After a transfer the old leader is alive to the new one as everybody else. */
static void transfer_loses_nobody(void **state)
{
    struct loop_cluster *cluster = *state;
    loop_cluster_register(cluster);
    struct loop_node *old = loop_cluster_leader(cluster);
    loop_cluster_run(cluster, 1000);
    struct replica_message transfer = {.kind = REPLICA_TRANSFER};
    struct raft_loop_message message = {.kind = RAFT_LOOP_REPLICA, .replica = &transfer};
    list_init(&transfer.proposals);
    loop_node_step(cluster, old, &message);
    assert_true(old->lease_until_ms == 0);
    loop_cluster_run(cluster, 50);
    struct loop_node *young = loop_cluster_leader(cluster);
    assert_ptr_not_equal(old, young);
    loop_cluster_run(cluster, 2000);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(cluster->nodes[i].loss_count, 0);
        assert_true(cluster->nodes[i].alive && cluster->nodes[i].silent_ms == 0);
    }
}

static void leader_without_room_goes(void **state)
{
    struct loop_cluster *cluster = *state;
    struct loop_node *old = loop_cluster_leader(cluster);
    struct replica_message full = {.kind = REPLICA_SPACE, .space = LOG_SPACE_FULL};
    list_init(&full.proposals);
    loop_node_step(cluster, old, &(struct raft_loop_message){.kind = RAFT_LOOP_REPLICA, .replica = &full});
    struct proposal waiting = command(0);
    loop_node_propose(cluster, old, &waiting);
    loop_cluster_run(cluster, 200); /* no election takes so little */
    struct loop_node *leader = loop_cluster_leader(cluster);
    assert_ptr_not_equal(leader, old);
    loop_cluster_run(cluster, 200);
    for (uint32_t i = 0; i < 3; i++) /* what waited for room was forwarded */
        assert_int_equal(cluster->nodes[i].command_count, 1);
}

static void leader_alone_without_room_stays(void **state)
{
    struct loop_cluster *cluster = *state;
    struct loop_node *node = &cluster->nodes[0];
    struct replica_message full = {.kind = REPLICA_SPACE, .space = LOG_SPACE_FULL};
    list_init(&full.proposals);
    loop_cluster_run(cluster, 1);
    assert_int_equal(node->role, REPLICA_LEADER);
    uint64_t term = node->term;
    loop_node_step(cluster, node, &(struct raft_loop_message){.kind = RAFT_LOOP_REPLICA, .replica = &full});
    loop_cluster_run(cluster, 1000);
    assert_int_equal(node->role, REPLICA_LEADER);
    assert_int_equal(node->term, term);
}

static void sick_leader_goes(void **state)
{
    struct loop_cluster *cluster = *state;
    struct loop_node *old = loop_cluster_leader(cluster);
    loop_cluster_run(cluster, 1000);
    old->unhealthy = true;
    loop_cluster_run(cluster, NODE_HEALTH_MS + NODE_HEALTH_GRACE_MS + 200);
    assert_int_not_equal(old->role, REPLICA_LEADER);
    loop_cluster_run(cluster, 3000);
    assert_false(old->sick);
    assert_false(old->alive); /* it does not say that it lives */
    old->unhealthy = false;
    loop_cluster_run(cluster, 200);
    assert_true(old->alive);
}

static void hash_tell(struct loop_cluster *cluster, struct loop_node *node, uint64_t index, uint8_t hash)
{
    struct raft_loop_message message = {.kind = RAFT_LOOP_HASH, .index = index, .hash = {hash}};
    loop_node_step(cluster, node, &message);
}

static void minority_has_diverged(void **state)
{
    struct loop_cluster *cluster = *state;
    struct loop_node *leader = loop_cluster_leader(cluster);
    struct loop_node *follower = loop_cluster_follower(cluster);
    loop_cluster_run(cluster, 500);
    for (uint64_t index = 64; index <= 64 * 100; index += 64) {
        for (uint32_t i = 0; i < 3; i++)
            hash_tell(cluster, &cluster->nodes[i], index, 7);
        loop_cluster_run(cluster, 10);
    }
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(cluster->nodes[i].diverged_index, 0);
    for (uint32_t i = 0; i < 3; i++)
        hash_tell(cluster, &cluster->nodes[i], 8000, &cluster->nodes[i] == follower ? 2 : 1);
    loop_cluster_run(cluster, 2 * STATE_COMPARE_MS);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(cluster->nodes[i].diverged_index, &cluster->nodes[i] == follower ? 8000 : 0);
        assert_int_equal(cluster->nodes[i].alarms, 0);
    }
    assert_int_equal(leader->role, REPLICA_LEADER);
}

static void leader_has_diverged(void **state)
{
    struct loop_cluster *cluster = *state;
    struct loop_node *leader = loop_cluster_leader(cluster);
    loop_cluster_run(cluster, 500);
    for (uint32_t i = 0; i < 3; i++)
        hash_tell(cluster, &cluster->nodes[i], 64, &cluster->nodes[i] == leader ? 2 : 1);
    loop_cluster_run(cluster, 2 * STATE_COMPARE_MS);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(cluster->nodes[i].diverged_index, &cluster->nodes[i] == leader ? 64 : 0);
}

static void equal_split_only_alarms(void **state)
{
    struct loop_cluster *cluster = *state;
    struct loop_node *leader = loop_cluster_leader(cluster);
    for (uint64_t index = 64; index <= 640; index += 64) {
        for (uint32_t i = 0; i < 3; i++)
            hash_tell(cluster, &cluster->nodes[i], index, (uint8_t)i);
        loop_cluster_run(cluster, 100);
    }
    loop_cluster_run(cluster, 2 * STATE_COMPARE_MS);
    assert_int_equal(leader->alarms, 1);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(cluster->nodes[i].diverged_index, 0);
}

/* Connections with floating addresses go to all others, whoever leads, and not to oneself. */
static void connections_are_told(void **state)
{
    struct loop_cluster *cluster = *state;
    struct loop_node *teller = loop_cluster_follower(cluster);
    static const uint8_t bytes[28] = {192, 0, 2, 10};
    struct raft_loop_message message = {.kind = RAFT_LOOP_CONNECTIONS, .bytes = slice_make(bytes, sizeof(bytes))};
    loop_node_step(cluster, teller, &message);
    loop_cluster_run(cluster, 50);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(cluster->nodes[i].told_bytes, &cluster->nodes[i] == teller ? 0 : sizeof(bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(leader_has_lease_and_all_are_alive, setup, teardown),
        cmocka_unit_test_setup_teardown(node_alone_has_all_at_once, setup_alone, teardown),
        cmocka_unit_test_setup_teardown(commands_of_all_nodes_are_applied_on_all, setup, teardown),
        cmocka_unit_test_setup_teardown(follower_answers_soon, setup, teardown),
        cmocka_unit_test_setup_teardown(barrier_through_a_follower, setup, teardown),
        cmocka_unit_test_setup_teardown(index_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(silent_leader_loses_its_lease_first, setup, teardown),
        cmocka_unit_test_setup_teardown(follower_that_hears_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(stopped_node_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(dead_leader_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(transfer_loses_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(leader_without_room_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(leader_alone_without_room_stays, setup_alone, teardown),
        cmocka_unit_test_setup_teardown(sick_leader_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(minority_has_diverged, setup, teardown),
        cmocka_unit_test_setup_teardown(leader_has_diverged, setup, teardown),
        cmocka_unit_test_setup_teardown(equal_split_only_alarms, setup, teardown),
        cmocka_unit_test_setup_teardown(connections_are_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
