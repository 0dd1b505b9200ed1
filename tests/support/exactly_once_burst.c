#include "tests/support/exactly_once_world.h"

#include "base/check.h"

#define BURST_MAX 12u

/* One of the requests: a directory with a new name. */
struct burst_request {
    struct nfs_request request;
    uint32_t slot;
    char name[WORLD_NAME_BYTES];
    struct slice reply; /* empty: not yet there */
    struct change_info4 change;
};

struct burst {
    struct world *world;
    uint32_t count;
    struct burst_request requests[BURST_MAX];
    struct slice together; /* the bytes of all requests */
};

static void burst_build(struct burst *burst)
{
    struct world *world = burst->world;
    size_t total_bytes = 0;
    for (uint32_t i = 0; i < burst->count; i++) {
        struct burst_request *one = &burst->requests[i];
        struct nfs_compound_builder builder;
        one->slot = i;
        world_name_make(world, one->name);
        nfs_session_start(&world->worker.session, &builder, &world->scratch, 2048, one->slot,
                          world_random(world, 2) == 0);
        nfs_add_putfh(&builder, world->directory);
        nfs_add_create(&builder, NF4DIR, slice_text(one->name));
        nfs_compound_add(&builder, OP_GETFH, NULL);
        one->request = nfs_compound_finish(&builder);
        total_bytes += one->request.record.size_bytes;
    }
    uint8_t *bytes = arena_alloc(&world->scratch, total_bytes);
    burst->together = slice_make(bytes, total_bytes);
    for (uint32_t i = 0; i < burst->count; i++) {
        memcpy(bytes, burst->requests[i].request.record.data, burst->requests[i].request.record.size_bytes);
        bytes += burst->requests[i].request.record.size_bytes;
    }
}

/* Sends all and loses all the replies, or those that come after the first few. */
static const char *burst_lose(struct burst *burst)
{
    struct rpc_peer *worker = &burst->world->worker;
    world_move(burst->world, worker);
    if (!rpc_peer_connect(worker))
        return "the server cannot be reached";
    (void)rpc_socket_send(&worker->socket, burst->together, RPC_PEER_REPLY_MS);
    for (uint32_t i = world_random(burst->world, burst->count); i > 0; i--) {
        struct slice ignored;
        if (rpc_socket_receive(&worker->socket, &burst->world->scratch, &ignored, rpc_peer_reply_ms(worker)) !=
            RPC_IO_OK)
            break;
    }
    bool killed = world_maybe_kill(burst->world);
    rpc_socket_close(&worker->socket);
    return killed ? NULL : "the kill command failed";
}

/* The request that a reply belongs to; NULL: to none. */
static struct burst_request *burst_owner(struct burst *burst, struct slice reply)
{
    uint32_t xid = 0;
    struct xdr x = xdr_decoder(reply, NULL);
    (void)xdr_uint32(&x, &xid);
    for (uint32_t i = 0; i < burst->count; i++) {
        if (burst->requests[i].request.xid == xid)
            return &burst->requests[i];
    }
    return NULL;
}

/* Sends all again over a new connection until each has its reply; replies that are known already must be equal. */
static const char *burst_again(struct burst *burst)
{
    struct rpc_peer *worker = &burst->world->worker;
    uint64_t deadline_ms = test_now_ms() + RPC_PEER_PATIENCE_MS;
    while (test_now_ms() < deadline_ms) {
        rpc_socket_close(&worker->socket);
        world_move(burst->world, worker);
        if (!rpc_peer_connect(worker))
            return "the server cannot be reached";
        enum rpc_io outcome = rpc_socket_send(&worker->socket, burst->together, RPC_PEER_REPLY_MS);
        uint32_t missing = burst->count;
        while (outcome == RPC_IO_OK && missing > 0) {
            struct slice reply = SLICE_EMPTY;
            outcome = rpc_socket_receive(&worker->socket, &burst->world->scratch, &reply, rpc_peer_reply_ms(worker));
            struct burst_request *one = outcome == RPC_IO_OK ? burst_owner(burst, reply) : NULL;
            if (one == NULL)
                continue;
            missing--;
            if (one->reply.size_bytes > 0 && !slice_equal(one->reply, reply))
                return "a reply differs from an earlier one to the same request";
            one->reply = reply;
        }
        if (missing == 0)
            return NULL;
    }
    return "no reply";
}

static const char *burst_accept(struct burst *burst)
{
    for (uint32_t i = 0; i < burst->count; i++) {
        struct burst_request *one = &burst->requests[i];
        struct nfs_reply reply;
        union nfs4_result created;
        union nfs4_result handle;
        if (!nfs_reply_open(&reply, one->reply, &burst->world->scratch) || reply.head.status != NFS4_OK ||
            !nfs_reply_find(&reply, OP_CREATE, &created) || !nfs_reply_find(&reply, OP_GETFH, &handle))
            return nfsstat4_name(nfs_reply_status(one->reply, &burst->world->scratch));
        one->change = created.opcreate.resok4.cinfo;
        struct world_entry *entry = world_entry_unused(burst->world);
        CHECK(entry != NULL);
        world_entry_set(entry, one->name, NF4DIR, handle.opgetfh.resok4.object);
    }
    return NULL;
}

/* Each change must begin where another one ended: two commands in one log entry have different numbers. */
static const char *burst_chain(const struct burst *burst, uint64_t before, uint64_t after)
{
    uint64_t at = before;
    for (uint32_t links = 0; links < burst->count; links++) {
        const struct change_info4 *next = NULL;
        for (uint32_t i = 0; i < burst->count; i++) {
            if (burst->requests[i].change.before == at)
                next = &burst->requests[i].change;
        }
        if (next == NULL || next->after <= at || !next->atomic)
            return "the change infos are no chain";
        at = next->after;
    }
    return at == after ? NULL : "the chain of change infos does not end at what the observer sees";
}

const char *world_burst(struct world *world)
{
    struct burst *burst = arena_alloc_zeroed(&world->scratch, sizeof(*burst));
    burst->world = world;
    uint32_t free_entries = 0;
    for (uint32_t i = 0; i < WORLD_ENTRIES_MAX; i++)
        free_entries += world->entries[i].name[0] == '\0';
    burst->count = 2 + world_random(world, BURST_MAX - 1);
    if (burst->count > world->worker.session.slot_count)
        burst->count = world->worker.session.slot_count;
    if (burst->count > free_entries)
        burst->count = free_entries;
    if (burst->count == 0)
        return NULL;

    struct world_snapshot before;
    struct world_snapshot after;
    struct world_snapshot last;
    if (!world_look(world, &world->scratch, &before))
        return "the observer gets no answer";
    burst_build(burst);
    const char *wrong = burst_lose(burst);
    if (wrong == NULL)
        wrong = burst_again(burst);
    if (wrong == NULL && !world_look(world, &world->scratch, &after))
        wrong = "the observer gets no answer";
    if (wrong == NULL)
        wrong = burst_accept(burst);
    if (wrong == NULL)
        wrong = burst_chain(burst, before.directory_change, after.directory_change);
    if (wrong == NULL)
        wrong = world_compare(world, &after);
    if (wrong == NULL)
        wrong = burst_lose(burst);
    if (wrong == NULL)
        wrong = burst_again(burst);
    if (wrong == NULL && !world_look(world, &world->scratch, &last))
        wrong = "the observer gets no answer";
    if (wrong == NULL && !slice_equal(after.bytes, last.bytes))
        wrong = "executed once more by a resend";
    for (uint32_t i = 0; i < burst->count; i++)
        nfs_session_done(&world->worker.session, burst->requests[i].slot);
    return wrong;
}
