#include "cluster/forwarder.h"

#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/limits.h"

#define ME 1u
#define LEADER 2u
#define OTHER 3u
#define NONCE 0xfffffffffffffffeull /* the numbers go over 0 */

struct side {
    uint64_t id;
    struct forwarder *forwarder;
    struct arena arena;
    struct forwarder_actions actions;
};

static void side_init(struct side *side, uint64_t id)
{
    *side = (struct side){.id = id, .forwarder = forwarder_create(id, NONCE)};
    arena_init(&side->arena);
    forwarder_actions_init(&side->actions, &side->arena);
}

static void side_fini(struct side *side)
{
    forwarder_destroy(side->forwarder);
    arena_fini(&side->arena);
}

static size_t send_count(const struct side *side)
{
    size_t count = 0;
    for (const struct forwarder_send *send = side->actions.sends; send != NULL; send = send->next)
        count++;
    return count;
}

/* A new step. */
static void begin(struct side *side)
{
    arena_reset(&side->arena);
    forwarder_actions_init(&side->actions, &side->arena);
}

static void advance(struct side *side, uint64_t now_ms)
{
    begin(side);
    forwarder_advance(side->forwarder, now_ms, true, &side->actions);
}

static void add(struct side *side, const char *command, const char *content)
{
    struct proposal proposal = {.command = slice_text(command), .content = slice_text(content)};
    forwarder_add(side->forwarder, &proposal);
    memset(&proposal, 0xff, sizeof proposal); /* nobody keeps it */
}

/* A sent frame, as it comes out at the other end. */
struct frame {
    uint8_t *bytes;
    struct arena arena;
    struct peer_frame frame;
};

static void frame_take(struct frame *frame, const struct forwarder_send *send)
{
    size_t size_bytes = peer_frame_bytes(send->message, send->data, send->data_count);
    frame->bytes = malloc(size_bytes);
    assert_non_null(frame->bytes);
    struct slice whole =
        peer_frame_pack(send->message, send->data, send->data_count, (struct span){frame->bytes, size_bytes});
    arena_init(&frame->arena);
    assert_int_equal(peer_frame_open(whole, &frame->arena, &frame->frame), STATUS_OK);
}

static void frame_drop(struct frame *frame)
{
    arena_fini(&frame->arena);
    free(frame->bytes);
}

static void frame_give(const struct frame *frame, uint64_t from, struct side *to, uint64_t now_ms)
{
    if (frame->frame.message->body_case == QNFS__PEER__BODY_FORWARDED_COMMANDS)
        forwarder_commands(to->forwarder, from, &frame->frame, &to->actions);
    else
        forwarder_answer(to->forwarder, from, frame->frame.message->forwarded_answer, now_ms);
}

/* All that the one has sent comes to the other. */
static void pass(struct side *from, struct side *to, uint64_t now_ms)
{
    begin(to);
    for (const struct forwarder_send *send = from->actions.sends; send != NULL; send = send->next) {
        assert_int_equal(send->node, to->id);
        struct frame frame;
        frame_take(&frame, send);
        frame_give(&frame, from->id, to, now_ms);
        frame_drop(&frame);
    }
}

/* What the replica would do: all that is proposed is in entry `index` of `term`. Returns the commands, one behind the other. */
static const char *pack(struct side *side, uint64_t index, uint64_t term)
{
    static char text[256];
    size_t length = 0;
    struct list_link *link;
    while ((link = list_first(&side->actions.propose)) != NULL) {
        struct proposal *proposal = container_of(link, struct proposal, link);
        list_remove(link);
        if (length + proposal->command.size_bytes + proposal->content.size_bytes + 2 < sizeof text) {
            memcpy(text + length, proposal->command.data, proposal->command.size_bytes);
            length += proposal->command.size_bytes;
            if (proposal->content.size_bytes > 0)
                memcpy(text + length, proposal->content.data, proposal->content.size_bytes);
            length += proposal->content.size_bytes;
            text[length++] = ' ';
        }
        if (proposal->batch != NULL) {
            proposal->batch->left--;
            proposal->batch->index = index;
            proposal->batch->term = term;
        }
        proposal_done(proposal);
    }
    text[length] = '\0';
    return text;
}

/* The replica stopped leading before it packed them. */
static void drop(struct side *side)
{
    struct list_link *link;
    while ((link = list_first(&side->actions.propose)) != NULL) {
        struct proposal *proposal = container_of(link, struct proposal, link);
        list_remove(link);
        proposal->batch->left--;
        proposal->batch->dropped = true;
    }
}

static void expect(const struct side *side, uint64_t waiting, uint64_t sent, uint64_t packed)
{
    struct forwarder_status status;
    forwarder_status(side->forwarder, &status);
    assert_int_equal(status.waiting, waiting);
    assert_int_equal(status.sent, sent);
    assert_int_equal(status.packed, packed);
}

static void expect_foreign(const struct side *side, uint64_t foreign)
{
    struct forwarder_status status;
    forwarder_status(side->forwarder, &status);
    assert_int_equal(status.foreign, foreign);
    assert_int_equal(status.foreign_bytes == 0, foreign == 0);
}

struct pair {
    struct side me;
    struct side leader;
};

static void pair_init(struct pair *pair)
{
    side_init(&pair->me, ME);
    side_init(&pair->leader, LEADER);
    forwarder_role(pair->me.forwarder, REPLICA_FOLLOWER, 5, LEADER);
    forwarder_role(pair->leader.forwarder, REPLICA_LEADER, 5, LEADER);
    forwarder_handed(pair->me.forwarder, 9, 4);
}

static void pair_fini(struct pair *pair)
{
    side_fini(&pair->me);
    side_fini(&pair->leader);
}

/* Commands are with the leader, which has packed them in entry `index` of term 5; its answer is among its sends. */
static void ask_and_pack(struct pair *pair, uint64_t index)
{
    advance(&pair->me, 100);
    assert_int_equal(send_count(&pair->me), 1);
    pass(&pair->me, &pair->leader, 101);
    (void)pack(&pair->leader, index, 5);
    advance(&pair->leader, 102);
    assert_int_equal(send_count(&pair->leader), 1);
}

/* --- the way of a batch --- */

static void test_done(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    add(&pair.me, "one", "");
    add(&pair.me, "two", "data");
    expect(&pair.me, 2, 0, 0);
    advance(&pair.me, 100);
    assert_int_equal(send_count(&pair.me), 1); /* both in one frame */
    expect(&pair.me, 0, 2, 0);
    assert_int_equal(forwarder_deadline(pair.me.forwarder), 100 + FORWARD_TIMEOUT_MS);
    pass(&pair.me, &pair.leader, 101);
    expect_foreign(&pair.leader, 2);
    advance(&pair.leader, 101); /* not packed yet: no answer */
    assert_int_equal(send_count(&pair.leader), 0);
    pair_fini(&pair);

    pair_init(&pair);
    add(&pair.me, "one", "");
    add(&pair.me, "two", "data");
    advance(&pair.me, 100);
    pass(&pair.me, &pair.leader, 101);
    assert_string_equal(pack(&pair.leader, 12, 5), "one twodata ");
    advance(&pair.leader, 102);
    expect_foreign(&pair.leader, 0);
    pass(&pair.leader, &pair.me, 103);
    expect(&pair.me, 0, 0, 2);
    assert_int_equal(forwarder_deadline(pair.me.forwarder), UINT64_MAX);
    forwarder_handed(pair.me.forwarder, 10, 5);
    forwarder_handed(pair.me.forwarder, 11, 5);
    expect(&pair.me, 0, 0, 2);
    forwarder_handed(pair.me.forwarder, 12, 5);
    expect(&pair.me, 0, 0, 0);
    pair_fini(&pair);
}

/* The entry was handed out before the answer came. */
static void test_answer_late(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    add(&pair.me, "one", "");
    ask_and_pack(&pair, 10);
    forwarder_handed(pair.me.forwarder, 10, 5);
    forwarder_handed(pair.me.forwarder, 11, 5);
    pass(&pair.leader, &pair.me, 103);
    expect(&pair.me, 0, 0, 0);

    /* Another entry was. */
    add(&pair.me, "two", "");
    ask_and_pack(&pair, 12);
    forwarder_handed(pair.me.forwarder, 12, 6);
    pass(&pair.leader, &pair.me, 103);
    expect(&pair.me, 1, 0, 0);

    /* Of a term that is over, further up than what was handed out. */
    ask_and_pack(&pair, 14);
    pass(&pair.leader, &pair.me, 103);
    expect(&pair.me, 1, 0, 0);
    pair_fini(&pair);
}

/* --- lost --- */

static void test_connection_closed(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    add(&pair.me, "one", "");
    ask_and_pack(&pair, 10);
    /* Another connection does not matter. */
    forwarder_closed(pair.me.forwarder, OTHER);
    expect(&pair.me, 0, 1, 0);
    /* The answer is lost with the connection. */
    forwarder_closed(pair.me.forwarder, LEADER);
    expect(&pair.me, 1, 0, 0);
    struct frame late;
    frame_take(&late, pair.leader.actions.sends);
    begin(&pair.me);
    forwarder_advance(pair.me.forwarder, 200, false, &pair.me.actions);
    assert_int_equal(send_count(&pair.me), 0);
    /* Open again: the same command under another number, so that a late answer says nothing. */
    advance(&pair.me, 300);
    assert_int_equal(send_count(&pair.me), 1);
    frame_give(&late, LEADER, &pair.me, 301);
    frame_drop(&late);
    expect(&pair.me, 0, 1, 0);
    pass(&pair.me, &pair.leader, 302);
    assert_string_equal(pack(&pair.leader, 11, 5), "one ");
    advance(&pair.leader, 303);
    pass(&pair.leader, &pair.me, 304);
    expect(&pair.me, 0, 0, 1);
    forwarder_handed(pair.me.forwarder, 10, 5);
    forwarder_handed(pair.me.forwarder, 11, 5);
    expect(&pair.me, 0, 0, 0);
    pair_fini(&pair);
}

static void test_packed_and_lost(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    /* The entry of that index has a later term. */
    add(&pair.me, "one", "");
    ask_and_pack(&pair, 10);
    pass(&pair.leader, &pair.me, 103);
    add(&pair.me, "two", "");
    ask_and_pack(&pair, 12);
    pass(&pair.leader, &pair.me, 103);
    expect(&pair.me, 0, 0, 2);
    forwarder_role(pair.me.forwarder, REPLICA_FOLLOWER, 6, OTHER);
    expect(&pair.me, 0, 0, 2); /* that there is another leader proves nothing */
    add(&pair.me, "three", "");
    forwarder_handed(pair.me.forwarder, 10, 6);
    expect(&pair.me, 3, 0, 0); /* nor can what was further up come any more */
    advance(&pair.me, 300);
    struct side other;
    side_init(&other, OTHER);
    forwarder_role(other.forwarder, REPLICA_LEADER, 6, OTHER);
    pass(&pair.me, &other, 301);
    assert_string_equal(pack(&other, 11, 6), "one two three "); /* in the order in which they came */
    advance(&other, 302);
    pass(&other, &pair.me, 303);
    forwarder_handed(pair.me.forwarder, 11, 6);
    expect(&pair.me, 0, 0, 0);
    side_fini(&other);

    /* The entry of that index has an earlier term: the leader of the later one had it alone. */
    add(&pair.me, "four", "");
    forwarder_role(pair.me.forwarder, REPLICA_FOLLOWER, 9, LEADER);
    advance(&pair.me, 400);
    pass(&pair.me, &pair.leader, 401);
    (void)pack(&pair.leader, 12, 9);
    advance(&pair.leader, 402);
    pass(&pair.leader, &pair.me, 403);
    expect(&pair.me, 0, 0, 1);
    forwarder_handed(pair.me.forwarder, 12, 8);
    expect(&pair.me, 1, 0, 0);
    pair_fini(&pair);
}

static void test_leader_changes(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    add(&pair.me, "one", "");
    advance(&pair.me, 100);
    expect(&pair.me, 0, 1, 0);
    /* Before an answer; nobody leads for a while. */
    forwarder_role(pair.me.forwarder, REPLICA_FOLLOWER, 6, 0);
    expect(&pair.me, 1, 0, 0);
    advance(&pair.me, 200);
    assert_int_equal(send_count(&pair.me), 0);
    /* This node does: they are proposed here. */
    add(&pair.me, "two", "data");
    forwarder_role(pair.me.forwarder, REPLICA_LEADER, 7, ME);
    begin(&pair.me);
    forwarder_advance(pair.me.forwarder, 300, false, &pair.me.actions);
    assert_int_equal(send_count(&pair.me), 0);
    assert_string_equal(pack(&pair.me, 10, 7), "one twodata ");
    expect(&pair.me, 0, 0, 0);
    pair_fini(&pair);
}

static void test_not_leader(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    /* It never led. */
    forwarder_role(pair.leader.forwarder, REPLICA_FOLLOWER, 6, OTHER);
    add(&pair.me, "one", "");
    advance(&pair.me, 100);
    pass(&pair.me, &pair.leader, 101);
    assert_true(list_empty(&pair.leader.actions.propose));
    assert_int_equal(pair.leader.actions.sends->message->forwarded_answer->leader, OTHER);
    pass(&pair.leader, &pair.me, 102);
    expect(&pair.me, 1, 0, 0);
    advance(&pair.me, 103); /* a pause, as long as it is taken for the leader */
    assert_int_equal(send_count(&pair.me), 0);
    assert_int_equal(forwarder_deadline(pair.me.forwarder), 102 + FORWARD_PAUSE_MS);
    advance(&pair.me, 102 + FORWARD_PAUSE_MS);
    assert_int_equal(send_count(&pair.me), 1);

    /* It leads, but not until all are packed. */
    forwarder_role(pair.leader.forwarder, REPLICA_LEADER, 8, LEADER);
    pass(&pair.me, &pair.leader, 201);
    forwarder_role(pair.leader.forwarder, REPLICA_FOLLOWER, 9, 0);
    drop(&pair.leader);
    advance(&pair.leader, 202);
    expect_foreign(&pair.leader, 0);
    pass(&pair.leader, &pair.me, 203);
    expect(&pair.me, 1, 0, 0);
    /* Another leader: no pause. */
    forwarder_role(pair.me.forwarder, REPLICA_FOLLOWER, 9, OTHER);
    advance(&pair.me, 203);
    assert_int_equal(send_count(&pair.me), 1);
    pair_fini(&pair);
}

static void test_jumped(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    add(&pair.me, "one", "");
    ask_and_pack(&pair, 10);
    pass(&pair.leader, &pair.me, 103);
    add(&pair.me, "two", "");
    ask_and_pack(&pair, 20);
    pass(&pair.leader, &pair.me, 103);
    forwarder_jumped(pair.me.forwarder, 15); /* nobody knows about the first */
    expect(&pair.me, 1, 0, 1);
    forwarder_jumped(pair.me.forwarder, 14);
    for (uint64_t index = 16; index <= 20; index++)
        forwarder_handed(pair.me.forwarder, index, 5);
    expect(&pair.me, 1, 0, 0);
    /* An answer about what was jumped over is none. */
    ask_and_pack(&pair, 15);
    pass(&pair.leader, &pair.me, 103);
    expect(&pair.me, 1, 0, 0);
    pair_fini(&pair);
}

/* Terms are remembered only so far back. */
static void test_terms_forgotten(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    add(&pair.me, "one", "");
    ask_and_pack(&pair, 10);
    for (uint64_t i = 0; i < FORWARD_TERMS_MAX; i++)
        forwarder_handed(pair.me.forwarder, 10 + i, 5 + i);
    struct frame answer;
    frame_take(&answer, pair.leader.actions.sends);
    forwarder_handed(pair.me.forwarder, 10 + FORWARD_TERMS_MAX, 5 + FORWARD_TERMS_MAX);
    frame_give(&answer, LEADER, &pair.me, 200);
    frame_drop(&answer);
    expect(&pair.me, 1, 0, 0);
    pair_fini(&pair);
}

/* --- frames that are dropped or doubled --- */

static void test_time_out(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    add(&pair.me, "one", "");
    ask_and_pack(&pair, 10);
    struct frame answer;
    frame_take(&answer, pair.leader.actions.sends);
    advance(&pair.me, 99 + FORWARD_TIMEOUT_MS);
    assert_int_equal(send_count(&pair.me), 0);
    advance(&pair.me, 100 + FORWARD_TIMEOUT_MS);
    assert_int_equal(send_count(&pair.me), 1);
    expect(&pair.me, 0, 1, 0);
    /* Both answers are for it; the first decides. */
    pass(&pair.me, &pair.leader, 1200);
    (void)pack(&pair.leader, 11, 5);
    advance(&pair.leader, 1201);
    frame_give(&answer, LEADER, &pair.me, 1202);
    frame_drop(&answer);
    expect(&pair.me, 0, 0, 1);
    pass(&pair.leader, &pair.me, 1203);
    expect(&pair.me, 0, 0, 1);
    forwarder_handed(pair.me.forwarder, 10, 5);
    expect(&pair.me, 0, 0, 0);
    pair_fini(&pair);
}

static void test_doubled(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    add(&pair.me, "one", "");
    advance(&pair.me, 100);
    struct frame frame;
    frame_take(&frame, pair.me.actions.sends);
    begin(&pair.leader);
    frame_give(&frame, ME, &pair.leader, 101);
    frame_give(&frame, ME, &pair.leader, 101); /* it waits already */
    assert_string_equal(pack(&pair.leader, 10, 5), "one ");
    advance(&pair.leader, 102);
    assert_int_equal(send_count(&pair.leader), 1);
    pass(&pair.leader, &pair.me, 103);
    /* It comes once more, when it is packed: a second time in the log, and an answer that nobody waits for. */
    begin(&pair.leader);
    frame_give(&frame, ME, &pair.leader, 104);
    frame_drop(&frame);
    assert_string_equal(pack(&pair.leader, 11, 5), "one ");
    advance(&pair.leader, 105);
    pass(&pair.leader, &pair.me, 106);
    expect(&pair.me, 0, 0, 1);
    forwarder_handed(pair.me.forwarder, 10, 5);
    expect(&pair.me, 0, 0, 0);

    /* From another node it is another batch; and an answer of another node is none. */
    add(&pair.me, "two", "");
    advance(&pair.me, 200);
    frame_take(&frame, pair.me.actions.sends);
    begin(&pair.leader);
    frame_give(&frame, ME, &pair.leader, 201);
    frame_give(&frame, OTHER, &pair.leader, 201);
    frame_drop(&frame);
    assert_string_equal(pack(&pair.leader, 12, 5), "two two ");
    advance(&pair.leader, 202);
    frame_take(&frame, pair.leader.actions.sends);
    frame_give(&frame, OTHER, &pair.me, 203);
    expect(&pair.me, 0, 1, 0);
    frame_give(&frame, LEADER, &pair.me, 203);
    frame_drop(&frame);
    expect(&pair.me, 0, 0, 1);
    pair_fini(&pair);
}

/* --- bounds --- */

static void test_batches_are_cut(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    for (unsigned i = 0; i <= PEER_ITEMS_MAX; i++)
        add(&pair.me, "x", "");
    uint8_t *bytes = calloc(1, COMMAND_MAX_BYTES);
    assert_non_null(bytes);
    struct proposal *large = proposal_copy(slice_make(bytes, 10), slice_make(bytes, COMMAND_MAX_BYTES - 10));
    forwarder_add(pair.me.forwarder, large); /* which it frees */
    add(&pair.me, "y", "");
    /* One full of commands, one with the last of them, the large one alone, what follows it. But so much is not sent at once. */
    advance(&pair.me, 100);
    assert_int_equal(send_count(&pair.me), 2);
    assert_int_equal(pair.me.actions.sends->message->forwarded_commands->n_commands, PEER_ITEMS_MAX);
    expect(&pair.me, 2, PEER_ITEMS_MAX + 1, 0);
    pass(&pair.me, &pair.leader, 101);
    (void)pack(&pair.leader, 10, 5);
    advance(&pair.leader, 102);
    pass(&pair.leader, &pair.me, 103);
    advance(&pair.me, 104);
    assert_int_equal(send_count(&pair.me), 1);
    assert_int_equal(pair.me.actions.sends->data->size_bytes, COMMAND_MAX_BYTES);
    pass(&pair.me, &pair.leader, 105);
    (void)pack(&pair.leader, 11, 5);
    advance(&pair.leader, 106);
    pass(&pair.leader, &pair.me, 107);
    advance(&pair.me, 108);
    assert_int_equal(send_count(&pair.me), 1);
    expect(&pair.me, 0, 1, PEER_ITEMS_MAX + 2);

    /* Without answers only so many batches go out, and commands gather. */
    for (unsigned i = 1; i < FORWARD_UNANSWERED_MAX + 3; i++) {
        add(&pair.me, "z", "");
        advance(&pair.me, 110 + i);
        assert_int_equal(send_count(&pair.me), i < FORWARD_UNANSWERED_MAX ? 1 : 0);
    }
    expect(&pair.me, 3, FORWARD_UNANSWERED_MAX, PEER_ITEMS_MAX + 2);
    free(bytes);
    pair_fini(&pair);
}

static void test_full(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    uint8_t *bytes = calloc(1, COMMAND_MAX_BYTES);
    assert_non_null(bytes);
    struct list taken;
    list_init(&taken);
    unsigned rounds = FORWARD_FOREIGN_MAX_BYTES / COMMAND_MAX_BYTES;
    for (unsigned i = 0; i < rounds; i++) {
        struct proposal proposal = {.command = slice_make(bytes, COMMAND_MAX_BYTES)};
        forwarder_add(pair.me.forwarder, &proposal);
        advance(&pair.me, 100);
        pass(&pair.me, &pair.leader, 101);
        assert_int_equal(list_empty(&pair.leader.actions.propose), i + 1 == rounds);
        struct list_link *link = list_first(&pair.leader.actions.propose);
        if (link != NULL) {
            list_remove(link);
            list_append(&taken, link);
            forwarder_closed(pair.me.forwarder, LEADER); /* so that it sends the next one */
            forwarder_destroy(pair.me.forwarder);
            pair.me.forwarder = forwarder_create(ME, 1000 * (i + 1));
            forwarder_role(pair.me.forwarder, REPLICA_FOLLOWER, 5, LEADER);
        }
    }
    assert_int_equal(pair.leader.actions.sends->message->forwarded_answer->outcome, PEER_OUTCOME_FULL);
    pass(&pair.leader, &pair.me, 102);
    expect(&pair.me, 1, 0, 0);
    advance(&pair.me, 103);
    assert_int_equal(send_count(&pair.me), 0);
    /* Room again. */
    struct list_link *link = list_first(&taken);
    list_remove(link);
    struct proposal *first = container_of(link, struct proposal, link);
    first->batch->index = 10;
    first->batch->term = 5;
    first->batch->left = 0;
    advance(&pair.leader, 110);
    assert_int_equal(pair.leader.actions.sends->message->forwarded_answer->outcome, PEER_OUTCOME_DONE);
    advance(&pair.me, 102 + FORWARD_PAUSE_MS);
    assert_int_equal(send_count(&pair.me), 1);
    pass(&pair.me, &pair.leader, 130);
    assert_false(list_empty(&pair.leader.actions.propose));
    free(bytes);
    pair_fini(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_done),
        cmocka_unit_test(test_answer_late),
        cmocka_unit_test(test_connection_closed),
        cmocka_unit_test(test_packed_and_lost),
        cmocka_unit_test(test_leader_changes),
        cmocka_unit_test(test_not_leader),
        cmocka_unit_test(test_jumped),
        cmocka_unit_test(test_terms_forgotten),
        cmocka_unit_test(test_time_out),
        cmocka_unit_test(test_doubled),
        cmocka_unit_test(test_batches_are_cut),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
