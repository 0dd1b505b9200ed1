#include "tests/support/rpc_peer.h"

#include "base/check.h"

bool rpc_servers_parse(const char *text, struct rpc_servers *servers)
{
    char one[96];
    for (;;) {
        size_t size = strcspn(text, ",");
        if (size >= sizeof(one) || servers->count == RPC_SERVERS_MAX)
            return false;
        memcpy(one, text, size);
        one[size] = '\0';
        if (!rpc_address_parse(one, &servers->addresses[servers->count]))
            return false;
        servers->count++;
        if (text[size] == '\0')
            return true;
        text += size + 1;
    }
}

void rpc_peer_init(struct rpc_peer *peer, const struct sockaddr_in *address, const struct nfs_identity *identity,
                   uint32_t first_xid)
{
    const struct rpc_servers one = {.addresses = {*address}, .count = 1};
    rpc_peer_init_servers(peer, &one, identity, first_xid);
}

void rpc_peer_init_servers(struct rpc_peer *peer, const struct rpc_servers *servers,
                           const struct nfs_identity *identity, uint32_t first_xid)
{
    CHECK(servers->count > 0 && servers->count <= RPC_SERVERS_MAX);
    peer->servers = *servers;
    peer->current = 0;
    rpc_socket_init(&peer->socket);
    nfs_session_init(&peer->session, identity, first_xid);
}

void rpc_peer_fini(struct rpc_peer *peer)
{
    rpc_socket_close(&peer->socket);
}

void rpc_peer_move(struct rpc_peer *peer, uint32_t server)
{
    CHECK(server < peer->servers.count);
    if (server != peer->current)
        rpc_socket_close(&peer->socket);
    peer->current = server;
}

int rpc_peer_reply_ms(const struct rpc_peer *peer)
{
    return peer->servers.count > 1 ? RPC_PEER_MOVE_MS : RPC_PEER_REPLY_MS;
}

/* On to the next server, if there is one. */
static void peer_move_on(struct rpc_peer *peer)
{
    rpc_peer_move(peer, (peer->current + 1) % peer->servers.count);
}

bool rpc_peer_connect(struct rpc_peer *peer)
{
    uint64_t deadline_ms = test_now_ms() + RPC_PEER_PATIENCE_MS;
    while (peer->socket.descriptor < 0) {
        int timeout_ms = peer->servers.count > 1 ? RPC_PEER_MOVE_MS : 5000;
        if (rpc_socket_connect(&peer->socket, &peer->servers.addresses[peer->current], timeout_ms) == RPC_IO_OK)
            return true;
        if (test_now_ms() >= deadline_ms)
            return false;
        test_sleep_us(20000);
        peer_move_on(peer);
    }
    return true;
}

static uint32_t record_xid(struct slice record)
{
    uint32_t xid = 0;
    struct xdr x = xdr_decoder(record, NULL);
    return xdr_uint32(&x, &xid) ? xid : 0;
}

bool rpc_peer_call(struct rpc_peer *peer, const struct nfs_request *request, struct arena *arena, struct slice *reply)
{
    uint64_t deadline_ms = test_now_ms() + RPC_PEER_PATIENCE_MS;
    while (test_now_ms() < deadline_ms) {
        if (!rpc_peer_connect(peer))
            return false;
        struct slice bytes = slice_make(request->record.data, request->record.size_bytes);
        enum rpc_io outcome = rpc_socket_send(&peer->socket, bytes, rpc_peer_reply_ms(peer));
        while (outcome == RPC_IO_OK) {
            outcome = rpc_socket_receive(&peer->socket, arena, reply, rpc_peer_reply_ms(peer));
            if (outcome == RPC_IO_OK && record_xid(*reply) == request->xid)
                return true;
        }
        rpc_socket_close(&peer->socket);
        peer_move_on(peer);
        test_sleep_us(5000);
    }
    return false;
}

enum nfsstat4 rpc_peer_login(struct rpc_peer *peer, struct slice owner, uint64_t verifier, uint32_t slot_count)
{
    struct arena arena;
    arena_init(&arena);
    struct verifier4 boot;
    memcpy(boot.data, &verifier, sizeof(boot.data));
    struct slice reply;
    enum nfsstat4 status = NFS4ERR_IO;
    struct nfs_request request = nfs_session_exchange_id(&peer->session, &arena, owner, &boot);
    if (rpc_peer_call(peer, &request, &arena, &reply))
        status = nfs_session_exchanged(&peer->session, reply, &arena);
    if (status == NFS4_OK) {
        request = nfs_session_create(&peer->session, &arena, slot_count);
        status = rpc_peer_call(peer, &request, &arena, &reply) ? nfs_session_created(&peer->session, reply, &arena)
                                                               : NFS4ERR_IO;
    }
    if (status == NFS4_OK) {
        union nfs4_args args = {.opreclaim_complete = {false}};
        struct nfs_compound_builder builder;
        struct nfs_reply complete;
        nfs_session_start(&peer->session, &builder, &arena, 1024, 0, false);
        nfs_compound_add(&builder, OP_RECLAIM_COMPLETE, &args);
        status = rpc_peer_run(peer, &builder, &complete);
        if (status == NFS4ERR_COMPLETE_ALREADY)
            status = NFS4_OK;
    }
    arena_fini(&arena);
    return status;
}

/* DESTROY_SESSION over a connection of that session (RFC 8881 section 18.37.3): SEQUENCE makes the present one it. */
static enum nfsstat4 session_destroy(struct rpc_peer *peer, struct arena *arena)
{
    struct nfs_compound_builder builder;
    struct nfs_reply reply;
    nfs_session_start(&peer->session, &builder, arena, 1024, 0, false);
    enum nfsstat4 status = rpc_peer_run(peer, &builder, &reply);
    if (status != NFS4_OK)
        return status;
    struct slice record;
    struct nfs_request request = nfs_session_destroy(&peer->session, arena);
    return rpc_peer_call(peer, &request, arena, &record) ? nfs_reply_status(record, arena) : NFS4ERR_IO;
}

enum nfsstat4 rpc_peer_logout(struct rpc_peer *peer)
{
    struct arena arena;
    arena_init(&arena);
    enum nfsstat4 status = session_destroy(peer, &arena);
    if (status == NFS4_OK) {
        struct slice record;
        struct nfs_request request = nfs_session_destroy_client(&peer->session, &arena);
        status = rpc_peer_call(peer, &request, &arena, &record) ? nfs_reply_status(record, &arena) : NFS4ERR_IO;
    }
    arena_fini(&arena);
    return status;
}

enum nfsstat4 rpc_peer_run(struct rpc_peer *peer, struct nfs_compound_builder *builder, struct nfs_reply *reply)
{
    struct nfs_request request = nfs_compound_finish(builder);
    struct slice record;
    if (!rpc_peer_call(peer, &request, builder->arena, &record))
        return NFS4ERR_IO;
    if (!nfs_reply_open(reply, record, builder->arena))
        return NFS4ERR_BADXDR;
    nfs_session_done(&peer->session, 0);
    return reply->head.status;
}

enum nfsstat4 rpc_peer_walk(struct rpc_peer *peer, const char *path, struct arena *arena, struct slice *handle)
{
    struct nfs_compound_builder builder;
    nfs_session_start(&peer->session, &builder, arena, 4096, 0, false);
    nfs_compound_add(&builder, OP_PUTROOTFH, NULL);
    while (*path != '\0') {
        path += strspn(path, "/");
        size_t name_bytes = strcspn(path, "/");
        if (name_bytes > 0)
            nfs_add_lookup(&builder, slice_make(path, name_bytes));
        path += name_bytes;
    }
    nfs_compound_add(&builder, OP_GETFH, NULL);
    struct nfs_reply reply;
    enum nfsstat4 status = rpc_peer_run(peer, &builder, &reply);
    union nfs4_result result;
    if (status == NFS4_OK) {
        if (!nfs_reply_find(&reply, OP_GETFH, &result))
            return NFS4ERR_BADXDR;
        *handle = result.opgetfh.resok4.object;
    }
    return status;
}
