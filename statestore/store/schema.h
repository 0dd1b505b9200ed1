/* schema.h: the first byte of every key: which row it is. A byte is never given to another row (0x15 was one); docs/formats/keys.md
 * shows what follows it. Everything lies in one ordered map, so the rows of one kind lie together. */
#ifndef STATESTORE_STORE_SCHEMA_H
#define STATESTORE_STORE_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* X(NAME, byte, "row name") in the order of the bytes. */
#define SCHEMA_ROWS(X)                                                                                                 \
    X(META, 0x01, "meta")                           /* applied position, command number, chain hash, MAC key ... */    \
    X(SETTINGS, 0x02, "settings")                   /* by name */                                                      \
    X(EXPORT, 0x03, "export")                       /* by path */                                                      \
    X(NODE, 0x04, "node")                           /* by node id */                                                   \
    X(INCARNATION, 0x05, "incarnation")             /* by incarnation id */                                            \
    X(NODE_REQUEST, 0x06, "node-request")           /* results of nodes' own requests */                               \
    X(VOLUME, 0x07, "volume")                       /* by volume id */                                                 \
    X(SPACE, 0x08, "space")                         /* by node id: the free space that it reported */                  \
    X(NODE_STREAM, 0x09, "node-stream")             /* incarnation, stream: low-water mark of its requests */          \
    X(INODE, 0x10, "inode")                         /* volume, inode */                                                \
    X(DIRENT, 0x11, "dirent")                       /* volume, directory, name */                                      \
    X(COOKIE, 0x12, "cookie")                       /* volume, directory, cookie */                                    \
    X(EXTENT, 0x13, "extent")                       /* volume, inode, end offset */                                    \
    X(BLOCK, 0x14, "block")                         /* block id */                                                     \
    X(INODE_DEAD, 0x16, "inode-dead")               /* what Purge has to free */                                       \
    X(CLIENT, 0x20, "client")                       /* client id */                                                    \
    X(CLIENT_BY_OWNER, 0x21, "client-by-owner")     /* identity, owner */                                              \
    X(SESSION, 0x22, "session")                     /* session id */                                                   \
    X(SESSION_BY_CLIENT, 0x23, "session-by-client") /* client id, session id */                                        \
    X(SLOT, 0x24, "slot")                           /* session id, slot */                                             \
    X(CLIENT_LEASE, 0x25, "client-lease")           /* end of lease, client id */                                      \
    X(STATEID, 0x30, "stateid")                     /* `other` */                                                      \
    X(OPEN_BY_FILE, 0x31, "open-by-file")           /* volume, inode, stateid */                                       \
    X(OPEN_BY_OWNER, 0x32, "open-by-owner")         /* client, owner, file */                                          \
    X(STATEID_BY_CLIENT, 0x33, "stateid-by-client") /* client id, stateid */                                           \
    X(LOCK, 0x34, "lock")                           /* volume, inode, offset ... */                                    \
    X(LOCK_OWNER, 0x35, "lock-owner")               /* client, owner, file */                                          \
    X(ADDRESS, 0x40, "address")                     /* floating addresses */                                           \
    X(GRACE, 0x41, "grace")                         /* reclaim records of a grace epoch */                             \
    X(DELEGATION, 0x42, "delegation")               /* volume, inode, client */                                        \
    X(ADDRESS_TROUBLE, 0x4f, "address-trouble")     /* address, incarnation: why it cannot have it */                  \
    X(NODE_LOCAL, 0xf0, "node-local")               /* true on this node only: stays out of the chain hash */

enum schema_row {
#define SCHEMA_ENUMERATOR(name, byte, text) SCHEMA_##name = (byte),
    SCHEMA_ROWS(SCHEMA_ENUMERATOR)
#undef SCHEMA_ENUMERATOR
};

/* The row's name for `qnfsctl check`, tests and log lines; "unknown" for a byte that is none. Pure. */
static inline const char *schema_row_name(uint8_t prefix)
{
    switch (prefix) {
#define SCHEMA_NAME(name, byte, text)                                                                                  \
    case (byte): return text;
        SCHEMA_ROWS(SCHEMA_NAME)
#undef SCHEMA_NAME
    default: return "unknown";
    }
}

/* Whether the key's row is the same on all nodes: part of the chain hash and of a comparison of states. Pure. */
static inline bool schema_is_replicated(struct slice key)
{
    return key.size_bytes > 0 && key.data[0] < SCHEMA_NODE_LOCAL;
}

#endif
