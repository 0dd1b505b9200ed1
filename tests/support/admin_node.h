/* admin_node.h: an admin door over HTTP with a node behind it that is the machine over a memory store: for tests of the
 * door and of qnfsctl. */
#ifndef TESTS_SUPPORT_ADMIN_NODE_H
#define TESTS_SUPPORT_ADMIN_NODE_H

#include "server/daemon/admin.h"
#include "tests/support/files.h"

#define ADMIN_NODE_UPTIME_MS 5000u
#define ADMIN_NODE_INCARNATION 77u
#define ADMIN_NODE_LOOPS 2u

struct admin_node {
    struct files files;
    struct published published;
    struct admin_ports ports;
    struct log log;
    struct admin *admin;
    struct config_address address; /* on 127.0.0.1 */
    struct admin_node_status status;
    enum status execute_status; /* not OK: the node does not answer */
    struct admin_member members[4];
    size_t member_count;
    uint64_t transfer_to; /* of the last `leader transfer` */
    uint32_t transferred; /* how many there were */
};

/* Serves on a free port; fails the test if it cannot. */
void admin_node_init(struct admin_node *node);
void admin_node_fini(struct admin_node *node);

/* A client with a session on this node. */
uint64_t admin_node_client(struct admin_node *node, const char *owner);

/* The client's owner "me\1\\" opens the file for both, its lock owner "locker" locks a range from byte 100 on. */
void admin_node_hold(struct admin_node *node, uint64_t client, struct file_id file, uint64_t length);

#endif
