/* peer_transport.h: the node's connections to all other members: it listens, calls every one of them on every channel, calls
 * again after a loss, and hands over what comes. Sockets, names and time-outs are in here; what the messages mean is not.
 *
 * A message's life: peer_transport_send puts it into the bounded queue of the connection that this node made to that member;
 * it is dropped if there is none, or if the member is slow (raft bears loss; who forwards a command keeps it until it is
 * applied). At the other side it comes out of `frame`, if that connection is still the latest one.
 *
 * Everything, handlers included, runs in the thread of the loop that it was given. */
#ifndef CLUSTER_PEER_TRANSPORT_H
#define CLUSTER_PEER_TRANSPORT_H

#include "base/log.h"
#include "cluster/endpoint.h"
#include "cluster/peer_link.h"
#include "cluster/peer_tls.h"

/* One connection's end, or that it never came about. */
struct peer_end {
    enum peer_channel channel;
    bool called;                    /* by this node */
    bool was_open;                  /* `opened` was called for it */
    enum peer_reason reason;        /* NONE: lost, or never reached */
    bool told;                      /* the reason is the other side's, about us */
    const char *text;               /* to be put behind the member's name */
    const char *host;               /* that was called, or the address that calls */
    const struct peer_hello *hello; /* of the other side; NULL: none came */
};

/* All are called in the loop's thread. They may send, and nothing else of the transport. */
struct peer_handler {
    void *context;
    /* A connection is there. `called`: this node may send to the member on that channel; else it will hear from it. */
    void (*opened)(void *context, const struct peer_endpoint *peer, const struct peer_hello *hello, bool called);
    /* Came over the member's latest connection. The message and its data live until the handler returns. */
    void (*frame)(void *context, const struct peer_endpoint *peer, const struct peer_hello *hello,
                  const struct peer_frame *frame);
    /* Somebody without a cluster wants to join (hello->join, advertise; its certificate covers that host), and waits for
     * peer_transport_answer, at most PEER_GREETING_TIMEOUT_MS. NULL: nobody can join here. */
    void (*joins)(void *context, const struct peer_hello *hello);
    /* peer is NULL for somebody who is no member. */
    void (*closed)(void *context, const struct peer_endpoint *peer, const struct peer_end *end);
};

struct peer_transport_options {
    struct uv_loop_s *loop;       /* the caller's */
    struct peer_tls_context *tls; /* the caller's; outlives the transport */
    const struct log *log;        /* NULL: silent */
    struct peer_handler handler;  /* copied */
    struct peer_hello self;       /* node, incarnation (never 0), cluster, feature level */
    uint32_t feature_level_min;
};

struct peer_transport;

struct peer_transport *peer_transport_create(const struct peer_transport_options *options);

/* Begins to accept on a numeric address of either family. STATUS_IO: `trouble` says why. */
MUST_CHECK enum status peer_transport_listen(struct peer_transport *transport, const char *address, uint16_t port,
                                             struct span trouble);

/* Whom to call, and who may call: all members but this node, at most CLUSTER_MEMBERS_MAX. Connections to others end, those to
 * an unchanged endpoint stay. */
void peer_transport_members(struct peer_transport *transport, const struct peer_endpoint *members, uint32_t count);

/* Who this node is from now on: it joined a cluster, or the cluster's feature level rose. All connections are made anew. */
void peer_transport_identify(struct peer_transport *transport, const struct peer_hello *self,
                             uint32_t feature_level_min);

/* STATUS_NOT_FOUND: no such member; STATUS_REFUSED: no connection at the moment; STATUS_FULL: it is slow. In all three the
 * message is dropped. */
MUST_CHECK enum status peer_transport_send(struct peer_transport *transport, uint64_t node, enum peer_channel channel,
                                           const Qnfs__Peer *message, const struct slice *data, size_t data_count);

/* The same to a member without an id yet. */
MUST_CHECK enum status peer_transport_send_to(struct peer_transport *transport, const struct peer_endpoint *endpoint,
                                              enum peer_channel channel, const Qnfs__Peer *message);

/* Answers all who wait with this nonce to join, if there still are any. */
void peer_transport_answer(struct peer_transport *transport, uint64_t join, const Qnfs__Peer *message);

/* Nodes that were members and are none any more: whoever calls as one of them is told so. Copied; at most
 * CLUSTER_NODES_EVER_MAX. */
void peer_transport_removed(struct peer_transport *transport, const uint64_t *nodes, size_t count);

/* Bytes that wait to be sent to a member, for status pages and for whoever paces bulk data; 0 without a connection. */
size_t peer_transport_waiting(const struct peer_transport *transport, uint64_t node, enum peer_channel channel);

/* Tells everyone that this node is leaving and closes everything; no handler is called any more. The loop must run on until
 * peer_transport_closed; it has nothing of the transport's left then. */
void peer_transport_close(struct peer_transport *transport);
bool peer_transport_closed(const struct peer_transport *transport);
void peer_transport_destroy(struct peer_transport *transport);

#endif
