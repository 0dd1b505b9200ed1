/* Who is alive: this process to the leader, and others to this one. */
#include "cluster/node_lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define SELF 1u

struct fixture {
    struct node_lease nodes;
    struct node_lease_now now;
    struct configuration configuration;
    struct raft_loop_actions actions;
    uint64_t now_ms;

    /* of the newest advance */
    bool hand_over;
    uint32_t pings; /* NodePing to the leader */
    uint64_t pinged;
    Qnfs__NodePing ping;
    uint32_t pongs;
    uint64_t ponged;
    Qnfs__NodePong pong;
    uint32_t losses;
    uint64_t lost;
    uint64_t lost_incarnation;
    uint64_t diverged;
    uint32_t alarms;
    bool sick;
    int alive; /* -1: no news */
};

static void begin(struct fixture *fixture, uint64_t leader)
{
    *fixture = (struct fixture){.now_ms = 100000};
    fixture->configuration =
        (struct configuration){4, {{1, MEMBER_VOTER}, {2, MEMBER_VOTER}, {3, MEMBER_VOTER}, {4, MEMBER_STANDBY}}};
    fixture->now = (struct node_lease_now){
        .view = {.leads = leader == SELF,
                 .may_lease = leader == SELF,
                 .term = 5,
                 .leader = leader,
                 .applied_index = 70,
                 .flushed_index = 60,
                 .configuration = &fixture->configuration},
        .next_round = 11,
        .leader_open = leader != SELF && leader != 0,
    };
    raft_loop_actions_init(&fixture->actions);
    node_lease_init(&fixture->nodes, SELF);
}

static void collect(struct fixture *fixture)
{
    fixture->pings = fixture->pongs = fixture->losses = fixture->alarms = 0;
    fixture->diverged = 0;
    fixture->sick = false;
    fixture->alive = -1;
    for (const struct raft_loop_action *action = fixture->actions.first; action != NULL; action = action->next) {
        if (action->kind == RAFT_LOOP_DO_ALIVE) {
            fixture->alive = action->alive;
        } else if (action->kind == RAFT_LOOP_DO_LOST) {
            fixture->losses++;
            fixture->lost = action->node;
            fixture->lost_incarnation = action->incarnation;
            assert_int_equal(action->term, fixture->now.view.term);
        } else if (action->kind == RAFT_LOOP_DO_SICK) {
            fixture->sick = true;
        } else if (action->kind == RAFT_LOOP_DO_DIVERGED) {
            fixture->diverged = action->index;
        } else if (action->kind == RAFT_LOOP_DO_ALARM) {
            fixture->alarms++;
        } else if (action->message->body_case == QNFS__PEER__BODY_NODE_PING) {
            fixture->pings++;
            fixture->pinged = action->node;
            fixture->ping = *action->message->node_ping;
        } else {
            assert_int_equal(action->message->body_case, QNFS__PEER__BODY_NODE_PONG);
            fixture->pongs++;
            fixture->ponged = action->node;
            fixture->pong = *action->message->node_pong;
        }
    }
}

/* This process is healthy, but for who says otherwise. */
static void advance_unhealthy(struct fixture *fixture)
{
    raft_loop_actions_reset(&fixture->actions);
    fixture->hand_over = node_lease_advance(&fixture->nodes, &fixture->now, fixture->now_ms, &fixture->actions);
    collect(fixture);
}

static void advance(struct fixture *fixture)
{
    node_lease_healthy(&fixture->nodes, fixture->now_ms);
    advance_unhealthy(fixture);
}

/* In steps as a raft loop's; the last one is looked at, and all losses are counted. */
static void pass(struct fixture *fixture, uint64_t ms)
{
    uint32_t losses = 0;
    for (uint64_t end_ms = fixture->now_ms + ms; fixture->now_ms < end_ms;) {
        fixture->now_ms += end_ms - fixture->now_ms < 10 ? end_ms - fixture->now_ms : 10;
        if (fixture->now.promised_until_ms != 0)
            fixture->now.promised_until_ms = fixture->now_ms + 200;
        advance(fixture);
        losses += fixture->losses;
    }
    fixture->losses = losses;
}

static void ping_in(struct fixture *fixture, uint64_t node, uint64_t incarnation, uint64_t sent_ms)
{
    Qnfs__NodePing ping = QNFS__NODE_PING__INIT;
    ping.incarnation = incarnation;
    ping.sent_ms = sent_ms;
    ping.applied_index = 68;
    node_lease_ping(&fixture->nodes, node, &ping, &fixture->now, fixture->now_ms);
}

static void pong_in(struct fixture *fixture, uint64_t sent_ms, uint64_t diverged_index, uint64_t compare_index)
{
    Qnfs__NodePong pong = QNFS__NODE_PONG__INIT;
    pong.sent_ms = sent_ms;
    pong.term = 5;
    pong.diverged_index = diverged_index;
    pong.compare_index = compare_index;
    raft_loop_actions_reset(&fixture->actions);
    node_lease_pong(&fixture->nodes, &pong, fixture->now_ms, &fixture->actions);
    collect(fixture);
}

static void end(struct fixture *fixture)
{
    raft_loop_actions_fini(&fixture->actions);
}

/* --- this process --- */

static void lease_counts_from_the_ping(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, 2);
    node_lease_registered(&fixture.nodes, 33);
    advance_unhealthy(&fixture);
    assert_int_equal(fixture.pings, 0); /* nobody has said that it is healthy */
    advance(&fixture);
    assert_int_equal(fixture.pings, 1);
    assert_int_equal(fixture.pinged, 2);
    assert_int_equal(fixture.ping.incarnation, 33);
    assert_int_equal(fixture.ping.sent_ms, fixture.now_ms);
    assert_int_equal(fixture.ping.applied_index, 70);
    assert_int_equal(fixture.ping.flushed_index, 60);
    assert_int_equal(fixture.ping.hash_index, 0);
    uint64_t sent_ms = fixture.now_ms;
    fixture.now_ms += LEASE_PING_MS - 1;
    advance(&fixture);
    assert_int_equal(fixture.pings, 0);
    pong_in(&fixture, sent_ms, 0, 0);
    fixture.now_ms += 1;
    advance(&fixture);
    assert_int_equal(fixture.alive, 1);
    assert_int_equal(fixture.pings, 1);
    fixture.now_ms = sent_ms + NODE_LEASE_MS - NODE_DRIFT_MS - 1;
    advance(&fixture);
    assert_int_equal(fixture.alive, -1);
    assert_int_equal(node_lease_deadline(&fixture.nodes, &fixture.now, fixture.now_ms), fixture.now_ms + 1);
    fixture.now_ms++;
    advance(&fixture);
    assert_int_equal(fixture.alive, 0);
    pong_in(&fixture, fixture.now_ms + 5, 0, 0); /* of an earlier boot */
    advance(&fixture);
    assert_int_equal(fixture.alive, -1);
    pong_in(&fixture, fixture.now_ms, 0, 0);
    advance(&fixture);
    assert_int_equal(fixture.alive, 1);
    end(&fixture);
}

static void unhealthy_process_is_quiet(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, 2);
    advance(&fixture);
    fixture.now_ms += NODE_HEALTH_MS;
    advance_unhealthy(&fixture);
    assert_int_equal(fixture.pings, 1);
    fixture.now_ms += LEASE_PING_MS;
    advance_unhealthy(&fixture);
    assert_int_equal(fixture.pings, 0);
    assert_false(fixture.hand_over); /* it does not lead */
    end(&fixture);
}

static void new_leader_is_pinged_at_once(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, 2);
    advance(&fixture);
    fixture.now.view.leader = 3;
    fixture.now.leader_open = false;
    advance(&fixture);
    assert_int_equal(fixture.pings, 0);
    fixture.now.leader_open = true;
    advance(&fixture);
    assert_int_equal(fixture.pinged, 3);
    assert_int_equal(fixture.pings, 1);
    end(&fixture);
}

/* A leader lives by its promises, also when it stops leading; the only voter for ever. */
static void leader_lives_by_promises(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, SELF);
    advance(&fixture);
    assert_int_equal(fixture.alive, -1);
    fixture.now.promised_until_ms = fixture.now_ms + 200;
    uint64_t until_ms = fixture.now.promised_until_ms;
    advance(&fixture);
    assert_int_equal(fixture.alive, 1);
    fixture.now.view.leads = fixture.now.view.may_lease = false;
    fixture.now.view.leader = 0;
    fixture.now.promised_until_ms = 0;
    fixture.now_ms = until_ms - 1;
    advance(&fixture);
    assert_int_equal(fixture.alive, -1);
    fixture.now_ms++;
    advance(&fixture);
    assert_int_equal(fixture.alive, 0);
    end(&fixture);

    begin(&fixture, SELF);
    fixture.configuration.count = 1;
    fixture.now.promised_until_ms = UINT64_MAX;
    advance(&fixture);
    assert_int_equal(fixture.alive, 1);
    fixture.configuration.count = 2; /* a second voter: what it was promised counts from now on */
    fixture.now.promised_until_ms = 0;
    advance(&fixture);
    assert_int_equal(fixture.alive, -1);
    fixture.now_ms += LEADER_PROMISE_MS;
    advance(&fixture);
    assert_int_equal(fixture.alive, 0);
    end(&fixture);
}

/* --- leading: answers --- */

static void ping_is_answered_by_the_only_leader(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, SELF);
    fixture.now.promised_until_ms = fixture.now_ms + 200;
    advance(&fixture);
    ping_in(&fixture, 2, 22, 555);
    advance(&fixture);
    assert_int_equal(fixture.pongs, 1);
    assert_int_equal(fixture.ponged, 2);
    assert_int_equal(fixture.pong.sent_ms, 555);
    assert_int_equal(fixture.pong.term, 5);
    assert_int_equal(node_lease_find(&fixture.nodes, 2)->applied_index, 68);
    ping_in(&fixture, 9, 99, 555); /* a stranger */
    advance(&fixture);
    assert_int_equal(fixture.pongs, 0);
    /* It has told somebody to take over: only a round that was sent later says that nobody has. */
    fixture.now.view.may_lease = false;
    fixture.now.confirmed = 10;
    ping_in(&fixture, 2, 22, 600);
    advance(&fixture);
    assert_int_equal(fixture.pongs, 0);
    fixture.now.next_round = 12;
    ping_in(&fixture, 2, 22, 650); /* the next one does not push it back */
    fixture.now.confirmed = 11;
    advance(&fixture);
    assert_int_equal(fixture.pongs, 1);
    assert_int_equal(fixture.pong.sent_ms, 600);
    fixture.now.view.leads = false; /* and who does not lead says nothing */
    fixture.now.view.leader = 2;
    advance(&fixture);
    ping_in(&fixture, 2, 22, 700);
    advance(&fixture);
    assert_int_equal(fixture.pongs, 0);
    end(&fixture);
}

/* --- leading: losses --- */

static const struct raft_loop_process processes[] = {{1, 11}, {2, 22}, {3, 33}};

static void lead(struct fixture *fixture)
{
    begin(fixture, 0);
    node_lease_processes(&fixture->nodes, processes, 3, fixture->now_ms);
    advance(fixture);
    fixture->now.view.leader = 3;
    fixture->now.view.term = 4;
    advance(fixture);
    fixture->now.view.leads = fixture->now.view.may_lease = true;
    fixture->now.view.leader = SELF;
    fixture->now.view.term = 6;
    fixture->now.promised_until_ms = fixture->now_ms + 200;
    advance(fixture);
}

static void silent_process_is_lost(void **state)
{
    (void)state;
    struct fixture fixture;
    lead(&fixture);
    for (uint32_t i = 0; i < 20; i++) {
        ping_in(&fixture, 2, 22, fixture.now_ms);
        pass(&fixture, 29);
        assert_int_equal(fixture.losses, 0); /* the other one has a full lease from the election */
    }
    pass(&fixture, NODE_LOST_MS - 20 * 29);
    assert_int_equal(fixture.losses, 1);
    assert_int_equal(fixture.lost, 3);
    assert_int_equal(fixture.lost_incarnation, 33);
    ping_in(&fixture, 3, 33, fixture.now_ms); /* too late: its end is on its way */
    advance(&fixture);
    assert_int_equal(fixture.pongs, 0);
    ping_in(&fixture, 3, 34, fixture.now_ms); /* another process */
    advance(&fixture);
    assert_int_equal(fixture.pongs, 1);
    node_lease_processes(&fixture.nodes, processes, 2, fixture.now_ms); /* it was logged */
    pass(&fixture, NODE_LOST_MS);
    assert_int_equal(fixture.losses, 1);
    assert_int_equal(fixture.lost, 2);
    pass(&fixture, NODE_LOST_AGAIN_MS);
    assert_int_equal(fixture.losses, 1); /* the command may have been lost */
    end(&fixture);
}

/* Elected by time-out in the next term: a majority's promises to the last leader are over, and with them its lease. */
static void last_leader_is_lost_soon(void **state)
{
    (void)state;
    struct fixture fixture;
    for (uint32_t i = 0; i < 3; i++) {
        begin(&fixture, 3);
        node_lease_processes(&fixture.nodes, processes, 3, fixture.now_ms);
        advance(&fixture);
        pass(&fixture, NODE_LOST_MS); /* it leads long enough to live by nothing else */
        if (i == 2)
            node_lease_asked(&fixture.nodes, 5); /* to take over */
        fixture.now.view.leads = fixture.now.view.may_lease = true;
        fixture.now.view.leader = SELF;
        fixture.now.view.term = i == 1 ? 7 : 6; /* there may have been another one in between */
        fixture.now.leader_open = false;
        fixture.now.promised_until_ms = fixture.now_ms + 200;
        advance(&fixture);
        pass(&fixture, NODE_LOST_MS - NODE_LEASE_MS);
        assert_int_equal(fixture.losses, i == 0 ? 1 : 0);
        end(&fixture);
    }
}

/* Who may be deposed by now says nothing about others; who stood still has not read what they said. */
static void uncertain_leader_reports_nobody(void **state)
{
    (void)state;
    struct fixture fixture;
    lead(&fixture);
    fixture.now.promised_until_ms = 0;
    fixture.now.confirmed = 10;
    pass(&fixture, NODE_LOST_MS + 200);
    assert_int_equal(fixture.losses, 0);
    fixture.now.confirmed = 11; /* sent after they were missed */
    pass(&fixture, 10);
    assert_int_equal(fixture.losses, 2);
    end(&fixture);

    lead(&fixture);
    fixture.now_ms += 5000;
    fixture.now.promised_until_ms = fixture.now_ms + 200;
    advance(&fixture);
    assert_int_equal(fixture.losses, 0);
    pass(&fixture, NODE_LOST_MS - 10);
    assert_int_equal(fixture.losses, 0);
    pass(&fixture, 20);
    assert_int_equal(fixture.losses, 2);
    end(&fixture);
}

/* A process that has just registered may not know its incarnation yet. */
static void registering_process_is_heard(void **state)
{
    (void)state;
    struct fixture fixture;
    lead(&fixture);
    static const struct raft_loop_process young[] = {{1, 11}, {2, 44}};
    ping_in(&fixture, 2, 0, fixture.now_ms);
    node_lease_processes(&fixture.nodes, young, 2, fixture.now_ms);
    for (uint32_t i = 0; i < 40; i++) {
        ping_in(&fixture, 2, 0, fixture.now_ms);
        pass(&fixture, 50);
        assert_int_equal(fixture.losses, 0);
    }
    end(&fixture);
    /* One that was there before does not come back by that. */
    lead(&fixture);
    for (uint32_t i = 0; i < 12; i++) {
        ping_in(&fixture, 2, 0, fixture.now_ms);
        pass(&fixture, 50);
    }
    assert_int_equal(fixture.losses, 2);
    end(&fixture);
}

/* --- leading: health --- */

static void sick_leader_goes_or_stops(void **state)
{
    (void)state;
    struct fixture fixture;
    lead(&fixture);
    fixture.now_ms += NODE_HEALTH_MS + 1;
    advance_unhealthy(&fixture);
    assert_false(fixture.hand_over); /* after a stop of the process the others must have had their turn */
    fixture.now_ms += NODE_HEALTH_GRACE_MS;
    advance_unhealthy(&fixture);
    assert_true(fixture.hand_over);
    fixture.now_ms += NODE_SICK_MS - 1;
    advance_unhealthy(&fixture);
    assert_false(fixture.hand_over || fixture.sick);
    fixture.now_ms += 1;
    advance_unhealthy(&fixture);
    assert_true(fixture.sick);
    end(&fixture);

    lead(&fixture);
    fixture.now_ms += NODE_HEALTH_MS + 1;
    advance_unhealthy(&fixture);
    fixture.now_ms += NODE_HEALTH_GRACE_MS - 1;
    advance(&fixture);
    fixture.now_ms += 10;
    advance_unhealthy(&fixture);
    assert_false(fixture.hand_over);
    end(&fixture);
}

/* --- hashes --- */

static void hashes_ride_along(void **state)
{
    (void)state;
    struct fixture fixture;
    const uint8_t hash[16] = {7};
    begin(&fixture, 2);
    node_lease_hash(&fixture.nodes, 64, hash);
    node_lease_hash(&fixture.nodes, 128, hash);
    advance(&fixture);
    assert_int_equal(fixture.ping.hash_index, 128);
    assert_int_equal(fixture.ping.hash.len, 16);
    pong_in(&fixture, fixture.now_ms, 0, 64);
    assert_int_equal(fixture.diverged, 0);
    fixture.now_ms += LEASE_PING_MS;
    advance(&fixture);
    assert_int_equal(fixture.ping.hash_index, 64);
    pong_in(&fixture, fixture.now_ms, 64, 64);
    assert_int_equal(fixture.diverged, 64);
    pong_in(&fixture, fixture.now_ms, 64, 64);
    assert_int_equal(fixture.diverged, 0); /* once */
    end(&fixture);

    lead(&fixture);
    node_lease_hash(&fixture.nodes, 64, hash);
    ping_in(&fixture, 2, 22, 500);
    advance(&fixture);
    assert_int_equal(fixture.pong.compare_index, 64);
    Qnfs__NodePing ping = QNFS__NODE_PING__INIT;
    uint8_t other[16] = {8};
    ping.incarnation = 22;
    ping.sent_ms = 501;
    ping.hash_index = 64;
    ping.hash = (ProtobufCBinaryData){16, other};
    node_lease_ping(&fixture.nodes, 2, &ping, &fixture.now, fixture.now_ms);
    advance(&fixture);
    assert_int_equal(fixture.alarms, 1); /* one against one */
    ping.incarnation = 33;
    ping.hash.data = (uint8_t *)(uintptr_t)hash;
    node_lease_ping(&fixture.nodes, 3, &ping, &fixture.now, fixture.now_ms);
    advance(&fixture);
    assert_int_equal(fixture.alarms, 0);
    ping_in(&fixture, 2, 22, 502);
    advance(&fixture);
    assert_int_equal(fixture.pong.diverged_index, 64);
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lease_counts_from_the_ping),
        cmocka_unit_test(unhealthy_process_is_quiet),
        cmocka_unit_test(new_leader_is_pinged_at_once),
        cmocka_unit_test(leader_lives_by_promises),
        cmocka_unit_test(ping_is_answered_by_the_only_leader),
        cmocka_unit_test(silent_process_is_lost),
        cmocka_unit_test(last_leader_is_lost_soon),
        cmocka_unit_test(uncertain_leader_reports_nobody),
        cmocka_unit_test(registering_process_is_heard),
        cmocka_unit_test(sick_leader_goes_or_stops),
        cmocka_unit_test(hashes_ride_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
