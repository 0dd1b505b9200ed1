/* A state with blocks goes from one node to another through both threads, over a net that loses frames, with ends on either
 * side; then a start puts it in place, and both are the same. */
#include "server/daemon/snapshot_thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/limits.h"
#include "server/daemon/install.h"
#include "statestore/store/schema.h"
#include "tests/support/state_folder.h"

#define CLOCK_SPEED 20u /* so that what is lost is asked for soon */
#define FILES 60u

struct net;

struct side {
    struct state_folder folder;
    struct applier_thread *applier;
    struct snapshot_thread *thread; /* NULL: down; under the net's mutex */
    struct net *net;
    uint64_t node;
    atomic_uint readies;
    atomic_uint given_up;
    atomic_uint failures;
    atomic_uint_least64_t pinned;
    atomic_uint chunks; /* that it sent */
};

struct net {
    pthread_mutex_t mutex;
    struct side sides[2]; /* the one that gives, and the one that fetches */
    struct random_seeded seeded;
    struct random random;
    atomic_uint loss_percent;
    atomic_uint_least64_t jumped_ms; /* that time has gone on at once */
    atomic_bool once;                /* a fetch that is given up is not begun again */
};

static uint64_t fast_ms(void *context)
{
    struct net *net = context;
    struct clock real = clock_system();
    return real.boot_ms(real.context) * CLOCK_SPEED + atomic_load(&net->jumped_ms);
}

static int64_t fast_ns(void *context)
{
    (void)context;
    return 0;
}

/* --- ports --- */

static void port_send(void *context, struct snapshot_message *message)
{
    struct side *side = context;
    struct net *net = side->net;
    struct side *other = &net->sides[side == &net->sides[0] ? 1 : 0];
    struct arena arena;
    struct slice data;
    uint8_t draw;
    arena_init(&arena);
    assert_int_equal(message->peer, other->node);
    if (message->kind == SNAPSHOT_CHUNK)
        atomic_fetch_add(&side->chunks, 1);
    const Qnfs__Peer *peer = snapshot_message_encode(message, &arena, &data);
    size_t room = peer_frame_bytes(peer, &data, 1);
    struct slice packed = peer_frame_pack(peer, &data, 1, (struct span){arena_alloc(&arena, room), room});
    struct peer_frame frame;
    assert_int_equal(peer_frame_open(packed, &arena, &frame), STATUS_OK);
    pthread_mutex_lock(&net->mutex);
    net->random.fill(net->random.context, &draw, 1);
    if (other->thread != NULL && draw % 100 >= atomic_load(&net->loss_percent))
        assert_true(snapshot_thread_frame(other->thread, side->node, &frame));
    pthread_mutex_unlock(&net->mutex);
    snapshot_message_free(message);
    arena_fini(&arena);
}

static void port_pin(void *context, uint64_t index)
{
    struct side *side = context;
    atomic_store(&side->pinned, index);
}

static void port_ready(void *context)
{
    struct side *side = context;
    atomic_fetch_add(&side->readies, 1);
}

static void port_gave_up(void *context)
{
    struct side *side = context;
    atomic_fetch_add(&side->given_up, 1);
    if (!atomic_load(&side->net->once)) { /* the leader says it again */
        pthread_mutex_lock(&side->net->mutex);
        if (side->thread != NULL)
            snapshot_thread_fetch(side->thread, side->net->sides[0].node);
        pthread_mutex_unlock(&side->net->mutex);
    }
}

static void port_failed(void *context, enum status status, const char *what)
{
    struct side *side = context;
    fprintf(stderr, "failed: %s: %s\n", what, status_name(status));
    atomic_fetch_add(&side->failures, 1);
}

static void applier_result(void *context, uint32_t loop, uint64_t place, struct buffer *bytes)
{
    (void)context;
    (void)loop;
    (void)place;
    buffer_put(bytes);
}
static void applier_effect(void *context, const struct machine_effect *effect)
{
    (void)context;
    (void)effect;
}
static void applier_advanced(void *context)
{
    (void)context;
}
static bool applier_room(void *context)
{
    (void)context;
    return true;
}
static void applier_done(void *context, uint64_t index)
{
    (void)context;
    (void)index;
}

/* --- sides --- */

static void side_up(struct side *side)
{
    struct applier_ports ports = {.context = side,
                                  .result = applier_result,
                                  .effect = applier_effect,
                                  .advanced = applier_advanced,
                                  .make_room = applier_room,
                                  .flushed = applier_done,
                                  .failed = port_failed};
    struct snapshot_thread_config config = {
        .data_dir = side->folder.path,
        .store = side->folder.store,
        .blocks = side->folder.blocks,
        .published = &side->folder.published,
        .ports = {side, port_send, port_pin, port_ready, port_gave_up, port_failed},
        .clock = {.context = side->net, .boot_ms = fast_ms, .wall_ns = fast_ns},
        .random = random_system(),
        .log = &side->folder.log,
    };
    memcpy(config.cluster_id, side->folder.identity.cluster_id, sizeof(config.cluster_id));
    side->applier = applier_thread_create(&side->folder.applier, &ports, clock_system(), &side->folder.log);
    applier_thread_run(side->applier);
    config.applier = side->applier;
    struct snapshot_thread *thread;
    assert_int_equal(snapshot_thread_create(&config, &thread), STATUS_OK);
    snapshot_thread_run(thread);
    pthread_mutex_lock(&side->net->mutex);
    side->thread = thread;
    pthread_mutex_unlock(&side->net->mutex);
}

static void side_down(struct side *side)
{
    pthread_mutex_lock(&side->net->mutex);
    struct snapshot_thread *thread = side->thread;
    side->thread = NULL;
    pthread_mutex_unlock(&side->net->mutex);
    if (thread == NULL)
        return;
    snapshot_thread_stop(thread);
    applier_thread_stop(side->applier);
    snapshot_thread_destroy(thread);
    applier_thread_destroy(side->applier);
}

static int setup(void **state)
{
    struct net *net = calloc(1, sizeof(*net));
    CHECK(net != NULL && pthread_mutex_init(&net->mutex, NULL) == 0);
    net->random = random_from_seed(&net->seeded, 1);
    for (unsigned i = 0; i < 2; i++) {
        struct side *side = &net->sides[i];
        side->net = net;
        side->node = i + 1;
        state_folder_init(&side->folder, side->node);
        state_folder_open(&side->folder);
        if (i == 0)
            state_folder_fill(&side->folder, FILES);
    }
    side_up(&net->sides[0]);
    side_up(&net->sides[1]);
    *state = net;
    return 0;
}

static int teardown(void **state)
{
    struct net *net = *state;
    for (unsigned i = 0; i < 2; i++) {
        side_down(&net->sides[i]);
        assert_int_equal(net->sides[i].failures, 0);
        state_folder_fini(&net->sides[i].folder);
    }
    pthread_mutex_destroy(&net->mutex);
    free(net);
    return 0;
}

static void wait_for(atomic_uint *counter, unsigned value)
{
    for (unsigned i = 0; i < 60000 && atomic_load(counter) < value; i++)
        usleep(1000);
    assert_int_equal(atomic_load(counter), value);
}

/* What a start does. */
static void adopt(struct side *side, const struct side *source)
{
    struct state_folder *folder = &side->folder;
    struct log_options options = {.disk = &folder->disk, .random = random_system(), .segment_bytes = 1 << 20};
    struct log_writer *writer;
    struct log_recovered recovered;
    struct snapshot_manifest *installed;
    char trouble[256] = "";
    side_down(side);
    state_folder_close(folder);
    assert_int_equal(log_create(&options, NULL), STATUS_OK);
    assert_int_equal(log_recover(&options, &writer, &recovered, (struct span){(uint8_t *)trouble, sizeof(trouble)}),
                     STATUS_OK);
    enum status status = install_place(&folder->disk, folder->path, &folder->identity, writer, &recovered, &folder->log,
                                       &installed, trouble, sizeof(trouble));
    if (status != STATUS_OK)
        fail_msg("%s", trouble);
    assert_non_null(installed);
    const struct machine *machine = &source->folder.applier.machine;
    assert_int_equal(recovered.snapshot.index, machine->applied_index);
    assert_int_equal(recovered.snapshot.term, machine->applied_term);
    assert_int_equal(recovered.snapshot.configuration_index, machine->applied_index);
    assert_int_equal(recovered.snapshot.configuration.count, 3);
    assert_int_equal(recovered.first_index, machine->applied_index + 1);
    assert_true(recovered.term >= machine->applied_term);
    state_folder_open(folder);
    status = install_finish(&folder->disk, folder->path, installed, &folder->applier.machine, trouble, sizeof(trouble));
    if (status != STATUS_OK)
        fail_msg("%s", trouble);
    log_recovered_fini(&recovered);
    log_writer_destroy(writer);
}

static void fetch(struct net *net)
{
    snapshot_thread_fetch(net->sides[1].thread, net->sides[0].node);
}

/* --- cases --- */

static void goes_over(void **state)
{
    struct net *net = *state;
    struct side *giver = &net->sides[0];
    fetch(net);
    wait_for(&net->sides[1].readies, 1);
    assert_true(atomic_load(&giver->pinned) > 0 && atomic_load(&giver->folder.published.pinned_number) > 0);
    side_down(giver);
    adopt(&net->sides[1], giver);
    state_folder_compare(&giver->folder, &net->sides[1].folder);
}

static void goes_over_a_net_that_loses(void **state)
{
    struct net *net = *state;
    net->loss_percent = 8;
    fetch(net);
    wait_for(&net->sides[1].readies, 1);
    side_down(&net->sides[0]);
    adopt(&net->sides[1], &net->sides[0]);
    state_folder_compare(&net->sides[0].folder, &net->sides[1].folder);
}

/* The copy is gone with the process that made it; the next one makes another. */
static void giver_starts_anew(void **state)
{
    struct net *net = *state;
    struct side *giver = &net->sides[0];
    net->loss_percent = 10;
    fetch(net);
    for (unsigned times = 1; times <= 3; times++) {
        for (unsigned i = 0; i < 5000 && atomic_load(&giver->chunks) < times * 5; i++)
            usleep(1000);
        side_down(giver);
        state_folder_close(&giver->folder);
        state_folder_open(&giver->folder);
        side_up(giver);
    }
    net->loss_percent = 0;
    wait_for(&net->sides[1].readies, 1);
    side_down(giver);
    adopt(&net->sides[1], giver);
    state_folder_compare(&giver->folder, &net->sides[1].folder);
}

/* What had come is of no use to the next process, and goes. */
static void fetcher_starts_anew(void **state)
{
    struct net *net = *state;
    struct side *fetcher = &net->sides[1];
    net->loss_percent = 10;
    fetch(net);
    for (unsigned i = 0; i < 5000 && atomic_load(&net->sides[0].chunks) < 20; i++)
        usleep(1000);
    side_down(fetcher);
    assert_int_equal(fetcher->readies, 0);
    side_up(fetcher);
    net->loss_percent = 0;
    fetch(net);
    wait_for(&fetcher->readies, 1);
    side_down(&net->sides[0]);
    adopt(fetcher, &net->sides[0]);
    state_folder_compare(&net->sides[0].folder, &fetcher->folder);
}

/* Nobody asks any more: blocks and log may go again. */
static void copy_goes_when_nobody_asks(void **state)
{
    struct net *net = *state;
    struct side *giver = &net->sides[0];
    char path[2048];
    fetch(net);
    wait_for(&net->sides[1].readies, 1);
    snprintf(path, sizeof(path), "%s/snapshots/state", giver->folder.path);
    assert_int_equal(access(path, F_OK), 0);
    atomic_fetch_add(&net->jumped_ms, SNAPSHOT_KEEP_MS + 1000);
    for (unsigned i = 0; i < 10000 && atomic_load(&giver->pinned) != 0; i++)
        usleep(1000);
    assert_int_equal(atomic_load(&giver->pinned), 0);
    assert_int_equal(atomic_load(&giver->folder.published.pinned_number), 0);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void staging_is_empty(struct side *side)
{
    char path[2048];
    snprintf(path, sizeof(path), "%s/staging/state", side->folder.path);
    assert_int_not_equal(access(path, F_OK), 0);
    snprintf(path, sizeof(path), "%s/staging/ready", side->folder.path);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void no_room(void **state)
{
    struct net *net = *state;
    struct side *fetcher = &net->sides[1];
    fetcher->folder.log.level = LOG_ERROR + 1;
    fetcher->folder.published.free_bytes = 1 << 20;
    net->once = true;
    fetch(net);
    wait_for(&fetcher->given_up, 1);
    staging_is_empty(fetcher);
    fetcher->folder.published.free_bytes = (uint64_t)100 << 30;
    net->once = false;
    fetch(net);
    wait_for(&fetcher->readies, 1);
}

/* A block that rots at the giver is not handed on, and nothing of it stays. */
static void damage_at_the_giver(void **state)
{
    struct net *net = *state;
    struct side *giver = &net->sides[0];
    giver->folder.log.level = net->sides[1].folder.log.level = LOG_ERROR + 1;
    struct kv_read *view = kv_store_snapshot(giver->folder.store);
    const uint8_t prefix = SCHEMA_BLOCK;
    struct kv_cursor cursor;
    struct arena arena;
    char path[2048];
    arena_init(&arena);
    kv_cursor_open(view, slice_make(&prefix, 1), SLICE_EMPTY, &arena, &cursor);
    assert_true(cursor.valid);
    uint64_t id = 0;
    for (unsigned i = 0; i < 8; i++)
        id = id << 8 | cursor.key.data[1 + i];
    kv_cursor_close(&cursor);
    kv_store_release(giver->folder.store, view);
    arena_fini(&arena);
    snprintf(path, sizeof(path), "%s/blocks/%02x/%02x/%016llx", giver->folder.path, (unsigned)(id >> 16) & 0xff,
             (unsigned)(id >> 8) & 0xff, (unsigned long long)id);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, 500, SEEK_SET);
    fputc('x', file);
    fclose(file);
    fetch(net);
    /* Begun anew again and again, until the operator helps: each time the giver says that its copy is gone. */
    for (unsigned i = 0; i < 3000 && atomic_load(&giver->chunks) < 10; i++)
        usleep(1000);
    usleep(300000);
    assert_int_equal(net->sides[1].readies, 0);
    side_down(&net->sides[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(goes_over),           TEST(goes_over_a_net_that_loses), TEST(giver_starts_anew),
        TEST(fetcher_starts_anew), TEST(copy_goes_when_nobody_asks), TEST(no_room),
        TEST(damage_at_the_giver),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
