#include "gateway/connection.h"

#include <assert.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"
#include "proto/rpc/record.h"
#include "proto/xdr/xdr.h"

#define PLACE_BITS 20u
#define PLACE_MASK ((1u << PLACE_BITS) - 1)
#define GENERATION_MASK ((1u << 28) - 1)

static_assert(GATEWAY_CONNECTIONS_MAX <= PLACE_MASK, "a connection's place fits its id");

struct connection {
    struct gateway *gateway;
    struct connection_id id;
    struct list_link link;       /* in gateway->open */
    struct list_link ready_link; /* in gateway->ready, if `ready` */
    uint8_t address[16];
    uint8_t address_bytes;
    bool ready; /* there is a rest, and it may be looked at */
    bool reading;
    bool closing;      /* a close was asked for: nothing more is read or sent */
    bool calming;      /* no further call until nothing is under way or unsent */
    uint32_t requests; /* calls under way */
    size_t output_bytes;
    uint64_t last_received_ms;
    uint64_t last_call_ms;
    uint64_t record_began_ms;
    uint64_t last_sent_ms; /* progress of the output, or when it began to wait */
    struct record_reader reader;
    struct record_assembly assembly;
    struct buffer *assembly_buffer; /* owns assembly.data; NULL while records come whole */
    struct slice rest;              /* received and not looked at yet */
    struct buffer *rest_buffer;     /* that it lies in, one owner; NULL: there is none */
    size_t shelved_bytes;           /* of it, counted in gateway->assembly_bytes */
};

struct gateway {
    uint32_t loop;
    const struct gateway_program *programs;
    size_t program_count;
    struct connection **places; /* by place; NULL: free */
    uint32_t *generations;      /* how often a place was used */
    uint32_t place_count;
    uint32_t *free_places; /* a stack */
    uint32_t free_count;
    struct list open;
    struct list ready;
    bool held;
    enum { PRESS_NONE, PRESS_SLOW, PRESS_ALL } pressed; /* how much the unsent output of all is over its bound */
    size_t assembly_bytes; /* of all connections' unfinished records, and of what waits while they may not ask */
    size_t output_bytes;   /* of all connections */
    struct gateway_counters counters;
};

void gateway_actions_init(struct gateway_actions *actions, struct arena *arena)
{
    actions->arena = arena;
    actions->first = NULL;
    actions->last = &actions->first;
}

static struct gateway_action *gateway_act(struct gateway_actions *actions, enum gateway_action_kind kind,
                                          struct connection_id id)
{
    struct gateway_action *action = ARENA_NEW(actions->arena, struct gateway_action);
    action->kind = kind;
    action->connection = id;
    *actions->last = action;
    actions->last = &action->next;
    return action;
}

struct gateway *gateway_create(uint32_t loop, const struct gateway_program *programs, size_t program_count)
{
    struct gateway *gateway = calloc(1, sizeof(*gateway));
    CHECK(gateway != NULL);
    gateway->loop = loop;
    gateway->programs = programs;
    gateway->program_count = program_count;
    list_init(&gateway->open);
    list_init(&gateway->ready);
    return gateway;
}

static void connection_forget_assembly(struct connection *connection)
{
    struct record_assembly *assembly = &connection->assembly;
    CHECK(connection->gateway->assembly_bytes >= assembly->capacity_bytes);
    connection->gateway->assembly_bytes -= assembly->capacity_bytes;
    buffer_put(connection->assembly_buffer);
    connection->assembly_buffer = NULL;
    assembly->data = NULL;
    assembly->size_bytes = 0;
    assembly->capacity_bytes = 0;
}

static void connection_unready(struct connection *connection)
{
    if (connection->ready)
        list_remove(&connection->ready_link);
    connection->ready = false;
}

static void connection_forget_rest(struct gateway *gateway, struct connection *connection)
{
    connection_unready(connection);
    CHECK(gateway->assembly_bytes >= connection->shelved_bytes);
    gateway->assembly_bytes -= connection->shelved_bytes;
    connection->shelved_bytes = 0;
    buffer_put(connection->rest_buffer);
    connection->rest_buffer = NULL;
    connection->rest = SLICE_EMPTY;
}

static void connection_destroy(struct gateway *gateway, struct connection *connection)
{
    uint32_t place = (uint32_t)connection->id.value & PLACE_MASK;
    CHECK(gateway->places[place] == connection);
    gateway->places[place] = NULL;
    gateway->free_places[gateway->free_count++] = place;
    list_remove(&connection->link);
    connection_forget_rest(gateway, connection);
    connection_forget_assembly(connection);
    CHECK(gateway->output_bytes >= connection->output_bytes);
    gateway->output_bytes -= connection->output_bytes;
    free(connection);
    CHECK(gateway->counters.connections > 0);
    gateway->counters.connections--;
}

void gateway_destroy(struct gateway *gateway)
{
    struct list_link *link;
    while ((link = list_first(&gateway->open)) != NULL)
        connection_destroy(gateway, container_of(link, struct connection, link));
    free(gateway->places);
    free(gateway->generations);
    free(gateway->free_places);
    free(gateway);
}

static struct connection *connection_find(const struct gateway *gateway, struct connection_id id)
{
    uint32_t place = (uint32_t)id.value & PLACE_MASK;
    if (connection_id_loop(id) != gateway->loop || place >= gateway->place_count)
        return NULL;
    struct connection *connection = gateway->places[place];
    return connection != NULL && connection->id.value == id.value ? connection : NULL;
}

static void gateway_more_places(struct gateway *gateway)
{
    uint32_t before = gateway->place_count;
    uint32_t after = before == 0 ? 64 : before * 2;
    if (after > GATEWAY_CONNECTIONS_MAX)
        after = GATEWAY_CONNECTIONS_MAX;
    gateway->places = realloc(gateway->places, after * sizeof(struct connection *));
    gateway->generations = realloc(gateway->generations, after * sizeof(uint32_t));
    gateway->free_places = realloc(gateway->free_places, after * sizeof(uint32_t));
    CHECK(gateway->places != NULL && gateway->generations != NULL && gateway->free_places != NULL);
    for (uint32_t place = after; place-- > before;) {
        gateway->places[place] = NULL;
        gateway->generations[place] = 0;
        gateway->free_places[gateway->free_count++] = place;
    }
    gateway->place_count = after;
}

static bool assembly_grow(struct record_assembly *assembly, size_t capacity_bytes)
{
    struct connection *connection = assembly->context;
    struct gateway *gateway = connection->gateway;
    if (gateway->assembly_bytes - assembly->capacity_bytes + capacity_bytes > GATEWAY_ASSEMBLY_MAX_BYTES)
        return false;
    gateway->assembly_bytes += capacity_bytes - assembly->capacity_bytes;
    struct buffer *bigger = buffer_create(capacity_bytes);
    if (assembly->size_bytes > 0)
        memcpy(bigger->data, assembly->data, assembly->size_bytes);
    buffer_put(connection->assembly_buffer);
    connection->assembly_buffer = bigger;
    assembly->data = bigger->data;
    assembly->capacity_bytes = capacity_bytes;
    return true;
}

bool gateway_opened(struct gateway *gateway, struct slice address, uint64_t now_ms, struct connection_id *id)
{
    CHECK(address.size_bytes == 4 || address.size_bytes == 16);
    if (gateway->counters.connections >= GATEWAY_CONNECTIONS_MAX) {
        gateway->counters.refused++;
        return false;
    }
    if (gateway->free_count == 0)
        gateway_more_places(gateway);
    uint32_t place = gateway->free_places[--gateway->free_count];
    gateway->generations[place] = (gateway->generations[place] + 1) & GENERATION_MASK;
    struct connection *connection = calloc(1, sizeof(*connection));
    CHECK(connection != NULL);
    connection->gateway = gateway;
    connection->id.value = (uint64_t)gateway->loop << 48 | (uint64_t)gateway->generations[place] << PLACE_BITS | place;
    memcpy(connection->address, address.data, address.size_bytes);
    connection->address_bytes = (uint8_t)address.size_bytes;
    connection->reading = true;
    connection->last_received_ms = connection->last_call_ms = connection->last_sent_ms = now_ms;
    record_reader_init(&connection->reader);
    connection->assembly.context = connection;
    connection->assembly.grow = assembly_grow;
    gateway->places[place] = connection;
    list_append(&gateway->open, &connection->link);
    gateway->counters.connections++;
    gateway->counters.accepted++;
    *id = connection->id;
    return true;
}

/* Whether its next call may be served. */
static bool connection_may_ask(const struct gateway *gateway, const struct connection *connection)
{
    if (gateway->held || gateway->pressed == PRESS_ALL || connection->closing)
        return false;
    if ((gateway->pressed == PRESS_SLOW || connection->calming) && connection->output_bytes > 0)
        return false;
    if (connection->calming && connection->requests > 0)
        return false;
    return connection->requests < GATEWAY_CONNECTION_REQUESTS_MAX &&
           connection->output_bytes < GATEWAY_CONNECTION_OUTPUT_MAX_BYTES;
}

/* Looks whether the connection may go on: what was received before is looked at first, then its socket is read. */
static void connection_regulate(struct gateway *gateway, struct connection *connection, struct gateway_actions *actions)
{
    if (connection->closing)
        return;
    if (connection->requests == 0 && connection->output_bytes == 0)
        connection->calming = false;
    bool may_ask = connection_may_ask(gateway, connection);
    if (may_ask && connection->rest.size_bytes > 0) {
        if (!connection->ready)
            list_append(&gateway->ready, &connection->ready_link);
        connection->ready = true;
        return;
    }
    if (may_ask == connection->reading)
        return;
    connection->reading = may_ask;
    gateway_act(actions, may_ask ? GATEWAY_READ_START : GATEWAY_READ_STOP, connection->id);
}

static void gateway_regulate_all(struct gateway *gateway, struct gateway_actions *actions)
{
    for (struct list_link *link = list_first(&gateway->open); link != NULL; link = list_next(&gateway->open, link))
        connection_regulate(gateway, container_of(link, struct connection, link), actions);
}

/* The unsent output of all connections has changed: at the bound whoever has some of it waits, at twice the bound
 * everybody. Released at three quarters, so that it does not flutter. */
static void gateway_press(struct gateway *gateway, struct gateway_actions *actions)
{
    size_t bytes = gateway->output_bytes;
    if (gateway->pressed == PRESS_NONE && bytes < GATEWAY_OUTPUT_MAX_BYTES)
        return;
    if (bytes >= 2 * GATEWAY_OUTPUT_MAX_BYTES)
        gateway->pressed = PRESS_ALL;
    else if (bytes >= GATEWAY_OUTPUT_MAX_BYTES && gateway->pressed == PRESS_NONE)
        gateway->pressed = PRESS_SLOW;
    else if (bytes < GATEWAY_OUTPUT_MAX_BYTES / 4 * 3)
        gateway->pressed = PRESS_NONE;
    else if (bytes < 2 * (GATEWAY_OUTPUT_MAX_BYTES / 4 * 3) && gateway->pressed == PRESS_ALL)
        gateway->pressed = PRESS_SLOW;
    else
        return;
    gateway_regulate_all(gateway, actions);
}

static void connection_close(struct gateway *gateway, struct connection *connection, const char *reason,
                             struct gateway_actions *actions)
{
    if (connection->closing)
        return;
    connection->closing = true;
    if (reason != NULL)
        gateway->counters.bad_records++;
    gateway_act(actions, GATEWAY_CLOSE, connection->id)->reason = reason;
}

static void connection_abort(struct gateway *gateway, struct connection *connection, const char *reason,
                             struct gateway_actions *actions)
{
    if (!connection->closing && reason != NULL)
        gateway->counters.bad_records++;
    connection->closing = true;
    gateway_act(actions, GATEWAY_ABORT, connection->id)->reason = reason;
}

static void connection_send(struct gateway *gateway, struct connection *connection, struct buffer *bytes,
                            struct gateway_actions *actions)
{
    connection->output_bytes += bytes->size_bytes;
    gateway->output_bytes += bytes->size_bytes;
    gateway->counters.bytes_out += bytes->size_bytes;
    gateway_act(actions, GATEWAY_SEND, connection->id)->bytes = bytes;
    gateway_press(gateway, actions);
}

static void connection_send_head(struct gateway *gateway, struct connection *connection, struct rpc_reply reply,
                                 struct gateway_actions *actions)
{
    enum { HEAD_MAX_BYTES = 64 };
    struct buffer *bytes = buffer_create(HEAD_MAX_BYTES);
    struct xdr x = xdr_encoder((struct span){bytes->data + RPC_MARK_BYTES, HEAD_MAX_BYTES - RPC_MARK_BYTES});
    CHECK(xdr_rpc_reply(&x, &reply));
    record_mark_write(bytes->data, xdr_position(&x));
    bytes->size_bytes = RPC_MARK_BYTES + xdr_position(&x);
    connection_send(gateway, connection, bytes, actions);
}

static const struct gateway_program *gateway_program_find(const struct gateway *gateway, uint32_t number)
{
    for (size_t i = 0; i < gateway->program_count; i++) {
        if (gateway->programs[i].number == number)
            return &gateway->programs[i];
    }
    return NULL;
}

/* The credential's body; RPC_AUTH_OK, or why the call is denied. */
static enum rpc_auth_stat call_authenticate(struct gateway_call *call, struct arena *arena)
{
    if (call->header.cred.flavor == AUTH_NONE)
        return RPC_AUTH_OK;
    if (call->header.cred.flavor != AUTH_SYS)
        return call->header.cred.flavor == RPCSEC_GSS ? RPC_AUTH_REJECTEDCRED : RPC_AUTH_BADCRED;
    struct xdr x = xdr_decoder(call->header.cred.body, arena);
    if (!xdr_authsys_parms(&x, &call->unix_credential) || xdr_remaining(&x) != 0)
        return RPC_AUTH_BADCRED;
    return RPC_AUTH_OK;
}

/* One whole record. */
static void connection_record(struct gateway *gateway, struct connection *connection, struct buffer *buffer,
                              struct slice record, struct gateway_actions *actions)
{
    struct gateway_call *call = ARENA_NEW(actions->arena, struct gateway_call);
    struct xdr x = xdr_decoder(record, actions->arena);
    struct rpc_call *header = &call->header;
    switch (rpc_call_decode(&x, header)) {
    case RPC_CALL_DROP: connection_close(gateway, connection, "a record that is no RPC call", actions); return;
    case RPC_CALL_MISMATCH:
        connection_send_head(gateway, connection, rpc_reply_version_mismatch(header->xid), actions);
        return;
    case RPC_CALL_BADCRED:
        connection_send_head(gateway, connection, rpc_reply_auth_error(header->xid, RPC_AUTH_BADCRED), actions);
        return;
    case RPC_CALL_BADVERF:
        connection_send_head(gateway, connection, rpc_reply_auth_error(header->xid, RPC_AUTH_BADVERF), actions);
        return;
    case RPC_CALL_OK: break;
    }
    const struct gateway_program *program = gateway_program_find(gateway, header->prog);
    struct rpc_reply refusal;
    if (program == NULL) {
        refusal = rpc_reply_accepted(header->xid, RPC_PROG_UNAVAIL);
    } else if (header->vers < program->version_low || header->vers > program->version_high) {
        refusal = rpc_reply_program_mismatch(header->xid, program->version_low, program->version_high);
    } else if (header->proc >= program->procedure_count) {
        refusal = rpc_reply_accepted(header->xid, RPC_PROC_UNAVAIL);
    } else if (header->proc == 0) { /* NULL: "the procedure does nothing", whatever the credential */
        refusal = rpc_reply_accepted(header->xid, RPC_SUCCESS);
    } else {
        enum rpc_auth_stat verdict = call_authenticate(call, actions->arena);
        if (verdict == RPC_AUTH_OK) {
            call->body = slice_from(record, xdr_position(&x));
            call->address = slice_make(connection->address, connection->address_bytes);
            connection->requests++;
            gateway->counters.calls++;
            struct gateway_action *action = gateway_act(actions, GATEWAY_CALL, connection->id);
            action->call = call;
            action->bytes = buffer_get(buffer);
            return;
        }
        refusal = rpc_reply_auth_error(header->xid, verdict);
    }
    connection_send_head(gateway, connection, refusal, actions);
}

static const char *record_trouble(enum record_outcome outcome)
{
    switch (outcome) {
    case RECORD_TOO_LARGE: return "a record over the size bound";
    case RECORD_TOO_MANY_FRAGMENTS: return "a record of too many fragments";
    case RECORD_NO_ROOM: return "no memory for its record";
    case RECORD_NEED_MORE:
    case RECORD_COMPLETE: break;
    }
    check_failed(__FILE__, __LINE__, "record_trouble is asked only about trouble");
}

/* The rest waits until its connection may ask again: it is counted, and does not keep a buffer much larger than it is. */
static void connection_shelve(struct gateway *gateway, struct connection *connection, struct gateway_actions *actions)
{
    struct buffer *buffer = connection->rest_buffer;
    struct slice rest = connection->rest;
    if (connection->shelved_bytes > 0 || rest.size_bytes == 0)
        return;
    if (gateway->assembly_bytes + rest.size_bytes > GATEWAY_ASSEMBLY_MAX_BYTES) {
        connection_close(gateway, connection, "no memory for its requests", actions);
        return;
    }
    connection->shelved_bytes = rest.size_bytes;
    gateway->assembly_bytes += rest.size_bytes;
    if (buffer->capacity_bytes / 2 < rest.size_bytes)
        return;
    struct buffer *copy = buffer_create(rest.size_bytes);
    copy->size_bytes = rest.size_bytes;
    memcpy(copy->data, rest.data, rest.size_bytes);
    buffer_put(buffer);
    connection->rest_buffer = copy;
    connection->rest = buffer_slice(copy);
}

/* Puts a piece behind what is not looked at yet; nearly always there is nothing. */
static void connection_add_rest(struct gateway *gateway, struct connection *connection, struct buffer *buffer,
                                struct slice piece)
{
    if (connection->rest.size_bytes == 0) {
        connection_forget_rest(gateway, connection);
        connection->rest_buffer = buffer_get(buffer);
        connection->rest = piece;
        return;
    }
    struct slice rest = connection->rest;
    struct buffer *joined = buffer_create(rest.size_bytes + piece.size_bytes);
    joined->size_bytes = rest.size_bytes + piece.size_bytes;
    memcpy(joined->data, rest.data, rest.size_bytes);
    memcpy(joined->data + rest.size_bytes, piece.data, piece.size_bytes);
    connection_forget_rest(gateway, connection);
    connection->rest_buffer = joined;
    connection->rest = buffer_slice(joined);
}

void gateway_received(struct gateway *gateway, struct connection_id id, struct buffer *buffer, struct slice piece,
                      uint64_t now_ms, struct gateway_actions *actions)
{
    struct connection *connection = connection_find(gateway, id);
    if (connection == NULL || connection->closing || piece.size_bytes == 0)
        return;
    gateway->counters.bytes_in += piece.size_bytes;
    connection->last_received_ms = now_ms;
    connection_add_rest(gateway, connection, buffer, piece);
    connection_regulate(gateway, connection, actions);
    if (!connection->ready)
        connection_shelve(gateway, connection, actions);
}

/* The next record out of what was received, or the part of one that there is. */
static void connection_feed(struct gateway *gateway, struct connection *connection, uint64_t now_ms,
                            struct gateway_actions *actions)
{
    struct buffer *buffer = connection->rest_buffer;
    struct slice record;
    bool began = record_reader_in_record(&connection->reader);
    enum record_outcome outcome =
        record_reader_feed(&connection->reader, &connection->rest, &connection->assembly, &record);
    if (!began)
        connection->record_began_ms = now_ms;
    if (outcome == RECORD_NEED_MORE)
        return;
    if (outcome != RECORD_COMPLETE) {
        connection_close(gateway, connection, record_trouble(outcome), actions);
        return;
    }
    connection->last_call_ms = now_ms;
    struct buffer *whole = buffer;
    if (connection->assembly_buffer != NULL && record.data == connection->assembly.data) {
        whole = connection->assembly_buffer;
        whole->size_bytes = record.size_bytes;
    } else if (record.size_bytes <= GATEWAY_RECORD_COPY_BYTES) {
        whole = buffer_create(record.size_bytes);
        whole->size_bytes = record.size_bytes;
        if (record.size_bytes > 0)
            memcpy(whole->data, record.data, record.size_bytes);
        record.data = whole->data;
    }
    connection_record(gateway, connection, whole, record, actions);
    if (whole == connection->assembly_buffer) /* the call may keep it: the next record gets a buffer of its own */
        connection_forget_assembly(connection);
    else if (whole != buffer)
        buffer_put(whole);
}

bool gateway_next(struct gateway *gateway, uint64_t now_ms, struct gateway_actions *actions)
{
    struct list_link *link = list_first(&gateway->ready);
    if (link == NULL)
        return false;
    struct connection *connection = container_of(link, struct connection, ready_link);
    if (connection_may_ask(gateway, connection)) {
        connection_feed(gateway, connection, now_ms, actions);
    } else {
        connection_unready(connection);
        connection_shelve(gateway, connection, actions);
    }
    if (connection->rest.size_bytes == 0 || connection->closing)
        connection_forget_rest(gateway, connection);
    connection_regulate(gateway, connection, actions);
    return true;
}

bool gateway_pressed(const struct gateway *gateway)
{
    return gateway->pressed == PRESS_ALL;
}

bool gateway_ready(const struct gateway *gateway)
{
    return !list_empty(&gateway->ready);
}

void gateway_answered(struct gateway *gateway, struct connection_id id, struct buffer *reply,
                      struct gateway_actions *actions)
{
    struct connection *connection = connection_find(gateway, id);
    if (connection == NULL) {
        buffer_put(reply);
        return;
    }
    CHECK(connection->requests > 0);
    connection->requests--;
    if (connection->closing)
        buffer_put(reply);
    else if (reply != NULL)
        connection_send(gateway, connection, reply, actions);
    connection_regulate(gateway, connection, actions);
}

void gateway_sent(struct gateway *gateway, struct connection_id id, size_t size_bytes, uint64_t now_ms,
                  struct gateway_actions *actions)
{
    struct connection *connection = connection_find(gateway, id);
    if (connection == NULL)
        return;
    CHECK(connection->output_bytes >= size_bytes && gateway->output_bytes >= size_bytes);
    connection->output_bytes -= size_bytes;
    gateway->output_bytes -= size_bytes;
    connection->last_sent_ms = now_ms;
    gateway_press(gateway, actions);
    connection_regulate(gateway, connection, actions);
}

bool gateway_quiet(const struct gateway *gateway, struct connection_id id)
{
    const struct connection *connection = connection_find(gateway, id);
    return connection != NULL && connection->requests == 1 && connection->output_bytes == 0 && !connection->closing &&
           !record_reader_in_record(&connection->reader);
}

struct buffer *gateway_take_rest(struct gateway *gateway, struct connection_id id)
{
    struct connection *connection = connection_find(gateway, id);
    if (connection == NULL || connection->rest.size_bytes == 0)
        return NULL;
    struct buffer *rest = buffer_create(connection->rest.size_bytes);
    rest->size_bytes = connection->rest.size_bytes;
    memcpy(rest->data, connection->rest.data, connection->rest.size_bytes);
    gateway->counters.bytes_in -= rest->size_bytes; /* the other loop counts them */
    connection_forget_rest(gateway, connection);
    return rest;
}

void gateway_calm(struct gateway *gateway, struct connection_id id)
{
    struct connection *connection = connection_find(gateway, id);
    if (connection != NULL)
        connection->calming = true;
}

void gateway_take_over(struct gateway *gateway, struct connection_id id, uint64_t now_ms)
{
    struct connection *connection = connection_find(gateway, id);
    CHECK(connection != NULL && connection->requests == 0);
    connection->requests = 1;
    connection->last_call_ms = now_ms;
}

void gateway_closed(struct gateway *gateway, struct connection_id id)
{
    struct connection *connection = connection_find(gateway, id);
    if (connection != NULL)
        connection_destroy(gateway, connection);
}

void gateway_abort(struct gateway *gateway, struct connection_id id, struct gateway_actions *actions)
{
    struct connection *connection = connection_find(gateway, id);
    if (connection == NULL)
        return;
    connection_abort(gateway, connection, NULL, actions);
}

void gateway_hold(struct gateway *gateway, bool hold, struct gateway_actions *actions)
{
    if (gateway->held == hold)
        return;
    gateway->held = hold;
    gateway_regulate_all(gateway, actions);
}

static void connection_tick(struct gateway *gateway, struct connection *connection, uint64_t now_ms,
                            struct gateway_actions *actions)
{
    uint64_t send_timeout_ms =
        gateway->pressed == PRESS_NONE ? GATEWAY_SEND_TIMEOUT_MS : GATEWAY_SEND_PRESSED_TIMEOUT_MS;
    if (connection->output_bytes == 0)
        connection->last_sent_ms = now_ms;
    else if (now_ms - connection->last_sent_ms > send_timeout_ms) /* a close would wait for what cannot be sent */
        connection_abort(gateway, connection, "a client that does not read its replies", actions);
    if (connection->closing)
        return;
    if (connection->requests > 0) /* idle begins when the last answer is given */
        connection->last_call_ms = now_ms;
    if (connection->reading && record_reader_in_record(&connection->reader) &&
        now_ms - connection->record_began_ms > GATEWAY_RECORD_TIMEOUT_MS)
        connection_close(gateway, connection, "a record that does not end", actions);
    if (!connection->reading) /* time in which we did not listen does not count */
        connection->record_began_ms = now_ms;
    if (connection->requests == 0 && connection->output_bytes == 0 &&
        now_ms - connection->last_call_ms > GATEWAY_IDLE_TIMEOUT_MS)
        connection_close(gateway, connection, NULL, actions);
}

void gateway_tick(struct gateway *gateway, uint64_t now_ms, struct gateway_actions *actions)
{
    for (struct list_link *link = list_first(&gateway->open); link != NULL; link = list_next(&gateway->open, link))
        connection_tick(gateway, container_of(link, struct connection, link), now_ms, actions);
    gateway_press(gateway, actions); /* connections that are gone took their output along */
}

struct slice gateway_address(const struct gateway *gateway, struct connection_id id)
{
    const struct connection *connection = connection_find(gateway, id);
    return connection == NULL ? SLICE_EMPTY : slice_make(connection->address, connection->address_bytes);
}

void gateway_counters(const struct gateway *gateway, struct gateway_counters *counters)
{
    *counters = gateway->counters;
    counters->bytes_unsent = gateway->output_bytes;
}
