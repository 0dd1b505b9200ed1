#include "tests/support/exactly_once_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

uint32_t world_random(struct world *world, uint32_t count)
{
    return (uint32_t)(random_seeded_next(&world->random) % count);
}

void world_move(struct world *world, struct rpc_peer *peer)
{
    if (peer->servers.count > 1)
        rpc_peer_move(peer, world_random(world, peer->servers.count));
}

bool world_maybe_kill(struct world *world)
{
    bool nemesis = world->nemesis.descriptor >= 0;
    if ((world->kill_command == NULL && !nemesis) || world_random(world, 100) >= world->kill_percent)
        return true;
    test_sleep_us(world_random(world, 3000));
    world->kills++;
    struct nemesis_fault fault;
    return nemesis ? nemesis_begin(&world->nemesis, &fault) : system(world->kill_command) == 0;
}

struct world_entry *world_entry_unused(struct world *world)
{
    for (uint32_t i = 0; i < WORLD_ENTRIES_MAX; i++) {
        if (world->entries[i].name[0] == '\0')
            return &world->entries[i];
    }
    return NULL;
}

void world_entry_set(struct world_entry *entry, const char *name, enum nfs_ftype4 type, struct slice handle)
{
    *entry = (struct world_entry){.type = type, .handle_bytes = handle.size_bytes};
    CHECK(handle.size_bytes <= sizeof(entry->handle) && strlen(name) < sizeof(entry->name));
    memcpy(entry->name, name, strlen(name) + 1);
    memcpy(entry->handle, handle.data, handle.size_bytes);
}

void world_name_make(struct world *world, char name[WORLD_NAME_BYTES])
{
    snprintf(name, WORLD_NAME_BYTES, "n%u", world->next_name++);
}

static struct bitmap4 snapshot_mask(void)
{
    struct bitmap4 mask = {0};
    const uint32_t numbers[] = {FATTR4_TYPE,     FATTR4_CHANGE, FATTR4_SIZE,          FATTR4_FILEID,     FATTR4_MODE,
                                FATTR4_NUMLINKS, FATTR4_OWNER,  FATTR4_TIME_METADATA, FATTR4_TIME_MODIFY};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        bitmap4_add(&mask, numbers[i]);
    return mask;
}

bool world_look(struct world *world, struct arena *arena, struct world_snapshot *snapshot)
{
    struct nfs_compound_builder builder;
    struct bitmap4 mask = snapshot_mask();
    world_move(world, &world->observer);
    nfs_session_start(&world->observer.session, &builder, arena, 2048, 0, false);
    nfs_add_putfh(&builder, world->directory);
    nfs_add_getattr(&builder, &mask);
    union nfs4_args args = {.opreaddir = {.dircount = 65536, .maxcount = 65536, .attr_request = mask}};
    nfs_compound_add(&builder, OP_READDIR, &args);

    struct nfs_reply reply;
    union nfs4_result result;
    struct nfs4_attributes attributes;
    if (rpc_peer_run(&world->observer, &builder, &reply) != NFS4_OK || !nfs_reply_find(&reply, OP_PUTFH, &result))
        return false;
    snapshot->bytes = slice_make(reply.x.next, xdr_remaining(&reply.x));
    if (!nfs_reply_attributes(&reply, &attributes))
        return false;
    snapshot->directory_change = attributes.change;
    snapshot->directory_links = attributes.numlinks;
    return true;
}

/* The model's entry of a name, NULL if there is none. */
static struct world_entry *entry_find(struct world *world, struct slice name)
{
    if (slice_equal(name, slice_text(world->data.name)))
        return &world->data;
    for (uint32_t i = 0; i < WORLD_ENTRIES_MAX; i++) {
        if (world->entries[i].name[0] != '\0' && slice_equal(name, slice_text(world->entries[i].name)))
            return &world->entries[i];
    }
    return NULL;
}

const char *world_compare(struct world *world, const struct world_snapshot *snapshot)
{
    struct xdr x = xdr_decoder(snapshot->bytes, &world->scratch);
    enum opnum4 op;
    union nfs4_result result;
    while (xdr_enum(&x, &op) && nfs4_result_codec(&x, op, &result) && op != OP_READDIR)
        ;
    if (x.failed || !result.opreaddir.resok4.reply.eof)
        return "the observer's READDIR is not whole";
    uint32_t found = 0;
    uint32_t directories = 0;
    for (struct entry4 *entry = result.opreaddir.resok4.reply.entries; entry != NULL; entry = entry->nextentry) {
        struct world_entry *known = entry_find(world, entry->name);
        if (known == NULL)
            return "a name is there that must not be";
        found++;
        directories += known->type == NF4DIR;
    }
    uint32_t expected = 1;
    for (uint32_t i = 0; i < WORLD_ENTRIES_MAX; i++)
        expected += world->entries[i].name[0] != '\0';
    if (found != expected)
        return "a name is missing";
    return snapshot->directory_links == directories + 2 ? NULL : "the directory's link count is wrong";
}

/* Makes and opens the file that locks and appends use. */
static const char *data_open(struct world *world, struct arena *arena)
{
    struct nfs_compound_builder builder;
    nfs_session_start(&world->worker.session, &builder, arena, 4096, 0, true);
    nfs_add_putfh(&builder, world->directory);
    const struct nfs_open open = {world->worker.session.clientid, "opener", "data", GUARDED4, 0};
    nfs_add_open(&builder, &open);
    nfs_compound_add(&builder, OP_GETFH, NULL);
    struct nfs_reply reply;
    union nfs4_result result;
    if (rpc_peer_run(&world->worker, &builder, &reply) != NFS4_OK || !nfs_reply_find(&reply, OP_OPEN, &result))
        return "OPEN of the data file failed";
    world->data.open_stateid = result.opopen.resok4.stateid;
    if (!nfs_reply_find(&reply, OP_GETFH, &result))
        return "GETFH of the data file failed";
    struct slice handle = result.opgetfh.resok4.object;
    world->data = (struct world_entry){.name = "data",
                                       .type = NF4REG,
                                       .handle_bytes = handle.size_bytes,
                                       .open = true,
                                       .open_stateid = world->data.open_stateid};
    memcpy(world->data.handle, handle.data, handle.size_bytes);
    return NULL;
}

static const char *directory_make(struct world *world, const char *export_path, struct arena *arena)
{
    struct slice top;
    if (rpc_peer_walk(&world->worker, export_path, arena, &top) != NFS4_OK)
        return "the export cannot be reached";
    struct nfs_compound_builder builder;
    nfs_session_start(&world->worker.session, &builder, arena, 4096, 0, true);
    nfs_add_putfh(&builder, top);
    nfs_add_create(&builder, NF4DIR, slice_text(world->directory_name));
    nfs_compound_add(&builder, OP_GETFH, NULL);
    struct nfs_reply reply;
    union nfs4_result result;
    if (rpc_peer_run(&world->worker, &builder, &reply) != NFS4_OK || !nfs_reply_find(&reply, OP_GETFH, &result))
        return "the working directory cannot be made";
    world->directory = arena_copy(&world->lasting, result.opgetfh.resok4.object);
    return data_open(world, arena);
}

const char *world_begin(struct world *world, const struct rpc_servers *servers, const char *export_path, uint64_t seed)
{
    memset(world, 0, sizeof(*world));
    world->random.state = seed;
    nemesis_init(&world->nemesis, -1);
    arena_init(&world->lasting);
    arena_init(&world->scratch);
    /* Names of its own for each run, so that a run can follow another on the same server. */
    unsigned run = (unsigned)getpid();
    snprintf(world->directory_name, sizeof(world->directory_name), "rpc-%u-%llu", run, (unsigned long long)seed);
    const struct nfs_identity identity = {0, 0, "rpc-client"};
    rpc_peer_init_servers(&world->worker, servers, &identity, world_random(world, 0x40000000));
    rpc_peer_init_servers(&world->observer, servers, &identity, world_random(world, 0x40000000));
    char owner[80];
    uint64_t verifier = random_seeded_next(&world->random) ^ run;
    snprintf(owner, sizeof(owner), "worker of %s", world->directory_name);
    if (rpc_peer_login(&world->worker, slice_text(owner), verifier, 16) != NFS4_OK)
        return "the worker gets no session";
    snprintf(owner, sizeof(owner), "observer of %s", world->directory_name);
    if (rpc_peer_login(&world->observer, slice_text(owner), verifier, 4) != NFS4_OK)
        return "the observer gets no session";
    return directory_make(world, export_path, &world->scratch);
}

static void entry_close(struct world *world, struct world_entry *entry)
{
    struct nfs_compound_builder builder;
    nfs_session_start(&world->worker.session, &builder, &world->scratch, 1024, 0, true);
    nfs_add_putfh(&builder, slice_make(entry->handle, entry->handle_bytes));
    union nfs4_args args = {.opclose = {.open_stateid = entry->open_stateid}};
    nfs_compound_add(&builder, OP_CLOSE, &args);
    struct nfs_reply reply;
    (void)rpc_peer_run(&world->worker, &builder, &reply);
}

void world_end(struct world *world)
{
    if (world->directory.size_bytes > 0) {
        entry_close(world, &world->data);
        for (uint32_t i = 0; i < WORLD_ENTRIES_MAX; i++) {
            if (world->entries[i].open)
                entry_close(world, &world->entries[i]);
        }
    }
    if (world->worker.session.slot_count > 0)
        (void)rpc_peer_logout(&world->worker);
    if (world->observer.session.slot_count > 0)
        (void)rpc_peer_logout(&world->observer);
    rpc_peer_fini(&world->worker);
    rpc_peer_fini(&world->observer);
    arena_fini(&world->scratch);
    arena_fini(&world->lasting);
}
