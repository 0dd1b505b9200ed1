/* Stewards of several nodes over one machine: who registers when, what only the leader does, and what becomes of a process
 * that others have closed. What they propose waits until the test applies it. */
#include "server/daemon/steward.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/limits.h"
#include "proto/log_codec.h"
#include "server/daemon/applier.h"
#include "statestore/machine/node.h"
#include "statestore/store/kv_memory.h"

#define NODES 3u
#define PROPOSALS_MAX 16u
#define NONCE (UINT64_C(1) << 63)

struct process {
    struct steward_config config;
    struct steward *steward;
    struct incarnation_id incarnation; /* that it serves as; 0: it does not */
    unsigned restarts;                 /* asked for */
    unsigned answers;
    unsigned refusals;
};

struct scene {
    struct kv_store *store;
    struct machine machine;
    struct random_seeded seed;
    struct process processes[NODES];
    struct proposal *proposals[PROPOSALS_MAX];
    size_t proposal_count;
    uint64_t index;
    uint64_t now_ms;
};

static void step(struct scene *scene, size_t number, struct steward_message message)
{
    struct process *process = &scene->processes[number];
    struct kv_read *view = kv_store_snapshot(scene->store);
    const struct steward_moment moment = {.now_ms = scene->now_ms,
                                          .view = view,
                                          .uptime_ms = scene->now_ms,
                                          .command_number = scene->machine.command_number,
                                          .flushed_number = scene->machine.command_number};
    for (struct steward_action *action = steward_step(process->steward, &message, &moment); action != NULL;
         action = action->next) {
        switch (action->kind) {
        case STEWARD_DO_PROPOSE:
            assert_true(scene->proposal_count < PROPOSALS_MAX);
            scene->proposals[scene->proposal_count++] = action->proposal;
            break;
        case STEWARD_DO_SERVE: process->incarnation = action->incarnation; break;
        case STEWARD_DO_ANSWER:
            process->answers += action->bytes != NULL ? 1 : 0;
            process->refusals += action->bytes == NULL ? 1 : 0;
            buffer_put(action->bytes);
            break;
        case STEWARD_DO_RESTART: process->restarts++; break;
        case STEWARD_DO_REMOVE:
        case STEWARD_DO_FORGET:
        case STEWARD_DO_FLUSH: break;
        }
    }
    kv_store_release(scene->store, view);
}

/* Applies a packed command; effects go to all, its result to the process that the ticket names. */
static void apply_packed(struct scene *scene, struct slice packed, bool result_comes)
{
    struct arena arena;
    struct transaction transaction;
    struct machine_answer answer;
    Qnfs__Command *command;
    arena_init(&arena);
    assert_int_equal(log_command_unpack(packed, &arena, &command), STATUS_OK);
    struct machine_position position = {
        .index = ++scene->index, .term = 1, .command_count = 1, .feature_level = 1, .uptime_ms = scene->now_ms};
    transaction_init(&transaction, kv_store_present(scene->store), &arena);
    machine_apply(&scene->machine, &transaction, &position, command, SLICE_EMPTY, &arena, &answer);
    assert_int_equal(kv_store_write(scene->store, &transaction), STATUS_OK);
    struct slice result = log_result_pack(answer.result, &arena);
    for (size_t i = 0; i < NODES; i++) {
        struct process *process = &scene->processes[i];
        for (size_t j = 0; process->steward != NULL && j < answer.effect_count; j++)
            step(scene, i, (struct steward_message){.kind = STEWARD_EFFECT, .effect = &answer.effects[j]});
    }
    for (size_t i = 0; result_comes && i < NODES; i++) {
        struct process *process = &scene->processes[i];
        uint64_t sender = command->ticket->incarnation;
        if (process->steward != NULL && (sender == process->config.nonce || sender == process->incarnation.value))
            step(scene, i,
                 (struct steward_message){.kind = STEWARD_RESULT, .place = command->ticket->place, .bytes = result});
    }
    arena_fini(&arena);
}

/* Applies what has been proposed, and what follows from that; returns how many commands. */
static unsigned apply_all(struct scene *scene)
{
    unsigned count = 0;
    for (; scene->proposal_count > 0; count++) {
        struct arena arena;
        arena_init(&arena);
        struct slice packed = arena_copy(&arena, scene->proposals[0]->command);
        memmove(scene->proposals, scene->proposals + 1, --scene->proposal_count * sizeof(scene->proposals[0]));
        apply_packed(scene, packed, true);
        arena_fini(&arena);
    }
    return count;
}

static void start(struct scene *scene, size_t number, uint64_t nonce)
{
    struct process *process = &scene->processes[number];
    if (process->steward != NULL)
        steward_destroy(process->steward);
    *process = (struct process){
        .config = {.node = number + 1, .nonce = NONCE | nonce, .advertise = "", .version = "test"},
    };
    process->steward = steward_create(&process->config, random_from_seed(&scene->seed, nonce));
    step(scene, number, (struct steward_message){.kind = STEWARD_START});
}

static void lead(struct scene *scene, size_t number, bool on)
{
    step(scene, number, (struct steward_message){.kind = STEWARD_LEADER, .on = on});
}

static void tick(struct scene *scene)
{
    scene->now_ms += STEWARD_TICK_MS;
    for (size_t i = 0; i < NODES; i++) {
        if (scene->processes[i].steward != NULL)
            step(scene, i, (struct steward_message){.kind = STEWARD_TICK});
    }
}

static void lose(struct scene *scene, size_t leader, size_t lost)
{
    step(scene, leader,
         (struct steward_message){
             .kind = STEWARD_LOST, .node = lost + 1, .incarnation = scene->processes[lost].incarnation, .term = 1});
}

static bool is_open(struct scene *scene, struct incarnation_id id)
{
    struct arena arena;
    struct incarnation row;
    arena_init(&arena);
    bool open = incarnation_get(kv_store_present(scene->store), id, &arena, &row);
    arena_fini(&arena);
    return open;
}

/* Three processes of nodes without a cluster. */
static int setup(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    CHECK(scene != NULL);
    scene->store = kv_memory_create();
    scene->now_ms = 1000000;
    struct arena arena;
    arena_init(&arena);
    machine_load(&scene->machine, kv_store_present(scene->store), &arena);
    arena_fini(&arena);
    for (size_t i = 0; i < NODES; i++)
        start(scene, i, i + 1);
    *state = scene;
    return 0;
}

static int setup_serving(void **state)
{
    setup(state);
    struct scene *scene = *state;
    lead(scene, 0, true);
    apply_all(scene);
    tick(scene);
    apply_all(scene);
    for (size_t i = 0; i < NODES; i++)
        assert_int_not_equal(scene->processes[i].incarnation.value, 0);
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;
    for (size_t i = 0; i < NODES; i++)
        steward_destroy(scene->processes[i].steward);
    kv_store_destroy(scene->store);
    free(scene);
    return 0;
}

static void only_the_leader_makes_the_cluster(void **state)
{
    struct scene *scene = *state;
    tick(scene);
    assert_int_equal(scene->proposal_count, 0);
    lead(scene, 1, true);
    assert_int_equal(scene->proposal_count, 1);
    /* It leads no longer when its command has not come yet; the next one makes one too. */
    lead(scene, 1, false);
    lead(scene, 2, true);
    assert_int_equal(scene->proposal_count, 2);
    apply_all(scene);
    assert_true(scene->machine.created);
    assert_int_not_equal(scene->processes[1].incarnation.value, 0);
    assert_int_not_equal(scene->processes[2].incarnation.value, 0);
    /* Who follows registers when it sees the cluster. */
    assert_int_equal(scene->processes[0].incarnation.value, 0);
    tick(scene);
    assert_int_equal(apply_all(scene), 1);
    assert_int_not_equal(scene->processes[0].incarnation.value, 0);
}

static void a_follower_registers_whoever_leads(void **state)
{
    struct scene *scene = *state;
    struct incarnation_id before = scene->processes[1].incarnation;
    start(scene, 1, 12);
    assert_int_equal(scene->proposal_count, 1);
    tick(scene); /* nobody takes it: it waits, and is not sent again */
    assert_int_equal(scene->proposal_count, 1);
    apply_all(scene);
    assert_true(scene->processes[1].incarnation.value > before.value);
    assert_false(is_open(scene, before));
}

/* The same command forwarded twice: one incarnation, and the second result finds nobody. */
static void a_registration_that_comes_twice(void **state)
{
    struct scene *scene = *state;
    struct arena arena;
    arena_init(&arena);
    start(scene, 1, 12);
    struct slice packed = arena_copy(&arena, scene->proposals[0]->command);
    apply_all(scene);
    struct incarnation_id incarnation = scene->processes[1].incarnation;
    apply_packed(scene, packed, true);
    assert_int_equal(scene->processes[1].incarnation.value, incarnation.value);
    assert_int_equal(scene->processes[1].restarts, 0);
    assert_true(is_open(scene, incarnation));
    /* ... also behind the next process's: that one lives on. */
    start(scene, 1, 13);
    apply_all(scene);
    incarnation = scene->processes[1].incarnation;
    apply_packed(scene, packed, true);
    assert_true(is_open(scene, incarnation));
    assert_int_equal(scene->processes[1].restarts, 0);
    arena_fini(&arena);
}

static void the_leader_closes_a_lost_process(void **state)
{
    struct scene *scene = *state;
    struct incarnation_id lost = scene->processes[2].incarnation;
    lose(scene, 1, 2); /* it does not lead (any more): nothing */
    assert_int_equal(scene->proposal_count, 0);
    lose(scene, 0, 2);
    lose(scene, 0, 2);
    assert_int_equal(apply_all(scene), 1);
    assert_false(is_open(scene, lost));
    /* It wakes up, and has to start anew. */
    assert_int_equal(scene->processes[2].restarts, 1);
    assert_int_equal(scene->processes[0].restarts + scene->processes[1].restarts, 0);
    start(scene, 2, 13);
    apply_all(scene);
    assert_true(is_open(scene, scene->processes[2].incarnation));
    /* What was said of the process before concerns the next one not. */
    scene->processes[2].incarnation = lost;
    lose(scene, 0, 2);
    assert_int_equal(apply_all(scene), 0);
    assert_int_equal(scene->processes[2].restarts, 0);
}

/* Two at once: one after the other, both. */
static void two_lost_processes(void **state)
{
    struct scene *scene = *state;
    lose(scene, 0, 1);
    lose(scene, 0, 2);
    assert_int_equal(scene->proposal_count, 1);
    assert_int_equal(apply_all(scene), 2);
    assert_int_equal(scene->processes[1].restarts, 1);
    assert_int_equal(scene->processes[2].restarts, 1);
}

/* A leader that is not registered yet keeps it in mind. */
static void lost_before_the_leader_serves(void **state)
{
    struct scene *scene = *state;
    start(scene, 1, 12);
    lead(scene, 0, false);
    lead(scene, 1, true);
    lose(scene, 1, 2);
    assert_int_equal(scene->proposal_count, 1); /* the registration */
    apply_all(scene);
    tick(scene);
    assert_int_equal(apply_all(scene), 1);
    assert_false(is_open(scene, scene->processes[2].incarnation));
}

static void request(struct scene *scene, size_t number)
{
    Qnfs__SettingSet body = QNFS__SETTING_SET__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    static uint8_t name[] = "lease-seconds";
    static uint8_t value[] = "30";
    body.name = (ProtobufCBinaryData){sizeof(name) - 1, name};
    body.value = (ProtobufCBinaryData){sizeof(value) - 1, value};
    command.body_case = QNFS__COMMAND__BODY_SETTING_SET;
    command.setting_set = &body;
    step(scene, number, (struct steward_message){.kind = STEWARD_REQUEST, .command = &command, .token = 1});
}

/* It has missed the effect: the answer to its own command tells. Nothing of it counts, and it proposes nothing more. */
static void a_closed_process_learns_it_from_its_command(void **state)
{
    struct scene *scene = *state;
    request(scene, 2);
    struct proposal *late = scene->proposals[--scene->proposal_count];
    struct process slept = scene->processes[2];
    scene->processes[2].steward = NULL;
    lose(scene, 0, 2);
    apply_all(scene);
    scene->processes[2] = slept;
    scene->proposals[scene->proposal_count++] = late;
    apply_all(scene);
    assert_int_equal(scene->processes[2].answers, 0);
    assert_int_equal(scene->processes[2].refusals, 1);
    assert_int_equal(scene->processes[2].restarts, 1);
    request(scene, 2);
    tick(scene);
    assert_int_equal(scene->proposal_count, 0);
    assert_int_equal(scene->processes[2].refusals, 2);
    assert_int_equal(scene->processes[2].restarts, 1);
}

/* Lost between its registration and the moment when it hears of it. */
static void lost_before_it_serves(void **state)
{
    struct scene *scene = *state;
    start(scene, 2, 13);
    struct arena arena;
    arena_init(&arena);
    struct slice packed = arena_copy(&arena, scene->proposals[0]->command);
    scene->proposal_count = 0;
    apply_packed(scene, packed, false);
    struct incarnation_id late = {scene->machine.command_number};
    assert_true(is_open(scene, late));
    step(scene, 0, (struct steward_message){.kind = STEWARD_LOST, .node = 3, .incarnation = late, .term = 1});
    apply_all(scene);
    apply_packed(scene, packed, true); /* the same result, in effect */
    assert_int_equal(scene->processes[2].incarnation.value, 0);
    assert_int_equal(scene->processes[2].restarts, 1);
    arena_fini(&arena);
}

/* The operator may ask any node. */
static void any_node_takes_the_operators_wishes(void **state)
{
    struct scene *scene = *state;
    request(scene, 2);
    struct arena arena;
    arena_init(&arena);
    struct slice packed = arena_copy(&arena, scene->proposals[0]->command);
    apply_all(scene);
    assert_int_equal(scene->processes[2].answers, 1);
    apply_packed(scene, packed, true);
    assert_int_equal(scene->processes[2].answers, 1);
    arena_fini(&arena);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_serving, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_the_leader_makes_the_cluster, setup, teardown),
        TEST(a_follower_registers_whoever_leads),
        TEST(a_registration_that_comes_twice),
        TEST(the_leader_closes_a_lost_process),
        TEST(two_lost_processes),
        TEST(lost_before_the_leader_serves),
        TEST(a_closed_process_learns_it_from_its_command),
        TEST(lost_before_it_serves),
        TEST(any_node_takes_the_operators_wishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
