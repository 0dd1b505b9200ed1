#include "cluster/snapshot_send.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/heap.h"

enum send_state { SEND_NONE, SEND_MAKING, SEND_READY };

/* A member that has asked lately. */
struct send_receiver {
    uint64_t node; /* 0: free place */
    uint64_t heard_ms;
    uint64_t applied_index; /* of its last ask */
    bool waits;             /* it was told to */
};

struct snapshot_send {
    enum send_state state;
    uint64_t next_id;
    struct snapshot_manifest *manifest; /* READY */
    uint64_t used_ms;                   /* somebody asked for it, or it was made */
    uint64_t rest_until_ms;             /* after one could not be made */
    struct send_receiver receivers[SNAPSHOT_RECEIVERS_MAX];
    struct arena arena;
    struct snapshot_send_action *first;
    struct snapshot_send_action **last;
};

struct snapshot_send *snapshot_send_create(uint64_t nonce)
{
    struct snapshot_send *send = HEAP_NEW(struct snapshot_send);
    send->next_id = nonce | 1;
    arena_init(&send->arena);
    return send;
}

void snapshot_send_destroy(struct snapshot_send *send)
{
    snapshot_manifest_free(send->manifest);
    arena_fini(&send->arena);
    heap_free(send);
}

static struct snapshot_send_action *send_act(struct snapshot_send *send, enum snapshot_send_action_kind kind)
{
    struct snapshot_send_action *action = ARENA_NEW(&send->arena, struct snapshot_send_action);
    action->kind = kind;
    *send->last = action;
    send->last = &action->next;
    return action;
}

static void send_answer(struct snapshot_send *send, uint64_t node, uint64_t id, enum peer_snapshot_outcome outcome)
{
    struct snapshot_message *message = snapshot_message_create(SNAPSHOT_ANSWER, node);
    message->id = id;
    message->outcome = outcome;
    send_act(send, SNAPSHOT_SEND_DO_SEND)->message = message;
}

static void send_drop(struct snapshot_send *send)
{
    CHECK(send->state == SEND_READY);
    send_act(send, SNAPSHOT_SEND_DO_DROP);
    snapshot_manifest_free(send->manifest);
    send->manifest = NULL;
    send->state = SEND_NONE;
}

static void send_make(struct snapshot_send *send, const struct snapshot_send_moment *moment)
{
    CHECK(send->state == SEND_NONE);
    if (moment->low || moment->now_ms < send->rest_until_ms)
        return;
    send->state = SEND_MAKING;
    send_act(send, SNAPSHOT_SEND_DO_MAKE);
}

/* Notes that the member is there; NULL: too many others are. */
static struct send_receiver *send_admit(struct snapshot_send *send, uint64_t node, uint64_t now_ms)
{
    struct send_receiver *place = NULL;
    for (size_t i = 0; i < SNAPSHOT_RECEIVERS_MAX; i++) {
        struct send_receiver *receiver = &send->receivers[i];
        if (receiver->node != 0 && now_ms - receiver->heard_ms > SNAPSHOT_SILENCE_MS)
            receiver->node = 0;
        if (receiver->node == node) {
            place = receiver;
            break;
        }
        if (receiver->node == 0 && place == NULL)
            place = receiver;
    }
    if (place != NULL)
        *place = (struct send_receiver){.node = node, .heard_ms = now_ms};
    return place;
}

static bool send_others_fetch(const struct snapshot_send *send, uint64_t node, uint64_t now_ms)
{
    for (size_t i = 0; i < SNAPSHOT_RECEIVERS_MAX; i++) {
        const struct send_receiver *receiver = &send->receivers[i];
        if (receiver->node != 0 && receiver->node != node && now_ms - receiver->heard_ms <= SNAPSHOT_SILENCE_MS)
            return true;
    }
    return false;
}

static void send_offer(struct snapshot_send *send, uint64_t node, uint64_t now_ms)
{
    send->used_ms = now_ms;
    struct snapshot_message *offer = snapshot_message_create(SNAPSHOT_OFFER, node);
    offer->id = send->manifest->id;
    offer->manifest = snapshot_manifest_copy(send->manifest);
    send_act(send, SNAPSHOT_SEND_DO_SEND)->message = offer;
}

static void send_asked(struct snapshot_send *send, const struct snapshot_message *ask,
                       const struct snapshot_send_moment *moment)
{
    struct send_receiver *receiver = send_admit(send, ask->peer, moment->now_ms);
    if (receiver == NULL) {
        send_answer(send, ask->peer, 0, PEER_SNAPSHOT_WAIT);
        return;
    }
    /* One that does not reach beyond what the member has helps it nothing: a new one, when nobody needs the old one. */
    if (send->state == SEND_READY && send->manifest->log.index <= ask->applied_index &&
        moment->applied_index > ask->applied_index && !send_others_fetch(send, ask->peer, moment->now_ms))
        send_drop(send);
    /* G15: no snapshot ends at entry 1. */
    if (send->state == SEND_NONE && moment->applied_index > ask->applied_index && moment->applied_index > 1)
        send_make(send, moment);
    if (send->state != SEND_READY || send->manifest->log.index <= ask->applied_index) {
        receiver->waits = true;
        receiver->applied_index = ask->applied_index;
        send_answer(send, ask->peer, 0, PEER_SNAPSHOT_WAIT);
        return;
    }
    send_offer(send, ask->peer, moment->now_ms);
}

/* Whether the piece lies in the copy. What a block is, its own store knows. */
static bool send_has(const struct snapshot_manifest *manifest, const struct snapshot_message *fetch)
{
    if (fetch->part == PEER_SNAPSHOT_BLOCK)
        return true;
    return fetch->item < manifest->file_count && fetch->offset < manifest->files[fetch->item].size_bytes &&
           fetch->size_bytes <= manifest->files[fetch->item].size_bytes - fetch->offset;
}

static void send_fetched(struct snapshot_send *send, const struct snapshot_message *fetch,
                         const struct snapshot_send_moment *moment)
{
    if (send->state != SEND_READY || send->manifest->id != fetch->id ||
        send_admit(send, fetch->peer, moment->now_ms) == NULL || !send_has(send->manifest, fetch)) {
        send_answer(send, fetch->peer, fetch->id, PEER_SNAPSHOT_GONE);
        return;
    }
    send->used_ms = moment->now_ms;
    struct snapshot_send_action *action = send_act(send, SNAPSHOT_SEND_DO_READ);
    action->fetch = fetch;
    action->manifest = send->manifest;
}

static void send_made(struct snapshot_send *send, struct snapshot_manifest *manifest,
                      const struct snapshot_send_moment *moment)
{
    CHECK(send->state == SEND_MAKING);
    send->state = manifest == NULL ? SEND_NONE : SEND_READY;
    if (manifest == NULL) {
        send->rest_until_ms = moment->now_ms + SNAPSHOT_REST_MS;
        return;
    }
    CHECK(manifest->log.index > 0 && manifest->log.cut_index == manifest->log.index);
    manifest->id = send->next_id;
    send->next_id += 2; /* never 0 */
    send->manifest = manifest;
    send->used_ms = moment->now_ms;
    for (size_t i = 0; i < SNAPSHOT_RECEIVERS_MAX; i++) {
        struct send_receiver *receiver = &send->receivers[i];
        if (receiver->node == 0 || !receiver->waits || receiver->applied_index >= manifest->log.index)
            continue;
        receiver->waits = false;
        send_offer(send, receiver->node, moment->now_ms);
    }
}

struct snapshot_send_action *snapshot_send_step(struct snapshot_send *send, struct snapshot_send_input *input,
                                                const struct snapshot_send_moment *moment)
{
    arena_reset(&send->arena);
    send->first = NULL;
    send->last = &send->first;
    switch (input->kind) {
    case SNAPSHOT_SEND_HEARD:
        if (input->message->kind == SNAPSHOT_ASK)
            send_asked(send, input->message, moment);
        else if (input->message->kind == SNAPSHOT_FETCH)
            send_fetched(send, input->message, moment);
        break;
    case SNAPSHOT_SEND_MADE: send_made(send, input->manifest, moment); break;
    case SNAPSHOT_SEND_UNREADABLE:
        send_answer(send, input->message->peer, input->message->id, PEER_SNAPSHOT_GONE);
        if (send->state == SEND_READY && send->manifest->id == input->message->id)
            send_drop(send);
        send->rest_until_ms = moment->now_ms + SNAPSHOT_REST_MS; /* what is damaged may be so in the next one too */
        break;
    case SNAPSHOT_SEND_TICK:
        if (send->state == SEND_READY && (moment->low || moment->now_ms - send->used_ms > SNAPSHOT_KEEP_MS))
            send_drop(send);
        break;
    }
    return send->first;
}
