#include "tests/sim_raft/world.h"

#include <stdlib.h>

#include "base/check.h"

struct packet {
    struct peer_message *message;
    struct proposal *proposal;
    uint64_t from;
    uint64_t connection;
};

void network_packet_free(void *thing)
{
    struct packet *packet = thing;
    peer_message_free(packet->message);
    free(packet);
}

static struct peer_message *message_copy(const struct peer_message *message)
{
    struct peer_message *copy = calloc(1, sizeof *copy);
    CHECK(copy != NULL);
    *copy = *message;
    if (message->entries != NULL) {
        copy->entries = calloc(message->entry_count + 1, sizeof *copy->entries);
        CHECK(copy->entries != NULL);
        for (uint32_t i = 0; i < message->entry_count; i++) {
            copy->entries[i] = message->entries[i];
            copy->entries[i].bytes = buffer_get(message->entries[i].bytes);
        }
    }
    if (message->snapshot != NULL) {
        copy->snapshot = calloc(1, sizeof *copy->snapshot);
        CHECK(copy->snapshot != NULL);
        *copy->snapshot = *message->snapshot;
    }
    return copy;
}

static void message_trace(struct world *world, const struct node *from, const struct node *to,
                          const struct peer_message *message, const char *what)
{
    static const char *const names[] = {"?",           "APPEND",   "APPEND_RESULT", "VOTE",
                                        "VOTE_RESULT", "SNAPSHOT", "TIMEOUT_NOW"};
    world_trace(
        world, "%llu -> %llu %s %s term %llu prev %llu^%llu n %u commit %llu rejected %llu last %llu^%llu%s%s%s",
        (unsigned long long)from->id, (unsigned long long)to->id, what, names[message->kind],
        (unsigned long long)message->term, (unsigned long long)message->previous_index,
        (unsigned long long)message->previous_term, message->entry_count, (unsigned long long)message->commit_index,
        (unsigned long long)message->rejected, (unsigned long long)message->last_index,
        (unsigned long long)message->last_term, message->pre_vote ? " pre" : "", message->granted ? " granted" : "",
        message->disrupt_leader ? " disrupt" : "");
}

void network_event_deliver(struct world *world, struct node *node, void *thing)
{
    struct packet *packet = thing;
    struct peer_message *message = packet->message;
    if (!node->up) {
        network_packet_free(packet);
        return;
    }
    message_trace(world, &world->nodes[packet->from], node, message, "comes");
    message->peer = packet->from;
    message->current_connection = packet->connection == world->network.connection[packet->from][node->id];
    if (message->kind == PEER_MESSAGE_TIMEOUT_NOW && message->current_connection)
        world_count(world, COUNT_timeout_now);
    struct replica_message receive = {.kind = REPLICA_RECEIVE, .peer = message};
    list_init(&receive.proposals);
    free(packet);
    node_step(node, &receive);
}

void network_event_propose(struct world *world, struct node *node, void *thing)
{
    struct packet *packet = thing;
    struct replica_message message = {.kind = REPLICA_PROPOSE};
    list_init(&message.proposals);
    if (node->up) {
        world_count(world, COUNT_forwarded);
        list_append(&message.proposals, &packet->proposal->link);
    }
    free(packet);
    if (node->up)
        node_step(node, &message);
}

static bool lost(struct world *world, uint64_t from, uint64_t to)
{
    struct network *network = &world->network;
    if (network->cut[from][to] || (!world->healed && world_permille(world, network->lost_permille))) {
        world_count(world, COUNT_lost);
        return true;
    }
    return false;
}

static uint64_t delay(struct world *world, bool doubled)
{
    struct network *network = &world->network;
    uint64_t delay_ms = network->delay_ms + world_chance(world, network->jitter_ms + 1);
    if (world->healed || network->ordered)
        return delay_ms;
    if (world_permille(world, network->late_permille) || (doubled && world_permille(world, 100))) {
        world_count(world, COUNT_late);
        delay_ms += world_chance(world, world_permille(world, 300) ? 20000 : 1500);
    }
    return delay_ms;
}

static void packet_send(struct world *world, struct node *from, struct node *to, struct peer_message *message,
                        bool doubled)
{
    struct network *network = &world->network;
    struct packet *packet = calloc(1, sizeof *packet);
    CHECK(packet != NULL);
    packet->message = message;
    packet->from = from->id;
    packet->connection = network->connection[from->id][to->id];
    uint64_t at_ms = world->now_ms + delay(world, doubled);
    if (network->ordered) {
        if (at_ms < network->newest_ms[from->id][to->id])
            at_ms = network->newest_ms[from->id][to->id];
        network->newest_ms[from->id][to->id] = at_ms;
    }
    world_after(world, at_ms - world->now_ms, to, 0, network_event_deliver, packet);
}

void network_send(struct world *world, struct node *from, struct peer_message *message)
{
    uint64_t id = message->peer;
    REQUIRE(world, id > 0 && id <= world->node_count && id != from->id && peer_message_sound(message));
    struct node *to = &world->nodes[id];
    if (message->entry_count > 1)
        world_count(world, COUNT_pieces);
    if (lost(world, from->id, id)) {
        message_trace(world, from, to, message, "loses");
        peer_message_free(message);
        return;
    }
    if (!world->healed && !world->network.ordered && world_permille(world, world->network.doubled_permille)) {
        world_count(world, COUNT_doubled);
        packet_send(world, from, to, message_copy(message), true);
    }
    packet_send(world, from, to, message, false);
}

void network_forward(struct world *world, struct node *from, uint64_t leader, struct proposal *proposal)
{
    REQUIRE(world, leader > 0 && leader <= world->node_count && leader != from->id);
    if (lost(world, from->id, leader))
        return;
    struct packet *packet = calloc(1, sizeof *packet);
    CHECK(packet != NULL);
    packet->proposal = proposal;
    world_after(world, delay(world, false), &world->nodes[leader], 0, network_event_propose, packet);
}

void network_break(struct world *world, uint64_t node)
{
    for (uint64_t i = 1; i <= world->node_count; i++) {
        world->network.connection[node][i]++;
        world->network.connection[i][node]++;
    }
}
