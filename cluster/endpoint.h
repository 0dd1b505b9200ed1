/* endpoint.h: where a node is reached by the others: a host and a port, written HOST:PORT, an IPv6 address as
 * [ADDRESS]:PORT. Pure. */
#ifndef CLUSTER_ENDPOINT_H
#define CLUSTER_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/slice.h"
#include "base/status.h"

#define PEER_HOST_MAX_BYTES 255u
/* The longest text, with its end: brackets, colon, five digits. */
#define ENDPOINT_TEXT_BYTES (PEER_HOST_MAX_BYTES + 9u)

/* A member, or (node 0) one whose id is not known yet: known by host and port, until a cluster is made. */
struct peer_endpoint {
    uint64_t node;
    char host[PEER_HOST_MAX_BYTES + 1]; /* a DNS name, looked up at each call, or an address */
    uint16_t port;
};

/* Several of them: the members of a cluster, or those who shall be. */
struct endpoint_list {
    uint32_t count;
    struct peer_endpoint items[CLUSTER_MEMBERS_MAX];
};

struct endpoint_text {
    char text[ENDPOINT_TEXT_BYTES];
};

/* Reads HOST:PORT; the host in small letters, the node 0. STATUS_BAD_DATA: it is none; STATUS_TOO_LARGE: the host's name is
 * too long. */
MUST_CHECK enum status endpoint_parse(struct slice text, struct peer_endpoint *endpoint);

/* The same of a host and a port that stand apart; the host of an IPv6 address without brackets. */
MUST_CHECK enum status endpoint_make(const char *host, uint16_t port, struct peer_endpoint *endpoint);

/* HOST:PORT. */
struct endpoint_text endpoint_print(const struct peer_endpoint *endpoint);

/* By host, then by port; the node does not count. */
int endpoint_compare(const struct peer_endpoint *a, const struct peer_endpoint *b);

/* False: it is full. */
bool endpoint_list_add(struct endpoint_list *list, const struct peer_endpoint *endpoint);

/* By endpoint_compare. */
void endpoint_list_sort(struct endpoint_list *list);

/* Its position, or -1. */
int endpoint_list_find(const struct endpoint_list *list, const struct peer_endpoint *endpoint);

/* The same hosts and ports in the same order, whatever their nodes. */
bool endpoint_list_equal(const struct endpoint_list *a, const struct endpoint_list *b);

/* The same, with their nodes. */
bool endpoint_list_same(const struct endpoint_list *a, const struct endpoint_list *b);

/* A,B,C into the room, cut where it ends; always with an end. */
void endpoint_list_print(const struct endpoint_list *list, struct span room);

#endif
