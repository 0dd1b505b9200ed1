#include "tests/sim_raft/world.h"

#include <stdlib.h>

#include "base/check.h"

struct packet {
    struct buffer *bytes;
    uint64_t from;
    uint64_t connection;
    uint64_t life; /* of the receiver, when the connection was made */
    bool binds;    /* it comes over its connection or not at all, */
    bool ordered;  /* and in order */
};

void network_packet_free(void *thing)
{
    struct packet *packet = thing;
    buffer_put(packet->bytes);
    free(packet);
}

/* --- what is in a frame --- */

static bool is_timeout_now(const Qnfs__Peer *message)
{
    return message->body_case == QNFS__PEER__BODY_RAFT &&
           message->raft->body_case == QNFS__RAFT_MESSAGE__BODY_TIMEOUT_NOW;
}

static void raft_trace(struct world *world, uint64_t from, uint64_t to, const Qnfs__RaftMessage *raft, const char *what)
{
    unsigned long long a = (unsigned long long)from;
    unsigned long long b = (unsigned long long)to;
    unsigned long long term = (unsigned long long)raft->term;
    switch ((int)raft->body_case) {
    case QNFS__RAFT_MESSAGE__BODY_APPEND_ENTRIES:
        world_trace(world, "%llu -> %llu %s APPEND term %llu prev %llu^%llu n %zu commit %llu", a, b, what, term,
                    (unsigned long long)raft->append_entries->previous_index,
                    (unsigned long long)raft->append_entries->previous_term, raft->append_entries->n_entries,
                    (unsigned long long)raft->append_entries->leader_commit);
        break;
    case QNFS__RAFT_MESSAGE__BODY_APPEND_ENTRIES_RESULT:
        world_trace(world, "%llu -> %llu %s APPEND_RESULT term %llu rejected %llu last %llu", a, b, what, term,
                    (unsigned long long)raft->append_entries_result->rejected,
                    (unsigned long long)raft->append_entries_result->last_index);
        break;
    case QNFS__RAFT_MESSAGE__BODY_REQUEST_VOTE:
        world_trace(world, "%llu -> %llu %s VOTE term %llu last %llu^%llu%s%s", a, b, what, term,
                    (unsigned long long)raft->request_vote->last_index,
                    (unsigned long long)raft->request_vote->last_term, raft->request_vote->pre_vote ? " pre" : "",
                    raft->request_vote->disrupt_leader ? " disrupt" : "");
        break;
    case QNFS__RAFT_MESSAGE__BODY_REQUEST_VOTE_RESULT:
        world_trace(world, "%llu -> %llu %s VOTE_RESULT term %llu%s%s", a, b, what, term,
                    raft->request_vote_result->pre_vote ? " pre" : "",
                    raft->request_vote_result->granted ? " granted" : "");
        break;
    case QNFS__RAFT_MESSAGE__BODY_INSTALL_SNAPSHOT:
        world_trace(world, "%llu -> %llu %s SNAPSHOT term %llu last %llu^%llu", a, b, what, term,
                    (unsigned long long)raft->install_snapshot->last_index,
                    (unsigned long long)raft->install_snapshot->last_term);
        break;
    default: world_trace(world, "%llu -> %llu %s TIMEOUT_NOW term %llu", a, b, what, term); break;
    }
}

static void trace(struct world *world, uint64_t from, uint64_t to, const Qnfs__Peer *message, const char *what)
{
    unsigned long long a = (unsigned long long)from;
    unsigned long long b = (unsigned long long)to;
    if (!world->verbose)
        return;
    switch ((int)message->body_case) {
    case QNFS__PEER__BODY_RAFT: raft_trace(world, from, to, message->raft, what); break;
    case QNFS__PEER__BODY_PING:
        world_trace(world, "%llu -> %llu %s PING term %llu number %llu sent %llu", a, b, what,
                    (unsigned long long)message->ping->term, (unsigned long long)message->ping->number,
                    (unsigned long long)message->ping->sent_ms);
        break;
    case QNFS__PEER__BODY_PONG:
        world_trace(world, "%llu -> %llu %s PONG term %llu number %llu sent %llu", a, b, what,
                    (unsigned long long)message->pong->term, (unsigned long long)message->pong->number,
                    (unsigned long long)message->pong->sent_ms);
        break;
    case QNFS__PEER__BODY_FORWARDED_COMMANDS:
        world_trace(world, "%llu -> %llu %s COMMANDS number %llx n %zu", a, b, what,
                    (unsigned long long)message->forwarded_commands->number, message->forwarded_commands->n_commands);
        break;
    case QNFS__PEER__BODY_FORWARDED_ANSWER:
        world_trace(world, "%llu -> %llu %s ANSWER number %llx outcome %u %llu^%llu", a, b, what,
                    (unsigned long long)message->forwarded_answer->number, message->forwarded_answer->outcome,
                    (unsigned long long)message->forwarded_answer->index,
                    (unsigned long long)message->forwarded_answer->term);
        break;
    case QNFS__PEER__BODY_READ_QUESTION:
        world_trace(world, "%llu -> %llu %s READ number %llx", a, b, what,
                    (unsigned long long)message->read_question->number);
        break;
    case QNFS__PEER__BODY_READ_ANSWER:
        world_trace(world, "%llu -> %llu %s READ_ANSWER number %llx outcome %u index %llu", a, b, what,
                    (unsigned long long)message->read_answer->number, message->read_answer->outcome,
                    (unsigned long long)message->read_answer->index);
        break;
    case QNFS__PEER__BODY_NODE_PING:
        world_trace(world, "%llu -> %llu %s NODE_PING incarnation %llu sent %llu", a, b, what,
                    (unsigned long long)message->node_ping->incarnation,
                    (unsigned long long)message->node_ping->sent_ms);
        break;
    default: world_trace(world, "%llu -> %llu %s frame %d", a, b, what, (int)message->body_case); break;
    }
}

static void frame_count(struct world *world, const Qnfs__Peer *message)
{
    switch ((int)message->body_case) {
    case QNFS__PEER__BODY_RAFT:
        if (is_timeout_now(message))
            world_count(world, COUNT_timeout_now);
        break;
    case QNFS__PEER__BODY_FORWARDED_COMMANDS: world_count(world, COUNT_forwarded); break;
    case QNFS__PEER__BODY_FORWARDED_ANSWER:
        if (message->forwarded_answer->outcome != PEER_OUTCOME_DONE)
            world_count(world, COUNT_not_leader);
        break;
    case QNFS__PEER__BODY_READ_QUESTION: world_count(world, COUNT_questions); break;
    default: break;
    }
}

/* --- frames on their way --- */

void network_event_deliver(struct world *world, struct node *node, void *thing)
{
    struct packet *packet = thing;
    struct network *network = &world->network;
    const struct channel *channel = &network->channels[packet->from][node->id];
    bool over = packet->connection != channel->connection || packet->life != node->life;
    if (!node->up || (over && packet->binds)) {
        network_packet_free(packet);
        return;
    }
    struct peer_frame frame;
    arena_reset(&network->arena);
    REQUIRE(world, peer_frame_open(buffer_slice(packet->bytes), &network->arena, &frame) == STATUS_OK);
    trace(world, packet->from, node->id, frame.message, "comes");
    frame_count(world, frame.message);
    struct raft_loop_message message = {.kind = RAFT_LOOP_FRAME, .node = packet->from, .frame = &frame};
    node_step(node, &message);
    network_packet_free(packet);
}

static bool lost(struct world *world, uint64_t from, uint64_t to, const Qnfs__Peer *message)
{
    const struct network *network = &world->network;
    if (!network->channels[from][to].open ||
        (network->no_pings && !world->healed && message->body_case == QNFS__PEER__BODY_PING))
        return true;
    if (network->cut[from][to] || (!world->healed && world_permille(world, network->lost_permille))) {
        world_count(world, COUNT_lost);
        return true;
    }
    return false;
}

static uint64_t delay(struct world *world, bool doubled)
{
    const struct network *network = &world->network;
    uint64_t delay_ms = network->delay_ms + world_chance(world, network->jitter_ms + 1);
    if (world->healed || network->ordered)
        return delay_ms;
    if (world_permille(world, network->late_permille) || (doubled && world_permille(world, 100))) {
        world_count(world, COUNT_late);
        delay_ms += world_chance(world, world_permille(world, 300) ? 20000 : 1500);
    }
    return delay_ms;
}

static void packet_send(struct world *world, const struct packet *like, struct node *to, bool doubled)
{
    struct network *network = &world->network;
    struct channel *channel = &network->channels[like->from][to->id];
    struct packet *packet = calloc(1, sizeof *packet);
    CHECK(packet != NULL);
    *packet = *like;
    packet->bytes = buffer_get(like->bytes);
    uint64_t at_ms = world->now_ms + delay(world, doubled);
    if (packet->ordered) {
        if (at_ms < channel->newest_ms)
            at_ms = channel->newest_ms;
        channel->newest_ms = at_ms;
    }
    world_after(world, at_ms - world->now_ms, to, 0, network_event_deliver, packet);
}

void network_send(struct world *world, struct node *from, const struct raft_loop_action *action)
{
    uint64_t id = action->node;
    const Qnfs__Peer *message = action->message;
    REQUIRE(world, id > 0 && id <= world->node_count && id != from->id);
    struct node *to = &world->nodes[id];
    const struct channel *channel = &world->network.channels[from->id][id];
    if (lost(world, from->id, id, message)) {
        trace(world, from->id, id, message, "loses");
        return;
    }
    size_t size_bytes = peer_frame_bytes(message, action->data, action->data_count);
    struct packet packet = {buffer_create(size_bytes), from->id, channel->connection, channel->life, true, true};
    packet.bytes->size_bytes =
        peer_frame_pack(message, action->data, action->data_count, (struct span){packet.bytes->data, size_bytes})
            .size_bytes;
    /* Most bear anything, and get more than a connection would do to them. But who tells another to take over may think that
     * it comes over the connection or never; and the last ping of a node is its newest. */
    packet.binds = message->body_case != QNFS__PEER__BODY_RAFT || is_timeout_now(message);
    packet.ordered = world->network.ordered || message->body_case == QNFS__PEER__BODY_NODE_PING ||
                     message->body_case == QNFS__PEER__BODY_NODE_PONG;
    if (!world->healed && !packet.ordered && world_permille(world, world->network.doubled_permille)) {
        world_count(world, COUNT_doubled);
        packet_send(world, &packet, to, true);
    }
    packet_send(world, &packet, to, false);
    buffer_put(packet.bytes);
}

/* --- channels --- */

static void channel_tell(struct world *world, struct node *from, struct node *to, bool open)
{
    struct channel *channel = &world->network.channels[from->id][to->id];
    struct raft_loop_message message = {.kind = open ? RAFT_LOOP_OPENED : RAFT_LOOP_CLOSED, .node = to->id};
    channel->open = open;
    if (open) {
        channel->connection++;
        channel->life = to->life;
    } else {
        world_count(world, COUNT_closed_channels);
    }
    world_trace(world, "%llu -> %llu: %s", (unsigned long long)from->id, (unsigned long long)to->id,
                open ? "open" : "closed");
    node_step(from, &message);
}

void network_tick(struct world *world)
{
    const struct network *network = &world->network;
    for (uint64_t a = 1; a <= world->node_count; a++) {
        struct node *from = &world->nodes[a];
        for (uint64_t b = 1; b <= world->node_count && from->up && from->paused_until_ms <= world->now_ms; b++) {
            struct node *to = &world->nodes[b];
            const struct channel *channel = &network->channels[a][b];
            bool cut = network->cut[a][b] || network->cut[b][a];
            if (a == b)
                continue;
            if (!channel->open) {
                if (to->up && !cut && world_permille(world, 400))
                    channel_tell(world, from, to, true);
                continue;
            }
            uint32_t permille = !to->up || to->life != channel->life ? 300
                                : cut                                ? 30
                                : world->healed                      ? 0
                                                                     : network->flap_permille;
            if (world_permille(world, permille))
                channel_tell(world, from, to, false);
        }
    }
}

void network_break(struct world *world, uint64_t node)
{
    for (uint64_t i = 1; i <= world->node_count; i++)
        world->network.channels[node][i].open = false;
}
