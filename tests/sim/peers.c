#include "tests/sim/peers.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/list.h"

#define USUAL_DELAY_US 250u
#define LONGEST_DELAY_US 30000u
/* A segment that was lost is sent again; until then all behind it waits. */
#define STUCK_US 20000u
#define SILENCE_US ((uint64_t)PEER_SILENCE_TIMEOUT_MS * 1000)

struct packet {
    struct list_link link;
    size_t size_bytes;
    uint8_t bytes[];
};

struct connection {
    struct peers *peers;
    uint32_t from;
    uint32_t to;
    bool open;           /* it may carry something */
    bool known;          /* the sender takes it for open */
    bool cut;            /* nothing goes in this direction */
    uint64_t number;     /* counts up with each that is made or ends */
    struct list packets; /* under way */
    size_t packet_bytes;
    bool scheduled;
    struct list left; /* in the socket of a process that stood still when the connection ended */
};

struct peers {
    struct world *world;
    uint32_t count;
    struct host *hosts[SIM_NODES_MAX + 1];
    struct peers_ports ports[SIM_NODES_MAX + 1];
    bool up[SIM_NODES_MAX + 1];
    struct connection connections[SIM_NODES_MAX + 1][SIM_NODES_MAX + 1]; /* [from][to] */
    struct arena arena;                                                  /* of the frame at hand */
};

struct peers *peers_create(struct world *world)
{
    struct peers *peers = calloc(1, sizeof(*peers));
    CHECK(peers != NULL);
    peers->world = world;
    arena_init(&peers->arena);
    for (uint32_t from = 1; from <= SIM_NODES_MAX; from++) {
        for (uint32_t to = 1; to <= SIM_NODES_MAX; to++) {
            struct connection *connection = &peers->connections[from][to];
            *connection = (struct connection){.peers = peers, .from = from, .to = to};
            list_init(&connection->packets);
            list_init(&connection->left);
        }
    }
    return peers;
}

static struct packet *packet_take(struct list *list)
{
    struct list_link *link = list_first(list);
    if (link == NULL)
        return NULL;
    list_remove(link);
    return container_of(link, struct packet, link);
}

static void packets_drop(struct connection *connection)
{
    struct packet *packet;
    while ((packet = packet_take(&connection->packets)) != NULL) {
        world_count(connection->peers->world, COUNT_frames_lost, 1);
        free(packet);
    }
    connection->packet_bytes = 0;
}

void peers_destroy(struct peers *peers)
{
    for (uint32_t from = 1; from <= SIM_NODES_MAX; from++) {
        for (uint32_t to = 1; to <= SIM_NODES_MAX; to++) {
            struct packet *packet;
            packets_drop(&peers->connections[from][to]);
            while ((packet = packet_take(&peers->connections[from][to].left)) != NULL)
                free(packet);
        }
    }
    arena_fini(&peers->arena);
    free(peers);
}

void peers_add(struct peers *peers, struct host *host, const struct peers_ports *ports)
{
    CHECK(peers->count < SIM_NODES_MAX);
    peers->count++;
    peers->hosts[peers->count] = host;
    peers->ports[peers->count] = *ports;
}

/* --- carrying --- */

static void arrive(struct connection *connection, struct packet *packet)
{
    struct peers *peers = connection->peers;
    struct peer_frame frame;
    if (peers->up[connection->to]) {
        arena_reset(&peers->arena);
        if (peer_frame_open(slice_make(packet->bytes, packet->size_bytes), &peers->arena, &frame) != STATUS_OK)
            world_violation(peers->world, "node %u sends node %u a frame that does not decode", connection->from,
                            connection->to);
        world_count(peers->world, COUNT_frames, 1);
        peers->ports[connection->to].frame(peers->ports[connection->to].context, connection->from, &frame);
    }
    free(packet);
}

static void deliver(void *context, uint64_t number);

static void schedule(struct connection *connection, uint64_t delay_us)
{
    struct peers *peers = connection->peers;
    if (connection->scheduled)
        return;
    connection->scheduled = true;
    world_after_at(peers->world, peers->hosts[connection->to], delay_us, deliver, connection, 0);
}

static void schedule_next(struct connection *connection)
{
    if (!list_empty(&connection->packets))
        schedule(connection, world_delay_us(connection->peers->world, USUAL_DELAY_US, LONGEST_DELAY_US));
}

static void deliver(void *context, uint64_t number)
{
    (void)number;
    struct connection *connection = context;
    connection->scheduled = false;
    if (connection->cut) {
        if (!list_empty(&connection->packets))
            schedule(connection, 1 + world_draw(connection->peers->world, STUCK_US));
        return;
    }
    struct packet *packet;
    for (uint64_t i = 1 + world_draw(connection->peers->world, 8); i > 0; i--) {
        if ((packet = packet_take(&connection->packets)) == NULL)
            return;
        connection->packet_bytes -= packet->size_bytes;
        arrive(connection, packet);
    }
    schedule_next(connection);
}

void peers_send(struct peers *peers, uint32_t from, uint32_t to, const Qnfs__Peer *message, const struct slice *data,
                size_t data_count)
{
    CHECK(from != to && from > 0 && from <= peers->count && to > 0 && to <= peers->count);
    struct connection *connection = &peers->connections[from][to];
    size_t size_bytes = peer_frame_bytes(message, data, data_count);
    struct packet *packet = malloc(sizeof(*packet) + size_bytes);
    CHECK(packet != NULL);
    peer_frame_pack(message, data, data_count, (struct span){packet->bytes, size_bytes});
    packet->size_bytes = size_bytes;
    if (!connection->open || !connection->known || connection->packet_bytes + size_bytes > PEER_OUTPUT_MAX_BYTES) {
        world_count(peers->world, COUNT_frames_lost, 1);
        free(packet);
        return;
    }
    list_append(&connection->packets, &packet->link);
    connection->packet_bytes += size_bytes;
    schedule_next(connection);
}

/* --- connections --- */

static void try_connect(void *context, uint64_t number)
{
    struct connection *connection = context;
    struct peers *peers = connection->peers;
    if (connection->number != number || connection->open || !peers->up[connection->from])
        return;
    uint32_t to = connection->to;
    if (!peers_reach(peers, connection->from, to) || host_is_paused(peers->hosts[to])) {
        uint64_t delay_us = 1000 * (PEER_RETRY_MIN_MS + world_draw(peers->world, PEER_RETRY_MAX_MS));
        world_after_at(peers->world, peers->hosts[connection->from], delay_us, try_connect, connection, number);
        return;
    }
    connection->open = connection->known = true;
    connection->number++;
    peers->ports[connection->from].opened(peers->ports[connection->from].context, to);
}

static void connect_soon(struct connection *connection, uint64_t delay_us)
{
    struct peers *peers = connection->peers;
    world_after_at(peers->world, peers->hosts[connection->from], delay_us, try_connect, connection, connection->number);
}

/* The sender hears of the end, and calls again. */
static void hear_end(void *context, uint64_t number)
{
    struct connection *connection = context;
    struct peers *peers = connection->peers;
    if (connection->number != number || !connection->known)
        return;
    connection->known = false;
    if (!peers->up[connection->from])
        return;
    peers->ports[connection->from].closed(peers->ports[connection->from].context, connection->to);
    connect_soon(connection, 1000 * (PEER_RETRY_MIN_MS + world_draw(peers->world, PEER_RETRY_MIN_MS)));
}

static void deliver_left(void *context, uint64_t number)
{
    (void)number;
    struct connection *connection = context;
    struct packet *packet;
    while ((packet = packet_take(&connection->left)) != NULL)
        arrive(connection, packet);
}

/* What is under way is lost, or some of it arrives; the sender hears of it after a while. */
static void end(struct connection *connection, uint64_t heard_us)
{
    struct peers *peers = connection->peers;
    struct world *world = peers->world;
    if (!connection->open)
        return;
    connection->open = false;
    connection->number++;
    struct host *target = peers->hosts[connection->to];
    if (peers->up[connection->to] && !connection->cut && world_chance(world, 2)) {
        uint64_t keep = world_draw(world, 20);
        struct packet *packet;
        while (keep-- > 0 && (packet = packet_take(&connection->packets)) != NULL)
            list_append(&connection->left, &packet->link);
        if (!list_empty(&connection->left))
            world_after_at(world, target, 0, deliver_left, connection, 0);
    }
    packets_drop(connection);
    world_after_at(world, peers->hosts[connection->from], heard_us, hear_end, connection, connection->number);
}

void peers_break(struct peers *peers, uint32_t from, uint32_t to)
{
    end(&peers->connections[from][to], world_delay_us(peers->world, LONGEST_DELAY_US, SILENCE_US));
}

void peers_up(struct peers *peers, uint32_t node, bool up)
{
    peers->up[node] = up;
    for (uint32_t other = 1; other <= peers->count; other++) {
        struct connection *out = &peers->connections[node][other];
        struct connection *in = &peers->connections[other][node];
        if (other == node)
            continue;
        if (up) {
            connect_soon(out, world_draw(peers->world, 3000));
            if (in->known && !in->open) /* a call to a new process shows that the old one is gone */
                world_after_at(peers->world, peers->hosts[other], LONGEST_DELAY_US, hear_end, in, in->number);
            continue;
        }
        end(out, 0);
        out->known = false;
        out->number++;
        struct packet *packet;
        while ((packet = packet_take(&in->left)) != NULL)
            free(packet);
        peers_break(peers, other, node);
    }
}

/* --- cuts --- */

/* A direction that was cut for so long has ended both connections, which need it for what comes back. */
static void give_up(void *context, uint64_t number)
{
    struct connection *connection = context;
    struct peers *peers = connection->peers;
    if (!connection->cut || number != connection->number)
        return;
    peers_break(peers, connection->from, connection->to);
    peers_break(peers, connection->to, connection->from);
}

void peers_cut(struct peers *peers, uint32_t from, uint32_t to, bool cut)
{
    struct connection *connection = &peers->connections[from][to];
    if (connection->cut == cut)
        return;
    connection->cut = cut;
    if (cut) {
        world_count(peers->world, COUNT_peer_cuts, 1);
        world_after(peers->world, SILENCE_US - world_draw(peers->world, SILENCE_US / 2), give_up, connection,
                    connection->number);
    }
}

bool peers_reach(const struct peers *peers, uint32_t from, uint32_t to)
{
    return peers->up[to] && !peers->connections[from][to].cut && !peers->connections[to][from].cut;
}

void peers_heal(struct peers *peers)
{
    for (uint32_t from = 1; from <= peers->count; from++) {
        for (uint32_t to = 1; to <= peers->count; to++)
            peers_cut(peers, from, to, false);
    }
}
