/* node_actors.c: the log writer, the applier with its flusher, and the steward, as events. Each run takes a few of the
 * messages that wait. */
#include <stdlib.h>

#include "base/check.h"
#include "blockstore/block_memory.h"
#include "statestore/store/kv_memory.h"
#include "tests/sim/node_state.h"

#define TICK_STEWARD_US ((uint64_t)STEWARD_TICK_MS * 1000)
#define TICK_WRITER_US ((uint64_t)WORKER_SLEEP_MS * 1000)

/* --- log writer --- */

/* The disk is done with a group: the raft loop hears of it. */
static void log_synced(void *context, uint64_t number)
{
    struct node *node = ((struct node_actor *)context)->node;
    if (!node_lives(node, number))
        return;
    struct list_link *link;
    node->log_syncing = false;
    while ((link = node_take(&node->log_replies)) != NULL) {
        node_raft_post_replica(node, container_of(link, struct replica_message, link));
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
        node->log_began_ms = host_now_ms(&node->host);
        node_after(node, node_disk_delay(node), log_synced, actor);
    }
    node_step_over(node);
}

static void log_tick(void *context, uint64_t number)
{
    struct node_actor *actor = context;
    if (!node_lives(actor->node, number))
        return;
    node_wake(actor);
    node_after(actor->node, TICK_WRITER_US, log_tick, actor);
}

/* --- applier --- */

static void apply_post(struct node *node, const struct node_apply_post *post)
{
    struct node_apply_post *posted = calloc(1, sizeof(*posted));
    CHECK(posted != NULL);
    *posted = *post;
    list_append(&node->apply.inbox, &posted->link);
    node_wake(&node->apply);
}

void node_apply(struct node *node, const struct replica_entry *entry)
{
    apply_post(node, &(struct node_apply_post){.entry = *entry});
}

static void apply_carry(struct node *node, const struct applier_action *action)
{
    for (; action != NULL; action = action->next) {
        struct node_steward_post word;
        struct raft_loop_message hash;
        switch (action->kind) {
        case APPLIER_RESULT:
            word = (struct node_steward_post){.kind = STEWARD_RESULT, .place = action->place, .bytes = action->bytes};
            if (action->loop == APPLIER_LOOP_STEWARD)
                node_steward_post(node, &word);
            else
                node_gateway_result(node, action->loop, action->place, action->bytes);
            break;
        case APPLIER_EFFECT:
            if (action->effect.kind == EFFECT_PROCESS_OPENED || action->effect.kind == EFFECT_PROCESS_CLOSED)
                node_raft_processes(node);
            node_steward_effect(node, &action->effect);
            node_gateway_effect(node, &action->effect);
            break;
        case APPLIER_FLUSH: node_flush_begin(node, action); break;
        case APPLIER_HASH:
            hash = (struct raft_loop_message){.kind = RAFT_LOOP_HASH, .index = action->index};
            memcpy(hash.hash, &action->hash, sizeof(hash.hash));
            node_raft_post(node, &hash);
            break;
        }
    }
}

static void apply_advanced(struct node *node)
{
    uint64_t uptime_ms = node->applier.machine.uptime_ms;
    atomic_store(&node->published.uptime_ms, uptime_ms);
    if (node->leads)
        atomic_store(&node->published.uptime_at_ms, host_now_ms(&node->host));
    node_raft_tell(node, REPLICA_APPLIED, atomic_load(&node->published.index), uptime_ms);
    node_gateway_advanced(node);
}

/* False: the disk is full, the entry stays first. */
static bool apply_entry(struct node *node, const struct replica_entry *entry)
{
    struct applier_action *actions = NULL;
    uint64_t before = node->applier.machine.command_number;
    oracle_entry(node->oracle, entry);
    enum status status = applier_step(&node->applier, entry, &actions);
    if (node->life > 1 && !node->serving)
        world_count(node->world, COUNT_replayed_commands, node->applier.machine.command_number - before);
    if (status != STATUS_OK && status != STATUS_NO_SPACE) {
        for (const struct applier_action *action = actions; action != NULL; action = action->next)
            buffer_put(action->bytes); /* nobody will ever see it */
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
        node_raft_tell(node, REPLICA_FLUSHED, post->index, 0);
    } else if (status == STATUS_NO_SPACE) {
        apply_post(node, post);
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
    for (uint64_t i = node_burst(node); i > 0 && !node->dying && !node->apply_waits; i--) {
        if ((link = node_take(&actor->inbox)) == NULL)
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
        node_after(node, DISK_FULL_RETRY_MS * 1000, apply_again, actor);
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
        node_after(node, DISK_FULL_RETRY_MS * 1000, flush_blocks, node);
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
        node_after(node, node_disk_delay(node), flush_state, node);
    node_step_over(node);
}

static void flush_state(void *context, uint64_t number)
{
    struct node *node = context;
    if (!node_lives(node, number))
        return;
    if (flush_goes_on(node, kv_store_flush(node->store)))
        node_after(node, node_disk_delay(node), flush_done, node);
    node_step_over(node);
}

static void flush_done(void *context, uint64_t number)
{
    struct node *node = context;
    if (!node_lives(node, number))
        return;
    atomic_store(&node->published.flushed_index, node->flush_index);
    atomic_store(&node->published.flushed_number, node->flush_number);
    node->flushing = false;
    apply_post(node, &(struct node_apply_post){.flushed = true, .index = node->flush_index});
}

void node_flush_begin(struct node *node, const struct applier_action *action)
{
    node->flushing = true;
    node->flush_index = action->index;
    node->flush_number = action->number;
    node_after(node, node_disk_delay(node), flush_blocks, node);
}

/* --- steward --- */

static void serve(struct node *node, struct incarnation_id incarnation, const struct machine *machine)
{
    node->serving = true;
    node->incarnation = incarnation.value;
    node->options.serves(node->options.context);
    node_gateway_serve(node, incarnation, machine);
    network_serve(node->network, true);
    node_raft_post(node, &(struct raft_loop_message){.kind = RAFT_LOOP_REGISTERED, .incarnation = incarnation.value});
    world_trace(node->world, "node %u serves as incarnation %llu", node->options.id,
                (unsigned long long)incarnation.value);
}

static void steward_carry(struct node *node, const struct steward_action *action)
{
    for (; action != NULL; action = action->next) {
        switch (action->kind) {
        case STEWARD_DO_PROPOSE: node_propose(node, action->proposal); break;
        case STEWARD_DO_SERVE: serve(node, action->incarnation, action->machine); break;
        case STEWARD_DO_ANSWER: buffer_put(action->bytes); break; /* there is no operator */
        case STEWARD_DO_REMOVE:
            for (size_t i = 0; i < action->garbage_count; i++)
                CHECK(block_remove(node->blocks, action->garbage[i].block) == STATUS_OK);
            world_count(node->world, COUNT_blocks_swept, action->garbage_count);
            node_steward_post(node, &(struct node_steward_post){.kind = STEWARD_GARBAGE_REMOVED});
            break;
        case STEWARD_DO_FORGET:
            apply_post(node, &(struct node_apply_post){.swept = true, .garbage = *action->garbage});
            break;
        case STEWARD_DO_FLUSH: node_flush(node); break;
        case STEWARD_DO_RESTART: node_restart(node); break;
        }
    }
}

static void steward_step_message(struct node *node, const struct steward_message *message)
{
    const struct published *published = &node->published;
    view_refresh(&node->steward_view);
    uint64_t now_ms = host_now_ms(&node->host);
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
    steward_carry(node, steward_step(node->steward, message, &moment));
}

static void steward_run(void *context, uint64_t number)
{
    struct node_actor *actor = context;
    struct node *node = actor->node;
    if (!node_lives(node, number))
        return;
    actor->scheduled = false;
    struct list_link *link = node_take(&actor->inbox);
    if (link != NULL) {
        struct node_steward_post *post = container_of(link, struct node_steward_post, link);
        struct steward_message message = {
            .kind = post->kind,
            .on = post->on,
            .place = post->place,
            .effect = &post->effect,
            .node = post->node,
            .incarnation = post->incarnation,
            .term = post->term,
        };
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
    node_after(node, TICK_STEWARD_US, steward_tick, actor);
    node_step_over(node);
}

void node_steward_effect(struct node *node, const struct machine_effect *effect)
{
    if (effect->kind == EFFECT_PURGE || effect->kind == EFFECT_BLOCKS_DEAD || effect->kind == EFFECT_PROCESS_CLOSED)
        node_steward_post(node, &(struct node_steward_post){.kind = STEWARD_EFFECT, .effect = *effect});
}

void node_steward_post(struct node *node, const struct node_steward_post *post)
{
    struct node_steward_post *posted = calloc(1, sizeof(*posted));
    CHECK(posted != NULL);
    *posted = *post;
    list_append(&node->stewards.inbox, &posted->link);
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
    actor_init(node, &node->log, log_run);
    actor_init(node, &node->apply, apply_run);
    actor_init(node, &node->stewards, steward_run);
    list_init(&node->log_replies);
    node->log_syncing = node->apply_waits = node->flushing = false;
    node_after(node, TICK_WRITER_US, log_tick, &node->log);
    node_after(node, TICK_STEWARD_US, steward_tick, &node->stewards);
}

void node_actors_drop(struct node *node)
{
    struct list_link *link;
    while ((link = node_take(&node->log_replies)) != NULL)
        replica_message_free(container_of(link, struct replica_message, link));
    while ((link = node_take(&node->log.inbox)) != NULL)
        log_request_free(container_of(link, struct log_request, link));
    while ((link = node_take(&node->apply.inbox)) != NULL) {
        struct node_apply_post *post = container_of(link, struct node_apply_post, link);
        buffer_put(post->entry.bytes);
        free(post);
    }
    while ((link = node_take(&node->stewards.inbox)) != NULL) {
        struct node_steward_post *post = container_of(link, struct node_steward_post, link);
        buffer_put(post->bytes);
        free(post);
    }
}
