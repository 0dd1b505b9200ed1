#include "cluster/forwarder.h"

#include "base/check.h"
#include "base/heap.h"
#include "base/limits.h"

/* What a batch begins with; it doubles. */
#define BATCH_FIRST_BYTES 4096u
#define BATCH_FIRST_ITEMS 32u

struct item {
    uint32_t command_bytes;
    uint32_t content_bytes;
};

/* Commands of this node, one behind the other, each with its content: as a frame carries them. */
struct forward_batch {
    struct list_link link; /* in `waiting`, `sent` or `packed` of the forwarder */
    uint64_t number;       /* 0: never sent, more may be added */
    uint64_t node;         /* sent: to this one, */
    uint64_t sent_ms;      /* at that time */
    uint64_t index;        /* packed: the last one is in this entry, */
    uint64_t term;         /* of this term */
    uint8_t *bytes;        /* heap */
    size_t size_bytes;
    size_t capacity_bytes;
    struct item *items; /* heap */
    uint32_t count;
    uint32_t capacity;
};

/* A batch of another node, in one piece of memory with its proposals and their bytes. */
struct foreign_batch {
    struct list_link link;
    uint64_t node;
    uint64_t number;
    size_t size_bytes; /* of all */
    struct proposal_batch batch;
    struct proposal proposals[];
};

/* Entries from first_index on are of this term. */
struct term_run {
    uint64_t first_index;
    uint64_t term;
};

struct forwarder {
    uint64_t id;
    uint64_t next_number;
    enum replica_role role;
    uint64_t term;
    uint64_t leader;

    struct list waiting; /* of struct forward_batch, owned; so the next two */
    struct list sent;    /* in the order of sent_ms */
    struct list packed;
    uint32_t sent_count;
    uint64_t sent_bytes;
    uint64_t pause_ms;    /* nothing is sent before */
    uint64_t advanced_ms; /* the newest advance */

    uint64_t handed_index;
    struct term_run runs[FORWARD_TERMS_MAX]; /* of entries that were handed out, ascending */
    size_t run_count;

    struct list foreign; /* of struct foreign_batch, owned: with the replica */
    uint64_t foreign_bytes;
};

void forwarder_actions_init(struct forwarder_actions *actions, struct arena *arena)
{
    *actions = (struct forwarder_actions){.arena = arena};
    actions->last_send = &actions->sends;
    list_init(&actions->propose);
}

struct forwarder *forwarder_create(uint64_t id, uint64_t nonce)
{
    struct forwarder *forwarder = HEAP_NEW(struct forwarder);
    forwarder->id = id;
    forwarder->next_number = nonce;
    list_init(&forwarder->waiting);
    list_init(&forwarder->sent);
    list_init(&forwarder->packed);
    list_init(&forwarder->foreign);
    return forwarder;
}

static void batch_free(struct forward_batch *batch)
{
    heap_free(batch->bytes);
    heap_free(batch->items);
    heap_free(batch);
}

static struct forward_batch *batch_of(struct list_link *link)
{
    return container_of(link, struct forward_batch, link);
}

static void batches_free(struct list *batches)
{
    struct list_link *link;
    while ((link = list_first(batches)) != NULL) {
        list_remove(link);
        batch_free(batch_of(link));
    }
}

void forwarder_destroy(struct forwarder *forwarder)
{
    batches_free(&forwarder->waiting);
    batches_free(&forwarder->sent);
    batches_free(&forwarder->packed);
    struct list_link *link;
    while ((link = list_first(&forwarder->foreign)) != NULL) {
        list_remove(link);
        heap_free(container_of(link, struct foreign_batch, link));
    }
    heap_free(forwarder);
}

static struct forwarder_send *send_add(struct forwarder_actions *actions, uint64_t node, Qnfs__Peer **message)
{
    struct forwarder_send *send = ARENA_NEW(actions->arena, struct forwarder_send);
    *message = ARENA_NEW(actions->arena, Qnfs__Peer);
    qnfs__peer__init(*message);
    send->node = node;
    send->message = *message;
    *actions->last_send = send;
    actions->last_send = &send->next;
    return send;
}

/* --- the asking side: what waits --- */

static bool batch_takes(const struct forward_batch *batch, const struct proposal *proposal)
{
    return batch->number == 0 && batch->count < PEER_ITEMS_MAX &&
           batch->size_bytes + proposal->command.size_bytes + proposal->content.size_bytes <= FORWARD_BATCH_BYTES;
}

static void batch_grow(struct forward_batch *batch, size_t size_bytes)
{
    size_t needed = batch->size_bytes + size_bytes;
    if (needed > batch->capacity_bytes) {
        size_t capacity = batch->capacity_bytes == 0 ? BATCH_FIRST_BYTES : 2 * batch->capacity_bytes;
        if (capacity < needed)
            capacity = needed;
        batch->bytes = (uint8_t *)heap_grow(batch->bytes, batch->size_bytes, capacity, 1);
        batch->capacity_bytes = capacity;
    }
    if (batch->count == batch->capacity) {
        uint32_t capacity = batch->capacity == 0 ? BATCH_FIRST_ITEMS : 2 * batch->capacity;
        batch->items = (struct item *)heap_grow(batch->items, batch->count, capacity, sizeof(struct item));
        batch->capacity = capacity;
    }
}

static void batch_append(struct forward_batch *batch, struct slice part)
{
    if (part.size_bytes > 0)
        memcpy(batch->bytes + batch->size_bytes, part.data, part.size_bytes);
    batch->size_bytes += part.size_bytes;
}

void forwarder_add(struct forwarder *forwarder, struct proposal *proposal)
{
    CHECK(proposal->batch == NULL && proposal->command.size_bytes > 0);
    struct forward_batch *batch = list_empty(&forwarder->waiting) ? NULL : batch_of(forwarder->waiting.head.previous);
    if (batch == NULL || !batch_takes(batch, proposal)) {
        batch = HEAP_NEW(struct forward_batch);
        list_append(&forwarder->waiting, &batch->link);
    }
    batch_grow(batch, proposal->command.size_bytes + proposal->content.size_bytes);
    batch->items[batch->count++] =
        (struct item){(uint32_t)proposal->command.size_bytes, (uint32_t)proposal->content.size_bytes};
    batch_append(batch, proposal->command);
    batch_append(batch, proposal->content);
    proposal_done(proposal);
}

static void sent_remove(struct forwarder *forwarder, struct forward_batch *batch)
{
    list_remove(&batch->link);
    CHECK(forwarder->sent_count > 0 && forwarder->sent_bytes >= batch->size_bytes);
    forwarder->sent_count--;
    forwarder->sent_bytes -= batch->size_bytes;
}

/* What was sent to `node` (0: to anybody) waits again, in its order, in front of what came later. */
static void sent_return(struct forwarder *forwarder, uint64_t node)
{
    struct list_link *link = forwarder->sent.head.previous;
    while (link != &forwarder->sent.head) {
        struct forward_batch *batch = batch_of(link);
        link = link->previous;
        if (node != 0 && batch->node != node)
            continue;
        sent_remove(forwarder, batch);
#ifdef QNFS_PLANT_FORWARD_FORGETS
        if (node != 0) {
            batch_free(batch);
            continue;
        }
#endif
        list_prepend(&forwarder->waiting, &batch->link);
    }
}

void forwarder_role(struct forwarder *forwarder, enum replica_role role, uint64_t term, uint64_t leader)
{
    if (role == forwarder->role && term == forwarder->term && leader == forwarder->leader)
        return;
    forwarder->role = role;
    forwarder->term = term;
    forwarder->leader = leader;
    forwarder->pause_ms = 0;
    sent_return(forwarder, 0);
}

void forwarder_closed(struct forwarder *forwarder, uint64_t node)
{
    CHECK(node != 0);
    sent_return(forwarder, node);
}

/* --- the asking side: what is known to be in the log --- */

/* 0: not known any more. */
static uint64_t handed_term(const struct forwarder *forwarder, uint64_t index)
{
    CHECK(index <= forwarder->handed_index);
    for (size_t i = forwarder->run_count; i > 0; i--) {
        if (forwarder->runs[i - 1].first_index <= index)
            return forwarder->runs[i - 1].term;
    }
    return 0;
}

static void handed_note(struct forwarder *forwarder, uint64_t index, uint64_t term)
{
    CHECK(forwarder->handed_index == 0 || index == forwarder->handed_index + 1);
    forwarder->handed_index = index;
    size_t count = forwarder->run_count;
    if (count > 0 && forwarder->runs[count - 1].term == term)
        return;
    CHECK(count == 0 || forwarder->runs[count - 1].term < term);
    if (count == FORWARD_TERMS_MAX) {
        memmove(forwarder->runs, forwarder->runs + 1, (count - 1) * sizeof(struct term_run));
        count--;
    }
    forwarder->runs[count] = (struct term_run){index, term};
    forwarder->run_count = count + 1;
}

/* Behind what was returned before it in the same call (`place`), in front of all else. */
static void packed_return(struct forwarder *forwarder, struct forward_batch *batch, struct list_link **place)
{
    list_remove(&batch->link);
    struct list_link *before = *place == NULL ? &forwarder->waiting.head : *place;
    batch->link.previous = before;
    batch->link.next = before->next;
    before->next->previous = &batch->link;
    before->next = &batch->link;
    *place = &batch->link;
}

void forwarder_handed(struct forwarder *forwarder, uint64_t index, uint64_t term)
{
    handed_note(forwarder, index, term);
    struct list_link *next;
    struct list_link *place = NULL;
    for (struct list_link *link = list_first(&forwarder->packed); link != NULL; link = next) {
        struct forward_batch *batch = batch_of(link);
        next = list_next(&forwarder->packed, link);
        CHECK(batch->index >= index);
        if (batch->index > index && batch->term >= term)
            continue;
        if (batch->index == index && batch->term == term) {
            list_remove(link);
            batch_free(batch);
        } else {
            packed_return(forwarder, batch, &place);
        }
    }
}

void forwarder_jumped(struct forwarder *forwarder, uint64_t index)
{
    if (index <= forwarder->handed_index)
        return;
    forwarder->handed_index = index;
    forwarder->run_count = 0;
    struct list_link *next;
    struct list_link *place = NULL;
    for (struct list_link *link = list_first(&forwarder->packed); link != NULL; link = next) {
        struct forward_batch *batch = batch_of(link);
        next = list_next(&forwarder->packed, link);
        if (batch->index <= index)
            packed_return(forwarder, batch, &place);
    }
}

/* They are in the entries up to `index` of `term`, if that entry is the one that the log has, or gets. */
static void batch_packed(struct forwarder *forwarder, struct forward_batch *batch, uint64_t index, uint64_t term)
{
    uint64_t newest = forwarder->run_count == 0 ? 0 : forwarder->runs[forwarder->run_count - 1].term;
    if (index <= forwarder->handed_index && term != 0 && handed_term(forwarder, index) == term) {
        batch_free(batch);
    } else if (index <= forwarder->handed_index || term < newest) {
        list_prepend(&forwarder->waiting, &batch->link);
    } else {
        batch->index = index;
        batch->term = term;
        list_append(&forwarder->packed, &batch->link);
    }
}

void forwarder_answer(struct forwarder *forwarder, uint64_t node, const Qnfs__ForwardedAnswer *answer, uint64_t now_ms)
{
    struct list_link *link = list_first(&forwarder->sent);
    while (link != NULL && batch_of(link)->number != answer->number)
        link = list_next(&forwarder->sent, link);
    if (link == NULL || batch_of(link)->node != node)
        return; /* it has an answer, or was sent again under another number */
    struct forward_batch *batch = batch_of(link);
    sent_remove(forwarder, batch);
    switch ((enum peer_outcome)answer->outcome) {
    case PEER_OUTCOME_DONE: batch_packed(forwarder, batch, answer->index, answer->term); break;
    case PEER_OUTCOME_NOT_LEADER:
    case PEER_OUTCOME_FULL:
    case PEER_OUTCOME_COUNT:
        list_prepend(&forwarder->waiting, &batch->link);
        forwarder->pause_ms = now_ms + FORWARD_PAUSE_MS;
        break;
    }
}

/* --- the asking side: what goes out --- */

static void batch_send(struct forwarder *forwarder, struct forward_batch *batch, uint64_t now_ms,
                       struct forwarder_actions *actions)
{
    Qnfs__Peer *message;
    struct forwarder_send *send = send_add(actions, forwarder->leader, &message);
    Qnfs__ForwardedCommands *commands = ARENA_NEW(actions->arena, Qnfs__ForwardedCommands);
    qnfs__forwarded_commands__init(commands);
    message->body_case = QNFS__PEER__BODY_FORWARDED_COMMANDS;
    message->forwarded_commands = commands;
    commands->number = batch->number;
    commands->n_commands = batch->count;
    commands->commands =
        (Qnfs__ForwardedCommand **)arena_alloc_zeroed(actions->arena, batch->count * sizeof(Qnfs__ForwardedCommand *));
    Qnfs__ForwardedCommand *rows =
        (Qnfs__ForwardedCommand *)arena_alloc_zeroed(actions->arena, batch->count * sizeof(Qnfs__ForwardedCommand));
    for (uint32_t i = 0; i < batch->count; i++) {
        qnfs__forwarded_command__init(&rows[i]);
        rows[i].command_bytes = batch->items[i].command_bytes;
        rows[i].content_bytes = batch->items[i].content_bytes;
        commands->commands[i] = &rows[i];
    }
    struct slice *data = ARENA_NEW(actions->arena, struct slice);
    *data = slice_make(batch->bytes, batch->size_bytes);
    send->data = data;
    send->data_count = 1;
    batch->node = forwarder->leader;
    batch->sent_ms = now_ms;
    list_append(&forwarder->sent, &batch->link);
    forwarder->sent_count++;
    forwarder->sent_bytes += batch->size_bytes;
}

/* Frames that may have been dropped go again under their numbers: the leader may have them. */
static void sent_repeat(struct forwarder *forwarder, uint64_t now_ms, bool leader_open,
                        struct forwarder_actions *actions)
{
    struct list_link *link;
    while ((link = list_first(&forwarder->sent)) != NULL && now_ms >= batch_of(link)->sent_ms + FORWARD_TIMEOUT_MS) {
        struct forward_batch *batch = batch_of(link);
        sent_remove(forwarder, batch);
        if (leader_open)
            batch_send(forwarder, batch, now_ms, actions);
        else
            list_prepend(&forwarder->waiting, &batch->link);
    }
}

static void waiting_send(struct forwarder *forwarder, uint64_t now_ms, struct forwarder_actions *actions)
{
    struct list_link *link;
    while ((link = list_first(&forwarder->waiting)) != NULL) {
        struct forward_batch *batch = batch_of(link);
        if (forwarder->sent_count >= FORWARD_UNANSWERED_MAX ||
            (forwarder->sent_count > 0 && forwarder->sent_bytes + batch->size_bytes > FORWARD_UNANSWERED_BYTES))
            return;
        list_remove(link);
        /* A new one every time: a late answer to what was sent before says nothing about this. */
        batch->number = forwarder->next_number++;
        if (batch->number == 0)
            batch->number = forwarder->next_number++;
        batch_send(forwarder, batch, now_ms, actions);
    }
}

/* This node leads: they are proposals like those of its own loops. */
static void waiting_propose(struct forwarder *forwarder, struct forwarder_actions *actions)
{
    struct list_link *link;
    while ((link = list_first(&forwarder->waiting)) != NULL) {
        struct forward_batch *batch = batch_of(link);
        struct slice rest = slice_make(batch->bytes, batch->size_bytes);
        list_remove(link);
        for (uint32_t i = 0; i < batch->count; i++) {
            struct slice command = peer_data_take(&rest, batch->items[i].command_bytes);
            struct slice content = peer_data_take(&rest, batch->items[i].content_bytes);
            list_append(&actions->propose, &proposal_copy(command, content)->link);
        }
        CHECK(rest.size_bytes == 0);
        batch_free(batch);
    }
}

/* --- the leading side --- */

static void answer_send(const struct forwarder *forwarder, uint64_t node, uint64_t number, enum peer_outcome outcome,
                        const struct proposal_batch *batch, struct forwarder_actions *actions)
{
    Qnfs__Peer *message;
    (void)send_add(actions, node, &message);
    Qnfs__ForwardedAnswer *answer = ARENA_NEW(actions->arena, Qnfs__ForwardedAnswer);
    qnfs__forwarded_answer__init(answer);
    message->body_case = QNFS__PEER__BODY_FORWARDED_ANSWER;
    message->forwarded_answer = answer;
    answer->number = number;
    answer->outcome = outcome;
    answer->leader = forwarder->leader;
    if (outcome == PEER_OUTCOME_DONE) {
        answer->index = batch->index;
        answer->term = batch->term;
    }
}

static bool foreign_waits(const struct forwarder *forwarder, uint64_t node, uint64_t number)
{
    for (const struct list_link *link = list_first(&forwarder->foreign); link != NULL;
         link = list_next(&forwarder->foreign, link)) {
        const struct foreign_batch *foreign = container_of(link, const struct foreign_batch, link);
        if (foreign->node == node && foreign->number == number)
            return true;
    }
    return false;
}

static size_t foreign_bytes(const struct peer_frame *frame)
{
    return sizeof(struct foreign_batch) + frame->message->forwarded_commands->n_commands * sizeof(struct proposal) +
           frame->data.size_bytes;
}

static void foreign_add(struct forwarder *forwarder, uint64_t node, const struct peer_frame *frame,
                        struct forwarder_actions *actions)
{
    const Qnfs__ForwardedCommands *commands = frame->message->forwarded_commands;
    size_t size_bytes = foreign_bytes(frame);
    struct foreign_batch *foreign = (struct foreign_batch *)heap_alloc(size_bytes);
    uint8_t *bytes = (uint8_t *)&foreign->proposals[commands->n_commands];
    memcpy(bytes, frame->data.data, frame->data.size_bytes);
    struct slice rest = slice_make(bytes, frame->data.size_bytes);
    foreign->node = node;
    foreign->number = commands->number;
    foreign->size_bytes = size_bytes;
    foreign->batch.left = (uint32_t)commands->n_commands;
    for (size_t i = 0; i < commands->n_commands; i++) {
        struct proposal *proposal = &foreign->proposals[i];
        proposal->command = peer_data_take(&rest, commands->commands[i]->command_bytes);
        proposal->content = peer_data_take(&rest, commands->commands[i]->content_bytes);
        proposal->batch = &foreign->batch;
        list_append(&actions->propose, &proposal->link);
    }
    CHECK(rest.size_bytes == 0);
    list_append(&forwarder->foreign, &foreign->link);
    forwarder->foreign_bytes += size_bytes;
}

void forwarder_commands(struct forwarder *forwarder, uint64_t node, const struct peer_frame *frame,
                        struct forwarder_actions *actions)
{
    const Qnfs__ForwardedCommands *commands = frame->message->forwarded_commands;
    if (forwarder->role != REPLICA_LEADER)
        answer_send(forwarder, node, commands->number, PEER_OUTCOME_NOT_LEADER, NULL, actions);
    else if (foreign_waits(forwarder, node, commands->number))
        return; /* the answer is still to come */
    else if (forwarder->foreign_bytes + foreign_bytes(frame) > FORWARD_FOREIGN_MAX_BYTES)
        answer_send(forwarder, node, commands->number, PEER_OUTCOME_FULL, NULL, actions);
    else
        foreign_add(forwarder, node, frame, actions);
}

/* What the replica is done with is answered. */
static void foreign_settle(struct forwarder *forwarder, struct forwarder_actions *actions)
{
    struct list_link *next;
    for (struct list_link *link = list_first(&forwarder->foreign); link != NULL; link = next) {
        struct foreign_batch *foreign = container_of(link, struct foreign_batch, link);
        next = list_next(&forwarder->foreign, link);
        if (foreign->batch.left > 0)
            continue;
        enum peer_outcome outcome = foreign->batch.dropped ? PEER_OUTCOME_NOT_LEADER : PEER_OUTCOME_DONE;
        answer_send(forwarder, foreign->node, foreign->number, outcome, &foreign->batch, actions);
        list_remove(link);
        forwarder->foreign_bytes -= foreign->size_bytes;
        heap_free(foreign);
    }
}

/* --- what is next --- */

void forwarder_advance(struct forwarder *forwarder, uint64_t now_ms, bool leader_open,
                       struct forwarder_actions *actions)
{
    forwarder->advanced_ms = now_ms;
    foreign_settle(forwarder, actions);
    if (forwarder->role == REPLICA_LEADER) {
        CHECK(list_empty(&forwarder->sent));
        waiting_propose(forwarder, actions);
        return;
    }
    sent_repeat(forwarder, now_ms, leader_open, actions);
    if (leader_open && forwarder->leader != 0 && forwarder->leader != forwarder->id && now_ms >= forwarder->pause_ms)
        waiting_send(forwarder, now_ms, actions);
}

uint64_t forwarder_deadline(const struct forwarder *forwarder)
{
    uint64_t deadline_ms = UINT64_MAX;
    struct list_link *link = list_first(&forwarder->sent);
    if (link != NULL)
        deadline_ms = batch_of(link)->sent_ms + FORWARD_TIMEOUT_MS;
    bool pauses = !list_empty(&forwarder->waiting) && forwarder->pause_ms > forwarder->advanced_ms;
    return pauses && forwarder->pause_ms < deadline_ms ? forwarder->pause_ms : deadline_ms;
}

static uint64_t commands_of(const struct list *batches)
{
    uint64_t sum = 0;
    for (struct list_link *link = list_first(batches); link != NULL; link = list_next(batches, link))
        sum += batch_of(link)->count;
    return sum;
}

void forwarder_status(const struct forwarder *forwarder, struct forwarder_status *status)
{
    *status = (struct forwarder_status){
        .waiting = commands_of(&forwarder->waiting),
        .sent = commands_of(&forwarder->sent),
        .packed = commands_of(&forwarder->packed),
        .foreign_bytes = forwarder->foreign_bytes,
    };
    for (const struct list_link *link = list_first(&forwarder->foreign); link != NULL;
         link = list_next(&forwarder->foreign, link))
        status->foreign += container_of(link, const struct foreign_batch, link)->batch.left;
}
