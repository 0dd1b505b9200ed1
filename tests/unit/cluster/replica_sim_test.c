/* One voter in one thread under a seed: replica, log writer and a disk that loses any subset of what was unsynced.
 * The state is a list of entries with a point up to which it is durable. Checked: no entry that was handed out is
 * ever lost or changed, none is handed out twice or out of order, each start leads in a new term (G5), no (index,
 * term) is used for two entries, time stands still while nobody leads, and the log lives through a full disk.
 *
 *     replica_sim_test [first seed] [seeds]        a failure prints its seed */
#include "cluster/replica.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/hash.h"
#include "cluster/log_writer.h"
#include "proto/log_entry.h"
#include "tests/support/disk_memory.h"

#define DEFAULT_SEEDS 60u
#define LIVES_MAX 45u
#define ENTRIES_MAX 60000u
#define HOUR_MS 3600000u

struct command {
    struct proposal proposal;
    uint64_t number;
    uint8_t bytes[64];
    uint8_t *content;
};

/* What is known of an index for all time. */
struct fact {
    uint64_t term;
    struct hash128 hash;
    bool handed_out;
};

struct world {
    uint64_t seed;
    struct random_seeded random;
    struct disk_memory memory;
    struct disk disk;
    struct log_options options;
    struct log_writer *writer;
    struct replica *replica;
    struct replica_actions actions;
    struct list requests;             /* to the log writer */
    struct list messages;             /* to the replica */
    struct replica_entry queue[4096]; /* to the apply thread */
    size_t queue_first;
    size_t queue_count;
    bool dead;

    struct fact *facts;     /* by index */
    uint64_t handed_max;    /* over all lives */
    uint64_t next_number;   /* of commands */
    uint64_t *last_number;  /* by index: of the entry's last command */
    uint64_t applied_index; /* of the running life */
    uint64_t flushed_index; /* durable for sure */
    uint64_t uptime_ms;     /* of the machine: clamped */
    uint64_t *uptimes;      /* by index: the machine's after it */
    uint64_t published_commit;

    uint64_t now_ms;
    uint64_t led_ms; /* how long there has been a leader */
    uint64_t leader_from_ms;
    bool leads;
    uint64_t term_max; /* of earlier lives */
    enum log_space space;

    uint64_t lives;
    uint64_t crashes_in_write;
    uint64_t crashes_in_recovery;
    uint64_t full_times;
    uint64_t replayed;
    uint64_t cuts;
};

static uint64_t chance(struct world *world, uint64_t bound)
{
    return random_seeded_next(&world->random) % bound;
}

#define REQUIRE(world, condition)                                                                                      \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fail_msg("seed %llu, life %llu, t %llu: %s", (unsigned long long)(world)->seed,                            \
                     (unsigned long long)(world)->lives, (unsigned long long)(world)->now_ms, #condition);             \
        }                                                                                                              \
    } while (0)

/* --- the state --- */

static struct hash128 entry_hash(const struct replica_entry *entry)
{
    return hash_content(buffer_slice(entry->bytes));
}

/* Commands carry numbers that count up over all lives: a gap is a command that was never acknowledged. */
static void entry_numbers(struct world *world, const struct replica_entry *entry)
{
    struct log_entry reader;
    struct slice command;
    struct slice content;
    uint64_t previous = world->last_number[entry->index - 1];
    REQUIRE(world, log_entry_open(&reader, buffer_slice(entry->bytes)) == STATUS_OK);
    while (log_entry_next(&reader, &command, &content)) {
        uint64_t number;
        memcpy(&number, command.data, sizeof number);
        REQUIRE(world, number > previous);
        previous = number;
    }
    if (reader.header.uptime_ms > world->uptime_ms)
        world->uptime_ms = reader.header.uptime_ms;
    uint64_t led_ms = world->led_ms + (world->leads ? world->now_ms - world->leader_from_ms : 0);
    REQUIRE(world, world->uptime_ms <= led_ms);
    world->last_number[entry->index] = previous;
}

static void entry_apply(struct world *world, struct replica_entry *entry)
{
    REQUIRE(world, entry->index == world->applied_index + 1 && entry->index < ENTRIES_MAX);
    struct fact *fact = &world->facts[entry->index];
    REQUIRE(world, fact->term == entry->term && hash128_equal(fact->hash, entry_hash(entry)));
    world->last_number[entry->index] = world->last_number[entry->index - 1];
    if (entry->kind == REPLICA_ENTRY_COMMANDS)
        entry_numbers(world, entry);
    world->uptimes[entry->index] = world->uptime_ms;
    world->applied_index = entry->index;
}

static void post_message(struct world *world, enum replica_message_kind kind, uint64_t index)
{
    struct replica_message *message = calloc(1, sizeof *message);
    assert_non_null(message);
    message->kind = kind;
    message->index = index;
    message->uptime_ms = world->uptime_ms;
    list_init(&message->proposals);
    list_append(&world->messages, &message->link);
}

/* --- the shell --- */

static void note_appended(struct world *world, const struct log_request *request)
{
    for (uint32_t i = 0; i < request->count && request->kind == LOG_REQUEST_APPEND; i++) {
        const struct replica_entry *entry = &request->entries[i];
        REQUIRE(world, entry->index < ENTRIES_MAX);
        struct fact *fact = &world->facts[entry->index];
        REQUIRE(world, !fact->handed_out && entry->term > fact->term);
        REQUIRE(world, entry->term > world->term_max);
        *fact = (struct fact){.term = entry->term, .hash = entry_hash(entry)};
    }
}

static void carry(struct world *world)
{
    for (const struct replica_action *action = world->actions.first; action != NULL; action = action->next) {
        switch (action->kind) {
        case REPLICA_ACTION_LOG:
            note_appended(world, action->request);
            list_append(&world->requests, &action->request->link);
            break;
        case REPLICA_ACTION_COMMIT:
            REQUIRE(world, action->index > world->published_commit);
            world->published_commit = action->index;
            break;
        case REPLICA_ACTION_APPLY: {
            struct fact *fact = &world->facts[action->entry.index];
            REQUIRE(world, action->entry.index <= world->published_commit);
            world->replayed += fact->handed_out;
            fact->handed_out = true;
            if (action->entry.index > world->handed_max)
                world->handed_max = action->entry.index;
            REQUIRE(world, world->queue_count < 4096);
            world->queue[(world->queue_first + world->queue_count++) % 4096] = action->entry;
            break;
        }
        case REPLICA_ACTION_ROLE:
            if (action->role == REPLICA_LEADER && !world->leads) {
                world->leads = true;
                world->leader_from_ms = world->now_ms;
                REQUIRE(world, action->term > world->term_max);
            }
            break;
        case REPLICA_ACTION_REFUSED: REQUIRE(world, false); break;
        case REPLICA_ACTION_SPACE: world->space = action->space; break;
        case REPLICA_ACTION_SEND:
        case REPLICA_ACTION_FORWARD:
        case REPLICA_ACTION_INSTALL:
        case REPLICA_ACTION_CHANGED: REQUIRE(world, false); break; /* a node alone has nobody to talk to */
        }
    }
}

static void feed(struct world *world, struct replica_message *message)
{
    replica_step(world->replica, message, world->now_ms, (int64_t)(world->now_ms * 1000000), &world->actions);
    carry(world);
}

static struct command *command_create(struct world *world)
{
    struct command *command = calloc(1, sizeof *command);
    assert_non_null(command);
    command->number = ++world->next_number;
    memcpy(command->bytes, &command->number, sizeof command->number);
    command->proposal.command = slice_make(command->bytes, 8 + chance(world, 56));
    if (chance(world, 20) == 0) {
        size_t size_bytes = (size_t)chance(world, 20000);
        command->content = malloc(size_bytes + 1);
        assert_non_null(command->content);
        memset(command->content, (int)chance(world, 256), size_bytes);
        command->proposal.content = slice_make(command->content, size_bytes);
    }
    return command;
}

/* Commands are freed right after the step if they were packed; those that wait are kept by a list of the test. */
struct command_box {
    struct command *commands[65536];
    size_t count;
};

static void act_propose(struct world *world, struct command_box *box)
{
    if (box->count + 8 > 65536 || world->next_number > 400000)
        return;
    struct replica_message message = {.kind = REPLICA_PROPOSE};
    list_init(&message.proposals);
    for (uint64_t i = 1 + chance(world, 5); i > 0; i--) {
        struct command *command = command_create(world);
        box->commands[box->count++] = command;
        list_append(&message.proposals, &command->proposal.link);
    }
    feed(world, &message);
}

static void act_write(struct world *world)
{
    struct list some;
    struct list replies;
    list_init(&some);
    list_init(&replies);
    for (uint64_t i = chance(world, 6); i > 0 && !list_empty(&world->requests); i--) {
        struct list_link *link = list_first(&world->requests);
        list_remove(link);
        list_append(&some, link);
    }
    enum status status = log_writer_step(world->writer, &some, &replies);
    struct list_link *link;
    while ((link = list_first(&replies)) != NULL) {
        list_remove(link);
        list_append(&world->messages, link);
    }
    while ((link = list_first(&some)) != NULL) {
        list_remove(link);
        log_request_free(container_of(link, struct log_request, link));
    }
    if (status != STATUS_OK) {
        REQUIRE(world, disk_memory_is_off(&world->memory));
        world->crashes_in_write++;
        world->dead = true;
    }
}

static void act_deliver(struct world *world)
{
    struct list_link *link = list_first(&world->messages);
    if (link == NULL)
        return;
    list_remove(link);
    struct replica_message *message = container_of(link, struct replica_message, link);
    if (message->kind == REPLICA_SNAPSHOT_SAVED)
        world->cuts++;
    if (message->kind == REPLICA_SPACE && message->space == LOG_SPACE_FULL)
        world->full_times++;
    feed(world, message);
    replica_message_free(message);
}

static void act_apply(struct world *world)
{
    if (world->queue_count == 0)
        return;
    struct replica_entry *entry = &world->queue[world->queue_first];
    entry_apply(world, entry);
    buffer_put(entry->bytes);
    world->queue_first = (world->queue_first + 1) % 4096;
    world->queue_count--;
    if (chance(world, 3) == 0 || world->queue_count == 0)
        post_message(world, REPLICA_APPLIED, world->applied_index);
}

static void act_flush(struct world *world)
{
    post_message(world, REPLICA_APPLIED, world->applied_index);
    world->flushed_index = world->applied_index;
    post_message(world, REPLICA_FLUSHED, world->flushed_index);
}

static void act_tick(struct world *world)
{
    world->now_ms += chance(world, 40);
    struct replica_message message = {.kind = REPLICA_TICK};
    list_init(&message.proposals);
    feed(world, &message);
}

static void act(struct world *world, struct command_box *box)
{
    uint64_t die = chance(world, 100);
    if (die < 25)
        act_propose(world, box);
    else if (die < 50)
        act_write(world);
    else if (die < 75)
        act_deliver(world);
    else if (die < 92)
        act_apply(world);
    else if (die < 93 || (world->space != LOG_SPACE_GOOD && die < 95))
        act_flush(world);
    else
        act_tick(world);
}

/* --- lives --- */

static void list_drop(struct world *world)
{
    struct list_link *link;
    while ((link = list_first(&world->requests)) != NULL) {
        list_remove(link);
        log_request_free(container_of(link, struct log_request, link));
    }
    while ((link = list_first(&world->messages)) != NULL) {
        list_remove(link);
        replica_message_free(container_of(link, struct replica_message, link));
    }
    for (; world->queue_count > 0; world->queue_count--) {
        buffer_put(world->queue[world->queue_first].bytes);
        world->queue_first = (world->queue_first + 1) % 4096;
    }
}

static void box_empty(struct command_box *box)
{
    for (size_t i = 0; i < box->count; i++) {
        free(box->commands[i]->content);
        free(box->commands[i]);
    }
    box->count = 0;
}

/* The state after a crash: anything from the last flush to what was applied, since the store flushes when it likes. */
static void state_crash(struct world *world)
{
    world->applied_index = world->flushed_index + chance(world, world->applied_index - world->flushed_index + 1);
    world->uptime_ms = world->uptimes[world->applied_index];
}

static void life_begin(struct world *world, const struct log_recovered *recovered)
{
    uint64_t last_index = recovered->first_index + recovered->entry_count - 1;
    REQUIRE(world, last_index >= world->handed_max);
    REQUIRE(world, recovered->first_index <= world->flushed_index + 1);
    for (uint64_t i = 0; i < recovered->entry_count; i++)
        REQUIRE(world, recovered->entries[i].term == world->facts[recovered->first_index + i].term);
    /* What the log does not have was never handed out; its place is free again. */
    struct replica_options options = {
        .id = 1,
        .seed = world->seed,
        .election_ms = 300,
        .heartbeat_ms = 50,
        .applied_index = world->applied_index,
        .uptime_ms = world->uptime_ms,
        .feature_level = 1,
    };
    world->replica = replica_create(&options, recovered);
    world->published_commit = 0;
    world->dead = false;
    world->leads = false;
    world->space = LOG_SPACE_GOOD;
    struct replica_message message = {.kind = REPLICA_START};
    list_init(&message.proposals);
    feed(world, &message);
}

static bool life_recover(struct world *world, struct log_recovered *recovered)
{
    char problem[256];
    enum status status =
        log_recover(&world->options, &world->writer, recovered, (struct span){(uint8_t *)problem, sizeof problem});
    if (status == STATUS_OK)
        return true;
    if (!disk_memory_is_off(&world->memory))
        fail_msg("seed %llu, life %llu: recovery: %s: %s", (unsigned long long)world->seed,
                 (unsigned long long)world->lives, status_name(status), problem);
    world->crashes_in_recovery++;
    return false;
}

static void life_end(struct world *world)
{
    struct replica_status status;
    replica_status(world->replica, &status);
    if (status.term > world->term_max)
        world->term_max = status.term;
    if (world->leads)
        world->led_ms += world->now_ms - world->leader_from_ms;
    world->leads = false;
    replica_destroy(world->replica);
    log_writer_destroy(world->writer);
    list_drop(world);
    disk_memory_crash(&world->memory);
    state_crash(world);
    world->now_ms += chance(world, 4) == 0 ? HOUR_MS : chance(world, 1000); /* nobody is there */
}

static void life_run(struct world *world, struct command_box *box)
{
    struct log_recovered recovered;
    world->lives++;
    world->memory.loss = chance(world, 4) == 0 ? DISK_MEMORY_ALL_LOST : DISK_MEMORY_ANY;
    if (chance(world, 5) == 0)
        world->memory.power_off_at = world->memory.operations + 1 + chance(world, 8);
    if (!life_recover(world, &recovered)) {
        disk_memory_crash(&world->memory);
        return;
    }
    world->memory.power_off_at = 0;
    life_begin(world, &recovered);
    log_recovered_fini(&recovered);
    if (chance(world, 2) == 0)
        world->memory.power_off_at = world->memory.operations + 1 + chance(world, 300);
    uint64_t steps = chance(world, 4) == 0 ? chance(world, 40) : chance(world, 2500);
    while (steps-- > 0 && !world->dead)
        act(world, box);
    life_end(world);
    box_empty(box);
}

/* The last life: everything comes through, and nothing waits for ever. */
static void life_settle(struct world *world, struct command_box *box)
{
    struct log_recovered recovered;
    world->lives++;
    world->memory.capacity_bytes = UINT64_MAX;
    REQUIRE(world, life_recover(world, &recovered));
    life_begin(world, &recovered);
    log_recovered_fini(&recovered);
    act_propose(world, box);
    for (unsigned i = 0; i < 200000; i++) {
        act_write(world);
        act_deliver(world);
        act_apply(world);
        struct replica_status status;
        replica_status(world->replica, &status);
        if (status.role == REPLICA_LEADER && status.waiting == 0 && status.applied_index == status.last_index &&
            list_empty(&world->requests) && list_empty(&world->messages))
            break;
        REQUIRE(world, i + 1 < 200000);
    }
    REQUIRE(world, world->applied_index >= world->handed_max);
    life_end(world);
    box_empty(box);
}

static void world_init(struct world *world, uint64_t seed)
{
    *world = (struct world){.seed = seed, .now_ms = 1000};
    struct random random = random_from_seed(&world->random, seed);
    disk_memory_init(&world->memory, seed * 31 + 7);
    world->memory.sector_bytes = chance(world, 2) == 0 ? 512 : 4096;
    world->disk = disk_memory_port(&world->memory);
    world->options = (struct log_options){&world->disk, random, 8192u << chance(world, 4)};
    world->facts = calloc(ENTRIES_MAX, sizeof *world->facts);
    world->last_number = calloc(ENTRIES_MAX, sizeof *world->last_number);
    world->uptimes = calloc(ENTRIES_MAX, sizeof *world->uptimes);
    assert_true(world->facts != NULL && world->last_number != NULL && world->uptimes != NULL);
    list_init(&world->requests);
    list_init(&world->messages);
    replica_actions_init(&world->actions);
    assert_int_equal(world->disk.operations->directory_create(world->disk.context, "log"), STATUS_OK);
    assert_int_equal(world->disk.operations->directory_sync(world->disk.context, ""), STATUS_OK);
    struct configuration first = {1, {{1, MEMBER_VOTER}}};
    assert_int_equal(log_create(&world->options, &first), STATUS_OK);
    uint8_t bytes[CONFIGURATION_MAX_BYTES];
    size_t size_bytes = configuration_encode(&first, (struct span){bytes, sizeof bytes});
    world->facts[1] = (struct fact){.term = 1, .hash = hash_content(slice_make(bytes, size_bytes))};
    world->term_max = 1;
    if (chance(world, 3) == 0) /* a disk for a few segments only */
        world->memory.capacity_bytes = world->memory.used_bytes + world->options.segment_bytes * (1 + chance(world, 4));
}

static void world_fini(struct world *world)
{
    replica_actions_fini(&world->actions);
    disk_memory_fini(&world->memory);
    free(world->facts);
    free(world->last_number);
    free(world->uptimes);
}

static uint64_t first_seed = 1;
static uint64_t seed_count = DEFAULT_SEEDS;

static void test_seeds(void **state)
{
    (void)state;
    struct command_box *box = calloc(1, sizeof *box);
    struct world *world = calloc(1, sizeof *world);
    assert_true(box != NULL && world != NULL);
    uint64_t lives = 0, in_write = 0, in_recovery = 0, full = 0, replayed = 0, cuts = 0, entries = 0;
    for (uint64_t seed = first_seed; seed < first_seed + seed_count; seed++) {
        world_init(world, seed);
        while (world->lives < LIVES_MAX && world->handed_max + 3000 < ENTRIES_MAX)
            life_run(world, box);
        life_settle(world, box);
        lives += world->lives;
        in_write += world->crashes_in_write;
        in_recovery += world->crashes_in_recovery;
        full += world->full_times;
        replayed += world->replayed;
        cuts += world->cuts;
        entries += world->handed_max;
        world_fini(world);
    }
    print_message("seeds %llu: lives %llu, crashes in a write %llu, in recovery %llu, full disks %llu, entries %llu, "
                  "replayed %llu, cuts %llu\n",
                  (unsigned long long)seed_count, (unsigned long long)lives, (unsigned long long)in_write,
                  (unsigned long long)in_recovery, (unsigned long long)full, (unsigned long long)entries,
                  (unsigned long long)replayed, (unsigned long long)cuts);
    if (seed_count >= DEFAULT_SEEDS)
        assert_true(in_write > 0 && in_recovery > 0 && full > 0 && replayed > 0 && cuts > 0);
    free(world);
    free(box);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        first_seed = strtoull(argv[1], NULL, 10);
    if (argc > 1)
        seed_count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
