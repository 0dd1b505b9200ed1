/* id.h: the identities of the state, each a type of its own so that none is mistaken for another. */
#ifndef STATESTORE_MACHINE_ID_H
#define STATESTORE_MACHINE_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/block_id.h"

struct volume_id {
    uint32_t value; /* 0: the pseudo file system that joins the exports */
};
struct inode_id {
    uint64_t value; /* the command number that made it; 1 is a volume's root */
};
struct client_id {
    uint64_t value; /* the command number of its EXCHANGE_ID */
};
struct session_id {
    uint8_t bytes[16]; /* 8 bytes command number, 8 bytes keyed MAC */
};
struct incarnation_id {
    uint64_t value; /* the command number of its registration; 0: none */
};

/* One file, as a handle names it: a reused inode number does not exist, but a restored state may know less. */
struct file_id {
    struct volume_id volume;
    struct inode_id inode;
    uint32_t generation;
};

/* RFC 8881 section 8.2; `other` is 4 bytes server epoch, 8 bytes command number. */
struct stateid {
    uint32_t seqid;
    uint8_t other[12];
};

#define INODE_ROOT ((struct inode_id){1})
#define VOLUME_PSEUDO ((struct volume_id){0})

static inline bool file_id_equal(struct file_id a, struct file_id b)
{
    return a.volume.value == b.volume.value && a.inode.value == b.inode.value && a.generation == b.generation;
}

static inline bool session_id_equal(struct session_id a, struct session_id b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

#endif
