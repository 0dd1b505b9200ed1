#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "tests/support/takeover_run.h"

#define READ_BYTES 65536u
#define WATCH_PAUSE_US 3000

bool takeover_change(struct rpc_peer *peer, struct slice handle, uint64_t *change)
{
    struct arena arena;
    struct nfs_compound_builder builder;
    struct nfs_reply reply;
    struct bitmap4 mask = {0};
    struct nfs4_attributes attributes = {0};
    bitmap4_add(&mask, FATTR4_CHANGE);
    arena_init(&arena);
    nfs_session_start(&peer->session, &builder, &arena, 4096, 0, false);
    nfs_add_putfh(&builder, handle);
    nfs_add_getattr(&builder, &mask);
    bool good = rpc_peer_run(peer, &builder, &reply) == NFS4_OK && nfs_reply_attributes(&reply, &attributes);
    *change = attributes.change;
    arena_fini(&arena);
    return good;
}

/* --- names --- */

/* Lists of names (const char *) that are in an arena. */

static void names_add(struct takeover_list *names, const char *name)
{
    const char **item = takeover_list_add(names, sizeof(*item));
    *item = name;
}

static int name_order(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void names_sort(struct takeover_list *names)
{
    if (names->count > 0)
        qsort(names->items, names->count, sizeof(const char *), name_order);
}

static const char *names_at(const struct takeover_list *names, size_t i)
{
    return i < names->count ? ((const char **)names->items)[i] : "nothing";
}

/* What must be in a directory. */
static void names_expected(const struct takeover *run, uint32_t directory, struct arena *arena,
                           struct takeover_list *names)
{
    for (uint32_t i = 0; i < run->client_count; i++) {
        for (uint32_t slot = 0; slot < run->clients[i].lane_count; slot++) {
            const struct takeover_lane *lane = &run->clients[i].lanes[slot];
            if (lane->data.directory == directory)
                names_add(names, lane->data.name);
            for (uint32_t k = 0; k < TAKEOVER_ENTRIES; k++) {
                if (lane->entries[k].name[0] != '\0' && lane->entries[k].directory == directory)
                    names_add(names, lane->entries[k].name);
            }
        }
    }
    if (directory == 0) {
        names_add(names, "counters");
        for (int32_t race = 0; race < (int32_t)TAKEOVER_RACES; race++) {
            if (takeover_race_present(run, race)) {
                char *name = arena_alloc(arena, TAKEOVER_NAME_BYTES);
                snprintf(name, TAKEOVER_NAME_BYTES, "race-%d", race);
                names_add(names, name);
            }
        }
    }
    names_sort(names);
}

/* What a node shows. */
static bool names_found(struct rpc_peer *peer, struct slice directory, struct arena *arena, struct takeover_list *names)
{
    union nfs4_args args = {.opreaddir = {.dircount = 32768, .maxcount = 32768}};
    for (;;) {
        struct nfs_compound_builder builder;
        struct nfs_reply reply;
        union nfs4_result result;
        nfs_session_start(&peer->session, &builder, arena, 4096, 0, false);
        nfs_add_putfh(&builder, directory);
        nfs_compound_add(&builder, OP_READDIR, &args);
        if (rpc_peer_run(peer, &builder, &reply) != NFS4_OK || !nfs_reply_find(&reply, OP_READDIR, &result))
            return false;
        const struct READDIR4resok *resok = &result.opreaddir.resok4;
        for (struct entry4 *entry = resok->reply.entries; entry != NULL; entry = entry->nextentry) {
            names_add(names, arena_text(arena, entry->name));
            args.opreaddir.cookie = entry->cookie;
        }
        args.opreaddir.cookieverf = resok->cookieverf;
        if (resok->reply.eof)
            break;
    }
    names_sort(names);
    return true;
}

static bool names_check(struct takeover *run, uint32_t node, struct rpc_peer *peer, uint32_t directory)
{
    struct arena arena;
    struct takeover_list expected = {0};
    struct takeover_list found = {0};
    arena_init(&arena);
    names_expected(run, directory, &arena, &expected);
    bool good = names_found(peer, run->directories[directory], &arena, &found);
    if (!good)
        takeover_wrong(run, "node %u does not list directory %u", node + 1, directory);
    for (size_t i = 0; good && (i < expected.count || i < found.count); i++) {
        const char *wanted = names_at(&expected, i);
        const char *shown = names_at(&found, i);
        good = strcmp(wanted, shown) == 0;
        if (!good)
            takeover_wrong(run, "node %u shows in directory %u %s where %s must be (%zu names, must be %zu)", node + 1,
                           directory, shown, wanted, found.count, expected.count);
    }
    free(expected.items);
    free(found.items);
    arena_fini(&arena);
    return good;
}

/* --- content --- */

static bool content_read(struct rpc_peer *peer, struct slice handle, uint64_t offset, struct arena *arena,
                         struct slice *bytes)
{
    struct nfs_compound_builder builder;
    struct nfs_reply reply;
    union nfs4_result result;
    union nfs4_args args = {.opread = {.offset = offset, .count = READ_BYTES}};
    nfs_session_start(&peer->session, &builder, arena, 4096, 0, false);
    nfs_add_putfh(&builder, handle);
    nfs_compound_add(&builder, OP_READ, &args);
    if (rpc_peer_run(peer, &builder, &reply) != NFS4_OK || !nfs_reply_find(&reply, OP_READ, &result))
        return false;
    *bytes = result.opread.resok4.data;
    return true;
}

static bool data_check(struct takeover *run, uint32_t node, struct rpc_peer *peer, const struct takeover_lane *lane)
{
    struct arena arena;
    struct slice handle = slice_make(lane->data.handle, lane->data.handle_bytes);
    uint64_t offset = 0;
    uint64_t change = 0;
    bool good = takeover_change(peer, handle, &change) && change == lane->data_change;
    arena_init(&arena);
    for (;;) {
        struct slice bytes = SLICE_EMPTY;
        arena_reset(&arena);
        good = good && content_read(peer, handle, offset, &arena, &bytes);
        for (size_t i = 0; good && i < bytes.size_bytes; i++)
            good = bytes.data[i] == takeover_data_byte(lane, offset + i);
        offset += bytes.size_bytes;
        if (!good || bytes.size_bytes == 0)
            break;
    }
    arena_fini(&arena);
    good = good && offset == lane->data_size;
    if (!good)
        takeover_wrong(run, "node %u shows %s other than it was written: %llu bytes of %llu, change %llx, must be %llx",
                       node + 1, lane->data.name, (unsigned long long)offset, (unsigned long long)lane->data_size,
                       (unsigned long long)change, (unsigned long long)lane->data_change);
    return good;
}

static bool counters_check(struct takeover *run, uint32_t node, struct rpc_peer *peer)
{
    struct arena arena;
    struct slice bytes = SLICE_EMPTY;
    arena_init(&arena);
    bool good = content_read(peer, run->counters, 0, &arena, &bytes) &&
                bytes.size_bytes == TAKEOVER_REGIONS * TAKEOVER_REGION_BYTES;
    if (!good)
        takeover_wrong(run, "node %u does not show the counters", node + 1);
    for (uint32_t region = 0; good && region < TAKEOVER_REGIONS; region++) {
        uint64_t shown = 0;
        for (uint32_t i = 0; i < TAKEOVER_REGION_BYTES; i++)
            shown = shown << 8 | bytes.data[region * TAKEOVER_REGION_BYTES + i];
        uint64_t counted = atomic_load(&run->counted[region]);
        good = shown == counted;
        if (!good)
            takeover_wrong(run, "node %u shows counter %u at %llu, but %llu were counted", node + 1, region,
                           (unsigned long long)shown, (unsigned long long)counted);
    }
    arena_fini(&arena);
    return good;
}

/* A client that knows only this node. */
static bool peer_login(struct takeover *run, uint32_t node, const char *what, struct rpc_peer *peer)
{
    static const struct nfs_identity identity = {0, 0, "takeover"};
    char owner[96];
    rpc_peer_init(peer, &run->options->servers.addresses[node], &identity, 0x10000 * (node + 1));
    snprintf(owner, sizeof(owner), "%s of node %u of %s", what, node, run->directory_name[0]);
    return rpc_peer_login(peer, slice_text(owner), run->options->seed, 4) == NFS4_OK;
}

bool takeover_verify(struct takeover *run, uint32_t node, uint64_t last_change[TAKEOVER_DIRECTORIES])
{
    struct rpc_peer peer;
    if (!peer_login(run, node, "verifier", &peer)) {
        takeover_wrong(run, "node %u gives no session in the end", node + 1);
        rpc_peer_fini(&peer);
        return false;
    }
    bool good = true;
    for (uint32_t directory = 0; directory < TAKEOVER_DIRECTORIES; directory++) {
        uint64_t change = 0;
        bool same = takeover_change(&peer, run->directories[directory], &change) &&
                    (last_change[directory] == 0 || last_change[directory] == change);
        if (!same)
            takeover_wrong(run, "node %u shows another change number of directory %u than a node before", node + 1,
                           directory);
        last_change[directory] = change;
        good = same && good;
        good = names_check(run, node, &peer, directory) && good;
    }
    for (uint32_t i = 0; i < run->client_count; i++) {
        for (uint32_t slot = 0; slot < run->clients[i].lane_count; slot++)
            good = data_check(run, node, &peer, &run->clients[i].lanes[slot]) && good;
    }
    good = counters_check(run, node, &peer) && good;
    if (rpc_peer_logout(&peer) != NFS4_OK) {
        takeover_wrong(run, "node %u does not end a session", node + 1);
        good = false;
    }
    rpc_peer_fini(&peer);
    return good;
}

/* --- looking all the time --- */

/* One look: the change of both directories must have reached what anybody was told before. */
static bool watcher_look(struct takeover_watcher *watcher, struct arena *arena)
{
    struct takeover *run = watcher->run;
    struct nfs_compound_builder builder;
    struct bitmap4 mask = {0};
    uint64_t seen[TAKEOVER_DIRECTORIES];
    bitmap4_add(&mask, FATTR4_CHANGE);
    nfs_session_start(&watcher->peer.session, &builder, arena, 4096, 0, false);
    for (uint32_t directory = 0; directory < TAKEOVER_DIRECTORIES; directory++) {
        seen[directory] = atomic_load(&run->seen_change[directory]);
        nfs_add_putfh(&builder, run->directories[directory]);
        nfs_add_getattr(&builder, &mask);
    }
    struct nfs_request request = nfs_compound_finish(&builder);
    struct slice record;
    while (!rpc_peer_call(&watcher->peer, &request, arena, &record)) {
        if (atomic_load(&run->stop) || atomic_load(&run->failed))
            return false;
    }
    struct nfs_reply reply;
    bool good = nfs_reply_open(&reply, record, arena) && reply.head.status == NFS4_OK;
    nfs_session_done(&watcher->peer.session, 0);
    for (uint32_t directory = 0; directory < TAKEOVER_DIRECTORIES && good; directory++) {
        struct nfs4_attributes attributes;
        good = nfs_reply_attributes(&reply, &attributes);
        if (good && attributes.change < seen[directory])
            takeover_wrong(run, "a stale read on node %u: directory %u at %llx, but %llx was acknowledged before",
                           watcher->node + 1, directory, (unsigned long long)attributes.change,
                           (unsigned long long)seen[directory]);
    }
    if (!good)
        takeover_wrong(run, "the watcher of node %u: status %s", watcher->node + 1, nfsstat4_name(reply.head.status));
    watcher->looks++;
    return good;
}

void *takeover_watch(void *context)
{
    struct takeover_watcher *watcher = context;
    struct takeover *run = watcher->run;
    struct arena arena;
    arena_init(&arena);
    if (!peer_login(run, watcher->node, "watcher", &watcher->peer))
        takeover_wrong(run, "node %u gives no session", watcher->node + 1);
    while (!atomic_load(&run->stop) && !atomic_load(&run->failed)) {
        arena_reset(&arena);
        if (!watcher_look(watcher, &arena))
            break;
        test_sleep_us(WATCH_PAUSE_US);
    }
    if (!atomic_load(&run->failed) && rpc_peer_logout(&watcher->peer) != NFS4_OK)
        takeover_wrong(run, "node %u does not end a session", watcher->node + 1);
    rpc_peer_fini(&watcher->peer);
    arena_fini(&arena);
    return NULL;
}
