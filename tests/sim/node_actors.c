/* node_actors.c: the raft loop, the log writer, the applier with its flusher, the steward and the block readers, as
 * events. Each run takes a few of the messages that wait. */
#include <stdlib.h>

#include "base/check.h"
#include "blockstore/block_memory.h"
#include "statestore/store/kv_memory.h"
#include "tests/sim/node_state.h"

#define TICK_STEWARD_US ((uint64_t)STEWARD_TICK_MS * 1000)
#define TICK_WRITER_US ((uint64_t)WORKER_SLEEP_MS * 1000)

static struct list_link *take(struct list *list)
{
    struct list_link *link = list_first(list);
    if (link != NULL)
        list_remove(link);
    return link;
}

/* How many of the waiting messages one run takes. */
static uint64_t burst(struct node *node)
{
    return world_chance(node->world, 3) ? 1 : 1 + world_draw(node->world, 64);
}

static int64_t wall_ns(const struct node *node)
{
    return node->clock.wall_ns(node->clock.context);
}

/* --- raft loop --- */

static void raft_tick(void *context, uint64_t number);

static void raft_carry(struct node *node, const struct replica_action *action)
{
    for (; action != NULL; action = action->next) {
        struct node_apply_post *post;
        struct node_steward_post *word;
        switch (action->kind) {
        case REPLICA_ACTION_LOG:
            list_append(&node->log.inbox, &action->request->link);
            node_wake(&node->log);
            break;
        case REPLICA_ACTION_COMMIT: atomic_store(&node->published.commit, action->index); break;
        case REPLICA_ACTION_APPLY:
            post = calloc(1, sizeof(*post));
            CHECK(post != NULL);
            post->entry = action->entry;
            list_append(&node->apply.inbox, &post->link);
            node_wake(&node->apply);
            break;
        case REPLICA_ACTION_ROLE:
            node->leads = action->role == REPLICA_LEADER;
            atomic_store(&node->published.uptime_at_ms, node->leads ? world_now_ms(node->world) : 0);
            word = calloc(1, sizeof(*word));
            CHECK(word != NULL);
            atomic_store(&node->published.lease_until_ms, UINT64_MAX);
            word->kind = STEWARD_LEADER;
            word->on = node->leads;
            list_append(&node->stewards.inbox, &word->link);
            node_wake(&node->stewards);
            break;
        case REPLICA_ACTION_REFUSED: list_append(&node->proposals, &action->proposal->link); break;
        case REPLICA_ACTION_SPACE: atomic_store(&node->published.log_low, action->space != LOG_SPACE_GOOD); break;
        case REPLICA_ACTION_SEND:
        case REPLICA_ACTION_FORWARD:
        case REPLICA_ACTION_INSTALL:
        case REPLICA_ACTION_CHANGED: CHECK(false); break; /* a node alone has nobody to talk to */
        }
    }
}

static void raft_step(struct node *node, struct replica_message *message)
{
    replica_step(node->replica, message, world_now_ms(node->world), wall_ns(node), &node->actions);
    raft_carry(node, node->actions.first);
    uint64_t deadline_ms = node->actions.deadline_ms;
    if (deadline_ms < node->tick_ms || node->tick_ms <= world_now_ms(node->world)) {
        uint64_t now_ms = world_now_ms(node->world);
        node->tick_ms = deadline_ms > now_ms ? deadline_ms : now_ms + 1;
        world_after(node->world, (node->tick_ms - now_ms) * 1000, raft_tick, &node->raft, node->life);
    }
}

static void raft_tick(void *context, uint64_t number)
{
    struct node *node = ((struct node_actor *)context)->node;
    if (!node_lives(node, number) || world_now_ms(node->world) < node->tick_ms)
        return;
    struct replica_message tick = {.kind = REPLICA_TICK};
    list_init(&tick.proposals);
    raft_step(node, &tick);
    node_step_over(node);
}

static void raft_propose(struct node *node)
{
    struct replica_message message = {.kind = REPLICA_PROPOSE};
    struct list_link *link;
    list_init(&message.proposals);
    while ((link = take(&node->proposals)) != NULL)
        list_append(&message.proposals, link);
    if (!list_empty(&message.proposals))
        raft_step(node, &message);
}

static void raft_run(void *context, uint64_t number)
{
    struct node_actor *actor = context;
    struct node *node = actor->node;
    if (!node_lives(node, number))
        return;
    actor->scheduled = false;
    struct list_link *link;
    for (uint64_t i = burst(node); i > 0 && (link = take(&actor->inbox)) != NULL; i--) {
        struct replica_message *message = container_of(link, struct replica_message, link);
        raft_step(node, message);
        replica_message_free(message);
    }
    if (list_empty(&actor->inbox))
        raft_propose(node);
    else
        node_wake(actor);
    node_step_over(node);
}

static void raft_post(struct node *node, enum replica_message_kind kind, uint64_t index, uint64_t uptime_ms)
{
    struct replica_message *message = calloc(1, sizeof(*message));
    CHECK(message != NULL);
    message->kind = kind;
    message->index = index;
    message->uptime_ms = uptime_ms;
    list_init(&message->proposals);
    list_append(&node->raft.inbox, &message->link);
    node_wake(&node->raft);
}

void node_propose(struct node *node, struct proposal *proposal)
{
    list_append(&node->proposals, &proposal->link);
    node_wake(&node->raft);
}

void node_raft_begin(struct node *node)
{
    struct replica_message start = {.kind = REPLICA_START};
    list_init(&start.proposals);
    node->tick_ms = 0;
    raft_step(node, &start);
}

/* --- log writer --- */

/* The disk is done with a group: the raft loop hears of it. */
static void log_synced(void *context, uint64_t number)
{
    struct node *node = ((struct node_actor *)context)->node;
    if (!node_lives(node, number))
        return;
    struct list_link *link;
    node->log_syncing = false;
    while ((link = take(&node->log_replies)) != NULL) {
        list_append(&node->raft.inbox, link);
        node_wake(&node->raft);
    }
    if (!list_empty(&node->log.inbox))
        node_wake(&node->log);
}

static void log_run(void *context, uint64_t number)
{
    struct node_actor *actor = context;
    struct node *node = actor->node;
    if (!node_lives(node, number))
        return;
    actor->scheduled = false;
    if (node->log_syncing)
        return; /* runs again when that is over */
    bool had_work = !list_empty(&actor->inbox);
    enum status status = log_writer_step(node->writer, &actor->inbox, &node->log_replies);
    if (status != STATUS_OK)
        node_failed(node, status, "writing the log");
    else if (had_work || !list_empty(&node->log_replies)) {
        node->log_syncing = true;
        world_after(node->world, node_disk_delay(node), log_synced, actor, node->life);
    }
    node_step_over(node);
}

static void log_tick(void *context, uint64_t number)
{
    struct node_actor *actor = context;
    if (!node_lives(actor->node, number))
        return;
    node_wake(actor);
    world_after(actor->node->world, TICK_WRITER_US, log_tick, actor, number);
}

/* --- applier --- */

static void apply_carry(struct node *node, const struct applier_action *action)
{
    for (; action != NULL; action = action->next) {
        struct node_steward_post *post;
        switch (action->kind) {
        case APPLIER_RESULT:
            if (action->loop != APPLIER_LOOP_STEWARD) {
                node_gateway_result(node, action->loop, action->place, action->bytes);
                break;
            }
            post = calloc(1, sizeof(*post));
            CHECK(post != NULL);
            post->kind = STEWARD_RESULT;
            post->place = action->place;
            post->bytes = action->bytes;
            list_append(&node->stewards.inbox, &post->link);
            node_wake(&node->stewards);
            break;
        case APPLIER_EFFECT:
            node_steward_effect(node, &action->effect);
            node_gateway_effect(node, &action->effect);
            break;
        case APPLIER_FLUSH: node_flush_begin(node, action); break;
        case APPLIER_HASH: break; /* every batch's hash is compared with the oracle's */
        }
    }
}

static void apply_advanced(struct node *node)
{
    uint64_t uptime_ms = node->applier.machine.uptime_ms;
    atomic_store(&node->published.uptime_ms, uptime_ms);
    if (node->leads)
        atomic_store(&node->published.uptime_at_ms, world_now_ms(node->world));
    raft_post(node, REPLICA_APPLIED, atomic_load(&node->published.index), uptime_ms);
    node_gateway_advanced(node);
}

/* False: the disk is full, the entry stays first. */
static bool apply_entry(struct node *node, const struct replica_entry *entry)
{
    struct applier_action *actions = NULL;
    uint64_t before = node->applier.machine.command_number;
    oracle_entry(node->oracle, entry, node->life);
    enum status status = applier_step(&node->applier, entry, &actions);
    if (node->life > 1 && !node->serving)
        world_count(node->world, COUNT_replayed_commands, node->applier.machine.command_number - before);
    if (status != STATUS_OK && status != STATUS_NO_SPACE) {
        node_failed(node, status, "applying an entry");
        return true;
    }
    oracle_applied(node->oracle, &node->applier.machine);
    apply_carry(node, actions);
    return status == STATUS_OK;
}

static void apply_flushed(struct node *node, struct node_apply_post *post)
{
    enum status status = applier_flushed(&node->applier, post->index);
    if (status == STATUS_OK) {
        world_count(node->world, COUNT_flushes, 1);
        raft_post(node, REPLICA_FLUSHED, post->index, 0);
    } else if (status == STATUS_NO_SPACE) {
        struct node_apply_post *again = calloc(1, sizeof(*again));
        CHECK(again != NULL);
        *again = *post;
        list_append(&node->apply.inbox, &again->link);
        node->apply_waits = true;
    } else {
        node_failed(node, status, "noting a flush");
    }
}

static void apply_again(void *context, uint64_t number)
{
    struct node_actor *actor = context;
    if (!node_lives(actor->node, number))
        return;
    actor->node->apply_waits = false;
    node_wake(actor);
}

static void apply_run(void *context, uint64_t number)
{
    struct node_actor *actor = context;
    struct node *node = actor->node;
    if (!node_lives(node, number))
        return;
    actor->scheduled = false;
    bool advanced = false;
    struct list_link *link;
    for (uint64_t i = burst(node); i > 0 && !node->dying && !node->apply_waits; i--) {
        if ((link = take(&actor->inbox)) == NULL)
            break;
        struct node_apply_post *post = container_of(link, struct node_apply_post, link);
        if (post->flushed) {
            apply_flushed(node, post);
        } else if (post->swept) {
            applier_swept(&node->applier, &post->garbage);
        } else if (apply_entry(node, &post->entry)) {
            buffer_put(post->entry.bytes);
            advanced = true;
        } else {
            node->apply_waits = true;
            list_prepend(&actor->inbox, link);
            continue;
        }
        free(post);
    }
    if (advanced && !node->dying)
        apply_advanced(node);
    if (node->apply_waits)
        world_after(node->world, DISK_FULL_RETRY_MS * 1000, apply_again, actor, node->life);
    else if (!list_empty(&actor->inbox))
        node_wake(actor);
    node_step_over(node);
}

/* --- flusher: three moments, between which the process can end --- */

static void flush_done(void *context, uint64_t number);
static void flush_state(void *context, uint64_t number);
static void flush_blocks(void *context, uint64_t number);

static bool flush_crashes(struct node *node)
{
    if (!node->crash_at_flush || !world_chance(node->world, 2))
        return false;
    node->crash_at_flush = false;
    node_die(node, COUNT_crashes_in_flush);
    return true;
}

/* STATUS_NO_SPACE: the whole flush again after a while. */
static bool flush_goes_on(struct node *node, enum status status)
{
    if (status == STATUS_NO_SPACE) {
        world_after(node->world, DISK_FULL_RETRY_MS * 1000, flush_blocks, node, node->life);
        return false;
    }
    if (status != STATUS_OK) {
        node_failed(node, status, "flushing the state");
        return false;
    }
    return !flush_crashes(node);
}

static void flush_blocks(void *context, uint64_t number)
{
    struct node *node = context;
    if (!node_lives(node, number))
        return;
    if (flush_goes_on(node, block_sync(node->blocks)))
        world_after(node->world, node_disk_delay(node), flush_state, node, number);
    node_step_over(node);
}

static void flush_state(void *context, uint64_t number)
{
    struct node *node = context;
    if (!node_lives(node, number))
        return;
    if (flush_goes_on(node, kv_store_flush(node->store)))
        world_after(node->world, node_disk_delay(node), flush_done, node, number);
    node_step_over(node);
}

static void flush_done(void *context, uint64_t number)
{
    struct node *node = context;
    if (!node_lives(node, number))
        return;
    struct node_apply_post *post = calloc(1, sizeof(*post));
    CHECK(post != NULL);
    post->flushed = true;
    post->index = node->flush_index;
    atomic_store(&node->published.flushed_index, node->flush_index);
    atomic_store(&node->published.flushed_number, node->flush_number);
    node->flushing = false;
    list_append(&node->apply.inbox, &post->link);
    node_wake(&node->apply);
}

void node_flush_begin(struct node *node, const struct applier_action *action)
{
    node->flushing = true;
    node->flush_index = action->index;
    node->flush_number = action->number;
    world_after(node->world, node_disk_delay(node), flush_blocks, node, node->life);
}

/* --- steward --- */

static void steward_step_message(struct node *node, const struct steward_message *message)
{
    const struct published *published = &node->published;
    view_refresh(&node->steward_view);
    uint64_t now_ms = world_now_ms(node->world);
    uint64_t since_ms = atomic_load(&published->uptime_at_ms);
    struct steward_moment moment = {
        .now_ms = now_ms,
        .view = node->steward_view.read,
        .uptime_ms = atomic_load(&published->uptime_ms) + (since_ms != 0 && now_ms > since_ms ? now_ms - since_ms : 0),
        .command_number = atomic_load(&published->command),
        .flushed_number = atomic_load(&published->flushed_number),
        .free_bytes = atomic_load(&published->free_bytes),
        .total_bytes = atomic_load(&published->total_bytes),
        .log_low = atomic_load(&published->log_low),
    };
    for (const struct steward_action *action = steward_step(node->steward, message, &moment); action != NULL;
         action = action->next) {
        struct node_steward_post *post;
        struct node_apply_post *swept;
        switch (action->kind) {
        case STEWARD_DO_PROPOSE: node_propose(node, action->proposal); break;
        case STEWARD_DO_SERVE:
            node->serving = true;
            node->options.serves(node->options.context);
            node_gateway_serve(node, action->incarnation, action->machine);
            network_serve(node->network, true);
            world_trace(node->world, "the node serves as incarnation %llu",
                        (unsigned long long)action->incarnation.value);
            break;
        case STEWARD_DO_ANSWER: buffer_put(action->bytes); break; /* there is no operator */
        case STEWARD_DO_REMOVE:
            for (size_t i = 0; i < action->garbage_count; i++)
                CHECK(block_remove(node->blocks, action->garbage[i].block) == STATUS_OK);
            world_count(node->world, COUNT_blocks_swept, action->garbage_count);
            post = calloc(1, sizeof(*post));
            CHECK(post != NULL);
            post->kind = STEWARD_GARBAGE_REMOVED;
            list_append(&node->stewards.inbox, &post->link);
            node_wake(&node->stewards);
            break;
        case STEWARD_DO_FORGET:
            swept = calloc(1, sizeof(*swept));
            CHECK(swept != NULL);
            swept->swept = true;
            swept->garbage = *action->garbage;
            list_append(&node->apply.inbox, &swept->link);
            node_wake(&node->apply);
            break;
        case STEWARD_DO_FLUSH: node_flush(node); break;
        case STEWARD_DO_RESTART: world_violation(node->world, "a process without another one is closed"); break;
        }
    }
}

static void steward_run(void *context, uint64_t number)
{
    struct node_actor *actor = context;
    struct node *node = actor->node;
    if (!node_lives(node, number))
        return;
    actor->scheduled = false;
    struct list_link *link = take(&actor->inbox);
    if (link != NULL) {
        struct node_steward_post *post = container_of(link, struct node_steward_post, link);
        struct steward_message message = {
            .kind = post->kind, .on = post->on, .place = post->place, .effect = &post->effect};
        if (post->bytes != NULL)
            message.bytes = buffer_slice(post->bytes);
        steward_step_message(node, &message);
        buffer_put(post->bytes);
        free(post);
    }
    if (!list_empty(&actor->inbox))
        node_wake(actor);
    node_step_over(node);
}

static void steward_tick(void *context, uint64_t number)
{
    struct node_actor *actor = context;
    struct node *node = actor->node;
    if (!node_lives(node, number))
        return;
    struct steward_message message = {.kind = STEWARD_TICK};
    steward_step_message(node, &message);
    world_after(node->world, TICK_STEWARD_US, steward_tick, actor, number);
    node_step_over(node);
}

void node_steward_effect(struct node *node, const struct machine_effect *effect)
{
    if (effect->kind != EFFECT_PURGE && effect->kind != EFFECT_BLOCKS_DEAD)
        return;
    struct node_steward_post *post = calloc(1, sizeof(*post));
    CHECK(post != NULL);
    post->kind = STEWARD_EFFECT;
    post->effect = *effect;
    list_append(&node->stewards.inbox, &post->link);
    node_wake(&node->stewards);
}

/* --- all of them --- */

static void actor_init(struct node *node, struct node_actor *actor, world_action *run)
{
    *actor = (struct node_actor){.node = node, .run = run};
    list_init(&actor->inbox);
}

void node_actors_init(struct node *node)
{
    actor_init(node, &node->raft, raft_run);
    actor_init(node, &node->log, log_run);
    actor_init(node, &node->apply, apply_run);
    actor_init(node, &node->stewards, steward_run);
    list_init(&node->proposals);
    list_init(&node->log_replies);
    node->log_syncing = node->apply_waits = node->flushing = false;
    world_after(node->world, TICK_WRITER_US, log_tick, &node->log, node->life);
    world_after(node->world, TICK_STEWARD_US, steward_tick, &node->stewards, node->life);
}

void node_actors_drop(struct node *node)
{
    struct list_link *link;
    while ((link = take(&node->raft.inbox)) != NULL || (link = take(&node->log_replies)) != NULL)
        replica_message_free(container_of(link, struct replica_message, link));
    while ((link = take(&node->log.inbox)) != NULL)
        log_request_free(container_of(link, struct log_request, link));
    while ((link = take(&node->apply.inbox)) != NULL) {
        struct node_apply_post *post = container_of(link, struct node_apply_post, link);
        buffer_put(post->entry.bytes);
        free(post);
    }
    while ((link = take(&node->stewards.inbox)) != NULL) {
        struct node_steward_post *post = container_of(link, struct node_steward_post, link);
        buffer_put(post->bytes);
        free(post);
    }
    list_init(&node->proposals);
}
