#include "server/daemon/frontend.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"

/* Programs served: NFS (RFC 8881; version 4 alone). */
static const struct gateway_program frontend_programs[] = {
    {.number = 100003, .version_low = 4, .version_high = 4, .procedure_count = 2},
};

struct frontend {
    struct frontend_config config;
    struct gateway *gateway;
    struct nfs4_server *nfs4;
    struct arena arena; /* of the step */
    struct nfs4_outbox outbox;
    struct frontend_action *first;
    struct frontend_action **last;
    uint64_t ticked_ms; /* connections were looked at */
    bool held_by_parked;
    bool draining;
};

struct frontend *frontend_create(const struct frontend_config *config)
{
    struct frontend *frontend = calloc(1, sizeof(*frontend));
    CHECK(frontend != NULL && config->loop < config->loop_count);
    frontend->config = *config;
    frontend->gateway =
        gateway_create(config->loop, frontend_programs, sizeof(frontend_programs) / sizeof(frontend_programs[0]));
    frontend->nfs4 = nfs4_server_create(&config->nfs4);
    arena_init(&frontend->arena);
    nfs4_outbox_init(&frontend->outbox);
    return frontend;
}

void frontend_destroy(struct frontend *frontend)
{
    nfs4_server_destroy(frontend->nfs4);
    gateway_destroy(frontend->gateway);
    nfs4_outbox_reset(&frontend->outbox);
    arena_fini(&frontend->outbox.arena);
    arena_fini(&frontend->arena);
    free(frontend);
}

static struct frontend_action *frontend_act(struct frontend *frontend, enum frontend_action_kind kind,
                                            struct connection_id connection)
{
    struct frontend_action *action = ARENA_NEW(&frontend->arena, struct frontend_action);
    action->kind = kind;
    action->connection = connection;
    *frontend->last = action;
    frontend->last = &action->next;
    return action;
}

static bool connection_is_ours(const struct frontend *frontend, struct connection_id connection)
{
    return connection_id_loop(connection) == frontend->config.loop;
}

static void frontend_carry_gateway(struct frontend *frontend, struct gateway_action *action,
                                   const struct nfs4_moment *moment);

/* Ends a call: on our own connection, or by way of the loop that has the connection. */
static void frontend_answer(struct frontend *frontend, struct connection_id connection, struct buffer *reply,
                            const struct nfs4_moment *moment)
{
    if (connection_is_ours(frontend, connection)) {
        struct gateway_actions actions;
        gateway_actions_init(&actions, &frontend->arena);
        gateway_answered(frontend->gateway, connection, reply, &actions);
        frontend_carry_gateway(frontend, actions.first, moment);
        return;
    }
    struct frontend_action *action = frontend_act(frontend, FRONTEND_DO_PASS_REPLY, connection);
    action->buffer = reply;
    action->loop = connection_id_loop(connection);
}

static void frontend_abort(struct frontend *frontend, struct connection_id connection, const struct nfs4_moment *moment)
{
    if (connection_is_ours(frontend, connection)) {
        struct gateway_actions actions;
        gateway_actions_init(&actions, &frontend->arena);
        gateway_abort(frontend->gateway, connection, &actions);
        frontend_carry_gateway(frontend, actions.first, moment);
        return;
    }
    frontend_act(frontend, FRONTEND_DO_PASS_ABORT, connection)->loop = connection_id_loop(connection);
}

/* The outbox's memory ends before the step's does. */
static void frontend_warn_flap(struct frontend *frontend, const struct nfs4_flap *flap)
{
    struct nfs4_flap *kept = ARENA_NEW(&frontend->arena, struct nfs4_flap);
    *kept = *flap;
    kept->owner = arena_copy(&frontend->arena, flap->owner);
    frontend_act(frontend, FRONTEND_DO_WARN_FLAP, (struct connection_id){0})->flap = kept;
}

/* What the server wants done. The outbox is taken empty before anything is carried out, since nothing that is carried
 * out asks the server again. */
static void frontend_carry_nfs4(struct frontend *frontend, const struct nfs4_moment *moment)
{
    for (struct nfs4_action *action = frontend->outbox.first; action != NULL; action = action->next) {
        struct frontend_action *carried;
        switch (action->kind) {
        case NFS4_REPLY: frontend_answer(frontend, action->connection, action->reply, moment); break;
        case NFS4_NO_REPLY: frontend_answer(frontend, action->connection, NULL, moment); break;
        case NFS4_PROPOSE:
            frontend_act(frontend, FRONTEND_DO_PROPOSE, action->connection)->proposal = action->proposal;
            break;
        case NFS4_READ_BLOCKS:
            carried = frontend_act(frontend, FRONTEND_DO_READ_BLOCKS, action->connection);
            carried->place = action->place;
            carried->reads = action->reads;
            carried->read_count = action->read_count;
            break;
        case NFS4_CLOSE_CONNECTION: frontend_abort(frontend, action->connection, moment); break;
        case NFS4_ASK_BARRIER:
            frontend_act(frontend, FRONTEND_DO_ASK_BARRIER, action->connection)->number = action->number;
            break;
        case NFS4_SESSION_FLAPS: frontend_warn_flap(frontend, action->flap); break;
        }
    }
    nfs4_outbox_reset(&frontend->outbox);
}

static void frontend_serve(struct frontend *frontend, struct connection_id connection, const struct gateway_call *call,
                           struct buffer *record, const struct nfs4_moment *moment)
{
    struct nfs4_call served = {
        .connection = connection,
        .address = call->address,
        .header = &call->header,
        .body = call->body,
        .record = record,
    };
    nfs4_call(frontend->nfs4, &served, moment, &frontend->outbox);
    frontend_carry_nfs4(frontend, moment);
}

void frontend_call_free(struct frontend_call *call)
{
    buffer_put(call->record);
    buffer_put(call->rest);
    free(call);
}

/* A call from another loop. */
static void frontend_take_call(struct frontend *frontend, struct frontend_call *call, const struct nfs4_moment *moment)
{
    frontend_serve(frontend, call->connection, &call->call, call->record, moment);
    frontend_call_free(call);
}

/* The connection that a call came with is ours now, and what it had received behind the call. */
static void frontend_adopt(struct frontend *frontend, struct connection_id connection, struct frontend_call *call,
                           const struct nfs4_moment *moment)
{
    struct gateway_actions actions;
    gateway_actions_init(&actions, &frontend->arena);
    call->connection = connection;
    gateway_take_over(frontend->gateway, connection, moment->now_ms);
    if (call->rest != NULL)
        gateway_received(frontend->gateway, connection, call->rest, buffer_slice(call->rest), moment->now_ms, &actions);
    frontend_carry_gateway(frontend, actions.first, moment);
    frontend_take_call(frontend, call, moment);
}

/* The loop that serves a session: its id's MAC bytes are as good as random. */
static uint32_t session_loop(struct session_id session, uint32_t loop_count)
{
    uint32_t mixed;
    memcpy(&mixed, session.bytes + 12, sizeof(mixed));
    return mixed % loop_count;
}

static void frontend_closed(struct frontend *frontend, struct connection_id connection)
{
    gateway_closed(frontend->gateway, connection);
    nfs4_connection_closed(frontend->nfs4, connection);
    if (frontend->config.loop_count > 1)
        frontend_act(frontend, FRONTEND_DO_PASS_GONE, connection);
}

static void frontend_dispatch(struct frontend *frontend, struct connection_id connection,
                              const struct gateway_call *call, struct buffer *record, const struct nfs4_moment *moment)
{
    struct session_id session;
    uint32_t loop = frontend->config.loop;
    if (frontend->config.loop_count > 1 && nfs4_peek_session(call->body, &session))
        loop = session_loop(session, frontend->config.loop_count);
    if (loop == frontend->config.loop) {
        frontend_serve(frontend, connection, call, record, moment);
        buffer_put(record);
        return;
    }
    struct frontend_call *passed = malloc(sizeof(*passed));
    CHECK(passed != NULL);
    passed->connection = connection;
    passed->call = *call;
    memcpy(passed->address, call->address.data, call->address.size_bytes);
    passed->call.address.data = passed->address;
    passed->record = record;
    passed->rest = NULL;
    bool moves = gateway_quiet(frontend->gateway, connection);
    if (moves) {
        passed->rest = gateway_take_rest(frontend->gateway, connection);
        frontend_closed(frontend, connection);
    } else {
        gateway_calm(frontend->gateway, connection);
    }
    struct frontend_action *action =
        frontend_act(frontend, moves ? FRONTEND_DO_MOVE : FRONTEND_DO_PASS_CALL, connection);
    action->call = passed;
    action->loop = loop;
}

static void frontend_carry_gateway(struct frontend *frontend, struct gateway_action *action,
                                   const struct nfs4_moment *moment)
{
    for (; action != NULL; action = action->next) {
        switch (action->kind) {
        case GATEWAY_CALL: frontend_dispatch(frontend, action->connection, action->call, action->bytes, moment); break;
        case GATEWAY_SEND: frontend_act(frontend, FRONTEND_DO_SEND, action->connection)->buffer = action->bytes; break;
        case GATEWAY_READ_STOP: frontend_act(frontend, FRONTEND_DO_READ_STOP, action->connection); break;
        case GATEWAY_READ_START: frontend_act(frontend, FRONTEND_DO_READ_START, action->connection); break;
        case GATEWAY_CLOSE:
            frontend_act(frontend, FRONTEND_DO_CLOSE, action->connection)->reason = action->reason;
            break;
        case GATEWAY_ABORT:
            frontend_act(frontend, FRONTEND_DO_ABORT, action->connection)->reason = action->reason;
            break;
        }
    }
}

/* Stops or resumes all calls when the parked compounds are at their bound. Released at three quarters, so that it does not
 * flutter. */
static void frontend_regulate(struct frontend *frontend, const struct nfs4_moment *moment)
{
    struct nfs4_counters counters;
    nfs4_counters(frontend->nfs4, &counters);
    if (counters.parked >= GATEWAY_PARKED_MAX || counters.parked_bytes >= GATEWAY_PARKED_MAX_BYTES)
        frontend->held_by_parked = true;
    else if (counters.parked < GATEWAY_PARKED_MAX / 4 * 3 && counters.parked_bytes < GATEWAY_PARKED_MAX_BYTES / 4 * 3)
        frontend->held_by_parked = false;
    struct gateway_actions actions;
    gateway_actions_init(&actions, &frontend->arena);
    gateway_hold(frontend->gateway, frontend->held_by_parked || frontend->draining, &actions);
    frontend_carry_gateway(frontend, actions.first, moment);
}

static void frontend_connection_message(struct frontend *frontend, struct frontend_message *message,
                                        const struct nfs4_moment *moment)
{
    struct gateway_actions actions;
    gateway_actions_init(&actions, &frontend->arena);
    if (message->kind == FRONTEND_OPENED) {
        if (!gateway_opened(frontend->gateway, message->address, moment->now_ms, &message->connection))
            message->connection = (struct connection_id){0};
    } else if (message->kind == FRONTEND_RECEIVED) {
        gateway_received(frontend->gateway, message->connection, message->buffer, message->bytes, moment->now_ms,
                         &actions);
    } else {
        CHECK(message->kind == FRONTEND_SENT);
        gateway_sent(frontend->gateway, message->connection, message->size_bytes, moment->now_ms, &actions);
    }
    frontend_carry_gateway(frontend, actions.first, moment);
}

static void frontend_advance(struct frontend *frontend, const struct nfs4_moment *moment)
{
    if (moment->now_ms - frontend->ticked_ms >= GATEWAY_TICK_MS) {
        frontend->ticked_ms = moment->now_ms;
        struct gateway_actions actions;
        gateway_actions_init(&actions, &frontend->arena);
        gateway_tick(frontend->gateway, moment->now_ms, &actions);
        frontend_carry_gateway(frontend, actions.first, moment);
    }
    nfs4_advance(frontend->nfs4, moment, &frontend->outbox);
    frontend_carry_nfs4(frontend, moment);
}

/* Compounds that have waited go on, a few at a time, since each of them may have a large reply. */
static void frontend_run(struct frontend *frontend, const struct nfs4_moment *moment)
{
    if (gateway_pressed(frontend->gateway) || !nfs4_runnable(frontend->nfs4))
        return;
    nfs4_run(frontend->nfs4, GATEWAY_RUNS_PER_STEP, moment, &frontend->outbox);
    frontend_carry_nfs4(frontend, moment);
}

/* One call more of what was received. */
static bool frontend_next(struct frontend *frontend, const struct nfs4_moment *moment)
{
    struct gateway_actions actions;
    gateway_actions_init(&actions, &frontend->arena);
    if (!gateway_next(frontend->gateway, moment->now_ms, &actions))
        return false;
    frontend_carry_gateway(frontend, actions.first, moment);
    return true;
}

struct frontend_action *frontend_step(struct frontend *frontend, struct frontend_message *message,
                                      const struct nfs4_moment *moment)
{
    arena_reset(&frontend->arena);
    frontend->first = NULL;
    frontend->last = &frontend->first;
    switch (message->kind) {
    case FRONTEND_OPENED:
    case FRONTEND_RECEIVED:
    case FRONTEND_SENT: frontend_connection_message(frontend, message, moment); break;
    case FRONTEND_CLOSED: frontend_closed(frontend, message->connection); break;
    case FRONTEND_RESULT:
        nfs4_result(frontend->nfs4, message->place, message->bytes, moment, &frontend->outbox);
        frontend_carry_nfs4(frontend, moment);
        break;
    case FRONTEND_BLOCKS_READ:
        nfs4_blocks_read(frontend->nfs4, message->place, message->ok, moment, &frontend->outbox);
        frontend_carry_nfs4(frontend, moment);
        break;
    case FRONTEND_ADOPTED: frontend_adopt(frontend, message->connection, message->call, moment); break;
    case FRONTEND_CALL: frontend_take_call(frontend, message->call, moment); break;
    case FRONTEND_REPLY: frontend_answer(frontend, message->connection, message->buffer, moment); break;
    case FRONTEND_ABORT: frontend_abort(frontend, message->connection, moment); break;
    case FRONTEND_GONE: nfs4_connection_closed(frontend->nfs4, message->connection); break;
    case FRONTEND_EFFECT:
        nfs4_effect(frontend->nfs4, message->effect, moment, &frontend->outbox);
        frontend_carry_nfs4(frontend, moment);
        break;
    case FRONTEND_BARRIER:
        nfs4_barrier(frontend->nfs4, message->number, message->index, moment, &frontend->outbox);
        frontend_carry_nfs4(frontend, moment);
        break;
    case FRONTEND_ADVANCE: frontend_advance(frontend, moment); break;
    case FRONTEND_NEXT: break;
    case FRONTEND_DRAIN: frontend->draining = true; break;
    }
    frontend_run(frontend, moment);
    frontend_regulate(frontend, moment);
    for (uint32_t i = 0; i < GATEWAY_CALLS_PER_STEP && frontend_next(frontend, moment); i++)
        frontend_regulate(frontend, moment);
    nfs4_ask_barrier(frontend->nfs4, &frontend->outbox);
    frontend_carry_nfs4(frontend, moment);
    return frontend->first;
}

/* The barrier of calls that came before now_ms was read, if this node can tell it. Three loads, in this order:
 *
 *   the call came   ->   now_ms   ->   lease_until_ms   ->   commit
 *
 * A change that was acknowledged before the call came was committed by an earlier leader than this one, by this one, or by a
 * later one. Earlier: it is below this leader's first own entry, which `commit` had before the lease was published; so
 * `commit` is read after the lease. This one: `commit` moved before anything revealed the change. Later: impossible, since
 * nobody else commits before `until_ms`, which lies behind now_ms, which lies behind the call's coming; and a lease that was
 * given up (a transfer) was taken back before, so it is read after the call came, too. How long we are stopped between the
 * three does not matter: `commit` only grows. */
static uint64_t frontend_barrier(const struct published *published, uint64_t now_ms)
{
    uint64_t until_ms = atomic_load_explicit(&published->lease_until_ms, memory_order_acquire);
#ifdef QNFS_PLANT_STALE_READ_ON_A_FOLLOWER
    until_ms = UINT64_MAX;
#endif
    if (now_ms >= until_ms)
        return NFS4_BARRIER_UNKNOWN;
    return atomic_load_explicit(&published->commit, memory_order_acquire);
}

struct nfs4_moment frontend_moment(const struct view *view, const struct published *published, uint32_t loop_count,
                                   uint64_t now_ms, int64_t wall_ns)
{
    uint64_t free_bytes = atomic_load_explicit(&published->free_bytes, memory_order_relaxed);
    uint64_t total_bytes = atomic_load_explicit(&published->total_bytes, memory_order_relaxed);
    uint64_t reserve_bytes = space_reserve_bytes(total_bytes);
    /* In this order, and counted on also where no leader counts: rather too much than too little. A lease that seems to be
     * about to run out is renewed before the answer, for nothing perhaps; one that runs out unnoticed would be a lie. */
    uint64_t since_ms = atomic_load_explicit(&published->uptime_at_ms, memory_order_acquire);
    return (struct nfs4_moment){
        .now_ms = now_ms,
        .uptime_ms = atomic_load_explicit(&published->uptime_ms, memory_order_acquire) +
                     (since_ms != 0 && now_ms > since_ms ? now_ms - since_ms : 0),
        .wall_ns = wall_ns,
        .view = view->read,
        .view_index = view->index,
        .view_number = view->number,
        .sessions_moved = view->sessions_moved,
        .barrier_index = frontend_barrier(published, now_ms),
        .free_bytes = free_bytes,
        .total_bytes = total_bytes,
        .room_known = total_bytes > 0,
        .room_bytes = free_bytes > reserve_bytes ? (free_bytes - reserve_bytes) / loop_count : 0,
    };
}

void frontend_counters(const struct frontend *frontend, struct gateway_counters *gateway, struct nfs4_counters *nfs4)
{
    gateway_counters(frontend->gateway, gateway);
    nfs4_counters(frontend->nfs4, nfs4);
}

bool frontend_ready(const struct frontend *frontend)
{
    return gateway_ready(frontend->gateway) || (nfs4_runnable(frontend->nfs4) && !gateway_pressed(frontend->gateway));
}

bool frontend_waits(const struct frontend *frontend)
{
    return nfs4_waits(frontend->nfs4);
}
