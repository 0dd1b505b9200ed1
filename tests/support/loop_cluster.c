#include "tests/support/loop_cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/limits.h"
#include "proto/log_entry.h"

/* When the clusters of tests begin. */
#define START_MS 100000
#define ROOM_BYTES (4u << 20)

uint64_t loop_node_now(const struct loop_cluster *cluster, const struct loop_node *node)
{
    int64_t now_ms = (int64_t)cluster->now_ms;
    return (uint64_t)(now_ms + (now_ms - START_MS) * node->skew / 10000);
}

/* --- what a node's shell does --- */

static void frame_send(struct loop_cluster *cluster, const struct loop_node *node,
                       const struct raft_loop_action *action)
{
    cluster->frames[action->message->body_case]++;
    struct slice bytes =
        peer_frame_pack(action->message, action->data, action->data_count, (struct span){cluster->room, ROOM_BYTES});
    if (cluster->cut[node->id][action->node] || cluster->closed[node->id][action->node] ||
        random_seeded_next(&cluster->random) % 1000 < cluster->loss)
        return;
    struct loop_packet *packet = calloc(1, sizeof *packet);
    packet->from = node->id;
    packet->to = action->node;
    packet->due_ms = cluster->now_ms + 1 + random_seeded_next(&cluster->random) % cluster->delay_max_ms;
    if (packet->due_ms < cluster->due_ms[node->id][action->node])
        packet->due_ms = cluster->due_ms[node->id][action->node];
    cluster->due_ms[node->id][action->node] = packet->due_ms;
    packet->bytes = buffer_create(bytes.size_bytes);
    memcpy(packet->bytes->data, bytes.data, bytes.size_bytes);
    packet->bytes->size_bytes = bytes.size_bytes;
    list_append(&cluster->packets, &packet->link);
}

static void replica_carry(struct loop_node *node, const struct replica_action *action)
{
    switch (action->kind) {
    case REPLICA_ACTION_LOG: list_append(&node->requests, &action->request->link); break;
    case REPLICA_ACTION_COMMIT:
        assert_true(action->index > node->commit_index);
        node->commit_index = action->index;
        break;
    case REPLICA_ACTION_APPLY:
        assert_true(action->entry.index <= node->commit_index);
        assert_true(node->queue_count < LOOP_ENTRIES_MAX);
        node->queue[node->queue_count++] = action->entry;
        break;
    case REPLICA_ACTION_ROLE:
        node->role = action->role;
        node->term = action->term;
        node->leader = action->leader;
        break;
    case REPLICA_ACTION_REFUSED:
    case REPLICA_ACTION_INSTALL: fail(); break;
    case REPLICA_ACTION_SPACE:
    case REPLICA_ACTION_CHANGED: break;
    case REPLICA_ACTION_SEND:
    case REPLICA_ACTION_FORWARD: fail(); break; /* never passed on */
    }
}

static void carry(struct loop_cluster *cluster, struct loop_node *node)
{
    for (const struct raft_loop_action *action = node->actions.first; action != NULL; action = action->next) {
        switch (action->kind) {
        case RAFT_LOOP_DO_REPLICA: replica_carry(node, action->replica); break;
        case RAFT_LOOP_DO_SEND: frame_send(cluster, node, action); break;
        case RAFT_LOOP_DO_LEASE: node->lease_until_ms = action->until_ms; break;
        case RAFT_LOOP_DO_BARRIER:
            assert_true(node->barrier_count < LOOP_EVENTS_MAX);
            node->barriers[node->barrier_count++] =
                (struct loop_barrier){action->reader, action->number, action->index};
            break;
        case RAFT_LOOP_DO_ALIVE:
            assert_true(action->alive != node->alive);
            node->alive = action->alive;
            if (!node->alive)
                node->silent_ms = loop_node_now(cluster, node);
            break;
        case RAFT_LOOP_DO_LOST:
            assert_true(node->loss_count < LOOP_EVENTS_MAX);
            node->losses[node->loss_count++] = (struct loop_loss){action->node, action->incarnation, cluster->now_ms};
            break;
        case RAFT_LOOP_DO_DIVERGED: node->diverged_index = action->index; break;
        case RAFT_LOOP_DO_CONNECTIONS: node->told_bytes += action->bytes.size_bytes; break;
        case RAFT_LOOP_DO_ALARM:
            node->alarm_index = action->index;
            node->alarms++;
            break;
        case RAFT_LOOP_DO_SICK: node->sick = true; break;
        }
    }
}

void loop_node_step(struct loop_cluster *cluster, struct loop_node *node, struct raft_loop_message *message)
{
    uint64_t now_ms = loop_node_now(cluster, node);
    raft_loop_step(node->loop, message, now_ms, 0, &node->actions);
    assert_true(node->actions.deadline_ms > now_ms);
    carry(cluster, node);
}

static void replica_tell(struct loop_cluster *cluster, struct loop_node *node, struct replica_message *message)
{
    struct raft_loop_message outer = {.kind = RAFT_LOOP_REPLICA, .replica = message};
    if (message->kind != REPLICA_PROPOSE)
        list_init(&message->proposals);
    loop_node_step(cluster, node, &outer);
}

/* --- log and state --- */

static void log_read(struct loop_cluster *cluster, struct loop_node *node, const struct log_request *request)
{
    struct replica_message message = {.kind = REPLICA_ENTRIES, .index = request->index, .reader = request->reader};
    struct replica_entry entries[256];
    message.entries = entries;
    for (uint64_t index = request->index; index < request->index + request->count && index <= node->log_end &&
                                          message.entry_count < sizeof entries / sizeof entries[0];
         index++) {
        entries[message.entry_count] = node->log[index];
        entries[message.entry_count++].bytes = buffer_get(node->log[index].bytes);
    }
    replica_tell(cluster, node, &message);
    for (uint32_t i = 0; i < message.entry_count; i++)
        buffer_put(entries[i].bytes);
}

static void log_truncate(struct loop_node *node, uint64_t index)
{
    for (; node->log_end >= index; node->log_end--)
        buffer_put(node->log[node->log_end].bytes);
}

static void log_carry(struct loop_cluster *cluster, struct loop_node *node, struct log_request *request)
{
    struct replica_message message = {.index = request->index, .epoch = request->epoch};
    switch (request->kind) {
    case LOG_REQUEST_VOTE:
        node->log_term = request->term;
        node->log_vote = request->vote;
        message.kind = REPLICA_VOTE_SAVED;
        replica_tell(cluster, node, &message);
        break;
    case LOG_REQUEST_APPEND:
        for (uint32_t i = 0; i < request->count; i++) {
            const struct replica_entry *entry = &request->entries[i];
            assert_true(entry->index == node->log_end + 1 && entry->index < LOOP_ENTRIES_MAX);
            node->log[entry->index] = *entry;
            node->log[entry->index].bytes = buffer_get(entry->bytes);
            node->log_end++;
        }
        message.kind = REPLICA_PERSISTED;
        message.index = node->log_end;
        replica_tell(cluster, node, &message);
        break;
    case LOG_REQUEST_TRUNCATE: log_truncate(node, request->index); break;
    case LOG_REQUEST_READ: log_read(cluster, node, request); break;
    case LOG_REQUEST_SNAPSHOT:
    case LOG_REQUEST_CUT:
    case LOG_REQUEST_INSTALL: fail(); break;
    }
    log_request_free(request);
}

static void entry_apply(struct loop_node *node, struct replica_entry *entry)
{
    struct log_entry reader;
    struct slice command;
    struct slice content;
    assert_true(entry->index == node->applied_index + 1);
    if (entry->kind == REPLICA_ENTRY_COMMANDS) {
        assert_int_equal(log_entry_open(&reader, buffer_slice(entry->bytes)), STATUS_OK);
        while (log_entry_next(&reader, &command, &content)) {
            assert_true(command.size_bytes == sizeof(uint32_t) && node->command_count < LOOP_ENTRIES_MAX);
            memcpy(&node->commands[node->command_count++], command.data, sizeof(uint32_t));
        }
    }
    buffer_put(entry->bytes);
    node->applied_index = entry->index;
}

static void node_work(struct loop_cluster *cluster, struct loop_node *node)
{
    struct list_link *link;
    struct raft_loop_message message = {.kind = RAFT_LOOP_HEALTHY, .at_ms = loop_node_now(cluster, node)};
    if (cluster->now_ms % 20 == 0 && !node->unhealthy)
        loop_node_step(cluster, node, &message);
    size_t todo = 0; /* what comes meanwhile is for the next time */
    for (link = list_first(&node->requests); link != NULL; link = list_next(&node->requests, link))
        todo++;
    for (; todo > 0; todo--) {
        link = list_first(&node->requests);
        list_remove(link);
        log_carry(cluster, node, container_of(link, struct log_request, link));
    }
    if (node->queue_count > 0 && !node->apply_held) {
        for (size_t i = 0; i < node->queue_count; i++)
            entry_apply(node, &node->queue[i]);
        node->queue_count = 0;
        struct replica_message applied = {.kind = REPLICA_APPLIED, .index = node->applied_index};
        replica_tell(cluster, node, &applied);
    }
    message = (struct raft_loop_message){.kind = RAFT_LOOP_TICK};
    if (loop_node_now(cluster, node) >= node->actions.deadline_ms)
        loop_node_step(cluster, node, &message);
}

/* --- the cluster --- */

static void packet_free(struct loop_packet *packet)
{
    list_remove(&packet->link);
    buffer_put(packet->bytes);
    free(packet);
}

static void packet_deliver(struct loop_cluster *cluster, struct loop_node *to, const struct loop_packet *packet)
{
    struct arena arena;
    struct peer_frame frame;
    arena_init(&arena);
    assert_int_equal(peer_frame_open(buffer_slice(packet->bytes), &arena, &frame), STATUS_OK);
    struct raft_loop_message message = {.kind = RAFT_LOOP_FRAME, .node = packet->from, .frame = &frame};
    loop_node_step(cluster, to, &message);
    arena_fini(&arena);
}

static void packets_deliver(struct loop_cluster *cluster)
{
    struct list due;
    struct list_link *next;
    list_init(&due);
    for (struct list_link *link = list_first(&cluster->packets); link != NULL; link = next) {
        struct loop_packet *packet = container_of(link, struct loop_packet, link);
        next = list_next(&cluster->packets, link);
        if (packet->due_ms > cluster->now_ms || cluster->nodes[packet->to - 1].stopped)
            continue;
        list_remove(link);
        list_append(&due, link);
    }
    while ((next = list_first(&due)) != NULL) {
        struct loop_packet *packet = container_of(next, struct loop_packet, link);
        if (!cluster->cut[packet->from][packet->to])
            packet_deliver(cluster, &cluster->nodes[packet->to - 1], packet);
        packet_free(packet);
    }
}

/* Whoever has a lease now is the only one, and knows all that anybody has committed. */
static void leases_check(const struct loop_cluster *cluster)
{
    uint64_t commit_index = 0;
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (cluster->nodes[i].commit_index > commit_index)
            commit_index = cluster->nodes[i].commit_index;
    }
    for (uint32_t i = 0; i < cluster->count; i++) {
        const struct loop_node *node = &cluster->nodes[i];
        if (node->lease_until_ms > loop_node_now(cluster, node) && node->commit_index < commit_index)
            fail_msg("seed %llu, t %llu: node %llu has a lease, and lacks what is committed",
                     (unsigned long long)cluster->seed, (unsigned long long)cluster->now_ms,
                     (unsigned long long)node->id);
    }
}

void loop_cluster_run(struct loop_cluster *cluster, uint64_t ms)
{
    for (; ms > 0; ms--) {
        cluster->now_ms++;
        packets_deliver(cluster);
        for (uint32_t i = 0; i < cluster->count; i++) {
            if (!cluster->nodes[i].stopped)
                node_work(cluster, &cluster->nodes[i]);
        }
        leases_check(cluster);
    }
}

/* From what the log has. */
static void node_start(struct loop_cluster *cluster, struct loop_node *node)
{
    struct log_recovered_entry *entries = calloc(node->log_end, sizeof *entries);
    struct configuration *configurations = calloc(node->log_end, sizeof *configurations);
    for (uint64_t i = 0; i < node->log_end; i++) {
        const struct replica_entry *entry = &node->log[i + 1];
        entries[i] = (struct log_recovered_entry){entry->term, entry->kind, NULL, (uint32_t)entry->bytes->size_bytes};
        if (entry->kind != REPLICA_ENTRY_CONFIGURATION)
            continue;
        assert_int_equal(configuration_decode(buffer_slice(entry->bytes), &configurations[i]), STATUS_OK);
        entries[i].configuration = &configurations[i];
    }
    struct log_recovered recovered = {.term = node->log_term,
                                      .vote = node->log_vote,
                                      .first_index = 1,
                                      .entry_count = node->log_end,
                                      .entries = entries};
    node->lives++;
    struct raft_loop_options options = {
        .replica = {.id = node->id,
                    .seed = cluster->seed * 1000 + node->id * 100 + node->lives,
                    .election_ms = REPLICA_ELECTION_MS,
                    .heartbeat_ms = REPLICA_HEARTBEAT_MS,
                    .applied_index = node->applied_index,
                    .feature_level = 1},
        .nonce = random_seeded_next(&cluster->random),
    };
    node->loop = raft_loop_create(&options, &recovered);
    free(entries);
    free(configurations);
    struct replica_message start = {.kind = REPLICA_START};
    replica_tell(cluster, node, &start);
}

static void node_init(struct loop_cluster *cluster, uint32_t position)
{
    struct loop_node *node = &cluster->nodes[position];
    struct configuration configuration = {.count = cluster->count};
    for (uint32_t i = 0; i < cluster->count; i++)
        configuration.members[i] = (struct member){i + 1, MEMBER_VOTER};
    node->id = position + 1;
    node->log_term = 1;
    node->log[1] = (struct replica_entry){1, 1, REPLICA_ENTRY_CONFIGURATION, buffer_create(CONFIGURATION_MAX_BYTES)};
    node->log[1].bytes->size_bytes =
        configuration_encode(&configuration, (struct span){node->log[1].bytes->data, CONFIGURATION_MAX_BYTES});
    node->log_end = 1;
    list_init(&node->requests);
    raft_loop_actions_init(&node->actions);
    node_start(cluster, node);
}

void loop_cluster_init(struct loop_cluster *cluster, uint32_t count, uint64_t seed)
{
    memset(cluster, 0, sizeof *cluster);
    cluster->count = count;
    cluster->now_ms = START_MS;
    cluster->seed = seed;
    (void)random_from_seed(&cluster->random, seed);
    cluster->delay_max_ms = 1;
    cluster->room = malloc(ROOM_BYTES);
    list_init(&cluster->packets);
    for (uint32_t i = 0; i < count; i++)
        node_init(cluster, i);
    for (uint32_t i = 0; i < count * count; i++) {
        if (i / count != i % count)
            loop_cluster_connect(cluster, i / count + 1, i % count + 1, true);
    }
}

static void node_stop(struct loop_node *node)
{
    struct list_link *link;
    while ((link = list_first(&node->requests)) != NULL) {
        list_remove(link);
        log_request_free(container_of(link, struct log_request, link));
    }
    for (size_t i = 0; i < node->queue_count; i++)
        buffer_put(node->queue[i].bytes);
    node->queue_count = 0;
    raft_loop_destroy(node->loop);
}

void loop_cluster_fini(struct loop_cluster *cluster)
{
    struct list_link *link;
    while ((link = list_first(&cluster->packets)) != NULL)
        packet_free(container_of(link, struct loop_packet, link));
    for (uint32_t i = 0; i < cluster->count; i++) {
        struct loop_node *node = &cluster->nodes[i];
        node_stop(node);
        log_truncate(node, 1);
        raft_loop_actions_fini(&node->actions);
    }
    free(cluster->room);
}

void loop_cluster_connect(struct loop_cluster *cluster, uint64_t from, uint64_t to, bool open)
{
    struct raft_loop_message message = {.kind = open ? RAFT_LOOP_OPENED : RAFT_LOOP_CLOSED, .node = to};
    struct list_link *next;
    for (struct list_link *link = list_first(&cluster->packets); link != NULL; link = next) {
        struct loop_packet *packet = container_of(link, struct loop_packet, link);
        next = list_next(&cluster->packets, link);
        if (packet->from == from && packet->to == to)
            packet_free(packet);
    }
    cluster->closed[from][to] = !open;
    if (cluster->nodes[from - 1].stopped)
        cluster->reset[from][to] = true;
    else
        loop_node_step(cluster, &cluster->nodes[from - 1], &message);
}

void loop_node_resume(struct loop_cluster *cluster, struct loop_node *node)
{
    node->stopped = false;
    for (uint32_t i = 1; i <= cluster->count; i++) {
        struct raft_loop_message message = {.kind = RAFT_LOOP_CLOSED, .node = i};
        if (!cluster->reset[node->id][i])
            continue;
        cluster->reset[node->id][i] = false;
        loop_node_step(cluster, node, &message);
        if (!cluster->closed[node->id][i])
            loop_cluster_connect(cluster, node->id, i, true);
    }
}

void loop_node_restart(struct loop_cluster *cluster, struct loop_node *node)
{
    node_stop(node);
    node->role = REPLICA_FOLLOWER;
    node->leader = node->lease_until_ms = node->commit_index = node->incarnation = node->barrier_count = 0;
    node->alive = node->sick = node->stopped = node->apply_held = false;
    node_start(cluster, node);
    for (uint32_t i = 1; i <= cluster->count; i++) {
        if (i == node->id)
            continue;
        if (!cluster->closed[i][node->id])
            loop_cluster_connect(cluster, i, node->id, false);
        loop_cluster_connect(cluster, i, node->id, true);
        loop_cluster_connect(cluster, node->id, i, true);
    }
}

void loop_cluster_print(const struct loop_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->count; i++) {
        const struct loop_node *node = &cluster->nodes[i];
        struct replica_status status;
        raft_loop_status(node->loop, &status);
        print_message(
            "node %llu: life %u, role %d, term %llu, leader %llu, log %llu, commit %llu, applied %llu, lease %lld, "
            "alive %d%s%s%s, voters",
            (unsigned long long)node->id, node->lives, (int)node->role, (unsigned long long)status.term,
            (unsigned long long)node->leader, (unsigned long long)node->log_end, (unsigned long long)node->commit_index,
            (unsigned long long)node->applied_index, (long long)(node->lease_until_ms - loop_node_now(cluster, node)),
            node->alive, node->stopped ? ", stopped" : "", node->unhealthy ? ", unhealthy" : "",
            node->sick ? ", sick" : "");
        for (uint32_t j = 0; j < status.configuration.count; j++)
            print_message(status.configuration.members[j].role == MEMBER_VOTER ? " %llu" : " (%llu)",
                          (unsigned long long)status.configuration.members[j].id);
        for (uint32_t j = 1; j <= cluster->count; j++)
            print_message("%s", cluster->closed[node->id][j] ? " closed"
                                : cluster->cut[node->id][j]  ? " cut"
                                                             : " open");
        print_message("\n");
    }
}

struct loop_node *loop_cluster_leader(struct loop_cluster *cluster)
{
    for (uint32_t round = 0; round < 10000; round++) {
        struct loop_node *leader = NULL;
        uint32_t followed = 0;
        for (uint32_t i = 0; i < cluster->count; i++) {
            struct loop_node *node = &cluster->nodes[i];
            if (node->role == REPLICA_LEADER && node->lease_until_ms > loop_node_now(cluster, node))
                leader = node;
        }
        for (uint32_t i = 0; i < cluster->count && leader != NULL; i++) {
            const struct loop_node *node = &cluster->nodes[i];
            bool apart = node->stopped || cluster->cut[leader->id][node->id] || cluster->cut[node->id][leader->id];
            followed += node == leader || apart || node->leader == leader->id;
        }
        if (leader != NULL && followed == cluster->count)
            return leader;
        loop_cluster_run(cluster, 1);
    }
    loop_cluster_print(cluster);
    fail_msg("seed %llu: nobody leads", (unsigned long long)cluster->seed);
    return NULL;
}

struct loop_node *loop_cluster_follower(struct loop_cluster *cluster)
{
    const struct loop_node *leader = loop_cluster_leader(cluster);
    return &cluster->nodes[leader->id % cluster->count];
}

void loop_node_propose(struct loop_cluster *cluster, struct loop_node *node, struct proposal *proposal)
{
    struct replica_message message = {.kind = REPLICA_PROPOSE};
    list_init(&message.proposals);
    list_append(&message.proposals, &proposal->link);
    replica_tell(cluster, node, &message);
}

void loop_node_read(struct loop_cluster *cluster, struct loop_node *node, uint32_t reader, uint64_t number)
{
    struct raft_loop_message message = {.kind = RAFT_LOOP_READ, .reader = reader, .number = number};
    loop_node_step(cluster, node, &message);
}

uint64_t loop_node_barrier(const struct loop_node *node, uint32_t reader, uint64_t number)
{
    for (size_t i = 0; i < node->barrier_count; i++) {
        if (node->barriers[i].reader == reader && node->barriers[i].number == number)
            return node->barriers[i].index;
    }
    return 0;
}

void loop_cluster_cut(struct loop_cluster *cluster, uint64_t id, bool cut)
{
    for (uint32_t i = 1; i <= cluster->count; i++) {
        if (i != id)
            cluster->cut[i][id] = cluster->cut[id][i] = cut;
    }
}

void loop_cluster_register(struct loop_cluster *cluster)
{
    struct raft_loop_process processes[LOOP_NODES_MAX];
    for (uint32_t i = 0; i < cluster->count; i++) {
        struct loop_node *node = &cluster->nodes[i];
        uint64_t incarnation = 100 * (uint64_t)node->lives + node->id;
        struct raft_loop_message registered = {.kind = RAFT_LOOP_REGISTERED, .incarnation = incarnation};
        processes[i] = (struct raft_loop_process){node->id, incarnation};
        if (node->incarnation != incarnation)
            loop_node_step(cluster, node, &registered);
        node->incarnation = incarnation;
    }
    for (uint32_t i = 0; i < cluster->count; i++) {
        struct raft_loop_message known = {
            .kind = RAFT_LOOP_PROCESSES, .processes = processes, .process_count = cluster->count};
        loop_node_step(cluster, &cluster->nodes[i], &known);
    }
}
