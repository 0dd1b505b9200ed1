/* state_folder.h: a data directory with a real state: RocksDB and block files, filled by the machine through a scene, with an
 * applier over them whose last entry was a configuration. For tests of copies of the state. */
#ifndef TESTS_SUPPORT_STATE_FOLDER_H
#define TESTS_SUPPORT_STATE_FOLDER_H

#include "blockstore/block.h"
#include "cluster/data_directory.h"
#include "server/daemon/applier_thread.h"

struct state_folder {
    char path[128];
    struct disk disk;
    struct node_identity identity;
    struct log log;
    struct kv_store *store; /* NULL: closed */
    struct block_store *blocks;
    struct published published;
    struct applier applier;
};

/* A prepared directory under /tmp with the node's file, nothing opened. */
void state_folder_init(struct state_folder *folder, uint64_t node);
/* Closes it and removes the directory. */
void state_folder_fini(struct state_folder *folder);

/* Opens state and blocks, and the applier over them. */
void state_folder_open(struct state_folder *folder);
void state_folder_close(struct state_folder *folder);

/* Fills an opened empty one: `files` files, every other one with a block, some blocks garbage. */
void state_folder_fill(struct state_folder *folder, unsigned files);

/* Fails the test unless both hold the same rows and the same blocks, all sound; both are opened. */
void state_folder_compare(struct state_folder *a, struct state_folder *b);

#endif
