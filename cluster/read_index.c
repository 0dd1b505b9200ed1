#include "cluster/read_index.h"

#include "base/check.h"

void read_index_init(struct read_index *reads, uint64_t nonce)
{
    *reads = (struct read_index){.question = nonce};
}

/* --- who waits --- */

static void waiter_set(struct read_index *reads, struct read_waiter *waiter, uint64_t node, uint64_t number)
{
    if (!waiter->waits)
        reads->waiting++;
    *waiter = (struct read_waiter){.waits = true, .node = node, .number = number};
}

static void waiter_clear(struct read_index *reads, struct read_waiter *waiter)
{
    CHECK(waiter->waits && reads->waiting > 0);
    *waiter = (struct read_waiter){0};
    reads->waiting--;
}

void read_index_read(struct read_index *reads, uint32_t reader, uint64_t number)
{
    CHECK(reader < READERS_MAX && !reads->readers[reader].waits);
    waiter_set(reads, &reads->readers[reader], 0, number);
#ifdef QNFS_PLANT_READ_JOINS_SENT
    reads->readers[reader].question = reads->asked != 0 ? reads->question : 0;
#endif
}

void read_index_question(struct read_index *reads, uint64_t node, uint64_t number)
{
    struct read_waiter *free_one = NULL;
    for (uint32_t i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
        struct read_waiter *waiter = &reads->members[i];
        if (waiter->waits && waiter->node == node) { /* it has given up the earlier one */
            waiter_set(reads, waiter, node, number);
            return;
        }
        if (!waiter->waits && free_one == NULL)
            free_one = waiter;
    }
    if (free_one != NULL) /* else it is no member any more, and asks again */
        waiter_set(reads, free_one, node, number);
}

/* --- leading --- */

static void member_answer(const struct read_waiter *waiter, enum peer_outcome outcome, uint64_t term, uint64_t index,
                          struct raft_loop_actions *actions)
{
    Qnfs__Peer *peer = raft_loop_send(actions, waiter->node);
    Qnfs__ReadAnswer *answer = ARENA_NEW(&actions->arena, Qnfs__ReadAnswer);
    qnfs__read_answer__init(answer);
    answer->number = waiter->number;
    answer->outcome = (uint32_t)outcome;
    answer->term = term;
    answer->index = index;
    peer->body_case = QNFS__PEER__BODY_READ_ANSWER;
    peer->read_answer = answer;
}

static void reader_answer(uint32_t reader, uint64_t number, uint64_t index, struct raft_loop_actions *actions)
{
    struct raft_loop_action *action = raft_loop_act(actions, RAFT_LOOP_DO_BARRIER);
    action->reader = reader;
    action->number = number;
    action->index = index;
}

/* What this leader may answer now; 0: nothing yet. */
static uint64_t waiter_judge(struct read_waiter *waiter, const struct read_index_now *now, uint64_t now_ms)
{
    if (now->view.committed && now_ms < now->lease_until_ms)
        return now->view.commit_index;
    if (waiter->round == 0)
        waiter->round = now->next_round;
#ifdef QNFS_PLANT_UNCONFIRMED_READ
    return now->view.commit_index;
#endif
    if (waiter->index == 0 && now->view.committed)
        waiter->index = now->view.commit_index;
    return now->confirmed >= waiter->round ? waiter->index : 0;
}

static bool leader_advance(struct read_index *reads, const struct read_index_now *now, uint64_t now_ms,
                           struct raft_loop_actions *actions)
{
    bool wanted = false;
    for (uint32_t i = 0; i < READERS_MAX; i++) {
        struct read_waiter *waiter = &reads->readers[i];
        uint64_t index = waiter->waits ? waiter_judge(waiter, now, now_ms) : 0;
        wanted |= waiter->waits && index == 0 && waiter->round == now->next_round;
        if (index == 0)
            continue;
        reader_answer(i, waiter->number, index, actions);
        waiter_clear(reads, waiter);
    }
    for (uint32_t i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
        struct read_waiter *waiter = &reads->members[i];
        uint64_t index = waiter->waits ? waiter_judge(waiter, now, now_ms) : 0;
        wanted |= waiter->waits && index == 0 && waiter->round == now->next_round;
        if (index == 0)
            continue;
        member_answer(waiter, PEER_OUTCOME_DONE, now->view.term, index, actions);
        waiter_clear(reads, waiter);
    }
    return wanted;
}

/* --- not leading --- */

static void question_abandon(struct read_index *reads)
{
    for (uint32_t i = 0; i < READERS_MAX; i++)
        reads->readers[i].question = 0;
    reads->asked = 0;
}

void read_index_answer(struct read_index *reads, uint64_t node, const Qnfs__ReadAnswer *answer, uint64_t now_ms,
                       struct raft_loop_actions *actions)
{
    if (reads->asked == 0 || reads->asked != node || answer->number != reads->question)
        return;
    if (answer->outcome != PEER_OUTCOME_DONE || answer->index == 0) {
        question_abandon(reads);
        reads->pause_until_ms = now_ms + READ_RETRY_MS;
        return;
    }
    for (uint32_t i = 0; i < READERS_MAX; i++) {
        struct read_waiter *waiter = &reads->readers[i];
        if (!waiter->waits || waiter->question != answer->number)
            continue;
        reader_answer(i, waiter->number, answer->index, actions);
        waiter_clear(reads, waiter);
    }
    reads->asked = 0;
}

static void question_send(struct read_index *reads, const struct replica_view *view, uint64_t now_ms,
                          struct raft_loop_actions *actions)
{
    reads->question++;
    reads->question += reads->question == 0;
    reads->asked = view->leader;
    reads->asked_term = view->term;
    reads->asked_ms = now_ms;
    for (uint32_t i = 0; i < READERS_MAX; i++) {
        if (reads->readers[i].waits)
            reads->readers[i].question = reads->question;
    }
    Qnfs__Peer *peer = raft_loop_send(actions, view->leader);
    Qnfs__ReadQuestion *question = ARENA_NEW(&actions->arena, Qnfs__ReadQuestion);
    qnfs__read_question__init(question);
    question->number = reads->question;
    peer->body_case = QNFS__PEER__BODY_READ_QUESTION;
    peer->read_question = question;
}

static void follower_advance(struct read_index *reads, const struct read_index_now *now, uint64_t now_ms,
                             struct raft_loop_actions *actions)
{
    for (uint32_t i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
        if (!reads->members[i].waits)
            continue;
        member_answer(&reads->members[i], PEER_OUTCOME_NOT_LEADER, now->view.term, 0, actions);
        waiter_clear(reads, &reads->members[i]);
    }
    const struct replica_view *view = &now->view;
#ifdef QNFS_PLANT_STALE_FOLLOWER_READ
    for (uint32_t i = 0; i < READERS_MAX; i++) {
        if (!reads->readers[i].waits)
            continue;
        reader_answer(i, reads->readers[i].number, view->commit_index, actions);
        waiter_clear(reads, &reads->readers[i]);
    }
#endif
    if (reads->asked != 0 && (reads->asked != view->leader || reads->asked_term != view->term || !now->leader_open ||
                              now_ms >= reads->asked_ms + READ_ANSWER_TIMEOUT_MS))
        question_abandon(reads);
    if (reads->asked == 0 && reads->waiting > 0 && view->leader != 0 && now->leader_open &&
        now_ms >= reads->pause_until_ms)
        question_send(reads, view, now_ms, actions);
}

/* --- both --- */

void read_index_reset(struct read_index *reads, uint64_t node)
{
    for (uint32_t i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
        if (reads->members[i].waits && reads->members[i].node == node)
            waiter_clear(reads, &reads->members[i]);
    }
    if (reads->asked == node)
        question_abandon(reads);
}

/* What was learnt as the leader of one term counts in no other: it may not have led when the question came. */
static void term_begin(struct read_index *reads, uint64_t term)
{
    reads->term = term;
    reads->asked = 0;
    for (uint32_t i = 0; i < READERS_MAX; i++)
        reads->readers[i].round = reads->readers[i].index = reads->readers[i].question = 0;
    for (uint32_t i = 0; i < CLUSTER_MEMBERS_MAX; i++)
        reads->members[i].round = reads->members[i].index = 0;
}

bool read_index_advance(struct read_index *reads, const struct read_index_now *now, uint64_t now_ms,
                        struct raft_loop_actions *actions)
{
    uint64_t term = now->view.leads ? now->view.term : 0;
    if (term != reads->term)
        term_begin(reads, term);
    if (reads->waiting == 0 && reads->asked == 0)
        return false;
    if (term != 0)
        return leader_advance(reads, now, now_ms, actions);
    follower_advance(reads, now, now_ms, actions);
    return false;
}

uint64_t read_index_deadline(const struct read_index *reads, uint64_t now_ms)
{
    if (reads->term != 0 || reads->waiting == 0)
        return UINT64_MAX;
    if (reads->asked != 0)
        return reads->asked_ms + READ_ANSWER_TIMEOUT_MS;
    return reads->pause_until_ms > now_ms ? reads->pause_until_ms : UINT64_MAX;
}
