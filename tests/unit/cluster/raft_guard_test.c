/* Each guard rule by itself, on the real library: the situation in which libraft 0.22.1 goes wrong, and what the guard
 * makes of it. With QNFS_PLANT_G<N>_OFF the rule's test fails. */
#include "cluster/raft_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"

struct fixture {
    struct raft_guard guard;
    struct log_terms terms;
    struct raft_update update;
    uint64_t now_ms;
};

static int feed(struct fixture *fixture, struct raft_event *event)
{
    event->time = fixture->now_ms;
    return guard_step(&fixture->guard, event, &fixture->update);
}

static void configuration_convert(const struct configuration *configuration, struct raft_configuration *target)
{
    raft_configuration_init(target);
    for (uint32_t i = 0; i < configuration->count; i++) {
        char address[32];
        (void)configuration_address(configuration->members[i].id, (struct span){(uint8_t *)address, sizeof address});
        int role = configuration->members[i].role == MEMBER_VOTER ? RAFT_VOTER : RAFT_STANDBY;
        assert_int_equal(raft_configuration_add(target, configuration->members[i].id, address, role), 0);
    }
}

/* Node 1 with a log whose entries first_index to last_index are of term 2, in term `term`. first_index > 1: a
 * snapshot of term 2 ends before it. */
static void setup(struct fixture *fixture, const struct configuration *configuration, uint64_t term,
                  uint64_t first_index, uint64_t last_index)
{
    *fixture = (struct fixture){.now_ms = 1000};
    struct guard_options options = {1, 7, 300, 50};
    guard_init(&fixture->guard, &options);
    log_terms_init(&fixture->terms, first_index, first_index - 1, first_index > 1 ? 2 : 0);
    uint8_t room[CONFIGURATION_MAX_BYTES];
    size_t size_bytes = configuration_encode(configuration, (struct span){room, sizeof room});
    size_t count = (size_t)(last_index - first_index + 1);
    struct raft_entry *entries = calloc(count + 1, sizeof *entries);
    assert_non_null(entries);
    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct raft_entry){.term = 2, .type = RAFT_COMMAND, .batch = entries};
        log_terms_append(&fixture->terms, 2);
    }
    struct raft_snapshot_metadata metadata = {.index = first_index - 1, .term = 2, .configuration_index = 1};
    struct raft_event event = {.type = RAFT_START};
    event.start.term = term;
    event.start.start_index = first_index;
    event.start.entries = count == 0 ? NULL : entries;
    event.start.n_entries = (unsigned)count;
    if (first_index > 1) {
        configuration_convert(configuration, &metadata.configuration);
        event.start.metadata = &metadata;
    } else {
        entries[0].type = RAFT_CHANGE;
        entries[0].buf = (struct raft_buffer){room, size_bytes};
    }
    assert_int_equal(feed(fixture, &event), 0);
    free(entries);
}

static void teardown(struct fixture *fixture)
{
    guard_fini(&fixture->guard);
    log_terms_fini(&fixture->terms);
}

static int receive(struct fixture *fixture, struct raft_message *message)
{
    struct raft_event event = {.type = RAFT_RECEIVE};
    event.receive.message = message;
    return feed(fixture, &event);
}

static const struct configuration three = {3, {{1, MEMBER_VOTER}, {2, MEMBER_VOTER}, {3, MEMBER_VOTER}}};
static const struct configuration standby = {3, {{1, MEMBER_STANDBY}, {2, MEMBER_VOTER}, {3, MEMBER_VOTER}}};
static const struct configuration one = {1, {{1, MEMBER_VOTER}}};
static const struct configuration one_and_standby = {2, {{1, MEMBER_VOTER}, {2, MEMBER_STANDBY}}};

/* G1: the answer to a stale append carries no index. */
static void test_g1(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, &three, 9, 1, 5);
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES, .server_id = 2, .server_address = "2"};
    message.append_entries.term = 3;
    message.append_entries.prev_log_index = 4;
    message.append_entries.prev_log_term = 2;
    assert_int_equal(receive(&fixture, &message), 0);
    assert_int_equal(fixture.update.messages.n, 1);
    const struct raft_message *result = &fixture.update.messages.batch[0];
    assert_int_equal(result->type, RAFT_APPEND_ENTRIES_RESULT);
    assert_int_equal(result->append_entries_result.term, 9); /* the old leader must hear of it */
    assert_int_equal(result->append_entries_result.rejected, 0);
    assert_int_equal(result->append_entries_result.last_log_index, 0);
    teardown(&fixture);
}

static void test_g2(void **state)
{
    (void)state;
    struct raft_entry entries[5] = {{.type = RAFT_COMMAND},
                                    {.type = RAFT_CHANGE},
                                    {.type = RAFT_CHANGE},
                                    {.type = RAFT_BARRIER},
                                    {.type = RAFT_COMMAND}};
    struct guard_append append = {.entries = entries, .count = 5};
    assert_int_equal(guard_piece(&append), 1);
    append = (struct guard_append){.entries = entries + 1, .count = 4};
    assert_int_equal(guard_piece(&append), 1);
    append = (struct guard_append){.entries = entries + 2, .count = 3};
    assert_int_equal(guard_piece(&append), 3);
    append = (struct guard_append){.entries = NULL, .count = 0};
    assert_int_equal(guard_piece(&append), 0);
}

/* G3: an append from before our snapshot is moved up to what is committed. */
static void test_g3(void **state)
{
    (void)state;
    struct fixture fixture;
    struct raft_entry entries[12] = {{0}};
    setup(&fixture, &three, 2, 11, 15);
    struct guard_append append = {.term = 2, .entries = entries, .count = 12};
    assert_true(guard_rebase(&fixture.guard, &fixture.terms, false, &append));
    assert_int_equal(append.previous_index, 10);
    assert_int_equal(append.previous_term, 2);
    assert_int_equal(append.count, 2);
    assert_ptr_equal(append.entries, entries + 10);
    append = (struct guard_append){.term = 2, .previous_index = 3, .previous_term = 1, .entries = entries, .count = 4};
    assert_true(guard_rebase(&fixture.guard, &fixture.terms, false, &append));
    assert_int_equal(append.previous_index, 10);
    assert_int_equal(append.count, 0);
    /* What we still have, or what a new leader sends behind our end, is the library's to judge. */
    append = (struct guard_append){.term = 2, .previous_index = 12, .previous_term = 2, .entries = entries, .count = 4};
    assert_true(guard_rebase(&fixture.guard, &fixture.terms, false, &append));
    assert_int_equal(append.previous_index, 12);
    assert_int_equal(append.count, 4);
    append = (struct guard_append){.term = 1, .entries = entries, .count = 4}; /* stale: refused anyway */
    assert_true(guard_rebase(&fixture.guard, &fixture.terms, false, &append));
    assert_int_equal(append.previous_index, 0);
    teardown(&fixture);
}

static void submit(struct fixture *fixture, enum raft_entry_type type)
{
    struct raft_entry entry = {.term = raft_current_term(&fixture->guard.raft), .type = type};
    entry.buf.len = 8;
    entry.buf.base = entry.batch = raft_malloc(8);
    assert_non_null(entry.batch);
    memset(entry.batch, 0, 8);
    struct raft_event event = {.type = RAFT_SUBMIT};
    event.submit.entries = &entry;
    event.submit.n = 1;
    assert_int_equal(feed(fixture, &event), 0);
    log_terms_append(&fixture->terms, entry.term);
    raft_free(fixture->update.entries.batch[0].batch);
    event = (struct raft_event){.type = RAFT_PERSISTED_ENTRIES};
    event.persisted_entries.index = fixture->terms.last_index;
    assert_int_equal(feed(fixture, &event), 0);
}

/* G4, and the half of G5 that a leader keeps. */
static void test_g4(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, &one, 5, 1, 4);
    assert_int_equal(guard_state(&fixture.guard), RAFT_LEADER);
    struct configuration next = one_and_standby;
    assert_int_equal(guard_may_change(&fixture.guard, &fixture.terms, &next), GUARD_CHANGE_BARRIER);
    submit(&fixture, RAFT_BARRIER);
    assert_int_equal(fixture.guard.commit_index, 5);
    assert_int_equal(guard_may_change(&fixture.guard, &fixture.terms, &next), GUARD_CHANGE_NOW);
    next.members[0].role = MEMBER_STANDBY;
    next.members[1].role = MEMBER_VOTER;
    assert_int_equal(guard_may_change(&fixture.guard, &fixture.terms, &next), GUARD_CHANGE_TRANSFER);
    teardown(&fixture);
}

static void test_g5(void **state)
{
    (void)state;
    assert_true(guard_new_term_at_start(&one, 1));
    assert_true(guard_new_term_at_start(&one_and_standby, 1));
    assert_false(guard_new_term_at_start(&one_and_standby, 2));
    assert_false(guard_new_term_at_start(&three, 1));
}

static void test_g6(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, &one, 5, 1, 4);
    assert_int_equal(fixture.guard.commit_index, 4);
    assert_int_equal(guard_apply_limit(&fixture.guard, 3), 3);
    assert_int_equal(guard_apply_limit(&fixture.guard, 9), 4);
    teardown(&fixture);
}

static void test_g7(void **state)
{
    (void)state;
    assert_true(guard_holds(8, 7));
    assert_false(guard_holds(8, 8));
    assert_false(guard_holds(0, 0));
}

/* G8: a standby that does not yet know that it is a voter gives its vote, and forgets a leader that is silent. */
static void test_g8(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, &standby, 2, 1, 5);
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES, .server_id = 2, .server_address = "2"};
    message.append_entries.term = 2;
    message.append_entries.prev_log_index = 5;
    message.append_entries.prev_log_term = 2;
    assert_int_equal(receive(&fixture, &message), 0);
    raft_id leader = 0;
    const char *address;
    raft_leader(&fixture.guard.raft, &leader, &address);
    assert_int_equal(leader, 2);
    fixture.now_ms += 10000;
    struct raft_event event = {.type = RAFT_TIMEOUT};
    assert_int_equal(feed(&fixture, &event), 0);
    raft_leader(&fixture.guard.raft, &leader, &address);
    assert_int_equal(leader, 0);
    message = (struct raft_message){.type = RAFT_REQUEST_VOTE, .server_id = 3, .server_address = "3"};
    message.request_vote =
        (struct raft_request_vote){.version = 2, .term = 3, .candidate_id = 3, .last_log_index = 5, .last_log_term = 2};
    assert_int_equal(receive(&fixture, &message), 0);
    assert_int_equal(fixture.update.messages.n, 1);
    assert_true(fixture.update.messages.batch[0].request_vote_result.vote_granted);
    assert_int_equal(fixture.guard.raft.configuration.n, 3);
    assert_int_equal(raft_role(&fixture.guard.raft), RAFT_STANDBY);
    assert_int_equal(raft_voted_for(&fixture.guard.raft), 3);
    teardown(&fixture);
}

/* G10: a refused pre-vote tells the candidate of the newer term. */
static void test_g10(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, &three, 9, 1, 5);
    struct raft_message message = {.type = RAFT_REQUEST_VOTE, .server_id = 3, .server_address = "3"};
    message.request_vote = (struct raft_request_vote){
        .version = 2, .term = 4, .candidate_id = 3, .last_log_index = 5, .last_log_term = 2, .pre_vote = true};
    assert_int_equal(receive(&fixture, &message), 0);
    assert_int_equal(fixture.update.messages.n, 1);
    assert_false(fixture.update.messages.batch[0].request_vote_result.vote_granted);
    assert_int_equal(fixture.update.messages.batch[0].request_vote_result.term, 9);
    teardown(&fixture);
}

static void test_g11(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, &three, 2, 1, 5);
    fixture.guard.now_ms = raft_timeout(&fixture.guard.raft) + 500; /* as if the library were left behind */
    assert_int_equal(guard_deadline(&fixture.guard), fixture.guard.now_ms + 1);
    teardown(&fixture);
}

/* G12: a rejection of something that the peer has acknowledged since is dropped. */
static void test_g12(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, &one_and_standby, 5, 1, 4);
    assert_int_equal(guard_state(&fixture.guard), RAFT_LEADER);
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES_RESULT, .server_id = 2, .server_address = "2"};
    message.append_entries_result.term = 5;
    message.append_entries_result.last_log_index = 4;
    assert_true(guard_accepts(&fixture.guard, &message, true));
    assert_int_equal(receive(&fixture, &message), 0);
    message.append_entries_result.rejected = 4;
    assert_false(guard_accepts(&fixture.guard, &message, true));
    message.append_entries_result.rejected = 5;
    assert_true(guard_accepts(&fixture.guard, &message, true));
    teardown(&fixture);
}

static void test_g13(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, &three, 2, 1, 5);
    struct raft_message message = {.type = RAFT_REQUEST_VOTE_RESULT, .server_id = 2, .server_address = "2"};
    message.request_vote_result.term = 2;
    assert_false(guard_accepts(&fixture.guard, &message, true));
    fixture.now_ms += 10000;
    struct raft_event event = {.type = RAFT_TIMEOUT};
    assert_int_equal(feed(&fixture, &event), 0);
    assert_int_equal(guard_state(&fixture.guard), RAFT_CANDIDATE);
    assert_true(guard_accepts(&fixture.guard, &message, true));
    message.type = (enum raft_message_type)99; /* of a newer library */
    assert_false(guard_accepts(&fixture.guard, &message, true));
    teardown(&fixture);
}

/* G14: who answered a ping keeps out of elections, but for a transfer that the leader itself ordered. */
static void test_g14(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, &three, 2, 1, 5);
    struct raft_message vote = {.type = RAFT_REQUEST_VOTE, .server_id = 3, .server_address = "3"};
    struct raft_message now = {.type = RAFT_TIMEOUT_NOW, .server_id = 2, .server_address = "2"};
    now.timeout_now.term = 2;
    guard_promise(&fixture.guard, 600);
    assert_false(guard_may_elect(&fixture.guard));
    assert_false(guard_accepts(&fixture.guard, &vote, true));
    vote.request_vote.disrupt_leader = true;
    assert_true(guard_accepts(&fixture.guard, &vote, true));
    vote.request_vote.disrupt_leader = false;
    assert_true(guard_accepts(&fixture.guard, &now, true));
    assert_false(guard_accepts(&fixture.guard, &now, false));
    now.timeout_now.term = 1;
    assert_false(guard_accepts(&fixture.guard, &now, true));
    guard_promise(&fixture.guard, 10); /* never shortens */
    fixture.guard.now_ms += 599;
    assert_false(guard_may_elect(&fixture.guard));
    fixture.guard.now_ms += 1;
    assert_true(guard_accepts(&fixture.guard, &vote, true));
    teardown(&fixture);
}

static void test_g15(void **state)
{
    (void)state;
    assert_false(guard_may_snapshot(0));
    assert_false(guard_may_snapshot(1));
    assert_true(guard_may_snapshot(2));
}

static void test_lease(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, &one, 5, 1, 4);
    assert_true(guard_may_lease(&fixture.guard));
    fixture.guard.no_lease_term = 5;
    assert_false(guard_may_lease(&fixture.guard));
    teardown(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_g1),  cmocka_unit_test(test_g2),  cmocka_unit_test(test_g3),
        cmocka_unit_test(test_g4),  cmocka_unit_test(test_g5),  cmocka_unit_test(test_g6),
        cmocka_unit_test(test_g7),  cmocka_unit_test(test_g8),  cmocka_unit_test(test_g10),
        cmocka_unit_test(test_g11), cmocka_unit_test(test_g12), cmocka_unit_test(test_g13),
        cmocka_unit_test(test_g14), cmocka_unit_test(test_g15), cmocka_unit_test(test_lease),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
