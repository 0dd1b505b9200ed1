/* Each transition of the founding, by hand: node b of a, b, c, and node a, the first. */
#include "cluster/founding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"

#define OWN_NONCE 77u
#define ID "0123456789abcdef"
#define OTHER_ID "fedcba9876543210"

struct fixture {
    struct arena arena;
    struct founding founding;
    struct founding_options options;
    struct founding_actions actions;
    uint64_t now_ms;
    char line[1024];
};

static const struct peer_endpoint endpoints[] = {{0, "a", 7049}, {0, "b", 7049}, {0, "c", 7049}};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    arena_init(&fixture->arena);
    fixture->now_ms = 1000;
    fixture->options.nonce = OWN_NONCE;
    memcpy(fixture->options.fresh_id, ID, 16);
    for (unsigned i = 0; i < 3; i++)
        assert_true(endpoint_list_add(&fixture->options.members, &endpoints[i]));
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    arena_fini(&fixture->arena);
    free(fixture);
    return 0;
}

static void begin(struct fixture *fixture, uint32_t self)
{
    char trouble[1024];
    fixture->options.self = self;
    assert_int_equal(founding_init(&fixture->founding, &fixture->options, (struct span){(uint8_t *)trouble, 1024}),
                     STATUS_OK);
}

static void step(struct fixture *fixture, struct founding_event event)
{
    founding_step(&fixture->founding, &event, fixture->now_ms, &fixture->arena, &fixture->actions);
}

static void open_both(struct fixture *fixture, uint32_t peer)
{
    step(fixture, (struct founding_event){.kind = FOUNDING_OPENED, .peer = peer});
    step(fixture, (struct founding_event){.kind = FOUNDING_OPENED, .peer = peer, .called = true});
}

/* A report of the peer, whose process has the nonce 100 + its place. */
static void report(struct fixture *fixture, uint32_t peer, uint64_t heard, const char *promised, const char *last)
{
    char *peers[] = {"a:7049", "b:7049", (char *)(uintptr_t)last};
    Qnfs__FoundingReport body = QNFS__FOUNDING_REPORT__INIT;
    Qnfs__Peer message = QNFS__PEER__INIT;
    body.nonce = 100 + peer;
    body.heard = heard;
    body.peers = peers;
    body.n_peers = 3;
    if (promised != NULL)
        body.promised = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)promised};
    message.body_case = QNFS__PEER__BODY_FOUNDING_REPORT;
    message.founding_report = &body;
    step(fixture, (struct founding_event){.kind = FOUNDING_MESSAGE, .peer = peer, .message = &message});
}

static void propose(struct fixture *fixture, uint32_t peer, uint64_t nonce, uint64_t heard, const char *cluster)
{
    Qnfs__FoundingProposal body = QNFS__FOUNDING_PROPOSAL__INIT;
    Qnfs__Peer message = QNFS__PEER__INIT;
    body.nonce = nonce;
    body.heard = heard;
    body.cluster = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)cluster};
    message.body_case = QNFS__PEER__BODY_FOUNDING_PROPOSAL;
    message.founding_proposal = &body;
    step(fixture, (struct founding_event){.kind = FOUNDING_MESSAGE, .peer = peer, .message = &message});
}

static void member(struct fixture *fixture, uint32_t peer, const char *cluster, uint64_t node)
{
    step(fixture, (struct founding_event){.kind = FOUNDING_MEMBER,
                                          .peer = peer,
                                          .cluster = (const uint8_t *)cluster,
                                          .node = node,
                                          .name = "node 9 at z"});
}

/* The first action of that kind; NULL: none. */
static const struct founding_action *did(const struct fixture *fixture, enum founding_action_kind kind)
{
    const struct founding_action *action = fixture->actions.first;
    while (action != NULL && action->kind != kind)
        action = action->next;
    return action;
}

static unsigned sent(const struct fixture *fixture, Qnfs__Peer__BodyCase body)
{
    unsigned count = 0;
    for (const struct founding_action *action = fixture->actions.first; action != NULL; action = action->next)
        count += action->kind == FOUNDING_DO_SEND && action->message->body_case == body;
    return count;
}

static const char *waits_for(struct fixture *fixture)
{
    founding_waits_for(&fixture->founding, (struct span){(uint8_t *)fixture->line, sizeof(fixture->line)});
    return fixture->line;
}

static void assert_waits(struct fixture *fixture, const char *words)
{
    if (strstr(waits_for(fixture), words) == NULL)
        fail_msg("'%s' is not in '%s'", words, fixture->line);
}

/* --- the first --- */

static void the_first_waits_for_all_then_proposes_then_begins(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, 0);
    assert_waits(fixture, "waiting for b:7049: no connection; c:7049: no connection");
    open_both(fixture, 1);
    assert_int_equal(sent(fixture, QNFS__PEER__BODY_FOUNDING_REPORT), 1);
    assert_waits(fixture, "waiting for b:7049: it has not called back");
    report(fixture, 1, 0, NULL, "c:7049");
    assert_int_equal(sent(fixture, QNFS__PEER__BODY_FOUNDING_REPORT), 1); /* so that it learns the nonce */
    assert_int_equal(fixture->actions.first->message->founding_report->heard, 101);
    report(fixture, 1, OWN_NONCE, NULL, "c:7049");
    assert_null(fixture->actions.first);
    open_both(fixture, 2);
    report(fixture, 2, OWN_NONCE - 1, NULL, "c:7049"); /* said to an earlier process */
    assert_null(did(fixture, FOUNDING_DO_PROMISE));
    assert_waits(fixture, "waiting for c:7049: it has not called back");
    report(fixture, 2, OWN_NONCE, NULL, "c:7049");
    assert_int_equal(fixture->actions.first->kind, FOUNDING_DO_PROMISE); /* before anybody hears of it */
    assert_memory_equal(fixture->actions.first->record->cluster_id, ID, 16);
    assert_int_equal(fixture->actions.first->record->members.items[2].node, 3);
    assert_int_equal(sent(fixture, QNFS__PEER__BODY_FOUNDING_PROPOSAL), 2);
    assert_int_equal(sent(fixture, QNFS__PEER__BODY_FOUNDING_REPORT), 2);
    assert_int_equal(fixture->founding.state, FOUNDING_PROMISED);
    report(fixture, 1, OWN_NONCE, ID, "c:7049");
    assert_null(did(fixture, FOUNDING_DO_BEGIN));
    report(fixture, 2, OWN_NONCE, ID, "c:7049");
    assert_non_null(did(fixture, FOUNDING_DO_BEGIN));
    assert_null(did(fixture, FOUNDING_DO_BEGIN)->next);
    assert_int_equal(fixture->founding.state, FOUNDING_DONE);
    report(fixture, 2, OWN_NONCE, ID, "c:7049"); /* nothing more comes out */
    assert_null(fixture->actions.first);
}

static void the_first_adopts_a_promise(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, 0);
    open_both(fixture, 1);
    open_both(fixture, 2);
    report(fixture, 1, OWN_NONCE, NULL, "c:7049");
    report(fixture, 2, OWN_NONCE, OTHER_ID, "c:7049");
    assert_memory_equal(did(fixture, FOUNDING_DO_PROMISE)->record->cluster_id, OTHER_ID, 16);
    assert_int_equal(sent(fixture, QNFS__PEER__BODY_FOUNDING_PROPOSAL), 1);
    report(fixture, 1, OWN_NONCE, OTHER_ID, "c:7049");
    assert_non_null(did(fixture, FOUNDING_DO_BEGIN));
}

static void a_lost_connection_takes_the_report_back(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, 0);
    open_both(fixture, 1);
    open_both(fixture, 2);
    report(fixture, 1, OWN_NONCE, NULL, "c:7049");
    step(fixture, (struct founding_event){.kind = FOUNDING_CLOSED, .peer = 1, .text = "lost"});
    report(fixture, 2, OWN_NONCE, NULL, "c:7049");
    assert_null(did(fixture, FOUNDING_DO_PROMISE));
    step(fixture, (struct founding_event){.kind = FOUNDING_OPENED, .peer = 1});
    report(fixture, 1, OWN_NONCE, NULL, "c:7049");
    assert_non_null(did(fixture, FOUNDING_DO_PROMISE));
    step(fixture, (struct founding_event){.kind = FOUNDING_CLOSED, .peer = 2, .called = true, .text = "no route"});
    report(fixture, 1, OWN_NONCE, ID, "c:7049");
    report(fixture, 2, OWN_NONCE, ID, "c:7049");
    assert_null(did(fixture, FOUNDING_DO_BEGIN));
    assert_waits(fixture, "waiting for c:7049: no route");
    step(fixture, (struct founding_event){.kind = FOUNDING_OPENED, .peer = 2, .called = true});
    assert_non_null(did(fixture, FOUNDING_DO_BEGIN));
}

static void two_promises_are_said(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, 0);
    open_both(fixture, 1);
    open_both(fixture, 2);
    report(fixture, 1, OWN_NONCE, ID, "c:7049");
    report(fixture, 2, OWN_NONCE, OTHER_ID, "c:7049");
    assert_null(did(fixture, FOUNDING_DO_PROMISE));
    assert_waits(fixture, "promised to two clusters");
}

static void proposals_are_said_again(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, 0);
    open_both(fixture, 1);
    open_both(fixture, 2);
    report(fixture, 1, OWN_NONCE, NULL, "c:7049");
    report(fixture, 2, OWN_NONCE, NULL, "c:7049");
    fixture->now_ms += 10;
    step(fixture, (struct founding_event){.kind = FOUNDING_TICK});
    fixture->now_ms += FOUNDING_REPORT_MS;
    step(fixture, (struct founding_event){.kind = FOUNDING_TICK});
    assert_int_equal(sent(fixture, QNFS__PEER__BODY_FOUNDING_PROPOSAL), 2);
    assert_int_equal(sent(fixture, QNFS__PEER__BODY_FOUNDING_REPORT), 2);
    fixture->now_ms += 10;
    step(fixture, (struct founding_event){.kind = FOUNDING_TICK});
    assert_null(fixture->actions.first);
}

static void a_node_alone_begins_at_once(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.members.count = 1;
    begin(fixture, 0);
    step(fixture, (struct founding_event){.kind = FOUNDING_TICK});
    assert_int_equal(fixture->actions.first->kind, FOUNDING_DO_PROMISE);
    assert_non_null(did(fixture, FOUNDING_DO_BEGIN));
}

/* --- another one --- */

static void only_a_current_proposal_of_the_first_is_taken(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, 1);
    open_both(fixture, 0);
    open_both(fixture, 2);
    propose(fixture, 0, 100, OWN_NONCE, ID); /* of somebody who has not reported */
    assert_null(did(fixture, FOUNDING_DO_PROMISE));
    report(fixture, 0, OWN_NONCE, NULL, "d:7049");
    propose(fixture, 0, 100, OWN_NONCE, ID); /* whose list is another one */
    assert_null(did(fixture, FOUNDING_DO_PROMISE));
    report(fixture, 0, OWN_NONCE, NULL, "c:7049");
    propose(fixture, 0, 99, OWN_NONCE, ID); /* of an earlier process */
    assert_null(did(fixture, FOUNDING_DO_PROMISE));
    propose(fixture, 0, 100, OWN_NONCE + 1, ID); /* to an earlier process */
    assert_null(did(fixture, FOUNDING_DO_PROMISE));
    report(fixture, 2, OWN_NONCE, NULL, "c:7049");
    propose(fixture, 2, 102, OWN_NONCE, ID); /* not of the first */
    assert_null(did(fixture, FOUNDING_DO_PROMISE));
    assert_waits(fixture, "waiting for a:7049, which makes the cluster");
    propose(fixture, 0, 100, OWN_NONCE, ID);
    assert_int_equal(fixture->actions.first->kind, FOUNDING_DO_PROMISE);
    assert_memory_equal(fixture->actions.first->record->cluster_id, ID, 16);
    assert_int_equal(sent(fixture, QNFS__PEER__BODY_FOUNDING_REPORT), 2);
    propose(fixture, 0, 100, OWN_NONCE, OTHER_ID); /* a promise is never changed */
    assert_null(did(fixture, FOUNDING_DO_PROMISE));
    assert_memory_equal(fixture->actions.first->message->founding_report->promised.data, ID, 16);
}

static void a_promised_node_begins_when_a_member_says_so(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.has_promised = true;
    memcpy(fixture->options.promised.cluster_id, ID, 16);
    fixture->options.promised.members = fixture->options.members;
    begin(fixture, 1);
    assert_int_equal(fixture->founding.state, FOUNDING_PROMISED);
    member(fixture, 0, NULL, 0);
    assert_null(fixture->actions.first);
    assert_waits(fixture, "a:7049: it belongs to a cluster, and will call and say to which");
    member(fixture, 0, ID, 1);
    assert_memory_equal(did(fixture, FOUNDING_DO_BEGIN)->record->cluster_id, ID, 16);
}

static void who_must_not_take_part_is_refused(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, 1);
    member(fixture, FOUNDING_NOBODY, OTHER_ID, 9); /* free, but there is a cluster: it has lost its disk */
    assert_non_null(strstr(did(fixture, FOUNDING_DO_REFUSE)->text, "--join"));
    assert_non_null(strstr(did(fixture, FOUNDING_DO_REFUSE)->text, "node 9 at z belongs to cluster 6665"));
    begin(fixture, 1);
    member(fixture, 0, NULL, 0);
    assert_non_null(strstr(did(fixture, FOUNDING_DO_REFUSE)->text, "belongs to a cluster already"));
    begin(fixture, 0);
    member(fixture, 2, ID, 3);
    assert_int_equal(fixture->founding.state, FOUNDING_REFUSED);

    fixture->options.has_promised = true;
    memcpy(fixture->options.promised.cluster_id, ID, 16);
    fixture->options.promised.members = fixture->options.members;
    begin(fixture, 1);
    member(fixture, FOUNDING_NOBODY, OTHER_ID, 1);
    assert_non_null(strstr(did(fixture, FOUNDING_DO_REFUSE)->text, "two clusters"));
    begin(fixture, 1);
    member(fixture, FOUNDING_NOBODY, ID, 2); /* its own id */
    assert_non_null(strstr(did(fixture, FOUNDING_DO_REFUSE)->text, "own id 2"));
}

static void lists_must_be_equal(void **state)
{
    struct fixture *fixture = *state;
    char trouble[1024];
    begin(fixture, 0);
    open_both(fixture, 1);
    open_both(fixture, 2);
    report(fixture, 1, OWN_NONCE, NULL, "d:7049");
    report(fixture, 2, OWN_NONCE, NULL, "c:7049");
    assert_null(did(fixture, FOUNDING_DO_PROMISE));
    assert_waits(fixture, "b:7049: its --peers are others: a:7049,b:7049,d:7049 (here: a:7049,b:7049,c:7049)");
    report(fixture, 1, OWN_NONCE, NULL, "not an endpoint");
    assert_null(did(fixture, FOUNDING_DO_PROMISE));
    report(fixture, 1, OWN_NONCE, NULL, "c:7049");
    assert_non_null(did(fixture, FOUNDING_DO_PROMISE));
    /* Nor may the list change after a promise. */
    fixture->options.has_promised = true;
    fixture->options.promised.members = fixture->options.members;
    fixture->options.promised.members.items[2].port++;
    assert_int_equal(founding_init(&fixture->founding, &fixture->options, (struct span){(uint8_t *)trouble, 1024}),
                     STATUS_REFUSED);
    assert_non_null(strstr(trouble, "a:7049,b:7049,c:7050"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_waits_for_all_then_proposes_then_begins, setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_adopts_a_promise, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_connection_takes_the_report_back, setup, teardown),
        cmocka_unit_test_setup_teardown(two_promises_are_said, setup, teardown),
        cmocka_unit_test_setup_teardown(proposals_are_said_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_node_alone_begins_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(only_a_current_proposal_of_the_first_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(a_promised_node_begins_when_a_member_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(who_must_not_take_part_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_must_be_equal, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
