#include "server/daemon/steward.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/limits.h"
#include "proto/log_codec.h"
#include "server/daemon/address_choice.h"
#include "server/daemon/applier.h"
#include "server/daemon/published.h"
#include "statestore/machine/lease.h"
#include "statestore/machine/node.h"
#include "statestore/machine/purge.h"
#include "statestore/machine/space.h"

enum request_kind {
    REQUEST_CREATE,   /* cluster_create */
    REQUEST_REGISTER, /* node_register */
    REQUEST_EXPIRE,
    REQUEST_PURGE,
    REQUEST_SPACE,   /* node_report */
    REQUEST_LOST,    /* node_lost */
    REQUEST_ADDRESS, /* address_move: the leader gives one to a node */
    REQUEST_OPERATOR,
};

/* A process that the leader takes for lost; node_lost is not proposed yet. */
struct lost {
    uint64_t node;
    struct incarnation_id incarnation;
    uint64_t term; /* in which it is so */
};

/* A command of the steward on its way. */
struct request {
    struct list_link link;
    struct proposal proposal;
    enum request_kind kind;
    uint64_t place; /* also its number as a node request */
    uint64_t token;
    uint8_t packed[]; /* the command */
};

struct steward {
    struct steward_config config;
    struct random random;
    struct incarnation_id incarnation; /* 0: not registered */
    struct machine machine;            /* as it was at the registration: keys and ids */
    bool started;                      /* proposals are taken */
    bool leader;
    bool closed; /* this process has no say any more: it proposes nothing, and waits for its end */
    struct lost lost[CLUSTER_MEMBERS_MAX];
    size_t lost_count;
    bool purge_wanted;
    bool garbage_wanted; /* a look may find some */
    bool space_reported_low;
    uint64_t ticked_ms;
    uint64_t flush_ms; /* the last flush was asked for, or seen to have ended */
    uint64_t flush_number;
    uint64_t next_place;
    struct list requests; /* in the order of their places */
    uint32_t under_way[REQUEST_OPERATOR + 1];
    struct garbage garbage[STEWARD_SWEEP_BLOCKS_MAX]; /* being removed */
    size_t garbage_count;
    struct garbage swept; /* the last one that is gone; rows up to it are passed by */
    struct arena arena;   /* of the step */
    struct steward_action *first;
    struct steward_action **last;
};

struct steward *steward_create(const struct steward_config *config, struct random random)
{
    struct steward *steward = calloc(1, sizeof(*steward));
    CHECK(steward != NULL);
    steward->config = *config;
    steward->random = random;
    steward->next_place = 1;
    steward->purge_wanted = true; /* whatever waited at the crash is found by the first look */
    steward->garbage_wanted = true;
    list_init(&steward->requests);
    arena_init(&steward->arena);
    return steward;
}

void steward_destroy(struct steward *steward)
{
    struct list_link *link;
    while ((link = list_first(&steward->requests)) != NULL) {
        list_remove(link);
        free(container_of(link, struct request, link));
    }
    arena_fini(&steward->arena);
    free(steward);
}

bool steward_serving(const struct steward *steward)
{
    return steward->incarnation.value != 0;
}

static struct steward_action *steward_act(struct steward *steward, enum steward_action_kind kind)
{
    struct steward_action *action = ARENA_NEW(&steward->arena, struct steward_action);
    action->kind = kind;
    *steward->last = action;
    steward->last = &action->next;
    return action;
}

/* Sends a command whose body is set: gives it its ticket and, once registered, its origin. */
static void steward_propose(struct steward *steward, enum request_kind kind, uint64_t token, Qnfs__Command *command)
{
    uint64_t place = steward->next_place++;
    Qnfs__Ticket ticket = QNFS__TICKET__INIT;
    ticket.incarnation = steward_serving(steward) ? steward->incarnation.value : steward->config.nonce;
    ticket.loop = APPLIER_LOOP_STEWARD;
    ticket.place = place;
    command->ticket = &ticket;
    Qnfs__NodeOrigin origin = QNFS__NODE_ORIGIN__INIT;
    if (steward_serving(steward)) {
        const struct list_link *oldest = list_first(&steward->requests);
        origin.node = steward->config.node;
        origin.incarnation = steward->incarnation.value;
        origin.number = place;
        origin.low_water = oldest == NULL ? place : container_of(oldest, struct request, link)->place;
        origin.stream = APPLIER_LOOP_STEWARD;
        command->origin_case = QNFS__COMMAND__ORIGIN_NODE_ORIGIN;
        command->node_origin = &origin;
    }
    struct slice packed = log_command_pack(command, &steward->arena);
    struct request *request = malloc(sizeof(*request) + packed.size_bytes);
    CHECK(request != NULL);
    request->kind = kind;
    request->place = place;
    request->token = token;
    memcpy(request->packed, packed.data, packed.size_bytes);
    request->proposal = (struct proposal){.command = slice_make(request->packed, packed.size_bytes)};
    list_append(&steward->requests, &request->link);
    steward->under_way[kind]++;
    steward_act(steward, STEWARD_DO_PROPOSE)->proposal = &request->proposal;
}

static ProtobufCBinaryData binary(struct slice bytes)
{
    return (ProtobufCBinaryData){bytes.size_bytes, (uint8_t *)(uintptr_t)bytes.data};
}

/* --- the first commands --- */

static Qnfs__ExportSpec *export_message(struct steward *steward, const struct config_export *export)
{
    Qnfs__ExportSpec *spec = ARENA_NEW(&steward->arena, Qnfs__ExportSpec);
    qnfs__export_spec__init(spec);
    spec->path = binary(slice_text(export->path));
    spec->read_only = export->read_only;
    spec->squash = export->squash;
    spec->n_clients = export->client_count;
    spec->clients = arena_alloc_array(&steward->arena, export->client_count, sizeof(*spec->clients));
    for (size_t i = 0; i < export->client_count; i++)
        spec->clients[i] = binary(slice_text(export->clients[i]));
    spec->n_flavors = export->flavor_count;
    spec->flavors = arena_alloc_array(&steward->arena, export->flavor_count, sizeof(*spec->flavors));
    for (size_t i = 0; i < export->flavor_count; i++)
        spec->flavors[i] = export->flavors[i];
    return spec;
}

static void steward_create_cluster(struct steward *steward)
{
    uint8_t mac_key[16];
    steward->random.fill(steward->random.context, mac_key, sizeof(mac_key));
    Qnfs__ClusterCreate body = QNFS__CLUSTER_CREATE__INIT;
    body.cluster_id = binary(slice_make(steward->config.cluster_id, 16));
    body.mac_key = binary(slice_make(mac_key, sizeof(mac_key)));
    body.lease_seconds = NFS4_LEASE_DEFAULT_SECONDS;
    body.n_exports = steward->config.export_count;
    body.exports = arena_alloc_array(&steward->arena, body.n_exports, sizeof(*body.exports));
    for (size_t i = 0; i < body.n_exports; i++)
        body.exports[i] = export_message(steward, &steward->config.exports[i]);
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_CLUSTER_CREATE;
    command.cluster_create = &body;
    steward_propose(steward, REQUEST_CREATE, 0, &command);
}

static void steward_register(struct steward *steward)
{
    Qnfs__NodeRegister body = QNFS__NODE_REGISTER__INIT;
    body.node = steward->config.node;
    body.advertise = binary(slice_text(steward->config.advertise));
    body.version = binary(slice_text(steward->config.version));
    body.nonce = steward->config.nonce;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_NODE_REGISTER;
    command.node_register = &body;
    steward_propose(steward, REQUEST_REGISTER, 0, &command);
}

/* A node without an incarnation asks for one as soon as there is a cluster, whoever leads it: the proposal is held until
 * somebody does. The leader of nothing makes the cluster. */
static void steward_enter(struct steward *steward, const struct steward_moment *moment)
{
    bool under_way = steward->under_way[REQUEST_CREATE] + steward->under_way[REQUEST_REGISTER] > 0;
    if (!steward->started || steward->closed || under_way || steward_serving(steward))
        return;
    machine_load(&steward->machine, moment->view, &steward->arena);
    if (steward->machine.created)
        steward_register(steward);
    else if (steward->leader)
        steward_create_cluster(steward); /* no effect if the log holds one that is not applied yet */
}

static void steward_lead(struct steward *steward, bool on, const struct steward_moment *moment)
{
    steward->leader = on;
    steward->lost_count = 0; /* the next leader finds out for itself */
    if (!on)
        return;
    steward->started = true;
    steward->purge_wanted = true; /* what the leader before had not done */
    steward_enter(steward, moment);
}

/* Others have closed this process's incarnation: all that it holds for clients is void. */
static void steward_close(struct steward *steward)
{
    if (steward->closed)
        return;
    steward->closed = true;
    steward_act(steward, STEWARD_DO_RESTART);
}

static void steward_registered(struct steward *steward, const Qnfs__Result *result, const struct steward_moment *moment)
{
    struct incarnation incarnation;
    CHECK(!steward_serving(steward));
    bool registered = result->body_case == QNFS__RESULT__BODY_REGISTERED;
    struct incarnation_id id = {registered ? result->registered->incarnation : 0};
    /* A later process of this node has come, or we were slow and are lost already. */
    if (!registered || !incarnation_get(moment->view, id, &steward->arena, &incarnation)) {
        steward_close(steward);
        return;
    }
    steward->incarnation = id;
    machine_load(&steward->machine, moment->view, &steward->arena);
    CHECK(steward->machine.created);
    /* What the process before reported still stands in the state: if it was bad news, it is ours to take back. */
    steward->space_reported_low = space_node_low(moment->view, steward->config.node, &steward->arena);
    struct steward_action *action = steward_act(steward, STEWARD_DO_SERVE);
    action->incarnation = steward->incarnation;
    action->machine = &steward->machine;
}

/* --- what comes up by itself --- */

static void steward_expire(struct steward *steward, const struct steward_moment *moment)
{
    if (steward->under_way[REQUEST_EXPIRE] > 0 || !lease_due(moment->view, moment->uptime_ms, &steward->arena))
        return;
    Qnfs__Expire body = QNFS__EXPIRE__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_EXPIRE;
    command.expire = &body;
    steward_propose(steward, REQUEST_EXPIRE, 0, &command);
}

static void steward_purge(struct steward *steward, const struct steward_moment *moment)
{
    if (!steward->purge_wanted || steward->under_way[REQUEST_PURGE] > 0)
        return;
    struct client_id gone;
    if (!purge_pending(moment->view, &steward->arena) && !lease_first_gone(moment->view, &steward->arena, &gone)) {
        steward->purge_wanted = false;
        return;
    }
    Qnfs__Purge body = QNFS__PURGE__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_PURGE;
    command.purge = &body;
    steward_propose(steward, REQUEST_PURGE, 0, &command);
}

/* Garbage whose command is flushed: no crash brings the extents back, so the bytes may go. Each node does this for itself.
 * What is swept is passed by: its rows stay until the removal is synced. */
static void steward_sweep(struct steward *steward, const struct steward_moment *moment)
{
    if (!steward->garbage_wanted || steward->garbage_count > 0)
        return;
    struct garbage_walk walk;
    struct garbage garbage;
    bool more = false;
    uint64_t last_number = moment->flushed_number;
    if (moment->pinned_number != 0 && moment->pinned_number < last_number)
        last_number = moment->pinned_number;
    garbage_walk_open(moment->view, &steward->swept, &steward->arena, &walk);
    for (; garbage_walk_get(&walk, &garbage); garbage_walk_next(&walk)) {
        more = true;
        if (garbage.number > last_number || steward->garbage_count == STEWARD_SWEEP_BLOCKS_MAX)
            break;
        steward->garbage[steward->garbage_count++] = garbage;
    }
    garbage_walk_close(&walk);
    steward->garbage_wanted = more;
    if (steward->garbage_count == 0)
        return;
    struct steward_action *action = steward_act(steward, STEWARD_DO_REMOVE);
    action->garbage = steward->garbage;
    action->garbage_count = steward->garbage_count;
}

static void steward_removed(struct steward *steward, const struct steward_moment *moment)
{
    CHECK(steward->garbage_count > 0);
    steward->swept = steward->garbage[steward->garbage_count - 1];
    steward->garbage_count = 0;
    struct steward_action *action = steward_act(steward, STEWARD_DO_FORGET);
    action->garbage = &steward->swept;
    action->garbage_count = 1;
    steward_sweep(steward, moment);
}

/* The disk is low when less than a reserve is free, and well again at one and a half of it. */
static void steward_watch_space(struct steward *steward, const struct steward_moment *moment)
{
    if (moment->total_bytes == 0 || steward->under_way[REQUEST_SPACE] > 0)
        return;
    uint64_t reserve = space_reserve_bytes(moment->total_bytes);
    bool low = moment->log_low || moment->free_bytes < (steward->space_reported_low ? reserve + reserve / 2 : reserve);
    if (low == steward->space_reported_low)
        return;
    steward->space_reported_low = low;
    Qnfs__NodeReport body = QNFS__NODE_REPORT__INIT;
    body.node = steward->config.node;
    body.free_bytes = moment->free_bytes;
    body.low = low;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_NODE_REPORT;
    command.node_report = &body;
    steward_propose(steward, REQUEST_SPACE, 0, &command);
}

/* The applier flushes after so many commands and bytes. When fewer come, time does it: so a start has little to apply again,
 * and the room of what was removed becomes free. Where room is short that is done at once, and the log does not keep what
 * the state has. */
static void steward_flush(struct steward *steward, const struct steward_moment *moment)
{
    if (moment->flushed_number != steward->flush_number || moment->command_number <= moment->flushed_number) {
        steward->flush_number = moment->flushed_number;
        steward->flush_ms = moment->now_ms;
        return;
    }
    bool urgent = moment->total_bytes > 0 && moment->free_bytes < 2 * space_reserve_bytes(moment->total_bytes);
    if (moment->now_ms - steward->flush_ms < (urgent ? STEWARD_FLUSH_URGENT_MS : STEWARD_FLUSH_MS))
        return;
    steward->flush_ms = moment->now_ms;
    steward_act(steward, STEWARD_DO_FLUSH);
}

/* A process that does not live any more must not hold what others need. One at a time. */
static void steward_lost(struct steward *steward, const struct steward_moment *moment)
{
    while (steward->lost_count > 0 && steward->under_way[REQUEST_LOST] == 0) {
        struct incarnation incarnation;
        struct lost lost = steward->lost[--steward->lost_count];
        if (!incarnation_get(moment->view, lost.incarnation, &steward->arena, &incarnation))
            continue; /* its node's next process has come */
        Qnfs__NodeLost body = QNFS__NODE_LOST__INIT;
        body.node = lost.node;
        body.incarnation = lost.incarnation.value;
        body.term = lost.term;
        Qnfs__Command command = QNFS__COMMAND__INIT;
        command.body_case = QNFS__COMMAND__BODY_NODE_LOST;
        command.node_lost = &body;
        steward_propose(steward, REQUEST_LOST, 0, &command);
    }
}

/* Gives an address that nobody has to a node, or evens the nodes out. One at a time: the next choice sees this one. */
static void steward_give_address(struct steward *steward, const struct steward_moment *moment)
{
    struct address_choice choice;
    struct incarnation_id lost[CLUSTER_MEMBERS_MAX];
    if (steward->under_way[REQUEST_ADDRESS] > 0)
        return;
    for (size_t i = 0; i < steward->lost_count; i++)
        lost[i] = steward->lost[i].incarnation;
    if (!address_choose(moment->view, moment->uptime_ms, lost, steward->lost_count, &steward->arena, &choice))
        return;
    Qnfs__AddressMove body = QNFS__ADDRESS_MOVE__INIT;
    body.address = binary(slice_make(choice.bytes, sizeof(choice.bytes)));
    body.node = choice.node;
    body.epoch = choice.epoch;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    command.body_case = QNFS__COMMAND__BODY_ADDRESS_MOVE;
    command.address_move = &body;
    steward_propose(steward, REQUEST_ADDRESS, 0, &command);
}

static void steward_housekeeping(struct steward *steward, const struct steward_moment *moment)
{
    steward_enter(steward, moment);
    if (!steward_serving(steward) || steward->closed)
        return;
    steward_watch_space(steward, moment);
    steward_flush(steward, moment);
    steward_sweep(steward, moment);
    if (!steward->leader)
        return;
    steward_lost(steward, moment);
    steward_give_address(steward, moment);
    steward_expire(steward, moment);
    steward_purge(steward, moment);
}

/* --- messages --- */

static struct request *request_find(const struct steward *steward, uint64_t place)
{
    for (struct list_link *link = list_first(&steward->requests); link != NULL;
         link = list_next(&steward->requests, link)) {
        struct request *request = container_of(link, struct request, link);
        if (request->place == place)
            return request;
    }
    return NULL;
}

static void steward_result(struct steward *steward, const struct steward_message *message,
                           const struct steward_moment *moment)
{
    struct request *request = request_find(steward, message->place);
    Qnfs__Result *result;
    if (request == NULL)
        return; /* a result may come twice, and places count up for ever */
    CHECK(log_result_unpack(message->bytes, &steward->arena, &result) == STATUS_OK);
    enum request_kind kind = request->kind;
    uint64_t token = request->token;
    steward->under_way[kind]--;
    list_remove(&request->link);
    free(request);
    /* Of a closed incarnation (a result that is kept no longer is one that has come): it has not been done. */
    if (result->outcome == MACHINE_SUPERSEDED) {
        if (kind == REQUEST_OPERATOR)
            steward_act(steward, STEWARD_DO_ANSWER)->token = token;
        steward_close(steward);
        return;
    }
    struct steward_action *answer;
    switch (kind) {
    case REQUEST_CREATE: steward_register(steward); break;
    case REQUEST_REGISTER: steward_registered(steward, result, moment); break;
    case REQUEST_EXPIRE:
    case REQUEST_SPACE: break;
    case REQUEST_LOST:
    case REQUEST_ADDRESS:
    case REQUEST_PURGE: steward_housekeeping(steward, moment); break;
    case REQUEST_OPERATOR:
        answer = steward_act(steward, STEWARD_DO_ANSWER);
        answer->token = token;
        answer->bytes = buffer_create(message->bytes.size_bytes);
        memcpy(answer->bytes->data, message->bytes.data, message->bytes.size_bytes);
        answer->bytes->size_bytes = message->bytes.size_bytes;
        break;
    }
}

static void steward_effect(struct steward *steward, const struct machine_effect *effect,
                           const struct steward_moment *moment)
{
    if (effect->kind == EFFECT_PURGE)
        steward->purge_wanted = true;
    else if (effect->kind == EFFECT_BLOCKS_DEAD)
        steward->garbage_wanted = true;
    else if ((effect->kind == EFFECT_ADDRESSES_CHANGED || effect->kind == EFFECT_PROCESS_OPENED) && steward->leader)
        ; /* an address may wait for a node */
    else if (effect->kind == EFFECT_PROCESS_CLOSED && steward_serving(steward) &&
             effect->incarnation.value == steward->incarnation.value)
        steward_close(steward);
    else
        return;
    steward_housekeeping(steward, moment);
}

/* The raft loop says so once for each process that it finds silent. */
static void steward_note_lost(struct steward *steward, const struct steward_message *message,
                              const struct steward_moment *moment)
{
    if (!steward->leader)
        return; /* no longer */
    for (size_t i = 0; i < steward->lost_count; i++) {
        if (steward->lost[i].incarnation.value != message->incarnation.value)
            continue;
        steward->lost[i].term = message->term;
        return;
    }
    if (steward->lost_count == CLUSTER_MEMBERS_MAX) { /* of each node one is open at most: the oldest is none of them */
        steward->lost_count--;
        memmove(steward->lost, steward->lost + 1, steward->lost_count * sizeof(steward->lost[0]));
    }
    steward->lost[steward->lost_count++] = (struct lost){message->node, message->incarnation, message->term};
    steward_housekeeping(steward, moment);
}

static void steward_request(struct steward *steward, const struct steward_message *message)
{
    if (!steward_serving(steward) || steward->closed) {
        steward_act(steward, STEWARD_DO_ANSWER)->token = message->token;
        return;
    }
    steward_propose(steward, REQUEST_OPERATOR, message->token, message->command);
}

struct steward_action *steward_step(struct steward *steward, const struct steward_message *message,
                                    const struct steward_moment *moment)
{
    arena_reset(&steward->arena);
    steward->first = NULL;
    steward->last = &steward->first;
    switch (message->kind) {
    case STEWARD_START:
        steward->started = true;
        steward_enter(steward, moment);
        break;
    case STEWARD_LOST: steward_note_lost(steward, message, moment); break;
    case STEWARD_LEADER: steward_lead(steward, message->on, moment); break;
    case STEWARD_RESULT: steward_result(steward, message, moment); break;
    case STEWARD_EFFECT: steward_effect(steward, message->effect, moment); break;
    case STEWARD_TICK:
        if (moment->now_ms - steward->ticked_ms >= STEWARD_TICK_MS) {
            steward->ticked_ms = moment->now_ms;
            steward_housekeeping(steward, moment);
        }
        break;
    case STEWARD_REQUEST: steward_request(steward, message); break;
    case STEWARD_GARBAGE_REMOVED: steward_removed(steward, moment); break;
    }
    return steward->first;
}
