#include "tests/sim/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "proto/rpc/record.h"
#include "tests/sim/encode.h"
#include "tests/sim/generate.h"
#include "tests/sim/repeat.h"
#include "tests/sim/verify.h"

#define RECONNECT_LONGEST_US 300000u
#define PATIENCE_TICK_US 1000000u
/* Until it looks again whether it may begin to work. */
#define IDLE_US 20000u
#define RECORD_LAST UINT32_C(0x80000000)

static struct world *world_of(const struct client *client)
{
    return client->population->world;
}

static void client_think(void *context, uint64_t number);
static void client_connect(void *context, uint64_t connection);

/* --- sending --- */

static struct client_wire *wire_of_slot(struct client *client, uint32_t slot)
{
    return &client->wires[slot % client->wire_count];
}

static void send_request(struct client *client, struct request *request)
{
    struct client_wire *wire = wire_of_slot(client, request->slot);
    if (!wire->open)
        return; /* when it opens */
    request->sends++;
    request->sent_ms = world_now_ms(world_of(client));
    network_send_to_node(wire->wire, slice_make(request->wire.record.data, request->wire.record.size_bytes));
}

/* The same request on a new connection: another xid, or the old one; and what Linux changes in SEQUENCE. */
static void resend_request(struct client *client, struct request *request)
{
    struct world *world = world_of(client);
    if (request->sends > 0) {
        world_count(world, COUNT_resends, 1);
        for (uint32_t i = 0; i < request->step_count; i++)
            world_count(world, COUNT_resends_executed, request->steps[i].executed && i == 0 ? 1 : 0);
        if (world_chance(world, 2))
            nfs_request_set_xid(&request->wire, client->session.next_xid++);
        if (world_chance(world, 2)) {
            nfs_request_set_highest_slot(&request->wire, (uint32_t)world_draw(world, client->slot_count));
            world_count(world, COUNT_resends_other_highest, 1);
        }
    }
    send_request(client, request);
}

static void send_setup(struct client *client)
{
    if (client->phase == PHASE_WORK || !client->wires[0].open)
        return;
    if (client->setup.record.data == NULL) {
        arena_reset(&client->setup_arena);
        client->setup = client->phase == PHASE_EXCHANGE_ID
                            ? nfs_session_exchange_id(&client->session, &client->setup_arena, slice_text(client->name),
                                                      &client->verifier)
                            : nfs_session_create(&client->session, &client->setup_arena, client->slot_count);
    }
    client->setup_ms = world_now_ms(world_of(client));
    network_send_to_node(client->wires[0].wire, slice_make(client->setup.record.data, client->setup.record.size_bytes));
}

/* --- requests --- */

static void request_free(struct client *client, struct request *request)
{
    for (uint32_t owner = 0; owner < CLIENT_OWNERS; owner++) {
        uint64_t bit = UINT64_C(1) << owner;
        if ((request->owners_shared & bit) != 0)
            client->owner_shared[owner]--;
        if ((request->owners_exclusive & bit) != 0)
            client->owner_exclusive[owner] = false;
    }
    client->slots[request->slot] = NULL;
    request_destroy(request);
}

static void request_begin(struct client *client, uint32_t slot)
{
    struct world *world = world_of(client);
    struct request *request = calloc(1, sizeof(*request));
    CHECK(request != NULL);
    arena_init(&request->arena);
    request->client = client->number;
    request->identity = client->identity;
    request->slot = slot;
    request->seqid = client->session.seqids[slot];
    request->begun_ms = world_now_ms(world);
    request->number_sent = oracle_visible(client->population->oracle);
    if (!generate_request(client, request)) {
        arena_fini(&request->arena);
        free(request);
        return;
    }
    for (uint32_t owner = 0; owner < CLIENT_OWNERS; owner++) {
        uint64_t bit = UINT64_C(1) << owner;
        client->owner_shared[owner] += (request->owners_shared & bit) != 0 ? 1 : 0;
        client->owner_exclusive[owner] = client->owner_exclusive[owner] || (request->owners_exclusive & bit) != 0;
    }
    client->slots[slot] = request;
    encode_request(client, request);
    world_trace(world, "client %u slot %u seqid %u asks: %s%s%s%s", client->number, slot, request->seqid,
                step_kind_name(request->steps[0].kind), request->step_count > 1 ? " " : "",
                request->step_count > 1 ? step_kind_name(request->steps[1].kind) : "",
                request->step_count > 2 ? " ..." : "");
    send_request(client, request);
}

/* A free slot, or CLIENT_SLOTS_MAX. */
static uint32_t free_slot(struct client *client)
{
    uint32_t chosen = CLIENT_SLOTS_MAX;
    uint64_t candidates = 0;
    for (uint32_t slot = 0; slot < client->slot_count; slot++) {
        if (client->slots[slot] == NULL && world_draw(world_of(client), ++candidates) == 0)
            chosen = slot;
    }
    return chosen;
}

/* Thinks again after a while, if there is a slot to do something with; a slot that becomes free makes it think. */
static void client_plan(struct client *client, uint64_t delay_us)
{
    if (client->thinking)
        return;
    client->thinking = true;
    world_after(world_of(client), 1 + delay_us, client_think, client, 0);
}

static void client_plan_next(struct client *client)
{
    uint64_t think_us = client->population->think_us;
    client_plan(client, world_delay_us(world_of(client), think_us, 20 * think_us));
}

static void client_think(void *context, uint64_t number)
{
    (void)number;
    struct client *client = context;
    client->thinking = false;
    if (client->sleeping)
        return;
    if (client->phase != PHASE_WORK || client->population->resting) {
        client_plan(client, IDLE_US);
        return;
    }
    uint32_t slot = free_slot(client);
    if (slot < CLIENT_SLOTS_MAX)
        request_begin(client, slot);
    bool nothing_to_ask = slot < CLIENT_SLOTS_MAX && client->slots[slot] == NULL;
    if (nothing_to_ask)
        client_plan(client, IDLE_US);
    else if (free_slot(client) < CLIENT_SLOTS_MAX)
        client_plan_next(client);
}

static void request_done(struct client *client, struct request *request)
{
    nfs_session_done(&client->session, request->slot);
    request_free(client, request);
    client_plan_next(client);
}

/* The first reply: it must be right. Then, now and then, the same again, or something else under the same number. */
static void request_answered(struct client *client, struct request *request, struct slice record)
{
    struct world *world = world_of(client);
    struct arena arena;
    struct nfs_reply reply;
    arena_init(&arena);
    if (!nfs_reply_open(&reply, record, &arena))
        world_violation(world, "client %u slot %u: a reply that is none", client->number, request->slot);
    verify_reply(client, request, &reply);
    arena_fini(&arena);
    world->operations += request->step_count;
    world_count(world, COUNT_operations, request->step_count);
    if (request->wants_repeat && repeat_keep(request, record)) {
        send_request(client, request);
    } else if (request->wants_false_retry && repeat_any_executed(request)) {
        request->is_false_retry = true;
        encode_false_retry(client, request);
        send_request(client, request);
    } else {
        request_done(client, request);
    }
}

/* The cluster may have forgotten a client that was silent for too long; then it begins anew. */
static bool client_is_lost(struct client *client, struct slice record)
{
    struct arena arena;
    arena_init(&arena);
    enum nfsstat4 status = nfs_reply_status(record, &arena);
    arena_fini(&arena);
    return status == NFS4ERR_BADSESSION && population_is_gone(client->population, client->identity);
}

static void request_received(struct client *client, struct request *request, struct slice record)
{
    struct world *world = world_of(client);
    if (client_is_lost(client, record)) {
        world_trace(world, "client %u finds itself forgotten", client->number);
        client_reboot(client, false);
        return;
    }
    if (request->is_false_retry) {
        repeat_expect_refusal(world, request, record);
        request_done(client, request);
    } else if (request->first_results.data != NULL) {
        repeat_compare(world, request, record);
        request_done(client, request);
    } else {
        request_answered(client, request, record);
    }
}

/* --- receiving --- */

static void setup_received(struct client *client, struct slice record)
{
    struct world *world = world_of(client);
    struct arena arena;
    arena_init(&arena);
    enum nfsstat4 status = client->phase == PHASE_EXCHANGE_ID ? nfs_session_exchanged(&client->session, record, &arena)
                                                              : nfs_session_created(&client->session, record, &arena);
    arena_fini(&arena);
    if (status == NFS4ERR_STALE_CLIENTID && client->phase == PHASE_CREATE_SESSION) {
        /* An EXCHANGE_ID that was sent again has replaced the one whose answer came (RFC 8881 section 18.35.4). */
        client->setup.record.data = NULL;
        client->phase = PHASE_EXCHANGE_ID;
        send_setup(client);
        return;
    }
    if (status != NFS4_OK)
        world_violation(world, "client %u: %s is answered with %d", client->number,
                        client->phase == PHASE_EXCHANGE_ID ? "EXCHANGE_ID" : "CREATE_SESSION", status);
    client->setup.record.data = NULL;
    client->phase = client->phase == PHASE_EXCHANGE_ID ? PHASE_CREATE_SESSION : PHASE_WORK;
    if (client->phase == PHASE_WORK) {
        if ((client->session.flags & CREATE_SESSION4_FLAG_PERSIST) == 0)
            world_violation(world, "client %u: the session is not persistent", client->number);
        client->slot_count =
            client->session.slot_count < client->slot_count ? client->session.slot_count : client->slot_count;
        if (client->session.slot_count < client->slot_count)
            client->slot_count = client->session.slot_count;
        population_record(client->population, client);
        world_trace(world, "client %u has a session", client->number);
    }
    send_setup(client);
}

static void record_received(struct client *client, uint32_t connection, struct slice record)
{
    uint32_t xid;
    CHECK(record.size_bytes >= 4);
    client->heard_ms = population_clock_ms(client->population);
    xid = (uint32_t)record.data[0] << 24 | (uint32_t)record.data[1] << 16 | (uint32_t)record.data[2] << 8 |
          record.data[3];
    if (client->phase != PHASE_WORK && connection == 0 && client->setup.record.data != NULL &&
        client->setup.xid == xid) {
        setup_received(client, record);
        return;
    }
    for (uint32_t slot = 0; slot < CLIENT_SLOTS_MAX; slot++) {
        struct request *request = client->slots[slot];
        if (request != NULL && request->wire.xid == xid && slot % client->wire_count == connection) {
            request_received(client, request, record);
            return;
        }
    }
    world_violation(world_of(client), "client %u: a reply to nothing, xid %u", client->number, xid);
}

void client_received(struct client *client, struct wire *wire, struct slice bytes)
{
    struct client_wire *end = &client->wires[wire->connection];
    if (end->wire != wire || !end->open)
        return;
    if (end->byte_count + bytes.size_bytes > end->byte_room) {
        end->byte_room = 2 * (end->byte_count + bytes.size_bytes);
        end->bytes = realloc(end->bytes, end->byte_room);
        CHECK(end->bytes != NULL);
    }
    memcpy(end->bytes + end->byte_count, bytes.data, bytes.size_bytes);
    end->byte_count += bytes.size_bytes;
    while (end->wire == wire && end->open && end->byte_count >= RPC_MARK_BYTES) {
        const uint8_t *at = end->bytes;
        uint32_t mark = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
        size_t size_bytes = mark & ~RECORD_LAST;
        if ((mark & RECORD_LAST) == 0 || size_bytes < 4 || size_bytes > RPC_RECORD_MAX_BYTES)
            world_violation(world_of(client), "client %u: a record mark of %x", client->number, mark);
        if (end->byte_count < RPC_MARK_BYTES + size_bytes)
            break;
        uint8_t *record = malloc(size_bytes);
        CHECK(record != NULL);
        memcpy(record, at + RPC_MARK_BYTES, size_bytes);
        end->byte_count -= RPC_MARK_BYTES + size_bytes;
        memmove(end->bytes, end->bytes + RPC_MARK_BYTES + size_bytes, end->byte_count);
        record_received(client, wire->connection, slice_make(record, size_bytes));
        free(record);
    }
}

/* --- connections --- */

static void client_choose_node(struct client *client)
{
    uint32_t count = client->population->node_count;
    uint32_t node = count > 1 ? (uint32_t)world_draw(world_of(client), count - 1) : 0;
    client->node = node >= client->node && count > 1 ? node + 1 : node;
    if (count > 1)
        world_trace(world_of(client), "client %u turns to node %u", client->number, client->node + 1);
}

void client_move(struct client *client)
{
    if (client->population->node_count < 2)
        return;
    client_choose_node(client);
    world_count(world_of(client), COUNT_moves, 1);
    for (uint32_t i = 0; i < client->wire_count; i++) {
        /* Now and then one connection is left behind: the session goes to and fro. */
        if (client->wires[i].open && (i == 0 || !world_chance(world_of(client), 4)))
            network_cut(client->wires[i].wire);
    }
}

static void client_connect(void *context, uint64_t connection)
{
    struct client *client = context;
    struct network *network = client->population->networks[client->node];
    if (client->wires[connection].wire == NULL)
        client->wires[connection].wire = network_connect(network, client->number, (uint32_t)connection);
}

void client_opened(struct client *client, struct wire *wire)
{
    struct client_wire *end = &client->wires[wire->connection];
    CHECK(end->wire == wire);
    end->open = true;
    end->byte_count = 0;
    if (wire->connection == 0)
        send_setup(client);
    for (uint32_t slot = 0; slot < CLIENT_SLOTS_MAX; slot++) {
        if (client->slots[slot] != NULL && slot % client->wire_count == wire->connection)
            resend_request(client, client->slots[slot]);
    }
}

void client_closed(struct client *client, struct wire *wire)
{
    struct client_wire *end = &client->wires[wire->connection];
    struct world *world = world_of(client);
    if (end->wire != wire)
        return;
    end->wire = NULL;
    end->open = false;
    end->byte_count = 0;
    bool last = client->wires[0].wire == NULL && client->wires[1].wire == NULL;
    if (client->population->node_count > 1 && last && world_chance(world, 2))
        client_choose_node(client);
    world_after(world, world_delay_us(world, 2000, RECONNECT_LONGEST_US), client_connect, client, wire->connection);
}

static bool waits_too_long(const struct client *client, uint64_t sent_ms)
{
    return world_now_ms(client->population->world) - sent_ms > client->population->patience_ms;
}

static void client_lose_patience(void *context, uint64_t number)
{
    (void)number;
    struct client *client = context;
    const struct population *population = client->population;
    for (uint32_t slot = 0; slot < CLIENT_SLOTS_MAX; slot++) {
        const struct request *request = client->slots[slot];
        const struct client_wire *wire = wire_of_slot(client, slot);
        if (request != NULL && wire->open && request->sends > 0 && waits_too_long(client, request->sent_ms))
            network_cut(wire->wire);
    }
    const struct client_wire *first = &client->wires[0];
    if (client->phase != PHASE_WORK && population->node_count > 1 && first->open &&
        waits_too_long(client, client->setup_ms))
        network_cut(first->wire);
    uint64_t tick_us = population->patience_ms * 100;
    world_after(population->world, tick_us < PATIENCE_TICK_US ? tick_us : PATIENCE_TICK_US, client_lose_patience,
                client, 0);
}

/* --- boots and silence --- */

static void client_begin_session(struct client *client)
{
    struct world *world = world_of(client);
    struct nfs_identity identity = {.uid = 0, .gid = 0, .machine = client->name};
    nfs_session_init(&client->session, &identity, client->session.next_xid);
    client->slot_count = 1 + (uint32_t)world_draw(world, CLIENT_SLOTS_MAX);
    client->setup.record.data = NULL;
    client->phase = PHASE_EXCHANGE_ID;
    client->reclaiming = client->reclaimed = false;
    memset(client->opens, 0, sizeof(client->opens));
}

void client_reboot(struct client *client, bool new_verifier)
{
    struct world *world = world_of(client);
    world_trace(world, "client %u begins anew%s", client->number, new_verifier ? ": it reboots" : "");
    for (uint32_t slot = 0; slot < CLIENT_SLOTS_MAX; slot++) {
        struct request *request = client->slots[slot];
        client->slots[slot] = NULL;
        if (request != NULL)
            population_keep_ghost(client->population, client->session.id.data, request);
    }
    memset(client->owner_shared, 0, sizeof(client->owner_shared));
    memset(client->owner_exclusive, 0, sizeof(client->owner_exclusive));
    client->identity += POPULATION_CLIENTS_MAX;
    client_begin_session(client);
    if (new_verifier) {
        uint64_t verifier = random_seeded_next(&world->random);
        memcpy(client->verifier.data, &verifier, sizeof(client->verifier.data));
        world_count(world, COUNT_reboots, 1);
    }
    for (uint32_t i = 0; i < client->wire_count; i++) {
        if (client->wires[i].wire != NULL && client->wires[i].open) {
            struct wire *wire = client->wires[i].wire;
            client->wires[i].open = false; /* what still arrives is nobody's */
            client->wires[i].byte_count = 0;
            network_cut(wire);
        }
    }
    client_plan_next(client);
}

static void client_awake(void *context, uint64_t number)
{
    struct client *client = context;
    (void)number;
    client->sleeping = false;
    client_plan_next(client);
}

void client_sleep(struct client *client)
{
    struct world *world = world_of(client);
    if (client->sleeping || client->phase != PHASE_WORK)
        return;
    uint64_t lease_us = NFS4_LEASE_DEFAULT_SECONDS * UINT64_C(1000000);
    client->sleeping = true;
    world_count(world, COUNT_sleeps, 1);
    world_trace(world, "client %u falls silent", client->number);
    world_after(world, lease_us + world_draw(world, 3 * lease_us), client_awake, client, 0);
}

/* --- beginning and end --- */

void client_init(struct client *client, struct population *population, uint32_t number)
{
    struct world *world = population->world;
    *client = (struct client){.population = population, .number = number};
    snprintf(client->name, sizeof(client->name), "client %u", number);
    uint64_t verifier = random_seeded_next(&world->random);
    memcpy(client->verifier.data, &verifier, sizeof(client->verifier.data));
    client->identity = number;
    client->session.next_xid = number << 24;
    arena_init(&client->setup_arena);
    client_begin_session(client);
    client->wire_count = 1 + (uint32_t)world_draw(world, CLIENT_WIRES_MAX);
    if (population->node_count > 1)
        client->node = (uint32_t)world_draw(world, population->node_count);
}

void client_start(struct client *client)
{
    struct world *world = world_of(client);
    for (uint32_t i = 0; i < client->wire_count; i++)
        world_after(world, world_draw(world, 5000), client_connect, client, i);
    client_plan(client, world_draw(world, 5000));
    world_after(world, PATIENCE_TICK_US, client_lose_patience, client, 0);
}

void client_fini(struct client *client)
{
    for (uint32_t slot = 0; slot < CLIENT_SLOTS_MAX; slot++) {
        if (client->slots[slot] != NULL)
            request_free(client, client->slots[slot]);
    }
    for (uint32_t i = 0; i < CLIENT_WIRES_MAX; i++)
        free(client->wires[i].bytes);
    arena_fini(&client->setup_arena);
}
