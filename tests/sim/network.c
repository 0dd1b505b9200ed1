#include "tests/sim/network.h"

#include <stdlib.h>

#include "base/check.h"

struct network {
    struct world *world;
    struct host *host;
    struct network_ports client;
    struct network_ports node;
    struct wire **wires; /* all that ever were, owned */
    size_t wire_count;
    size_t wire_room;
    bool serves;
    bool silent;
};

#define USUAL_DELAY_US 300u
#define LONGEST_DELAY_US 40000u
/* Until a side hears of the end. */
#define LONGEST_END_US 200000u

struct network *network_create(struct host *host, const struct network_ports *client, const struct network_ports *node)
{
    struct network *network = calloc(1, sizeof(*network));
    CHECK(network != NULL);
    network->world = host->world;
    network->host = host;
    network->client = *client;
    network->node = *node;
    return network;
}

void network_destroy(struct network *network)
{
    for (size_t i = 0; i < network->wire_count; i++) {
        free(network->wires[i]->to_node.waiting);
        free(network->wires[i]->to_client.waiting);
        free(network->wires[i]);
    }
    free(network->wires);
    free(network);
}

static uint64_t network_delay(struct network *network)
{
    return world_delay_us(network->world, USUAL_DELAY_US, LONGEST_DELAY_US);
}

static void at_node(struct wire *wire, uint64_t delay_us, world_action *action, uint64_t number)
{
    world_after_at(wire->network->world, wire->network->host, delay_us, action, wire, number);
}

/* --- delivery --- */

static void deliver_to_node(void *context, uint64_t number);
static void deliver_to_client(void *context, uint64_t number);

static void schedule(struct wire *wire, struct wire_end *end)
{
    if (end->scheduled || end->paused || end->waiting_bytes == 0 || (wire->network->silent && end == &wire->to_node))
        return;
    end->scheduled = true;
    uint64_t delay_us = network_delay(wire->network);
    if (end == &wire->to_node)
        at_node(wire, delay_us, deliver_to_node, 0);
    else
        world_after(wire->network->world, delay_us, deliver_to_client, wire, 0);
}

/* Takes what arrives now out of what is on its way, into a copy of its own. */
static struct span arrive(struct wire *wire, struct wire_end *end)
{
    struct world *world = wire->network->world;
    size_t size_bytes = end->waiting_bytes;
    if (world_chance(world, 4))
        size_bytes = (size_t)world_draw(world, size_bytes) + 1;
    struct span piece = {malloc(size_bytes), size_bytes};
    CHECK(piece.data != NULL);
    memcpy(piece.data, end->waiting, size_bytes);
    end->waiting_bytes -= size_bytes;
    memmove(end->waiting, end->waiting + size_bytes, end->waiting_bytes);
    return piece;
}

static void deliver_to_node(void *context, uint64_t number)
{
    (void)number;
    struct wire *wire = context;
    struct wire_end *end = &wire->to_node;
    end->scheduled = false;
    if ((wire->cut && !wire->slept) || !end->open || end->paused || wire->network->silent || end->waiting_bytes == 0)
        return;
    struct span piece = arrive(wire, end);
    wire->network->node.received(wire->network->node.context, wire, slice_make(piece.data, piece.size_bytes));
    free(piece.data);
    schedule(wire, end);
}

/* So many bytes of replies have left the node. */
static void node_sent(void *context, uint64_t number)
{
    struct wire *wire = context;
    if (wire->to_node.open)
        wire->network->node.sent(wire->network->node.context, wire, (size_t)number);
}

static void deliver_to_client(void *context, uint64_t number)
{
    (void)number;
    struct wire *wire = context;
    struct wire_end *end = &wire->to_client;
    end->scheduled = false;
    if (wire->cut || !end->open || end->waiting_bytes == 0)
        return;
    struct span piece = arrive(wire, end);
    if (host_is_paused(wire->network->host))
        at_node(wire, 0, node_sent, piece.size_bytes);
    else
        node_sent(wire, piece.size_bytes);
    wire->network->client.received(wire->network->client.context, wire, slice_make(piece.data, piece.size_bytes));
    free(piece.data);
    schedule(wire, end);
}

static void put(struct wire *wire, struct wire_end *end, struct slice bytes)
{
    if (wire->cut || bytes.size_bytes == 0)
        return;
    if (end->waiting_bytes + bytes.size_bytes > end->waiting_room) {
        end->waiting_room = 2 * (end->waiting_bytes + bytes.size_bytes);
        end->waiting = realloc(end->waiting, end->waiting_room);
        CHECK(end->waiting != NULL);
    }
    memcpy(end->waiting + end->waiting_bytes, bytes.data, bytes.size_bytes);
    end->waiting_bytes += bytes.size_bytes;
    if (end->open)
        schedule(wire, end);
}

void network_send_to_node(struct wire *wire, struct slice bytes)
{
    put(wire, &wire->to_node, bytes);
}

void network_send_to_client(struct wire *wire, struct slice bytes)
{
    put(wire, &wire->to_client, bytes);
}

void network_pause(struct wire *wire, bool paused)
{
    wire->to_node.paused = paused;
    if (!paused && !wire->cut)
        schedule(wire, &wire->to_node);
}

void network_silence(struct network *network, bool silent)
{
    network->silent = silent;
    for (size_t i = 0; i < network->wire_count && !silent; i++) {
        if (!network->wires[i]->cut && network->wires[i]->to_node.open)
            schedule(network->wires[i], &network->wires[i]->to_node);
    }
}

/* --- beginning --- */

static void accept_wire(void *context, uint64_t number)
{
    (void)number;
    struct wire *wire = context;
    struct network *network = wire->network;
    if (wire->cut || wire->to_node.open || !network->serves)
        return;
    wire->to_node.open = true;
    network->node.opened(network->node.context, wire);
    schedule(wire, &wire->to_node);
}

static void open_client(void *context, uint64_t number)
{
    (void)number;
    struct wire *wire = context;
    if (wire->cut)
        return;
    wire->to_client.open = true;
    wire->network->client.opened(wire->network->client.context, wire);
    schedule(wire, &wire->to_client);
}

struct wire *network_connect(struct network *network, uint32_t client, uint32_t connection)
{
    struct wire *wire = calloc(1, sizeof(*wire));
    CHECK(wire != NULL);
    if (network->wire_count == network->wire_room) {
        network->wire_room = network->wire_room == 0 ? 32 : network->wire_room * 2;
        network->wires = realloc(network->wires, network->wire_room * sizeof(struct wire *));
        CHECK(network->wires != NULL);
    }
    wire->id = network->wire_count;
    wire->client = client;
    wire->connection = connection;
    wire->network = network;
    network->wires[network->wire_count++] = wire;
    /* The listening socket outlives the node, so to the client the connection is there at once. */
    world_after(network->world, network_delay(network), open_client, wire, 0);
    at_node(wire, network_delay(network), accept_wire, 0);
    return wire;
}

/* --- ends --- */

static void node_hears(void *context, uint64_t number)
{
    (void)number;
    struct wire *wire = context;
    while (wire->slept && wire->to_node.open && wire->to_node.waiting_bytes > 0) {
        world_count(wire->network->world, COUNT_slept_requests, 1);
        deliver_to_node(wire, 0);
        if (wire->to_node.paused || wire->network->silent)
            break; /* the rest is never read */
    }
    wire->slept = false;
    if (!wire->to_node.open)
        return;
    wire->to_node.open = false;
    wire->network->node.closed(wire->network->node.context, wire);
}

static void client_hears(void *context, uint64_t number)
{
    (void)number;
    struct wire *wire = context;
    wire->to_client.open = false;
    wire->network->client.closed(wire->network->client.context, wire);
}

/* The last bytes that still arrive before the end: any part of those on their way, none of them twice. To a process that
 * stands still they come when it goes on. */
static void last_bytes(struct wire *wire, struct wire_end *end, enum counter lost)
{
    struct world *world = wire->network->world;
    size_t keep = (size_t)world_draw(world, end->waiting_bytes + 1);
    if (world_chance(world, 2))
        keep = world_chance(world, 2) ? 0 : end->waiting_bytes;
    if (keep < end->waiting_bytes)
        world_count(world, lost, 1);
    end->waiting_bytes = keep;
    if (end == &wire->to_node && wire->network->silent) {
        end->waiting_bytes = 0;
        return;
    }
    if (end == &wire->to_node && host_is_paused(wire->network->host)) {
        wire->slept = end->open && !end->paused && keep > 0;
        return;
    }
    end->paused = false;
    /* What arrives may make the node close the connection, or stop reading. */
    while (!wire->cut && end->open && !end->paused && end->waiting_bytes > 0) {
        if (end == &wire->to_node)
            deliver_to_node(wire, 0);
        else
            deliver_to_client(wire, 0);
    }
    end->waiting_bytes = 0;
}

void network_cut(struct wire *wire)
{
    struct world *world = wire->network->world;
    if (wire->cut)
        return;
    last_bytes(wire, &wire->to_node, COUNT_cuts_request);
    if (wire->cut)
        return; /* what arrived made the node close it */
    last_bytes(wire, &wire->to_client, COUNT_cuts_reply);
    if (wire->cut)
        return;
    wire->cut = true;
    at_node(wire, world_delay_us(world, LONGEST_DELAY_US, LONGEST_END_US), node_hears, 0);
    world_after(world, world_delay_us(world, LONGEST_DELAY_US, LONGEST_END_US), client_hears, wire, 0);
}

void network_close(struct wire *wire, bool at_once)
{
    struct world *world = wire->network->world;
    if (wire->cut)
        return;
    while (!at_once && wire->to_client.open && wire->to_client.waiting_bytes > 0 && !wire->cut)
        deliver_to_client(wire, 0);
    wire->cut = true;
    at_node(wire, 0, node_hears, 0);
    world_after(world, network_delay(wire->network), client_hears, wire, 0);
}

void network_serve(struct network *network, bool serves)
{
    network->serves = serves;
    for (size_t i = 0; i < network->wire_count; i++) {
        struct wire *wire = network->wires[i];
        if (wire->cut)
            continue;
        if (serves) {
            at_node(wire, network_delay(network), accept_wire, 0);
        } else if (wire->to_node.open) {
            wire->to_node.open = false; /* the process is gone: nobody is told */
            last_bytes(wire, &wire->to_client, COUNT_cuts_reply);
            wire->cut = true;
            world_after(network->world, network_delay(network), client_hears, wire, 0);
        }
    }
    for (size_t i = 0; i < network->wire_count && !serves; i++)
        network->wires[i]->to_node.open = network->wires[i]->slept = false;
}

struct wire *network_find(struct network *network, uint64_t node_mark)
{
    for (size_t i = network->wire_count; i > 0; i--) {
        struct wire *wire = network->wires[i - 1];
        if (!wire->cut && wire->to_node.open && wire->node_mark == node_mark)
            return wire;
    }
    return NULL;
}

struct wire *network_wire(struct network *network, uint64_t id)
{
    CHECK(id < network->wire_count);
    return network->wires[id];
}

struct wire *network_any(struct network *network)
{
    size_t open = 0;
    struct wire *chosen = NULL;
    for (size_t i = 0; i < network->wire_count; i++) {
        struct wire *wire = network->wires[i];
        if (!wire->cut && wire->to_node.open && wire->to_client.open && world_draw(network->world, ++open) == 0)
            chosen = wire;
    }
    return chosen;
}
