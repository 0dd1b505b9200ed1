/* Founding nodes under a seed: connections that break at either end, messages that are lost or read late, crashes between any
 * two actions and in the middle of a write, disks that are wiped, a wrong list of peers. After every step: no two cluster ids
 * on all disks together, no node with a wrong id. In the end, when all is well, everybody is a member, or has been wiped and
 * refuses. founding_sim_test [SEEDS [FIRST]] */
#include "cluster/founding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/random.h"

#define NODES_MAX 5u
#define STEPS 1500u
#define QUEUE_MAX 64u

enum mode { MODE_NO_WIPE, MODE_ONE_WIPED, MODE_ALL_WIPED, MODE_WRONG_LIST, MODE_COUNT };

struct store {
    bool has_promised;
    struct founding_record promised;
    bool member;
    uint64_t node;
    uint8_t cluster[16];
};

/* One connection, seen from both ends. */
struct line {
    bool caller_open;
    bool callee_open;
    uint64_t caller; /* process */
    uint64_t callee;
    struct slice queue[QUEUE_MAX]; /* packed frames */
    unsigned queued;
};

/* What a member has said to somebody, still unread. */
struct call {
    uint32_t target;
    uint64_t process;
    uint64_t node;
    uint8_t cluster[16];
    uint32_t source;
};

struct world {
    uint64_t seed;
    enum mode mode;
    struct random_seeded random;
    struct arena arena;
    uint64_t now_ms;
    uint32_t count;
    struct peer_endpoint endpoints[NODES_MAX];
    struct store disks[NODES_MAX];
    bool alive[NODES_MAX];
    bool refused[NODES_MAX]; /* its last process */
    bool wiped[NODES_MAX];   /* once, after it had promised */
    uint64_t processes[NODES_MAX];
    uint64_t last_process;
    struct founding foundings[NODES_MAX];
    struct line lines[NODES_MAX][NODES_MAX];
    struct call calls[QUEUE_MAX];
    unsigned call_count;
    bool apart[NODES_MAX][NODES_MAX];
    uint32_t wiper; /* the one that may be wiped in MODE_ONE_WIPED; the one with the wrong list */
    bool list_corrected;
    bool calm; /* no faults any more */
    bool has_first_cluster;
    uint8_t first_cluster[16];
};

struct counts {
    uint64_t crashes, wipes, adopted, refused, promises_lost, begun_late, late_messages;
};

#define MUST(world, condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail_msg("seed %llu, mode %d: %s", (unsigned long long)(world)->seed, (int)(world)->mode, #condition);     \
    } while (0)

static uint64_t draw(struct world *world, uint64_t below)
{
    return random_seeded_next(&world->random) % below;
}

static bool chance(struct world *world, unsigned percent)
{
    return draw(world, 100) < percent;
}

/* --- lists --- */

static void list_of(const struct world *world, uint32_t node, struct endpoint_list *list)
{
    *list = (struct endpoint_list){0};
    for (uint32_t i = 0; i < world->count; i++)
        CHECK(endpoint_list_add(list, &world->endpoints[i]));
    if (world->mode == MODE_WRONG_LIST && node == world->wiper && !world->list_corrected)
        snprintf(list->items[(node + 1) % world->count].host, 16, "x%u", world->count);
    endpoint_list_sort(list);
}

/* The place of `other` in the list of a process; -1: it is not in there. */
static int place_of(const struct world *world, uint32_t node, uint32_t other)
{
    return endpoint_list_find(&world->foundings[node].options.members, &world->endpoints[other]);
}

static bool founds(const struct world *world, uint32_t node)
{
    return world->alive[node] && !world->disks[node].member;
}

/* --- processes --- */

static void line_clear(struct line *line)
{
    for (unsigned i = 0; i < line->queued; i++)
        free((void *)(uintptr_t)line->queue[i].data);
    line->queued = 0;
}

static void crash(struct world *world, uint32_t node, struct counts *counts)
{
    if (!world->alive[node])
        return;
    counts->crashes++;
    world->alive[node] = false;
    for (uint32_t other = 0; other < world->count; other++) {
        world->lines[node][other].caller_open = false; /* what it had sent may still be read */
        world->lines[other][node].callee_open = false;
        line_clear(&world->lines[other][node]);
    }
}

static void wipe(struct world *world, uint32_t node, struct counts *counts)
{
    counts->wipes++;
    world->wiped[node] = world->wiped[node] || world->disks[node].has_promised;
    world->disks[node] = (struct store){0};
}

static void start(struct world *world, uint32_t node)
{
    struct founding_options options = {.has_promised = world->disks[node].has_promised,
                                       .promised = world->disks[node].promised};
    char trouble[256];
    world->alive[node] = true;
    world->refused[node] = false;
    world->processes[node] = ++world->last_process;
    if (world->disks[node].member)
        return;
    list_of(world, node, &options.members);
    options.self = (uint32_t)endpoint_list_find(&options.members, &world->endpoints[node]);
    options.nonce = random_seeded_next(&world->random) | 1;
    for (unsigned i = 0; i < 16; i++)
        options.fresh_id[i] = (uint8_t)draw(world, 256);
    MUST(world, founding_init(&world->foundings[node], &options, (struct span){(uint8_t *)trouble, sizeof(trouble)}) ==
                    STATUS_OK);
}

/* --- what must be so --- */

static void look(struct world *world)
{
    const uint8_t *id = NULL;
    for (uint32_t i = 0; i < world->count; i++) {
        const struct store *disk = &world->disks[i];
        if (!disk->has_promised)
            continue;
        MUST(world, id == NULL || memcmp(id, disk->promised.cluster_id, 16) == 0);
        MUST(world, world->mode != MODE_WRONG_LIST || world->list_corrected);
        id = disk->promised.cluster_id;
        if (!disk->member)
            continue;
        MUST(world, memcmp(disk->cluster, id, 16) == 0 && disk->node == i + 1);
        if (!world->has_first_cluster)
            memcpy(world->first_cluster, id, 16);
        world->has_first_cluster = true;
        MUST(world, world->mode == MODE_ALL_WIPED || memcmp(world->first_cluster, id, 16) == 0);
    }
}

/* --- steps --- */

static void carry_out(struct world *world, uint32_t node, const struct founding_actions *actions, struct counts *counts)
{
    struct store *disk = &world->disks[node];
    for (const struct founding_action *action = actions->first; action != NULL; action = action->next) {
        bool dies = !world->calm && chance(world, action->kind == FOUNDING_DO_SEND ? 2 : 25);
        bool done = !dies || chance(world, 50); /* a write in the middle of which it dies may be there all the same */
        switch (action->kind) {
        case FOUNDING_DO_PROMISE:
            counts->promises_lost += !done;
            for (uint32_t i = 0; i < world->count; i++)
                counts->adopted += done && node == 0 && world->disks[i].has_promised;
            if (done) {
                disk->has_promised = true;
                disk->promised = *action->record;
            }
            break;
        case FOUNDING_DO_SEND: {
            uint8_t frame[4096];
            struct slice packed = peer_frame_pack(action->message, NULL, 0, (struct span){frame, sizeof(frame)});
            const struct peer_endpoint *target = &world->foundings[node].options.members.items[action->peer];
            for (uint32_t other = 0; other < world->count; other++) {
                struct line *line = &world->lines[node][other];
                if (endpoint_compare(&world->endpoints[other], target) != 0 || !done || line->queued == QUEUE_MAX)
                    continue;
                MUST(world, line->caller_open && line->caller == world->processes[node]);
                void *copy = malloc(packed.size_bytes);
                CHECK(copy != NULL);
                memcpy(copy, packed.data, packed.size_bytes);
                line->queue[line->queued++] = slice_make(copy, packed.size_bytes);
            }
            break;
        }
        case FOUNDING_DO_BEGIN:
            if (node != 0)
                counts->begun_late++;
            for (uint32_t i = 0; node == 0 && i < world->count; i++)
                MUST(world, world->disks[i].has_promised || world->wiped[i]);
            if (done) {
                MUST(world, disk->has_promised && !disk->member);
                disk->member = true;
                disk->node = action->record->members.items[node].node;
                memcpy(disk->cluster, action->record->cluster_id, 16);
            }
            for (uint32_t other = 0; other < world->count; other++) {
                world->lines[node][other].caller_open = false;
                world->lines[other][node].callee_open = false;
                line_clear(&world->lines[other][node]);
            }
            break;
        case FOUNDING_DO_REFUSE:
            MUST(world, strstr(action->text, "bootstrap-expect: ") == action->text);
            MUST(world, world->mode == MODE_ALL_WIPED || (world->mode == MODE_ONE_WIPED && world->wiped[node]));
            counts->refused++;
            world->refused[node] = true;
            dies = true;
            break;
        }
        if (dies) {
            crash(world, node, counts);
            if (action->kind != FOUNDING_DO_REFUSE && !world->calm && chance(world, 30) &&
                (world->mode == MODE_ALL_WIPED || (world->mode == MODE_ONE_WIPED && node == world->wiper)))
                wipe(world, node, counts);
            return;
        }
    }
}

static void step(struct world *world, uint32_t node, const struct founding_event *event, struct counts *counts)
{
    struct founding_actions actions;
    if (!founds(world, node))
        return;
    founding_step(&world->foundings[node], event, world->now_ms, &world->arena, &actions);
    char line[700];
    founding_waits_for(&world->foundings[node], (struct span){(uint8_t *)line, sizeof(line)});
    carry_out(world, node, &actions, counts);
    look(world);
    arena_reset(&world->arena);
}

static void notice_closed(struct world *world, uint32_t node, uint32_t other, bool called, struct counts *counts)
{
    int place = place_of(world, node, other);
    struct founding_event event = {.kind = FOUNDING_CLOSED, .peer = (uint32_t)place, .called = called, .text = "lost"};
    if (place >= 0)
        step(world, node, &event, counts);
}

static bool reachable(const struct world *world, uint32_t from, uint32_t to)
{
    return from != to && !world->apart[from][to] && !world->apart[to][from];
}

/* `from` calls `to`. */
static void call(struct world *world, uint32_t from, uint32_t to, struct counts *counts)
{
    struct line *line = &world->lines[from][to];
    if (!world->alive[from] || !world->alive[to] || !reachable(world, from, to))
        return;
    if (world->disks[from].member) {
        if (world->call_count < QUEUE_MAX && founds(world, to)) {
            struct call *said = &world->calls[world->call_count++];
            *said = (struct call){to, world->processes[to], world->disks[from].node, {0}, from};
            memcpy(said->cluster, world->disks[from].cluster, 16);
        }
        return;
    }
    int place = place_of(world, from, to);
    if (place < 0)
        return;
    if (world->disks[to].member) {
        struct founding_event event = {.kind = FOUNDING_MEMBER, .peer = (uint32_t)place, .name = "a member"};
        step(world, from, &event, counts);
        return;
    }
    int back = place_of(world, to, from);
    if (back < 0 || (line->caller_open && line->caller == world->processes[from]))
        return;
    /* The latest call takes the place of an earlier one, whose rest is dropped unread. */
    line_clear(line);
    if (line->callee_open)
        notice_closed(world, to, from, false, counts);
    if (!world->alive[to] || !world->alive[from])
        return;
    line->caller = world->processes[from];
    line->callee = world->processes[to];
    line->caller_open = true;
    line->callee_open = true;
    struct founding_event event = {.kind = FOUNDING_OPENED, .peer = (uint32_t)back};
    step(world, to, &event, counts);
    event = (struct founding_event){.kind = FOUNDING_OPENED, .peer = (uint32_t)place, .called = true};
    if (line->caller_open)
        step(world, from, &event, counts);
}

static void deliver(struct world *world, uint32_t from, uint32_t to, struct counts *counts)
{
    struct line *line = &world->lines[from][to];
    if (line->queued == 0 || !line->callee_open)
        return;
    struct slice bytes = line->queue[0];
    memmove(line->queue, line->queue + 1, --line->queued * sizeof(line->queue[0]));
    counts->late_messages += !world->alive[from] || world->processes[from] != line->caller;
    struct peer_frame frame;
    MUST(world, peer_frame_open(bytes, &world->arena, &frame) == STATUS_OK);
    struct founding_event event = {
        .kind = FOUNDING_MESSAGE, .peer = (uint32_t)place_of(world, to, from), .message = frame.message};
    if (world->calm || chance(world, 95))
        step(world, to, &event, counts);
    free((void *)(uintptr_t)bytes.data);
}

/* An end finds out that the other one is gone, once it has read everything. */
static void notice(struct world *world, uint32_t from, uint32_t to, struct counts *counts)
{
    struct line *line = &world->lines[from][to];
    bool callee_there = founds(world, to) && line->callee_open && line->callee == world->processes[to];
    bool caller_there = founds(world, from) && line->caller_open && line->caller == world->processes[from];
    if (callee_there && !caller_there && line->queued == 0) {
        line->callee_open = false;
        notice_closed(world, to, from, false, counts);
    } else if (caller_there && !callee_there) {
        line->caller_open = false;
        notice_closed(world, from, to, true, counts);
    }
}

static void cut(struct world *world, uint32_t from, uint32_t to, struct counts *counts)
{
    struct line *line = &world->lines[from][to];
    if (!line->caller_open || !line->callee_open)
        return;
    if (chance(world, 50)) {
        line->caller_open = false;
        notice_closed(world, from, to, true, counts);
    } else {
        line->callee_open = false;
        line_clear(line);
        notice_closed(world, to, from, false, counts);
    }
}

static void hear_call(struct world *world, struct counts *counts)
{
    if (world->call_count == 0)
        return;
    unsigned at = (unsigned)draw(world, world->call_count);
    struct call said = world->calls[at];
    world->calls[at] = world->calls[--world->call_count];
    if (!founds(world, said.target) || world->processes[said.target] != said.process)
        return;
    int place = place_of(world, said.target, said.source);
    struct founding_event event = {.kind = FOUNDING_MEMBER,
                                   .peer = place < 0 ? FOUNDING_NOBODY : (uint32_t)place,
                                   .cluster = said.cluster,
                                   .node = said.node,
                                   .name = "a member"};
    step(world, said.target, &event, counts);
}

static void fault(struct world *world, struct counts *counts)
{
    uint32_t node = (uint32_t)draw(world, world->count);
    uint32_t other = (uint32_t)draw(world, world->count);
    switch (draw(world, 4)) {
    case 0:
        crash(world, node, counts);
        if (chance(world, 40) &&
            (world->mode == MODE_ALL_WIPED || (world->mode == MODE_ONE_WIPED && node == world->wiper)))
            wipe(world, node, counts);
        break;
    case 1: cut(world, node, other, counts); break;
    case 2: world->apart[node][other] = true; break;
    case 3: memset(world->apart, 0, sizeof(world->apart)); break;
    }
}

static void turn(struct world *world, struct counts *counts)
{
    uint32_t node = (uint32_t)draw(world, world->count);
    uint32_t other = (uint32_t)draw(world, world->count);
    const struct founding_event tick = {.kind = FOUNDING_TICK};
    world->now_ms += draw(world, 40);
    if (!world->calm && chance(world, 4))
        fault(world, counts);
    switch (draw(world, 6)) {
    case 0: step(world, node, &tick, counts); break;
    case 1: call(world, node, other, counts); break;
    case 2: deliver(world, node, other, counts); break;
    case 3: notice(world, node, other, counts); break;
    case 4: hear_call(world, counts); break;
    case 5:
        if (!world->alive[node] && (world->calm || chance(world, 30)))
            start(world, node);
        break;
    }
    look(world);
    arena_reset(&world->arena);
}

static bool settled(const struct world *world)
{
    for (uint32_t i = 0; i < world->count; i++) {
        if (!world->disks[i].member && !world->refused[i])
            return false;
    }
    return true;
}

static void run(uint64_t seed, struct counts *counts)
{
    struct world *world = calloc(1, sizeof(*world));
    CHECK(world != NULL);
    world->seed = seed;
    world->mode = (enum mode)(seed % MODE_COUNT);
    world->random.state = seed * 977;
    world->count = 2 + (uint32_t)draw(world, NODES_MAX - 1);
    world->wiper = (uint32_t)draw(world, world->count);
    world->now_ms = 1;
    arena_init(&world->arena);
    for (uint32_t i = 0; i < world->count; i++)
        world->endpoints[i] = (struct peer_endpoint){.host = {(char)('a' + i)}, .port = 7049};
    for (unsigned i = 0; i < STEPS; i++) {
        if (i == STEPS / 2 && world->mode == MODE_WRONG_LIST) {
            crash(world, world->wiper, counts);
            world->list_corrected = true;
        }
        turn(world, counts);
    }
    /* All is well from here on; a refusal of before is tried again once. */
    world->calm = true;
    memset(world->apart, 0, sizeof(world->apart));
    memset(world->refused, 0, sizeof(world->refused));
    for (unsigned i = 0; i < 200000 && !settled(world); i++)
        turn(world, counts);
    for (uint32_t i = 0; i < world->count; i++) {
        MUST(world, world->disks[i].member || world->refused[i]);
        MUST(world, world->disks[i].member || world->wiped[i]);
        for (uint32_t other = 0; other < world->count; other++)
            line_clear(&world->lines[i][other]);
    }
    arena_fini(&world->arena);
    free(world);
}

static uint64_t seeds = 800;
static uint64_t first_seed = 1;

static void seeds_pass(void **state)
{
    (void)state;
    struct counts counts = {0};
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++)
        run(seed, &counts);
    print_message(
        "crashes %llu, wipes %llu, adopted %llu, refused %llu, promises lost %llu, begun by a call %llu, read late "
        "%llu\n",
        (unsigned long long)counts.crashes, (unsigned long long)counts.wipes, (unsigned long long)counts.adopted,
        (unsigned long long)counts.refused, (unsigned long long)counts.promises_lost,
        (unsigned long long)counts.begun_late, (unsigned long long)counts.late_messages);
    if (seeds < 800)
        return;
    assert_true(counts.crashes > 0 && counts.wipes > 0 && counts.adopted > 0 && counts.refused > 0 &&
                counts.promises_lost > 0 && counts.begun_late > 0 && counts.late_messages > 0);
}

int main(int argument_count, char **arguments)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(seeds_pass)};
    if (argument_count > 1)
        seeds = strtoull(arguments[1], NULL, 10);
    if (argument_count > 2)
        first_seed = strtoull(arguments[2], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
