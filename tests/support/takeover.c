#include "tests/support/takeover.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "tests/support/nemesis.h"
#include "tests/support/takeover_run.h"

uint64_t takeover_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void *takeover_list_add(struct takeover_list *list, size_t element_bytes)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        list->items = realloc(list->items, list->capacity * element_bytes);
        CHECK(list->items != NULL);
    }
    uint8_t *element = (uint8_t *)list->items + list->count++ * element_bytes;
    memset(element, 0, element_bytes);
    return element;
}

void takeover_wrong(struct takeover *run, const char *format, ...)
{
    va_list arguments;
    pthread_mutex_lock(&run->print);
    printf("    ");
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf(" (seed %llu)\n", (unsigned long long)run->options->seed);
    fflush(stdout);
    pthread_mutex_unlock(&run->print);
    atomic_store(&run->failed, true);
}

/* --- set-up --- */

/* The shared directories and the file of counters, through a client that is gone afterwards. */
static const char *places_make(struct takeover *run, struct rpc_peer *peer, struct arena *arena)
{
    struct slice top;
    struct nfs_compound_builder builder;
    struct nfs_reply reply;
    union nfs4_result result;
    if (rpc_peer_walk(peer, run->options->export_path, arena, &top) != NFS4_OK)
        return "the export cannot be reached";
    for (uint32_t i = 0; i < TAKEOVER_DIRECTORIES; i++) {
        nfs_session_start(&peer->session, &builder, arena, 4096, 0, true);
        nfs_add_putfh(&builder, top);
        nfs_add_create(&builder, NF4DIR, slice_text(run->directory_name[i]));
        nfs_compound_add(&builder, OP_GETFH, NULL);
        if (rpc_peer_run(peer, &builder, &reply) != NFS4_OK || !nfs_reply_find(&reply, OP_GETFH, &result))
            return "a working directory cannot be made";
        run->directories[i] = arena_copy(&run->lasting, result.opgetfh.resok4.object);
    }

    uint8_t zeros[TAKEOVER_REGIONS * TAKEOVER_REGION_BYTES] = {0};
    const struct nfs_open open = {peer->session.clientid, "counters", "counters", GUARDED4, 0};
    union nfs4_args write = {.opwrite = {.stateid = {.seqid = 1}, .stable = FILE_SYNC4}};
    union nfs4_args close = {.opclose = {.open_stateid = {.seqid = 1}}};
    write.opwrite.data = slice_make(zeros, sizeof(zeros));
    nfs_session_start(&peer->session, &builder, arena, 4096, 0, true);
    nfs_add_putfh(&builder, run->directories[0]);
    nfs_add_open(&builder, &open);
    nfs_compound_add(&builder, OP_GETFH, NULL);
    nfs_compound_add(&builder, OP_WRITE, &write); /* with the current stateid (RFC 8881 section 16.2.3.1.2) */
    nfs_compound_add(&builder, OP_CLOSE, &close);
    if (rpc_peer_run(peer, &builder, &reply) != NFS4_OK || !nfs_reply_find(&reply, OP_GETFH, &result))
        return "the file of counters cannot be made";
    run->counters = arena_copy(&run->lasting, result.opgetfh.resok4.object);
    return NULL;
}

static const char *run_begin(struct takeover *run)
{
    static const struct nfs_identity identity = {0, 0, "takeover"};
    struct rpc_peer peer;
    struct arena arena;
    char owner[80];
    arena_init(&arena);
    rpc_peer_init_servers(&peer, &run->options->servers, &identity, 1);
    snprintf(owner, sizeof(owner), "maker of %s", run->directory_name[0]);
    const char *wrong = rpc_peer_login(&peer, slice_text(owner), run->options->seed, 4) == NFS4_OK
                            ? places_make(run, &peer, &arena)
                            : "the first client gets no session";
    for (uint32_t i = 0; i < run->client_count && wrong == NULL; i++) {
        run->clients[i].run = run;
        run->clients[i].number = i;
        wrong = takeover_client_begin(&run->clients[i]);
    }
    for (uint32_t i = 0; i < TAKEOVER_DIRECTORIES && wrong == NULL; i++) {
        if (!takeover_change(&peer, run->directories[i], &run->first_change[i]))
            wrong = "a working directory has no change number";
        atomic_store(&run->seen_change[i], run->first_change[i]);
    }
    if (wrong == NULL && rpc_peer_logout(&peer) != NFS4_OK)
        wrong = "the first client cannot log out";
    rpc_peer_fini(&peer);
    arena_fini(&arena);
    return wrong;
}

/* --- faults --- */

static void sleep_ms(const struct takeover *run, uint64_t ms)
{
    uint64_t until_ms = test_now_ms() + ms;
    while (test_now_ms() < until_ms && !atomic_load(&run->failed))
        test_sleep_us(10000);
}

static void fault_run(struct takeover *run, struct nemesis *nemesis)
{
    struct nemesis_fault asked;
    atomic_store(&run->down, true);
    if (!nemesis_begin(nemesis, &asked)) {
        takeover_wrong(run, "the nemesis gave up");
        return;
    }
    struct takeover_fault *fault = takeover_list_add(&run->faults, sizeof(*fault));
    memcpy(fault->kind, asked.kind, sizeof(fault->kind));
    fault->node = asked.node;
    fault->begin_us = takeover_now_us();
    for (uint32_t i = 0; i < run->client_count; i++)
        fault->nodes[i] = atomic_load(&run->clients[i].reply_node);
    if (!nemesis_wait_up(nemesis)) {
        takeover_wrong(run, "the nemesis gave up during %s", fault->kind);
        return;
    }
    fault->up_us = takeover_now_us();
    atomic_store(&run->up_us, fault->up_us);
    atomic_store(&run->down, false);
    if (!nemesis_wait_end(nemesis))
        takeover_wrong(run, "not all nodes are ready after %s of node %u", fault->kind, fault->node);
    if (run->options->verbose) {
        printf("    %s of node %u: down for %.1f s, whole after %.1f s\n", fault->kind, fault->node,
               (double)(fault->up_us - fault->begin_us) / 1e6, (double)(takeover_now_us() - fault->begin_us) / 1e6);
        fflush(stdout);
    }
    sleep_ms(run, run->options->calm_ms);
    fault->until_us = takeover_now_us();
}

static void trouble_run(struct takeover *run)
{
    const struct takeover_options *options = run->options;
    if (options->nemesis_descriptor < 0) {
        sleep_ms(run, options->seconds * 1000u);
        return;
    }
    struct nemesis nemesis;
    nemesis_init(&nemesis, options->nemesis_descriptor);
    sleep_ms(run, options->calm_ms);
    for (uint32_t i = 0; i < options->faults && !atomic_load(&run->failed); i++)
        fault_run(run, &nemesis);
}

/* --- the whole --- */

static void threads_run(struct takeover *run)
{
    uint32_t nodes = run->options->servers.count;
    for (uint32_t i = 0; i < run->client_count; i++)
        CHECK(pthread_create(&run->clients[i].thread, NULL, takeover_client_run, &run->clients[i]) == 0);
    for (uint32_t i = 0; i < nodes; i++) {
        run->watchers[i].run = run;
        run->watchers[i].node = i;
        CHECK(pthread_create(&run->watchers[i].thread, NULL, takeover_watch, &run->watchers[i]) == 0);
    }
    trouble_run(run);
    atomic_store(&run->stop, true);
    for (uint32_t i = 0; i < run->client_count; i++)
        pthread_join(run->clients[i].thread, NULL);
    for (uint32_t i = 0; i < nodes; i++)
        pthread_join(run->watchers[i].thread, NULL);
}

/* What was done; false if nothing was, or nobody looked: then there is nothing to judge by. */
static bool figures_print(const struct takeover *run)
{
    uint64_t operations = 0;
    uint64_t resends = 0;
    uint64_t moves = 0;
    uint64_t silences = 0;
    uint64_t looks = 0;
    size_t links = 0;
    size_t misses = 0;
    uint64_t counted = 0;
    for (uint32_t i = 0; i < run->client_count; i++) {
        operations += run->clients[i].operations;
        resends += run->clients[i].resends;
        moves += run->clients[i].moves;
        silences += run->clients[i].silences;
        links += run->clients[i].links.count;
        misses += run->clients[i].misses.count;
    }
    for (uint32_t i = 0; i < TAKEOVER_REGIONS; i++)
        counted += atomic_load(&run->counted[i]);
    for (uint32_t i = 0; i < run->options->servers.count; i++)
        looks += run->watchers[i].looks;
    printf("    %llu operations, %zu changes of the shared directories, %zu lost races, %llu counted under locks; "
           "%llu sent again, %llu moves to another node (%llu after silence), %llu looks, %zu faults\n",
           (unsigned long long)operations, links, misses, (unsigned long long)counted, (unsigned long long)resends,
           (unsigned long long)moves, (unsigned long long)silences, (unsigned long long)looks, run->faults.count);
    return links > 0 && looks > 0;
}

/* One line a part; each part is judged even when another is wrong, as far as it can be. */
static bool part_print(const struct takeover *run, const char *part, bool good)
{
    printf("%s takeover/%s", good ? "ok" : "FAILED", part);
    if (!good)
        printf(" (seed %llu)", (unsigned long long)run->options->seed);
    printf("\n");
    return good;
}

static bool judge(struct takeover *run)
{
    bool busy = figures_print(run);
    bool good = part_print(run, "replies", busy && !atomic_load(&run->failed));
    if (!good)
        return false;
    uint64_t last_change[TAKEOVER_DIRECTORIES] = {0};
    for (uint32_t node = 0; node < run->options->servers.count && good; node++)
        good = takeover_verify(run, node, last_change);
    good = part_print(run, "nodes", good) && good;
    good = part_print(run, "history", takeover_history_check(run, last_change)) && good;
    return takeover_pauses_report(run) && good;
}

bool takeover_run(const struct takeover_options *options)
{
    struct takeover *run = calloc(1, sizeof(*run));
    CHECK(run != NULL && options->clients <= TAKEOVER_CLIENTS_MAX && options->lanes <= TAKEOVER_LANES_MAX);
    run->options = options;
    run->client_count = options->clients;
    run->clients = calloc(options->clients, sizeof(*run->clients));
    CHECK(run->clients != NULL);
    arena_init(&run->lasting);
    pthread_mutex_init(&run->print, NULL);
    for (uint32_t i = 0; i < TAKEOVER_DIRECTORIES; i++)
        snprintf(run->directory_name[i], sizeof(run->directory_name[i]), "takeover-%d-%llu-%u", (int)getpid(),
                 (unsigned long long)options->seed, i);

    const char *wrong = run_begin(run);
    bool good = wrong == NULL;
    if (good) {
        threads_run(run);
        good = judge(run);
    } else {
        printf("FAILED takeover/setup: %s (seed %llu)\n", wrong, (unsigned long long)options->seed);
        atomic_store(&run->failed, true);
    }
    for (uint32_t i = 0; i < run->client_count; i++) {
        if (run->clients[i].run != NULL)
            takeover_client_end(&run->clients[i]);
    }
    good = good && !atomic_load(&run->failed);
    free(run->faults.items);
    free(run->clients);
    arena_fini(&run->lasting);
    pthread_mutex_destroy(&run->print);
    free(run);
    return good;
}
