/* rpc_peer.h: a client with a session and one connection at a time, for tests over real sockets. Calls that must simply
 * work: the connection is made again and the same bytes are sent again until there is a reply. Where it knows several
 * servers (the nodes of one cluster), it goes on to the next one when the present one does not accept or answer; its
 * session is valid on all of them. */
#ifndef TESTS_SUPPORT_RPC_PEER_H
#define TESTS_SUPPORT_RPC_PEER_H

#include "tests/support/nfs_client.h"
#include "tests/support/rpc_socket.h"

/* How long a server may be away (killed and started again) before a call counts as lost. */
#define RPC_PEER_PATIENCE_MS 60000
/* How long one connection may take with a reply before the call is sent again over another; and with several servers,
 * where it is sent to the next of them. */
#define RPC_PEER_REPLY_MS 15000
#define RPC_PEER_MOVE_MS 1000

#define RPC_SERVERS_MAX 8u

/* The nodes of a cluster. */
struct rpc_servers {
    struct sockaddr_in addresses[RPC_SERVERS_MAX];
    uint32_t count;
};

/* Adds the addresses of "HOST:PORT[,HOST:PORT...]"; false if the text is wrong or there are too many. */
bool rpc_servers_parse(const char *text, struct rpc_servers *servers);

struct rpc_peer {
    struct rpc_servers servers;
    uint32_t current; /* index of the server that it speaks to */
    struct rpc_socket socket;
    struct nfs_session session;
};

/* Not connected, no session. */
void rpc_peer_init(struct rpc_peer *peer, const struct sockaddr_in *address, const struct nfs_identity *identity,
                   uint32_t first_xid);
void rpc_peer_init_servers(struct rpc_peer *peer, const struct rpc_servers *servers,
                           const struct nfs_identity *identity, uint32_t first_xid);
void rpc_peer_fini(struct rpc_peer *peer);

/* Speaks to that server from now on; the connection to another is closed. */
void rpc_peer_move(struct rpc_peer *peer, uint32_t server);

/* How long a reply may take on one connection. */
int rpc_peer_reply_ms(const struct rpc_peer *peer);

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
