/* rpc_peer.h: a client with a session and one connection at a time, for tests over real sockets. Calls that must simply
 * work: the connection is made again and the same bytes are sent again until there is a reply. */
#ifndef TESTS_SUPPORT_RPC_PEER_H
#define TESTS_SUPPORT_RPC_PEER_H

#include "tests/support/nfs_client.h"
#include "tests/support/rpc_socket.h"

/* How long a server may be away (killed and started again) before a call counts as lost. */
#define RPC_PEER_PATIENCE_MS 60000
/* How long one connection may take with a reply before the call is sent again over another. */
#define RPC_PEER_REPLY_MS 15000

struct rpc_peer {
    struct sockaddr_in address;
    struct rpc_socket socket;
    struct nfs_session session;
};

/* Not connected, no session. */
void rpc_peer_init(struct rpc_peer *peer, const struct sockaddr_in *address, const struct nfs_identity *identity,
                   uint32_t first_xid);
void rpc_peer_fini(struct rpc_peer *peer);

/* Connects if there is no connection, again and again within RPC_PEER_PATIENCE_MS. */
bool rpc_peer_connect(struct rpc_peer *peer);

/* Sends the request and waits for the reply with its xid (late replies to others are dropped); reconnects and resends
 * the same bytes as often as needed. False after RPC_PEER_PATIENCE_MS. */
bool rpc_peer_call(struct rpc_peer *peer, const struct nfs_request *request, struct arena *arena, struct slice *reply);

/* Client id and session. A status other than NFS4_OK, or NFS4ERR_IO when the server does not answer. */
enum nfsstat4 rpc_peer_login(struct rpc_peer *peer, struct slice owner, uint64_t verifier, uint32_t slot_count);

/* Gives session and client id back. */
enum nfsstat4 rpc_peer_logout(struct rpc_peer *peer);

/* Runs a finished compound on slot 0 and moves the slot on; NFS4ERR_IO when the server does not answer. */
enum nfsstat4 rpc_peer_run(struct rpc_peer *peer, struct nfs_compound_builder *builder, struct nfs_reply *reply);

/* The handle of a path from the root, "/data/x"; lives in the arena. */
enum nfsstat4 rpc_peer_walk(struct rpc_peer *peer, const char *path, struct arena *arena, struct slice *handle);

#endif
